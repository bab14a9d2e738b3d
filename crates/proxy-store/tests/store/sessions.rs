//! Sessions that are kept for their clients.

use proxy_store::{KeptLink, KeptSession};

use crate::rig::{Rig, START};

fn link(node: &str, node_session: &str) -> KeptLink {
    KeptLink {
        node: node.to_owned(),
        node_session: node_session.to_owned(),
    }
}

fn session(id: &str, links: Vec<KeptLink>) -> KeptSession {
    KeptSession {
        id: id.to_owned(),
        tenant: "default".to_owned(),
        user: "170939974227591168".to_owned(),
        client: Some("wavelink/3".to_owned()),
        opened: START,
        resuming: false,
        timeout: 60,
        links,
    }
}

#[test]
fn what_was_committed_of_a_session_is_there_after_a_restart() {
    let mut rig = Rig::new();
    let first = session("a", vec![link("eu-1", "n1")]);
    rig.store.keep_session(first.clone()).wait().unwrap();
    rig.store.keep_session(session("b", Vec::new())).wait().unwrap();
    rig.store.keep_resuming("a".to_owned(), true, 120).wait().unwrap();
    let links = vec![link("eu-1", "n2"), link("us-1", "n3")];
    rig.store.keep_links("a".to_owned(), links.clone()).wait().unwrap();
    rig.reopen();
    let expected = KeptSession {
        resuming: true,
        timeout: 120,
        links,
        ..first
    };
    assert_eq!(rig.store.kept_sessions().unwrap(), [expected, session("b", Vec::new())]);
}

#[test]
fn a_session_that_is_over_leaves_nothing_and_does_not_come_back_by_a_late_word() {
    let rig = Rig::new();
    let kept = session("a", vec![link("eu-1", "n1")]);
    rig.store.keep_session(kept).wait().unwrap();
    rig.store.forget_session("a".to_owned()).wait().unwrap();
    rig.store
        .keep_links("a".to_owned(), vec![link("eu-1", "n2")])
        .wait()
        .unwrap();
    rig.store.keep_resuming("a".to_owned(), true, 1).wait().unwrap();
    assert_eq!(rig.store.kept_sessions().unwrap(), []);
    // The same id again has none of the old links.
    rig.store.keep_session(session("a", Vec::new())).wait().unwrap();
    assert_eq!(rig.store.kept_sessions().unwrap()[0].links, []);
}

#[test]
fn no_id_of_a_session_is_printed() {
    let kept = format!("{:?}", session("client-id", vec![link("eu-1", "node-id")]));
    assert!(!kept.contains("client-id") && !kept.contains("node-id"), "{kept}");
}
