//! Who moved how much: counters on the hot path, and the two ledgers that sum them (client side and node side, never
//! added up with each other).
//!
//! A counter is written by the one thread that owns its socket and only read by others, so counting takes no lock and
//! no atomic read-modify-write. A ledger's lock is taken when a connection opens, changes its label or closes, and by
//! readers. Not here: rates (`proxy_core::usage`) and history.

mod clients;
mod ended;
mod nodes;
mod sessions;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use proxy_core::usage::Totals;

pub use clients::{ClientLedger, ClientUsage, Closed, ClosedConnection, ConnectionRecord, Label};
pub use ended::Ended;
pub(crate) use nodes::LinkRecord;
pub use nodes::{LinkCounts, NodeLedger};
pub use sessions::{SessionLedger, SessionTotals};

/// False only in a build that is made for measuring what counting costs.
const COUNTED: bool = cfg!(not(feature = "uncounted"));

/// A number that one thread counts up and any thread reads.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts; only the owning thread may call this.
    #[inline]
    pub(crate) fn add(&self, count: u64) {
        if COUNTED {
            self.0.store(self.0.load(Ordering::Relaxed) + count, Ordering::Relaxed);
        }
    }

    /// The sum so far.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one socket carried, seen from the proxy: `in` is what the proxy received.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Bytes received on the socket, below TLS.
    pub bytes_in: Counter,
    /// Bytes sent on the socket, below TLS.
    pub bytes_out: Counter,
    /// WebSocket messages received.
    pub messages_in: Counter,
    /// WebSocket messages sent.
    pub messages_out: Counter,
    /// Requests received (client side, refused ones included) or sent (node side).
    pub requests: Counter,
    /// Requests answered with a status below 400.
    pub ok: Counter,
    /// Requests answered with 4xx.
    pub client_error: Counter,
    /// Requests answered with 5xx.
    pub server_error: Counter,
}

impl Traffic {
    /// Counts the answer to a request.
    #[inline]
    pub(crate) fn answered(&self, status: u16) {
        let outcome = match status {
            500.. => &self.server_error,
            400..=499 => &self.client_error,
            _ => &self.ok,
        };
        outcome.add(1);
    }

    /// The figures of this moment.
    pub fn totals(&self) -> Totals {
        // A request is counted before its answer, so answers are read first: more of them than requests never shows.
        let (ok, client_error, server_error) = (self.ok.get(), self.client_error.get(), self.server_error.get());
        Totals {
            bytes_in: self.bytes_in.get(),
            bytes_out: self.bytes_out.get(),
            messages_in: self.messages_in.get(),
            messages_out: self.messages_out.get(),
            requests: self.requests.get(),
            ok,
            client_error,
            server_error,
        }
    }
}

/// A panic while a ledger was held leaves sums that are at worst short of one update, so they are read on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
