//! What the tests and the demo are made of: simulated Lavalink nodes, test clients, bots, certificates and the kernel's
//! own view of a socket.
//!
//! - [`sim`]: [`SimNode`], a Lavalink node of four generations in this process, with faults on command.
//! - [`client`]: [`TestClient`], a bot's library that checks what it receives, and [`RawClient`] for malformed input.
//! - [`bots`]: bots with traffic of their own, for the demo.
//! - [`certs`], [`tcp_info`]: a test CA, and the kernel's byte counts of a connection.
//! - [`stop`]: when a program of the kit has to end.
//! - [`voice`]: a fake Discord voice server, so that a real node really plays.
//! - [`tap`]: a recording tap between a client and a node, and the comparison of two recordings.
//! - [`real`]: the published Lavalink server and client libraries, and the proxy as a program.
//!
//! Nothing here is part of the proxy, and nothing here knows the proxy: everything speaks Lavalink's protocols only and
//! works against a node as well.

pub mod bots;
pub mod certs;
pub mod client;
pub mod real;
pub mod sim;
pub mod stop;
pub mod tap;
pub mod tcp_info;
pub mod voice;

mod wait;

pub use client::{RawClient, TestClient};
pub use sim::{Fault, SimGeneration, SimNode};
pub use wait::wait_until;
