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
    let order = ["frameStats", "players", "playingPlayers", "uptime", "memory", "cpu"];
    let fields: Vec<_> = order
        .into_iter()
        .filter_map(|name| Some((name, figures.get(name)?.clone())))
        .collect();
    object(r#""op":"stats""#, &fields)
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
    fields.push(("reason", json!(reason.name(generation))));
    event("TrackEndEvent", guild, &fields)
}

pub(crate) fn track_exception(
    generation: SimGeneration,
    guild: i64,
    track: &SimTrack,
    user_data: &Value,
    message: &str,
    severity: &str,
) -> String {
    let mut fields = track_fields(generation, track, user_data);
    fields.push(("exception", exception(generation, message, severity)));
    if generation == SimGeneration::Legacy {
        fields.push(("error", json!(message)));
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
    fields.push(("thresholdMs", json!(threshold_ms)));
    event("TrackStuckEvent", guild, &fields)
}

pub(crate) fn voice_closed(guild: i64, code: u16, reason: &str, by_remote: bool) -> String {
    event(
        "WebSocketClosedEvent",
        guild,
        &[
            ("code", json!(code)),
            ("reason", json!(reason)),
            ("byRemote", json!(by_remote)),
        ],
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
fn event(kind: &str, guild: i64, fields: &[Field]) -> String {
    object(&format!(r#""op":"event","type":"{kind}","guildId":"{guild}""#), fields)
}

/// An object of the given text and, after it, fields in their order.
fn object(head: &str, fields: &[Field]) -> String {
    let fields: String = fields
        .iter()
        .map(|(name, value)| format!(r#","{name}":{value}"#))
        .collect();
    format!("{{{head}{fields}}}")
}

/// A key and its value, where the order of keys matters.
type Field = (&'static str, Value);

/// The track in an event: v4 shows all of it, 3.7 its encoded form twice, legacy once.
fn track_fields(generation: SimGeneration, track: &SimTrack, user_data: &Value) -> Vec<Field> {
    match generation {
        SimGeneration::Legacy => vec![("track", json!(track.encode(2)))],
        SimGeneration::V3_7 => {
            let encoded = track.encode(2);
            vec![("encodedTrack", json!(encoded)), ("track", json!(encoded))]
        }
        SimGeneration::V4_1 | SimGeneration::V4_2 => vec![("track", track.to_json(generation, user_data))],
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
            (
                stats(&json!({"players": 0, "cpu": {}, "frameStats": null})),
                r#"{"op":"stats","frameStats":null,"players":0,"cpu""#,
            ),
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
                serde_json::from_str(&track_exception(generation, 5, &track, &json!({}), "no", "common")).unwrap();
            assert_eq!(
                (&end["reason"], &failure["exception"]["severity"]),
                (&json!(reason), &json!(severity))
            );
            assert_eq!(failure.get("error").is_some(), generation == SimGeneration::Legacy);
        }
    }
}
