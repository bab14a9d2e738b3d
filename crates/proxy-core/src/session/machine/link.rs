//! The links of a session: opened, lost, resumed, given up, closed when empty.

use std::time::{Duration, Instant};

use lavalink_protocol::id::NodeSessionId;

use super::client::{CLOSE_NO_LINK, CLOSE_NODE_LOST};
use super::{Cx, Effect, EndReason, Leave, LinkLoss, Machine, NodeChange, Nodeless, Phase};
use crate::health::NodeState;
use crate::pool::NodeId;
use crate::session::links::{Link, LinkId, LinkState, Resuming};
use crate::session::migration::{MoveReason, Stage};
use crate::session::players::Seat;
use crate::session::shadow::Needs;

/// The first pause between two tries to resume; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest one.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A node that says so often that it has no such session has none. Less often, it may not have noticed yet that the old
/// socket is gone.
const DENIALS: u32 = 3;
/// Between two tries to open any link for a session that has none.
const OPEN_AGAIN: Duration = Duration::from_millis(250);

impl Machine {
    pub(super) fn link_up(
        &mut self,
        id: LinkId,
        node: NodeId,
        node_session: NodeSessionId,
        resumed: bool,
        cx: &mut Cx<'_>,
    ) {
        if matches!(self.phase, Phase::New) && self.links.is_empty() {
            self.next_link = self.next_link.max(id.0 + 1);
            self.links.insert(Link::opening(id, node));
        }
        let Some(link) = self.links.get_mut(id) else {
            // It was given up meanwhile; who cleans up after it is told by then.
            let leave = Leave::Close;
            return cx.effects.push(Effect::CloseLink { link: id, leave });
        };
        match &mut link.state {
            LinkState::Resuming(resuming) if !resumed && resuming.denied + 1 < DENIALS => {
                resuming.denied += 1;
                // The session that it opened instead is not wanted.
                let leave = Leave::Close;
                cx.effects.push(Effect::CloseLink { link: id, leave });
                self.try_again(id, cx);
                return;
            }
            // The node has forgotten the session. Its players get a link of their own, so that what was answered by the
            // old one cannot be taken for the new one's.
            LinkState::Resuming(_) if !resumed => return self.give_up(id, false, MoveReason::NodeRestarted, cx),
            LinkState::Resuming(_) => {
                (link.state, link.reconciling) = (LinkState::Up, true);
                link.await_late(cx.now);
                let own = self.players.on_mut(id).filter(|player| player.swallow_start);
                own.filter_map(|player| player.shadow.as_mut())
                    .for_each(|shadow| shadow.hear_again(cx.now));
                cx.effects.push(Effect::ListPlayers(id));
            }
            LinkState::Opening | LinkState::Up => {
                (link.state, link.node_session) = (LinkState::Up, Some(node_session));
            }
        }
        (self.changed, self.nodeless) = (true, None);
        if matches!(self.phase, Phase::New) {
            self.phase = Phase::Connected;
            cx.effects.push(Effect::SendReady { resumed: false });
            cx.effects.push(Effect::SendEarlyStats);
        }
    }

    pub(super) fn link_lost(&mut self, id: LinkId, why: LinkLoss, cx: &mut Cx<'_>) {
        if matches!(self.phase, Phase::New) && self.links.is_empty() {
            cx.effects.push(Effect::CloseClient {
                code: CLOSE_NO_LINK,
                reason: "no node could be reached",
            });
            return self.end(EndReason::LinkLost, cx);
        }
        let Some(link) = self.links.get(id) else { return };
        self.changed = true;
        match (&link.state, why) {
            (
                LinkState::Up,
                LinkLoss::Closed {
                    code: code @ 4000..=4999,
                },
            ) => self.closed_by_node(code, cx),
            (LinkState::Up, LinkLoss::Broken | LinkLoss::Closed { .. })
                if link.kept && why != (LinkLoss::Closed { code: 1001 }) =>
            {
                self.resume(id, cx);
            }
            (LinkState::Resuming(_), LinkLoss::Broken | LinkLoss::Closed { .. }) => self.try_again(id, cx),
            // A node that shuts down, or whose port is closed, has no sessions any more.
            (state, why) => {
                let gone = why == LinkLoss::Refused || !matches!(state, LinkState::Resuming(_));
                self.give_up(id, gone, MoveReason::NodeDown, cx);
            }
        }
    }

    /// Such a code is a plugin's word to the client, which is passed on.
    fn closed_by_node(&mut self, code: u16, cx: &mut Cx<'_>) {
        if matches!(self.phase, Phase::Connected) {
            let reason = "closed by the node";
            cx.effects.push(Effect::CloseClient { code, reason });
        }
        self.end(EndReason::LinkLost, cx);
    }

