//! What outlives the process: usage history, the history of nodes and connections, alerts, API tokens, logins and the
//! identities of sessions, in one SQLite file.
//!
//! One thread owns the connection that writes; everybody else hands it work over a bounded queue ([`Store`]). There are
//! two ways in. [`Store::record`] is for history: it never waits, is written in batches, and a `kill -9` loses at most
//! one flush interval of it. A commit ([`Pending`]) is for what must be on disk before anybody is told. Reading is
//! synchronous, on connections of its own.
//!
//! Not here: counting (the gateway's ledgers), and deciding what is alarming or who may log in. Start with `store.rs`;
//! `rollup.rs` has the decisions on usage history, without a clock or a file.

mod access;
mod alerts;
mod commit;
mod connections;
mod error;
mod figures;
mod file;
mod inbox;
mod nodes;
mod recorder;
pub mod rollup;
mod schema;
mod sessions;
mod settings;
mod store;
mod upkeep;
mod usage;
mod writer;

pub use access::{Login, Token};
pub use alerts::{Alert, AlertChange};
pub use connections::{ClosedConnection, ConnectionFilter, ConnectionRow};
pub use error::StoreError;
pub use figures::{Figures, Scope, UsageDelta, UsageKey};
pub use nodes::{NodeChange, Probe, ProbeStep, Uptime};
pub use recorder::{Reading, Recorder};
pub use settings::{Retention, Settings};
pub use store::{Pending, Record, Store, StoreHealth};
pub use usage::query::{UsageHistory, UsagePoint, UsageSort, UsageTotal, UsageTotals, UsageTotalsQuery};

/// A time as Unix milliseconds; what all times of this crate are.
pub type Millis = i64;
