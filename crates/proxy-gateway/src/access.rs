//! The access log: one line for each request and one for the end of each session, with fields that stay the same (see
//! `docs/access-log.md`). Target `access`, level INFO; off unless `[log] access` turns it on.
//!
//! When it is off, a request costs it one look at a cached switch. What may be secret is never handed to this module:
//! no header, no query, no body.

use std::time::Instant;

use lavalink_protocol::detect::Class;
use proxy_core::pool::NodeId;

use crate::session::directory::SessionEntry;
use crate::shared::Shared;
use crate::usage::{ConnectionRecord, Totals};

/// Whether anyone reads it.
#[inline]
pub(crate) fn enabled() -> bool {
    tracing::enabled!(target: "access", tracing::Level::INFO)
}

/// A request while it is served.
#[derive(Debug)]
pub(crate) struct Line {
    began: Instant,
    method: Box<str>,
    /// As the client sent it, without its query.
    path: Box<str>,
    /// What the connection had carried before this request.
    before: (u64, u64),
}

/// How a request ended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    /// What the client was answered, if it was.
    pub(crate) status: Option<u16>,
    /// The node that answered, or was asked last.
    pub(crate) node: Option<NodeId>,
    /// Another node had failed it before.
    pub(crate) retried: bool,
    /// Why it was refused, if it was.
    pub(crate) reason: Option<&'static str>,
}

impl Outcome {
    /// An answer of the proxy's own.
    pub(crate) fn own(status: u16, reason: Option<&'static str>) -> Self {
        Self {
            status: Some(status),
            reason,
            ..Self::default()
        }
    }
}

impl Line {
    /// Begins with the request whose first `read` bytes have just been read; `None` when nobody reads the log.
    #[inline]
    pub(crate) fn begin(record: &ConnectionRecord, read: usize, method: &str, path: &str) -> Option<Box<Self>> {
        enabled().then(|| Self::new(record, read, method, path))
    }

    #[cold]
    fn new(record: &ConnectionRecord, read: usize, method: &str, path: &str) -> Box<Self> {
        let traffic = &record.traffic;
        let before = (
            traffic.bytes_in.get().saturating_sub(read as u64),
            traffic.bytes_out.get(),
        );
        Box::new(Self {
            began: Instant::now(),
            method: method.into(),
            path: path.into(),
            before,
        })
    }

    /// Writes the line.
    #[cold]
    pub(crate) fn end(&self, shared: &Shared, record: &ConnectionRecord, outcome: Outcome) {
        let names = record.names();
        let totals = record.traffic.totals();
        tracing::info!(
            target: "access",
            connection = record.id,
            ip = %record.peer.ip(),
            tenant = &*names.tenant,
            version = names.class.map(version),
            method = &*self.method,
            path = &*self.path,
            status = outcome.status,
            bytes_in = totals.bytes_in.saturating_sub(self.before.0),
            bytes_out = totals.bytes_out.saturating_sub(self.before.1),
            duration_ms = millis(self.began),
            node = outcome.node.map(|node| &*shared.nodes[usize::from(node.0)].name),
            retried = outcome.retried,
            reason = outcome.reason,
            "request"
        );
    }
}

/// Writes the line of a session that is over; `carried` is what its client's sockets carried.
#[cold]
pub(crate) fn session_ended(shared: &Shared, session: &SessionEntry, carried: Totals, ended: &str) {
    let class = session.class();
    tracing::info!(
        target: "access",
        session = %session.id,
        tenant = &*session.tenant_name,
        user = %session.user,
        client_name = session.client_name.as_deref(),
        version = class.map(version),
        node = session.last_node().map(|node| &*shared.nodes[usize::from(node.0)].name),
        // Of a v3 client's players the proxy knows nothing.
        players = (class == Some(Class::V4)).then(|| session.players()),
        duration_ms = session.opened.elapsed().map_or(0, |open| open.as_millis() as u64),
        messages_in = carried.messages_in,
        messages_out = carried.messages_out,
        bytes_in = carried.bytes_in,
        bytes_out = carried.bytes_out,
        ended,
        "session"
    );
}

/// What a session's sockets carried before the one that it has now; room is made when there is something.
#[derive(Debug, Default)]
pub(crate) struct Carried(Option<Box<Totals>>);

impl Carried {
    /// Takes in the socket that the session lets go of.
    pub(crate) fn add(&mut self, record: &ConnectionRecord) {
        if enabled() {
            **self.0.get_or_insert_default() += record.traffic.totals();
        }
    }

    pub(crate) fn totals(&self) -> Totals {
        self.0.as_deref().copied().unwrap_or_default()
    }
}

fn millis(since: Instant) -> u64 {
    since.elapsed().as_millis() as u64
}

const fn version(class: Class) -> &'static str {
    match class {
        Class::V4 => "v4",
        Class::V3 => "v3",
        Class::V3Legacy => "v3-legacy",
    }
}
