//! What an operator sees of a session and may ask of it. Nothing here changes anything.

use lavalink_protocol::id::{GuildId, NodeSessionId};

use super::Machine;
use crate::pool::NodeId;
use crate::session::links::LinkState;
use crate::session::migration::{MoveReason, MoveRefused, Surroundings};

/// A session at one moment: its links, and where each player is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look {
    /// In the order in which they were opened.
    pub links: Vec<LookLink>,
    /// By guild.
    pub players: Vec<LookPlayer>,
}

/// One link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookLink {
    /// The node at its end.
    pub node: NodeId,
    /// The node's own id for the session, once it is known.
    pub node_session: Option<NodeSessionId>,
    /// Whether it can be used.
    pub state: LookState,
    /// Players on it.
    pub players: u32,
}

/// Whether a link can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookState {
    /// It is opened for the first time.
    Opening,
    /// Its socket is open.
    Up,
    /// Its socket was lost, and the node's session is being resumed.
    Resuming,
}

/// One player.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookPlayer {
    /// Whose it is.
    pub guild: GuildId,
    /// The node that it is on; `None` while it has none.
    pub node: Option<NodeId>,
    /// The move under way, or waited for.
    pub moving: Option<LookMove>,
}

/// A move that is not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookMove {
    /// Why.
    pub reason: MoveReason,
    /// Where it goes, once that is known.
    pub to: Option<NodeId>,
}

impl Machine {
    /// How the session stands.
    pub fn look(&self) -> Look {
        let links = self.links.iter().map(|link| LookLink {
            node: link.node,
            node_session: link.node_session.clone(),
            state: match link.state {
                LinkState::Opening => LookState::Opening,
                LinkState::Up => LookState::Up,
                LinkState::Resuming(_) => LookState::Resuming,
            },
            players: self.players.on(link.id) as u32,
        });
        let players = self.players.iter().filter(|player| !player.is_reserved());
        let players = players.map(|player| LookPlayer {
            guild: player.guild,
            node: self.links.get(player.link).map(|link| link.node),
            moving: self.move_of(player.guild).map(|moving| LookMove {
                reason: moving.reason,
                to: moving.holds().or(moving.wanted),
            }),
        });
        Look {
            links: links.collect(),
            players: players.collect(),
        }
    }

    /// Players by the node that they are on, also while they are about to leave it.
    pub fn players_by_node(&self) -> Vec<(NodeId, u32)> {
        let links = self.links.iter();
        links
            .map(|link| (link.node, self.players.on(link.id) as u32))
            .filter(|(_, players)| *players > 0)
            .collect()
    }

    /// Whether an operator may move a guild's player, to this node or to the best other one.
    ///
    /// # Errors
    /// See [`MoveRefused`].
    pub fn may_move(&self, guild: GuildId, to: Option<NodeId>, env: &dyn Surroundings) -> Result<(), MoveRefused> {
        let player = self.players.get(guild).filter(|player| !player.is_reserved());
        let player = player.ok_or(MoveRefused::NoPlayer)?;
        if player.moving {
            return Err(MoveRefused::AlreadyMoving);
        }
        let on = self.links.get(player.link).map(|link| link.node);
        match to {
            Some(node) if on == Some(node) => Err(MoveRefused::AlreadyThere),
            Some(node) if !env.state(node).takes_work() => Err(MoveRefused::NotReady),
            _ => Ok(()),
        }
    }
}
