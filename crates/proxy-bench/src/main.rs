//! The side-by-side benchmark: a fake node, a load generator and the orchestrator that measures HAProxy, nginx and the
//! proxy between them; and the count of the proxy's instructions. Each role is a process of its own, so that its CPU time can be told apart.
//!
//! Not a test: nothing here fails because something is slow (`run --check` only reports).

mod control;
mod cost;
mod load;
mod message;
mod net;
mod node;
mod run;
mod stats;
mod sys;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// The password of the node and of every peer.
const PASSWORD: &str = "bench-password";

/// Benchmarks the proxy side by side with HAProxy and nginx.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// A fake Lavalink v4 node; commands on stdin, events on stdout.
    Node(node::Options),
    /// One load against one address; commands on stdin, events on stdout.
    Load(load::Options),
    /// Instructions per request and per message, counted by callgrind.
    Cost(cost::Options),
    /// The whole benchmark: starts every other process and prints the table.
    Run(run::Options),
}

fn main() -> Result<()> {
    match Cli::parse().role {
        Role::Node(options) => node::run(&options),
        Role::Load(options) => load::run(&options),
        Role::Cost(options) => cost::run(&options),
        Role::Run(options) => run::run(&options),
    }
}
