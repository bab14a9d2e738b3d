//! The pushed message: a `playerUpdate` of fixed length, whose sequence number and time of sending stand at fixed
//! places, so that stamping and reading it costs next to nothing.

use lavalink_protocol::ws::{Opcode, write_frame};

/// `position` carries the sequence number on top of this, so that it always has ten digits.
const SEQ_BASE: u64 = 1_000_000_000;
/// `at` carries monotonic nanoseconds on top of this, so that it always has 19 digits and is a 64-bit integer.
const AT_BASE: u64 = 1_000_000_000_000_000_000;
const START: &[u8] = br#"{"op":"playerUpdate","guildId":""#;
const GUILD_DIGITS: usize = 18;
const BEFORE_SEQ: &[u8] = br#"","state":{"time":1700000000000,"position":"#;
const SEQ_DIGITS: usize = 10;
const BEFORE_AT: &[u8] = br#","connected":true,"ping":37,"at":"#;
const AT_DIGITS: usize = 19;
const END: &[u8] = b"}}";

/// The frame that one player gets again and again, with places for its stamps.
pub(crate) struct Template {
    frame: Vec<u8>,
    seq_at: usize,
    time_at: usize,
}

impl Template {
    /// The message for this guild, whose id has [`GUILD_DIGITS`] digits.
    pub(crate) fn new(guild: &str) -> Self {
        let zeros = [b'0'; AT_DIGITS];
        let parts: [&[u8]; 7] = [
            START,
            guild.as_bytes(),
            BEFORE_SEQ,
            &zeros[..SEQ_DIGITS],
            BEFORE_AT,
            &zeros[..AT_DIGITS],
            END,
        ];
        let payload = parts.concat();
        let mut frame = Vec::with_capacity(payload.len() + 4);
        write_frame(&mut frame, Opcode::Text, &payload);
        let time_at = frame.len() - END.len() - AT_DIGITS;
        Self {
            seq_at: time_at - BEFORE_AT.len() - SEQ_DIGITS,
            time_at,
            frame,
        }
    }

    /// The frame with these stamps.
    pub(crate) fn stamp(&mut self, seq: u64, now_ns: u64) -> &[u8] {
        write_digits(&mut self.frame[self.seq_at..][..SEQ_DIGITS], SEQ_BASE + seq);
        write_digits(&mut self.frame[self.time_at..][..AT_DIGITS], AT_BASE + now_ns);
        &self.frame
    }
}

/// Sequence number and time of sending of a pushed message; `None` for every other message, so also for one of ours
/// that was not forwarded as the bytes it came.
pub(crate) fn read(payload: &[u8]) -> Option<(u64, u64)> {
    let rest = payload
        .strip_prefix(START)?
        .get(GUILD_DIGITS..)?
        .strip_prefix(BEFORE_SEQ)?;
    let (seq, rest) = rest.split_at_checked(SEQ_DIGITS)?;
    let (sent, rest) = rest.strip_prefix(BEFORE_AT)?.split_at_checked(AT_DIGITS)?;
    if rest != END {
        return None;
    }
    Some((
        read_digits(seq)?.checked_sub(SEQ_BASE)?,
        read_digits(sent)?.checked_sub(AT_BASE)?,
    ))
}

fn write_digits(place: &mut [u8], mut value: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

fn read_digits(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |sum, digit| {
        digit
            .is_ascii_digit()
            .then(|| sum.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use lavalink_protocol::ws::{FrameHead, From};

    #[test]
    fn a_stamped_message_is_a_player_update_and_gives_its_stamps_back() {
        let mut template = Template::new("100000000000000007");
        for (seq, now) in [(0, 0), (1, 5), (4_294_967_295, 86_400_000_000_000)] {
            let frame = template.stamp(seq, now).to_vec();
            let head = FrameHead::read(&frame, From::Server, 1000).unwrap().unwrap();
            assert_eq!(head.total(), frame.len());
            let payload = &frame[head.head_len..];
            assert_eq!(read(payload), Some((seq, now)));
            let json: serde_json::Value = serde_json::from_slice(payload).unwrap();
            assert_eq!(json["op"], "playerUpdate");
            assert_eq!(json["guildId"], "100000000000000007");
            assert_eq!(json["state"]["position"].as_i64().unwrap() as u64, SEQ_BASE + seq);
            assert!(json["state"]["at"].is_i64(), "a 64-bit integer");
        }
    }

    #[test]
    fn other_messages_have_no_stamps() {
        for payload in [
            "",
            "{}",
            r#"{"op":"stats"}"#,
            r#"{"op":"playerUpdate","guildId":"1","state":{"time":1}}"#,
        ] {
            assert_eq!(read(payload.as_bytes()), None, "{payload}");
        }
    }
}
