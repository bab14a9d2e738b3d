//! The way from a notice to its receivers: one bounded queue and one task for each, so that a slow one holds up nobody.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use proxy_core::alerts::{Kind, Notice, Severity};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::config::AlertsConfig;
use super::endpoint::{Counters, Endpoint};

/// Notices that wait for one receiver; more are dropped and counted.
const QUEUE: usize = 256;
/// What happens within this time goes out as one message.
const GATHER: Duration = Duration::from_secs(1);
/// The largest message.
const TOGETHER: usize = 50;

/// See the module.
#[derive(Debug)]
pub(super) struct Deliveries {
    receivers: Vec<(Arc<Endpoint>, mpsc::Sender<Notice>)>,
}

/// The ends of the queues, for [`run`].
pub(super) type Queues = Vec<(Arc<Endpoint>, mpsc::Receiver<Notice>)>;

impl Deliveries {
    /// # Errors
    /// When a webhook's URL is none, or the system's certificates cannot be used.
    pub(super) fn new(config: &AlertsConfig) -> Result<(Self, Queues), String> {
        let (mut receivers, mut queues) = (Vec::new(), Vec::new());
        for webhook in &config.webhooks {
            let endpoint = Endpoint::new(webhook.clone(), config.full_addresses, config.private_targets);
            let endpoint = Arc::new(endpoint.map_err(|why| format!("webhook {}: {why}", webhook.name))?);
            let (sender, queue) = mpsc::channel(QUEUE);
            receivers.push((Arc::clone(&endpoint), sender));
            queues.push((endpoint, queue));
        }
        Ok((Self { receivers }, queues))
    }

    /// Tells the log, and hands the notice to every receiver that wants it.
    pub(super) fn tell(&self, notice: &Notice) {
        log(notice);
        for (endpoint, queue) in &self.receivers {
            if endpoint.config.wants(notice) && queue.try_send(notice.clone()).is_err() {
                endpoint.counters.dropped.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(webhook = %endpoint.config.name, "too many alerts wait for a webhook, one is dropped");
            }
        }
    }

    /// Sends a test message to every receiver at once; the result of each in order.
    pub(super) async fn test(&self) -> Vec<(Arc<str>, Result<(), String>)> {
        let mut tests = JoinSet::new();
        for (place, (endpoint, _)) in self.receivers.iter().enumerate() {
            let endpoint = Arc::clone(endpoint);
            tests.spawn(async move { (place, Arc::clone(&endpoint.config.name), endpoint.test().await) });
        }
        let mut results = tests.join_all().await;
        results.sort_by_key(|(place, ..)| *place);
        results.into_iter().map(|(_, name, result)| (name, result)).collect()
    }

    /// What became of the notices, by receiver.
    pub(super) fn counters(&self) -> impl Iterator<Item = (&Arc<str>, &Counters)> {
        self.receivers
            .iter()
            .map(|(endpoint, _)| (&endpoint.config.name, &endpoint.counters))
    }
}

/// Empties the queues for as long as it is polled.
pub(super) async fn run(queues: Queues) {
    let mut tasks = JoinSet::new();
    for (endpoint, queue) in queues {
        tasks.spawn(empty(endpoint, queue));
    }
    tasks.join_all().await;
}

async fn empty(endpoint: Arc<Endpoint>, mut queue: mpsc::Receiver<Notice>) {
    while let Some(first) = queue.recv().await {
        tokio::time::sleep(GATHER).await;
        let mut together = vec![first];
        while together.len() < TOGETHER {
            let Ok(more) = queue.try_recv() else { break };
            together.push(more);
        }
        endpoint.deliver(&together).await;
    }
}

/// The log is told everything, with whole addresses, as in its other lines.
fn log(notice: &Notice) {
    let alert = &notice.alert;
    let (id, rule, subject) = (alert.id, alert.rule.name(), &alert.subject);
    let (event, severity, text) = (notice.kind.name(), alert.severity.name(), &alert.text);
    match (notice.kind, alert.severity) {
        (Kind::Cleared, _) => tracing::info!(event, id, rule, severity, %subject, text, "alert"),
        (_, Severity::Warning) => tracing::warn!(event, id, rule, severity, %subject, text, "alert"),
        (_, Severity::Critical) => tracing::error!(event, id, rule, severity, %subject, text, "alert"),
    }
}
