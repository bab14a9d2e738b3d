//! What the rules look at: everything that is known at one moment. The shell puts it together once a second.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::health::NodeState;

/// See the module. Counters are those since the start of the proxy.
#[derive(Debug, Clone)]
pub struct Observation {
    /// By the clock that only goes forward.
    pub now: Instant,
    /// By the calendar: milliseconds since 1970 UTC.
    pub at: u64,
    /// Addresses that moved anything in the last minute.
    pub addresses: Vec<AddressReading>,
    /// Tenants with a quota.
    pub tenants: Vec<TenantReading>,
    /// All nodes.
    pub nodes: Vec<NodeReading>,
    /// Wrong passwords on the admin listener since the last observation, by address.
    pub login_failures: Vec<(IpAddr, u32)>,
    /// Refused requests and closed sockets by reason.
    pub refusals: Vec<(&'static str, u64)>,
    /// Why the store cannot be written; `None` when it can, or when there is none.
    pub store_failure: Option<String>,
    /// Client connections.
    pub connections: Fill,
    /// Open files of the process.
    pub open_files: Fill,
}

/// One address.
#[derive(Debug, Clone, Copy)]
pub struct AddressReading {
    /// Which.
    pub address: IpAddr,
    /// Bytes per second over the last minute, both ways.
    pub rate: f64,
    /// Bytes since the start, both ways.
    pub bytes: u64,
}

/// One tenant with a quota.
#[derive(Debug, Clone)]
pub struct TenantReading {
    /// Its name.
    pub name: Arc<str>,
    /// Bytes of this month, both ways.
    pub used: u64,
    /// Bytes that it may move in a month.
    pub quota: u64,
}

/// One node.
#[derive(Debug, Clone)]
pub struct NodeReading {
    /// Its name.
    pub name: Arc<str>,
    /// What it is good for.
    pub state: NodeState,
    /// Its last failure, in words.
    pub failure: Option<String>,
    /// How long it had been running when it last said so.
    pub uptime: Option<Duration>,
    /// Missing frames per player and minute; `None` when nothing plays.
    pub frame_deficit: Option<f64>,
    /// Players that were to leave it and stayed, since the start of the proxy.
    pub moves_stayed: u64,
    /// Players that it lost and no other node took.
    pub moves_failed: u64,
}

/// How much of something is in use.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fill {
    /// In use.
    pub used: u64,
    /// The most; `None` for no limit.
    pub limit: Option<u64>,
}

impl Observation {
    /// A moment at which nothing is known.
    pub fn new(now: Instant, at: u64) -> Self {
        Self {
            now,
            at,
            addresses: Vec::new(),
            tenants: Vec::new(),
            nodes: Vec::new(),
            login_failures: Vec::new(),
            refusals: Vec::new(),
            store_failure: None,
            connections: Fill::default(),
            open_files: Fill::default(),
        }
    }
}
