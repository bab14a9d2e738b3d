//! What is wrong with what was heard, by what the nodes have delivered and by what happened to them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant};

use proxy_testkit::SimNode;
use proxy_testkit::sim::{Counted, Delivered, Written};

use super::books::{Books, Found};
use super::chaos::Harm;
use super::runs::Outage;
use super::{EVERY, session_of};

/// How many complaints are worth reading.
const SHOWN: usize = 20;
/// A player may have been left so long before another one was made in its place: moving takes a while when a node's
/// players all move at once.
const MOVING: Duration = Duration::from_secs(3);

/// What there is to be said.
#[derive(Debug, Default)]
pub(super) struct Audit {
    pub(super) complaints: Vec<String>,
    /// Events that were delivered and not heard, and which the program took along when it was killed.
    killed: usize,
    /// Those that a node wrote into sockets that had been given up while it was frozen.
    thawed: usize,
    /// Those that it wrote for players that had been moved away meanwhile.
    left: usize,
    /// How long before their guilds' next players were known to be there, at most.
    ahead: Duration,
}

impl Audit {
    pub(super) fn of(books: &Books, nodes: &[SimNode], harms: &[Harm], outages: &[Outage]) -> Self {
        let mut audit = Self::default();
        audit.heard(books);
        audit.delivered(books, nodes, harms, outages);
        audit.complaints.truncate(SHOWN);
        audit
    }

    /// Nothing came twice, or out of order, or should not have come.
    fn heard(&mut self, books: &Books) {
        for (guild, known) in &*books.guilds() {
            for message in &known.trouble {
                self.complaints.push(format!("guild {guild} was told {message}"));
            }
            for pair in known.counted.windows(2).filter(|pair| pair[0] >= pair[1]) {
                let complaint = format!("guild {guild}: {:?} came before {:?}", pair[0], pair[1]);
                self.complaints.push(complaint);
            }
        }
    }

    /// All that was delivered was heard.
    fn delivered(&mut self, books: &Books, nodes: &[SimNode], harms: &[Harm], outages: &[Outage]) {
        let written: Vec<Vec<Written>> = nodes.iter().map(SimNode::written).collect();
        let guilds = books.guilds();
        let heard: BTreeSet<Counted> = guilds
            .values()
            .flat_map(|guild| guild.counted.iter().copied())
            .collect();
        let players = Players::of(written.iter().flatten(), heard);
        for (node, written) in written.iter().enumerate() {
            let harms = || harms.iter().filter(move |harm| harm.node == node);
            for &Written { event, at } in written {
                if players.heard.contains(&event) || !guilds.contains_key(&event.guild) {
                    continue;
                }
                if outages.iter().any(|outage| outage.took(session_of(event.guild), at)) {
                    self.killed += 1;
                } else if harms().any(|harm| harm.was_thawing(at)) {
                    self.thawed += 1;
                } else if harms().any(|harm| harm.was_left(at))
                    && let Some(ahead) = players.left(event, at)
                {
                    self.left += 1;
                    self.ahead = self.ahead.max(ahead);
                } else {
                    let kills: Vec<_> = outages.iter().map(|outage| outage.distance(at)).collect();
                    let (next, before) = (players.next(event, at), last_harm(harms(), at));
                    let complaint = format!(
                        "{event:?} was delivered by node {node} and not heard; {next}; from kills {kills:?}; {before}"
                    );
                    self.complaints.push(complaint);
                }
            }
        }
    }
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (killed, thawed, left, ahead) = (self.killed, self.thawed, self.left, self.ahead);
        write!(
            f,
            "{killed} events lost in kills, {thawed} in sockets that had been given up, {left} of players that had been \
             left, up to {ahead:?} before the next was known to be there"
        )
    }
}

/// The players of all guilds, one after the other.
struct Players {
    heard: BTreeSet<Counted>,
    /// Of each guild, those that have said anything.
    of: BTreeMap<i64, BTreeSet<u64>>,
    /// By when each was there. Players are numbered across all nodes in the order in which they are made, so one was
    /// there before any later one said something.
    there: BTreeMap<u64, Instant>,
}

