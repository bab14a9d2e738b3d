//! What the alerts are told by the configuration.

use std::sync::Arc;

use proxy_core::alerts::{AlertSettings, Notice, Rule, Severity};
use proxy_core::secret::Secret;

/// `[alerts]`, when it is enabled.
#[derive(Debug, Clone, Default)]
pub struct AlertsConfig {
    /// The rules.
    pub settings: AlertSettings,
    /// Who is told besides the log.
    pub webhooks: Vec<WebhookConfig>,
    /// Messages have whole client addresses; otherwise only their network.
    pub full_addresses: bool,
    /// Webhooks may have private addresses.
    pub private_targets: bool,
    /// Bytes that tenants may move in a calendar month, by name; alerts only, nothing is refused.
    pub quotas: Vec<(Arc<str>, u64)>,
}

/// One receiver of messages.
#[derive(Debug, Clone)]
pub struct WebhookConfig {
    /// Its name in logs, metrics and the API; different from all others.
    pub name: Arc<str>,
    /// What it understands.
    pub kind: WebhookKind,
    /// Where it is, http or https. A secret, since whoever has it can write there.
    pub url: Secret,
    /// Signs the body, see [`WebhookKind::Json`].
    pub secret: Option<Secret>,
    /// Only these; empty: all.
    pub severities: Vec<Severity>,
    /// Only these; empty: all.
    pub rules: Vec<Rule>,
}

/// What a receiver understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookKind {
    /// Discord's webhooks.
    Discord,
    /// A JSON object of our own, signed with HMAC-SHA256 when there is a secret.
    Json,
}

impl WebhookConfig {
    /// Whether it wants to hear of this.
    pub(super) fn wants(&self, notice: &Notice) -> bool {
        let alert = &notice.alert;
        (self.severities.is_empty() || self.severities.contains(&alert.severity))
            && (self.rules.is_empty() || self.rules.contains(&alert.rule))
    }
}
