//! What is wrong with what was heard, by what the nodes have delivered and by what happened to them.

use std::collections::BTreeSet;
use std::time::Instant;

use proxy_testkit::SimNode;
use proxy_testkit::sim::{Counted, Delivered, Written};

use super::books::{Books, Found};
use super::chaos::Harm;
use super::runs::Outage;
use super::session_of;

/// How many complaints are worth reading.
const SHOWN: usize = 20;

/// What there is to be said.
#[derive(Debug, Default)]
pub(super) struct Audit {
    pub(super) complaints: Vec<String>,
    /// Events that were delivered and not heard, and which the program took along when it was killed.
    pub(super) killed: usize,
    /// Those that a node wrote into sockets that had been given up while it was frozen.
    pub(super) thawed: usize,
}

impl Audit {
    pub(super) fn of(books: &Books, nodes: &[SimNode], harms: &[Harm], outages: &[Outage]) -> Self {
        let mut audit = Self::default();
        audit.heard(books);
        audit.delivered(books, nodes, harms, outages);
        audit.found(books, nodes, harms, outages);
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
        let guilds = books.guilds();
        let heard: BTreeSet<Counted> = guilds
            .values()
            .flat_map(|guild| guild.counted.iter().copied())
            .collect();
        for (node, on) in nodes.iter().enumerate() {
            for Written { event, at } in on.written() {
                if heard.contains(&event) || !guilds.contains_key(&event.guild) {
                    continue;
                }
                if outages.iter().any(|outage| outage.took(session_of(event.guild), at)) {
                    self.killed += 1;
                } else if harms.iter().any(|harm| harm.node == node && harm.was_thawing(at)) {
                    self.thawed += 1;
                } else if !left(harms, node, at) || heard.range(later(event)).next().is_some() {
                    let (kill, after) = (
                        outages.iter().map(|outage| outage.distance(at)),
                        harms_before(harms, node, at),
                    );
                    let complaint = format!(
                        "{event:?} was delivered by node {node} and not heard; from kills {:?}; {after}",
                        kill.collect::<Vec<_>>()
                    );
                    self.complaints.push(complaint);
                }
            }
        }
    }

    /// A track of which it was found out that it had ended too early was on a node that was harmed meanwhile, or the
    /// program was killed.
    fn found(&mut self, books: &Books, nodes: &[SimNode], harms: &[Harm], outages: &[Outage]) {
        let found = books.found();
        if found.is_empty() {
            return;
        }
        let delivered: Vec<Vec<Delivered>> = nodes.iter().map(SimNode::delivered).collect();
        for Found { uri, at } in found {
            let starts = |node: usize| delivered[node].iter().filter(|event| !event.end && event.uri == uri);
            let first = (0..nodes.len()).flat_map(starts).map(|start| start.at).min();
            // No node got so far as to say that it began.
            let from = first.unwrap_or(at);
            let harmed = |harm: &Harm| (first.is_none() || starts(harm.node).next().is_some()) && harm.was(from, at);
            if !harms.iter().any(harmed) && !outages.iter().any(|outage| outage.began(from, at)) {
                let complaint = format!("{uri} was said to have ended early, though nothing had happened to its node");
                self.complaints.push(complaint);
            }
        }
    }
}

/// A node that is cut off does not know that its players have gone on elsewhere.
fn left(harms: &[Harm], node: usize, at: Instant) -> bool {
    let mut of_node = harms.iter().filter(|harm| harm.node == node && harm.frozen);
    of_node.any(|harm| harm.since <= at)
}

/// What the same player said later.
fn later(event: Counted) -> std::ops::Range<Counted> {
    let (number, player) = (event.number + 1, event.player + 1);
    Counted { number, ..event }..Counted {
        player,
        number: 0,
        ..event
    }
}

/// What happened to a node before, in words.
fn harms_before(harms: &[Harm], node: usize, at: Instant) -> String {
    let before = harms.iter().rfind(|harm| harm.node == node && harm.since <= at);
    before.map_or_else(
        || "its node was well".to_owned(),
        |harm| format!("{:?} after {harm:?}", at - harm.since),
    )
}