impl Players {
    fn of<'a>(written: impl Iterator<Item = &'a Written>, heard: BTreeSet<Counted>) -> Self {
        let (mut of, mut there) = (BTreeMap::<i64, BTreeSet<u64>>::new(), BTreeMap::new());
        for &Written { event, at } in written {
            of.entry(event.guild).or_default().insert(event.player);
            let first = there.entry(event.player).or_insert(at);
            *first = at.min(*first);
        }
        let mut earliest = None::<Instant>;
        for at in there.values_mut().rev() {
            *at = earliest.map_or(*at, |earliest| earliest.min(*at));
            earliest = Some(*at);
        }
        Self { heard, of, there }
    }

    /// Whether a player had been left for another when it said this: nothing later of it was heard, its guild went on with
    /// another one, and that was there, or about to be. How long it was until then is the answer.
    fn left(&self, event: Counted, at: Instant) -> Option<Duration> {
        let Counted { guild, player, .. } = event;
        let (later, number) = (event.number + 1, 0);
        let own = Counted { number: later, ..event }..Counted {
            player: player + 1,
            number,
            ..event
        };
        let others = own.end..Counted {
            guild: guild + 1,
            player: 0,
            number,
        };
        if self.heard.range(own).next().is_some() || self.heard.range(others).next().is_none() {
            return None;
        }
        let ahead = self.there_after(guild, player)?.saturating_duration_since(at);
        (ahead <= EVERY + MOVING).then_some(ahead)
    }

    /// By when the guild's next player was there.
    fn there_after(&self, guild: i64, player: u64) -> Option<Instant> {
        let next = self.of.get(&guild)?.range(player + 1..).next()?;
        self.there.get(next).copied()
    }

    /// When the next one was there, in words.
    fn next(&self, event: Counted, at: Instant) -> String {
        self.there_after(event.guild, event.player).map_or_else(
            || "its guild had no later player".to_owned(),
            |next| format!("another was there {:?} later", next.saturating_duration_since(at)),
        )
    }
}

/// Tracks of which it was said that they had ended too early, though nothing had happened to their nodes meanwhile, and the
/// program was not killed.
pub(super) fn unfounded(found: &[Found], nodes: &[SimNode], harms: &[Harm], outages: &[Outage]) -> Vec<String> {
    if found.is_empty() {
        return Vec::new();
    }
    let delivered: Vec<Vec<Delivered>> = nodes.iter().map(SimNode::delivered).collect();
    let unfounded = found.iter().filter(|found| {
        // The same track may have been played before.
        let is_start = |event: &&Delivered| {
            !event.end && event.guild == found.guild && event.uri == found.uri && event.at >= found.asked
        };
        let starts = |node: usize| delivered[node].iter().filter(is_start);
        let first = (0..nodes.len()).flat_map(starts).map(|start| start.at).min();
        // No node got so far as to say that it began.
        let from = first.unwrap_or(found.at);
        let harmed = |harm: &Harm| (first.is_none() || starts(harm.node).next().is_some()) && harm.was(from, found.at);
        !harms.iter().any(harmed) && !outages.iter().any(|outage| outage.began(from, found.at))
    });
    let complaint = |found: &Found| {
        let Found { guild, uri, .. } = found;
        format!("guild {guild}: {uri} was said to have ended early, though nothing had happened to its node")
    };
    unfounded.map(complaint).collect()
}

/// What happened to a node before, in words.
fn last_harm<'a>(harms: impl Iterator<Item = &'a Harm>, at: Instant) -> String {
    harms.filter(|harm| harm.since <= at).last().map_or_else(
        || "its node was well".to_owned(),
        |harm| format!("{:?} after {harm:?}", at - harm.since),
    )
}

#[test]
fn only_what_was_left_for_another_player_is_excused() {
    let start = Instant::now();
    let event = |guild, player, number| Counted { guild, player, number };
    let wrote = |event, second| Written {
        event,
        at: start + Duration::from_secs(second),
    };
    // Player 3 was made for another guild, and proves that player 2 was there before it spoke.
    let written = [
        wrote(event(1, 1, 1), 10),
        wrote(event(1, 1, 2), 20),
        wrote(event(1, 2, 1), 30),
        wrote(event(2, 3, 1), 22),
    ];
    let of = |heard: &[Counted]| Players::of(written.iter(), heard.iter().copied().collect());
    let left = |heard: &[Counted], number: usize| {
        let written = written[number - 1];
        of(heard).left(written.event, written.at).map(|ahead| ahead.as_secs())
    };
    let next = event(1, 2, 1);
    assert_eq!(left(&[next], 2), Some(2));
    assert_eq!(left(&[next], 1), None, "long before");
    assert_eq!(left(&[event(2, 3, 1)], 2), None, "nothing more of its guild was heard");
    assert_eq!(left(&[next, event(1, 1, 3)], 2), None, "it was heard again");
}
