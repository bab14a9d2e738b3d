//! `cargo xtask dashboard`: builds the dashboard with Node, so that the next build of the proxy embeds it, and runs its
//! tests. Everything that happens inside its folder is an npm script there.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::workspace::{installed, root, run};

/// What npm and the browser tests install is kept as long as this file says the same.
const STAMP: &str = "node_modules/.installed-from";

/// Installs what the build needs, if it changed, and builds into `dashboard/dist`.
pub(crate) fn build() -> Result<()> {
    if !node_is_there() {
        bail!("the dashboard is built with Node 20 or later and npm, which are not installed");
    }
    install()?;
    run(npm(&["run", "--silent", "build"]))
}

/// Builds it where Node is installed; without, the proxy shows a page that says how to.
pub(crate) fn build_if_possible() -> Result<()> {
    if node_is_there() {
        build()
    } else {
        eprintln!("npm is not installed: the proxy is built without the dashboard");
        Ok(())
    }
}

fn node_is_there() -> bool {
    installed("node") && installed("npm")
}

fn install() -> Result<()> {
    let lock = std::fs::read_to_string(folder().join("package-lock.json"))?;
    if std::fs::read_to_string(folder().join(STAMP)).is_ok_and(|stamp| stamp == lock) {
        return Ok(());
    }
    run(npm(&["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))?;
    Ok(std::fs::write(folder().join(STAMP), lock)?)
}

fn folder() -> PathBuf {
    root().join("dashboard")
}

fn npm(arguments: &[&str]) -> Command {
    let mut command = Command::new("npm");
    command.args(arguments).current_dir(folder());
    command
}
