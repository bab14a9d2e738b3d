//! Sessions that are kept for their clients.

use std::time::{Duration, Instant, UNIX_EPOCH};

use lavalink_protocol::id::{NodeSessionId, SessionId, UserId};
use proxy_core::session::kept::{KeptLink, KeptSession, Settings};
use proxy_store::Store;

use crate::rig::{Rig, START};

fn link(node: &str, node_session: &str) -> KeptLink {
    KeptLink {
        node: node.to_owned(),
        node_session: NodeSessionId::from(node_session),
    }
}

fn session(id: &str, links: Vec<KeptLink>) -> KeptSession {
    KeptSession {
        id: SessionId::from(id),
        tenant: "default".into(),
        user: UserId(170939974227591168),
        client: Some("wavelink/3".into()),
        opened: UNIX_EPOCH + Duration::from_millis(START as u64),
        settings: Settings::default(),
        links,
    }
}

fn asked(timeout: i64) -> Settings {
    Settings {
        resuming: true,
        timeout,
    }
}

#[test]
fn what_was_committed_of_a_session_is_there_after_a_restart() {
    let mut rig = Rig::new();
    let first = session("a", vec![link("eu-1", "n1")]);
    rig.store.keep_session(first.clone()).wait().unwrap();
    rig.store.keep_session(session("b", Vec::new())).wait().unwrap();
    let (a, settings) = (SessionId::from("a"), asked(120));
    rig.store.keep_settings(a.clone(), settings).wait().unwrap();
    let links = vec![link("eu-1", "n2"), link("us-1", "n3")];
    rig.store.keep_links(a, links.clone()).wait().unwrap();
    rig.reopen();
    let expected = KeptSession {
        settings,
        links,
        ..first
    };
    assert_eq!(rig.store.kept_sessions().unwrap(), [expected, session("b", Vec::new())]);
}

#[test]
fn a_session_that_is_over_leaves_nothing_and_does_not_come_back_by_a_late_word() {
    let rig = Rig::new();
    let (a, kept) = (SessionId::from("a"), session("a", vec![link("eu-1", "n1")]));
    rig.store.keep_session(kept).wait().unwrap();
    rig.store.forget_session(a.clone()).detach();
    rig.store
        .keep_links(a.clone(), vec![link("eu-1", "n2")])
        .wait()
        .unwrap();
    rig.store.keep_settings(a, asked(1)).wait().unwrap();
    assert_eq!(rig.store.kept_sessions().unwrap(), []);
    // The same id again has none of the old links.
    rig.store.keep_session(session("a", Vec::new())).wait().unwrap();
    assert_eq!(rig.store.kept_sessions().unwrap()[0].links, []);
}

#[test]
fn a_session_that_is_forgotten_and_kept_again_is_kept() {
    let rig = Rig::new();
    let (a, again) = (SessionId::from("a"), session("a", vec![link("eu-1", "n2")]));
    rig.store.keep_session(session("a", Vec::new())).detach();
    rig.store.forget_session(a.clone()).detach();
    rig.store.keep_session(again.clone()).wait().unwrap();
    assert_eq!(rig.store.kept_sessions().unwrap(), [again]);
    rig.store.forget_session(a).wait().unwrap();
    assert_eq!(rig.store.kept_sessions().unwrap(), []);
}

#[test]
fn to_forget_goes_with_the_next_commit_or_follows_by_itself_soon() {
    let rig = Rig::new();
    let kept = || rig.store.kept_sessions().unwrap();
    for id in ["a", "b"] {
        rig.store.keep_session(session(id, Vec::new())).wait().unwrap();
    }
    rig.store.forget_session(SessionId::from("a")).detach();
    rig.store.keep_settings(SessionId::from("b"), asked(1)).wait().unwrap();
    assert_eq!(kept().len(), 1);
    rig.store.forget_session(SessionId::from("b")).detach();
    let limit = Instant::now() + Duration::from_secs(60);
    while !kept().is_empty() {
        assert!(Instant::now() < limit, "forgotten by itself");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_was_to_be_forgotten_is_when_the_store_is_closed() {
    let mut rig = Rig::new();
    for number in 0..1000 {
        let id = number.to_string();
        rig.store.keep_session(session(&id, Vec::new())).detach();
        rig.store.forget_session(SessionId::from(id)).detach();
    }
    rig.reopen();
    assert_eq!(rig.store.kept_sessions().unwrap(), []);
}

#[test]
fn sessions_that_an_older_version_kept_are_there_with_their_links() {
    let rig = Rig::new();
    let path = rig.folder.path().join("older.db");
    let older = rusqlite::Connection::open(&path).unwrap();
    for script in [
        include_str!("../../migrations/001_history.sql"),
        include_str!("../../migrations/002_people.sql"),
        include_str!("../../migrations/003_sessions.sql"),
        "INSERT INTO session VALUES ('a', 'default', '1', NULL, 1, TRUE, 5), ('b', 'default', '2', NULL, 2, FALSE, 60)",
        "INSERT INTO link VALUES ('a', 'us-1', 'n\"2'), ('a', 'eu-1', 'n1')",
    ] {
        older.execute_batch(script).unwrap();
    }
    older.pragma_update(None, "application_id", 0x4c50_7879).unwrap();
    older.pragma_update(None, "user_version", 3).unwrap();
    drop(older);
    let store = Store::open(&path, rig.settings.clone()).unwrap();
    let kept = store.kept_sessions().unwrap();
    let [a, b] = &kept[..] else { panic!("{kept:?}") };
    assert_eq!((a.id.as_str(), a.settings), ("a", asked(5)));
    assert_eq!(a.links, [link("eu-1", "n1"), link("us-1", "n\"2")]);
    assert_eq!((b.id.as_str(), &b.links[..]), ("b", &[][..]));
}
