//! Child processes: they end with this one however it ends, and their CPU time and memory can be read.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::sys;

/// A killed process is gone within this time, unless the machine is in great trouble.
const BURIAL: Duration = Duration::from_secs(2);

/// A running process that is killed when this value is dropped.
pub(crate) struct Process {
    child: Child,
    pid: u32,
}

impl Process {
    /// Starts a program with nothing to read and nobody to read it.
    pub(crate) fn start(program: &Path, arguments: &[String]) -> Result<Self> {
        let mut command = command(program, arguments);
        Self::spawn(command.stdin(Stdio::null()).stdout(Stdio::null()), program)
    }

    fn spawn(command: &mut Command, program: &Path) -> Result<Self> {
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let pid = child.id().context("the process has ended already")?;
        Ok(Self { child, pid })
    }

    /// CPU time it has used, in nanoseconds.
    pub(crate) fn cpu_ns(&self) -> Result<u64> {
        sys::cpu_ns(self.pid).with_context(|| format!("process {} has gone", self.pid))
    }

    /// Resident memory in bytes.
    pub(crate) fn rss(&self) -> Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid))?;
        parse_rss(&text).context("no Rss line in smaps_rollup")
    }

    /// Asks it to end, as an operator would.
    pub(crate) fn terminate(&self) -> Result<()> {
        sys::terminate(self.pid).with_context(|| format!("process {} has gone", self.pid))
    }

    /// Its exit status, if it has ended.
    pub(crate) fn ended(&mut self) -> Option<String> {
        self.child.try_wait().ok().flatten().map(|status| status.to_string())
    }
}

impl Drop for Process {
    /// Kills it and waits for its end, so that not even a dead process stays behind.
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.start_kill();
        let until = Instant::now() + BURIAL;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The `Rss` line of `/proc/PID/smaps_rollup`, in bytes.
fn parse_rss(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    line.trim()
        .strip_suffix("kB")?
        .trim()
        .parse::<u64>()
        .ok()
        .map(|kilobytes| kilobytes * 1024)
}

fn command(program: &Path, arguments: &[String]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    sys::die_with_parent(&mut command);
    command
}

/// Another role of this program: a process that is told commands and says events, a line each.
pub(crate) struct Role {
    /// The process itself.
    pub(crate) process: Process,
    stdin: ChildStdin,
    events: Lines<BufReader<ChildStdout>>,
}

impl Role {
    /// Starts the role named by the first argument.
    pub(crate) fn start(arguments: &[String]) -> Result<Self> {
        let program = super::own_program()?;
        let mut command = command(&program, arguments);
        let mut process = Process::spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()), &program)?;
        let stdin = process.child.stdin.take().context("no stdin, although it is piped")?;
        let stdout = process.child.stdout.take().context("no stdout, although it is piped")?;
        Ok(Self {
            process,
            stdin,
            events: BufReader::new(stdout).lines(),
        })
    }

    /// Sends a command.
    pub(crate) async fn tell(&mut self, command: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_vec(command)?;
        line.push(b'\n');
        self.stdin
            .write_all(&line)
            .await
            .context("a role of the benchmark has ended")
    }

    /// Waits for the next event.
    pub(crate) async fn hear<E: DeserializeOwned>(&mut self, within: Duration) -> Result<E> {
        let line = tokio::time::timeout(within, self.events.next_line())
            .await
            .with_context(|| format!("a role of the benchmark said nothing for {within:?}"))??
            .context("a role of the benchmark has ended; its reason stands above")?;
        serde_json::from_str(&line).with_context(|| format!("unexpected event {line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rss_is_read_from_the_kernels_summary() {
        let text =
            "55d0-7fff ---p 00000000 00:00 0 [rollup]\nRss:               15360 kB\nPss:               14000 kB\n";
        assert_eq!(parse_rss(text), Some(15_360 * 1024));
        assert_eq!(parse_rss("Pss: 1 kB\n"), None);
    }
}
