//! Which protocol version a request speaks, and what it names.
//!
//! [`detect`] is one pure function over the parsed request head. It never looks at bytes as text: only at the path, at
//! whole headers and at what the proxy remembers of the caller.
//!
//! What is ambiguous, and who wins:
//!
//! - A session id that this proxy issued beats everything: a session never changes its version.
//! - An operator's override header beats the path; the path beats the other headers; bodies are never needed here.
//! - Of several leading version segments (`/v4/v3/loadtracks`) the innermost wins: the outer ones come from a user who
//!   wrote a base path into a client that adds its own prefix.
//! - One version segment may be such a base path too (`/v4/loadtracks` of a legacy client told to use `host/v4`). It is
//!   taken for the client's own word unless the same client opened a legacy socket on that base path.
//! - An upgrade on a bare `/v4` or `/v3` without a telling header stays [`Verdict::Undecided`] (see [`crate::late`]).
//! - `/version` and unversioned plugin routes say nothing: what is known of the caller decides, and at last the
//!   configured default.

use std::borrow::Cow;
use std::ops::Range;

use crate::route::{Method, Prefix, Route, Shape};

use decision::Detector;

mod decision;

/// A dialect of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Lavalink 4.
    V4,
    /// Lavalink 3.7: `/v3` paths and session ids.
    V3,
    /// Lavalink 3.0 to 3.6, which 3.7 still serves: ops over the WebSocket, unversioned REST.
    V3Legacy,
}

impl Class {
    /// The value of `Lavalink-Api-Version` on every answer to such a client.
    pub fn api_version(self) -> &'static str {
        match self {
            Self::V4 => "4",
            Self::V3 | Self::V3Legacy => "3",
        }
    }

    /// Whether this is one of the two v3 dialects.
    pub fn is_v3(self) -> bool {
        self != Self::V4
    }
}

/// The head of a request, as far as detection looks at it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: Method,
    /// The target's path as it came, without the query.
    pub path: &'a str,
    /// The raw query, without `?`.
    pub query: Option<&'a str>,
    /// Whether the request asks for a WebSocket (`Upgrade: websocket` and `Connection: upgrade`).
    pub upgrade: bool,
    /// The `Session-Id` header.
    pub session_id: Option<&'a str>,
    /// The `Resume-Key` header.
    pub resume_key: Option<&'a str>,
    /// Whether there is a `Num-Shards` header.
    pub num_shards: bool,
    /// The `Client-Name` header.
    pub client_name: Option<&'a str>,
    /// The `User-Agent` header.
    pub user_agent: Option<&'a str>,
    /// The version that an operator forces with `Lavalink-Version`; leave out unless the operator allowed the header.
    pub forced: Option<Class>,
    /// The path under which the proxy is mounted, such as `/music`; empty when at the root.
    pub mount: &'a str,
}

/// What is remembered of the client (tenant and `User-Id`, or tenant and address).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The dialect of its live socket, or else of its last one.
    pub class: Class,
    /// Whether that socket was opened on a bare `/v4` or `/v3`: the prefix is only this client's base path.
    pub base: bool,
}

/// What the proxy knows beyond the request. Each question is asked only when its answer decides.
pub trait Known {
    /// The dialect of the session with this id, if the proxy issued it.
    fn issued(&self, session: &str) -> Option<Class>;
    /// What the same client spoke before.
    fn bound(&self) -> Option<Binding>;
    /// The version that the operator listed for this `Client-Name` or `User-Agent`.
    fn listed(&self, client_name: Option<&str>, user_agent: Option<&str>) -> Option<Class>;
    /// The version to assume when nothing else tells.
    fn default_class(&self) -> Class;
}

/// Why a request goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 404: in neither protocol, the proxy's own page, or a node's metrics.
    NotFound,
    /// 405, with the route's [`Route::allow_header`].
    MethodNotAllowed,
    /// 400: a WebSocket path without an upgrade. A session named in `Session-Id` must not be touched.
    UpgradeExpected,
    /// 404, unless the tenant may administer nodes and names one: then go on as a REST request of [`Detected::class`].
    NodeAdministration,
}

/// What to do with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Open a WebSocket that speaks this dialect.
    Handshake(Class),
    /// Open a WebSocket and let its first evidence bind it.
    Undecided,
    /// Serve a REST request of this dialect.
    Rest(Class),
    /// Refuse it.
    Refuse(Refusal),
}

/// A header that contradicts what was decided: not to be acted on, but worth a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IgnoredHeader {
    /// `Session-Id` from a v3 client.
    SessionId,
    /// `Resume-Key` from a v4 client.
    ResumeKey,
}

impl IgnoredHeader {
    /// The header's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::SessionId => crate::handshake::SESSION_ID,
            Self::ResumeKey => crate::handshake::RESUME_KEY,
        }
    }
}

/// The outcome of [`detect`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detected<'a> {
    /// The path in normal form, as a node of that dialect should see it. Borrowed when a part of the request's path
    /// serves.
    pub path: Cow<'a, str>,
    /// What to do.
    pub verdict: Verdict,
    /// The dialect that an answer follows; for a refusal or an undecided socket the best guess.
    pub class: Class,
    /// Where a session id stands in `path`. In a plugin's route only an id that the proxy issued is found.
    pub session: Option<Range<usize>>,
    /// The header that was left out of account, if one contradicts the decision.
    pub ignored: Option<IgnoredHeader>,
    /// Whether the version segment was only the client's base path: what [`Binding::base`] remembers of a handshake.
    pub base: bool,
    /// What this request proves about an undecided socket of the same client; see [`crate::late`].
    pub evidence: Option<Class>,
    shape: Shape,
}

impl Detected<'_> {
    /// What the path names. Costs a copy of offsets, no second parse.
    pub fn route(&self) -> Route<'_> {
        self.shape.route(&self.path)
    }

    /// The path for a node of another version: its version segment, if it has one, replaced.
    pub fn path_on(&self, node: Class) -> Cow<'_, str> {
        let prefix = if node.is_v3() { Prefix::V3 } else { Prefix::V4 };
        if self.shape.prefix == Prefix::None || self.shape.prefix == prefix {
            return Cow::Borrowed(&self.path);
        }
        Cow::Owned(format!("{}{}", prefix.text(), &self.path[self.shape.prefix.len()..]))
    }
}

/// Decides version and meaning of one request.
pub fn detect<'a>(request: &Request<'a>, known: &dyn Known) -> Detected<'a> {
    Detector { request, known }.run()
}

/// The `Session-Id` header, unless it is one of the two ways of saying "none" seen in the field: empty (mafic) and `0`
/// (lavalink-rs).
pub fn meaningful_session_id(header: Option<&str>) -> Option<&str> {
    header.map(str::trim).filter(|id| !id.is_empty() && *id != "0")
}
