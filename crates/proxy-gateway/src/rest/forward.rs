//! One request to a node and its answer back to the client, both bodies streamed with back-pressure.
//!
//! The answer's head and the first of its body leave in one write, straight from the buffer they were read into; bytes
//! are copied only when the client's socket is full. Nothing is read from a side while the other cannot take it.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use lavalink_protocol::detect::Class;
use lavalink_protocol::http::{ChunkWalker, Framing, ResponseHead, header_slots};
use proxy_core::pool::NodeId;
use proxy_core::tenant::Tenant;
use tokio::io::AsyncWrite;

use super::body::BodyLeft;
use super::head::{NodeRequest, write_response};
use super::player::{MAX_PLAYER_BODY, PlayerRequest, is_session_gone};
use super::pool::{NodeConnection, NodePool};
use crate::connection::{CONTINUE, Client, Piece};
use crate::error::ProxyError;
use crate::respond::To;
use crate::transport::Stream;
use crate::transport::deadline::Deadline;
use crate::worker::Worker;

/// Longest head of an answer that is put up with.
const MAX_ANSWER_HEAD: usize = 64 * 1024;

/// A request that goes to a node.
#[derive(Debug)]
pub(crate) struct Forward {
    /// The head as the node gets it, with what of the body is here already.
    pub(crate) request: NodeRequest,
    /// What of the body is still to come from the client.
    pub(crate) body: BodyLeft,
    /// The node that was chosen.
    pub(crate) node: NodeId,
    /// Repeating it changes nothing (GET or HEAD).
    pub(crate) safe: bool,
    /// It belongs to no session, so another node can serve it as well.
    pub(crate) any_node: bool,
    /// Decides the `Lavalink-Api-Version` of an answer that lacks it.
    pub(crate) class: Class,
    /// The client may use its connection again.
    pub(crate) keep_alive: bool,
    /// The request was a HEAD.
    pub(crate) head_only: bool,
    /// The client speaks HTTP/1.0 and cannot read chunks.
    pub(crate) old_client: bool,
    /// The client waits for `100 Continue` before it sends the body.
    pub(crate) expects_continue: bool,
    /// Whose request it is; decides which other nodes may be asked.
    pub(crate) tenant: Arc<Tenant>,
    /// The path as the client sent it, for the error object.
    pub(crate) path: Box<str>,
    /// The status that the client was given, once it was.
    pub(crate) answered: Option<u16>,
    /// Another node had failed it before.
    pub(crate) retried: bool,
    /// It is for a session's player.
    pub(crate) player: Option<PlayerRequest>,
}

/// A finished exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Served {
    /// The node's status.
    pub(crate) status: u16,
    /// The client's connection can carry another request.
    pub(crate) keep_alive: bool,
}

/// Why an exchange ended without an answer for the client.
#[derive(Debug)]
pub(crate) enum Failed {
    /// Nothing was sent to the client yet: it gets this error.
    Before(ProxyError),
    /// The answer was under way, or the client is gone: only closing is left.
    Midway,
}

impl From<ProxyError> for Failed {
    fn from(error: ProxyError) -> Self {
        Self::Before(error)
    }
}

/// What happened while a node was asked, as far as trying again goes.
enum Attempt {
    Served(Served),
    Failed(Failed),
    /// A kept connection turned out to be closed; the node saw nothing or answered nothing.
    Stale,
    /// The node failed before the first byte of an answer.
    NodeFailed(ProxyError),
}

