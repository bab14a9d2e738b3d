//! Migrations: each a few steps, one player at a time within the bound that all sessions share.

use std::time::{Duration, Instant};

use lavalink_protocol::id::GuildId;

use super::message::expects_start;
use super::{Cx, Effect, Machine, RestoreOutcome};
use crate::health::NodeState;
use crate::placement::{Choice, NoNode, NoNodeCause, Wanted};
use crate::pool::NodeId;
use crate::session::links::{LateStart, LinkId};
use crate::session::migration::{Migration, Move, MoveOutcome, MoveReason, Stage};
use crate::session::players::{Player, Seat};
use crate::session::shadow::{Asked, Shadow, voice_closed};

/// Between two looks for a node when there is none.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// A node that has not answered is asked for a player in doubt again.
const DOUBT_AGAIN: Duration = Duration::from_secs(3);
/// So often a player is tried, on one node or another.
const MAX_TRIES: u32 = 6;

impl Move {
    /// Requests of the guild wait from when the old node's answers might be missed by the new one.
    pub(super) fn blocks_requests(&self) -> bool {
        !self.reason.is_planned() || matches!(self.stage, Stage::Quieting(_) | Stage::Restoring { .. })
    }
}

impl Machine {
    /// Starts to move all players of a link.
    pub(super) fn move_all(&mut self, link: LinkId, from: NodeId, reason: MoveReason, cx: &mut Cx<'_>) {
        // The request of what was only reserved asks for a place again.
        self.players
            .retain(|player| player.link != link || !player.is_reserved());
        if !reason.is_planned() {
            self.confirm_all_on(link, cx);
        }
        if self.is_ended() {
            return;
        }
        for guild in self.players.guilds_on(link) {
            self.begin_move(guild, from, reason, None, cx);
        }
    }

    pub(super) fn move_player(&mut self, guild: GuildId, to: Option<NodeId>, cx: &mut Cx<'_>) {
        let on = self.players.link_of(guild).and_then(|link| self.links.get(link));
        if let Some(from) = on.map(|link| link.node).filter(|from| to != Some(*from)) {
            self.begin_move(guild, from, MoveReason::Operator, to, cx);
        }
    }

    pub(super) fn begin_move(
        &mut self,
        guild: GuildId,
        from: NodeId,
        reason: MoveReason,
        wanted: Option<NodeId>,
        cx: &mut Cx<'_>,
    ) {
        // What was only reserved has nothing to move.
        let Some(player) = self.players.get_mut(guild).filter(|player| !player.is_reserved()) else {
            return;
        };
        if player.moving {
            if reason.is_planned() {
                return;
            }
            // The node was lost while the player was about to leave it: the move goes on, with nothing to stay with.
            if let Some(moving) = self.moves.iter_mut().find(|moving| moving.guild == guild) {
                (moving.reason, moving.wanted) = (reason, None);
                moving.until = cx.now + self.settings.links.move_limit;
                if let Stage::Waiting(at) = &mut moving.stage {
                    *at = cx.now;
                }
            }
            self.changed = true;
            return;
        }
        player.moving = true;
        self.changed = true;
        self.moves.push(Move {
            guild,
            reason,
            from,
            wanted,
            since: cx.now,
            until: cx.now + self.settings.links.move_limit,
            asked: None,
            tried: Vec::new(),
            failures: 0,
            stage: Stage::Waiting(cx.now),
            choice: None,
        });
    }

    pub(super) fn move_due(&self, moving: &Move) -> Instant {
        let limit = moving.until;
        match moving.stage {
            Stage::Waiting(at) => at.min(limit),
            // These end by an input.
            Stage::Opening(_) | Stage::Quieting(_) | Stage::Restoring { .. } => limit.max(moving.since + Self::LATEST),
        }
    }

    /// When the shell has still not answered, something is wrong; this only keeps the clock from standing still.
    const LATEST: Duration = Duration::from_secs(120);

