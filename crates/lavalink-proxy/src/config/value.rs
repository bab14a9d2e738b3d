//! The kinds of value a key can hold that TOML does not have: times and sizes with their unit, addresses, secrets.
//!
//! Each reads itself from text, says what it expected when it cannot, and describes itself for the JSON schema. None
//! of them knows which key it belongs to. No message of a [`Secret`] ever contains what was written.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// A length of time with its unit: `"500ms"`, `"30s"`, `"2m"`, `"1h"`, `"1d"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Period(pub(crate) Duration);

/// A number of bytes with its unit: `"512B"`, `"64KiB"`, `"16MiB"`, `"1GiB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) usize);

/// Bytes per second, with its unit: `"512B/s"`, `"100KB/s"`, `"10MB/s"`, `"1GB/s"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate(pub(crate) u64);

/// A number of bytes that something moves, with its unit: `"100MB"`, `"500GB"`, `"2TB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Volume(pub(crate) u64);

/// When a new log file is begun: `"daily"`, `"hourly"`, `"never"`, or at a size such as `"50MiB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rotation {
    /// With each day, UTC.
    Daily,
    /// With each hour.
    Hourly,
    /// One file for ever.
    Never,
    /// When the file would grow beyond so many bytes.
    Size(Size),
}

/// An IP address and port to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address(pub(crate) SocketAddr);

/// A range of IP addresses, such as `10.0.0.0/8`; a single address is a range of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IpRange(pub(crate) IpNet);

/// A version of the Lavalink protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    /// Lavalink 3.x, operations on the WebSocket or the `/v3` REST API.
    V3,
    /// Lavalink 4.x.
    V4,
}

/// One value or a list of them; a single value need not be put in brackets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct OneOrMany<T>(pub(crate) Vec<T>);

/// A password or token. It cannot be printed by accident: `Debug` and `Serialize` both show `***`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Secret(String);

// === Period ===

const PERIOD_UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

impl Period {
    /// So many seconds.
    pub(crate) const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        number_with_unit(text, &PERIOD_UNITS)
            .map(|milliseconds| Self(Duration::from_millis(milliseconds)))
            .ok_or_else(|| {
                format!("expected a time with its unit, such as \"500ms\", \"30s\", \"2m\" or \"1h\", got {text:?}")
            })
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        // Minutes and above only where nobody would rather read seconds: "75s" stays, "1h" does not become "3600s".
        let unit = match milliseconds {
            m if m % 1_000 != 0 => 0,
            m if m >= 86_400_000 && m % 86_400_000 == 0 => 4,
            m if m >= 3_600_000 && m % 3_600_000 == 0 => 3,
            m if m > 60_000 && m % 60_000 == 0 => 2,
            _ => 1,
        };
        let (name, factor) = PERIOD_UNITS[unit];
        write!(f, "{}{name}", milliseconds / factor)
    }
}

// === Size ===

const SIZE_UNITS: [(&str, u64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

impl Size {
    /// So many KiB.
    pub(crate) const fn kib(count: usize) -> Self {
        Self(count << 10)
    }

    /// So many MiB.
    pub(crate) const fn mib(count: usize) -> Self {
        Self(count << 20)
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        number_with_unit(text, &SIZE_UNITS)
            .and_then(|bytes| usize::try_from(bytes).ok())
            .map(Self)
            .ok_or_else(|| {
                format!("expected a size with its unit, such as \"512B\", \"64KiB\" or \"16MiB\", got {text:?}")
            })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0 as u64;
        let largest = SIZE_UNITS
            .iter()
            .rev()
            .find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor));
        let (name, factor) = largest.copied().unwrap_or(SIZE_UNITS[0]);
        write!(f, "{}{name}", bytes / factor)
    }
}

// === Rate and Volume ===

/// Traffic is counted in thousands, as providers do; what the program holds in memory is not.
const TRAFFIC_UNITS: [(&str, u64); 5] = [
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

impl Rate {
    /// So many KB/s.
    pub(crate) const fn kilobytes(count: u64) -> Self {
        Self(count * 1_000)
    }

    /// So many MB/s.
    pub(crate) const fn megabytes(count: u64) -> Self {
        Self(count * 1_000_000)
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.strip_suffix("/s")
            .and_then(|bytes| number_with_unit(bytes, &TRAFFIC_UNITS))
            .map(Self)
            .ok_or_else(|| format!("expected a rate with its unit, such as \"100KB/s\" or \"10MB/s\", got {text:?}"))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", Volume(self.0))
    }
}

impl FromStr for Volume {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        number_with_unit(text, &TRAFFIC_UNITS)
            .map(Self)
            .ok_or_else(|| format!("expected a volume with its unit, such as \"100MB\" or \"500GB\", got {text:?}"))
    }
}

impl fmt::Display for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let largest = TRAFFIC_UNITS
            .iter()
            .rev()
            .find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor));
        let (name, factor) = largest.copied().unwrap_or(TRAFFIC_UNITS[0]);
        write!(f, "{}{name}", self.0 / factor)
    }
}

// === Rotation ===

impl FromStr for Rotation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "daily" => Ok(Self::Daily),
            "hourly" => Ok(Self::Hourly),
            "never" => Ok(Self::Never),
            size => size.parse().map(Self::Size).map_err(|_| {
                format!("expected \"daily\", \"hourly\", \"never\" or a size such as \"50MiB\", got {text:?}")
            }),
        }
    }
}

impl fmt::Display for Rotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Daily => f.write_str("daily"),
            Self::Hourly => f.write_str("hourly"),
            Self::Never => f.write_str("never"),
            Self::Size(size) => size.fmt(f),
        }
    }
}

