//! A socket opened on a bare `/v4` or `/v3`: which protocol it speaks shows only later, by its first op or by a request
//! of the same client. Until then the proxy says what both versions say alike (`ready`, `stats`) and dials no node.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use lavalink_protocol::detect::Class;
use lavalink_protocol::id::UserId;
use lavalink_protocol::late::evidence_from_op;
use lavalink_protocol::message::Ready;
use lavalink_protocol::stats::StatsForm;
use lavalink_protocol::ws::{self, FrameError, Opcode};
use proxy_core::binding::Caller;
use proxy_core::session::LinkId;

use super::client::{ClientSide, MAX_PONGS, close_slowly, close_with};
use super::directory::SessionEntry;
use super::frames::{Frame, Sink};
use super::liveness::{Beat, Pulse};
use super::start::{self, Handshake};
use super::{tunnel, v4};
use crate::connection::Client;
use crate::error::{CloseCause, ProxyError};
use crate::keeper::{self, Change};
use crate::local;
use crate::shared::Shared;
use crate::usage::Ended;
use crate::worker::{Ask, Mailbox, Stop, Worker};

/// Frames that are held back for the node until the version is known.
const MAX_HELD: usize = 64 * 1024;

/// Answers the handshake and waits for evidence.
pub(crate) async fn start(
    worker: Rc<Worker>,
    mut client: Client,
    stop: Rc<Mailbox<Stop>>,
    mut handshake: Box<Handshake>,
    user: UserId,
) {
    let class = worker.shared.config.default_class;
    let answer = start::switching(class, &handshake.accept, false);
    let entry = Arc::new(SessionEntry::new(start::new_session(&worker, &handshake, user, None)));
    // It may turn out to be v4, and by then its client knows the id.
    let kept = entry.kept(Vec::new());
    let kept = keeper::commit(&worker, &entry, Change::Session(kept));
    if start::write_switching(&worker, &mut client, &answer, &mut handshake, None)
        .await
        .is_err()
    {
        worker.shared.keeping.forget(&entry);
        return worker.connection_closed(client.record.id);
    }
    worker.pause().await;
    if let Some(kept) = kept {
        kept.await;
    }
    let caller = handshake.caller(&client, user);
    client.record.set_session(&entry);
    worker.connection_upgraded(client.record.id);
    let asks = worker.session_opened(entry.id.clone());
    worker.shared.undecided_opened(&caller, &entry);
    let mut waiting = Waiting {
        side: Box::new(ClientSide::new(&worker, client, stop)),
        entry,
        asks,
        pulse: Pulse::new(worker.shared.config.ping_interval, worker.shared.config.ping_timeout),
        held: Vec::new(),
        op: false,
        begun: false,
        left: false,
    };
    let decided = poll_fn(|cx| waiting.poll(cx, &worker)).await;
    worker.shared.undecided_closed(&caller, &waiting.entry);
    match decided {
        Decided::Class(class) => Box::pin(go_on(worker, waiting, handshake, user, caller, class)).await,
        Decided::Gone(how) => {
            waiting.side.client.record.ends(how);
            end(&worker, waiting, None).await;
        }
        Decided::Closed(code) => {
            waiting.side.client.record.ends(Ended::ClientClosed);
            end(&worker, waiting, Some((code, ""))).await;
        }
        Decided::Close(cause) => close(&worker, waiting, cause).await,
    }
}

/// Ends a socket for a reason of the proxy's.
async fn close(worker: &Rc<Worker>, mut waiting: Waiting, cause: CloseCause) {
    worker.shared.refusals.count_close(cause);
    waiting.side.client.record.ends(cause.into());
    if cause == CloseCause::Shutdown && keeper::is_kept(&worker.shared, &waiting.entry) {
        waiting.left = true;
    }
    let listens = !matches!(cause, CloseCause::SlowClient | CloseCause::HalfOpen);
    end(worker, waiting, listens.then(|| cause.code())).await;
}

async fn end(worker: &Rc<Worker>, mut waiting: Waiting, farewell: Option<(u16, &str)>) {
    if !waiting.left {
        worker.shared.keeping.forget(&waiting.entry);
    }
    worker.shared.directory.remove(&waiting.entry.id);
    worker.session_closed(&waiting.entry.id);
    // A request that waits for this socket is decided on without it.
    waiting.entry.changed.notify_waiters();
    let Some((code, reason)) = farewell else {
        return worker.connection_closed(waiting.side.client.record.id);
    };
    close_with(&mut waiting.side, code, reason).await;
    close_slowly(Rc::clone(worker), waiting.side).await;
}

