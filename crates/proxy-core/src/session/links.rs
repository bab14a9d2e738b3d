//! The links of one session. Not for the sockets themselves: the shell keeps those by [`LinkId`].

use std::time::{Duration, Instant};

use lavalink_protocol::id::{GuildId, NodeSessionId};

use crate::pool::NodeId;
use crate::session::shadow::TrackMark;

/// A link's number within its session; never used again after the link closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(pub u32);

/// A link, whether its socket is there or not.
#[derive(Debug, Clone)]
pub struct Link {
    /// Its number within the session.
    pub id: LinkId,
    /// The node at its end.
    pub node: NodeId,
    /// The node's own id for the session, as its `ready` gave it: what session paths are rewritten to. `None` while it
    /// is opened for the first time.
    pub node_session: Option<NodeSessionId>,
    /// Whether it can be used.
    pub state: LinkState,
    /// The node was asked to keep the session when its socket is lost.
    pub kept: bool,
    /// It is of an earlier run of the proxy.
    pub(crate) inherited: bool,
    /// It is, and its node has not yet said what its players are.
    pub(crate) revived: bool,
    /// It was resumed, and its node has not yet said what its players are.
    pub(crate) reconciling: bool,
    /// Since when it has had no player, for a link that is not the only one.
    pub(crate) empty_since: Option<Instant>,
    /// Guilds whose players have moved away from it, and what was left of them there: what the link says of them until a
    /// moment later is the move's own doing.
    pub(crate) moved_away: Vec<(GuildId, Leftover)>,
    /// Tracks that were stopped or replaced by a request before their start came.
    pub(crate) late_starts: Vec<LateStart>,
}

/// The start of a track that nothing is known of any more when it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LateStart {
    pub(crate) guild: GuildId,
    pub(crate) track: TrackMark,
    /// The client was told it already: it is a move's own.
    pub(crate) told: bool,
    /// Since when it is on its way.
    pub(crate) since: Instant,
}

/// So many are remembered.
const MAX_LATE: usize = 256;
/// How long they are: they come within a moment, or with what a frozen node catches up on, or not at all.
pub(crate) const LATE: Duration = Duration::from_secs(5);

/// What a player that moved away left on its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leftover {
    /// The link was not there to say so; it is destroyed once the node shows it.
    Unheard,
    /// It is being destroyed, by the errand with this ticket.
    Destroying(u32),
    /// It was destroyed then.
    Destroyed(Instant),
}

impl Leftover {
    /// Nothing more can come of it.
    fn is_over(self, now: Instant) -> bool {
        matches!(self, Self::Destroyed(at) if now >= at + ECHO)
    }
}

/// How long a message about a destroyed player may be on its way.
const ECHO: Duration = Duration::from_millis(1500);

/// Whether a link can be used.
#[derive(Debug, Clone)]
pub enum LinkState {
    /// It is opened for the first time.
    Opening,
    /// Its socket is open.
    Up,
    /// Its socket was lost, and the node's session is being resumed.
    Resuming(Resuming),
}

/// How far the resuming of a node's session is.
#[derive(Debug, Clone)]
pub struct Resuming {
    /// When it is given up.
    pub until: Instant,
    /// Tries so far.
    pub tries: u32,
    /// Answers that the session is not there. The node may not have noticed yet that the old socket is gone, so one is
    /// not enough.
    pub denied: u32,
    /// When the next try is due; `None` while one is under way.
    pub next: Option<Instant>,
}

impl Link {
    pub(crate) fn opening(id: LinkId, node: NodeId) -> Self {
        Self {
            id,
            node,
            node_session: None,
            state: LinkState::Opening,
            kept: false,
            inherited: false,
            revived: false,
            reconciling: false,
            empty_since: None,
            moved_away: Vec::new(),
            late_starts: Vec::new(),
        }
    }

    /// Whether what it says of a guild is about a player that has left it.
    pub(crate) fn has_lost(&self, guild: GuildId, now: Instant) -> bool {
        self.moved_away
            .iter()
            .any(|(moved, leftover)| *moved == guild && !leftover.is_over(now))
    }

    /// A guild's player has left it. Whether what it left there is to be destroyed now, by the errand with this ticket.
    pub(crate) fn lose(&mut self, guild: GuildId, ticket: u32) -> bool {
        let leftover = if self.is_up() {
            Leftover::Destroying(ticket)
        } else {
            Leftover::Unheard
        };
        self.moved_away.retain(|(moved, _)| *moved != guild);
        self.moved_away.push((guild, leftover));
        leftover != Leftover::Unheard
    }

    /// Guilds whose players have left it, and whose node may still have what is to be destroyed of them.
    pub(crate) fn left(&self) -> impl Iterator<Item = GuildId> {
        let left = self.moved_away.iter();
        left.filter(|(_, leftover)| !matches!(leftover, Leftover::Destroyed(_)))
            .map(|(moved, _)| *moved)
    }

