//! Reads the bytes of a recorded connection as HTTP/1.1 exchanges, and what follows a 101 as WebSocket messages.
//!
//! Not a parser for a server: it reads what two well-behaved programs have already understood, and stops at the first
//! thing that it does not.

use std::{fmt::Write as _, time::Instant};

/// The bytes of one direction of a connection, with the time at which each piece came.
#[derive(Debug, Default)]
pub(super) struct Stream {
    bytes: Vec<u8>,
    /// Where each piece starts, and when it came.
    pieces: Vec<(usize, Instant)>,
    /// When the sender said that nothing more would come.
    end: Option<Instant>,
}

impl Stream {
    /// Adds a piece.
    pub(super) fn push(&mut self, at: Instant, piece: &[u8]) {
        self.pieces.push((self.bytes.len(), at));
        self.bytes.extend_from_slice(piece);
    }

    /// Notes that the sender has ended.
    pub(super) fn end(&mut self, at: Instant) {
        self.end = Some(at);
    }

    /// When the byte at `offset` came.
    fn time_of(&self, offset: usize) -> Option<Instant> {
        let piece = self.pieces.partition_point(|(start, _)| *start <= offset);
        self.pieces.get(piece.checked_sub(1)?).map(|(_, at)| *at)
    }
}

/// What went over all connections of a tap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// Requests with their answers, in the order in which the requests came, whatever their connections.
    pub exchanges: Vec<Exchange>,
    /// WebSocket messages, in the order in which they came.
    pub messages: Vec<Message>,
    /// What could not be read: never empty without a reason to look into.
    pub unreadable: Vec<String>,
}

impl Recording {
    /// Puts what several connections carried into the order of time.
    pub(super) fn sort(&mut self) {
        self.exchanges.sort_by_key(|exchange| exchange.at);
        self.messages.sort_by_key(|message| message.at);
    }
}

/// A request and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// What the client sent.
    pub request: Request,
    /// What came back; `None` when the connection ended first.
    pub response: Option<Response>,
    /// When the first byte of the request came.
    pub at: Option<Instant>,
}

/// A request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// Path and query as sent.
    pub target: String,
    /// Header names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// The body without its framing.
    pub body: String,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// The body without its framing.
    pub body: String,
}

/// A WebSocket text message, or the end of the socket as `close CODE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Whether the client sent it.
    pub from_client: bool,
    /// The text.
    pub text: String,
    /// When the first byte of its last frame came.
    pub at: Option<Instant>,
}

impl Message {
    /// Whether it is the end of the socket.
    pub(super) fn is_close(&self) -> bool {
        self.text.starts_with("close")
    }
}

/// A message without its meaning: start line and headers, body.
struct Raw {
    start: [String; 3],
    headers: Vec<(String, String)>,
    body: String,
}

/// Adds one connection to a recording.
pub(super) fn read_connection(from_client: &Stream, from_node: &Stream, recording: &mut Recording) {
    let (mut requests, mut responses) = (Reader::new(from_client), Reader::new(from_node));
    while !requests.rest.is_empty() {
        let at = requests.time();
        let Some(request) = requests.request() else {
            recording.unreadable.push(shown("request", requests.rest));
            return;
        };
        let response = responses.response(&request.method);
        if response.is_none() && !responses.rest.is_empty() {
            recording.unreadable.push(shown("response", responses.rest));
        }
        let upgraded = response.as_ref().is_some_and(|response| response.status == 101);
        let lost = response.is_none();
        recording.exchanges.push(Exchange { request, response, at });
        if upgraded {
            let mut messages = requests.messages(true, recording);
            messages.extend(responses.messages(false, recording));
            recording
                .messages
                .extend(without_answer_to_close(messages, from_client.end));
        }
        if upgraded || lost {
            return;
        }
    }
}

/// Who closes first is part of a run. Whether the other's answer is still read before the socket goes is chance, and so is
/// a close frame of the node after the client has ended its side without one.
fn without_answer_to_close(mut messages: Vec<Message>, client_end: Option<Instant>) -> Vec<Message> {
    let first = messages
        .iter()
        .filter(|message| message.is_close())
        .map(|message| message.at)
        .min()
        .flatten();
    let late = |message: &Message| {
        first.is_some_and(|first| message.at > Some(first))
            || !message.from_client && client_end.is_some_and(|end| message.at > Some(end))
    };
    messages.retain(|message| !message.is_close() || !late(message));
    messages
}

