//! Requests of a session: which of its links they go to, and what of their bodies is read here.

use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use lavalink_protocol::detect::{Class, Detected};
use lavalink_protocol::http::{ChunkWalker, Framing};
use lavalink_protocol::id::GuildId;
use lavalink_protocol::route::{Method, Route};
use proxy_core::pool::NodeId;
use proxy_core::session::{Asked, Needs, PluginWrite};
use proxy_core::tenant::Tenant;

use super::wait::Awaited;
use super::{Halt, Next, Request, refusal};
use crate::error::{ProxyError, Reason};
use crate::keeper::{self, Change};
use crate::local;
use crate::respond;
use crate::rest::body::BodyLeft;
use crate::rest::head::NodePath;
use crate::rest::player::{Does, MAX_PLAYER_BODY, PlayerRequest};
use crate::rest::players;
use crate::session::directory::{Route as LinkRoute, SessionEntry, To};
use crate::worker::Worker;

/// Bodies that the proxy reads itself are small; larger ones are refused.
const MAX_READ_BODY: usize = 64 * 1024;
/// Longest body of a write to a plugin's route that is kept to be sent again after a migration.
const MAX_PLUGIN_BODY: usize = 16 * 1024;

/// A request for all players of a session that has them on several nodes.
pub(crate) struct AllPlayers {
    session: Arc<SessionEntry>,
    links: Vec<Arc<LinkRoute>>,
    class: Class,
    path: Box<str>,
    keep_alive: bool,
    head_only: bool,
    body: BodyLeft,
}

/// An answer of the proxy's own that took its time.
pub(crate) struct Answered {
    pub(crate) bytes: Vec<u8>,
    pub(crate) close: bool,
    pub(crate) body: BodyLeft,
}

impl AllPlayers {
    /// Asks the nodes.
    pub(crate) async fn answer(self, worker: &Rc<Worker>) -> (Answered, Option<Reason>) {
        let to = respond::To {
            class: self.class,
            path: &self.path,
            keep_alive: self.keep_alive && self.body.is_done(),
            head_only: self.head_only,
        };
        let (bytes, close, reason) = match players::merged(worker, &self.session, self.links).await {
            Ok(list) => (respond::ok("application/json", &list, to), !to.keep_alive, None),
            Err(error) => {
                let (bytes, answer) = refusal(worker, &error, to);
                (bytes, answer.close, Some(answer.reason()))
            }
        };
        let body = self.body;
        (Answered { bytes, close, body }, reason)
    }
}

/// The body of a request that is read here.
enum Read<'r> {
    /// All of it.
    Whole(&'r [u8]),
    /// All of it, taken out of its chunks, and how long these were.
    Unchunked(Vec<u8>, usize),
    /// It is too long to be read.
    TooLong,
}

impl Read<'_> {
    fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Whole(body) => Some(body),
            Self::Unchunked(body, _) => Some(body),
            Self::TooLong => None,
        }
    }

    /// How many bytes it took.
    fn used(&self) -> Option<usize> {
        match self {
            Self::Whole(body) => Some(body.len()),
            Self::Unchunked(_, used) => Some(*used),
            Self::TooLong => None,
        }
    }
}

