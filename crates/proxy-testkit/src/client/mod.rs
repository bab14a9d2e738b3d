//! [`TestClient`]: a bot's Lavalink library that remembers and checks what it receives. [`RawClient`]: bytes by hand.
//!
//! Both work against a node and against a proxy alike.

mod endpoint;
mod mailbox;
mod raw;
mod rest;
mod sequence;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _, stream::SplitSink};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{self, Message, client::IntoClientRequest as _, protocol::WebSocketConfig},
};

use endpoint::{BoxIo, Endpoint};
use mailbox::Mailbox;

pub use mailbox::Ended;
pub use raw::{RawClient, RawOutcome};
pub use rest::{Rest, RestAnswer};
pub use sequence::SequenceReport;

/// How long connecting may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Which of Lavalink's protocols a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `/v4/websocket` and `/v4` REST.
    V4,
    /// Ops over the WebSocket at `/`, unversioned REST; waits for no `ready`.
    V3Ops,
    /// `/v3/websocket` and `/v3` REST.
    V3Rest,
}

impl Protocol {
    fn socket_path(self) -> &'static str {
        match self {
            Self::V4 => "/v4/websocket",
            Self::V3Ops => "/",
            Self::V3Rest => "/v3/websocket",
        }
    }

    /// What precedes `loadtracks` and the others.
    fn rest_prefix(self) -> &'static str {
        match self {
            Self::V4 => "/v4",
            Self::V3Ops => "",
            Self::V3Rest => "/v3",
        }
    }

    /// Header that names the session to resume.
    fn resume_header(self) -> HeaderName {
        HeaderName::from_static(if self == Self::V4 { "session-id" } else { "resume-key" })
    }
}

/// The handshake was answered, but not with 101.
#[derive(Clone, Debug)]
pub struct HandshakeRefused {
    /// Status code.
    pub status: u16,
    /// Headers of the answer.
    pub headers: HeaderMap,
    /// Its body, as far as it came with the head.
    pub body: Bytes,
}

impl std::fmt::Display for HandshakeRefused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the handshake was refused with {}", self.status)
    }
}

impl std::error::Error for HandshakeRefused {}

/// Settings of a [`TestClient`] to be connected.
#[derive(Clone, Debug)]
pub struct TestClientBuilder {
    protocol: Protocol,
    url: String,
    password: String,
    user_id: u64,
    client_name: Option<String>,
    resume: Option<String>,
    socket_path: Option<String>,
    headers: Vec<(String, String)>,
    tls: Option<Arc<rustls::ClientConfig>>,
}

impl TestClientBuilder {
    /// The `Client-Name` header; default `testkit/1.0`, `None` = not sent.
    pub fn client_name(mut self, name: Option<&str>) -> Self {
        self.client_name = name.map(str::to_owned);
        self
    }

    /// What to resume: a session id (v4) or a resume key (v3).
    pub fn resume(mut self, key: impl Into<String>) -> Self {
        self.resume = Some(key.into());
        self
    }

    /// Another path for the WebSocket than the protocol's own (it follows the URL's own path).
    pub fn socket_path(mut self, path: impl Into<String>) -> Self {
        self.socket_path = Some(path.into());
        self
    }

