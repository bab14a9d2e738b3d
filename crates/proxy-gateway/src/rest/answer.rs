//! A node's answer on its way to the client, streamed with back-pressure.
//!
//! Its head and the first of its body leave in one write, straight from the buffer they were read into; bytes are copied
//! only when the client's socket is full. Nothing is read from a side while the other cannot take it.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lavalink_protocol::detect::Class;
use lavalink_protocol::http::{ChunkWalker, Framing, ResponseHead, header_slots};
use tokio::io::AsyncWrite;

use super::body::BodyLeft;
use super::forward::Forward;
use super::head::write_response;
use super::player::{MAX_PLAYER_BODY, PlayerRequest, is_session_gone};
use crate::connection::Client;
use crate::transport::Stream;
use crate::worker::Worker;

/// Longest head of an answer that is put up with.
const MAX_ANSWER_HEAD: usize = 64 * 1024;

/// Why no head of an answer came.
pub(super) enum HeadFailure {
    /// The node closed, or was silent, before the first byte.
    Lost(io::Error),
    /// What came is no head, or the beginning of one. An answer was under way, so the request is not sent again.
    Unreadable,
    /// The client does not take it.
    Client,
    /// The node does not know the session any more; nothing of it was passed on.
    NoSession,
    /// The answer came when its link was lost already; nothing of it was passed on.
    Late,
}

/// An answer that is read whole before the client gets any of it. It stands in what waits for the client.
pub(super) struct Held {
    /// Where its body begins there.
    from: usize,
    /// Its chunks are still in chunks.
    chunked: bool,
}

/// The answer on its way from a node to a client.
pub(super) struct Answer<'w> {
    worker: &'w Worker,
    class: Class,
    head_only: bool,
    old_client: bool,
    keep_alive: bool,
    /// Of the request's body nothing is missing: else neither connection can carry another request.
    body_sent: bool,
    /// What the session learns of the answer.
    player: Option<&'w mut PlayerRequest>,
    pub(super) held: Option<Held>,
    /// The client gets this answer.
    answering: &'w Cell<bool>,
    /// Something came from the node.
    heard: bool,
    /// An unfinished head.
    partial: Vec<u8>,
    /// What the client's socket did not take yet.
    pending: Vec<u8>,
    pending_sent: usize,
    left: BodyLeft,
    /// Chunks are taken apart for a client that cannot read them.
    unchunk: Option<ChunkWalker>,
    pub(super) status: u16,
    pub(super) client_keeps: bool,
    pub(super) node_keeps: bool,
}

impl<'w> Answer<'w> {
    pub(super) fn new(forward: &'w mut Forward, worker: &'w Worker, answering: &'w Cell<bool>) -> Self {
        Self {
            worker,
            class: forward.class,
            head_only: forward.head_only,
            old_client: forward.old_client,
            keep_alive: forward.keep_alive,
            body_sent: forward.body.is_done(),
            player: forward.player.as_mut(),
            held: None,
            answering,
            heard: false,
            partial: Vec::new(),
            pending: Vec::new(),
            pending_sent: 0,
            left: BodyLeft::Length(0),
            unchunk: None,
            status: 0,
            client_keeps: false,
            node_keeps: false,
        }
    }

