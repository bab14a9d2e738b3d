//! The program: read the settings, say which version runs, build the app, say where it listens, wait for the signal to
//! stop, let what is in flight finish.

mod app;
mod cli;
mod config;
mod keeper;
mod probe;
mod telemetry;

use std::process::ExitCode;

use anyhow::Context;
use app::App;
use cli::Request;
use telemetry::Logging;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let config = match cli::request() {
        Request::Run(config) => config,
        Request::Done(code) => return code,
    };
    let logging = match telemetry::start(&config.log) {
        Ok(logging) => logging,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "lavalink-proxy starts");
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    match run(*config, &logging) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(config: config::Config, logging: &Logging) -> anyhow::Result<()> {
    // First, so that a signal that comes during the start ends it in order too.
    let mut stop = StopSignal::new().context("cannot wait for signals")?;
    let app = App::start(config, logging)?;
    app.announce();
    let reason = stop.wait();
    tracing::info!(reason, "lavalink-proxy stops");
    app.shut_down();
    Ok(())
}

/// The signals that end the program.
struct StopSignal {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignal {
    /// From now on they are noted rather than fatal.
    fn new() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let (terminate, interrupt) = {
            let _context = runtime.enter();
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
        };
        Ok(Self {
            runtime,
            terminate,
            interrupt,
        })
    }

    /// Waits for one and returns which it was.
    fn wait(&mut self) -> &'static str {
        self.runtime.block_on(async {
            tokio::select! {
                _ = self.terminate.recv() => "SIGTERM",
                _ = self.interrupt.recv() => "SIGINT",
            }
        })
    }
}
