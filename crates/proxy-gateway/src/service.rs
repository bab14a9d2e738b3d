//! The table of contents of a request: read the head, detect the version, authenticate, then say where it goes. All in
//! one go over the bytes as they were read; nothing here waits.

mod session;
mod wait;

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use lavalink_protocol::detect::{self, Binding, Class, Detected, Known, Refusal, Verdict};
use lavalink_protocol::http::{Framing, RequestHead, header_slots};
use lavalink_protocol::id::UserId;
use lavalink_protocol::route::{Method, Route};
use proxy_core::binding::Caller;
use proxy_core::pool::NodeId;
use proxy_core::tenant::{AuthFailure, Tenant};

use crate::access::Line;
use crate::error::{Answer, ProxyError, Reason};
use crate::local;
use crate::respond::{self, To};
use crate::rest::body::BodyLeft;
use crate::rest::forward::Forward;
use crate::rest::head::{NodePath, NodeRequest};
use crate::rest::player::PlayerRequest;
use crate::session::start::Handshake;
use crate::shared::Shared;
use crate::usage::ConnectionRecord;
use crate::worker::Worker;

pub(crate) use session::{AllPlayers, Answered};
use wait::Awaited;
pub(crate) use wait::Settle;

/// What to do with the bytes read so far.
pub(crate) enum Step {
    /// The request is not whole yet.
    More {
        /// Bytes that head and body take together, when a body is waited for; 0 while the head is unfinished.
        body: usize,
        /// The client sends none of that body before it is told to.
        expects_continue: bool,
    },
    /// A request, and how many bytes of it were used.
    Next {
        /// What to do.
        next: Next,
        /// Bytes that belong to it.
        used: usize,
        /// Its line in the access log.
        line: Option<Box<Line>>,
    },
}

/// What to do with a request.
pub(crate) enum Next {
    /// Write this answer.
    Respond {
        /// The whole answer.
        bytes: Vec<u8>,
        /// Close afterwards.
        close: bool,
        /// What the client may still send of a body that nobody reads.
        body: BodyLeft,
        /// Why it is a refusal, if it is one.
        refused: Option<Reason>,
    },
    /// Write this answer once what it says is kept.
    Kept(Pin<Box<dyn Future<Output = Answered>>>),
    /// Ask a node.
    Forward(Box<Forward>),
    /// Ask all nodes of a session for its players.
    Players(Box<AllPlayers>),
    /// Become a WebSocket.
    Handshake(Box<Handshake>),
    /// Let a session settle, then decide anew.
    Settle(Settle),
    /// Tell the client to send its body, then read on.
    Continue,
}

/// An answer to a request that was never read as one.
pub(crate) fn refuse_unread(worker: &Worker, record: &ConnectionRecord, error: &ProxyError) -> Next {
    record.traffic.requests.add(1);
    let to = To {
        class: worker.shared.config.default_class,
        path: "",
        keep_alive: false,
        head_only: false,
    };
    // Whatever still comes belongs to it.
    refuse(worker, error, to, BodyLeft::UntilClose)
}

fn refuse(worker: &Worker, error: &ProxyError, to: To<'_>, body: BodyLeft) -> Next {
    let (bytes, answer) = refusal(worker, error, to);
    Next::Respond {
        bytes,
        close: answer.close,
        body,
        refused: Some(answer.reason()),
    }
}

fn refusal(worker: &Worker, error: &ProxyError, to: To<'_>) -> (Vec<u8>, Answer) {
    let (bytes, answer) = respond::error(error, to);
    worker.shared.refusals.count(&answer);
    tracing::debug!(%error, reason = answer.reason, path = to.path, "request refused");
    (bytes, answer)
}

