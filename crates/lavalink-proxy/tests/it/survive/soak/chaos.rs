//! What happens to the nodes: never to so many at once that none is left.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proxy_testkit::{Fault, SimNode};

/// So many nodes may be hurt at a time.
const HURT: usize = 2;
/// A node that is back is left alone so long.
const PEACE: Duration = Duration::from_secs(4);

/// A time in which a node was cut off: it plays on, and may not know that its players were moved.
#[derive(Debug, Clone, Copy)]
pub(super) struct Freeze {
    pub(super) node: usize,
    pub(super) since: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Well,
    Dead { until: Instant },
    Frozen { until: Instant },
    Recovering { until: Instant },
}

/// Random harm to nodes.
pub(super) struct Chaos {
    nodes: Arc<[SimNode]>,
    rng: fastrand::Rng,
    states: Vec<State>,
    next_harm: Instant,
    next_cut: Instant,
    freezes: Vec<Freeze>,
    /// How often what was done.
    done: [(&'static str, u32); 5],
}

const KILLED: usize = 0;
const FROZEN: usize = 1;
const RESTARTED: usize = 2;
const SHUT_DOWN: usize = 3;
const CUT: usize = 4;

impl Chaos {
    pub(super) fn new(nodes: Arc<[SimNode]>, rng: fastrand::Rng) -> Self {
        Self {
            states: vec![State::Well; nodes.len()],
            nodes,
            rng,
            next_harm: Instant::now(),
            next_cut: Instant::now(),
            freezes: Vec::new(),
            done: ["killed", "frozen", "restarted", "shut down", "links cut"].map(|what| (what, 0)),
        }
    }

    /// Does what is due.
    pub(super) fn step(&mut self) {
        let now = Instant::now();
        for node in 0..self.nodes.len() {
            self.heal(node, now);
        }
        if now >= self.next_harm {
            self.next_harm = now + self.between(500, 3_000);
            self.harm(now);
        }
        if now >= self.next_cut {
            self.next_cut = now + self.between(200, 1_500);
            self.cut();
        }
    }

    /// Heals everything, and does nothing more.
    pub(super) fn calm(&mut self) {
        let late = Instant::now() + Duration::from_secs(3600);
        for node in 0..self.nodes.len() {
            self.heal(node, late);
        }
    }

    pub(super) fn freezes(&self) -> &[Freeze] {
        &self.freezes
    }

    fn between(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.rng.u64(from..to))
    }

    fn heal(&mut self, node: usize, now: Instant) {
        match self.states[node] {
            State::Dead { until } if until <= now => self.nodes[node].revive().unwrap(),
            State::Frozen { until } if until <= now => self.nodes[node].clear_faults().unwrap(),
            State::Recovering { until } if until <= now => {
                self.states[node] = State::Well;
                return;
            }
            _ => return,
        }
        self.states[node] = State::Recovering { until: now + PEACE };
    }

    fn harm(&mut self, now: Instant) {
        let well: Vec<usize> = (0..self.states.len())
            .filter(|node| self.states[*node] == State::Well)
            .collect();
        if self.states.len() - well.len() >= HURT {
            return;
        }
        let node = well[self.rng.usize(..well.len())];
        let hurt = &self.nodes[node];
        let (what, state) = match self.rng.u32(..10) {
            0..4 => {
                hurt.die();
                (
                    KILLED,
                    State::Dead {
                        until: now + self.between(500, 5_000),
                    },
                )
            }
            4..7 => {
                // Long enough to be left, or not.
                hurt.fault(Fault::Stall);
                hurt.fault(Fault::HalfOpen);
                self.freezes.push(Freeze { node, since: now });
                (
                    FROZEN,
                    State::Frozen {
                        until: now + self.between(200, 8_000),
                    },
                )
            }
            7..9 => {
                hurt.die();
                (RESTARTED, State::Dead { until: now })
            }
            _ => {
                hurt.fault(Fault::Shutdown);
                (
                    SHUT_DOWN,
                    State::Dead {
                        until: now + self.between(1_000, 5_000),
                    },
                )
            }
        };
        self.states[node] = state;
        self.done[what].1 += 1;
    }

    /// Cuts the link of one session to one node that is well.
    fn cut(&mut self) {
        let node = self.rng.usize(..self.nodes.len());
        if self.states[node] != State::Well {
            return;
        }
        let sessions = self.nodes[node].sessions();
        if sessions.is_empty() {
            return;
        }
        let session = &sessions[self.rng.usize(..sessions.len())];
        if session.resuming && !session.parked && self.nodes[node].drop_session_socket(&session.id) {
            self.done[CUT].1 += 1;
        }
    }
}

impl fmt::Display for Chaos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut done = self.done.iter();
        if let Some((what, times)) = done.next() {
            write!(f, "nodes {what} {times}")?;
        }
        done.try_for_each(|(what, times)| write!(f, ", {what} {times}"))
    }
}