/// The version is known: the socket becomes what it is.
async fn go_on(
    worker: Rc<Worker>,
    waiting: Waiting,
    mut handshake: Box<Handshake>,
    user: UserId,
    caller: Caller,
    class: Class,
) {
    handshake.bind(class);
    tracing::debug!(session = %waiting.entry.id, ?class, "undecided socket is bound");
    waiting.entry.bind(class);
    waiting.side.client.relabel(&handshake.tenant.name, Some(class));
    let opened: Result<(), ProxyError> = match class {
        Class::V4 => match start::open_link(&worker, &handshake.tenant, &waiting.entry.id, &handshake.fields).await {
            Ok((node, socket, node_session)) => {
                let route = super::directory::Route {
                    link: LinkId(0),
                    node,
                    node_session: node_session.clone(),
                };
                waiting.entry.set_route(Some(route));
                let Waiting { side, entry, asks, .. } = waiting;
                let base = handshake.base;
                let begin = v4::Begin {
                    entry,
                    caller,
                    base,
                    side,
                    asks,
                    socket,
                    node,
                    node_session,
                    ready_sent: true,
                };
                v4::spawn(worker, begin);
                return;
            }
            Err(error) => Err(error),
        },
        Class::V3 | Class::V3Legacy => match tunnel::open(&worker, &handshake, class).await {
            Ok((node, socket)) => {
                worker.session_closed(&waiting.entry.id);
                // Another run cannot take it up.
                worker.shared.keeping.forget(&waiting.entry);
                worker.shared.socket_opened(&caller, tunnel::binding(&handshake, class));
                let Waiting { side, entry, held, .. } = waiting;
                if class == Class::V3Legacy {
                    // Its requests name no session, and an old node tells of none.
                    entry.changed.notify_waiters();
                }
                let begin = tunnel::Begin {
                    side,
                    socket,
                    node,
                    handshake,
                    user,
                    class,
                    alias: Some(entry),
                    held,
                };
                return tunnel::run(worker, begin).await;
            }
            Err(error) => Err(error),
        },
    };
    if let Err(error) = opened {
        tracing::info!(session = %waiting.entry.id, %error, "no node for a socket whose version became known");
        close(&worker, waiting, CloseCause::NoNode).await;
    }
}

struct Waiting {
    side: Box<ClientSide>,
    entry: Arc<SessionEntry>,
    asks: Rc<Mailbox<Ask>>,
    pulse: Pulse,
    /// Frames of the client, as they came.
    held: Vec<u8>,
    /// One of them is an op.
    op: bool,
    /// The greeting went out, and what came along with the handshake was looked at.
    begun: bool,
    /// It ends here, and another run of the proxy takes it up.
    left: bool,
}

enum Decided {
    Class(Class),
    /// The client is gone without a word.
    Gone(Ended),
    /// The client closed; this code is the answer.
    Closed(u16),
    /// The proxy closes.
    Close(CloseCause),
}

impl Waiting {
    fn poll(&mut self, cx: &mut Context<'_>, worker: &Rc<Worker>) -> Poll<Decided> {
        let shared = &worker.shared;
        let early = !std::mem::replace(&mut self.begun, true);
        if early {
            self.greet(cx, shared);
        }
        while let Poll::Ready(ask) = self.asks.poll_take(cx) {
            match ask {
                Ask::Bind(class) => return Poll::Ready(Decided::Class(class)),
                Ask::KeepAgain => keeper::make_up(worker, &self.entry, Vec::new()),
                _ => {}
            }
        }
        if let Poll::Ready(stop) = self.side.stop.poll_take(cx) {
            return Poll::Ready(Decided::Close(match stop {
                Stop::Shutdown => CloseCause::Shutdown,
                Stop::Disconnect => CloseCause::Disconnected,
            }));
        }
        while let Poll::Ready(beat) = self.pulse.poll(cx) {
            match beat {
                Beat::Ping => self.ping(cx),
                Beat::Check if self.side.unanswered => return Poll::Ready(Decided::Close(CloseCause::HalfOpen)),
                Beat::Check => {}
            }
        }
        self.poll_client(cx, shared, early)
    }

