//! `cargo xtask bench`: builds what is measured as it is released, and measures it.

use std::process::Command;

use anyhow::Result;

use crate::workspace::{cargo, installed, program, run};

/// The proxies that Lavalink Proxy is measured beside.
const PEERS: [&str; 2] = ["haproxy", "nginx"];

/// Runs `proxy-bench run` with these options.
pub(crate) fn bench(options: &[&str]) -> Result<()> {
    let missing: Vec<_> = PEERS.into_iter().filter(|name| !installed(name)).collect();
    install(&missing);
    run(cargo([
        "build",
        "--release",
        "--package",
        "lavalink-proxy",
        "--package",
        "proxy-bench",
    ]))?;
    let mut command = Command::new(program("release", "proxy-bench"));
    command
        .arg("run")
        .arg("--proxy")
        .arg(program("release", "lavalink-proxy"))
        .args(options);
    run(command)
}

/// Installs packages of the distribution where that is possible; what measures with them says what it has to leave out.
pub(crate) fn install(missing: &[&str]) {
    if missing.is_empty() {
        return;
    }
    if !is_root() || !installed("apt-get") {
        eprintln!(
            "not installed: {}; install them to measure with them",
            missing.join(", ")
        );
        return;
    }
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
        run(command)
    };
    let install = [["install", "--yes", "--no-install-recommends"].as_slice(), missing].concat();
    if let Err(error) = apt(&["update"]).and_then(|()| apt(&install)) {
        eprintln!("{error:#}; what is missing is left out");
    }
}

#[cfg(unix)]
#[allow(unsafe_code, reason = "the standard library cannot tell the user id")]
fn is_root() -> bool {
    // SAFETY: `geteuid` takes nothing, touches no memory and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

#[cfg(not(unix))]
fn is_root() -> bool {
    false
}
