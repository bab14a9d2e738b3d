//! Whose players were destroyed a short while ago, or had a track that ended before anything else was known of them: what
//! a node was asked before that may still show them.

use std::time::{Duration, Instant};

use lavalink_protocol::id::GuildId;

/// So many are told apart.
const MAX_GUILDS: usize = 256;
/// No node takes so long for its answer.
const LONGEST: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Gone {
    /// Oldest first.
    guilds: Vec<(GuildId, Instant)>,
    /// The newest of those that there was no room for: it counts for every guild.
    others: Option<Instant>,
}

impl Gone {
    pub(super) fn note(&mut self, guild: GuildId, now: Instant) {
        self.guilds.retain(|(known, at)| *known != guild && now < *at + LONGEST);
        if self.guilds.len() >= MAX_GUILDS {
            self.others = Some(self.guilds.remove(0).1);
        }
        self.guilds.push((guild, now));
    }

    /// Whether an answer to what was asked at this instant may be out of date.
    pub(super) fn is_since(&self, guild: GuildId, asked: Instant) -> bool {
        let known = self.guilds.iter().filter(|(gone, _)| *gone == guild);
        known.map(|(_, at)| *at).chain(self.others).any(|at| asked <= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_guild_is_judged_by_itself_until_there_are_too_many() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut gone = Gone::default();
        gone.note(GuildId(1), at(10));
        assert!(gone.is_since(GuildId(1), at(10)) && gone.is_since(GuildId(1), at(9)));
        assert!(!gone.is_since(GuildId(1), at(11)) && !gone.is_since(GuildId(2), at(9)));
        (2..MAX_GUILDS as u64 + 2).for_each(|guild| gone.note(GuildId(guild), at(guild + 10)));
        assert_eq!(gone.guilds.len(), MAX_GUILDS);
        assert!(
            gone.is_since(GuildId(1), at(10)) && gone.is_since(GuildId(9999), at(10)),
            "one is not told apart"
        );
        assert!(!gone.is_since(GuildId(9999), at(11)));
        gone.note(GuildId(1), at(10) + 2 * LONGEST);
        assert_eq!(gone.guilds.len(), 1, "what is long past takes no room");
    }
}
