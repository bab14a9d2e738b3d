//! Moving players between nodes: why, how far a move is, and how many may move at a time. Not for carrying a move out:
//! [`super::machine`] decides its steps, the shell makes its requests.

use std::fmt;
use std::time::{Duration, Instant};

use lavalink_protocol::id::GuildId;

use crate::health::NodeState;
use crate::placement::{Choice, NoNode, Why};
use crate::pool::NodeId;
use crate::session::links::LinkId;
use crate::session::shadow::Needs;

/// Why a player moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MoveReason {
    /// Its node was lost and could not be resumed in time.
    NodeDown,
    /// Its node came back without its session.
    NodeRestarted,
    /// Its node is drained.
    Drain,
    /// An operator asked for it.
    Operator,
    /// It has never played, and its voice region became known.
    Region,
}

impl MoveReason {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::NodeDown,
        Self::NodeRestarted,
        Self::Drain,
        Self::Operator,
        Self::Region,
    ];

    /// The name in logs, metrics and the admin API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NodeDown => "node_down",
            Self::NodeRestarted => "node_restarted",
            Self::Drain => "drain",
            Self::Operator => "operator",
            Self::Region => "region",
        }
    }

    /// The player plays on meanwhile, and stays where it is when the move fails.
    pub const fn is_planned(self) -> bool {
        matches!(self, Self::Drain | Self::Operator | Self::Region)
    }
}

impl fmt::Display for MoveReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a move ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MoveOutcome {
    /// The player is on another node.
    Moved,
    /// It could not be moved and stays where it is.
    Stayed,
    /// It could not be restored anywhere; its client was told so.
    Failed,
    /// Its client destroyed it, the session ended, or the drain was called off, before it was over.
    Dropped,
}

impl MoveOutcome {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Moved, Self::Stayed, Self::Failed, Self::Dropped];

    /// The name in logs, metrics and the admin API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Moved => "moved",
            Self::Stayed => "stayed",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}

/// A move that is over, for the log, the figures and the dashboard.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Migration {
    /// Whose player.
    pub guild: GuildId,
    /// Where it was.
    pub from: NodeId,
    /// Where it is, or was to go last.
    pub to: Option<NodeId>,
    /// Why it moved.
    pub reason: MoveReason,
    /// How it ended.
    pub outcome: MoveOutcome,
    /// Why that node was chosen.
    pub why: Option<Why>,
    /// From the decision to the end.
    pub took: Duration,
    /// How often it was tried, on one node or another.
    pub tries: u32,
}

/// Why an operator's wish to move a player is refused before anything is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum MoveRefused {
    /// The session has no player for this guild.
    #[error("the session has no player for this guild")]
    NoPlayer,
    /// It is there already.
    #[error("the player is on this node already")]
    AlreadyThere,
    /// It moves already, for another reason.
    #[error("the player is being moved already")]
    AlreadyMoving,
    /// The node is down, draining, or was not reached yet.
    #[error("the node does not take work at the moment")]
    NotReady,
    /// The node speaks another version, or the tenant may not use it.
    #[error("the node cannot serve this session: it is no v4 node, or the tenant may not use it")]
    Unfit,
    /// There is no other node that takes work.
    #[error("there is no other node that could take the player")]
    NoOtherNode,
}

/// A move under way.
#[derive(Debug)]
pub(crate) struct Move {
    pub(crate) guild: GuildId,
    pub(crate) reason: MoveReason,
    pub(crate) from: NodeId,
    /// Where the operator wants it.
    pub(crate) wanted: Option<NodeId>,
    pub(crate) since: Instant,
    /// It is given up then. Waiting for a turn does not count: there is a node, and only others are before it.
    pub(crate) until: Instant,
    /// When the old node was last asked for the player, whose state is in doubt.
    pub(crate) asked: Option<Instant>,
    /// Nodes that failed it, until all have.
    pub(crate) tried: Vec<NodeId>,
    /// How often it failed.
    pub(crate) failures: u32,
    pub(crate) stage: Stage,
    /// The node that was chosen last, and why.
    pub(crate) choice: Option<Choice>,
}

