//! The handle that everybody holds: hands work to the writer, reads on connections of its own, tells how it goes.

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::commit::Job;
use crate::connections::ClosedConnection;
use crate::figures::UsageDelta;
use crate::inbox::{Inbox, QUEUE, Refused};
use crate::nodes::{NodeChange, Probe};
use crate::settings::Settings;
use crate::writer::{Message, Writer};
use crate::{Millis, StoreError, file};

/// Records may take this much of the queue, so that commits find room.
const RECORDS: usize = QUEUE / 2;
/// So long a record waits in the queue; many come at a time.
const RECORD: Duration = Duration::from_millis(2);
/// Reading connections kept for later use.
const IDLE_READERS: usize = 4;

/// Something of history, to be written with the next flush.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// What a [`crate::Recorder`] collected; written at once, with everything that waits.
    Usage(Vec<UsageDelta>),
    /// A node changed its state.
    Node(NodeChange),
    /// A node was probed.
    Probe(Probe),
    /// A client connection is over.
    Connection(Box<ClosedConnection>),
}

impl Record {
    pub(crate) fn rows(&self) -> usize {
        match self {
            Self::Usage(deltas) => deltas.len().max(1),
            _ => 1,
        }
    }
}

/// How the store is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreHealth {
    /// The last attempt to write failed; history waits in memory, commits are refused.
    pub failing: bool,
    /// What the last failure said, also after it is over.
    pub last_error: Option<String>,
    /// The last time that history was written.
    pub last_flush: Option<Millis>,
    /// How long that took, in microseconds.
    pub flush_micros: u64,
    /// Rows that wait to be written.
    pub queued: usize,
    /// Rows that were dropped for want of room, since the start.
    pub dropped: u64,
    /// Commits since the start.
    pub commits: u64,
    /// Bytes of the file and its write-ahead log.
    pub file_bytes: u64,
    /// The program before was killed: of what it counted, up to one flush interval is missing.
    pub was_killed: bool,
}

/// What the writer and the handles share.
#[derive(Debug, Default)]
pub(crate) struct Status {
    pub(crate) queued: AtomicUsize,
    /// Records in the inbox.
    pub(crate) records: AtomicUsize,
    pub(crate) dropped: AtomicU64,
    pub(crate) commits: AtomicU64,
    /// 0 before the first.
    pub(crate) last_flush: AtomicI64,
    pub(crate) flush_micros: AtomicU64,
    pub(crate) failure: Mutex<Failure>,
}

#[derive(Debug, Default)]
pub(crate) struct Failure {
    pub(crate) failing: bool,
    pub(crate) last: Option<String>,
}

