//! Where things are, and running cargo there.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// The folder of the workspace. `cargo run` says where it is now; where it was at build time may be another place, when
/// a build folder is shared or a checkout has moved.
pub(crate) fn root() -> PathBuf {
    let folder = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    folder.parent().map(Path::to_owned).unwrap_or(folder)
}

/// The build folder.
pub(crate) fn target() -> PathBuf {
    let set = std::env::var_os("CARGO_TARGET_DIR").map(|folder| root().join(folder));
    set.unwrap_or_else(|| root().join("target"))
}

/// A program that a cargo profile has built.
pub(crate) fn program(profile: &str, name: &str) -> PathBuf {
    target()
        .join(profile)
        .join(name)
        .with_extension(std::env::consts::EXE_EXTENSION)
}

/// A cargo command in the workspace, with the cargo that runs this.
pub(crate) fn cargo<const N: usize>(arguments: [&str; N]) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(arguments).current_dir(root());
    command
}

/// Runs a command to its end and fails unless it succeeds.
pub(crate) fn run(mut command: Command) -> Result<()> {
    let text = shown(&command);
    eprintln!("$ {text}");
    let status = command
        .status()
        .with_context(|| format!("`{text}` cannot be started"))?;
    if !status.success() {
        bail!("`{text}` failed ({status})");
    }
    Ok(())
}

/// Builds programs of the workspace in the dev profile, from the very dependencies that its tests are built from.
pub(crate) fn build(programs: &[&str]) -> Result<()> {
    run(build_command(programs))
}

/// Cargo settles the features of a dependency for all that it builds at a time. For some packages only, or without what
/// examples and tests depend on, they would be others than in `cargo test --workspace`, and most of the dependencies
/// would be compiled a second time.
fn build_command(programs: &[&str]) -> Command {
    let mut command = cargo(["build", "--workspace", "--examples"]);
    for name in programs {
        command.args(["--bin", name]);
    }
    command
}

/// Whether the workspace's test kit has a program of this name; they come from several hands.
pub(crate) fn has_program(package: &str, name: &str) -> bool {
    let folder = root().join("crates").join(package).join("src/bin");
    folder.join(format!("{name}.rs")).is_file() || folder.join(name).join("main.rs").is_file()
}

/// Whether a program can be found in `PATH`.
pub(crate) fn installed(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

fn shown(command: &Command) -> String {
    let name = Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program());
    let words = std::iter::once(name)
        .chain(command.get_args())
        .map(OsStr::to_string_lossy);
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    /// What a cargo command compiles: packages and their parts, with features. Nothing is built for it.
    fn compiled(mut command: Command) -> BTreeSet<String> {
        // Cargo tells its plan to whoever may use unstable options, which change nothing else here.
        command.args(["--unit-graph", "-Z", "unstable-options"]);
        let output = command.env("RUSTC_BOOTSTRAP", "1").output().unwrap();
        let graph: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        let units = graph["units"].as_array().unwrap().iter();
        units
            .map(|unit| {
                let target = &unit["target"];
                let parts = [
                    &unit["pkg_id"],
                    &target["name"],
                    &target["kind"],
                    &unit["mode"],
                    &unit["platform"],
                ];
                format!("{} {}", parts.map(Value::to_string).join(" "), unit["features"])
            })
            .collect()
    }

    #[test]
    fn programs_are_built_from_what_the_tests_are_built_from() {
        let tests = compiled(cargo(["test", "--workspace", "--no-run"]));
        let programs = [
            "lavalink-proxy",
            "proxy-bench",
            "real-demo",
            "real-setup",
            "sim-bots",
            "sim-node",
        ];
        for name in programs {
            let built = compiled(build_command(&[name]));
            assert!(
                built.iter().any(|unit| unit.contains(&format!("{name:?} [\"bin\"]"))),
                "{name}"
            );
            let again: Vec<_> = built.difference(&tests).collect();
            assert!(again.is_empty(), "compiled a second time for {name}: {again:#?}");
        }
        let alone = compiled(cargo(["build", "--package", "lavalink-proxy"]));
        assert!(!alone.is_subset(&tests), "the way around is not needed any more");
    }
}
