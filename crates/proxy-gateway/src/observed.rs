//! What was seen of the nodes lately: outcomes of probes, changes of state, and why sessions and players were placed where. For
//! people and for history; nothing is decided on it. Each kind is a ring of its own, numbered, so that a reader takes
//! what is new to it. Written seldom, never for a request, so locks do.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use lavalink_protocol::id::{GuildId, SessionId};
use proxy_core::health::{self, FailureKind, NodeState, Transition};
use proxy_core::placement::{Choice, Score, Why};
use proxy_core::pool::NodeId;

use crate::shared::lock;

/// Probe outcomes kept of each node.
const PROBES: usize = 64;
/// Placements kept of each node.
const PLACEMENTS: usize = 20;
/// Changes of state kept, of all nodes together.
const STATE_CHANGES: usize = 1024;

/// One observation and its number. Numbers begin with 1 and go up by one in each ring.
#[derive(Clone, Debug)]
pub struct Observed<T> {
    /// Its number.
    pub number: u64,
    /// When it was made.
    pub at: SystemTime,
    /// What was seen.
    pub what: T,
}

/// How a probe went: what it took, or why it failed.
pub type Probed = Result<Duration, FailureKind>;

/// A node changed its state.
#[derive(Clone, Debug)]
pub struct StateChange {
    /// Which one.
    pub node: NodeId,
    /// Before.
    pub from: NodeState,
    /// After.
    pub to: NodeState,
    /// The cause.
    pub why: health::Why,
}

/// A session, or a player of one, was placed on a node.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The session; a node gives a v3 session its id only later.
    pub session: Option<SessionId>,
    /// The player's guild; `None` for a session as a whole.
    pub guild: Option<GuildId>,
    why: Why,
    score: Option<Score>,
}

/// Why the node was chosen, and where it decided, what its score was made of.
impl fmt::Display for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.why)?;
        match &self.score {
            Some(score) if score.is_known() => write!(f, " ({})", score.explain()),
            _ => Ok(()),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Observations {
    probes: Vec<Mutex<Ring<Probed, PROBES>>>,
    placements: Vec<Mutex<Ring<Placed, PLACEMENTS>>>,
    state_changes: Mutex<Ring<StateChange, STATE_CHANGES>>,
}

impl Observations {
    pub(crate) fn new(nodes: usize) -> Self {
        Self {
            probes: (0..nodes).map(|_| Mutex::default()).collect(),
            placements: (0..nodes).map(|_| Mutex::default()).collect(),
            state_changes: Mutex::default(),
        }
    }

    pub(crate) fn probed(&self, node: NodeId, outcome: Probed) {
        lock(&self.probes[usize::from(node.0)]).push(outcome);
    }

    pub(crate) fn placed(
        &self,
        choice: &Choice,
        score: Option<Score>,
        session: Option<&SessionId>,
        guild: Option<GuildId>,
    ) {
        lock(&self.placements[usize::from(choice.node.0)]).push(Placed {
            session: session.cloned(),
            guild,
            why: choice.why,
            score,
        });
    }

    pub(crate) fn state_changed(&self, node: NodeId, transition: &Transition) {
        lock(&self.state_changes).push(StateChange {
            node,
            from: transition.from,
            to: transition.to,
            why: transition.why,
        });
    }

    /// The probes of a node that came after the one with this number, oldest first; 0 is all that are kept.
    pub fn probes_since(&self, node: NodeId, number: u64) -> Vec<Observed<Probed>> {
        since(self.probes.get(usize::from(node.0)), number)
    }

    /// The placements on a node that came after the one with this number, oldest first.
    pub fn placements_since(&self, node: NodeId, number: u64) -> Vec<Observed<Placed>> {
        since(self.placements.get(usize::from(node.0)), number)
    }

    /// The changes of state that came after the one with this number, oldest first.
    pub fn state_changes_since(&self, number: u64) -> Vec<Observed<StateChange>> {
        since(Some(&self.state_changes), number)
    }
}

fn since<T: Clone, const BOUND: usize>(ring: Option<&Mutex<Ring<T, BOUND>>>, number: u64) -> Vec<Observed<T>> {
    ring.map(|ring| lock(ring).since(number)).unwrap_or_default()
}

/// The last `BOUND` observations of one kind.
#[derive(Debug)]
struct Ring<T, const BOUND: usize> {
    kept: VecDeque<Observed<T>>,
    last: u64,
}

impl<T, const BOUND: usize> Default for Ring<T, BOUND> {
    fn default() -> Self {
        Self {
            kept: VecDeque::new(),
            last: 0,
        }
    }
}

impl<T: Clone, const BOUND: usize> Ring<T, BOUND> {
    fn push(&mut self, what: T) {
        if self.kept.len() == BOUND {
            self.kept.pop_front();
        }
        self.last += 1;
        self.kept.push_back(Observed {
            number: self.last,
            at: SystemTime::now(),
            what,
        });
    }

    fn since(&self, number: u64) -> Vec<Observed<T>> {
        let fresh = self.kept.partition_point(|observed| observed.number <= number);
        self.kept.range(fresh..).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_keeps_the_newest_and_hands_out_what_is_new_to_the_reader() {
        let mut ring = Ring::<u32, 3>::default();
        assert!(ring.since(0).is_empty());
        (10..15).for_each(|what| ring.push(what));
        let kept = |number| {
            let fresh = ring.since(number);
            fresh
                .iter()
                .map(|observed| (observed.number, observed.what))
                .collect::<Vec<_>>()
        };
        assert_eq!(kept(0), [(3, 12), (4, 13), (5, 14)]);
        assert_eq!(kept(4), [(5, 14)]);
        assert!(kept(5).is_empty() && kept(9).is_empty());
    }
}
