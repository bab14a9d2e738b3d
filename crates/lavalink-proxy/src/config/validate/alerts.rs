//! `[alerts]` and `[usage]`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proxy_admin::{AlertsConfig, WebhookConfig, WebhookKind, is_public};
use proxy_core::alerts::{AlertSettings, Bounds, Rule, Severity, Timing};
use proxy_core::levels::Levels;
use proxy_core::secret::Secret;

use super::Check;
use crate::config::file::{self, File, alerts};
use crate::config::read::nearest;
use crate::config::value::Secret as Written;

/// Names of webhooks are metric labels.
const MAX_NAME: usize = 64;

impl Check {
    pub(super) fn levels(&mut self, usage: &file::Usage) -> Levels {
        let from = usage.levels.iter().map(|rate| rate.0).collect::<Vec<_>>();
        let levels = <[u64; 3]>::try_from(from).ok().and_then(Levels::new);
        levels.unwrap_or_else(|| {
            let expected = "expected three rates that rise: where normal, high and extreme begin";
            self.wrong("usage.levels", expected);
            Levels::default()
        })
    }

    /// `None` where nothing is watched.
    pub(super) fn alerts(&mut self, file: &File) -> Option<AlertsConfig> {
        let written = &file.alerts;
        let mut settings = AlertSettings::default();
        settings.repeat = written.repeat.map(|repeat| repeat.0);
        settings.bounds = self.bounds(&written.rules);
        for (name, enabled, raise_after, clear_after) in written.rules.timings() {
            let rule = Rule::of(name).expect("every section of alerts.rules is a rule, which a test checks");
            settings.set_timing(
                rule,
                Timing {
                    enabled,
                    raise_after: raise_after.0,
                    clear_after: clear_after.0,
                },
            );
        }
        if written.repeat.is_some_and(|repeat| repeat.0 < Duration::from_secs(60)) {
            self.wrong("alerts.repeat", "expected at least 60s");
        }
        let config = AlertsConfig {
            settings,
            webhooks: self.webhooks(written),
            full_addresses: written.full_addresses,
            private_targets: written.private_targets,
            quotas: self.quotas(file),
        };
        written.enabled.then_some(config)
    }

    fn bounds(&mut self, rules: &alerts::Rules) -> Bounds {
        let numbers = [
            ("ip_unusual.times", rules.ip_unusual.times, 2, u32::MAX),
            ("ip_unusual.days", rules.ip_unusual.days, 1, 90),
            ("tenant_quota.percent", rules.tenant_quota.percent, 1, 100),
            ("node_frames.missing", rules.node_frames.missing, 1, 3000),
            ("migrations.count", rules.migrations.count, 1, u32::MAX),
            (
                "login_failures.per_address",
                rules.login_failures.per_address,
                1,
                u32::MAX,
            ),
            ("login_failures.total", rules.login_failures.total, 1, u32::MAX),
            ("refusals.count", rules.refusals.count, 1, u32::MAX),
            ("connections.percent", rules.connections.percent, 1, 100),
            ("open_files.percent", rules.open_files.percent, 1, 100),
        ];
        for (key, value, least, most) in numbers {
            if !(least..=most).contains(&value) {
                let most = if most == u32::MAX {
                    String::new()
                } else {
                    format!(" and at most {most}")
                };
                self.wrong(
                    &format!("alerts.rules.{key}"),
                    format!("expected at least {least}{most}"),
                );
            }
        }
        for (key, rate) in [
            ("ip_rate.above", rules.ip_rate.above),
            ("ip_unusual.at_least", rules.ip_unusual.at_least),
        ] {
            if rate.0 == 0 {
                self.wrong(&format!("alerts.rules.{key}"), "expected a rate above zero");
            }
        }
        Bounds {
            ip_rate: rules.ip_rate.above.0 as f64,
            unusual_times: f64::from(rules.ip_unusual.times),
            unusual_at_least: rules.ip_unusual.at_least.0 as f64,
            unusual_days: rules.ip_unusual.days,
            quota_percent: f64::from(rules.tenant_quota.percent),
            frame_deficit: f64::from(rules.node_frames.missing),
            failed_migrations: f64::from(rules.migrations.count),
            login_failures_per_address: f64::from(rules.login_failures.per_address),
            login_failures: f64::from(rules.login_failures.total),
            refusals: f64::from(rules.refusals.count),
            connections_percent: f64::from(rules.connections.percent),
            open_files_percent: f64::from(rules.open_files.percent),
        }
    }

