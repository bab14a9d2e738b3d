//! What was alarming, kept: in the store over restarts, or in memory in bounded number. Also what the rules want to know of
//! earlier runs.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proxy_core::alerts::{Acknowledgement, Alert, Alerts, HourOfAddress, Notice, Rule, Severity, Subject};
use proxy_store::{AlertChange, Scope, Store, StoreError, UsageSort, UsageTotalsQuery};
use tokio::time::{Instant, timeout, timeout_at};

use super::lock;
use super::month::{self, Month};

/// Alerts that are over, without a store.
const REMEMBERED: usize = 1000;
/// A store that cannot write must hold up nobody who waits for a message.
const COMMIT: Duration = Duration::from_secs(3);
/// Figures of open alerts change every second; they are kept this often.
const REFRESH_MS: u64 = 60_000;
const HOUR_MS: u64 = 3_600_000;
/// How far back the habits of addresses are looked at, and of how many.
const HISTORY_HOURS: u64 = 14 * 24;
const HISTORY_ADDRESSES: usize = 500;
const HISTORY_AT_ONCE: usize = 50;

/// See the module.
#[derive(Debug)]
pub(super) struct Record {
    store: Option<Store>,
    /// Newest last; only without a store.
    over: Mutex<VecDeque<Alert>>,
    refreshed: Mutex<u64>,
}

impl Record {
    pub(super) fn new(store: Option<Store>) -> Self {
        Self {
            store,
            over: Mutex::default(),
            refreshed: Mutex::new(0),
        }
    }

    /// Whether the store works, and if not why.
    pub(super) fn failure(&self) -> Option<String> {
        let health = self.store.as_ref()?.health();
        let unknown = || "no reason known".to_owned();
        health.failing.then(|| health.last_error.unwrap_or_else(unknown))
    }

    /// What earlier runs left: open alerts, habits of addresses, and what tenants moved this month.
    pub(super) async fn load(&self, at: u64) -> (Vec<Alert>, Vec<HourOfAddress>, Month) {
        let nothing = || (Vec::new(), Vec::new(), Month::new(at, HashMap::new()));
        let Some(store) = self.store.clone() else {
            return nothing();
        };
        let work = move || -> Result<_, StoreError> {
            let open = store.alerts(true, None, REMEMBERED)?;
            let month = tenants_of_month(&store, at)?;
            Ok((open.iter().filter_map(alert).collect(), habits(&store, at)?, month))
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok((open, habits, month))) => (open, habits, Month::new(at, month)),
            Ok(Err(error)) => {
                tracing::warn!(%error, "alerts of earlier runs cannot be read");
                nothing()
            }
            Err(_) => nothing(),
        }
    }

    /// Keeps alerts as they now are, and gives them the numbers under which the store has them: the old and new ones of
    /// those that changed.
    pub(super) async fn keep(&self, notices: &mut [Notice]) -> Vec<(u64, u64)> {
        let Some(store) = &self.store else {
            let over = notices.iter().filter(|notice| notice.alert.cleared_at.is_some());
            over.for_each(|notice| self.remember(notice.alert.clone()));
            return Vec::new();
        };
        // Handed over together, so that they share one commit and one wait.
        let pending: Vec<_> = notices
            .iter()
            .map(|notice| store.change_alert(change(&notice.alert)))
            .collect();
        let limit = Instant::now() + COMMIT;
        let mut renumbered = Vec::new();
        for (notice, pending) in notices.iter_mut().zip(pending) {
            match timeout_at(limit, pending).await {
                Ok(Ok(stored)) => {
                    let stored = stored.and_then(|stored| u64::try_from(stored.id).ok());
                    if let Some(stored) = stored.filter(|stored| *stored != notice.alert.id) {
                        renumbered.push((notice.alert.id, stored));
                        notice.alert.id = stored;
                    }
                }
                Ok(Err(error)) => tracing::warn!(%error, "an alert could not be kept"),
                Err(_) => tracing::warn!("an alert could not be kept in time"),
            }
        }
        renumbered
    }

    fn remember(&self, alert: Alert) {
        let mut over = lock(&self.over);
        if over.len() == REMEMBERED {
            over.pop_front();
        }
        over.push_back(alert);
    }

    /// Keeps the figures of open alerts now and then.
    pub(super) fn refresh(&self, alerts: &Alerts, at: u64) {
        let Some(store) = &self.store else { return };
        let mut refreshed = lock(&self.refreshed);
        if at.saturating_sub(*refreshed) < REFRESH_MS {
            return;
        }
        for alert in alerts.open().filter(|alert| alert.updated_at > *refreshed) {
            store.change_alert(change(alert)).detach();
        }
        *refreshed = at;
    }

    /// Alerts, newest first. `open` is what is open now, which is fresher than what is kept.
    pub(super) async fn list(
        &self,
        mut open: Vec<Alert>,
        open_only: bool,
        before: Option<u64>,
        limit: usize,
    ) -> Vec<Alert> {
        let below = |alert: &Alert| before.is_none_or(|before| alert.id < before);
        if !open_only {
            let over = self.over(before, limit).await;
            let known = |alert: &Alert| open.iter().any(|other| other.id == alert.id);
            let over: Vec<_> = over.into_iter().filter(|alert| !known(alert)).collect();
            open.extend(over);
        }
        open.retain(below);
        open.sort_by_key(|alert| std::cmp::Reverse(alert.id));
        open.truncate(limit);
        open
    }

    /// What is over, newest first.
    async fn over(&self, before: Option<u64>, limit: usize) -> Vec<Alert> {
        let Some(store) = self.store.clone() else {
            let over = lock(&self.over);
            let below = over
                .iter()
                .rev()
                .filter(|alert| before.is_none_or(|before| alert.id < before));
            return below.take(limit).cloned().collect();
        };
        let before = before.and_then(|before| i64::try_from(before).ok());
        let read = tokio::task::spawn_blocking(move || store.alerts(false, before, limit));
        match read.await {
            Ok(Ok(rows)) => rows
                .iter()
                .filter(|row| row.cleared.is_some())
                .filter_map(alert)
                .collect(),
            Ok(Err(error)) => {
                tracing::warn!(%error, "alerts cannot be read");
                Vec::new()
            }
            Err(_) => Vec::new(),
        }
    }

    /// Notes that somebody has seen an alert; `open` is that alert if it is open.
    pub(super) async fn acknowledge(&self, open: Option<Alert>, id: u64, by: &str, at: u64) -> Option<Alert> {
        let Some(store) = &self.store else {
            return open.or_else(|| self.acknowledge_over(id, by, at));
        };
        let Ok(number) = i64::try_from(id) else { return open };
        let pending = store.acknowledge_alert(number, by.to_owned(), signed(at));
        let stored = timeout(COMMIT, pending).await.ok().and_then(Result::ok).flatten();
        open.or_else(|| stored.as_ref().and_then(alert))
    }

    fn acknowledge_over(&self, id: u64, by: &str, at: u64) -> Option<Alert> {
        let mut over = lock(&self.over);
        let alert = over.iter_mut().find(|alert| alert.id == id)?;
        let first = || Acknowledgement { at, by: by.into() };
        alert.acknowledged.get_or_insert_with(first);
        Some(alert.clone())
    }
}

