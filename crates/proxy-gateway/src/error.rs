//! Every way in which serving a client can fail: whose fault it was, what the client sees, and under which name it is
//! counted. One match decides each, without a catch-all, so a new kind does not compile until someone decided.

use std::sync::atomic::{AtomicU64, Ordering};

use lavalink_protocol::http::HeadError;
use proxy_core::placement::NoNode;

/// Who has to change something for the failure to go away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client sent what cannot be served.
    Client,
    /// A node failed.
    Node,
    /// The proxy itself refuses, for its limits or its shutdown.
    Proxy,
}

/// One cause of a refused or failed request.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ProxyError {
    /// The bytes are no acceptable HTTP request head.
    #[error("{0}")]
    Head(#[from] HeadError),
    /// Request line and headers are larger than `server.max_header_bytes`.
    #[error("Request head is too large")]
    HeadTooLarge,
    /// The request head did not arrive within `server.header_timeout`.
    #[error("Request head did not arrive in time")]
    HeadTimeout,
    /// The body is larger than `server.max_body_bytes`.
    #[error("Request body is too large")]
    BodyTooLarge,
    /// The body is not framed as announced.
    #[error("Malformed request body")]
    BadBody,
    /// The announced body did not arrive in time.
    #[error("Request body did not arrive in time")]
    BodyTimeout,
    /// No TLS handshake, or not in time; nothing can be answered.
    #[error("TLS handshake failed")]
    TlsHandshake,
    /// No password.
    #[error("no password")]
    Unauthorized,
    /// A wrong password on REST.
    #[error("wrong password")]
    WrongPassword,
    /// A missing or wrong password on a WebSocket handshake.
    #[error("missing or wrong password on the handshake")]
    HandshakePassword,
    /// A route that neither the proxy nor a node has.
    #[error("No static resource")]
    NotFound,
    /// A node's own administration, which is not passed on (`tenants.allow_node_admin`).
    #[error("Node administration is not reachable through the proxy")]
    NodeAdministration,
    /// The route knows other methods only; the value of `Allow`.
    #[error("Method not allowed, use {0}")]
    Method(&'static str),
    /// A WebSocket path without a valid upgrade.
    #[error("{0}")]
    Upgrade(&'static str),
    /// A WebSocket version other than 13.
    #[error("Unsupported WebSocket version")]
    WebSocketVersion,
    /// `User-Id` is missing, empty or `0`.
    #[error("missing User-Id")]
    UserId,
    /// The session is not known here, or belongs to another tenant.
    #[error("Session not found")]
    SessionNotFound,
    /// A body that Lavalink would refuse too.
    #[error("{0}")]
    BadRequest(String),
    /// No node can take it.
    #[error("{0}")]
    NoNode(NoNode),
    /// The chosen node could not be reached, nor another one.
    #[error("The Lavalink node could not be reached")]
    NodeUnreachable,
    /// The node closed the connection before it had answered.
    #[error("The Lavalink node closed the connection before it answered")]
    NodeClosed,
    /// The node's answer is no HTTP, or no WebSocket handshake.
    #[error("The Lavalink node gave an answer that cannot be understood")]
    NodeAnswer,
    /// The node refused a WebSocket handshake for what the client sent; the node's status (4xx).
    #[error("The Lavalink node refused the handshake with {0}")]
    HandshakeRefused(u16),
    /// The node did not answer within `requests.response_timeout`.
    #[error("The Lavalink node did not answer in time")]
    NodeTimeout,
    /// The proxy is shutting down.
    #[error("The proxy is shutting down")]
    ShuttingDown,
    /// `limits.connections` or `limits.connections_per_ip` is reached.
    #[error("Too many connections")]
    TooManyConnections,
}

/// What a client sees of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Lavalink's error object follows; the refusals of the password come with an empty body, as Lavalink's do.
    pub body: bool,
    /// The connection is closed afterwards: its bytes cannot be trusted any more, or the client should not hold it.
    pub close: bool,
    /// The name it is counted and logged under.
    pub reason: &'static str,
    /// Whose fault it was.
    pub side: Side,
    /// Place of the reason in [`Refusals`].
    index: usize,
}

impl Answer {
    /// The reason as a value that names itself.
    pub(crate) const fn reason(&self) -> Reason {
        Reason(self.index as u8)
    }
}

/// A name that refused requests and closed sockets are counted under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reason(u8);

impl Reason {
    /// The name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        REASONS[self.0 as usize]
    }

    pub(crate) const fn number(self) -> u8 {
        self.0
    }

    pub(crate) fn from_number(number: u8) -> Option<Self> {
        (usize::from(number) < REASONS.len()).then_some(Self(number))
    }
}

