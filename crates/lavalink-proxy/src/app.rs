//! Builds the components from the configuration, in the order of their dependencies: the list of what the proxy is made
//! of.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use lavalink_protocol::detect::Class;
use proxy_admin::{Admin, AdminConfig, DroppedLogLines};
use proxy_core::health::{HealthSettings, Thresholds};
use proxy_core::placement::Region;
use proxy_core::pool::{NodeId, NodeSpec};
use proxy_core::session::machine::{PlacementMode, SessionSettings};
use proxy_core::session::resume::QueueLimits;
use proxy_core::tenant::{Tenant, Tenants};
use proxy_gateway::config::{GatewayConfig, ListenerConfig, ListenerTls, NodeConfig};
use proxy_gateway::node::{NodeAddress, NodeTls};
use proxy_gateway::{Gateway, Inherited};
use proxy_store::{Settings, Store};

use crate::config::{self, Config, Placement, Version};
use crate::keeper::StoreKeeper;
use crate::telemetry::Logging;

/// Probes of a node in doubt come this much quicker than the configured interval, but not more often than this.
const SUSPECT_SHARE: u32 = 5;
const SUSPECT_LEAST: Duration = Duration::from_millis(200);

/// The running program.
pub(crate) struct App {
    gateway: Gateway,
    admin: Admin,
    store: Store,
}

impl App {
    /// Starts everything.
    ///
    /// # Errors
    /// When an address is taken, a certificate cannot be used, or the like.
    pub(crate) fn start(config: Config, inherited: Inherited, logging: &Logging) -> anyhow::Result<Self> {
        let admin = config.admin.clone();
        let shown = config.shown.clone();
        let public_url = config.server.public_url.clone();
        let bind = admin.bind;
        let store = open_store(&config.store)?;
        let (alerts, levels) = (config.alerts.clone(), config.levels);
        let status = config.status.clone();
        let keeper = StoreKeeper::new(store.clone());
        let gateway = GatewayConfig {
            kept: keeper.kept().context("the sessions of the run before cannot be read")?,
            keeper: Some(Arc::new(keeper)),
            ..gateway_config(config)?
        };
        let gateway = Gateway::start_with(gateway, inherited).context("the proxy listener does not start")?;
        let admin = AdminConfig {
            password: admin.password,
            viewer_password: admin.viewer_password,
            secure_cookie: admin.secure_cookie,
            session_timeout: admin.session_timeout,
            open_metrics: admin.open_metrics,
            store: Some(store.clone()),
            alerts,
            levels,
            public_url,
            masked_config: Some(shown),
            status,
            dropped_log_lines: DroppedLogLines::new(logging.dropped_lines()),
            ..AdminConfig::new(bind)
        };
        let admin = Admin::start(admin, Arc::clone(gateway.shared()))
            .with_context(|| format!("the admin listener on {bind} or the status does not start"))?;
        if let Some(password) = admin.new_password() {
            // Printed, not logged: log files live longer than the first look at a terminal.
            eprintln!("admin password (user admin), shown this once: {}", password.expose());
        }
        Ok(Self { gateway, admin, store })
    }

    /// Says where it listens.
    pub(crate) fn announce(&self) {
        for address in self.gateway.addresses() {
            tracing::info!(%address, "clients connect here");
        }
        tracing::info!(url = %format_args!("http://{}", self.admin.address()), "admin listener");
        if let Some(address) = self.admin.status_address() {
            tracing::info!(url = %format_args!("http://{address}/status"), "public status");
        }
    }

    /// Lets what is in flight finish, and returns when all is closed.
    pub(crate) fn shut_down(self) {
        self.gateway.shut_down();
        self.admin.shut_down();
        // Last, since all others write to it until they end.
        self.store.close();
    }

    /// As [`shut_down`](Self::shut_down), but clients can still connect, and wait for the run that goes on with these
    /// sockets.
    pub(crate) fn hand_over(self) -> Vec<TcpListener> {
        let sockets = self.gateway.hand_over();
        self.admin.shut_down();
        self.store.close();
        sockets
    }
}

fn open_store(store: &config::Store) -> anyhow::Result<Store> {
    let settings = Settings {
        history: store.history,
        flush_interval: store.flush_interval,
        retention: store.retention,
        ..Settings::default()
    };
    Store::open(&store.path, settings).context("the store does not open; [store] path names its file")
}

