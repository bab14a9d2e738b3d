//! Which guilds of a session have a player, and on which link. Not for what the players play: that is the shadow's, and
//! comes with migration.

use lavalink_protocol::id::GuildId;

use crate::session::links::LinkId;

/// The players of one session, sorted by guild: 16 bytes each and no more, since most sessions have few players and
/// idle sessions must cost little. Adding to a session with thousands moves some kilobytes, once per player's life.
#[derive(Debug, Default)]
pub struct Players(Vec<(GuildId, LinkId)>);

impl Players {
    /// Records a player on a link. Returns the link it was on before, if any.
    pub fn insert(&mut self, guild: GuildId, link: LinkId) -> Option<LinkId> {
        match self.0.binary_search_by_key(&guild, |(guild, _)| *guild) {
            Ok(index) => Some(std::mem::replace(&mut self.0[index].1, link)),
            Err(index) => {
                if self.0.is_empty() {
                    self.0.reserve_exact(1);
                }
                self.0.insert(index, (guild, link));
                None
            }
        }
    }

    /// Forgets a player. Returns the link it was on.
    pub fn remove(&mut self, guild: GuildId) -> Option<LinkId> {
        let index = self.0.binary_search_by_key(&guild, |(guild, _)| *guild).ok()?;
        let (_, link) = self.0.remove(index);
        if self.0.len() * 4 < self.0.capacity() {
            self.0.shrink_to(self.0.len() * 2);
        }
        Some(link)
    }

    /// The link that a guild's player is on.
    pub fn link_of(&self, guild: GuildId) -> Option<LinkId> {
        let index = self.0.binary_search_by_key(&guild, |(guild, _)| *guild).ok()?;
        Some(self.0[index].1)
    }

    /// All players with their links, by guild.
    pub fn iter(&self) -> impl Iterator<Item = (GuildId, LinkId)> {
        self.0.iter().copied()
    }

    /// How many players a link has.
    pub fn on(&self, link: LinkId) -> usize {
        self.0.iter().filter(|(_, on)| *on == link).count()
    }

    /// How many players there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets all players and frees the memory.
    pub fn clear(&mut self) {
        self.0 = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn players_are_found_moved_and_forgotten_whatever_the_order_they_came_in() {
        let mut players = Players::default();
        for guild in [5, 1, 9, 3, 7] {
            assert_eq!(players.insert(GuildId(guild), LinkId(0)), None);
        }
        assert_eq!(players.insert(GuildId(3), LinkId(1)), Some(LinkId(0)));
        assert_eq!(
            (players.len(), players.on(LinkId(0)), players.link_of(GuildId(3))),
            (5, 4, Some(LinkId(1)))
        );
        assert_eq!(
            players.iter().map(|(guild, _)| guild.0).collect::<Vec<_>>(),
            [1, 3, 5, 7, 9]
        );
        assert_eq!(
            (players.remove(GuildId(3)), players.remove(GuildId(3))),
            (Some(LinkId(1)), None)
        );
        players.clear();
        assert!(players.is_empty());
    }

    #[test]
    fn memory_follows_the_number_of_players_down_again() {
        let mut players = Players::default();
        (0..1000).for_each(|guild| _ = players.insert(GuildId(guild), LinkId(0)));
        (1..1000).for_each(|guild| _ = players.remove(GuildId(guild)));
        assert!(players.0.capacity() <= 8, "{}", players.0.capacity());
    }
}
