//! What becomes of a node's message. This is the one part of the machine that runs for every message.

use std::time::{Duration, Instant};

use lavalink_protocol::envelope::{Envelope, EventKind, Op};
use lavalink_protocol::id::GuildId;
use lavalink_protocol::message::quick_state;

use super::{Cx, Effect, EndReason, Machine, Phase, PlacementMode};
use crate::pool::NodeId;
use crate::session::links::{LateStart, LinkId};
use crate::session::migration::Surroundings;
use crate::session::players::Player;
use crate::session::shadow::{self, Asked, Shadow, TrackMark};

/// Players that only a message told of, until the node is asked for them.
const MAX_UNKNOWN: usize = 64;
/// Starts that were told before anything else was known of their players; with more, the oldest are forgotten, and at worst
/// told again by a node that takes the player.
const MAX_HEARD: usize = 1024;

/// One player's voice ping is taken out of its `playerUpdate` so often, whichever comes next then: all threads learn in one
/// place, and routes on the Internet change in hours.
const PING_EVERY: Duration = Duration::from_secs(30);

/// What the voice connection of a player measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoicePing {
    /// Its node.
    pub node: NodeId,
    /// The region of its voice endpoint.
    pub region: Box<str>,
    /// In milliseconds.
    pub ping: u32,
}

/// Whether the next start, of the track whose start was told last, is the move's own or late, and not a new one.
pub(super) fn expects_start(player: &Player, now: Instant) -> bool {
    let lately = |shadow: &Shadow| shadow.was_heard_lately(now);
    player.swallow_start && (player.moving || player.shadow.as_deref().is_none_or(lately))
}

#[cold]
fn heard_ping(shadow: &Shadow, payload: &[u8]) -> Option<(Box<str>, u32)> {
    let state = quick_state(payload)?;
    // -1 while there is none.
    let ping = u32::try_from(state.ping).ok().filter(|_| state.connected)?;
    Some((shadow.discord_region()?.into(), ping))
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
    /// It is the `stats` of one of several nodes: write those of all of them instead, or keep them with
    /// [`Machine::enqueue_stats`] while the client is away.
    Aggregate,
}

impl Machine {
    /// Decides on one message that came over a link, and notes what it says of a player. Called for every message:
    /// nothing here allocates unless a track starts, and the only search is for the guild's player. A parked session
    /// whose tick is late goes on queueing within its bound, and what it queued is thrown away when the tick comes.
    pub fn message(&mut self, link: LinkId, envelope: &Envelope, payload: &[u8], now: Instant) -> Disposition {
        if envelope.op == Op::Ready || self.links.get(link).is_none_or(|link| !link.is_up()) {
            return Disposition::Swallow;
        }
        if let Some(guild) = envelope.guild
            && !self.note(guild, link, envelope, payload, now)
        {
            return Disposition::Swallow;
        }
        if !self.overdue.is_empty() && self.comes_after_overdue(envelope, payload) {
            return Disposition::Swallow;
        }
        if envelope.op == Op::Stats && (self.settings.placement == PlacementMode::Player || self.links.len() > 1) {
            let primary = self.links.primary().is_some_and(|primary| primary.id == link);
            let wanted = matches!(self.phase, Phase::Connected | Phase::Parked { .. });
            return if primary && wanted {
                Disposition::Aggregate
            } else {
                Disposition::Swallow
            };
        }
        match self.phase {
            Phase::Connected => Disposition::Forward,
            // Lavalink neither sends nor queues player updates for an absent client.
            Phase::Parked { .. } if envelope.op == Op::PlayerUpdate => Disposition::Swallow,
            Phase::Parked { .. } => Disposition::Enqueue,
            Phase::New | Phase::Ended => Disposition::Swallow,
        }
    }

