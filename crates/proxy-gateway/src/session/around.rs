//! What a session's machine may ask of the rest of the proxy while it decides.

use std::time::Instant;

use lavalink_protocol::generation::Generation;
use proxy_core::health::NodeState;
use proxy_core::placement::{self, Choice, NoNode, Want, Wanted};
use proxy_core::pool::NodeId;
use proxy_core::session::migration::{MoveReason, PlayerWant, Surroundings};

use crate::shared::{Allowed, Shared, lock};

/// Made on the spot for each input.
pub(crate) struct Around<'a> {
    pub(crate) shared: &'a Shared,
    /// The nodes that the session's tenant may use.
    pub(crate) allowed: Allowed<'a>,
    /// What was chosen last, and when, to be told to people.
    pub(crate) chosen: Option<(Choice, Instant)>,
}

impl Around<'_> {
    /// Whether a node could have players of the session, if it took work.
    pub(crate) fn serves(&self, node: NodeId) -> bool {
        let pool = self.shared.pool();
        let generation = pool.get(node).and_then(|node| node.generation);
        generation.is_some_and(Generation::is_v4) && self.allowed.is_none_or(|allowed| allowed.contains(&node))
    }

    /// Whether there is a node but this one that could take a player now.
    pub(crate) fn has_other(&self, than: Option<NodeId>) -> bool {
        let pool = self.shared.pool();
        let mut others = pool.nodes().iter().filter(|node| Some(node.id) != than);
        others.any(|node| node.state.takes_work() && self.serves(node.id))
    }
}

impl Surroundings for Around<'_> {
    fn place(&mut self, want: &PlayerWant<'_>, now: Instant) -> Result<Choice, NoNode> {
        let pings = lock(&self.shared.voice_pings);
        let region = want.needs.region();
        let want = Want {
            source: want.needs.source.as_deref(),
            exclude: want.exclude,
            allowed: self.allowed,
            region,
            pings: Some(&pings),
            near: want.near,
            lacks_channel: want.needs.lacks_channel,
            ..Want::new(Wanted::V4)
        };
        let choice = placement::choose_session(&self.shared.pool(), &want, &mut fastrand::Rng::new(), now)?;
        self.chosen = Some((choice, now));
        Ok(choice)
    }

    fn placed(&mut self, node: NodeId) {
        self.shared.nodes[usize::from(node.0)].gauges.placed(1);
    }

    fn may_move(&mut self, reason: MoveReason, from: NodeId, now: Instant) -> Result<(), Instant> {
        lock(&self.shared.migrations).may_begin(reason, from, now)
    }

    fn begin_move(&mut self, reason: MoveReason, from: NodeId, to: NodeId, now: Instant) -> Result<(), Instant> {
        lock(&self.shared.migrations).begin(reason, from, to, now)
    }

    fn end_move(&mut self, to: NodeId) {
        lock(&self.shared.migrations).end(to);
    }

    fn state(&self, node: NodeId) -> NodeState {
        self.shared
            .pool()
            .get(node)
            .map_or(NodeState::Unknown, |node| node.state)
    }

    fn random(&mut self) -> f32 {
        fastrand::f32()
    }
}
