//! A client that goes through a scene on one node and writes down what it sees.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request};
use proxy_testkit::client::Rest;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::{
    nodes::{Node, PASSWORD},
    socket::{Inbox, Socket},
    transcript::{Names, Step, headers},
};

/// How long an event may take; a real node on a busy machine is slow.
const EVENT_WITHIN: Duration = Duration::from_secs(15);
/// How long the report of a closed voice connection may take.
const CLOSED_WITHIN: Duration = Duration::from_secs(2);
/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long the end of a scene waits for events that should not come.
const QUIET: Duration = Duration::from_millis(400);

/// A client in a scene.
pub(crate) struct Bot<'a> {
    pub(crate) node: &'a Node,
    scene: &'static str,
    user: u64,
    rest: Rest,
    inbox: Arc<Inbox>,
    socket: Option<Socket>,
    pub(crate) session: String,
    names: Names,
    steps: Vec<Step>,
}

impl<'a> Bot<'a> {
    pub(crate) fn new(node: &'a Node, scene: &'static str, user: u64) -> Self {
        Self {
            node,
            scene,
            user,
            rest: Rest::to(&node.url(), None).unwrap(),
            inbox: Arc::default(),
            socket: None,
            session: "none".to_owned(),
            names: node.names(),
            steps: Vec::new(),
        }
    }

    /// A client that is connected.
    pub(crate) async fn connected(node: &'a Node, scene: &'static str, user: u64) -> Self {
        let mut bot = Self::new(node, scene, user);
        bot.connect("connect", None).await;
        bot
    }

    /// What was seen.
    pub(crate) fn into_steps(self) -> Vec<Step> {
        self.steps
    }

    pub(crate) fn note(&mut self, step: &str, seen: Value) {
        self.steps.push(Step {
            name: format!("{}: {step}", self.scene),
            seen,
        });
    }

    /// A handshake with these headers besides the password and the client's name. Whether it succeeds is noted.
    pub(crate) async fn handshake(&mut self, step: &str, path: &str, headers_sent: &[(&str, &str)]) {
        let url = format!("{}{path}", self.node.url());
        let handshake = timeout(ANSWER_WITHIN, Socket::open(&url, headers_sent, &self.inbox)).await;
        let handshake = handshake
            .unwrap_or_else(|_| panic!("{}: {step}: no answer", self.scene))
            .unwrap();
        self.socket = handshake.socket;
        let seen = json!({
            "status": handshake.status, "headers": self.names.value(&headers(&handshake.headers)),
            // What came with a refusal is as chunked as it was sent.
            "has a body": !handshake.body.is_empty(),
        });
        self.note(step, seen);
    }

    /// Connects as a library does, resuming a session where one is given, and waits for `ready`.
    pub(crate) async fn connect(&mut self, step: &str, resume: Option<&str>) {
        let before = self.inbox.all().len();
        let user = self.user.to_string();
        let mut sent = vec![
            ("authorization", PASSWORD),
            ("user-id", user.as_str()),
            ("client-name", "conformance/1.0"),
        ];
        sent.extend(resume.map(|session| ("session-id", session)));
        self.handshake(step, "/v4/websocket", &sent).await;
        // A resumed session goes on with its own rhythm of stats.
        let first: &[&str] = if resume.is_some() {
            &["ready"]
        } else {
            &["ready", "stats"]
        };
        let all = |messages: &[Value]| {
            first
                .iter()
                .all(|op| messages.iter().skip(before).any(|message| message["op"] == *op))
        };
        assert!(self.inbox.wait(EVENT_WITHIN, all).await, "{step}: not {first:?}");
        let texts = self.inbox.all();
        let session = texts[before..].iter().find_map(|text| {
            let message: Value = serde_json::from_str(text).ok()?;
            Some(message["sessionId"].as_str()?.to_owned())
        });
        self.session = session.unwrap();
        let well_formed = self.session.len() == 16
            && self
                .session
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        self.note(&format!("{step}, session id"), json!({"well formed": well_formed}));
        self.names.add(self.session.clone(), "<session>");
    }

    /// A request with the right password. `{session}` in the path is the session's id.
    pub(crate) async fn request(&mut self, step: &str, method: &str, path: &str, body: Option<&Value>) -> Value {
        let kind = body.map(|_| ("content-type", "application/json"));
        let sent: Vec<_> = [("authorization", PASSWORD)].into_iter().chain(kind).collect();
        let text = body.map(Value::to_string).unwrap_or_default();
        self.raw_request(step, (method, path), &sent, &text).await
    }

    /// A request with just these headers.
    pub(crate) async fn raw_request(
        &mut self,
        step: &str,
        (method, path): (&str, &str),
        headers: &[(&str, &str)],
        body: &str,
    ) -> Value {
        let path = path.replace("{session}", &self.session);
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap();
        let answer = timeout(ANSWER_WITHIN, self.rest.send(request)).await;
        let answer = answer
            .unwrap_or_else(|_| panic!("{}: {step}: no answer", self.scene))
            .unwrap();
        self.note(step, self.names.answer(&answer));
        answer.json()
    }

