//! What of sessions outlives the process: who they are, kept by whoever the program names, so that another run can take
//! them up. Not for where it is kept: the gateway knows no store, and runs without one.
//!
//! A client is told of nothing that another run would not know, so its `ready` and the answer to its session update wait
//! for the commit. Music does not: where nothing can be kept (a full disk), sessions go on unkept, which is logged and
//! counted, and are kept as soon as that is possible again.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use lavalink_protocol::id::SessionId;
use proxy_core::session::kept::{KeptLink, KeptSession, Settings};
use tokio::time::timeout;

use crate::session::directory::SessionEntry;
use crate::shared::Shared;
use crate::worker::{Ask, Worker};

/// A commit that takes longer is not waited for any more, nor are those after it until one succeeds.
const LIMIT: Duration = Duration::from_secs(2);
/// So many sessions of a worker are kept at a time that could not be kept when they should have been.
const AGAIN: usize = 500;

/// Keeps what it is told.
pub trait Keeper: fmt::Debug + Send + Sync {
    /// Takes a change in the order of the calls, without blocking. The change is safe once the answer says so; dropping
    /// the answer does not undo it.
    fn commit(&self, change: Change) -> Commit;
}

/// The answer to a commit, or why it was not done.
pub type Commit = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// What changes of what is kept.
#[derive(Clone, Debug)]
pub enum Change {
    /// All of a session.
    Session(KeptSession),
    /// A kept session has these links, and no others.
    Links(SessionId, Vec<KeptLink>),
    /// The client of a kept session changed this.
    Settings(SessionId, Settings),
    /// A session is over.
    Forget(SessionId),
}

/// Keeps sessions through the [`Keeper`] of the program, and knows how that goes.
#[derive(Debug, Default)]
pub struct Keeping {
    keeper: Option<Arc<dyn Keeper>>,
    failing: AtomicBool,
    failures: AtomicU64,
    unkept: AtomicUsize,
}

impl Keeping {
    pub(crate) fn new(keeper: Option<Arc<dyn Keeper>>) -> Self {
        Self {
            keeper,
            ..Self::default()
        }
    }

    /// Whether sessions are kept at all.
    pub fn is_on(&self) -> bool {
        self.keeper.is_some()
    }

    /// Commits that failed or took too long, since the start.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Sessions that should be kept and are not, or not as they are now.
    pub fn unkept(&self) -> usize {
        self.unkept.load(Ordering::Relaxed)
    }

    /// Hands over a change that nobody waits for.
    pub(crate) fn send(&self, change: Change) {
        if let Some(keeper) = &self.keeper {
            drop(keeper.commit(change));
        }
    }

    fn note(&self, entry: &SessionEntry, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => {
                if self.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("sessions are kept for a restart of the proxy again");
                }
            }
            Err(error) => {
                self.failures.fetch_add(1, Ordering::Relaxed);
                self.miss(entry);
                if !self.failing.swap(true, Ordering::Relaxed) {
                    tracing::error!(%error, "sessions cannot be kept: until they can, a restart of the proxy loses them");
                }
            }
        }
    }

    fn miss(&self, entry: &SessionEntry) {
        if entry.missed() {
            self.unkept.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A session that is over need not be kept any more.
    pub(crate) fn forget(&self, entry: &SessionEntry) {
        if entry.closes_misses() {
            self.unkept.fetch_sub(1, Ordering::Relaxed);
        }
        self.send(Change::Forget(entry.id.clone()));
    }
}

/// Hands over a change of a session at once, and returns what is to be awaited before anybody is told of it: until the
/// change is safe, or must not be waited for any longer.
pub(crate) fn commit(
    worker: &Rc<Worker>,
    entry: &Arc<SessionEntry>,
    change: Change,
) -> Option<impl Future<Output = ()> + use<>> {
    let keeping = &worker.shared.keeping;
    let mut commit = keeping.keeper.as_ref()?.commit(change);
    let (shared, entry) = (Arc::clone(&worker.shared), Arc::clone(entry));
    Some(async move {
        let keeping = &shared.keeping;
        if !keeping.failing.load(Ordering::Relaxed) {
            match timeout(LIMIT, &mut commit).await {
                Ok(outcome) => return keeping.note(&entry, outcome),
                Err(_) => keeping.note(&entry, Err(format!("no commit within {} s", LIMIT.as_secs()))),
            }
        }
        keeping.miss(&entry);
        // Nobody waits for it any more, but how it ends tells whether the next may be waited for.
        tokio::task::spawn_local(async move { shared.keeping.note(&entry, commit.await) });
    })
}

/// Whether another run of the proxy takes the session up, if this one stops now.
pub(crate) fn is_kept(shared: &Shared, entry: &SessionEntry) -> bool {
    let Settings { resuming, timeout } = entry.settings();
    let patience = shared.config.sessions.patience(resuming, timeout, true);
    shared.keeping.is_on() && entry.misses() == 0 && !patience.is_zero()
}

/// Has the sessions of this worker kept that could not be kept before.
pub(crate) fn keep_again(worker: &Worker) {
    let keeping = &worker.shared.keeping;
    if keeping.unkept() == 0 {
        return;
    }
    let all = worker.shared.directory.all();
    let unkept = all
        .iter()
        .filter(|entry| entry.worker == worker.id && entry.misses() > 0);
    // One shows whether it can be done again.
    let most = if keeping.failing.load(Ordering::Relaxed) {
        1
    } else {
        AGAIN
    };
    unkept.take(most).for_each(|entry| worker.ask(entry, Ask::KeepAgain));
}

/// Commits all of a session, which makes up for the commits that failed before.
pub(crate) fn make_up(worker: &Rc<Worker>, entry: &Arc<SessionEntry>, links: Vec<KeptLink>) {
    let Some(keeper) = &worker.shared.keeping.keeper else {
        return;
    };
    let misses = entry.misses();
    let commit = keeper.commit(Change::Session(entry.kept(links)));
    let (shared, entry) = (Arc::clone(&worker.shared), Arc::clone(entry));
    tokio::task::spawn_local(async move {
        let outcome = commit.await;
        if outcome.is_ok() && entry.made_up(misses) {
            shared.keeping.unkept.fetch_sub(1, Ordering::Relaxed);
        }
        shared.keeping.note(&entry, outcome);
    });
}