    /// Takes every move a step further that can go one.
    pub(super) fn advance_moves(&mut self, cx: &mut Cx<'_>) {
        let mut index = 0;
        while index < self.moves.len() {
            let guild = self.moves[index].guild;
            match self.moves[index].stage {
                Stage::Waiting(at) if at <= cx.now || self.move_due(&self.moves[index]) <= cx.now => {
                    self.take_turn(index, cx);
                }
                Stage::Opening(link) if self.links.get(link).is_some_and(super::Link::is_up) => {
                    self.target_is_up(index, link, cx);
                }
                _ => {}
            }
            // A move that is over has left the list.
            if self.is_ended() {
                return;
            }
            if self.moves.get(index).is_some_and(|moving| moving.guild == guild) {
                index += 1;
            }
        }
    }

    /// Looks for a node, and for a turn to move there.
    fn take_turn(&mut self, index: usize, cx: &mut Cx<'_>) {
        let moving = &self.moves[index];
        let (reason, from) = (moving.reason, moving.from);
        if reason == MoveReason::Drain && cx.env.state(from) != NodeState::Draining {
            return self.conclude(index, MoveOutcome::Dropped, cx);
        }
        if cx.now >= moving.until || moving.failures >= MAX_TRIES {
            let outcome = if reason.is_planned() {
                MoveOutcome::Stayed
            } else {
                MoveOutcome::Failed
            };
            return self.conclude(index, outcome, cx);
        }
        let guild = moving.guild;
        let known = self.players.get(guild).is_some_and(|player| player.shadow.is_some());
        if !known && !reason.is_planned() {
            // A player without track and voice would be none, and its client would not know.
            return self.conclude(index, MoveOutcome::Failed, cx);
        }
        self.end_what_ran_out(index, cx);
        if self.is_ended() || self.waits_for_word(index, cx) {
            return;
        }
        if let Err(at) = cx.env.may_move(reason, from, cx.now) {
            return self.wait_for_turn(index, at, cx);
        }
        let choice = match self.choose_target(index, cx) {
            Ok(choice) => choice,
            Err(_) => {
                let may_do_later = self.links.iter().any(|link| link.revived);
                let moving = &mut self.moves[index];
                // A node that failed once may do better later, or be the only one.
                moving.tried.clear();
                if !reason.is_planned() || may_do_later {
                    moving.stage = Stage::Waiting(cx.now + LOOK_AGAIN);
                    return;
                }
                return self.conclude(index, MoveOutcome::Stayed, cx);
            }
        };
        if let Err(at) = cx.env.begin_move(reason, from, choice.node, cx.now) {
            return self.wait_for_turn(index, at, cx);
        }
        cx.env.placed(choice.node);
        let link = self.link_to(choice.node, cx);
        let moving = &mut self.moves[index];
        (moving.choice, moving.stage) = (Some(choice), Stage::Opening(link));
        if self.links.get(link).is_some_and(super::Link::is_up) {
            self.target_is_up(index, link, cx);
        }
    }

    fn wait_for_turn(&mut self, index: usize, at: Instant, cx: &Cx<'_>) {
        let moving = &mut self.moves[index];
        moving.until = cx.now + self.settings.links.move_limit;
        moving.stage = Stage::Waiting(at.max(cx.now + Duration::from_millis(1)));
    }

    /// A planned move has the time to find out what is in doubt.
    fn waits_for_word(&mut self, index: usize, cx: &mut Cx<'_>) -> bool {
        let moving = &mut self.moves[index];
        let player = self.players.get(moving.guild);
        let shadow = player.and_then(|player| player.shadow.as_deref());
        if !moving.reason.is_planned() || shadow.is_some_and(|shadow| !shadow.doubtful) {
            return false;
        }
        moving.stage = Stage::Waiting(cx.now + LOOK_AGAIN);
        let asked = *moving.asked.get_or_insert(moving.since);
        if let Some(link) = player
            .map(|player| player.link)
            .filter(|_| cx.now >= asked + DOUBT_AGAIN)
        {
            moving.asked = Some(cx.now);
            let guild = moving.guild;
            cx.effects.push(Effect::FindPlayer { guild, link });
        }
        true
    }

