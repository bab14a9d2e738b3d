//! The network shell around the core: listeners, connections, sessions, tunnels, nodes.
//!
//! [`Gateway::start`] builds it from a [`config::GatewayConfig`]; [`shared::Shared`] is what the admin listener reads.
//! Decisions are the core's and the wire is the protocol crate's; here are sockets, tasks and clocks. The gateway runs
//! without the admin listener and without a store.

mod access;
pub mod config;
mod connection;
pub mod error;
mod inherited;
pub mod keeper;
mod listener;
mod local;
pub mod moves;
pub mod node;
pub mod observed;
pub mod operator;
pub mod players;
mod probe;
mod respond;
mod rest;
mod service;
pub mod session;
pub mod shared;
mod transport;
pub mod usage;
mod worker;

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tokio_rustls::TlsAcceptor;

pub use inherited::Inherited;
pub use transport::tls::TlsError;

use config::{GatewayConfig, ListenerConfig};
use session::revive;
use session::v4::{self, Revived};
use shared::Shared;
use worker::{Worker, WorkerMessage};

/// How long the first round of probes is waited for before connections are accepted.
const FIRST_PROBES: Duration = Duration::from_secs(2);

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// TLS settings cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system gives no thread or event queue.
    #[error("cannot start a worker: {0}")]
    Worker(#[from] io::Error),
}

/// The running data plane.
pub struct Gateway {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    /// Copies of all listening sockets, for another run to go on with.
    sockets: Vec<std::net::TcpListener>,
    threads: Vec<JoinHandle<()>>,
}

/// One worker's listening sockets, bound but not yet part of a runtime.
type Bound = Vec<(std::net::TcpListener, Option<TlsAcceptor>)>;

impl Gateway {
    /// Binds all listeners, starts the workers and the probe, and accepts once the nodes have been probed for the first
    /// time (or 2 s have passed): connections wait in the backlog until then.
    ///
    /// # Errors
    /// When an address is taken, or TLS settings cannot be used.
    pub fn start(config: GatewayConfig) -> Result<Self, StartError> {
        Self::start_with(config, Inherited::default())
    }

    /// As [`start`](Self::start), with listening sockets that another process hands over. Addresses that none of them
    /// listens on are bound.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(mut config: GatewayConfig, inherited: Inherited) -> Result<Self, StartError> {
        let kept = std::mem::take(&mut config.kept);
        let threads = config.threads.max(1);
        let Sockets {
            addresses,
            sockets,
            bound,
        } = bind_all(&config.listeners, threads, inherited)?;
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..threads).map(|_| mpsc::channel(worker::INBOX)).unzip();
        let shared = Arc::new(Shared::new(config, senders)?);
        let mut handles = vec![spawn("probe", {
            let shared = Arc::clone(&shared);
            move || run_local(probe::run(shared))
        })?];
        wait_for_probes(&shared);
        let revived = revive::take_up(&shared, kept, threads);
        for (id, ((inbox, bound), revived)) in receivers.into_iter().zip(bound).zip(revived).enumerate() {
            let shared = Arc::clone(&shared);
            let (ready, started) = std_mpsc::channel();
            handles.push(spawn(&format!("worker-{id}"), move || {
                run_local(run_worker(id, shared, inbox, (bound, revived), ready));
            })?);
            started
                .recv()
                .map_err(|_| io::Error::other("a worker thread ended at once"))??;
        }
        shared.listens_on(addresses.clone());
        Ok(Self {
            shared,
            addresses,
            sockets,
            threads: handles,
        })
    }

    /// What the admin listener reads.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Where it listens, in the order of the configuration, with the ports that were really taken.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Stops accepting, closes client sockets with 1001, lets requests in flight finish within
    /// `server.shutdown_timeout`, and returns when all is done. Blocks.
    pub fn shut_down(mut self) {
        // With them open, clients would still connect and never be answered.
        self.sockets.clear();
        self.end(false);
    }

    /// As [`shut_down`](Self::shut_down), but the listening sockets stay open for another run: what connects meanwhile
    /// waits in their backlog. Handshakes and requests that are under way are answered first, and only then are sessions
    /// let go, so that nobody is refused.
    pub fn hand_over(self) -> Vec<std::net::TcpListener> {
        self.end(true)
    }

    fn end(self, hand_over: bool) -> Vec<std::net::TcpListener> {
        self.shared.stop(hand_over);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a worker thread panicked");
            }
        }
        self.sockets
    }
}

