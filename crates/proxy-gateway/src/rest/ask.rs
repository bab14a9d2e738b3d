//! Short requests of the proxy's own to a node: one connection each, the whole answer, bounded in size and time.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use lavalink_protocol::http::{ChunkWalker, Framing, ResponseHead, header_slots};
use proxy_core::health::FailureKind;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::node::Node;
use crate::transport::Stream;
use crate::usage::Traffic;

/// Longest answer that is read.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// A node's answer.
#[derive(Debug)]
pub(crate) struct NodeAnswer {
    pub(crate) status: u16,
    /// `Lavalink-Api-Version`.
    pub(crate) api_version: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// A request of the proxy's own.
#[derive(Clone, Copy)]
pub(crate) struct Send<'a> {
    pub(crate) method: &'static str,
    pub(crate) path: &'a str,
    /// Its type and bytes.
    pub(crate) body: Option<(&'a str, &'a [u8])>,
}

/// `GET path` with the node's password.
///
/// # Errors
/// In the words of the health check.
pub(crate) async fn get(
    node: &Node,
    traffic: Arc<Traffic>,
    path: &str,
    limit: Duration,
) -> Result<NodeAnswer, FailureKind> {
    let request = Send {
        method: "GET",
        path,
        body: None,
    };
    send(node, traffic, request, limit).await
}

/// Any request, with the node's password.
///
/// # Errors
/// In the words of the health check.
pub(crate) async fn send(
    node: &Node,
    traffic: Arc<Traffic>,
    request: Send<'_>,
    limit: Duration,
) -> Result<NodeAnswer, FailureKind> {
    let work = async {
        let mut stream = node
            .dial(Arc::clone(&traffic), limit)
            .await
            .map_err(|error| match error.kind() {
                io::ErrorKind::TimedOut => FailureKind::Timeout,
                io::ErrorKind::InvalidData => FailureKind::Tls,
                _ => FailureKind::Connect,
            })?;
        traffic.requests.add(1);
        let answer = exchange(&mut stream, node, request).await?;
        traffic.answered(answer.status);
        Ok(answer)
    };
    timeout(limit, work).await.unwrap_or(Err(FailureKind::Timeout))
}

async fn exchange(stream: &mut Stream, node: &Node, request: Send<'_>) -> Result<NodeAnswer, FailureKind> {
    let Send { method, path, body } = request;
    let mut bytes = format!("{method} {path} HTTP/1.1\r\n").into_bytes();
    bytes.extend_from_slice(&node.own_fields);
    bytes.extend_from_slice(b"Accept: application/json\r\nConnection: close\r\n");
    if let Some((kind, body)) = body {
        bytes.extend_from_slice(format!("Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes());
        bytes.extend_from_slice(body);
    } else if method == "GET" {
        bytes.extend_from_slice(b"\r\n");
    } else {
        bytes.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    }
    stream.write_all(&bytes).await.map_err(|_| FailureKind::Broken)?;
    stream.flush().await.map_err(|_| FailureKind::Broken)?;
    let mut bytes = Vec::new();
    loop {
        let read = poll_fn(|cx| {
            stream.poll_read_scratch(cx, |_, read| {
                bytes.extend_from_slice(read);
                read.len()
            })
        });
        let ended = read.await.map_err(|_| FailureKind::Broken)? == 0;
        if let Some(answer) = whole_answer(&bytes, ended)? {
            return Ok(answer);
        }
        if ended {
            return Err(FailureKind::Broken);
        }
        if bytes.len() > MAX_ANSWER {
            return Err(FailureKind::NotLavalink);
        }
    }
}

fn whole_answer(bytes: &[u8], ended: bool) -> Result<Option<NodeAnswer>, FailureKind> {
    let mut slots = header_slots();
    let head = ResponseHead::read(bytes, &mut slots, false).map_err(|_| FailureKind::NotLavalink)?;
    let Some(head) = head else { return Ok(None) };
    let rest = &bytes[head.len..];
    let body = match head.framing {
        Framing::None => Some(Vec::new()),
        Framing::Length(length) => usize::try_from(length)
            .ok()
            .and_then(|length| rest.get(..length))
            .map(<[u8]>::to_vec),
        Framing::UntilClose => ended.then(|| rest.to_vec()),
        Framing::Chunked => {
            let mut body = Vec::new();
            let mut walker = ChunkWalker::default();
            walker
                .walk_payload(rest, |piece| body.extend_from_slice(piece))
                .map_err(|_| FailureKind::NotLavalink)?;
            walker.is_done().then_some(body)
        }
    };
    let api_version = head
        .api_version
        .and_then(|value| std::str::from_utf8(value).ok())
        .map(str::to_owned);
    Ok(body.map(|body| NodeAnswer {
        status: head.status,
        api_version,
        body,
    }))
}
