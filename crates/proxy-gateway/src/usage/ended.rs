//! How a client's connection ended, under names that stay: for the log, the connection history and whoever reads it.

use crate::error::{CloseCause, Reason};

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ended {
    /// Nothing was noted.
    Unknown,
    /// The client closed it: in order, with a close frame, or by asking for its end with its last request.
    ClientClosed,
    /// The client reset it, vanished while something was written to it, or broke off a request.
    ClientReset,
    /// No request came for `server.idle_timeout`, or none at all for `server.header_timeout`.
    IdleTimeout,
    /// Closed after a refusal, for this reason.
    Refused(Reason),
    /// An answer could not be completed: its node broke off, or the client took no more of it.
    AnswerCut,
    /// The client read too slowly.
    SlowClient,
    /// The client answered no pings.
    HalfOpen,
    /// The client sent what no WebSocket client sends.
    Protocol,
    /// The session's link to its node was lost.
    LinkLost,
    /// The node of a v3 client closed the WebSocket.
    NodeClosed,
    /// No node could be found once the socket's version was known.
    NoNode,
    /// The session ended before its returning client had its `ready`.
    SessionEnded,
    /// An operator disconnected it.
    Operator,
    /// The proxy shut down.
    Shutdown,
    /// There was no TLS handshake, or not in time.
    TlsHandshake,
}

impl Ended {
    /// Those without a reason of their own, by their number.
    const PLAIN: [Self; 15] = [
        Self::Unknown,
        Self::ClientClosed,
        Self::ClientReset,
        Self::IdleTimeout,
        Self::AnswerCut,
        Self::SlowClient,
        Self::HalfOpen,
        Self::Protocol,
        Self::LinkLost,
        Self::NodeClosed,
        Self::NoNode,
        Self::SessionEnded,
        Self::Operator,
        Self::Shutdown,
        Self::TlsHandshake,
    ];
    /// Numbers from here on are refusals.
    const REFUSED: u16 = 256;

    /// The name in logs, history and the admin API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::ClientClosed => "client_closed",
            Self::ClientReset => "client_reset",
            Self::IdleTimeout => "idle_timeout",
            Self::Refused(_) => "refused",
            Self::AnswerCut => "answer_cut",
            Self::SlowClient => "slow_client",
            Self::HalfOpen => "half_open",
            Self::Protocol => "protocol",
            Self::LinkLost => "link_lost",
            Self::NodeClosed => "node_closed",
            Self::NoNode => "no_node",
            Self::SessionEnded => "session_ended",
            Self::Operator => "operator",
            Self::Shutdown => "shutdown",
            Self::TlsHandshake => "tls_handshake",
        }
    }

    /// Why it was refused, if it was.
    pub const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Refused(reason) => Some(reason.name()),
            _ => None,
        }
    }

    pub(super) fn code(self) -> u16 {
        match self {
            Self::Refused(reason) => Self::REFUSED + u16::from(reason.number()),
            plain => Self::PLAIN.iter().position(|other| *other == plain).unwrap_or(0) as u16,
        }
    }

    pub(super) fn from_code(code: u16) -> Self {
        match code.checked_sub(Self::REFUSED) {
            Some(reason) => Reason::from_number(reason as u8).map_or(Self::Unknown, Self::Refused),
            None => Self::PLAIN.get(usize::from(code)).copied().unwrap_or(Self::Unknown),
        }
    }
}

/// The name, and for a refusal its reason: `refused: password_wrong`.
impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())?;
        match self.reason() {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        }
    }
}

impl From<CloseCause> for Ended {
    fn from(cause: CloseCause) -> Self {
        match cause {
            CloseCause::Shutdown => Self::Shutdown,
            CloseCause::LinkLost => Self::LinkLost,
            CloseCause::Protocol(_) => Self::Protocol,
            CloseCause::UserIdNotNumeric => Self::Refused(cause.reason()),
            CloseCause::SlowClient => Self::SlowClient,
            CloseCause::HalfOpen => Self::HalfOpen,
            CloseCause::Disconnected => Self::Operator,
            CloseCause::NoNode => Self::NoNode,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ProxyError;

    #[test]
    fn every_end_survives_being_kept_as_a_number() {
        let refusals = [
            ProxyError::WrongPassword,
            ProxyError::HandshakeRefused(400),
            ProxyError::NotFound,
        ]
        .map(|error| Ended::Refused(error.answer().reason()));
        for ended in Ended::PLAIN.into_iter().chain(refusals) {
            assert_eq!(Ended::from_code(ended.code()), ended);
        }
        assert_eq!(refusals[0].to_string(), "refused: password_wrong");
        assert_eq!(refusals[1].to_string(), "refused: handshake_refused");
    }
}
