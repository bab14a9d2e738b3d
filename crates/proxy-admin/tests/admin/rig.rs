//! A gateway, its nodes and its admin listener, for one test.

use std::future::Future;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, Request};
use lavalink_protocol::detect::Class;
use proxy_admin::{Admin, AdminConfig};
use proxy_core::health::HealthSettings;
use proxy_core::limits::ConnectionLimits;
use proxy_core::pool::NodeSpec;
use proxy_core::secret::Secret;
use proxy_core::session::machine::SessionSettings;
use proxy_core::session::migration::MigrationLimits;
use proxy_core::tenant::{Tenant, Tenants};
use proxy_gateway::Gateway;
use proxy_gateway::config::{GatewayConfig, ListenerConfig, NodeConfig};
use proxy_gateway::node::NodeAddress;
use proxy_testkit::client::{Rest, RestAnswer};
use proxy_testkit::{SimGeneration, SimNode, TestClient};
use serde_json::{Value, json};

pub(crate) const PASSWORD: &str = "the admin's password";
pub(crate) const LIMIT: Duration = Duration::from_secs(15);

pub(crate) struct Rig {
    pub(crate) gateway: Gateway,
    pub(crate) admin: Admin,
    pub(crate) nodes: Vec<SimNode>,
    rest: Rest,
}

impl Rig {
    /// Two nodes, `v4-node` and `v3-node`, and two tenants whose passwords are `alpha` and `beta`.
    pub(crate) async fn start() -> Self {
        Self::start_both(|_| {}).await
    }

    /// As [`Self::start`], with settings of the admin listener.
    pub(crate) async fn start_both(change: impl FnOnce(&mut AdminConfig)) -> Self {
        let nodes = vec![
            SimNode::builder().start().await.unwrap(),
            SimNode::builder()
                .generation(SimGeneration::V3_7)
                .start()
                .await
                .unwrap(),
        ];
        Self::with(nodes, |_, admin| change(admin)).await
    }

    /// With `v4-node` only, which is quicker, and with settings of the admin listener.
    pub(crate) async fn start_with(change: impl FnOnce(&mut AdminConfig)) -> Self {
        let nodes = vec![SimNode::builder().start().await.unwrap()];
        Self::with(nodes, |_, admin| change(admin)).await
    }

    /// As [`Self::start`], with other settings and two v4 nodes.
    pub(crate) async fn start_two(change: impl FnOnce(&mut GatewayConfig, &mut AdminConfig)) -> Self {
        let nodes = vec![
            SimNode::builder().start().await.unwrap(),
            SimNode::builder().start().await.unwrap(),
        ];
        Self::with(nodes, change).await
    }

