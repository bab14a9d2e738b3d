//! What an alert is: its rule, how bad it is, whom it is about, and what is told of it. Not for when it is raised.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// What is watched. The names are those of `[alerts.rules.*]` and of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// An address moves more than is allowed.
    IpRate,
    /// An address moves many times what it usually does at this hour.
    IpUnusual,
    /// A tenant has used most of its monthly quota, or all of it.
    TenantQuota,
    /// A node is down.
    NodeDown,
    /// A node fails now and then, or is slow.
    NodeDegraded,
    /// A node has started anew.
    NodeRestarted,
    /// Players on a node miss audio frames.
    NodeFrames,
    /// Players could not be moved away from a node.
    Migrations,
    /// No node takes work.
    NoNode,
    /// Wrong passwords on the admin listener.
    LoginFailures,
    /// Many refused requests, or sockets closed by the proxy, for one reason.
    Refusals,
    /// The store cannot be written.
    Store,
    /// Connections near `limits.connections`.
    Connections,
    /// Open files near the system's limit for the process.
    OpenFiles,
}

impl Rule {
    /// Every rule, in the order of their declaration.
    pub const ALL: [Self; 14] = [
        Self::IpRate,
        Self::IpUnusual,
        Self::TenantQuota,
        Self::NodeDown,
        Self::NodeDegraded,
        Self::NodeRestarted,
        Self::NodeFrames,
        Self::Migrations,
        Self::NoNode,
        Self::LoginFailures,
        Self::Refusals,
        Self::Store,
        Self::Connections,
        Self::OpenFiles,
    ];

    /// Its name in configuration, API and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::IpRate => "ip_rate",
            Self::IpUnusual => "ip_unusual",
            Self::TenantQuota => "tenant_quota",
            Self::NodeDown => "node_down",
            Self::NodeDegraded => "node_degraded",
            Self::NodeRestarted => "node_restarted",
            Self::NodeFrames => "node_frames",
            Self::Migrations => "migrations",
            Self::NoNode => "no_node",
            Self::LoginFailures => "login_failures",
            Self::Refusals => "refusals",
            Self::Store => "store",
            Self::Connections => "connections",
            Self::OpenFiles => "open_files",
        }
    }

    /// The rule of a name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.name() == name)
    }

    /// What it watches, in a few words.
    pub fn summary(self) -> &'static str {
        match self {
            Self::IpRate => "An address moves more than is allowed",
            Self::IpUnusual => "An address moves many times what it usually does at this hour",
            Self::TenantQuota => "A tenant has used most of its monthly quota, or all of it",
            Self::NodeDown => "A node is down",
            Self::NodeDegraded => "A node fails now and then, or is slow",
            Self::NodeRestarted => "A node has started anew",
            Self::NodeFrames => "Players on a node miss audio frames",
            Self::Migrations => "Players could not be moved away from a node",
            Self::NoNode => "No node takes work",
            Self::LoginFailures => "Wrong passwords on the admin listener",
            Self::Refusals => "Many refused requests or closed sockets for one reason",
            Self::Store => "The store cannot be written",
            Self::Connections => "Connections near their limit",
            Self::OpenFiles => "Open files near the system's limit",
        }
    }

    /// Its place in [`Rule::ALL`].
    pub(super) fn index(self) -> usize {
        self as usize
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Worth a look.
    Warning,
    /// Clients suffer, or soon will.
    Critical,
}

impl Severity {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Warning, Self::Critical];

    /// Its name in configuration, API and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// The severity of a name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.name() == name)
    }
}

/// Whom an alert is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A client's address.
    Address(IpAddr),
    /// A tenant, a node or a reason, by its name.
    Named(Arc<str>),
    /// The proxy as a whole.
    Proxy,
    /// Those past the number of alerts that a rule may have open, together.
    Others,
}

const PROXY: &str = "(proxy)";
const OTHERS: &str = "(others)";

impl Subject {
    /// A tenant, a node or a reason.
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        Self::Named(name.into())
    }

    /// Reads what [`fmt::Display`] wrote. No configured name has brackets or is an address of a rule that is about
    /// addresses.
    pub fn read(rule: Rule, text: &str) -> Self {
        let about_addresses = matches!(rule, Rule::IpRate | Rule::IpUnusual | Rule::LoginFailures);
        match (text, text.parse()) {
            (PROXY, _) => Self::Proxy,
            (OTHERS, _) => Self::Others,
            (_, Ok(address)) if about_addresses => Self::Address(address),
            _ => Self::named(text),
        }
    }

    /// As [`fmt::Display`], but of an address only the network: `203.0.113.x`, `2001:db8:1::x`.
    pub fn shortened(&self) -> String {
        match self {
            Self::Address(address) => match address.to_canonical() {
                IpAddr::V4(v4) => {
                    let [a, b, c, _] = v4.octets();
                    format!("{a}.{b}.{c}.x")
                }
                IpAddr::V6(v6) => {
                    let [a, b, c, ..] = v6.segments();
                    format!("{a:x}:{b:x}:{c:x}::x")
                }
            },
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Named(name) => f.write_str(name),
            Self::Proxy => f.write_str(PROXY),
            Self::Others => f.write_str(OTHERS),
        }
    }
}

/// Something that is or was unusual, from its raise to its clear. Times are milliseconds since 1970 UTC.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// Never given twice, also over restarts; grows.
    pub id: u64,
    /// Why.
    pub rule: Rule,
    /// How bad.
    pub severity: Severity,
    /// About whom.
    pub subject: Subject,
    /// What happened, without the subject, so that a notifier can shorten addresses.
    pub text: String,
    /// The figure that was judged, as last seen above the threshold.
    pub value: f64,
    /// What it was compared with.
    pub threshold: f64,
    /// When it was raised.
    pub raised_at: u64,
    /// When text or value last changed, or what else is told here.
    pub updated_at: u64,
    /// When it was over; `None` while it is open.
    pub cleared_at: Option<u64>,
    /// Who has seen it.
    pub acknowledged: Option<Acknowledgement>,
}

impl Alert {
    /// What happened, with its subject: `203.0.113.x moves 14.2 MB/s, the limit is 10 MB/s`. Addresses are shortened to
    /// their network unless `full_addresses`.
    pub fn sentence(&self, full_addresses: bool) -> String {
        let subject = if full_addresses {
            self.subject.to_string()
        } else {
            self.subject.shortened()
        };
        match (&self.subject, self.rule) {
            (Subject::Proxy | Subject::Others, _) => self.text.clone(),
            (_, Rule::Refusals) => format!("{subject}: {}", self.text),
            _ => format!("{subject} {}", self.text),
        }
    }
}

/// An operator has seen an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// When.
    pub at: u64,
    /// The name of the login.
    pub by: Box<str>,
}

/// What is to be told of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It began.
    Raised,
    /// It became worse.
    Escalated,
    /// It goes on, and nobody has acknowledged it.
    Repeated,
    /// It is over.
    Cleared,
}

impl Kind {
    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Escalated => "escalated",
            Self::Repeated => "repeated",
            Self::Cleared => "cleared",
        }
    }
}

/// A message for the notifiers.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// What happened to it.
    pub kind: Kind,
    /// The alert as it then was.
    pub alert: Alert,
}
