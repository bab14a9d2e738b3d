//! A node's statistics: reading them, summing those of many nodes, and writing them in each version's form.

use serde::{Deserialize, Serialize};

use crate::message::{BodyError, append, parse};

/// Load of one node, or of all nodes as one. The same fields in v3 and v4, on the socket and over REST.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Averages of the asking session's playing players over the last minute; none without usable data.
    #[serde(default)]
    pub frame_stats: Option<FrameStats>,
    /// Players of all connected sessions.
    pub players: i64,
    /// Of those, the ones with a track and not paused.
    pub playing_players: i64,
    /// Milliseconds since start.
    pub uptime: i64,
    /// Memory of the Java process.
    pub memory: Memory,
    /// Processor load.
    pub cpu: Cpu,
}

/// Memory in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Free within what is allocated.
    pub free: i64,
    /// Used.
    pub used: i64,
    /// Taken from the system.
    pub allocated: i64,
    /// The most it may take.
    pub reservable: i64,
}

/// Processor load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cpu {
    /// Number of cores.
    pub cores: i64,
    /// Load of the whole machine, 0 to 1.
    pub system_load: f64,
    /// Load of the node's own process, 0 to 1.
    pub lavalink_load: f64,
}

/// Frames per player and minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameStats {
    /// Sent to Discord.
    pub sent: i64,
    /// Filled with nothing.
    pub nulled: i64,
    /// Missing from 3000; negative when there were too many.
    pub deficit: i64,
}

/// The forms that statistics are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatsForm {
    /// A v4 `stats` message: `frameStats` is always there, null when none.
    V4Message,
    /// A v3 `stats` message: `frameStats` is left out when none.
    V3Message,
    /// The answer to `GET /v4/stats` and `/v3/stats`: no `op`, never `frameStats`.
    Rest,
}

#[derive(Serialize)]
struct Message<'a> {
    op: &'static str,
    #[serde(flatten)]
    stats: &'a Stats,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WithoutFrames {
    #[serde(skip_serializing_if = "Option::is_none")]
    op: Option<&'static str>,
    players: i64,
    playing_players: i64,
    uptime: i64,
    memory: Memory,
    cpu: Cpu,
}

impl Stats {
    /// Reads a `stats` message or a REST answer of either version.
    ///
    /// # Errors
    /// When a field is missing or of a wrong type; `frameStats` may be missing or null.
    pub fn read(payload: &[u8]) -> Result<Self, BodyError> {
        parse(payload)
    }

    /// Appends the statistics as JSON.
    pub fn write(&self, form: StatsForm, out: &mut Vec<u8>) {
        match form {
            StatsForm::V3Message if self.frame_stats.is_none() => append(out, &self.without_frames(Some("stats"))),
            StatsForm::V4Message | StatsForm::V3Message => append(
                out,
                &Message {
                    op: "stats",
                    stats: self,
                },
            ),
            StatsForm::Rest => append(out, &self.without_frames(None)),
        }
    }

    fn without_frames(&self, op: Option<&'static str>) -> WithoutFrames {
        let Self {
            frame_stats: _,
            players,
            playing_players,
            uptime,
            memory,
            cpu,
        } = *self;
        WithoutFrames {
            op,
            players,
            playing_players,
            uptime,
            memory,
            cpu,
        }
    }
}

/// Shows many nodes as one: counts, cores and memory are summed, loads averaged by weight of players, frame figures by
/// weight of playing players over the nodes that have any. `uptime_ms` is the proxy's own.
pub fn merge<'a>(nodes: impl IntoIterator<Item = &'a Stats>, uptime_ms: i64) -> Stats {
    let mut sum = Stats {
        uptime: uptime_ms,
        ..Stats::default()
    };
    let (mut system, mut lavalink) = (Average::default(), Average::default());
    let mut frames = [Average::default(); 3];
    for node in nodes {
        sum.players = sum.players.saturating_add(node.players);
        sum.playing_players = sum.playing_players.saturating_add(node.playing_players);
        sum.memory.add(&node.memory);
        sum.cpu.cores = sum.cpu.cores.saturating_add(node.cpu.cores);
        system.add(node.cpu.system_load, node.players);
        lavalink.add(node.cpu.lavalink_load, node.players);
        if let Some(figures) = node.frame_stats {
            for (average, figure) in frames.iter_mut().zip([figures.sent, figures.nulled, figures.deficit]) {
                average.add(figure as f64, node.playing_players);
            }
        }
    }
    sum.cpu.system_load = system.value().unwrap_or(0.0);
    sum.cpu.lavalink_load = lavalink.value().unwrap_or(0.0);
    let [sent, nulled, deficit] = frames.map(|average| average.value().map(|figure| figure.round() as i64));
    sum.frame_stats = match (sent, nulled, deficit) {
        (Some(sent), Some(nulled), Some(deficit)) => Some(FrameStats { sent, nulled, deficit }),
        _ => None,
    };
    sum
}

impl Memory {
    fn add(&mut self, other: &Self) {
        self.free = self.free.saturating_add(other.free);
        self.used = self.used.saturating_add(other.used);
        self.allocated = self.allocated.saturating_add(other.allocated);
        self.reservable = self.reservable.saturating_add(other.reservable);
    }
}

