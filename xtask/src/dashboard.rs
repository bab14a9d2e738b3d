//! `cargo xtask dashboard`: builds the dashboard with Node, so that the next build of the proxy embeds it; and its tests
//! and pictures. Everything that happens inside its folder is an npm script there.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::outcome::Outcome;
use crate::workspace::{self, cargo, installed, root, run, target};

/// What npm has installed is current as long as this file holds the same as the lock file.
const STAMP: &str = "node_modules/.installed-from";

/// The programs that the browser tests start.
const PROGRAMS: [&str; 3] = ["lavalink-proxy", "sim-node", "sim-bots"];

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

/// Writes the types of the API's answers from its description, where Node is installed; elsewhere they stay as they are.
pub(crate) fn types() -> Result<()> {
    if !node_is_there() {
        eprintln!("npm is not installed: dashboard/src/api/schema.d.ts is not written");
        return Ok(());
    }
    install()?;
    run(npm(&["run", "--silent", "types"]))
}

/// Measures the proxy and the page beside many connections, with the optimised build.
pub(crate) fn load() -> Result<()> {
    build()?;
    // As it is released, not as it is tested.
    let mut release = cargo([
        "build",
        "--release",
        "--package",
        "lavalink-proxy",
        "--package",
        "proxy-testkit",
    ]);
    for name in PROGRAMS {
        release.args(["--bin", name]);
    }
    run(release)?;
    chromium().map_err(anyhow::Error::msg)?;
    let mut measure = npm(&["run", "--silent", "load"]);
    measure.env("LAVALINK_PROXY_BUILD", target().join("release"));
    run(measure)
}

/// Takes the pictures of every view.
pub(crate) fn screenshots() -> Result<()> {
    build()?;
    workspace::build(&PROGRAMS)?;
    chromium().map_err(anyhow::Error::msg)?;
    run(npm(&["run", "--silent", "screenshots"]))
}

/// Types, specs, and the tests in a browser, added to the outcome of all tests.
pub(crate) fn test(outcome: &mut Outcome) -> Result<()> {
    if !node_is_there() {
        outcome.skip("dashboard: node and npm are not installed");
        return Ok(());
    }
    install()?;
    if !npm(&["run", "--silent", "check"]).status()?.success() {
        outcome.fail("dashboard: types");
    }
    counted(outcome, "specs", &["run", "--silent", "test"])?;
    workspace::build(&PROGRAMS)?;
    match chromium() {
        Ok(()) => counted(outcome, "browser tests", &["run", "--silent", "e2e"]),
        Err(reason) => {
            outcome.skip(&format!("dashboard: {reason}"));
            Ok(())
        }
    }
}

/// Runs a script that ends with lines such as `12 passed`, and adds them up.
fn counted(outcome: &mut Outcome, what: &str, script: &[&str]) -> Result<()> {
    let mut child = npm(script)
        .env("NO_COLOR", "1")
        .env("FORCE_COLOR", "0")
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child.stdout.take().context("the output was asked for")?;
    let mut counts = (0, 0);
    for line in BufReader::new(output).lines() {
        let line = line?;
        println!("{line}");
        // vitest counts files and tests in lines of the same form; only the latter are tests.
        if !line.trim_start().starts_with("Test Files") {
            counts.0 += count(&line, "passed");
            counts.1 += count(&line, "failed");
        }
    }
    outcome.passed += counts.0;
    outcome.failed += counts.1;
    if !child.wait()?.success() && counts.1 == 0 {
        outcome.fail(&format!("dashboard: {what}"));
    }
    Ok(())
}

/// The number before a word, where the line is a summary: `  12 passed (3.4m)`, `Tests  2 failed | 78 passed (80)`.
fn count(line: &str, word: &str) -> usize {
    let line = line.trim_start();
    let rest = line.strip_prefix("Tests ").unwrap_or(line);
    let words: Vec<_> = rest.split([' ', '|']).filter(|word| !word.is_empty()).collect();
    if words.first().is_none_or(|first| first.parse::<usize>().is_err()) {
        return 0;
    }
    let pair = words.windows(2).find(|pair| pair[1] == word);
    pair.and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
}

/// Sees to it that there is a Chromium, or says why there is none.
fn chromium() -> Result<(), String> {
    if std::env::var_os("CHROMIUM").is_some() || installed("chromium") {
        return Ok(());
    }
    if !installed("apt-get") {
        return Err("chromium is not installed (CHROMIUM may say where another one is)".to_owned());
    }
    let apt = |arguments: &[&str]| Command::new("apt-get").args(arguments).stdout(Stdio::null()).status();
    let install = ["install", "--yes", "--no-install-recommends", "chromium"];
    let done = [&["update"][..], &install]
        .iter()
        .all(|arguments| apt(arguments).is_ok_and(|status| status.success()));
    if done && installed("chromium") {
        Ok(())
    } else {
        Err("chromium cannot be installed with apt-get".to_owned())
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
    command.env("LAVALINK_PROXY_BUILD", target().join("debug"));
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_of_both_test_runners_are_counted_and_nothing_else() {
        let rows = [
            ("      Tests  78 passed (78)", 78, 0),
            ("      Tests  2 failed | 76 passed (78)", 76, 2),
            ("  15 passed (1.2m)", 15, 0),
            ("  1 failed", 0, 1),
            ("a test that 3 passed by", 0, 0),
            ("  ✓  12 [dashboard] › tests/x.spec.ts:1:1 › 3 passed", 0, 0),
        ];
        for (line, passed, failed) in rows {
            assert_eq!(
                (count(line, "passed"), count(line, "failed")),
                (passed, failed),
                "{line}"
            );
        }
    }
}