impl<'r> Request<'r> {
    pub(super) fn of_session(
        &self,
        detected: &Detected<'_>,
        class: Class,
        tenant: &Arc<Tenant>,
        range: Range<usize>,
    ) -> Result<(Next, usize), Halt> {
        let id = &detected.path[range.clone()];
        // As in Lavalink, a session whose client is away does not exist for requests either.
        let reachable = |entry: &Arc<SessionEntry>| entry.tenant == tenant.id && !entry.is_parked();
        let entry = self.shared.directory.get(id).filter(reachable);
        let entry = entry.ok_or(ProxyError::SessionNotFound)?;
        let route = detected.route();
        if class == Class::V4 && matches!(route, Route::Session { .. }) {
            return self.update_session(&entry, class);
        }
        let bound = entry.class();
        if bound == Some(Class::V4) {
            match route {
                Route::Player { guild, .. } | Route::UnderPlayer { guild, .. } => {
                    if let Ok(guild) = guild.parse() {
                        return self.of_player(detected, &route, tenant, entry, range, guild);
                    }
                }
                Route::Players { .. } => {
                    let links = entry.links();
                    if links.len() > 1 {
                        return self.all_players(class, entry, links);
                    }
                }
                _ => {}
            }
        }
        let link = match (entry.route(), bound) {
            (Some(link), _) => link,
            // An earlier request has told its version, and its link is being opened. (A legacy node gives it no id.)
            (None, Some(bind @ (Class::V4 | Class::V3))) => {
                return Ok((Next::Settle(self.settle(entry, class, Awaited::Link(bind))), 0));
            }
            (None, _) => return Err(ProxyError::SessionNotFound.into()),
        };
        if let (Route::Session { .. }, Some(body)) = (&route, self.whole_body()) {
            self.remember_key(tenant, body, link.node);
        }
        let path = NodePath::of_session(&detected.path, range, link.node_session.as_str());
        self.forward(class, tenant, path, link.node, false, None)
    }

    // --- players -----------------------------------------------------------------------------------------------------

    /// A request of a v4 session's player goes to the link that has the player.
    fn of_player(
        &self,
        detected: &Detected<'_>,
        route: &Route<'_>,
        tenant: &Arc<Tenant>,
        entry: Arc<SessionEntry>,
        range: Range<usize>,
        guild: GuildId,
    ) -> Result<(Next, usize), Halt> {
        let class = detected.class;
        let does = self.does(route)?;
        // Counted before the route is looked up, so that the player does not start to move in between.
        let under_way = (!self.method.is_safe()).then(|| entry.begin_write(guild));
        let link = match entry.to(guild) {
            To::Link(link) => link,
            To::Wait => return Ok((Next::Settle(self.settle(entry, class, Awaited::Player(guild))), 0)),
            To::Unplaced if !self.method.is_safe() && self.method != Method::Delete => {
                let needs = match does {
                    Does::Update(_) => self.read_body(MAX_PLAYER_BODY)?.bytes().map(Needs::of_request),
                    _ => None,
                };
                let awaited = Awaited::Place(guild, Box::new(needs.unwrap_or_default()));
                let settle = self.settle(entry, class, awaited);
                return Ok((Next::Settle(settle), 0));
            }
            To::Unplaced | To::Nowhere => match entry.route() {
                Some(link) => link,
                None => return Ok((Next::Settle(self.settle(entry, class, Awaited::Link(Class::V4))), 0)),
            },
        };
        let path = NodePath::of_session(&detected.path, range, link.node_session.as_str());
        let player = PlayerRequest::new(entry, guild, link.link, does, under_way);
        self.forward(class, tenant, path, link.node, false, Some(player))
    }

    /// What the request does to its player, for which its body must be here.
    fn does(&self, route: &Route<'_>) -> Result<Does, Halt> {
        if self.method.is_safe() {
            return Ok(Does::Read);
        }
        if let Route::UnderPlayer { rest, .. } = route {
            return Ok(Does::Plugin(self.plugin_write(rest)?));
        }
        if self.method == Method::Delete {
            return Ok(Does::Destroy);
        }
        let body = self.read_body(MAX_PLAYER_BODY)?;
        let asked = body.bytes().and_then(|body| Asked::read(body, self.no_replace()));
        Ok(Does::Update(asked))
    }

    /// `noReplace=true` as Lavalink reads it.
    fn no_replace(&self) -> bool {
        let mut pairs = self.query.unwrap_or_default().as_bytes().split(|byte| *byte == b'&');
        let value = pairs.find_map(|pair| pair.strip_prefix(b"noReplace="));
        let truths: [&[u8]; 4] = [b"true", b"on", b"yes", b"1"];
        value.is_some_and(|value| truths.iter().any(|truth| value.eq_ignore_ascii_case(truth)))
    }

