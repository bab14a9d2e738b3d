//! What needs a hand on the writer's own connection: a disk that is full, and commits that wait together.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use super::*;
use crate::figures::{Figures, Scope, UsageKey};

const START: Millis = 1_790_035_200_000;

fn open() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("store.db"), Settings::default()).unwrap();
    (folder, store)
}

fn usage(number: u32) -> Record {
    let deltas = (0..500).map(|offset| UsageDelta {
        key: UsageKey::Ip(std::net::Ipv4Addr::from(number * 500 + offset).into()),
        at: START,
        figures: Figures {
            bytes_in: 1,
            ..Figures::default()
        },
    });
    Record::Usage(deltas.collect())
}

/// Lets the file have so many pages more.
fn allow_pages(store: &Store, more: i64) {
    let set = move |connection: &Connection| {
        let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
        connection.pragma_update_and_check(None, "max_page_count", pages + more, |_| Ok(()))
    };
    store.commit(set).wait().unwrap();
}

fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < limit, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_full_disk_is_survived_and_what_waited_is_written_once_there_is_room() {
    let (_folder, store) = open();
    store.flush().wait().unwrap();
    allow_pages(&store, 3);
    for number in 0..20 {
        store.try_record(usage(number)).unwrap();
    }
    wait("failing", || store.health().failing);
    let health = store.health();
    assert!(health.last_error.unwrap().contains("full"), "says why");
    assert!(health.queued > 0 && health.dropped == 0);
    // A commit that needs room is refused and says so, one that needs none is not; and nothing blocks.
    let name = "x".repeat(100_000);
    assert!(store.add_token(name, [1; 32], Vec::new(), START, None).wait().is_err());
    assert!(!store.delete_token(1).wait().unwrap());
    assert!(store.health().failing, "history still waits");
    allow_pages(&store, 1 << 20);
    wait("written", || store.health().queued == 0);
    assert!(!store.health().failing);
    let sum = store.usage_totals(&crate::UsageTotalsQuery {
        scope: Scope::Ip,
        from: 0,
        to: START + 60_000,
        sort: crate::UsageSort::Bytes,
        ascending: false,
        search: "",
        offset: 0,
        limit: 1,
    });
    assert_eq!(sum.unwrap().matched, 20 * 500, "everything, once");
}

#[test]
fn history_beyond_the_queue_is_dropped_and_counted_while_the_disk_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        queue_rows: 2000,
        ..Settings::default()
    };
    let store = Store::open(folder.path().join("store.db"), settings).unwrap();
    allow_pages(&store, 1);
    (0..10).for_each(|number| store.record(usage(number)));
    let health = store.health();
    assert_eq!(health.queued as u64 + health.dropped, 5000);
    assert!(health.dropped >= 3000, "{health:?}");
    // Closing does not wait for a disk that stays full.
    store.close();
}

#[test]
fn of_commits_that_wait_together_one_that_fails_takes_back_only_its_own() {
    let (_folder, store) = open();
    // Holds the writer until all wait.
    let (release, held) = std::sync::mpsc::channel::<()>();
    let first = store.commit(move |_| {
        held.recv().ok();
        Ok(())
    });
    let add = |name: &'static str, fails: bool| {
        store.commit(move |connection| {
            let insert = "INSERT INTO password (user, phc, changed) VALUES (?1, '', 0)";
            connection.execute(insert, [name])?;
            if fails {
                connection.execute("INSERT INTO nowhere VALUES (1)", [])?;
            }
            Ok(name)
        })
    };
    let pending = [add("a", false), add("b", true), add("c", false)];
    let one = |insert: &'static str| store.commit_statement(Duration::ZERO, |it| it.execute(insert, []).map(drop));
    // The second row is there already.
    let fails = one("INSERT INTO password (user, phc, changed) VALUES ('d', '', 0), ('a', '', 0)");
    let succeeds = one("INSERT INTO password (user, phc, changed) VALUES ('e', '', 0)");
    drop(release);
    first.wait().unwrap();
    let answers: Vec<_> = pending.into_iter().map(|pending| pending.wait().ok()).collect();
    assert_eq!(answers, [Some("a"), None, Some("c")]);
    let there = |user: &str| store.password_hash(user).unwrap().is_some();
    assert_eq!((there("a"), there("b"), there("c")), (true, false, true));
    assert_eq!((fails.wait().is_ok(), succeeds.wait().is_ok()), (false, true));
    assert_eq!((there("d"), there("e")), (false, true));
}

#[test]
fn on_a_full_disk_commits_that_wait_together_are_refused_and_none_is_done() {
    let (_folder, store) = open();
    allow_pages(&store, 3);
    let add = |patience: Duration, name: String| {
        let insert = "INSERT INTO password (user, phc, changed) VALUES (?1, '', 0)";
        store.commit_statement(patience, move |connection| connection.execute(insert, [name]).map(drop))
    };
    let long = Duration::from_secs(3600);
    let [a, much] = [add(long, "a".to_owned()), add(long, "x".repeat(100_000))];
    let b = add(Duration::ZERO, "b".to_owned());
    for refused in [a, much, b] {
        let error = refused.wait().unwrap_err().to_string();
        assert!(error.contains("full"), "{error}");
    }
    // It may be well again by now, since little fits.
    wait("noted", || store.health().last_error.is_some());
    assert!(store.health().last_error.unwrap().contains("full"));
    let there = |user: &str| store.password_hash(user).unwrap().is_some();
    assert!(!there("a") && !there("b"));
    add(long, "a".to_owned()).detach();
    add(Duration::ZERO, "b".to_owned()).wait().unwrap();
    assert!(there("a") && there("b"));
    wait("well again", || !store.health().failing);
}
