//! What the tests share: one Lavalink server, one CA, one audio file, and one turn at a time.
//!
//! The server is started by the first test that needs it and ends with the last one that holds it. Tests take turns,
//! because two clients at once would only make each other slow.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use proxy_testkit::{
    SimGeneration, SimNode,
    certs::TestCa,
    real::{
        AudioServer, LavalinkServer, ProxyProcess, ServerOptions, Unavailable, clients::Protocol, proxy, say_skipped,
        sine_wav,
    },
    voice::FakeVoice,
};
use tokio::{sync::OwnedMutexGuard, task::spawn_blocking};

/// What the nodes want as `Authorization`.
pub(crate) const NODE_PASSWORD: &str = "node-password";
/// What the proxy wants of clients.
pub(crate) const TENANT_PASSWORD: &str = "tenant-password";

/// What the simulated node says of every URL; the real one finds it out.
const AUDIO: Duration = Duration::from_secs(180);

/// Started once for all tests that overlap.
struct Shared {
    ca: TestCa,
    /// The real node, or why there is none.
    server: Result<LavalinkServer, Unavailable>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// A test's own view: nobody else has a turn while it lives.
pub(crate) struct Environment {
    shared: Arc<Shared>,
    /// This test's voice server.
    pub(crate) voice: FakeVoice,
    /// This test's audio file.
    pub(crate) audio: AudioServer,
    _turn: OwnedMutexGuard<()>,
}

/// A node for one test.
pub(crate) enum Node {
    /// The published Lavalink server.
    Real(SocketAddr),
    /// A simulated one.
    Simulated(SimNode),
}

impl Node {
    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Self::Real(address) => *address,
            Self::Simulated(node) => node.addr(),
        }
    }

    pub(crate) fn is_real(&self) -> bool {
        matches!(self, Self::Real(_))
    }
}

impl Environment {
    /// Waits for this test's turn.
    pub(crate) async fn enter() -> Self {
        let shared = spawn_blocking(shared).await.unwrap();
        let turn = shared.turn.clone().lock_owned().await;
        let voice = FakeVoice::start(&shared.ca).await.unwrap();
        let audio = AudioServer::start(sine_wav(AUDIO, 440)).await.unwrap();
        Self {
            shared,
            voice,
            audio,
            _turn: turn,
        }
    }

    /// The real server, or why there is none.
    pub(crate) fn server(&self) -> Result<&LavalinkServer, Unavailable> {
        self.shared.server.as_ref().map_err(Clone::clone)
    }

    /// A node that a client of `protocol` can use: the real server, else the simulated one of the same version.
    pub(crate) async fn node_for(&self, protocol: Protocol) -> Node {
        let generation = match protocol {
            Protocol::V4 => match self.server() {
                Ok(server) => return Node::Real(server.address()),
                Err(why) if why.is_failure() => panic!("Lavalink server: {why}"),
                Err(why) => {
                    say_skipped("Lavalink server", &format!("{why}; the simulated node takes its place"));
                    SimGeneration::V4_2
                }
            },
            Protocol::V4WithoutChannel => SimGeneration::V4_1,
            Protocol::V3Ops => SimGeneration::Legacy,
            Protocol::V3Rest => SimGeneration::V3_7,
        };
        self.simulated(generation).await
    }

    /// A simulated node.
    pub(crate) async fn simulated(&self, generation: SimGeneration) -> Node {
        let node = SimNode::builder()
            .generation(generation)
            .password(NODE_PASSWORD)
            .players_interval(Duration::from_secs(1))
            .start()
            .await
            .unwrap();
        Node::Simulated(node)
    }

    /// The proxy in front of one node.
    pub(crate) async fn proxy(&self, node: SocketAddr, version: u8) -> ProxyProcess {
        let start = move || {
            let nodes = [proxy::Node {
                name: "node",
                address: node,
                password: NODE_PASSWORD,
                version,
            }];
            ProxyProcess::start(
                Path::new(env!("CARGO_BIN_EXE_lavalink-proxy")),
                TENANT_PASSWORD,
                &nodes,
                "",
            )
        };
        spawn_blocking(start)
            .await
            .unwrap()
            .unwrap_or_else(|why| panic!("{why}"))
    }
}

fn shared() -> Arc<Shared> {
    static SHARED: Mutex<Weak<Shared>> = Mutex::new(Weak::new());
    let mut running = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(shared) = running.upgrade() {
        return shared;
    }
    let ca = TestCa::new().unwrap();
    let server = LavalinkServer::start(&ServerOptions {
        password: NODE_PASSWORD,
        voice_ca: &ca.ca_pem(),
    });
    let shared = Arc::new(Shared {
        ca,
        server,
        turn: Arc::default(),
    });
    *running = Arc::downgrade(&shared);
    shared
}
