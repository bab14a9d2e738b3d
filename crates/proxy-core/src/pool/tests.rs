//! The pool as its writers and readers see it.

use super::*;
use crate::health::FailureKind;
use lavalink_protocol::stats::FrameStats;

const OK: Signal = Signal::ProbeOk {
    latency: Duration::from_millis(5),
};

fn pool(names: &[&str]) -> (Pool, Vec<NodeId>, Instant) {
    let now = Instant::now();
    let mut pool = Pool::new(HealthSettings::default(), 1);
    let ids = names.iter().map(|name| pool.add(NodeSpec::new(*name), now)).collect();
    (pool, ids, now)
}

#[test]
fn a_snapshot_is_shared_until_something_changes_and_old_ones_stay_as_they_were() {
    let (mut pool, ids, now) = pool(&["a", "b"]);
    let first = pool.snapshot();
    assert!(Arc::ptr_eq(&first, &pool.snapshot()));
    assert!(pool.signal(ids[0], OK, now).is_some());
    let second = pool.snapshot();
    assert!(!Arc::ptr_eq(&first, &second));
    assert_eq!(first.get(ids[0]).unwrap().state, NodeState::Unknown);
    assert_eq!(second.get(ids[0]).unwrap().state, NodeState::Healthy);
    assert!(!first.any_takes_work() && second.any_takes_work());
}

#[test]
fn gauges_are_current_in_every_snapshot() {
    let (mut pool, ids, _) = pool(&["a"]);
    let (old, node) = (pool.snapshot(), ids[0]);
    pool.update(
        node,
        NodeSpec {
            weight: 0.0,
            ..NodeSpec::new("renamed")
        },
    );
    let new = pool.snapshot();
    let gauges = &new.get(node).unwrap().gauges;
    let (_request, _link) = (gauges.request(), gauges.link());
    gauges.placed(2);
    for view in [old.get(node).unwrap(), new.get(node).unwrap()] {
        assert_eq!((view.outstanding(), view.sessions(), view.pending()), (1, 1, 2));
    }
    assert_eq!(
        (&*new.get(node).unwrap().name, new.get(node).unwrap().weight),
        ("renamed", 1.0)
    );
}

#[test]
fn node_ids_are_never_given_again() {
    let (mut pool, ids, now) = pool(&["a", "b"]);
    assert!(pool.remove(ids[0]) && !pool.remove(ids[0]));
    let again = pool.add(NodeSpec::new("a"), now);
    assert!(!ids.contains(&again));
    assert_eq!(
        (pool.find("a"), pool.find("b"), pool.find("c")),
        (Some(again), Some(ids[1]), None)
    );
    assert!(pool.snapshot().get(ids[0]).is_none());
    assert_eq!(pool.signal(ids[0], OK, now), None);
}

#[test]
fn each_due_probe_is_taken_once() {
    let (mut pool, ids, now) = pool(&["a", "b"]);
    let mut due = Vec::new();
    pool.take_due(now, &mut due);
    assert_eq!(due, ids);
    due.clear();
    pool.take_due(now, &mut due);
    assert_eq!(due, []);
    pool.signal(ids[1], Signal::ProbeFailed(FailureKind::Connect), now);
    let next = pool.next_probe().unwrap();
    pool.take_due(next, &mut due);
    assert_eq!(due, [ids[1]]);
}

#[test]
fn stats_bring_load_and_frame_figures_until_the_link_closes() {
    let (mut pool, ids, now) = pool(&["a"]);
    let node = ids[0];
    let frames = |deficit| {
        Some(FrameStats {
            sent: 3000 - deficit,
            nulled: 0,
            deficit,
        })
    };
    let stats = |deficit| Stats {
        playing_players: 4,
        frame_stats: frames(deficit),
        ..Stats::default()
    };
    pool.reported(node, Some((LinkKey(1), 3)), stats(40), now);
    pool.reported(node, Some((LinkKey(2), 1)), stats(0), now);
    pool.reported(
        node,
        None,
        Stats {
            playing_players: 6,
            ..Stats::default()
        },
        now + Duration::from_secs(1),
    );
    let snapshot = pool.snapshot();
    let view = snapshot.get(node).unwrap();
    assert_eq!((view.frames.unwrap().deficit, view.load.unwrap().playing), (30.0, 6.0));
    assert_eq!(
        view.reported.unwrap().age(now + Duration::from_secs(3)),
        Duration::from_secs(2)
    );
    let shown = view.stats().unwrap();
    assert_eq!((shown.playing_players, shown.frame_stats), (6, frames(30)));
    pool.link_closed(node, LinkKey(1));
    assert_eq!(pool.snapshot().get(node).unwrap().frames.unwrap().deficit, 0.0);
}

#[test]
fn answers_counted_without_a_lock_reach_the_health_before_the_next_signal() {
    let (mut pool, ids, now) = pool(&["a"]);
    let node = ids[0];
    pool.signal(node, OK, now);
    let gauges = Arc::clone(&pool.snapshot().get(node).unwrap().gauges);
    for _ in 0..20 {
        gauges.answered();
        pool.signal(node, Signal::LinkLost, now);
    }
    assert!(
        pool.snapshot().get(node).unwrap().state.takes_work(),
        "no two failures came in a row"
    );
}

#[test]
fn a_tick_reports_nodes_that_recovered_through_answers() {
    let (mut pool, ids, now) = pool(&["a", "b"]);
    let node = ids[1];
    for signal in [OK, Signal::RequestFailed, OK, Signal::RequestFailed] {
        pool.signal(node, signal, now);
    }
    let snapshot = pool.snapshot();
    assert_eq!(snapshot.get(node).unwrap().state, NodeState::Degraded);
    snapshot.get(node).unwrap().gauges.answered();
    let (mut transitions, later) = (Vec::new(), now + Duration::from_secs(300));
    pool.tick(later, &mut transitions);
    let [(id, transition)] = transitions[..] else {
        panic!("{transitions:?}")
    };
    assert_eq!((id, transition.to, transition.at), (node, NodeState::Healthy, later));
    assert_eq!(pool.snapshot().get(node).unwrap().state, NodeState::Healthy);
}

#[test]
fn the_configured_version_wins_over_the_probed_one() {
    let (mut pool, ids, _) = pool(&["a"]);
    let v4 = Generation::V4 { minor: Some(2) };
    pool.probed(
        ids[0],
        v4,
        Some(NodeAbout {
            version: "4.2.2".into(),
            info: Info::default(),
        }),
    );
    assert_eq!(pool.snapshot().get(ids[0]).unwrap().generation, Some(v4));
    pool.probed(ids[0], v4, None);
    assert_eq!(
        &*pool.snapshot().get(ids[0]).unwrap().about.as_ref().unwrap().version,
        "4.2.2"
    );
    pool.update(
        ids[0],
        NodeSpec {
            generation: Some(Generation::V3_7),
            ..NodeSpec::new("a")
        },
    );
    assert_eq!(pool.snapshot().get(ids[0]).unwrap().generation, Some(Generation::V3_7));
}
