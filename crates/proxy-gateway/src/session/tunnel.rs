//! A v3 client on one v3 node: frames pass untouched both ways. The proxy only answers and sends pings, counts
//! messages, and notes what leads later requests to the same node: the session id in `ready`, and resume keys.

use std::future::poll_fn;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use lavalink_protocol::detect::{Binding, Class};
use lavalink_protocol::envelope::{Envelope, Op};
use lavalink_protocol::id::{NodeSessionId, SessionId, UserId};
use lavalink_protocol::message::Ready;
use lavalink_protocol::stats::Stats;
use lavalink_protocol::ws::{self, FrameError, From, Opcode};
use proxy_core::binding::Caller;
use proxy_core::health::Signal;
use proxy_core::pool::{LinkGuard, LinkKey, NodeId};
use proxy_core::session::LinkId;
use proxy_core::session::machine::EndReason;
use proxy_core::tenant::Tenant;

use super::client::{ClientSide, MAX_PONGS, Unwritable, close_slowly};
use super::dial::{self, NodeSocket};
use super::directory::{Route, SessionEntry};
use super::frames::{Frame, Inbound, Outbound, Sink};
use super::liveness::{Beat, Pulse};
use super::start::{self, Handshake};
use crate::access;
use crate::connection::Client;
use crate::error::{CloseCause, ProxyError};
use crate::shared::lock;
use crate::transport::Stream;
use crate::usage::{Ended, LinkRecord};
use crate::worker::{Mailbox, Stop, Worker};

/// Handshakes are tried on so many nodes.
const MAX_TRIES: usize = 3;
/// Ops that wait for a node that does not read; beyond it the client is not read either.
const NODE_QUEUE: usize = 256 * 1024;

/// Dials a v3 node and answers the client with the node's own word on resuming.
pub(crate) async fn start(
    worker: Rc<Worker>,
    mut client: Client,
    stop: Rc<Mailbox<Stop>>,
    mut handshake: Box<Handshake>,
    user: UserId,
    class: Class,
) {
    let (node, socket) = match open(&worker, &handshake, class).await {
        Ok(opened) => opened,
        Err(error) => return start::refuse(&worker, client, &error, &mut handshake).await,
    };
    // A client may send its first requests as soon as it has the 101, and they must find out what it speaks.
    let (caller, binding) = (handshake.caller(&client, user), binding(&handshake, class));
    worker.shared.socket_opened(&caller, binding);
    let switching = start::switching(class, &handshake.accept, socket.resumed == Some(true));
    let written = start::write_switching(&worker, &mut client, &switching, &mut handshake, Some(node)).await;
    if written.is_err() {
        worker.shared.socket_closed(&caller, binding);
        return worker.connection_closed(client.record.id);
    }
    worker.pause().await;
    worker.connection_upgraded(client.record.id);
    let side = Box::new(ClientSide::new(&worker, client, stop));
    run(
        worker,
        Begin {
            side,
            socket,
            node,
            handshake,
            user,
            class,
            alias: None,
            held: Vec::new(),
        },
    )
    .await;
}

/// What the version memory keeps of a socket.
pub(crate) fn binding(handshake: &Handshake, class: Class) -> Binding {
    Binding {
        class,
        base: handshake.base,
    }
}

/// What a tunnel starts from; [`Shared::socket_opened`](crate::shared::Shared::socket_opened) has been called for it.
pub(crate) struct Begin {
    pub(crate) side: Box<ClientSide>,
    pub(crate) socket: NodeSocket,
    pub(crate) node: NodeId,
    pub(crate) handshake: Box<Handshake>,
    pub(crate) user: UserId,
    pub(crate) class: Class,
    /// The session that the client was told of before its version was known; the node's `ready` is then swallowed.
    pub(crate) alias: Option<Arc<SessionEntry>>,
    /// Frames that the client sent meanwhile, as they came.
    pub(crate) held: Vec<u8>,
}

