//! Behaviour of the whole proxy, over real sockets on loopback, against simulated nodes.
//!
//! One file per topic; `support` starts the proxy. Nothing here sleeps for a fixed time to let something happen: tests
//! wait for a state, with a deadline. For real Lavalink servers and client libraries see the tests in `real`.

#![allow(clippy::unwrap_used, missing_docs)]

mod access_log;
mod alerts;
mod audit;
mod auth;
mod counting;
mod detection;
mod health;
mod hostile;
mod late;
mod logging;
mod observed;
mod rest;
mod restart;
mod scripted;
mod session;
mod shutdown;
mod soak;
mod support;
mod survive;
mod tls;
mod tunnel;
