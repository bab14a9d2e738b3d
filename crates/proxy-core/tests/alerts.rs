//! Drives the alerts through random figures near their thresholds, nodes that come and go, floods and restarts of the
//! proxy, and checks what must always hold. A failing run prints its seed; `ALERTS_SEED=<n>` runs that seed alone.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use proxy_core::alerts::{
    AddressReading, Alert, AlertSettings, Alerts, Fill, Kind, NodeReading, Notice, Observation, Rule, Subject,
};
use proxy_core::health::NodeState;

const SEEDS: u64 = 8;
/// An hour and a half, second by second.
const SECONDS: u64 = 5400;
const LIMIT: f64 = 10e6;

#[test]
fn every_raise_has_one_clear_nothing_flaps_and_room_is_bounded() {
    let seeds = match std::env::var("ALERTS_SEED") {
        Ok(seed) => seed.parse::<u64>().unwrap()..seed.parse::<u64>().unwrap() + 1,
        Err(_) => 0..SEEDS,
    };
    let mut raised = 0;
    for seed in seeds {
        let mut world = World::new(seed);
        for _ in 0..SECONDS {
            world.second();
        }
        world.calm_down();
        raised += world.raised;
    }
    assert!(
        raised > 100,
        "a simulation in which nothing happens proves nothing: {raised}"
    );
}

/// A figure near its threshold, with noise smaller than the band between raise and clear.
#[test]
fn noise_around_a_threshold_is_at_most_one_alert() {
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        let mut kinds = Vec::new();
        for _ in 0..SECONDS {
            let rate = LIMIT * (0.85 + 0.3 * world.rng.f64());
            let notices = world.observe(|seen, _| seen.addresses = vec![moving(1, rate)]);
            kinds.extend(notices.into_iter().map(|notice| notice.kind));
        }
        assert_eq!(kinds, [Kind::Raised], "seed {seed}");
    }
}

struct World {
    seed: u64,
    rng: fastrand::Rng,
    alerts: Alerts,
    now: Instant,
    at: u64,
    /// What a reader of the messages believes to be open.
    believed: HashMap<(Rule, Subject), u64>,
    /// When each subject was raised.
    raises: HashMap<(Rule, Subject), Vec<Instant>>,
    last_id: u64,
    raised: u32,
    nodes: Vec<NodeState>,
    flood: u32,
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed with ALERTS_SEED={}", self.seed);
        }
    }
}