    /// Takes what a message says of a player; `false` when the link has no say in it, or the client knows it already.
    fn note(&mut self, guild: GuildId, link: LinkId, envelope: &Envelope, payload: &[u8], now: Instant) -> bool {
        let Some(player) = self.players.get_mut(guild) else {
            return self.note_unknown(guild, link, envelope, payload, now);
        };
        let owner = if player.moving {
            let moving = self.moves.iter().find(|moving| moving.guild == guild);
            moving.and_then(|moving| moving.restoring_on()).unwrap_or(player.link)
        } else {
            player.link
        };
        if owner != link {
            return false;
        }
        match (envelope.op, envelope.event) {
            (Op::PlayerUpdate, _) => {
                // A node that is resumed tells of all its players, and of those without a track that they are at zero.
                // Which these are it is just being asked.
                let resumed = self.links.get(link).is_some_and(|link| link.reconciling);
                if let Some(shadow) = player.shadow.as_mut().filter(|_| !resumed) {
                    shadow.told_update(payload, now);
                    if self.ping_due.is_none_or(|due| due <= now) {
                        self.ping_due = Some(now + PING_EVERY);
                        self.ping_heard = heard_ping(shadow, payload).map(|(region, ping)| (link, region, ping));
                    }
                }
                true
            }
            (_, EventKind::TrackStart) => self.note_start(guild, link, payload, now),
            (_, EventKind::TrackEnd) => self.note_end(guild, link, payload, now),
            _ => true,
        }
    }

    /// As [`Self::note`], for a track that starts in a player that is known.
    fn note_start(&mut self, guild: GuildId, link: LinkId, payload: &[u8], now: Instant) -> bool {
        let late = self.take_late_start(guild, link, payload, now);
        let Some(player) = self.players.get_mut(guild) else {
            return true;
        };
        if late.is_some_and(|late| late.told) {
            return false;
        }
        player.end_told = false;
        if let (Some(late), Some(shadow)) = (late, &mut player.shadow)
            && shadow.mark() != Some(late.track)
        {
            shadow.other_started(late.track);
            return true;
        }
        let swallow = expects_start(player, now);
        player.swallow_start = false;
        match &mut player.shadow {
            Some(shadow) => shadow.track_started(payload, swallow, now),
            None => {
                self.hear_first(guild, link, TrackMark::of_json(payload));
                true
            }
        }
    }

    /// As [`Self::note`], for a track that ends in a player that is known. Its start comes before it, whatever was lost.
    fn note_end(&mut self, guild: GuildId, link: LinkId, payload: &[u8], now: Instant) -> bool {
        let late = self.take_late_start(guild, link, payload, now);
        let Some(player) = self.players.get_mut(guild) else {
            return true;
        };
        // A move's own start that has not come by now was lost.
        player.swallow_start = false;
        if std::mem::take(&mut player.end_told) {
            return false;
        }
        let mut lacks_start = late.is_some_and(|late| !late.told);
        match &mut player.shadow {
            Some(shadow) => {
                if shadow.is_end_without_start(payload) {
                    shadow.start_is_told();
                    lacks_start = true;
                }
                shadow.track_ended(payload, now);
            }
            None => self.forget_heard(guild),
        }
        !(lacks_start && self.tell_start_before(guild, payload))
    }

    /// As [`Self::note`], for a guild that has no player.
    fn note_unknown(
        &mut self,
        guild: GuildId,
        link: LinkId,
        envelope: &Envelope,
        payload: &[u8],
        now: Instant,
    ) -> bool {
        let away = self.links.get(link).is_some_and(|link| link.has_lost(guild, now));
        if !matches!(envelope.event, EventKind::TrackStart | EventKind::TrackEnd) {
            return !away;
        }
        let late = self.take_late_start(guild, link, payload, now);
        match envelope.event {
            EventKind::TrackStart if late.is_some_and(|late| late.told) => return false,
            EventKind::TrackStart if !away => {
                self.hear_first(guild, link, TrackMark::of_json(payload));
                if self.unknown.len() < MAX_UNKNOWN {
                    self.unknown.push((guild, link));
                }
            }
            EventKind::TrackEnd => {
                self.gone.note(guild, now);
                self.forget_heard(guild);
                if !away && late.is_some_and(|late| !late.told) {
                    return !self.tell_start_before(guild, payload);
                }
            }
            _ => {}
        }
        !away
    }

    fn take_late_start(&mut self, guild: GuildId, link: LinkId, event: &[u8], now: Instant) -> Option<LateStart> {
        self.links.get_mut(link)?.take_late_start(guild, event, now)
    }

    /// An end is told in its own time, after the start that was lost.
    #[cold]
    fn tell_start_before(&mut self, guild: GuildId, end: &[u8]) -> bool {
        let start = shadow::start_of(guild, end).map(|start| (guild, start));
        let told = start.is_some();
        self.overdue.extend(start);
        self.overdue.extend(told.then(|| (guild, end.into())));
        told
    }

