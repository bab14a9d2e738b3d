//! Puts together what the rules look at, from the last reading and the pool.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use proxy_core::alerts::{AddressReading, Fill, NodeReading, Observation, TenantReading};
use proxy_core::pool::NodeView;
use proxy_gateway::moves::MoveFailures;

use super::month::Month;
use super::{Alerting, lock};
use crate::App;
use crate::monitor::Monitor;
use crate::process;
use crate::view::millis;

/// Counting open files means listing them, which is slow with ten thousand connections.
const FILES_EVERY: Duration = Duration::from_secs(10);

/// What is remembered from one look to the next.
pub(super) struct Observer {
    month: Month,
    files: Fill,
    files_counted: Option<Instant>,
}

impl Observer {
    pub(super) fn new(month: Month) -> Self {
        Self {
            month,
            files: Fill::default(),
            files_counted: None,
        }
    }

    pub(super) fn look(&mut self, app: &App, alerting: &Alerting) -> Observation {
        let (now, at) = (Instant::now(), millis(SystemTime::now()));
        self.count_files(now);
        let login_failures = std::mem::take(&mut *lock(&alerting.login_failures));
        let failures = app.shared.moves.failures();
        let moves = |node: &NodeView| failures.get(&node.id).copied().unwrap_or_default();
        let nodes = app.shared.pool();
        let nodes = nodes.nodes().iter().map(|view| node(view, moves(view))).collect();
        let monitor = app.monitor();
        let limit = app.shared.config.limits.total;
        Observation {
            now,
            at,
            addresses: addresses(&monitor),
            tenants: self.tenants(&monitor, alerting, at),
            nodes,
            login_failures: login_failures.into_iter().collect(),
            refusals: app.shared.refusals.iter().collect(),
            store_failure: alerting.record.failure(),
            connections: Fill {
                used: monitor.client.connections.len() as u64,
                limit: (limit != u32::MAX).then_some(u64::from(limit)),
            },
            open_files: self.files,
        }
    }

    fn tenants(&mut self, monitor: &Monitor, alerting: &Alerting, at: u64) -> Vec<TenantReading> {
        if alerting.quotas.is_empty() {
            return Vec::new();
        }
        let counters = monitor.by_tenant();
        let bytes = counters
            .iter()
            .map(|(name, totals)| (Arc::clone(name), totals.bytes_in + totals.bytes_out));
        self.month.advance(at, bytes);
        let reading = |(name, quota): (&Arc<str>, &u64)| {
            let counter = counters
                .get(name)
                .map_or(0, |totals| totals.bytes_in + totals.bytes_out);
            TenantReading {
                name: Arc::clone(name),
                used: self.month.used(name, counter),
                quota: *quota,
            }
        };
        alerting.quotas.iter().map(reading).collect()
    }

    fn count_files(&mut self, now: Instant) {
        let due = self
            .files_counted
            .is_none_or(|counted| now.saturating_duration_since(counted) >= FILES_EVERY);
        if due {
            self.files_counted = Some(now);
            self.files = Fill {
                used: process::open_files().unwrap_or(0),
                limit: process::open_files_limit(),
            };
        }
    }
}

/// Those that move anything; the rest is calm without being named.
fn addresses(monitor: &Monitor) -> Vec<AddressReading> {
    let client = &monitor.client;
    let named = client
        .by_address
        .iter()
        .filter_map(|(address, totals)| Some((address.as_ref()?, totals)));
    named
        .filter_map(|(address, totals)| {
            let minute = monitor.address_rates.flows(&Some(*address)).minute;
            let rate = f64::from(minute.bytes_in) + f64::from(minute.bytes_out);
            (rate > 0.0).then(|| AddressReading {
                address: *address,
                rate,
                bytes: totals.bytes_in + totals.bytes_out,
            })
        })
        .collect()
}

fn node(view: &NodeView, moves: MoveFailures) -> NodeReading {
    let uptime = view.reported.map(|reported| reported.stats.uptime);
    NodeReading {
        name: Arc::clone(&view.name),
        state: view.state,
        failure: view.last_failure.map(|(failure, _)| failure.to_string()),
        uptime: uptime
            .and_then(|uptime| u64::try_from(uptime).ok())
            .map(Duration::from_millis),
        frame_deficit: view.frames.map(|frames| frames.deficit),
        moves_stayed: moves.stayed,
        moves_failed: moves.failed,
    }
}