/// Decides on what stands at the start of `bytes`.
pub(crate) fn decide(worker: &Rc<Worker>, record: &ConnectionRecord, bytes: &[u8]) -> Step {
    let limit = worker.shared.config.max_header_bytes;
    let mut slots = header_slots();
    let head = match RequestHead::read(bytes, &mut slots) {
        Ok(Some(head)) if head.len <= limit => head,
        Ok(None) if bytes.len() <= limit => {
            return Step::More {
                body: 0,
                expects_continue: false,
            };
        }
        Ok(_) => return unread(worker, record, &ProxyError::HeadTooLarge, bytes),
        Err(error) => return unread(worker, record, &error.into(), bytes),
    };
    Request::new(worker, record, &head, &bytes[head.len..]).decide()
}

fn unread(worker: &Worker, record: &ConnectionRecord, error: &ProxyError, bytes: &[u8]) -> Step {
    Step::Next {
        next: refuse_unread(worker, record, error),
        used: bytes.len(),
        line: Line::begin(record, bytes.len(), "", ""),
    }
}

/// One request while it is decided on.
struct Request<'r> {
    worker: &'r Rc<Worker>,
    shared: &'r Shared,
    record: &'r ConnectionRecord,
    head: &'r RequestHead<'r>,
    /// The client's path and query as sent.
    path: &'r str,
    query: Option<&'r str>,
    method: Method,
    /// What follows the head: its body, and perhaps the next request.
    rest: &'r [u8],
    keep_alive: bool,
}

/// Why a request goes no further now.
enum Halt {
    Error(ProxyError),
    /// The body, which the proxy reads itself, is not here yet.
    Body(usize),
}

impl From<ProxyError> for Halt {
    fn from(error: ProxyError) -> Self {
        Self::Error(error)
    }
}

impl<'r> Request<'r> {
    fn new(worker: &'r Rc<Worker>, record: &'r ConnectionRecord, head: &'r RequestHead<'r>, rest: &'r [u8]) -> Self {
        let (path, query) = head.path_and_query();
        Self {
            worker,
            shared: &worker.shared,
            record,
            head,
            path,
            query,
            method: Method::from_bytes(head.method.as_bytes()),
            rest,
            keep_alive: head.keep_alive && !worker.is_stopping(),
        }
    }

    fn decide(&self) -> Step {
        let auth = self.shared.config.tenants.authenticate(self.head.known.authorization);
        let caller = auth.as_ref().ok().map(|tenant| self.caller(tenant));
        let detected = self.detect(caller.as_ref());
        match self.dispatch(&detected, auth) {
            // The request is looked at once more when its session has settled.
            Ok((next @ Next::Settle(_), _)) => Step::Next {
                next,
                used: 0,
                line: self.line(),
            },
            Ok((next, body_here)) => {
                self.record.traffic.requests.add(1);
                Step::Next {
                    next,
                    used: self.head.len + body_here,
                    line: self.line(),
                }
            }
            Err(Halt::Body(needed)) => Step::More {
                body: self.head.len + needed,
                expects_continue: self.head.expect_continue && self.rest.is_empty(),
            },
            Err(Halt::Error(error)) => {
                self.record.traffic.requests.add(1);
                let mut body = BodyLeft::new(self.head.framing);
                let here = body.take(self.rest).unwrap_or(self.rest.len());
                // A body that is not here whole would be read as the next request: better to close.
                let keep_alive = self.keep_alive && body.is_done();
                let next = refuse(self.worker, &error, self.to(detected.class, keep_alive), body);
                Step::Next {
                    next,
                    used: self.head.len + here,
                    line: self.line(),
                }
            }
        }
    }

    #[inline]
    fn line(&self) -> Option<Box<Line>> {
        let read = self.head.len + self.rest.len();
        Line::begin(self.record, read, self.head.method, self.path)
    }

    fn caller(&self, tenant: &Tenant) -> Caller {
        let user = text(self.head.known.user_id).and_then(|user| user.parse::<UserId>().ok());
        Caller {
            tenant: tenant.id,
            user,
            ip: self.record.peer.ip(),
        }
    }

