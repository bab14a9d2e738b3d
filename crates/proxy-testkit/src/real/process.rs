//! Child processes that cannot outlive the tests: each runs in a process group of its own, writes into a log file, and
//! is killed with its whole group when its [`Supervised`] is dropped or when the test process dies.

use std::{
    fs::File,
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// How often a waiting call looks again.
const POLL: Duration = Duration::from_millis(10);
/// How much of a log is shown with a failure.
const SHOWN_LOG_BYTES: usize = 6_000;

/// A running child process and its log.
#[derive(Debug)]
pub struct Supervised {
    child: Child,
    log: PathBuf,
}

impl Supervised {
    /// Starts `command` with its output in the file `log`, in a process group of its own.
    ///
    /// On Linux the kernel kills the child when the thread that started it ends, so the start happens on a thread that
    /// lives as long as this process: a test's own thread ends long before.
    ///
    /// # Errors
    ///
    /// When the log cannot be written or the program cannot be started.
    pub fn spawn(mut command: Command, log: &Path) -> io::Result<Self> {
        let file = File::create(log)?;
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .process_group(0);
        let child = on_lasting_thread(move || {
            die_with_parent(&mut command);
            command.spawn()
        })?;
        Ok(Self {
            child,
            log: log.to_owned(),
        })
    }

    /// The process id, which is also its group's.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the process to end; `None` when it still runs after `within`.
    ///
    /// # Errors
    ///
    /// When the system does not tell the state of the process.
    pub fn wait(&mut self, within: Duration) -> io::Result<Option<ExitStatus>> {
        let deadline = Instant::now() + within;
        loop {
            let status = self.child.try_wait()?;
            if status.is_some() || Instant::now() >= deadline {
                return Ok(status);
            }
            thread::sleep(POLL);
        }
    }

    /// Asks the process to stop (SIGTERM) without waiting.
    pub fn terminate(&self) {
        self.signal_group(libc::SIGTERM);
    }

    /// Ends the process at once (SIGKILL) without waiting: nothing of it runs on, and its sockets are closed by the system.
    pub fn kill(&self) {
        self.signal_group(libc::SIGKILL);
    }

    /// Stops the process where it is (SIGSTOP): its sockets stay open and nothing in it moves.
    pub fn freeze(&self) {
        self.signal_group(libc::SIGSTOP);
    }

    /// Lets a frozen process go on (SIGCONT).
    pub fn thaw(&self) {
        self.signal_group(libc::SIGCONT);
    }

    /// Everything the process has written so far.
    pub fn log(&self) -> String {
        std::fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// The end of the log, for a failure message.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let start = log.len().saturating_sub(SHOWN_LOG_BYTES);
        String::from_utf8_lossy(&log.as_bytes()[start..]).into_owned()
    }

    #[allow(unsafe_code, reason = "the standard library cannot signal a process group")]
    fn signal_group(&self, signal: i32) {
        let Ok(group) = i32::try_from(self.child.id()) else {
            return;
        };
        // SAFETY: `kill` takes plain numbers and touches no memory of ours. The group id is our child's, which has not
        // been waited for by anyone else, so the kernel has not given the number away.
        unsafe { libc::kill(-group, signal) };
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.signal_group(libc::SIGKILL);
        let _ = self.child.wait();
    }
}

/// Has the kernel kill the child when this process dies, however it dies.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "the standard library cannot set a parent-death signal")]
fn die_with_parent(command: &mut Command) {
    // SAFETY: `prctl` with these arguments is async-signal-safe and allocates nothing, as `pre_exec` requires.
    unsafe {
        command.pre_exec(|| {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) == 0 {
                Ok(())
            } else {
                Err(io::Error::last_os_error())
            }
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent(_command: &mut Command) {}

/// Runs `job` on a thread that never ends before the process does.
fn on_lasting_thread<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let _ = sender.send(job());
        loop {
            thread::park();
        }
    });
    receiver
        .recv()
        .expect("the job either returns or panics, and it does not panic")
}

/// A port that was free a moment ago, for programs that cannot be told to choose one themselves.
///
/// # Errors
///
/// When loopback has no free port.
pub fn free_port() -> io::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
