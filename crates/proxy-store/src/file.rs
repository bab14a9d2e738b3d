//! Opening the file: made readable by its owner alone, locked against a second process, recognised, set up.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::settings::Settings;
use crate::{StoreError, schema};

const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Between two looks whether another process has let go.
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// The writer is alone, so this is for backups and people with `sqlite3`.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The write-ahead log is cut to this after it grew.
const WAL_BYTES: i64 = 32 << 20;

/// The one connection that writes, and the lock that says so.
#[derive(Debug)]
pub(crate) struct OwnedFile {
    pub(crate) connection: Connection,
    /// Whoever wrote last did not close the file.
    pub(crate) was_killed: bool,
    /// Held until the connection is closed.
    _lock: File,
}

impl OwnedFile {
    /// Closes the database, then lets go of the lock.
    pub(crate) fn close(self) {
        // A reader that is not done yet would keep closing from emptying the log, by which a clean end is known.
        let emptied = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(error) = emptied {
            tracing::debug!(%error, "the write-ahead log was not emptied");
        }
        if let Err((_, error)) = self.connection.close() {
            tracing::warn!(%error, "the store was not closed cleanly");
        }
    }
}

/// Opens the file for writing, and makes it when there is none.
pub(crate) fn open(path: &Path, settings: &Settings) -> Result<OwnedFile, StoreError> {
    let failed = |source| StoreError::File {
        path: path.to_owned(),
        source,
    };
    let lock = lock(path, settings.lock_wait).map_err(failed)?;
    let Some(lock) = lock else {
        return Err(StoreError::InUse(path.to_owned()));
    };
    if !looks_right(path).map_err(failed)? {
        return Err(StoreError::NotADatabase(path.to_owned()));
    }
    // Closing takes the write-ahead log away.
    let was_killed = std::fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0);
    let connection = set_up(path).map_err(|error| recognise(error, path))?;
    Ok(OwnedFile {
        connection,
        was_killed,
        _lock: lock,
    })
}

/// A connection that can only read.
pub(crate) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn set_up(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(64);
    // Of use only while the file is empty, hence first.
    connection.pragma_update(None, "auto_vacuum", "incremental")?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    // A commit is on disk when it returns. At one flush in some seconds this costs nothing, and identities of sessions
    // need it.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update_and_check(None, "journal_size_limit", WAL_BYTES, |_| Ok(()))?;
    connection.pragma_update(None, "foreign_keys", true)?;
    schema::migrate(&mut connection, path)?;
    Ok(connection)
}

/// Creates or opens the file and tells whether it is empty or a database. The file exists afterwards, for its owner
/// alone; SQLite gives the files beside it the same mode.
fn looks_right(path: &Path) -> io::Result<bool> {
    let mut file = private().open(path)?;
    make_private(&file)?;
    let mut head = Vec::with_capacity(MAGIC.len());
    (&mut file).take(MAGIC.len() as u64).read_to_end(&mut head)?;
    // Closed here, before SQLite has locks on the file: a later close would drop them.
    Ok(head.is_empty() || head == MAGIC)
}

/// The lock is on a file of its own, because closing any handle of the database drops SQLite's locks on it.
fn lock(path: &Path, wait: Duration) -> io::Result<Option<File>> {
    let file = private().open(beside(path, "-lock"))?;
    let until = Instant::now() + wait;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if Instant::now() >= until => return Ok(None),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
        }
    }
}

/// The path of a file that belongs to the database.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// A file that was there before, perhaps copied from a backup, may be open to others.
#[cfg(unix)]
fn make_private(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn make_private(_: &File) -> io::Result<()> {
    Ok(())
}

fn recognise(error: StoreError, path: &Path) -> StoreError {
    match error {
        StoreError::Database(rusqlite::Error::SqliteFailure(failure, _)) if failure.code == ErrorCode::NotADatabase => {
            StoreError::NotADatabase(path.to_owned())
        }
        other => other,
    }
}
