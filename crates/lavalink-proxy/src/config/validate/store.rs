//! Checks of `[store]`.

use std::time::Duration;

use proxy_store::Retention;

use super::Check;
use crate::config::value::Period;
use crate::config::{Store, file};

/// Longer than this, and a crash would take what people still remember.
const LONGEST_FLUSH: Duration = Duration::from_secs(600);

impl Check {
    pub(super) fn store(&mut self, store: &file::Store) -> Store {
        let flush_interval = self.period("store.flush_interval", store.flush_interval);
        if flush_interval > LONGEST_FLUSH {
            self.wrong("store.flush_interval", "expected at most 10m");
        }
        if store.path.as_os_str().is_empty() {
            self.wrong("store.path", "expected the path of a file, it is empty");
        }
        Store {
            path: self.path(&store.path),
            history: store.history,
            flush_interval,
            retention: self.retention(&store.retention),
        }
    }

    fn retention(&mut self, retention: &file::Retention) -> Retention {
        if retention.addresses == 0 {
            self.wrong("store.retention.addresses", "expected at least 1");
        }
        Retention {
            // Two steps of the next level, which is made from what is kept here.
            ten_seconds: self.kept("ten_seconds", retention.ten_seconds, "2m"),
            minutes: self.kept("minutes", retention.minutes, "2h"),
            hours: self.kept("hours", retention.hours, "2d"),
            days: retention.days.map(|days| self.kept("days", days, "2d")),
            addresses: retention.addresses,
            connections: self.period("store.retention.connections", retention.connections),
            connection_rows: retention.connection_rows,
            probes: self.period("store.retention.probes", retention.probes),
            nodes: self.period("store.retention.nodes", retention.nodes),
        }
    }

    fn kept(&mut self, key: &str, kept: Period, least: &str) -> Duration {
        let bound: Period = least.parse().expect("a period");
        if kept.0 < bound.0 {
            self.wrong(&format!("store.retention.{key}"), format!("expected at least {least}"));
        }
        kept.0
    }
}
