//! Where a test client's received messages lie until the test asks for them.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tokio::sync::Notify;

use super::sequence::{SequenceReport, Sequences};

/// How many messages are kept; the oldest go first.
const LIMIT: usize = 50_000;

/// How a socket ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With a close frame: code (1005 when it had none) and reason.
    Closed(u16, String),
    /// Without one.
    Dropped,
}

#[derive(Debug, Default)]
struct Inner {
    messages: VecDeque<Value>,
    /// Text that was not JSON.
    broken: u64,
    total: u64,
    sequences: Sequences,
    ended: Option<Ended>,
}

/// Shared between the task that reads the socket and the test.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    inner: Mutex<Inner>,
    arrived: Notify,
}

impl Mailbox {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn receive(&self, text: &str) {
        {
            let mut inner = self.inner();
            inner.total += 1;
            if !inner.sequences.see(text) {
                match serde_json::from_str(text) {
                    Ok(message) => inner.messages.push_back(message),
                    Err(_) => inner.broken += 1,
                }
            }
            if inner.messages.len() > LIMIT {
                inner.messages.pop_front();
            }
        }
        self.arrived.notify_waiters();
    }

    pub(crate) fn opened(&self) {
        self.inner().ended = None;
    }

    pub(crate) fn ended(&self, how: Ended) {
        self.inner().ended.get_or_insert(how);
        self.arrived.notify_waiters();
    }

    pub(crate) fn messages(&self) -> Vec<Value> {
        self.inner().messages.iter().cloned().collect()
    }

    pub(crate) fn clear(&self) {
        self.inner().messages.clear();
    }

    pub(crate) fn total(&self) -> u64 {
        self.inner().total
    }

    pub(crate) fn broken(&self) -> u64 {
        self.inner().broken
    }

    pub(crate) fn sequences(&self) -> SequenceReport {
        self.inner().sequences.report()
    }

    pub(crate) fn end(&self) -> Option<Ended> {
        self.inner().ended.clone()
    }

    /// Takes the first message that `wanted` accepts, waiting for it up to `deadline`. The others stay.
    pub(crate) async fn take(&self, wanted: impl Fn(&Value) -> bool, deadline: Duration) -> anyhow::Result<Value> {
        let found = self.until(deadline, |inner| {
            let index = inner.messages.iter().position(&wanted)?;
            inner.messages.remove(index)
        });
        found.await.ok_or_else(|| {
            let inner = self.inner();
            let last: Vec<String> = inner.messages.iter().rev().take(8).map(Value::to_string).collect();
            let ended = &inner.ended;
            anyhow::anyhow!("not received within {deadline:?}; socket end: {ended:?}; last messages: {last:#?}")
        })
    }

    /// Waits for the socket's end.
    pub(crate) async fn wait_end(&self, deadline: Duration) -> Option<Ended> {
        self.until(deadline, |inner| inner.ended.clone()).await
    }

    /// Waits until the sequence report satisfies `done`.
    pub(crate) async fn wait_sequences(&self, done: impl Fn(&SequenceReport) -> bool, deadline: Duration) -> bool {
        self.until(deadline, |inner| done(&inner.sequences.report()).then_some(()))
            .await
            .is_some()
    }

    async fn until<T>(&self, deadline: Duration, mut look: impl FnMut(&mut Inner) -> Option<T>) -> Option<T> {
        let search = async {
            loop {
                let arrived = self.arrived.notified();
                tokio::pin!(arrived);
                // Registered before looking, so that nothing slips in between.
                arrived.as_mut().enable();
                if let Some(found) = look(&mut self.inner()) {
                    return found;
                }
                arrived.await;
            }
        };
        tokio::time::timeout(deadline, search).await.ok()
    }
}
