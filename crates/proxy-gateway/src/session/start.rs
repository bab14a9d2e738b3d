//! From a handshake that passed its checks to a running WebSocket: resume, or choose a node, dial it, and only then
//! answer the client, so that a node that fails is a 503 or another node and never a broken socket.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;

use lavalink_protocol::detect::Class;
use lavalink_protocol::http::RequestHead;
use lavalink_protocol::id::{GuildId, NodeSessionId, SessionId, UserId};
use lavalink_protocol::message::{PlayerUpdate, Ready};
use lavalink_protocol::ws::{self, From, Opcode};
use proxy_core::binding::Caller;
use proxy_core::pool::NodeId;
use proxy_core::session::LinkId;
use proxy_core::tenant::Tenant;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::client::ClientSide;
use super::dial::{self, NodeSocket};
use super::directory::{NewSession, Route, SessionEntry};
use super::frames::{Frame, Inbound, Sink};
use super::v4::{self, Begin};
use super::{late, tunnel};
use crate::access::{Line, Outcome};
use crate::connection::Client;
use crate::error::{CloseCause, ProxyError};
use crate::keeper::{self, Change};
use crate::respond::{self, To};
use crate::rest::ask;
use crate::shared::Crossing;
use crate::usage::Ended;
use crate::worker::{Ask, Mailbox, Stop, Worker};

/// A session or tunnel is tried on so many nodes before its client is refused.
const MAX_TRIES: usize = 3;
/// Bytes that a node may send before its `ready`, which comes first or right after a `stats`.
const MAX_BEFORE_READY: usize = 1024 * 1024;

/// A handshake that passed Lavalink's checks.
pub(crate) struct Handshake {
    /// The version, unless it is still undecided.
    pub(crate) class: Option<Class>,
    /// The socket was opened on a bare `/v4` or `/v3`.
    pub(crate) base: bool,
    pub(crate) tenant: Arc<Tenant>,
    /// `None` when it is no number, which Lavalink tells after the 101.
    pub(crate) user: Option<UserId>,
    pub(crate) client_name: Option<Box<str>>,
    /// The accept key for the client's 101.
    pub(crate) accept: [u8; 28],
    /// The v4 session to resume.
    pub(crate) session_id: Option<Box<str>>,
    /// The v3 key to resume by.
    pub(crate) resume_key: Option<Box<str>>,
    /// The client's own header lines, for the node.
    pub(crate) fields: Vec<u8>,
    /// The path of a v3 socket on its node, with the client's query.
    pub(crate) target: Box<str>,
    /// The path as the client sent it, for the error object.
    pub(crate) path: Box<str>,
    /// The request's line in the access log.
    pub(crate) line: Option<Box<Line>>,
}

impl Handshake {
    pub(crate) fn node_fields(head: &RequestHead<'_>) -> Vec<u8> {
        dial::client_fields(head)
    }

    pub(crate) fn caller(&self, client: &Client, user: UserId) -> Caller {
        Caller {
            tenant: self.tenant.id,
            user: Some(user),
            ip: client.record.peer.ip(),
        }
    }

    /// The version became known later: the node is asked on the path that this version has for sockets.
    pub(crate) fn bind(&mut self, class: Class) {
        let path = match class {
            Class::V4 => "/v4/websocket",
            Class::V3 => "/v3/websocket",
            Class::V3Legacy => "/",
        };
        let query = self.target.find('?').map_or("", |at| &self.target[at..]);
        self.target = format!("{path}{query}").into();
        self.class = Some(class);
    }

    /// Writes the request's line, once it is answered: by a node that took the socket, or with a refusal.
    pub(crate) fn log(&mut self, worker: &Worker, client: &Client, outcome: Outcome) {
        if let Some(line) = self.line.take() {
            line.end(&worker.shared, &client.record, outcome);
        }
    }

    fn to(&self) -> To<'_> {
        let class = self.class.unwrap_or(Class::V4);
        To {
            class,
            path: &self.path,
            keep_alive: false,
            head_only: false,
        }
    }
}

/// A client that came back for its session.
pub(crate) struct Returning {
    pub(crate) client: Client,
    pub(crate) handshake: Box<Handshake>,
    /// Held until a worker knows of the connection again.
    pub(crate) crossing: Crossing,
}

