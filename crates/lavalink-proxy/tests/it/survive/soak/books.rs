//! What the bots heard, held against what the nodes say that they have delivered.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use proxy_testkit::SimNode;
use proxy_testkit::sim::Counted;
use serde_json::Value;

use super::chaos::Freeze;

/// How many complaints are worth reading.
const SHOWN: usize = 20;

/// What is known of one guild.
#[derive(Debug, Default)]
struct Guild {
    /// Its counted events, in the order in which they came.
    counted: Vec<Counted>,
    /// Tracks that the proxy said it plays.
    played: u32,
    starts: u32,
    ends: u32,
    /// What it should never have heard.
    trouble: Vec<String>,
}

/// All guilds of all bots.
#[derive(Debug, Default)]
pub(super) struct Books {
    guilds: Mutex<BTreeMap<i64, Guild>>,
    other: Mutex<BTreeMap<&'static str, u32>>,
}

impl Books {
    fn guilds(&self) -> MutexGuard<'_, BTreeMap<i64, Guild>> {
        self.guilds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts anything else that is worth a figure.
    pub(super) fn note(&self, what: &'static str) {
        *self
            .other
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(what)
            .or_default() += 1;
    }

    /// The answer to a request to play a track was 200.
    pub(super) fn played(&self, guild: i64) {
        self.guilds().entry(guild).or_default().played += 1;
    }

    /// Takes a message; whether a track of the guild has ended, so that the next one has to be played.
    pub(super) fn heard(&self, message: &Value) -> Option<i64> {
        let guild: i64 = message["guildId"].as_str()?.parse().ok()?;
        let mut guilds = self.guilds();
        let entry = guilds.entry(guild).or_default();
        match message["type"].as_str()? {
            "SimCountedEvent" => entry.counted.push(Counted {
                guild,
                player: message["simPlayer"].as_u64().unwrap(),
                number: message["simCount"].as_u64().unwrap(),
            }),
            "TrackStartEvent" => entry.starts += 1,
            "TrackEndEvent" => {
                entry.ends += 1;
                match message["reason"].as_str() {
                    Some("finished") => {}
                    // What became of it nobody knows; its bot plays the next one either way.
                    Some("loadFailed") => self.note("tracks whose end was found out"),
                    _ => entry.trouble.push(message.to_string()),
                }
                return Some(guild);
            }
            _ => entry.trouble.push(message.to_string()),
        }
        None
    }

    /// How many guilds have heard a track start.
    pub(super) fn playing(&self) -> usize {
        self.guilds().values().filter(|guild| guild.starts > 0).count()
    }

    /// Guilds of which a node does not have exactly what their bot believes.
    pub(super) fn unsettled(&self, nodes: &[SimNode]) -> Vec<String> {
        let mut on: BTreeMap<i64, u32> = BTreeMap::new();
        for guild in nodes
            .iter()
            .flat_map(SimNode::sessions)
            .flat_map(|session| session.guilds)
        {
            *on.entry(guild).or_default() += 1;
        }
        let guilds = self.guilds();
        let wrong = guilds.iter().filter_map(|(guild, known)| {
            let players = on.get(guild).copied().unwrap_or_default();
            // A start may be lost with the node that was to send it; an end is told by whoever finds out.
            let told = known.starts <= known.played && (known.ends == known.played || known.ends + 1 == known.played);
            (players != 1 || !told).then(|| {
                let Guild {
                    played, starts, ends, ..
                } = known;
                format!("guild {guild}: {players} players; played {played}, heard {starts} starts and {ends} ends")
            })
        });
        wrong.take(SHOWN).collect()
    }

    /// What is wrong with what was heard.
    pub(super) fn complaints(&self, nodes: &[SimNode], freezes: &[Freeze]) -> Vec<String> {
        let guilds = self.guilds();
        let mut complaints = Vec::new();
        for (guild, known) in &*guilds {
            for message in &known.trouble {
                complaints.push(format!("guild {guild} was told {message}"));
            }
            for pair in known.counted.windows(2).filter(|pair| pair[0] >= pair[1]) {
                complaints.push(format!("guild {guild}: {:?} came before {:?}", pair[0], pair[1]));
            }
        }
        let heard: BTreeSet<Counted> = guilds
            .values()
            .flat_map(|guild| guild.counted.iter().copied())
            .collect();
        for (index, node) in nodes.iter().enumerate() {
            for written in node.written().iter().filter(|written| !heard.contains(&written.event)) {
                let event = written.event;
                // A node that is cut off does not know that its players have gone on elsewhere.
                let left = freezes
                    .iter()
                    .any(|freeze| freeze.node == index && freeze.since <= written.at);
                let later = Counted {
                    number: event.number + 1,
                    ..event
                }..Counted {
                    player: event.player + 1,
                    number: 0,
                    ..event
                };
                if !left || heard.range(later).next().is_some() {
                    complaints.push(format!("{event:?} was delivered by node {index} and not heard"));
                }
            }
        }
        complaints.truncate(SHOWN);
        complaints
    }
}

impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let guilds = self.guilds();
        let counted: usize = guilds.values().map(|guild| guild.counted.len()).sum();
        let played: u32 = guilds.values().map(|guild| guild.played).sum();
        let unheard: u32 = guilds.values().map(|guild| guild.played - guild.starts).sum();
        let other = self.other.lock().unwrap_or_else(PoisonError::into_inner);
        write!(
            f,
            "{counted} events heard, {played} tracks played, {unheard} starts lost with their nodes, {other:?}"
        )
    }
}
