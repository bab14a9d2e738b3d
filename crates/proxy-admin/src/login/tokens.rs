//! API tokens for scripts: each with a name, scopes and perhaps an end. Of a token only its digest is known here.

use std::time::SystemTime;

use super::access::Scopes;
use super::digest::Digest;

/// Tokens at once; a further one is refused until one is revoked.
pub(super) const MOST: usize = 256;

/// What every token begins with, so that people and scanners recognise one.
pub(super) const PREFIX: &str = "lpt_";

/// One token.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    /// Names it in the API; no secret.
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) scopes: Scopes,
    pub(crate) created: SystemTime,
    pub(crate) expires: Option<SystemTime>,
    pub(crate) last_used: Option<SystemTime>,
    pub(super) digest: Digest,
}

/// All tokens, oldest first.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    pub(super) all: Vec<Token>,
}

impl Tokens {
    /// The token with this digest, while it lasts.
    pub(super) fn get(&self, digest: &Digest, now: SystemTime) -> Option<&Token> {
        self.all
            .iter()
            .find(|token| token.digest == *digest)
            .filter(|token| token.expires.is_none_or(|end| end > now))
    }

    /// As [`Self::get`], to note the use.
    pub(super) fn get_mut(&mut self, digest: &Digest, now: SystemTime) -> Option<&mut Token> {
        let token = self.all.iter_mut().find(|token| token.digest == *digest)?;
        token.expires.is_none_or(|end| end > now).then_some(token)
    }

    /// A number for a further one, where no store gives it.
    pub(super) fn next_id(&self) -> i64 {
        self.all.iter().map(|token| token.id).max().unwrap_or(0) + 1
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::*;

    #[test]
    fn a_token_works_until_its_end() {
        let now = SystemTime::now();
        let token = |number: u8, expires| Token {
            id: i64::from(number),
            name: number.to_string(),
            scopes: Scopes::default(),
            created: now,
            expires,
            last_used: None,
            digest: [number; 32],
        };
        let end = now + Duration::from_secs(10);
        let mut tokens = Tokens {
            all: vec![token(1, None), token(2, Some(end))],
        };
        for (digest, now, expected) in [
            ([3; 32], now, None),
            ([2; 32], now, Some(2)),
            ([2; 32], end, None),
            ([1; 32], end, Some(1)),
        ] {
            assert_eq!(tokens.get(&digest, now).map(|token| token.id), expected);
            assert_eq!(tokens.get_mut(&digest, now).map(|token| token.id), expected);
        }
        assert_eq!(tokens.next_id(), 3);
    }
}