impl Returning {
    /// The session ended, or another handshake was quicker, since this one asked for it: the client gets a new one,
    /// unless the proxy is shutting down.
    pub(crate) fn begin_anew(self, worker: &Rc<Worker>) {
        let Self {
            client,
            mut handshake,
            crossing,
        } = self;
        let stop = worker.connection_opened(client.record.id);
        drop(crossing);
        let worker = Rc::clone(worker);
        if worker.has_handed_over() {
            return leave_to_next(&worker, &client, &mut handshake);
        }
        handshake.session_id = None;
        if worker.is_stopping() && !worker.shared.hands_over() {
            let refused = async move { refuse(&worker, client, &ProxyError::ShuttingDown, &mut handshake).await };
            tokio::task::spawn_local(refused);
        } else {
            tokio::task::spawn_local(run(worker, client, stop, handshake));
        }
    }
}

/// Takes over the client's connection.
pub(crate) async fn run(worker: Rc<Worker>, client: Client, stop: Rc<Mailbox<Stop>>, mut handshake: Box<Handshake>) {
    let class = handshake.class;
    client.relabel(&handshake.tenant.name, class);
    let Some(user) = handshake.user else {
        return refuse_user(&worker, client, &mut handshake).await;
    };
    match class {
        Some(Class::V4) => start_v4(worker, client, stop, handshake, user).await,
        // Boxed, so that a v4 session does not pay for the room of the others.
        Some(class) => Box::pin(tunnel::start(worker, client, stop, handshake, user, class)).await,
        None => Box::pin(late::start(worker, client, stop, handshake, user)).await,
    }
}

async fn start_v4(
    worker: Rc<Worker>,
    client: Client,
    stop: Rc<Mailbox<Stop>>,
    mut handshake: Box<Handshake>,
    user: UserId,
) {
    if let Some(entry) = resumable(&worker, &handshake, user) {
        // The session may live with another worker, which then owns the connection.
        let crossing = worker.shared.cross();
        worker.connection_closed(client.record.id);
        let returning = Returning {
            client,
            handshake,
            crossing,
        };
        return worker.resume(&entry, Box::new(returning));
    }
    if handshake.session_id.is_some() && worker.has_handed_over() {
        return leave_to_next(&worker, &client, &mut handshake);
    }
    let entry = Arc::new(SessionEntry::new(new_session(
        &worker,
        &handshake,
        user,
        Some(Class::V4),
    )));
    let mut client = client;
    match open_link(&worker, &handshake.tenant, &entry.id, &handshake.fields).await {
        Ok((node, socket, node_session)) => {
            // Kept while the answer is on its way, and before the client is told the id.
            let kept = entry.kept(Vec::new());
            let kept = keeper::commit(&worker, &entry, Change::Session(kept));
            let answer = switching(Class::V4, &handshake.accept, false);
            if write_switching(&worker, &mut client, &answer, &mut handshake, Some(node))
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
            let begin = register(
                &worker,
                entry,
                client,
                stop,
                caller,
                handshake.base,
                (node, socket, node_session),
            );
            v4::spawn(worker, begin);
        }
        Err(error) => refuse(&worker, client, &error, &mut handshake).await,
    }
}

/// Makes the session known to requests.
fn register(
    worker: &Worker,
    entry: Arc<SessionEntry>,
    client: Client,
    stop: Rc<Mailbox<Stop>>,
    caller: Caller,
    base: bool,
    (node, socket, node_session): (NodeId, NodeSocket, NodeSessionId),
) -> Begin {
    entry.set_route(Some(Route {
        link: LinkId(0),
        node,
        node_session: node_session.clone(),
    }));
    worker.shared.directory.insert(Arc::clone(&entry));
    client.record.set_session(&entry);
    worker.connection_upgraded(client.record.id);
    let asks = worker.session_opened(entry.id.clone());
    let side = Box::new(ClientSide::new(worker, client, stop));
    Begin {
        entry,
        caller,
        base,
        side,
        asks,
        socket,
        node,
        node_session,
        ready_sent: false,
    }
}

/// The session that a client names is the next run's by now: without an answer the client tries again, and has its
/// session there.
fn leave_to_next(worker: &Worker, client: &Client, handshake: &mut Handshake) {
    client.record.ends(Ended::Shutdown);
    handshake.log(worker, client, Outcome::default());
    worker.connection_closed(client.record.id);
}

