//! Tracks: the binary layout that Lavaplayer writes, and the JSON that Lavalink shows of it.
//!
//! The layout is the real one (versions 1 to 3), so real decoders read what the simulated node hands out and the node
//! reads what real encoders wrote. A source that the node does not know is kept as it came.

use base64::{
    DecodeError, Engine as _,
    alphabet::STANDARD as STANDARD_ALPHABET,
    engine::{
        DecodePaddingMode,
        general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD},
    },
};
use serde_json::{Value, json};

use super::generation::SimGeneration;

/// What nodes decode: padding may be missing. (v3 nodes drop foreign characters before.)
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD_ALPHABET,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Flag in the header's top bits: a version byte follows.
const HAS_VERSION: u32 = 1 << 30;
/// The header's low bits: length of the body.
const LENGTH_MASK: u32 = HAS_VERSION - 1;

/// A track as its encoded form describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimTrack {
    /// Title.
    pub title: String,
    /// Author.
    pub author: String,
    /// Length in ms; `i64::MAX` for a stream.
    pub length: i64,
    /// The source's name for it.
    pub identifier: String,
    /// Whether it is a live stream.
    pub is_stream: bool,
    /// Where to find it.
    pub uri: Option<String>,
    /// Cover picture (layout 3).
    pub artwork_url: Option<String>,
    /// International recording code (layout 3).
    pub isrc: Option<String>,
    /// Source manager that plays it, e.g. `http`.
    pub source_name: String,
    /// The source's own data, as bytes of the layout.
    pub source_data: Vec<u8>,
    /// Position in ms.
    pub position: i64,
}

impl SimTrack {
    /// A track of the `http` source, as Lavalink's own source manager describes an MP3 file.
    pub fn http(title: &str, uri: &str, length: i64) -> Self {
        Self {
            title: title.to_owned(),
            author: "Sim".to_owned(),
            length,
            identifier: uri.to_owned(),
            is_stream: false,
            uri: Some(uri.to_owned()),
            artwork_url: None,
            isrc: None,
            source_name: "http".to_owned(),
            source_data: Vec::new(),
            position: 0,
        }
        .in_container("mp3")
    }

    /// The same, probed as another container, e.g. `wav`.
    pub fn in_container(mut self, name: &str) -> Self {
        self.source_data.clear();
        put_string(&mut self.source_data, name);
        self
    }

    /// A track of the `youtube` source, as search results have them.
    pub fn youtube(title: &str, identifier: &str, length: i64) -> Self {
        Self {
            uri: Some(format!("https://www.youtube.com/watch?v={identifier}")),
            identifier: identifier.to_owned(),
            artwork_url: Some(format!("https://i.ytimg.com/vi/{identifier}/maxresdefault.jpg")),
            source_name: "youtube".to_owned(),
            source_data: Vec::new(),
            ..Self::http(title, "", length)
        }
    }

    /// Encodes it in layout `version` (2 or 3).
    pub fn encode(&self, version: u8) -> String {
        let mut body = vec![version];
        put_string(&mut body, &self.title);
        put_string(&mut body, &self.author);
        body.extend(self.length.to_be_bytes());
        put_string(&mut body, &self.identifier);
        body.push(u8::from(self.is_stream));
        put_nullable(&mut body, self.uri.as_deref());
        if version >= 3 {
            put_nullable(&mut body, self.artwork_url.as_deref());
            put_nullable(&mut body, self.isrc.as_deref());
        }
        put_string(&mut body, &self.source_name);
        body.extend(&self.source_data);
        body.extend(self.position.to_be_bytes());
        // A body beyond 30 bits of length cannot arise from strings of at most 64 KiB each.
        let header = HAS_VERSION | (u32::try_from(body.len()).unwrap_or(0) & LENGTH_MASK);
        let mut bytes = header.to_be_bytes().to_vec();
        bytes.append(&mut body);
        STANDARD.encode(bytes)
    }

    /// Decodes what a node of `generation` accepts.
    ///
    /// # Errors
    /// Not base64 (foreign characters count for v4 only), truncated, or a layout that this generation cannot read.
    pub fn decode(encoded: &str, generation: SimGeneration) -> Result<Self, TrackError> {
        let bytes = if generation.is_v4() {
            LENIENT.decode(encoded).map_err(|error| match error {
                DecodeError::InvalidByte(_, byte) => TrackError::Character(byte),
                _ => TrackError::Base64,
            })?
        } else {
            LENIENT
                .decode(standard_alphabet_only(encoded))
                .map_err(|_| TrackError::Base64)?
        };
        Self::from_bytes(&bytes, generation.track_layout())
    }

    fn from_bytes(bytes: &[u8], newest: u8) -> Result<Self, TrackError> {
        let (header, rest) = bytes.split_first_chunk::<4>().ok_or(TrackError::Truncated)?;
        let header = u32::from_be_bytes(*header);
        let length = usize::try_from(header & LENGTH_MASK).map_err(|_| TrackError::Truncated)?;
        let mut reader = Reader {
            bytes: rest.get(..length).ok_or(TrackError::Truncated)?,
        };
        let version = if header & HAS_VERSION == 0 {
            Some(1)
        } else {
            reader.byte()
        };
        match version.ok_or(TrackError::Truncated)? {
            version if version == 0 || version > newest => Err(TrackError::Layout),
            version => Self::from_body(reader, version).ok_or(TrackError::Truncated),
        }
    }

