//! Bots with traffic of their own.
