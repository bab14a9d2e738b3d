//! How the store is: what waits for it, what it lost, and whether it can write.

use std::time::SystemTime;

use prometheus_client::registry::Unit;

use super::{Family, flag, gauge};
use crate::App;
use crate::prometheus::Value;
use crate::view::millis;

/// Nothing where there is no store.
pub(super) fn store(app: &App) -> Vec<Family> {
    let Some(health) = app.store.as_ref().map(proxy_store::Store::health) else {
        return Vec::new();
    };
    let now = i64::try_from(millis(SystemTime::now())).unwrap_or(i64::MAX);
    let since_start = app.shared.started.elapsed().as_secs_f64();
    let age = health
        .last_flush
        .map_or(since_start, |at| now.saturating_sub(at).max(0) as f64 / 1e3);
    vec![
        Family::gauge("store_failing", "1 when the last write of the store failed")
            .with(Vec::new(), flag(health.failing)),
        Family::gauge("store_queued", "Records that wait for the store").with(Vec::new(), gauge(health.queued as f64)),
        Family::counter("store_dropped", "Records that were lost because too many waited")
            .with(Vec::new(), Value::Counter(health.dropped)),
        Family::counter("store_commits", "Commits of the store").with(Vec::new(), Value::Counter(health.commits)),
        Family::gauge(
            "store_flush_age",
            "Time since history was written last, or since the start",
        )
        .unit(Unit::Seconds)
        .with(Vec::new(), gauge(age)),
        Family::gauge("store_flush_duration", "How long it took then")
            .unit(Unit::Seconds)
            .with(Vec::new(), gauge(health.flush_micros as f64 / 1e6)),
        Family::gauge("store_size", "Size of the store's files")
            .unit(Unit::Bytes)
            .with(Vec::new(), gauge(health.file_bytes as f64)),
    ]
}
