//! Names of the headers that a Lavalink handshake and its answers carry, and the WebSocket accept key.
//!
//! Header names are compared without regard to case; these are spelled as Lavalink's documentation spells them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// The password, bare.
pub const AUTHORIZATION: &str = "Authorization";
/// The bot's Discord user id.
pub const USER_ID: &str = "User-Id";
/// The client library's name, in no common format; may be missing.
pub const CLIENT_NAME: &str = "Client-Name";
/// v4: the session to resume.
pub const SESSION_ID: &str = "Session-Id";
/// v3: the key to resume by.
pub const RESUME_KEY: &str = "Resume-Key";
/// v3.3 and older: the bot's shard count; later clients still send it, some of them on v4.
pub const NUM_SHARDS: &str = "Num-Shards";
/// Answer: whether the named session or key was resumed.
pub const SESSION_RESUMED: &str = "Session-Resumed";
/// Answer: the API version, on every response including refusals.
pub const API_VERSION: &str = "Lavalink-Api-Version";
/// Request: an operator's override of detection; in neither protocol.
pub const VERSION_OVERRIDE: &str = "Lavalink-Version";

/// Appended to the client's key before hashing (RFC 6455, section 1.3).
const ACCEPT_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Length of a `Sec-WebSocket-Accept` value.
pub const ACCEPT_KEY_LEN: usize = 28;

/// The `Sec-WebSocket-Accept` value for the `Sec-WebSocket-Key` that a client sent.
pub fn accept_key(key: &[u8]) -> [u8; ACCEPT_KEY_LEN] {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(ACCEPT_GUID);
    let mut accept = [0; ACCEPT_KEY_LEN];
    STANDARD
        .encode_slice(hash.finalize(), &mut accept)
        .expect("20 bytes make 28 characters of base64");
    accept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_key_is_the_one_of_the_rfc() {
        assert_eq!(
            &accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="),
            b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }
}
