//! The network shell around the core: listeners, connections, sessions, tunnels, nodes.
//!
//! [`Gateway::start`] builds it from a [`config::GatewayConfig`]; [`shared::Shared`] is what the admin listener reads.
//! Decisions are the core's and the wire is the protocol crate's; here are sockets, tasks and clocks. The gateway runs
//! without the admin listener and without a store.

mod access;
pub mod config;
mod connection;
pub mod error;
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
    pub fn start(mut config: GatewayConfig) -> Result<Self, StartError> {
        let kept = std::mem::take(&mut config.kept);
        let threads = config.threads.max(1);
        let (addresses, bound) = bind_all(&config.listeners, threads)?;
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
        Ok(Self {
            shared,
            addresses,
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
    pub fn shut_down(self) {
        self.shared.stop();
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a worker thread panicked");
            }
        }
    }
}

fn bind_all(listeners: &[ListenerConfig], threads: usize) -> Result<(Vec<SocketAddr>, Vec<Bound>), StartError> {
    let mut addresses = Vec::new();
    let mut bound: Vec<Bound> = (0..threads).map(|_| Vec::new()).collect();
    for listener in listeners {
        let tls = match &listener.tls {
            Some(tls) => Some(TlsAcceptor::from(transport::tls::server_config(
                &tls.certificate,
                &tls.key,
            )?)),
            None => None,
        };
        let mut address = listener.bind;
        for worker in &mut bound {
            let bind =
                |address| listener::bind(address, threads > 1).map_err(|source| StartError::Bind { address, source });
            let socket = bind(address)?;
            // Port 0 was a wish for any; the other workers share the one that was given.
            address = socket.local_addr()?;
            worker.push((socket, tls.clone()));
        }
        addresses.push(address);
    }
    Ok((addresses, bound))
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
    worker.drained().await;
}