    /// A start is told before anything else is known of its player.
    fn hear_first(&mut self, guild: GuildId, link: LinkId, track: Option<TrackMark>) {
        self.forget_heard(guild);
        if let Some(mark) = track {
            if self.heard.len() >= MAX_HEARD {
                self.heard.remove(0);
            }
            self.heard.push((guild, link, mark));
        }
    }

    fn forget_heard(&mut self, guild: GuildId) {
        self.heard.retain(|(heard, ..)| *heard != guild);
        if self.heard.is_empty() {
            self.heard = Vec::new();
        }
    }

    /// What is known of a player first, by its node's word. `known`: that it is there was known before. What an earlier run
    /// of the proxy has told is not known: it is believed to have told what its players played when their node was first
    /// asked, unless a request of this run asked for it.
    pub(super) fn first_shadow(
        &mut self,
        (guild, link, known): (GuildId, LinkId, bool),
        asked: &Asked,
        answer: &[u8],
        now: Instant,
    ) -> Option<Box<Shadow>> {
        let mut shadow = Box::new(Shadow::new(asked, answer, now)?);
        let link_of = self.links.get(link);
        let earlier = link_of.is_some_and(|link| link.revived || known && link.inherited);
        if !asked.new_track && earlier {
            shadow.start_is_believed_told();
        }
        let heard = self.heard.iter().find(|heard| (heard.0, heard.1) == (guild, link));
        if let Some((.., mark)) = heard {
            shadow.start_was_told(*mark);
            self.forget_heard(guild);
        }
        Some(shadow)
    }

    /// The voice ping that a message told, to be learned from.
    #[inline]
    pub fn take_voice_ping(&mut self) -> Option<VoicePing> {
        let (link, region, ping) = self.ping_heard.take()?;
        let node = self.links.get(link)?.node;
        Some(VoicePing { node, region, ping })
    }

    /// A message has led to something that is to be done at once: the shell ticks. A track started in a guild of which no
    /// answer told, since whoever asked for it did not wait for the answer: the node is asked. Or there is something to be
    /// told in place of the message.
    pub fn needs_tick(&self) -> bool {
        !self.unknown.is_empty() || !self.overdue.is_empty()
    }

    /// An event keeps its place behind what is overdue for its guild.
    #[cold]
    fn comes_after_overdue(&mut self, envelope: &Envelope, payload: &[u8]) -> bool {
        let overdue = |guild: &GuildId| self.overdue.iter().any(|(overdue, _)| overdue == guild);
        let Some(guild) = envelope
            .guild
            .filter(|guild| envelope.op == Op::Event && overdue(guild))
        else {
            return false;
        };
        self.overdue.push((guild, payload.into()));
        true
    }

    /// Tells what had to be told in place of messages that came.
    pub(super) fn tell_overdue(&mut self, cx: &mut Cx<'_>) {
        for (_, message) in std::mem::take(&mut self.overdue) {
            self.tell(message, cx);
        }
    }

    /// Asks for the players that only a message told of.
    pub(super) fn ask_for_unknown(&mut self, cx: &mut Cx<'_>) {
        for (guild, link) in std::mem::take(&mut self.unknown) {
            if self.players.get(guild).is_none() {
                cx.effects.push(Effect::FindPlayer { guild, link });
            }
        }
    }

    /// Keeps a message for the absent client after [`Disposition::Enqueue`]. When it does not fit, the session ends,
    /// unless it is a `stats`.
    pub fn enqueue(
        &mut self,
        envelope: &Envelope,
        message: &[u8],
        now: Instant,
        env: &mut dyn Surroundings,
        effects: &mut Vec<Effect>,
    ) {
        let limits = self.settings.queue;
        let Phase::Parked { queue, .. } = &mut self.phase else {
            return;
        };
        if envelope.op == Op::Stats {
            queue.enqueue_stats(message, limits);
        } else if queue.enqueue(message, limits).is_err() {
            self.end(EndReason::QueueFull, &mut Cx { now, env, effects });
        }
    }

    /// Keeps the figures of all nodes for the absent client after [`Disposition::Aggregate`], if there is room.
    pub fn enqueue_stats(&mut self, message: &[u8]) {
        if let Phase::Parked { queue, .. } = &mut self.phase {
            queue.enqueue_stats(message, self.settings.queue);
        }
    }
}
