//! What the tests share: one Lavalink server, one CA, one audio file, and one turn at a time.
//!
//! Servers are started by the first test that needs them and end with the last one that holds them. Tests take turns,
//! because two clients at once would only make each other slow.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
    thread,
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

/// Two real servers, to lose one of.
pub(crate) type Pair = [LavalinkServer; 2];

/// Started once for all tests that overlap.
struct Shared {
    ca: TestCa,
    /// The real node, or why there is none.
    server: OnceLock<Result<LavalinkServer, Unavailable>>,
    /// Those that tests may kill.
    pair: Arc<tokio::sync::Mutex<Option<Pair>>>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Shared {
    fn start_server(&self) -> Result<LavalinkServer, Unavailable> {
        LavalinkServer::start(&ServerOptions {
            password: NODE_PASSWORD,
            voice_ca: &self.ca.ca_pem(),
        })
    }

    fn server(&self) -> &Result<LavalinkServer, Unavailable> {
        self.server.get_or_init(|| self.start_server())
    }

    /// Both servers up, whatever the test before has done to them. Blocks.
    fn revive(&self, pair: &mut Option<Pair>) -> Result<(), Unavailable> {
        let Some(pair) = pair else {
            let (first, second) = thread::scope(|scope| {
                let other = scope.spawn(|| self.start_server());
                (self.start_server(), other.join())
            });
            let second = second.map_err(|_| Unavailable::Failed("the second server's start panicked".to_owned()))?;
            *pair = Some([first?, second?]);
            return Ok(());
        };
        for server in pair {
            server.process().thaw();
            if !server.is_up() {
                server.start_again()?;
            }
        }
        Ok(())
    }
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
    /// Waits for this test's turn, and for the server.
    pub(crate) async fn enter() -> Self {
        let environment = Self::enter_without_server().await;
        let shared = Arc::clone(&environment.shared);
        spawn_blocking(move || shared.server().is_ok()).await.unwrap();
        environment
    }

    /// Waits for this test's turn alone.
    pub(crate) async fn enter_without_server() -> Self {
        let shared = shared();
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
        self.shared.server().as_ref().map_err(Clone::clone)
    }

    /// Two real servers that are this test's own to kill, or why there are none. They are started again for the next.
    pub(crate) async fn pair(&self) -> Result<OwnedMutexGuard<Option<Pair>>, Unavailable> {
        let mut pair = Arc::clone(&self.shared.pair).lock_owned().await;
        let shared = Arc::clone(&self.shared);
        let revived = spawn_blocking(move || shared.revive(&mut pair).map(|()| pair));
        revived.await.unwrap()
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
    let shared = Arc::new(Shared {
        ca: TestCa::new().unwrap(),
        server: OnceLock::new(),
        pair: Arc::default(),
        turn: Arc::default(),
    });
    *running = Arc::downgrade(&shared);
    shared
}
