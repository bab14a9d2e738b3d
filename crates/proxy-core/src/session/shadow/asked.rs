//! What a player update says: what its answer will not show, and what the player that it makes needs of a node.

use std::num::NonZeroU64;
use std::time::Instant;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::placement::{region, source};

/// What a player update says that its answer does not show, or that placement needs before there is an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// The end marker. A null does nothing on a node, so it counts as absent.
    pub end_time: Option<i64>,
    /// It starts a track, or stops the one that plays.
    pub new_track: bool,
    /// `noReplace=true` in the query: a track that plays is not replaced.
    pub no_replace: bool,
    /// It names a voice endpoint, which tells the region.
    pub voice: bool,
    /// The voice channel. Nodes before 4.2 take it and do not show it, but the node that the player moves to may want it.
    pub channel: Option<NonZeroU64>,
    /// When it was sent, if it starts a track and that is known: what was heard before is not of that track.
    pub sent: Option<Instant>,
}

impl Asked {
    /// Reads the body of a player update; `None` when it seems to say something and a node could not read it either. Most
    /// updates say nothing of what is looked for, and are not parsed to find that out.
    pub fn read(body: &[u8], no_replace: bool) -> Option<Self> {
        if !may_ask(body) {
            return Some(Self {
                no_replace,
                ..Self::default()
            });
        }
        let body: Request<'_> = serde_json::from_slice(body).ok()?;
        let track = body.track.unwrap_or_default();
        let instructions = [track.encoded, track.identifier, body.encoded_track, body.identifier];
        Some(Self {
            end_time: body.end_time,
            new_track: instructions.iter().any(Option::is_some),
            no_replace,
            voice: body.voice.as_ref().is_some_and(|voice| voice.endpoint.is_some()),
            channel: body
                .voice
                .and_then(|voice| voice.channel_id)
                .and_then(|id| id.get().trim_matches('"').parse().ok()),
            sent: None,
        })
    }
}

/// Whether the text of an update may have one of the keys of [`Request`], or hides its keys by escapes.
pub(super) fn may_ask(body: &[u8]) -> bool {
    // Their first letters tell most of what is quoted apart.
    let starts = |at: usize| match &body[at + 1..] {
        rest @ [b't', ..] => rest.starts_with(b"track\""),
        rest @ [b'v', ..] => rest.starts_with(b"voice\""),
        rest @ [b'i', ..] => rest.starts_with(b"identifier\""),
        rest @ [b'e', ..] => rest.starts_with(b"endTime\"") || rest.starts_with(b"encodedTrack\""),
        _ => false,
    };
    // Updates are short, and have few quotes.
    body.iter().enumerate().any(|(at, byte)| match byte {
        b'\\' => true,
        b'"' => starts(at),
        _ => false,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(default)]
    end_time: Option<i64>,
    #[serde(borrow, default)]
    track: Option<RequestTrack<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    encoded_track: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    identifier: Option<&'a RawValue>,
    #[serde(borrow, default)]
    voice: Option<RequestVoice<'a>>,
}

#[derive(Deserialize, Default)]
struct RequestTrack<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    encoded: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    identifier: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestVoice<'a> {
    #[serde(borrow, default)]
    endpoint: Option<&'a RawValue>,
    #[serde(borrow, default)]
    channel_id: Option<&'a RawValue>,
}

/// Tells a null, which stops a track, from an absent key.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// What a player needs of the node it goes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// The source manager of its track.
    pub source: Option<Box<str>>,
    /// Its voice endpoint.
    pub endpoint: Option<Box<str>>,
    /// It has a voice state without channel id, which a 4.2 node refuses.
    pub lacks_channel: bool,
}

impl Needs {
    /// Of the player that an update makes, by what the update says.
    pub fn of_request(body: &[u8]) -> Self {
        let Ok(body) = serde_json::from_slice::<Request<'_>>(body) else {
            return Self::default();
        };
        let text = |raw: &RawValue| serde_json::from_str::<String>(raw.get()).ok();
        let track = body.track.unwrap_or_default();
        let encoded = track.encoded.or(body.encoded_track).and_then(text);
        let identifier = track.identifier.or(body.identifier).and_then(text);
        let source = match (encoded, identifier) {
            (Some(encoded), _) => lavalink_protocol::track::source_of(&encoded),
            (None, Some(identifier)) => source::prefix_of(&identifier).map(Into::into),
            (None, None) => None,
        };
        let channel = |voice: &RequestVoice<'_>| voice.channel_id.is_some_and(|id| !is_blank(id));
        Self {
            source,
            lacks_channel: body.voice.as_ref().is_some_and(|voice| !channel(voice)),
            endpoint: body
                .voice
                .and_then(|voice| voice.endpoint)
                .and_then(text)
                .map(Into::into),
        }
    }

    /// The voice region, when the endpoint names one.
    pub fn region(&self) -> Option<&str> {
        region::of_endpoint(self.endpoint.as_deref()?)
    }
}

/// A null, or a text without anything in it.
fn is_blank(value: &RawValue) -> bool {
    value.get() == "null" || value.get().trim_matches('"').trim().is_empty()
}
