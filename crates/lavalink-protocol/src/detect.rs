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

use crate::id::SessionId;
use crate::late;
use crate::path;
use crate::route::{Fixed, Kind, Method, Prefix, Route, Shape, leading_version};

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

struct Detector<'r, 'a> {
    request: &'r Request<'a>,
    known: &'r dyn Known,
}

/// A decision before the path is brought into the form its dialect wants.
struct Decision {
    verdict: Verdict,
    class: Class,
    /// The prefix that the path should carry, and the shape under it.
    shape: Shape,
    base: bool,
    evidence: Option<Class>,
}

impl<'a> Detector<'_, 'a> {
    fn run(&self) -> Detected<'a> {
        let normal = path::normalise(self.request.path, self.request.mount);
        let decision = match normal.disguised {
            true => self.refuse(Shape::parse(&normal.path), Refusal::NotFound),
            false => self.decide(&normal.path, normal.nested),
        };
        self.finish(normal.path, decision)
    }

    fn decide(&self, path: &str, nested: bool) -> Decision {
        let shape = Shape::parse(path);
        if matches!(shape.kind, Kind::Fixed(Fixed::Root | Fixed::WebSocket)) {
            return self.socket(shape);
        }
        if let Some(session) = shape.session()
            && let Some(class) = self.known.issued(&path[session.start..session.end])
        {
            return self.of_session(shape, class);
        }
        if let Some(class) = self.request.forced {
            return self.rest(for_class(shape, class), class);
        }
        match shape.prefix {
            Prefix::None => self.unversioned(path, shape),
            Prefix::V3 | Prefix::V4 => self.versioned(path, shape, nested),
        }
    }

    /// `/`, `/v4`, `/v3` and their `websocket`.
    fn socket(&self, shape: Shape) -> Decision {
        let own = shape.kind == Kind::Fixed(Fixed::WebSocket);
        if own && self.request.method != Method::Get {
            return self.refuse(shape, Refusal::MethodNotAllowed);
        }
        if !self.request.upgrade || self.request.method != Method::Get {
            return self.refuse(
                shape,
                if own {
                    Refusal::UpgradeExpected
                } else {
                    Refusal::NotFound
                },
            );
        }
        let base = !own && shape.prefix != Prefix::None;
        let told = match (own, shape.prefix) {
            _ if self.request.forced.is_some() => self.request.forced,
            (true, Prefix::V4) => Some(Class::V4),
            (true, _) => Some(Class::V3),
            (false, Prefix::None) => Some(Class::V3Legacy),
            (false, _) => self
                .told_by_headers()
                .map(|class| if class.is_v3() { Class::V3Legacy } else { class }),
        };
        match told {
            Some(class) => Decision {
                verdict: Verdict::Handshake(class),
                class,
                shape: socket_of(class),
                base,
                evidence: Some(class),
            },
            None => Decision {
                verdict: Verdict::Undecided,
                class: self.known.default_class(),
                shape,
                base,
                evidence: None,
            },
        }
    }

    /// A path below a session of ours: the session's version holds, whatever the prefix says. The session API exists
    /// only in the 3.7 shape on the v3 side, also for a session whose socket is a legacy one.
    fn of_session(&self, shape: Shape, session: Class) -> Decision {
        let class = if session.is_v3() { Class::V3 } else { Class::V4 };
        Decision {
            evidence: Some(session),
            ..self.rest(for_class(shape, class), class)
        }
    }

    fn versioned(&self, path: &str, shape: Shape, nested: bool) -> Decision {
        let written = if shape.prefix == Prefix::V4 {
            Class::V4
        } else {
            Class::V3
        };
        if shape.session().is_none() && !nested && self.speaks_below_base_path() {
            return Decision {
                base: true,
                ..self.rest(Shape::parse(&path[shape.prefix.len()..]), Class::V3Legacy)
            };
        }
        if shape.kind == Kind::Fixed(Fixed::Version) {
            // No node knows `/v4/version`: the segment is a base path, and the best word on what its client will speak
            // unless more is known of the client.
            let class = self
                .known
                .bound()
                .map(|binding| binding.class)
                .or_else(|| self.listed())
                .unwrap_or(written);
            return Decision {
                base: true,
                ..self.rest(shape.under(Prefix::None), class)
            };
        }
        let evidence = match written {
            Class::V4 => late::evidence_from_query(&shape.route(path), self.request.query),
            class => Some(class),
        };
        Decision {
            evidence,
            ..self.rest(shape, written)
        }
    }

    /// Whether this client opened a legacy socket on a bare version segment, which is then only its base path.
    fn speaks_below_base_path(&self) -> bool {
        self.known
            .bound()
            .is_some_and(|binding| binding.base && binding.class == Class::V3Legacy)
    }

    fn unversioned(&self, path: &str, shape: Shape) -> Decision {
        match shape.kind {
            Kind::Fixed(Fixed::Version | Fixed::NodeAdmin | Fixed::Metrics) => self.rest(shape, self.remembered()),
            Kind::Fixed(Fixed::Plugin) => self.unversioned_plugin(path, shape),
            _ => Decision {
                evidence: Some(Class::V3Legacy),
                ..self.rest(shape, Class::V3Legacy)
            },
        }
    }

    fn unversioned_plugin(&self, path: &str, shape: Shape) -> Decision {
        let by_session = self.issued_segment(path).map(|(_, class)| class);
        let class = by_session
            .or_else(|| self.told_by_headers())
            .unwrap_or_else(|| self.remembered());
        self.rest(shape, class)
    }

    /// Signals 5 to 7.
    fn told_by_headers(&self) -> Option<Class> {
        if meaningful_session_id(self.request.session_id).is_some() {
            Some(Class::V4)
        } else if self.request.resume_key.is_some() {
            Some(Class::V3)
        } else {
            self.request.num_shards.then_some(Class::V3Legacy)
        }
    }

    /// Signals 12 to 14.
    fn remembered(&self) -> Class {
        let bound = self.known.bound().map(|binding| binding.class);
        bound
            .or_else(|| self.listed())
            .unwrap_or_else(|| self.known.default_class())
    }

    fn listed(&self) -> Option<Class> {
        self.known.listed(self.request.client_name, self.request.user_agent)
    }

    /// A segment of a plugin's path that is a session id of ours.
    fn issued_segment(&self, path: &str) -> Option<(Range<usize>, Class)> {
        path.split('/')
            .filter(|segment| SessionId::is_well_formed(segment))
            .find_map(|segment| {
                let start = segment.as_ptr() as usize - path.as_ptr() as usize;
                self.known
                    .issued(segment)
                    .map(|class| (start..start + segment.len(), class))
            })
    }

    fn rest(&self, shape: Shape, class: Class) -> Decision {
        Decision {
            verdict: Verdict::Rest(class),
            class,
            shape,
            base: false,
            evidence: None,
        }
    }

    fn refuse(&self, shape: Shape, refusal: Refusal) -> Decision {
        let class = match shape.prefix {
            Prefix::V4 => Class::V4,
            Prefix::V3 => Class::V3,
            Prefix::None => self.known.default_class(),
        };
        Decision {
            verdict: Verdict::Refuse(refusal),
            class,
            shape,
            base: false,
            evidence: None,
        }
    }

    fn finish(&self, path: Cow<'a, str>, decision: Decision) -> Detected<'a> {
        let path = reprefixed(path, decision.shape);
        let Decision {
            mut verdict,
            class,
            shape,
            base,
            evidence,
        } = decision;
        if let Verdict::Rest(_) = verdict
            && let Some(refusal) = self.refusal_of(&shape.route(&path))
        {
            verdict = Verdict::Refuse(refusal);
        }
        let session = match shape.kind {
            Kind::Fixed(Fixed::Plugin) => self.issued_segment(&path).map(|(range, _)| range),
            _ => shape.session().map(|span| span.start..span.end),
        };
        Detected {
            path,
            verdict,
            class,
            session,
            ignored: self.ignored(verdict),
            base,
            evidence,
            shape,
        }
    }

    /// What forbids a REST request that is otherwise understood.
    fn refusal_of(&self, route: &Route<'_>) -> Option<Refusal> {
        match route {
            Route::Metrics => Some(Refusal::NotFound),
            // A WebSocket elsewhere than on its own path (`/websocket`, `/ws`) is in neither protocol.
            Route::Plugin if self.request.upgrade => Some(Refusal::NotFound),
            route if !route.allows(self.request.method) => Some(Refusal::MethodNotAllowed),
            route if route.administers_node() => Some(Refusal::NodeAdministration),
            _ => None,
        }
    }

    fn ignored(&self, verdict: Verdict) -> Option<IgnoredHeader> {
        let (Verdict::Handshake(class) | Verdict::Rest(class)) = verdict else {
            return None;
        };
        if class.is_v3() {
            meaningful_session_id(self.request.session_id).map(|_| IgnoredHeader::SessionId)
        } else {
            self.request.resume_key.map(|_| IgnoredHeader::ResumeKey)
        }
    }
}

