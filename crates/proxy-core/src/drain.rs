//! How far the drains of nodes are: since when, how many players were there, how many are left, and whether a node has
//! become empty. Not for moving them: each session does that for its own.

use std::time::Instant;

use crate::pool::NodeId;

/// How far a drain is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// When it began.
    pub since: Instant,
    /// Players that it found, or the most that were there since.
    pub at_start: u32,
    /// Players that are left.
    pub left: u32,
    /// Since when none is; `None` while there are some.
    pub empty_since: Option<Instant>,
}

/// The drains under way.
#[derive(Debug, Default)]
pub struct Drains(Vec<(NodeId, Drain)>);

impl Drains {
    /// A node drains and has so many players. Tells when it has just become empty.
    pub fn look(&mut self, node: NodeId, players: u32, now: Instant) -> Option<Drain> {
        let fresh = Drain {
            since: now,
            at_start: players,
            left: players,
            empty_since: None,
        };
        let index = self.0.iter().position(|(known, _)| *known == node);
        let index = index.unwrap_or_else(|| {
            self.0.push((node, fresh));
            self.0.len() - 1
        });
        let drain = &mut self.0[index].1;
        drain.at_start = drain.at_start.max(players);
        drain.left = players;
        match (players, drain.empty_since) {
            (0, None) => {
                drain.empty_since = Some(now);
                Some(*drain)
            }
            (0, Some(_)) => None,
            _ => {
                drain.empty_since = None;
                None
            }
        }
    }

    /// Forgets the drains of all nodes that do not drain any more.
    pub fn keep(&mut self, drains: impl Fn(NodeId) -> bool) {
        self.0.retain(|(node, _)| drains(*node));
    }

    /// How far a node's drain is.
    pub fn of(&self, node: NodeId) -> Option<Drain> {
        self.0.iter().find(|(known, _)| *known == node).map(|(_, drain)| *drain)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NODE: NodeId = NodeId(3);

    #[test]
    fn a_node_is_told_to_be_empty_once_and_again_only_after_it_was_not() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut drains = Drains::default();
        assert_eq!(drains.look(NODE, 4, at(0)), None);
        assert_eq!(drains.look(NODE, 6, at(1)), None, "two were on their way there");
        let empty = drains.look(NODE, 0, at(2)).expect("it is empty");
        assert_eq!((empty.since, empty.at_start, empty.left), (at(0), 6, 0));
        assert_eq!(drains.look(NODE, 0, at(3)), None);
        assert_eq!(drains.of(NODE).and_then(|drain| drain.empty_since), Some(at(2)));
        assert_eq!(drains.look(NODE, 1, at(4)), None);
        assert!(drains.look(NODE, 0, at(5)).is_some());
    }

    #[test]
    fn a_node_that_had_no_player_is_empty_at_once_and_an_undrained_one_is_forgotten() {
        let now = Instant::now();
        let mut drains = Drains::default();
        assert!(drains.look(NODE, 0, now).is_some());
        drains.keep(|_| false);
        assert!(drains.of(NODE).is_none());
    }
}
