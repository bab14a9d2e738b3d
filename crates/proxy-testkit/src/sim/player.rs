//! One player of a simulated node: what it holds, how its position advances, how Lavalink shows it.
//!
//! A player sends nothing by itself; `session.rs` does.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use serde_json::{Map, Value, json};

use super::{
    filters,
    generation::SimGeneration,
    messages::{PlayerState, unix_ms},
    track::SimTrack,
};

/// Round trip to Discord's voice gateway that a connected player reports, in ms.
const VOICE_PING: i64 = 13;

/// What a client told the node about Discord's voice server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimVoice {
    /// Voice token.
    pub token: String,
    /// Voice server's host and port.
    pub endpoint: String,
    /// Discord's voice session id.
    pub session_id: String,
    /// Voice channel (4.2 and newer).
    pub channel_id: Option<String>,
}

/// A track in a player.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) track: SimTrack,
    pub(crate) user_data: Value,
    /// Where to stop, in ms.
    pub(crate) end_time: Option<i64>,
    /// It fails once the node tries to play it, which is after the answer to who asked for it.
    pub(crate) broken: bool,
    /// Position at the moment `since`, or for good when that is `None`.
    base: i64,
    /// Since when it has been playing.
    since: Option<Instant>,
}

impl Loaded {
    /// `track`, to start at `position` or where its encoded form says.
    pub(crate) fn new(track: SimTrack, position: Option<i64>, user_data: Option<Value>) -> Self {
        let base = position.unwrap_or(track.position).max(0);
        Self {
            track,
            user_data: user_data.unwrap_or_else(|| json!({})),
            end_time: None,
            broken: false,
            base,
            since: None,
        }
    }
}

/// How many players there have been in this process, on all nodes.
static PLAYERS: AtomicU64 = AtomicU64::new(0);

/// A guild's player.
#[derive(Clone, Debug)]
pub(crate) struct Player {
    pub(crate) guild: i64,
    /// Which player of this process it is: one that is made later has a higher number, on whatever node.
    pub(crate) serial: u64,
    /// The last number that was sent for it, see `counted.rs`.
    pub(crate) counted: u64,
    pub(crate) track: Option<Loaded>,
    pub(crate) volume: i64,
    pub(crate) paused: bool,
    pub(crate) filters: Map<String, Value>,
    pub(crate) voice: SimVoice,
    /// The voice gateway socket is open.
    pub(crate) connected: bool,
    /// Positions advance without a voice connection.
    free_running: bool,
    /// When the next periodic `playerUpdate` is due.
    pub(crate) next_update: Instant,
}

impl Player {
    pub(crate) fn new(guild: i64, free_running: bool, now: Instant) -> Self {
        Self {
            guild,
            serial: PLAYERS.fetch_add(1, Ordering::Relaxed),
            counted: 0,
            track: None,
            volume: 100,
            paused: false,
            filters: Map::new(),
            voice: SimVoice::default(),
            connected: false,
            free_running,
            next_update: now,
        }
    }

    /// Position of the track in ms; 0 without one.
    pub(crate) fn position(&self, now: Instant) -> i64 {
        let Some(loaded) = &self.track else { return 0 };
        let elapsed = loaded
            .since
            .map_or(0.0, |since| now.saturating_duration_since(since).as_secs_f64());
        // A position within a track's length fits.
        let advanced = (elapsed * 1000.0 * filters::speed(&self.filters)) as i64;
        loaded.base.saturating_add(advanced).min(self.end(loaded))
    }

    /// Where the track stops by itself.
    fn end(&self, loaded: &Loaded) -> i64 {
        loaded.track.length.min(loaded.end_time.unwrap_or(i64::MAX))
    }

    /// Whether the track has played to its end.
    pub(crate) fn has_finished(&self, now: Instant) -> bool {
        self.track
            .as_ref()
            .is_some_and(|loaded| loaded.since.is_some() && self.position(now) >= self.end(loaded))
    }

    /// Whether the track is one that fails.
    pub(crate) fn is_broken(&self) -> bool {
        self.track.as_ref().is_some_and(|loaded| loaded.broken)
    }

    /// A track that has played to its own end is at its beginning again; one that an end marker stopped is not.
    pub(crate) fn rewind_at_end(&mut self, now: Instant) {
        let at_end = |loaded: &Loaded| self.position(now) >= loaded.track.length;
        if self.track.as_ref().is_some_and(at_end) {
            self.seek(now, 0);
        }
    }

    /// Whether a track is loaded and not paused: what `playingPlayers` counts.
    pub(crate) fn is_playing(&self) -> bool {
        self.track.is_some() && !self.paused
    }

    /// Applies a change that bears on how the position advances, without a jump in it.
    pub(crate) fn change<R>(&mut self, now: Instant, change: impl FnOnce(&mut Self) -> R) -> R {
        let position = self.position(now);
        if let Some(loaded) = &mut self.track {
            loaded.base = position;
            loaded.since = None;
        }
        let result = change(self);
        let running = !self.paused && (self.connected || self.free_running);
        if let Some(loaded) = &mut self.track {
            loaded.since = running.then_some(now);
        }
        result
    }

    /// Jumps to `position`; nothing without a track.
    pub(crate) fn seek(&mut self, now: Instant, position: i64) {
        self.change(now, |player| {
            if let Some(loaded) = &mut player.track {
                loaded.base = position.max(0);
            }
        });
    }

    /// Sets or clears the end marker of the current track. One at or before the position is ignored.
    pub(crate) fn set_end_time(&mut self, now: Instant, end_time: Option<i64>) {
        let position = self.position(now);
        if let Some(loaded) = &mut self.track {
            loaded.end_time = end_time.filter(|end| *end > position);
        }
    }

    /// The track as it is now, with its position written into it.
    pub(crate) fn snapshot(&self, now: Instant) -> Option<(SimTrack, Value)> {
        let loaded = self.track.as_ref()?;
        Some((
            SimTrack {
                position: self.position(now),
                ..loaded.track.clone()
            },
            loaded.user_data.clone(),
        ))
    }

    /// Lavalink's player state object.
    pub(crate) fn state(&self, generation: SimGeneration, now: Instant) -> PlayerState {
        let shown = generation != SimGeneration::Legacy || self.track.is_some();
        PlayerState {
            time: unix_ms(),
            position: shown.then(|| self.position(now)),
            connected: self.connected,
            ping: self.ping(),
        }
    }

    fn ping(&self) -> i64 {
        if self.connected { VOICE_PING } else { -1 }
    }

    /// Lavalink's player object (3.7 and newer).
    pub(crate) fn to_json(&self, generation: SimGeneration, now: Instant) -> Value {
        let track = self
            .snapshot(now)
            .map(|(track, user_data)| track.to_json(generation, &user_data));
        let mut player = json!({
            "guildId": self.guild.to_string(), "track": track, "volume": self.volume, "paused": self.paused,
            "voice": {
                "token": self.voice.token, "endpoint": self.voice.endpoint, "sessionId": self.voice.session_id,
            },
            "filters": filters::shown(&self.filters),
        });
        if generation.is_v4() {
            player["state"] = json!(self.state(generation, now));
        } else {
            player["voice"]["connected"] = json!(self.connected);
            player["voice"]["ping"] = json!(self.ping());
        }
        if generation == SimGeneration::V4_2 {
            player["voice"]["channelId"] = json!(self.voice.channel_id);
        }
        player
    }
}
