//! The life of one v4 session. The machine owns no socket and reads no clock: the shell tells it what happened and
//! carries out the effects it answers with.
//!
//! ```text
//! the client   new --LinkUp--> connected --ClientLost, resuming on--> parked --ClientBack--> connected
//!               |                  |                                    |
//!               +------------------+--ClientLost, resuming off; Shutdown+--Tick at the deadline, queue full, Shutdown
//!                                  v                                    v
//!                                ended (its links are closed, and with them its players on the nodes)
//!
//! each link    opening --LinkUp--> up --LinkLost, players on it--> resuming --LinkUp{resumed}--> up, reconciled
//!                                   |                                 |
//!                                   +--no players, or not kept        +--refused, denied, too late
//!                                   v                                 v
//!                                 gone: its players move
//!
//! each move    waiting --turn, link up--> [quieting] --> restoring --Restored--> done
//!                 ^                                          |
//!                 +-------- another node --------------------+--too often or too late--> the client is told
//! ```
//!
//! As in Lavalink, resuming is off until a session update turns it on, with a timeout of 60 s. Each part of the life is
//! a file: `client`, `link`, `moves`, `places` (of players that are new), `found` (what a node says after a time of
//! silence).

mod client;
mod found;
mod gone;
mod link;
mod message;
mod moves;
mod operator;
mod places;
mod types;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use lavalink_protocol::id::{GuildId, NodeSessionId};

use crate::placement::NoNode;
use crate::pool::NodeId;
use crate::session::links::{Link, LinkId, LinkState, Links, Resuming};
use crate::session::migration::{Move, PlayerWant, Surroundings};
use crate::session::players::{Player, Players};
use crate::session::resume::ResumeQueue;
use crate::session::shadow::{Needs, Shadow, Told, TrackMark};

pub use client::{CLOSE_NO_LINK, CLOSE_NODE_LOST, CLOSE_SHUTDOWN};
pub use message::{Disposition, VoicePing};
pub use operator::{Look, LookLink, LookMove, LookPlayer, LookState};
pub use types::{
    Effect, EndReason, Input, Leave, LinkLoss, LinkSettings, NodeChange, PlacementMode, RestoreOutcome, SessionSettings,
};

use found::Suspect;
use gone::Gone;
use places::Reservation;

/// One session. Without players it is a few words and one link's ids; the queue exists only while the client is away.
#[derive(Debug)]
pub struct Machine {
    settings: Arc<SessionSettings>,
    phase: Phase,
    links: Links,
    players: Players,
    /// Moves under way, in the order in which they began. Empty, and without memory, nearly always.
    moves: Vec<Move>,
    /// What a node said after a time of silence, and a late message may yet explain.
    suspects: Vec<Suspect>,
    /// Places that were found for players, and when it is looked whether they came to be.
    reservations: VecDeque<Reservation>,
    /// Players that only a message told of.
    unknown: Vec<(GuildId, LinkId)>,
    /// Starts that the client was told before anything else was known of their players.
    heard: Vec<(GuildId, LinkId, TrackMark)>,
    /// What has to be told in place of messages that came: ends whose starts were not told, with these before them.
    overdue: Vec<(GuildId, Told)>,
    /// When a voice ping is read next, and the one that was read last.
    ping_due: Option<Instant>,
    ping_heard: Option<(LinkId, Box<str>, u32)>,
    resuming: bool,
    /// Seconds, as the client set it and as it is told.
    timeout: i64,
    /// The link that was given up or closed last: an answer of its node may come later still.
    last_lost: Option<(LinkId, NodeId)>,
    /// When players were destroyed, or tracks of unknown ones ended.
    gone: Gone,
    next_link: u32,
    next_ticket: u32,
    /// Since when no link has been up, and when opening one is tried next.
    nodeless: Option<Nodeless>,
    /// The wake-up that was asked for last.
    wake: Option<Instant>,
    /// Messages and bytes that waited for the absent client when the session ended.
    unread: (u32, u32),
    /// Where requests go has changed since it was published.
    changed: bool,
}

#[derive(Debug, Clone, Copy)]
struct Nodeless {
    since: Instant,
    next: Instant,
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

/// What one input is handled with.
struct Cx<'a> {
    now: Instant,
    env: &'a mut dyn Surroundings,
    effects: &'a mut Vec<Effect>,
}

/// Where the request of a guild goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// To this link, which is up.
    Link(LinkId),
    /// It waits: for a link that is opened or resumed, or for a migration.
    Wait,
    /// No player is known: a request that makes one is placed first, others go to the primary link.
    Unplaced,
}

/// Where a new player goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// To this link, which is up.
    Link(LinkId),
    /// To a link that is not up yet, or nowhere until what an earlier player of the guild left on the only node is
    /// destroyed; [`Effect::Publish`] tells when that may be.
    Wait,
    /// No node can take it.
    Nowhere(NoNode),
}

