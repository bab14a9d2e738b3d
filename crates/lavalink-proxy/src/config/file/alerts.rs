//! `[alerts]`: who is told, and of what. Every rule is a section of its own, with the keys `enabled`, `raise_after` and
//! `clear_after` and what it compares with.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::value::{Period, Rate, Secret};

/// `[alerts]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Alerts {
    /// Whether anything is watched. Alerts are shown in the dashboard and logged; webhooks are told where there are any.
    pub(crate) enabled: bool,
    /// How long after a message an alert that is still open, and that nobody has acknowledged, is told again. Left out:
    /// never.
    #[schemars(example = &"4h")]
    pub(crate) repeat: Option<Period>,
    /// Whether messages to webhooks have whole client addresses. Otherwise they have only the network: `203.0.113.x`.
    ///
    /// The dashboard and the log always have the whole address.
    pub(crate) full_addresses: bool,
    /// Whether a webhook may have a private address, such as one of this machine or of a network of your own.
    ///
    /// Set it to `false` where others than you can change webhooks, so that they cannot make the proxy speak to what only
    /// it can reach.
    pub(crate) private_targets: bool,
    /// Who is told of alerts, besides the dashboard and the log.
    #[schemars(extend("x-optional" = true))]
    pub(crate) webhooks: Vec<Webhook>,
    /// What is watched.
    pub(crate) rules: Rules,
}

impl Default for Alerts {
    fn default() -> Self {
        Self {
            enabled: true,
            repeat: None,
            full_addresses: false,
            private_targets: true,
            webhooks: Vec::new(),
            rules: Rules::default(),
        }
    }
}

/// What a webhook understands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WebhookKind {
    /// A webhook of a Discord channel.
    #[default]
    Discord,
    /// A receiver of your own.
    Json,
}

/// How bad an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// Worth a look.
    Warning,
    /// Clients suffer, or soon will.
    Critical,
}

/// `[[alerts.webhooks]]`
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Webhook {
    /// The name of the webhook in logs, figures and the dashboard: letters, digits, `.`, `_` and `-`. Left out: its kind
    /// and number.
    #[schemars(example = &"ops")]
    pub(crate) name: Option<String>,
    /// `"discord"` for a webhook of a Discord channel, `"json"` for a receiver of your own (`docs/alerts.md` has the format).
    pub(crate) kind: WebhookKind,
    /// Where it is. Required, here or as a file. Treat it as a password: whoever has it can write there.
    #[schemars(example = &"https://discord.com/api/webhooks/1234/token", extend("x-required" = true))]
    pub(crate) url: Option<Secret>,
    /// A file that holds the URL. It wins over `url`.
    #[schemars(extend("x-kind" = "path"), example = &"secrets/webhook-url")]
    pub(crate) url_file: Option<PathBuf>,
    /// Signs the messages of kind `"json"`, so that the receiver knows that they are the proxy's.
    #[schemars(example = &"shared with the receiver")]
    pub(crate) secret: Option<Secret>,
    /// A file that holds the secret. It wins over `secret`.
    #[schemars(extend("x-kind" = "path"), example = &"secrets/webhook-secret")]
    pub(crate) secret_file: Option<PathBuf>,
    /// Only alerts of these severities are told: `"warning"`, `"critical"`. Empty: both.
    #[schemars(example = ["critical"])]
    pub(crate) severities: Vec<Severity>,
    /// Only alerts of these rules are told, by the names below `alerts.rules`. Empty: all.
    #[schemars(example = ["node_down", "no_node"])]
    pub(crate) rules: Vec<String>,
}