/// The session that the client names, if it is the client's to resume: a parked one, or one whose socket is half open,
/// which the client knows before the proxy does.
fn resumable(worker: &Worker, handshake: &Handshake, user: UserId) -> Option<Arc<SessionEntry>> {
    let entry = worker.shared.directory.get(handshake.session_id.as_deref()?)?;
    (entry.tenant == handshake.tenant.id && entry.user == user && (entry.is_parked() || entry.settings().resuming))
        .then_some(entry)
}

pub(crate) fn new_session(worker: &Worker, handshake: &Handshake, user: UserId, class: Option<Class>) -> NewSession {
    // Session ids open other people's players to whoever guesses one: they come from the operating system's randomness.
    let id = SessionId::issue(&mut || worker.random());
    NewSession {
        id,
        tenant: handshake.tenant.id,
        tenant_name: Arc::clone(&handshake.tenant.name),
        user,
        client_name: handshake.client_name.clone(),
        worker: worker.id,
        class,
    }
}

/// Places a v4 session: a socket on the best node, whose `ready` has come.
pub(crate) async fn open_link(
    worker: &Rc<Worker>,
    tenant: &Tenant,
    session: &SessionId,
    fields: &[u8],
) -> Result<(NodeId, NodeSocket, NodeSessionId), ProxyError> {
    let mut failed = Vec::new();
    loop {
        let node = worker
            .shared
            .choose_session(Class::V4, &failed, tenant.nodes.as_deref(), Some(session))?;
        let error = match open_link_on(worker, node, fields).await {
            Ok((socket, session)) => return Ok((node, socket, session)),
            Err(error) => error,
        };
        failed.push(node);
        // What the client itself did wrong is wrong on every node.
        if failed.len() == MAX_TRIES || matches!(error, ProxyError::HandshakeRefused(_)) {
            return Err(error);
        }
    }
}

async fn open_link_on(
    worker: &Rc<Worker>,
    node: NodeId,
    fields: &[u8],
) -> Result<(NodeSocket, NodeSessionId), ProxyError> {
    let pool = worker.pool(node);
    pool.node.gauges.placed(1);
    let mut socket = dial::open(worker, &pool.node, &pool.ledger, "/v4/websocket", fields).await?;
    let limit = worker.shared.config.connect_timeout;
    let error = match timeout(limit, read_ready(worker, &mut socket)).await {
        Ok(Ok((session, _))) => return Ok((socket, session)),
        Ok(Err(error)) => error,
        Err(_) => ProxyError::NodeTimeout,
    };
    // Its HTTP side may be well while its sessions are not.
    worker.shared.node_failed(node);
    Err(error)
}

/// Waits for the node's `ready`: its id, and whether it took the session up again. Everything read, the `ready` too, stays for the session to read again.
pub(crate) async fn read_ready(worker: &Worker, socket: &mut NodeSocket) -> Result<(NodeSessionId, bool), ProxyError> {
    loop {
        let mut find = FindReady(None);
        Inbound::new(From::Server, worker.shared.config.max_node_message)
            .feed(&socket.early, &mut find)
            .map_err(|_| ProxyError::NodeAnswer)?;
        if let Some(ready) = find.0 {
            return Ok((NodeSessionId::from(ready.session_id), ready.resumed));
        }
        let early = &mut socket.early;
        let read = poll_fn(|cx| {
            socket.stream.poll_read_scratch(cx, |_, bytes| {
                early.extend_from_slice(bytes);
                bytes.len()
            })
        });
        if read.await.map_err(|_| ProxyError::NodeClosed)? == 0 {
            return Err(ProxyError::NodeClosed);
        }
        if socket.early.len() > MAX_BEFORE_READY {
            return Err(ProxyError::NodeAnswer);
        }
    }
}

struct FindReady(Option<Ready>);

impl Sink for FindReady {
    fn frame(&mut self, frame: &Frame<'_>) -> bool {
        if frame.head.opcode == Opcode::Text {
            // A `stats` may come first; whatever is no `ready` is passed over here.
            self.0 = Ready::read(frame.payload()).ok();
        }
        self.0.is_none()
    }
}

/// The client's 101.
pub(crate) fn switching(class: Class, accept: &[u8; 28], resumed: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(200);
    respond::status_line(&mut out, 101, class);
    respond::field(&mut out, "Session-Resumed", if resumed { "true" } else { "false" });
    out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ");
    out.extend_from_slice(accept);
    out.extend_from_slice(b"\r\n\r\n");
    out
}

