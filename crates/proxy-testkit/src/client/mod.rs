//! [`TestClient`]: a bot's Lavalink library that remembers and checks what it receives. [`RawClient`]: bytes by hand.
//!
//! Both work against a node and against a proxy alike.

mod builder;
mod calls;
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
use futures_util::{SinkExt as _, StreamExt as _, stream::SplitSink};
use http::HeaderMap;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

use endpoint::{BoxIo, Endpoint};
use mailbox::Mailbox;

pub use builder::{HandshakeRefused, Protocol, TestClientBuilder};
pub use calls::{percent_encode, voice};
pub use mailbox::Ended;
pub use raw::{RawClient, RawOutcome};
pub use rest::{Rest, RestAnswer};
pub use sequence::SequenceReport;

/// How long connecting may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

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
        TestClientBuilder::new(protocol, url, password, user_id)
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
            .map_err(builder::describe_refusal)?;
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
