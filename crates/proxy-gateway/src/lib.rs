//! proxy-gateway