    /// Waits for the answer's head, whose start may be here already, and passes it on together with what came of the
    /// body.
    pub(super) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Client,
        node: &mut Stream,
        early: &mut Vec<u8>,
    ) -> Poll<Result<(), HeadFailure>> {
        if !early.is_empty() {
            self.heard = true;
            match self.take_head(cx, client, &std::mem::take(early)) {
                Ok(true) => return Poll::Ready(Ok(())),
                Ok(false) => {}
                Err(failure) => return Poll::Ready(Err(failure)),
            }
        }
        loop {
            let polled = node.poll_read_scratch(cx, |cx, bytes| {
                if bytes.is_empty() {
                    return Err(self.ended(io::ErrorKind::UnexpectedEof.into()));
                }
                self.heard = true;
                if self.partial.is_empty() {
                    return self.take_head(cx, client, bytes);
                }
                let mut partial = std::mem::take(&mut self.partial);
                partial.extend_from_slice(bytes);
                self.take_head(cx, client, &partial)
            });
            match polled {
                Poll::Ready(Ok(Ok(true))) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(Ok(false))) => {}
                Poll::Ready(Ok(Err(failure))) => return Poll::Ready(Err(failure)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.ended(error))),
                Poll::Pending => break,
            }
        }
        // That something came makes no difference here: a late answer is never asked for again.
        let late = || HeadFailure::Lost(io::ErrorKind::TimedOut.into());
        client.deadline.poll(cx).map(|()| Err(late()))
    }

    /// The connection ended before the head did.
    fn ended(&self, error: io::Error) -> HeadFailure {
        if self.heard {
            HeadFailure::Unreadable
        } else {
            HeadFailure::Lost(error)
        }
    }

    /// Reads the head at the start of `bytes`; `false` when it is not whole yet.
    fn take_head(&mut self, cx: &mut Context<'_>, client: &mut Client, mut bytes: &[u8]) -> Result<bool, HeadFailure> {
        loop {
            let mut slots = header_slots();
            match ResponseHead::read(bytes, &mut slots, self.head_only) {
                Ok(Some(head)) if head.status == 101 => return Err(HeadFailure::Unreadable),
                // The client got its own 100 from the proxy, or asked for none.
                Ok(Some(head)) if head.status < 200 => bytes = &bytes[head.len..],
                Ok(Some(head)) => return self.pass_head(cx, client, &head, &bytes[head.len..]).map(|()| true),
                Ok(None) if bytes.len() > MAX_ANSWER_HEAD => return Err(HeadFailure::Unreadable),
                Ok(None) => {
                    self.partial = bytes.to_vec();
                    return Ok(false);
                }
                Err(_) => return Err(HeadFailure::Unreadable),
            }
        }
    }

    fn pass_head(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Client,
        head: &ResponseHead<'_>,
        rest: &[u8],
    ) -> Result<(), HeadFailure> {
        self.status = head.status;
        self.left = BodyLeft::new(head.framing);
        let framing = match head.framing {
            Framing::Chunked if self.old_client => {
                self.unchunk = Some(ChunkWalker::default());
                Framing::UntilClose
            }
            framing => framing,
        };
        self.client_keeps =
            self.keep_alive && self.body_sent && framing != Framing::UntilClose && !self.worker.is_stopping();
        self.node_keeps = head.keep_alive && self.body_sent;
        let mut out = Vec::with_capacity(head.len + 64);
        let api = if self.class == Class::V4 { "4" } else { "3" };
        write_response(&mut out, head, framing, !self.client_keeps, api);
        let body = self.left.take(rest).map_err(|_| HeadFailure::Unreadable)?;
        self.node_keeps &= body == rest.len();
        if self.player.as_ref().is_some_and(|player| player.holds(head.status)) {
            let chunked = head.framing == Framing::Chunked;
            if !self.left.is_done() {
                let from = out.len();
                self.extend(&mut out, &rest[..body])
                    .map_err(|_| HeadFailure::Unreadable)?;
                self.pending = out;
                let chunked = chunked && self.unchunk.is_none();
                self.held = Some(Held { from, chunked });
                return Ok(());
            }
            self.tell(&rest[..body], chunked)?;
        }
        self.answering.set(true);
        self.write_first(cx, &mut client.stream, out, &rest[..body])
            .map_err(|_| HeadFailure::Client)
    }

    /// Tells the session of an answer whose whole body this is.
    fn tell(&mut self, body: &[u8], chunked: bool) -> Result<(), HeadFailure> {
        let mut payload = Vec::new();
        let body = if chunked {
            let walked = ChunkWalker::default().walk_payload(body, |piece| payload.extend_from_slice(piece));
            walked.map_err(|_| HeadFailure::Unreadable)?;
            &payload
        } else {
            body
        };
        if self.status == 404 && is_session_gone(body) {
            return Err(HeadFailure::NoSession);
        }
        if let Some(player) = &mut self.player {
            if player.is_late() {
                return Err(HeadFailure::Late);
            }
            player.answered(self.worker, self.status, body);
        }
        Ok(())
    }

    /// Reads a held answer to its end, or until it is too long to be held. The client has nothing of it yet, so the
    /// request is not over if the node fails.
    pub(super) fn poll_held(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Client,
        node: &mut Stream,
        idle: std::time::Duration,
    ) -> Poll<Result<(), HeadFailure>> {
        loop {
            let Some(Held { from, chunked }) = self.held else {
                return Poll::Ready(Ok(()));
            };
            if self.left.is_done() {
                self.held = None;
                let held = std::mem::take(&mut self.pending);
                let told = self.tell(&held[from..], chunked);
                self.pending = held;
                self.answering.set(told.is_ok());
                return Poll::Ready(told);
            }
            if self.pending.len() - from > MAX_PLAYER_BODY {
                self.held = None;
                if let Some(player) = &mut self.player {
                    player.too_long(self.worker);
                }
                self.answering.set(true);
                return Poll::Ready(Ok(()));
            }
            let polled = node.poll_read_scratch(cx, |cx, bytes| self.pass_body(cx, &mut client.stream, bytes));
            match polled {
                Poll::Ready(Ok(Ok(true))) => client.deadline.set(idle),
                Poll::Ready(Ok(Ok(false))) if matches!(self.left, BodyLeft::UntilClose) => {
                    self.left = BodyLeft::Length(0);
                }
                Poll::Ready(Ok(Ok(false))) => {
                    return Poll::Ready(Err(HeadFailure::Unreadable));
                }
                Poll::Ready(Ok(Err(_)) | Err(_)) => return Poll::Ready(Err(HeadFailure::Unreadable)),
                Poll::Pending => {
                    let late = || HeadFailure::Lost(io::ErrorKind::TimedOut.into());
                    return client.deadline.poll(cx).map(|()| Err(late()));
                }
            }
        }
    }

    /// Head and first body bytes in one write where the socket allows it.
    fn write_first(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Stream,
        mut out: Vec<u8>,
        body: &[u8],
    ) -> io::Result<()> {
        if self.unchunk.is_some() || !client.is_write_vectored() {
            self.extend(&mut out, body)?;
            return self.write_or_keep(cx, client, &out);
        }
        let written = match Pin::new(&mut *client).poll_write_vectored(cx, &[IoSlice::new(&out), IoSlice::new(body)]) {
            Poll::Ready(Ok(written)) => written,
            Poll::Ready(Err(error)) => return Err(error),
            Poll::Pending => 0,
        };
        if written < out.len() {
            self.pending.extend_from_slice(&out[written..]);
        }
        self.pending
            .extend_from_slice(&body[written.saturating_sub(out.len())..]);
        Ok(())
    }

    fn extend(&mut self, out: &mut Vec<u8>, body: &[u8]) -> io::Result<()> {
        match &mut self.unchunk {
            None => out.extend_from_slice(body),
            Some(walker) => {
                walker
                    .walk_payload(body, |piece| out.extend_from_slice(piece))
                    .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
            }
        }
        Ok(())
    }

    fn write_or_keep(&mut self, cx: &mut Context<'_>, client: &mut Stream, bytes: &[u8]) -> io::Result<()> {
        let written = client.write_now(cx, bytes)?;
        self.pending.extend_from_slice(&bytes[written..]);
        Ok(())
    }

    /// Streams the rest of the body; an error means that the answer cannot be completed.
    pub(super) fn poll_rest(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Client,
        node: &mut Stream,
        idle: std::time::Duration,
    ) -> Poll<io::Result<()>> {
        loop {
            match self.poll_pending(cx, &mut client.stream) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return client.deadline.poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
            }
            if self.left.is_done() {
                return Poll::Ready(Ok(()));
            }
            let polled = node.poll_read_scratch(cx, |cx, bytes| self.pass_body(cx, &mut client.stream, bytes));
            match polled {
                Poll::Ready(Ok(Ok(true))) => client.deadline.set(idle),
                Poll::Ready(Ok(Ok(false))) => {
                    // Until-close bodies end here; others are cut off, which the client must see as a cut connection.
                    let ended = matches!(self.left, BodyLeft::UntilClose);
                    let cut = || Err(io::ErrorKind::UnexpectedEof.into());
                    if !ended {
                        return Poll::Ready(cut());
                    }
                    self.left = BodyLeft::Length(0);
                }
                Poll::Ready(Ok(Err(error)) | Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return client.deadline.poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
            }
        }
    }

    /// Passes on what was read; `false` at the end of the stream.
    fn pass_body(&mut self, cx: &mut Context<'_>, client: &mut Stream, bytes: &[u8]) -> io::Result<bool> {
        if bytes.is_empty() {
            return Ok(false);
        }
        let body = self
            .left
            .take(bytes)
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        self.node_keeps &= body == bytes.len();
        if self.held.is_some() {
            let mut pending = std::mem::take(&mut self.pending);
            let extended = self.extend(&mut pending, &bytes[..body]);
            self.pending = pending;
            extended?;
        } else if self.unchunk.is_some() {
            let mut out = Vec::new();
            self.extend(&mut out, &bytes[..body])?;
            self.write_or_keep(cx, client, &out)?;
        } else {
            self.write_or_keep(cx, client, &bytes[..body])?;
        }
        Ok(true)
    }

    fn poll_pending(&mut self, cx: &mut Context<'_>, client: &mut Stream) -> Poll<io::Result<()>> {
        while self.pending_sent < self.pending.len() {
            match ready!(Pin::new(&mut *client).poll_write(cx, &self.pending[self.pending_sent..])) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(written) => self.pending_sent += written,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        self.pending.clear();
        self.pending_sent = 0;
        match client {
            Stream::Plain(_) => Poll::Ready(Ok(())),
            client => Pin::new(client).poll_flush(cx),
        }
    }
}
