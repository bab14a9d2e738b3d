//! Real parts: published client libraries, the published Lavalink server where the package registry has it, and the
//! proxy as the built program, all on loopback.
//!
//! Each client runs twice, straight to a node and through the proxy, and what went over the wire is compared: equal but
//! for session ids, times, figures of playback and hop-by-hop headers. A machine that lacks a tool skips with a line
//! `SKIP name: why`; with `CI=true` a missing tool is a failure.
//!
//! - `environment`: what the tests share.
//! - `alike`: one client, twice, compared.
//! - `playback`: a real file on a real node through the proxy.
//! - `survive`: two real nodes, of which one is lost while players play.
//! - `resuming`: what client libraries do by themselves when their connection is cut.
//! - `container`, `log_rotation`, `prometheus`: the examples for operators, with the tools that they are for.

#![allow(clippy::unwrap_used, missing_docs)]

mod alike;
mod container;
mod environment;
mod log_rotation;
mod playback;
mod prometheus;
mod resuming;
mod survive;