impl Machine {
    /// A session whose client has passed the handshake and waits for its link.
    pub fn new(settings: Arc<SessionSettings>) -> Self {
        Self {
            settings,
            phase: Phase::New,
            links: Links::default(),
            players: Players::default(),
            moves: Vec::new(),
            suspects: Vec::new(),
            reservations: VecDeque::new(),
            unknown: Vec::new(),
            heard: Vec::new(),
            overdue: Vec::new(),
            ping_due: None,
            ping_heard: None,
            resuming: false,
            timeout: 60,
            last_lost: None,
            gone: Gone::default(),
            next_link: 0,
            next_ticket: 0,
            nodeless: None,
            wake: None,
            unread: (0, 0),
            changed: false,
        }
    }

    /// A session of an earlier run of the proxy: its client may come back until `until`, its links are resumed, and its
    /// players are what the nodes say they are. Begin with a tick.
    pub fn revive(
        settings: Arc<SessionSettings>,
        (resuming, timeout): (bool, i64),
        links: impl IntoIterator<Item = (NodeId, NodeSessionId)>,
        until: Instant,
        now: Instant,
    ) -> Self {
        let mut machine = Self {
            resuming,
            timeout,
            ..Self::new(settings)
        };
        let queue = Box::default();
        machine.phase = Phase::Parked { until, queue };
        machine.changed = true;
        let limit = machine.settings.links.keep;
        for (node, node_session) in links {
            let id = machine.new_link_id();
            let mut link = Link::opening(id, node);
            (link.node_session, link.kept) = (Some(node_session), true);
            (link.inherited, link.revived) = (true, true);
            // The node keeps it as long, and it may be down as well for a moment.
            link.state = LinkState::Resuming(Resuming {
                until: now + limit,
                tries: 0,
                denied: 0,
                next: Some(now),
            });
            machine.links.insert(link);
        }
        machine
    }

    /// Takes one input and adds what must be done to `effects`. An ended session takes none.
    pub fn handle(&mut self, input: Input, now: Instant, env: &mut dyn Surroundings, effects: &mut Vec<Effect>) {
        if self.is_ended() {
            return;
        }
        let cx = &mut Cx { now, env, effects };
        match input {
            Input::LinkUp {
                link,
                node,
                node_session,
                resumed,
            } => self.link_up(link, node, node_session, resumed, cx),
            Input::LinkLost { link, why } => self.link_lost(link, why, cx),
            // It may have been taken all the same, so the link counts as kept meanwhile.
            Input::NotKept(link) if self.links.get(link).is_some_and(Link::is_up) => {
                cx.effects.push(Effect::Keep(link))
            }
            Input::NotKept(_) => {}
            Input::ClientLost { ours } => self.client_lost(ours, cx),
            Input::ClientBack => self.client_back(cx),
            Input::SessionUpdated { resuming, timeout } => {
                self.resuming = resuming.unwrap_or(self.resuming);
                self.timeout = timeout.unwrap_or(self.timeout);
            }
            Input::PlayerAnswered {
                guild,
                link,
                asked,
                answer,
            } => self.player_answered(guild, link, &asked, answer, cx),
            Input::PlayerDoubted { guild, link } => self.player_doubted(guild, link, cx),
            Input::PlayerGone { guild, link } => self.player_gone(guild, link, cx),
            Input::PluginWrote { guild, link, write } => {
                if let Some(shadow) = self.shadow_on(guild, link) {
                    shadow.note_write(*write);
                }
            }
            Input::Players { link, asked, body } => self.players_listed(link, asked, &body, cx),
            Input::PlayerFound {
                guild,
                link,
                asked,
                body,
            } => self.player_found(guild, link, asked, body.as_deref(), cx),
            Input::FindFailed { guild, link } => self.find_failed(guild, link, cx),
            Input::Quiet(guild) => self.quiet(guild, cx),
            Input::Restored {
                guild,
                link,
                ticket,
                outcome,
            } => self.restored(guild, link, ticket, outcome, cx),
            Input::Destroyed { guild, link, ticket } => self.destroyed(guild, link, ticket, cx),
            Input::Node { node, change } => self.node_changed(node, change, cx),
            Input::Move { guild, to } => self.move_player(guild, to, cx),
            Input::Shutdown { keep } => self.shut_down(keep, cx),
            Input::Tick => {}
        }
        self.settle(cx);
    }

    /// Does what is due, then says what changed and when to be woken.
    fn settle(&mut self, cx: &mut Cx<'_>) {
        self.expire(cx);
        self.tell_overdue(cx);
        if !self.is_ended() {
            self.tend_links(cx);
            self.confirm_suspects(cx);
            self.ask_for_unknown(cx);
            self.check_reservations(cx);
            self.advance_moves(cx);
            self.ensure_link(cx);
        }
        if self.is_ended() {
            return;
        }
        if std::mem::take(&mut self.changed) {
            cx.effects.push(Effect::Publish);
        }
        let wake = self.next_wake();
        // What is due and still there waits for something else to happen: it is looked at again, but not at once.
        let soonest = cx.now + std::time::Duration::from_millis(10);
        if let Some(at) = wake.filter(|at| wake != self.wake || *at <= cx.now) {
            let at = if at <= cx.now { soonest } else { at };
            cx.effects.push(Effect::WakeAt(at));
        }
        self.wake = wake;
    }

