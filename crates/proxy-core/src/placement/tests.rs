//! Choices over small pools, mostly as tables.

use std::time::Duration;

use lavalink_protocol::info::Info;
use lavalink_protocol::stats::Stats;

use super::*;
use crate::health::{FailureKind, HealthSettings, Signal};
use crate::pool::{NodeAbout, NodeSpec, Pool};

const V4: Generation = Generation::V4 { minor: Some(2) };
const OK: Signal = Signal::ProbeOk {
    latency: Duration::from_millis(5),
};
const FAIL: Signal = Signal::ProbeFailed(FailureKind::Connect);

/// A pool under construction; nodes are named by their place.
struct Pools {
    pool: Pool,
    now: Instant,
    rng: fastrand::Rng,
}

impl Pools {
    fn new() -> Self {
        Self {
            pool: Pool::new(HealthSettings::default(), 1),
            now: Instant::now(),
            rng: fastrand::Rng::with_seed(7),
        }
    }

    /// Adds a node in some state, with statistics when `playing` is given.
    fn add(&mut self, generation: Generation, state: NodeState, playing: Option<i64>) -> NodeId {
        let spec = NodeSpec {
            generation: Some(generation),
            ..NodeSpec::new("n")
        };
        self.add_spec(spec, state, playing)
    }

    fn add_spec(&mut self, spec: NodeSpec, state: NodeState, playing: Option<i64>) -> NodeId {
        let id = self.pool.add(spec, self.now);
        let signals: &[Signal] = match state {
            NodeState::Unknown => &[],
            NodeState::Healthy | NodeState::Draining => &[OK],
            NodeState::Degraded => &[OK, FAIL, FAIL],
            NodeState::Down => &[FAIL],
        };
        for signal in signals {
            self.pool.signal(id, *signal, self.now);
        }
        self.pool.set_draining(id, state == NodeState::Draining, self.now);
        if let Some(playing_players) = playing {
            self.pool.reported(
                id,
                None,
                Stats {
                    playing_players,
                    ..Stats::default()
                },
                self.now,
            );
        }
        assert_eq!(self.pool.snapshot().get(id).map(|node| node.state), Some(state));
        id
    }

    fn session(&mut self, want: &Want<'_>) -> Result<Choice, NoNode> {
        choose_session(&self.pool.snapshot(), want, &mut self.rng, self.now)
    }

    fn request(&mut self, want: &Want<'_>) -> Result<Choice, NoNode> {
        choose_request(&self.pool.snapshot(), want, &mut self.rng, self.now)
    }

    /// How often each node is chosen for a session, each placement being noted.
    fn spread(&mut self, want: &Want<'_>, times: usize) -> Vec<u32> {
        let mut counts = vec![0; self.pool.snapshot().nodes().len()];
        for _ in 0..times {
            let node = self.session(want).unwrap().node;
            counts[usize::from(node.0)] += 1;
            self.pool.snapshot().get(node).unwrap().gauges.placed(1);
        }
        counts
    }
}