/// The listening sockets of all listeners.
struct Sockets {
    /// By listener.
    addresses: Vec<SocketAddr>,
    /// A copy of each.
    sockets: Vec<std::net::TcpListener>,
    /// By worker.
    bound: Vec<Bound>,
}

fn bind_all(listeners: &[ListenerConfig], threads: usize, mut inherited: Inherited) -> Result<Sockets, StartError> {
    let (mut addresses, mut sockets) = (Vec::new(), Vec::new());
    let mut bound: Vec<Bound> = (0..threads).map(|_| Vec::new()).collect();
    for listener in listeners {
        let tls = match &listener.tls {
            Some(tls) => Some(TlsAcceptor::from(transport::tls::server_config(
                &tls.certificate,
                &tls.key,
            )?)),
            None => None,
        };
        let failed = |source| StartError::Bind {
            address: listener.bind,
            source,
        };
        let mut own = inherited.take(listener.bind).map_err(failed)?;
        if own.is_empty() {
            own = listener::bind_for(listener.bind, threads).map_err(failed)?;
        }
        addresses.push(own[0].local_addr().map_err(failed)?);
        let dealt = inherited::deal(&own, threads).map_err(failed)?;
        for (worker, dealt) in bound.iter_mut().zip(dealt) {
            worker.extend(dealt.into_iter().map(|socket| (socket, tls.clone())));
        }
        sockets.append(&mut own);
    }
    for address in inherited.left() {
        tracing::warn!(%address, "no listener is configured for a socket that was handed over; it is closed");
    }
    Ok(Sockets {
        addresses,
        sockets,
        bound,
    })
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work)
}

/// A single-threaded runtime for one future and what it spawns.
fn run_local(work: impl Future<Output = ()>) {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => LocalSet::new().block_on(&runtime, work),
        Err(error) => tracing::error!(%error, "no runtime could be started"),
    }
}

fn wait_for_probes(shared: &Shared) {
    let limit = Instant::now() + FIRST_PROBES;
    let unknown = || {
        shared
            .pool()
            .nodes()
            .iter()
            .any(|node| node.state == proxy_core::health::NodeState::Unknown)
    };
    while unknown() && Instant::now() < limit {
        std::thread::sleep(Duration::from_millis(5));
    }
}

async fn run_worker(
    id: usize,
    shared: Arc<Shared>,
    inbox: mpsc::Receiver<WorkerMessage>,
    (bound, revived): (Bound, Vec<Revived>),
    ready: std_mpsc::Sender<io::Result<()>>,
) {
    let listeners = bound
        .into_iter()
        .map(|(socket, tls)| TcpListener::from_std(socket).map(|socket| (socket, tls)))
        .collect::<io::Result<Vec<_>>>();
    let listeners = match listeners {
        Ok(listeners) => listeners,
        Err(error) => return drop(ready.send(Err(error))),
    };
    let worker = Rc::new(Worker::new(id, shared));
    // Before any client asks for one, here or through another worker.
    for session in revived {
        v4::revive(Rc::clone(&worker), session);
    }
    tokio::task::spawn_local(Rc::clone(&worker).read_inbox(inbox));
    for (listener, tls) in listeners {
        tokio::task::spawn_local(listener::run(Rc::clone(&worker), listener, tls));
    }
    ready.send(Ok(())).ok();
    let mut tick = tokio::time::interval(Duration::from_secs(5));
    let mut watch = tokio::time::interval(Duration::from_millis(250));
    loop {
        tokio::select! {
            _ = tick.tick() => worker.tidy(),
            _ = watch.tick() => worker.watch_nodes(),
            () = worker.stop_requested() => break,
        }
    }
    worker.answered().await;
    worker.drained().await;
}
