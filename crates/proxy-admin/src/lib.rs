//! The admin listener: health for load balancers, metrics for Prometheus, a JSON API, and the
//! dashboard that shows it.
//!
//! It runs on a thread of its own and only reads what the gateway publishes; nothing of the data plane waits for it. Not
//! here: counting (the gateway's ledgers), decisions about nodes (the core), history.
//!
//! Start with `api`, the table of contents of what can be asked; `monitor` holds the figures that the answers are made
//! from.

mod alerts;
mod api;
mod assets;
mod body;
mod error;
mod events;
mod gauges;
mod keeper;
mod listing;
mod login;
mod monitor;
mod process;
mod prometheus;
mod range;
mod rate_table;
mod search;
mod server;
mod status;
mod uptimes;
mod view;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use proxy_core::levels::Levels;
use proxy_core::secret::Secret;
use proxy_gateway::shared::Shared;
use proxy_store::{Store, StoreError};
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use alerts::{AlertsConfig, WebhookConfig, WebhookKind, is_public, webhook_host};
pub use login::cookie::SecureCookie;
pub use login::password::{check_hash, hash as hash_password, is_hash};
pub use status::StatusSettings;

use alerts::Alerting;
use error::ApiError;
use events::Hub;
use keeper::Keeper;
use login::{Login, LoginConfig};
use monitor::Monitor;
use uptimes::Uptimes;

/// Passwords are checked and the store is read on these; all else is one thread's work.
const BLOCKING_THREADS: usize = 4;

/// What the admin listener needs to know.
#[derive(Debug)]
pub struct AdminConfig {
    /// Where it listens.
    pub bind: SocketAddr,
    /// The password of the user `admin`: 1 to 256 bytes, or the argon2id hash of one. `None`: the one in the store, else
    /// a new one, see [`Admin::new_password`].
    pub password: Option<Secret>,
    /// As `password`, for the user `viewer`, who changes nothing. `None`: there is no such user.
    pub viewer_password: Option<Secret>,
    /// Whether the dashboard's cookie is for TLS only.
    pub secure_cookie: SecureCookie,
    /// How long a login of the dashboard lasts.
    pub session_timeout: Duration,
    /// `/metrics` wants no login.
    pub open_metrics: bool,
    /// Where login sessions, tokens, alerts and history are kept; without it they end with the program.
    pub store: Option<Store>,
    /// Where bandwidth levels begin.
    pub levels: Levels,
    /// Where clients connect, to be shown to people.
    pub public_url: Option<String>,
    /// The settings in force, secrets masked, for `/api/v1/config`; without it that route answers 404.
    pub masked_config: Option<serde_json::Value>,
    /// What is watched, and who is told; `None`: nothing.
    pub alerts: Option<AlertsConfig>,
    /// The public status; without it there is none.
    pub status: Option<StatusSettings>,
    /// Log lines that were dropped so far, for the metrics.
    pub dropped_log_lines: DroppedLogLines,
}

/// Asks how many log lines were dropped so far, because the disk was too slow for them.
#[derive(Clone)]
pub struct DroppedLogLines(Arc<dyn Fn() -> u64 + Send + Sync>);

impl DroppedLogLines {
    /// Asks this.
    pub fn new(ask: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(ask))
    }
}

impl Default for DroppedLogLines {
    /// None ever are.
    fn default() -> Self {
        Self::new(|| 0)
    }
}

impl std::fmt::Debug for DroppedLogLines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DroppedLogLines")
    }
}

impl AdminConfig {
    /// All defaults: no user `viewer`, no store, everything behind the login.
    pub fn new(bind: SocketAddr) -> Self {
        Self {
            bind,
            password: None,
            viewer_password: None,
            secure_cookie: SecureCookie::Auto,
            session_timeout: Duration::from_secs(12 * 60 * 60),
            open_metrics: false,
            store: None,
            levels: Levels::default(),
            public_url: None,
            masked_config: None,
            alerts: None,
            status: None,
            dropped_log_lines: DroppedLogLines::default(),
        }
    }
}

/// The OpenAPI document of the admin listener.
pub fn openapi() -> utoipa::openapi::OpenApi {
    api::openapi()
}

/// The running admin listener. Dropping it ends it too, without waiting.
#[derive(Debug)]
pub struct Admin {
    address: SocketAddr,
    status_address: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
    new_password: Option<Secret>,
}

