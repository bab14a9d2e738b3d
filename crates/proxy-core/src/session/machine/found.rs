//! What a node says its players are after a time in which messages may have been lost: what the client must know of it
//! is told, once. A message that is still on its way may tell it too, so what was found is looked at again a moment later.

use std::time::{Duration, Instant};

use lavalink_protocol::id::GuildId;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Cx, Effect, Machine, Phase};
use crate::session::links::{Link, LinkId};
use crate::session::players::Seat;
use crate::session::shadow::{Asked, Shadow};

/// How long a message may be on its way.
const SETTLE: Duration = Duration::from_millis(400);

/// A player that is not what was known of it.
#[derive(Debug)]
pub(super) struct Suspect {
    pub(super) guild: GuildId,
    link: LinkId,
    /// The track that was known; another one by now explains it.
    serial: u16,
    /// The Player object; `None` when the node has none.
    body: Option<Box<[u8]>>,
    /// The end marker of its track, which it does not show.
    end_time: Option<i64>,
    /// When it is looked at again.
    pub(super) due: Instant,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    guild_id: GuildId,
}

impl Machine {
    pub(super) fn players_listed(&mut self, link: LinkId, asked: Instant, body: &[u8], cx: &mut Cx<'_>) {
        let Ok(listed) = serde_json::from_slice::<Vec<&RawValue>>(body) else {
            return;
        };
        if self.links.get(link).is_none_or(|link| !link.is_up()) {
            return;
        }
        let mut there = Vec::with_capacity(listed.len());
        for player in listed {
            if let Ok(Listed { guild_id }) = serde_json::from_str(player.get()) {
                there.push(guild_id);
                self.found_on(guild_id, link, asked, player.get().as_bytes(), cx);
            }
        }
        if let Some(known) = self.links.get_mut(link) {
            known.reconciling = false;
            self.changed |= known.forget_unheard();
            if std::mem::take(&mut known.revived) {
                self.changed = true;
                // Its client came back sooner than its players were known.
                if matches!(self.phase, Phase::Connected) && self.players.on(link) > 0 {
                    cx.effects.push(Effect::SendPlayerUpdates(link));
                }
            }
        }
        there.sort_unstable();
        for guild in self.players.guilds_on(link) {
            if there.binary_search(&guild).is_err() {
                self.missing_on(guild, link, asked, cx);
            }
        }
    }

    pub(super) fn player_found(
        &mut self,
        guild: GuildId,
        link: LinkId,
        asked: Instant,
        body: Option<&[u8]>,
        cx: &mut Cx<'_>,
    ) {
        match body {
            Some(body) => self.found_on(guild, link, asked, body, cx),
            None => self.missing_on(guild, link, asked, cx),
        }
    }

    /// A player of which nothing is known could not be made elsewhere. One that holds only a place, or that is to leave its
    /// node, is asked for in its own time.
    pub(super) fn find_failed(&mut self, guild: GuildId, link: LinkId, cx: &mut Cx<'_>) {
        let unknown = match self.players.get(guild) {
            Some(player) => {
                player.link == link && player.shadow.is_none() && !player.is_reserved() && !player.is_moving()
            }
            None => true,
        };
        if unknown && self.links.get(link).is_some_and(super::Link::is_up) {
            cx.effects.push(Effect::FindPlayer { guild, link });
        }
    }

    /// A node does not know a player.
    fn missing_on(&mut self, guild: GuildId, link: LinkId, asked: Instant, cx: &mut Cx<'_>) {
        let Some(player) = self.players.get(guild).filter(|player| player.link == link) else {
            return;
        };
        match &player.shadow {
            // The request that was to make it failed, or is still under way, and then it makes it anew. Of a player of which
            // nothing is known there is no message to wait for either.
            shadow if player.is_reserved() || shadow.is_none() => {
                self.players.remove(guild);
                self.changed = true;
                self.drop_move(guild, cx);
            }
            Some(shadow) if shadow.is_newer_than(asked) => {}
            _ => self.suspect(guild, link, None, cx),
        }
    }