    fn resume(&mut self, id: LinkId, cx: &mut Cx<'_>) {
        let until = cx.now + self.settings.links.resume_limit;
        // A node that dies takes the links of all sessions with it at once: they do not all dial it at once.
        let pause = FIRST_PAUSE.mul_f32(0.06 + 0.44 * cx.env.random());
        let Some(link) = self.links.get_mut(id) else { return };
        link.doubt_destroyed();
        // The node parks the session once it has seen the old socket close, which takes it a moment.
        link.state = LinkState::Resuming(Resuming {
            until,
            tries: 0,
            denied: 0,
            next: Some(cx.now + pause),
        });
    }

    fn try_again(&mut self, id: LinkId, cx: &mut Cx<'_>) {
        let jitter = 0.75 + 0.5 * cx.env.random();
        if let Some(LinkState::Resuming(resuming)) = self.links.get_mut(id).map(|link| &mut link.state) {
            let pause = FIRST_PAUSE * 2u32.saturating_pow(resuming.tries.saturating_sub(1).min(10));
            resuming.next = Some(cx.now + pause.min(LONGEST_PAUSE).mul_f32(jitter));
        }
    }

    /// A link is gone for good: its players move. `gone`: so is the node's session, as far as can be known.
    fn give_up(&mut self, id: LinkId, gone: bool, reason: MoveReason, cx: &mut Cx<'_>) {
        let Some(link) = self.links.remove(id) else { return };
        (self.changed, self.last_lost) = (true, Some((id, link.node)));
        if matches!(link.state, LinkState::Resuming(_)) {
            let leave = Leave::Close;
            cx.effects.push(Effect::CloseLink { link: id, leave });
        }
        if let Some(node_session) = link.node_session.filter(|_| link.kept && !gone) {
            let node = link.node;
            cx.effects.push(Effect::Abandon { node, node_session });
        }
        if link.revived && self.links.is_empty() {
            return self.lost_with_the_run_before(cx);
        }
        self.moves_lost_target(id, link.node, cx);
        self.move_all(id, link.node, reason, cx);
    }

    /// Its players went with the node, and who they were with the proxy's earlier run: the client is not told that it has
    /// them still. It gets a new session, as from a Lavalink that was restarted.
    fn lost_with_the_run_before(&mut self, cx: &mut Cx<'_>) {
        if matches!(self.phase, Phase::Connected) {
            let (code, reason) = (CLOSE_NODE_LOST, "the node was lost");
            cx.effects.push(Effect::CloseClient { code, reason });
        }
        self.end(EndReason::LinkLost, cx);
    }

    pub(super) fn node_changed(&mut self, node: NodeId, change: NodeChange, cx: &mut Cx<'_>) {
        let links: Vec<LinkId> = self
            .links
            .iter()
            .filter(|link| link.node == node)
            .map(|link| link.id)
            .collect();
        for id in links {
            let resuming = self
                .links
                .get(id)
                .is_some_and(|link| matches!(link.state, LinkState::Resuming(_)));
            match change {
                NodeChange::Down if resuming => self.give_up(id, false, MoveReason::NodeDown, cx),
                NodeChange::Draining => {
                    let stuck = self.players.on_mut(id).filter(|player| player.seat == Seat::Stuck);
                    stuck.for_each(|player| player.seat = Seat::Taken);
                    self.move_all(id, node, MoveReason::Drain, cx);
                    self.replace_drained(id, node, cx);
                }
                NodeChange::Down | NodeChange::Up => {}
            }
        }
        if change == NodeChange::Up {
            // What could not leave a drained node may find a place now.
            let drained = |link: &&Link| cx.env.state(link.node) == NodeState::Draining;
            let drained: Vec<_> = self
                .links
                .iter()
                .filter(drained)
                .map(|link| (link.id, link.node))
                .collect();
            for (id, node) in drained {
                self.move_all(id, node, MoveReason::Drain, cx);
                self.replace_drained(id, node, cx);
            }
            // A request that waits until an earlier player is destroyed may go elsewhere now.
            self.changed |= self.links.iter().any(|link| link.left().next().is_some());
            // Whoever waits for any node need not wait on.
            for moving in &mut self.moves {
                if let Stage::Waiting(at) = &mut moving.stage
                    && !moving.reason.is_planned()
                {
                    *at = cx.now;
                }
            }
            self.nodeless = self.nodeless.map(|nodeless| Nodeless {
                next: cx.now,
                ..nodeless
            });
        }
    }

    /// A session without players leaves a drained node as well, so that the node can be stopped without a trace.
    fn replace_drained(&mut self, id: LinkId, node: NodeId, cx: &mut Cx<'_>) {
        let alone = self.links.len() == 1 && self.links.get(id).is_some_and(Link::is_up);
        if alone && let Ok(choice) = self.choose(&Needs::default(), &[node], cx) {
            self.link_to(choice.node, cx);
        }
    }

