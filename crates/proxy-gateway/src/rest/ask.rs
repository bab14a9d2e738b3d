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

const LONGEST_HEAD: usize = 64 * 1024;
/// Longest answer that is read.
pub(crate) const LONGEST: usize = 4 * 1024 * 1024;
/// Longest list of players that is read: one is about two kilobytes, and a session may have thousands.
const LONGEST_LIST: usize = 32 * 1024 * 1024;

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
    /// Longest answer that is read.
    pub(crate) longest: usize,
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
    get_up_to(node, traffic, path, limit, LONGEST).await
}

/// As [`get`], for a list of players.
///
/// # Errors
/// As [`get`].
pub(crate) async fn get_list(
    node: &Node,
    traffic: Arc<Traffic>,
    path: &str,
    limit: Duration,
) -> Result<NodeAnswer, FailureKind> {
    get_up_to(node, traffic, path, limit, LONGEST_LIST).await
}

async fn get_up_to(
    node: &Node,
    traffic: Arc<Traffic>,
    path: &str,
    limit: Duration,
    longest: usize,
) -> Result<NodeAnswer, FailureKind> {
    let request = Send {
        method: "GET",
        path,
        body: None,
        longest,
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
    let Send {
        method,
        path,
        body,
        longest,
    } = request;
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
    let mut reading = Reading::new(longest);
    loop {
        let read = poll_fn(|cx| stream.poll_read_scratch(cx, |_, read| (read.is_empty(), reading.feed(read))));
        let (ended, done) = read.await.map_err(|_| FailureKind::Broken)?;
        if done? || (ended && reading.ends_here()) {
            return reading.answer().ok_or(FailureKind::NotLavalink);
        }
        if ended {
            return Err(FailureKind::Broken);
        }
    }
}

/// An answer while it is read; each byte of a body is looked at once.
struct Reading {
    longest: usize,
    /// The head's bytes, while it is not whole.
    unread: Vec<u8>,
    head: Option<Head>,
    walker: ChunkWalker,
    body: Vec<u8>,
}

struct Head {
    status: u16,
    api_version: Option<String>,
    framing: Framing,
}

impl Reading {
    fn new(longest: usize) -> Self {
        Self {
            longest,
            unread: Vec::new(),
            head: None,
            walker: ChunkWalker::default(),
            body: Vec::new(),
        }
    }

    /// Takes the next bytes; whether the answer is whole.
    fn feed(&mut self, bytes: &[u8]) -> Result<bool, FailureKind> {
        let Some(head) = &self.head else {
            self.unread.extend_from_slice(bytes);
            return self.feed_head();
        };
        let body = &mut self.body;
        let done = match head.framing {
            Framing::None => true,
            Framing::Length(length) => {
                let left = length.saturating_sub(body.len() as u64);
                let take = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
                body.extend_from_slice(&bytes[..take]);
                body.len() as u64 == length
            }
            Framing::UntilClose => {
                body.extend_from_slice(bytes);
                false
            }
            Framing::Chunked => {
                self.walker
                    .walk_payload(bytes, |piece| body.extend_from_slice(piece))
                    .map_err(|_| FailureKind::NotLavalink)?;
                self.walker.is_done()
            }
        };
        if self.body.len() > self.longest {
            return Err(FailureKind::NotLavalink);
        }
        Ok(done)
    }

    fn feed_head(&mut self) -> Result<bool, FailureKind> {
        let bytes = std::mem::take(&mut self.unread);
        let mut slots = header_slots();
        let head = ResponseHead::read(&bytes, &mut slots, false).map_err(|_| FailureKind::NotLavalink)?;
        let Some(head) = head else {
            if bytes.len() > LONGEST_HEAD {
                return Err(FailureKind::NotLavalink);
            }
            self.unread = bytes;
            return Ok(false);
        };
        let api_version = head.api_version.and_then(|value| std::str::from_utf8(value).ok());
        self.head = Some(Head {
            status: head.status,
            api_version: api_version.map(str::to_owned),
            framing: head.framing,
        });
        self.feed(&bytes[head.len..])
    }

    /// Whether the end of the connection is the end of the answer.
    fn ends_here(&self) -> bool {
        self.head
            .as_ref()
            .is_some_and(|head| head.framing == Framing::UntilClose)
    }

    fn answer(self) -> Option<NodeAnswer> {
        let Head {
            status, api_version, ..
        } = self.head?;
        let body = self.body;
        Some(NodeAnswer {
            status,
            api_version,
            body,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const HEAD: &str = "HTTP/1.1 200 OK\r\nLavalink-Api-Version: 4\r\n";

    /// Feeds an answer in pieces and lets the connection end.
    fn read(text: &str, piece: usize, longest: usize) -> Result<Option<NodeAnswer>, FailureKind> {
        let mut reading = Reading::new(longest);
        for bytes in text.as_bytes().chunks(piece) {
            if reading.feed(bytes)? {
                return Ok(reading.answer());
            }
        }
        Ok(reading.ends_here().then(|| reading.answer()).flatten())
    }

    #[test]
    fn an_answer_is_read_however_it_is_framed_and_comes() {
        let cases = [
            ("Content-Length: 5\r\n\r\nhello", Some("hello")),
            ("Content-Length: 5\r\n\r\nhello, and more", Some("hello")),
            ("Content-Length: 0\r\n\r\n", Some("")),
            (
                "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x\r\nllo\r\n0\r\n\r\n",
                Some("hello"),
            ),
            ("\r\nhello", Some("hello")),
            ("Content-Length: 6\r\n\r\nhello", None),
            ("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", None),
        ];
        for (rest, expected) in cases {
            for piece in [1, 3, 1000] {
                let answer = read(&format!("{HEAD}{rest}"), piece, 5).unwrap();
                let body = answer.as_ref().map(|answer| std::str::from_utf8(&answer.body).unwrap());
                assert_eq!(body, expected, "{rest:?} by {piece}");
                assert!(answer.is_none_or(|answer| answer.status == 200 && answer.api_version.as_deref() == Some("4")));
            }
        }
    }

    #[test]
    fn a_longer_answer_than_allowed_is_not_read_to_its_end() {
        for rest in [
            "Content-Length: 6\r\n\r\nhello!",
            "Transfer-Encoding: chunked\r\n\r\n6\r\nhello!\r\n0\r\n\r\n",
            "\r\nhello!",
        ] {
            let answer = read(&format!("{HEAD}{rest}"), 4, 5);
            assert!(matches!(answer, Err(FailureKind::NotLavalink)), "{rest:?}: {answer:?}");
        }
    }
}