/// How far a move is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Until this instant, for a node or for its turn.
    Waiting(Instant),
    /// For a link to be opened. It has its turn.
    Opening(LinkId),
    /// For requests in flight to the old node to be answered. It has its turn.
    Quieting(LinkId),
    /// For the answer to the restoring request. It has its turn.
    Restoring {
        /// Where.
        link: LinkId,
        /// Which request.
        ticket: u32,
    },
}

impl Move {
    /// The link that the player goes to, once it has its turn.
    pub(crate) fn target(&self) -> Option<LinkId> {
        match self.stage {
            Stage::Waiting(_) => None,
            Stage::Opening(link) | Stage::Quieting(link) | Stage::Restoring { link, .. } => Some(link),
        }
    }

    /// The link whose word counts once the restoring request is on its way.
    pub(crate) fn restoring_on(&self) -> Option<LinkId> {
        match self.stage {
            Stage::Restoring { link, .. } => Some(link),
            _ => None,
        }
    }

    /// The node whose turn it holds.
    pub(crate) fn holds(&self) -> Option<NodeId> {
        self.target()?;
        self.choice.map(|choice| choice.node)
    }
}

/// What a player that is placed needs.
#[derive(Debug, Clone, Copy)]
pub struct PlayerWant<'a> {
    /// What it needs of the node.
    pub needs: &'a Needs,
    /// Nodes that are out of the question.
    pub exclude: &'a [NodeId],
    /// Nodes to which the session has a link, which are preferred.
    pub near: &'a [NodeId],
}

/// What a session may ask of the rest of the proxy while it decides.
pub trait Surroundings {
    /// Chooses a node for a player.
    ///
    /// # Errors
    /// When there is none.
    fn place(&mut self, want: &PlayerWant<'_>, now: Instant) -> Result<Choice, NoNode>;
    /// A player goes to this node: it counts as load there until the node's own figures show it.
    fn placed(&mut self, node: NodeId);
    /// Whether there is a turn at all for moving a player away from `from`, so that nobody looks for a node in vain.
    ///
    /// # Errors
    /// When to ask again.
    fn may_move(&mut self, reason: MoveReason, from: NodeId, now: Instant) -> Result<(), Instant>;
    /// Takes a turn for moving a player to `to`; when the reason is a drain, at the pace of draining `from`.
    ///
    /// # Errors
    /// When to ask again.
    fn begin_move(&mut self, reason: MoveReason, from: NodeId, to: NodeId, now: Instant) -> Result<(), Instant>;
    /// Gives the turn back.
    fn end_move(&mut self, to: NodeId);
    /// What a node is good for.
    fn state(&self, node: NodeId) -> NodeState;
    /// From 0 to 1, for jitter.
    fn random(&mut self) -> f32;
}

/// The bound on migrations of the whole proxy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MigrationLimits {
    /// At most so many at a time.
    pub at_once: u32,
    /// At most so many at a time to one node.
    pub at_once_per_node: u32,
    /// A drained node gives away so many players a second.
    pub drain_per_second: f32,
}

impl Default for MigrationLimits {
    fn default() -> Self {
        Self {
            at_once: 32,
            at_once_per_node: 16,
            drain_per_second: 10.0,
        }
    }
}

/// Keeps all sessions together within [`MigrationLimits`].
#[derive(Debug)]
pub struct MigrationBudget {
    limits: MigrationLimits,
    under_way: u32,
    nodes: Vec<Share>,
}

#[derive(Debug)]
struct Share {
    node: NodeId,
    /// Moves to it.
    under_way: u32,
    /// When it may give away the next player.
    next_drain: Option<Instant>,
}

/// How long a move waits before it asks for its turn again.
const ASK_AGAIN: Duration = Duration::from_millis(20);

