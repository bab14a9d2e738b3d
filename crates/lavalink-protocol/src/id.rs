//! The identities that Lavalink's protocol passes around, as types that cannot be mixed up.
//!
//! Not here: who owns which id, and how a client's session maps to node sessions (that is the core's).

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Length of a session id as Lavalink makes them.
pub const SESSION_ID_LEN: usize = 16;

const ID_ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// Defines a cheap-to-clone text id; the two kinds differ only in meaning.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        // Lets a map keyed by this id be asked with the segment of a path.
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.as_str().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

text_id! {
    /// The session id that a client sees; the proxy issues it.
    SessionId
}

text_id! {
    /// The id that a node gave to one link, from the `ready` it sent; a client never sees it.
    NodeSessionId
}

impl SessionId {
    /// Makes a new id in Lavalink's own form, 16 characters of `[a-z0-9]`, from the randomness passed in.
    ///
    /// Each draw must be 64 uniformly random bits from a source that cannot be guessed: who knows a session id and the
    /// password can act on the session.
    pub fn issue(random: &mut impl FnMut() -> u64) -> Self {
        let mut id = String::with_capacity(SESSION_ID_LEN);
        for _ in 0..2 {
            // Eight characters take 36^8 of 2^64 values; the bias of the remainder is below one in a million.
            let mut bits = random();
            for _ in 0..SESSION_ID_LEN / 2 {
                id.push(char::from(ID_ALPHABET[(bits % 36) as usize]));
                bits /= 36;
            }
        }
        Self(id.into())
    }

    /// Whether `text` has the form of an issued id, so that looking it up can be worth while.
    pub fn is_well_formed(text: &str) -> bool {
        text.len() == SESSION_ID_LEN
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    }
}

/// A Discord guild's id: which player is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct GuildId(pub u64);

/// A bot's Discord user id, from the `User-Id` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct UserId(pub u64);

/// The text is not a decimal id that fits Lavalink's signed 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a decimal id of 63 bits")]
pub struct IdError;

/// The most digits that cannot overflow an `u64`; ids of today have 17 to 19.
const SAFE_DIGITS: usize = 19;

/// Reads what Lavalink reads (a signed 64-bit decimal, a leading `+` allowed) and keeps what Discord can have issued.
fn parse_snowflake(text: &[u8]) -> Result<u64, IdError> {
    let digits = text.strip_prefix(b"+").unwrap_or(text);
    let significant = digits.len() - digits.iter().take_while(|digit| **digit == b'0').count();
    if digits.is_empty() || significant > SAFE_DIGITS {
        return Err(IdError);
    }
    match leading_digits(digits) {
        Some((id, [])) if i64::try_from(id).is_ok() => Ok(id),
        _ => Err(IdError),
    }
}

/// The number that a text begins with and what follows it. Each message that passes has such a number, so it is read by
/// eight digits at a time. Of more than [`SAFE_DIGITS`] digits without leading zeros the value is wrong.
fn leading_digits(text: &[u8]) -> Option<(u64, &[u8])> {
    let (mut id, mut rest) = (0u64, text);
    while let Some((chunk, behind)) = rest.split_first_chunk()
        && let Some(eight) = eight_digits(*chunk)
    {
        id = id.wrapping_mul(100_000_000).wrapping_add(eight);
        rest = behind;
    }
    while let [byte @ b'0'..=b'9', behind @ ..] = rest {
        id = id.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
        rest = behind;
    }
    (rest.len() < text.len()).then_some((id, rest))
}

/// The value of eight digits, all of which are worked on in one register: pairs, then fours, then all.
fn eight_digits(chunk: [u8; 8]) -> Option<u64> {
    const ZEROS: u64 = u64::from_le_bytes(*b"00000000");
    const HIGH: u64 = 0xF0F0_F0F0_F0F0_F0F0;
    const SIX: u64 = 0x0606_0606_0606_0606;
    const PAIRS: u64 = 0x0000_00FF_0000_00FF;
    let text = u64::from_le_bytes(chunk);
    // A digit's high half is that of '0', and stays so when six is added.
    if (text & HIGH, text.wrapping_add(SIX) & HIGH) != (ZEROS, ZEROS) {
        return None;
    }
    let digits = text - ZEROS;
    let pairs = digits * 10 + (digits >> 8);
    let left = (pairs & PAIRS).wrapping_mul(100 + (1_000_000 << 32));
    let right = ((pairs >> 16) & PAIRS).wrapping_mul(1 + (10_000 << 32));
    Some(left.wrapping_add(right) >> 32)
}

