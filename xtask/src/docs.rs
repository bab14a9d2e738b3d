//! `cargo xtask docs`: writes the documents that are generated from the code, or says which are stale.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::dashboard;
use crate::workspace::{build, program, root};

/// The documents, and what `lavalink-proxy generate` calls them.
const DOCUMENTS: [(&str, &str); 3] = [
    ("docs/reference/config.md", "reference"),
    ("lavalink-proxy.example.toml", "example"),
    ("docs/reference/openapi.json", "openapi"),
];

/// Writes all of them.
pub(crate) fn write() -> Result<()> {
    for (path, text) in generated()? {
        let path = root().join(path);
        std::fs::create_dir_all(path.parent().context("every document is in a folder")?)?;
        std::fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    // They follow from the description of the API. That they are current is a test of the dashboard's.
    dashboard::types()
}

/// Fails if one of them differs from what would be written.
pub(crate) fn check() -> Result<()> {
    let mut stale = generated()?;
    stale.retain(|(path, text)| std::fs::read_to_string(root().join(path)).ok().as_ref() != Some(text));
    if !stale.is_empty() {
        let names: Vec<_> = stale.iter().map(|(path, _)| path.display().to_string()).collect();
        bail!("stale: {}; run `cargo xtask docs`", names.join(", "));
    }
    Ok(())
}

fn generated() -> Result<Vec<(PathBuf, String)>> {
    build(&["lavalink-proxy"])?;
    let text = |name| -> Result<String> {
        let output = Command::new(program("debug", "lavalink-proxy"))
            .args(["generate", name])
            .stderr(Stdio::inherit())
            .output()?;
        if !output.status.success() {
            bail!("`lavalink-proxy generate {name}` failed ({})", output.status);
        }
        String::from_utf8(output.stdout).context("a generated document is not UTF-8")
    };
    DOCUMENTS
        .iter()
        .map(|(path, name)| Ok((PathBuf::from(path), text(name)?)))
        .collect()
}