    fn from_body(mut reader: Reader<'_>, version: u8) -> Option<Self> {
        let (title, author) = (reader.string()?, reader.string()?);
        let length = reader.long()?;
        let identifier = reader.string()?;
        let is_stream = reader.byte()? != 0;
        let uri = if version >= 2 { reader.nullable()? } else { None };
        let (artwork_url, isrc) = if version >= 3 {
            (reader.nullable()?, reader.nullable()?)
        } else {
            (None, None)
        };
        let source_name = reader.string()?;
        let (source_data, position) = reader.bytes.split_last_chunk::<8>()?;
        Some(Self {
            title,
            author,
            length,
            identifier,
            is_stream,
            uri,
            artwork_url,
            isrc,
            source_name,
            source_data: source_data.to_vec(),
            position: i64::from_be_bytes(*position),
        })
    }

    /// Lavalink's `info` object in the given generation.
    pub fn info(&self, generation: SimGeneration) -> Value {
        let mut info = json!({
            "identifier": self.identifier, "isSeekable": !self.is_stream, "author": self.author,
            "length": self.length, "isStream": self.is_stream, "position": self.position, "title": self.title,
            "uri": self.uri, "sourceName": self.source_name,
        });
        if generation.is_v4() {
            info["artworkUrl"] = json!(self.artwork_url);
            info["isrc"] = json!(self.isrc);
        }
        info
    }

    /// Lavalink's `Track` object: `{encoded, info, pluginInfo, userData}` for v4, with `track` beside `encoded` for 3.7,
    /// `{track, info}` for legacy.
    pub fn to_json(&self, generation: SimGeneration, user_data: &Value) -> Value {
        let encoded = self.encode(generation.track_layout());
        let info = self.info(generation);
        match generation {
            SimGeneration::Legacy => json!({"track": encoded, "info": info}),
            SimGeneration::V3_7 => json!({"encoded": encoded, "track": encoded, "info": info}),
            SimGeneration::V4_1 | SimGeneration::V4_2 => json!({
                "encoded": encoded, "info": info, "pluginInfo": self.plugin_info(), "userData": user_data,
            }),
        }
    }

    /// Lavalink's own addition for the `http` and `local` sources: the container's probe.
    fn plugin_info(&self) -> Value {
        if !matches!(self.source_name.as_str(), "http" | "local") {
            return json!({});
        }
        match (Reader {
            bytes: &self.source_data,
        })
        .string()
        {
            Some(probe) => json!({"probeInfo": probe}),
            None => json!({}),
        }
    }
}

/// Why an encoded track was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrackError {
    /// A character that base64 does not have.
    Character(u8),
    /// Not base64 for another reason.
    Base64,
    /// It ends too early.
    Truncated,
    /// Not a track of a layout that the generation reads.
    Layout,
}

impl std::fmt::Display for TrackError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Character(byte) => return write!(f, "Illegal base64 character {byte:x}"),
            Self::Base64 => "Last unit does not have enough valid bits",
            Self::Truncated => "No message available",
            Self::Layout => "Failed to decode track due to a mismatching version or missing source manager",
        })
    }
}

impl std::error::Error for TrackError {}

/// What v3's decoder makes of its input: the URL-safe alphabet is understood, foreign characters are skipped.
fn standard_alphabet_only(text: &str) -> String {
    let known = |c: char| match c {
        '-' => Some('+'),
        '_' => Some('/'),
        '+' | '/' => Some(c),
        _ => c.is_ascii_alphanumeric().then_some(c),
    };
    text.chars().filter_map(known).collect()
}

/// Reads the layout's fields; `None` when the bytes run out.
struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    fn long(&mut self) -> Option<i64> {
        let (value, rest) = self.bytes.split_first_chunk::<8>()?;
        self.bytes = rest;
        Some(i64::from_be_bytes(*value))
    }

    fn string(&mut self) -> Option<String> {
        let (length, rest) = self.bytes.split_first_chunk::<2>()?;
        let (text, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        self.bytes = rest;
        from_modified_utf8(text)
    }

    fn nullable(&mut self) -> Option<Option<String>> {
        if self.byte()? == 0 {
            Some(None)
        } else {
            Some(Some(self.string()?))
        }
    }
}

fn put_nullable(out: &mut Vec<u8>, text: Option<&str>) {
    out.push(u8::from(text.is_some()));
    if let Some(text) = text {
        put_string(out, text);
    }
}

