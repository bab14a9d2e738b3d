//! Commits: work that is on disk before anybody is told. Those that wait at the same time share one transaction, so that
//! a thousand sessions that open at once do not wait for a thousand disk flushes; one that fails takes back only its own.

use rusqlite::{Connection, Error, TransactionBehavior, ffi};

use crate::StoreError;
use crate::store::Answer;

/// Commits that share a transaction at most.
pub(crate) const GROUP: usize = 256;

/// Tells the waiter that all is on disk, or why not.
type Finish = Box<dyn FnOnce(Result<(), String>) + Send>;

/// Work and whoever waits for it.
pub(crate) struct Job {
    work: Box<dyn Work>,
    /// SQLite takes one statement back by itself when it fails; for several that takes a savepoint, which costs more than
    /// a small statement.
    is_statement: bool,
}

trait Work: Send {
    /// `Err` when the work failed and is to be taken back, and why.
    fn run(self: Box<Self>, connection: &Connection) -> Result<Finish, (Finish, ffi::Error)>;
    fn refuse(self: Box<Self>, error: StoreError);
}

struct Waited<T, F> {
    work: F,
    answer: Answer<T>,
}

impl Job {
    pub(crate) fn new<T, F>(work: F, answer: Answer<T>) -> Self
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        Self {
            work: Box::new(Waited { work, answer }),
            is_statement: false,
        }
    }

    /// The work is no more than one statement.
    pub(crate) fn statement(self) -> Self {
        Self {
            is_statement: true,
            ..self
        }
    }

    pub(crate) fn refuse(self, error: StoreError) {
        self.work.refuse(error);
    }
}

impl<T, F> Work for Waited<T, F>
where
    T: Send + 'static,
    F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
{
    fn run(self: Box<Self>, connection: &Connection) -> Result<Finish, (Finish, ffi::Error)> {
        let Self { work, answer } = *self;
        // A waiter that is gone does not want to know.
        match work(connection) {
            Ok(value) => Ok(Box::new(move |committed| {
                let told = committed.map(|()| value).map_err(StoreError::NotCommitted);
                answer.send(told).ok();
            })),
            Err(error) => {
                let why = error.sqlite_error().copied();
                let finish: Finish = Box::new(move |_| {
                    answer.send(Err(error.into())).ok();
                });
                Err((finish, why.unwrap_or_else(|| ffi::Error::new(ffi::SQLITE_ABORT))))
            }
        }
    }

    fn refuse(self: Box<Self>, error: StoreError) {
        self.answer.send(Err(error)).ok();
    }
}

/// Runs the jobs in one transaction and answers them all. An error is one of the file; a job's own is its waiter's alone.
pub(crate) fn together(connection: &mut Connection, jobs: impl ExactSizeIterator<Item = Job>) -> rusqlite::Result<()> {
    let transaction = match connection.transaction_with_behavior(TransactionBehavior::Immediate) {
        Ok(transaction) => transaction,
        Err(error) => {
            for job in jobs {
                job.refuse(StoreError::NotCommitted(error.to_string()));
            }
            return Err(error);
        }
    };
    let mut waiters = Vec::with_capacity(jobs.len());
    let mut done = Ok(());
    for job in jobs {
        match &done {
            Ok(()) => done = apart(&transaction, job, &mut waiters),
            Err(error) => job.refuse(StoreError::NotCommitted(error.to_string())),
        }
    }
    let committed = done.and_then(|()| transaction.commit());
    let told = committed.as_ref().copied().map_err(ToString::to_string);
    for finish in waiters {
        finish(told.clone());
    }
    committed
}

/// Runs one job so that it can be taken back alone.
fn apart(transaction: &Connection, job: Job, waiters: &mut Vec<Finish>) -> rusqlite::Result<()> {
    let saves = !job.is_statement;
    if saves {
        transaction.execute_batch("SAVEPOINT job")?;
    }
    match job.work.run(transaction) {
        Ok(finish) => waiters.push(finish),
        Err((finish, why)) => {
            waiters.push(finish);
            if transaction.is_autocommit() {
                // After an error like a full disk there is no transaction left, and what follows would be committed each
                // by itself.
                return Err(Error::SqliteFailure(why, None));
            }
            if saves {
                transaction.execute_batch("ROLLBACK TO job")?;
            }
        }
    }
    if saves {
        transaction.execute_batch("RELEASE job")?;
    }
    Ok(())
}