impl Forward {
    /// What an error in place of the answer needs to know.
    pub(crate) fn answer_to(&self) -> To<'_> {
        To {
            class: self.class,
            path: &self.path,
            // What the client still sends of a body that nobody reads would look like its next request.
            keep_alive: self.keep_alive && self.body.is_done(),
            head_only: self.head_only,
        }
    }

    /// Carries the request out. `answering` is set once an answer has come that the client gets.
    pub(crate) async fn run(
        &mut self,
        worker: &Rc<Worker>,
        client: &mut Client,
        answering: &Cell<bool>,
    ) -> Result<Served, Failed> {
        let mut fresh = false;
        loop {
            let pool = worker.pool(self.node);
            let under_way = pool.node.gauges.request();
            let attempt = self.attempt(worker, client, &pool, fresh, answering).await;
            drop(under_way);
            let error = match attempt {
                Attempt::Served(served) => {
                    match served.status {
                        502..=504 => worker.shared.node_failed(self.node),
                        _ => pool.node.gauges.answered(),
                    }
                    return Ok(served);
                }
                Attempt::Failed(failed) => return Err(failed),
                Attempt::Stale if !fresh => {
                    fresh = true;
                    continue;
                }
                Attempt::Stale => ProxyError::NodeClosed,
                Attempt::NodeFailed(error) => error,
            };
            let other = (self.safe && self.any_node && !self.retried && worker.shared.config.retry)
                .then(|| {
                    worker
                        .shared
                        .choose_other(self.class, self.node, self.tenant.nodes.as_deref())
                })
                .flatten();
            let Some(other) = other else { return Err(error.into()) };
            tracing::debug!(from = %pool.node.name, to = %worker.pool(other).node.name, %error, "request is tried on another node");
            self.retried = true;
            fresh = false;
            self.node = other;
            self.request.readdress(&worker.pool(other).node);
        }
    }

    async fn attempt(
        &mut self,
        worker: &Rc<Worker>,
        client: &mut Client,
        pool: &NodePool,
        fresh: bool,
        answering: &Cell<bool>,
    ) -> Attempt {
        let limit = worker.shared.config.connect_timeout;
        let taken = if fresh {
            pool.dial(limit).await
        } else {
            pool.take(limit).await
        };
        let mut node = match taken {
            Ok(node) => node,
            Err(error) => {
                worker.shared.node_unreachable(self.node, &error);
                return Attempt::NodeFailed(ProxyError::NodeUnreachable);
            }
        };
        pool.ledger.rest.requests.add(1);
        let whole = self.body.is_done();
        let idle = worker.shared.config.response_timeout;
        client.deadline.set(idle);
        if let Err(error) = write_node(&mut node.stream, &mut client.deadline, &self.request.bytes).await {
            return self.lost(worker, &node, whole, &error);
        }
        let mut early = Vec::new();
        if !whole {
            if let Err(failed) = self.send_body(worker, client, &mut node.stream, &mut early).await {
                return Attempt::Failed(failed);
            }
            client.deadline.set(idle);
        }
        let mut relay = Relay::new(self, worker, answering);
        let mut outcome = poll_fn(|cx| relay.poll_head(cx, client, &mut node.stream, &mut early)).await;
        if relay.status != 0 {
            pool.ledger.rest.answered(relay.status);
        }
        if outcome.is_ok() && relay.held.is_some() {
            outcome = poll_fn(|cx| relay.poll_held(cx, client, &mut node.stream, idle)).await;
        }
        match outcome {
            Ok(()) => client.record.traffic.answered(relay.status),
            Err(HeadFailure::NoSession) => return Attempt::Failed(ProxyError::SessionNotFound.into()),
            Err(HeadFailure::Late) => return Attempt::Failed(ProxyError::NodeClosed.into()),
            Err(HeadFailure::Lost(error)) => return self.lost(worker, &node, whole, &error),
            Err(HeadFailure::Unreadable) => {
                worker.shared.node_failed(self.node);
                return Attempt::Failed(ProxyError::NodeAnswer.into());
            }
            Err(HeadFailure::Client) => return Attempt::Failed(Failed::Midway),
        }
        match poll_fn(|cx| relay.poll_rest(cx, client, &mut node.stream, idle)).await {
            Ok(()) => {}
            Err(_) => {
                self.answered = Some(relay.status);
                return Attempt::Failed(Failed::Midway);
            }
        }
        let served = Served {
            status: relay.status,
            keep_alive: relay.client_keeps,
        };
        let node_keeps = relay.node_keeps;
        self.answered = Some(served.status);
        if node_keeps {
            pool.put(node.stream);
        }
        Attempt::Served(served)
    }

    /// The node closed or reset the connection, or was silent for too long, before its answer began. Whether the request
    /// may be sent again depends on whether doing it twice could matter.
    fn lost(&self, worker: &Worker, node: &NodeConnection, whole: bool, error: &io::Error) -> Attempt {
        if error.kind() == io::ErrorKind::TimedOut {
            // What takes one node too long (a track whose server never answers) would take the next one as long. It
            // says nothing about the node's health either: that is for probes to find out.
            return Attempt::Failed(ProxyError::NodeTimeout.into());
        }
        if node.reused && whole && self.safe {
            return Attempt::Stale;
        }
        if !node.reused {
            worker.shared.node_unreachable(self.node, error);
        }
        failed_before(ProxyError::NodeClosed, whole)
    }

    /// Streams what is left of the request's body until all of it is sent or the node answers, which it may do early:
    /// what it has said by then goes to `early`. Its failure to take more is not the end, the answer is read all the same.
    async fn send_body(
        &mut self,
        worker: &Rc<Worker>,
        client: &mut Client,
        node: &mut Stream,
        early: &mut Vec<u8>,
    ) -> Result<(), Failed> {
        if self.expects_continue && client.inbox.bytes.is_empty() {
            let limit = worker.shared.config.idle_timeout;
            client.write(CONTINUE, limit).await.map_err(|()| Failed::Midway)?;
        }
        let config = &worker.shared.config;
        let limit = config.max_body_bytes as u64;
        let mut piece = std::mem::take(&mut client.inbox.bytes);
        loop {
            let taken = self.body.take(&piece).map_err(|_| ProxyError::BadBody)?;
            if self.body.chunked_payload() > limit {
                return Err(ProxyError::BodyTooLarge.into());
            }
            let rest = piece.split_off(taken);
            client.deadline.set(config.response_timeout);
            let written = write_body(node, &mut client.deadline, &piece, early).await;
            client.inbox.bytes = rest;
            match written {
                Err(error) if error.kind() == io::ErrorKind::TimedOut => return Err(ProxyError::NodeTimeout.into()),
                Ok(true) if !self.body.is_done() => {}
                _ => return Ok(()),
            }
            client.deadline.set(config.idle_timeout);
            let read = poll_fn(|cx| match poll_early(node, cx, early) {
                Poll::Ready(()) => Poll::Ready(None),
                Poll::Pending => client.poll_some(cx).map(Some),
            });
            piece = match read.await {
                None => return Ok(()),
                Some(Piece::Bytes(bytes)) => bytes,
                Some(Piece::Late) => return Err(ProxyError::BodyTimeout.into()),
                Some(Piece::Gone) => return Err(Failed::Midway),
            };
        }
    }
}