fn moving(n: u32, rate: f64) -> AddressReading {
    AddressReading {
        address: IpAddr::from(n.to_be_bytes()),
        rate,
        bytes: 0,
    }
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            seed,
            rng: fastrand::Rng::with_seed(seed),
            alerts: Alerts::new(AlertSettings::default()),
            now: Instant::now(),
            at: 1_790_000_000_000,
            believed: HashMap::new(),
            raises: HashMap::new(),
            last_id: 0,
            raised: 0,
            nodes: vec![NodeState::Unknown; 4],
            flood: 0,
        }
    }

    fn observe(&mut self, fill: impl FnOnce(&mut Observation, &mut fastrand::Rng)) -> Vec<Notice> {
        self.now += Duration::from_millis(self.rng.u64(900..1100));
        self.at += 1000;
        let mut seen = Observation::new(self.now, self.at);
        fill(&mut seen, &mut self.rng);
        self.alerts.observe(&seen)
    }

    fn second(&mut self) {
        if self.rng.u32(..600) == 0 {
            self.restart();
        }
        self.change_nodes();
        self.flood = match self.rng.u32(..1000) {
            0 => self.rng.u32(..300),
            1..20 => 0,
            _ => self.flood,
        };
        let (nodes, flood) = (self.nodes.clone(), self.flood);
        let notices = self.observe(|seen, rng| {
            seen.nodes = nodes.iter().enumerate().map(node).collect();
            // Some stay near the limit, some jump, and sometimes there are very many.
            let steady = (0..3).map(|n| moving(n, LIMIT * (0.7 + 0.5 * rng.f64())));
            seen.addresses = steady.collect();
            seen.addresses
                .extend((10..20).filter(|_| rng.bool()).map(|n| moving(n, LIMIT * 3.0)));
            seen.addresses
                .extend((100..100 + flood).map(|n| moving(n, LIMIT * 2.0)));
            seen.connections = Fill {
                used: rng.u64(800..1010),
                limit: Some(1000),
            };
            seen.login_failures = (0..rng.u32(..3))
                .map(|n| (IpAddr::from(n.to_be_bytes()), rng.u32(..2)))
                .collect();
        });
        self.check(notices);
    }

    fn change_nodes(&mut self) {
        let states = [
            NodeState::Healthy,
            NodeState::Degraded,
            NodeState::Down,
            NodeState::Draining,
        ];
        for state in &mut self.nodes {
            if *state == NodeState::Unknown || self.rng.u32(..60) == 0 {
                *state = states[self.rng.usize(..states.len())];
            }
        }
    }

    /// The proxy starts anew with what its store kept.
    fn restart(&mut self) {
        let open: Vec<Alert> = self.alerts.open().cloned().collect();
        self.alerts = Alerts::new(AlertSettings::default());
        self.alerts.restore(open, self.now);
        self.nodes.fill(NodeState::Unknown);
        // Damping begins anew too.
        self.raises.clear();
    }

    fn check(&mut self, notices: Vec<Notice>) {
        for Notice { kind, alert } in notices {
            let key = (alert.rule, alert.subject.clone());
            match kind {
                Kind::Raised => {
                    assert!(alert.id > self.last_id, "{alert:?}");
                    self.last_id = alert.id;
                    self.raised += 1;
                    assert_eq!(
                        self.believed.insert(key.clone(), alert.id),
                        None,
                        "raised twice: {alert:?}"
                    );
                    self.check_flapping(&key);
                }
                Kind::Cleared => {
                    assert_eq!(self.believed.remove(&key), Some(alert.id), "{alert:?}");
                    assert!(alert.cleared_at >= Some(alert.raised_at), "{alert:?}");
                }
                Kind::Escalated => assert_eq!(self.believed.get(&key), Some(&alert.id), "{alert:?}"),
                Kind::Repeated => panic!("that is not set: {alert:?}"),
            }
        }
        let open: HashMap<_, _> = self
            .alerts
            .open()
            .map(|alert| ((alert.rule, alert.subject.clone()), alert.id))
            .collect();
        assert_eq!(open, self.believed);
        // 101 subjects a rule, the addresses of the baseline, four nodes, the addresses of logins.
        assert!(
            self.alerts.remembered() < 13 * 101 + 400,
            "{}",
            self.alerts.remembered()
        );
    }

    /// Within any hour a subject is raised a handful of times at most, whatever its figures do.
    fn check_flapping(&mut self, key: &(Rule, Subject)) {
        let now = self.now;
        let raises = self.raises.entry(key.clone()).or_default();
        raises.retain(|at| now.duration_since(*at) < Duration::from_secs(3600));
        raises.push(now);
        assert!(raises.len() <= 9, "{key:?} flaps: {} raises in an hour", raises.len());
    }

    /// When all is well for long enough, everything is over and nothing is held.
    fn calm_down(&mut self) {
        self.nodes.fill(NodeState::Healthy);
        for _ in 0..8000 {
            let nodes = self.nodes.clone();
            let notices = self.observe(|seen, _| seen.nodes = nodes.iter().enumerate().map(node).collect());
            self.check(notices);
        }
        assert!(self.believed.is_empty(), "{:?}", self.believed);
        // The four nodes, and the addresses of which an hour is remembered.
        assert!(self.alerts.remembered() < 400, "{}", self.alerts.remembered());
    }
}

fn node((n, state): (usize, &NodeState)) -> NodeReading {
    NodeReading {
        name: format!("n{n}").into(),
        state: *state,
        failure: None,
        uptime: None,
        frame_deficit: Some(0.0),
        moves_stayed: 0,
        moves_failed: 0,
    }
}
