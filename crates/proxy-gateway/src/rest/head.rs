//! Heads as they are passed on: hop-by-hop lines dropped, body framing written anew, password and host the node's own.

use std::ops::Range;

use lavalink_protocol::http::{Framing, HeaderName, RequestHead, ResponseHead, tokens};

use crate::node::Node;

/// A request's head for a node. The node's own lines stand apart, so that a retry can address another node.
#[derive(Debug)]
pub(crate) struct NodeRequest {
    /// Request line, the node's own fields, the client's fields, the empty line, and what of the body is here already.
    pub(crate) bytes: Vec<u8>,
    /// Where the node's session id stands in the path; empty in the path of no session.
    session: Range<usize>,
    /// Where the node's own fields stand in `bytes`.
    own: Range<usize>,
    /// How much of the end of `bytes` is body.
    body: usize,
}

/// A path for a node, in three parts of which the middle one is the node's session id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodePath<'a> {
    pub(crate) before: &'a str,
    pub(crate) session: &'a str,
    pub(crate) after: &'a str,
}

impl<'a> NodePath<'a> {
    /// A path that names no session, or keeps the client's word for it.
    pub(crate) fn plain(path: &'a str) -> Self {
        Self {
            before: path,
            session: "",
            after: "",
        }
    }

    /// `path` with the node's session in place of `range`.
    pub(crate) fn of_session(path: &'a str, range: Range<usize>, session: &'a str) -> Self {
        Self {
            before: &path[..range.start],
            session,
            after: &path[range.end..],
        }
    }
}

impl NodeRequest {
    /// The head of `request` for `node`, with `path` in place of the client's and the raw query kept byte for byte.
    pub(crate) fn new(request: &RequestHead<'_>, path: NodePath<'_>, query: Option<&str>, node: &Node) -> Self {
        let mut out = Vec::with_capacity(request.len + node.own_fields.len() + 64);
        out.extend_from_slice(request.method.as_bytes());
        out.push(b' ');
        out.extend_from_slice(path.before.as_bytes());
        let start = out.len();
        out.extend_from_slice(path.session.as_bytes());
        let session = start..out.len();
        out.extend_from_slice(path.after.as_bytes());
        if let Some(query) = query {
            out.push(b'?');
            out.extend_from_slice(query.as_bytes());
        }
        out.extend_from_slice(b" HTTP/1.1\r\n");
        let start = out.len();
        out.extend_from_slice(&node.own_fields);
        let own = start..out.len();
        push_client_fields(&mut out, request, |_| false);
        push_framing(&mut out, request.framing);
        out.extend_from_slice(b"\r\n");
        Self {
            bytes: out,
            session,
            own,
            body: 0,
        }
    }

    /// Adds what of the body is here.
    pub(crate) fn push_body(&mut self, body: &[u8]) {
        self.bytes.extend_from_slice(body);
        self.body += body.len();
    }

    /// What of the body was here, framed as it came.
    pub(crate) fn body(&self) -> &[u8] {
        &self.bytes[self.bytes.len() - self.body..]
    }

    /// Addresses the same request to another node.
    pub(crate) fn readdress(&mut self, node: &Node) {
        let start = self.own.start;
        self.bytes.splice(self.own.clone(), node.own_fields.iter().copied());
        self.own = start..start + node.own_fields.len();
    }

    /// Addresses the same request to another session, of another node perhaps.
    pub(crate) fn readdress_session(&mut self, node: &Node, session: &str) {
        self.readdress(node);
        let start = self.session.start;
        self.bytes.splice(self.session.clone(), session.bytes());
        let own = self.own.start - self.session.len() + session.len();
        self.session = start..start + session.len();
        self.own = own..own + node.own_fields.len();
    }
}

/// Appends the client's header lines that a node gets too: without what concerns one connection only, what the proxy
/// sets itself, and what `more` names.
pub(crate) fn push_client_fields(out: &mut Vec<u8>, request: &RequestHead<'_>, more: impl Fn(HeaderName) -> bool) {
    let named = connection_named(request.headers);
    for header in request.headers {
        let name = HeaderName::of(header.name);
        let dropped = name.is_hop_by_hop()
            || matches!(
                name,
                HeaderName::Host
                    | HeaderName::Authorization
                    | HeaderName::ContentLength
                    | HeaderName::TransferEncoding
                    | HeaderName::Origin
                    | HeaderName::LavalinkVersion
            );
        if !dropped && !more(name) && !is_named(&named, header.name) {
            push_field(out, header.name, header.value);
        }
    }
}

/// Appends a node's answer's head for the client. `close` tells the client that its connection ends after this answer.
pub(crate) fn write_response(out: &mut Vec<u8>, answer: &ResponseHead<'_>, framing: Framing, close: bool, api: &str) {
    out.extend_from_slice(b"HTTP/1.1 ");
    push_status(out, answer.status);
    out.extend_from_slice(answer.reason.as_bytes());
    out.extend_from_slice(b"\r\n");
    let named = connection_named(answer.headers);
    for header in answer.headers {
        let name = HeaderName::of(header.name);
        if !name.is_hop_by_hop()
            && !matches!(name, HeaderName::ContentLength | HeaderName::TransferEncoding)
            && !is_named(&named, header.name)
        {
            push_field(out, header.name, header.value);
        }
    }
    if answer.api_version.is_none() {
        push_field(out, "Lavalink-Api-Version", api.as_bytes());
    }
    push_framing(out, framing);
    if close {
        out.extend_from_slice(b"Connection: close\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// Header names that `Connection` makes hop-by-hop; almost always none.
fn connection_named<'b>(headers: &[httparse::Header<'b>]) -> Vec<&'b [u8]> {
    headers
        .iter()
        .filter(|header| HeaderName::of(header.name) == HeaderName::Connection)
        .flat_map(|header| tokens(header.value))
        .filter(|token| {
            ![&b"keep-alive"[..], b"close", b"upgrade"]
                .iter()
                .any(|usual| token.eq_ignore_ascii_case(usual))
        })
        .collect()
}

fn is_named(named: &[&[u8]], header: &str) -> bool {
    named.iter().any(|token| token.eq_ignore_ascii_case(header.as_bytes()))
}

fn push_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn push_framing(out: &mut Vec<u8>, framing: Framing) {
    match framing {
        Framing::None | Framing::UntilClose => {}
        Framing::Length(length) => push_field(out, "Content-Length", length.to_string().as_bytes()),
        Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
    }
}

fn push_status(out: &mut Vec<u8>, status: u16) {
    let digit = |place: u16| b'0' + ((status / place) % 10) as u8;
    out.extend_from_slice(&[digit(100), digit(10), digit(1), b' ']);
}
