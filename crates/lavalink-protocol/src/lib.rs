//! lavalink-protocol
pub mod http;
pub mod ws;
