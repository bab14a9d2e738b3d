//! How much of the last day and month each node was up, as the store knows it: read once a minute, since everyone who
//! looks at nodes wants it and it moves slowly.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use proxy_store::{Millis, Store, StoreError};
use serde::Serialize;
use tokio::time::MissedTickBehavior;
use utoipa::ToSchema;

use crate::App;
use crate::view::stored;

const INTERVAL: Duration = Duration::from_secs(60);
const DAY: Millis = 24 * 60 * 60 * 1000;

/// Shares from 0 to 1; null while nothing is known. Times in which the proxy did not run do not count.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub(crate) struct Uptime {
    pub(crate) day: Option<f64>,
    /// The last 30 days.
    pub(crate) month: Option<f64>,
}

/// By node.
#[derive(Default)]
pub(crate) struct Uptimes(Mutex<HashMap<Arc<str>, Uptime>>);

impl Uptimes {
    pub(crate) fn of(&self, node: &str) -> Uptime {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(node).copied().unwrap_or_default()
    }
}

/// Reads them for as long as the admin listener runs.
pub(crate) async fn run(app: Arc<App>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let names: Vec<_> = app.shared.nodes.iter().map(|node| Arc::clone(&node.name)).collect();
        let read = app
            .read_store(move |store| read(store, names, stored(SystemTime::now())))
            .await;
        if let Ok(read) = read {
            *app.uptimes.0.lock().unwrap_or_else(PoisonError::into_inner) = read;
        }
    }
}

fn read(store: &Store, names: Vec<Arc<str>>, now: Millis) -> Result<HashMap<Arc<str>, Uptime>, StoreError> {
    let share = |node: &str, days: Millis| store.uptime(node, now - days * DAY, now).map(|uptime| uptime.share());
    let each = names.into_iter().map(|name| {
        let uptime = Uptime {
            day: share(&name, 1)?,
            month: share(&name, 30)?,
        };
        Ok((name, uptime))
    });
    each.collect()
}