impl Admin {
    /// Binds the address and serves it on a thread of its own.
    ///
    /// # Errors
    /// When the address is taken, a password cannot be used, the store fails, or the system gives no thread or event
    /// queue.
    pub fn start(config: AdminConfig, shared: Arc<Shared>) -> io::Result<Self> {
        let (bind, status_bind) = (config.bind, config.status.as_ref().and_then(|status| status.bind));
        let (app, new_password) = App::new(config, shared)?;
        let app = Arc::new(app);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS)
            .build()?;
        let listener = listen(bind, &runtime)?;
        let address = listener.local_addr()?;
        let status = status_bind.map(|bind| listen(bind, &runtime)).transpose()?;
        let status_address = status.as_ref().map(TcpListener::local_addr).transpose()?;
        let (stop, stopped) = watch::channel(false);
        let thread = std::thread::Builder::new().name("admin".to_owned()).spawn(move || {
            runtime.block_on(run(app, listener, status, stopped));
        })?;
        Ok(Self {
            address,
            status_address,
            stop,
            thread,
            new_password,
        })
    }

    /// Where it listens, with the port that was really taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The password of `admin` if one was made at this start. With a store only its hash is kept, so this is the one
    /// chance to show it.
    pub fn new_password(&self) -> Option<&Secret> {
        self.new_password.as_ref()
    }

    /// Where the public status has a listener of its own.
    pub fn status_address(&self) -> Option<SocketAddr> {
        self.status_address
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
    /// What outlives the program; without it there is no history.
    store: Option<Store>,
    /// The store keeps history.
    history: bool,
    uptimes: Uptimes,
    levels: Levels,
    public_url: Option<String>,
    login: Login,
    /// What browsers watch.
    hub: Hub,
    /// Wrong passwords, tokens and tries that were sent away.
    login_failures: AtomicU64,
    open_metrics: bool,
    masked_config: Option<serde_json::Value>,
    /// Without it nothing is watched.
    alerting: Option<Alerting>,
    status: Option<Arc<status::Status>>,
    dropped_log_lines: DroppedLogLines,
}

impl App {
    fn new(config: AdminConfig, shared: Arc<Shared>) -> io::Result<(Self, Option<Secret>)> {
        let wrong = |why| io::Error::new(io::ErrorKind::InvalidInput, why);
        let alerting = config.alerts.map(|alerts| Alerting::new(alerts, config.store.clone()));
        let alerting = alerting.transpose().map_err(wrong)?;
        let keeper = config.store.clone().and_then(Keeper::new);
        let history = keeper.is_some();
        let (login, new_password) = Login::new(LoginConfig {
            password: config.password,
            viewer_password: config.viewer_password,
            secure: config.secure_cookie,
            timeout: config.session_timeout,
            store: config.store.clone(),
        })?;
        let app = Self {
            monitor: Mutex::new(Monitor::new(&shared, keeper)),
            store: config.store,
            history,
            uptimes: Uptimes::default(),
            levels: config.levels,
            public_url: config.public_url,
            login,
            hub: Hub::default(),
            login_failures: AtomicU64::new(0),
            open_metrics: config.open_metrics,
            masked_config: config.masked_config,
            alerting,
            status: config.status.map(|settings| Arc::new(status::Status::new(settings))),
            dropped_log_lines: config.dropped_log_lines,
            shared,
        };
        Ok((app, new_password))
    }

    /// Reads history, on a thread that may wait for a disk.
    async fn read_store<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let store = self.store.clone().filter(|_| self.history);
        let store = store.ok_or(ApiError::NotFound("no history is kept, see [store] history"))?;
        match tokio::task::spawn_blocking(move || read(&store)).await {
            Ok(read) => read.map_err(|error| ApiError::store(&error)),
            Err(error) => Err(ApiError::system(&error.into())),
        }
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

async fn run(app: Arc<App>, listener: TcpListener, status: Option<TcpListener>, stop: watch::Receiver<bool>) {
    let watchable = api::watchable(Arc::clone(&app));
    let router = api::router(Arc::clone(&app), watchable.clone());
    let (readings, read) = watch::channel(0);
    tokio::select! {
        () = monitor::run(Arc::clone(&app), readings) => {}
        () = alerts::run(Arc::clone(&app)) => {}
        () = events::run(Arc::clone(&app), watchable, read) => {}
        () = uptimes::run(Arc::clone(&app)) => {}
        () = serve(router, status::router(Arc::clone(&app)), listener, status, stop) => {}
    }
    app.monitor().finish(&app.shared);
}

/// Serves both routers: the public status on its own listener where it has one.
async fn serve(
    router: Router,
    public: Router,
    listener: TcpListener,
    status: Option<TcpListener>,
    stop: watch::Receiver<bool>,
) {
    let bounds = server::Bounds::default();
    match status {
        None => server::serve(listener, router.merge(public), bounds, stop).await,
        Some(own) => {
            let public = server::serve(own, public, bounds, stop.clone());
            tokio::join!(server::serve(listener, router, bounds, stop), public);
        }
    }
}
