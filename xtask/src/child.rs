//! Child processes that cannot outlive this one, however it ends.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// How long a child may take to end by itself once it is told to.
const PATIENCE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);

/// A running program with its output in a file. Dropping it ends the program.
#[derive(Debug)]
pub(crate) struct Running {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts a program. It must be called on the main thread: on Linux the kernel ends the child with the thread that
    /// started it.
    pub(crate) fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let output = File::create(log).with_context(|| format!("{} cannot be written", log.display()))?;
        // The pipe stays open as long as this process lives; the test kit's programs end when it closes.
        command.stdin(Stdio::piped()).stdout(output.try_clone()?).stderr(output);
        end_with_parent(&mut command);
        let child = command.spawn().with_context(|| format!("{name} cannot be started"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
        })
    }

    /// Fails with the end of the log if the program has ended.
    pub(crate) fn still_runs(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => anyhow::bail!("{} ended ({status}); its last lines:\n{}", self.name, self.last_lines()),
        }
    }

    /// The end of what the program has written.
    pub(crate) fn last_lines(&self) -> String {
        let text = std::fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Tells the program to end and waits; kills it when it takes too long.
    fn end(&mut self) {
        terminate(&self.child);
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(POLL),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(unix)]
#[allow(unsafe_code, reason = "the standard library cannot send SIGTERM")]
fn terminate(child: &Child) {
    let Ok(id) = i32::try_from(child.id()) else { return };
    // SAFETY: `kill` takes plain numbers; the id is our child's, which has not been waited for, so it is not reused.
    unsafe { libc::kill(id, libc::SIGTERM) };
}

#[cfg(not(unix))]
fn terminate(_child: &Child) {}

/// Has the kernel tell the child to end when this process dies, even by a signal that cannot be caught.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "the standard library cannot set a parent-death signal")]
fn end_with_parent(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;
    // SAFETY: `prctl` with these arguments allocates nothing and is async-signal-safe, as `pre_exec` requires.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn end_with_parent(_command: &mut Command) {}
