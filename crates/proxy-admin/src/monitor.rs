//! One reading a second of everything that is counted, and the rates that follow from it. All answers are made from the
//! last reading, so that they agree with each other to the byte, and so that asking often costs the workers nothing.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use lavalink_protocol::detect::Class;
use proxy_core::health::NodeState;
use proxy_core::pool::NodeId;
use proxy_gateway::shared::Shared;
use proxy_gateway::usage::{ClientUsage, Closed, Ended, LinkCounts, Totals};
use proxy_store::{Figures, Millis, UsageKey};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::App;
use crate::gauges::Gauges;
use crate::keeper::Keeper;
use crate::rate_table::RateTable;
use crate::view::millis;

/// Between two readings.
const INTERVAL: Duration = Duration::from_secs(1);

/// The last reading.
pub(crate) struct Monitor {
    /// When it was taken.
    pub(crate) at: SystemTime,
    /// The client side.
    pub(crate) client: ClientUsage,
    /// Connections that are over, by how they ended.
    pub(crate) ended: BTreeMap<String, u64>,
    /// How many connections, sessions and players there were.
    pub(crate) gauges: Gauges,
    /// Writes history; taken out while it looks at the rest.
    keeper: Option<Keeper>,
    /// The node side, by node.
    pub(crate) nodes: HashMap<NodeId, NodeReading>,
    /// Rates of the whole client side.
    pub(crate) client_rates: RateTable<()>,
    /// By connection.
    pub(crate) connection_rates: RateTable<u64>,
    /// By address.
    pub(crate) address_rates: RateTable<Option<IpAddr>>,
    /// By tenant.
    pub(crate) tenant_rates: RateTable<Arc<str>>,
    /// By protocol version.
    pub(crate) version_rates: RateTable<Option<Class>>,
    /// Of the whole node side.
    pub(crate) node_side_rates: RateTable<()>,
    /// By node.
    pub(crate) node_rates: RateTable<NodeId>,
}

/// One node's part of a reading.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeReading {
    /// What was moved to and from it.
    pub(crate) totals: Totals,
    /// WebSockets to it, open and past.
    pub(crate) links: LinkCounts,
    /// Its state.
    pub(crate) state: NodeState,
    /// Since when it is in that state, to the second.
    pub(crate) since: SystemTime,
}

/// Takes readings for as long as the admin listener runs, and tells when there is a new one.
pub(crate) async fn run(app: Arc<App>, readings: watch::Sender<u64>) {
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + INTERVAL, INTERVAL);
    // A late reading is followed by a whole interval: rates want time between their samples.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let at = {
            let mut monitor = app.monitor();
            monitor.read(&app.shared);
            millis(monitor.at)
        };
        readings.send_replace(at);
    }
}

impl Monitor {
    /// Starts with a first reading.
    pub(crate) fn new(shared: &Shared, keeper: Option<Keeper>) -> Self {
        let mut monitor = Self {
            at: SystemTime::now(),
            client: ClientUsage::default(),
            ended: BTreeMap::new(),
            gauges: Gauges::default(),
            keeper,
            nodes: HashMap::new(),
            client_rates: RateTable::default(),
            connection_rates: RateTable::default(),
            address_rates: RateTable::default(),
            tenant_rates: RateTable::default(),
            version_rates: RateTable::default(),
            node_side_rates: RateTable::default(),
            node_rates: RateTable::default(),
        };
        monitor.read(shared);
        monitor
    }

    fn read(&mut self, shared: &Shared) {
        let now = Instant::now();
        self.at = SystemTime::now();
        let mut closed = Closed::default();
        shared.read_clients(&mut self.client, &mut closed);
        for connection in &closed.connections {
            *self.ended.entry(connection.ended.to_string()).or_default() += 1;
        }
        if closed.lost > 0 {
            *self.ended.entry(Ended::Unknown.to_string()).or_default() += closed.lost;
        }
        self.gauges = Gauges::count(&self.client, shared);
        self.sample_clients(now);
        self.read_nodes(shared);
        self.node_side_rates.sample([((), self.node_side())], now);
        let nodes = self.nodes.iter().map(|(node, reading)| (*node, reading.totals));
        self.node_rates.sample(nodes, now);
        if let Some(mut keeper) = self.keeper.take() {
            keeper.keep(self, &closed, shared, now);
            self.keeper = Some(keeper);
        }
    }

    /// Takes a last reading, once nothing is counted any more, and hands history over to the store.
    pub(crate) fn finish(&mut self, shared: &Shared) {
        self.read(shared);
        if let Some(keeper) = &mut self.keeper {
            keeper.finish();
        }
    }

    /// What was counted for a key and is not in the store yet.
    pub(crate) fn pending(&self, key: &UsageKey) -> Vec<(Millis, Figures)> {
        self.keeper
            .as_ref()
            .map(|keeper| keeper.pending(key))
            .unwrap_or_default()
    }

    fn sample_clients(&mut self, now: Instant) {
        let client = &self.client;
        self.client_rates.sample([((), self.client_side())], now);
        let connections = client.connections.iter().map(|(record, totals)| (record.id, *totals));
        self.connection_rates.sample(connections, now);
        let addresses = client.by_address.iter().map(|(address, totals)| (*address, *totals));
        self.address_rates.sample(addresses, now);
        self.tenant_rates.sample(self.by_tenant(), now);
        self.version_rates.sample(self.by_version(), now);
    }

    fn read_nodes(&mut self, shared: &Shared) {
        let pool = shared.pool();
        let before = std::mem::take(&mut self.nodes);
        for node in pool.nodes() {
            let (totals, links) = shared.node_usage(node.id);
            let since = before.get(&node.id).filter(|earlier| earlier.state == node.state);
            let reading = NodeReading {
                totals,
                links,
                state: node.state,
                since: since.map_or(self.at, |earlier| earlier.since),
            };
            self.nodes.insert(node.id, reading);
        }
    }

    /// Everything that clients sent and got.
    pub(crate) fn client_side(&self) -> Totals {
        sum(self.client.by_label.values())
    }

    /// Everything that nodes got and sent.
    pub(crate) fn node_side(&self) -> Totals {
        sum(self.nodes.values().map(|reading| &reading.totals))
    }

    /// The client side by tenant.
    pub(crate) fn by_tenant(&self) -> HashMap<Arc<str>, Totals> {
        let mut tenants = HashMap::<_, Totals>::new();
        for (label, totals) in &self.client.by_label {
            *tenants.entry(Arc::clone(&label.tenant)).or_default() += *totals;
        }
        tenants
    }

    /// The client side by protocol version.
    pub(crate) fn by_version(&self) -> HashMap<Option<Class>, Totals> {
        let mut versions = HashMap::<_, Totals>::new();
        for (label, totals) in &self.client.by_label {
            *versions.entry(label.class).or_default() += *totals;
        }
        versions
    }
}

fn sum<'a>(parts: impl Iterator<Item = &'a Totals>) -> Totals {
    parts.fold(Totals::default(), |mut sum, part| {
        sum += *part;
        sum
    })
}
