//! The client's side of the WebSocket handshake and of its frames, as far as the benchmark needs them.

use anyhow::{Context, Result, ensure};
use lavalink_protocol::http::{ResponseHead, header_slots};
use lavalink_protocol::ws::{FrameHead, From, Opcode, close_payload, write_masked_frame};

/// No frame of a node or peer in the benchmark is larger.
const MAX_FRAME: usize = 1 << 20;
/// Any mask is a right one; this one is not zero, so that unmasking is seen to happen.
const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

/// Length of the 101 at the start of `bytes`; `None` when it is not whole yet.
pub(crate) fn switched(bytes: &[u8]) -> Result<Option<usize>> {
    let mut slots = header_slots();
    let Some(head) = ResponseHead::read(bytes, &mut slots, false)? else {
        return Ok(None);
    };
    ensure!(head.status == 101, "the handshake was answered with {}", head.status);
    Ok(Some(head.len))
}

/// The first whole frame in `bytes`: what it is, its payload, and its length.
pub(crate) fn frame(bytes: &[u8]) -> Result<Option<(Opcode, &[u8], usize)>> {
    let head = FrameHead::read(bytes, From::Server, MAX_FRAME)?;
    Ok(head
        .filter(|head| bytes.len() >= head.total())
        .map(|head| (head.opcode, &bytes[head.head_len..head.total()], head.total())))
}

/// The session id in a `ready`; `None` for other messages.
pub(crate) fn ready_session(payload: &[u8]) -> Result<Option<String>> {
    #[derive(serde::Deserialize)]
    struct Message {
        op: String,
        #[serde(rename = "sessionId")]
        session_id: Option<String>,
    }
    let message: Message = serde_json::from_slice(payload).context("not a message")?;
    Ok(message.session_id.filter(|_| message.op == "ready"))
}

/// A frame that a client answers a ping with.
pub(crate) fn pong(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    write_masked_frame(&mut frame, Opcode::Pong, payload, MASK);
    frame
}

/// A frame that ends a session normally.
pub(crate) fn close() -> Vec<u8> {
    let mut frame = Vec::new();
    write_masked_frame(&mut frame, Opcode::Close, &close_payload(1000, ""), MASK);
    frame
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_a_101_switches() {
        assert_eq!(
            switched(b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x81").unwrap(),
            Some(36)
        );
        assert_eq!(switched(b"HTTP/1.1 101 Switching").unwrap(), None);
        assert!(switched(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n").is_err());
    }

    #[test]
    fn the_session_id_comes_from_ready_alone() {
        let ready = br#"{"op":"ready","resumed":false,"sessionId":"abc"}"#;
        assert_eq!(ready_session(ready).unwrap().as_deref(), Some("abc"));
        assert_eq!(ready_session(br#"{"op":"stats","players":0}"#).unwrap(), None);
        assert!(ready_session(b"nonsense").is_err());
    }
}
