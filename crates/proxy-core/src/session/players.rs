//! Which guilds of a session have a player, and on which link. What a player plays is its [`Shadow`].

use lavalink_protocol::id::GuildId;

use crate::session::links::LinkId;
use crate::session::shadow::Shadow;

/// How a player holds its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seat {
    /// It was placed for a request whose answer has not come; it may never exist.
    Reserved,
    /// It is there.
    Taken,
    /// It could not leave its drained node, which was reported: it is tried again with every node that comes up, and need
    /// not be reported again.
    Stuck,
}

/// One player.
#[derive(Debug)]
pub struct Player {
    /// Whose it is.
    pub guild: GuildId,
    /// The link that it is on; a link that is gone while the player waits for another.
    pub link: LinkId,
    /// It is being moved, or waits for that.
    pub(crate) moving: bool,
    /// The next `TrackStartEvent` is the move's own, or late: when it is of the track whose start was told last, the client
    /// knows it.
    pub(crate) swallow_start: bool,
    /// The end of the last track was told already.
    pub(crate) end_told: bool,
    pub(crate) seat: Seat,
    /// What is known of it; `None` before its node has answered.
    pub shadow: Option<Box<Shadow>>,
}

impl Player {
    pub(crate) fn new(guild: GuildId, link: LinkId) -> Self {
        Self {
            guild,
            link,
            moving: false,
            swallow_start: false,
            end_told: false,
            seat: Seat::Taken,
            shadow: None,
        }
    }

    /// It may never exist.
    pub(crate) fn is_reserved(&self) -> bool {
        self.seat == Seat::Reserved
    }

    /// Whether it is being moved, or waits for that.
    pub fn is_moving(&self) -> bool {
        self.moving
    }
}

/// The players of one session, sorted by guild: 24 bytes each beside their shadows, since most sessions have few players
/// and idle sessions must cost little. Adding to a session with thousands moves some kilobytes, once per player's life.
#[derive(Debug, Default)]
pub struct Players(Vec<Player>);

impl Players {
    /// The guild's player, made on `link` if there is none.
    pub(crate) fn entry(&mut self, guild: GuildId, link: LinkId) -> &mut Player {
        let index = match self.index(guild) {
            Ok(index) => index,
            Err(index) => {
                if self.0.is_empty() {
                    self.0.reserve_exact(1);
                }
                self.0.insert(index, Player::new(guild, link));
                index
            }
        };
        &mut self.0[index]
    }

    /// Forgets a player.
    pub(crate) fn remove(&mut self, guild: GuildId) -> Option<Player> {
        let index = self.index(guild).ok()?;
        let player = self.0.remove(index);
        if self.0.len() * 4 < self.0.capacity() {
            self.0.shrink_to(self.0.len() * 2);
        }
        Some(player)
    }

    fn index(&self, guild: GuildId) -> Result<usize, usize> {
        self.0.binary_search_by_key(&guild, |player| player.guild)
    }

    /// The guild's player.
    pub fn get(&self, guild: GuildId) -> Option<&Player> {
        self.0.get(self.index(guild).ok()?)
    }

    pub(crate) fn get_mut(&mut self, guild: GuildId) -> Option<&mut Player> {
        let index = self.index(guild).ok()?;
        self.0.get_mut(index)
    }

    /// The link that a guild's player is on.
    pub fn link_of(&self, guild: GuildId) -> Option<LinkId> {
        self.get(guild).map(|player| player.link)
    }

    /// All players, by guild.
    pub fn iter(&self) -> impl Iterator<Item = &Player> {
        self.0.iter()
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&Player) -> bool) {
        self.0.retain(keep);
    }

    /// The guilds with players on a link.
    pub fn guilds_on(&self, link: LinkId) -> Vec<GuildId> {
        let on = self.0.iter().filter(|player| player.link == link);
        on.map(|player| player.guild).collect()
    }

    /// The players on a link.
    pub(crate) fn on_mut(&mut self, link: LinkId) -> impl Iterator<Item = &mut Player> {
        self.0.iter_mut().filter(move |player| player.link == link)
    }

    /// How many players a link has, without those that may never exist.
    pub fn on(&self, link: LinkId) -> usize {
        self.0
            .iter()
            .filter(|player| player.link == link && !player.is_reserved())
            .count()
    }

    /// How many players there are, without those that may never exist.
    pub fn len(&self) -> usize {
        self.0.iter().filter(|player| !player.is_reserved()).count()
    }

    /// How many there are or may come to be.
    pub(crate) fn all(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all players and frees the memory.
    pub(crate) fn clear(&mut self) {
        self.0 = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn players_are_found_and_forgotten_whatever_the_order_they_came_in() {
        let mut players = Players::default();
        for guild in [5, 1, 9, 3, 7] {
            players.entry(GuildId(guild), LinkId(0));
        }
        players.entry(GuildId(3), LinkId(9)).link = LinkId(1);
        assert_eq!(
            (players.len(), players.on(LinkId(0)), players.link_of(GuildId(3))),
            (5, 4, Some(LinkId(1)))
        );
        let guilds: Vec<_> = players.iter().map(|player| player.guild.0).collect();
        assert_eq!(guilds, [1, 3, 5, 7, 9]);
        assert!(players.remove(GuildId(3)).is_some() && players.remove(GuildId(3)).is_none());
        players.clear();
        assert!(players.is_empty());
    }

    #[test]
    fn a_player_is_small_and_memory_follows_their_number_down_again() {
        assert!(size_of::<Player>() <= 24, "{}", size_of::<Player>());
        let mut players = Players::default();
        (0..1000).for_each(|guild| _ = players.entry(GuildId(guild), LinkId(0)));
        (1..1000).for_each(|guild| _ = players.remove(GuildId(guild)));
        assert!(players.0.capacity() <= 8, "{}", players.0.capacity());
    }
}