    fn plugin_write(&self, rest: &str) -> Result<Option<Box<PluginWrite>>, Halt> {
        let body = self.read_body(MAX_PLUGIN_BODY)?;
        let Some(body) = body.bytes() else { return Ok(None) };
        let path = match self.query {
            Some(query) => format!("/{rest}?{query}"),
            None => format!("/{rest}"),
        };
        let content_type = self
            .head
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case("content-type"));
        Ok(Some(Box::new(PluginWrite {
            method: self.head.method.into(),
            path: path.into(),
            content_type: content_type
                .and_then(|header| std::str::from_utf8(header.value).ok())
                .map(Box::from),
            body: body.into(),
        })))
    }

    /// The body, if it is no longer than `limit`; waited for when it is not here yet.
    fn read_body(&self, limit: usize) -> Result<Read<'r>, Halt> {
        match self.head.framing {
            Framing::None => Ok(Read::Whole(b"")),
            Framing::Length(length) if length <= limit as u64 => {
                // It fits, as it is no longer than the limit.
                let length = length as usize;
                self.rest.get(..length).map(Read::Whole).ok_or(Halt::Body(length))
            }
            // Chunks do not tell how many there are, so they are walked anew with each piece, and few are waited for.
            Framing::Chunked => self.read_chunked(limit.min(MAX_READ_BODY)),
            _ => Ok(Read::TooLong),
        }
    }

    fn read_chunked(&self, limit: usize) -> Result<Read<'r>, Halt> {
        let mut walker = ChunkWalker::default();
        let mut body = Vec::new();
        let used = walker
            .walk_payload(self.rest, |piece| body.extend_from_slice(piece))
            .map_err(|_| ProxyError::BadBody)?;
        // Measured as it came: extensions of chunks take memory too, until the body is whole.
        if used > limit {
            return Ok(Read::TooLong);
        }
        if !walker.is_done() {
            return Err(Halt::Body(self.rest.len() + 1));
        }
        Ok(Read::Unchunked(body, used))
    }

    fn all_players(
        &self,
        class: Class,
        session: Arc<SessionEntry>,
        links: Vec<Arc<LinkRoute>>,
    ) -> Result<(Next, usize), Halt> {
        let mut body = BodyLeft::new(self.head.framing);
        let here = body.take(self.rest).map_err(|_| ProxyError::BadBody)?;
        let players = AllPlayers {
            session,
            links,
            class,
            path: self.path.into(),
            keep_alive: self.keep_alive,
            head_only: self.method == Method::Head,
            body,
        };
        Ok((Next::Players(Box::new(players)), here))
    }

    // --- session updates ---------------------------------------------------------------------------------------------

    /// The proxy owns resuming, so a v4 session update is its to answer.
    fn update_session(&self, entry: &Arc<SessionEntry>, class: Class) -> Result<(Next, usize), Halt> {
        let body = self.read_body(MAX_READ_BODY)?;
        let used = body.used().ok_or(ProxyError::BodyTooLarge)?;
        self.answer_session_update(entry, class, body.bytes().unwrap_or_default(), used)
    }

    fn answer_session_update(
        &self,
        entry: &Arc<SessionEntry>,
        class: Class,
        body: &[u8],
        used: usize,
    ) -> Result<(Next, usize), Halt> {
        let bytes = local::update_session(entry, body, self.to(class, self.keep_alive))?;
        let (close, body) = (!self.keep_alive, BodyLeft::Length(0));
        let change = Change::Settings(entry.id.clone(), entry.settings());
        let next = match keeper::commit(self.worker, entry, change) {
            Some(kept) => Next::Kept(Box::pin(async move {
                kept.await;
                Answered { bytes, close, body }
            })),
            None => Next::Respond {
                bytes,
                close,
                body,
                refused: None,
            },
        };
        Ok((next, used))
    }

    /// A v3 client names the key it will resume by: its next handshake must reach the same node.
    fn remember_key(&self, tenant: &Tenant, body: &[u8], node: NodeId) {
        if let Ok(update) = lavalink_protocol::message::V3SessionUpdate::read(body)
            && let Some(Some(key)) = update.resuming_key
        {
            crate::shared::lock(&self.shared.resume_keys).remember(tenant.id, &key, node);
        }
    }

    fn whole_body(&self) -> Option<&'r [u8]> {
        match self.head.framing {
            Framing::Length(length) => self.rest.get(..usize::try_from(length).ok()?),
            _ => None,
        }
    }
}
