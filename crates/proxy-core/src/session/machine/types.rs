//! What goes into a session's machine and what comes out of it.

use std::time::{Duration, Instant};

use lavalink_protocol::id::{GuildId, NodeSessionId};

use crate::pool::NodeId;
use crate::secret::Secret;
use crate::session::links::LinkId;
use crate::session::migration::Migration;
use crate::session::resume::{QueueLimits, ResumeQueue};
use crate::session::shadow::{Asked, Told};
use crate::session::writes::PluginWrite;

/// Settings that all sessions share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSettings {
    /// The bound of what is kept for a client that is away.
    pub queue: QueueLimits,
    /// No session is parked longer, whatever timeout its client set.
    pub max_park: Duration,
    /// A session whose client's socket the proxy closed is kept so long, whether its client asked for resuming or not.
    pub grace: Duration,
    /// Whether the players of a session are spread over nodes.
    pub placement: PlacementMode,
    /// Times of links and moves.
    pub links: LinkSettings,
}

impl SessionSettings {
    /// How long a session waits for its client, by what this one set with a session update. `ours`: the proxy caused the
    /// close, for no fault of the client's.
    #[must_use]
    pub fn patience(&self, resuming: bool, timeout: i64, ours: bool) -> Duration {
        let asked = Duration::from_secs(u64::try_from(timeout).unwrap_or(0)).min(self.max_park);
        match (resuming, ours) {
            (true, false) => asked,
            (true, true) => asked.max(self.grace),
            (false, true) => self.grace,
            (false, false) => Duration::ZERO,
        }
    }
}

/// Whether the players of a session are spread over nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlacementMode {
    /// Each is placed by itself.
    Player,
    /// All are on the session's node.
    Session,
}

/// Times of links and moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkSettings {
    /// A lost link is resumed within this time, or its players move.
    pub resume_limit: Duration,
    /// How long a node is asked to keep a session whose link is lost; it must outlast a restart of the proxy.
    pub keep: Duration,
    /// A player that no node takes is given up after this time, and so is a session without any node.
    pub move_limit: Duration,
    /// A link without players is closed after this time, unless it is the session's only one.
    pub idle: Duration,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            queue: QueueLimits::default(),
            max_park: Duration::from_secs(24 * 3600),
            grace: Duration::from_secs(60),
            placement: PlacementMode::Player,
            links: LinkSettings::default(),
        }
    }
}

impl Default for LinkSettings {
    fn default() -> Self {
        Self {
            resume_limit: Duration::from_millis(1500),
            keep: Duration::from_secs(120),
            move_limit: Duration::from_secs(30),
            idle: Duration::from_secs(60),
        }
    }
}

/// Something that happened to a session.
#[derive(Debug)]
pub enum Input {
    /// A link's WebSocket is open and its node has sent `ready`. The first one makes the session usable.
    LinkUp {
        /// Its number: that of [`Effect::OpenLink`], or 0 for the first, which the shell opens by itself.
        link: LinkId,
        /// The node at its end.
        node: NodeId,
        /// The id in the node's `ready`.
        node_session: NodeSessionId,
        /// The node took the named session up again; the truth is in its `ready`, not in its header.
        resumed: bool,
    },
    /// A link broke, or could not be opened or resumed.
    LinkLost {
        /// Which one.
        link: LinkId,
        /// How it ended.
        why: LinkLoss,
    },
    /// The node did not take [`Effect::Keep`], or did not say so; it is asked again.
    NotKept(LinkId),
    /// The client's socket is gone.
    ClientLost {
        /// The proxy closed it, for no fault of the client's.
        ours: bool,
    },
    /// A new socket asks for this session by `Session-Id` and has passed the handshake. Only a parked session can be
    /// asked for; check [`super::Machine::is_parked`] first, as Lavalink does before its 101.
    ClientBack,
    /// The client changed the resuming settings; what it left out stays.
    SessionUpdated {
        /// Whether to park the session when the client is lost.
        resuming: Option<bool>,
        /// For how long, in seconds; not above zero ends it at once.
        timeout: Option<i64>,
    },
    /// A player update was answered with 200.
    PlayerAnswered {
        /// Whose player.
        guild: GuildId,
        /// Where it is.
        link: LinkId,
        /// What the request said.
        asked: Asked,
        /// The Player object of the answer.
        answer: Box<[u8]>,
    },
    /// A player update failed, or its answer was lost: what the node holds is unknown.
    PlayerDoubted {
        /// Whose player.
        guild: GuildId,
        /// Where it is.
        link: LinkId,
    },
    /// A guild's player was destroyed at its client's request.
    PlayerGone {
        /// Whose player.
        guild: GuildId,
        /// Where it was.
        link: LinkId,
    },
    /// A write to a plugin's route below a player succeeded.
    PluginWrote {
        /// Whose player.
        guild: GuildId,
        /// Where it is.
        link: LinkId,
        /// What was written.
        write: Box<PluginWrite>,
    },
    /// The answer to [`Effect::ListPlayers`].
    Players {
        /// Which link was asked.
        link: LinkId,
        /// When.
        asked: Instant,
        /// The node's list of Player objects.
        body: Box<[u8]>,
    },
    /// The answer to [`Effect::FindPlayer`].
    PlayerFound {
        /// Whose player.
        guild: GuildId,
        /// Which link was asked.
        link: LinkId,
        /// When.
        asked: Instant,
        /// The Player object; `None` when the node has none.
        body: Option<Box<[u8]>>,
    },
    /// The node did not say what [`Effect::FindPlayer`] asked; it is asked again for a player of which nothing is known.
    FindFailed {
        /// Whose player.
        guild: GuildId,
        /// Which link was asked.
        link: LinkId,
    },
    /// After [`Effect::AwaitQuiet`]: no player update of the guild is under way any more.
    Quiet(GuildId),
    /// After [`Effect::Restore`].
    Restored {
        /// Whose player.
        guild: GuildId,
        /// Where.
        link: LinkId,
        /// Which request.
        ticket: u32,
        /// How it went.
        outcome: RestoreOutcome,
    },
    /// After [`Effect::DestroyPlayer`]: it was done, or cannot be.
    Destroyed {
        /// Whose player.
        guild: GuildId,
        /// Where.
        link: LinkId,
        /// Which errand.
        ticket: u32,
    },
    /// Something happened to a node.
    Node {
        /// Which one.
        node: NodeId,
        /// What.
        change: NodeChange,
    },
    /// An operator moves a player.
    Move {
        /// Whose player.
        guild: GuildId,
        /// To this node, or to the best other one.
        to: Option<NodeId>,
    },
    /// The proxy stops.
    Shutdown {
        /// Another run of the proxy takes the session up again: nothing is destroyed on nodes.
        keep: bool,
    },
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
    /// The connection broke, or answered no ping, or the node answered late or wrongly.
    Broken,
    /// The connection was refused: there is no such process any more, and so no session of it.
    Refused,
}

