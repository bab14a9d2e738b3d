//! What the tests share: [`ProxyUnderTest`], the gateway in this process, and [`ProxyProgram`], the built program for
//! what only a process shows (signals, exit codes, the file).
//!
//! Settings are quick on purpose: probes every 100 ms, short timeouts. A test that needs others changes the
//! configuration in [`Builder::configure`].

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use bytes::Bytes;
use command_fds::{CommandFdExt, FdMapping};
use lavalink_protocol::detect::Class;
use proxy_core::health::{HealthSettings, NodeState, Thresholds};
use proxy_core::limits::ConnectionLimits;
use proxy_core::pool::{NodeSpec, NodeView};
use proxy_core::secret::Secret;
use proxy_core::session::machine::SessionSettings;
use proxy_core::session::migration::MigrationLimits;
use proxy_core::tenant::{Tenant, Tenants};
use proxy_gateway::Gateway;
use proxy_gateway::config::{GatewayConfig, ListenerConfig, ListenerTls, NodeConfig};
use proxy_gateway::node::{NodeAddress, NodeTls};
use proxy_gateway::shared::Shared;
use proxy_testkit::certs::TestCa;
use proxy_testkit::client::{Rest, RestAnswer, TestClientBuilder};
use proxy_testkit::{RawClient, SimGeneration, SimNode, TestClient, wait_until};
use tempfile::TempDir;

/// What clients of the default tenant send. No node has this password, so one that reaches a node shows.
pub(crate) const PASSWORD: &str = "client-password";
/// Enough for anything on loopback, also on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(10);
/// Bot ids for tests that need two.
pub(crate) const BOT: u64 = 170_939_974_227_591_168;
pub(crate) const OTHER_BOT: u64 = 170_939_974_227_591_169;

/// A running gateway in this process. Dropping it shuts it down in the background.
pub(crate) struct ProxyUnderTest {
    gateway: Option<Gateway>,
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
}

/// A proxy to be started.
pub(crate) struct Builder {
    config: GatewayConfig,
    tenants: Vec<Tenant>,
}

impl ProxyUnderTest {
    /// A proxy for these nodes, named `n0`, `n1`, ... in this order.
    pub(crate) async fn start(nodes: &[&SimNode]) -> Self {
        Self::builder(nodes).start().await
    }

    /// As [`Self::start`], to be changed before it starts.
    pub(crate) fn builder(nodes: &[&SimNode]) -> Builder {
        let nodes = nodes.iter().enumerate();
        Builder {
            config: quick_config(nodes.map(|(at, node)| node_config(&format!("n{at}"), node)).collect()),
            tenants: vec![Tenant::new("default", Secret::new(PASSWORD))],
        }
    }

    /// Where clients connect (the first listener).
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// All listeners, in the order of the configuration.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The first listener as a URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// What the admin listener would read.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// A v4 client of the default tenant, to be connected.
    pub(crate) fn v4(&self, user: u64) -> TestClientBuilder {
        TestClient::v4(&self.url(), PASSWORD, user)
    }

    /// A connected v4 client of the default tenant.
    pub(crate) async fn connect(&self) -> TestClient {
        self.v4(BOT).connect().await.unwrap()
    }

    /// REST of the default tenant.
    pub(crate) fn rest(&self) -> Rest {
        Rest::to(&self.url(), Some(PASSWORD)).unwrap()
    }

    /// Sends a request of the default tenant that has more than a method and a target.
    pub(crate) async fn rest_of(&self, request: http::request::Builder) -> RestAnswer {
        self.rest().send(request.body(Bytes::new()).unwrap()).await.unwrap()
    }

    /// A bare connection.
    pub(crate) async fn raw(&self) -> RawClient {
        RawClient::connect(self.addr()).await.unwrap()
    }

    /// What is known of a node now.
    pub(crate) fn node(&self, name: &str) -> NodeView {
        let pool = self.shared.pool();
        let view = pool.nodes().iter().find(|node| &*node.name == name);
        view.unwrap_or_else(|| panic!("there is no node {name}")).clone()
    }

    /// Waits until a node has a state.
    pub(crate) async fn wait_state(&self, name: &str, state: NodeState) {
        wait_until(SOON, || self.node(name).state == state).await;
    }

    /// Waits until the proxy has so many sessions.
    pub(crate) async fn wait_sessions(&self, count: usize) {
        wait_until(SOON, || self.shared.directory.len() == count).await;
    }

    /// Waits until a session's client is known to be away.
    pub(crate) async fn wait_parked(&self, session: &str) {
        let parked = || {
            self.shared
                .directory
                .get(session)
                .is_some_and(|entry| entry.is_parked())
        };
        wait_until(SOON, parked).await;
    }

