//! The life of one v4 session. The machine owns no socket and reads no clock: the shell tells it what happened and
//! carries out the effects it answers with.
//!
//! ```text
//! new --LinkUp--> connected --ClientLost, resuming on--> parked --ClientBack--> connected
//!  |                  |                                    |
//!  +--ClientLost------+--ClientLost, resuming off          +--Tick at the deadline, queue full
//!  +--LinkLost--------+--LinkLost, Shutdown ---------------+--LinkLost, Shutdown
//!                     v                                    v
//!                   ended (its links are closed, and with them its players on the nodes)
//! ```
//!
//! As in Lavalink, resuming is off until a session update turns it on, with a timeout of 60 s.

use std::time::{Duration, Instant};

use lavalink_protocol::envelope::{Envelope, Op};
use lavalink_protocol::id::{GuildId, NodeSessionId};

use crate::pool::NodeId;
use crate::session::links::{Link, LinkId, Links};
use crate::session::players::Players;
use crate::session::resume::{QueueLimits, ResumeQueue};

/// Settings that all sessions share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionSettings {
    /// The bound of what is kept for a client that is away.
    pub queue: QueueLimits,
    /// No session is parked longer, whatever timeout its client set.
    pub max_park: Duration,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            queue: QueueLimits::default(),
            max_park: Duration::from_secs(24 * 3600),
        }
    }
}

/// Something that happened to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A link's WebSocket is open and its node has sent `ready`. The first one makes the session usable.
    LinkUp {
        /// Its number, new within the session.
        link: LinkId,
        /// The node at its end.
        node: NodeId,
        /// The id in the node's `ready`.
        node_session: NodeSessionId,
    },
    /// A link broke, or could not be opened and will not be tried again.
    LinkLost {
        /// Which one.
        link: LinkId,
        /// How it ended.
        why: LinkLoss,
    },
    /// The client's socket is gone.
    ClientLost,
    /// A new socket asks for this session by `Session-Id` and has passed the handshake. Only a parked session can be
    /// asked for; check [`Machine::is_parked`] first, as Lavalink does before its 101.
    ClientBack,
    /// The client changed the resuming settings; what it left out stays.
    SessionUpdated {
        /// Whether to park the session when the client is lost.
        resuming: Option<bool>,
        /// For how long, in seconds; not above zero ends it at once.
        timeout: Option<i64>,
    },
    /// A guild has a player on this link: a player update was answered with success.
    PlayerSeen {
        /// Whose player.
        guild: GuildId,
        /// Where it is.
        link: LinkId,
    },
    /// A guild's player was destroyed.
    PlayerGone {
        /// Whose player.
        guild: GuildId,
    },
    /// The proxy stops.
    Shutdown,
    /// The instant of an earlier [`Effect::WakeAt`] has come (an early or late call does no harm).
    Tick,
}

/// How a link ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkLoss {
    /// The node closed the WebSocket with this code (1005 when it gave none).
    Closed {
        /// The close code.
        code: u16,
    },
    /// The connection broke, or answered no ping.
    Broken,
    /// It could not be opened.
    Refused,
}

/// What the shell does next, in this order.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Write `ready` with the session's id to the client.
    SendReady {
        /// As it goes into the message.
        resumed: bool,
    },
    /// Write one `stats` made from what is known: some clients break when asked before their first one.
    SendEarlyStats,
    /// Write the messages that were queued while the client was away, oldest first.
    Replay(Box<ResumeQueue>),
    /// Ask the link's node for the session's players and write one `playerUpdate` for each to the client.
    SendPlayerUpdates(LinkId),
    /// Close a link's WebSocket; its players are destroyed with it.
    CloseLink(LinkId),
    /// Close the client's WebSocket.
    CloseClient {
        /// The close code.
        code: u16,
        /// The reason given with it.
        reason: &'static str,
    },
    /// Call with [`Input::Tick`] at this instant. A later one replaces an earlier one.
    WakeAt(Instant),
    /// The session is over: forget it. Always the last effect.
    End(EndReason),
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum EndReason {
    /// The client left and had not asked for resuming.
    #[error("the client left")]
    ClientGone,
    /// The client did not come back within its timeout.
    #[error("the client did not come back in time")]
    ResumeExpired,
    /// More messages came for an absent client than the queue may hold.
    #[error("the queue for the absent client was full")]
    QueueFull,
    /// The session's link to its node was lost.
    #[error("the link to the node was lost")]
    LinkLost,
    /// The proxy stops.
    #[error("the proxy stopped")]
    Shutdown,
}

impl EndReason {
    /// The name in logs, metrics and the admin API.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClientGone => "client_gone",
            Self::ResumeExpired => "resume_expired",
            Self::QueueFull => "queue_full",
            Self::LinkLost => "link_lost",
            Self::Shutdown => "shutdown",
        }
    }
}