    /// A node shows a player: ours to compare, one that was not known, or one that has moved away.
    fn found_on(&mut self, guild: GuildId, link: LinkId, asked: Instant, body: &[u8], cx: &mut Cx<'_>) {
        let elsewhere = self.players.link_of(guild) != Some(link);
        if elsewhere && self.links.get(link).is_some_and(|link| link.left_unheard(guild)) {
            return self.clear_leftover(guild, link, cx);
        }
        let away = self.links.get(link).is_none_or(|link| link.has_lost(guild, cx.now));
        // It, or an earlier player of the guild, may have been destroyed since the node was asked.
        let gone = self.gone.is_since(guild, asked);
        match self.players.get_mut(guild) {
            None if away => {}
            None if gone => {
                if self.links.get(link).is_some_and(|link| link.revived) {
                    self.revived_on(guild, link, body, cx);
                } else {
                    cx.effects.push(Effect::FindPlayer { guild, link });
                }
            }
            None => {
                self.found_first(guild, link, body, cx);
                self.is_there(guild, link, cx);
            }
            Some(player) if player.link != link => {
                let moves_here = self.move_of(guild).and_then(|moving| moving.target()) == Some(link);
                if !moves_here && !self.takes_over(guild, link, body, cx) {
                    self.clear_leftover(guild, link, cx);
                }
            }
            Some(player) if player.is_reserved() => {
                if gone {
                    return cx.effects.push(Effect::FindPlayer { guild, link });
                }
                self.found_first(guild, link, body, cx);
                self.is_there(guild, link, cx);
            }
            Some(player) => match &mut player.shadow {
                // The answer was overtaken by what a message or another answer said.
                Some(shadow) if shadow.is_newer_than(asked) => cx.effects.push(Effect::FindPlayer { guild, link }),
                Some(shadow) if shadow.agrees(body) && !shadow.start_is_due() => {
                    shadow.found(guild, body, cx.now, &mut Vec::new());
                }
                Some(_) => self.suspect(guild, link, Some(body.into()), cx),
                None if gone => cx.effects.push(Effect::FindPlayer { guild, link }),
                None => self.found_first(guild, link, body, cx),
            },
        }
    }

    /// Two nodes have a player of an earlier run of the proxy, which was killed before it had cleared up after a move: the
    /// one whose voice connection is open has it, since Discord keeps only the newest of one voice session. Where that says
    /// nothing it is the one of the later link, unless the client was answered by the other.
    fn takes_over(&mut self, guild: GuildId, link: LinkId, body: &[u8], cx: &mut Cx<'_>) -> bool {
        let Some(player) = self.players.get_mut(guild).filter(|player| !player.moving) else {
            return false;
        };
        let known = player.shadow.as_deref();
        let newer = known.is_some_and(|known| match known.voice_is_open_elsewhere(body) {
            Some(elsewhere) => elsewhere,
            None => known.serial() == 0 && link > player.link,
        });
        if !newer || self.links.get(link).is_none_or(|link| !link.revived) {
            return false;
        }
        let old = std::mem::replace(&mut player.link, link);
        self.found_first(guild, link, body, cx);
        self.clear_leftover(guild, old, cx);
        self.is_there(guild, link, cx);
        true
    }

    /// The node's word is the first of a player. The start of its track may be on its way, or was lost.
    fn found_first(&mut self, guild: GuildId, link: LinkId, body: &[u8], cx: &mut Cx<'_>) {
        let known = self.players.get(guild).is_some_and(|player| !player.is_reserved());
        let shadow = self.first_shadow((guild, link, known), &Asked::default(), body, cx.now);
        let due = shadow.as_ref().is_some_and(|shadow| shadow.start_is_due());
        let player = self.players.entry(guild, link);
        if player.is_reserved() {
            player.seat = Seat::Taken;
        }
        player.shadow = shadow;
        if due {
            self.suspect(guild, link, Some(body.into()), cx);
        }
    }

    /// A player of an earlier run, of which a message may have said more than its node did when it was asked. It counts as
    /// there until its node was asked once more: a request must not find another place for it, whatever it plays by now. Only
    /// where there is no other place do requests not wait until all players are known, and one may have destroyed it.
    fn revived_on(&mut self, guild: GuildId, link: LinkId, body: &[u8], cx: &mut Cx<'_>) {
        let heard = self.heard.iter().any(|(heard, ..)| *heard == guild);
        let shadow = Shadow::new(&Asked::default(), body, cx.now).filter(|shadow| !heard && !shadow.has_track());
        cx.effects.push(Effect::FindPlayer { guild, link });
        self.players.entry(guild, link).shadow = shadow.map(Box::new);
        self.is_there(guild, link, cx);
    }