impl ProxyError {
    /// What the client sees.
    #[must_use]
    pub fn answer(&self) -> Answer {
        use Side::{Client, Node, Proxy};
        let (index, status, body, close, reason, side) = match self {
            Self::Head(HeadError::TransferCoding) => (0, 501, true, true, "transfer_coding", Client),
            Self::Head(HeadError::Version) => (1, 505, true, true, "http_version", Client),
            Self::Head(HeadError::TooManyHeaders) => (2, 431, true, true, "head_too_large", Client),
            Self::Head(HeadError::Framing) => (3, 400, true, true, "framing", Client),
            Self::Head(HeadError::Malformed | HeadError::Host | HeadError::Target) => {
                (4, 400, true, true, "malformed_head", Client)
            }
            Self::HeadTooLarge => (2, 431, true, true, "head_too_large", Client),
            Self::HeadTimeout => (5, 408, true, true, "head_timeout", Client),
            Self::BodyTooLarge => (6, 413, true, true, "body_too_large", Client),
            Self::BadBody => (7, 400, true, true, "malformed_body", Client),
            Self::Unauthorized => (8, 401, false, true, "password_missing", Client),
            Self::WrongPassword => (9, 403, false, true, "password_wrong", Client),
            Self::HandshakePassword => (10, 401, false, true, "handshake_password", Client),
            Self::NotFound => (11, 404, true, false, "not_found", Client),
            Self::NodeAdministration => (12, 404, true, false, "node_administration", Client),
            Self::Method(_) => (13, 405, true, false, "method", Client),
            Self::Upgrade(_) => (14, 400, true, false, "upgrade", Client),
            Self::WebSocketVersion => (15, 426, true, false, "websocket_version", Client),
            Self::UserId => (16, 400, false, false, "user_id", Client),
            Self::SessionNotFound => (17, 404, true, false, "session_not_found", Client),
            Self::BadRequest(_) => (18, 400, true, false, "bad_request", Client),
            Self::NoNode(_) => (19, 503, true, false, "no_node", Node),
            Self::NodeUnreachable => (20, 502, true, false, "node_unreachable", Node),
            Self::NodeClosed => (21, 502, true, false, "node_closed", Node),
            Self::NodeAnswer => (22, 502, true, false, "node_answer", Node),
            Self::NodeTimeout => (23, 504, true, false, "node_timeout", Node),
            Self::ShuttingDown => (24, 503, true, true, "shutting_down", Proxy),
            Self::TooManyConnections => (25, 503, true, true, "too_many_connections", Proxy),
            Self::BodyTimeout => (35, 408, true, true, "body_timeout", Client),
            Self::HandshakeRefused(status) => (36, *status, true, false, "handshake_refused", Client),
            Self::TlsHandshake => (26, 400, false, true, "tls_handshake", Client),
        };
        Answer {
            status,
            body,
            close,
            reason,
            side,
            index,
        }
    }
}

/// Close codes that clients see, each with the name it is counted under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCause {
    /// The proxy shuts down: 1001, as a node says it.
    Shutdown,
    /// The session's link to its node is lost: 1001, so that the client connects anew.
    LinkLost,
    /// The client sent what no WebSocket client sends: 1002, 1003, 1007 or 1009.
    Protocol(u16),
    /// `User-Id` is not a number: 1011, as a node does after its 101.
    UserIdNotNumeric,
    /// The client reads too slowly: its queue passed `server.client_queue_bytes`; 1008.
    SlowClient,
    /// The client answers no pings: the socket is dropped.
    HalfOpen,
    /// An operator disconnected it: 1008.
    Disconnected,
    /// No node could be found once the socket's version was known: 1013, try again later.
    NoNode,
}

