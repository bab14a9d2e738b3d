//! The program: read the settings, say which version runs, build the app, say where it listens, wait for the signal to
//! stop or to make room for another run, let what is in flight finish.

mod app;
mod cli;
mod config;
mod keeper;
mod probe;
mod telemetry;
mod upgrade;

use std::net::TcpListener;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use app::App;
use cli::Request;
use proxy_gateway::Inherited;
use telemetry::Logging;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use upgrade::Upgrade;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // First of all: the program's file may be replaced later, and the environment is changed while there is one thread.
    let (upgrade, inherited) = (Upgrade::prepare(), upgrade::inherited());
    let (config, file) = match cli::request() {
        Request::Run(config, file) => (config, file),
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
    let upgrade = upgrade.with_file(file);
    match run(*config, inherited, &upgrade, &logging) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(sockets)) => {
            // What is still to be written of the log is written now: nothing of this run is left afterwards.
            drop(logging);
            let error = upgrade.replace(sockets);
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs until a signal ends it; returns the listening sockets when another run is to go on with them.
fn run(
    config: config::Config,
    inherited: Inherited,
    upgrade: &Upgrade,
    logging: &Logging,
) -> anyhow::Result<Option<Vec<TcpListener>>> {
    // First, so that a signal that comes during the start ends it in order too.
    let mut signals = Signals::new().context("cannot wait for signals")?;
    let app = App::start(config, inherited, logging)?;
    app.announce();
    let stop = loop {
        match signals.wait() {
            Wish::Stop(reason) => break reason,
            Wish::Upgrade => match signals.unless_stopped(upgrade.check()) {
                Ok(Ok(())) => {
                    tracing::info!("lavalink-proxy makes room for its next run");
                    let sockets = app.hand_over();
                    // Whoever wants the end meanwhile does not want the next run.
                    let last_look = async { tokio::time::sleep(LAST_LOOK).await };
                    return Ok(match signals.unless_stopped(last_look) {
                        Ok(()) => Some(sockets),
                        Err(reason) => {
                            tracing::info!(reason, "lavalink-proxy stops");
                            None
                        }
                    });
                }
                Ok(Err(error)) => tracing::error!("no upgrade, this run goes on: {error:#}"),
                Err(reason) => break reason,
            },
        }
    };
    tracing::info!(reason = stop, "lavalink-proxy stops");
    app.shut_down();
    Ok(None)
}

/// Enough for a signal that has come to be seen.
const LAST_LOOK: Duration = Duration::from_millis(10);

/// What a signal asks for.
enum Wish {
    /// The end, by this signal.
    Stop(&'static str),
    /// Another run of the program in place of this one.
    Upgrade,
}

/// The signals that the program takes.
struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
    upgrade: Signal,
}

impl Signals {
    /// From now on they are noted rather than fatal.
    fn new() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (terminate, interrupt, upgrade) = {
            let _context = runtime.enter();
            (
                signal(SignalKind::terminate())?,
                signal(SignalKind::interrupt())?,
                signal(SignalKind::user_defined2())?,
            )
        };
        Ok(Self {
            runtime,
            terminate,
            interrupt,
            upgrade,
        })
    }

    /// Does `work`, unless a signal to stop comes first: its name.
    fn unless_stopped<T>(&mut self, work: impl Future<Output = T>) -> Result<T, &'static str> {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                _ = self.terminate.recv() => Err("SIGTERM"),
                _ = self.interrupt.recv() => Err("SIGINT"),
                done = work => Ok(done),
            }
        })
    }

    /// Waits for one.
    fn wait(&mut self) -> Wish {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                _ = self.terminate.recv() => Wish::Stop("SIGTERM"),
                _ = self.interrupt.recv() => Wish::Stop("SIGINT"),
                _ = self.upgrade.recv() => Wish::Upgrade,
            }
        })
    }
}
