//! Whole messages out of the bytes of a socket, and bytes into a socket that may be full.
//!
//! Frames are handed on as the bytes they came. Only a message that its sender split is put together and framed anew,
//! so that a half one never reaches the other side.

use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use lavalink_protocol::ws::{self, FrameError, FrameHead, From, Opcode};
use tokio::io::AsyncWrite;

use crate::transport::Stream;

/// One side's bytes on their way to being whole frames.
#[derive(Debug)]
pub(crate) struct Inbound {
    from: From,
    /// Largest message.
    max: usize,
    /// The beginning of a frame; its capacity is given back when the frame is whole.
    carry: Vec<u8>,
    /// The payload so far of a message that came in pieces.
    fragments: Option<Box<Fragments>>,
}

#[derive(Debug)]
struct Fragments {
    opcode: Opcode,
    payload: Vec<u8>,
}

/// A whole frame in the buffer it was read into.
pub(crate) struct Frame<'a> {
    /// The buffer.
    pub(crate) data: &'a [u8],
    /// Where head and payload stand in it.
    pub(crate) at: Range<usize>,
    pub(crate) head: FrameHead,
}

/// Takes whole frames as they are found.
pub(crate) trait Sink {
    /// One frame; `false` stops the reading.
    fn frame(&mut self, frame: &Frame<'_>) -> bool;
    /// No more frames come out of `data`, the buffer of those before.
    fn buffer_ends(&mut self, _data: &[u8]) {}
}

impl Frame<'_> {
    /// Head and payload as they came.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.data[self.at.clone()]
    }

    /// The payload as it came: masked when a client sent it.
    pub(crate) fn payload(&self) -> &[u8] {
        &self.data[self.at.start + self.head.head_len..self.at.end]
    }

    /// The payload in the clear.
    pub(crate) fn unmasked(&self) -> Vec<u8> {
        let mut payload = self.payload().to_vec();
        ws::apply_mask(&mut payload, self.head.mask);
        payload
    }
}

impl Inbound {
    pub(crate) fn new(from: From, max: usize) -> Self {
        Self {
            from,
            max,
            carry: Vec::new(),
            fragments: None,
        }
    }

    /// Bytes that came before this reader was there, such as with the handshake's answer.
    pub(crate) fn preload(&mut self, bytes: &[u8]) {
        self.carry.extend_from_slice(bytes);
    }

    /// Takes the next bytes and hands every whole frame to `sink`, in order, until it says stop.
    pub(crate) fn feed(&mut self, bytes: &[u8], sink: &mut impl Sink) -> Result<(), FrameError> {
        if self.carry.is_empty() {
            let used = self.walk(bytes, sink)?;
            self.carry = bytes[used..].to_vec();
            return Ok(());
        }
        let mut whole = std::mem::take(&mut self.carry);
        whole.extend_from_slice(bytes);
        let used = self.walk(&whole, sink)?;
        if used == 0 {
            self.carry = whole;
        } else {
            self.carry = whole[used..].to_vec();
        }
        Ok(())
    }

    fn walk(&mut self, data: &[u8], sink: &mut impl Sink) -> Result<usize, FrameError> {
        let used = self.walk_frames(data, sink);
        sink.buffer_ends(data);
        used
    }

    fn walk_frames(&mut self, data: &[u8], sink: &mut impl Sink) -> Result<usize, FrameError> {
        let mut at = 0;
        while let Some(head) = FrameHead::read(&data[at..], self.from, self.max)? {
            let end = at + head.total();
            if end > data.len() {
                break;
            }
            let frame = Frame {
                data,
                at: at..end,
                head,
            };
            at = end;
            let goes_on = match (&self.fragments, head.opcode) {
                (_, opcode) if opcode.is_control() => sink.frame(&frame),
                (None, Opcode::Text | Opcode::Binary) if head.fin => sink.frame(&frame),
                (None, Opcode::Continuation) | (Some(_), Opcode::Text | Opcode::Binary) => {
                    return Err(FrameError::Fragments);
                }
                _ => self.collect(&frame, sink)?,
            };
            if !goes_on {
                break;
            }
        }
        Ok(at)
    }

    /// Takes one piece of a split message; the last one makes it whole.
    fn collect(&mut self, frame: &Frame<'_>, sink: &mut impl Sink) -> Result<bool, FrameError> {
        let fragments = self.fragments.get_or_insert_with(|| {
            Box::new(Fragments {
                opcode: frame.head.opcode,
                payload: Vec::new(),
            })
        });
        if fragments.payload.len() + frame.head.payload_len > self.max {
            return Err(FrameError::TooLarge);
        }
        fragments.payload.extend_from_slice(&frame.unmasked());
        if !frame.head.fin {
            return Ok(true);
        }
        let Some(whole) = self.fragments.take() else {
            return Ok(true);
        };
        let mut data = Vec::with_capacity(whole.payload.len() + ws::MAX_HEAD);
        match self.from {
            From::Server => ws::write_frame(&mut data, whole.opcode, &whole.payload),
            // A zero mask: the bytes go to a node, where no cache could be misled by chosen ones.
            From::Client => ws::write_masked_frame(&mut data, whole.opcode, &whole.payload, [0; 4]),
        }
        let Some(head) = FrameHead::read(&data, self.from, usize::MAX)? else {
            return Ok(true);
        };
        sink.buffer_ends(frame.data);
        let goes_on = sink.frame(&Frame {
            data: &data,
            at: 0..data.len(),
            head,
        });
        sink.buffer_ends(&data);
        Ok(goes_on)
    }
}