    pub(super) fn suspect(&mut self, guild: GuildId, link: LinkId, body: Option<Box<[u8]>>, cx: &mut Cx<'_>) {
        let player = self
            .players
            .get(guild)
            .filter(|player| player.link == link && !player.is_reserved());
        let Some(player) = player else { return };
        let serial = player.shadow.as_deref().map_or(0, Shadow::serial);
        let due = cx.now + SETTLE;
        self.suspects.retain(|suspect| suspect.guild != guild);
        self.suspects.push(Suspect {
            guild,
            link,
            serial,
            body,
            end_time: None,
            due,
        });
    }

    /// The answer to an update that started no track shows another one than is known. What else it shows is not in doubt.
    #[cold]
    pub(super) fn suspect_answer(
        &mut self,
        guild: GuildId,
        link: LinkId,
        asked: &Asked,
        answer: Box<[u8]>,
        cx: &mut Cx<'_>,
    ) {
        if let Some(shadow) = self.shadow_on(guild, link) {
            shadow.follow_all_but_track(asked, &answer, cx.now);
        }
        self.suspect(guild, link, Some(answer), cx);
        let suspects = self.suspects.iter_mut().filter(|suspect| suspect.guild == guild);
        suspects.for_each(|suspect| suspect.end_time = asked.end_time);
    }

    /// Whether what messages may have been lost is still being found out, or will be once the link is resumed.
    pub(super) fn is_suspect(&self, guild: GuildId, link: LinkId) -> bool {
        let silent = |link: &Link| link.reconciling || !link.is_up();
        self.links.get(link).is_some_and(silent) || self.suspects.iter().any(|suspect| suspect.guild == guild)
    }

    /// What no message has explained meanwhile is told.
    pub(super) fn confirm_suspects(&mut self, cx: &mut Cx<'_>) {
        if !self.suspects.is_empty() {
            let now = cx.now;
            self.confirm_those(|suspect| suspect.due <= now, cx);
        }
    }

    /// A link is gone: no message comes over it that could explain more.
    pub(super) fn confirm_all_on(&mut self, link: LinkId, cx: &mut Cx<'_>) {
        self.confirm_those(|suspect| suspect.link == link, cx);
    }

    fn confirm_those(&mut self, are_due: impl Fn(&Suspect) -> bool, cx: &mut Cx<'_>) {
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.suspects).into_iter().partition(are_due);
        self.suspects = later;
        for suspect in due {
            self.confirm(suspect, cx);
            if self.is_ended() {
                return;
            }
        }
    }

    fn confirm(&mut self, suspect: Suspect, cx: &mut Cx<'_>) {
        let Suspect {
            guild,
            link,
            serial,
            body,
            end_time,
            ..
        } = suspect;
        // Who moves is judged when the move is over, by the node that has it then.
        let player = self
            .players
            .get_mut(guild)
            .filter(|player| player.link == link && !player.moving);
        let Some(player) = player else { return };
        let mut told = Vec::new();
        match (&mut player.shadow, body) {
            (Some(shadow), body) if shadow.serial() != serial => {
                // A request's answer told of the track, and its start should have come by now; not that of a later play of it.
                let agrees = body.as_deref().is_some_and(|body| shadow.agrees(body));
                if agrees && !shadow.plays_again() {
                    told.extend(shadow.tell_due_start(guild, cx.now));
                    player.swallow_start |= !told.is_empty();
                }
                let is_up = self.links.get(link).is_some_and(Link::is_up);
                if body.is_some() && !agrees && !shadow.has_track() && is_up {
                    // The track is over, and the start of what took its place may have been lost.
                    cx.effects.push(Effect::FindPlayer { guild, link });
                }
            }
            (Some(shadow), Some(body)) => {
                shadow.found(guild, &body, cx.now, &mut told);
                shadow.end_at(end_time);
                player.end_told = !told.is_empty() && !shadow.has_track();
                player.swallow_start = !told.is_empty() && shadow.has_track();
            }
            (shadow, None) => {
                told.extend(shadow.iter().flat_map(|shadow| shadow.lost_end(guild, cx.now)));
                self.players.remove(guild);
                self.changed = true;
            }
            (None, Some(_)) => {}
        }
        for message in told {
            self.tell(message, cx);
        }
    }
}
