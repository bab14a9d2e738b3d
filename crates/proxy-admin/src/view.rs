//! Figures and times as the API shows them: bytes and counts as whole numbers, rates rounded to a tenth, times in
//! milliseconds since 1970 (UTC), as Lavalink's own API has them.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use lavalink_protocol::detect::Class;
use lavalink_protocol::generation::Generation;
use proxy_core::usage::Flow;
use proxy_gateway::usage::Totals;
use serde::Serialize;

use crate::rate_table::Flows;

/// What something carried so far and carries now. `in` is what the proxy received.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TrafficView {
    bytes_in: u64,
    bytes_out: u64,
    messages_in: u64,
    messages_out: u64,
    requests: u64,
    rates: RatesView,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RatesView {
    second: FlowView,
    ten_seconds: FlowView,
    minute: FlowView,
}

/// Per second.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
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

/// Milliseconds since 1970.
pub(crate) fn millis(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}

/// The time of day of a moment that only the monotonic clock saw.
pub(crate) fn millis_of(at: Instant) -> u64 {
    SystemTime::now().checked_sub(at.elapsed()).map_or(0, millis)
}

/// A client's protocol version; `undecided` until it is known.
pub(crate) fn version_name(class: Option<Class>) -> &'static str {
    match class {
        Some(Class::V4) => "v4",
        Some(Class::V3) => "v3",
        Some(Class::V3Legacy) => "v3-legacy",
        None => "undecided",
    }
}

/// A node's generation.
pub(crate) fn generation_name(generation: Generation) -> &'static str {
    match generation {
        Generation::Legacy => "v3-legacy",
        Generation::V3_7 => "v3",
        Generation::V4 { .. } => "v4",
    }
}
