//! What the bots heard, held against what the nodes say that they have delivered.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use proxy_testkit::SimNode;
use proxy_testkit::sim::{Counted, Delivered};
use serde_json::Value;

use super::plays::SHORTEST;
use super::runs::Outage;
use super::session_of;

/// Whether every track that is played must be told to have started, also when the node dies before it says so.
const STARTS_ARE_TOLD: bool = true;

/// What is known of one guild.
#[derive(Debug, Default)]
pub(super) struct Guild {
    /// Its counted events, in the order in which they came.
    pub(super) counted: Vec<Counted>,
    /// Tracks that the proxy said it plays.
    played: u32,
    starts: u32,
    ends: u32,
    /// Those that a kill took along; they count as told.
    lost: [u32; 2],
    /// The track that was asked for last.
    asked: Option<Asked>,
    /// It, as its client knew it before it looked for the newest run of the program.
    before: Option<Asked>,
    /// When the end of a track came of which no start was heard.
    unstarted: Vec<Instant>,
    /// What it should never have heard.
    pub(super) trouble: Vec<String>,
}

/// A request to play a track, which may not be the first one for this track.
#[derive(Debug, Clone)]
struct Asked {
    uri: String,
    at: Instant,
    /// Whether it was told to have started, and to have ended.
    told: [bool; 2],
}

impl Asked {
    /// Whether a start or an end that a node delivered belongs to this request, not to an earlier one for the same track.
    /// No track is so short that its end could be taken for that of the one before, which was heard before this request.
    fn is_of(&self, delivered: &Delivered) -> bool {
        let since = Duration::from_millis(if delivered.end { SHORTEST / 2 } else { 0 });
        self.uri == delivered.uri && delivered.at >= self.at + since
    }
}

/// A track of which the proxy found out that it had ended, though not by running out.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) guild: i64,
    pub(super) uri: String,
    /// When it was asked for.
    pub(super) asked: Instant,
    pub(super) at: Instant,
}

/// A track that has ended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Over {
    pub(super) guild: i64,
    pub(super) uri: String,
}

/// All guilds of all bots.
#[derive(Debug, Default)]
pub(super) struct Books {
    guilds: Mutex<BTreeMap<i64, Guild>>,
    found: Mutex<Vec<Found>>,
    /// How many were found in all.
    found_in_all: AtomicUsize,
    /// Tracks that have ended, which a kill kept from being told.
    overdue: Mutex<BTreeSet<Over>>,
    other: Mutex<BTreeMap<&'static str, u32>>,
}

