//! lavalink-proxy
fn main() {}
