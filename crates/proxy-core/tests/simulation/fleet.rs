//! The nodes as they really are, beside the pool that must find out, and the checks on health and placement.

use std::time::{Duration, Instant};

use lavalink_protocol::generation::Generation;
use lavalink_protocol::stats::{Cpu, Stats};
use proxy_core::health::{FailureKind, HealthSettings, NodeState, Signal, Transition};
use proxy_core::placement::{Choice, NoNode, Want, Wanted, choose_request, choose_session};
use proxy_core::pool::{NodeId, NodeSpec, Pool, RequestGuard};

use crate::Reached;

pub(crate) struct Fleet {
    pool: Pool,
    settings: HealthSettings,
    nodes: Vec<Real>,
}

/// The truth about one node.
struct Real {
    id: NodeId,
    dead_since: Option<Instant>,
    /// Signals of failure since it died.
    bad: u32,
    /// Successful probes in a row since the last failure of any kind.
    good: u32,
    draining: bool,
    placed: u64,
    links: u32,
    requests: Vec<RequestGuard>,
}

impl Fleet {
    pub(crate) fn new(rng: &mut fastrand::Rng, now: Instant) -> Self {
        let mut settings = HealthSettings::default();
        settings.thresholds.failures = rng.u32(1..5);
        settings.thresholds.successes = rng.u32(1..4);
        let mut pool = Pool::new(settings, rng.u64(..));
        let generations = [Generation::V4 { minor: Some(2) }, Generation::V3_7, Generation::Legacy];
        let nodes = (0..rng.usize(1..6))
            .map(|_| {
                let generation = if rng.u32(..3) == 0 {
                    *rng.choice(&generations).unwrap()
                } else {
                    generations[0]
                };
                let weight = rng.u32(1..4) as f32;
                let spec = NodeSpec {
                    generation: Some(generation),
                    weight,
                    ..NodeSpec::new("node")
                };
                let id = pool.add(spec, now);
                let (bad, good, placed, links) = (0, 0, 0, 0);
                Real {
                    id,
                    dead_since: None,
                    bad,
                    good,
                    draining: false,
                    placed,
                    links,
                    requests: Vec::new(),
                }
            })
            .collect();
        Self { pool, settings, nodes }
    }

    pub(crate) fn is_alive(&self, id: NodeId) -> bool {
        self.nodes[usize::from(id.0)].dead_since.is_none()
    }

    /// Any node that lives, whatever the pool thinks of it.
    pub(crate) fn any_alive(&self, rng: &mut fastrand::Rng) -> Option<NodeId> {
        let alive: Vec<NodeId> = self
            .nodes
            .iter()
            .filter(|node| node.dead_since.is_none())
            .map(|node| node.id)
            .collect();
        rng.choice(alive)
    }

    /// Chooses for a session and checks the choice.
    pub(crate) fn place(&mut self, now: Instant, rng: &mut fastrand::Rng, reached: &mut Reached) -> Option<NodeId> {
        let want = Want::new(Wanted::V4);
        let choice = choose_session(&self.pool.snapshot(), &want, rng, now);
        self.check_choice(&want, choice, reached);
        let node = choice.ok()?.node;
        self.pool.snapshot().get(node).unwrap().gauges.placed(1);
        self.nodes[usize::from(node.0)].placed += 1;
        Some(node)
    }

    /// A request without a session: placed, and finished later or failed at once on a dead node and tried elsewhere.
    pub(crate) fn request(&mut self, now: Instant, rng: &mut fastrand::Rng, reached: &mut Reached) {
        let wanted = *rng.choice(&[Wanted::V4, Wanted::V37, Wanted::AnyV3]).unwrap();
        let mut tried = Vec::new();
        for _ in 0..2 {
            let want = Want::new(wanted).excluding(&tried);
            let choice = choose_request(&self.pool.snapshot(), &want, rng, now);
            self.check_choice(&want, choice, reached);
            let Ok(Choice { node, .. }) = choice else { return };
            if self.is_alive(node) {
                self.answer(node, rng);
                return;
            }
            self.signal(node, Signal::ConnectError, now, reached);
            tried.push(node);
        }
    }

    fn answer(&mut self, node: NodeId, rng: &mut fastrand::Rng) {
        let gauges = self.pool.snapshot().get(node).unwrap().gauges.clone();
        let requests = &mut self.nodes[usize::from(node.0)].requests;
        requests.push(gauges.request());
        if rng.bool() {
            drop(requests.swap_remove(rng.usize(..requests.len())));
            gauges.answered();
        }
    }

    pub(crate) fn stats(&mut self, now: Instant, rng: &mut fastrand::Rng) {
        let Some(node) = self.any_alive(rng) else { return };
        let cpu = Cpu {
            system_load: rng.f64(),
            ..Cpu::default()
        };
        self.pool.reported(
            node,
            None,
            Stats {
                playing_players: rng.i64(-1..300),
                cpu,
                ..Stats::default()
            },
            now,
        );
    }

    /// A living node misbehaves for a moment.
    pub(crate) fn flaky(&mut self, now: Instant, rng: &mut fastrand::Rng, reached: &mut Reached) {
        let Some(node) = self.any_alive(rng) else { return };
        let faults = [
            Signal::RequestFailed,
            Signal::LinkLost,
            Signal::ConnectError,
            Signal::ProbeFailed(FailureKind::Status(503)),
            Signal::ProbeOk {
                latency: Duration::from_secs(5),
            },
        ];
        self.signal(node, *rng.choice(&faults).unwrap(), now, reached);
    }

