//! What can be set about the store.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::Millis;

const DAY: Duration = Duration::from_secs(86_400);

/// How the store behaves; the defaults are the ones of the configuration.
#[derive(Clone)]
pub struct Settings {
    /// Whether history is kept; without it, records are taken and let go.
    pub history: bool,
    /// History is written at least this often; what a `kill -9` may lose.
    pub flush_interval: Duration,
    /// How long an opening waits for another process to let go of the file.
    pub lock_wait: Duration,
    /// Rows of history that may wait to be written, in memory.
    pub queue_rows: usize,
    /// How long what is kept.
    pub retention: Retention,
    /// Tells the time; tests set it.
    pub clock: Arc<dyn Fn() -> Millis + Send + Sync>,
}

/// How long what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Usage in steps of ten seconds.
    pub ten_seconds: Duration,
    /// Usage by minute.
    pub minutes: Duration,
    /// Usage by hour.
    pub hours: Duration,
    /// Usage by day; `None`: for ever.
    pub days: Option<Duration>,
    /// Addresses that are kept apart in one step of minutes, hours or days; the smallest are summed as `other`. Steps
    /// of ten seconds hold ten times as many.
    pub addresses: usize,
    /// Closed connections.
    pub connections: Duration,
    /// At most so many closed connections.
    pub connection_rows: u64,
    /// Single probes of nodes.
    pub probes: Duration,
    /// Changes of nodes' states, probes by minute, and alerts that are over.
    pub nodes: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            history: true,
            flush_interval: Duration::from_secs(5),
            lock_wait: Duration::ZERO,
            queue_rows: 100_000,
            retention: Retention::default(),
            clock: Arc::new(now),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("history", &self.history)
            .field("flush_interval", &self.flush_interval)
            .field("lock_wait", &self.lock_wait)
            .field("queue_rows", &self.queue_rows)
            .field("retention", &self.retention)
            .finish_non_exhaustive()
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            ten_seconds: Duration::from_secs(3600),
            minutes: DAY,
            hours: 90 * DAY,
            days: None,
            addresses: 1000,
            connections: 7 * DAY,
            connection_rows: 1_000_000,
            probes: DAY,
            nodes: 90 * DAY,
        }
    }
}

/// The system's time.
pub(crate) fn now() -> Millis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Millis::try_from(since.unwrap_or_default().as_millis()).unwrap_or(Millis::MAX)
}

/// A duration in milliseconds, as far as they go.
pub(crate) fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}
