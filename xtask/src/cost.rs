//! `cargo xtask cost`: instructions per request and per message, of this state or beside another one.
//!
//! What is measured is built as it is released but for the optimisation across crates (`lto`), which takes minutes and
//! would move instructions about between two builds that are to be compared; both sides are built alike, into a cargo
//! profile of their own, so that the release stays as it is.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::bench::install;
use crate::workspace::{self, cargo, installed, program, root, run, target};

/// The cargo profile, given on the command line so that revisions from before this tool can be built with it too.
const PROFILE: [&str; 5] = [
    r#"profile.cost.inherits="release""#,
    "profile.cost.lto=false",
    "profile.cost.codegen-units=16",
    r#"profile.cost.debug="line-tables-only""#,
    r#"profile.cost.strip="none""#,
];

/// What the options ask for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted<'a> {
    against: Option<Other<'a>>,
    /// Options of `proxy-bench cost`.
    rest: Vec<&'a str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Other<'a> {
    /// Another state of the repository.
    Revision(&'a str),
    /// This state with counting and history turned off.
    WithoutCounting,
}

/// Builds what is asked for and counts.
pub(crate) fn cost(options: &[&str]) -> Result<()> {
    let wanted = read(options)?;
    if !installed("valgrind") {
        install(&["valgrind"]);
    }
    workspace::build(&["proxy-bench"])?;
    let mut command = Command::new(program("debug", "proxy-bench"));
    command.arg("cost").arg("--proxy").arg(build(&root(), "now", &[])?);
    match wanted.against {
        None => {}
        Some(Other::Revision(revision)) => {
            let folder = check_out(revision)?;
            command.arg("--against").arg(build(&folder, "against", &[])?);
            command.args(["--against-name", revision]);
        }
        Some(Other::WithoutCounting) => {
            let uncounted = ["--features", "lavalink-proxy/uncounted"];
            command.arg("--against").arg(build(&root(), "uncounted", &uncounted)?);
            command.args(["--against-name", "uncounted", "--against-without-history"]);
        }
    }
    command.args(wanted.rest);
    run(command)
}

fn read<'a>(options: &[&'a str]) -> Result<Wanted<'a>> {
    let mut wanted = Wanted::default();
    let mut left = options;
    loop {
        let (other, rest) = match left {
            [] => return Ok(wanted),
            ["--against", revision, rest @ ..] => (Other::Revision(revision), rest),
            ["--without", "counting", rest @ ..] => (Other::WithoutCounting, rest),
            ["--against" | "--without", ..] => bail!("--against wants a revision, --without the word `counting`"),
            [other, rest @ ..] => {
                wanted.rest.push(other);
                left = rest;
                continue;
            }
        };
        if wanted.against.replace(other).is_some() {
            bail!("only two builds can be compared");
        }
        left = rest;
    }
}

/// A work tree of the revision below the build folder, kept for the next time.
fn check_out(revision: &str) -> Result<PathBuf> {
    let id = git(&["rev-parse", "--verify", &format!("{revision}^{{commit}}")])?;
    let folder = target().join("revisions").join(id.get(..12).unwrap_or(&id));
    if !folder.join("Cargo.toml").is_file() {
        let mut command = Command::new("git");
        command
            .current_dir(root())
            .args(["worktree", "add", "--force", "--detach"]);
        run({
            command.arg(&folder).arg(&id);
            command
        })?;
    }
    Ok(folder)
}

fn git(arguments: &[&str]) -> Result<String> {
    let output = Command::new("git")
        .current_dir(root())
        .args(arguments)
        .output()
        .context("git cannot be started")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Builds the proxy of the sources in `folder`; returns a copy of the program, since the next build takes its place.
fn build(folder: &Path, name: &str, options: &[&str]) -> Result<PathBuf> {
    let mut command = cargo(["build", "--profile", "cost", "--package", "lavalink-proxy"]);
    for setting in PROFILE {
        command.args(["--config", setting]);
    }
    command
        .args(options)
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", target());
    run(command)?;
    let built = program("cost", "lavalink-proxy");
    let mut file = OsString::from("lavalink-proxy-");
    file.push(name);
    let copy = built
        .with_file_name(file)
        .with_extension(std::env::consts::EXE_EXTENSION);
    std::fs::copy(&built, &copy).with_context(|| format!("{} cannot be copied", built.display()))?;
    Ok(copy)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_other_build_can_be_named_and_the_rest_is_passed_on() {
        let wanted = read(&["--units", "500", "--against", "HEAD~3", "--only", "get"]).unwrap();
        assert_eq!(wanted.against, Some(Other::Revision("HEAD~3")));
        assert_eq!(wanted.rest, ["--units", "500", "--only", "get"]);
        let wanted = read(&["--without", "counting"]).unwrap();
        assert_eq!(wanted.against, Some(Other::WithoutCounting));
        assert_eq!(read(&[]).unwrap(), Wanted::default());
    }

    #[test]
    fn other_uses_of_the_options_are_refused() {
        for wrong in [
            &["--against"][..],
            &["--without", "history"],
            &["--without", "counting", "--against", "HEAD"],
        ] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
