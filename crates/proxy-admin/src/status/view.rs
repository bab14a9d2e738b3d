//! What the public may know, taken from the last reading. Everything else is left behind here.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use lavalink_protocol::generation::Generation;
use proxy_core::health::NodeState;
use proxy_core::pool::NodeView;
use proxy_gateway::node::NodeAddress;
use serde::Serialize;

use super::StatusSettings;
use crate::App;
use crate::uptimes::Uptime;
use crate::view::millis;

/// The public status; its JSON is `/status.json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct View {
    pub(super) title: String,
    pub(super) status: Overall,
    /// When it was read, in milliseconds since 1970.
    at: u64,
    uptime_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) players: Option<u64>,
    pub(super) nodes: Vec<NodeLine>,
}

/// One node.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NodeLine {
    pub(super) name: String,
    pub(super) state: &'static str,
    /// Since when it is in that state, in milliseconds since 1970.
    pub(super) since: u64,
    pub(super) protocol: Option<&'static str>,
    /// By its own statistics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) players: Option<u64>,
    /// Shares of the time in which it took work; absent without history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) uptime: Option<Uptime>,
}

/// How the whole is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Overall {
    /// Every node that is meant to work does.
    Operational,
    /// Some do not.
    Degraded,
    /// None does.
    Down,
}

impl Overall {
    /// Draining is an operator's wish and no fault, as long as others work.
    fn of(ready: bool, states: impl Iterator<Item = NodeState>) -> Self {
        let mut states = states;
        if !ready {
            Self::Down
        } else if states.all(|state| matches!(state, NodeState::Healthy | NodeState::Draining)) {
            Self::Operational
        } else {
            Self::Degraded
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Operational => "operational",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}

impl View {
    pub(super) fn new(app: &App, settings: &StatusSettings) -> Self {
        let pool = app.shared.pool();
        let monitor = app.monitor();
        let lines = pool.nodes().iter().enumerate().map(|(at, node)| {
            let reading = monitor.nodes.get(&node.id);
            let since = reading.filter(|reading| reading.state == node.state);
            NodeLine {
                name: public_name(app, node, at),
                state: node.state.name(),
                since: millis(since.map_or(monitor.at, |reading| reading.since)),
                protocol: node.generation.map(protocol),
                players: node
                    .reported
                    .filter(|_| settings.show_players)
                    .map(|reported| reported.stats.players.max(0).unsigned_abs()),
                uptime: Some(app.uptimes.of(&node.name)).filter(|uptime| uptime.day.is_some()),
            }
        });
        let players = || {
            app.shared
                .directory
                .all()
                .iter()
                .map(|entry| u64::from(entry.players()))
                .sum()
        };
        Self {
            title: settings.title.clone(),
            status: Overall::of(app.is_ready(), pool.nodes().iter().map(|node| node.state)),
            at: millis(monitor.at),
            uptime_ms: u64::try_from(app.shared.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            players: settings.show_players.then(players),
            nodes: lines.collect(),
        }
    }

    /// How long the proxy has run.
    pub(super) fn uptime(&self) -> Duration {
        Duration::from_millis(self.uptime_ms)
    }
}

impl NodeLine {
    /// How long it has been in its state.
    pub(super) fn lasts(&self, now: SystemTime) -> Duration {
        Duration::from_millis(millis(now).saturating_sub(self.since))
    }
}

const fn protocol(generation: Generation) -> &'static str {
    match generation {
        Generation::Legacy | Generation::V3_7 => "v3",
        Generation::V4 { .. } => "v4",
    }
}

/// A node without a name is called after its host and port, which are nobody's business.
fn public_name(app: &App, node: &NodeView, at: usize) -> String {
    let address = app.shared.config.nodes.get(usize::from(node.id.0));
    match address {
        Some(config) if is_address(&node.name, &config.address) => format!("node-{}", at + 1),
        _ => node.name.as_ref().to_owned(),
    }
}

/// Whichever way host and port were joined.
fn is_address(name: &str, address: &NodeAddress) -> bool {
    let bare = |text: &str| text.replace([':', '-', '_', '[', ']'], "");
    let (name, host) = (bare(name), bare(&address.host));
    // A name with an IP address in it gives it away, whatever stands around.
    let is_ip = address.host.parse::<IpAddr>().is_ok();
    name == host || name == format!("{host}{}", address.port) || (is_ip && name.contains(&host))
}

#[cfg(test)]
mod tests {
    use proxy_core::secret::Secret;

    use super::*;

    #[test]
    fn the_whole_is_as_its_nodes_are() {
        use NodeState::{Degraded, Down, Draining, Healthy, Unknown};
        let cases: [(bool, &[NodeState], Overall); 8] = [
            (true, &[Healthy, Healthy], Overall::Operational),
            (true, &[Healthy, Draining], Overall::Operational),
            (true, &[Healthy, Down], Overall::Degraded),
            (true, &[Healthy, Unknown], Overall::Degraded),
            (true, &[Degraded], Overall::Degraded),
            (false, &[Draining], Overall::Down),
            (false, &[Down, Down], Overall::Down),
            (false, &[Healthy], Overall::Down),
        ];
        for (ready, states, expected) in cases {
            assert_eq!(
                Overall::of(ready, states.iter().copied()),
                expected,
                "{ready} {states:?}"
            );
        }
    }

    #[test]
    fn a_name_that_is_made_of_the_address_is_known_as_such() {
        let cases = [
            ("10.0.0.7-2333", "10.0.0.7", true),
            ("10.0.0.7:2333", "10.0.0.7", true),
            ("node-10.0.0.7", "10.0.0.7", true),
            ("fd00__1-2333", "fd00::1", true),
            ("lavalink.example.org-2333", "lavalink.example.org", true),
            ("lavalink.example.org", "lavalink.example.org", true),
            ("lavalink-1", "lavalink", false),
            ("eu-1", "10.0.0.7", false),
        ];
        for (name, host, expected) in cases {
            let address = NodeAddress {
                name: name.to_owned(),
                host: host.to_owned(),
                port: 2333,
                password: Secret::new("x"),
                tls: None,
            };
            assert_eq!(is_address(name, &address), expected, "{name} of {host}");
        }
    }
}
