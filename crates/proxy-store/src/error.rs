//! What can go wrong with the store, in the words that an operator reads.

use std::io;
use std::path::PathBuf;

/// Why the store does not open, or did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file or its folder cannot be used.
    #[error("the store {path} cannot be opened: {source}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Two programs would write to one file.
    #[error("the store {path} is in use by another process", path = .0.display())]
    InUse(PathBuf),
    /// The file is something else.
    #[error("{path} is not a database; name another file, or move this one away", path = .0.display())]
    NotADatabase(PathBuf),
    /// The file is a database, but not this program's.
    #[error("{path} is the database of another program; name another file", path = .0.display())]
    NotOurs(PathBuf),
    /// The program is older than the file.
    #[error(
        "the store {path} was written by a newer version of the program (schema {found}, this one knows {known}); \
         run that version, or name another file",
        path = .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema known.
        known: i64,
    },
    /// So much waits to be written that there is no room for more.
    #[error("the store's queue is full")]
    Full,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// Others' work in the same transaction took it down.
    #[error("nothing was written: {0}")]
    NotCommitted(String),
    /// From the database.
    #[error("the store answers: {0}")]
    Database(#[from] rusqlite::Error),
}
