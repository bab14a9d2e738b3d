//! What becomes of a node's message. This is the one part of the machine that runs for every message.

use std::time::{Duration, Instant};

use lavalink_protocol::envelope::{Envelope, EventKind, Op};
use lavalink_protocol::id::GuildId;
use lavalink_protocol::message::quick_state;

use super::{Cx, Effect, EndReason, Machine, Phase, PlacementMode};
use crate::pool::NodeId;
use crate::session::links::LinkId;
use crate::session::migration::Surroundings;
use crate::session::shadow::Shadow;

/// Players that only a message told of, until the node is asked for them.
const MAX_UNKNOWN: usize = 64;

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
            let away = self.has_moved_away(guild, link);
            if envelope.event == EventKind::TrackStart && self.is_late_start(guild, link) {
                return false;
            }
            if !away && envelope.event == EventKind::TrackStart && self.unknown.len() < MAX_UNKNOWN {
                self.unknown.push((guild, link));
            }
            if envelope.event == EventKind::TrackEnd {
                self.last_gone = Some(now);
            }
            return !away;
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
                if let Some(shadow) = &mut player.shadow {
                    shadow.told_update(payload, now);
                    if self.ping_due.is_none_or(|due| due <= now) {
                        self.ping_due = Some(now + PING_EVERY);
                        self.ping_heard = heard_ping(shadow, payload).map(|(region, ping)| (link, region, ping));
                    }
                }
            }
            (_, EventKind::TrackStart) => {
                player.end_told = false;
                if let Some(shadow) = &mut player.shadow {
                    shadow.track_started(payload, now);
                }
                return !std::mem::take(&mut player.swallow_start);
            }
            (_, EventKind::TrackEnd) => {
                if std::mem::take(&mut player.end_told) {
                    return false;
                }
                if let Some(shadow) = &mut player.shadow {
                    shadow.track_ended(payload, now);
                }
            }
            _ => {}
        }
        true
    }

    /// The voice ping that a message told, to be learned from.
    #[inline]
    pub fn take_voice_ping(&mut self) -> Option<VoicePing> {
        let (link, region, ping) = self.ping_heard.take()?;
        let node = self.links.get(link)?.node;
        Some(VoicePing { node, region, ping })
    }

    /// A track started in a guild of which no answer told: whoever asked for it did not wait for the answer. The shell
    /// ticks, and the node is asked.
    pub fn has_unknown(&self) -> bool {
        !self.unknown.is_empty()
    }

    /// Asks for the players that only a message told of.
    pub(super) fn ask_for_unknown(&mut self, cx: &mut Cx<'_>) {
        for (guild, link) in std::mem::take(&mut self.unknown) {
            if self.players.get(guild).is_none() {
                cx.effects.push(Effect::FindPlayer { guild, link });
            }
        }
    }

    /// The start of a player that was restored and then destroyed.
    fn is_late_start(&mut self, guild: GuildId, link: LinkId) -> bool {
        let Some(link) = self.links.get_mut(link) else {
            return false;
        };
        let before = link.late_starts.len();
        link.late_starts.retain(|late| *late != guild);
        before > link.late_starts.len()
    }

    fn has_moved_away(&self, guild: GuildId, link: LinkId) -> bool {
        self.links.get(link).is_some_and(|link| link.has_lost(guild))
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
