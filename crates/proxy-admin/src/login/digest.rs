//! Random values that let somebody in, and what is kept of them: only their SHA-256, so that whoever reads the store or
//! the memory of it cannot log in with what they find.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proxy_core::secret::Secret;
use sha2::{Digest as _, Sha256};

/// SHA-256 of a random value.
pub(crate) type Digest = [u8; 32];

/// 256 random bits as text.
pub(super) fn random() -> io::Result<Secret> {
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(random_bytes::<32>()?)))
}

/// So many random bytes.
pub(super) fn random_bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| io::Error::other(format!("the system gives no randomness: {error}")))?;
    Ok(bytes)
}

/// What is kept of a random value. It needs no salt: nobody guesses 256 bits.
pub(super) fn of(secret: &[u8]) -> Digest {
    Sha256::digest(secret).into()
}

/// What is remembered of a user and a password while the program runs; worth nothing without the key.
pub(super) fn keyed(key: &[u8; 32], user: &[u8], password: &[u8]) -> Digest {
    let mut hash = Sha256::new();
    hash.update(key);
    hash.update((user.len() as u64).to_le_bytes());
    hash.update(user);
    hash.update(password);
    hash.finalize().into()
}