    pub(crate) fn kill(&mut self, now: Instant, rng: &mut fastrand::Rng) -> Option<NodeId> {
        let id = self.any_alive(rng)?;
        let node = &mut self.nodes[usize::from(id.0)];
        (node.dead_since, node.bad) = (Some(now), 0);
        node.requests.clear();
        Some(id)
    }

    pub(crate) fn revive(&mut self, rng: &mut fastrand::Rng) {
        let dead: Vec<&mut Real> = self.nodes.iter_mut().filter(|node| node.dead_since.is_some()).collect();
        let Some(node) = rng.choice(dead) else { return };
        (node.dead_since, node.good) = (None, 0);
    }

    pub(crate) fn toggle_drain(&mut self, now: Instant, rng: &mut fastrand::Rng) {
        let index = rng.usize(..self.nodes.len());
        let node = &mut self.nodes[index];
        node.draining = !node.draining;
        let transition = self.pool.set_draining(node.id, node.draining, now).unwrap();
        assert_eq!(transition.to == NodeState::Draining, node.draining);
    }

    pub(crate) fn signal(&mut self, id: NodeId, signal: Signal, now: Instant, reached: &mut Reached) {
        let transition = self.pool.signal(id, signal, now);
        let node = &mut self.nodes[usize::from(id.0)];
        match signal {
            Signal::ProbeOk { .. } => node.good += 1,
            Signal::RequestOk => {}
            _ => (node.good, node.bad) = (0, node.bad + 1),
        }
        count(transition, reached);
    }

    /// Runs the probes that are due, and the pool's tick.
    pub(crate) fn probe_and_tick(&mut self, now: Instant, rng: &mut fastrand::Rng, reached: &mut Reached) {
        let mut due = Vec::new();
        self.pool.take_due(now, &mut due);
        for node in due {
            let latency = Duration::from_millis(rng.u64(1..200));
            let failed = Signal::ProbeFailed(FailureKind::Connect);
            let outcome = if self.is_alive(node) {
                Signal::ProbeOk { latency }
            } else {
                failed
            };
            self.signal(node, outcome, now, reached);
        }
        let mut transitions = Vec::new();
        self.pool.tick(now, &mut transitions);
        transitions
            .into_iter()
            .for_each(|(_, transition)| count(Some(transition), reached));
    }

    /// A choice is always a node that takes work and speaks the version, a degraded one only for want of a healthy one,
    /// and a refusal only comes when there is none.
    fn check_choice(&mut self, want: &Want<'_>, choice: Result<Choice, NoNode>, reached: &mut Reached) {
        let snapshot = self.pool.snapshot();
        let possible = |state| {
            let fits = |generation| want.generation.accepts(generation);
            let mut nodes = snapshot.nodes().iter().filter(|node| node.generation.is_some_and(fits));
            nodes.any(|node| node.state == state && !want.exclude.contains(&node.id))
        };
        let Ok(choice) = choice else {
            reached.refused += 1;
            assert!(!possible(NodeState::Healthy) && !possible(NodeState::Degraded));
            return;
        };
        reached.placed += 1;
        let node = snapshot.get(choice.node).unwrap();
        assert!(want.generation.accepts(node.generation.unwrap()) && !want.exclude.contains(&node.id));
        match node.state {
            NodeState::Healthy => {}
            NodeState::Degraded => {
                reached.on_degraded += 1;
                assert!(!possible(NodeState::Healthy), "a healthy node was passed over");
            }
            state => panic!("a node that is {state} was chosen"),
        }
    }

    pub(crate) fn check(&mut self, now: Instant) {
        let snapshot = self.pool.snapshot();
        let thresholds = self.settings.thresholds;
        // An ordinary interval with jitter, then quick probes with jitter, each up to a step of the clock late.
        let patience = Duration::from_secs(12) + Duration::from_secs(3) * thresholds.failures;
        for real in &self.nodes {
            let node = snapshot.get(real.id).unwrap();
            if let Some(since) = real.dead_since {
                let told = real.bad >= thresholds.failures || now - since > patience;
                assert!(
                    !told || node.underneath == NodeState::Down,
                    "dead for {:?}: {node:?}",
                    now - since
                );
            } else if real.good >= thresholds.successes {
                assert!(node.underneath.takes_work(), "{node:?}");
            }
            assert_eq!(node.state == NodeState::Draining, real.draining);
            assert!(u64::from(node.pending()) <= real.placed, "{node:?}");
            assert_eq!(
                (node.outstanding() as usize, node.sessions()),
                (real.requests.len(), real.links)
            );
        }
    }

    pub(crate) fn assert_nothing_left(&mut self) {
        self.nodes.iter_mut().for_each(|node| node.requests.clear());
        for node in self.pool.snapshot().nodes() {
            assert_eq!((node.outstanding(), node.sessions()), (0, 0), "{node:?}");
        }
    }
}

fn count(transition: Option<Transition>, reached: &mut Reached) {
    let Some(Transition { from, to, .. }) = transition else {
        return;
    };
    assert_ne!(from, to);
    reached.nodes_down += u32::from(to == NodeState::Down);
    reached.nodes_back += u32::from(from == NodeState::Down);
}
