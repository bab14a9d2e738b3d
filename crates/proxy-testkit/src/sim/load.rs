//! What `loadtracks` finds: a deterministic answer for every identifier.
//!
//! | identifier | answer |
//! |---|---|
//! | `sim:track:NAME` or `sim:track:NAME:MS` | that track, 180 s long or as given |
//! | `sim:fail:NAME` | a track that fails when played |
//! | `sim:playlist:N` | a playlist of N tracks |
//! | `ytsearch:`, `ytmsearch:`, `scsearch:`, `sim:search:` + text | five search results |
//! | `sim:empty`, anything unknown | nothing |
//! | `sim:error` | a load failure |
//! | `sim:large:BYTES` | a search result of exactly that many bytes, sent in chunks |
//! | `sim:slow:MS` | a track, after that time |
//! | `http://...`, `https://...` | a track with that address; the query parameter `length` is its length in ms |

use std::time::Duration;

use serde_json::{Value, json};

use super::{generation::SimGeneration, messages, rest::RestError, routes::query, track::SimTrack};

/// Length of a track that does not say, in ms.
const DEFAULT_LENGTH: i64 = 180_000;
/// What v4.0.8 and newer answer for every failure to load.
const WRAPPED: &str = "Something went wrong while looking up the track.";

/// The outcome of loading an identifier.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Loaded {
    Track(SimTrack),
    Playlist(String, Vec<SimTrack>),
    Search(Vec<SimTrack>),
    Empty,
    Error(String),
}

/// How long loading takes.
pub(crate) fn delay(identifier: &str) -> Duration {
    let ms = identifier.strip_prefix("sim:slow:").and_then(|ms| ms.parse().ok());
    Duration::from_millis(ms.unwrap_or(0))
}

/// The size asked for by `sim:large:BYTES`.
pub(crate) fn large(identifier: &str) -> Option<usize> {
    identifier.strip_prefix("sim:large:")?.parse().ok()
}

/// Loads an identifier.
pub(crate) fn load(identifier: &str) -> Loaded {
    let search = ["ytsearch:", "ytmsearch:", "scsearch:", "sim:search:"];
    if let Some(text) = search.iter().find_map(|prefix| identifier.strip_prefix(prefix)) {
        return Loaded::Search((0..5).map(|index| search_result(text, index)).collect());
    }
    if identifier.starts_with("http://") || identifier.starts_with("https://") {
        return Loaded::Track(file(identifier));
    }
    let (kind, rest) = identifier
        .strip_prefix("sim:")
        .and_then(|rest| rest.split_once(':'))
        .unwrap_or(("", ""));
    match kind {
        "track" | "fail" | "slow" => Loaded::Track(named(kind, rest)),
        "playlist" => {
            let count = rest.parse().unwrap_or(0);
            let tracks = (1..=count)
                .map(|number| named("track", &format!("{rest}-{number}")))
                .collect();
            Loaded::Playlist(format!("Sim playlist {rest}"), tracks)
        }
        _ if identifier == "sim:error" => Loaded::Error("The simulated source refused".to_owned()),
        _ => Loaded::Empty,
    }
}

/// The one track of an identifier, for playing it at once.
///
/// # Errors
/// As a node answers when there is none, or more than one.
pub(crate) fn single_track(identifier: &str, generation: SimGeneration) -> Result<SimTrack, RestError> {
    match load(identifier) {
        Loaded::Track(track) => Ok(track),
        Loaded::Empty => Err(RestError::new(400, "No matches found for identifier")),
        Loaded::Playlist(..) | Loaded::Search(_) => Err(RestError::new(400, "Cannot play a playlist or search result")),
        Loaded::Error(_) if generation.is_v4() => Err(RestError::new(400, WRAPPED)),
        Loaded::Error(message) => Err(RestError::new(500, message)),
    }
}

/// Whether a track is one that fails when it starts (`sim:fail:NAME`).
pub(crate) fn fails_on_start(track: &SimTrack) -> bool {
    track.identifier.starts_with("https://sim.invalid/fail/")
}

/// The load result in the generation's JSON.
pub(crate) fn to_json(loaded: &Loaded, generation: SimGeneration) -> Value {
    if generation.is_v4() {
        v4_json(loaded, generation)
    } else {
        v3_json(loaded, generation)
    }
}

fn v4_json(loaded: &Loaded, generation: SimGeneration) -> Value {
    let none = json!({});
    let all = |tracks: &[SimTrack]| {
        tracks
            .iter()
            .map(|track| track.to_json(generation, &none))
            .collect::<Vec<_>>()
    };
    let (kind, data) = match loaded {
        Loaded::Track(track) => ("track", track.to_json(generation, &none)),
        Loaded::Playlist(name, tracks) => {
            let info = json!({"name": name, "selectedTrack": -1});
            (
                "playlist",
                json!({"info": info, "pluginInfo": {}, "tracks": all(tracks)}),
            )
        }
        Loaded::Search(tracks) => ("search", json!(all(tracks))),
        Loaded::Empty => ("empty", Value::Null),
        Loaded::Error(message) => {
            let mut exception = messages::exception(generation, WRAPPED, "fault");
            let cause = format!("com.sedmelluq.discord.lavaplayer.tools.FriendlyException: {WRAPPED}");
            // Only here the reason survives.
            exception["causeStackTrace"] = json!(format!("{cause}\n\tat sim.Node.load\nCaused by: {message}"));
            exception["cause"] = json!(cause);
            ("error", exception)
        }
    };
    json!({"loadType": kind, "data": data})
}