#[test]
fn states_decide_who_can_be_chosen_and_what_the_refusal_says() {
    use NodeState::{Degraded, Down, Draining, Healthy, Unknown};
    const LEGACY: Generation = Generation::Legacy;
    const V37: Generation = Generation::V3_7;
    type Case<'a> = (&'a [(Generation, NodeState)], Wanted, Result<u16, &'a str>);
    let cases: &[Case<'_>] = &[
        (&[(V4, Down), (V4, Healthy)], Wanted::V4, Ok(1)),
        (&[(V4, Degraded), (V4, Healthy)], Wanted::V4, Ok(1)),
        (&[(V4, Degraded), (V4, Down)], Wanted::V4, Ok(0)),
        (&[(V4, Draining), (V4, Degraded)], Wanted::V4, Ok(1)),
        (&[(V4, Healthy), (V37, Healthy)], Wanted::V37, Ok(1)),
        (&[(V4, Healthy), (LEGACY, Healthy)], Wanted::AnyV3, Ok(1)),
        (&[(LEGACY, Healthy), (V37, Down)], Wanted::AnyV3, Ok(0)),
        (
            &[(LEGACY, Healthy)],
            Wanted::V37,
            Err("No Lavalink v3.7 node is configured"),
        ),
        (&[], Wanted::V4, Err("No Lavalink v4 node is configured")),
        (&[(V37, Healthy)], Wanted::V4, Err("No Lavalink v4 node is configured")),
        (
            &[(V4, Healthy)],
            Wanted::AnyV3,
            Err("No Lavalink v3 node is configured"),
        ),
        (
            &[(V4, Down), (V4, Down)],
            Wanted::V4,
            Err("All Lavalink v4 nodes are down"),
        ),
        (
            &[(V4, Draining), (V37, Healthy)],
            Wanted::V4,
            Err("All Lavalink v4 nodes are in maintenance"),
        ),
        (
            &[(V4, Down), (V4, Draining)],
            Wanted::V4,
            Err("No Lavalink v4 node is up"),
        ),
        (&[(V4, Unknown)], Wanted::V4, Err("No Lavalink v4 node is ready yet")),
    ];
    for (nodes, wanted, expected) in cases {
        let mut pools = Pools::new();
        nodes
            .iter()
            .for_each(|(generation, state)| _ = pools.add(*generation, *state, Some(0)));
        let want = Want::new(*wanted);
        let expected = expected.map_err(str::to_owned);
        let session = pools
            .session(&want)
            .map(|choice| choice.node.0)
            .map_err(|none| none.to_string());
        let request = pools
            .request(&want)
            .map(|choice| choice.node.0)
            .map_err(|none| none.to_string());
        assert_eq!((&session, &request), (&expected, &expected), "{nodes:?} {wanted:?}");
    }
}

#[test]
fn a_node_of_unprobed_version_may_yet_be_the_one() {
    let mut pools = Pools::new();
    pools.add_spec(NodeSpec::new("n"), NodeState::Unknown, None);
    assert_eq!(
        pools.session(&Want::new(Wanted::V4)).unwrap_err().cause,
        NoNodeCause::NotReady
    );
}

#[test]
fn tried_nodes_and_nodes_of_other_tenants_are_left_out() {
    let mut pools = Pools::new();
    let [a, b, c] = [1, 2, 3].map(|playing| pools.add(V4, NodeState::Healthy, Some(playing)));
    let want = Want::new(Wanted::V4);
    assert_eq!(pools.session(&want).unwrap().node, a);
    assert_eq!(pools.session(&want.excluding(&[a])).unwrap().node, b);
    let allowed = Want {
        allowed: Some(&[c]),
        ..want
    };
    assert_eq!(pools.session(&allowed).unwrap().node, c);
    assert_eq!(pools.request(&allowed).unwrap().node, c);
    assert_eq!(
        pools.session(&allowed.excluding(&[c])).unwrap_err().cause,
        NoNodeCause::AllTried
    );
    let none = Want {
        allowed: Some(&[]),
        ..want
    };
    assert_eq!(pools.session(&none).unwrap_err().cause, NoNodeCause::NoneConfigured);
}

#[test]
fn a_burst_of_placements_is_spread_although_stats_stay_the_same() {
    let mut pools = Pools::new();
    (0..3).for_each(|_| _ = pools.add(V4, NodeState::Healthy, Some(0)));
    assert_eq!(pools.spread(&Want::new(Wanted::V4), 30), [10, 10, 10]);
}

#[test]
fn a_burst_goes_to_the_less_loaded_node_until_it_is_level() {
    let mut pools = Pools::new();
    pools.add(V4, NodeState::Healthy, Some(20));
    pools.add(V4, NodeState::Healthy, Some(0));
    assert_eq!(pools.spread(&Want::new(Wanted::V4), 20), [0, 20]);
    assert_eq!(pools.spread(&Want::new(Wanted::V4), 20), [10, 10]);
}

#[test]
fn weight_divides_the_load() {
    let mut pools = Pools::new();
    for weight in [1.0, 3.0] {
        let spec = NodeSpec {
            generation: Some(V4),
            weight,
            ..NodeSpec::new("n")
        };
        pools.add_spec(spec, NodeState::Healthy, Some(0));
    }
    let counts = pools.spread(&Want::new(Wanted::V4), 40);
    assert!((9..=11).contains(&counts[0]), "{counts:?}");
}

