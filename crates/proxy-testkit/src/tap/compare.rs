//! Compares a run straight to a node with the same run through something in between.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write as _},
};

use serde_json::Value;

use super::{
    normal::{Names, headers, is_comparable, received, sent, target},
    record::{Exchange, Recording},
};

/// Where both recordings were taken, which decides what must be equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Before the client: every request, every answer, every message.
    Client,
    /// Before the node: the requests about players and tracks. What is in between may ask and hold more for itself, but
    /// may neither leave out nor add a request that changes a player.
    Node,
}

/// One difference between two runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What it is about: a request line, a kind of message.
    pub about: String,
    /// How it was straight to the node.
    pub straight: String,
    /// How it was in the other run.
    pub other: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (straight, other) = (self.straight.as_str(), self.other.as_str());
        writeln!(f, "* {}", self.about)?;
        writeln!(f, "    straight: {}", around_difference(straight, other))?;
        writeln!(f, "    other:    {}", around_difference(other, straight))
    }
}

/// How much of what is equal is shown on both sides of what is not.
const CONTEXT: usize = 80;

/// The part of `text` that is not in `other`, with some of what is around it.
fn around_difference(text: &str, other: &str) -> String {
    let same = |(left, right): &(u8, u8)| left == right;
    let before = text.bytes().zip(other.bytes()).take_while(same).count();
    let room = text.len().min(other.len()) - before;
    let after = text
        .bytes()
        .rev()
        .zip(other.bytes().rev())
        .take(room)
        .take_while(same)
        .count();
    let start = before.saturating_sub(CONTEXT);
    let end = (text.len() - after + CONTEXT).min(text.len());
    let shown = String::from_utf8_lossy(&text.as_bytes()[start..end]);
    let mark = |cut: bool| if cut { "..." } else { "" };
    format!("{}{shown}{}", mark(start > 0), mark(end < text.len()))
}

/// All differences as text, for a failing test.
pub fn show(differences: &[Difference]) -> String {
    differences.iter().fold(String::new(), |mut text, difference| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{difference}");
        text
    })
}

/// Every difference between a run straight to the node and another one. The order of requests that were under way at
/// the same time may differ: exchanges are compared per request line, messages per kind.
pub fn compare(side: Side, straight: (&Recording, Names), other: (&Recording, Names)) -> Vec<Difference> {
    let straight = Run {
        recording: straight.0,
        names: straight.1.with_sessions(straight.0),
    };
    let other = Run {
        recording: other.0,
        names: other.1.with_sessions(other.0),
    };
    let mut differences = pairs(
        "unreadable",
        &straight.recording.unreadable,
        &other.recording.unreadable,
    );
    match side {
        Side::Client => {
            differences.extend(groups(&straight.exchanges(), &other.exchanges()));
            differences.extend(groups(&straight.messages(), &other.messages()));
        }
        Side::Node => differences.extend(node_requests(&straight.requests(), &other.requests())),
    }
    differences
}

/// Things to be compared in order, by what they are about.
type Groups = BTreeMap<String, Vec<String>>;

struct Run<'a> {
    recording: &'a Recording,
    names: Names,
}

