//! A bot with a good memory: what it asked for, what it was answered, what it heard.

use std::collections::{BTreeMap, BTreeSet};

use lavalink_protocol::id::GuildId;
use serde_json::Value;

#[derive(Default)]
pub(super) struct Client {
    /// Its socket is there.
    pub(super) connected: bool,
    guilds: BTreeMap<GuildId, Guild>,
    next_track: u64,
}

#[derive(Default)]
struct Guild {
    started: BTreeSet<u64>,
    ended: BTreeSet<u64>,
    /// Tracks that a node took, by its answer.
    answered: BTreeSet<u64>,
    /// Tracks whose end the client brought about itself, or of which it does not know what became.
    excused: BTreeSet<u64>,
    /// Tracks whose request is sent again, its node having died before it answered.
    repeated: BTreeSet<u64>,
    /// Tracks that were asked for again: the end of their earlier play may come yet.
    again: BTreeSet<u64>,
    /// Those of which an end came that may be of either play.
    vague: BTreeSet<u64>,
    /// Tracks that two nodes may have, each of which tells their end.
    on_two: BTreeSet<u64>,
    /// Tracks of which it may not have heard all that there was to hear.
    unsure: BTreeSet<u64>,
    /// The newest track asked for.
    newest: Option<u64>,
}

impl Client {
    pub(super) fn new_track(&mut self) -> u64 {
        self.next_track += 1;
        self.next_track
    }

    /// It asks for something that ends what plays.
    pub(super) fn replaces(&mut self, guild: GuildId, with: Option<u64>) {
        let guild = self.guilds.entry(guild).or_default();
        guild.excused.extend(guild.newest);
        guild.newest = with.or(guild.newest);
    }

    /// The newest track, if it has heard its start, and its end or nothing more, and can play it again.
    pub(super) fn plays_again(&self, guild: GuildId) -> Option<u64> {
        let guild = self.guilds.get(&guild)?;
        let newest = guild.newest.filter(|newest| guild.started.contains(newest))?;
        let unclear = [&guild.excused, &guild.unsure, &guild.repeated, &guild.again];
        (!unclear.iter().any(|tracks| tracks.contains(&newest))).then_some(newest)
    }

    /// It plays its newest track again: what it has heard of it says nothing any more.
    pub(super) fn repeats_track(&mut self, guild: GuildId, track: u64) {
        let guild = self.guilds.entry(guild).or_default();
        guild.answered.remove(&track);
        guild.started.remove(&track);
        if !guild.ended.remove(&track) {
            guild.again.insert(track);
        }
    }

    pub(super) fn answered(&mut self, guild: GuildId, track: Option<u64>) {
        self.guilds.entry(guild).or_default().answered.extend(track);
    }

    /// A request of its is sent again.
    pub(super) fn repeats(&mut self, guild: GuildId, track: Option<u64>) {
        self.guilds.entry(guild).or_default().repeated.extend(track);
    }

    /// It cannot know what became of its newest track.
    pub(super) fn excuses(&mut self, guild: GuildId) {
        let guild = self.guilds.entry(guild).or_default();
        guild.excused.extend(guild.newest);
        guild.unsure.extend(guild.newest);
    }

    pub(super) fn excuses_all(&mut self) {
        for guild in self.guilds.values_mut() {
            guild.excused.extend(guild.newest);
            guild.unsure.extend(guild.answered.iter().chain(&guild.newest));
        }
    }

    /// The proxy was killed before it had cleared up what a player left on a node: it may come back, and where it ends before
    /// the next run has asked both nodes for their players, that run cannot know that the end was told.
    pub(super) fn may_come_back(&mut self, guild: GuildId, track: u64) {
        let guild = self.guilds.entry(guild).or_default();
        guild.ended.remove(&track);
        guild.on_two.insert(track);
        guild.unsure.insert(track);
        guild.excused.insert(track);
    }

    /// A session is over, and with it all that was to be told.
    pub(super) fn forgets(&mut self) {
        self.guilds.clear();
    }

    pub(super) fn hear(&mut self, message: &[u8]) {
        let message: Value = serde_json::from_slice(message).unwrap();
        let (Some(kind), Some(guild)) = (message["type"].as_str(), message["guildId"].as_str()) else {
            return;
        };
        let number = || {
            message["track"]["info"]["identifier"]
                .as_str()
                .unwrap()
                .parse::<u64>()
                .unwrap()
        };
        let id = GuildId(guild.parse().unwrap());
        let guild = self.guilds.entry(id).or_default();
        match kind {
            "TrackStartEvent" => {
                let number = number();
                if guild.again.remove(&number) {
                    guild.ended.remove(&number);
                    guild.vague.remove(&number);
                }
                if guild.started.contains(&number) && guild.repeated.remove(&number) {
                    guild.ended.remove(&number);
                    guild.started.remove(&number);
                }
                assert!(!guild.ended.contains(&number), "{id:?}: {number} starts after its end");
                let last = guild.started.last().copied();
                assert!(
                    last.is_none_or(|last| last < number),
                    "{id:?}: {number} starts after {last:?}"
                );
                guild.started.insert(number);
            }
            "TrackEndEvent" => {
                let number = number();
                if guild.again.contains(&number) {
                    // Of the earlier play, or of this one when its start was lost: nobody can tell.
                    if message["reason"] != "replaced" {
                        guild.ended.insert(number);
                        guild.vague.insert(number);
                    }
                    return;
                }
                let first = guild.ended.insert(number) || guild.on_two.remove(&number);
                assert!(first, "{id:?}: {number} ends twice");
                let unsure = guild.unsure.contains(&number) || !guild.answered.contains(&number);
                assert!(
                    unsure || guild.started.contains(&number),
                    "{id:?}: {number} ends and never started"
                );
            }
            _ => {}
        }
    }

    /// Nothing moves any more: every track has ended by its word, or plays, and it was told that it started.
    pub(super) fn assert_told(&self, plays: impl Fn(GuildId) -> Option<u64>) {
        for (id, guild) in &self.guilds {
            let playing = plays(*id);
            for number in guild.answered.iter().chain(&guild.started) {
                let told = guild.ended.contains(number) || guild.excused.contains(number);
                assert!(
                    told || playing == Some(*number),
                    "{id:?}: nobody said what became of {number}"
                );
                let excused = guild.excused.contains(number) || guild.vague.contains(number);
                let told = guild.started.contains(number) || excused;
                assert!(told, "{id:?}: nobody said that {number} started");
            }
            if let Some(playing) = playing {
                assert!(!guild.ended.contains(&playing), "{id:?}: {playing} plays after its end");
            }
        }
    }
}