/// Writes a string in Java's modified UTF-8, cut at the 65535 bytes that its length field can express.
fn put_string(out: &mut Vec<u8>, text: &str) {
    let mut bytes = Vec::with_capacity(text.len());
    for unit in text.encode_utf16() {
        let start = bytes.len();
        put_unit(&mut bytes, unit);
        if bytes.len() > usize::from(u16::MAX) {
            bytes.truncate(start);
            break;
        }
    }
    out.extend(u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend(bytes);
}

/// One UTF-16 unit in modified UTF-8: NUL takes two bytes, a surrogate three.
// Each byte is masked to the bits that it carries.
fn put_unit(out: &mut Vec<u8>, unit: u16) {
    match unit {
        0x01..=0x7f => out.push(unit as u8),
        0 | 0x80..=0x7ff => out.extend([0xc0 | (unit >> 6) as u8, 0x80 | (unit & 0x3f) as u8]),
        _ => out.extend([
            0xe0 | (unit >> 12) as u8,
            0x80 | ((unit >> 6) & 0x3f) as u8,
            0x80 | (unit & 0x3f) as u8,
        ]),
    }
}

fn from_modified_utf8(bytes: &[u8]) -> Option<String> {
    let mut units = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(&first) = rest.next() {
        let mut continuation = || {
            rest.next()
                .filter(|byte| **byte & 0xc0 == 0x80)
                .map(|byte| u16::from(byte & 0x3f))
        };
        let unit = match first {
            0..=0x7f => u16::from(first),
            0xc0..=0xdf => (u16::from(first & 0x1f) << 6) | continuation()?,
            0xe0..=0xef => (u16::from(first & 0x0f) << 12) | (continuation()? << 6) | continuation()?,
            _ => return None,
        };
        units.push(unit);
    }
    Some(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]

    use super::*;

    /// Built by hand from the documented layout, not by this file's own encoder.
    fn by_hand(version: Option<u8>, middle: &[&[u8]]) -> String {
        let mut body: Vec<u8> = version.into_iter().collect();
        for part in middle {
            body.extend(*part);
        }
        let flags = if version.is_some() { 0x4000_0000u32 } else { 0 };
        let mut bytes = (flags | body.len() as u32).to_be_bytes().to_vec();
        bytes.extend(body);
        STANDARD.encode(bytes)
    }

    #[test]
    fn a_hand_built_track_of_each_layout_decodes_to_its_fields() {
        let head: [&[u8]; 6] = [b"\0\x01T", b"\0\x01A", &1000i64.to_be_bytes(), b"\0\x02id", b"\0", b""];
        let tail: [&[u8]; 2] = [b"\0\x07youtube", &42i64.to_be_bytes()];
        let uri: &[u8] = b"\x01\0\x03u:x";
        let v3: &[u8] = b"\x01\0\x03a:x\x01\0\x01I";
        for (version, between) in [(None, vec![]), (Some(2), vec![uri]), (Some(3), vec![uri, v3])] {
            let parts: Vec<&[u8]> = head
                .iter()
                .copied()
                .chain(between.iter().copied())
                .chain(tail)
                .collect();
            let track = SimTrack::decode(&by_hand(version, &parts), SimGeneration::V4_2).unwrap();
            assert_eq!(
                (track.title.as_str(), track.author.as_str(), track.length),
                ("T", "A", 1000)
            );
            assert_eq!(
                (track.identifier.as_str(), track.source_name.as_str(), track.position),
                ("id", "youtube", 42)
            );
            assert_eq!(track.uri.as_deref(), version.is_some().then_some("u:x"));
            assert_eq!(track.isrc.as_deref(), (version == Some(3)).then_some("I"));
        }
    }

    #[test]
    fn encoding_and_decoding_returns_the_same_track_in_every_layout() {
        let mut track = SimTrack::http("Grün 🎵 \0 end", "https://sim.invalid/a", i64::MAX);
        track.position = 77;
        track.artwork_url = Some("https://sim.invalid/art".to_owned());
        let again = SimTrack::decode(&track.encode(3), SimGeneration::V4_2).unwrap();
        assert_eq!(again, track);
        let v2 = SimTrack::decode(&track.encode(2), SimGeneration::V3_7).unwrap();
        assert_eq!(
            v2,
            SimTrack {
                artwork_url: None,
                ..track
            }
        );
    }

    #[test]
    fn v3_nodes_refuse_layout_3_but_read_sloppy_base64_which_v4_nodes_do_not() {
        let track = SimTrack::youtube("x>>>???", "abcdefghijk", 1);
        assert_eq!(
            SimTrack::decode(&track.encode(3), SimGeneration::V3_7),
            Err(TrackError::Layout)
        );
        let sloppy = track.encode(2).replace('+', "-").replace('/', "_").replace('=', "") + "\n";
        assert_eq!(
            SimTrack::decode(&sloppy, SimGeneration::Legacy).unwrap().title,
            track.title
        );
        assert_eq!(
            SimTrack::decode(&sloppy, SimGeneration::V4_2),
            Err(TrackError::Character(b'-'))
        );
    }

    #[test]
    fn truncated_tracks_are_refused_and_never_panic() {
        let bytes = STANDARD.decode(SimTrack::http("t", "u", 1).encode(3)).unwrap();
        for length in 0..bytes.len() {
            assert_eq!(
                SimTrack::decode(&STANDARD.encode(&bytes[..length]), SimGeneration::V4_2),
                Err(TrackError::Truncated)
            );
        }
    }
}
