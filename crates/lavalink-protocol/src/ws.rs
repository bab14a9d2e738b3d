//! WebSocket frames (RFC 6455) as bytes: reading frame heads in place, writing small frames, masking.
//!
//! The data plane forwards frames as the bytes they came, so nothing here copies a payload that only passes through.
//! Not for whole connections: who reads, who waits and what is forwarded is the gateway's.

/// Longest frame head: two bytes, eight of extended length, four of mask.
pub const MAX_HEAD: usize = 14;
/// Control frames carry at most this many bytes of payload (RFC 6455, 5.5).
pub const MAX_CONTROL: usize = 125;

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// Goes on with a message begun by an earlier text or binary frame.
    Continuation,
    /// A text message or its first fragment.
    Text,
    /// A binary message or its first fragment; Lavalink knows none.
    Binary,
    /// The closing handshake.
    Close,
    /// Asks for a pong with the same payload.
    Ping,
    /// Answers a ping.
    Pong,
}

impl Opcode {
    fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }

    const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }

    /// Close, ping and pong: never fragmented, may stand between the fragments of a message.
    #[must_use]
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// Which end wrote the frames that are read: clients must mask, servers must not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// Frames of a client: masked.
    Client,
    /// Frames of a server: plain.
    Server,
}

/// Why bytes are no frame. Each is a protocol error (close code 1002) but the size (1009).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Reserved bits are set although no extension was agreed on.
    #[error("reserved bits are set")]
    Reserved,
    /// An opcode that RFC 6455 does not know.
    #[error("unknown opcode")]
    Opcode,
    /// A client frame without a mask, or a server frame with one.
    #[error("wrong masking")]
    Masking,
    /// A control frame that is fragmented or longer than 125 bytes.
    #[error("control frame fragmented or too long")]
    Control,
    /// A length not written in its shortest form.
    #[error("length not in its shortest form")]
    Length,
    /// A continuation without a beginning, or a new message inside another.
    #[error("fragments out of order")]
    Fragments,
    /// Longer than the reader allows.
    #[error("frame too large")]
    TooLarge,
    /// A text message that is not UTF-8 (close code 1007).
    #[error("text is not UTF-8")]
    Utf8,
}

impl FrameError {
    /// The close code that tells the peer.
    #[must_use]
    pub const fn close_code(self) -> u16 {
        match self {
            Self::TooLarge => 1009,
            Self::Utf8 => 1007,
            _ => 1002,
        }
    }
}

/// The head of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHead {
    /// Last fragment of its message (always set on control frames).
    pub fin: bool,
    /// What the frame is for.
    pub opcode: Opcode,
    /// The mask; all zero on server frames.
    pub mask: [u8; 4],
    /// Bytes of the head.
    pub head_len: usize,
    /// Bytes of the payload.
    pub payload_len: usize,
}

impl FrameHead {
    /// Head and payload together.
    #[must_use]
    pub const fn total(&self) -> usize {
        self.head_len + self.payload_len
    }

    /// Reads the head at the start of `buf`; `None` when more bytes are needed.
    ///
    /// # Errors
    /// When the bytes can never become a frame, or one longer than `max` bytes of payload: told from the head, before
    /// any of the payload is kept.
    pub fn read(buf: &[u8], from: From, max: usize) -> Result<Option<Self>, FrameError> {
        let [first, second, rest @ ..] = buf else {
            return Ok(None);
        };
        if first & 0x70 != 0 {
            return Err(FrameError::Reserved);
        }
        let opcode = Opcode::from_bits(first & 0x0F).ok_or(FrameError::Opcode)?;
        let fin = first & 0x80 != 0;
        let masked = second & 0x80 != 0;
        if masked != (from == From::Client) {
            return Err(FrameError::Masking);
        }
        let short = second & 0x7F;
        if opcode.is_control() && (!fin || short as usize > MAX_CONTROL) {
            return Err(FrameError::Control);
        }
        let (length, extended) = match short {
            126 => match rest.first_chunk::<2>() {
                Some(bytes) => (u64::from(u16::from_be_bytes(*bytes)), 2),
                None => return Ok(None),
            },
            127 => match rest.first_chunk::<8>() {
                Some(bytes) => (u64::from_be_bytes(*bytes), 8),
                None => return Ok(None),
            },
            short => (u64::from(short), 0),
        };
        if (extended == 2 && length < 126) || (extended == 8 && length <= u64::from(u16::MAX)) {
            return Err(FrameError::Length);
        }
        let payload_len = usize::try_from(length)
            .ok()
            .filter(|len| *len <= max)
            .ok_or(FrameError::TooLarge)?;
        let mut mask = [0; 4];
        let mut head_len = 2 + extended;
        if masked {
            match rest.get(extended..).and_then(|rest| rest.first_chunk::<4>()) {
                Some(bytes) => mask = *bytes,
                None => return Ok(None),
            }
            head_len += 4;
        }
        Ok(Some(Self {
            fin,
            opcode,
            mask,
            head_len,
            payload_len,
        }))
    }
}

/// Appends one whole unmasked frame, as a server writes it.
pub fn write_frame(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    write_head(out, opcode, payload.len(), 0);
    out.extend_from_slice(payload);
}

