//! The messages and bodies of the protocol that the proxy itself reads or writes, typed.
//!
//! Everything else crosses the proxy as the bytes it came in; statistics are in [`crate::stats`].

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, DeserializeOwned, Deserializer, Visitor};
use serde::{Deserialize, Serialize};

use crate::id::GuildId;
use crate::scan::{Members, Raw, leading_string};

/// The op of [`Ready`], checked when reading and always written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum ReadyOp {
    #[default]
    #[serde(rename = "ready")]
    Ready,
}

/// The op of [`PlayerUpdate`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum PlayerUpdateOp {
    #[default]
    #[serde(rename = "playerUpdate")]
    PlayerUpdate,
}

/// `ready`: the first message of a session, on 3.7 and v4.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ready {
    op: ReadyOp,
    /// Whether a parked session was taken up again.
    pub resumed: bool,
    /// The session's id: a node's own, or the one that the proxy issued.
    pub session_id: String,
}

impl Ready {
    /// The message for a session.
    pub fn new(resumed: bool, session_id: impl Into<String>) -> Self {
        Self {
            op: ReadyOp::Ready,
            resumed,
            session_id: session_id.into(),
        }
    }

    /// Reads a node's message.
    ///
    /// # Errors
    /// When it is not a `ready` with both fields.
    pub fn read(payload: &[u8]) -> Result<Self, BodyError> {
        parse(payload)
    }

    /// Appends the message as JSON.
    pub fn write(&self, out: &mut Vec<u8>) {
        append(out, self);
    }
}

/// The state of a player, in `playerUpdate` and in a v4 Player.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlayerState {
    /// The node's Unix time in milliseconds.
    pub time: i64,
    /// Milliseconds into the track. v3 before 3.7 leaves it out without a track, which reads as 0.
    #[serde(default)]
    pub position: i64,
    /// Whether the voice gateway is connected. Missing before 3.4.
    #[serde(default)]
    pub connected: bool,
    /// Voice gateway round trip in milliseconds, -1 when not connected. Missing before 3.5.1.
    #[serde(default = "no_ping")]
    pub ping: i64,
}

fn no_ping() -> i64 {
    -1
}

/// `playerUpdate`: where a player is in its track.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlayerUpdate {
    op: PlayerUpdateOp,
    /// The player's guild.
    pub guild_id: GuildId,
    /// Its state.
    pub state: PlayerState,
}

impl PlayerUpdate {
    /// The message for a player.
    pub fn new(guild_id: GuildId, state: PlayerState) -> Self {
        Self {
            op: PlayerUpdateOp::PlayerUpdate,
            guild_id,
            state,
        }
    }

    /// Reads a node's message.
    ///
    /// # Errors
    /// When it is not a `playerUpdate` with guild and state.
    pub fn read(payload: &[u8]) -> Result<Self, BodyError> {
        parse(payload)
    }

    /// Appends the message as JSON.
    pub fn write(&self, out: &mut Vec<u8>) {
        append(out, self);
    }
}

/// The state out of a `playerUpdate`. The spelling that Lavalink itself uses, which is nearly every one, is read without
/// parsing the rest.
pub fn quick_state(payload: &[u8]) -> Option<PlayerState> {
    usual_state(payload).or_else(|| Some(PlayerUpdate::read(payload).ok()?.state))
}

