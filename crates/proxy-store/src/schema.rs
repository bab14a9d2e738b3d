//! The tables, as an ordered list of scripts. Each runs once, in a transaction that also counts it in `user_version`; a
//! script that was released is never changed.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::StoreError;

const SCRIPTS: [&str; 4] = [
    include_str!("../migrations/001_history.sql"),
    include_str!("../migrations/002_people.sql"),
    include_str!("../migrations/003_sessions.sql"),
    include_str!("../migrations/004_session_links.sql"),
];

/// In the header of the file, so that no other program's database is taken for the store: "LPxy".
const APPLICATION: i64 = 0x4c50_7879;

/// Brings the tables up to date.
pub(crate) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let pragma = |connection: &Connection, name: &str| -> rusqlite::Result<i64> {
        connection.pragma_query_value(None, name, |row| row.get(0))
    };
    let known = SCRIPTS.len() as i64;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let application = pragma(&transaction, "application_id")?;
    let is_empty = transaction.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))?;
    if application != APPLICATION && !(application == 0 && is_empty) {
        return Err(StoreError::NotOurs(path.to_owned()));
    }
    let found = pragma(&transaction, "user_version")?;
    if found > known {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known,
        });
    }
    for script in &SCRIPTS[usize::try_from(found).unwrap_or_default()..] {
        transaction.execute_batch(script)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", known)?;
    transaction.commit()?;
    Ok(())
}
