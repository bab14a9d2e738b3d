//! Instructions per request and per message, counted by callgrind. Times differ from run to run by more than a counter
//! costs; instructions repeat to a few in ten thousand.
//!
//! Each scenario runs twice from the proxy's start to its end, with N units and with 3 N: the difference over 2 N is
//! what one unit costs, without start and end. The worker's thread is what requests and messages pay; what the other
//! threads do (probe, admin listener, history) comes with time, not with traffic, and is given per second.
//!
//! Not a benchmark: a cache miss, a system call and a wait cost no instruction. Those are seen by `run`.

mod callgrind;
mod report;
mod scenarios;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use tokio::signal::unix::{SignalKind, signal};

use callgrind::{Build, ByThread, Running};
use report::{Cost, Table};
use scenarios::{SCENARIOS, Scenario};

use crate::control::{NodeCommand, NodeEvent};
use crate::run::peers;
use crate::run::process::Role;

/// Options of the measurement.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The proxy's program
    #[arg(long)]
    proxy: PathBuf,
    /// How it is called in the table
    #[arg(long, default_value = "now")]
    name: String,
    /// Another build to compare with
    #[arg(long)]
    against: Option<PathBuf>,
    /// How that one is called
    #[arg(long, default_value = "before")]
    against_name: String,
    /// Runs the other build with `[store] history = false`
    #[arg(long)]
    against_without_history: bool,
    /// Only these scenarios
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// N: units of the shorter run of each scenario
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    units: u64,
    /// Writes the figures to this file as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// Leaves callgrind's files there, for `callgrind_annotate`
    #[arg(long)]
    keep: Option<PathBuf>,
}

/// Measures to the end or until Ctrl-C; either way no process is left behind.
pub(crate) fn run(options: &Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            outcome = measure(options) => outcome,
            _ = terminate.recv() => anyhow::bail!("terminated"),
            pressed = tokio::signal::ctrl_c() => {
                pressed?;
                anyhow::bail!("interrupted")
            }
        }
    })
}

async fn measure(options: &Options) -> Result<()> {
    let began = Instant::now();
    ensure!(
        peers::find_program("valgrind").is_some(),
        "valgrind is not installed (apt-get install valgrind)"
    );
    let scenarios = wanted(&options.only)?;
    let builds = builds(options);
    let temporary = tempfile::tempdir()?;
    let folder = options.keep.as_deref().unwrap_or(temporary.path());
    std::fs::create_dir_all(folder)?;
    let mut table = Table::new(builds.iter().map(|build| build.name.clone()).collect(), options.units);
    for scenario in scenarios {
        for build in &builds {
            let stem = format!("{}-{}", scenario.name, build.name);
            let few = once(build, scenario, options.units, &folder.join(format!("{stem}-few"))).await?;
            let many = once(build, scenario, options.units * 3, &folder.join(format!("{stem}-many"))).await?;
            let cost = Cost::between(&few, &many, options.units * 2);
            eprintln!(
                "{} of {}: {:.0} per {}",
                scenario.name, build.name, cost.per_unit, scenario.unit
            );
            table.add(scenario, cost);
        }
    }
    print!("{}", table.text(began.elapsed()));
    if let Some(path) = &options.json {
        std::fs::write(path, table.json()?).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn wanted(only: &[String]) -> Result<Vec<&'static Scenario>> {
    for name in only {
        let known: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        ensure!(
            known.contains(&name.as_str()),
            "no scenario is called {name}; there are {}",
            known.join(", ")
        );
    }
    let wanted = |scenario: &&Scenario| only.is_empty() || only.iter().any(|name| name == scenario.name);
    Ok(SCENARIOS.iter().filter(wanted).collect())
}

fn builds(options: &Options) -> Vec<Build> {
    let mut builds = vec![Build {
        name: options.name.clone(),
        program: options.proxy.clone(),
        history_off: false,
    }];
    builds.extend(options.against.clone().map(|program| Build {
        name: options.against_name.clone(),
        program,
        history_off: options.against_without_history,
    }));
    builds
}

/// What a whole run of the proxy executed.
struct Run {
    threads: ByThread,
    seconds: f64,
}

/// One run of the proxy from start to end, with so many units in between.
async fn once(build: &Build, scenario: &Scenario, units: u64, folder: &std::path::Path) -> Result<Run> {
    let mut node = Role::start(&["node".into()])?;
    let NodeEvent::Listening { port } = node.hear(scenarios::PATIENCE).await? else {
        anyhow::bail!("the node does not say its port")
    };
    let proxy = Running::start(build, peers::loopback(port), folder).await?;
    scenario
        .drive(proxy.address, &mut node, units)
        .await
        .with_context(|| format!("{} on {}", scenario.name, build.name))?;
    until_empty(&mut node).await?;
    let (threads, ran) = proxy.end().await?;
    Ok(Run {
        threads,
        seconds: ran.as_secs_f64(),
    })
}

/// Waits until the proxy has ended the scenario's sessions on the node, so that every run does so.
async fn until_empty(node: &mut Role) -> Result<()> {
    let until = Instant::now() + scenarios::PATIENCE;
    loop {
        node.tell(&NodeCommand::Count).await?;
        let NodeEvent::Counted { sessions } = node.hear(scenarios::PATIENCE).await? else {
            anyhow::bail!("the node miscounts")
        };
        if sessions == 0 {
            return Ok(());
        }
        ensure!(Instant::now() < until, "{sessions} sessions are left on the node");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