impl GuildId {
    /// Reads an id where it stands in a message, without checking the message for UTF-8.
    pub fn from_ascii(text: &[u8]) -> Option<Self> {
        parse_snowflake(text).ok().map(Self)
    }

    /// Reads the id that a text begins with, and gives what follows it, in one walk. Says nothing of an id with a sign
    /// or of more digits than Discord's have: [`GuildId::from_ascii`] is there for those.
    pub(crate) fn leading(text: &[u8]) -> Option<(Self, &[u8])> {
        let (id, rest) = leading_digits(text)?;
        let safe = text.len() - rest.len() <= SAFE_DIGITS && i64::try_from(id).is_ok();
        safe.then_some((Self(id), rest))
    }
}

macro_rules! snowflake {
    ($name:ident) => {
        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse_snowflake(text.as_bytes()).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

snowflake!(GuildId);
snowflake!(UserId);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_issued_session_id_looks_like_one_of_lavalinks() {
        let mut random = fastrand::Rng::with_seed(1);
        let first = SessionId::issue(&mut || random.u64(..));
        let second = SessionId::issue(&mut || random.u64(..));
        assert!(SessionId::is_well_formed(first.as_str()), "{first}");
        assert_ne!(first, second);
    }

    #[test]
    fn every_bit_of_the_randomness_counts() {
        let low = SessionId::issue(&mut || 0);
        let high = SessionId::issue(&mut || u64::MAX);
        assert_eq!(low.as_str(), "aaaaaaaaaaaaaaaa");
        assert!(SessionId::is_well_formed(high.as_str()));
    }

    #[test]
    fn digits_are_read_the_same_by_eights_as_one_by_one() {
        fn one_by_one(text: &[u8]) -> Option<(u64, &[u8])> {
            let len = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let number = std::str::from_utf8(&text[..len]).unwrap();
            (len > 0).then(|| (number.parse().unwrap(), &text[len..]))
        }
        for len in 0..=SAFE_DIGITS {
            let number = &b"9182736450918273645"[..len];
            for at in 0..len {
                for byte in 0..=u8::MAX {
                    let mut text = number.to_vec();
                    text[at] = byte;
                    assert_eq!(leading_digits(&text), one_by_one(&text), "{:?}", text.escape_ascii());
                }
            }
        }
    }

    #[test]
    fn a_guild_id_is_what_lavalink_accepts_and_discord_can_issue() {
        let cases = [
            ("100000000000000001", Some(100_000_000_000_000_001)),
            ("0", Some(0)),
            ("+5", Some(5)),
            ("9223372036854775807", Some(i64::MAX as u64)),
            ("9223372036854775808", None),
            ("000000000000000000000000000007", Some(7)),
            ("99999999999999999999", None),
            ("-1", None),
            ("+", None),
            ("++1", None),
            ("", None),
            ("12a", None),
            ("1.0", None),
            (" 1", None),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<GuildId>().ok().map(|id| id.0), expected, "{text:?}");
        }
    }

    #[test]
    fn ids_are_json_strings() {
        assert_eq!(serde_json::to_string(&GuildId(7)).unwrap(), "\"7\"");
        assert_eq!(serde_json::from_str::<UserId>("\"8\"").unwrap(), UserId(8));
        assert_eq!(serde_json::to_string(&SessionId::from("abc")).unwrap(), "\"abc\"");
    }

    #[test]
    fn a_map_of_sessions_is_asked_with_plain_text() {
        let sessions = std::collections::HashMap::from([(SessionId::from("abc"), 1)]);
        assert_eq!(sessions.get("abc"), Some(&1));
    }
}
