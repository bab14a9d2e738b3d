//! The only way from the file shape to [`Config`]: checks what keys mean together and fills in what follows.
//!
//! Types and units were checked by `read.rs`. Each check here notes its mistake and goes on; what is built from a value
//! that was refused is never used, since [`super::load`] returns a `Config` only where there is no mistake at all.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use proxy_core::limits::ConnectionLimits;
use proxy_core::secret::Secret;
use proxy_core::tenant::MAX_PASSWORD;

use super::file::{self, File};
use super::mistake::{Mistake, Origin, write_located};
use super::read::Understood;
use super::value::{OneOrMany, Period, Secret as Written};
use super::{Admin, Config, Health, Log, Node, NodeTls, Requests, Server, ServerTls, Sessions, Tenant};

/// Checks everything; the `Config` is meaningful only if there are no mistakes.
pub fn validate(understood: Understood, path: Option<&Path>, base: &Path) -> (Config, Vec<Mistake>) {
    let Understood {
        file,
        origins,
        refused,
        mistakes,
        without_effect,
    } = understood;
    let mut check = Check {
        origins,
        refused,
        mistakes,
        warnings: without_effect,
        base: base.to_owned(),
    };
    let nodes = check.nodes(&file.nodes);
    let tenants = check.tenants(&file);
    let mut config = Config {
        server: check.server(&file.server),
        admin: check.admin(&file.admin),
        store: check.path(&file.store.path),
        sessions: check.sessions(&file.sessions),
        health: check.health(&file.health),
        requests: check.requests(&file.requests),
        limits: limits(&file.limits),
        discord_tokens: check.discord(&file.discord),
        log: check.log(&file.log),
        tenants,
        nodes,
        warnings: Vec::new(),
    };
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
        let (key, file_key) = (format!("{section}.password"), format!("{section}.password_file"));
        if written.is_some() && file.is_some() {
            self.warn(&key, "is not used, since password_file is set too");
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

// === server and admin ===

impl Check {
    fn server(&mut self, server: &file::Server) -> Server {
        let mut patterns: Vec<_> = server
            .client_versions
            .iter()
            .map(|(name, version)| (name.to_lowercase(), *version))
            .collect();
        // The longest pattern says most about a client.
        patterns.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        for (name, _) in &patterns {
            if name.trim_end_matches('*').contains('*') {
                self.wrong(
                    "server.client_versions",
                    format!("expected a `*` only at the end, got {name:?}"),
                );
            }
        }
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Server {
            bind: addresses(&server.bind),
            tls: self.server_tls(&server.tls),
            threads: if server.threads == 0 {
                threads
            } else {
                usize::from(server.threads)
            },
            mount_prefix: self.mount_prefix(&server.mount_prefix),
            header_timeout: self.period("server.header_timeout", server.header_timeout),
            idle_timeout: self.period("server.idle_timeout", server.idle_timeout),
            max_header_bytes: self.at_least("server.max_header_bytes", server.max_header_bytes.0, 1 << 10),
            max_body_bytes: self.at_least("server.max_body_bytes", server.max_body_bytes.0, 1 << 10),
            max_client_frame_bytes: self.at_least(
                "server.max_client_frame_bytes",
                server.max_client_frame_bytes.0,
                1 << 10,
            ),
            max_node_frame_bytes: self.at_least("server.max_node_frame_bytes", server.max_node_frame_bytes.0, 64 << 10),
            client_queue_bytes: self.at_least("server.client_queue_bytes", server.client_queue_bytes.0, 16 << 10),
            ping_interval: self.period("server.ping_interval", server.ping_interval),
            ping_timeout: self.period("server.ping_timeout", server.ping_timeout),
            shutdown_timeout: server.shutdown_timeout.0,
            default_version: server.default_version,
            client_versions: patterns,
            proxy_protocol: server.proxy_protocol.enabled,
            trusted: server.proxy_protocol.trusted.clone(),
        }
    }

    fn server_tls(&mut self, tls: &file::ServerTls) -> Option<ServerTls> {
        let bind = addresses(&tls.bind);
        if bind.is_empty() {
            if tls.certificate.is_some() || tls.key.is_some() {
                self.wrong(
                    "server.tls.bind",
                    "missing; expected the address on which TLS is served",
                );
            }
            return None;
        }
        let mut pem = |key: &str, path: &Option<PathBuf>| match path {
            Some(path) => self.existing(key, path),
            None => {
                self.wrong(key, "missing; expected a PEM file, since server.tls.bind is set");
                PathBuf::new()
            }
        };
        let certificate = pem("server.tls.certificate", &tls.certificate);
        let key = pem("server.tls.key", &tls.key);
        Some(ServerTls { bind, certificate, key })
    }

    fn mount_prefix(&mut self, prefix: &str) -> String {
        let trimmed = prefix.trim_end_matches('/');
        let plain = |c: char| c.is_ascii_alphanumeric() || "/-._~".contains(c);
        if !trimmed.is_empty() && (!trimmed.starts_with('/') || !trimmed.chars().all(plain) || trimmed.contains("//")) {
            self.wrong(
                "server.mount_prefix",
                format!("expected a path such as \"/lavalink\", got {prefix:?}"),
            );
        }
        if trimmed.split('/').any(|part| part == "v3" || part == "v4") {
            self.wrong(
                "server.mount_prefix",
                "expected no /v3 or /v4 in it: these are understood by themselves",
            );
        }
        trimmed.to_owned()
    }

    fn admin(&mut self, admin: &file::Admin) -> Admin {
        let password = self.secret("admin", admin.password.as_ref(), admin.password_file.as_deref());
        if password.is_none() && !admin.bind.0.ip().is_loopback() {
            self.warn(
                "admin.bind",
                "is reachable from other machines, but admin.password is not set; one is generated at each start",
            );
        }
        Admin {
            bind: admin.bind.0,
            password,
        }
    }

    /// Two listeners on one port fail at start; here the mistake has a line.
    fn listeners_differ(&mut self, file: &File) {
        let (plain, tls) = (addresses(&file.server.bind), addresses(&file.server.tls.bind));
        if plain.is_empty() && tls.is_empty() {
            self.wrong(
                "server.bind",
                "expected at least one address here or in server.tls.bind",
            );
        }
        let all = plain.iter().map(|address| ("server.bind", *address));
        let all = all.chain(tls.iter().map(|address| ("server.tls.bind", *address)));
        let all: Vec<_> = all.chain([("admin.bind", file.admin.bind.0)]).collect();
        for (index, (key, address)) in all.iter().enumerate() {
            if let Some((other, _)) = all[..index].iter().find(|(_, earlier)| clash(*earlier, *address)) {
                self.wrong(
                    key,
                    format!("expected a port that is free, {address} is taken by {other}"),
                );
            }
        }
    }
}

fn addresses(list: &OneOrMany<super::value::Address>) -> Vec<SocketAddr> {
    list.0.iter().map(|address| address.0).collect()
}

/// Port 0 is any free port, so it never clashes. `0.0.0.0` and `[::]` may share a port: the latter listens on IPv6 only.
fn clash(a: SocketAddr, b: SocketAddr) -> bool {
    let same_family = a.is_ipv4() == b.is_ipv4();
    let overlap = a.ip() == b.ip() || (same_family && (a.ip().is_unspecified() || b.ip().is_unspecified()));
    a.port() != 0 && a.port() == b.port() && overlap
}

// === the smaller sections ===

impl Check {
    fn sessions(&mut self, sessions: &file::Sessions) -> Sessions {
        if sessions.queue_messages == 0 {
            self.wrong("sessions.queue_messages", "expected at least 1");
        }
        Sessions {
            placement: sessions.placement,
            bridge: sessions.bridge,
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
        }
    }

    fn discord(&mut self, discord: &file::Discord) -> BTreeMap<u64, Secret> {
        let written = discord
            .tokens
            .iter()
            .map(|(user, token)| (user.clone(), Some(Secret::new(token.expose()))));
        let mut tokens: Vec<_> = written.map(|(user, token)| ("discord.tokens", user, token)).collect();
        for (user, file) in &discord.token_files {
            let token = self.secret_file(&format!("discord.token_files.{user}"), file);
            tokens.push(("discord.token_files", user.clone(), token));
        }
        let mut by_user = BTreeMap::new();
        for (key, user, token) in tokens {
            // The name is not repeated: user id and token may have been mixed up.
            match (user.parse::<u64>(), token) {
                (Ok(user), Some(token)) => drop(by_user.insert(user, token)),
                (Ok(_), None) => {}
                (Err(_), _) => self.wrong(key, "expected the bot's user id, a number, before each `=`"),
            }
        }
        by_user
    }

    fn log(&mut self, log: &file::Log) -> Log {
        if let Err(expected) = crate::telemetry::check_filter(&log.level) {
            self.wrong("log.level", expected);
        }
        Log {
            level: log.level.clone(),
            format: log.format,
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

// === tenants and nodes ===

impl Check {
    fn tenants(&mut self, file: &File) -> Vec<Tenant> {
        if file.tenants.is_empty() {
            self.wrong("tenants", "missing; expected at least one [[tenants]] with a password");
        }
        let mut tenants: Vec<Tenant> = Vec::new();
        for (index, written) in file.tenants.iter().enumerate() {
            let section = format!("tenants[{index}]");
            let tenant = Tenant {
                name: written.name.clone(),
                password: self.required_secret(&section, written.password.as_ref(), written.password_file.as_deref()),
                allow_node_admin: written.allow_node_admin.clone(),
                nodes: written.nodes.clone(),
            };
            self.name(
                &format!("{section}.name"),
                &tenant.name,
                tenants.iter().map(|other| other.name.as_str()),
            );
            let same = |other: &&Tenant| !tenant.password.is_empty() && other.password == tenant.password;
            if let Some(other) = tenants.iter().find(same) {
                let message = format!("expected a password of its own, tenant `{}` has the same", other.name);
                self.wrong(&format!("{section}.password"), message);
            }
            tenants.push(tenant);
        }
        self.known_nodes(file);
        tenants
    }

    /// Tenants may name only nodes that exist.
    fn known_nodes(&mut self, file: &File) {
        let names: Vec<String> = file.nodes.iter().filter_map(node_name).collect();
        for (index, tenant) in file.tenants.iter().enumerate() {
            for (key, list) in [("allow_node_admin", &tenant.allow_node_admin), ("nodes", &tenant.nodes)] {
                for unknown in list.iter().filter(|name| !names.contains(name)) {
                    let hint = super::read::nearest(unknown, names.iter().map(String::as_str));
                    let hint = hint.map(|near| format!(", did you mean `{near}`?")).unwrap_or_default();
                    self.wrong(
                        &format!("tenants[{index}].{key}"),
                        format!("there is no node `{unknown}`{hint}"),
                    );
                }
            }
        }
    }

    fn nodes(&mut self, written: &[file::Node]) -> Vec<Node> {
        if written.is_empty() {
            self.wrong(
                "nodes",
                "missing; expected at least one [[nodes]] with url and password",
            );
        }
        let mut nodes: Vec<Node> = Vec::new();
        for (index, node) in written.iter().enumerate() {
            let section = format!("nodes[{index}]");
            let password = self.required_secret(&section, node.password.as_ref(), node.password_file.as_deref());
            let Some(url) = self.node_url(&format!("{section}.url"), node.url.as_deref()) else {
                continue;
            };
            let node = self.node(&section, node, url, password);
            self.name(
                &format!("{section}.name"),
                &node.name,
                nodes.iter().map(|other| other.name.as_str()),
            );
            if let Some(other) = nodes
                .iter()
                .find(|other| (&other.host, other.port) == (&node.host, node.port))
            {
                let message = format!("expected an address of its own, node `{}` has the same", other.name);
                self.wrong(&format!("{section}.url"), message);
            }
            nodes.push(node);
        }
        nodes
    }

    fn node(&mut self, section: &str, node: &file::Node, url: NodeUrl, password: Secret) -> Node {
        if !(1..=1000).contains(&node.weight) {
            let hint = if node.weight == 0 {
                "; to give it no work use drain = true"
            } else {
                ""
            };
            self.wrong(
                &format!("{section}.weight"),
                format!("expected a weight from 1 to 1000{hint}"),
            );
        }
        let ca_file = node
            .ca_file
            .as_deref()
            .map(|path| self.existing(&format!("{section}.ca_file"), path));
        if node.insecure_skip_verify && ca_file.is_some() {
            self.wrong(
                &format!("{section}.ca_file"),
                "expected either ca_file or insecure_skip_verify, not both",
            );
        }
        for (key, set) in [
            ("ca_file", ca_file.is_some()),
            ("insecure_skip_verify", node.insecure_skip_verify),
        ] {
            if set && !url.tls {
                self.warn(
                    &format!("{section}.{key}"),
                    "is not used, since the url is http and not https",
                );
            }
        }
        let tls = NodeTls {
            ca_file,
            insecure_skip_verify: node.insecure_skip_verify,
        };
        Node {
            name: node.name.clone().unwrap_or_else(|| url.name()),
            tls: url.tls.then_some(tls),
            host: url.host,
            port: url.port,
            password,
            version: node.version,
            regions: node.regions.clone(),
            weight: node.weight,
            sources: node.sources.clone(),
            drain: node.drain,
        }
    }

    fn node_url(&mut self, key: &str, url: Option<&str>) -> Option<NodeUrl> {
        let Some(url) = url else {
            self.wrong(
                key,
                "missing; expected the node's address, such as \"http://127.0.0.1:2333\"",
            );
            return None;
        };
        match NodeUrl::parse(url) {
            Ok(parsed) => {
                if parsed.port == 80 && !url.ends_with(":80") {
                    self.warn(key, "has no port, so 80 is used; Lavalink's own is 2333");
                }
                Some(parsed)
            }
            Err(expected) => {
                self.wrong(key, expected);
                None
            }
        }
    }

    /// Names are metric labels and parts of admin paths, so they are kept simple.
    fn name<'a>(&mut self, key: &str, name: &str, mut earlier: impl Iterator<Item = &'a str>) {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            self.wrong(
                key,
                format!("expected 1 to 64 letters, digits, `.`, `_` or `-`, got {name:?}"),
            );
        } else if key.starts_with("tenants") && name == "none" {
            self.wrong(
                key,
                "expected another name: `none` is what traffic without a tenant is counted under",
            );
        } else if earlier.any(|other| other == name) {
            self.wrong(key, format!("expected a name of its own, `{name}` is taken"));
        }
    }
}

fn node_name(node: &file::Node) -> Option<String> {
    let from_url = || NodeUrl::parse(node.url.as_deref()?).ok().map(|url| url.name());
    node.name.clone().or_else(from_url)
}

/// The address of a node, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct NodeUrl {
    tls: bool,
    host: String,
    port: u16,
}

impl NodeUrl {
    /// Messages never repeat the text: people write passwords into URLs.
    fn parse(url: &str) -> Result<Self, String> {
        const EXPECTED: &str = "expected an address such as \"http://127.0.0.1:2333\" or \"https://node.example.com\"";
        let (scheme, rest) = url.split_once("://").ok_or(EXPECTED)?;
        let tls = match scheme {
            "http" | "ws" => false,
            "https" | "wss" => true,
            _ => return Err(format!("{EXPECTED}, beginning with http or https")),
        };
        let authority = rest.trim_end_matches('/');
        if authority.contains('@') {
            return Err(format!("{EXPECTED}; the password has a key of its own"));
        }
        if authority.contains(['/', '?', '#']) {
            return Err(format!(
                "{EXPECTED}, without a path: clients' paths are passed on as they are"
            ));
        }
        let default_port = if tls { 443 } else { 80 };
        let (host, port) = split_port(authority, default_port).ok_or(EXPECTED)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
        if host.is_empty() || port == 0 || !host.chars().all(plain) {
            return Err(EXPECTED.to_owned());
        }
        Ok(Self {
            tls,
            host: host.to_ascii_lowercase(),
            port,
        })
    }

    /// A name for a node that has none.
    fn name(&self) -> String {
        format!("{}-{}", self.host.replace(':', "_"), self.port)
    }
}

fn split_port(authority: &str, default: u16) -> Option<(&str, u16)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        host.parse::<std::net::Ipv6Addr>().ok()?;
        let port = if port.is_empty() {
            default
        } else {
            port.strip_prefix(':')?.parse().ok()?
        };
        return Some((host, port));
    }
    match authority.split_once(':') {
        Some((host, port)) => Some((host, port.parse().ok()?)),
        None => Some((authority, default)),
    }
}
