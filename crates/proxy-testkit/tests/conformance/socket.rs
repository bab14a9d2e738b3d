//! A client's WebSocket that keeps every text as it came: the order of keys is compared too.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _, stream::SplitSink};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use tokio::{net::TcpStream, task::JoinHandle};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message, client::IntoClientRequest as _},
};

/// How often a waiting call looks again.
const POLL: Duration = Duration::from_millis(10);

/// What has come, over all sockets of one client.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    texts: Mutex<Vec<String>>,
    end: Mutex<Option<Value>>,
}

impl Inbox {
    fn texts(&self) -> MutexGuard<'_, Vec<String>> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) -> MutexGuard<'_, Option<Value>> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every text so far.
    pub(crate) fn all(&self) -> Vec<String> {
        self.texts().clone()
    }

    /// Waits until the messages so far satisfy `enough`; false when they did not in time.
    pub(crate) async fn wait(&self, within: Duration, enough: impl Fn(&[Value]) -> bool) -> bool {
        let look = || {
            let messages: Vec<Value> = self
                .texts()
                .iter()
                .filter_map(|text| serde_json::from_str(text).ok())
                .collect();
            enough(&messages)
        };
        becomes_true(within, look).await
    }

    /// How the last socket ended, waiting for it.
    pub(crate) async fn wait_end(&self, within: Duration) -> Value {
        becomes_true(within, || self.end().is_some()).await;
        self.end().clone().unwrap_or(json!("open"))
    }
}

async fn becomes_true(within: Duration, look: impl Fn() -> bool) -> bool {
    let poll = async {
        while !look() {
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(within, poll).await.is_ok()
}

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// An open socket. Dropping it drops the connection without a close frame.
#[derive(Debug)]
pub(crate) struct Socket {
    sink: SplitSink<Stream, Message>,
    reader: JoinHandle<()>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// The answer to a handshake.
pub(crate) struct Handshake {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) socket: Option<Socket>,
}

impl Socket {
    /// Asks for a WebSocket at `http://...` with the given headers.
    pub(crate) async fn open(url: &str, headers: &[(&str, &str)], inbox: &Arc<Inbox>) -> anyhow::Result<Handshake> {
        let mut request = url.replacen("http", "ws", 1).into_client_request()?;
        for (name, value) in headers {
            request
                .headers_mut()
                .insert(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?);
        }
        let (stream, response) = match connect_async(request).await {
            Ok(connected) => connected,
            Err(tungstenite::Error::Http(response)) => {
                let (parts, body) = response.into_parts();
                return Ok(Handshake {
                    status: parts.status.as_u16(),
                    headers: parts.headers,
                    body: body.unwrap_or_default(),
                    socket: None,
                });
            }
            Err(error) => return Err(error.into()),
        };
        *inbox.end() = None;
        let (sink, stream) = stream.split();
        let reader = tokio::spawn(read(stream, Arc::clone(inbox)));
        Ok(Handshake {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: Vec::new(),
            socket: Some(Self { sink, reader }),
        })
    }

    pub(crate) async fn send(&mut self, message: Message) {
        self.sink.send(message).await.unwrap();
    }
}

async fn read(mut stream: futures_util::stream::SplitStream<Stream>, inbox: Arc<Inbox>) {
    let mut end = json!("dropped");
    while let Some(Ok(message)) = stream.next().await {
        match message {
            Message::Text(text) => inbox.texts().push(text.to_string()),
            Message::Close(frame) => {
                end = frame.map_or(
                    json!("closed"),
                    |frame| json!({"code": u16::from(frame.code), "reason": frame.reason.as_str()}),
                );
            }
            _ => {}
        }
    }
    *inbox.end() = Some(end);
}