/// Writes the answer to a handshake.
///
/// # Errors
/// When the client is gone, or takes longer to read it than it had to send its request's head.
pub(crate) async fn write_switching(
    worker: &Worker,
    client: &mut Client,
    bytes: &[u8],
    handshake: &mut Handshake,
    node: Option<NodeId>,
) -> std::io::Result<()> {
    let work = async {
        client.stream.write_all(bytes).await?;
        client.stream.flush().await
    };
    let written = timeout(worker.shared.config.header_timeout, work).await;
    let written = written.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
    match &written {
        Ok(()) => client.record.traffic.answered(101),
        Err(_) => client.record.ends(Ended::ClientReset),
    }
    let status = written.is_ok().then_some(101);
    let outcome = Outcome {
        status,
        node,
        ..Outcome::default()
    };
    handshake.log(worker, client, outcome);
    written
}

/// Writes the last bytes of a connection and says that nothing follows, as far as the client takes it.
async fn write_last(
    worker: &Worker,
    mut client: Client,
    bytes: &[u8],
    handshake: &mut Handshake,
    reason: &'static str,
) {
    let id = client.record.id;
    let work = async {
        if client.stream.write_all(bytes).await.is_ok() {
            client.record.traffic.answered(respond::status_of(bytes));
        }
        client.stream.shutdown().await.ok();
    };
    timeout(worker.shared.config.header_timeout, work).await.ok();
    handshake.log(worker, &client, Outcome::own(respond::status_of(bytes), Some(reason)));
    worker.connection_closed(id);
}

/// Answers a handshake that cannot be served.
pub(crate) async fn refuse(worker: &Worker, client: Client, error: &ProxyError, handshake: &mut Handshake) {
    let (bytes, answer) = respond::error(error, handshake.to());
    worker.shared.refusals.count(&answer);
    client.record.ends(Ended::Refused(answer.reason()));
    tracing::info!(connection = client.record.id, %error, reason = answer.reason, "handshake refused");
    write_last(worker, client, &bytes, handshake, answer.reason).await;
}

/// Lavalink accepts a `User-Id` that is no number and closes the socket with 1011.
async fn refuse_user(worker: &Worker, client: Client, handshake: &mut Handshake) {
    let class = handshake.class.unwrap_or(Class::V4);
    let cause = CloseCause::UserIdNotNumeric;
    worker.shared.refusals.count_close(cause);
    client.record.ends(cause.into());
    let mut bytes = switching(class, &handshake.accept, false);
    let (code, reason) = cause.code();
    ws::write_frame(&mut bytes, Opcode::Close, &ws::close_payload(code, reason));
    write_last(worker, client, &bytes, handshake, cause.reason().name()).await;
}

/// After a resume every player gets one `playerUpdate`, made from the node's own answer.
pub(crate) fn fetch_player_updates(worker: &Rc<Worker>, entry: &Arc<SessionEntry>, link: LinkId) {
    let (worker, entry) = (Rc::clone(worker), Arc::clone(entry));
    tokio::task::spawn_local(async move {
        let Some(route) = entry.link(link) else { return };
        let path = format!("/v4/sessions/{}/players", route.node_session);
        let limit = worker.shared.config.response_timeout;
        let pool = worker.pool(route.node);
        let Ok(answer) = ask::get_list(&pool.node, Arc::clone(&pool.ledger.rest), &path, limit).await else {
            return;
        };
        for message in player_updates(&answer.body, |guild| entry.has_player_on(guild, link)) {
            worker.ask(&entry, Ask::Message(message));
        }
    });
}

/// A `playerUpdate` for each player in the answer to `GET .../players` that is on that link.
fn player_updates(players: &[u8], is_there: impl Fn(GuildId) -> bool) -> Vec<Vec<u8>> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Player {
        guild_id: GuildId,
        state: lavalink_protocol::message::PlayerState,
    }
    let players: Vec<Player> = serde_json::from_slice(players).unwrap_or_default();
    players
        .into_iter()
        .filter(|player| is_there(player.guild_id))
        .map(|player| {
            let mut message = Vec::new();
            PlayerUpdate::new(player.guild_id, player.state).write(&mut message);
            message
        })
        .collect()
}
