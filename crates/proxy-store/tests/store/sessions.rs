//! Sessions that are kept for their clients.

use std::time::{Duration, UNIX_EPOCH};

use lavalink_protocol::id::{NodeSessionId, SessionId, UserId};
use proxy_core::session::kept::{KeptLink, KeptSession, Settings};

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
    rig.store.forget_session(a.clone()).wait().unwrap();
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
