//! Answers that the proxy gives itself: errors in Lavalink's form, and small JSON or text bodies.

use std::time::{SystemTime, UNIX_EPOCH};

use lavalink_protocol::detect::Class;
use lavalink_protocol::error_body::{self, reason_phrase};

use crate::error::{Answer, ProxyError};

/// What an answer needs to know of its request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct To<'a> {
    /// Decides the `Lavalink-Api-Version` of the answer.
    pub(crate) class: Class,
    /// The path as the client sent it, without its query; for the error object.
    pub(crate) path: &'a str,
    /// The client may use the connection again, as far as it is concerned.
    pub(crate) keep_alive: bool,
    /// The request was a HEAD: the answer has no body.
    pub(crate) head_only: bool,
}

/// The whole answer to a request that failed, and whether the connection closes after it.
pub(crate) fn error(error: &ProxyError, to: To<'_>) -> (Vec<u8>, Answer) {
    let mut answer = error.answer();
    answer.close |= !to.keep_alive;
    let mut body = Vec::new();
    if answer.body {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis() as u64);
        error_body::write(&mut body, now, answer.status, &error.to_string(), to.path);
    }
    let mut out = Vec::with_capacity(192 + body.len());
    status_line(&mut out, answer.status, to.class);
    match error {
        ProxyError::Method(allow) => field(&mut out, "Allow", allow),
        ProxyError::WebSocketVersion => field(&mut out, "Sec-WebSocket-Version", "13"),
        _ => {}
    }
    finish(
        &mut out,
        answer.body.then_some("application/json"),
        &body,
        answer.close,
        to.head_only,
    );
    (out, answer)
}

/// A successful answer with a body of the proxy's own.
pub(crate) fn ok(content_type: &str, body: &[u8], to: To<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(160 + body.len());
    status_line(&mut out, 200, to.class);
    finish(&mut out, Some(content_type), body, !to.keep_alive, to.head_only);
    out
}

/// The status of an answer that was made here.
pub(crate) fn status_of(answer: &[u8]) -> u16 {
    let digits = answer.get(b"HTTP/1.1 ".len()..).unwrap_or_default();
    digits
        .iter()
        .take(3)
        .fold(0, |status, digit| status * 10 + u16::from(digit.wrapping_sub(b'0')))
}

pub(crate) fn status_line(out: &mut Vec<u8>, status: u16, class: Class) {
    let version = if class == Class::V4 { "4" } else { "3" };
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(reason_phrase(status).as_bytes());
    out.extend_from_slice(b"\r\n");
    field(out, "Lavalink-Api-Version", version);
}

pub(crate) fn field(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn finish(out: &mut Vec<u8>, content_type: Option<&str>, body: &[u8], close: bool, head_only: bool) {
    if let Some(content_type) = content_type {
        field(out, "Content-Type", content_type);
    }
    field(out, "Content-Length", &body.len().to_string());
    if close {
        field(out, "Connection", "close");
    }
    out.extend_from_slice(b"\r\n");
    if !head_only {
        out.extend_from_slice(body);
    }
}