impl CloseCause {
    /// Code and reason on the wire.
    #[must_use]
    pub const fn code(self) -> (u16, &'static str) {
        match self {
            Self::Shutdown => (1001, "the proxy is shutting down"),
            Self::LinkLost => (1001, "the node of this session is lost"),
            Self::Protocol(code) => (code, "protocol error"),
            Self::UserIdNotNumeric => (1011, "User-Id is not a number"),
            Self::SlowClient => (1008, "too slow to read"),
            Self::HalfOpen => (1001, "no answer to pings"),
            Self::Disconnected => (1008, "disconnected by an operator"),
            Self::NoNode => (1013, "no node is available"),
        }
    }

    pub(crate) const fn reason(self) -> Reason {
        Reason(self.index() as u8)
    }

    const fn index(self) -> usize {
        match self {
            Self::Shutdown => 27,
            Self::LinkLost => 28,
            Self::Protocol(_) => 29,
            Self::UserIdNotNumeric => 30,
            Self::SlowClient => 31,
            Self::HalfOpen => 32,
            Self::Disconnected => 33,
            Self::NoNode => 34,
        }
    }
}

/// Names by index, for readers of [`Refusals`].
const REASONS: [&str; 38] = [
    "transfer_coding",
    "http_version",
    "head_too_large",
    "framing",
    "malformed_head",
    "head_timeout",
    "body_too_large",
    "malformed_body",
    "password_missing",
    "password_wrong",
    "handshake_password",
    "not_found",
    "node_administration",
    "method",
    "upgrade",
    "websocket_version",
    "user_id",
    "session_not_found",
    "bad_request",
    "no_node",
    "node_unreachable",
    "node_closed",
    "node_answer",
    "node_timeout",
    "shutting_down",
    "too_many_connections",
    "tls_handshake",
    "close_shutdown",
    "close_link_lost",
    "close_protocol",
    "close_user_id",
    "close_slow_client",
    "close_half_open",
    "close_disconnected",
    "close_no_node",
    "body_timeout",
    "handshake_refused",
    "players_left_out",
];

/// A node that did not tell its players in time is left out of a session's list.
const PLAYERS_LEFT_OUT: usize = 37;

/// Refused requests and closed sockets by reason.
#[derive(Debug)]
pub struct Refusals([AtomicU64; REASONS.len()]);

impl Default for Refusals {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; REASONS.len()])
    }
}

impl Refusals {
    pub(crate) fn count(&self, answer: &Answer) {
        self.0[answer.index].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_close(&self, cause: CloseCause) {
        self.0[cause.index()].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_left_out(&self) {
        self.0[PLAYERS_LEFT_OUT].fetch_add(1, Ordering::Relaxed);
    }

    /// Every reason with its count.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REASONS
            .iter()
            .zip(&self.0)
            .map(|(reason, count)| (*reason, count.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_counted_under_its_own_name() {
        let errors = [
            ProxyError::Head(HeadError::TransferCoding),
            ProxyError::Head(HeadError::Version),
            ProxyError::Head(HeadError::TooManyHeaders),
            ProxyError::Head(HeadError::Framing),
            ProxyError::Head(HeadError::Malformed),
            ProxyError::HeadTooLarge,
            ProxyError::HeadTimeout,
            ProxyError::BodyTooLarge,
            ProxyError::BadBody,
            ProxyError::Unauthorized,
            ProxyError::WrongPassword,
            ProxyError::HandshakePassword,
            ProxyError::NotFound,
            ProxyError::NodeAdministration,
            ProxyError::Method("GET"),
            ProxyError::Upgrade("x"),
            ProxyError::WebSocketVersion,
            ProxyError::UserId,
            ProxyError::SessionNotFound,
            ProxyError::BadRequest(String::new()),
            ProxyError::NodeUnreachable,
            ProxyError::NodeClosed,
            ProxyError::NodeAnswer,
            ProxyError::NodeTimeout,
            ProxyError::ShuttingDown,
            ProxyError::TooManyConnections,
            ProxyError::TlsHandshake,
            ProxyError::BodyTimeout,
            ProxyError::HandshakeRefused(400),
        ];
        for error in errors {
            let answer = error.answer();
            assert_eq!(REASONS[answer.index], answer.reason, "{error:?}");
        }
    }
}
