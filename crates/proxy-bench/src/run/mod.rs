//! The orchestrator: starts the node, the peers and the loads, measures every scenario on every peer in interleaved
//! rounds, and prints what came out.

mod machine;
pub(crate) mod peers;
pub(crate) mod process;
mod report;
mod rows;
mod scenarios;
mod targets;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use tokio::signal::unix::{SignalKind, signal};

use crate::sys::raise_open_files;
use peers::{Kind, Peer, Site};
use report::Report;
use rows::Sample;
use scenarios::{Bench, SCENARIOS, Scenario};

/// Open files to ask for: a peer needs two for each of 10,000 sessions.
const OPEN_FILES: u64 = 65_536;
/// What a process keeps open besides its sessions' sockets.
const OTHER_FILES: u64 = 600;

/// Options of the benchmark.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The proxy's program; without it the proxy is left out
    #[arg(long)]
    proxy: Option<PathBuf>,
    /// What is measured
    #[arg(long, value_delimiter = ',', default_values_t = Kind::ALL)]
    peers: Vec<Kind>,
    /// Only scenarios with these names
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Rounds over all scenarios and peers; those with 10,000 sessions are run in every second one
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Milliseconds of each measured window
    #[arg(long, default_value_t = 800)]
    window: u64,
    /// Sessions in the scenarios with many, as far as the limit of open files allows
    #[arg(long, default_value_t = 10_000)]
    sessions: usize,
    /// Two rounds with short windows
    #[arg(long)]
    quick: bool,
    /// Also says for each target whether it is reached
    #[arg(long)]
    check: bool,
    /// Writes every sample and the table to this file as JSON
    #[arg(long)]
    json: Option<PathBuf>,
}

impl Options {
    const fn rounds(&self) -> usize {
        if self.quick { 2 } else { self.rounds }
    }

    const fn window(&self) -> u64 {
        if self.quick { 400 } else { self.window }
    }

    fn scenarios(&self) -> Result<Vec<&'static Scenario>> {
        for name in &self.only {
            if !SCENARIOS.iter().any(|scenario| scenario.name == name) {
                let known: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
                bail!("no scenario is called {name}; there are {}", known.join(", "));
            }
        }
        let wanted = |scenario: &&Scenario| self.only.is_empty() || self.only.iter().any(|name| name == scenario.name);
        Ok(SCENARIOS.iter().filter(wanted).collect())
    }
}

/// Runs the benchmark to its end or until Ctrl-C; either way no process is left behind.
pub(crate) fn run(options: &Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            outcome = measure(options) => outcome,
            _ = terminate.recv() => bail!("terminated"),
            pressed = tokio::signal::ctrl_c() => {
                pressed?;
                bail!("interrupted")
            }
        }
    })
}

async fn measure(options: &Options) -> Result<()> {
    let began = Instant::now();
    let scenarios = options.scenarios()?;
    let open_files = raise_open_files(OPEN_FILES);
    let sessions = options
        .sessions
        .min((open_files.saturating_sub(OTHER_FILES) / 2) as usize);
    if sessions < options.sessions {
        eprintln!(
            "open files are limited to {open_files}: {sessions} sessions instead of {}",
            options.sessions
        );
    }
    let folder = tempfile::tempdir().context("cannot make a folder for the peers' configuration")?;
    let (kinds, skipped) = available(options).await;
    ensure!(!kinds.is_empty(), "there is nothing to measure: {}", skipped.join("; "));
    let mut bench = Bench::start(options.window(), sessions).await?;
    let site = Site {
        folder: folder.path(),
        node: bench.node_address(),
        proxy: options.proxy.as_deref(),
        sessions,
    };
    let mut peers = Vec::new();
    for kind in &kinds {
        peers.push(Peer::start(*kind, &site).await?);
    }
    let machine = machine::describe(&kinds, options.proxy.as_deref()).await;
    let mut samples = Vec::new();
    for round in 0..options.rounds() {
        run_round(round, &scenarios, &mut bench, &peers, &site, &mut samples).await?;
        eprintln!(
            "round {} of {} done after {} s",
            round + 1,
            options.rounds(),
            began.elapsed().as_secs()
        );
    }
    let report = Report::new(Report {
        machine,
        skipped,
        rounds: options.rounds(),
        sessions,
        kinds,
        samples,
        seconds: began.elapsed().as_secs(),
    });
    print!("{}", report.table());
    if options.check {
        print!("\n{}", targets::check(&report));
    }
    if let Some(path) = &options.json {
        std::fs::write(path, report.json()?).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The peers that can be measured, and why the others cannot.
async fn available(options: &Options) -> (Vec<Kind>, Vec<String>) {
    let mut kinds = Vec::new();
    let mut skipped = Vec::new();
    for kind in &options.peers {
        match kind.make_available(options.proxy.as_deref()).await {
            Ok(()) => kinds.push(*kind),
            Err(error) => skipped.push(format!("{kind} is left out: {error:#}")),
        }
    }
    (kinds, skipped)
}

/// Every scenario once on every peer. The order of the peers rotates, so that none always follows the same one.
async fn run_round(
    round: usize,
    scenarios: &[&Scenario],
    bench: &mut Bench,
    peers: &[Peer],
    site: &Site<'_>,
    samples: &mut Vec<Sample>,
) -> Result<()> {
    for (place, scenario) in scenarios.iter().filter(|scenario| scenario.runs_in(round)).enumerate() {
        for turn in 0..peers.len() {
            let peer = &peers[(round + place + turn) % peers.len()];
            let measured = bench
                .measure(scenario, peer, site)
                .await
                .with_context(|| format!("{} on {} in round {}", scenario.name, peer.kind, round + 1))?;
            samples.extend(measured.map(|values| Sample {
                scenario: scenario.name,
                peer: peer.kind,
                round,
                values,
            }));
        }
    }
    Ok(())
}

/// Where this program is, to start its other roles.
fn own_program() -> Result<PathBuf> {
    std::env::current_exe().context("cannot find this program")
}

/// The path as an argument.
pub(crate) fn text(path: &Path) -> String {
    path.display().to_string()
}
