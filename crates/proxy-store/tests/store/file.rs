//! The file: who may read it, who may use it, and what is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use proxy_store::{Settings, Store, StoreError};

use crate::rig::Rig;

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn all_its_files_are_for_their_owner_alone() {
    let rig = Rig::new();
    rig.store.flush().wait().unwrap();
    let files: Vec<_> = fs::read_dir(rig.folder.path())
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    assert!(
        files.len() >= 4,
        "database, lock, write-ahead log and its index: {files:?}"
    );
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn a_file_that_was_open_to_others_is_closed_to_them() {
    let mut rig = Rig::new();
    rig.store.close();
    fs::set_permissions(rig.path(), fs::Permissions::from_mode(0o644)).unwrap();
    rig.reopen();
    assert_eq!(mode(&rig.path()), 0o600);
    assert!(!rig.store.health().was_killed);
}

#[test]
fn a_second_user_of_one_file_is_refused_until_the_first_is_done() {
    let rig = Rig::new();
    let refused = Store::open(rig.path(), Settings::default()).unwrap_err();
    assert!(matches!(refused, StoreError::InUse(_)), "{refused}");
    assert!(refused.to_string().contains("in use by another process"), "{refused}");
    let store = rig.store.clone();
    let closer = std::thread::spawn(move || store.close());
    let patient = Settings {
        lock_wait: Duration::from_secs(30),
        ..Settings::default()
    };
    Store::open(rig.path(), patient).unwrap();
    closer.join().unwrap();
}

#[test]
fn what_is_no_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    for content in ["Dear diary, today I named my notes as the store.", "x"] {
        fs::write(&path, content).unwrap();
        let refused = Store::open(&path, Settings::default()).unwrap_err();
        assert!(matches!(refused, StoreError::NotADatabase(_)), "{refused}");
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
}

#[test]
fn another_programs_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE bookmark (url TEXT)").unwrap();
    drop(other);
    let refused = Store::open(&path, Settings::default()).unwrap_err();
    assert!(matches!(refused, StoreError::NotOurs(_)), "{refused}");
    let other = rusqlite::Connection::open(&path).unwrap();
    let tables: i64 = other
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .unwrap();
    assert_eq!(tables, 1);
}

#[test]
fn a_file_of_a_newer_program_is_refused_with_both_numbers() {
    let rig = Rig::new();
    rig.store.close();
    let file = rusqlite::Connection::open(rig.path()).unwrap();
    file.pragma_update(None, "user_version", 4711).unwrap();
    drop(file);
    let refused = Store::open(rig.path(), Settings::default()).unwrap_err();
    assert!(matches!(refused, StoreError::Newer { found: 4711, .. }), "{refused}");
    assert!(refused.to_string().contains("schema 4711, this one knows"), "{refused}");
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let refused = Store::open(folder.path().join("missing/store.db"), Settings::default()).unwrap_err();
    assert!(matches!(refused, StoreError::File { .. }), "{refused}");
    assert!(
        refused.to_string().contains("missing/store.db cannot be opened"),
        "{refused}"
    );
}

#[test]
fn a_store_that_is_closed_refuses_work() {
    let rig = Rig::new();
    rig.store.close();
    assert!(matches!(rig.store.flush().wait(), Err(StoreError::Closed)));
    assert!(matches!(rig.store.delete_token(1).wait(), Err(StoreError::Closed)));
}