    fn next_wake(&self) -> Option<Instant> {
        let parked = self.parked_until();
        let links = self.links.iter().filter_map(|link| self.link_due(link));
        let moves = self.moves.iter().map(|moving| self.move_due(moving));
        let suspects = self.suspects.iter().map(|suspect| suspect.due);
        let nodeless = self.nodeless.map(|nodeless| nodeless.next);
        let reserved = self.reservations.front().map(|reservation| reservation.due);
        let rest = parked.into_iter().chain(nodeless).chain(reserved);
        links.chain(moves).chain(suspects).chain(rest).min()
    }

    // --- where requests go -------------------------------------------------------------------------------------------

    /// Where a guild's requests go.
    pub fn route(&self, guild: GuildId) -> Route {
        match self.players.get(guild) {
            Some(player) => self.route_to(player),
            None if self.held_up().any(|held_up| held_up == guild) => Route::Wait,
            None => self.route_of_others(),
        }
    }

    /// Where the requests of guilds without a player go.
    pub fn route_of_others(&self) -> Route {
        // A node that has not said yet which players it has may have the one that is asked for.
        let may_be_there = self.links.iter().any(|link| link.revived);
        match (self.settings.placement, self.session_link()) {
            (PlacementMode::Player, _) if may_be_there => Route::Wait,
            (PlacementMode::Session, _) if may_be_there && self.links.len() > 1 => Route::Wait,
            (PlacementMode::Player, _) => Route::Unplaced,
            (PlacementMode::Session, Some(link)) if link.is_up() => Route::Link(link.id),
            (PlacementMode::Session, _) => Route::Wait,
        }
    }

    /// Where the requests of a player go.
    pub fn route_to(&self, player: &Player) -> Route {
        let waits = player.moving && self.move_of(player.guild).is_some_and(Move::blocks_requests);
        match self.links.get(player.link) {
            Some(link) if link.is_up() && !waits => Route::Link(link.id),
            _ => Route::Wait,
        }
    }

    /// Chooses the node of a player; one that keeps its session together goes where the session is.
    fn choose(
        &mut self,
        needs: &Needs,
        exclude: &[NodeId],
        cx: &mut Cx<'_>,
    ) -> Result<crate::placement::Choice, NoNode> {
        let near: Vec<NodeId> = self.links.iter().map(|link| link.node).collect();
        let together = self.settings.placement == PlacementMode::Session;
        let here = near
            .iter()
            .copied()
            .find(|node| together && !exclude.contains(node) && cx.env.state(*node).takes_work());
        if let Some(node) = here {
            return Ok(crate::placement::Choice::same_session(node));
        }
        let (needs, near) = (needs, near.as_slice());
        cx.env.place(&PlayerWant { needs, exclude, near }, cx.now)
    }

    /// The link to a node, opened if there is none.
    fn link_to(&mut self, node: NodeId, cx: &mut Cx<'_>) -> LinkId {
        if let Some(link) = self.links.to(node) {
            return link.id;
        }
        let link = self.new_link_id();
        self.links.insert(Link::opening(link, node));
        cx.effects.push(Effect::OpenLink {
            link,
            node,
            resume: None,
        });
        link
    }

    fn new_link_id(&mut self) -> LinkId {
        let id = LinkId(self.next_link);
        self.next_link += 1;
        id
    }

    /// The link of a session that is kept together.
    fn session_link(&self) -> Option<&Link> {
        self.links.primary().or_else(|| self.links.iter().next())
    }

    fn shadow_on(&mut self, guild: GuildId, link: LinkId) -> Option<&mut Shadow> {
        let player = self.players.get_mut(guild).filter(|player| player.link == link)?;
        player.shadow.as_deref_mut()
    }

    fn move_of(&self, guild: GuildId) -> Option<&Move> {
        self.moves.iter().find(|moving| moving.guild == guild)
    }

    // --- what is known -----------------------------------------------------------------------------------------------

    /// All links.
    pub fn links(&self) -> &Links {
        &self.links
    }

    /// The guilds that have players.
    pub fn players(&self) -> &Players {
        &self.players
    }

    /// Players that are being moved or wait for that.
    pub fn moving(&self) -> usize {
        self.moves.len()
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

    /// How many messages, and bytes of them, waited for the absent client when the session ended.
    pub fn unread(&self) -> (u32, u32) {
        self.unread
    }

    /// When a parked session ends.
    pub fn parked_until(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Parked { until, .. } => Some(*until),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