/// A weighted mean that falls back to the plain one when nothing has weight: idle nodes still have a load.
#[derive(Clone, Copy, Default)]
struct Average {
    weighted: f64,
    weights: f64,
    plain: f64,
    count: f64,
}

impl Average {
    fn add(&mut self, value: f64, weight: i64) {
        let weight = weight.max(0) as f64;
        self.weighted += value * weight;
        self.weights += weight;
        self.plain += value;
        self.count += 1.0;
    }

    fn value(&self) -> Option<f64> {
        if self.weights > 0.0 {
            Some(self.weighted / self.weights)
        } else {
            (self.count > 0.0).then(|| self.plain / self.count)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::*;

    fn node(players: i64, playing: i64, load: f64, frames: Option<(i64, i64, i64)>) -> Stats {
        Stats {
            frame_stats: frames.map(|(sent, nulled, deficit)| FrameStats { sent, nulled, deficit }),
            players,
            playing_players: playing,
            uptime: 1_000,
            memory: Memory {
                free: 1,
                used: 2,
                allocated: 3,
                reservable: 4,
            },
            cpu: Cpu {
                cores: 2,
                system_load: load,
                lavalink_load: load / 2.0,
            },
        }
    }

    fn written(stats: &Stats, form: StatsForm) -> Value {
        let mut out = Vec::new();
        stats.write(form, &mut out);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn each_form_treats_frame_figures_as_its_version_does() {
        let rest = json!({
            "players": 3, "playingPlayers": 1, "uptime": 1000,
            "memory": {"free": 1, "used": 2, "allocated": 3, "reservable": 4},
            "cpu": {"cores": 2, "systemLoad": 0.5, "lavalinkLoad": 0.25},
        });
        let with = |op: bool, frames: Option<Value>| {
            let mut object = rest.clone();
            if op {
                object["op"] = json!("stats");
            }
            if let Some(frames) = frames {
                object["frameStats"] = frames;
            }
            object
        };
        let figures = json!({"sent": 2990, "nulled": 5, "deficit": 5});
        let rows = [
            (None, StatsForm::V4Message, with(true, Some(Value::Null))),
            (None, StatsForm::V3Message, with(true, None)),
            (None, StatsForm::Rest, with(false, None)),
            (
                Some((2990, 5, 5)),
                StatsForm::V4Message,
                with(true, Some(figures.clone())),
            ),
            (Some((2990, 5, 5)), StatsForm::V3Message, with(true, Some(figures))),
            (Some((2990, 5, 5)), StatsForm::Rest, with(false, None)),
        ];
        for (frames, form, expected) in rows {
            let stats = node(3, 1, 0.5, frames);
            let object = written(&stats, form);
            assert_eq!(object, expected, "{form:?}");
            let read = Stats::read(object.to_string().as_bytes()).unwrap();
            let kept = if form == StatsForm::Rest {
                None
            } else {
                stats.frame_stats
            };
            assert_eq!(
                read,
                Stats {
                    frame_stats: kept,
                    ..stats
                }
            );
        }
    }

    #[test]
    fn many_nodes_show_as_one() {
        let nodes = [
            node(30, 20, 0.9, Some((3000, 0, 0))),
            node(10, 10, 0.1, Some((2400, 300, 300))),
            node(0, 0, 0.5, None),
        ];
        let merged = merge(&nodes, 77);
        assert_eq!((merged.players, merged.playing_players, merged.uptime), (40, 30, 77));
        assert_eq!(
            merged.memory,
            Memory {
                free: 3,
                used: 6,
                allocated: 9,
                reservable: 12
            }
        );
        assert_eq!(merged.cpu.cores, 6);
        assert!((merged.cpu.system_load - 0.7).abs() < 1e-9, "{merged:?}");
        assert!((merged.cpu.lavalink_load - 0.35).abs() < 1e-9, "{merged:?}");
        assert_eq!(
            merged.frame_stats,
            Some(FrameStats {
                sent: 2800,
                nulled: 100,
                deficit: 100
            })
        );
    }

    #[test]
    fn idle_nodes_still_have_a_load_and_no_node_has_none() {
        let idle = merge(&[node(0, 0, 0.2, None), node(0, 0, 0.4, None)], 0);
        assert!((idle.cpu.system_load - 0.3).abs() < 1e-9, "{idle:?}");
        assert_eq!(idle.frame_stats, None);
        assert_eq!(
            merge([], 5),
            Stats {
                uptime: 5,
                ..Stats::default()
            }
        );
    }

    #[test]
    fn one_node_is_itself_but_for_the_uptime() {
        let only = node(3, 2, 0.25, Some((2999, 1, 0)));
        assert_eq!(merge([&only], 9), Stats { uptime: 9, ..only });
    }

    #[test]
    fn absurd_figures_do_not_overflow() {
        let absurd = Stats {
            players: i64::MAX,
            playing_players: i64::MIN,
            ..node(0, 0, f64::MAX, Some((i64::MAX, 0, i64::MIN)))
        };
        let merged = merge([&absurd, &absurd], 0);
        assert_eq!(merged.players, i64::MAX);
        written(&merged, StatsForm::V4Message);
    }
}
