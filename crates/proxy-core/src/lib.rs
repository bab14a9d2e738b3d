//! Every decision of the proxy: which node is usable, where a player or request goes, how a session lives, whose
//! password is whose, which version a client spoke before, what deserves an alert.
//!
//! No sockets and no clock: `now` is passed in everywhere, and so is randomness, so that any run can be repeated from
//! its seed (`tests/simulation.rs` does). The network shell around it is `proxy-gateway`.

// Clock reads are banned by this crate's `clippy.toml`; a test needs one to start from.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::disallowed_methods))]

pub mod alerts;
pub mod binding;
pub mod drain;
pub mod health;
pub mod levels;
pub mod limits;
pub mod placement;
pub mod pool;
pub mod secret;
pub mod session;
pub mod tenant;
pub mod throttle;
pub mod usage;