    /// Tries to resume what is due, gives up what is too late, closes what is empty.
    pub(super) fn tend_links(&mut self, cx: &mut Cx<'_>) {
        let is_due = |link: &Link| self.link_due(link).is_some_and(|at| at <= cx.now);
        if self.links.iter().any(is_due) {
            let due = self.links.iter().filter(|link| is_due(link)).map(|link| link.id);
            let due: Vec<LinkId> = due.collect();
            due.into_iter().for_each(|id| self.tend(id, cx));
        }
        if self.links.len() > 1 {
            self.note_empty(cx);
        }
    }

    pub(super) fn link_due(&self, link: &Link) -> Option<Instant> {
        match &link.state {
            LinkState::Resuming(resuming) => {
                Some(resuming.next.map_or(resuming.until, |next| next.min(resuming.until)))
            }
            _ => link.empty_since.map(|since| since + self.settings.links.idle),
        }
    }

    fn tend(&mut self, id: LinkId, cx: &mut Cx<'_>) {
        let Some(link) = self.links.get_mut(id) else { return };
        match &mut link.state {
            LinkState::Resuming(resuming) if cx.now >= resuming.until => {
                self.give_up(id, false, MoveReason::NodeDown, cx)
            }
            LinkState::Resuming(resuming) => {
                (resuming.next, resuming.tries) = (None, resuming.tries + 1);
                cx.effects.push(Effect::OpenLink {
                    link: id,
                    node: link.node,
                    resume: link.node_session.clone(),
                });
            }
            LinkState::Opening | LinkState::Up => self.close_empty(id, cx),
        }
    }

    fn close_empty(&mut self, id: LinkId, cx: &mut Cx<'_>) {
        let others = self.links.iter().any(|link| link.is_up() && link.id != id);
        if !others || !self.is_unused(id) {
            _ = self.links.get_mut(id).map(|link| link.empty_since = None);
            return;
        }
        if let Some(link) = self.links.remove(id) {
            self.players.retain(|player| player.link != id);
            // A request of which nothing is known here may be under way to it.
            (self.changed, self.last_lost) = (true, Some((id, link.node)));
            let leave = if link.kept { Leave::Destroy } else { Leave::Close };
            cx.effects.push(Effect::CloseLink { link: id, leave });
        }
    }

    /// No player is on it, and none is on its way there, by a move or by a request.
    fn is_unused(&self, id: LinkId) -> bool {
        self.links.get(id).is_none_or(|link| !link.revived)
            && !self.players.iter().any(|player| player.link == id)
            && self.moves.iter().all(|moving| moving.target() != Some(id))
    }

    /// Notes which links have no players. Those to drained nodes are closed at once.
    fn note_empty(&mut self, cx: &mut Cx<'_>) {
        let up = self.links.iter().filter(|link| link.is_up()).count();
        let ids: Vec<LinkId> = self
            .links
            .iter()
            .filter(|link| link.is_up())
            .map(|link| link.id)
            .collect();
        for id in ids {
            let unused = up > 1 && self.is_unused(id);
            let Some(link) = self.links.get_mut(id) else { continue };
            if !unused {
                link.empty_since = None;
            } else if cx.env.state(link.node) == NodeState::Draining {
                self.close_empty(id, cx);
            } else if link.empty_since.is_none() {
                link.empty_since = Some(cx.now);
            }
        }
    }

    /// A session needs a link, with or without players; one that finds no node for too long ends.
    pub(super) fn ensure_link(&mut self, cx: &mut Cx<'_>) {
        if matches!(self.phase, Phase::New | Phase::Ended) || self.links.primary().is_some() {
            return;
        }
        let (now, limit) = (cx.now, self.settings.links.move_limit);
        let Nodeless { since, next } = *self.nodeless.get_or_insert(Nodeless { since: now, next: now });
        // A link that is resumed has limits of its own.
        let resuming = self
            .links
            .iter()
            .any(|link| matches!(link.state, LinkState::Resuming(_)));
        if now >= since + limit && !resuming {
            if matches!(self.phase, Phase::Connected) {
                let (code, reason) = (CLOSE_NODE_LOST, "the node was lost");
                cx.effects.push(Effect::CloseClient { code, reason });
            }
            return self.end(EndReason::LinkLost, cx);
        }
        if now < next {
            return;
        }
        let next = if resuming {
            now + OPEN_AGAIN
        } else {
            (now + OPEN_AGAIN).min(since + limit)
        };
        self.nodeless = Some(Nodeless {
            since,
            next: next.max(now + Duration::from_millis(1)),
        });
        if self.links.is_empty()
            && let Ok(choice) = self.choose(&Needs::default(), &[], cx)
        {
            self.link_to(choice.node, cx);
        }
    }
}
