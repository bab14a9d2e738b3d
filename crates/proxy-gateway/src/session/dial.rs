//! Opening a WebSocket to a node, with the client's own headers and the node's password.

use std::io;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lavalink_protocol::handshake::accept_key;
use lavalink_protocol::http::{HeaderName, RequestHead, ResponseHead, header_slots};
use proxy_core::pool::LinkGuard;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::error::ProxyError;
use crate::node::Node;
use crate::rest::head::push_client_fields;
use crate::transport::Stream;
use crate::usage::{LinkRecord, NodeLedger, Traffic};
use crate::worker::Worker;

/// Longest answer to a handshake that is read.
const MAX_ANSWER: usize = 64 * 1024;

/// An open socket to a node.
pub(crate) struct NodeSocket {
    pub(crate) stream: Stream,
    pub(crate) record: LinkRecord,
    /// Counts the link against its node while held.
    pub(crate) guard: LinkGuard,
    /// What came after the node's 101.
    pub(crate) early: Vec<u8>,
    /// The node's `Session-Resumed`, as it came.
    pub(crate) resumed: Option<bool>,
}

/// The header lines of a client's handshake that its node gets too. Left out, besides what no node gets, is what opens
/// the WebSocket, which the proxy does itself, and what resumes: a v4 session is the proxy's own, and a v3 key is added
/// by the tunnel.
pub(crate) fn client_fields(head: &RequestHead<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    push_client_fields(&mut out, head, |name| {
        matches!(
            name,
            HeaderName::SessionId
                | HeaderName::ResumeKey
                | HeaderName::WebSocketKey
                | HeaderName::WebSocketVersion
                | HeaderName::WebSocketExtensions
                | HeaderName::WebSocketProtocol
        )
    });
    out
}

/// Opens a WebSocket on `path`; `fields` are whole header lines.
///
/// # Errors
/// When the node cannot be reached, answers late, or answers anything but a correct 101. After
/// [`ProxyError::HandshakeRefused`] no other node need be asked.
pub(crate) async fn open(
    worker: &Worker,
    node: &Node,
    ledger: &Arc<NodeLedger>,
    path: &str,
    fields: &[u8],
) -> Result<NodeSocket, ProxyError> {
    open_or_tell(worker, node, ledger, path, fields)
        .await
        .map_err(|failed| failed.error)
}

/// Why a WebSocket could not be opened.
pub(crate) struct NotOpened {
    error: ProxyError,
    /// Nobody listens there: the node's process is gone, and its sessions with it.
    pub(crate) refused: bool,
}

impl From<ProxyError> for NotOpened {
    fn from(error: ProxyError) -> Self {
        Self { error, refused: false }
    }
}

/// As [`open`], and tells a node that is gone from one that fails.
///
/// # Errors
/// As [`open`].
pub(crate) async fn open_or_tell(
    worker: &Worker,
    node: &Node,
    ledger: &Arc<NodeLedger>,
    path: &str,
    fields: &[u8],
) -> Result<NodeSocket, NotOpened> {
    let limit = worker.shared.config.connect_timeout;
    let guard = node.gauges.link();
    let record = ledger.open_link();
    let mut stream = node.dial(Arc::clone(&record.traffic), limit).await.map_err(|error| {
        worker.shared.node_unreachable(node.id, &error);
        NotOpened {
            error: ProxyError::NodeUnreachable,
            refused: error.kind() == io::ErrorKind::ConnectionRefused,
        }
    })?;
    let key = STANDARD.encode(worker.rng.borrow_mut().u128(..).to_ne_bytes());
    ledger.rest.requests.add(1);
    let answered = timeout(limit, shake_hands(&mut stream, node, path, fields, &key, &ledger.rest)).await;
    let (early, resumed) = match answered {
        Ok(Ok(answer)) => answer,
        // The client's own mistake says nothing about the node.
        Ok(Err(error @ ProxyError::HandshakeRefused(_))) => return Err(error.into()),
        Ok(Err(error)) => {
            worker.shared.node_failed(node.id);
            return Err(error.into());
        }
        Err(_) => {
            worker.shared.node_failed(node.id);
            return Err(ProxyError::NodeTimeout.into());
        }
    };
    Ok(NodeSocket {
        stream,
        record,
        guard,
        early,
        resumed,
    })
}

/// What came after the node's 101, and its `Session-Resumed`.
type Answered = (Vec<u8>, Option<bool>);

async fn shake_hands(
    stream: &mut Stream,
    node: &Node,
    path: &str,
    fields: &[u8],
    key: &str,
    counted: &Traffic,
) -> Result<Answered, ProxyError> {
    let mut request = format!("GET {path} HTTP/1.1\r\n").into_bytes();
    request.extend_from_slice(&node.own_fields);
    request.extend_from_slice(fields);
    request.extend_from_slice(
        format!(
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        )
        .as_bytes(),
    );
    let closed = |_: io::Error| ProxyError::NodeClosed;
    stream.write_all(&request).await.map_err(closed)?;
    stream.flush().await.map_err(closed)?;
    let mut answer = Vec::new();
    loop {
        let read = std::future::poll_fn(|cx| {
            stream.poll_read_scratch(cx, |_, bytes| {
                answer.extend_from_slice(bytes);
                bytes.len()
            })
        });
        if read.await.map_err(closed)? == 0 {
            return Err(ProxyError::NodeClosed);
        }
        if let Some(done) = read_answer(&answer, key, counted)? {
            return Ok(done);
        }
        if answer.len() > MAX_ANSWER {
            return Err(ProxyError::NodeAnswer);
        }
    }
}

fn read_answer(answer: &[u8], key: &str, counted: &Traffic) -> Result<Option<Answered>, ProxyError> {
    let mut slots = header_slots();
    let Some(head) = ResponseHead::read(answer, &mut slots, false).map_err(|_| ProxyError::NodeAnswer)? else {
        return Ok(None);
    };
    counted.answered(head.status);
    let field = |name: &str| {
        head.headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value)
    };
    if is_clients_fault(head.status) {
        return Err(ProxyError::HandshakeRefused(head.status));
    }
    if head.status != 101 || field("sec-websocket-accept") != Some(&accept_key(key.as_bytes())[..]) {
        tracing::warn!(status = head.status, "a node refused a WebSocket handshake");
        return Err(ProxyError::NodeAnswer);
    }
    let resumed = field("session-resumed").map(|value| value.eq_ignore_ascii_case(b"true"));
    Ok(Some((answer[head.len..].to_vec(), resumed)))
}

/// Whether a status blames what the client sent. Refused passwords and unknown paths do not: both are the proxy's choice.
/// Nor do statuses that another node, or another moment, may not give.
const fn is_clients_fault(status: u16) -> bool {
    matches!(status, 400..=499) && !matches!(status, 401 | 403 | 404 | 407 | 408 | 421 | 425 | 429)
}
