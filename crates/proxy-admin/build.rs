//! Copies the built dashboard to where `assets.rs` embeds it from, or, when it is not built, a page that says how to.
//! Building the dashboard itself is `cargo xtask dashboard`; the proxy builds without Node.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Shown at `/` in place of the dashboard.
const PLACEHOLDER: &str = "src/placeholder.html";

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let built = here.join("../../dashboard/dist");
    let embedded = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("dashboard");
    println!("cargo::rerun-if-changed={PLACEHOLDER}");
    // The folder itself is in the repository: for a path that is missing cargo would run this every time.
    println!("cargo::rerun-if-changed={}", built.display());
    if embedded.exists() {
        fs::remove_dir_all(&embedded)?;
    }
    fs::create_dir_all(&embedded)?;
    if built.join("index.html").is_file() {
        copy(&built, &embedded)
    } else {
        fs::copy(here.join(PLACEHOLDER), embedded.join("index.html")).map(drop)
    }
}

/// Copies a folder, without hidden files.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to.join(name))?;
        } else {
            fs::copy(entry.path(), to.join(name))?;
        }
    }
    Ok(())
}
