//! One client connection: requests read one after the other, each decided by `service`, carried out, and the connection
//! kept, closed, or handed to a WebSocket task.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use crate::access::{Line, Outcome};
use crate::error::{ProxyError, Reason};
use crate::respond;
use crate::rest::body::BodyLeft;
use crate::rest::forward::{Failed, Forward};
use crate::rest::player;
use crate::service::{self, Answered, Next, Step};
use crate::session;
use crate::transport::Stream;
use crate::transport::deadline::Deadline;
use crate::usage::{ConnectionRecord, Ended};
use crate::worker::{Mailbox, Stop, Worker};

/// After a refusal, this much of what the client still sends is read and thrown away, so that closing does not destroy
/// the answer on its way.
const LINGER_BYTES: usize = 256 * 1024;
const LINGER_TIME: Duration = Duration::from_secs(2);
/// When the proxy stops, a client that has just connected, or is about to send the rest of a request, has this long.
pub(crate) const LAST_CHANCE: Duration = Duration::from_secs(2);

/// Tells a client that asked with `Expect` to send its body.
pub(crate) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A client's socket and what belongs to it, whoever serves it.
pub(crate) struct Client {
    pub(crate) stream: Stream,
    /// What was read but not used yet.
    pub(crate) inbox: Inbox,
    pub(crate) deadline: Deadline,
    pub(crate) record: Arc<ConnectionRecord>,
    /// A request was answered.
    served: bool,
    guard: ConnectionGuard,
}

/// Bytes of a client that are no whole request yet, or follow the one that is being served.
#[derive(Default)]
pub(crate) struct Inbox {
    pub(crate) bytes: Vec<u8>,
    /// They were decided on and are no whole request.
    looked_at: bool,
    /// How many bytes head and body take together, once that is known of a body that is read whole.
    wanted: usize,
}

impl Inbox {
    /// Decides on `whole` and keeps what of it was not used.
    fn decide(&mut self, worker: &Rc<Worker>, record: &ConnectionRecord, whole: &[u8]) -> Option<Decided> {
        match service::decide(worker, record, whole) {
            Step::More { body, expects_continue } => {
                let first = self.wanted == 0;
                (self.looked_at, self.wanted) = (true, body);
                self.bytes = whole.to_vec();
                (first && expects_continue).then_some((Next::Continue, None))
            }
            Step::Next { next, used, line } => {
                (self.looked_at, self.wanted) = (false, 0);
                self.bytes = whole[used..].to_vec();
                Some((next, line))
            }
        }
    }
}

/// What to do with a request, and its line in the access log.
type Decided = (Next, Option<Box<Line>>);

/// Takes the connection out of all books when its client is dropped.
struct ConnectionGuard {
    shared: Arc<crate::shared::Shared>,
    ledger: Arc<crate::usage::ClientLedger>,
    record: Arc<ConnectionRecord>,
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        if self.shared.is_stopping() {
            // What is still open when the time to stop is over is dropped without a word.
            self.record.ends(Ended::Shutdown);
        }
        self.ledger.close(&self.record);
        self.shared.release(self.record.peer.ip());
    }
}

impl Client {
    pub(crate) fn new(worker: &Worker, stream: Stream, record: Arc<ConnectionRecord>) -> Self {
        let guard = ConnectionGuard {
            shared: Arc::clone(&worker.shared),
            ledger: Arc::clone(&worker.ledger),
            record: Arc::clone(&record),
        };
        Self {
            stream,
            inbox: Inbox::default(),
            deadline: Deadline::default(),
            record,
            served: false,
            guard,
        }
    }

    pub(crate) fn relabel(&self, tenant: &Arc<str>, class: Option<lavalink_protocol::detect::Class>) {
        self.guard.ledger.relabel(&self.record, tenant, class);
    }

    /// The next bytes of a body.
    async fn read_some(&mut self) -> Piece {
        poll_fn(|cx| self.poll_some(cx)).await
    }

