//! proxy-admin
