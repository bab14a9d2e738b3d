//! A session's players as its node tells them, for people who look: asked when someone does, kept nowhere.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lavalink_protocol::detect::Class;
use proxy_core::health::FailureKind;
use proxy_core::pool::NodeId;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::rest::ask;
use crate::shared::{Shared, lock};
use crate::usage::{Totals, Traffic};

/// Longest wait for a node, also where requests may take longer: someone is looking at a page.
const LIMIT: Duration = Duration::from_secs(5);

/// The players of a session on one node.
#[derive(Clone, Debug)]
pub struct PlayersOnNode {
    /// The node.
    pub node: NodeId,
    /// Lavalink's player objects, without their voice tokens; or why the node does not tell them.
    pub players: Result<Vec<Value>, FailureKind>,
}

/// Why nothing can be said of a session's players.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlayersError {
    /// There is no such session.
    #[error("there is no such session")]
    NoSession,
    /// Its version is not known yet, or its link to a node is just being opened.
    #[error("the session has no node at the moment")]
    NoNode,
    /// Its client makes its players by ops, and nodes that speak ops need not tell players over REST.
    #[error("the client of this session speaks v3 ops: its players cannot be asked for")]
    Unsupported,
}

/// What asking for people moved, by node; part of the node side.
#[derive(Debug, Default)]
pub(crate) struct Asked(Mutex<Vec<Totals>>);

impl Asked {
    pub(crate) fn totals(&self, node: NodeId) -> Totals {
        lock(&self.0).get(usize::from(node.0)).copied().unwrap_or_default()
    }

    fn add(&self, node: NodeId, totals: Totals) {
        let mut sums = lock(&self.0);
        let index = usize::from(node.0);
        if sums.len() <= index {
            sums.resize(index + 1, Totals::default());
        }
        sums[index] += totals;
    }
}

/// Adds one conversation to the sums when it is over, also when nobody waits for its end.
struct Conversation<'s> {
    asked: &'s Asked,
    node: NodeId,
    traffic: Arc<Traffic>,
}

impl Drop for Conversation<'_> {
    fn drop(&mut self) {
        self.asked.add(self.node, self.traffic.totals());
    }
}

impl Shared {
    /// Asks the nodes of the session's links for its players, all at once: each at most 5 s and 4 MiB. Runs on whatever
    /// runtime it is awaited on.
    ///
    /// # Errors
    /// See [`PlayersError`].
    pub async fn players_of(self: &Arc<Self>, session: &str) -> Result<Vec<PlayersOnNode>, PlayersError> {
        let entry = self.directory.get(session).ok_or(PlayersError::NoSession)?;
        let version = match entry.class() {
            Some(Class::V4) => "v4",
            Some(Class::V3) => "v3",
            Some(Class::V3Legacy) => return Err(PlayersError::Unsupported),
            None => return Err(PlayersError::NoNode),
        };
        let links = entry.links();
        if links.is_empty() {
            return Err(PlayersError::NoNode);
        }
        let mut asking = JoinSet::new();
        for link in links {
            let shared = Arc::clone(self);
            asking.spawn(async move {
                let path = format!("/{version}/sessions/{}/players", link.node_session);
                PlayersOnNode {
                    node: link.node,
                    players: shared.ask_players(link.node, &path).await,
                }
            });
        }
        Ok(asking.join_all().await)
    }

    async fn ask_players(&self, node: NodeId, path: &str) -> Result<Vec<Value>, FailureKind> {
        let conversation = Conversation {
            asked: &self.asked,
            node,
            traffic: Arc::default(),
        };
        let limit = self.config.response_timeout.min(LIMIT);
        let target = &self.nodes[usize::from(node.0)];
        let answer = ask::get_list(target, Arc::clone(&conversation.traffic), path, limit).await?;
        match answer.status {
            200 => {}
            401 | 403 => return Err(FailureKind::Password),
            status => return Err(FailureKind::Status(status)),
        }
        let mut players: Vec<Value> = serde_json::from_slice(&answer.body).map_err(|_| FailureKind::NotLavalink)?;
        players.iter_mut().for_each(forget_voice);
        Ok(players)
    }
}

/// Of the voice server only where it is stays: token and voice session id open a guild's voice connection.
fn forget_voice(player: &mut Value) {
    if let Some(voice) = player.get_mut("voice") {
        let endpoint = voice.get("endpoint").cloned().unwrap_or_default();
        *voice = serde_json::json!({ "endpoint": endpoint });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_voice_only_the_endpoint_stays() {
        let mut player = json!({"guildId": "1", "voice": {"token": "t", "endpoint": "e", "sessionId": "s"}});
        forget_voice(&mut player);
        assert_eq!(player, json!({"guildId": "1", "voice": {"endpoint": "e"}}));
        let mut without = json!({"guildId": "1"});
        forget_voice(&mut without);
        assert_eq!(without, json!({"guildId": "1"}));
    }

    #[test]
    fn asking_can_be_handed_to_any_runtime() {
        fn is_send<T: Send>(_: impl FnOnce(&'static Arc<Shared>) -> T) {}
        is_send(|shared| shared.players_of("x"));
    }
}