impl Books {
    pub(super) fn guilds(&self) -> MutexGuard<'_, BTreeMap<i64, Guild>> {
        locked(&self.guilds)
    }

    /// Those that were found since this was called last.
    pub(super) fn take_found(&self) -> Vec<Found> {
        std::mem::take(&mut *locked(&self.found))
    }

    /// How many counted events each guild has heard.
    pub(super) fn heard_of(&self) -> BTreeMap<i64, usize> {
        let guilds = self.guilds();
        let heard = guilds.iter().map(|(guild, known)| (*guild, known.counted.len()));
        heard.collect()
    }

    /// Counts anything else that is worth a figure.
    pub(super) fn note(&self, what: &'static str) {
        *locked(&self.other).entry(what).or_default() += 1;
    }

    /// A track is going to be asked for.
    pub(super) fn asked(&self, guild: i64, uri: String) {
        self.guilds().entry(guild).or_default().asked = Some(Asked {
            uri,
            at: Instant::now(),
            told: [false; 2],
        });
    }

    /// The track that was asked for last was begun twice, and has ended once.
    pub(super) fn played_twice(&self, guild: i64) {
        let mut guilds = self.guilds();
        let entry = guilds.entry(guild).or_default();
        entry.played += 1;
        if let Some(asked) = &mut entry.asked {
            asked.told[1] = false;
        }
    }

    /// The client of these guilds has read what was sent to it, and looks for the newest run of the program.
    pub(super) fn mark(&self, of: &Range<i64>) {
        for (_, guild) in self.guilds().range_mut(of.clone()) {
            guild.before = guild.asked.clone();
        }
    }

    /// The answer to a request to play a track was 200.
    pub(super) fn played(&self, guild: i64) {
        self.guilds().entry(guild).or_default().played += 1;
    }

    /// Takes a message; which track of a guild has ended, so that the next one has to be played.
    pub(super) fn heard(&self, message: &Value) -> Option<Over> {
        let guild: i64 = message["guildId"].as_str()?.parse().ok()?;
        let kind = message["type"].as_str()?;
        let uri = message["track"]["info"]["uri"].as_str().unwrap_or_default();
        let mut guilds = self.guilds();
        let entry = guilds.entry(guild).or_default();
        match kind {
            "SimCountedEvent" => entry.counted.push(Counted {
                guild,
                player: message["simPlayer"].as_u64().unwrap(),
                number: message["simCount"].as_u64().unwrap(),
            }),
            "TrackStartEvent" => {
                entry.starts += 1;
                entry.told(uri, false);
            }
            "TrackEndEvent" => {
                entry.ends += 1;
                entry.told(uri, true);
                match message["reason"].as_str() {
                    Some("finished") => {}
                    // What became of it nobody knows; its bot plays the next one either way.
                    Some("loadFailed") => {
                        let at = Instant::now();
                        locked(&self.found).push(Found {
                            guild,
                            uri: uri.to_owned(),
                            asked: entry.asked.as_ref().map_or(at, |asked| asked.at),
                            at,
                        });
                        self.found_in_all.fetch_add(1, Ordering::Relaxed);
                    }
                    _ => entry.trouble.push(message.to_string()),
                }
                let uri = uri.to_owned();
                return Some(Over { guild, uri });
            }
            _ => entry.trouble.push(message.to_string()),
        }
        None
    }

    /// Counts as told what the program took along when it was killed, once all clients have read what it had sent them.
    /// No later run can know of it: which track a player had is written nowhere.
    pub(super) fn write_off(&self, nodes: &[SimNode], outage: &Outage) {
        let mut guilds = self.guilds();
        for delivered in nodes.iter().flat_map(SimNode::delivered) {
            let (number, end) = (delivered.guild, delivered.end);
            let Some(guild) = guilds.get_mut(&number) else { continue };
            if !outage.took(session_of(number), delivered.at) || end && plays(nodes, number, &delivered.uri) {
                continue;
            }
            // What ends is followed by nothing until it is told; what starts may have come to its end by now.
            let asked = if end { &mut guild.asked } else { &mut guild.before };
            let of = asked.as_mut().filter(|asked| asked.is_of(&delivered));
            let Some(told) = of.map(|asked| &mut asked.told[usize::from(end)]) else {
                continue;
            };
            if !std::mem::replace(told, true) {
                guild.lost[usize::from(end)] += 1;
                if end {
                    let uri = delivered.uri;
                    locked(&self.overdue).insert(Over { guild: number, uri });
                }
            }
        }
    }

    /// Tracks of these guilds of which nobody will say that they have ended.
    pub(super) fn take_overdue(&self, of: &Range<i64>) -> Vec<Over> {
        let mut overdue = locked(&self.overdue);
        let taken = overdue.iter().filter(|over| of.contains(&over.guild));
        let taken: Vec<Over> = taken.cloned().collect();
        overdue.retain(|over| !of.contains(&over.guild));
        taken
    }

    /// How many guilds have heard a track start.
    pub(super) fn playing(&self) -> usize {
        self.guilds().values().filter(|guild| guild.starts > 0).count()
    }

    /// Guilds that have no player, or more than one.
    pub(super) fn without_their_player(&self, nodes: &[SimNode]) -> Vec<String> {
        let mut on: BTreeMap<i64, u32> = BTreeMap::new();
        let sessions = nodes.iter().flat_map(SimNode::sessions);
        for guild in sessions.flat_map(|session| session.guilds) {
            *on.entry(guild).or_default() += 1;
        }
        let players = |guild: &i64| on.get(guild).copied().unwrap_or_default();
        let guilds = self.guilds();
        let wrong = guilds.keys().filter(|guild| players(guild) != 1);
        wrong
            .map(|guild| format!("guild {guild}: {} players", players(guild)))
            .collect()
    }

    /// Guilds that were not told what became of their tracks.
    pub(super) fn untold(&self) -> Vec<String> {
        let guilds = self.guilds();
        let wrong = guilds.iter().filter(|(_, guild)| {
            let (starts, ends) = (guild.starts + guild.lost[0], guild.ends + guild.lost[1]);
            let started = starts == guild.played || !STARTS_ARE_TOLD && starts < guild.played;
            !started || !(guild.played - 1..=guild.played).contains(&ends)
        });
        let told = wrong.map(|(number, guild)| {
            let Guild {
                played,
                starts,
                ends,
                lost,
                trouble,
                unstarted,
                ..
            } = guild;
            let ago: Vec<Duration> = unstarted.iter().map(Instant::elapsed).collect();
            format!(
                "guild {number}: played {played}, heard {starts} starts and {ends} ends, {lost:?} lost; ends without a start \
                 {ago:?} ago; {trouble:?}"
            )
        });
        told.collect()
    }
}

impl Guild {
    fn told(&mut self, uri: &str, end: bool) {
        if let Some(asked) = self.asked.as_mut().filter(|asked| asked.uri == uri) {
            asked.told[usize::from(end)] = true;
            if end && !asked.told[0] {
                self.unstarted.push(Instant::now());
            }
        }
    }
}

/// Whether this is what a guild's player plays.
fn plays(nodes: &[SimNode], guild: i64, uri: &str) -> bool {
    let mut players = nodes.iter().filter_map(|node| node.find_player(guild));
    players.any(|(_, player)| player["track"]["info"]["uri"] == uri)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let guilds = self.guilds();
        let sum = |figure: fn(&Guild) -> usize| guilds.values().map(figure).sum::<usize>();
        let counted = sum(|guild| guild.counted.len());
        let played = sum(|guild| guild.played as usize);
        let unheard = sum(|guild| (guild.played - guild.starts - guild.lost[0]) as usize);
        let [starts, ends] = [sum(|guild| guild.lost[0] as usize), sum(|guild| guild.lost[1] as usize)];
        let (found, other) = (self.found_in_all.load(Ordering::Relaxed), locked(&self.other));
        write!(
            f,
            "{counted} events heard, {played} tracks played, {unheard} starts lost with their nodes, {starts} starts and \
             {ends} ends lost in kills, {found} ends found out, {other:?}"
        )
    }
}