/// What becomes of one message of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Write it to the client as the bytes it came in.
    Forward,
    /// Drop it.
    Swallow,
    /// Hand it to [`Machine::enqueue`].
    Enqueue,
}

/// One session. Without players it is a few words and one link's ids; the queue exists only while the client is away.
#[derive(Debug)]
pub struct Machine {
    settings: SessionSettings,
    phase: Phase,
    links: Links,
    players: Players,
    resuming: bool,
    /// Seconds, as the client set it and as it is told.
    timeout: i64,
}

#[derive(Debug)]
enum Phase {
    /// The client waits for the first link.
    New,
    Connected,
    Parked {
        until: Instant,
        queue: Box<ResumeQueue>,
    },
    Ended,
}

/// The close code when a node is lost: what a Lavalink that shuts down sends (since 4.0.8), so every client library
/// knows to connect again.
pub const CLOSE_NODE_LOST: u16 = 1001;
/// The close code when the proxy stops; the same as a node's own.
pub const CLOSE_SHUTDOWN: u16 = 1001;
/// The close code when no link could be opened for a session whose handshake was already accepted ("try again later").
pub const CLOSE_NO_LINK: u16 = 1013;

impl Machine {
    /// A session whose client has passed the handshake and waits for its link.
    pub fn new(settings: SessionSettings) -> Self {
        let (links, players) = (Links::default(), Players::default());
        Self {
            settings,
            phase: Phase::New,
            links,
            players,
            resuming: false,
            timeout: 60,
        }
    }

    /// Takes one input and adds what must be done to `effects`. An ended session takes none.
    pub fn handle(&mut self, input: Input, now: Instant, effects: &mut Vec<Effect>) {
        if self.is_ended() {
            return;
        }
        match input {
            Input::LinkUp {
                link,
                node,
                node_session,
            } => self.link_up(
                Link {
                    id: link,
                    node,
                    node_session,
                },
                effects,
            ),
            Input::LinkLost { link, why } => self.link_lost(link, why, effects),
            Input::ClientLost => self.client_lost(now, effects),
            Input::ClientBack => self.client_back(now, effects),
            Input::SessionUpdated { resuming, timeout } => {
                self.resuming = resuming.unwrap_or(self.resuming);
                self.timeout = timeout.unwrap_or(self.timeout);
            }
            Input::PlayerSeen { guild, link } => {
                // The answer may come after the link is gone.
                if self.links.get(link).is_some() {
                    self.players.insert(guild, link);
                }
            }
            Input::PlayerGone { guild } => _ = self.players.remove(guild),
            Input::Shutdown => self.shut_down(effects),
            Input::Tick => self.tick(now, effects),
        }
    }

    /// Decides on one message that came over a link. Called for every message: nothing here allocates, and the only
    /// search is for the guild's player when the session has several links. It needs no `now`: a parked session whose
    /// tick is late goes on queueing within its bound, and what it queued is thrown away when the tick comes.
    pub fn message(&self, link: LinkId, envelope: &Envelope) -> Disposition {
        if envelope.op == Op::Ready || !self.comes_from_owner(link, envelope) {
            return Disposition::Swallow;
        }
        match self.phase {
            Phase::Connected => Disposition::Forward,
            // Lavalink neither sends nor queues player updates for an absent client.
            Phase::Parked { .. } if envelope.op == Op::PlayerUpdate => Disposition::Swallow,
            Phase::Parked { .. } => Disposition::Enqueue,
            Phase::New | Phase::Ended => Disposition::Swallow,
        }
    }

    /// Keeps a message for the absent client after [`Disposition::Enqueue`]. When it does not fit, the session ends.
    pub fn enqueue(&mut self, envelope: &Envelope, message: &[u8], effects: &mut Vec<Effect>) {
        let limits = self.settings.queue;
        let Phase::Parked { queue, .. } = &mut self.phase else {
            return;
        };
        let kept = match envelope.op {
            Op::Stats => queue.enqueue_stats(message, limits),
            _ => queue.enqueue(message, limits),
        };
        if kept.is_err() {
            self.end(EndReason::QueueFull, effects);
        }
    }

    /// The link to send a guild's requests to: the one its player is on, or where a new player would go.
    pub fn link_for(&self, guild: GuildId) -> Option<&Link> {
        let known = self.players.link_of(guild).and_then(|link| self.links.get(link));
        known.or_else(|| self.links.primary())
    }

    /// The links that are up.
    pub fn links(&self) -> &Links {
        &self.links
    }

    /// The guilds that have players.
    pub fn players(&self) -> &Players {
        &self.players
    }

    /// Whether the client wants the session to outlive its socket; part of the answer to a session update.
    pub fn resuming(&self) -> bool {
        self.resuming
    }

