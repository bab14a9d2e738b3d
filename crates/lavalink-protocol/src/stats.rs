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
