//! The node side: pooled REST connections and links.

use std::collections::HashMap;
use std::ops::AddAssign;
use std::sync::{Arc, Mutex};

use super::{Totals, Traffic, lock};

/// The node side of one worker thread, for one node: pooled REST connections, and links live and closed.
#[derive(Debug, Default)]
pub struct NodeLedger {
    /// All REST connections of this worker to the node; and of its links the handshakes, as requests with an outcome.
    pub(crate) rest: Arc<Traffic>,
    links: Mutex<Links>,
}

#[derive(Debug, Default)]
struct Links {
    counts: LinkCounts,
    live: HashMap<u64, Arc<Traffic>>,
    closed: Totals,
}

/// How many links to a node there are, and what became of all that there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounts {
    /// That are open.
    pub live: usize,
    /// That were opened so far, resumed ones again.
    pub opened: u64,
    /// Whose socket broke.
    pub lost: u64,
    /// That were lost and taken up again where they were.
    pub resumed: u64,
    /// That were lost, and whose node knew nothing of them any more.
    pub refused: u64,
}

impl AddAssign for LinkCounts {
    fn add_assign(&mut self, other: Self) {
        self.live += other.live;
        self.opened += other.opened;
        self.lost += other.lost;
        self.resumed += other.resumed;
        self.refused += other.refused;
    }
}

/// A link's place in the ledger; counted as closed when dropped.
#[derive(Debug)]
pub(crate) struct LinkRecord {
    id: u64,
    ledger: Arc<NodeLedger>,
    pub(crate) traffic: Arc<Traffic>,
}

impl NodeLedger {
    pub(crate) fn open_link(self: &Arc<Self>) -> LinkRecord {
        let traffic = Arc::<Traffic>::default();
        let mut links = lock(&self.links);
        let id = links.counts.opened;
        links.counts.opened += 1;
        links.live.insert(id, Arc::clone(&traffic));
        LinkRecord {
            id,
            ledger: Arc::clone(self),
            traffic,
        }
    }

    /// A link's socket broke.
    pub(crate) fn link_lost(&self) {
        lock(&self.links).counts.lost += 1;
    }

    /// A node took a lost link up again, or knew nothing of it any more.
    pub(crate) fn link_resumed(&self, resumed: bool) {
        let counts = &mut lock(&self.links).counts;
        if resumed {
            counts.resumed += 1;
        } else {
            counts.refused += 1;
        }
    }

    /// REST and links together, and what became of links.
    pub fn totals(&self) -> (Totals, LinkCounts) {
        let links = lock(&self.links);
        let mut totals = self.rest.totals();
        totals += links.closed;
        for traffic in links.live.values() {
            totals += traffic.totals();
        }
        let live = links.live.len();
        (totals, LinkCounts { live, ..links.counts })
    }
}

impl Drop for LinkRecord {
    fn drop(&mut self) {
        let mut links = lock(&self.ledger.links);
        links.live.remove(&self.id);
        links.closed += self.traffic.totals();
    }
}