    /// One more header for the handshake.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// TLS settings for `https` URLs, e.g. [`crate::certs::TestCa::client_config`].
    pub fn tls(mut self, config: Arc<rustls::ClientConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Connects. With v4 and 3.7 the client is `ready` when this returns.
    ///
    /// # Errors
    /// [`HandshakeRefused`] (to be found with `downcast_ref`) when the answer was not 101; others when there was none,
    /// or no `ready` within 10 s.
    pub async fn connect(self) -> anyhow::Result<TestClient> {
        let endpoint = Endpoint::new(&self.url, self.tls.clone())?;
        let client = TestClient {
            rest: Rest::new(endpoint.clone(), Some(self.password.clone())),
            endpoint,
            mailbox: Arc::default(),
            link: Mutex::default(),
            known: Mutex::default(),
            options: self,
        };
        let resume = client.options.resume.clone();
        client.open(resume).await?;
        Ok(client)
    }

    fn handshake_request(&self, endpoint: &Endpoint, resume: Option<&str>) -> anyhow::Result<http::Request<()>> {
        let path = self.socket_path.as_deref().unwrap_or(self.protocol.socket_path());
        let url = format!("ws://{}{}{path}", endpoint.authority(), endpoint.prefix);
        let mut request = url.into_client_request()?;
        let headers = request.headers_mut();
        headers.insert("authorization", HeaderValue::from_str(&self.password)?);
        headers.insert("user-id", HeaderValue::from_str(&self.user_id.to_string())?);
        if let Some(name) = &self.client_name {
            headers.insert("client-name", HeaderValue::from_str(name)?);
        }
        if let Some(key) = resume {
            headers.insert(self.protocol.resume_header(), HeaderValue::from_str(key)?);
        }
        for (name, value) in &self.headers {
            headers.insert(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?);
        }
        Ok(request)
    }
}

/// An open WebSocket.
#[derive(Debug)]
struct Link {
    sink: Arc<tokio::sync::Mutex<SplitSink<WebSocketStream<BoxIo>, Message>>>,
    reader: JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// What the peer has told about the session.
#[derive(Clone, Debug, Default)]
struct Known {
    session: Option<String>,
    resumed: bool,
    headers: HeaderMap,
}

/// A bot's library. Messages are collected in the background; numbered ones are only checked and counted.
#[derive(Debug)]
pub struct TestClient {
    options: TestClientBuilder,
    endpoint: Endpoint,
    rest: Rest,
    mailbox: Arc<Mailbox>,
    link: Mutex<Option<Link>>,
    known: Mutex<Known>,
}

impl TestClient {
    /// A v4 client.
    pub fn v4(url: &str, password: &str, user_id: u64) -> TestClientBuilder {
        Self::builder(Protocol::V4, url, password, user_id)
    }

    /// A v3 client that sends ops.
    pub fn v3_ops(url: &str, password: &str, user_id: u64) -> TestClientBuilder {
        Self::builder(Protocol::V3Ops, url, password, user_id)
    }

    /// A v3 client that uses the 3.7 REST API.
    pub fn v3_rest(url: &str, password: &str, user_id: u64) -> TestClientBuilder {
        Self::builder(Protocol::V3Rest, url, password, user_id)
    }

    /// A client of any protocol.
    pub fn builder(protocol: Protocol, url: &str, password: &str, user_id: u64) -> TestClientBuilder {
        TestClientBuilder {
            protocol,
            url: url.to_owned(),
            password: password.to_owned(),
            user_id,
            client_name: Some("testkit/1.0".to_owned()),
            resume: None,
            socket_path: None,
            headers: Vec::new(),
            tls: None,
        }
    }

    async fn open(&self, resume: Option<String>) -> anyhow::Result<()> {
        let open = self.open_unlimited(resume);
        tokio::time::timeout(CONNECT_LIMIT, open)
            .await
            .context("no handshake in time")?
    }

    async fn open_unlimited(&self, resume: Option<String>) -> anyhow::Result<()> {
        let request = self.options.handshake_request(&self.endpoint, resume.as_deref())?;
        let io = self.endpoint.connect().await?;
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let (socket, response) = client_async_with_config(request, io, Some(config))
            .await
            .map_err(describe_refusal)?;
        let (sink, mut stream) = socket.split();
        let mailbox = Arc::clone(&self.mailbox);
        mailbox.opened();
        let reader = tokio::spawn(async move {
            let mut how = Ended::Dropped;
            while let Some(Ok(message)) = stream.next().await {
                match message {
                    Message::Text(text) => mailbox.receive(&text),
                    Message::Close(Some(frame)) => how = Ended::Closed(frame.code.into(), frame.reason.to_string()),
                    Message::Close(None) => how = Ended::Closed(1005, String::new()),
                    _ => {}
                }
            }
            mailbox.ended(how);
        });
        let link = Link {
            sink: Arc::new(tokio::sync::Mutex::new(sink)),
            reader,
        };
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = Some(link);
        let mut known = Known {
            headers: response.headers().clone(),
            ..Known::default()
        };
        if self.options.protocol != Protocol::V3Ops {
            let ready = self.wait_for(|message| message["op"] == "ready", CONNECT_LIMIT).await?;
            known.session = ready["sessionId"].as_str().map(str::to_owned);
            known.resumed = ready["resumed"] == true;
        }
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = known;
        Ok(())
    }

