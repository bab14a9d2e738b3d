//! The only way from the file shape to [`Config`]: checks what keys mean together and fills in what follows.
//!
//! Types and units were checked by `read.rs`. Each check here notes its mistake and goes on; what is built from a value
//! that was refused is never used, since [`super::load`] returns a `Config` only where there is no mistake at all.

mod alerts;
mod listeners;
mod node_url;
mod nodes;
mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proxy_core::limits::ConnectionLimits;
use proxy_core::secret::Secret;
use proxy_core::session::migration::MigrationLimits;
use proxy_core::tenant::MAX_PASSWORD;

use super::file;
use super::mistake::{Mistake, Origin, write_located};
use super::read::Understood;
use super::value::{Period, Secret as Written};
use super::{Config, Health, Log, Requests, Rotation, Sessions};

/// Checks everything; the `Config` is meaningful only if there are no mistakes.
pub(crate) fn validate(understood: Understood, path: Option<&Path>, base: &Path) -> (Config, Vec<Mistake>) {
    let Understood {
        file,
        origins,
        refused,
        mistakes,
        warnings,
    } = understood;
    let mut check = Check {
        origins,
        refused,
        mistakes,
        warnings,
        base: base.to_owned(),
    };
    let nodes = check.nodes(&file.nodes);
    let tenants = check.tenants(&file);
    let mut config = Config {
        server: check.server(&file.server),
        admin: check.admin(&file.admin),
        store: check.store(&file.store),
        sessions: check.sessions(&file.sessions),
        health: check.health(&file.health),
        requests: check.requests(&file.requests),
        limits: limits(&file.limits),
        levels: check.levels(&file.usage),
        alerts: check.alerts(&file),
        log: check.log(&file.log),
        status: check.status(&file.status),
        tenants,
        nodes,
        // Secrets write themselves as `***`.
        shown: serde_json::to_value(&file).unwrap_or_default(),
        warnings: Vec::new(),
    };
    check.discord(&file.discord);
    check.listeners_differ(&file);
    config.warnings = check.warnings.iter().map(|warning| located(path, warning)).collect();
    (config, check.mistakes)
}

fn located(path: Option<&Path>, mistake: &Mistake) -> String {
    let mut text = String::new();
    write_located(&mut text, path, mistake).expect("writing to a String does not fail");
    text
}

struct Check {
    origins: BTreeMap<String, Origin>,
    refused: BTreeSet<String>,
    mistakes: Vec<Mistake>,
    warnings: Vec<Mistake>,
    /// The folder that paths are relative to.
    base: PathBuf,
}

impl Check {
    fn wrong(&mut self, key: &str, message: impl Into<String>) {
        // Whoever made a mistake in the value itself need not hear that it is missing too.
        if !self.refused.contains(key) {
            self.mistakes.push(Mistake {
                origin: self.origin(key),
                key: key.to_owned(),
                message: message.into(),
            });
        }
    }

    fn warn(&mut self, key: &str, message: impl Into<String>) {
        self.warnings.push(Mistake {
            origin: self.origin(key),
            key: key.to_owned(),
            message: message.into(),
        });
    }

    /// Where a key was written, or the section that should have had it.
    fn origin(&self, key: &str) -> Origin {
        let mut key = key;
        loop {
            if let Some(origin) = self.origins.get(key) {
                return origin.clone();
            }
            match key.rfind(['.', '[']) {
                Some(end) => key = &key[..end],
                None => return Origin::Nowhere,
            }
        }
    }

    fn path(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }

    /// The path of a file that must be readable.
    fn existing(&mut self, key: &str, path: &Path) -> PathBuf {
        let path = self.path(path);
        if let Err(error) = std::fs::File::open(&path) {
            self.wrong(
                key,
                format!("expected a readable file, {} is not: {error}", path.display()),
            );
        }
        path
    }

    /// A time that must not be zero.
    fn period(&mut self, key: &str, period: Period) -> std::time::Duration {
        if period.0.is_zero() {
            self.wrong(key, "expected a time above zero");
        }
        period.0
    }

    /// A size with a lower bound, below which nothing works.
    fn at_least(&mut self, key: &str, value: usize, least: usize) -> usize {
        if value < least {
            self.wrong(key, format!("expected at least {}", super::value::Size(least)));
        }
        value
    }

    /// The secret from its key or its file.
    fn secret(&mut self, section: &str, written: Option<&Written>, file: Option<&Path>) -> Option<Secret> {
        self.secret_of(&format!("{section}.password"), written, file)
    }

    /// The secret from a key, or from the key with `_file` behind it.
    fn secret_of(&mut self, key: &str, written: Option<&Written>, file: Option<&Path>) -> Option<Secret> {
        let (key, file_key) = (key.to_owned(), format!("{key}_file"));
        if written.is_some() && file.is_some() {
            let name = file_key.rsplit('.').next().unwrap_or_default();
            self.warn(&key, format!("is not used, since {name} is set too"));
        }
        let (key, secret) = match (file, written) {
            (Some(file), _) => (file_key.clone(), self.secret_file(&file_key, file)?),
            (None, Some(written)) => (key, Secret::new(written.expose())),
            (None, None) => return None,
        };
        if secret.is_empty() {
            self.wrong(&key, "expected a password, it is empty");
        } else if secret.expose().len() > MAX_PASSWORD {
            self.wrong(&key, format!("expected at most {MAX_PASSWORD} bytes"));
        } else if secret.expose().chars().any(char::is_control) {
            self.wrong(&key, "expected no control characters: it is sent as an HTTP header");
        }
        Some(secret)
    }