fn shown(what: &str, bytes: &[u8]) -> String {
    format!("{what}: {}", String::from_utf8_lossy(&bytes[..bytes.len().min(200)]))
}

/// The bytes of one direction that are still to be read.
struct Reader<'a> {
    stream: &'a Stream,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn new(stream: &'a Stream) -> Self {
        Self {
            stream,
            rest: &stream.bytes,
        }
    }

    /// When the next byte came.
    fn time(&self) -> Option<Instant> {
        self.stream.time_of(self.stream.bytes.len() - self.rest.len())
    }

    fn request(&mut self) -> Option<Request> {
        let Raw {
            start: [method, target, _],
            headers,
            body,
        } = self.raw(|headers| length_of(headers).or(Some(0)))?;
        Some(Request {
            method,
            target,
            headers,
            body,
        })
    }

    /// The next answer that is not an interim one.
    fn response(&mut self, method: &str) -> Option<Response> {
        loop {
            let status = status_of(self.rest)?;
            let without_body = method == "HEAD" || status < 200 || status == 204 || status == 304;
            let Raw { headers, body, .. } =
                self.raw(|headers| if without_body { Some(0) } else { length_of(headers) })?;
            if status >= 200 || status == 101 {
                return Some(Response { status, headers, body });
            }
        }
    }

    /// One head with its body; `length` says how long the body is, `None` for chunks or the rest of the connection.
    fn raw(&mut self, length: impl Fn(&[(String, String)]) -> Option<usize>) -> Option<Raw> {
        let end = find(self.rest, b"\r\n\r\n")?;
        let head = std::str::from_utf8(&self.rest[..end]).ok()?;
        let mut lines = head.split("\r\n");
        let mut words = lines.next()?.splitn(3, ' ').map(str::to_owned);
        let start = [words.next()?, words.next()?, words.next().unwrap_or_default()];
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        self.rest = &self.rest[end + 4..];
        let chunked = value_of(&headers, "transfer-encoding").is_some_and(|value| value.contains("chunked"));
        let body = if chunked {
            self.chunks()?
        } else {
            self.take(length(&headers).unwrap_or(self.rest.len()))?.to_vec()
        };
        Some(Raw {
            start,
            headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }

    fn chunks(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let end = find(self.rest, b"\r\n")?;
            let size = std::str::from_utf8(&self.rest[..end]).ok()?.split(';').next()?.trim();
            let size = usize::from_str_radix(size, 16).ok()?;
            self.rest = &self.rest[end + 2..];
            body.extend_from_slice(self.take(size)?);
            if self.take(2)? != b"\r\n" {
                return None;
            }
            if size == 0 {
                return Some(body);
            }
        }
    }

    fn take(&mut self, length: usize) -> Option<&[u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    /// Every whole WebSocket message; pings and pongs are the sockets' own business.
    fn messages(&mut self, from_client: bool, recording: &mut Recording) -> Vec<Message> {
        let mut messages = Vec::new();
        let mut text = Vec::new();
        let mut at = self.time();
        while let Some((opcode, last, payload)) = self.frame() {
            match opcode {
                0 | 1 => text.extend_from_slice(&payload),
                2 => recording.unreadable.push("a binary WebSocket message".to_owned()),
                8 => text.extend_from_slice(close_text(&payload).as_bytes()),
                _ => {}
            }
            if last && opcode <= 8 {
                let text = String::from_utf8_lossy(&std::mem::take(&mut text)).into_owned();
                messages.push(Message { from_client, text, at });
            }
            at = self.time();
        }
        messages
    }

    /// Opcode, whether it is the last frame of its message, payload without its mask.
    fn frame(&mut self) -> Option<(u8, bool, Vec<u8>)> {
        let &[first, second] = self.rest.first_chunk()?;
        let (length, header) = match second & 0x7f {
            126 => (usize::from(u16::from_be_bytes(*self.rest.get(2..)?.first_chunk()?)), 4),
            127 => (
                usize::try_from(u64::from_be_bytes(*self.rest.get(2..)?.first_chunk()?)).ok()?,
                10,
            ),
            short => (usize::from(short), 2),
        };
        let masked = second & 0x80 != 0;
        let mask = if masked {
            *self.rest.get(header..)?.first_chunk::<4>()?
        } else {
            [0; 4]
        };
        let start = header + if masked { 4 } else { 0 };
        let payload = self.rest.get(start..start.checked_add(length)?)?;
        let payload = payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask)
            .collect();
        self.rest = &self.rest[start + length..];
        Some((first & 0x0f, first & 0x80 != 0, payload))
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn status_of(bytes: &[u8]) -> Option<u16> {
    let line = bytes.get(..12)?;
    std::str::from_utf8(line).ok()?.rsplit(' ').next()?.parse().ok()
}

fn length_of(headers: &[(String, String)]) -> Option<usize> {
    value_of(headers, "content-length")?.parse().ok()
}

/// The value of the first header of that (lower case) name.
pub(super) fn value_of<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(other, _)| other == name)
        .map(|(_, value)| value.as_str())
}