    async fn with(nodes: Vec<SimNode>, change: impl FnOnce(&mut GatewayConfig, &mut AdminConfig)) -> Self {
        let mut gateway = gateway_config(&nodes);
        let mut config = AdminConfig {
            password: Some(Secret::new(PASSWORD)),
            masked_config: Some(json!({"admin": {"password": "***"}})),
            ..AdminConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)))
        };
        change(&mut gateway, &mut config);
        // It blocks until the nodes were probed, and they answer on this thread.
        let gateway = tokio::task::spawn_blocking(|| Gateway::start(gateway))
            .await
            .unwrap()
            .unwrap();
        let shared = gateway.shared().clone();
        let admin = tokio::task::spawn_blocking(|| Admin::start(config, shared))
            .await
            .unwrap()
            .unwrap();
        let login = format!("Basic {}", STANDARD.encode(format!("admin:{PASSWORD}")));
        let rest = Rest::to(&format!("http://{}", admin.address()), Some(&login)).unwrap();
        Self {
            gateway,
            admin,
            nodes,
            rest,
        }
    }

    /// The URL that clients connect to.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.gateway.addresses()[0])
    }

    pub(crate) async fn client(&self, tenant: &str, user: u64) -> TestClient {
        TestClient::v4(&self.url(), tenant, user).connect().await.unwrap()
    }

    /// A GET with the right password.
    pub(crate) async fn get(&self, path: &str) -> RestAnswer {
        self.rest.get(path).await.unwrap()
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// With the right password.
    pub(crate) async fn request(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> RestAnswer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.rest.send(request.body(Bytes::new()).unwrap()).await.unwrap()
    }

    /// With the right password and a JSON body.
    pub(crate) async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &Value) -> RestAnswer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Bytes::from(body.to_string());
        self.rest.send(request.body(body).unwrap()).await.unwrap()
    }

    /// Reads `path` until `done` says so.
    pub(crate) async fn until(&self, path: &str, done: impl Fn(&Value) -> bool) -> Value {
        let limit = Instant::now() + LIMIT;
        loop {
            let value = self.json(path).await;
            if done(&value) {
                return value;
            }
            assert!(
                Instant::now() < limit,
                "{path} did not come to what was wanted: {value:#}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Several paths as they were in one and the same reading.
    pub(crate) async fn together<const N: usize>(&self, paths: [&str; N]) -> [Value; N] {
        let limit = Instant::now() + LIMIT;
        loop {
            let mut values = Vec::new();
            for path in paths {
                values.push(self.json(path).await);
            }
            if values.iter().all(|value| value["sampledAt"] == values[0]["sampledAt"]) {
                return values.try_into().unwrap();
            }
            assert!(Instant::now() < limit, "no reading lasted long enough");
        }
    }

    pub(crate) async fn stop(self) {
        let Self { gateway, admin, .. } = self;
        blocking(move || {
            admin.shut_down();
            gateway.shut_down();
        })
        .await;
    }
}

fn blocking(work: impl FnOnce() + Send + 'static) -> impl Future<Output = ()> {
    let task = tokio::task::spawn_blocking(work);
    async { task.await.unwrap() }
}

fn gateway_config(nodes: &[SimNode]) -> GatewayConfig {
    GatewayConfig {
        listeners: vec![ListenerConfig {
            bind: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: None,
        }],
        threads: 2,
        mount: String::new(),
        header_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(60),
        max_header_bytes: 64 * 1024,
        max_body_bytes: 16 * 1024 * 1024,
        shutdown_timeout: Duration::from_secs(2),
        ping_interval: Duration::from_secs(30),
        ping_timeout: Duration::from_secs(30),
        client_queue_bytes: 1024 * 1024,
        max_client_message: 1024 * 1024,
        max_node_message: 16 * 1024 * 1024,
        default_class: Class::V4,
        listed: Vec::new(),
        connect_timeout: Duration::from_secs(5),
        response_timeout: Duration::from_secs(10),
        retry: true,
        limits: ConnectionLimits {
            total: 1000,
            per_ip: 1000,
        },
        sessions: SessionSettings::default().into(),
        request_wait: Duration::from_secs(10),
        migrations: MigrationLimits::default(),
        tenants: Tenants::new(
            ["alpha", "beta"]
                .map(|name| Tenant::new(name, Secret::new(name)))
                .into(),
        )
        .unwrap(),
        nodes: nodes
            .iter()
            .zip(["v4-node", "v3-node"])
            .map(|(node, name)| node_config(node, name))
            .collect(),
        health: HealthSettings {
            interval: Duration::from_millis(500),
            suspect_interval: Duration::from_millis(100),
            ..HealthSettings::default()
        },
        probe_timeout: Duration::from_secs(2),
        keeper: None,
        kept: Vec::new(),
        info_union: false,
    }
}

fn node_config(node: &SimNode, name: &str) -> NodeConfig {
    NodeConfig {
        spec: NodeSpec::new(name),
        address: NodeAddress {
            name: name.to_owned(),
            host: node.addr().ip().to_string(),
            port: node.addr().port(),
            password: Secret::new(node.password()),
            tls: None,
        },
        drain: false,
        is_v4: None,
    }
}