    /// Shuts the gateway down and waits until it has.
    pub(crate) async fn shut_down(mut self) {
        if let Some(gateway) = self.gateway.take() {
            tokio::task::spawn_blocking(|| gateway.shut_down()).await.unwrap();
        }
    }
}

impl Drop for ProxyUnderTest {
    fn drop(&mut self) {
        // Blocking here would keep the runtime, and with it the clients that the gateway waits for, from going on.
        if let Some(gateway) = self.gateway.take() {
            std::thread::spawn(|| gateway.shut_down());
        }
    }
}

impl Builder {
    /// One more node.
    pub(crate) fn add(self, node: NodeConfig) -> Self {
        self.configure(|config| config.nodes.push(node))
    }

    /// Changes any setting but the tenants.
    pub(crate) fn configure(mut self, change: impl FnOnce(&mut GatewayConfig)) -> Self {
        change(&mut self.config);
        self
    }

    /// Changes the settings of the node with this place.
    pub(crate) fn node(mut self, at: usize, change: impl FnOnce(&mut NodeConfig)) -> Self {
        change(&mut self.config.nodes[at]);
        self
    }

    /// One more tenant.
    pub(crate) fn tenant(mut self, tenant: Tenant) -> Self {
        self.tenants.push(tenant);
        self
    }

    /// Changes the default tenant.
    pub(crate) fn default_tenant(mut self, change: impl FnOnce(&mut Tenant)) -> Self {
        change(&mut self.tenants[0]);
        self
    }

    /// One more listener, with TLS.
    pub(crate) fn tls_listener(self, ca: &TestCa) -> Self {
        let tls = Some(ListenerTls {
            certificate: ca.cert_file(),
            key: ca.key_file(),
        });
        self.configure(|config| config.listeners.push(ListenerConfig { bind: any_port(), tls }))
    }

    /// The configuration, for a start that is to fail.
    pub(crate) fn into_config(self) -> GatewayConfig {
        GatewayConfig {
            tenants: Tenants::new(self.tenants).unwrap(),
            ..self.config
        }
    }

    /// Starts the gateway. The nodes have been probed once when this returns.
    pub(crate) async fn start(self) -> ProxyUnderTest {
        fail_on_panics_of_the_proxy();
        let config = self.into_config();
        // It waits for the first probes, which the nodes answer on this thread.
        let gateway = tokio::task::spawn_blocking(|| Gateway::start(config))
            .await
            .unwrap()
            .unwrap();
        ProxyUnderTest {
            shared: Arc::clone(gateway.shared()),
            addresses: gateway.addresses().to_vec(),
            gateway: Some(gateway),
        }
    }
}

/// Nothing that is sent may make the proxy panic. A panic in one of its tasks would end that task alone and might go
/// unnoticed, so it ends the test run.
fn fail_on_panics_of_the_proxy() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            usual(info);
            let thread = std::thread::current();
            if thread
                .name()
                .is_some_and(|name| name == "probe" || name.starts_with("worker-"))
            {
                eprintln!("the proxy panicked");
                std::process::abort();
            }
        }));
    });
}

/// The settings of one node, weight 1, version left to the probe.
pub(crate) fn node_config(name: &str, node: &SimNode) -> NodeConfig {
    let tls = node.url().starts_with("https");
    NodeConfig {
        spec: NodeSpec::new(name),
        address: NodeAddress {
            name: name.to_owned(),
            host: if tls { "localhost" } else { "127.0.0.1" }.to_owned(),
            port: node.addr().port(),
            password: Secret::new(node.password()),
            tls: tls.then(NodeTls::default),
        },
        drain: false,
        is_v4: None,
    }
}

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn quick_config(nodes: Vec<NodeConfig>) -> GatewayConfig {
    GatewayConfig {
        listeners: vec![ListenerConfig {
            bind: any_port(),
            tls: None,
        }],
        threads: 1,
        mount: String::new(),
        header_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_secs(10),
        max_header_bytes: 64 * 1024,
        max_body_bytes: 16 * 1024 * 1024,
        shutdown_timeout: Duration::from_secs(2),
        ping_interval: Duration::from_secs(20),
        ping_timeout: Duration::from_secs(10),
        client_queue_bytes: 4 * 1024 * 1024,
        max_client_message: 1024 * 1024,
        max_node_message: 16 * 1024 * 1024,
        default_class: Class::V4,
        listed: Vec::new(),
        connect_timeout: Duration::from_secs(2),
        response_timeout: Duration::from_secs(5),
        retry: true,
        limits: ConnectionLimits {
            total: 100_000,
            per_ip: 100_000,
        },
        sessions: SessionSettings::default().into(),
        request_wait: Duration::from_secs(10),
        migrations: MigrationLimits::default(),
        tenants: Tenants::new(Vec::new()).unwrap(),
        nodes,
        health: HealthSettings {
            thresholds: Thresholds {
                failures: 3,
                successes: 2,
            },
            interval: Duration::from_millis(300),
            suspect_interval: Duration::from_millis(100),
            ..HealthSettings::default()
        },
        probe_timeout: Duration::from_secs(1),
        keeper: None,
        kept: Vec::new(),
        info_union: false,
    }
}