    fn choose_target(&mut self, index: usize, cx: &mut Cx<'_>) -> Result<Choice, NoNode> {
        self.links.iter_mut().for_each(|link| link.forget_lost(cx.now));
        let moving = &self.moves[index];
        // What the player left on a node must be gone before it may come back there; a node that has not said yet which
        // players it has may have it.
        let guild = moving.guild;
        let left = self
            .links
            .iter()
            .filter(|link| link.has_lost(guild, cx.now) || link.revived)
            .map(|link| link.node);
        let mut exclude: Vec<NodeId> = left.chain(moving.tried.iter().copied()).collect();
        if let Some(node) = moving.wanted {
            let usable = cx.env.state(node).takes_work() && !exclude.contains(&node);
            return if usable && moving.reason == MoveReason::Region {
                Ok(Choice::by_region(node))
            } else if usable {
                Ok(Choice::by_operator(node))
            } else {
                Err(NoNode {
                    wanted: Wanted::V4,
                    cause: NoNodeCause::NoneUp,
                })
            };
        }
        if moving.reason.is_planned() {
            exclude.push(moving.from);
        }
        let shadow = self
            .players
            .get(moving.guild)
            .and_then(|player| player.shadow.as_deref());
        let needs = shadow.map(Shadow::needs).unwrap_or_default();
        self.choose(&needs, &exclude, cx)
    }

    /// A track whose end came by the clock while no node could be heard is over.
    fn end_what_ran_out(&mut self, index: usize, cx: &mut Cx<'_>) {
        let moving = &self.moves[index];
        let (guild, planned) = (moving.guild, moving.reason.is_planned());
        let shadow = self
            .players
            .get_mut(guild)
            .and_then(|player| player.shadow.as_deref_mut());
        let Some(shadow) = shadow.filter(|shadow| !planned && shadow.has_run_out(cx.now)) else {
            return;
        };
        for told in shadow.run_out(guild) {
            self.tell(told, cx);
        }
    }

    fn target_is_up(&mut self, index: usize, link: LinkId, cx: &mut Cx<'_>) {
        if self.moves[index].reason.is_planned() {
            self.moves[index].stage = Stage::Quieting(link);
            self.changed = true;
            cx.effects.push(Effect::AwaitQuiet(self.moves[index].guild));
        } else {
            self.restore(index, link, cx);
        }
    }

    pub(super) fn quiet(&mut self, guild: GuildId, cx: &mut Cx<'_>) {
        let index = self.moves.iter().position(|moving| moving.guild == guild);
        if let Some(index) = index
            && let Stage::Quieting(link) = self.moves[index].stage
        {
            if self.links.get(link).is_some_and(super::Link::is_up) {
                self.restore(index, link, cx);
            } else {
                self.failed_on_target(index, cx);
            }
        }
    }

    fn restore(&mut self, index: usize, link: LinkId, cx: &mut Cx<'_>) {
        if !self.moves[index].reason.is_planned() {
            self.end_what_ran_out(index, cx);
            if self.is_ended() {
                return;
            }
        }
        let ticket = self.new_ticket();
        let guild = self.moves[index].guild;
        self.moves[index].stage = Stage::Restoring { link, ticket };
        self.changed = true;
        let Some(player) = self.players.get_mut(guild) else {
            return;
        };
        let Some(shadow) = &mut player.shadow else { return };
        shadow.forget_earlier_play();
        let restore = shadow.restore(cx.now);
        player.swallow_start = restore.starts_track;
        cx.effects.push(Effect::Restore {
            guild,
            link,
            ticket,
            body: restore.body,
            writes: restore.writes,
        });
    }

    pub(super) fn restored(
        &mut self,
        guild: GuildId,
        link: LinkId,
        ticket: u32,
        outcome: RestoreOutcome,
        cx: &mut Cx<'_>,
    ) {
        let current = Stage::Restoring { link, ticket };
        let index = self
            .moves
            .iter()
            .position(|moving| moving.guild == guild && moving.stage == current);
        match (index, outcome) {
            (Some(index), RestoreOutcome::Done(answer)) => self.arrived(index, link, answer, cx),
            (Some(index), RestoreOutcome::Refused | RestoreOutcome::Lost) => {
                self.clear_leftover(guild, link, cx);
                self.failed_on_target(index, cx);
            }
            // The player was destroyed meanwhile, or moves elsewhere.
            (None, _) if self.players.link_of(guild) != Some(link) => self.clear_leftover(guild, link, cx),
            (None, _) => {}
        }
    }

