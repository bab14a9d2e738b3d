//! A store in a folder of its own, with a clock that a test moves.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use proxy_store::{Figures, Millis, Record, Settings, Store, UsageDelta, UsageKey};
use tempfile::TempDir;

/// Some Tuesday, at a full hour, minute and day.
pub(crate) const START: Millis = 1_790_035_200_000;
pub(crate) const SECOND: Millis = 1000;
pub(crate) const MINUTE: Millis = 60 * SECOND;
pub(crate) const HOUR: Millis = 60 * MINUTE;
pub(crate) const DAY: Millis = 24 * HOUR;

/// See the module.
pub(crate) struct Rig {
    pub(crate) store: Store,
    pub(crate) settings: Settings,
    pub(crate) folder: TempDir,
    clock: Arc<AtomicI64>,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(AtomicI64::new(START));
        let told = Arc::clone(&clock);
        let mut settings = Settings {
            clock: Arc::new(move || told.load(Ordering::Relaxed)),
            ..Settings::default()
        };
        change(&mut settings);
        let store = Store::open(folder.path().join("store.db"), settings.clone()).unwrap();
        Self {
            store,
            settings,
            folder,
            clock,
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }

    pub(crate) fn now(&self) -> Millis {
        self.clock.load(Ordering::Relaxed)
    }

    /// Moves the clock and lets the store do what is due.
    pub(crate) fn pass(&self, time: Millis) {
        // What was recorded so far is of the time before.
        self.store.flush().wait().unwrap();
        self.clock.fetch_add(time, Ordering::Relaxed);
        self.store.settle().wait().unwrap();
    }

    /// Moves the clock while the store is closed.
    pub(crate) fn pass_closed(&self, time: Millis) {
        self.clock.fetch_add(time, Ordering::Relaxed);
    }

    pub(crate) fn reopen(&mut self) {
        self.store.close();
        self.store = Store::open(self.path(), self.settings.clone()).unwrap();
    }

    /// Records bytes of a key at the present time.
    pub(crate) fn moved(&self, key: UsageKey, bytes_in: u64) {
        self.moved_all([(key, bytes_in)]);
    }

    /// The same for many.
    pub(crate) fn moved_all(&self, moved: impl IntoIterator<Item = (UsageKey, u64)>) {
        let deltas = moved
            .into_iter()
            .map(|(key, bytes_in)| self.delta(key, bytes_in))
            .collect();
        self.store.try_record(Record::Usage(deltas)).unwrap();
    }

    fn delta(&self, key: UsageKey, bytes_in: u64) -> UsageDelta {
        let figures = Figures {
            bytes_in,
            bytes_out: 2 * bytes_in,
            requests: 1,
            max_rate_in: bytes_in,
            ..Figures::default()
        };
        UsageDelta {
            key,
            at: self.now(),
            figures,
        }
    }
}

/// A made-up address.
pub(crate) fn ip(number: u32) -> UsageKey {
    UsageKey::Ip(std::net::Ipv4Addr::from(0x0a00_0000 + number).into())
}
