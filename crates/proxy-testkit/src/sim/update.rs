//! A player update: reading the body of a PATCH as v4 and as 3.7 read it, and carrying it out in Lavalink's order.

use std::{fmt::Display, str::FromStr, time::Instant};

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{
    filters,
    generation::SimGeneration,
    load,
    messages::EndReason,
    player::{Loaded, SimVoice},
    rest::{RestError, undecodable},
    session::Session,
    track::SimTrack,
};

/// Which track to play.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Instruction {
    /// An encoded track; `None` stops.
    Encoded(Option<String>),
    /// Something to load that must be a single track.
    Identifier(String),
}

/// A player update, checked; what is `None` stays as it is.
#[derive(Debug, Default)]
pub(crate) struct Update {
    pub(crate) instruction: Option<Instruction>,
    pub(crate) user_data: Option<Value>,
    pub(crate) position: Option<i64>,
    /// `Some(None)`: the end marker as null.
    pub(crate) end_time: Option<Option<i64>>,
    pub(crate) volume: Option<i64>,
    pub(crate) paused: Option<bool>,
    pub(crate) filters: Option<Map<String, Value>>,
    pub(crate) voice: Option<SimVoice>,
}

/// The body as v4 declares it. A key that is present must have its type; null is a value of its own only where allowed.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct V4Body {
    #[serde(deserialize_with = "present")]
    track: Option<V4Track>,
    #[serde(deserialize_with = "present")]
    encoded_track: Option<Option<String>>,
    #[serde(deserialize_with = "present")]
    identifier: Option<String>,
    #[serde(deserialize_with = "present")]
    position: Option<QuotableInt>,
    #[serde(deserialize_with = "present")]
    end_time: Option<Option<QuotableInt>>,
    #[serde(deserialize_with = "present")]
    volume: Option<QuotableInt>,
    #[serde(deserialize_with = "present")]
    paused: Option<QuotableBool>,
    #[serde(deserialize_with = "present")]
    filters: Option<Map<String, Value>>,
    #[serde(deserialize_with = "present")]
    voice: Option<Map<String, Value>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct V4Track {
    #[serde(deserialize_with = "present")]
    encoded: Option<Option<String>>,
    #[serde(deserialize_with = "present")]
    identifier: Option<String>,
    #[serde(deserialize_with = "present")]
    user_data: Option<Map<String, Value>>,
}

/// The body as 3.7 declares it; numbers are read leniently.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct V3Body {
    #[serde(deserialize_with = "present")]
    encoded_track: Option<Option<String>>,
    identifier: Option<String>,
    position: Option<LenientInt>,
    #[serde(deserialize_with = "present")]
    end_time: Option<Option<LenientInt>>,
    volume: Option<LenientInt>,
    paused: Option<bool>,
    filters: Option<Map<String, Value>>,
    voice: Option<Map<String, Value>>,
}

/// Tells "absent" (the field's default, `None`) from "null" (whatever `T` makes of null).
pub(crate) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// An integer, also in quotes: v4's JSON reader takes both, and one published client sends `"position": "0"`.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum QuotableInt {
    Number(i64),
    Text(#[serde(deserialize_with = "from_text")] i64),
}

fn from_text<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(deserializer: D) -> Result<T, D::Error> {
    String::deserialize(deserializer)?
        .parse()
        .map_err(serde::de::Error::custom)
}

/// A truth value, also in quotes, as v4's JSON reader takes it.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum QuotableBool {
    Plain(bool),
    Text(#[serde(deserialize_with = "from_text")] bool),
}

impl QuotableBool {
    pub(crate) fn get(&self) -> bool {
        match self {
            Self::Plain(value) | Self::Text(value) => *value,
        }
    }
}

impl QuotableInt {
    pub(crate) fn get(&self) -> i64 {
        match self {
            Self::Number(value) | Self::Text(value) => *value,
        }
    }
}

/// A number in any of the forms that v3's JSON reader takes: fractions are cut off, text is parsed.
#[derive(Deserialize)]
#[serde(try_from = "Value")]
pub(crate) struct LenientInt(pub(crate) i64);

impl TryFrom<Value> for LenientInt {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        lenient_int(&value)
            .map(Self)
            .ok_or_else(|| format!("not a number: {value}"))
    }
}

/// See [`LenientInt`].
pub(crate) fn lenient_int(value: &Value) -> Option<i64> {
    // Cutting off is what the node does.
    let whole = |number: f64| number as i64;
    match value {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(whole)),
        Value::String(text) => text.parse().ok().or_else(|| text.parse().ok().map(whole)),
        _ => None,
    }
}

/// Reads a JSON body.
///
/// # Errors
/// 400, without details.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, RestError> {
    serde_json::from_slice(body).map_err(|_| RestError::bad_request())
}

