//! Requests that cannot go anywhere yet: until their session's version is told, its link is there, its player is placed
//! or has moved. Each is decided on anew when that has happened.

use std::sync::Arc;
use std::time::Duration;

use lavalink_protocol::detect::Class;
use lavalink_protocol::id::GuildId;
use lavalink_protocol::route::Method;
use proxy_core::session::Needs;
use tokio::time::{Instant, timeout_at};

use super::{Request, refusal};
use crate::error::{ProxyError, Reason};
use crate::respond;
use crate::rest::player;
use crate::session::directory::{SessionEntry, To};
use crate::worker::{Ask, Worker};

/// How long a request waits for its session's version and first link before it is refused.
const SETTLE_LIMIT: Duration = Duration::from_secs(5);

/// What a request waits for.
pub(super) enum Awaited {
    /// The session's link; an undecided one is told its version.
    Link(Class),
    /// The guild's player is on a link that is up.
    Player(GuildId),
    /// A new player is placed, on a node that has what it needs.
    Place(GuildId, Box<Needs>),
}

/// See the module.
pub(crate) struct Settle {
    session: Arc<SessionEntry>,
    awaited: Awaited,
    class: Class,
    /// The path as the client sent it, and whether the request was a HEAD; for the error object.
    path: Box<str>,
    head_only: bool,
}

impl Request<'_> {
    pub(super) fn settle(&self, session: Arc<SessionEntry>, class: Class, awaited: Awaited) -> Settle {
        Settle {
            session,
            awaited,
            class,
            path: self.path.into(),
            head_only: self.method == Method::Head,
        }
    }
}

impl Settle {
    /// Waits until what is awaited has happened or the session ended, for the request to be decided on anew; else the
    /// answer to give, and its reason. `since` is when the request began to wait.
    pub(crate) async fn wait(self, worker: &Worker, since: Instant) -> Option<(Vec<u8>, Reason)> {
        let changed = self.session.changed.notified();
        // A session that ended after it was looked up has nobody left to say that it changed.
        worker.shared.directory.get(self.session.id.as_str())?;
        let limit = worker.shared.config.request_wait;
        let waited = match &self.awaited {
            Awaited::Link(_) if self.session.route().is_some() => return None,
            Awaited::Player(guild) if !matches!(self.session.to(*guild), To::Wait) => return None,
            Awaited::Link(class) => {
                worker.ask(&self.session, Ask::Bind(*class));
                timeout_at(since + SETTLE_LIMIT, changed)
                    .await
                    .map_err(|_| ProxyError::NodeTimeout)
            }
            Awaited::Player(_) => timeout_at(since + limit, changed)
                .await
                .map_err(|_| ProxyError::NodeTimeout),
            Awaited::Place(guild, needs) => {
                player::place(worker, &self.session, *guild, needs.clone(), since + limit).await
            }
        };
        match waited {
            // Told in the way of all requests of a session that is gone.
            Ok(()) | Err(ProxyError::SessionNotFound) => None,
            Err(error) => Some(self.refuse(worker, &error)),
        }
    }

    fn refuse(&self, worker: &Worker, error: &ProxyError) -> (Vec<u8>, Reason) {
        let to = respond::To {
            class: self.class,
            path: &self.path,
            keep_alive: false,
            head_only: self.head_only,
        };
        let (bytes, answer) = refusal(worker, error, to);
        (bytes, answer.reason())
    }
}