fn gateway_config(config: Config) -> anyhow::Result<GatewayConfig> {
    let Config {
        server,
        sessions,
        health,
        requests,
        limits,
        tenants,
        nodes,
        ..
    } = config;
    let mut listeners: Vec<_> = server
        .bind
        .iter()
        .map(|bind| ListenerConfig { bind: *bind, tls: None })
        .collect();
    if let Some(tls) = server.tls {
        let files = ListenerTls {
            certificate: tls.certificate,
            key: tls.key,
        };
        listeners.extend(tls.bind.iter().map(|bind| ListenerConfig {
            bind: *bind,
            tls: Some(files.clone()),
        }));
    }
    let names: Vec<_> = nodes.iter().map(|node| node.name.clone()).collect();
    let tenants = Tenants::new(tenants.into_iter().map(|tenant| build_tenant(tenant, &names)).collect())?;
    Ok(GatewayConfig {
        listeners,
        threads: server.threads,
        mount: server.mount_prefix,
        header_timeout: server.header_timeout,
        idle_timeout: server.idle_timeout,
        max_header_bytes: server.max_header_bytes,
        max_body_bytes: server.max_body_bytes,
        shutdown_timeout: server.shutdown_timeout,
        ping_interval: server.ping_interval,
        ping_timeout: server.ping_timeout,
        client_queue_bytes: server.client_queue_bytes,
        max_client_message: server.max_client_frame_bytes,
        max_node_message: server.max_node_frame_bytes,
        default_class: class(server.default_version),
        listed: server
            .client_versions
            .into_iter()
            .map(|(name, version)| (name, class(version)))
            .collect(),
        connect_timeout: requests.connect_timeout,
        response_timeout: requests.response_timeout,
        retry: requests.retry,
        limits,
        sessions: Arc::new(SessionSettings {
            queue: QueueLimits {
                messages: u32::try_from(sessions.queue_messages).unwrap_or(u32::MAX),
                bytes: u32::try_from(sessions.queue_bytes).unwrap_or(u32::MAX),
            },
            placement: match sessions.placement {
                Placement::Player => PlacementMode::Player,
                Placement::Session => PlacementMode::Session,
            },
            grace: sessions.grace,
            ..SessionSettings::default()
        }),
        request_wait: sessions.request_wait,
        migrations: sessions.migrations,
        tenants,
        nodes: nodes.into_iter().map(build_node).collect(),
        health: HealthSettings {
            thresholds: Thresholds {
                failures: health.failures,
                successes: health.successes,
            },
            interval: health.interval,
            suspect_interval: (health.interval / SUSPECT_SHARE)
                .max(SUSPECT_LEAST)
                .min(health.interval),
            ..HealthSettings::default()
        },
        probe_timeout: health.timeout,
        keeper: None,
        kept: Vec::new(),
        info_union: requests.info_union,
    })
}

fn class(version: Version) -> Class {
    match version {
        Version::V4 => Class::V4,
        Version::V3 => Class::V3Legacy,
    }
}

fn build_tenant(tenant: config::Tenant, nodes: &[String]) -> Tenant {
    // Node ids are places in the configuration.
    let ids = |names: &[String]| {
        let known = |name: &String| nodes.iter().position(|node| node == name);
        names
            .iter()
            .filter_map(known)
            .filter_map(|at| u16::try_from(at).ok())
            .map(NodeId)
            .collect()
    };
    Tenant {
        admin_nodes: ids(&tenant.allow_node_admin),
        nodes: (!tenant.nodes.is_empty()).then(|| ids(&tenant.nodes)),
        ..Tenant::new(tenant.name, tenant.password)
    }
}

fn build_node(node: config::Node) -> NodeConfig {
    let spec = NodeSpec {
        weight: node.weight as f32,
        regions: node.regions.iter().map(|region| Region::new(region)).collect(),
        sources: node.sources.iter().map(|source| Box::from(source.as_str())).collect(),
        ..NodeSpec::new(node.name.as_str())
    };
    let tls = node.tls.map(|tls| NodeTls {
        ca_file: tls.ca_file,
        accept_any: tls.insecure_skip_verify,
    });
    NodeConfig {
        spec,
        address: NodeAddress {
            name: node.name,
            host: node.host,
            port: node.port,
            password: node.password,
            tls,
        },
        drain: node.drain,
        is_v4: node.version.map(|version| version == Version::V4),
    }
}
