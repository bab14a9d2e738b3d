//! What of a session outlives the process: who it is, so that another run can take it up. Not what its players do, which
//! the nodes know, and not where it is kept.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use lavalink_protocol::id::{NodeSessionId, SessionId, UserId};

/// A session that its client may come back for.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptSession {
    /// The id that the client knows.
    pub id: SessionId,
    /// The tenant, by name.
    pub tenant: Arc<str>,
    /// The bot.
    pub user: UserId,
    /// `Client-Name`.
    pub client: Option<Box<str>>,
    /// Since when.
    pub opened: SystemTime,
    /// What the client set.
    pub settings: Settings,
    /// The links that have, or had, players: their nodes were asked to keep them.
    pub links: Vec<KeptLink>,
}

/// A link of a kept session.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptLink {
    /// The node, by name.
    pub node: String,
    /// The id that the node gave.
    pub node_session: NodeSessionId,
}

/// What a client set with a session update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Keep the session when the client is lost.
    pub resuming: bool,
    /// For so many seconds.
    pub timeout: i64,
}

impl Default for Settings {
    /// Lavalink's own.
    fn default() -> Self {
        Self {
            resuming: false,
            timeout: 60,
        }
    }
}

// Ids of sessions open other people's players, so none is shown.
impl fmt::Debug for KeptSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptSession")
            .field("tenant", &self.tenant)
            .field("user", &self.user)
            .field("links", &self.links)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for KeptLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptLink")
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_id_of_a_session_is_printed() {
        let session = KeptSession {
            id: SessionId::from("client-id"),
            tenant: "default".into(),
            user: UserId(7),
            client: None,
            opened: SystemTime::UNIX_EPOCH,
            settings: Settings::default(),
            links: vec![KeptLink {
                node: "eu-1".to_owned(),
                node_session: NodeSessionId::from("node-id"),
            }],
        };
        let printed = format!("{session:?}");
        assert!(printed.contains("eu-1"), "{printed}");
        assert!(
            !printed.contains("client-id") && !printed.contains("node-id"),
            "{printed}"
        );
    }
}