/// Declares the rules: for each a section with what all of them have and what is its own.
macro_rules! rules {
    ($(
        $(#[doc = $meaning:literal])+
        $section:ident: $rule:ident {
            raise_after: $raise:expr, clear_after: $clear:expr
            $(, $(#[$about:meta])+ $key:ident: $type:ty = $default:expr)* $(,)?
        }
    )+) => {
        /// `[alerts.rules]`
        #[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(default, deny_unknown_fields)]
        pub(crate) struct Rules {
            $( $(#[doc = $meaning])+ pub(crate) $section: $rule, )+
        }

        $(
            #[doc = concat!("`[alerts.rules.", stringify!($section), "]`")]
            #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
            #[serde(default, deny_unknown_fields)]
            pub(crate) struct $rule {
                /// Whether the rule is in force.
                pub(crate) enabled: bool,
                $( $(#[$about])+ pub(crate) $key: $type, )*
                /// How long it must last before an alert is raised.
                pub(crate) raise_after: Period,
                /// How long it must be over before the alert is cleared. Longer for what comes and goes.
                pub(crate) clear_after: Period,
            }

            impl Default for $rule {
                fn default() -> Self {
                    Self {
                        enabled: true,
                        $( $key: $default, )*
                        raise_after: Period::seconds($raise),
                        clear_after: Period::seconds($clear),
                    }
                }
            }
        )+

        impl Rules {
            /// The name of each rule, and whether and when it is raised and cleared.
            pub(crate) fn timings(&self) -> Vec<(&'static str, bool, Period, Period)> {
                vec![$((
                    stringify!($section),
                    self.$section.enabled,
                    self.$section.raise_after,
                    self.$section.clear_after,
                )),+]
            }
        }

        /// The fields of the section of a rule.
        pub(crate) fn declared_order(section: &str) -> &'static [&'static str] {
            use super::super::fields::fields_of;
            match section {
                "alerts" => fields_of::<Alerts>(),
                "alerts.webhooks" => fields_of::<Webhook>(),
                "alerts.rules" => fields_of::<Rules>(),
                $( concat!("alerts.rules.", stringify!($section)) => fields_of::<$rule>(), )+
                _ => &[],
            }
        }
    };
}

rules! {
    /// A client address moves more than is allowed. Figures are over a minute, both ways together.
    ip_rate: IpRate {
        raise_after: 60, clear_after: 120,
        /// From which rate on.
        above: Rate = Rate::megabytes(10),
    }
    /// A client address moves many times what it usually does at this hour of the day. What is usual is learnt from the
    /// last days, in which the newest count most.
    ip_unusual: IpUnusual {
        raise_after: 300, clear_after: 300,
        /// From so many times the usual rate on.
        #[schemars(range(min = 2))]
        times: u32 = 5,
        /// Less than this is never unusual.
        at_least: Rate = Rate::megabytes(1),
        /// How many days must be known of an hour before its usual rate means anything.
        #[schemars(range(min = 1, max = 90))]
        days: u32 = 3,
    }
    /// A tenant with a `quota` has used most of it in this calendar month (UTC), or all of it, which is critical.
    tenant_quota: TenantQuota {
        raise_after: 0, clear_after: 60,
        /// From so many percent on.
        #[schemars(range(min = 1, max = 100))]
        percent: u32 = 80,
    }
    /// A node is down by the health check. Critical. A node that drains is left alone.
    node_down: NodeDown { raise_after: 0, clear_after: 15 }
    /// A node fails now and then, or is slow.
    node_degraded: NodeDegraded { raise_after: 30, clear_after: 60 }
    /// A node has started anew: what played on it was lost.
    node_restarted: NodeRestarted { raise_after: 0, clear_after: 600 }
    /// Players on a node miss audio frames: listeners hear gaps.
    node_frames: NodeFrames {
        raise_after: 180, clear_after: 180,
        /// From so many missing frames per player and minute on, of 3000.
        #[schemars(range(min = 1, max = 3000))]
        missing: u32 = 150,
    }
    /// Players that were to be moved away from a node and could not, in ten minutes. Critical when any of them is lost
    /// because no other node took it; those that merely stay play on.
    migrations: Migrations {
        raise_after: 0, clear_after: 60,
        /// From so many on.
        #[schemars(range(min = 1))]
        count: u32 = 1,
    }
    /// No node takes work: clients are refused. Critical.
    no_node: NoNode { raise_after: 5, clear_after: 15 }
    /// Wrong passwords on the admin listener, in ten minutes.
    login_failures: LoginFailures {
        raise_after: 0, clear_after: 60,
        /// From so many by one address on.
        #[schemars(range(min = 1))]
        per_address: u32 = 10,
        /// From so many by all together on.
        #[schemars(range(min = 1))]
        total: u32 = 50,
    }
    /// Refused requests and closed sockets of clients for one reason, in ten minutes.
    refusals: Refusals {
        raise_after: 0, clear_after: 60,
        /// From so many on.
        #[schemars(range(min = 1))]
        count: u32 = 1000,
    }
    /// The store cannot be written. Critical.
    store: StoreRule { raise_after: 30, clear_after: 60 }
    /// Client connections near `limits.connections`; when there is no room left it is critical.
    connections: ConnectionsRule {
        raise_after: 30, clear_after: 60,
        /// From so many percent on.
        #[schemars(range(min = 1, max = 100))]
        percent: u32 = 90,
    }
    /// Open files near the system's limit for the process; when there is no room left it is critical.
    open_files: OpenFiles {
        raise_after: 30, clear_after: 60,
        /// From so many percent on.
        #[schemars(range(min = 1, max = 100))]
        percent: u32 = 90,
    }
}
