//! A password or token that cannot print itself. Not for comparing passwords: [`crate::tenant`] does that.

use std::fmt;

use serde::{Deserialize, Deserializer};

/// A secret text. `Debug` and `Display` write a mask, and there is no `Serialize`, so that no log line, error or
/// configuration dump can carry it by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps a secret.
    pub fn new(secret: impl Into<Box<str>>) -> Self {
        Self(secret.into())
    }

    /// The secret itself. Every use of this is a place to look at when secrets leak.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether the secret is the empty text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl From<&str> for Secret {
    fn from(secret: &str) -> Self {
        Self::new(secret)
    }
}

impl From<String> for Secret {
    fn from(secret: String) -> Self {
        Self::new(secret)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<str>::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_shows_in_any_format() {
        let secret = Secret::new("youshallnotpass");
        for text in [
            format!("{secret}"),
            format!("{secret:?}"),
            format!("{secret:#?}"),
            format!("{:?}", Some(&secret)),
        ] {
            assert!(!text.contains("youshall"), "{text}");
        }
        assert_eq!(secret.expose(), "youshallnotpass");
    }

    #[test]
    fn a_secret_is_read_from_a_plain_text() {
        let secret: Secret = serde_json::from_str(r#""a b""#).unwrap();
        assert_eq!(secret.expose(), "a b");
        assert!(serde_json::from_str::<Secret>("7").is_err());
    }
}