/// Reads a JSON object; the derived readers would take an array of the fields as well.
///
/// # Errors
/// As [`parse`].
pub(crate) fn parse_object<T: DeserializeOwned>(body: &[u8]) -> Result<T, RestError> {
    let object: Map<String, Value> = parse(body)?;
    serde_json::from_value(Value::Object(object)).map_err(|_| RestError::bad_request())
}

/// A body of the right types, not yet checked further.
pub(crate) struct Parsed(Body);

enum Body {
    V4(V4Body),
    V3(V3Body),
}

impl Parsed {
    /// Reads a body; whether its session exists is looked at between this and [`Parsed::check`].
    ///
    /// # Errors
    /// 400 for what is not JSON or has wrong types.
    pub(crate) fn read(body: &[u8], generation: SimGeneration) -> Result<Self, RestError> {
        if generation.is_v4() {
            let body: V4Body = parse_object(body)?;
            let narrow = |volume: &QuotableInt| i32::try_from(volume.get()).is_ok();
            if !body.volume.as_ref().is_none_or(narrow) {
                return Err(RestError::bad_request());
            }
            // A filter of the wrong shape does not parse, and a voice state with a key missing does not either.
            body.filters.as_ref().map(filters::typed).transpose()?;
            body.voice
                .as_ref()
                .map(|voice| read_voice(voice, generation))
                .transpose()?;
            return Ok(Self(Body::V4(body)));
        }
        Ok(Self(Body::V3(parse_object(body)?)))
    }

    /// Checks it in the order in which Lavalink does.
    ///
    /// # Errors
    /// 400 with Lavalink's message.
    pub(crate) fn check(self, generation: SimGeneration, disabled: &[String]) -> Result<Update, RestError> {
        let mut update = match self.0 {
            Body::V4(body) => body.into_update(generation)?,
            Body::V3(body) => body.into_update()?,
        };
        if let Some(given) = &update.filters {
            update.filters = Some(filters::accept(generation, given, disabled)?);
        }
        if let Some(voice) = &update.voice {
            check_voice(voice, generation)?;
        }
        if matches!(update.end_time, Some(Some(end)) if end <= 0) {
            return Err(RestError::new(400, "End time must be greater than 0"));
        }
        Ok(update)
    }
}

impl V4Body {
    fn into_update(self, generation: SimGeneration) -> Result<Update, RestError> {
        if self.track.is_some() && (self.encoded_track.is_some() || self.identifier.is_some()) {
            return Err(RestError::new(
                400,
                "Cannot specify both track and encodedTrack/identifier",
            ));
        }
        let track = self.track.unwrap_or_default();
        let encoded = track.encoded.or(self.encoded_track);
        let identifier = track.identifier.or(self.identifier);
        Ok(Update {
            instruction: instruction(encoded, identifier)?,
            user_data: track.user_data.map(Value::Object),
            position: self.position.map(|value| value.get()),
            end_time: self.end_time.map(|value| value.map(|value| value.get())),
            volume: self.volume.map(|value| value.get()),
            paused: self.paused.map(|value| value.get()),
            filters: self.filters,
            voice: self
                .voice
                .as_ref()
                .map(|voice| read_voice(voice, generation))
                .transpose()?,
        })
    }
}

impl V3Body {
    fn into_update(self) -> Result<Update, RestError> {
        Ok(Update {
            instruction: instruction(self.encoded_track, self.identifier)?,
            user_data: None,
            position: self.position.map(|value| value.0),
            end_time: self.end_time.map(|value| value.map(|value| value.0)),
            volume: self.volume.map(|value| value.0),
            paused: self.paused,
            filters: self.filters,
            voice: self
                .voice
                .as_ref()
                .map(|voice| read_voice(voice, SimGeneration::V3_7))
                .transpose()?,
        })
    }
}

impl Update {
    /// Carries the update out on a session's player (which is made if missing), with `noReplace` as given.
    ///
    /// # Errors
    /// 400 or 500 from the track; what was applied before stays applied, as on a real node.
    pub(crate) fn apply(
        self,
        session: &mut Session,
        guild: i64,
        no_replace: bool,
        generation: SimGeneration,
    ) -> Result<(), RestError> {
        let now = Instant::now();
        session.player(guild, now);
        if let Some(voice) = self.voice.clone() {
            session.connect_voice(guild, voice, false, now);
        }
        if self.instruction.is_none() {
            self.apply_to_current(session, guild, generation, now);
        }
        let player = session.player(guild, now);
        if let Some(volume) = self.volume {
            player.volume = volume.clamp(0, 1000);
        }
        if self.instruction.is_none() {
            self.apply_times(session, guild, generation, now);
        }
        if let Some(filters) = &self.filters {
            if let Some(band) = filters::bad_band(filters) {
                let cause =
                    format!("java.lang.ArrayIndexOutOfBoundsException: Index {band} out of bounds for length 15");
                return Err(RestError::uncaught(format!("Request processing failed: {cause}")));
            }
            session
                .player(guild, now)
                .change(now, |player| player.filters = filters.clone());
            session.send_update(guild, now);
        }
        match &self.instruction {
            Some(instruction) => self.play(instruction, session, guild, no_replace, generation, now),
            None => Ok(()),
        }
    }

