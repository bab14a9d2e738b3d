//! The proxy under callgrind: started, ended, and its instructions read thread by thread.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::run::peers::{self, Site};
use crate::run::process::Process;
use crate::run::text;

/// Under callgrind a start takes many times as long as without.
const START: Duration = Duration::from_secs(120);
/// So does the end, at which callgrind also writes its figures.
const END: Duration = Duration::from_secs(120);

/// Instructions by thread, in the order in which the threads were started.
pub(super) type ByThread = BTreeMap<u32, u64>;

/// A build of the proxy to measure.
#[derive(Clone, Debug)]
pub(super) struct Build {
    /// As it is called in the table.
    pub(super) name: String,
    /// Its program.
    pub(super) program: PathBuf,
    /// `[store] history = false` is set, which older builds do not know.
    pub(super) history_off: bool,
}

/// A proxy with one worker that runs under callgrind.
pub(super) struct Running {
    process: Process,
    folder: PathBuf,
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// Since when it serves; a start takes as long as the machine pleases.
    ready: Instant,
}

impl Running {
    /// Starts `build` in front of the node and waits until it forwards a request. `folder` is made for this run.
    pub(super) async fn start(build: &Build, node: SocketAddr, folder: &Path) -> Result<Self> {
        std::fs::create_dir(folder)?;
        let port = peers::free_port()?;
        let site = Site {
            folder,
            node,
            proxy: Some(&build.program),
            sessions: 0,
        };
        let store = if build.history_off { "history = false\n" } else { "" };
        let config = peers::proxy_config(folder, port, &site, store)?;
        let arguments = [
            "--tool=callgrind".into(),
            "--separate-threads=yes".into(),
            format!("--callgrind-out-file={}", text(&folder.join("counted"))),
            "--quiet".into(),
            text(&build.program),
            "--config".into(),
            text(&config),
        ];
        let valgrind = peers::find_program("valgrind").context("valgrind is not installed")?;
        let mut process = Process::start(&valgrind, &arguments)?;
        let address = peers::loopback(port);
        let started = Instant::now();
        while !peers::forwards(address).await {
            if let Some(status) = process.ended() {
                bail!("{} ended at once with {status}", build.name);
            }
            ensure!(
                started.elapsed() < START,
                "{} forwards nothing {START:?} after its start",
                build.name
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(Self {
            process,
            folder: folder.to_owned(),
            address,
            ready: Instant::now(),
        })
    }

    /// Ends it as an operator would; returns what each thread executed, and for how long it served.
    pub(super) async fn end(mut self) -> Result<(ByThread, Duration)> {
        self.process.terminate()?;
        let ran = self.ready.elapsed();
        let until = Instant::now() + END;
        while self.process.ended().is_none() {
            ensure!(Instant::now() < until, "the proxy does not end");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok((read(&self.folder)?, ran))
    }
}

/// Sums the files that callgrind wrote, `counted-01` for the first thread and so on.
fn read(folder: &Path) -> Result<ByThread> {
    let mut threads = ByThread::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(thread) = name.strip_prefix("counted-").and_then(|number| number.parse().ok()) else {
            continue;
        };
        let file = std::fs::read_to_string(&path)?;
        threads.insert(thread, total(&file).with_context(|| format!("{name} has no sum"))?);
    }
    ensure!(!threads.is_empty(), "callgrind wrote no figures");
    Ok(threads)
}

/// The sum over a callgrind file.
fn total(file: &str) -> Option<u64> {
    let line = file.lines().rev().find_map(|line| line.strip_prefix("totals:"))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_a_file_is_its_last_line() {
        let file = "# callgrind format\nversion: 1\nevents: Ir\nsummary: 1\n\nfn=(1) main\n+3 12\n\ntotals: 4711\n";
        assert_eq!(total(file), Some(4711));
        assert_eq!(total("fn=(1) totals: 3\n"), None);
    }
}
