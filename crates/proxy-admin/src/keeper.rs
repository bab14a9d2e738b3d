//! What of the readings goes into the store: usage, connections that are over, and what was seen of nodes. Nothing here
//! waits: the store takes it or counts it as dropped.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use lavalink_protocol::detect::Class;
use proxy_core::pool::NodeId;
use proxy_gateway::shared::Shared;
use proxy_gateway::usage::{Closed, ClosedConnection, Totals};
use proxy_store::{Figures, Millis, NodeChange, Probe, Reading, Record, Recorder, Store, UsageKey};

use crate::gauges::Gauge;
use crate::monitor::Monitor;
use crate::view::{stored, version_name};

/// See the module.
pub(crate) struct Keeper {
    store: Store,
    recorder: Recorder,
    opened: Opened,
    /// The last change of state that was written down.
    state_change: u64,
    /// The last probe of each node that was.
    probes: HashMap<NodeId, u64>,
}

/// Connections that are over, by what they counted under.
#[derive(Debug, Default)]
struct Opened {
    by_address: HashMap<IpAddr, u64>,
    by_tenant: HashMap<Arc<str>, u64>,
    by_version: HashMap<Option<Class>, u64>,
}

impl Keeper {
    /// `None` if the store keeps no history.
    pub(crate) fn new(store: Store) -> Option<Self> {
        let settings = store.settings();
        let recorder = Recorder::new(settings.flush_interval, settings.retention.addresses);
        settings.history.then_some(Self {
            recorder,
            store,
            opened: Opened::default(),
            state_change: 0,
            probes: HashMap::new(),
        })
    }

    /// Takes a reading, the connections that ended since the one before, and what was seen of nodes.
    pub(crate) fn keep(&mut self, monitor: &Monitor, closed: &Closed, shared: &Shared, now: Instant) {
        for connection in &closed.connections {
            // Bounded as the ledger is: addresses past its bound are not told apart there either.
            let is_known = monitor
                .client
                .by_address
                .contains_key(&Some(connection.record.peer.ip()));
            self.opened.count(connection, is_known);
            self.store.record(Record::Connection(Box::new(kept(connection))));
        }
        self.keep_nodes(shared);
        let readings = self.readings(monitor, shared);
        let batch = self.recorder.read(readings, stored(monitor.at), now);
        if let Some(batch) = batch
            && let Err(Record::Usage(batch)) = self.store.try_record(Record::Usage(batch))
        {
            self.recorder.give_back(batch);
        }
    }

    /// Hands over what is left, at the end.
    pub(crate) fn finish(&mut self) {
        self.store.record(Record::Usage(self.recorder.flush()));
    }

    /// What was counted for a key and is not in the store yet.
    pub(crate) fn pending(&self, key: &UsageKey) -> Vec<(Millis, Figures)> {
        self.recorder.pending(key)
    }

    fn keep_nodes(&mut self, shared: &Shared) {
        for change in shared.observed.state_changes_since(self.state_change) {
            self.state_change = change.number;
            let Some(node) = shared.nodes.get(usize::from(change.what.node.0)) else {
                continue;
            };
            self.store.record(Record::Node(NodeChange {
                node: node.name.to_string(),
                at: stored(change.at),
                from: change.what.from.name().to_owned(),
                to: change.what.to.name().to_owned(),
                why: change.what.why.to_string(),
            }));
        }
        for node in &shared.nodes {
            let last = self.probes.entry(node.id).or_default();
            for probe in shared.observed.probes_since(node.id, *last) {
                *last = probe.number;
                let failure = probe.what.as_ref().err().map(ToString::to_string);
                self.store.record(Record::Probe(Probe {
                    node: node.name.to_string(),
                    at: stored(probe.at),
                    latency: probe.what.ok(),
                    failure,
                }));
            }
        }
    }

    fn readings(&self, monitor: &Monitor, shared: &Shared) -> Vec<Reading> {
        let gauges = &monitor.gauges;
        let reading = |key, totals: Totals, gauge: Option<&Gauge>, opened: u64| {
            let gauge = gauge.copied().unwrap_or_default();
            let figures = Figures {
                connections: gauge.connections,
                sessions: gauge.sessions,
                players: gauge.players,
                connections_opened: opened,
                ..Figures::from(totals)
            };
            Reading { key, figures }
        };
        // Of what is open, only that counts as opened which has found its place: a connection without a tenant or version
        // gets them with its first request.
        let live = |gauge: Option<&Gauge>| gauge.map_or(0, |gauge| gauge.connections);
        let total = reading(
            UsageKey::Total,
            monitor.client_side(),
            Some(&gauges.total),
            monitor.client.opened,
        );
        let addresses = monitor.client.by_address.iter().map(|(address, totals)| match address {
            None => reading(UsageKey::OtherIps, *totals, None, 0),
            Some(ip) => {
                let gauge = gauges.by_address.get(ip);
                let opened = self.opened.by_address.get(ip).copied().unwrap_or(0) + live(gauge);
                reading(UsageKey::Ip(*ip), *totals, gauge, opened)
            }
        });
        let tenants = monitor.by_tenant().into_iter().map(|(tenant, totals)| {
            let gauge = gauges.by_tenant.get(&tenant);
            let open = if &*tenant == "none" { 0 } else { live(gauge) };
            let opened = self.opened.by_tenant.get(&tenant).copied().unwrap_or(0) + open;
            reading(UsageKey::Tenant(tenant), totals, gauge, opened)
        });
        let versions = monitor.by_version().into_iter().map(|(class, totals)| {
            let gauge = gauges.by_version.get(&class);
            let open = if class.is_none() { 0 } else { live(gauge) };
            let opened = self.opened.by_version.get(&class).copied().unwrap_or(0) + open;
            reading(UsageKey::Version(version_name(class)), totals, gauge, opened)
        });
        let nodes = monitor.nodes.iter().filter_map(|(id, node)| {
            let name = Arc::clone(&shared.nodes.get(usize::from(id.0))?.name);
            let gauge = Gauge {
                connections: node.links.live as u64,
                ..gauges.by_node.get(id).copied().unwrap_or_default()
            };
            Some(reading(
                UsageKey::Node(name),
                node.totals,
                Some(&gauge),
                node.links.opened,
            ))
        });
        let all = std::iter::once(total).chain(addresses).chain(tenants).chain(versions);
        all.chain(nodes).collect()
    }
}

impl Opened {
    fn count(&mut self, connection: &ClosedConnection, by_address: bool) {
        if by_address {
            *self.by_address.entry(connection.record.peer.ip()).or_default() += 1;
        }
        *self.by_tenant.entry(Arc::clone(&connection.label.tenant)).or_default() += 1;
        *self.by_version.entry(connection.label.class).or_default() += 1;
    }
}

fn kept(connection: &ClosedConnection) -> proxy_store::ClosedConnection {
    let record = &connection.record;
    let session = record.session();
    proxy_store::ClosedConnection {
        number: record.id,
        ip: record.peer.ip(),
        port: record.peer.port(),
        tls: record.tls,
        opened: stored(record.opened),
        closed: stored(connection.closed),
        tenant: connection.label.tenant.to_string(),
        version: connection.label.class.map(|class| version_name(Some(class)).to_owned()),
        session: session.map(|session| session.id.as_str().to_owned()),
        user: session.map(|session| session.user.0.to_string()),
        client: session.and_then(|session| session.client_name.as_deref().map(str::to_owned)),
        figures: connection.totals.into(),
        ended: connection.ended.to_string(),
    }
}
