//! The real parts of the tests: the published Lavalink server, published client libraries in four languages, and the
//! proxy as the built program.
//!
//! Everything runs on loopback and within time limits. What a machine lacks is an [`Unavailable`], never a hang: the
//! caller prints it and goes on, except in CI, where nothing that can be installed may be missing.
//!
//! - [`setup`]: installs what is missing below the build folder, once.
//! - [`lavalink`]: the real server, started with the machine's Java.
//! - [`clients`]: the table of client libraries and one run of a driver.
//! - [`proxy`]: the proxy as a child process.
//! - [`audio`]: files for the nodes to play.
//! - [`process`]: children that cannot outlive the tests.

pub mod audio;
pub mod clients;
pub mod http;
pub mod lavalink;
pub mod process;
pub mod proxy;
pub mod setup;

use std::{
    fmt,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

pub use audio::{AudioServer, sine_wav};
pub use clients::{Client, DriverInput, DriverRun};
pub use lavalink::{LavalinkServer, ServerOptions};
pub use proxy::ProxyProcess;

/// Why a real part cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// A program is not on this machine.
    Tool(String),
    /// The package registry that this machine uses does not hold the package. No set-up of ours can change that, so
    /// it is no failure in CI either.
    Registry(String),
    /// It is there and does not work: always a failure.
    Failed(String),
}

impl Unavailable {
    /// Whether a run must fail for it rather than skip: a missing tool in CI (`CI=true`), and anything broken.
    pub fn is_failure(&self) -> bool {
        match self {
            Self::Tool(_) => std::env::var("CI").is_ok_and(|value| value == "true"),
            Self::Registry(_) => false,
            Self::Failed(_) => true,
        }
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tool(name) => write!(f, "{name} is not installed"),
            Self::Registry(package) => write!(f, "the package registry does not hold {package}"),
            Self::Failed(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Unavailable {}

impl From<io::Error> for Unavailable {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// The result of a real part, or `None` after printing `SKIP name: why`.
///
/// # Panics
///
/// When the part is broken, or missing in CI.
pub fn or_skip<T>(name: &str, part: Result<T, Unavailable>) -> Option<T> {
    match part {
        Ok(part) => Some(part),
        Err(why) if why.is_failure() => panic!("{name}: {why}"),
        Err(why) => {
            say_skipped(name, &why.to_string());
            None
        }
    }
}

/// Prints `SKIP name: why` past the test harness, which swallows what a passing test prints.
pub fn say_skipped(name: &str, why: &str) {
    // A closed standard error is nobody's to read.
    let _ = writeln!(io::stderr(), "SKIP {name}: {why}");
}

/// The `real` folder of the repository: what is installed and the drivers.
pub fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../real")
}

/// Where everything is installed: `real` below the build folder.
pub fn installed() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"))
        .join("real")
}
