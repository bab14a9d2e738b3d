//! The admin listener: health for load balancers, metrics for Prometheus, a JSON API, and the
//! dashboard that shows it.
//!
//! It runs on a thread of its own and only reads what the gateway publishes; nothing of the data plane waits for it. Not
//! here: counting (the gateway's ledgers), decisions about nodes (the core), history.
//!
//! Start with `api`, the table of contents of what can be asked; `monitor` holds the figures that the answers are made
//! from.

mod api;
mod assets;
mod auth;
mod error;
mod listing;
mod monitor;
mod process;
mod prometheus;
mod rate_table;
mod search;
mod server;
mod view;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use proxy_core::secret::Secret;
use proxy_core::tenant::Tenants;
use proxy_gateway::shared::Shared;
use tokio::net::TcpListener;
use tokio::sync::watch;

use monitor::Monitor;

/// What the admin listener needs to know.
#[derive(Debug)]
pub struct AdminConfig {
    /// Where it listens.
    pub bind: SocketAddr,
    /// The password of the user `admin`: 1 to 256 bytes.
    pub password: Secret,
    /// The settings in force, secrets masked, for `/api/v1/config`; without it that route answers 404.
    pub masked_config: Option<serde_json::Value>,
}

/// The OpenAPI document of the admin listener.
pub fn openapi() -> utoipa::openapi::OpenApi {
    api::openapi()
}

/// The running admin listener. Dropping it ends it too, without waiting.
#[derive(Debug)]
pub struct Admin {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

impl Admin {
    /// Binds the address and serves it on a thread of its own.
    ///
    /// # Errors
    /// When the address is taken, the password is empty or too long, or the system gives no thread or event queue.
    pub fn start(config: AdminConfig, shared: Arc<Shared>) -> io::Result<Self> {
        let app = Arc::new(App::new(config.password, config.masked_config, shared)?);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = listen(config.bind, &runtime)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let thread = std::thread::Builder::new().name("admin".to_owned()).spawn(move || {
            runtime.block_on(run(app, listener, stopped));
        })?;
        Ok(Self { address, stop, thread })
    }

    /// Where it listens, with the port that was really taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, lets requests in flight finish for up to two seconds, and returns when all is done. Blocks.
    pub fn shut_down(self) {
        self.stop.send_replace(true);
        if self.thread.join().is_err() {
            tracing::error!("the admin thread panicked");
        }
    }
}

/// What all requests share.
struct App {
    shared: Arc<Shared>,
    /// Only ever locked by the admin thread, and never across an await.
    monitor: Mutex<Monitor>,
    /// The one user. Kept as a tenant because tenants' passwords are compared in constant time.
    admin: Tenants,
    login_failures: AtomicU64,
    masked_config: Option<serde_json::Value>,
}

impl App {
    fn new(password: Secret, masked_config: Option<serde_json::Value>, shared: Arc<Shared>) -> io::Result<Self> {
        Ok(Self {
            monitor: Mutex::new(Monitor::new(&shared)),
            admin: auth::only_user(password)?,
            login_failures: AtomicU64::new(0),
            masked_config,
            shared,
        })
    }

    fn monitor(&self) -> MutexGuard<'_, Monitor> {
        self.monitor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether clients can be served: at least one node takes work, and the proxy is not on its way out.
    fn is_ready(&self) -> bool {
        !self.shared.is_stopping() && self.shared.pool().any_takes_work()
    }
}

fn listen(bind: SocketAddr, runtime: &tokio::runtime::Runtime) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind(bind)?;
    listener.set_nonblocking(true)?;
    let _context = runtime.enter();
    TcpListener::from_std(listener)
}

async fn run(app: Arc<App>, listener: TcpListener, stop: watch::Receiver<bool>) {
    let router = api::router(Arc::clone(&app));
    tokio::select! {
        () = monitor::run(app) => {}
        () = server::serve(listener, router, server::Bounds::default(), stop) => {}
    }
}
