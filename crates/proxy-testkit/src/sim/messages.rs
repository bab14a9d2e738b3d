//! The messages that a simulated node sends, as JSON text, per generation. Pure: no state, no sockets.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::{generation::SimGeneration, track::SimTrack};

/// Why a track ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndReason {
    Finished,
    LoadFailed,
    Stopped,
    Replaced,
}

impl EndReason {
    fn name(self, generation: SimGeneration) -> &'static str {
        match (self, generation.is_v4()) {
            (Self::Finished, true) => "finished",
            (Self::LoadFailed, true) => "loadFailed",
            (Self::Stopped, true) => "stopped",
            (Self::Replaced, true) => "replaced",
            (Self::Finished, false) => "FINISHED",
            (Self::LoadFailed, false) => "LOAD_FAILED",
            (Self::Stopped, false) => "STOPPED",
            (Self::Replaced, false) => "REPLACED",
        }
    }
}

/// Milliseconds since 1970 on this machine's clock.
pub(crate) fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

pub(crate) fn ready(session: &str, resumed: bool) -> String {
    json!({"op": "ready", "resumed": resumed, "sessionId": session}).to_string()
}

pub(crate) fn player_update(guild: i64, state: &Value) -> String {
    json!({"op": "playerUpdate", "guildId": guild.to_string(), "state": state}).to_string()
}

pub(crate) fn track_start(generation: SimGeneration, guild: i64, track: &SimTrack, user_data: &Value) -> String {
    track_event(generation, "TrackStartEvent", guild, track, user_data).to_string()
}

pub(crate) fn track_end(
    generation: SimGeneration,
    guild: i64,
    track: &SimTrack,
    user_data: &Value,
    reason: EndReason,
) -> String {
    let mut event = track_event(generation, "TrackEndEvent", guild, track, user_data);
    event["reason"] = json!(reason.name(generation));
    event.to_string()
}

pub(crate) fn track_exception(
    generation: SimGeneration,
    guild: i64,
    track: &SimTrack,
    user_data: &Value,
    message: &str,
) -> String {
    let mut event = track_event(generation, "TrackExceptionEvent", guild, track, user_data);
    event["exception"] = exception(generation, message, "common");
    if generation == SimGeneration::Legacy {
        event["error"] = json!(message);
    }
    event.to_string()
}

pub(crate) fn track_stuck(
    generation: SimGeneration,
    guild: i64,
    track: &SimTrack,
    user_data: &Value,
    threshold_ms: i64,
) -> String {
    let mut event = track_event(generation, "TrackStuckEvent", guild, track, user_data);
    event["thresholdMs"] = json!(threshold_ms);
    event.to_string()
}

pub(crate) fn voice_closed(guild: i64, code: u16, reason: &str, by_remote: bool) -> String {
    json!({
        "op": "event", "type": "WebSocketClosedEvent", "guildId": guild.to_string(),
        "code": code, "reason": reason, "byRemote": by_remote,
    })
    .to_string()
}

/// Lavalink's exception object; `severity` in lower case.
pub(crate) fn exception(generation: SimGeneration, message: &str, severity: &str) -> Value {
    let cause = format!("java.lang.RuntimeException: {message}");
    if generation.is_v4() {
        let trace = format!("com.sedmelluq.discord.lavaplayer.tools.FriendlyException: {message}\n\tat sim.Node.play");
        json!({"message": message, "severity": severity, "cause": cause, "causeStackTrace": trace})
    } else {
        json!({"message": message, "severity": severity.to_uppercase(), "cause": cause})
    }
}

/// The fields that all track events share: v4 shows the track, 3.7 its encoded form twice, legacy once.
fn track_event(generation: SimGeneration, kind: &str, guild: i64, track: &SimTrack, user_data: &Value) -> Value {
    let mut event = json!({"op": "event", "type": kind, "guildId": guild.to_string()});
    match generation {
        SimGeneration::Legacy => event["track"] = json!(track.encode(2)),
        SimGeneration::V3_7 => {
            let encoded = track.encode(2);
            event["encodedTrack"] = json!(encoded);
            event["track"] = json!(encoded);
        }
        SimGeneration::V4_1 | SimGeneration::V4_2 => event["track"] = track.to_json(generation, user_data),
    }
    event
}