    /// The next bytes of a body, as a poll.
    pub(crate) fn poll_some(&mut self, cx: &mut Context<'_>) -> Poll<Piece> {
        match self.stream.poll_read_scratch(cx, |_, bytes| bytes.to_vec()) {
            Poll::Ready(Ok(bytes)) if !bytes.is_empty() => Poll::Ready(Piece::Bytes(bytes)),
            Poll::Ready(_) => Poll::Ready(Piece::Gone),
            Poll::Pending => self.deadline.poll(cx).map(|()| Piece::Late),
        }
    }

    /// Writes all of `bytes`; an error when the client is gone or has not taken them within `limit`.
    pub(crate) async fn write(&mut self, bytes: &[u8], limit: Duration) -> Result<(), ()> {
        let work = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        match tokio::time::timeout(limit, work).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(()),
        }
    }

    /// How to close after an answer: bytes that nobody read would make the kernel reset the connection, and the answer be
    /// lost with it.
    fn closed_after(&self, body: BodyLeft) -> Kept {
        if body.is_done() && self.inbox.bytes.is_empty() {
            Kept::No
        } else {
            Kept::Linger
        }
    }

    /// Over TLS the end is said, so that a body that ends with the connection can be told from one that was cut off.
    async fn say_goodbye(mut self) {
        if matches!(self.stream, Stream::Served(_)) {
            tokio::time::timeout(LINGER_TIME, self.stream.shutdown()).await.ok();
        }
    }

    /// Ends the connection so that what was written still arrives, even when the client goes on sending.
    async fn linger(mut self) {
        let work = async {
            self.stream.shutdown().await.ok();
            let mut read = 0;
            self.deadline.set(LINGER_TIME);
            while read < LINGER_BYTES {
                match self.read_some().await {
                    Piece::Bytes(bytes) => read += bytes.len(),
                    Piece::Gone | Piece::Late => break,
                }
            }
        };
        tokio::time::timeout(LINGER_TIME, work).await.ok();
    }
}

/// What reading a piece of a body brought.
pub(crate) enum Piece {
    Bytes(Vec<u8>),
    /// The client closed or reset the connection.
    Gone,
    /// The deadline passed.
    Late,
}

/// Serves a connection until it ends or becomes a WebSocket.
pub(crate) fn serve(worker: Rc<Worker>, client: Client) -> impl Future<Output = ()> {
    // At once, so that a worker that stops does not overlook it.
    let mailbox = worker.connection_opened(client.record.id);
    serve_requests(worker, client, mailbox)
}

