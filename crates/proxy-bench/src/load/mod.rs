//! The load generator: one thread, one event loop per load, as cheap as it can be.
//!
//! Each kind of load is one process run: it prints when its measured window begins and ends, so that the orchestrator
//! can read everybody's CPU time at the same moments.

mod answer;
mod handshake;
mod requests;
mod rest;
mod sessions;
mod storm;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;

use crate::control::{LoadEvent, say, wait_for_end};
use crate::sys::raise_open_files;

/// Options of a load.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where to: the node itself or a peer in front of it
    #[arg(long)]
    to: SocketAddr,
    #[command(subcommand)]
    kind: Kind,
}

#[derive(clap::Subcommand)]
enum Kind {
    /// Requests over keep-alive connections
    Rest {
        /// What is requested
        #[arg(long)]
        what: requests::What,
        /// Connections, each with one request in flight at most
        #[arg(long, default_value_t = 16)]
        connections: usize,
        /// Requests per second; without it each answer is followed by the next request
        #[arg(long)]
        rate: Option<u32>,
        /// Ends after so many answers, without a window
        #[arg(long)]
        requests: Option<u64>,
        #[command(flatten)]
        window: Window,
    },
    /// Connections opened and closed one after another
    Storm {
        /// How each connection goes
        #[arg(long)]
        what: storm::What,
        /// Connections at a time
        #[arg(long, default_value_t = 32)]
        connections: usize,
        #[command(flatten)]
        window: Window,
    },
    /// Sessions with a player each that receive messages; commands on stdin
    Sessions {
        /// How many
        #[arg(long)]
        count: usize,
    },
}

/// When to measure.
#[derive(clap::Args, Clone, Copy)]
pub(crate) struct Window {
    /// Milliseconds before the measured window
    #[arg(long, default_value_t = 200)]
    warm_ms: u64,
    /// Milliseconds of the measured window
    #[arg(long, default_value_t = 1000)]
    ms: u64,
}

impl Window {
    const fn warm(self) -> Duration {
        Duration::from_millis(self.warm_ms)
    }

    const fn length(self) -> Duration {
        Duration::from_millis(self.ms)
    }
}

/// How long a load of requests lasts.
#[derive(Clone, Copy)]
pub(crate) enum Length {
    Window(Window),
    /// So many answers, the first one included.
    Requests(u64),
}

/// Runs one load.
pub(crate) fn run(options: &Options) -> Result<()> {
    raise_open_files(65_536);
    let to = options.to;
    let measured = match options.kind {
        Kind::Rest {
            what,
            connections,
            rate,
            requests,
            window,
        } => {
            let length = requests.map_or(Length::Window(window), Length::Requests);
            rest::measure(to, what, connections, rate, length)?
        }
        Kind::Storm {
            what,
            connections,
            window,
        } => storm::measure(to, what, connections, window)?,
        Kind::Sessions { count } => return sessions::serve(to, count),
    };
    say(&LoadEvent::Done(measured))?;
    wait_for_end();
    Ok(())
}
