//! Alerts: looks at the proxy once a second, lets the core decide, keeps what it says and tells the receivers.
//!
//! `observe.rs` puts together what the rules look at, `record.rs` keeps alerts in the store (or in memory), `deliver.rs`
//! and what is below it bring messages to webhooks. The rules themselves are in `proxy_core::alerts`.

mod config;
mod deliver;
mod discord;
mod endpoint;
mod json;
mod month;
mod observe;
mod reach;
mod record;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

pub use config::{AlertsConfig, WebhookConfig, WebhookKind};
use deliver::{Deliveries, Queues};
pub(crate) use endpoint::Counters;
pub use endpoint::webhook_host;
use observe::Observer;
use proxy_core::alerts::{Alert, AlertSettings, Alerts, Severity};
use proxy_store::Store;
use record::Record;
use tokio::time::MissedTickBehavior;

use crate::App;
use crate::view::millis;

pub use reach::is_public;

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(1);
/// Addresses whose wrong passwords are told apart within a second.
const LOGIN_ADDRESSES: usize = 1024;

/// What the runner, the API and the metrics share.
#[derive(Debug)]
pub(crate) struct Alerting {
    engine: Mutex<Alerts>,
    /// Held until new alerts have the numbers under which they are kept: nobody is shown others, which would name no alert a
    /// moment later.
    numbering: tokio::sync::Mutex<()>,
    record: Record,
    deliveries: Deliveries,
    /// Taken by the runner.
    queues: Mutex<Option<Queues>>,
    quotas: HashMap<Arc<str>, u64>,
    login_failures: Mutex<HashMap<IpAddr, u32>>,
}

/// How many alerts are open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) warning: usize,
    pub(crate) critical: usize,
    pub(crate) unacknowledged: usize,
}

impl Alerting {
    /// # Errors
    /// When a webhook's URL is none, or the system's certificates cannot be used.
    pub(crate) fn new(config: AlertsConfig, store: Option<Store>) -> Result<Self, String> {
        // For webhooks over TLS. A second installation is refused, which is as good.
        rustls::crypto::ring::default_provider().install_default().ok();
        let (deliveries, queues) = Deliveries::new(&config)?;
        Ok(Self {
            engine: Mutex::new(Alerts::new(config.settings)),
            numbering: tokio::sync::Mutex::default(),
            record: Record::new(store),
            deliveries,
            queues: Mutex::new(Some(queues)),
            quotas: config.quotas.into_iter().collect(),
            login_failures: Mutex::default(),
        })
    }

    /// A wrong password on the admin listener.
    pub(crate) fn login_failed(&self, address: IpAddr) {
        let mut failures = lock(&self.login_failures);
        if failures.len() < LOGIN_ADDRESSES || failures.contains_key(&address) {
            *failures.entry(address.to_canonical()).or_default() += 1;
        }
    }

    /// How many alerts are open.
    pub(crate) fn open_count(&self) -> Open {
        let mut open = Open::default();
        for alert in lock(&self.engine).open() {
            match alert.severity {
                Severity::Warning => open.warning += 1,
                Severity::Critical => open.critical += 1,
            }
            open.unacknowledged += usize::from(alert.acknowledged.is_none());
        }
        open
    }

    /// The settings of the rules.
    pub(crate) fn settings(&self) -> AlertSettings {
        lock(&self.engine).settings().clone()
    }

    /// Alerts, newest first, with an id below `before`.
    pub(crate) async fn list(&self, open_only: bool, before: Option<u64>, limit: usize) -> Vec<Alert> {
        let numbered = self.numbering.lock().await;
        let open: Vec<Alert> = lock(&self.engine).open().cloned().collect();
        drop(numbered);
        self.record.list(open, open_only, before, limit).await
    }

    /// Notes that somebody has seen an alert. `None` when there is none with this id.
    pub(crate) async fn acknowledge(&self, id: u64, by: &str) -> Option<Alert> {
        let at = millis(SystemTime::now());
        let _numbered = self.numbering.lock().await;
        let open = lock(&self.engine).acknowledge(id, by, at).cloned();
        self.record.acknowledge(open, id, by, at).await
    }

    /// Sends a test message to every receiver, and says of each what came of it.
    pub(crate) async fn test(&self) -> Vec<(Arc<str>, Result<(), String>)> {
        let mut results = vec![("log".into(), Ok(()))];
        results.extend(self.deliveries.test().await);
        results
    }

    /// What became of the messages, by receiver.
    pub(crate) fn deliveries(&self) -> impl Iterator<Item = (&Arc<str>, &Counters)> {
        self.deliveries.counters()
    }
}

/// Looks, decides, keeps and tells for as long as the admin listener runs. Never ends, also without alerts.
pub(crate) async fn run(app: Arc<App>) {
    let Some(alerting) = &app.alerting else {
        return std::future::pending().await;
    };
    let queues = lock(&alerting.queues).take().unwrap_or_default();
    tokio::join!(watch(&app, alerting), deliver::run(queues));
}

async fn watch(app: &App, alerting: &Alerting) {
    let at = millis(SystemTime::now());
    let (open, history, month) = alerting.record.load(at).await;
    let mut observer = Observer::new(month);
    {
        let mut engine = lock(&alerting.engine);
        engine.restore(open, Instant::now());
        engine.seed(history, at);
    }
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let observation = observer.look(app, alerting);
        let numbering = alerting.numbering.lock().await;
        let mut notices = lock(&alerting.engine).observe(&observation);
        for (id, stored) in alerting.record.keep(&mut notices).await {
            lock(&alerting.engine).renumber(id, stored);
        }
        drop(numbering);
        notices.iter().for_each(|notice| alerting.deliveries.tell(notice));
        alerting.record.refresh(&lock(&alerting.engine), observation.at);
    }
}

/// What the locks guard is whole between two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use proxy_core::alerts::{Alert, Kind, Notice, Rule, Severity, Subject};

    /// A node that is down.
    pub(super) fn notice(kind: Kind, node: &str) -> Notice {
        Notice {
            kind,
            alert: Alert {
                id: 7,
                rule: Rule::NodeDown,
                severity: Severity::Critical,
                subject: Subject::named(node),
                text: "is down: probe: no answer in time".to_owned(),
                value: 1.0,
                threshold: 1.0,
                raised_at: 1_790_000_000_000,
                updated_at: 1_790_000_000_000,
                cleared_at: None,
                acknowledged: None,
            },
        }
    }
}
