//! Frame figures of a node. `frameStats` exists only over the WebSocket and covers only that session's players, so the
//! node's figures are the mean over its sessions, weighted by their players.

use std::collections::HashMap;

use lavalink_protocol::stats::FrameStats;

/// A link's number, unique in the process: tells whose frame figures a `stats` message brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkKey(pub u64);

/// Frames per player and minute (3000 are due).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrameFigures {
    /// Sent.
    pub sent: f64,
    /// Sent as silence, since the track gave none in time.
    pub nulled: f64,
    /// Missing; negative when too many were sent.
    pub deficit: f64,
}

/// The figures of each link, and their weighted sum. Sums are whole numbers, so that taking a link out again leaves no
/// rounding behind.
#[derive(Debug, Default)]
pub(super) struct FrameBook {
    links: HashMap<LinkKey, Entry>,
    sum: Sum,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    sent: i32,
    nulled: i32,
    deficit: i32,
    players: u32,
}

#[derive(Debug, Default)]
struct Sum {
    sent: i128,
    nulled: i128,
    deficit: i128,
    players: i128,
}

impl Sum {
    fn add(&mut self, entry: &Entry, sign: i128) {
        let weight = sign * i128::from(entry.players);
        self.sent += weight * i128::from(entry.sent);
        self.nulled += weight * i128::from(entry.nulled);
        self.deficit += weight * i128::from(entry.deficit);
        self.players += weight;
    }
}

impl FrameBook {
    /// Replaces a link's figures; a message without any removes them.
    pub(super) fn note(&mut self, link: LinkKey, frames: Option<&FrameStats>, players: u32) {
        self.forget(link);
        let Some(frames) = frames else { return };
        let entry = Entry {
            sent: clamp(frames.sent),
            nulled: clamp(frames.nulled),
            deficit: clamp(frames.deficit),
            players: players.max(1),
        };
        self.sum.add(&entry, 1);
        self.links.insert(link, entry);
    }

    pub(super) fn forget(&mut self, link: LinkKey) {
        if let Some(old) = self.links.remove(&link) {
            self.sum.add(&old, -1);
        }
    }

    pub(super) fn figures(&self) -> Option<FrameFigures> {
        let Sum {
            sent,
            nulled,
            deficit,
            players,
        } = self.sum;
        let mean = |sum: i128| sum as f64 / players as f64;
        (players > 0).then(|| FrameFigures {
            sent: mean(sent),
            nulled: mean(nulled),
            deficit: mean(deficit),
        })
    }
}

/// A node may send any number; real figures are within a few thousand.
fn clamp(figure: i64) -> i32 {
    i32::try_from(figure.clamp(-1_000_000, 1_000_000)).expect("clamped to a million")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(nulled: i64, deficit: i64) -> FrameStats {
        FrameStats {
            sent: 3000 - nulled - deficit,
            nulled,
            deficit,
        }
    }

    #[test]
    fn figures_are_weighted_by_players_and_follow_each_link() {
        let mut book = FrameBook::default();
        assert_eq!(book.figures(), None);
        book.note(LinkKey(1), Some(&frames(100, 0)), 3);
        book.note(LinkKey(2), Some(&frames(0, 40)), 1);
        let mean = book.figures().unwrap();
        assert_eq!((mean.nulled, mean.deficit), (75.0, 10.0));
        book.note(LinkKey(1), Some(&frames(0, 0)), 1);
        assert_eq!(book.figures().unwrap().deficit, 20.0);
        book.note(LinkKey(2), None, 1);
        assert_eq!(book.figures().unwrap().deficit, 0.0);
        book.forget(LinkKey(1));
        book.forget(LinkKey(1));
        assert_eq!(book.figures(), None);
    }
}