/// What a socket did not take yet.
#[derive(Debug, Default)]
pub(crate) struct Outbound {
    queue: Vec<u8>,
    sent: usize,
}

impl Outbound {
    /// Puts whole frames behind what waits; they leave with the next flush.
    pub(crate) fn hold(&mut self, frames: Vec<u8>) {
        if self.queue.is_empty() {
            self.queue = frames;
        } else {
            self.queue.extend_from_slice(&frames);
        }
    }

    /// Puts a text message of the proxy's own, as a server writes it, behind what waits.
    pub(crate) fn hold_text(&mut self, message: &[u8]) {
        ws::write_frame(&mut self.queue, Opcode::Text, message);
    }

    /// Bytes that wait.
    pub(crate) fn len(&self) -> usize {
        self.queue.len() - self.sent
    }

    /// Writes at once what the socket takes, behind what waits already; the rest waits.
    #[inline]
    pub(crate) fn write(&mut self, cx: &mut Context<'_>, stream: &mut Stream, bytes: &[u8]) -> io::Result<()> {
        let written = if self.queue.is_empty() {
            stream.write_now(cx, bytes)?
        } else {
            0
        };
        if written < bytes.len() {
            self.queue.extend_from_slice(&bytes[written..]);
        }
        Ok(())
    }

    /// Writes what waits; ready when nothing does.
    #[inline]
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>, stream: &mut Stream) -> Poll<io::Result<()>> {
        if !self.queue.is_empty() {
            while self.sent < self.queue.len() {
                match Pin::new(&mut *stream).poll_write(cx, &self.queue[self.sent..]) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Poll::Ready(Ok(written)) => self.sent += written,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => {
                        self.forget_sent();
                        return Poll::Pending;
                    }
                }
            }
            // The memory goes back: most sockets are never full again.
            self.queue = Vec::new();
            self.sent = 0;
        }
        match stream {
            Stream::Plain(_) => Poll::Ready(Ok(())),
            stream => Pin::new(stream).poll_flush(cx),
        }
    }

    /// A queue that is never quite empty must not keep all that ever went through it. Moving what is left only once it
    /// is the smaller part makes every byte move at most about once.
    fn forget_sent(&mut self) {
        if self.sent > self.queue.len() / 2 {
            self.queue.drain(..self.sent);
            self.sent = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    struct Seen(Vec<String>);

    impl Sink for Seen {
        fn frame(&mut self, frame: &Frame<'_>) -> bool {
            self.0.push(String::from_utf8(frame.unmasked()).unwrap());
            true
        }
    }

    fn texts(inbound: &mut Inbound, bytes: &[u8]) -> Result<Vec<String>, FrameError> {
        let mut seen = Seen(Vec::new());
        inbound.feed(bytes, &mut seen)?;
        Ok(seen.0)
    }

    #[test]
    fn messages_are_whole_however_the_bytes_are_cut() {
        let mut bytes = Vec::new();
        ws::write_frame(&mut bytes, Opcode::Text, b"one");
        ws::write_frame(&mut bytes, Opcode::Ping, b"p");
        ws::write_frame(&mut bytes, Opcode::Text, &[b'x'; 300]);
        for cut in 0..=bytes.len() {
            let mut inbound = Inbound::new(From::Server, 1000);
            let mut seen = texts(&mut inbound, &bytes[..cut]).unwrap();
            seen.extend(texts(&mut inbound, &bytes[cut..]).unwrap());
            assert_eq!(seen, ["one".to_owned(), "p".to_owned(), "x".repeat(300)]);
            assert_eq!(inbound.carry.capacity(), 0, "an idle socket owns no buffer");
        }
    }

    #[test]
    fn a_split_message_arrives_whole_with_control_frames_between_its_pieces() {
        for from in [From::Client, From::Server] {
            let mut bytes = Vec::new();
            let mut piece = |opcode, fin: bool, payload: &[u8]| {
                let start = bytes.len();
                match from {
                    From::Server => ws::write_frame(&mut bytes, opcode, payload),
                    From::Client => ws::write_masked_frame(&mut bytes, opcode, payload, [9, 8, 7, 6]),
                }
                if !fin {
                    bytes[start] &= 0x7F;
                }
            };
            piece(Opcode::Text, false, b"he");
            piece(Opcode::Ping, true, b"p");
            piece(Opcode::Continuation, false, b"l");
            piece(Opcode::Continuation, true, b"lo");
            let mut inbound = Inbound::new(from, 5);
            assert_eq!(texts(&mut inbound, &bytes).unwrap(), ["p", "hello"]);
            let mut inbound = Inbound::new(from, 4);
            assert_eq!(texts(&mut inbound, &bytes), Err(FrameError::TooLarge));
        }
    }

    #[test]
    fn pieces_out_of_order_are_refused() {
        let mut bytes = Vec::new();
        ws::write_frame(&mut bytes, Opcode::Continuation, b"x");
        assert_eq!(
            texts(&mut Inbound::new(From::Server, 10), &bytes),
            Err(FrameError::Fragments)
        );
    }

    #[test]
    fn a_queue_that_is_never_empty_does_not_keep_what_has_left() {
        let mut out = Outbound::default();
        let mut most = 0;
        for _ in 0..10_000 {
            out.hold(vec![0; 100]);
            out.sent += out.len() - 1;
            out.forget_sent();
            most = most.max(out.queue.len());
            assert_eq!(out.len(), 1);
        }
        assert!(most < 300, "{most} bytes are kept for one that waits");
        out.hold(b"ab".to_vec());
        out.sent += 1;
        out.forget_sent();
        assert_eq!((&out.queue[out.sent..], out.len()), (&b"ab"[..], 2));
    }
}