    /// A player update.
    pub(crate) async fn patch(&mut self, step: &str, guild: u64, body: &Value) -> Value {
        self.patch_with(step, guild, "", body).await
    }

    /// A player update with a query.
    pub(crate) async fn patch_with(&mut self, step: &str, guild: u64, query: &str, body: &Value) -> Value {
        let path = format!("/v4/sessions/{{session}}/players/{guild}{query}");
        self.request(step, "PATCH", &path, Some(body)).await
    }

    pub(crate) async fn get_player(&mut self, step: &str, guild: u64) -> Value {
        let path = format!("/v4/sessions/{{session}}/players/{guild}");
        self.request(step, "GET", &path, None).await
    }

    pub(crate) async fn destroy(&mut self, step: &str, guild: u64) {
        let path = format!("/v4/sessions/{{session}}/players/{guild}");
        self.request(step, "DELETE", &path, None).await;
    }

    /// Destroys a player with a voice connection and notes what that brought. The `nth` report that its voice is closed is
    /// waited for, but not for long: a real node loses it now and then.
    pub(crate) async fn destroy_and_wait(&mut self, step: &str, guild: u64, nth: usize) {
        let before = self.inbox.all().len();
        self.destroy(step, guild).await;
        let name = guild.to_string();
        let closed =
            |message: &&Value| message["type"] == "WebSocketClosedEvent" && message["guildId"] == name.as_str();
        let enough = |messages: &[Value]| messages.iter().filter(closed).count() >= nth;
        self.inbox.wait(CLOSED_WITHIN, enough).await;
        tokio::time::sleep(QUIET).await;
        let all = self.names.messages(&self.inbox.all()[before..]);
        let events = all["guilds"][&name]["events"].as_array().cloned().unwrap_or_default();
        self.note(&format!("{step}, messages"), json!(events));
    }

    /// The encoded form of what an identifier loads; not noted.
    pub(crate) async fn load(&mut self, identifier: &str) -> String {
        let path = format!(
            "/v4/loadtracks?identifier={}",
            proxy_testkit::client::percent_encode(identifier)
        );
        let mut request = Request::get(path).body(Bytes::new()).unwrap();
        request.headers_mut().insert("authorization", PASSWORD.parse().unwrap());
        let answer = self.rest.send(request).await.unwrap().json();
        answer["data"]["encoded"].as_str().unwrap().to_owned()
    }

    /// Waits for the `nth` event of a type for a guild and notes whether it came.
    pub(crate) async fn event(&mut self, kind: &str, guild: u64, nth: usize) {
        let guild = guild.to_string();
        let wanted = |message: &&Value| message["type"] == kind && message["guildId"] == guild.as_str();
        let enough = |messages: &[Value]| messages.iter().filter(wanted).count() >= nth;
        let came = self.inbox.wait(EVENT_WITHIN, enough).await;
        self.note(&format!("{kind} {nth} of {guild}"), json!({"came": came}));
    }

    /// Waits until a guild's updates show a connection state, and notes whether they did.
    pub(crate) async fn connection_state(&mut self, guild: u64, connected: bool) {
        let name = guild.to_string();
        let enough = |messages: &[Value]| {
            let mut updates = messages
                .iter()
                .filter(|message| message["op"] == "playerUpdate" && message["guildId"] == name.as_str());
            updates
                .next_back()
                .is_some_and(|update| update["state"]["connected"] == connected)
        };
        let came = self.inbox.wait(EVENT_WITHIN, enough).await;
        self.note(&format!("connected {connected} in {guild}"), json!({"came": came}));
    }

    /// Waits until a track has played up to a position.
    pub(crate) async fn played_to(&mut self, guild: u64, position: i64) {
        let name = guild.to_string();
        let enough = |messages: &[Value]| {
            messages.iter().any(|message| {
                message["guildId"] == name.as_str()
                    && message["state"]["position"].as_i64().is_some_and(|at| at >= position)
            })
        };
        let came = self.inbox.wait(EVENT_WITHIN, enough).await;
        self.note(&format!("played to {position} in {guild}"), json!({"came": came}));
    }

    /// Sends a WebSocket message and notes how the socket ends, if it does.
    pub(crate) async fn send(&mut self, message: Message) {
        self.socket.as_mut().unwrap().send(message).await;
    }

    /// Notes how the socket ends.
    pub(crate) async fn note_end(&mut self, step: &str) {
        let end = self.inbox.wait_end(Duration::from_secs(5)).await;
        self.note(step, end);
    }

    /// Drops the socket without a close frame.
    pub(crate) fn drop_socket(&mut self) {
        self.socket = None;
    }

    /// Notes everything that came over the socket, once nothing more does.
    pub(crate) async fn note_messages(&mut self) {
        tokio::time::sleep(QUIET).await;
        let seen = self.names.messages(&self.inbox.all());
        self.note("messages", seen);
    }
}
