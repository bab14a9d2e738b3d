//! Where players that are new go: a place is reserved for a request that makes one, and given back when none came to be.
//! One that has not played yet goes to a better place once it is known where its voice connection is.

use std::time::{Duration, Instant};

use lavalink_protocol::id::GuildId;

use super::{Cx, Effect, Machine, Placed, PlacementMode, Route};
use crate::placement::{Choice, Rule};
use crate::pool::NodeId;
use crate::session::links::LinkId;
use crate::session::migration::{MoveReason, PlayerWant, Surroundings};
use crate::session::players::Seat;
use crate::session::shadow::Needs;

/// A place that no answer told of by then is looked at: its request has failed, or its client has gone away.
const LOOK_AFTER: Duration = Duration::from_secs(30);

/// With more places than this they are sorted out before they are due.
const MANY: usize = 64;

/// A place that was found for a player.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reservation {
    guild: GuildId,
    link: LinkId,
    pub(super) due: Instant,
}

impl Machine {
    /// Finds a node for a guild's new player, and opens a link to it if there is none.
    pub fn place(
        &mut self,
        guild: GuildId,
        needs: &Needs,
        now: Instant,
        env: &mut dyn Surroundings,
        effects: &mut Vec<Effect>,
    ) -> Placed {
        let cx = &mut Cx { now, env, effects };
        match self.route(guild) {
            Route::Link(link) => return Placed::Link(link),
            Route::Wait if self.players.get(guild).is_some() || self.links.iter().any(|link| link.revived) => {
                return Placed::Wait;
            }
            Route::Wait | Route::Unplaced => {}
        }
        let choice = match self.choose_place(guild, needs, cx) {
            Ok(choice) => choice,
            Err(placed) => return placed,
        };
        cx.env.placed(choice.node);
        let link = self.link_to(choice.node, cx);
        self.reserve(guild, link, cx);
        let placed = match self.route(guild) {
            Route::Link(link) => Placed::Link(link),
            _ => Placed::Wait,
        };
        self.settle(cx);
        placed
    }

    /// Where an earlier player of the guild is still to be destroyed is no place for the new one, which would go the same
    /// way: it waits. Where that is just done is one, if there is no other.
    fn choose_place(&mut self, guild: GuildId, needs: &Needs, cx: &mut Cx<'_>) -> Result<Choice, Placed> {
        self.links.iter_mut().for_each(|link| link.forget_lost(cx.now));
        let lost = self.links.iter().filter(|link| link.has_lost(guild, cx.now));
        let lost: Vec<NodeId> = lost.map(|link| link.node).collect();
        if let Ok(choice) = self.choose(needs, &lost, cx) {
            return Ok(choice);
        }
        let left = self.links.iter().filter(|link| link.left().any(|left| left == guild));
        let left: Vec<NodeId> = left.map(|link| link.node).collect();
        self.choose(needs, &left, cx).map_err(|none| {
            let will_do = left.iter().any(|node| cx.env.state(*node).takes_work());
            if will_do { Placed::Wait } else { Placed::Nowhere(none) }
        })
    }

    /// Guilds without a player, in a session that is kept together, whose requests wait: on the session's link an earlier
    /// player of theirs is still to be destroyed.
    pub fn held_up(&self) -> impl Iterator<Item = GuildId> {
        let link = match self.route_of_others() {
            Route::Link(link) => self.links.get(link),
            Route::Wait | Route::Unplaced => None,
        };
        let left = link.into_iter().flat_map(super::Link::left);
        left.filter(move |guild| self.players.get(*guild).is_none())
    }

    fn reserve(&mut self, guild: GuildId, link: LinkId, cx: &mut Cx<'_>) {
        self.players.entry(guild, link).seat = Seat::Reserved;
        self.changed = true;
        if self.reservations.len() >= MANY.max(2 * self.players.all()) {
            // Players that came to be and went again in the meantime.
            let players = &self.players;
            self.reservations.retain(|reservation| {
                players
                    .get(reservation.guild)
                    .is_some_and(|player| player.is_reserved())
            });
        }
        let due = cx.now + LOOK_AFTER;
        self.reservations.push_back(Reservation { guild, link, due });
    }

    /// Looks at places whose player should be there by now.
    pub(super) fn check_reservations(&mut self, cx: &mut Cx<'_>) {
        while let Some(&Reservation { guild, link, due }) = self.reservations.front()
            && due <= cx.now
        {
            self.reservations.pop_front();
            let player = self.players.get(guild);
            if player.is_some_and(|player| player.is_reserved() && player.link == link) {
                // A node that does not answer is asked again.
                let due = cx.now + LOOK_AFTER;
                self.reservations.push_back(Reservation { guild, link, due });
                if self.links.get(link).is_some_and(super::Link::is_up) {
                    cx.effects.push(Effect::FindPlayer { guild, link });
                }
            }
        }
        if self.reservations.is_empty() {
            self.reservations.shrink_to_fit();
        }
    }

    /// The voice region of a player that has never played has become known: it goes where it is better off, if that is
    /// worth more than the threads of another link.
    pub(super) fn place_anew(&mut self, guild: GuildId, link: LinkId, cx: &mut Cx<'_>) {
        if self.settings.placement == PlacementMode::Session {
            return;
        }
        let Some(here) = self.links.get(link).map(|link| link.node) else {
            return;
        };
        let needs = self.players.get(guild).and_then(|player| player.shadow.as_ref());
        let Some(needs) = needs
            .map(|shadow| shadow.needs())
            .filter(|needs| needs.region().is_some())
        else {
            return;
        };
        let want = PlayerWant {
            needs: &needs,
            exclude: &[],
            near: &[here],
        };
        if let Ok(choice) = cx.env.place(&want, cx.now)
            && choice.node != here
            && matches!(choice.why.rule, Rule::Score(_) | Rule::NothingKnown)
        {
            self.begin_move(guild, here, MoveReason::Region, Some(choice.node), cx);
        }
    }
}
