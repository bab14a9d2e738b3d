//! proxy-bench
fn main() {}
