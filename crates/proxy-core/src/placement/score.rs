//! The load of a node as one number. Not for nearness, health or requests under way: the choice adds those.
//!
//! The formula is the penalty of Lavalink's own client libraries in its original form (Lavalink.py's, without the
//! integer cast that made the CPU part move in steps of ten):
//!
//! ```text
//!   playing players + placements that stats cannot show yet
//! + 1.05^(100 * system load) * 10 - 10
//! + 600 * 1.03^(500 * deficit / 3000) - 600
//! + 2 * (300 * 1.03^(500 * nulled / 3000) - 300)
//! ```
//!
//! plus one for the player to be placed (so that weight counts between idle nodes too), divided by the node's weight.
//! A node without recent `stats` has no score: it is unknown, never free.

use std::fmt;
use std::time::{Duration, Instant};

use lavalink_protocol::stats::Stats;

use crate::pool::{FrameFigures, NodeView};

/// `stats` come once a minute on every link; after missing two the figures say nothing any more.
const STALE: Duration = Duration::from_secs(150);

/// A node that came back from down gets its share step by step over this time: its Java process is cold.
const WARM_UP: Duration = Duration::from_secs(60);

/// The part of the score that only changes with `stats`; worked out once per message, since powers are dear.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Players with a track, not paused.
    pub playing: f64,
    /// Penalty for the load of the host's processor.
    pub cpu: f64,
    /// Penalty for missing frames.
    pub deficit: f64,
    /// Penalty for frames sent as silence.
    pub nulled: f64,
}

impl Load {
    /// From a node's `stats` and the mean frame figures of the sessions on it.
    pub fn of(stats: &Stats, frames: Option<&FrameFigures>) -> Self {
        let load = if stats.cpu.system_load.is_nan() {
            0.0
        } else {
            stats.cpu.system_load.clamp(0.0, 1.0)
        };
        // More frames than due are no merit, and more than all can not be missing.
        let share = |frames: f64| 1.03_f64.powf(500.0 * frames.clamp(0.0, 3000.0) / 3000.0);
        Self {
            playing: stats.playing_players.clamp(0, i64::from(u32::MAX)) as f64,
            cpu: 1.05_f64.powf(100.0 * load) * 10.0 - 10.0,
            deficit: frames.map_or(0.0, |frames| 600.0 * share(frames.deficit) - 600.0),
            nulled: frames.map_or(0.0, |frames| 2.0 * (300.0 * share(frames.nulled) - 300.0)),
        }
    }

    fn total(&self) -> f64 {
        self.playing + self.cpu + self.deficit + self.nulled
    }
}

/// A node's score; the lowest wins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    load: Option<Load>,
    pending: u32,
    /// The configured weight, less while warming up.
    weight: f64,
}

/// Scores a node as it is now.
pub fn score(node: &NodeView, now: Instant) -> Score {
    let fresh = node.reported.is_some_and(|reported| reported.age(now) <= STALE);
    Score {
        load: node.load.filter(|_| fresh),
        pending: node.pending(),
        weight: f64::from(node.weight) * warmth(node.back_since, now),
    }
}

fn warmth(back_since: Option<Instant>, now: Instant) -> f64 {
    let Some(since) = back_since else { return 1.0 };
    let up = now.saturating_duration_since(since).as_secs_f64();
    (up / WARM_UP.as_secs_f64()).clamp(0.1, 1.0)
}

impl Score {
    /// The number, or `None` for a node of which too little is known.
    pub fn value(&self) -> Option<f64> {
        self.load
            .map(|load| (load.total() + f64::from(self.pending) + 1.0) / self.weight)
    }

    /// Whether the node has recent statistics.
    pub fn is_known(&self) -> bool {
        self.load.is_some()
    }

    /// The parts of the number, for people.
    pub fn explain(&self) -> impl fmt::Display + use<> {
        Explained(*self)
    }
}

struct Explained(Score);

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Score { load, pending, weight } = self.0;
        let (Some(load), Some(value)) = (load, self.0.value()) else {
            return write!(
                f,
                "unknown: no recent statistics ({pending} pending, weight {weight:.2})"
            );
        };
        let Load {
            playing,
            cpu,
            deficit,
            nulled,
        } = load;
        write!(
            f,
            "{value:.2} = (playing {playing} + pending {pending} + cpu {cpu:.2} + deficit {deficit:.2} \
             + nulled {nulled:.2} + 1) / weight {weight:.2}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lavalink_protocol::stats::Cpu;

    fn stats(playing_players: i64, system_load: f64) -> Stats {
        Stats {
            playing_players,
            cpu: Cpu {
                system_load,
                ..Cpu::default()
            },
            ..Stats::default()
        }
    }

    fn frames(nulled: f64, deficit: f64) -> Option<FrameFigures> {
        Some(FrameFigures {
            sent: 3000.0,
            nulled,
            deficit,
        })
    }

    #[test]
    fn the_load_is_lavalinks_penalty() {
        // (playing, system load, frames, expected), the expected worked out from the formula by hand.
        let cases = [
            (0, 0.0, None, 0.0),
            (7, 0.0, None, 7.0),
            (0, 0.5, None, 104.674),
            (0, 1.0, None, 1305.013),
            (0, 0.0, frames(0.0, 30.0), 95.564),
            (0, 0.0, frames(30.0, 0.0), 95.564),
            (3, 0.5, frames(30.0, 30.0), 298.803),
        ];
        for (playing, system, frames, expected) in cases {
            let total = Load::of(&stats(playing, system), frames.as_ref()).total();
            assert!(
                (total - expected).abs() < 0.01,
                "{playing} {system} {frames:?}: {total}"
            );
        }
    }

    #[test]
    fn figures_that_no_node_should_send_give_a_usable_number() {
        let cases = [
            (stats(-5, -1.0), frames(-100.0, -100.0)),
            (stats(i64::MAX, f64::NAN), frames(1e9, 1e9)),
            (stats(1, f64::INFINITY), None),
        ];
        for (stats, frames) in cases {
            let total = Load::of(&stats, frames.as_ref()).total();
            assert!(total.is_finite() && total >= 0.0, "{stats:?} {frames:?}: {total}");
        }
    }

    #[test]
    fn a_node_back_from_down_warms_up() {
        let since = Instant::now();
        let cases = [(0, 0.1), (30, 0.5), (60, 1.0), (3600, 1.0)];
        for (seconds, expected) in cases {
            assert_eq!(
                warmth(Some(since), since + Duration::from_secs(seconds)),
                expected,
                "{seconds}"
            );
        }
        assert_eq!(warmth(None, since), 1.0);
    }

    #[test]
    fn the_explanation_names_every_part() {
        let score = Score {
            load: Some(Load::of(&stats(7, 0.0), None)),
            pending: 2,
            weight: 2.0,
        };
        assert_eq!(
            score.explain().to_string(),
            "5.00 = (playing 7 + pending 2 + cpu 0.00 + deficit 0.00 + nulled 0.00 + 1) / weight 2.00"
        );
        let unknown = Score { load: None, ..score };
        assert!(
            unknown
                .explain()
                .to_string()
                .starts_with("unknown: no recent statistics")
        );
    }
}
