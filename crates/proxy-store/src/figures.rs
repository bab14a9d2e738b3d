//! What usage history is made of: whose ([`UsageKey`]), when ([`UsageDelta`]) and how much ([`Figures`]).

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use proxy_core::usage::Totals;

use crate::Millis;

/// What usage is summed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Everything that clients moved.
    Total,
    /// Client addresses.
    Ip,
    /// Tenants.
    Tenant,
    /// Nodes; the node side, not to be added up with the others.
    Node,
    /// Protocol versions.
    Version,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Total, Self::Ip, Self::Tenant, Self::Node, Self::Version];

    /// The name in the admin API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Ip => "ip",
            Self::Tenant => "tenant",
            Self::Node => "node",
            Self::Version => "version",
        }
    }

    /// The scope of that name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }

    /// The number in the file; never to be changed.
    pub(crate) fn number(self) -> i64 {
        match self {
            Self::Total => 0,
            Self::Ip => 1,
            Self::Tenant => 2,
            Self::Node => 3,
            Self::Version => 4,
        }
    }
}

/// Whose usage it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UsageKey {
    /// All clients together.
    Total,
    /// A client address.
    Ip(IpAddr),
    /// Addresses that are not kept apart.
    OtherIps,
    /// A tenant by name.
    Tenant(Arc<str>),
    /// A node by name.
    Node(Arc<str>),
    /// A protocol version by name.
    Version(&'static str),
}

impl UsageKey {
    /// The key of [`Scope::Total`].
    pub const TOTAL: &'static str = "total";
    /// The key of all addresses that are not kept apart.
    pub const OTHER: &'static str = "other";

    /// What it is one of.
    pub fn scope(&self) -> Scope {
        match self {
            Self::Total => Scope::Total,
            Self::Ip(_) | Self::OtherIps => Scope::Ip,
            Self::Tenant(_) => Scope::Tenant,
            Self::Node(_) => Scope::Node,
            Self::Version(_) => Scope::Version,
        }
    }

    /// The name within its scope, as queries take and give it.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Total => Self::TOTAL.into(),
            Self::Ip(ip) => ip.to_string().into(),
            Self::OtherIps => Self::OTHER.into(),
            Self::Tenant(name) | Self::Node(name) => Cow::Borrowed(name),
            Self::Version(name) => Cow::Borrowed(name),
        }
    }
}

/// What is added to one key's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageDelta {
    /// Whose.
    pub key: UsageKey,
    /// When; it counts in the ten seconds that this is in.
    pub at: Millis,
    /// How much.
    pub figures: Figures,
}

/// Sums and peaks of a stretch of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Bytes received on the socket, below TLS.
    pub bytes_in: u64,
    /// Bytes sent on the socket, below TLS.
    pub bytes_out: u64,
    /// WebSocket messages received.
    pub messages_in: u64,
    /// WebSocket messages sent.
    pub messages_out: u64,
    /// Requests.
    pub requests: u64,
    /// Requests answered with a status below 400.
    pub ok: u64,
    /// Requests answered with 4xx.
    pub client_error: u64,
    /// Requests answered with 5xx.
    pub server_error: u64,
    /// Connections accepted (links opened, for a node).
    pub connections_opened: u64,
    /// The most connections at one time (links, for a node).
    pub connections: u64,
    /// The most sessions at one time.
    pub sessions: u64,
    /// The most players at one time.
    pub players: u64,
    /// The highest rate over a second, in bytes/s received.
    pub max_rate_in: u64,
    /// The highest rate over a second, in bytes/s sent.
    pub max_rate_out: u64,
}

/// How many of a [`Figures`]'s columns are sums; the rest are peaks.
pub(crate) const SUMS: usize = 9;

/// The columns in the file, sums first.
pub(crate) const COLUMNS: [&str; 14] = [
    "bytes_in",
    "bytes_out",
    "messages_in",
    "messages_out",
    "requests",
    "ok",
    "client_error",
    "server_error",
    "connections_opened",
    "connections",
    "sessions",
    "players",
    "max_rate_in",
    "max_rate_out",
];

impl Figures {
    /// Bytes both ways.
    pub fn bytes(&self) -> u64 {
        self.bytes_in.saturating_add(self.bytes_out)
    }

    /// Nothing was moved, asked or opened; peaks do not matter.
    pub fn is_idle(&self) -> bool {
        self.columns()[..SUMS].iter().all(|sum| *sum == 0)
    }

    /// Takes in another stretch of time, or another part of the same: sums add up, of peaks the higher stays.
    pub fn merge(&mut self, other: &Self) {
        let mut columns = self.columns();
        for (at, (own, more)) in columns.iter_mut().zip(other.columns()).enumerate() {
            *own = if at < SUMS {
                own.saturating_add(more)
            } else {
                (*own).max(more)
            };
        }
        *self = Self::from_columns(columns);
    }

    /// The sums since `earlier`; when one went down they began anew meanwhile, so all of them are new. Peaks stay.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let (mut columns, earlier) = (self.columns(), earlier.columns());
        let began_anew = columns
            .iter()
            .zip(&earlier)
            .take(SUMS)
            .any(|(own, before)| own < before);
        if !began_anew {
            columns
                .iter_mut()
                .zip(&earlier)
                .take(SUMS)
                .for_each(|(own, before)| *own -= before);
        }
        Self::from_columns(columns)
    }

    pub(crate) fn columns(&self) -> [u64; 14] {
        [
            self.bytes_in,
            self.bytes_out,
            self.messages_in,
            self.messages_out,
            self.requests,
            self.ok,
            self.client_error,
            self.server_error,
            self.connections_opened,
            self.connections,
            self.sessions,
            self.players,
            self.max_rate_in,
            self.max_rate_out,
        ]
    }

    pub(crate) fn from_columns(columns: [u64; 14]) -> Self {
        let [
            bytes_in,
            bytes_out,
            messages_in,
            messages_out,
            requests,
            ok,
            client_error,
            server_error,
            connections_opened,
            connections,
            sessions,
            players,
            max_rate_in,
            max_rate_out,
        ] = columns;
        Self {
            bytes_in,
            bytes_out,
            messages_in,
            messages_out,
            requests,
            ok,
            client_error,
            server_error,
            connections_opened,
            connections,
            sessions,
            players,
            max_rate_in,
            max_rate_out,
        }
    }
}

impl From<Totals> for Figures {
    fn from(totals: Totals) -> Self {
        // Named one by one, so that a new one is not forgotten here.
        let Totals {
            bytes_in,
            bytes_out,
            messages_in,
            messages_out,
            requests,
            ok,
            client_error,
            server_error,
        } = totals;
        Self {
            bytes_in,
            bytes_out,
            messages_in,
            messages_out,
            requests,
            ok,
            client_error,
            server_error,
            ..Self::default()
        }
    }
}
