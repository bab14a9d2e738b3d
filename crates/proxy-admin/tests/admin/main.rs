//! The admin listener as an operator and a scraper see it: a real gateway with simulated nodes in this process, and
//! clients that move real traffic.

#![allow(clippy::unwrap_used, missing_docs)]

mod access;
mod actions;
mod dashboard;
mod docs;
mod events;
mod figures;
mod history;
mod login;
mod metrics;
mod openapi;
mod rig;
mod status;
mod views;