/// Appends one whole frame masked with `mask`, as a client writes it.
pub fn write_masked_frame(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8], mask: [u8; 4]) {
    write_head(out, opcode, payload.len(), 0x80);
    out.extend_from_slice(&mask);
    let start = out.len();
    out.extend_from_slice(payload);
    apply_mask(&mut out[start..], mask);
}

fn write_head(out: &mut Vec<u8>, opcode: Opcode, len: usize, mask_bit: u8) {
    out.push(0x80 | opcode.bits());
    match len {
        0..=125 => out.push(mask_bit | len as u8),
        126..=0xFFFF => {
            out.push(mask_bit | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            out.push(mask_bit | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
}

/// Masks or unmasks `payload` in place; the mask starts at its first byte.
pub fn apply_mask(payload: &mut [u8], mask: [u8; 4]) {
    for (at, byte) in payload.iter_mut().enumerate() {
        *byte ^= mask[at & 3];
    }
}

/// The payload of a close frame.
#[must_use]
pub fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    let mut cut = reason.len().min(MAX_CONTROL - 2);
    while !reason.is_char_boundary(cut) {
        cut -= 1;
    }
    let mut payload = Vec::with_capacity(2 + cut);
    payload.extend_from_slice(&code.to_be_bytes());
    payload.extend_from_slice(&reason.as_bytes()[..cut]);
    payload
}

/// Code and reason of an (unmasked) close payload; an empty one is 1005, as RFC 6455 names it.
///
/// # Errors
/// A payload of one byte, a code that must not stand on the wire, or a reason that is not UTF-8.
pub fn read_close(payload: &[u8]) -> Result<(u16, &str), FrameError> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() {
            Ok((1005, ""))
        } else {
            Err(FrameError::Control)
        };
    };
    let reason = std::str::from_utf8(reason).map_err(|_| FrameError::Utf8)?;
    match u16::from_be_bytes(*code) {
        code @ (1000..=1003 | 1007..=1014 | 3000..=4999) => Ok((code, reason)),
        _ => Err(FrameError::Control),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_written_is_read_back_at_every_length_form() {
        for len in [0, 1, 125, 126, 127, 65_535, 65_536, 200_000] {
            let payload: Vec<u8> = (0..len).map(|at| at as u8).collect();
            let mut plain = Vec::new();
            write_frame(&mut plain, Opcode::Text, &payload);
            let head = FrameHead::read(&plain, From::Server, 1 << 20).unwrap().unwrap();
            assert_eq!((head.total(), head.payload_len, head.fin), (plain.len(), len, true));
            assert_eq!(&plain[head.head_len..], &payload[..]);

            let mut masked = Vec::new();
            write_masked_frame(&mut masked, Opcode::Text, &payload, [1, 2, 3, 4]);
            let head = FrameHead::read(&masked, From::Client, 1 << 20).unwrap().unwrap();
            let body = &mut masked[head.head_len..];
            apply_mask(body, head.mask);
            assert_eq!(body, &payload[..]);
            for cut in 0..head.head_len {
                assert_eq!(FrameHead::read(&plain[..cut.min(1)], From::Server, 1 << 20), Ok(None));
            }
        }
    }

    #[test]
    fn broken_heads_are_refused_from_the_head_alone() {
        let cases: [(&[u8], From, FrameError); 10] = [
            (&[0xC1, 0x00], From::Server, FrameError::Reserved),
            (&[0x83, 0x00], From::Server, FrameError::Opcode),
            (&[0x81, 0x80], From::Server, FrameError::Masking),
            (&[0x81, 0x00], From::Client, FrameError::Masking),
            (&[0x09, 0x00], From::Server, FrameError::Control),
            (&[0x89, 0x7E], From::Server, FrameError::Control),
            (&[0x81, 0x7E, 0x00, 0x10], From::Server, FrameError::Length),
            (
                &[0x81, 0x7F, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF],
                From::Server,
                FrameError::Length,
            ),
            (
                &[0x81, 0x7F, 0xFF, 0, 0, 0, 0, 0, 0, 0],
                From::Server,
                FrameError::TooLarge,
            ),
            (&[0x81, 0xFE, 0xFF, 0xFF], From::Client, FrameError::TooLarge),
        ];
        for (bytes, from, error) in cases {
            assert_eq!(FrameHead::read(bytes, from, 1000), Err(error), "{bytes:x?}");
        }
    }

    #[test]
    fn close_payloads_are_cut_to_fit_and_checked() {
        let long = "é".repeat(100);
        let payload = close_payload(1001, &long);
        assert!(payload.len() <= MAX_CONTROL);
        assert_eq!(read_close(&payload).unwrap().0, 1001);
        assert_eq!(read_close(&[]), Ok((1005, "")));
        assert_eq!(read_close(&[3]), Err(FrameError::Control));
        assert_eq!(
            read_close(&[0x03, 0xEE]),
            Err(FrameError::Control),
            "1006 must not stand on the wire"
        );
        assert_eq!(read_close(&[0x03, 0xE8, 0xFF]), Err(FrameError::Utf8));
    }
}