    /// What a player left on a node, or what the node made of a restoring request that failed or is no longer wanted, does
    /// not stay there.
    pub(super) fn clear_leftover(&mut self, guild: GuildId, link: LinkId, cx: &mut Cx<'_>) {
        let ticket = self.new_ticket();
        let Some(known) = self.links.get_mut(link) else { return };
        self.changed = true;
        if known.lose(guild, ticket) {
            cx.effects.push(Effect::DestroyPlayer { guild, link, ticket });
        }
    }

    fn new_ticket(&mut self) -> u32 {
        let ticket = self.next_ticket;
        self.next_ticket = ticket.wrapping_add(1);
        ticket
    }

    /// Whether the player that [`Effect::DestroyPlayer`] with this ticket means is still to be destroyed. Its node may have
    /// shown meanwhile that it is gone, and the guild have a new player there.
    pub fn is_left(&self, guild: GuildId, link: LinkId, ticket: u32) -> bool {
        let left = self.links.get(link);
        left.is_some_and(|left| left.is_destroying(guild, ticket)) && self.players.link_of(guild) != Some(link)
    }

    fn arrived(&mut self, index: usize, link: LinkId, answer: Box<[u8]>, cx: &mut Cx<'_>) {
        let guild = self.moves[index].guild;
        let Some(player) = self.players.get_mut(guild) else {
            return;
        };
        let old = std::mem::replace(&mut player.link, link);
        match &mut player.shadow {
            Some(shadow) => {
                shadow.follow(&Asked::default(), answer, cx.now);
                if player.swallow_start {
                    shadow.hear_again(cx.now);
                }
            }
            None => player.shadow = Shadow::new(&Asked::default(), &answer, cx.now).map(Box::new),
        }
        if old != link {
            self.clear_leftover(guild, old, cx);
        }
        self.keep(link, cx);
        self.conclude(index, MoveOutcome::Moved, cx);
    }

    /// The target could not take the player: another one is looked for.
    fn failed_on_target(&mut self, index: usize, cx: &mut Cx<'_>) {
        let moving = &mut self.moves[index];
        let node = moving.holds();
        moving.tried.extend(node);
        moving.failures += 1;
        moving.stage = Stage::Waiting(cx.now);
        let (guild, planned) = (moving.guild, moving.reason.is_planned());
        if let Some(node) = node {
            cx.env.end_move(node);
        }
        self.changed = true;
        let Some(player) = self.players.get_mut(guild) else {
            return;
        };
        player.swallow_start = false;
        let link = player.link;
        // Its old node was not listened to meanwhile.
        if planned && self.links.get(link).is_some_and(super::Link::is_up) {
            cx.effects.push(Effect::FindPlayer { guild, link });
        }
    }

    /// The link that moves were to go to is gone.
    pub(super) fn moves_lost_target(&mut self, link: LinkId, node: NodeId, cx: &mut Cx<'_>) {
        for index in 0..self.moves.len() {
            if self.moves[index].target() == Some(link) {
                debug_assert_eq!(self.moves[index].holds(), Some(node));
                self.failed_on_target(index, cx);
            }
        }
    }

    /// A move is over: its turn is given back, and what its outcome means for the player is done.
    fn conclude(&mut self, index: usize, outcome: MoveOutcome, cx: &mut Cx<'_>) {
        let moving = self.moves.remove(index);
        let guild = moving.guild;
        self.changed = true;
        let mut known = false;
        let mut start_is_due = None;
        if let Some(player) = self.players.get_mut(guild) {
            player.moving = false;
            let due = player.shadow.as_ref().is_some_and(|shadow| shadow.start_is_due());
            start_is_due = Some(player.link).filter(|_| due && outcome != MoveOutcome::Moved);
            let stuck = moving.reason == MoveReason::Drain && outcome == MoveOutcome::Stayed;
            known = stuck && player.seat == Seat::Stuck;
            if !player.is_reserved() {
                player.seat = if stuck { Seat::Stuck } else { Seat::Taken };
            }
        }
        if known {
            self.give_turn_back(&moving, cx);
        } else {
            self.finish(&moving, outcome, cx);
        }
        if outcome != MoveOutcome::Failed {
            // What was found out while it moved was not told.
            let link = start_is_due.filter(|link| self.links.get(*link).is_some_and(super::Link::is_up));
            cx.effects.extend(link.map(|link| Effect::FindPlayer { guild, link }));
            return;
        }
        let Some(player) = self.players.remove(guild) else {
            return;
        };
        let failed = player.shadow.as_ref().map(|shadow| shadow.failed(guild));
        // A player of which nothing is known had a voice connection, as far as can be known.
        let voice = player.shadow.is_none_or(|shadow| shadow.has_voice());
        for told in failed.into_iter().flatten().chain(voice.then(|| voice_closed(guild))) {
            self.tell(told, cx);
        }
    }

