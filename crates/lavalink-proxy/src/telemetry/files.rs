//! Log files: opened, rotated, removed when they are too many. What goes into them is decided elsewhere.
//!
//! A thread of its own writes each of them, so that a slow disk holds up nothing. Between it and the program is a
//! bounded queue; what finds it full is dropped and counted.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use logroller::{LogRollerBuilder, RotationAge, RotationSize, TimeZone};
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

use crate::config::Rotation;

/// Lines that may wait for the disk; some MiB at most.
const QUEUE: usize = 16_384;
/// Owner writes, group reads: log collectors have a group of their own.
const MODE: u32 = 0o640;

/// A file that lines go to.
pub(super) struct LogFile {
    pub(super) writer: NonBlocking,
    /// Held until the end of the program: dropping it writes what waits.
    pub(super) guard: WorkerGuard,
    /// Lines that the queue did not take.
    pub(super) dropped: ErrorCounter,
}

impl LogFile {
    /// Opens the file, making its folder where needed.
    pub(super) fn open(path: &Path, rotation: Rotation, keep: u16) -> anyhow::Result<Self> {
        let file = writer(path, rotation, keep).with_context(|| format!("cannot log to {}", path.display()))?;
        let (writer, guard) = NonBlockingBuilder::default()
            .buffered_lines_limit(QUEUE)
            .lossy(true)
            .thread_name("log")
            .finish(file);
        Ok(Self {
            dropped: writer.error_counter(),
            writer,
            guard,
        })
    }
}

fn writer(path: &Path, rotation: Rotation, keep: u16) -> anyhow::Result<Box<dyn Write + Send>> {
    let (folder, name) = parts(path)?;
    fs::create_dir_all(&folder)?;
    let builder = LogRollerBuilder::new(folder.as_path(), Path::new(name))
        .time_zone(TimeZone::UTC)
        .file_mode(MODE)
        // The renaming of a rotated file is part of writing: nothing is left half done at the end of the program.
        .graceful_shutdown(true);
    let keep = u64::from(keep);
    let (by, kept) = match rotation {
        Rotation::Never => return Ok(Box::new(append(path)?)),
        Rotation::Daily => (logroller::Rotation::AgeBased(RotationAge::Daily), keep),
        Rotation::Hourly => (logroller::Rotation::AgeBased(RotationAge::Hourly), keep),
        // Here it counts the numbered files only.
        Rotation::Size(size) => {
            let bytes = RotationSize::Bytes(size.0 as u64);
            (logroller::Rotation::SizeBased(bytes), keep.saturating_sub(1))
        }
    };
    let roller = builder.rotation(by).max_keep_files(kept).build()?;
    if matches!(rotation, Rotation::Daily | Rotation::Hourly) {
        remove_oldest(&folder, name, keep as usize)?;
    }
    Ok(Box::new(roller))
}

fn parts(path: &Path) -> anyhow::Result<(PathBuf, &str)> {
    let name = path.file_name().and_then(|name| name.to_str());
    // A per cent sign would be taken for a part of a date.
    let Some(name) = name.filter(|name| !name.contains('%')) else {
        bail!("expected the name of a file, without a per cent sign")
    };
    Ok((path.parent().unwrap_or(Path::new("")).to_owned(), name))
}

fn append(path: &Path) -> io::Result<fs::File> {
    OpenOptions::new().create(true).append(true).mode(MODE).open(path)
}

/// The roller removes files only when it begins a new one, so a program that is restarted every night would never
/// remove any.
fn remove_oldest(folder: &Path, name: &str, keep: usize) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|file| is_dated(file, name)) && entry.file_type()?.is_file() {
            files.push(entry.path());
        }
    }
    // The date sorts by time.
    files.sort_unstable();
    for old in files.iter().rev().skip(keep) {
        fs::remove_file(old)?;
    }
    Ok(())
}

/// Whether `file` is `name` with a date behind it, and nothing else.
fn is_dated(file: &str, name: &str) -> bool {
    let Some(date) = file.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')) else {
        return false;
    };
    let shape: String = date.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "0000-00-00" || shape == "0000-00-00-00"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn only_files_with_a_date_behind_the_name_are_removed_and_the_newest_stay() {
        let folder = tempfile::tempdir().unwrap();
        let others = [
            "proxy.log",
            "proxy.log.bak",
            "proxy.log.2026-11-2x",
            "proxy.log.access.2026-01-01",
            "other.2026-01-01",
        ];
        let dated = ["proxy.log.2026-11-24", "proxy.log.2026-11-25", "proxy.log.2026-11-26"];
        for name in others.iter().chain(&dated) {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        remove_oldest(folder.path(), "proxy.log", 2).unwrap();
        let mut expected: Vec<_> = others
            .iter()
            .chain(&dated[1..])
            .map(|name| (*name).to_owned())
            .collect();
        expected.sort();
        assert_eq!(names(folder.path()), expected);
    }

    #[test]
    fn a_new_file_is_begun_at_the_size_and_only_so_many_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/proxy.log");
        let mut file = writer(&path, Rotation::Size(crate::config::value::Size(100)), 3).unwrap();
        for number in 0..20 {
            writeln!(file, "line {number:02} of thirty bytes......").unwrap();
        }
        drop(file);
        let logs = folder.path().join("logs");
        assert_eq!(names(&logs), ["proxy.log", "proxy.log.1", "proxy.log.2"]);
        assert!(
            fs::read_to_string(&path)
                .unwrap()
                .ends_with("line 19 of thirty bytes......\n")
        );
        let newest = fs::read_to_string(logs.join("proxy.log.1")).unwrap();
        let older = fs::read_to_string(logs.join("proxy.log.2")).unwrap();
        assert!(older < newest, "{older} before {newest}");
    }

    #[test]
    fn what_is_no_file_name_is_refused() {
        for path in ["/", "logs/..", "proxy-%Y.log"] {
            assert!(writer(Path::new(path), Rotation::Daily, 3).is_err(), "{path}");
        }
    }
}
