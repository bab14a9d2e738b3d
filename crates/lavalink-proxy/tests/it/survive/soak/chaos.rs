//! What happens to the nodes: never to so many at once that none is left.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proxy_testkit::{Fault, SimNode};

/// So many nodes may be hurt at a time.
const HURT: usize = 2;
/// A node that is back is left alone so long.
const PEACE: Duration = Duration::from_secs(4);

/// A time in which a node was not there, or was there again without what it had.
#[derive(Debug, Clone, Copy)]
pub(super) struct Harm {
    pub(super) node: usize,
    pub(super) since: Instant,
    /// `None` while it lasts.
    until: Option<Instant>,
    /// It was only cut off: it plays on, and may not know that its players were moved.
    frozen: bool,
}

impl Harm {
    /// Whether it was in this time, at least in part.
    pub(super) fn was(&self, from: Instant, to: Instant) -> bool {
        self.since <= to && self.until.is_none_or(|until| until >= from)
    }

    /// Whether the node had just thawed: what it writes then may go into sockets that were given up meanwhile, though it
    /// is resumed on others.
    pub(super) fn was_thawing(&self, at: Instant) -> bool {
        self.frozen && self.until.is_some_and(|until| (until..until + THAW).contains(&at))
    }

    /// Whether the node may have written for players then that had been moved away while it was frozen: it plays on for
    /// them, and tells whoever ends them.
    pub(super) fn was_left(&self, at: Instant) -> bool {
        self.frozen && self.since <= at && self.until.is_none_or(|until| at < until + CLEANED_UP)
    }
}

/// How long a node may take to notice which of its sockets are dead.
const THAW: Duration = Duration::from_millis(500);

/// How long the program may take to end what was left on a node that has thawed: a probe that hung is given up after 2 s
/// and the next one follows after 500 ms (see the settings of `runs.rs`), the first try may get no answer for 5 s, and the
/// second comes with another probe; the rest is for a busy machine.
const CLEANED_UP: Duration = Duration::from_secs(10);

/// What may happen now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Mood {
    /// Everything.
    Wild,
    /// Links are cut, and nodes left alone.
    Cutting,
    /// Nothing.
    Calm,
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
    mood: Mood,
    harms: Vec<Harm>,
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
            mood: Mood::Wild,
            harms: Vec::new(),
            done: ["killed", "frozen", "restarted", "shut down", "links cut"].map(|what| (what, 0)),
        }
    }

    /// Does what is due.
    pub(super) fn step(&mut self) {
        let now = Instant::now();
        for node in 0..self.nodes.len() {
            self.heal(node, now);
        }
        if self.mood == Mood::Wild && now >= self.next_harm {
            self.next_harm = now + self.between(500, 3_000);
            self.harm(now);
        }
        if self.mood != Mood::Calm && now >= self.next_cut {
            self.next_cut = now + self.between(200, 1_500);
            self.cut();
        }
    }

    /// From now on no more than this happens.
    pub(super) fn go_on(&mut self, mood: Mood) {
        self.mood = mood;
    }

    /// Heals everything, and does nothing more until it may go on.
    pub(super) fn calm(&mut self) {
        self.mood = Mood::Calm;
        let late = Instant::now() + Duration::from_secs(3600);
        for node in 0..self.nodes.len() {
            self.heal(node, late);
        }
    }

    pub(super) fn harms(&self) -> &[Harm] {
        &self.harms
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
        let last = self.harms.iter_mut().rfind(|harm| harm.node == node);
        last.into_iter().for_each(|harm| harm.until = Some(Instant::now()));
        self.states[node] = State::Recovering {
            until: Instant::now() + PEACE,
        };
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
        self.harms.push(Harm {
            node,
            since: now,
            until: None,
            frozen: what == FROZEN,
        });
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