    fn give_turn_back(&mut self, moving: &Move, cx: &mut Cx<'_>) {
        if let Some(node) = moving.holds() {
            cx.env.end_move(node);
        }
    }

    /// Gives the turn back and reports.
    pub(super) fn finish(&mut self, moving: &Move, outcome: MoveOutcome, cx: &mut Cx<'_>) {
        self.give_turn_back(moving, cx);
        cx.effects.push(Effect::Migrated(Migration {
            guild: moving.guild,
            from: moving.from,
            to: moving.choice.map(|choice| choice.node),
            reason: moving.reason,
            outcome,
            why: moving.choice.map(|choice| choice.why),
            took: cx.now.saturating_duration_since(moving.since),
            tries: moving.failures + u32::from(moving.holds().is_some()),
        }));
    }

    // --- what requests did -------------------------------------------------------------------------------------------

    pub(super) fn player_answered(
        &mut self,
        guild: GuildId,
        link: LinkId,
        asked: &Asked,
        answer: Box<[u8]>,
        cx: &mut Cx<'_>,
    ) {
        if self.links.get(link).is_none() {
            return self.answered_late(guild, link, asked, answer, cx);
        }
        let known = self.players.get(guild).is_some_and(|player| !player.is_reserved());
        let suspect = !asked.new_track && self.is_suspect(guild, link);
        // While it was under way, that is.
        let since = asked.sent.unwrap_or(cx.now);
        let away = self.links.get(link).is_some_and(|link| link.has_lost(guild, since));
        let player = self.players.entry(guild, link);
        if player.link != link {
            return;
        }
        player.seat = Seat::Taken;
        let differs = |shadow: &Shadow| !shadow.agrees(&answer) && !shadow.has_ended(&answer);
        if suspect && player.shadow.as_deref().is_some_and(differs) {
            // The answer must not cover up that a track ended unheard.
            return self.suspect_answer(guild, link, asked, answer, cx);
        }
        let found_voice = match &mut player.shadow {
            Some(shadow) => {
                let before = (asked.voice && shadow.never_played()).then(|| shadow.needs());
                // Found by parsing, so only where it can matter.
                let due = asked.new_track.then(|| shadow.first_due_start()).flatten();
                let overtaken = asked.new_track && asked.sent.is_some_and(|sent| shadow.is_newer_than(sent));
                shadow.follow(asked, answer, cx.now);
                if overtaken && shadow.plays_again() {
                    // The node may have been asked meanwhile, since its link broke with the start in it: what it showed
                    // then was not taken for the next play.
                    cx.effects.push(Effect::FindPlayer { guild, link });
                }
                let replaced = due.filter(|due| shadow.mark() != Some(*due));
                if let (Some(track), Some(link)) = (replaced, self.links.get_mut(link)) {
                    link.expect_start(LateStart {
                        guild,
                        track,
                        told: false,
                        since: cx.now,
                    });
                }
                before.is_some_and(|before| shadow.never_played() && before.region() != shadow.needs().region())
            }
            None => {
                let shadow = self.first_shadow((guild, link, known), asked, &answer, cx.now);
                let due = shadow.as_ref().is_some_and(|shadow| shadow.start_is_due());
                self.players.entry(guild, link).shadow = shadow;
                if due && away {
                    // Its start may have come before, when nobody could tell it from what is left of an earlier player.
                    self.suspect(guild, link, Some(answer), cx);
                }
                false
            }
        };
        if found_voice {
            self.place_anew(guild, link, cx);
        }
        if known {
            return;
        }
        self.is_there(guild, link, cx);
    }