/// A failure before the first byte of an answer. What of a body was streamed is gone, so only a request that is here
/// whole can be sent again.
fn failed_before(error: ProxyError, whole: bool) -> Attempt {
    if whole {
        Attempt::NodeFailed(error)
    } else {
        Attempt::Failed(error.into())
    }
}

/// Writes all of `bytes`, unless the node has not taken them when the deadline passes.
async fn write_node(node: &mut Stream, deadline: &mut Deadline, bytes: &[u8]) -> io::Result<()> {
    let mut written = 0;
    poll_fn(|cx| match poll_write_all(node, cx, bytes, &mut written) {
        Poll::Pending => deadline.poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
        done => done,
    })
    .await
}

/// As [`write_node`], but gives up with `false` when the node answers instead of taking more.
async fn write_body(node: &mut Stream, deadline: &mut Deadline, bytes: &[u8], early: &mut Vec<u8>) -> io::Result<bool> {
    let mut written = 0;
    poll_fn(|cx| match poll_write_all(node, cx, bytes, &mut written) {
        Poll::Ready(done) => Poll::Ready(done.map(|()| true)),
        Poll::Pending if poll_early(node, cx, early).is_ready() => Poll::Ready(Ok(false)),
        Poll::Pending => deadline.poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
    })
    .await
}

fn poll_write_all(node: &mut Stream, cx: &mut Context<'_>, bytes: &[u8], written: &mut usize) -> Poll<io::Result<()>> {
    while *written < bytes.len() {
        match ready!(Pin::new(&mut *node).poll_write(cx, &bytes[*written..]))? {
            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            count => *written += count,
        }
    }
    Pin::new(node).poll_flush(cx)
}

/// Takes what a node says before it has the whole body; pending while it says nothing. Ready without new bytes when it
/// closed the connection, which reading on will show again.
fn poll_early(node: &mut Stream, cx: &mut Context<'_>, early: &mut Vec<u8>) -> Poll<()> {
    node.poll_read_scratch(cx, |_, bytes| early.extend_from_slice(bytes))
        .map(drop)
}

/// Why no head of an answer came.
enum HeadFailure {
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
struct Held {
    /// Where its body begins there.
    from: usize,
    /// Its chunks are still in chunks.
    chunked: bool,
}

/// The answer on its way from a node to a client.
struct Relay<'w> {
    worker: &'w Worker,
    class: Class,
    head_only: bool,
    old_client: bool,
    keep_alive: bool,
    /// Of the request's body nothing is missing: else neither connection can carry another request.
    body_sent: bool,
    /// What the session learns of the answer.
    player: Option<&'w mut PlayerRequest>,
    held: Option<Held>,
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
    status: u16,
    client_keeps: bool,
    node_keeps: bool,
}

impl<'w> Relay<'w> {
    fn new(forward: &'w mut Forward, worker: &'w Worker, answering: &'w Cell<bool>) -> Self {
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
    fn poll_head(
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
    fn poll_held(
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
    fn poll_rest(
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
