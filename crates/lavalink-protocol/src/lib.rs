//! What Lavalink v3 and v4 look like on the wire: bytes in, values out.
//!
//! Pure: no sockets, no runtime, no clock and no randomness of its own. What to do about it is decided in the core and
//! carried out by the gateway.

pub mod detect;
pub mod envelope;
pub mod error_body;
pub mod generation;
pub mod handshake;
pub mod http;
pub mod id;
pub mod info;
pub mod late;
pub mod message;
mod path;
pub mod route;
mod scan;
pub mod stats;
pub mod track;
pub mod ws;