/// A socket on the best v3 node, or on the one that knows the client's resume key.
pub(crate) async fn open(
    worker: &Rc<Worker>,
    handshake: &Handshake,
    class: Class,
) -> Result<(NodeId, NodeSocket), ProxyError> {
    let tenant = &handshake.tenant;
    let mut fields = handshake.fields.clone();
    let mut sticky = None;
    if let Some(key) = handshake.resume_key.as_deref() {
        fields.extend_from_slice(format!("Resume-Key: {key}\r\n").as_bytes());
        sticky = lock(&worker.shared.resume_keys).node_of(tenant.id, key);
    }
    let mut failed = Vec::new();
    loop {
        let node = match sticky.take() {
            Some(node) => node,
            None => worker
                .shared
                .choose_session(class, &failed, tenant.nodes.as_deref(), None)?,
        };
        let pool = worker.pool(node);
        pool.node.gauges.placed(1);
        match dial::open(worker, &pool.node, &pool.ledger, &handshake.target, &fields).await {
            Ok(socket) => {
                if let Some(key) = handshake.resume_key.as_deref() {
                    // Libraries send the key on their first handshake too and set it on the node afterwards.
                    lock(&worker.shared.resume_keys).remember(tenant.id, key, node);
                }
                return Ok((node, socket));
            }
            Err(error) => {
                failed.push(node);
                // What the client itself did wrong is wrong on every node.
                if failed.len() == MAX_TRIES || matches!(error, ProxyError::HandshakeRefused(_)) {
                    return Err(error);
                }
            }
        }
    }
}

/// Runs a tunnel until either side ends it.
pub(crate) async fn run(worker: Rc<Worker>, begin: Begin) {
    let mut tunnel = Tunnel::new(worker, begin);
    let end = poll_fn(|cx| tunnel.poll(cx)).await;
    tunnel.finish(end).await;
}

struct NodeSide {
    socket: Stream,
    inbound: Inbound,
    out: Outbound,
    unanswered: bool,
    record: LinkRecord,
    _guard: LinkGuard,
}

struct Tunnel {
    worker: Rc<Worker>,
    /// Bytes that came before this task was there have been walked: the client's, the node's.
    primed: (bool, bool),
    side: Box<ClientSide>,
    node: NodeSide,
    about: About,
    pulse: Pulse,
    binding: Binding,
    caller: Caller,
}

/// Whose tunnel to which node it is, for what is noted on the way.
struct About {
    worker: Rc<Worker>,
    node: NodeId,
    tenant: Arc<Tenant>,
    user: UserId,
    client_name: Option<Box<str>>,
    class: Class,
    alias: Option<Arc<SessionEntry>>,
    /// The session that `ready` told of.
    entry: Option<Arc<SessionEntry>>,
    connection: u64,
}

/// How a tunnel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The client said goodbye with this code, or 1006: without a word.
    Client(u16),
    /// The client's socket broke.
    ClientLost,
    /// The node closed with this code.
    Node(u16),
    /// The node's socket broke.
    NodeLost,
    /// The proxy closes it.
    Proxy(CloseCause),
}

impl End {
    /// How the client's connection ends by it.
    fn of_connection(self) -> Ended {
        match self {
            Self::Client(_) => Ended::ClientClosed,
            Self::ClientLost => Ended::ClientReset,
            Self::Node(_) => Ended::NodeClosed,
            Self::NodeLost => Ended::LinkLost,
            Self::Proxy(cause) => cause.into(),
        }
    }

    /// Why the session is over, in the words of sessions that the proxy owns where they have one.
    fn of_session(self) -> &'static str {
        match self {
            Self::Client(_) | Self::ClientLost => EndReason::ClientGone.name(),
            Self::Node(_) | Self::NodeLost => EndReason::LinkLost.name(),
            Self::Proxy(cause) => Ended::from(cause).name(),
        }
    }
}

