//! Alerts as they are kept: raised, updated, cleared, acknowledged. When to do which is decided elsewhere.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{Millis, Pending, Store, StoreError};

/// An alert. It is open until it is cleared; there is one open alert for a rule and a subject.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// Grows with every alert, over restarts.
    pub id: i64,
    /// The rule that raised it.
    pub rule: String,
    /// What it is about: an address, a tenant, a node.
    pub subject: String,
    /// How bad it is, by name.
    pub severity: String,
    /// For people.
    pub text: String,
    /// The figure that it is about.
    pub value: Option<f64>,
    /// What the figure is compared with.
    pub threshold: Option<f64>,
    /// When it began.
    pub raised: Millis,
    /// When anything of it last changed.
    pub updated: Millis,
    /// When it was over.
    pub cleared: Option<Millis>,
    /// When somebody took note.
    pub acknowledged: Option<Millis>,
    /// Who.
    pub acknowledged_by: Option<String>,
}

/// What a rule says of a subject now.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertChange {
    /// The rule.
    pub rule: String,
    /// The subject.
    pub subject: String,
    /// How bad it is, by name.
    pub severity: String,
    /// For people.
    pub text: String,
    /// The figure that it is about.
    pub value: Option<f64>,
    /// What the figure is compared with.
    pub threshold: Option<f64>,
    /// When.
    pub at: Millis,
    /// The alert is over.
    pub cleared: bool,
}

const COLUMNS: &str = "id, rule, subject, severity, text, value, threshold, raised, updated, cleared, acknowledged,
                       acknowledged_by";

impl Store {
    /// Raises an alert, or updates the open one of the same rule and subject, or clears it. Another severity takes back
    /// that somebody took note. Answers with the alert as it
    /// then is; `None` when there was none to clear.
    pub fn change_alert(&self, change: AlertChange) -> Pending<Option<Alert>> {
        self.commit(move |connection| {
            let open = connection
                .query_row(
                    "SELECT id FROM alert WHERE rule = ?1 AND subject = ?2 AND cleared IS NULL",
                    params![change.rule, change.subject],
                    |row| row.get::<_, i64>(0),
                )
                .optional()?;
            match open {
                Some(id) => {
                    connection.execute(
                        // Whoever took note of it when it was less bad has not seen this.
                        "UPDATE alert SET acknowledged = CASE WHEN severity = ?2 THEN acknowledged END,
                                          acknowledged_by = CASE WHEN severity = ?2 THEN acknowledged_by END,
                                          severity = ?2, text = ?3, value = ?4, threshold = ?5, updated = ?6,
                                          cleared = CASE WHEN ?7 THEN ?6 END WHERE id = ?1",
                        params![
                            id,
                            change.severity,
                            change.text,
                            change.value,
                            change.threshold,
                            change.at,
                            change.cleared
                        ],
                    )?;
                    find(connection, id)
                }
                None if change.cleared => Ok(None),
                None => {
                    connection.execute(
                        "INSERT INTO alert (rule, subject, severity, text, value, threshold, raised, updated)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)",
                        params![
                            change.rule,
                            change.subject,
                            change.severity,
                            change.text,
                            change.value,
                            change.threshold,
                            change.at
                        ],
                    )?;
                    find(connection, connection.last_insert_rowid())
                }
            }
        })
    }

    /// Notes that somebody took note; who did first stays. Answers with the alert; `None` when there is none.
    pub fn acknowledge_alert(&self, id: i64, by: String, at: Millis) -> Pending<Option<Alert>> {
        self.commit(move |connection| {
            connection.execute(
                "UPDATE alert SET acknowledged = ?2, acknowledged_by = ?3, updated = ?2
                 WHERE id = ?1 AND acknowledged IS NULL",
                params![id, at, by],
            )?;
            find(connection, id)
        })
    }

    /// Alerts, newest first: the open ones or all, with an id below `before`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn alerts(&self, open_only: bool, before: Option<i64>, limit: usize) -> Result<Vec<Alert>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM alert WHERE (cleared IS NULL OR NOT ?1) AND id < ?2 ORDER BY id DESC LIMIT ?3"
            ))?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = statement.query_map(params![open_only, before.unwrap_or(i64::MAX), limit], read)?;
            rows.collect()
        })
    }

    /// One alert.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn alert(&self, id: i64) -> Result<Option<Alert>, StoreError> {
        self.read(|connection| find(connection, id))
    }
}

fn find(connection: &Connection, id: i64) -> rusqlite::Result<Option<Alert>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM alert WHERE id = ?1"))?
        .query_row([id], read)
        .optional()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Alert> {
    Ok(Alert {
        id: row.get(0)?,
        rule: row.get(1)?,
        subject: row.get(2)?,
        severity: row.get(3)?,
        text: row.get(4)?,
        value: row.get(5)?,
        threshold: row.get(6)?,
        raised: row.get(7)?,
        updated: row.get(8)?,
        cleared: row.get(9)?,
        acknowledged: row.get(10)?,
        acknowledged_by: row.get(11)?,
    })
}
