//! What the gateway needs to know to run, in its own terms: no file formats, no defaults, everything checked by whoever
//! read the configuration.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lavalink_protocol::detect::Class;
use proxy_core::health::HealthSettings;
use proxy_core::limits::ConnectionLimits;
use proxy_core::pool::NodeSpec;
use proxy_core::session::kept::KeptSession;
use proxy_core::session::machine::{PlacementMode, SessionSettings};
use proxy_core::session::migration::MigrationLimits;
use proxy_core::tenant::Tenants;

use crate::keeper::Keeper;
use crate::node::NodeAddress;

/// See the module.
#[derive(Debug)]
pub struct GatewayConfig {
    /// Where clients connect.
    pub listeners: Vec<ListenerConfig>,
    /// Worker threads, each with its own runtime; at least one.
    pub threads: usize,
    /// Path under which the proxy is mounted, such as `/music`; empty for the root.
    pub mount: String,
    /// For a whole request head, from its first byte (the first request: from the accept), and for a TLS handshake.
    pub header_timeout: Duration,
    /// For the next request on a kept connection, and for progress of a body.
    pub idle_timeout: Duration,
    /// Largest request line with headers.
    pub max_header_bytes: usize,
    /// Largest request body.
    pub max_body_bytes: usize,
    /// How long requests in flight may take after a shutdown began.
    pub shutdown_timeout: Duration,
    /// Between two pings on each WebSocket.
    pub ping_interval: Duration,
    /// A WebSocket that answers nothing for this long after a ping is half open and dropped.
    pub ping_timeout: Duration,
    /// What the slowest client may leave unread before its socket is closed.
    pub client_queue_bytes: usize,
    /// Largest WebSocket message of a client.
    pub max_client_message: usize,
    /// Largest WebSocket message of a node.
    pub max_node_message: usize,
    /// Protocol version to assume when nothing tells.
    pub default_class: Class,
    /// Versions by the start of `Client-Name` or `User-Agent`; the first that fits counts.
    pub listed: Vec<(String, Class)>,
    /// For a connection to a node, TLS included.
    pub connect_timeout: Duration,
    /// For the head of a node's answer, and for progress of its body.
    pub response_timeout: Duration,
    /// Try a GET once on another node when the first failed before its answer began.
    pub retry: bool,
    /// Caps on client connections.
    pub limits: ConnectionLimits,
    /// What is kept for a client that is away, and for how long.
    pub sessions: Arc<SessionSettings>,
    /// A request waits so long in all for its player's link to be opened or resumed, or for a migration.
    pub request_wait: Duration,
    /// How many players move at a time.
    pub migrations: MigrationLimits,
    /// Client passwords.
    pub tenants: Tenants,
    /// Nodes, in the order of their ids.
    pub nodes: Vec<NodeConfig>,
    /// Thresholds and intervals of the health check.
    pub health: HealthSettings,
    /// For one probe.
    pub probe_timeout: Duration,
    /// Keeps sessions for another run of the proxy; `None`: they end with this one.
    pub keeper: Option<Arc<dyn Keeper>>,
    /// The sessions that the run before kept.
    pub kept: Vec<KeptSession>,
    /// `/v4/info` shows what any node has instead of what all have.
    pub info_union: bool,
}

impl GatewayConfig {
    /// With a single v4 node there is nothing to spread over, so its sessions need no routes by player.
    pub(crate) fn keep_together(&mut self) {
        let may_be_v4 = |node: &&NodeConfig| node.is_v4 != Some(false);
        if self.nodes.iter().filter(may_be_v4).count() < 2 {
            Arc::make_mut(&mut self.sessions).placement = PlacementMode::Session;
        }
    }
}

/// One address that clients connect to.
#[derive(Clone, Debug)]
pub struct ListenerConfig {
    /// Address and port.
    pub bind: SocketAddr,
    /// Speak TLS.
    pub tls: Option<ListenerTls>,
}

/// Certificate chain and key, PEM.
#[derive(Clone, Debug)]
pub struct ListenerTls {
    /// Chain, leaf first.
    pub certificate: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

/// One node.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// For the core: name, weight, regions.
    pub spec: NodeSpec,
    /// For the network.
    pub address: NodeAddress,
    /// Take it out of placement from the start.
    pub drain: bool,
    /// The operator says that it is a v4 node, or that it is not; a node that turns out otherwise stays down.
    pub is_v4: Option<bool>,
}