    fn greet(&mut self, cx: &mut Context<'_>, shared: &Shared) {
        let mut ready = Vec::new();
        Ready::new(false, self.entry.id.as_str()).write(&mut ready);
        let mut frames = Vec::new();
        ws::write_frame(&mut frames, Opcode::Text, &ready);
        // Without frame figures the message is the same in both versions.
        ws::write_frame(&mut frames, Opcode::Text, &local::stats(shared, StatsForm::V3Message));
        self.side.client.record.traffic.messages_out.add(2);
        self.side.out.write(cx, &mut self.side.client.stream, &frames).ok();
    }

    fn ping(&mut self, cx: &mut Context<'_>) {
        let mut frame = Vec::new();
        ws::write_frame(&mut frame, Opcode::Ping, b"");
        self.side.unanswered = true;
        self.side.out.write(cx, &mut self.side.client.stream, &frame).ok();
    }

    /// Reads what the client says; `early`: looks first at what it said with the handshake.
    fn poll_client(&mut self, cx: &mut Context<'_>, shared: &Shared, mut early: bool) -> Poll<Decided> {
        loop {
            let ClientSide {
                client,
                inbound,
                out,
                unanswered,
                ..
            } = &mut *self.side;
            match out.poll_flush(cx, &mut client.stream) {
                Poll::Ready(Err(_)) => return Poll::Ready(Decided::Gone(Ended::ClientReset)),
                Poll::Pending if out.len() > shared.config.client_queue_bytes => {
                    return Poll::Ready(Decided::Close(CloseCause::SlowClient));
                }
                _ => {}
            }
            let mut hold = Hold {
                held: &mut self.held,
                op: &mut self.op,
                pongs: Vec::new(),
                invalid: None,
                closed: None,
            };
            let read = match std::mem::take(&mut early) {
                true => Poll::Ready(Ok(Some(inbound.feed(b"", &mut hold)))),
                false => client.stream.poll_read_scratch(cx, |_, bytes| {
                    (!bytes.is_empty()).then(|| inbound.feed(bytes, &mut hold))
                }),
            };
            let fed = match read {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(Some(fed))) => fed,
                Poll::Ready(Ok(None)) => return Poll::Ready(Decided::Gone(Ended::ClientClosed)),
                Poll::Ready(Err(_)) => return Poll::Ready(Decided::Gone(Ended::ClientReset)),
            };
            let Hold {
                pongs, invalid, closed, ..
            } = hold;
            *unanswered = false;
            out.write(cx, &mut client.stream, &pongs).ok();
            if let Some(error) = fed.err().or(invalid) {
                return Poll::Ready(Decided::Close(CloseCause::Protocol(error.close_code())));
            }
            if let Some(code) = closed {
                return Poll::Ready(Decided::Closed(code));
            }
            if self.op {
                return Poll::Ready(Decided::Class(Class::V3Legacy));
            }
        }
    }
}

/// Keeps a client's frames until there is a node for them.
struct Hold<'a> {
    held: &'a mut Vec<u8>,
    op: &'a mut bool,
    pongs: Vec<u8>,
    invalid: Option<FrameError>,
    /// The client closed; the code to answer with.
    closed: Option<u16>,
}

impl Sink for Hold<'_> {
    fn frame(&mut self, frame: &Frame<'_>) -> bool {
        match frame.head.opcode {
            Opcode::Text => self.hold(frame),
            Opcode::Ping if self.pongs.len() < MAX_PONGS => {
                ws::write_frame(&mut self.pongs, Opcode::Pong, &frame.unmasked());
            }
            Opcode::Close => match ws::read_close(&frame.unmasked()) {
                Ok((1005, _)) => self.closed = Some(1000),
                Ok((code, _)) => self.closed = Some(code),
                Err(error) => self.invalid = Some(error),
            },
            _ => {}
        }
        self.invalid.is_none() && self.closed.is_none()
    }
}

impl Hold<'_> {
    fn hold(&mut self, frame: &Frame<'_>) {
        let text = frame.unmasked();
        *self.op |= evidence_from_op(&text);
        self.held.extend_from_slice(frame.bytes());
        if std::str::from_utf8(&text).is_err() {
            self.invalid = Some(FrameError::Utf8);
        } else if self.held.len() > MAX_HELD {
            self.invalid = Some(FrameError::TooLarge);
        }
    }
}