/// What a dialect's WebSocket handshake asks of a node.
fn socket_of(class: Class) -> Shape {
    match class {
        Class::V4 => Shape {
            prefix: Prefix::V4,
            kind: Kind::Fixed(Fixed::WebSocket),
        },
        Class::V3 => Shape {
            prefix: Prefix::V3,
            kind: Kind::Fixed(Fixed::WebSocket),
        },
        Class::V3Legacy => Shape {
            prefix: Prefix::None,
            kind: Kind::Fixed(Fixed::Root),
        },
    }
}

/// The same route as a dialect spells it. Plugins' routes stay as they came: their prefix is a name, not a version.
fn for_class(shape: Shape, class: Class) -> Shape {
    let prefix = match (shape.kind, class) {
        (Kind::Fixed(Fixed::Plugin | Fixed::NodeAdmin), _) => shape.prefix,
        (Kind::Fixed(Fixed::Version | Fixed::Plugins | Fixed::Metrics), _) => Prefix::None,
        (_, Class::V4) => Prefix::V4,
        (_, Class::V3) => Prefix::V3,
        (Kind::Fixed(Fixed::Info | Fixed::Stats), Class::V3Legacy) => Prefix::V3,
        (Kind::Fixed(_), Class::V3Legacy) => Prefix::None,
        (_, Class::V3Legacy) => Prefix::V3,
    };
    shape.under(prefix)
}

/// Gives `path` the prefix that `shape` has; a shorter one is a slice of what is there.
fn reprefixed(path: Cow<'_, str>, shape: Shape) -> Cow<'_, str> {
    if let Kind::Fixed(fixed @ (Fixed::Root | Fixed::WebSocket)) = shape.kind {
        return Cow::Borrowed(match (fixed, shape.prefix) {
            (Fixed::WebSocket, Prefix::V4) => "/v4/websocket",
            (Fixed::WebSocket, _) => "/v3/websocket",
            (_, Prefix::V4) => "/v4",
            (_, Prefix::V3) => "/v3",
            (_, Prefix::None) => "/",
        });
    }
    let present = leading_version(&path);
    if present == shape.prefix {
        return path;
    }
    if shape.prefix == Prefix::None {
        return path::without_start(path, present.len());
    }
    Cow::Owned(format!("{}{}", shape.prefix.text(), &path[present.len()..]))
}