/// A simulated node of a generation.
pub(crate) async fn sim(generation: SimGeneration) -> SimNode {
    SimNode::builder().generation(generation).start().await.unwrap()
}

/// A simulated 4.2 node.
pub(crate) async fn sim_v4() -> SimNode {
    sim(SimGeneration::V4_2).await
}

/// The head of a WebSocket handshake with these additional lines (each ending in CRLF), without its last empty line.
pub(crate) fn upgrade_head(path: &str, lines: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: proxy\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}"
    )
}

/// The built program as a child process, with a file of its own. Dropping it kills it.
pub(crate) struct ProxyProgram {
    child: Child,
    lines: Receiver<String>,
    /// What was read of `lines` so far.
    log: Vec<String>,
    folder: Arc<TempDir>,
}

impl ProxyProgram {
    /// Starts the program with this file.
    pub(crate) fn start(config: &str) -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().unwrap()), config)
    }

    /// Starts it in a folder where it may have run before.
    pub(crate) fn start_in(folder: Arc<TempDir>, config: &str) -> Self {
        let command = Command::new(env!("CARGO_BIN_EXE_lavalink-proxy"));
        Self::spawn(folder, config, command, &[])
    }

    /// Starts it there with a listening socket that is passed to it as systemd does.
    pub(crate) fn start_on(socket: &TcpListener, folder: Arc<TempDir>, config: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lavalink-proxy"));
        let passed = FdMapping {
            parent_fd: socket.try_clone().unwrap().into(),
            child_fd: 3,
        };
        command.fd_mappings(vec![passed]).unwrap();
        Self::spawn(folder, config, command, &[("LISTEN_FDS", "1")])
    }

    fn spawn(folder: Arc<TempDir>, config: &str, mut command: Command, variables: &[(&str, &str)]) -> Self {
        let file = folder.path().join("proxy.toml");
        std::fs::write(&file, config).unwrap();
        let mut child = command
            .arg("--config")
            .arg(&file)
            .current_dir(folder.path())
            .env_clear()
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        // Read to the end at all times, so that the program never waits for a full pipe.
        std::thread::spawn(move || {
            stderr
                .lines()
                .map_while(Result::ok)
                .for_each(|line| drop(sender.send(line)))
        });
        Self {
            child,
            lines,
            log: Vec::new(),
            folder,
        }
    }

    /// Its working directory, which relative paths of the file begin at too.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// A file with one listener on any port and these nodes; `server` is put into the `[server]` section.
    pub(crate) fn config(server: &str, nodes: &[&SimNode]) -> String {
        let mut text = format!(
            "[server]\nbind = \"127.0.0.1:0\"\n{server}\n[admin]\nbind = \"127.0.0.1:0\"\npassword = \"admin\"\n\
             [[tenants]]\npassword = \"{PASSWORD}\"\n"
        );
        for (at, node) in nodes.iter().enumerate() {
            text += &format!(
                "[[nodes]]\nname = \"n{at}\"\nurl = \"{}\"\npassword = \"{}\"\n",
                node.url(),
                node.password()
            );
        }
        text
    }

    /// Waits until it says where clients connect.
    pub(crate) async fn address(&mut self) -> SocketAddr {
        let line = self.wait_line("clients connect here").await;
        let (_, address) = line.split_once("address=").unwrap();
        address.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// Waits for a line of its log that contains `text`.
    pub(crate) async fn wait_line(&mut self, text: &str) -> String {
        let limit = Instant::now() + SOON;
        loop {
            while let Ok(line) = self.lines.try_recv() {
                self.log.push(line.clone());
                if line.contains(text) {
                    return line;
                }
            }
            assert!(
                Instant::now() < limit,
                "no line with {text:?} in:\n{}",
                self.log.join("\n")
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Sends a signal by name, as `kill -NAME` does.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.child.id().to_string())
            .status();
        assert!(sent.unwrap().success());
    }

    /// Ends it at this very moment, as `kill -9` does: no other program has to be started for it first.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// What it holds of the machine's memory now.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id())).unwrap();
        let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
        // The page size of every machine that the tests run on.
        pages * 4096
    }

    /// Waits until it has ended.
    pub(crate) async fn wait_exit(&mut self, within: Duration) -> ExitStatus {
        let limit = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < limit, "the program does not end");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// All that it has said so far.
    pub(crate) fn said(&mut self) -> String {
        self.log.extend(self.lines.try_iter());
        self.log.join("\n")
    }
}

impl Drop for ProxyProgram {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
