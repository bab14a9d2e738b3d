//! The WebSocket of a simulated node: the handshake with its order of checks, and the loop of one connected session.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, HeaderValue, Method, Request, Response, header, request::Parts};
use hyper::{body::Incoming, upgrade::Upgraded};
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        handshake::derive_accept_key,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

use super::{
    Node, SimGeneration,
    answer::{Answer, Body},
    delivered,
    io::ConnControl,
    messages::{self, PlayerState},
    rest::RestError,
    session::Outgoing,
    state::Newcomer,
    v3,
};

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Whether this path takes WebSocket handshakes on this generation. (`/` and `/v3/websocket` of a v4 node do not.)
pub(crate) fn is_socket_path(path: &str, generation: SimGeneration) -> bool {
    match path {
        "/" => !generation.is_v4(),
        "/v3/websocket" => generation == SimGeneration::V3_7,
        "/v4/websocket" => generation.is_v4(),
        _ => false,
    }
}

/// Whether the request is one for [`handshake`]: on a socket path, everything is.
pub(crate) fn is_handshake(request: &Request<Incoming>, generation: SimGeneration) -> bool {
    is_socket_path(request.uri().path(), generation)
}

/// Answers a handshake and, when it succeeds, starts the session's loop.
pub(crate) fn handshake(node: &Arc<Node>, control: &Arc<ConnControl>, request: Request<Incoming>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut resumed = None;
    let checked = check(node, &parts, &mut resumed);
    let mut response = match checked {
        Err(answer) => answer.into_response(),
        Ok(accept) => {
            let location = location(node, &parts);
            let newcomer = Handshake {
                headers: parts.headers.clone(),
                resume: resume_key(node, &parts.headers),
            };
            let upgrade = hyper::upgrade::on(Request::from_parts(parts, body));
            let (node, control) = (Arc::clone(node), Arc::clone(control));
            control.upgraded.store(true, Ordering::SeqCst);
            tokio::spawn(async move {
                let Ok(upgraded) = upgrade.await else { return };
                let socket = socket_on(upgraded).await;
                tokio::select! {
                    () = run(&node, &control, socket, newcomer) => {}
                    () = control.killed() => {}
                }
            });
            let mut response = Answer::empty(101).into_response();
            let headers = response.headers_mut();
            headers.insert(header::UPGRADE, HeaderValue::from_static("WebSocket"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
            if let Some(location) = location {
                headers.insert("sec-websocket-location", location);
            }
            response
        }
    };
    if let Some(resumed) = resumed {
        response.headers_mut().insert(
            "session-resumed",
            HeaderValue::from_static(if resumed { "true" } else { "false" }),
        );
    }
    response
}

/// Where the socket is, as v4's container still says, long after the standard dropped it.
fn location(node: &Node, parts: &Parts) -> Option<HeaderValue> {
    let host = text(&parts.headers, "host").filter(|_| node.settings.generation.is_v4())?;
    let scheme = if node.tls.is_some() { "wss" } else { "ws" };
    format!("{scheme}://{host}{}", parts.uri).parse().ok()
}

async fn socket_on(upgraded: Upgraded) -> Socket {
    // As a node's container: no limit on what a client may send.
    let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await
}

/// The checks in Lavalink's order. `resumed` is what the `Session-Resumed` header will say, once that is decided.
fn check(node: &Node, parts: &Parts, resumed: &mut Option<bool>) -> Result<HeaderValue, Answer> {
    let generation = node.settings.generation;
    let headers = &parts.headers;
    let right_password = headers
        .get(header::AUTHORIZATION)
        .is_some_and(|v| v.as_bytes() == node.password.as_bytes());
    let mut look_up = || *resumed = Some(resume_key(node, headers).is_some_and(|key| node.state().touch_parked(&key)));
    if generation == SimGeneration::Legacy {
        // Legacy nodes look the key up before they mind the password.
        look_up();
    }
    if !right_password {
        return Err(Answer::empty(401));
    }
    let user = text(headers, "user-id");
    match generation {
        SimGeneration::Legacy => {}
        SimGeneration::V3_7 if user.is_some() => look_up(),
        _ if user.is_some_and(|user| !user.is_empty() && user != "0") => look_up(),
        _ => return Err(Answer::empty(400)),
    }
    check_upgrade(parts).map_err(|error| match error.status {
        403 => Answer::empty(403),
        400 => Answer::text(400, &error.message).of_type(None),
        _ => Answer::empty(error.status).with_headers(error.headers),
    })
}

/// The checks of the web framework.
fn check_upgrade(parts: &Parts) -> Result<HeaderValue, RestError> {
    let headers = &parts.headers;
    let host = text(headers, "host").unwrap_or_default();
    let same_origin = |origin: &str| origin.split_once("://").is_some_and(|(_, authority)| authority == host);
    if text(headers, "origin").is_some_and(|origin| !same_origin(origin)) {
        return Err(RestError::new(403, "foreign origin"));
    }
    if parts.method != Method::GET {
        return Err(RestError::method_not_allowed(&parts.method, "GET".to_owned()));
    }
    let names = |header: &str, token: &str| {
        text(headers, header).is_some_and(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(token)))
    };
    if !names("upgrade", "websocket") {
        return Err(RestError::new(400, "Can \"Upgrade\" only to \"WebSocket\"."));
    }
    if !names("connection", "upgrade") {
        return Err(RestError::new(400, "\"Connection\" must be \"upgrade\"."));
    }
    if text(headers, "sec-websocket-version") != Some("13") {
        let mut error = RestError::new(426, "unsupported version");
        error.headers.push((header::SEC_WEBSOCKET_VERSION, "13,8,7".to_owned()));
        return Err(error);
    }
    let key = headers.get("sec-websocket-key").filter(|key| !key.is_empty());
    let key = key.ok_or_else(|| RestError::new(400, "Missing \"Sec-WebSocket-Key\" header"))?;
    HeaderValue::from_str(&derive_accept_key(key.as_bytes())).map_err(|_| RestError::new(400, "bad key"))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// What the client wants to resume: a session id on v4, a key of its own on v3.
fn resume_key(node: &Node, headers: &HeaderMap) -> Option<String> {
    let name = if node.settings.generation.is_v4() {
        "session-id"
    } else {
        "resume-key"
    };
    text(headers, name).map(str::to_owned)
}

struct Handshake {
    headers: HeaderMap,
    resume: Option<String>,
}

/// One session's life on one socket.
async fn run(node: &Arc<Node>, control: &Arc<ConnControl>, mut socket: Socket, handshake: Handshake) {
    let Some(user_id) = text(&handshake.headers, "user-id").and_then(|user| user.parse().ok()) else {
        return close(&mut socket, 1011, "").await;
    };
    let newcomer = Newcomer {
        user_id,
        client_name: text(&handshake.headers, "client-name").map(str::to_owned),
        resume: handshake.resume,
        connection: Arc::clone(control),
    };
    let (sender, receiver) = unbounded_channel();
    let id = node.state().attach(newcomer, sender, Instant::now());
    // Whatever ends the loop (also being dropped by a kill): the session is parked or ended.
    let _detach = Detach {
        node: Arc::clone(node),
        id: id.clone(),
    };
    exchange(node, &mut socket, receiver, &id).await;
}

/// Detaches the session when dropped.
struct Detach {
    node: Arc<Node>,
    id: String,
}

impl Drop for Detach {
    fn drop(&mut self) {
        self.node.state().detach(&self.id, Instant::now());
    }
}

/// Writes what the session sends, reads what the client sends, until one side closes.
async fn exchange(node: &Arc<Node>, socket: &mut Socket, mut queue: UnboundedReceiver<Outgoing>, id: &str) {
    loop {
        tokio::select! {
            outgoing = queue.recv() => {
                let Some(outgoing) = outgoing else { return };
                if write(node, socket, outgoing, &mut queue).await.is_err() {
                    return;
                }
            }
            incoming = socket.next() => match incoming {
                None | Some(Err(_)) => return,
                Some(Ok(Message::Text(text))) => {
                    node.log.message(id, &text);
                    if v3::handle(node, id, &text).is_err() {
                        return close(socket, 1011, "").await;
                    }
                }
                Some(Ok(Message::Binary(_))) => return close(socket, 1003, "Binary messages not supported").await,
                // Pings are answered by the library; a close is followed by the end of the stream.
                Some(Ok(_)) => {}
            },
        }
    }
}

/// The socket is closed or broken: the loop ends.
struct Closed;

/// Writes `first` and whatever else waits already, then flushes: bursts share a write, as on a real node under load.
async fn write(
    node: &Node,
    socket: &mut Socket,
    first: Outgoing,
    queue: &mut UnboundedReceiver<Outgoing>,
) -> Result<(), Closed> {
    let mut next = Some(first);
    let (mut counted, mut tracks) = (Vec::new(), Vec::new());
    while let Some(outgoing) = next {
        match outgoing {
            Outgoing::Counted(text, event) => {
                socket.feed(Message::text(text)).await.map_err(|_| Closed)?;
                counted.push(event);
            }
            Outgoing::Track(text, note) => {
                socket.feed(Message::text(text)).await.map_err(|_| Closed)?;
                tracks.push(note);
            }
            Outgoing::Text(text) => socket.feed(Message::text(text)).await.map_err(|_| Closed)?,
            Outgoing::Flood => flood(node, socket).await?,
            Outgoing::Close(code, reason) => {
                close(socket, code, reason).await;
                return Err(Closed);
            }
        }
        next = queue.try_recv().ok();
    }
    socket.flush().await.map_err(|_| Closed)?;
    node.note_written(counted);
    delivered::note(&node.log, tracks);
    Ok(())
}

/// Writes as fast as the peer reads, until the fault is cleared.
async fn flood(node: &Node, socket: &mut Socket) -> Result<(), Closed> {
    let state = PlayerState {
        time: messages::unix_ms(),
        position: Some(0),
        connected: true,
        ping: 1,
    };
    let message = Message::text(messages::player_update(1, &state));
    while node.faults.lasting().flood {
        for _ in 0..64 {
            socket.feed(message.clone()).await.map_err(|_| Closed)?;
        }
        socket.flush().await.map_err(|_| Closed)?;
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Closes with a code and waits, briefly, for the peer to answer.
async fn close(socket: &mut Socket, code: u16, reason: &'static str) {
    let frame = CloseFrame {
        code: CloseCode::from(code),
        reason: reason.into(),
    };
    if socket.close(Some(frame)).await.is_ok() {
        let drained = async { while let Some(Ok(_)) = socket.next().await {} };
        let _ = tokio::time::timeout(std::time::Duration::from_millis(500), drained).await;
    }
}