    /// For how long, in seconds, as the client set it; part of the answer to a session update.
    pub fn timeout(&self) -> i64 {
        self.timeout
    }

    /// Whether the client is away and may come back. REST for such a session is answered 404, as Lavalink does.
    pub fn is_parked(&self) -> bool {
        matches!(self.phase, Phase::Parked { .. })
    }

    /// Whether `ready` was sent and the client is there.
    pub fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Connected)
    }

    /// Whether the session is over.
    pub fn is_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    /// The queue of a parked session.
    pub fn queue(&self) -> Option<&ResumeQueue> {
        match &self.phase {
            Phase::Parked { queue, .. } => Some(queue),
            _ => None,
        }
    }

    /// When a parked session ends.
    pub fn parked_until(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Parked { until, .. } => Some(*until),
            _ => None,
        }
    }

    /// A link that is gone, or that a player has moved away from, has nothing more to say about that player.
    fn comes_from_owner(&self, link: LinkId, envelope: &Envelope) -> bool {
        if self.links.get(link).is_none() {
            return false;
        }
        match envelope.guild {
            Some(guild) if self.links.len() > 1 => self.players.link_of(guild).is_none_or(|owner| owner == link),
            _ => true,
        }
    }

    fn link_up(&mut self, link: Link, effects: &mut Vec<Effect>) {
        self.links.insert(link);
        if matches!(self.phase, Phase::New) {
            self.phase = Phase::Connected;
            effects.push(Effect::SendReady { resumed: false });
            effects.push(Effect::SendEarlyStats);
        }
    }

    /// For now a session does not survive its link. Resuming the node's session and moving players belong here.
    fn link_lost(&mut self, link: LinkId, why: LinkLoss, effects: &mut Vec<Effect>) {
        let was_up = self.links.remove(link).is_some();
        if !was_up && !matches!(self.phase, Phase::New) {
            return;
        }
        if let Some((code, reason)) = self.client_close(why) {
            effects.push(Effect::CloseClient { code, reason });
        }
        self.end(EndReason::LinkLost, effects);
    }

    fn client_close(&self, why: LinkLoss) -> Option<(u16, &'static str)> {
        match self.phase {
            Phase::New => Some((CLOSE_NO_LINK, "no node could be reached")),
            Phase::Connected => Some(match why {
                // What the node, or a plugin in it, tells the client is passed on.
                LinkLoss::Closed { code } if may_be_sent(code) => (code, "closed by the node"),
                _ => (CLOSE_NODE_LOST, "the node was lost"),
            }),
            Phase::Parked { .. } | Phase::Ended => None,
        }
    }

    fn client_lost(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        match self.phase {
            Phase::Connected if self.resuming && self.timeout > 0 => {
                let timeout = Duration::from_secs(self.timeout.unsigned_abs()).min(self.settings.max_park);
                let until = now + timeout;
                self.phase = Phase::Parked {
                    until,
                    queue: Box::default(),
                };
                effects.push(Effect::WakeAt(until));
            }
            Phase::Connected if self.resuming => self.end(EndReason::ResumeExpired, effects),
            Phase::Connected | Phase::New => self.end(EndReason::ClientGone, effects),
            Phase::Parked { .. } | Phase::Ended => {}
        }
    }

    fn client_back(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        match std::mem::replace(&mut self.phase, Phase::Connected) {
            Phase::Parked { until, queue } if now < until => {
                effects.push(Effect::SendReady { resumed: true });
                effects.push(Effect::Replay(queue));
                let with_players = self.links.iter().filter(|link| self.players.on(link.id) > 0);
                effects.extend(with_players.map(|link| Effect::SendPlayerUpdates(link.id)));
            }
            Phase::Parked { .. } => self.end(EndReason::ResumeExpired, effects),
            other => self.phase = other,
        }
    }

    fn shut_down(&mut self, effects: &mut Vec<Effect>) {
        if matches!(self.phase, Phase::New | Phase::Connected) {
            effects.push(Effect::CloseClient {
                code: CLOSE_SHUTDOWN,
                reason: "the proxy is shutting down",
            });
        }
        self.end(EndReason::Shutdown, effects);
    }

    fn tick(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        match self.phase {
            Phase::Parked { until, .. } if now >= until => self.end(EndReason::ResumeExpired, effects),
            Phase::Parked { until, .. } => effects.push(Effect::WakeAt(until)),
            _ => {}
        }
    }

    fn end(&mut self, reason: EndReason, effects: &mut Vec<Effect>) {
        self.phase = Phase::Ended;
        self.players.clear();
        effects.extend(self.links.drain().map(|link| Effect::CloseLink(link.id)));
        effects.push(Effect::End(reason));
    }
}

/// Codes that may stand in a close frame (RFC 6455, 7.4); 1000 means that the node wanted it so.
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

#[cfg(test)]
mod tests;
