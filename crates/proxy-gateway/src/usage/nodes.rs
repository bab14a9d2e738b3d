//! The node side: pooled REST connections and links.

use std::collections::HashMap;
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
    next: u64,
    live: HashMap<u64, Arc<Traffic>>,
    closed: Totals,
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
        let id = links.next;
        links.next += 1;
        links.live.insert(id, Arc::clone(&traffic));
        LinkRecord {
            id,
            ledger: Arc::clone(self),
            traffic,
        }
    }

    /// REST and links together, and how many links are live.
    pub fn totals(&self) -> (Totals, usize) {
        let links = lock(&self.links);
        let mut totals = self.rest.totals();
        totals += links.closed;
        for traffic in links.live.values() {
            totals += traffic.totals();
        }
        (totals, links.live.len())
    }
}

impl Drop for LinkRecord {
    fn drop(&mut self) {
        let mut links = lock(&self.ledger.links);
        links.live.remove(&self.id);
        links.closed += self.traffic.totals();
    }
}
