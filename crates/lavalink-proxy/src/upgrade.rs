//! One run of the program in place of another, without a client that is refused: the process goes on with the program's
//! file as it is by then, its number and its listening sockets stay. Also the sockets that systemd passes to the first run.

use std::ffi::OsString;
use std::io;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use command_fds::{CommandFdExt, FdMapping};
use listenfd::ListenFd;
use proxy_gateway::Inherited;

/// The first socket that is passed on has this number, by the convention of systemd (`sd_listen_fds`).
const FIRST: i32 = 3;

/// A program that has not checked the configuration by then is not started.
const CHECK_LIMIT: Duration = Duration::from_secs(10);

/// How the program was started, and so how it is started again.
#[derive(Debug)]
pub(crate) struct Upgrade {
    program: io::Result<PathBuf>,
    arguments: Vec<OsString>,
    file: Option<PathBuf>,
}

/// The sockets that systemd, or the run before, passes to this process.
pub(crate) fn inherited() -> Inherited {
    let mut passed = ListenFd::from_env();
    // What is no listening TCP socket is not meant for this program.
    let sockets = (0..passed.len()).filter_map(|index| passed.take_tcp_listener(index).ok().flatten());
    Inherited::new(sockets.collect())
}

impl Upgrade {
    /// Notes how this run was started. To be called before the program's file can have been replaced: the system then
    /// names it only as a deleted one.
    pub(crate) fn prepare() -> Self {
        Self {
            program: std::env::current_exe(),
            arguments: std::env::args_os().skip(1).collect(),
            file: None,
        }
    }

    /// With the configuration file that was named.
    pub(crate) fn with_file(self, file: Option<PathBuf>) -> Self {
        Self { file, ..self }
    }

    fn command(&self) -> anyhow::Result<Command> {
        match &self.program {
            Ok(program) => Ok(Command::new(program)),
            Err(error) => bail!("the program's own file is not known: {error}"),
        }
    }

    /// Whether the program's file, as it is now, runs and takes the configuration, as that is now. Ends what it started
    /// when it is dropped.
    ///
    /// # Errors
    /// What it says, or that it takes too long.
    pub(crate) async fn check(&self) -> anyhow::Result<()> {
        let mut command = self.command()?;
        command.arg("check").args(&self.file).stdin(Stdio::null());
        let mut check = tokio::process::Command::from(command);
        let checked = tokio::time::timeout(CHECK_LIMIT, check.kill_on_drop(true).output()).await;
        let command = check.as_std();
        let checked = checked
            .with_context(|| format!("{command:?} takes longer than {} s", CHECK_LIMIT.as_secs()))?
            .with_context(|| format!("{command:?} does not run"))?;
        if !checked.status.success() {
            let said = String::from_utf8_lossy(&checked.stderr);
            bail!("{command:?} ends with {}: {}", checked.status, said.trim());
        }
        Ok(())
    }

    /// Puts the next run in place of this process, with these listening sockets. Returns only when that fails.
    pub(crate) fn replace(&self, sockets: Vec<TcpListener>) -> anyhow::Error {
        match self.prepare_next(sockets) {
            Ok(mut next) => anyhow::Error::new(next.exec()).context(format!("{next:?} does not run")),
            Err(error) => error,
        }
    }

    fn prepare_next(&self, sockets: Vec<TcpListener>) -> anyhow::Result<Command> {
        let mut next = self.command()?;
        next.args(&self.arguments)
            .env("LISTEN_FDS", sockets.len().to_string())
            .env("LISTEN_PID", std::process::id().to_string());
        let passed = (FIRST..).zip(sockets);
        let mappings = passed.map(|(child_fd, socket)| FdMapping {
            parent_fd: socket.into(),
            child_fd,
        });
        next.fd_mappings(mappings.collect())?;
        Ok(next)
    }
}