impl Tunnel {
    fn new(worker: Rc<Worker>, begin: Begin) -> Self {
        let Begin {
            side,
            socket,
            node,
            handshake,
            user,
            class,
            alias,
            held,
        } = begin;
        let config = &worker.shared.config;
        let mut inbound = Inbound::new(From::Server, config.max_node_message);
        inbound.preload(&socket.early);
        let mut out = Outbound::default();
        out.hold(held);
        let caller = handshake.caller(&side.client, user);
        let binding = binding(&handshake, class);
        let about = About {
            worker: Rc::clone(&worker),
            node,
            tenant: Arc::clone(&handshake.tenant),
            user,
            client_name: handshake.client_name.clone(),
            class,
            alias,
            entry: None,
            connection: side.client.record.id,
        };
        Self {
            primed: (false, false),
            pulse: Pulse::new(config.ping_interval, config.ping_timeout),
            node: NodeSide {
                socket: socket.stream,
                inbound,
                out,
                unanswered: false,
                record: socket.record,
                _guard: socket.guard,
            },
            side,
            about,
            binding,
            caller,
            worker,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        if let Poll::Ready(stop) = self.side.stop.poll_take(cx) {
            return Poll::Ready(End::Proxy(match stop {
                Stop::Shutdown => CloseCause::Shutdown,
                Stop::Disconnect => CloseCause::Disconnected,
            }));
        }
        loop {
            match (self.poll_client(cx), self.poll_node(cx)) {
                (Poll::Ready(Some(end)), _) | (_, Poll::Ready(Some(end))) => return Poll::Ready(end),
                (Poll::Pending, Poll::Pending) => {}
                _ => continue,
            }
            match self.pulse.poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Beat::Ping) => self.ping(cx),
                // The node first: while it takes nothing, the client is not read and its answer is not seen.
                Poll::Ready(Beat::Check) if self.node.unanswered => return Poll::Ready(End::NodeLost),
                Poll::Ready(Beat::Check) if self.side.unanswered && !self.is_paused() => {
                    return Poll::Ready(End::Proxy(CloseCause::HalfOpen));
                }
                Poll::Ready(Beat::Check) => {}
            }
        }
    }

    /// The client is not read until the node has taken what it sent before.
    fn is_paused(&self) -> bool {
        self.node.out.len() > NODE_QUEUE
    }

    fn ping(&mut self, cx: &mut Context<'_>) {
        let (mut plain, mut masked) = (Vec::new(), Vec::new());
        ws::write_frame(&mut plain, Opcode::Ping, b"");
        ws::write_masked_frame(&mut masked, Opcode::Ping, b"", [0; 4]);
        (self.side.unanswered, self.node.unanswered) = (!self.is_paused(), true);
        // A socket that cannot be written to shows when it is read next, or when the answer stays away.
        self.side.out.write(cx, &mut self.side.client.stream, &plain).ok();
        self.node.out.write(cx, &mut self.node.socket, &masked).ok();
    }

    fn poll_client(&mut self, cx: &mut Context<'_>) -> Poll<Option<End>> {
        let side = &mut *self.side;
        match side.poll_flush(cx, self.worker.shared.config.client_queue_bytes) {
            Poll::Ready(Err(Unwritable::Gone)) => return Poll::Ready(Some(End::ClientLost)),
            Poll::Ready(Err(Unwritable::Slow)) => return Poll::Ready(Some(End::Proxy(CloseCause::SlowClient))),
            _ => {}
        }
        if self.is_paused() {
            return Poll::Pending;
        }
        let side = &mut *self.side;
        let ClientSide { client, inbound, .. } = side;
        let (node, about) = (&mut self.node, &self.about);
        let mut walk = |cx: &mut Context<'_>, bytes: &[u8]| {
            let mut pass = Pass::new(cx, &mut node.socket, &mut node.out, From::Client, |payload| {
                about.note_op(payload);
                true
            });
            let fed = inbound.feed(bytes, &mut pass);
            (fed, pass.done())
        };
        let read = match std::mem::replace(&mut self.primed.0, true) {
            false => Poll::Ready(Ok(Some(walk(cx, b"")))),
            true => client
                .stream
                .poll_read_scratch(cx, |cx, bytes| (!bytes.is_empty()).then(|| walk(cx, bytes))),
        };
        let (fed, passed) = match read {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(None)) => return Poll::Ready(Some(End::Client(1006))),
            Poll::Ready(Err(_)) => return Poll::Ready(Some(End::ClientLost)),
            Poll::Ready(Ok(Some(done))) => done,
        };
        side.unanswered = false;
        side.client.record.traffic.messages_in.add(passed.messages);
        node.record.traffic.messages_out.add(passed.messages);
        side.out.write(cx, &mut side.client.stream, &passed.pongs).ok();
        Poll::Ready(match (fed.err().or(passed.invalid), passed.closed) {
            (Some(error), _) => Some(End::Proxy(CloseCause::Protocol(error.close_code()))),
            (None, Some(code)) => Some(End::Client(code)),
            (None, None) if passed.failed => Some(End::NodeLost),
            (None, None) => None,
        })
    }

    fn poll_node(&mut self, cx: &mut Context<'_>) -> Poll<Option<End>> {
        let node = &mut self.node;
        if let Poll::Ready(Err(_)) = node.out.poll_flush(cx, &mut node.socket) {
            return Poll::Ready(Some(End::NodeLost));
        }
        let (side, about, inbound) = (&mut *self.side, &mut self.about, &mut node.inbound);
        let waited = side.out.len();
        let mut walk = |cx: &mut Context<'_>, bytes: &[u8]| {
            let (stream, out) = (&mut side.client.stream, &mut side.out);
            let record = &side.client.record;
            let mut pass = Pass::new(cx, stream, out, From::Server, |payload| {
                about.note_message(record, payload)
            });
            let fed = inbound.feed(bytes, &mut pass);
            (fed, pass.done())
        };
        let read = match std::mem::replace(&mut self.primed.1, true) {
            false => Poll::Ready(Ok(Some(walk(cx, b"")))),
            true => node
                .socket
                .poll_read_scratch(cx, |cx, bytes| (!bytes.is_empty()).then(|| walk(cx, bytes))),
        };
        let (fed, passed) = match read {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(None) | Err(_)) => return Poll::Ready(Some(End::NodeLost)),
            Poll::Ready(Ok(Some(done))) => done,
        };
        side.spare(side.out.len().saturating_sub(waited));
        node.unanswered = false;
        node.record.traffic.messages_in.add(passed.messages);
        side.client.record.traffic.messages_out.add(passed.messages);
        if !passed.pongs.is_empty() {
            node.out.write(cx, &mut node.socket, &passed.pongs).ok();
            // More than ops alone can make wait: it sends pings and reads no answers.
            if node.out.len() > 2 * NODE_QUEUE + self.worker.shared.config.max_client_message {
                return Poll::Ready(Some(End::NodeLost));
            }
        }
        Poll::Ready(match (fed, passed.closed) {
            (Err(_), _) => Some(End::NodeLost),
            (Ok(()), Some(code)) => Some(End::Node(code)),
            (Ok(()), None) if passed.failed => Some(End::ClientLost),
            (Ok(()), None) => None,
        })
    }

    async fn finish(mut self, end: End) {
        let shared = &self.worker.shared;
        shared.socket_closed(&self.caller, self.binding);
        shared.note_pool(|pool| pool.link_closed(self.about.node, self.about.link_key()));
        for entry in self.about.entry.iter().chain(&self.about.alias) {
            shared.directory.remove(&entry.id);
            // A request that waits for it is decided on without it.
            entry.changed.notify_waiters();
        }
        tracing::debug!(connection = self.about.connection, ?end, "tunnel ended");
        self.side.client.record.ends(end.of_connection());
        if let Some(entry) = &self.about.entry {
            shared.session_ledger.ended(entry, end.of_session());
            if access::enabled() {
                let carried = self.side.client.record.traffic.totals();
                access::session_ended(shared, entry, carried, end.of_session());
            }
        }
        let (to_client, to_node) = match end {
            End::Client(code) => ((code, ""), code),
            End::ClientLost => ((1006, ""), 1006),
            End::Node(code) => ((code, ""), code),
            End::NodeLost => {
                shared.signal(self.about.node, Signal::LinkLost);
                shared.refusals.count_close(CloseCause::LinkLost);
                (CloseCause::LinkLost.code(), 1001)
            }
            End::Proxy(cause) => {
                shared.refusals.count_close(cause);
                (cause.code(), 1001)
            }
        };
        let mut farewell = Vec::new();
        if to_node != 1006 {
            ws::write_masked_frame(&mut farewell, Opcode::Close, &close_frame(to_node, ""), [0; 4]);
            poll_fn(|cx| {
                self.node.out.write(cx, &mut self.node.socket, &farewell).ok();
                Poll::Ready(())
            })
            .await;
        }
        if to_client.0 == 1006 || matches!(end, End::Proxy(CloseCause::SlowClient | CloseCause::HalfOpen)) {
            return self.worker.connection_closed(self.about.connection);
        }
        farewell.clear();
        ws::write_frame(&mut farewell, Opcode::Close, &close_frame(to_client.0, to_client.1));
        let mut side = self.side;
        poll_fn(|cx| {
            side.out.write(cx, &mut side.client.stream, &farewell).ok();
            Poll::Ready(())
        })
        .await;
        close_slowly(self.worker, side).await;
    }
}

