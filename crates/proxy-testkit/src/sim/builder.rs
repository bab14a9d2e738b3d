//! How a simulated node is set up and started.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tokio::task::JoinHandle;

use super::{Node, SimGeneration, SimNode, fault, log, server, session::Settings, state::State};

/// How often a node looks at what time has brought (ends of tracks, updates, expiry).
const TICK: Duration = Duration::from_millis(20);

impl SimNode {
    /// Starts from defaults: 4.2, any port, password `youshallnotpass`.
    pub fn builder() -> SimNodeBuilder {
        SimNodeBuilder {
            settings: Settings {
                generation: SimGeneration::V4_2,
                players_interval: Duration::from_secs(5),
                stats_interval: Duration::from_secs(60),
                free_running: false,
            },
            password: "youshallnotpass".to_owned(),
            port: 0,
            disabled_filters: Vec::new(),
            source_managers: owned(&["http", "local", "youtube"]),
            plugins: owned(&["simplugin"]),
            tls: None,
        }
    }
}

/// Settings of a [`SimNode`] to be started.
#[derive(Debug)]
pub struct SimNodeBuilder {
    settings: Settings,
    password: String,
    port: u16,
    disabled_filters: Vec<String>,
    source_managers: Vec<String>,
    plugins: Vec<String>,
    tls: Option<Arc<rustls::ServerConfig>>,
}

impl SimNodeBuilder {
    /// Which Lavalink to be; default [`SimGeneration::V4_2`].
    pub fn generation(mut self, generation: SimGeneration) -> Self {
        self.settings.generation = generation;
        self
    }

    /// The password; default `youshallnotpass`.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = password.into();
        self
    }

    /// The port on 127.0.0.1; default any.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Time between periodic `playerUpdate`s; default 5 s.
    pub fn players_interval(mut self, interval: Duration) -> Self {
        self.settings.players_interval = interval;
        self
    }

    /// Time between `stats`; default 60 s.
    pub fn stats_interval(mut self, interval: Duration) -> Self {
        self.settings.stats_interval = interval;
        self
    }

    /// Lets positions advance without a voice connection, which a real node does not.
    pub fn plays_without_voice(mut self) -> Self {
        self.settings.free_running = true;
        self
    }

    /// Filters that the node's configuration disables.
    pub fn disabled_filters(mut self, names: &[&str]) -> Self {
        self.disabled_filters = owned(names);
        self
    }

    /// Names of the source managers in `/info`; default `http`, `local`, `youtube`.
    pub fn source_managers(mut self, names: &[&str]) -> Self {
        self.source_managers = owned(names);
        self
    }

    /// Names of the plugins in `/info`; default `simplugin`.
    pub fn plugins(mut self, names: &[&str]) -> Self {
        self.plugins = owned(names);
        self
    }

    /// Serves TLS, e.g. with [`crate::certs::TestCa::server_config`].
    pub fn tls(mut self, config: Arc<rustls::ServerConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Starts the node; it listens when this returns.
    ///
    /// # Errors
    /// The port is taken.
    // Must run inside the runtime, which an async function guarantees.
    pub async fn start(self) -> anyhow::Result<SimNode> {
        let port = server::Port::take(self.port).with_context(|| format!("cannot take port {}", self.port))?;
        let node = Arc::new(Node {
            settings: self.settings,
            password: self.password,
            disabled_filters: self.disabled_filters,
            source_managers: self.source_managers,
            plugins: self.plugins,
            tls: self.tls,
            state: Mutex::new(State::new(self.settings)),
            faults: fault::Faults::default(),
            log: log::Log::default(),
            connections: Mutex::default(),
            written: Mutex::default(),
            next_connection: AtomicU64::new(1),
        });
        let clock = clock(Arc::clone(&node));
        let sim = SimNode {
            node,
            port,
            clock,
            listener: Mutex::new(None),
            dead: AtomicBool::new(false),
            frozen: Mutex::default(),
        };
        sim.listen()?;
        Ok(sim)
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn clock(node: Arc<Node>) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(TICK).await;
            node.state().tick(Instant::now());
        }
    })
}
