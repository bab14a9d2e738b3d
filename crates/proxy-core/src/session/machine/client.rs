//! The client's side of a session: away, back, and the end.

use super::{Cx, Effect, EndReason, Leave, Machine, Phase};
use crate::session::links::LinkState;
use crate::session::migration::MoveOutcome;
use crate::session::shadow::Told;

/// The close code when all nodes are lost: what a Lavalink that shuts down sends (since 4.0.8), so every client library
/// knows to connect again.
pub const CLOSE_NODE_LOST: u16 = 1001;
/// The close code when the proxy stops; the same as a node's own.
pub const CLOSE_SHUTDOWN: u16 = 1001;
/// The close code when no link could be opened for a session whose handshake was already accepted ("try again later").
pub const CLOSE_NO_LINK: u16 = 1013;

impl Machine {
    pub(super) fn client_lost(&mut self, ours: bool, cx: &mut Cx<'_>) {
        let kept = self.settings.patience(self.resuming, self.timeout, ours);
        match self.phase {
            Phase::Connected if !kept.is_zero() => {
                let (until, queue) = (cx.now + kept, Box::default());
                self.phase = Phase::Parked { until, queue };
            }
            Phase::Connected if self.resuming => self.end(EndReason::ResumeExpired, cx),
            Phase::Connected | Phase::New => self.end(EndReason::ClientGone, cx),
            Phase::Parked { .. } | Phase::Ended => {}
        }
    }

    pub(super) fn client_back(&mut self, cx: &mut Cx<'_>) {
        match std::mem::replace(&mut self.phase, Phase::Connected) {
            Phase::Parked { until, queue } if cx.now < until => {
                cx.effects.push(Effect::SendReady { resumed: true });
                cx.effects.push(Effect::Replay(queue));
                let with_players = self
                    .links
                    .iter()
                    .filter(|link| link.is_up() && self.players.on(link.id) > 0);
                cx.effects
                    .extend(with_players.map(|link| Effect::SendPlayerUpdates(link.id)));
            }
            Phase::Parked { .. } => self.end(EndReason::ResumeExpired, cx),
            other => self.phase = other,
        }
    }

    /// Ends a session whose client did not come back in time.
    pub(super) fn expire(&mut self, cx: &mut Cx<'_>) {
        if self.parked_until().is_some_and(|until| cx.now >= until) {
            self.end(EndReason::ResumeExpired, cx);
        }
    }

    /// Sends a message of the proxy's own, or keeps it for an absent client.
    pub(super) fn tell(&mut self, told: Told, cx: &mut Cx<'_>) {
        match &mut self.phase {
            Phase::Connected => cx.effects.push(Effect::Send(told)),
            Phase::Parked { queue, .. } => {
                if queue.enqueue(&told, self.settings.queue).is_err() {
                    self.end(EndReason::QueueFull, cx);
                }
            }
            Phase::New | Phase::Ended => {}
        }
    }

    pub(super) fn shut_down(&mut self, keep: bool, cx: &mut Cx<'_>) {
        if matches!(self.phase, Phase::New | Phase::Connected) {
            cx.effects.push(Effect::CloseClient {
                code: CLOSE_SHUTDOWN,
                reason: "the proxy is shutting down",
            });
        }
        if keep {
            // The nodes keep what they were asked to keep, for the next run to resume.
            self.links.iter_mut().for_each(|link| link.kept = false);
        }
        self.end(EndReason::Shutdown, cx);
    }

    /// Ends the session and leaves nothing behind: turns are given back, links closed.
    pub(super) fn end(&mut self, reason: EndReason, cx: &mut Cx<'_>) {
        if self.is_ended() {
            return;
        }
        if let Phase::Parked { queue, .. } = std::mem::replace(&mut self.phase, Phase::Ended) {
            let narrow = |count| u32::try_from(count).unwrap_or(u32::MAX);
            self.unread = (narrow(queue.len()), narrow(queue.bytes()));
        }
        for moving in std::mem::take(&mut self.moves) {
            self.finish(&moving, MoveOutcome::Dropped, cx);
        }
        self.players.clear();
        self.suspects = Vec::new();
        for link in self.links.drain() {
            let leave = if link.kept { Leave::Destroy } else { Leave::Close };
            match (&link.state, link.node_session) {
                (LinkState::Resuming(_), Some(node_session)) if link.kept => {
                    cx.effects.push(Effect::CloseLink {
                        link: link.id,
                        leave: Leave::Close,
                    });
                    cx.effects.push(Effect::Abandon {
                        node: link.node,
                        node_session,
                    });
                }
                _ => cx.effects.push(Effect::CloseLink { link: link.id, leave }),
            }
        }
        cx.effects.push(Effect::End(reason));
    }
}