impl Run<'_> {
    fn exchanges(&self) -> Groups {
        self.grouped(self.recording.exchanges.iter().map(|exchange| {
            (
                self.line(exchange),
                format!("{} -> {}", self.request(exchange), self.response(exchange)),
            )
        }))
    }

    /// The requests that belong to the client whatever is in between.
    fn requests(&self) -> Groups {
        let belongs = |exchange: &&Exchange| {
            let path = exchange.request.target.split('?').next().unwrap_or_default();
            path.contains("/players") || path.contains("/loadtracks") || path.contains("/decodetrack")
        };
        let requests = self.recording.exchanges.iter().filter(belongs);
        self.grouped(requests.map(|exchange| (self.line(exchange), self.request(exchange))))
    }

    fn line(&self, exchange: &Exchange) -> String {
        format!(
            "{} {}",
            exchange.request.method,
            target(&exchange.request.target, &self.names)
        )
    }

    fn request(&self, exchange: &Exchange) -> String {
        let request = &exchange.request;
        format!(
            "{} {}",
            header_text(&headers(&request.headers, &self.names)),
            sent(&request.body, &self.names)
        )
    }

    fn response(&self, exchange: &Exchange) -> String {
        let Some(response) = &exchange.response else {
            return "no answer".to_owned();
        };
        let headers = header_text(&headers(&response.headers, &self.names));
        format!(
            "{} {headers} {}",
            response.status,
            received(&response.body, &self.names)
        )
    }

    /// A client's messages are one sequence. A node's are one per kind; those that come by the clock are reduced to the
    /// shapes that occurred, because how often they come says nothing.
    fn messages(&self) -> Groups {
        let comparable = self.recording.messages.iter().filter(|message| is_comparable(message));
        let mut groups = self.grouped(comparable.map(|message| {
            if message.from_client {
                ("messages of the client".to_owned(), sent(&message.text, &self.names))
            } else {
                (
                    format!("message {}", kind(&message.text)),
                    received(&message.text, &self.names),
                )
            }
        }));
        for (_, texts) in groups.iter_mut().filter(|(about, _)| by_the_clock(about)) {
            *texts = std::mem::take(texts)
                .into_iter()
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect();
        }
        groups
    }

    fn grouped(&self, items: impl Iterator<Item = (String, String)>) -> Groups {
        items.fold(Groups::new(), |mut groups, (about, text)| {
            groups.entry(about).or_default().push(text);
            groups
        })
    }
}

fn header_text(headers: &[(String, String)]) -> String {
    headers
        .iter()
        .map(|(name, value)| format!("[{name}: {value}]"))
        .collect()
}

/// The `op` of a message, with the guild it is about; events of a guild are one sequence.
fn kind(text: &str) -> String {
    let message = serde_json::from_str::<Value>(text).unwrap_or_default();
    let field = |key: &str| message[key].as_str().unwrap_or_default().to_owned();
    format!("{} {}", field("op"), field("guildId"))
}

fn by_the_clock(about: &str) -> bool {
    about.starts_with("message playerUpdate") || about.starts_with("message stats")
}

fn groups(straight: &Groups, other: &Groups) -> Vec<Difference> {
    let about: BTreeSet<_> = straight.keys().chain(other.keys()).collect();
    let nothing = Vec::new();
    let of = |groups: &'_ Groups, about: &String| groups.get(about).unwrap_or(&nothing).clone();
    about
        .into_iter()
        .flat_map(|about| pairs(about, &of(straight, about), &of(other, about)))
        .collect()
}

/// Compares two sequences place by place.
fn pairs(about: &str, straight: &[String], other: &[String]) -> Vec<Difference> {
    let place = |texts: &[String], place: usize| texts.get(place).map_or("(missing)", String::as_str).to_owned();
    let places = 0..straight.len().max(other.len());
    let unequal = places.filter(|at| straight.get(*at) != other.get(*at));
    unequal
        .map(|at| Difference {
            about: format!("{about} (number {} of {} and {})", at + 1, straight.len(), other.len()),
            straight: place(straight, at),
            other: place(other, at),
        })
        .collect()
}

/// Requests of the straight run must all be in the other; only reading may be added.
fn node_requests(straight: &Groups, other: &Groups) -> Vec<Difference> {
    let mut relevant = other.clone();
    relevant.retain(|about, _| !about.starts_with("GET ") || straight.contains_key(about));
    for (about, texts) in relevant.iter_mut().filter(|(about, _)| about.starts_with("GET ")) {
        let wanted = straight.get(about).map_or(&[][..], Vec::as_slice);
        texts.retain(|text| wanted.contains(text));
        texts.truncate(wanted.len());
    }
    groups(straight, &relevant)
}

#[cfg(test)]
mod tests;
