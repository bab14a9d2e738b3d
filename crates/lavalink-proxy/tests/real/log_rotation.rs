//! Log files at midnight: the built program with a clock that is two seconds before it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use proxy_testkit::real::setup::Part;
use proxy_testkit::real::{or_skip, process::Supervised};

const SOON: Duration = Duration::from_secs(60);

/// The library that gives a program another time.
fn library(folder: &Path) -> Option<PathBuf> {
    let folders = std::fs::read_dir(folder.join("usr/lib")).ok()?;
    let mut files = folders
        .flatten()
        .map(|entry| entry.path().join("faketime/libfaketime.so.1"));
    files.find(|file| file.is_file())
}

#[test]
fn a_new_file_is_begun_at_midnight_and_the_oldest_is_removed() {
    let Some(installed) = or_skip("clock of another time", Part::FakeTime.install()) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("proxy.log.2025-12-30");
    std::fs::write(&old, "old\n").unwrap();
    let config = folder.path().join("proxy.toml");
    // Nothing answers there: the probe's failures are what is logged.
    let text = "[server]\nbind = \"127.0.0.1:0\"\n[admin]\nbind = \"127.0.0.1:0\"\npassword = \"admin\"\n\
                [health]\ninterval = \"200ms\"\n[log]\nlevel = \"trace\"\nfile = \"proxy.log\"\nkeep = 2\n\
                [[tenants]]\npassword = \"a\"\n[[nodes]]\nurl = \"http://127.0.0.1:9\"\npassword = \"b\"\n";
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lavalink-proxy"));
    command
        .arg("--config")
        .arg(&config)
        .current_dir(folder.path())
        .env("LD_PRELOAD", library(&installed).expect("the package has the library"))
        .env("TZ", "UTC")
        .env("FAKETIME", "@2025-12-31 23:59:57")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let mut program = Supervised::spawn(command, &folder.path().join("stderr")).unwrap();
    let limit = Instant::now() + SOON;
    let new = folder.path().join("proxy.log.2026-01-01");
    while !new.is_file() {
        assert!(Instant::now() < limit, "no new file: {}", program.log_tail());
        assert!(
            program.wait(Duration::from_millis(50)).unwrap().is_none(),
            "{}",
            program.log_tail()
        );
    }
    program.terminate();
    assert!(program.wait(SOON).unwrap().unwrap().success(), "{}", program.log_tail());
    assert!(!old.exists(), "three files, of which two are kept");
    let before = std::fs::read_to_string(folder.path().join("proxy.log.2025-12-31")).unwrap();
    assert!(
        before.contains("lavalink-proxy starts") && !before.contains("2026-01-01T"),
        "{before}"
    );
    let after = std::fs::read_to_string(&new).unwrap();
    assert!(
        after.contains("lavalink-proxy stops") && !after.contains("2025-12-31T"),
        "{after}"
    );
}