    /// Whether the errand with this ticket is still to destroy what a player left there.
    pub(crate) fn is_destroying(&self, guild: GuildId, ticket: u32) -> bool {
        self.moved_away.contains(&(guild, Leftover::Destroying(ticket)))
    }

    /// A track is over for the client before its start came.
    pub(crate) fn expect_start(&mut self, late: LateStart) {
        self.forget_late(late.since);
        if self.late_starts.len() >= MAX_LATE {
            self.late_starts.remove(0);
        }
        self.late_starts.push(late);
    }

    /// The start of such a track comes, or its end without it.
    pub(crate) fn take_late_start(&mut self, guild: GuildId, event: &[u8], now: Instant) -> Option<LateStart> {
        if self.late_starts.is_empty() {
            return None;
        }
        self.forget_late(now);
        let track = TrackMark::of_json(event)?;
        let index = self
            .late_starts
            .iter()
            .position(|late| (late.guild, late.track) == (guild, track))?;
        let late = self.late_starts.remove(index);
        if self.late_starts.is_empty() {
            self.late_starts = Vec::new();
        }
        Some(late)
    }

    /// Starts that have not come by now do not come any more.
    fn forget_late(&mut self, now: Instant) {
        self.late_starts.retain(|late| now < late.since + LATE);
        if self.late_starts.is_empty() {
            self.late_starts = Vec::new();
        }
    }

    /// Nothing could come while its socket was lost.
    pub(crate) fn await_late(&mut self, now: Instant) {
        self.late_starts.iter_mut().for_each(|late| late.since = now);
    }

    /// Its node has shown all that it has. Whether anything was waited for.
    pub(crate) fn forget_unheard(&mut self) -> bool {
        let known = self.moved_away.len();
        self.moved_away.retain(|(_, leftover)| *leftover != Leftover::Unheard);
        self.moved_away.len() < known
    }

    /// Whether the node may show a player that has left it, and that nobody has destroyed.
    pub(crate) fn left_unheard(&self, guild: GuildId) -> bool {
        self.moved_away.contains(&(guild, Leftover::Unheard))
    }

    /// Its socket is lost: whether what was being destroyed there is gone shows when it is back.
    pub(crate) fn doubt_destroyed(&mut self) {
        for (_, leftover) in &mut self.moved_away {
            if matches!(leftover, Leftover::Destroying(_)) {
                *leftover = Leftover::Unheard;
            }
        }
    }

    /// What a player left there was destroyed, by the errand with this ticket.
    pub(crate) fn destroyed(&mut self, guild: GuildId, ticket: u32, now: Instant) {
        for known in &mut self.moved_away {
            if *known == (guild, Leftover::Destroying(ticket)) {
                known.1 = Leftover::Destroyed(now);
            }
        }
        self.forget_lost(now);
    }

    /// Forgets players that left so long ago that nothing more can come of them, nor of what was sent while it could.
    pub(crate) fn forget_lost(&mut self, now: Instant) {
        let past = |leftover: Leftover| now.checked_sub(LATE).is_some_and(|then| leftover.is_over(then));
        self.moved_away.retain(|(_, leftover)| !past(*leftover));
    }

    /// Its socket is open.
    pub fn is_up(&self) -> bool {
        matches!(self.state, LinkState::Up)
    }

    /// It is opened for the first time.
    pub fn is_opening(&self) -> bool {
        matches!(self.state, LinkState::Opening)
    }
}

/// All links. A session has one, or one per node with players of it, so a short list is searched faster than any map.
#[derive(Debug, Default)]
pub struct Links(Vec<Link>);

impl Links {
    pub(crate) fn insert(&mut self, link: Link) {
        self.0.reserve_exact(1);
        self.0.push(link);
    }

    pub(crate) fn remove(&mut self, id: LinkId) -> Option<Link> {
        let index = self.0.iter().position(|link| link.id == id)?;
        Some(self.0.remove(index))
    }

    /// The link with this number.
    pub fn get(&self, id: LinkId) -> Option<&Link> {
        self.0.iter().find(|link| link.id == id)
    }

    pub(crate) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.0.iter_mut().find(|link| link.id == id)
    }

    /// The link to a node.
    pub fn to(&self, node: NodeId) -> Option<&Link> {
        self.0.iter().find(|link| link.node == node)
    }

    /// The link for what belongs to no player: the oldest one that is up.
    pub fn primary(&self) -> Option<&Link> {
        self.0.iter().find(|link| link.is_up())
    }

    /// All links.
    pub fn iter(&self) -> impl Iterator<Item = &Link> {
        self.0.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Link> {
        self.0.iter_mut()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes all links out.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Link> {
        std::mem::take(&mut self.0).into_iter()
    }
}