/// 1005 stands for a close frame without a code.
fn close_frame(code: u16, reason: &str) -> Vec<u8> {
    if code == 1005 {
        Vec::new()
    } else {
        ws::close_payload(code, reason)
    }
}

impl About {
    /// A tunnel has one link, so the number of its client's connection serves for it too: both come from one count.
    fn link_key(&self) -> LinkKey {
        LinkKey(self.connection)
    }

    /// A client's op, in the clear: `configureResuming` names the key that a later handshake will come with.
    fn note_op(&self, payload: &[u8]) {
        #[derive(serde::Deserialize)]
        struct ConfigureResuming {
            op: String,
            key: Option<String>,
        }
        if memchr::memmem::find(payload, b"configureResuming").is_none() {
            return;
        }
        if let Ok(ConfigureResuming { op, key: Some(key) }) = serde_json::from_slice(payload)
            && op == "configureResuming"
        {
            lock(&self.worker.shared.resume_keys).remember(self.tenant.id, &key, self.node);
        }
    }

    /// The node's load, for placement. How many of its players are this client's is not known here.
    fn note_stats(&self, payload: &[u8]) {
        if let Ok(stats) = Stats::read(payload) {
            self.worker.shared.link_reported(self.node, self.link_key(), 0, stats);
        }
    }

