//! The steps of [`detect`](super::detect): who is asked, in which order.

use std::borrow::Cow;
use std::ops::Range;

use super::{Class, Detected, IgnoredHeader, Known, Refusal, Request, Verdict, meaningful_session_id};
use crate::id::SessionId;
use crate::late;
use crate::path;
use crate::route::{Fixed, Kind, Method, Prefix, Route, Shape, leading_version};

pub(super) struct Detector<'r, 'a> {
    pub(super) request: &'r Request<'a>,
    pub(super) known: &'r dyn Known,
}

/// A decision before the path is brought into the form its dialect wants.
#[derive(Clone, Copy)]
struct Decision {
    verdict: Verdict,
    class: Class,
    /// The prefix that the path should carry, and the shape under it.
    shape: Shape,
    base: bool,
    evidence: Option<Class>,
}

impl<'a> Detector<'_, 'a> {
    /// Normalises the path, decides, and writes the path as the decided dialect spells it.
    pub(super) fn run(&self) -> Detected<'a> {
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
            let refusal = if own {
                Refusal::UpgradeExpected
            } else {
                Refusal::NotFound
            };
            return self.refuse(shape, refusal);
        }
        let base = !own && shape.prefix != Prefix::None;
        match self.told_by_socket(own, shape.prefix) {
            Some(class) => {
                let (verdict, shape) = (Verdict::Handshake(class), socket_of(class));
                Decision {
                    verdict,
                    class,
                    shape,
                    base,
                    evidence: Some(class),
                }
            }
            None => {
                let class = self.known.default_class();
                Decision {
                    verdict: Verdict::Undecided,
                    class,
                    shape,
                    base,
                    evidence: None,
                }
            }
        }
    }

    /// Which dialect a handshake speaks; on a bare version segment only its headers tell. A v3 client there is a legacy
    /// one: clients of 3.7 that open `/v3/websocket` write the whole path themselves.
    fn told_by_socket(&self, own: bool, prefix: Prefix) -> Option<Class> {
        let written = match (own, prefix) {
            (true, Prefix::V4) => Some(Class::V4),
            (true, _) => Some(Class::V3),
            (false, Prefix::None) => Some(Class::V3Legacy),
            (false, _) => match self.told_by_headers() {
                Some(Class::V3) => Some(Class::V3Legacy),
                told => told,
            },
        };
        self.request.forced.or(written)
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