    /// Editors end a file with a line break, which is no part of the secret.
    fn secret_file(&mut self, key: &str, file: &Path) -> Option<Secret> {
        let path = self.path(file);
        match std::fs::read_to_string(&path) {
            Ok(text) => Some(Secret::new(text.trim_end_matches(['\r', '\n']))),
            Err(error) => {
                self.wrong(
                    key,
                    format!("expected a readable file, {} is not: {error}", path.display()),
                );
                None
            }
        }
    }

    fn required_secret(&mut self, section: &str, written: Option<&Written>, file: Option<&Path>) -> Secret {
        let secret = self.secret(section, written, file);
        if secret.is_none() && file.is_none() && !self.refused.contains(&format!("{section}.password_file")) {
            self.wrong(
                &format!("{section}.password"),
                "missing; expected password or password_file",
            );
        }
        secret.unwrap_or_else(|| Secret::new(""))
    }
}

// === the smaller sections ===

impl Check {
    fn sessions(&mut self, sessions: &file::Sessions) -> Sessions {
        if sessions.queue_messages == 0 {
            self.wrong("sessions.queue_messages", "expected at least 1");
        }
        for (key, value) in [
            ("sessions.migration_limit", sessions.migration_limit),
            ("sessions.migration_limit_per_node", sessions.migration_limit_per_node),
            ("sessions.migration_drain_rate", sessions.migration_drain_rate),
        ] {
            if value == 0 {
                self.wrong(key, "expected at least 1");
            }
        }
        if sessions.migration_limit_per_node > sessions.migration_limit {
            self.warn(
                "sessions.migration_limit_per_node",
                "more than sessions.migration_limit, which bounds all nodes together",
            );
        }
        if sessions.migration_drain_rate > 10_000 {
            self.wrong("sessions.migration_drain_rate", "expected at most 10000");
        }
        Sessions {
            placement: sessions.placement,
            request_wait: self.period("sessions.request_wait", sessions.request_wait),
            migrations: MigrationLimits {
                at_once: sessions.migration_limit,
                at_once_per_node: sessions.migration_limit_per_node,
                // Thousands are exact.
                drain_per_second: sessions.migration_drain_rate as f32,
            },
            grace: sessions.grace.0,
            queue_messages: sessions.queue_messages,
            queue_bytes: self.at_least("sessions.queue_bytes", sessions.queue_bytes.0, 16 << 10),
        }
    }

    fn health(&mut self, health: &file::Health) -> Health {
        for (key, value) in [
            ("health.failures", health.failures),
            ("health.successes", health.successes),
        ] {
            if value == 0 {
                self.wrong(key, "expected at least 1");
            }
        }
        Health {
            interval: self.period("health.interval", health.interval),
            timeout: self.period("health.timeout", health.timeout),
            failures: health.failures,
            successes: health.successes,
        }
    }

    fn requests(&mut self, requests: &file::Requests) -> Requests {
        Requests {
            connect_timeout: self.period("requests.connect_timeout", requests.connect_timeout),
            response_timeout: self.period("requests.response_timeout", requests.response_timeout),
            retry: requests.retry,
            info_union: requests.info == file::Info::Union,
        }
    }

    fn discord(&mut self, discord: &file::Discord) {
        let tokens = discord.tokens.keys().map(|user| ("discord.tokens", user));
        let files = discord.token_files.keys().map(|user| ("discord.token_files", user));
        for (key, user) in tokens.chain(files) {
            // The text is not repeated: user id and token may have been mixed up.
            if user.parse::<u64>().is_err() {
                self.wrong(key, "expected the bot's user id, a number, before each `=`");
            }
        }
        for (user, file) in &discord.token_files {
            self.secret_file(&format!("discord.token_files.{user}"), file);
        }
    }

    fn log(&mut self, log: &file::Log) -> Log {
        if let Err(expected) = crate::telemetry::check_filter(&log.level) {
            self.wrong("log.level", expected);
        }
        if log.keep == 0 {
            self.wrong("log.keep", "expected at least 1, the file in use");
        }
        if matches!(log.rotation, Rotation::Size(size) if size.0 < 16 << 10) {
            self.wrong(
                "log.rotation",
                "expected at least 16KiB, for which a file is worth its name",
            );
        }
        if !log.stderr && log.file.is_none() {
            self.wrong(
                "log.stderr",
                "expected true, since log.file is not set; use log.level = \"off\" for silence",
            );
        }
        if log.access_file.is_some() && !log.access {
            self.warn("log.access_file", "stays empty, since log.access is false");
        }
        if log.access_file.is_some() && log.access_file == log.file {
            self.wrong("log.access_file", "expected another file than log.file");
        }
        Log {
            level: log.level.clone(),
            format: log.format,
            access: log.access,
            stderr: log.stderr,
            file: log.file.as_deref().map(|path| self.path(path)),
            access_file: log.access_file.as_deref().map(|path| self.path(path)),
            rotation: log.rotation,
            keep: log.keep,
        }
    }
}

/// In the file, 0 means no limit; the core would take it as "nobody".
fn limits(limits: &file::Limits) -> ConnectionLimits {
    let bound = |count: usize| {
        if count == 0 {
            u32::MAX
        } else {
            u32::try_from(count).unwrap_or(u32::MAX)
        }
    };
    ConnectionLimits {
        total: bound(limits.connections),
        per_ip: bound(limits.connections_per_ip),
    }
}