    /// A node's message; `false` keeps it from the client.
    fn note_message(&mut self, record: &crate::usage::ConnectionRecord, payload: &[u8]) -> bool {
        match Envelope::read(payload).op {
            Op::Stats => {
                self.note_stats(payload);
                return true;
            }
            Op::Ready if self.entry.is_none() => {}
            _ => return true,
        }
        let Ok(ready) = Ready::read(payload) else { return true };
        let route = Route {
            link: LinkId(0),
            node: self.node,
            node_session: NodeSessionId::from(ready.session_id.as_str()),
        };
        if let Some(alias) = &self.alias {
            self.worker.shared.session_ledger.opened(alias);
            alias.set_route(Some(route));
            self.entry = Some(Arc::clone(alias));
            return false;
        }
        let new = super::directory::NewSession {
            id: SessionId::from(ready.session_id),
            tenant: self.tenant.id,
            tenant_name: Arc::clone(&self.tenant.name),
            user: self.user,
            client_name: self.client_name.clone(),
            worker: self.worker.id,
            class: Some(self.class),
        };
        let entry = Arc::new(SessionEntry::new(new));
        entry.set_route(Some(route));
        record.set_session(&entry);
        self.worker.shared.directory.insert(Arc::clone(&entry));
        self.worker.shared.session_ledger.opened(&entry);
        self.entry = Some(entry);
        true
    }
}

/// Frames on their way from one socket to the other; neighbours leave in one write.
struct Pass<'a, 'c, F> {
    cx: &'a mut Context<'c>,
    stream: &'a mut Stream,
    out: &'a mut Outbound,
    /// Who sent what is read.
    from: From,
    /// Sees each text message in the clear; `false` keeps it back.
    note: F,
    run: Range<usize>,
    passed: Passed,
}

/// What one read brought.
#[derive(Default)]
struct Passed {
    messages: u64,
    pongs: Vec<u8>,
    closed: Option<u16>,
    invalid: Option<FrameError>,
    /// The other socket could not be written to.
    failed: bool,
}

impl<'a, 'c, F: FnMut(&[u8]) -> bool> Pass<'a, 'c, F> {
    fn new(cx: &'a mut Context<'c>, stream: &'a mut Stream, out: &'a mut Outbound, from: From, note: F) -> Self {
        Self {
            cx,
            stream,
            out,
            from,
            note,
            run: 0..0,
            passed: Passed::default(),
        }
    }

    fn done(self) -> Passed {
        self.passed
    }

    fn goes_on(&mut self, frame: &Frame<'_>) -> bool {
        self.passed.messages += 1;
        if frame.head.opcode != Opcode::Text {
            return true;
        }
        if self.from == From::Server {
            return (self.note)(frame.payload());
        }
        let text = frame.unmasked();
        if std::str::from_utf8(&text).is_err() {
            self.passed.invalid = Some(FrameError::Utf8);
            return false;
        }
        (self.note)(&text)
    }

    fn flush(&mut self, data: &[u8]) {
        let run = std::mem::take(&mut self.run);
        if !run.is_empty() {
            self.passed.failed |= self.out.write(self.cx, self.stream, &data[run]).is_err();
        }
    }
}

impl<F: FnMut(&[u8]) -> bool> Sink for Pass<'_, '_, F> {
    fn frame(&mut self, frame: &Frame<'_>) -> bool {
        match frame.head.opcode {
            Opcode::Text | Opcode::Binary | Opcode::Continuation => {
                if self.goes_on(frame) {
                    if self.run.is_empty() || self.run.end != frame.at.start {
                        self.flush(frame.data);
                        self.run.start = frame.at.start;
                    }
                    self.run.end = frame.at.end;
                }
            }
            Opcode::Ping if self.passed.pongs.len() < MAX_PONGS => match self.from {
                From::Client => ws::write_frame(&mut self.passed.pongs, Opcode::Pong, &frame.unmasked()),
                From::Server => {
                    ws::write_masked_frame(&mut self.passed.pongs, Opcode::Pong, frame.payload(), [0; 4]);
                }
            },
            Opcode::Ping | Opcode::Pong => {}
            Opcode::Close => match ws::read_close(&frame.unmasked()) {
                Ok((code, _)) => self.passed.closed = Some(code),
                Err(error) => self.passed.invalid = Some(error),
            },
        }
        self.passed.closed.is_none() && self.passed.invalid.is_none()
    }

    fn buffer_ends(&mut self, data: &[u8]) {
        self.flush(data);
    }
}
