//! How many connections, sessions and players there are now, by whatever usage is summed by. Counted once for each
//! reading, for lists and for history.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use lavalink_protocol::detect::Class;
use proxy_core::pool::NodeId;
use proxy_gateway::shared::Shared;
use proxy_gateway::usage::{ClientUsage, Label};

/// What there is of one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gauge {
    /// Open connections; links, for a node.
    pub(crate) connections: u64,
    /// Sessions; of an address only those whose client is there.
    /// For a node those that have a link to it.
    pub(crate) sessions: u64,
    pub(crate) players: u64,
}

/// See the module. A key that is missing has nothing.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    pub(crate) total: Gauge,
    pub(crate) by_address: HashMap<IpAddr, Gauge>,
    pub(crate) by_tenant: HashMap<Arc<str>, Gauge>,
    pub(crate) by_version: HashMap<Option<Class>, Gauge>,
    /// Without the links, which are counted elsewhere.
    pub(crate) by_node: HashMap<NodeId, Gauge>,
}

impl Gauges {
    /// Counts everything.
    pub(crate) fn count(client: &ClientUsage, shared: &Shared) -> Self {
        let mut gauges = Self::default();
        gauges.count_connections(client);
        gauges.count_sessions(shared);
        gauges
    }

    fn count_connections(&mut self, client: &ClientUsage) {
        // Connections share few labels, so these are told apart by where they lie and looked up once.
        let mut labels = Vec::<(Arc<Label>, u64)>::new();
        for (record, _) in &client.connections {
            let label = record.names();
            match labels.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &label)) {
                Some((_, count)) => *count += 1,
                None => labels.push((label, 1)),
            }
            let address = self.by_address.entry(record.peer.ip()).or_default();
            address.connections += 1;
            if let Some(session) = record.session().filter(|session| !session.is_parked()) {
                address.sessions += 1;
                address.players += u64::from(session.players());
            }
        }
        for (label, count) in labels {
            self.by_tenant.entry(Arc::clone(&label.tenant)).or_default().connections += count;
            self.by_version.entry(label.class).or_default().connections += count;
        }
        self.total.connections = client.connections.len() as u64;
    }

    fn count_sessions(&mut self, shared: &Shared) {
        for entry in shared.directory.all() {
            let players = u64::from(entry.players());
            let tenant = self.by_tenant.entry(Arc::clone(&entry.tenant_name)).or_default();
            let version = self.by_version.entry(entry.class()).or_default();
            for gauge in [&mut self.total, tenant, version] {
                gauge.sessions += 1;
                gauge.players += players;
            }
            // Its players may be on several.
            for link in entry.links() {
                let node = self.by_node.entry(link.node).or_default();
                node.sessions += 1;
                node.players += u64::from(entry.players_on(link.node));
            }
        }
    }
}