fn v3_json(loaded: &Loaded, generation: SimGeneration) -> Value {
    let all = |tracks: &[SimTrack]| -> Vec<Value> {
        tracks
            .iter()
            .map(|track| track.to_json(generation, &Value::Null))
            .collect()
    };
    let (kind, info, tracks) = match loaded {
        Loaded::Track(track) => ("TRACK_LOADED", json!({}), all(std::slice::from_ref(track))),
        Loaded::Playlist(name, tracks) => (
            "PLAYLIST_LOADED",
            json!({"name": name, "selectedTrack": -1}),
            all(tracks),
        ),
        Loaded::Search(tracks) => ("SEARCH_RESULT", json!({}), all(tracks)),
        Loaded::Empty => ("NO_MATCHES", json!({}), Vec::new()),
        Loaded::Error(_) => ("LOAD_FAILED", json!({}), Vec::new()),
    };
    let mut result = json!({"loadType": kind, "playlistInfo": info, "tracks": tracks});
    if let Loaded::Error(message) = loaded {
        let mut exception = messages::exception(generation, message, "common");
        if generation == SimGeneration::Legacy {
            exception.as_object_mut().and_then(|fields| fields.remove("cause"));
        }
        result["exception"] = exception;
    }
    result
}

/// A search result of exactly `size` bytes (or the smallest there is): tracks, then blanks, which JSON allows.
pub(crate) fn large_body(size: usize, generation: SimGeneration) -> Vec<u8> {
    let one = named("track", "large").to_json(generation, &json!({})).to_string();
    let (head, tail) = if generation.is_v4() {
        (r#"{"loadType":"search","data":["#, "]}")
    } else {
        (r#"{"loadType":"SEARCH_RESULT","playlistInfo":{},"tracks":["#, "]}")
    };
    let count = size.saturating_sub(head.len() + tail.len() + 1) / (one.len() + 1);
    let mut body = Vec::with_capacity(size);
    body.extend(head.as_bytes());
    body.extend(vec![one.as_str(); count].join(",").as_bytes());
    body.extend(tail.as_bytes());
    body.resize(body.len().max(size), b' ');
    body
}

/// An audio file without tags. Nothing is fetched: the address tells the container and, if it likes, the length.
fn file(address: &str) -> SimTrack {
    let (path, parameters) = address.split_once('?').unwrap_or((address, ""));
    let length = query(parameters, "length").and_then(|ms| ms.parse().ok());
    let container = match path.rsplit_once('.') {
        Some((_, "wav")) => "wav",
        _ => "mp3",
    };
    SimTrack {
        author: "Unknown artist".to_owned(),
        ..SimTrack::http("Unknown title", address, length.unwrap_or(DEFAULT_LENGTH)).in_container(container)
    }
}

/// `NAME` or `NAME:MS`.
fn named(kind: &str, text: &str) -> SimTrack {
    let (name, length) = match text.rsplit_once(':') {
        Some((name, ms)) if ms.parse::<i64>().is_ok() => (name, ms.parse().unwrap_or(DEFAULT_LENGTH)),
        _ => (text, DEFAULT_LENGTH),
    };
    SimTrack::http(name, &format!("https://sim.invalid/{kind}/{name}"), length)
}

fn search_result(text: &str, index: usize) -> SimTrack {
    // Eleven characters, as the source's own ids have.
    SimTrack::youtube(
        &format!("{text} {index}"),
        &format!("simSearch{index:02}"),
        DEFAULT_LENGTH,
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]

    use super::*;

    #[test]
    fn a_large_answer_has_exactly_the_size_asked_for_and_is_json() {
        for size in [1_000, 65_536, 1_500_000] {
            for generation in SimGeneration::ALL {
                let body = large_body(size, generation);
                assert_eq!(body.len(), size);
                assert!(serde_json::from_slice::<Value>(&body).unwrap()["loadType"].is_string());
            }
        }
    }

    #[test]
    fn every_kind_of_identifier_gives_its_load_type_in_both_protocols() {
        let cases = [
            ("sim:track:a", "track", "TRACK_LOADED"),
            ("https://example.org/a.mp3", "track", "TRACK_LOADED"),
            ("sim:playlist:3", "playlist", "PLAYLIST_LOADED"),
            ("ytsearch:never gonna", "search", "SEARCH_RESULT"),
            ("sim:empty", "empty", "NO_MATCHES"),
            ("whatever", "empty", "NO_MATCHES"),
            ("sim:error", "error", "LOAD_FAILED"),
        ];
        for (identifier, v4, v3) in cases {
            let loaded = load(identifier);
            assert_eq!(to_json(&loaded, SimGeneration::V4_2)["loadType"], v4, "{identifier}");
            assert_eq!(to_json(&loaded, SimGeneration::V3_7)["loadType"], v3, "{identifier}");
        }
        let Loaded::Track(short) = load("sim:track:short:2000") else {
            panic!("not a track")
        };
        assert_eq!((short.title.as_str(), short.length), ("short", 2000));
    }
}