#[test]
fn a_node_without_statistics_gets_one_placement_to_become_known_and_no_more() {
    let mut pools = Pools::new();
    pools.add(V4, NodeState::Healthy, Some(500));
    pools.add(V4, NodeState::Healthy, None);
    assert_eq!(pools.spread(&Want::new(Wanted::V4), 200), [199, 1]);
}

#[test]
fn statistics_that_are_too_old_make_a_node_unknown() {
    let mut pools = Pools::new();
    let fresh = pools.add(V4, NodeState::Healthy, Some(500));
    let stale = pools.add(V4, NodeState::Healthy, Some(0));
    pools.now += Duration::from_secs(200);
    pools.pool.reported(
        fresh,
        None,
        Stats {
            playing_players: 500,
            ..Stats::default()
        },
        pools.now,
    );
    pools.pool.snapshot().get(stale).unwrap().gauges.placed(1);
    assert_eq!(pools.spread(&Want::new(Wanted::V4), 50), [50, 0]);
}

#[test]
fn when_nothing_is_known_the_least_used_node_is_chosen() {
    let mut pools = Pools::new();
    (0..2).for_each(|_| _ = pools.add(V4, NodeState::Healthy, None));
    assert_eq!(pools.spread(&Want::new(Wanted::V4), 10), [5, 5]);
    assert_eq!(
        pools.session(&Want::new(Wanted::V4)).unwrap().why.rule,
        Rule::NothingKnown
    );
}

#[test]
fn a_nearer_node_is_chosen_until_it_is_much_fuller() {
    let mut pools = Pools::new();
    for region in ["eu", "us"] {
        let spec = NodeSpec {
            generation: Some(V4),
            regions: vec![Region::new(region)],
            ..NodeSpec::new("n")
        };
        pools.add_spec(spec, NodeState::Healthy, Some(0));
    }
    let want = Want {
        region: Some("rotterdam"),
        ..Want::new(Wanted::V4)
    };
    assert_eq!(pools.spread(&want, 400), [400, 0]);
    let counts = pools.spread(&want, 200);
    assert!(counts[1] > 0, "{counts:?}");
}

