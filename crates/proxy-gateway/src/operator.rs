//! What the admin listener asks of sessions and nodes on an operator's behalf: how a session stands, moving one player,
//! how far a drain is. Asked of the thread that owns the session; the data path has no part in it.

use std::time::{Duration, Instant};

use lavalink_protocol::detect::Class;
use lavalink_protocol::id::{GuildId, SessionId};
use proxy_core::drain::Drain;
use proxy_core::health::NodeState;
use proxy_core::pool::NodeId;
use proxy_core::session::machine::{Look, LookLink, LookState};
use proxy_core::session::migration::MoveRefused;
use tokio::sync::oneshot;

use crate::moves::PastMove;
use crate::session::directory::SessionEntry;
use crate::shared::{Shared, lock};
use crate::worker::{Ask, WorkerMessage};

/// A thread that does not answer within this is stuck.
const ANSWER: Duration = Duration::from_secs(2);

/// A move that an operator asked for and that has begun.
#[derive(Debug)]
pub struct BegunMove {
    session: SessionId,
    guild: GuildId,
    /// The last move of any player that was over by then.
    after: u64,
}

/// Why a player is not moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoveError {
    /// There is no such session.
    #[error("there is no session of this id")]
    NoSession,
    /// Its client speaks v3, whose players cannot be moved.
    #[error("only players of v4 sessions can be moved")]
    NotV4,
    /// The session says no.
    #[error(transparent)]
    Refused(#[from] MoveRefused),
    /// The session's thread does not answer.
    #[error("the session does not answer")]
    NoAnswer,
}

impl Shared {
    /// How a session stands; `None` when there is none of this id. Of a v3 session only its link is known.
    pub async fn look_at(&self, session: &str) -> Option<Look> {
        let entry = self.directory.get(session)?;
        let (reply, answer) = oneshot::channel();
        if entry.class() == Some(Class::V4) {
            self.ask(&entry, Ask::Look(reply));
            if let Ok(Ok(look)) = tokio::time::timeout(ANSWER, answer).await {
                return Some(look);
            }
        }
        Some(published(&entry))
    }

    /// Begins to move one player, as an operator asks, to a node or to the best other one.
    ///
    /// # Errors
    /// See [`MoveError`].
    pub async fn move_player(&self, session: &str, guild: GuildId, to: Option<NodeId>) -> Result<BegunMove, MoveError> {
        let entry = self.directory.get(session).ok_or(MoveError::NoSession)?;
        if entry.class() != Some(Class::V4) {
            return Err(MoveError::NotV4);
        }
        let (reply, answer) = oneshot::channel();
        self.ask(&entry, Ask::Move { guild, to, reply });
        match tokio::time::timeout(ANSWER, answer).await {
            Ok(Ok(begun)) => Ok(BegunMove {
                session: entry.id.clone(),
                guild,
                after: begun?,
            }),
            // It ended meanwhile.
            Ok(Err(_)) if self.directory.get(session).is_none() => Err(MoveError::NoSession),
            Ok(Err(_)) | Err(_) => Err(MoveError::NoAnswer),
        }
    }

    /// Waits for what becomes of a move, for at most `limit`. `None`: it goes on, and will be in [`moves`](Self::moves).
    pub async fn outcome(&self, begun: &BegunMove, limit: Duration) -> Option<PastMove> {
        // A player has one move at a time, so the next of it that is over is this one.
        let BegunMove { session, guild, after } = begun;
        self.moves.wait(session, *guild, *after, limit).await
    }

    fn ask(&self, entry: &SessionEntry, ask: Ask) {
        // Whoever waits for the answer sees that there is none.
        self.send(entry.worker, WorkerMessage::Session(entry.id.clone(), ask))
            .ok();
    }

    /// Players that sessions have on a node now, as far as requests and answers told; what a drain still has to move.
    pub fn players_on(&self, node: NodeId) -> u32 {
        let sessions = self.directory.all();
        sessions.iter().map(|entry| entry.players_on(node)).sum()
    }

    /// How far a node's drain is; `None` when it does not drain.
    pub fn drain(&self, node: NodeId) -> Option<Drain> {
        if !self.is_draining(node) {
            return None;
        }
        let players = self.players_on(node);
        self.look_at_drain(node, players);
        lock(&self.drains).of(node)
    }

    fn is_draining(&self, node: NodeId) -> bool {
        let pool = self.pool();
        pool.get(node).is_some_and(|node| node.state == NodeState::Draining)
    }

    /// Looks how far all drains are, and says so when a node has become empty.
    pub(crate) fn watch_drains(&self) {
        let draining: Vec<NodeId> = self
            .nodes
            .iter()
            .map(|node| node.id)
            .filter(|node| self.is_draining(*node))
            .collect();
        for node in &draining {
            let players = self.players_on(*node);
            self.look_at_drain(*node, players);
        }
        lock(&self.drains).keep(|node| draining.contains(&node));
    }

    fn look_at_drain(&self, node: NodeId, players: u32) {
        let emptied = lock(&self.drains).look(node, players, Instant::now());
        if let Some(drain) = emptied {
            tracing::info!(
                node = %self.nodes[usize::from(node.0)].name,
                players = drain.at_start,
                took_ms = drain.since.elapsed().as_millis(),
                "a drained node is empty"
            );
        }
    }
}

/// What requests see of a session.
fn published(entry: &SessionEntry) -> Look {
    let links = entry.links().into_iter().map(|route| LookLink {
        node: route.node,
        node_session: Some(route.node_session.clone()),
        state: LookState::Up,
        players: entry.players_on(route.node),
    });
    Look {
        links: links.collect(),
        players: Vec::new(),
    }
}
