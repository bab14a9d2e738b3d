//! The program: read the settings, say which version runs, build the app, say where it listens, wait for the signal to
//! stop, let what is in flight finish.

mod app;
mod cli;
mod config;
mod probe;
mod telemetry;

use std::process::ExitCode;

use anyhow::Context;
use app::App;
use cli::Request;
use tokio::signal::unix::{SignalKind, signal};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let config = match cli::request() {
        Request::Run(config) => config,
        Request::Done(code) => return code,
    };
    telemetry::start(&config.log);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "lavalink-proxy starts");
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    match run(*config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(config: config::Config) -> anyhow::Result<()> {
    let app = App::start(config)?;
    app.announce();
    let reason = stop_signal().context("cannot wait for signals")?;
    tracing::info!(reason, "lavalink-proxy stops");
    app.shut_down();
    Ok(())
}

/// Waits for SIGTERM or SIGINT and returns which it was.
fn stop_signal() -> std::io::Result<&'static str> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::select! {
            _ = terminate.recv() => Ok("SIGTERM"),
            _ = interrupt.recv() => Ok("SIGINT"),
        }
    })
}