/// Reads `12unit` as 12 times the factor of the unit; `None` for anything else, overflow included.
fn number_with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

// === Address ===

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| {
            format!("expected an IP address and a port, such as \"0.0.0.0:2333\" or \"[::]:2333\", got {text:?}")
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

// === IpRange ===

impl FromStr for IpRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let range = text
            .parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        range
            .map(Self)
            .map_err(|_| format!("expected an IP address or range, such as \"10.0.0.0/8\" or \"::1\", got {text:?}"))
    }
}

impl fmt::Display for IpRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the types above share: they are written as a string that they parse themselves.
macro_rules! text_value {
    ($type:ident, $name:literal, $pattern:expr) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "x-kind": $name })
            }
        }
    };
}

text_value!(Period, "time", "^[0-9]+ *(ms|s|m|h|d)$");
text_value!(Size, "size", "^[0-9]+ *(B|KiB|MiB|GiB)$");
text_value!(Rate, "rate", "^[0-9]+ *(B|KB|MB|GB|TB)/s$");
text_value!(Volume, "volume", "^[0-9]+ *(B|KB|MB|GB|TB)$");
text_value!(
    Rotation,
    "daily, hourly, never or size",
    "^(daily|hourly|never|[0-9]+ *(B|KiB|MiB|GiB))$"
);
text_value!(Address, "address", "^.+:[0-9]+$");
text_value!(IpRange, "IP range", "^[0-9a-fA-F:.]+(/[0-9]+)?$");

// === Version ===

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match i64::deserialize(deserializer)? {
            3 => Ok(Self::V3),
            4 => Ok(Self::V4),
            other => Err(de::Error::custom(format!("expected 3 or 4, got {other}"))),
        }
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(match self {
            Self::V3 => 3,
            Self::V4 => 4,
        })
    }
}

impl JsonSchema for Version {
    fn schema_name() -> Cow<'static, str> {
        "version".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "enum": [3, 4], "x-kind": "3 or 4" })
    }
}

// === OneOrMany ===

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                T::deserialize(de::value::StrDeserializer::new(text)).map(|item| OneOrMany(vec![item]))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(OneOrMany)
            }
        }

        deserializer.deserialize_any(Items(std::marker::PhantomData))
    }
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("one_or_many_{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        let many = generator.subschema_for::<Vec<T>>();
        json_schema!({ "anyOf": [one, many], "x-kind": format!("{0}, or list of {0}", T::schema_name()) })
    }
}

// === Secret ===

impl Secret {
    /// The secret itself, for the one place that must compare or send it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // serde's own message would repeat the value: `invalid type: integer 123456`.
        String::deserialize(deserializer)
            .map(Self)
            .map_err(|_| de::Error::custom("expected text in quotes (the value is not shown, it may be a secret)"))
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "secret".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "x-kind": "secret" })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_read_with_their_unit_and_written_back() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("7d", 604_800_000),
        ] {
            let period: Period = text.parse().unwrap();
            assert_eq!(period.0.as_millis(), milliseconds, "{text}");
            assert_eq!(period.to_string(), text);
        }
        for (text, bytes) in [
            ("0B", 0),
            ("512B", 512),
            ("64KiB", 65_536),
            ("16MiB", 16_777_216),
            ("1GiB", 1 << 30),
        ] {
            let size: Size = text.parse().unwrap();
            assert_eq!(size.0, bytes, "{text}");
            assert_eq!(size.to_string(), text);
        }
        for (text, bytes) in [("0B/s", 0), ("100KB/s", 100_000), ("10MB/s", 10_000_000)] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!((rate.0, rate.to_string()), (bytes, text.to_owned()));
        }
        for (text, bytes) in [
            ("1500MB", 1_500_000_000),
            ("500GB", 500_000_000_000),
            ("2TB", 2_000_000_000_000),
        ] {
            let volume: Volume = text.parse().unwrap();
            assert_eq!((volume.0, volume.to_string()), (bytes, text.to_owned()));
        }
        assert_eq!(Period::seconds(75).to_string(), "75s");
        assert_eq!(Period::seconds(60).to_string(), "60s");
    }

    #[test]
    fn rotation_is_a_word_or_a_size() {
        for text in ["daily", "hourly", "never", "50MiB"] {
            assert_eq!(text.parse::<Rotation>().unwrap().to_string(), text);
        }
        for text in ["", "weekly", "50", "50MB", "Daily"] {
            assert!(text.parse::<Rotation>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn values_without_or_with_an_unknown_unit_are_refused() {
        for text in [
            "",
            "30",
            "s",
            "-1s",
            "1.5s",
            "30 sec",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            assert!(text.parse::<Period>().is_err(), "{text:?}");
        }
        for text in ["", "64", "64KB", "64kib", "1TiB", "-1B"] {
            assert!(text.parse::<Size>().is_err(), "{text:?}");
            assert!(text.parse::<Rate>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn ip_ranges_know_the_width_of_their_family() {
        for (text, written) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("::1", "::1/128"),
            ("1.2.3.4", "1.2.3.4/32"),
        ] {
            assert_eq!(text.parse::<IpRange>().unwrap().to_string(), written);
        }
        for text in ["10.0.0.0/33", "::/129", "host", "10.0.0.0/"] {
            assert!(text.parse::<IpRange>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_secret_never_shows_itself() {
        let secret = Secret("hunter2".to_owned());
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"***\"");
        let message = toml::Value::Integer(123_456)
            .try_into::<Secret>()
            .unwrap_err()
            .to_string();
        assert!(!message.contains("123456"), "{message}");
    }
}
