//! WebSockets: v4 sessions that the proxy owns, tunnels for v3 clients, and sockets whose version is not known yet.
//!
//! `start` takes a handshake to one of the three; each is one task that owns both of its sockets.

pub(crate) mod around;
pub(crate) mod client;
pub(crate) mod dial;
pub mod directory;
pub(crate) mod errands;
pub(crate) mod frames;
pub(crate) mod keys;
pub(crate) mod late;
pub(crate) mod liveness;
pub(crate) mod relay;
pub(crate) mod revive;
pub(crate) mod start;
pub(crate) mod tunnel;
pub(crate) mod v4;