    fn apply_to_current(&self, session: &mut Session, guild: i64, generation: SimGeneration, now: Instant) {
        let player = session.player(guild, now);
        if let Some(paused) = self.paused {
            player.change(now, |player| player.paused = paused);
        }
        if let (Some(user_data), Some(loaded), true) = (&self.user_data, &mut player.track, generation.is_v4()) {
            loaded.user_data = user_data.clone();
        }
    }

    /// Position and end marker of the current track. A null marker does nothing on v4 and clears it on 3.7.
    fn apply_times(&self, session: &mut Session, guild: i64, generation: SimGeneration, now: Instant) {
        let player = session.player(guild, now);
        let loaded = player.track.is_some();
        if let (Some(position), true) = (self.position, loaded) {
            player.seek(now, position);
            session.send_update(guild, now);
        }
        match self.end_time {
            Some(None) if !generation.is_v4() => session.player(guild, now).set_end_time(now, None),
            Some(Some(end)) => session.player(guild, now).set_end_time(now, Some(end)),
            _ => {}
        }
    }

    fn play(
        &self,
        instruction: &Instruction,
        session: &mut Session,
        guild: i64,
        no_replace: bool,
        generation: SimGeneration,
        now: Instant,
    ) -> Result<(), RestError> {
        let player = session.player(guild, now);
        if no_replace && player.track.is_some() {
            return Ok(());
        }
        player.change(now, |player| player.paused = self.paused.unwrap_or(false));
        let track = match instruction {
            Instruction::Encoded(None) => {
                session.end_track(guild, EndReason::Stopped, now);
                return Ok(());
            }
            Instruction::Encoded(Some(encoded)) => {
                SimTrack::decode(encoded, generation).map_err(|error| undecodable(error, generation))?
            }
            Instruction::Identifier(identifier) => load::single_track(identifier, generation)?,
        };
        let mut loaded = Loaded::new(track, self.position, self.user_data.clone());
        loaded.broken = load::fails_on_start(&loaded.track);
        session.play(guild, loaded, now);
        if let Some(end_time) = self.end_time {
            session.player(guild, now).set_end_time(now, end_time);
        }
        Ok(())
    }
}

fn instruction(encoded: Option<Option<String>>, identifier: Option<String>) -> Result<Option<Instruction>, RestError> {
    match (encoded, identifier) {
        (Some(_), Some(_)) => Err(RestError::new(400, "Cannot specify both encodedTrack and identifier")),
        (Some(encoded), None) => Ok(Some(Instruction::Encoded(encoded))),
        (None, Some(identifier)) => Ok(Some(Instruction::Identifier(identifier))),
        (None, None) => Ok(None),
    }
}

/// Reads a voice state; a required key that is absent is the JSON reader's own complaint.
fn read_voice(voice: &Map<String, Value>, generation: SimGeneration) -> Result<SimVoice, RestError> {
    let text = |name: &str| match voice.get(name) {
        Some(Value::String(text)) => Ok(text.clone()),
        None if generation == SimGeneration::V3_7 => Ok(String::new()),
        _ => Err(RestError::bad_request()),
    };
    let channel_id = match voice.get("channelId") {
        Some(Value::Null) if generation == SimGeneration::V4_2 => None,
        _ if generation == SimGeneration::V4_2 => Some(text("channelId")?),
        _ => None,
    };
    Ok(SimVoice {
        token: text("token")?,
        endpoint: text("endpoint")?,
        session_id: text("sessionId")?,
        channel_id,
    })
}

/// What a node demands of a voice state.
fn check_voice(voice: &SimVoice, generation: SimGeneration) -> Result<(), RestError> {
    let blank = [&voice.token, &voice.endpoint, &voice.session_id]
        .into_iter()
        .any(|text| text.trim().is_empty());
    let channel = voice.channel_id.as_deref().unwrap_or_default();
    match generation {
        SimGeneration::V4_2 if blank || channel.trim().is_empty() => Err(RestError::new(
            400,
            "token, endpoint, sessionId and channelId must be provided in voice state",
        )),
        SimGeneration::V4_1 if blank => Err(RestError::new(400, format!("Partial Lavalink voice state: {voice:?}"))),
        _ if blank => Err(RestError::new(400, format!("Partial voice state update: {voice:?}"))),
        _ => Ok(()),
    }
}