fn close_text(payload: &[u8]) -> String {
    let mut text = "close".to_owned();
    if let Some(code) = payload.first_chunk() {
        // Writing to a string cannot fail.
        let _ = write!(text, " {}", u16::from_be_bytes(*code));
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn read(from_client: &[u8], from_node: &[u8]) -> Recording {
        let stream = |bytes: &[u8]| Stream {
            bytes: bytes.to_vec(),
            ..Stream::default()
        };
        let mut recording = Recording::default();
        read_connection(&stream(from_client), &stream(from_node), &mut recording);
        recording
    }

    #[test]
    fn requests_of_a_kept_connection_meet_their_answers() {
        let recording = read(
            b"GET /version HTTP/1.1\r\nHost: x\r\n\r\nPATCH /p HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}DELETE /p HTTP/1.1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n4.2.2HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
              3\r\n{\"a\r\n3;x=y\r\n\":1\r\n1\r\n}\r\n0\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
        );
        assert_eq!(recording.unreadable, Vec::<String>::new());
        let lines: Vec<_> = recording
            .exchanges
            .iter()
            .map(|Exchange { request, response, .. }| {
                let response = response.as_ref().unwrap();
                format!(
                    "{} {} {:?} {} {:?}",
                    request.method, request.target, request.body, response.status, response.body
                )
            })
            .collect();
        assert_eq!(
            lines,
            [
                r#"GET /version "" 200 "4.2.2""#,
                r#"PATCH /p "{}" 200 "{\"a\":1}""#,
                r#"DELETE /p "" 204 """#,
            ]
        );
    }

    #[test]
    fn an_upgraded_connection_becomes_messages_of_both_directions() {
        let mut from_client = b"GET /v4/websocket HTTP/1.1\r\nUpgrade: websocket\r\n\r\n".to_vec();
        from_client.extend_from_slice(&[0x81, 0x82, 1, 2, 3, 4, b'h' ^ 1, b'i' ^ 2]); // masked text
        from_client.extend_from_slice(&[0x89, 0x80, 0, 0, 0, 0]); // ping
        from_client.extend_from_slice(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]); // close 1000
        let mut from_node = b"HTTP/1.1 101 Switching Protocols\r\n\r\n".to_vec();
        from_node.extend_from_slice(&[0x01, 0x02, b'a', b'b']); // first fragment
        from_node.extend_from_slice(&[0x8a, 0x00]); // pong in between
        from_node.extend_from_slice(&[0x80, 0x01, b'c']); // last fragment
        let recording = read(&from_client, &from_node);
        let message = |from_client, text: &str| Message {
            from_client,
            text: text.to_owned(),
            at: None,
        };
        assert_eq!(
            recording.messages,
            [message(true, "hi"), message(true, "close 1000"), message(false, "abc")]
        );
        assert_eq!(recording.exchanges[0].response.as_ref().unwrap().status, 101);
    }

    #[test]
    fn an_answer_that_never_came_is_none_and_rubbish_is_unreadable() {
        let recording = read(b"GET / HTTP/1.1\r\n\r\n", b"");
        assert_eq!(recording.exchanges[0].response, None);
        assert_eq!(read(b"\x16\x03\x01", b"").unreadable.len(), 1);
        assert_eq!(read(b"GET / HTTP/1.1\r\n\r\n", b"nonsense\r\n\r\n").unreadable.len(), 1);
    }
}