    fn quotas(&mut self, file: &File) -> Vec<(Arc<str>, u64)> {
        let mut quotas = Vec::new();
        for (index, tenant) in file.tenants.iter().enumerate() {
            let Some(quota) = tenant.quota else { continue };
            let key = format!("tenants[{index}].quota");
            if quota.0 == 0 {
                self.wrong(&key, "expected a volume above zero; leave it out for none");
            } else if !file.alerts.enabled || !file.alerts.rules.tenant_quota.enabled {
                self.warn(
                    &key,
                    "is not used, since the alert on it is switched off and nothing else looks at it",
                );
            }
            quotas.push((tenant.name.as_str().into(), quota.0));
        }
        quotas
    }

    fn webhooks(&mut self, written: &alerts::Alerts) -> Vec<WebhookConfig> {
        let mut webhooks: Vec<WebhookConfig> = Vec::new();
        for (index, webhook) in written.webhooks.iter().enumerate() {
            let section = format!("alerts.webhooks[{index}]");
            let kind = match webhook.kind {
                alerts::WebhookKind::Discord => WebhookKind::Discord,
                alerts::WebhookKind::Json => WebhookKind::Json,
            };
            let name = self.webhook_name(&section, webhook, index, &webhooks);
            let secret = self.webhook_secret(
                &section,
                "secret",
                webhook.secret.as_ref(),
                webhook.secret_file.as_deref(),
            );
            if kind == WebhookKind::Discord && secret.is_some() {
                self.warn(
                    &format!("{section}.secret"),
                    "is not used: Discord does not check signatures",
                );
            }
            webhooks.push(WebhookConfig {
                name: name.into(),
                kind,
                url: self.webhook_url(&section, webhook, written.private_targets),
                secret,
                severities: webhook.severities.iter().map(severity).collect(),
                rules: self.webhook_rules(&section, &webhook.rules),
            });
        }
        webhooks
    }

    fn webhook_name(
        &mut self,
        section: &str,
        webhook: &alerts::Webhook,
        index: usize,
        earlier: &[WebhookConfig],
    ) -> String {
        let kind = match webhook.kind {
            alerts::WebhookKind::Discord => "discord",
            alerts::WebhookKind::Json => "json",
        };
        let name = webhook.name.clone().unwrap_or_else(|| format!("{kind}-{}", index + 1));
        let key = format!("{section}.name");
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(plain) {
            let expected = format!("expected 1 to {MAX_NAME} letters, digits, `.`, `_` or `-`, got {name:?}");
            self.wrong(&key, expected);
        } else if name == "log" || earlier.iter().any(|other| *other.name == *name) {
            self.wrong(&key, format!("expected a name of its own, `{name}` is taken"));
        }
        name
    }

    /// No message repeats the URL: its path is the password.
    fn webhook_url(&mut self, section: &str, webhook: &alerts::Webhook, private_targets: bool) -> Secret {
        let found = self.webhook_secret(section, "url", webhook.url.as_ref(), webhook.url_file.as_deref());
        let key = if webhook.url_file.is_some() { "url_file" } else { "url" };
        let key = format!("{section}.{key}");
        let Some(url) = found else {
            if webhook.url_file.is_none() {
                self.wrong(&key, "missing; expected url or url_file");
            }
            return Secret::new("");
        };
        match proxy_admin::webhook_host(&url) {
            Err(expected) => self.wrong(&key, expected),
            Ok(host) if !private_targets && host.parse().is_ok_and(|address| !is_public(address)) => {
                self.wrong(&key, "has a private address, and alerts.private_targets is false");
            }
            Ok(_) => {}
        }
        url
    }

    fn webhook_secret(
        &mut self,
        section: &str,
        key: &str,
        written: Option<&Written>,
        file: Option<&Path>,
    ) -> Option<Secret> {
        let (key, file_key) = (format!("{section}.{key}"), format!("{section}.{key}_file"));
        if written.is_some() && file.is_some() {
            self.warn(&key, format!("is not used, since {file_key} is set too"));
        }
        let secret = match (file, written) {
            (Some(file), _) => self.secret_file(&file_key, file)?,
            (None, Some(written)) => Secret::new(written.expose()),
            (None, None) => return None,
        };
        if secret.is_empty() {
            self.wrong(
                if file.is_some() { &file_key } else { &key },
                "expected a text, it is empty",
            );
        }
        Some(secret)
    }

    fn webhook_rules(&mut self, section: &str, names: &[String]) -> Vec<Rule> {
        let mut rules = Vec::new();
        for name in names {
            match Rule::of(name) {
                Some(rule) => rules.push(rule),
                None => {
                    let near = nearest(name, Rule::ALL.iter().map(|rule| rule.name()));
                    let hint = near.map(|near| format!(", did you mean `{near}`?")).unwrap_or_default();
                    self.wrong(&format!("{section}.rules"), format!("there is no rule `{name}`{hint}"));
                }
            }
        }
        rules
    }
}

fn severity(severity: &alerts::Severity) -> Severity {
    match severity {
        alerts::Severity::Warning => Severity::Warning,
        alerts::Severity::Critical => Severity::Critical,
    }
}