    fn known(&self) -> Known {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The session's id. Empty for a v3 ops client, which is told none it would need.
    pub fn session_id(&self) -> String {
        self.known().session.unwrap_or_default()
    }

    /// Whether the last `ready` said that the session was resumed.
    pub fn resumed(&self) -> bool {
        self.known().resumed
    }

    /// A header of the last 101.
    pub fn handshake_header(&self, name: &str) -> Option<String> {
        self.known()
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    }

    /// The REST calls underneath, for targets that have no helper here.
    pub fn rest(&self) -> &Rest {
        &self.rest
    }

    /// `loadtracks`.
    ///
    /// # Errors
    /// No answer.
    pub async fn load(&self, identifier: &str) -> anyhow::Result<RestAnswer> {
        let prefix = self.options.protocol.rest_prefix();
        self.rest
            .get(&format!(
                "{prefix}/loadtracks?identifier={}",
                percent_encode(identifier)
            ))
            .await
    }

    /// The encoded form of the first track that an identifier loads.
    ///
    /// # Errors
    /// No answer, or no track in it.
    pub async fn load_encoded(&self, identifier: &str) -> anyhow::Result<String> {
        let result = self.load(identifier).await?.json();
        let data = &result["data"];
        let track = [
            &data["encoded"],
            &data[0]["encoded"],
            &data["tracks"][0]["encoded"],
            &result["tracks"][0]["track"],
        ];
        let found = track.into_iter().find_map(Value::as_str);
        found
            .map(str::to_owned)
            .with_context(|| format!("no track for {identifier}: {result}"))
    }

    /// `decodetrack`.
    ///
    /// # Errors
    /// No answer.
    pub async fn decode(&self, encoded: &str) -> anyhow::Result<RestAnswer> {
        let prefix = self.options.protocol.rest_prefix();
        let name = if self.options.protocol == Protocol::V4 {
            "encodedTrack"
        } else {
            "track"
        };
        self.rest
            .get(&format!("{prefix}/decodetrack?{name}={}", percent_encode(encoded)))
            .await
    }

    /// Path of the session or of something below it.
    pub fn session_path(&self, below: &str) -> String {
        format!(
            "{}/sessions/{}{below}",
            self.options.protocol.rest_prefix(),
            self.session_id()
        )
    }

    /// PATCH of a player (v4 and 3.7). Its query, e.g. `?noReplace=true`, may follow the guild.
    ///
    /// # Errors
    /// No answer.
    pub async fn patch_player(&self, guild: impl std::fmt::Display, body: &Value) -> anyhow::Result<RestAnswer> {
        let path = self.session_path(&format!("/players/{guild}"));
        self.rest.request(Method::PATCH, &path, Some(body)).await
    }

    /// Loads an identifier and plays it on a connected player.
    ///
    /// # Errors
    /// No answer, no track, or the update was refused.
    pub async fn play(&self, guild: i64, identifier: &str) -> anyhow::Result<Value> {
        let encoded = self.load_encoded(identifier).await?;
        let v4 = self.options.protocol == Protocol::V4;
        let track = if v4 {
            json!({"track": {"encoded": encoded}})
        } else {
            json!({"encodedTrack": encoded})
        };
        let mut body = track;
        body["voice"] = voice(guild, v4);
        let answer = self.patch_player(guild, &body).await?;
        anyhow::ensure!(
            answer.status == 200,
            "the player was not updated: {} {}",
            answer.status,
            answer.text()
        );
        Ok(answer.json())
    }

    /// GET of a player.
    ///
    /// # Errors
    /// No answer.
    pub async fn get_player(&self, guild: i64) -> anyhow::Result<RestAnswer> {
        self.rest.get(&self.session_path(&format!("/players/{guild}"))).await
    }

    /// GET of all players.
    ///
    /// # Errors
    /// No answer.
    pub async fn get_players(&self) -> anyhow::Result<RestAnswer> {
        self.rest.get(&self.session_path("/players")).await
    }

    /// DELETE of a player.
    ///
    /// # Errors
    /// No answer.
    pub async fn destroy_player(&self, guild: i64) -> anyhow::Result<RestAnswer> {
        self.rest
            .request(Method::DELETE, &self.session_path(&format!("/players/{guild}")), None)
            .await
    }

    /// PATCH of the session.
    ///
    /// # Errors
    /// No answer.
    pub async fn update_session(&self, body: &Value) -> anyhow::Result<RestAnswer> {
        self.rest
            .request(Method::PATCH, &self.session_path(""), Some(body))
            .await
    }

    /// Sends a v3 op.
    ///
    /// # Errors
    /// The socket is closed.
    pub async fn op(&self, op: &Value) -> anyhow::Result<()> {
        self.send(Message::text(op.to_string())).await
    }

    /// Sends any WebSocket message.
    ///
    /// # Errors
    /// The socket is closed.
    pub async fn send(&self, message: Message) -> anyhow::Result<()> {
        let sink = {
            let link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(&link.as_ref().context("not connected")?.sink)
        };
        sink.lock().await.send(message).await.context("cannot send")
    }

    /// All messages that no `wait_for` has taken, oldest first, without the numbered ones.
    pub fn messages(&self) -> Vec<Value> {
        self.mailbox.messages()
    }

    /// Forgets the messages received so far.
    pub fn clear_messages(&self) {
        self.mailbox.clear();
    }

    /// Number of text messages received, of any kind.
    pub fn message_count(&self) -> u64 {
        self.mailbox.total()
    }

    /// Number of text messages that were not JSON.
    pub fn broken_count(&self) -> u64 {
        self.mailbox.broken()
    }

    /// What has come of the numbered messages.
    pub fn sequences(&self) -> SequenceReport {
        self.mailbox.sequences()
    }

    /// Waits until `done` says so of the numbered messages; false when it did not in time.
    pub async fn wait_sequences(&self, done: impl Fn(&SequenceReport) -> bool, deadline: Duration) -> bool {
        self.mailbox.wait_sequences(done, deadline).await
    }

    /// Takes the first message that `wanted` accepts, waiting for it up to `deadline`.
    ///
    /// # Errors
    /// It did not come; the error shows the last messages that did.
    pub async fn wait_for(&self, wanted: impl Fn(&Value) -> bool, deadline: Duration) -> anyhow::Result<Value> {
        self.mailbox.take(wanted, deadline).await
    }

    /// Takes the first event of a type for a guild.
    ///
    /// # Errors
    /// It did not come.
    pub async fn wait_event(&self, kind: &str, guild: i64, deadline: Duration) -> anyhow::Result<Value> {
        let guild = guild.to_string();
        let wanted = |m: &Value| m["op"] == "event" && m["type"] == kind && m["guildId"] == guild.as_str();
        self.wait_for(wanted, deadline)
            .await
            .with_context(|| format!("no {kind} for guild {guild}"))
    }

    /// How the socket ended, if it has.
    pub fn ended(&self) -> Option<Ended> {
        self.mailbox.end()
    }

    /// Waits for the socket's end; `None` when it is still open at the deadline.
    pub async fn wait_ended(&self, deadline: Duration) -> Option<Ended> {
        self.mailbox.wait_end(deadline).await
    }

    /// Closes the socket with 1000 and waits for the answer, up to 5 s.
    pub async fn disconnect(&self) {
        // Closing a socket that is already closed is no failure.
        let _ = self.send(Message::Close(None)).await;
        self.mailbox.wait_end(Duration::from_secs(5)).await;
        self.drop_socket();
    }

    /// Drops the socket without a close frame.
    pub fn drop_socket(&self) {
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.mailbox.ended(Ended::Dropped);
    }

    /// Connects again, naming `key` (a session id or resume key) or nothing. Messages go on into the same list.
    ///
    /// # Errors
    /// As [`TestClientBuilder::connect`].
    pub async fn reconnect(&self, key: Option<&str>) -> anyhow::Result<()> {
        self.drop_socket();
        self.open(key.map(str::to_owned)).await
    }

    /// Connects again with the session id of the last `ready` (v4). Returns whether the session was resumed.
    ///
    /// # Errors
    /// As [`TestClientBuilder::connect`].
    pub async fn resume(&self) -> anyhow::Result<bool> {
        let session = self.session_id();
        self.reconnect(Some(&session)).await?;
        Ok(self.resumed())
    }
}

/// A voice state as a client sends it, different for every guild.
pub fn voice(guild: i64, with_channel: bool) -> Value {
    let mut voice = json!({
        "token": format!("token-{guild}"), "endpoint": "rotterdam1234.discord.media:443",
        "sessionId": format!("voice-session-{guild}"),
    });
    if with_channel {
        voice["channelId"] = json!((guild + 1).to_string());
    }
    voice
}

/// Percent-encodes everything but letters, digits and `-._~`.
pub fn percent_encode(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

fn describe_refusal(error: tungstenite::Error) -> anyhow::Error {
    let tungstenite::Error::Http(response) = error else {
        return anyhow::Error::new(error).context("the handshake failed");
    };
    let (parts, body) = response.into_parts();
    let body = Bytes::from(body.unwrap_or_default());
    anyhow::Error::new(HandshakeRefused {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body,
    })
}
