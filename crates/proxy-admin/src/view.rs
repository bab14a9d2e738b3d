//! Figures, names and times as the API shows them: bytes and counts as whole numbers, rates rounded to a tenth, times in
//! milliseconds since 1970 (UTC), as Lavalink's own API has them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lavalink_protocol::detect::Class;
use lavalink_protocol::generation::Generation;
use proxy_core::health::NodeState;
use proxy_core::levels::Level;
use proxy_core::usage::Flow;
use proxy_gateway::usage::Totals;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::rate_table::Flows;

/// What something carried so far and carries now. `in` is what the proxy received.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Traffic)]
pub(crate) struct TrafficView {
    /// On the socket, below TLS.
    bytes_in: u64,
    /// On the socket, below TLS.
    bytes_out: u64,
    /// WebSocket messages.
    messages_in: u64,
    /// WebSocket messages.
    messages_out: u64,
    /// Received from clients, or sent to nodes.
    requests: u64,
    /// Of the requests that were answered; the others are under way, or were given up.
    outcomes: OutcomesView,
    rates: RatesView,
}

/// Requests by the class of their answer.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Outcomes)]
pub(crate) struct OutcomesView {
    /// Below 400; the 101 of a WebSocket is one.
    pub(crate) ok: u64,
    /// 4xx.
    pub(crate) client_error: u64,
    /// 5xx.
    pub(crate) server_error: u64,
}

/// Rates over three windows.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Rates)]
struct RatesView {
    second: FlowView,
    ten_seconds: FlowView,
    minute: FlowView,
}

/// Per second.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Flow)]
struct FlowView {
    bytes_in: f64,
    bytes_out: f64,
    bits_in: f64,
    bits_out: f64,
    messages_in: f64,
    messages_out: f64,
}

impl TrafficView {
    /// Puts totals and rates together.
    pub(crate) fn new(totals: Totals, flows: Flows) -> Self {
        Self {
            bytes_in: totals.bytes_in,
            bytes_out: totals.bytes_out,
            messages_in: totals.messages_in,
            messages_out: totals.messages_out,
            requests: totals.requests,
            outcomes: OutcomesView {
                ok: totals.ok,
                client_error: totals.client_error,
                server_error: totals.server_error,
            },
            rates: RatesView {
                second: FlowView::new(&flows.second),
                ten_seconds: FlowView::new(&flows.ten_seconds),
                minute: FlowView::new(&flows.minute),
            },
        }
    }
}

impl FlowView {
    fn new(flow: &Flow) -> Self {
        Self {
            bytes_in: tenth(flow.bytes_in),
            bytes_out: tenth(flow.bytes_out),
            bits_in: tenth(flow.bits_in()),
            bits_out: tenth(flow.bits_out()),
            messages_in: tenth(flow.messages_in),
            messages_out: tenth(flow.messages_out),
        }
    }
}

fn tenth(value: f32) -> f64 {
    (f64::from(value) * 10.0).round() / 10.0
}

/// A client's protocol version: `v3` is 3.7 (`/v3` paths), `v3-legacy` ops over the WebSocket; `undecided` until it is
/// known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[schema(as = ClientVersion)]
pub(crate) enum VersionName {
    #[serde(rename = "v4")]
    V4,
    #[serde(rename = "v3")]
    V3,
    #[serde(rename = "v3-legacy")]
    V3Legacy,
    #[serde(rename = "undecided")]
    Undecided,
}

impl VersionName {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::V4 => "v4",
            Self::V3 => "v3",
            Self::V3Legacy => "v3-legacy",
            Self::Undecided => "undecided",
        }
    }
}

impl From<Option<Class>> for VersionName {
    fn from(class: Option<Class>) -> Self {
        match class {
            Some(Class::V4) => Self::V4,
            Some(Class::V3) => Self::V3,
            Some(Class::V3Legacy) => Self::V3Legacy,
            None => Self::Undecided,
        }
    }
}

/// What a node speaks, named as clients' versions are.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = NodeGeneration)]
pub(crate) enum GenerationName {
    #[serde(rename = "v4")]
    V4,
    #[serde(rename = "v3")]
    V3,
    #[serde(rename = "v3-legacy")]
    V3Legacy,
}

impl From<Generation> for GenerationName {
    fn from(generation: Generation) -> Self {
        match generation {
            Generation::Legacy => Self::V3Legacy,
            Generation::V3_7 => Self::V3,
            Generation::V4 { .. } => Self::V4,
        }
    }
}

/// What a node is good for: `degraded` is up but failing now and then or slow, `unknown` not probed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = NodeState)]
pub(crate) enum StateName {
    Healthy,
    Degraded,
    Down,
    Draining,
    Unknown,
}

impl From<NodeState> for StateName {
    fn from(state: NodeState) -> Self {
        match state {
            NodeState::Healthy => Self::Healthy,
            NodeState::Degraded => Self::Degraded,
            NodeState::Down => Self::Down,
            NodeState::Draining => Self::Draining,
            NodeState::Unknown => Self::Unknown,
        }
    }
}

/// How busy something is, by its rate over ten seconds, both ways, and `[usage] levels`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Level)]
pub(crate) enum LevelName {
    /// Next to nothing.
    Quiet,
    /// What a bot moves on an ordinary day.
    Normal,
    /// A lot.
    High,
    /// So much that somebody should look.
    Extreme,
}

impl From<Level> for LevelName {
    fn from(level: Level) -> Self {
        match level {
            Level::Quiet => Self::Quiet,
            Level::Normal => Self::Normal,
            Level::High => Self::High,
            Level::Extreme => Self::Extreme,
        }
    }
}

/// Milliseconds since 1970.
pub(crate) fn millis(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}

/// The time of day of a moment that only the monotonic clock saw.
pub(crate) fn millis_of(at: Instant) -> u64 {
    SystemTime::now().checked_sub(at.elapsed()).map_or(0, millis)
}

/// As the store has times.
pub(crate) fn stored(at: SystemTime) -> proxy_store::Millis {
    i64::try_from(millis(at)).unwrap_or(i64::MAX)
}

/// A time from the store.
pub(crate) fn time_of(at: proxy_store::Millis) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(at.max(0) as u64)
}

/// A client's protocol version as a label.
pub(crate) fn version_name(class: Option<Class>) -> &'static str {
    VersionName::from(class).as_str()
}
