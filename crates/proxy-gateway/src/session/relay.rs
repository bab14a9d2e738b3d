//! One read from a link on its way to the client of a v4 session.

use std::ops::Range;
use std::task::Context;
use std::time::Instant;

use lavalink_protocol::envelope::{Envelope, Op};
use lavalink_protocol::ws::{self, FrameError, Opcode};
use proxy_core::session::links::LinkId;
use proxy_core::session::machine::{Disposition, Effect, Machine};

use super::around::Around;
use super::client::{ClientSide, MAX_PONGS};
use super::frames::{Frame, Inbound, Sink};

/// One read from a link on its way to the client: frames that go on unchanged are written in one piece.
pub(crate) struct Relay<'a, 'c> {
    cx: &'a mut Context<'c>,
    machine: &'a mut Machine,
    side: Option<&'a mut ClientSide>,
    link: LinkId,
    around: Around<'a>,
    now: Instant,
    /// Frames that are next to each other in the buffer and all go on.
    run: Range<usize>,
    relayed: Relayed,
}

/// What one read from a link brought.
#[derive(Default)]
pub(crate) struct Relayed {
    pub(crate) forwarded: u64,
    pub(crate) received: u64,
    pub(crate) effects: Vec<Effect>,
    pub(crate) pongs: Vec<u8>,
    /// The node closed its socket with this code.
    pub(crate) closed: Option<u16>,
    /// The payload of the last `stats`.
    pub(crate) stats: Option<Vec<u8>>,
    pub(crate) client_failed: bool,
    /// The client gets the figures of all nodes now.
    pub(crate) aggregate: bool,
}

impl<'a, 'c> Relay<'a, 'c> {
    pub(crate) fn new(
        cx: &'a mut Context<'c>,
        machine: &'a mut Machine,
        side: Option<&'a mut ClientSide>,
        link: LinkId,
        around: Around<'a>,
    ) -> Self {
        Self {
            cx,
            machine,
            side,
            link,
            around,
            // One reading for all messages that came together.
            now: Instant::now(),
            run: 0..0,
            relayed: Relayed::default(),
        }
    }

    pub(crate) fn run(mut self, inbound: &mut Inbound, bytes: &[u8]) -> (Relayed, Result<(), FrameError>) {
        let outcome = inbound.feed(bytes, &mut self);
        (self.relayed, outcome)
    }

    fn take_message(&mut self, frame: &Frame<'_>) {
        let envelope = Envelope::read(frame.payload());
        if envelope.op == Op::Stats {
            self.relayed.stats = Some(frame.payload().to_vec());
        }
        match self.machine.message(self.link, &envelope, frame.payload(), self.now) {
            Disposition::Forward => {
                self.relayed.forwarded += 1;
                if self.run.is_empty() || self.run.end != frame.at.start {
                    self.flush(frame.data);
                    self.run.start = frame.at.start;
                }
                self.run.end = frame.at.end;
            }
            Disposition::Swallow => {}
            Disposition::Aggregate => self.relayed.aggregate = true,
            Disposition::Enqueue => self.machine.enqueue(
                &envelope,
                frame.payload(),
                self.now,
                &mut self.around,
                &mut self.relayed.effects,
            ),
        }
    }

    /// Writes the run to the client.
    fn flush(&mut self, data: &[u8]) {
        let run = std::mem::take(&mut self.run);
        if let Some(side) = &mut self.side
            && !run.is_empty()
        {
            let newest = run.len();
            self.relayed.client_failed |= side.out.write(self.cx, &mut side.client.stream, &data[run]).is_err();
            side.spare(newest);
        }
    }
}

impl Sink for Relay<'_, '_> {
    fn frame(&mut self, frame: &Frame<'_>) -> bool {
        match frame.head.opcode {
            Opcode::Text => {
                self.relayed.received += 1;
                self.take_message(frame);
            }
            Opcode::Ping if self.relayed.pongs.len() < MAX_PONGS => {
                ws::write_masked_frame(&mut self.relayed.pongs, Opcode::Pong, frame.payload(), [0; 4]);
            }
            Opcode::Close => {
                self.relayed.closed = Some(ws::read_close(frame.payload()).map_or(1002, |(code, _)| code));
                return false;
            }
            Opcode::Ping | Opcode::Pong | Opcode::Binary | Opcode::Continuation => {}
        }
        true
    }

    fn buffer_ends(&mut self, data: &[u8]) {
        self.flush(data);
    }
}