#[test]
fn a_source_is_sought_where_it_is_announced_and_ignored_where_nobody_announces_it() {
    let mut pools = Pools::new();
    let [plain, spotify, configured] = [0, 9, 99].map(|playing| pools.add(V4, NodeState::Healthy, Some(playing)));
    let info = Info::read(br#"{"sourceManagers":["http","spotify"]}"#).unwrap();
    pools.pool.probed(
        spotify,
        V4,
        Some(NodeAbout {
            version: "4.2.2".into(),
            info,
        }),
    );
    let spec = NodeSpec {
        generation: Some(V4),
        sources: vec!["myprefix".into()],
        ..NodeSpec::new("n")
    };
    pools.pool.update(configured, spec);
    let cases = [
        (None, plain, false),
        (Some("spotify"), spotify, false),
        (Some("spsearch"), spotify, false),
        (Some("myprefix"), configured, false),
        (Some("nobodys"), plain, true),
    ];
    for (source, expected, ignored) in cases {
        let want = Want {
            source,
            ..Want::new(Wanted::V4)
        };
        for choice in [pools.session(&want).unwrap(), pools.request(&want).unwrap()] {
            assert_eq!(
                (choice.node, choice.why.source_ignored),
                (expected, ignored),
                "{source:?}"
            );
        }
    }
}

#[test]
fn a_degraded_node_with_the_source_is_better_than_a_healthy_one_without() {
    let mut pools = Pools::new();
    pools.add(V4, NodeState::Healthy, Some(0));
    let spec = NodeSpec {
        generation: Some(V4),
        sources: vec!["spotify".into()],
        ..NodeSpec::new("n")
    };
    let degraded = pools.add_spec(spec, NodeState::Degraded, Some(0));
    let choice = pools
        .request(&Want {
            source: Some("spsearch"),
            ..Want::new(Wanted::V4)
        })
        .unwrap();
    assert_eq!((choice.node, choice.why.degraded), (degraded, true));
}

#[test]
fn requests_go_where_the_fewest_are_under_way_for_the_weight() {
    let mut pools = Pools::new();
    for weight in [1.0, 3.0] {
        let spec = NodeSpec {
            generation: Some(V4),
            weight,
            ..NodeSpec::new("n")
        };
        pools.add_spec(spec, NodeState::Healthy, None);
    }
    let (mut counts, mut guards) = ([0; 2], Vec::new());
    for _ in 0..40 {
        let node = pools.request(&Want::new(Wanted::V4)).unwrap().node;
        counts[usize::from(node.0)] += 1;
        guards.push(pools.pool.snapshot().get(node).unwrap().gauges.request());
    }
    assert!((9..=11).contains(&counts[0]), "{counts:?}");
}

#[test]
fn of_equally_busy_nodes_the_less_loaded_answers_a_request_and_equal_ones_share() {
    let mut pools = Pools::new();
    pools.add(V4, NodeState::Healthy, Some(5));
    let idle = [0, 0].map(|playing| pools.add(V4, NodeState::Healthy, Some(playing)));
    let mut seen = std::collections::BTreeSet::new();
    (0..50).for_each(|_| _ = seen.insert(pools.request(&Want::new(Wanted::V4)).unwrap().node));
    assert_eq!(seen, idle.into_iter().collect());
}

#[test]
fn the_reason_for_a_choice_reads_as_text() {
    let mut pools = Pools::new();
    pools.add(V4, NodeState::Degraded, Some(4));
    let want = Want {
        source: Some("nobodys"),
        ..Want::new(Wanted::V4)
    };
    let session = pools.session(&want).unwrap().why.to_string();
    assert_eq!(
        session,
        "lowest score, 5.00, of 1; no healthy node; no node announces the source"
    );
    let request = pools.request(&Want::new(Wanted::V4)).unwrap().why.to_string();
    assert_eq!(request, "fewest requests under way, 0, of 1; no healthy node");
}

#[test]
fn measured_pings_take_the_place_of_what_the_operator_says() {
    // What is said of the nodes, what is measured of them, and which one a player in rotterdam goes to.
    type Case<'a> = (&'a [Option<&'a str>], &'a [(u16, u32)], &'a [u16]);
    let cases: &[Case<'_>] = &[
        // Nothing is measured: the operator's word counts.
        (&[Some("us"), Some("eu")], &[], &[1]),
        // It was wrong.
        (&[Some("us"), Some("eu")], &[(0, 10), (1, 110)], &[0]),
        // Nothing is said: the nearer one, or both when they are equally near.
        (&[None, None], &[(0, 90), (1, 12)], &[1]),
        (&[None, None], &[(0, 12), (1, 12)], &[0, 1]),
        // One that was not measured is not worse than the best of those that were, so that it is tried.
        (&[None, None], &[(0, 12)], &[0, 1]),
        (&[None, None, None], &[(0, 12), (1, 90)], &[0, 2]),
        // A far one is tried only when the near ones are too far.
        (&[Some("eu"), Some("us")], &[(0, 30)], &[0]),
    ];
    for (said, pings, expected) in cases {
        let mut pools = Pools::new();
        for region in *said {
            let spec = NodeSpec {
                generation: Some(V4),
                regions: region.iter().map(|region| Region::new(region)).collect(),
                ..NodeSpec::new("n")
            };
            pools.add_spec(spec, NodeState::Healthy, Some(10));
        }
        let mut measured = VoicePings::default();
        for (node, ping) in *pings {
            (0..50).for_each(|_| measured.learn(NodeId(*node), "rotterdam", *ping, pools.now));
        }
        let want = Want {
            region: Some("rotterdam"),
            pings: Some(&measured),
            ..Want::new(Wanted::V4)
        };
        let mut chosen: Vec<u16> = (0..50).map(|_| pools.session(&want).unwrap().node.0).collect();
        chosen.sort_unstable();
        chosen.dedup();
        assert_eq!(chosen, *expected, "{said:?} {pings:?}");
    }
}
