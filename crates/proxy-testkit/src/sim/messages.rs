//! The messages that a simulated node sends, as JSON text, per generation. Pure: no state, no sockets.
//!
//! Keys come in the order in which Lavalink 4 writes them, as far as it matters to who reads only the start: `op` first,
//! a `playerUpdate`'s `guildId` after its `state`.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
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

/// Lavalink's player state. `position` is absent on a legacy node without a track.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PlayerState {
    pub(crate) time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) position: Option<i64>,
    pub(crate) connected: bool,
    pub(crate) ping: i64,
}

pub(crate) fn ready(session: &str, resumed: bool) -> String {
    format!(r#"{{"op":"ready","resumed":{resumed},"sessionId":"{session}"}}"#)
}

pub(crate) fn player_update(guild: i64, state: &PlayerState) -> String {
    format!(
        r#"{{"op":"playerUpdate","state":{},"guildId":"{guild}"}}"#,
        json!(state)
    )
}

/// `stats`, from the figures as REST shows them.
pub(crate) fn stats(figures: &Value) -> String {
    with_head(r#""op":"stats""#, figures)
}

pub(crate) fn track_start(generation: SimGeneration, guild: i64, track: &SimTrack, user_data: &Value) -> String {
    event("TrackStartEvent", guild, &track_fields(generation, track, user_data))
}

pub(crate) fn track_end(
    generation: SimGeneration,
    guild: i64,
    track: &SimTrack,
    user_data: &Value,
    reason: EndReason,
) -> String {
    let mut fields = track_fields(generation, track, user_data);
    fields["reason"] = json!(reason.name(generation));
    event("TrackEndEvent", guild, &fields)
}

pub(crate) fn track_exception(
    generation: SimGeneration,
    guild: i64,
    track: &SimTrack,
    user_data: &Value,
    message: &str,
) -> String {
    let mut fields = track_fields(generation, track, user_data);
    fields["exception"] = exception(generation, message, "common");
    if generation == SimGeneration::Legacy {
        fields["error"] = json!(message);
    }
    event("TrackExceptionEvent", guild, &fields)
}

pub(crate) fn track_stuck(
    generation: SimGeneration,
    guild: i64,
    track: &SimTrack,
    user_data: &Value,
    threshold_ms: i64,
) -> String {
    let mut fields = track_fields(generation, track, user_data);
    fields["thresholdMs"] = json!(threshold_ms);
    event("TrackStuckEvent", guild, &fields)
}

pub(crate) fn voice_closed(guild: i64, code: u16, reason: &str, by_remote: bool) -> String {
    event(
        "WebSocketClosedEvent",
        guild,
        &json!({"code": code, "reason": reason, "byRemote": by_remote}),
    )
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

/// An event: `op`, `type` and `guildId` come first, as a node writes them.
fn event(kind: &str, guild: i64, fields: &Value) -> String {
    with_head(&format!(r#""op":"event","type":"{kind}","guildId":"{guild}""#), fields)
}

/// An object of the given text and, after it, the fields of an object that is not empty.
fn with_head(head: &str, fields: &Value) -> String {
    let fields = fields.to_string();
    format!("{{{head},{}", fields.trim_start_matches('{'))
}

/// The track in an event: v4 shows all of it, 3.7 its encoded form twice, legacy once.
fn track_fields(generation: SimGeneration, track: &SimTrack, user_data: &Value) -> Value {
    match generation {
        SimGeneration::Legacy => json!({"track": track.encode(2)}),
        SimGeneration::V3_7 => {
            let encoded = track.encode(2);
            json!({"encodedTrack": encoded, "track": encoded})
        }
        SimGeneration::V4_1 | SimGeneration::V4_2 => json!({"track": track.to_json(generation, user_data)}),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]

    use super::*;

    #[test]
    fn messages_are_json_and_begin_as_lavalinks_do() {
        let track = SimTrack::http("t", "https://sim.invalid/t", 1000);
        let state = PlayerState {
            time: 1,
            position: Some(2),
            connected: true,
            ping: 3,
        };
        let (none, v4) = (json!({}), SimGeneration::V4_2);
        let cases = [
            (ready("abc", false), r#"{"op":"ready","#),
            (player_update(5, &state), r#"{"op":"playerUpdate","state":{"#),
            (stats(&json!({"players": 0})), r#"{"op":"stats","players""#),
            (
                track_start(v4, 5, &track, &none),
                r#"{"op":"event","type":"TrackStartEvent","guildId":"5","track":{"#,
            ),
            (
                voice_closed(5, 4014, "x", true),
                r#"{"op":"event","type":"WebSocketClosedEvent","guildId":"5","#,
            ),
        ];
        for (message, start) in cases {
            assert!(message.starts_with(start), "{message}");
            assert!(serde_json::from_str::<Value>(&message).unwrap().is_object());
        }
    }

    #[test]
    fn reasons_and_severities_are_spelled_as_each_protocol_spells_them() {
        let track = SimTrack::http("t", "https://sim.invalid/t", 1000);
        for (generation, reason, severity) in [
            (SimGeneration::Legacy, "LOAD_FAILED", "COMMON"),
            (SimGeneration::V4_2, "loadFailed", "common"),
        ] {
            let end: Value =
                serde_json::from_str(&track_end(generation, 5, &track, &json!({}), EndReason::LoadFailed)).unwrap();
            let failure: Value =
                serde_json::from_str(&track_exception(generation, 5, &track, &json!({}), "no")).unwrap();
            assert_eq!(
                (&end["reason"], &failure["exception"]["severity"]),
                (&json!(reason), &json!(severity))
            );
            assert_eq!(failure.get("error").is_some(), generation == SimGeneration::Legacy);
        }
    }
}