/// Something happened to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeChange {
    /// Its health check says that it is down.
    Down,
    /// It takes work again, or another node does.
    Up,
    /// It is drained.
    Draining,
}

/// What became of a restoring request.
#[derive(Debug)]
pub enum RestoreOutcome {
    /// 200, with the Player object.
    Done(Box<[u8]>),
    /// The node refused it.
    Refused,
    /// No answer came.
    Lost,
}

/// What becomes of the node's session when a link is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// The node was asked to keep it and must be told not to before the socket closes, so that nothing stays parked.
    Destroy,
    /// Nothing but the close: the node does by itself what is wanted.
    Close,
}

/// What the shell does next, in this order.
#[derive(Debug, PartialEq)]
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
    /// Write a message of the proxy's own to the client.
    Send(Told),
    /// Open a WebSocket to a node; answered by `LinkUp` or `LinkLost`. The old socket of a link that is resumed is
    /// closed first: the node parks a session only then.
    OpenLink {
        /// Its number.
        link: LinkId,
        /// The node.
        node: NodeId,
        /// The node's session to take up again.
        resume: Option<NodeSessionId>,
    },
    /// Ask the node to keep its session when the link is lost (a session update, for `links.keep`).
    Keep(LinkId),
    /// Close a link's WebSocket, or stop opening it; its players are destroyed with it unless they were kept.
    CloseLink {
        /// Which one.
        link: LinkId,
        /// What becomes of the node's session.
        leave: Leave,
    },
    /// A node's session was left without being able to say so: clean it up when the node is reached again.
    Abandon {
        /// The node.
        node: NodeId,
        /// Its session.
        node_session: NodeSessionId,
    },
    /// Ask a link's node for all players: [`Input::Players`]. Asked again until it is answered or the link is lost.
    ListPlayers(LinkId),
    /// Ask a link's node for one player: [`Input::PlayerFound`], or [`Input::FindFailed`] after a pause.
    FindPlayer {
        /// Whose player.
        guild: GuildId,
        /// Which link.
        link: LinkId,
    },
    /// Wait until no player update of the guild is under way to its old node: [`Input::Quiet`].
    AwaitQuiet(GuildId),
    /// Make a player on a node: [`Input::Restored`].
    Restore {
        /// Whose player.
        guild: GuildId,
        /// Where.
        link: LinkId,
        /// Which request.
        ticket: u32,
        /// The body of the PATCH.
        body: Secret,
        /// Requests to plugin routes below the player, to be sent after it.
        writes: Vec<PluginWrite>,
    },
    /// Destroy what a player left on a node: [`Input::Destroyed`]. Before each try it is asked whether that is still to be
    /// done: [`super::Machine::is_left`].
    DestroyPlayer {
        /// Whose player.
        guild: GuildId,
        /// Where.
        link: LinkId,
        /// Which errand.
        ticket: u32,
    },
    /// A move is over.
    Migrated(Migration),
    /// Where requests go has changed: publish the routes, and wake the requests that wait.
    Publish,
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
    /// The session's links to nodes were lost, or a node closed it.
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
