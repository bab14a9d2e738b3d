//! The links of one session. Not for the sockets themselves: the shell keeps those by [`LinkId`].

use lavalink_protocol::id::NodeSessionId;

use crate::pool::NodeId;

/// A link's number within its session; never used again after the link closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(pub u32);

/// A link that is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its number within the session.
    pub id: LinkId,
    /// The node at its end.
    pub node: NodeId,
    /// The node's own id for the session, as its `ready` gave it: what session paths are rewritten to.
    pub node_session: NodeSessionId,
}

/// The links that are up. A session has one, later one per node with players of it, so a short list is searched
/// faster than any map.
#[derive(Debug, Default)]
pub struct Links(Vec<Link>);

impl Links {
    /// Adds a link, or replaces the one with the same number (its node session may have changed).
    pub fn insert(&mut self, link: Link) {
        match self.0.iter_mut().find(|known| known.id == link.id) {
            Some(known) => *known = link,
            None => {
                self.0.reserve_exact(1);
                self.0.push(link);
            }
        }
    }

    /// Takes a link out.
    pub fn remove(&mut self, id: LinkId) -> Option<Link> {
        let index = self.0.iter().position(|link| link.id == id)?;
        Some(self.0.remove(index))
    }

    /// The link with this number.
    pub fn get(&self, id: LinkId) -> Option<&Link> {
        self.0.iter().find(|link| link.id == id)
    }

    /// The link for what belongs to no player yet: the oldest one.
    pub fn primary(&self) -> Option<&Link> {
        self.0.first()
    }

    /// All links that are up.
    pub fn iter(&self) -> impl Iterator<Item = &Link> {
        self.0.iter()
    }

    /// Whether no link is up.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many links are up.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes all links out.
    pub fn drain(&mut self) -> impl Iterator<Item = Link> {
        std::mem::take(&mut self.0).into_iter()
    }
}