    fn detect(&self, caller: Option<&Caller>) -> Detected<'r> {
        let known = &self.head.known;
        let request = detect::Request {
            method: self.method,
            path: self.path,
            query: self.query,
            upgrade: self.head.upgrade_websocket && self.head.connection_upgrade,
            session_id: text(known.session_id),
            resume_key: text(known.resume_key),
            num_shards: known.num_shards.is_some(),
            client_name: text(known.client_name),
            user_agent: text(known.user_agent),
            // A client does not choose for the operator.
            forced: None,
            mount: &self.shared.config.mount,
        };
        let versioned = self.path.contains("/v4/") || self.path.contains("/v3/");
        let detected = detect::detect(
            &request,
            &Memory {
                shared: self.shared,
                caller,
                versioned,
            },
        );
        if let Some(ignored) = detected.ignored {
            tracing::debug!(
                header = ignored.name(),
                path = self.path,
                "a header contradicts the path and is ignored"
            );
        }
        detected
    }

    fn to(&self, class: Class, keep_alive: bool) -> To<'r> {
        To {
            class,
            path: self.path,
            keep_alive,
            head_only: self.method == Method::Head,
        }
    }

    fn dispatch(
        &self,
        detected: &Detected<'_>,
        auth: Result<&Arc<Tenant>, AuthFailure>,
    ) -> Result<(Next, usize), Halt> {
        match detected.verdict {
            // As in Lavalink, what is not mapped is told without asking for the password.
            Verdict::Refuse(Refusal::NotFound) => Err(ProxyError::NotFound.into()),
            Verdict::Refuse(Refusal::MethodNotAllowed) => {
                Err(ProxyError::Method(detected.route().allow_header()).into())
            }
            Verdict::Refuse(Refusal::UpgradeExpected) => {
                auth.map_err(|_| ProxyError::HandshakePassword)?;
                self.check_user()?;
                Err(ProxyError::Upgrade("Can \"Upgrade\" only to \"WebSocket\".").into())
            }
            Verdict::Handshake(class) => self.handshake(detected, Some(class), auth),
            Verdict::Undecided => self.handshake(detected, None, auth),
            Verdict::Refuse(Refusal::NodeAdministration) => self.administer(detected, self.tenant(auth)?),
            Verdict::Rest(class) => self.rest(detected, class, self.tenant(auth)?),
        }
    }

    fn tenant<'t>(&self, auth: Result<&'t Arc<Tenant>, AuthFailure>) -> Result<&'t Arc<Tenant>, Halt> {
        auth.map_err(|failure| match failure {
            AuthFailure::Missing => ProxyError::Unauthorized.into(),
            AuthFailure::Wrong => ProxyError::WrongPassword.into(),
        })
    }

    // --- handshakes --------------------------------------------------------------------------------------------------

    /// Lavalink's own order of checks; a session named by the client is touched only when all of them passed.
    fn handshake(
        &self,
        detected: &Detected<'_>,
        class: Option<Class>,
        auth: Result<&Arc<Tenant>, AuthFailure>,
    ) -> Result<(Next, usize), Halt> {
        let tenant = auth.map_err(|_| ProxyError::HandshakePassword)?;
        let user = self.check_user()?;
        if self.head.known.websocket_version != Some(b"13") {
            return Err(ProxyError::WebSocketVersion.into());
        }
        let key = self.head.known.websocket_key.filter(|key| key.len() == 24);
        let key = key.ok_or(ProxyError::Upgrade("missing or malformed Sec-WebSocket-Key"))?;
        if self.head.framing != Framing::None && self.head.framing != Framing::Length(0) {
            return Err(ProxyError::Upgrade("a handshake has no body").into());
        }
        // Where another run goes on, the client resumes there what begins here.
        if self.shared.is_stopping() && !self.shared.hands_over() {
            return Err(ProxyError::ShuttingDown.into());
        }
        let known = &self.head.known;
        let handshake = Handshake {
            class,
            base: detected.base,
            tenant: Arc::clone(tenant),
            user,
            client_name: text(known.client_name).or(text(known.user_agent)).map(Box::from),
            accept: lavalink_protocol::handshake::accept_key(key),
            session_id: detect::meaningful_session_id(text(known.session_id)).map(Box::from),
            resume_key: text(known.resume_key).map(Box::from),
            fields: Handshake::node_fields(self.head),
            target: self.target(&detected.path),
            path: self.path.into(),
            line: None,
        };
        Ok((Next::Handshake(Box::new(handshake)), 0))
    }

    /// The normalised path with the client's query.
    fn target(&self, path: &str) -> Box<str> {
        match self.query {
            Some(query) => format!("{path}?{query}").into(),
            None => path.into(),
        }
    }

    /// `User-Id` as Lavalink checks it before the upgrade: present, not empty, not `0`. Whether it is a number shows
    /// only after the 101, hence the inner option.
    fn check_user(&self) -> Result<Option<UserId>, Halt> {
        match text(self.head.known.user_id).map(str::trim) {
            None | Some("" | "0") => Err(ProxyError::UserId.into()),
            Some(user) => Ok(user.parse().ok()),
        }
    }

    // --- REST --------------------------------------------------------------------------------------------------------

    fn rest(&self, detected: &Detected<'_>, class: Class, tenant: &Arc<Tenant>) -> Result<(Next, usize), Halt> {
        self.label(tenant, class);
        self.check_length()?;
        if let Some(settle) = self.settle_undecided(detected, tenant) {
            return Ok((Next::Settle(settle), 0));
        }
        if let Some(range) = detected.session.clone() {
            return self.of_session(detected, class, tenant, range);
        }
        let route = detected.route();
        if class == Class::V4 || route == Route::Version {
            let to = self.to(class, self.keep_alive);
            if let Some(bytes) = local::answer(self.shared, &route, to) {
                return self.respond_local(bytes?);
            }
        }
        let source = match route {
            Route::LoadTracks => self.query.and_then(load_source),
            _ => None,
        };
        let node = self.shared.choose_request(class, source, tenant.nodes.as_deref())?;
        self.forward(class, tenant, NodePath::plain(&detected.path), node, true, None)
    }

    /// A length over the limit is refused by its announcement; chunks are counted as they come.
    fn check_length(&self) -> Result<(), Halt> {
        match self.head.framing {
            Framing::Length(length) if length > self.shared.config.max_body_bytes as u64 => {
                Err(ProxyError::BodyTooLarge.into())
            }
            _ => Ok(()),
        }
    }

    fn respond_local(&self, bytes: Vec<u8>) -> Result<(Next, usize), Halt> {
        let mut body = BodyLeft::new(self.head.framing);
        let here = body.take(self.rest).map_err(|_| ProxyError::BadBody)?;
        let close = !self.keep_alive || !body.is_done();
        let next = Next::Respond {
            bytes,
            close,
            body,
            refused: None,
        };
        Ok((next, here))
    }

    /// The connection's figures are listed under what the client has shown.
    fn label(&self, tenant: &Arc<Tenant>, class: Class) {
        self.worker.ledger.relabel(self.record, &tenant.name, Some(class));
    }

    /// A request that tells what an undecided socket of the same client speaks.
    fn settle_undecided(&self, detected: &Detected<'_>, tenant: &Arc<Tenant>) -> Option<Settle> {
        if self.shared.undecided.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let caller = self.caller(tenant);
        let route = detected.route();
        let named = detected
            .session
            .clone()
            .and_then(|range| self.shared.directory.get(&detected.path[range]));
        let session = match named {
            Some(entry) if entry.tenant != tenant.id || entry.class().is_some() => return None,
            Some(entry) => entry,
            None => self.shared.undecided_of(&caller)?,
        };
        let told = detected
            .evidence
            .or_else(|| lavalink_protocol::late::evidence_from_body(&route, self.rest))
            .or_else(|| detected.session.as_ref().map(|_| detected.class))?;
        Some(self.settle(session, detected.class, Awaited::Link(told)))
    }

    /// A route that changes a whole node: only for tenants that may, and only to the one node they name.
    fn administer(&self, detected: &Detected<'_>, tenant: &Arc<Tenant>) -> Result<(Next, usize), Halt> {
        let node = local::administered_node(self.shared, self.head, tenant).ok_or(ProxyError::NodeAdministration)?;
        self.label(tenant, detected.class);
        self.check_length()?;
        self.forward(
            detected.class,
            tenant,
            NodePath::plain(&detected.path),
            node,
            false,
            None,
        )
    }

    fn forward(
        &self,
        class: Class,
        tenant: &Arc<Tenant>,
        path: NodePath<'_>,
        node: NodeId,
        any_node: bool,
        player: Option<PlayerRequest>,
    ) -> Result<(Next, usize), Halt> {
        let mut body = BodyLeft::new(self.head.framing);
        let here = body.take(self.rest).map_err(|_| ProxyError::BadBody)?;
        if body.chunked_payload() > self.shared.config.max_body_bytes as u64 {
            return Err(ProxyError::BodyTooLarge.into());
        }
        let target = &self.shared.nodes[usize::from(node.0)];
        let mut request = NodeRequest::new(self.head, path, self.query, target);
        request.push_body(&self.rest[..here]);
        let forward = Forward {
            request,
            body,
            node,
            safe: self.method.is_safe(),
            any_node,
            class,
            keep_alive: self.keep_alive,
            head_only: self.method == Method::Head,
            old_client: self.head.minor == 0,
            expects_continue: self.head.expect_continue,
            tenant: Arc::clone(tenant),
            path: self.path.into(),
            answered: None,
            retried: false,
            player,
        };
        Ok((Next::Forward(Box::new(forward)), here))
    }
}