fn usual_state(payload: &[u8]) -> Option<PlayerState> {
    let rest = payload.strip_prefix(br#"{"op":"playerUpdate","#)?;
    let rest = match rest.strip_prefix(br#""guildId":""#) {
        Some(rest) => digits(rest)?.1.strip_prefix(br#"","#)?,
        None => rest,
    };
    let (time, rest) = digits(rest.strip_prefix(br#""state":{"time":"#)?)?;
    let (position, rest) = digits(rest.strip_prefix(br#","position":"#)?)?;
    let rest = rest.strip_prefix(br#","connected":"#)?;
    let (connected, rest) = match rest.strip_prefix(b"true") {
        Some(rest) => (true, rest),
        None => (false, rest.strip_prefix(b"false")?),
    };
    let (ping, rest) = match rest.strip_prefix(br#","ping":"#)? {
        [b'-', b'1', rest @ ..] => (no_ping(), rest),
        rest => digits(rest)?,
    };
    rest.starts_with(b"}").then_some(PlayerState {
        time,
        position,
        connected,
        ping,
    })
}

fn digits(text: &[u8]) -> Option<(i64, &[u8])> {
    // So many cannot overflow.
    let len = text.iter().take(19).take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at(len);
    let value = number.iter().fold(0, |value: i64, digit| {
        value.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'))
    });
    (len > 0).then_some((value, rest))
}

/// The identifier of the track that an event or a Player object has, and how many of its first bytes tell so. Walks there
/// without parsing what lies beside it, and no further, since each answer to a request to play is looked at.
pub fn track_identifier(json: &[u8]) -> Option<(Cow<'_, str>, usize)> {
    let track = Members::of(json)?.find_key("track")?;
    let info = Members::of(track)?.find_key("info")?;
    let rest = Members::of(info)?.find_key("identifier")?;
    let identifier = leading_string(rest)?;
    let told_by = json.len() - rest.len() + identifier.len();
    let raw = Raw::of_value(identifier)?;
    let text = if raw.escaped {
        Cow::Owned(serde_json::from_slice(identifier).ok()?)
    } else {
        Cow::Borrowed(std::str::from_utf8(raw.text).ok()?)
    };
    Some((text, told_by))
}

/// Body of a v4 `PATCH /v4/sessions/{session}`. Absent fields leave things as they are; unknown keys are ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionUpdate {
    /// Whether the session outlives its socket.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub resuming: Option<bool>,
    /// For how many seconds.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
}

impl SessionUpdate {
    /// Reads a client's body as Lavalink does: null, a wrong type and a fraction are errors, while a boolean or an
    /// integer may also come as text.
    ///
    /// # Errors
    /// What Lavalink answers 400 to.
    pub fn read(body: &[u8]) -> Result<Self, BodyError> {
        parse(body)
    }
}

/// The answer to a v4 session update: what holds now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionAnswer {
    /// Whether the session outlives its socket; off in a new session.
    pub resuming: bool,
    /// For how many seconds; 60 in a new session.
    pub timeout: i64,
}

impl SessionAnswer {
    /// Appends the object as JSON.
    pub fn write(&self, out: &mut Vec<u8>) {
        append(out, self);
    }
}

/// Body of a 3.7 `PATCH /v3/sessions/{session}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct V3SessionUpdate {
    /// The key to resume by: `Some(None)` (a null) turns resuming off, `None` (no key) leaves it.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub resuming_key: Option<Option<String>>,
    /// For how many seconds. A null counts as absent; text and fractions are read as v3 reads numbers.
    #[serde(
        default,
        deserialize_with = "lenient_integer",
        skip_serializing_if = "Option::is_none"
    )]
    pub timeout: Option<i64>,
}

impl V3SessionUpdate {
    /// Reads a client's body.
    ///
    /// # Errors
    /// What a 3.7 node answers 400 to.
    pub fn read(body: &[u8]) -> Result<Self, BodyError> {
        parse(body)
    }
}

/// The answer to a 3.7 session update.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct V3SessionAnswer {
    /// The key in force, null when resuming is off.
    pub resuming_key: Option<String>,
    /// For how many seconds.
    pub timeout: i64,
}

impl V3SessionAnswer {
    /// Appends the object as JSON.
    pub fn write(&self, out: &mut Vec<u8>) {
        append(out, self);
    }
}

/// A body or message that is not what it should be. Its text is fit for the `message` of a 400.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Everything that is read here is a JSON object.
    #[error("expected a JSON object")]
    NotAnObject,
    /// Broken JSON, a missing field or one of a wrong type.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, BodyError> {
    // Without this an array would pass for the fields in their order.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(BodyError::NotAnObject);
    }
    Ok(serde_json::from_slice(body)?)
}

pub(crate) fn append(out: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(out, value).expect("plain fields serialise, and a vector takes them");
}

/// A field that, when present, must hold a value: null is an error as it is for Lavalink v4.
fn given<'de, D: Deserializer<'de>, T: Scalar>(deserializer: D) -> Result<Option<T>, D::Error> {
    deserializer.deserialize_any(ScalarVisitor(PhantomData)).map(Some)
}

/// What Lavalink v4's parser makes of a boolean or integer field.
trait Scalar: Sized + std::str::FromStr {
    const EXPECTED: &'static str;
    fn from_bool(value: bool) -> Option<Self>;
    fn from_integer(value: i64) -> Option<Self>;
}

impl Scalar for bool {
    const EXPECTED: &'static str = "a boolean";

    fn from_bool(value: bool) -> Option<Self> {
        Some(value)
    }

    fn from_integer(_: i64) -> Option<Self> {
        None
    }
}

impl Scalar for i64 {
    const EXPECTED: &'static str = "an integer";

    fn from_bool(_: bool) -> Option<Self> {
        None
    }

    fn from_integer(value: i64) -> Option<Self> {
        Some(value)
    }
}

struct ScalarVisitor<T>(PhantomData<T>);

impl<T: Scalar> Visitor<'_> for ScalarVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<T, E> {
        T::from_bool(value).ok_or_else(|| E::invalid_type(de::Unexpected::Bool(value), &self))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<T, E> {
        T::from_integer(value).ok_or_else(|| E::invalid_type(de::Unexpected::Signed(value), &self))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<T, E> {
        let signed = i64::try_from(value).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(value), &self))?;
        self.visit_i64(signed)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse()
            .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

/// Tells a null from an absent key, and takes a number or a boolean for its text as v3 does.
fn nullable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    match value {
        serde_json::Value::Null => Ok(Some(None)),
        serde_json::Value::String(text) => Ok(Some(Some(text))),
        serde_json::Value::Number(number) => Ok(Some(Some(number.to_string()))),
        serde_json::Value::Bool(flag) => Ok(Some(Some(flag.to_string()))),
        _ => Err(de::Error::custom("resumingKey is neither text nor null")),
    }
}

fn lenient_integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    let number = match &value {
        serde_json::Value::Null => return Ok(None),
        serde_json::Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|number| number as i64)),
        serde_json::Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number
        .map(Some)
        .ok_or_else(|| de::Error::custom("timeout is not a number"))
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