/// The store. Cloning gives another handle; the file is closed, and what waits written, by [`Store::close`] or with the
/// last handle.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    settings: Settings,
    was_killed: bool,
    inbox: Arc<Inbox>,
    status: Arc<Status>,
    readers: Mutex<Vec<Connection>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Opens the file, or makes it, and starts the writer. Blocks.
    ///
    /// # Errors
    /// When the file cannot be used, is in use, is something else, or was written by a newer program.
    pub fn open(path: impl AsRef<Path>, settings: Settings) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let owned = file::open(path, &settings)?;
        let was_killed = owned.was_killed;
        let (inbox, status) = (Arc::<Inbox>::default(), Arc::<Status>::default());
        let writer = Writer::new(owned, settings.clone(), inbox.reader(), Arc::clone(&status))?;
        let writer = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || writer.run())
            .map_err(|source| StoreError::File {
                path: path.to_owned(),
                source,
            })?;
        let inner = Inner {
            path: path.to_owned(),
            settings,
            was_killed,
            inbox,
            status,
            readers: Mutex::default(),
            writer: Mutex::new(Some(writer)),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// How it behaves.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// Hands over a piece of history; gives it back when there is no room. Never blocks.
    ///
    /// # Errors
    /// The record, for the caller to keep or to drop.
    pub fn try_record(&self, record: Record) -> Result<(), Record> {
        if !self.inner.settings.history {
            return Ok(());
        }
        let status = &self.inner.status;
        let rows = record.rows();
        let queued = status.queued.fetch_add(rows, Ordering::Relaxed);
        let waiting = status.records.fetch_add(1, Ordering::Relaxed);
        // One that is larger than all room there is goes alone, or it would never.
        let has_room = queued == 0 || queued + rows <= self.inner.settings.queue_rows;
        let sent = if has_room && waiting < RECORDS {
            self.inner.inbox.send(Message::Record(record), RECORD)
        } else {
            Err(Refused::Full(Message::Record(record)))
        };
        sent.map_err(|refused| {
            status.queued.fetch_sub(rows, Ordering::Relaxed);
            status.records.fetch_sub(1, Ordering::Relaxed);
            match refused {
                Refused::Full(Message::Record(record)) | Refused::Closed(Message::Record(record)) => record,
                _ => unreachable!("a record was sent"),
            }
        })
    }

    /// Hands over a piece of history, or drops and counts it when there is no room. Never blocks.
    pub fn record(&self, record: Record) {
        if let Err(record) = self.try_record(record) {
            let rows = record.rows() as u64;
            self.inner.status.dropped.fetch_add(rows, Ordering::Relaxed);
        }
    }

    /// Has everything that was recorded so far written.
    pub fn flush(&self) -> Pending<()> {
        let (sender, pending) = Pending::new();
        self.send(Message::Flush(sender), Duration::ZERO);
        pending
    }

    /// Has everything written, and all upkeep done that is due. For tests that move the clock.
    #[doc(hidden)]
    pub fn settle(&self) -> Pending<()> {
        let (sender, pending) = Pending::new();
        self.send(Message::Settle(sender), Duration::ZERO);
        pending
    }

    /// How it goes.
    pub fn health(&self) -> StoreHealth {
        let status = &self.inner.status;
        let failure = lock(&status.failure);
        let last_flush = status.last_flush.load(Ordering::Relaxed);
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
        StoreHealth {
            failing: failure.failing,
            last_error: failure.last.clone(),
            last_flush: (last_flush != 0).then_some(last_flush),
            flush_micros: status.flush_micros.load(Ordering::Relaxed),
            queued: status.queued.load(Ordering::Relaxed),
            dropped: status.dropped.load(Ordering::Relaxed),
            commits: status.commits.load(Ordering::Relaxed),
            was_killed: self.inner.was_killed,
            file_bytes: size(&self.inner.path) + size(&file::beside(&self.inner.path, "-wal")),
        }
    }

    /// Writes what waits and closes the file; other handles are of no use afterwards. Blocks.
    pub fn close(&self) {
        self.inner.close();
    }

    /// Runs `work` on the writer's thread in a transaction that is on disk when the answer comes. Commits that wait
    /// together share one.
    pub(crate) fn commit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Pending<T> {
        let (sender, pending) = Pending::new();
        self.send(Message::Commit(Job::new(work, sender)), Duration::ZERO);
        pending
    }

    /// As [`commit`](Self::commit), for work that is no more than one statement and may wait so long for others.
    pub(crate) fn commit_statement(
        &self,
        patience: Duration,
        work: impl FnOnce(&Connection) -> rusqlite::Result<()> + Send + 'static,
    ) -> Pending<()> {
        let (sender, pending) = Pending::new();
        self.send(Message::Commit(Job::new(work, sender).statement()), patience);
        pending
    }

    /// Runs `work` on a connection that can only read, in one transaction, so that all it sees is of one moment.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let kept = lock(&self.inner.readers).pop();
        let mut connection = match kept {
            Some(connection) => connection,
            None => file::open_reader(&self.inner.path)?,
        };
        let transaction = connection.transaction()?;
        let value = work(&transaction)?;
        transaction.finish()?;
        let mut readers = lock(&self.inner.readers);
        if readers.len() < IDLE_READERS {
            readers.push(connection);
        }
        Ok(value)
    }

    /// A message that is not taken answers by itself.
    fn send(&self, message: Message, patience: Duration) {
        match self.inner.inbox.send(message, patience) {
            Ok(()) => {}
            Err(Refused::Full(message)) => message.refuse(StoreError::Full),
            Err(Refused::Closed(message)) => message.refuse(StoreError::Closed),
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.inner.path)
            .finish_non_exhaustive()
    }
}

impl Inner {
    fn close(&self) {
        let Some(writer) = lock(&self.writer).take() else {
            return;
        };
        lock(&self.readers).clear();
        self.inbox.close();
        if writer.join().is_err() {
            tracing::error!("the store's thread panicked");
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

/// The answer to a commit. As a future it can be awaited anywhere; [`Pending::wait`] blocks. Dropping it does not undo
/// the work.
#[derive(Debug)]
#[must_use = "the work may fail; use `detach` where nobody waits for it"]
pub struct Pending<T>(oneshot::Receiver<Result<T, StoreError>>);

pub(crate) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

impl<T> Pending<T> {
    pub(crate) fn new() -> (Answer<T>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self(receiver))
    }

    /// Waits for the answer. Not to be called on a thread that runs futures.
    ///
    /// # Errors
    /// When the work failed or was not committed, or the store is full or closed.
    pub fn wait(self) -> Result<T, StoreError> {
        self.0.blocking_recv().unwrap_or(Err(StoreError::Closed))
    }

    /// For work that nobody waits for. The writer logs it when the file cannot be written.
    pub fn detach(self) {}
}

impl<T> Future for Pending<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(context)
            .map(|answer| answer.unwrap_or(Err(StoreError::Closed)))
    }
}

/// What the locks guard is whole between two statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