/// What tenants moved this month in earlier runs.
fn tenants_of_month(store: &Store, at: u64) -> Result<HashMap<Arc<str>, u64>, StoreError> {
    let totals = store.usage_totals(&UsageTotalsQuery {
        scope: Scope::Tenant,
        from: signed(month::beginning(at)),
        to: signed(at),
        sort: UsageSort::Bytes,
        ascending: false,
        search: "",
        offset: 0,
        limit: usize::MAX,
    })?;
    let tenants = totals.items.into_iter();
    Ok(tenants.map(|total| (total.key.into(), total.figures.bytes())).collect())
}

/// What the busiest addresses moved in each hour of the last days.
fn habits(store: &Store, at: u64) -> Result<Vec<HourOfAddress>, StoreError> {
    let to = at / HOUR_MS * HOUR_MS;
    let from = to.saturating_sub(HISTORY_HOURS * HOUR_MS);
    let busiest = store.usage_totals(&UsageTotalsQuery {
        scope: Scope::Ip,
        from: signed(from),
        to: signed(to),
        sort: UsageSort::Bytes,
        ascending: false,
        search: "",
        offset: 0,
        limit: HISTORY_ADDRESSES,
    })?;
    let keys: Vec<&str> = busiest.items.iter().map(|total| total.key.as_str()).collect();
    let mut rows = Vec::new();
    for keys in keys.chunks(HISTORY_AT_ONCE) {
        let hour = Duration::from_millis(HOUR_MS);
        let series = store.usage_sparklines(Scope::Ip, keys, signed(from), signed(to), hour)?;
        for (key, hours) in series {
            let Ok(address) = key.parse::<IpAddr>() else { continue };
            let hours = hours.into_iter().enumerate();
            // Before its first traffic nothing is known of an address.
            let known = hours.skip_while(|(_, bytes)| *bytes == 0);
            rows.extend(known.map(|(hour, bytes)| HourOfAddress {
                address,
                began: from + hour as u64 * HOUR_MS,
                bytes,
            }));
        }
    }
    Ok(rows)
}

fn change(alert: &Alert) -> AlertChange {
    AlertChange {
        rule: alert.rule.name().to_owned(),
        subject: alert.subject.to_string(),
        severity: alert.severity.name().to_owned(),
        text: alert.text.clone(),
        value: Some(alert.value),
        threshold: Some(alert.threshold),
        at: signed(alert.cleared_at.unwrap_or(alert.updated_at)),
        cleared: alert.cleared_at.is_some(),
    }
}

/// `None` for one that another version of the program wrote, with a rule that this one does not know.
fn alert(stored: &proxy_store::Alert) -> Option<Alert> {
    let rule = Rule::of(&stored.rule)?;
    let time = |at: i64| u64::try_from(at).unwrap_or(0);
    let acknowledged = stored.acknowledged.map(|at| Acknowledgement {
        at: time(at),
        by: stored.acknowledged_by.as_deref().unwrap_or_default().into(),
    });
    Some(Alert {
        id: u64::try_from(stored.id).ok()?,
        rule,
        severity: Severity::of(&stored.severity)?,
        subject: Subject::read(rule, &stored.subject),
        text: stored.text.clone(),
        value: stored.value.unwrap_or_default(),
        threshold: stored.threshold.unwrap_or_default(),
        raised_at: time(stored.raised),
        updated_at: time(stored.updated),
        cleared_at: stored.cleared.map(time),
        acknowledged,
    })
}

fn signed(at: u64) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}
