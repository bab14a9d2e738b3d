//! One request on its way to a node, its body streamed with back-pressure, and which node is asked again when one fails.
//! Not for what the node answers: that is [`super::answer`].

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use lavalink_protocol::detect::Class;
use proxy_core::pool::NodeId;
use proxy_core::tenant::Tenant;
use tokio::io::AsyncWrite;

use super::answer::{Answer, HeadFailure};
use super::body::BodyLeft;
use super::head::NodeRequest;
use super::player::PlayerRequest;
use super::pool::{NodeConnection, NodePool};
use crate::connection::{CONTINUE, Client, Piece};
use crate::error::ProxyError;
use crate::respond::To;
use crate::transport::Stream;
use crate::transport::deadline::Deadline;
use crate::worker::Worker;

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
        let mut answer = Answer::new(self, worker, answering);
        let mut outcome = poll_fn(|cx| answer.poll_head(cx, client, &mut node.stream, &mut early)).await;
        if answer.status != 0 {
            pool.ledger.rest.answered(answer.status);
        }
        if outcome.is_ok() && answer.held.is_some() {
            outcome = poll_fn(|cx| answer.poll_held(cx, client, &mut node.stream, idle)).await;
        }
        match outcome {
            Ok(()) => client.record.traffic.answered(answer.status),
            Err(HeadFailure::NoSession) => return Attempt::Failed(ProxyError::SessionNotFound.into()),
            Err(HeadFailure::Late) => return Attempt::Failed(ProxyError::NodeClosed.into()),
            Err(HeadFailure::Lost(error)) => return self.lost(worker, &node, whole, &error),
            Err(HeadFailure::Unreadable) => {
                worker.shared.node_failed(self.node);
                return Attempt::Failed(ProxyError::NodeAnswer.into());
            }
            Err(HeadFailure::Client) => return Attempt::Failed(Failed::Midway),
        }
        match poll_fn(|cx| answer.poll_rest(cx, client, &mut node.stream, idle)).await {
            Ok(()) => {}
            Err(_) => {
                self.answered = Some(answer.status);
                return Attempt::Failed(Failed::Midway);
            }
        }
        let served = Served {
            status: answer.status,
            keep_alive: answer.client_keeps,
        };
        let node_keeps = answer.node_keeps;
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
