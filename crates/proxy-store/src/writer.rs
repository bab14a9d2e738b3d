//! The thread that owns the connection which writes. It takes messages in order: commits as soon as one of them can wait no
//! longer, those that wait in one transaction; records in batches; and between them the upkeep of history in small steps.
//!
//! When the file cannot be written (a full disk), records wait and are tried again, at growing distances; commits are
//! refused. That is logged when it begins and when it ends.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use crate::commit::Job;
use crate::file::OwnedFile;
use crate::inbox::Reader;
use crate::rollup::Levels;
use crate::settings::Settings;
use crate::store::{Answer, Record, Status, lock};
use crate::upkeep::Upkeep;
use crate::{StoreError, commit, connections, nodes, usage};

/// After a failed write: the first pause, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];
/// Between two looks for upkeep when there was none.
const UPKEEP: Duration = Duration::from_secs(5);

/// What the writer is asked.
pub(crate) enum Message {
    Record(Record),
    Commit(Job),
    Flush(Answer<()>),
    Settle(Answer<()>),
}

impl Message {
    /// Answers for a message that was not taken.
    pub(crate) fn refuse(self, error: StoreError) {
        match self {
            Self::Commit(job) => job.refuse(error),
            Self::Flush(answer) | Self::Settle(answer) => drop(answer.send(Err(error))),
            Self::Record(_) => {}
        }
    }
}

/// See the module.
pub(crate) struct Writer {
    file: OwnedFile,
    settings: Settings,
    inbox: Reader,
    status: Arc<Status>,
    /// Where the levels of usage history stand, as in the file.
    levels: Levels,
    upkeep: Upkeep,
    /// Not written yet, oldest first. Bounded by `Settings::queue_rows`, as `Status::queued` counts them until they are.
    waiting: Vec<Record>,
    /// When what waits is to be written; later after a failure.
    flush_at: Option<Instant>,
    /// The pause after the last failure.
    pause: Option<Duration>,
    upkeep_at: Instant,
}

impl Writer {
    pub(crate) fn new(
        file: OwnedFile,
        settings: Settings,
        inbox: Reader,
        status: Arc<Status>,
    ) -> Result<Self, StoreError> {
        let levels = usage::levels(&file.connection)?;
        if file.was_killed {
            let most = settings.flush_interval;
            tracing::warn!(
                ?most,
                "the proxy was not shut down: what it counted last, up to this time, is not in history"
            );
        }
        let upkeep = Upkeep::start(&file.connection, (settings.clock)())?;
        Ok(Self {
            file,
            settings,
            inbox,
            status,
            levels,
            upkeep,
            waiting: Vec::new(),
            flush_at: None,
            pause: None,
            upkeep_at: Instant::now(),
        })
    }

    pub(crate) fn run(mut self) {
        while let Some(messages) = self.inbox.receive(self.next_look()) {
            self.take(messages);
            let now = Instant::now();
            if self.flush_at.is_some_and(|at| at <= now) {
                // The failure is noted; what waits is tried again later.
                self.flush().ok();
            }
            if self.upkeep_at <= now {
                let more = self.upkeep().unwrap_or(false);
                // Messages come between two steps.
                self.upkeep_at = if more { now } else { now + UPKEEP };
            }
        }
        self.end();
    }

    fn next_look(&self) -> Instant {
        self.flush_at.map_or(self.upkeep_at, |flush| flush.min(self.upkeep_at))
    }

    fn take(&mut self, messages: VecDeque<Message>) {
        let mut jobs = Vec::new();
        for message in messages {
            match message {
                Message::Record(record) => self.keep(record),
                Message::Commit(job) => {
                    jobs.push(job);
                    if jobs.len() >= commit::GROUP {
                        self.commit(&mut jobs);
                    }
                }
                Message::Flush(answer) => {
                    self.commit(&mut jobs);
                    answer.send(self.flush()).ok();
                }
                Message::Settle(answer) => {
                    self.commit(&mut jobs);
                    answer.send(self.settle()).ok();
                }
            }
        }
        self.commit(&mut jobs);
    }

    fn settle(&mut self) -> Result<(), StoreError> {
        self.flush()?;
        self.upkeep.force();
        while self.upkeep()? {}
        Ok(())
    }

    fn keep(&mut self, record: Record) {
        self.status.records.fetch_sub(1, Ordering::Relaxed);
        // A batch of usage was collected for an interval already.
        let wait = match record {
            Record::Usage(_) => Duration::ZERO,
            _ => self.settings.flush_interval,
        };
        self.waiting.push(record);
        if self.pause.is_none() {
            let at = Instant::now() + wait;
            self.flush_at = Some(self.flush_at.map_or(at, |before| before.min(at)));
        }
    }

