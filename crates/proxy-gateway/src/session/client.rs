//! The client's end of a WebSocket: its socket, what waits for it, what it says, and how it is closed. What becomes of
//! its messages is each kind of socket's own (`v4`, `tunnel`, `late`).

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use lavalink_protocol::ws::{self, FrameError, From, Opcode};
use tokio::io::AsyncWrite;

use super::frames::{Frame, Inbound, Outbound, Sink};
use crate::connection::Client;
use crate::transport::Stream;
use crate::worker::{Mailbox, Stop, Worker};

/// How long a closing handshake may take before the socket is dropped.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// How much is read and thrown away meanwhile.
const CLOSE_BYTES: usize = 256 * 1024;

/// The client's end of a session.
pub(crate) struct ClientSide {
    pub(crate) client: Client,
    pub(crate) stop: Rc<Mailbox<Stop>>,
    pub(crate) inbound: Inbound,
    pub(crate) out: Outbound,
    /// Bytes in `out` that do not count against a slow reader: see [`spare`](Self::spare).
    spared: usize,
    /// A ping was sent and nothing came since.
    pub(crate) unanswered: bool,
}

impl ClientSide {
    pub(crate) fn new(worker: &Worker, mut client: Client, stop: Rc<Mailbox<Stop>>) -> Self {
        let mut inbound = Inbound::new(From::Client, worker.shared.config.max_client_message);
        inbound.preload(&std::mem::take(&mut client.inbox.bytes));
        client.deadline.clear();
        Self {
            client,
            stop,
            inbound,
            out: Outbound::default(),
            spared: 0,
            unanswered: false,
        }
    }

    /// So many bytes were given to the client at once. A reader is slow by what it left lying before, not by the size
    /// of what came last.
    pub(crate) fn spare(&mut self, newest: usize) {
        self.spared = self.spared.max(newest.min(self.out.len()));
    }

    /// The system has all that was written; over TLS a close must still be said.
    pub(crate) fn is_all_sent(&self) -> bool {
        self.out.len() == 0 && matches!(self.client.stream, Stream::Plain(_))
    }

    /// Flushes what waits. Ready when nothing does any more, or when more than `limit` waits.
    #[inline]
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>, limit: usize) -> Poll<Result<(), Unwritable>> {
        match self.out.poll_flush(cx, &mut self.client.stream) {
            Poll::Ready(Ok(())) => {
                self.spared = 0;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(_)) => Poll::Ready(Err(Unwritable::Gone)),
            Poll::Pending if self.out.len() > self.spared + limit => Poll::Ready(Err(Unwritable::Slow)),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Why nothing more is written to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unwritable {
    /// Its socket is gone.
    Gone,
    /// It reads too slowly.
    Slow,
}

/// Writes a close frame, as far as the socket takes it.
pub(crate) async fn close_with(side: &mut ClientSide, code: u16, reason: &str) {
    let mut frame = Vec::new();
    ws::write_frame(&mut frame, Opcode::Close, &ws::close_payload(code, reason));
    poll_fn(|cx| {
        side.out.write(cx, &mut side.client.stream, &frame).ok();
        Poll::Ready(())
    })
    .await;
}

/// Lets a close frame leave, says that nothing follows, and waits for the client to end its side too, within a limit: of
/// the two the server closes first. What comes meanwhile is read and thrown away, so that closing does not destroy the
/// close frame on its way.
pub(crate) async fn close_slowly(worker: Rc<Worker>, mut side: Box<ClientSide>) {
    let id = side.client.record.id;
    let (mut left, mut said, mut heard_end) = (CLOSE_BYTES, false, false);
    let work = poll_fn(|cx| {
        let ClientSide { client, out, .. } = &mut *side;
        if !said {
            match out.poll_flush(cx, &mut client.stream) {
                Poll::Ready(Ok(())) => match Pin::new(&mut client.stream).poll_shutdown(cx) {
                    Poll::Ready(Ok(())) => said = true,
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Pending => {}
                },
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => {}
            }
        }
        while !heard_end {
            match client.stream.poll_read_scratch(cx, |_, bytes| bytes.len()) {
                Poll::Ready(Ok(read)) => {
                    left = left.saturating_sub(read);
                    heard_end = read == 0 || left == 0;
                }
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        if said && heard_end {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    });
    tokio::time::timeout(CLOSE_LIMIT, work).await.ok();
    worker.connection_closed(id);
}

/// What a client said. A v4 client says nothing by text: Lavalink drops it, and so does the proxy.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) messages: u64,
    /// Pong frames that answer its pings.
    pub(crate) pongs: Vec<u8>,
    pub(crate) end: Option<End>,
    /// What it said is against the protocol.
    invalid: Option<FrameError>,
}

/// How a client ended its socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// A close frame; the code to answer with.
    Close(u16),
    /// A binary frame, which Lavalink closes with 1003.
    Binary,
}

/// Bytes of pongs that are kept for one read; who floods pings gets no more of them than this.
pub(crate) const MAX_PONGS: usize = 4096;

impl Sink for Heard {
    fn frame(&mut self, frame: &Frame<'_>) -> bool {
        match frame.head.opcode {
            Opcode::Text => {
                self.messages += 1;
                if std::str::from_utf8(&frame.unmasked()).is_err() {
                    self.invalid = Some(FrameError::Utf8);
                }
            }
            Opcode::Binary => self.end = Some(End::Binary),
            Opcode::Ping if self.pongs.len() < MAX_PONGS => {
                ws::write_frame(&mut self.pongs, Opcode::Pong, &frame.unmasked());
            }
            Opcode::Close => match ws::read_close(&frame.unmasked()) {
                Ok((1005, _)) => self.end = Some(End::Close(1000)),
                Ok((code, _)) => self.end = Some(End::Close(code)),
                Err(error) => self.invalid = Some(error),
            },
            _ => {}
        }
        self.end.is_none() && self.invalid.is_none()
    }
}

impl Heard {
    pub(crate) fn feed(&mut self, inbound: &mut Inbound, bytes: &[u8]) -> Result<(), FrameError> {
        inbound.feed(bytes, self)?;
        self.invalid.map_or(Ok(()), Err)
    }
}
