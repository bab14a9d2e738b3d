//! What a simulated node saw (requests and client messages) and which tracks it told of, for tests to look at
//! afterwards. Bounded, oldest first out.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use bytes::Bytes;
use http::request::Parts;

use super::delivered::Delivered;

/// How many entries of each kind are kept.
const LIMIT: usize = 20_000;
/// How much of a body is kept.
const BODY_LIMIT: usize = 64 * 1024;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct SeenRequest {
    /// When it had arrived whole.
    pub at: Instant,
    /// Who sent it.
    pub peer: SocketAddr,
    /// The connection's number on this node: equal for requests that shared a connection.
    pub connection: u64,
    /// Method.
    pub method: String,
    /// Path and query, byte for byte.
    pub target: String,
    /// Header names (lower case) and values in the order of arrival.
    pub headers: Vec<(String, String)>,
    /// The body's first 64 KiB.
    pub body: Bytes,
}

impl SeenRequest {
    pub(crate) fn new(peer: SocketAddr, connection: u64, parts: &Parts, body: &Bytes) -> Self {
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        Self {
            at: Instant::now(),
            peer,
            connection,
            method: parts.method.to_string(),
            target: parts.uri.to_string(),
            headers: parts
                .headers
                .iter()
                .map(|(name, value)| (name.to_string(), text(value)))
                .collect(),
            body: body.slice(..body.len().min(BODY_LIMIT)),
        }
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The body as JSON, if it is that.
    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

/// A text message that a client sent.
#[derive(Clone, Debug)]
pub struct SeenMessage {
    /// The session that it came on.
    pub session: String,
    /// The message.
    pub text: String,
}

/// The log.
#[derive(Debug, Default)]
pub(crate) struct Log {
    requests: Mutex<VecDeque<SeenRequest>>,
    messages: Mutex<VecDeque<SeenMessage>>,
    delivered: Mutex<VecDeque<Delivered>>,
}

impl Log {
    pub(crate) fn request(&self, request: SeenRequest) {
        push(&self.requests, request);
    }

    pub(crate) fn message(&self, session: &str, text: &str) {
        push(
            &self.messages,
            SeenMessage {
                session: session.to_owned(),
                text: text.to_owned(),
            },
        );
    }

    pub(crate) fn requests(&self) -> Vec<SeenRequest> {
        self.requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }

    pub(crate) fn messages(&self) -> Vec<SeenMessage> {
        self.messages
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }

    pub(crate) fn delivered(&self, delivered: Delivered) {
        push(&self.delivered, delivered);
    }

    pub(crate) fn all_delivered(&self) -> Vec<Delivered> {
        self.delivered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }

    pub(crate) fn clear(&self) {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn push<T>(list: &Mutex<VecDeque<T>>, entry: T) {
    let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
    if list.len() == LIMIT {
        list.pop_front();
    }
    list.push_back(entry);
}
