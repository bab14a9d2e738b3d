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