async fn serve_requests(worker: Rc<Worker>, mut client: Client, mailbox: Rc<Mailbox<Stop>>) {
    let id = client.record.id;
    client.deadline.set(worker.shared.config.header_timeout);
    // Since when the next request has been waiting for its session.
    let mut waiting: Option<Instant> = None;
    loop {
        let Some((next, line)) = poll_fn(|cx| poll_next(cx, &worker, &mut client, &mailbox)).await else {
            break;
        };
        let kept = match next {
            Next::Handshake(mut handshake) => {
                handshake.line = line;
                // A task of its own, so that the session does not carry this one's memory along.
                tokio::task::spawn_local(session::start::run(Rc::clone(&worker), client, mailbox, handshake));
                return;
            }
            Next::Respond {
                bytes,
                close,
                body,
                refused,
            } => {
                let kept = respond_with(&worker, &mut client, &bytes, close, body, refused).await;
                log_own(&worker, &client, line, &bytes, refused);
                kept
            }
            Next::Kept(answer) => {
                let Answered { bytes, close, body } = answer.await;
                let kept = respond_with(&worker, &mut client, &bytes, close, body, None).await;
                log_own(&worker, &client, line, &bytes, None);
                kept
            }
            Next::Forward(forward) => forward_one(&worker, &mut client, *forward, line).await,
            Next::Players(players) => {
                let (answer, refused) = players.answer(&worker).await;
                let Answered { bytes, close, body } = answer;
                let kept = respond_with(&worker, &mut client, &bytes, close, body, refused).await;
                log_own(&worker, &client, line, &bytes, refused);
                kept
            }
            Next::Continue => {
                let limit = worker.shared.config.header_timeout;
                match client.write(CONTINUE, limit).await {
                    Ok(()) => client.deadline.set(limit),
                    Err(()) => {
                        client.record.ends(Ended::ClientReset);
                        break;
                    }
                }
                continue;
            }
            Next::Settle(settle) => match settle.wait(&worker, *waiting.get_or_insert_with(Instant::now)).await {
                // The request, still unread, is looked at once more now that its session knows where it belongs.
                None => {
                    client.deadline.set(worker.shared.config.header_timeout);
                    continue;
                }
                Some((refusal, reason)) => {
                    client.record.traffic.requests.add(1);
                    let body = BodyLeft::UntilClose;
                    let kept = respond_with(&worker, &mut client, &refusal, true, body, Some(reason)).await;
                    log_own(&worker, &client, line, &refusal, Some(reason));
                    kept
                }
            },
        };
        waiting = None;
        client.served = true;
        match kept {
            Kept::Yes if worker.is_stopping() => {
                client.record.ends(Ended::Shutdown);
                break;
            }
            Kept::Yes => client.deadline.set(worker.shared.config.idle_timeout),
            Kept::No => break,
            Kept::Linger => {
                worker.connection_closed(id);
                return client.linger().await;
            }
        }
    }
    worker.connection_closed(id);
    client.say_goodbye().await;
}

/// What becomes of a connection after an answer.
pub(crate) enum Kept {
    Yes,
    No,
    /// Closed, but what the client still sends must not make the kernel throw the answer away.
    Linger,
}

async fn respond_with(
    worker: &Worker,
    client: &mut Client,
    bytes: &[u8],
    close: bool,
    body: BodyLeft,
    refused: Option<Reason>,
) -> Kept {
    if client.write(bytes, worker.shared.config.idle_timeout).await.is_err() {
        client.record.ends(Ended::ClientReset);
        return Kept::No;
    }
    client.record.traffic.answered(respond::status_of(bytes));
    if !close && body.is_done() {
        return Kept::Yes;
    }
    client.record.ends(match refused {
        Some(reason) => Ended::Refused(reason),
        None => last_answer(worker),
    });
    client.closed_after(body)
}

/// How a connection ends after an answer that is none of the proxy's refusals: the client asked for it, unless the proxy
/// stops.
fn last_answer(worker: &Worker) -> Ended {
    if worker.is_stopping() {
        Ended::Shutdown
    } else {
        Ended::ClientClosed
    }
}

/// The line of a request that the proxy answered itself.
fn log_own(worker: &Worker, client: &Client, line: Option<Box<Line>>, answer: &[u8], refused: Option<Reason>) {
    if let Some(line) = line {
        let outcome = Outcome::own(respond::status_of(answer), refused.map(Reason::name));
        line.end(&worker.shared, &client.record, outcome);
    }
}

async fn forward_one(worker: &Rc<Worker>, client: &mut Client, mut forward: Forward, line: Option<Box<Line>>) -> Kept {
    let done = match forward.player {
        None => forward.run(worker, client, &Cell::new(false)).await,
        Some(_) => player::run(&mut forward, worker, client).await,
    };
    let mut outcome = Outcome {
        status: forward.answered,
        node: Some(forward.node),
        retried: forward.retried,
        reason: None,
    };
    let kept = match done {
        Ok(served) => match served.keep_alive {
            true => Kept::Yes,
            false => {
                client.record.ends(last_answer(worker));
                client.closed_after(forward.body)
            }
        },
        Err(Failed::Midway) => {
            client.record.ends(Ended::AnswerCut);
            Kept::No
        }
        Err(Failed::Before(error)) => {
            let (bytes, answer) = respond::error(&error, forward.answer_to());
            worker.shared.refusals.count(&answer);
            tracing::debug!(connection = client.record.id, %error, reason = answer.reason, "request failed");
            (outcome.status, outcome.reason) = (Some(answer.status), Some(answer.reason));
            let refused = Some(answer.reason());
            respond_with(worker, client, &bytes, answer.close, forward.body, refused).await
        }
    };
    if let Some(line) = line {
        line.end(&worker.shared, &client.record, outcome);
    }
    kept
}