    /// Commits these in one transaction.
    fn commit(&mut self, jobs: &mut Vec<Job>) {
        if jobs.is_empty() {
            return;
        }
        self.status.commits.fetch_add(jobs.len() as u64, Ordering::Relaxed);
        let outcome = commit::together(&mut self.file.connection, jobs.drain(..));
        self.note(&outcome);
    }

    /// Writes all that waits in one transaction.
    fn flush(&mut self) -> Result<(), StoreError> {
        self.flush_at = None;
        if self.waiting.is_empty() {
            return Ok(());
        }
        let (started, at) = (Instant::now(), (self.settings.clock)());
        let outcome = write(&mut self.file.connection, &self.levels, &self.waiting, &self.upkeep, at);
        self.pause = self.pause.filter(|_| outcome.is_err());
        self.note(&outcome);
        match &outcome {
            Ok(()) => {
                self.forget_waiting();
                self.status.last_flush.store(at, Ordering::Relaxed);
                let took = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
                self.status.flush_micros.store(took, Ordering::Relaxed);
            }
            Err(error) if may_pass(error) => self.retry_later(),
            // The same rows would fail for ever and hold up all that come after.
            Err(error) => {
                let rows = self.forget_waiting();
                self.status.dropped.fetch_add(rows as u64, Ordering::Relaxed);
                tracing::debug!(%error, rows, "history cannot be written and is dropped");
            }
        }
        Ok(outcome?)
    }

    fn forget_waiting(&mut self) -> usize {
        let rows = self.waiting.drain(..).map(|record| record.rows()).sum();
        self.status.queued.fetch_sub(rows, Ordering::Relaxed);
        rows
    }

    fn retry_later(&mut self) {
        let pause = self.pause.map_or(PAUSES[0], |before| (2 * before).min(PAUSES[1]));
        self.pause = Some(pause);
        self.flush_at = Some(Instant::now() + pause);
    }

    /// One step of upkeep; tells whether there was anything to do.
    fn upkeep(&mut self) -> Result<bool, StoreError> {
        let now = (self.settings.clock)();
        let outcome = self.upkeep.step(
            &mut self.file.connection,
            &mut self.levels,
            &self.settings.retention,
            now,
        );
        // Nothing to do proves nothing about the file.
        if !matches!(outcome, Ok(false)) {
            self.note(&outcome);
        }
        Ok(outcome?)
    }

    /// Keeps track of whether the file can be written, and says so when that changes.
    fn note<T>(&mut self, outcome: &rusqlite::Result<T>) {
        let mut failure = lock(&self.status.failure);
        match outcome {
            // Little may fit where much does not: while history waits, only it tells whether all is well again.
            Ok(_) if self.pause.is_some() => {}
            Ok(_) => {
                if std::mem::take(&mut failure.failing) {
                    tracing::info!("the store can be written again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut failure.failing, true) {
                    tracing::error!(%error, "the store cannot be written; history waits in memory while there is room");
                }
                failure.last = Some(error.to_string());
            }
        }
    }

    fn end(mut self) {
        if let Err(error) = self.flush() {
            let rows = self.status.queued.load(Ordering::Relaxed);
            tracing::error!(%error, rows, "the last history could not be written and is lost");
        }
        if let Err(error) = self.upkeep.end(&self.file.connection, (self.settings.clock)()) {
            tracing::warn!(%error, "the end of the run could not be written");
        }
        self.file.close();
    }
}

fn write(
    connection: &mut Connection,
    levels: &Levels,
    records: &[Record],
    upkeep: &Upkeep,
    now: i64,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for record in records {
        match record {
            Record::Usage(deltas) => usage::add(&transaction, levels, deltas)?,
            Record::Node(change) => nodes::add_change(&transaction, change)?,
            Record::Probe(probe) => nodes::add_probe(&transaction, probe)?,
            Record::Connection(connection) => connections::add(&transaction, connection)?,
        }
    }
    upkeep.seen(&transaction, now)?;
    transaction.commit()
}

/// Whether the same work may succeed later: the trouble is with the file, not with what is written.
fn may_pass(error: &rusqlite::Error) -> bool {
    let rusqlite::Error::SqliteFailure(failure, _) = error else {
        return false;
    };
    !matches!(
        failure.code,
        ErrorCode::ConstraintViolation
            | ErrorCode::TypeMismatch
            | ErrorCode::TooBig
            | ErrorCode::ParameterOutOfRange
            | ErrorCode::ApiMisuse
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase
            | ErrorCode::Unknown
    )
}
