//! The encoded form of a track, as far as placement looks into it. Not for decoding tracks: nodes do that.
//!
//! It is base64 of lavaplayer's message: a length of 30 bits under two flag bits, the layout's version, then title, author,
//! length, identifier, whether it is a stream, and from version 2 and 3 on an address, a picture and an ISRC, each of
//! which may be absent; then the name of the source manager, which alone can read what follows.

use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, Engine};

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The message begins with the version of its layout.
const HAS_VERSION: u32 = 1 << 30;
/// No track that anybody plays is longer; a longer one is left to the node.
const MAX_ENCODED: usize = 64 * 1024;

/// The name of the source manager that made the track (`youtube`, `soundcloud`, `http`); `None` for what is no track in a
/// layout that is known.
pub fn source_of(encoded: &str) -> Option<Box<str>> {
    if encoded.len() > MAX_ENCODED {
        return None;
    }
    let bytes = LENIENT.decode(encoded).ok()?;
    let (header, rest) = bytes.split_first_chunk::<4>()?;
    let mut rest = Rest(rest);
    let version = match u32::from_be_bytes(*header) & HAS_VERSION {
        0 => 1,
        _ => rest.byte()?,
    };
    if !(1..=3).contains(&version) {
        return None;
    }
    // Title and author.
    rest.text()?;
    rest.text()?;
    rest.skip(8)?;
    // Identifier, and whether it is a stream.
    rest.text()?;
    rest.skip(1)?;
    for since in [2, 3, 3] {
        if version >= since && rest.byte()? != 0 {
            rest.text()?;
        }
    }
    let source = std::str::from_utf8(rest.text()?).ok()?;
    (!source.is_empty()).then(|| source.into())
}

/// What is still to be read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn skip(&mut self, count: usize) -> Option<&'a [u8]> {
        let (skipped, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(skipped)
    }

    fn byte(&mut self) -> Option<u8> {
        self.skip(1).map(|byte| byte[0])
    }

    /// Text behind its length in 16 bits.
    fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.skip(2)?;
        self.skip(usize::from(u16::from_be_bytes([length[0], length[1]])))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// From Lavalink's own documentation: a YouTube track in layout 3.
    const YOUTUBE: &str = "QAAAjQIAJVJpY2sgQXN0bGV5IC0gTmV2ZXIgR29ubmEgR2l2ZSBZb3UgVXAADlJpY2tBc3RsZXlWRVZPAAAAAAADPCAAC2RRdzR3OVdnWGNRAAEAK2h0dHBzOi8vd3d3LnlvdXR1YmUuY29tL3dhdGNoP3Y9ZFF3NHc5V2dYY1EAB3lvdXR1YmUAAAAAAAAAAA==";

    fn text(out: &mut Vec<u8>, text: &str) {
        out.extend((text.len() as u16).to_be_bytes());
        out.extend(text.as_bytes());
    }

    fn encoded(version: u8, source: &str) -> String {
        let mut body = Vec::new();
        if version > 1 {
            body.push(version);
        }
        text(&mut body, "title");
        text(&mut body, "author");
        body.extend(1000_i64.to_be_bytes());
        text(&mut body, "identifier");
        body.push(0);
        for (since, value) in [(2, Some("https://a.example/")), (3, None), (3, Some("ISRC"))] {
            if version >= since {
                body.push(u8::from(value.is_some()));
                value.into_iter().for_each(|value| text(&mut body, value));
            }
        }
        text(&mut body, source);
        body.extend(0_i64.to_be_bytes());
        let flag = if version > 1 { HAS_VERSION } else { 0 };
        let mut bytes = (flag | body.len() as u32).to_be_bytes().to_vec();
        bytes.extend(body);
        LENIENT.encode(bytes)
    }

    #[test]
    fn the_source_of_a_track_is_read_in_every_layout() {
        assert_eq!(source_of(YOUTUBE).as_deref(), Some("youtube"));
        assert_eq!(source_of(YOUTUBE.trim_end_matches('=')).as_deref(), Some("youtube"));
        for version in 1..=3 {
            let track = encoded(version, "soundcloud");
            assert_eq!(source_of(&track).as_deref(), Some("soundcloud"), "layout {version}");
        }
    }

    #[test]
    fn what_is_no_track_has_no_source() {
        let newer = encoded(4, "http");
        let nameless = encoded(3, "");
        for wrong in ["", "AAAA", "not base64!", "QAAAjQIAJVJpY2sg", &newer, &nameless] {
            assert_eq!(source_of(wrong), None, "{wrong}");
        }
        for end in 0..YOUTUBE.len() {
            // Whatever a cut track is taken for, nothing breaks.
            source_of(&YOUTUBE[..end]);
        }
    }
}
