//! proxy-testkit