/// Reads until the next request is whole and decided; `None` when the connection is over.
fn poll_next(
    cx: &mut Context<'_>,
    worker: &Rc<Worker>,
    client: &mut Client,
    mailbox: &Mailbox<Stop>,
) -> Poll<Option<Decided>> {
    while let Poll::Ready(stop) = mailbox.poll_take(cx) {
        if stop == Stop::Shutdown {
            let waits = client.served && client.inbox.bytes.is_empty();
            // Its next request may have come, and only not been read.
            client.deadline.set(if waits { Duration::ZERO } else { LAST_CHANCE });
            continue;
        }
        client.record.ends(stop.into());
        return Poll::Ready(None);
    }
    let Client {
        stream,
        inbox,
        deadline,
        record,
        ..
    } = client;
    let config = &worker.shared.config;
    if !inbox.bytes.is_empty() && !inbox.looked_at {
        // What followed the last request.
        let whole = std::mem::take(&mut inbox.bytes);
        if let Some(next) = inbox.decide(worker, record, &whole) {
            return Poll::Ready(Some(next));
        }
        deadline.set(config.header_timeout);
    }
    loop {
        let polled = stream.poll_read_scratch(cx, |_, bytes| {
            if bytes.is_empty() {
                return Err(());
            }
            if inbox.bytes.is_empty() {
                deadline.set(if worker.is_stopping() {
                    LAST_CHANCE
                } else {
                    config.header_timeout
                });
                return Ok(inbox.decide(worker, record, bytes));
            }
            let mut whole = std::mem::take(&mut inbox.bytes);
            whole.extend_from_slice(bytes);
            if may_be_whole(&whole, bytes.len(), inbox.wanted)
                || (inbox.wanted == 0 && whole.len() > config.max_header_bytes)
            {
                return Ok(inbox.decide(worker, record, &whole));
            }
            inbox.bytes = whole;
            Ok(None)
        });
        match polled {
            Poll::Ready(Ok(Ok(Some(next)))) => return Poll::Ready(Some(next)),
            Poll::Ready(Ok(Ok(None))) => {}
            Poll::Ready(Ok(Err(()))) => {
                record.ends(Ended::ClientClosed);
                return Poll::Ready(None);
            }
            Poll::Ready(Err(_)) => {
                record.ends(Ended::ClientReset);
                return Poll::Ready(None);
            }
            Poll::Pending => break,
        }
    }
    if deadline.poll(cx).is_pending() {
        return Poll::Pending;
    }
    let error = match inbox.wanted {
        0 => ProxyError::HeadTimeout,
        _ => ProxyError::BodyTimeout,
    };
    let late = !inbox.bytes.is_empty();
    if !late {
        record.ends(if worker.is_stopping() {
            Ended::Shutdown
        } else {
            Ended::IdleTimeout
        });
    }
    Poll::Ready(late.then(|| {
        let line = Line::begin(record, inbox.bytes.len(), "", "");
        (service::refuse_unread(worker, record, &error), line)
    }))
}

/// Whether looking at an unfinished request again is worth while, so that a client that sends single bytes does not
/// have its head parsed for each of them.
fn may_be_whole(whole: &[u8], fresh: usize, wanted: usize) -> bool {
    if wanted > 0 {
        return whole.len() >= wanted;
    }
    let tail = &whole[whole.len().saturating_sub(fresh + 3)..];
    memchr::memmem::find(tail, b"\n\r\n").is_some() || memchr::memmem::find(tail, b"\n\n").is_some()
}