    /// A player is there that was not known: its node keeps it, unless it is to leave at once.
    pub(super) fn is_there(&mut self, guild: GuildId, link: LinkId, cx: &mut Cx<'_>) {
        self.changed = true;
        self.keep(link, cx);
        let node = self.links.get(link).map(|link| link.node);
        if let Some(node) = node.filter(|node| cx.env.state(*node) == NodeState::Draining) {
            self.begin_move(guild, node, MoveReason::Drain, None, cx);
        }
    }

    /// The answer comes after its link is gone: it counts for a player that has not been restored yet, and one that was
    /// made just before moves as well.
    fn answered_late(&mut self, guild: GuildId, link: LinkId, asked: &Asked, answer: Box<[u8]>, cx: &mut Cx<'_>) {
        let restoring = self.move_of(guild).and_then(Move::restoring_on).is_some();
        match (self.players.get_mut(guild), self.last_lost) {
            (Some(player), _) if player.link == link && !restoring => match &mut player.shadow {
                Some(shadow) => shadow.follow(asked, answer, cx.now),
                None => {
                    let shadow = self.first_shadow((guild, link, true), asked, &answer, cx.now);
                    self.players.entry(guild, link).shadow = shadow;
                }
            },
            (None, Some((lost, node))) if lost == link => {
                let shadow = self.first_shadow((guild, link, false), asked, &answer, cx.now);
                self.players.entry(guild, link).shadow = shadow;
                self.begin_move(guild, node, MoveReason::NodeDown, None, cx);
            }
            _ => {}
        }
    }

    /// A node is asked to keep its session once there is something to keep.
    pub(super) fn keep(&mut self, link: LinkId, cx: &mut Cx<'_>) {
        if let Some(link) = self.links.get_mut(link).filter(|link| link.is_up() && !link.kept) {
            link.kept = true;
            cx.effects.push(Effect::Keep(link.id));
        }
    }

    pub(super) fn destroyed(&mut self, guild: GuildId, link: LinkId, ticket: u32, cx: &mut Cx<'_>) {
        if let Some(link) = self.links.get_mut(link) {
            link.destroyed(guild, ticket, cx.now);
            // Requests may wait for that.
            self.changed = true;
        }
    }

    pub(super) fn player_doubted(&mut self, guild: GuildId, link: LinkId, cx: &mut Cx<'_>) {
        if let Some(shadow) = self.shadow_on(guild, link) {
            shadow.doubtful = true;
        }
        if self.links.get(link).is_some_and(super::Link::is_up) {
            cx.effects.push(Effect::FindPlayer { guild, link });
        }
    }

    pub(super) fn player_gone(&mut self, guild: GuildId, link: LinkId, cx: &mut Cx<'_>) {
        match self.players.link_of(guild) {
            Some(on) if on == link => {}
            Some(_) => return,
            // A node that is being asked for its players may show it yet.
            None => return self.gone.note(guild, cx.now),
        }
        let removed = self.players.remove(guild);
        let late = removed.and_then(|player| late_start_of(&player, cx.now));
        if let (Some(late), Some(link)) = (late, self.links.get_mut(link)) {
            link.expect_start(late);
        }
        self.suspects.retain(|suspect| suspect.guild != guild);
        self.changed = true;
        self.gone.note(guild, cx.now);
        self.drop_move(guild, cx);
    }

    /// A player that is gone moves no more.
    pub(super) fn drop_move(&mut self, guild: GuildId, cx: &mut Cx<'_>) {
        if let Some(index) = self.moves.iter().position(|moving| moving.guild == guild) {
            let moving = self.moves.remove(index);
            self.finish(&moving, MoveOutcome::Dropped, cx);
        }
    }
}

/// The start that is on its way of a player that its client destroyed.
fn late_start_of(player: &Player, now: Instant) -> Option<LateStart> {
    let shadow = player.shadow.as_deref()?;
    let (track, told) = match shadow.first_due_start() {
        Some(track) => (track, false),
        None => (shadow.heard().filter(|_| expects_start(player, now))?, true),
    };
    Some(LateStart {
        guild: player.guild,
        track,
        told,
        since: now,
    })
}