/// What detection may ask of the proxy's memory.
struct Memory<'r> {
    shared: &'r Shared,
    caller: Option<&'r Caller>,
    versioned: bool,
}

impl Known for Memory<'_> {
    fn issued(&self, session: &str) -> Option<Class> {
        self.shared.directory.with(session, |entry| entry.class()).flatten()
    }

    fn bound(&self) -> Option<Binding> {
        self.shared.bound(self.caller?, self.versioned)
    }

    fn listed(&self, client_name: Option<&str>, user_agent: Option<&str>) -> Option<Class> {
        let listed = &self.shared.config.listed;
        let find = |name: &str| {
            listed
                .iter()
                .find(|(start, _)| name.starts_with(start.as_str()))
                .map(|(_, class)| *class)
        };
        client_name.and_then(find).or_else(|| user_agent.and_then(find))
    }

    fn default_class(&self) -> Class {
        self.shared.config.default_class
    }
}

/// A header's value as text; Lavalink's own headers are ASCII, anything else is as good as absent.
fn text(value: Option<&[u8]>) -> Option<&str> {
    value.and_then(|value| std::str::from_utf8(value).ok())
}

/// The search prefix of `identifier=ytsearch:...`, percent-encoded colon included.
fn load_source(query: &str) -> Option<&str> {
    let identifier = query.split('&').find_map(|pair| pair.strip_prefix("identifier="))?;
    let end = identifier
        .find(':')
        .or_else(|| identifier.find("%3A"))
        .or_else(|| identifier.find("%3a"))?;
    let prefix = &identifier[..end];
    let known = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (known && !matches!(prefix, "http" | "https")).then_some(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_prefix_of_an_identifier_is_found_however_it_is_encoded() {
        let cases = [
            ("identifier=ytsearch%3Anever+gonna", Some("ytsearch")),
            ("identifier=ytsearch:never%20gonna", Some("ytsearch")),
            ("a=b&identifier=spsearch%3ax", Some("spsearch")),
            ("identifier=https%3A%2F%2Fa", None),
            ("identifier=plain", None),
            ("identifier=%2Fa%3Ab", None),
            ("x=1", None),
        ];
        for (query, source) in cases {
            assert_eq!(load_source(query), source, "{query}");
        }
    }
}
