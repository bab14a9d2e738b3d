//! Node sessions that were left without being able to say so: a node that was frozen or cut off may play on. When it is
//! reached again, its session is taken up once more and ended. Not for carrying that out: the shell does.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use lavalink_protocol::id::NodeSessionId;

use crate::pool::NodeId;

/// So many are remembered; the oldest are forgotten first. A node forgets them by itself when its own timeout passes,
/// so that forgetting one here costs a minute of double music at worst.
const MAX: usize = 100_000;

/// See the module.
#[derive(Debug, Default)]
pub struct Orphans {
    left: VecDeque<Orphan>,
}

/// A node session that was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// The node.
    pub node: NodeId,
    /// Its session.
    pub node_session: NodeSessionId,
    /// When it was left.
    pub since: Instant,
}

impl Orphans {
    /// A session was left.
    pub fn leave(&mut self, node: NodeId, node_session: NodeSessionId, now: Instant) {
        if self.left.len() == MAX {
            self.left.pop_front();
        }
        self.left.push_back(Orphan {
            node,
            node_session,
            since: now,
        });
    }

    /// Takes out what can be cleaned up because its node is reached again.
    pub fn take(&mut self, node: NodeId) -> Vec<Orphan> {
        let (here, others) = std::mem::take(&mut self.left)
            .into_iter()
            .partition::<VecDeque<_>, _>(|orphan| orphan.node == node);
        self.left = others;
        here.into()
    }

    /// Cleaning up failed: it is tried again, unless the node has kept its session for longer than it was asked to.
    pub fn put_back(&mut self, orphan: Orphan, keep: Duration, now: Instant) {
        // A node that stood still kept no time either, so its own limit may come later than ours.
        if now.saturating_duration_since(orphan.since) < keep.max(Duration::from_secs(3600)) && self.left.len() < MAX {
            self.left.push_back(orphan);
        }
    }

    /// How many wait for a node.
    pub fn on(&self, node: NodeId) -> usize {
        self.left.iter().filter(|orphan| orphan.node == node).count()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.left.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orphans_of_a_node_are_taken_out_and_come_back_when_cleaning_up_fails() {
        let now = Instant::now();
        let mut orphans = Orphans::default();
        for (node, session) in [(0, "a"), (1, "b"), (0, "c")] {
            orphans.leave(NodeId(node), NodeSessionId::from(session), now);
        }
        let mut taken = orphans.take(NodeId(0));
        assert_eq!((taken.len(), orphans.len(), orphans.on(NodeId(1))), (2, 1, 1));
        let orphan = taken.remove(0);
        orphans.put_back(orphan.clone(), Duration::from_secs(60), now + Duration::from_secs(100));
        assert_eq!(orphans.on(NodeId(0)), 1);
        orphans.put_back(orphan, Duration::from_secs(60), now + Duration::from_secs(4000));
        assert_eq!(orphans.on(NodeId(0)), 1, "too old to be there still");
    }
}