impl MigrationBudget {
    /// Nothing is under way.
    pub fn new(limits: MigrationLimits) -> Self {
        Self {
            limits,
            under_way: 0,
            nodes: Vec::new(),
        }
    }

    /// See [`Surroundings::may_move`].
    ///
    /// # Errors
    /// When to ask again.
    pub fn may_begin(&mut self, reason: MoveReason, from: NodeId, now: Instant) -> Result<(), Instant> {
        let drain = reason == MoveReason::Drain;
        if let Some(next) = self.share(from).next_drain.filter(|next| drain && *next > now) {
            return Err(next);
        }
        if self.under_way >= self.limits.at_once.max(1) {
            return Err(now + ASK_AGAIN);
        }
        Ok(())
    }

    /// See [`Surroundings::begin_move`].
    ///
    /// # Errors
    /// When to ask again.
    pub fn begin(&mut self, reason: MoveReason, from: NodeId, to: NodeId, now: Instant) -> Result<(), Instant> {
        self.may_begin(reason, from, now)?;
        let limits = self.limits;
        let share = self.share(to);
        if share.under_way >= limits.at_once_per_node.max(1) {
            return Err(now + ASK_AGAIN);
        }
        share.under_way += 1;
        self.under_way += 1;
        if reason == MoveReason::Drain {
            let pause = Duration::from_secs_f32(1.0 / limits.drain_per_second.clamp(0.01, 10_000.0));
            self.share(from).next_drain = Some(now + pause);
        }
        Ok(())
    }

    /// See [`Surroundings::end_move`].
    pub fn end(&mut self, to: NodeId) {
        let share = self.share(to);
        debug_assert!(share.under_way > 0, "a turn is given back once");
        share.under_way = share.under_way.saturating_sub(1);
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// How many are under way.
    pub fn under_way(&self) -> u32 {
        self.under_way
    }

    fn share(&mut self, node: NodeId) -> &mut Share {
        let index = match self.nodes.iter().position(|share| share.node == node) {
            Some(index) => index,
            None => {
                self.nodes.push(Share {
                    node,
                    under_way: 0,
                    next_drain: None,
                });
                self.nodes.len() - 1
            }
        };
        &mut self.nodes[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId(0);
    const B: NodeId = NodeId(1);
    const C: NodeId = NodeId(2);

    #[test]
    fn neither_bound_is_passed_and_a_turn_that_is_given_back_is_free() {
        let now = Instant::now();
        let mut budget = MigrationBudget::new(MigrationLimits {
            at_once: 3,
            at_once_per_node: 2,
            drain_per_second: 1.0,
        });
        let mut begin = |to| budget.begin(MoveReason::NodeDown, A, to, now).is_ok();
        assert_eq!([begin(B), begin(B), begin(B)], [true, true, false], "two to a node");
        assert_eq!([begin(C), begin(C)], [true, false], "three in all");
        budget.end(B);
        assert_eq!(budget.under_way(), 2);
        assert!(
            budget.begin(MoveReason::NodeDown, A, B, now).is_ok(),
            "its turn is free again"
        );
    }

    #[test]
    fn a_drained_node_gives_its_players_away_at_the_pace_that_was_set() {
        let now = Instant::now();
        let mut budget = MigrationBudget::new(MigrationLimits {
            drain_per_second: 4.0,
            ..MigrationLimits::default()
        });
        let quarter = Duration::from_millis(250);
        assert_eq!(budget.begin(MoveReason::Drain, A, B, now), Ok(()));
        assert_eq!(budget.begin(MoveReason::Drain, A, B, now), Err(now + quarter));
        assert_eq!(
            budget.begin(MoveReason::Drain, C, B, now),
            Ok(()),
            "each node has its own pace"
        );
        assert_eq!(
            budget.begin(MoveReason::NodeDown, A, B, now),
            Ok(()),
            "a lost node does not wait"
        );
        assert_eq!(budget.begin(MoveReason::Drain, A, B, now + quarter), Ok(()));
    }
}
