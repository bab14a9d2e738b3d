//! Upkeep between flushes: coarser levels of usage are made, what is past its time is deleted, the file gives back room.
//! In small steps, each a transaction of its own, so that a commit never waits long; a crash between two of them loses
//! nothing, because each step finds out anew what there is to do.

use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior, params};

use crate::rollup::{self, Levels, WIDTHS};
use crate::settings::{Retention, millis};
use crate::{Millis, usage};

/// Between two looks for old rows.
const PRUNE: Millis = 60_000;
/// Between two notes that the program still runs.
const SEEN: Millis = 30_000;
/// Rows deleted in one step.
const ROWS: usize = 2_000;
/// Pages given back in one step, and how many must be free: a quarter of the file and this many.
const PAGES: i64 = 256;
const FREE_PAGES: i64 = 1_024;

/// Old changes of state but a node's last one, as it tells the state since then.
const SUPERSEDED: &str = "at < ?1 AND EXISTS (SELECT 1 FROM node_change AS later
    WHERE later.node = node_change.node AND later.at > node_change.at AND later.at < ?1)";

/// See the module.
pub(crate) struct Upkeep {
    /// The row of this run in the file.
    run: i64,
    /// When the run was last noted.
    seen: Millis,
    /// When old rows are looked for next.
    prune_at: Millis,
}

impl Upkeep {
    /// Notes the start of a run.
    pub(crate) fn start(connection: &Connection, now: Millis) -> rusqlite::Result<Self> {
        connection.execute("INSERT INTO run (started, seen) VALUES (?1, ?1)", [now])?;
        Ok(Self {
            run: connection.last_insert_rowid(),
            seen: now,
            prune_at: now,
        })
    }

    /// Notes that the program runs.
    pub(crate) fn seen(&self, connection: &Connection, now: Millis) -> rusqlite::Result<()> {
        connection
            .prepare_cached("UPDATE run SET seen = ?2 WHERE id = ?1")?
            .execute([self.run, now])?;
        Ok(())
    }

    /// Notes the end of the run.
    pub(crate) fn end(&self, connection: &Connection, now: Millis) -> rusqlite::Result<()> {
        self.seen(connection, now)
    }

    /// Has old rows looked for in the next step.
    pub(crate) fn force(&mut self) {
        self.prune_at = Millis::MIN;
    }

    /// Does the first thing that is due; tells whether there was any.
    pub(crate) fn step(
        &mut self,
        connection: &mut Connection,
        levels: &mut Levels,
        retention: &Retention,
        now: Millis,
    ) -> rusqlite::Result<bool> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut changed = *levels;
        let seconds = now.div_euclid(1000);
        let mut found = roll(&transaction, &mut changed, retention, seconds)?
            || forget(&transaction, &mut changed, retention, seconds)?;
        if !found && (self.prune_at <= now || self.prune_at > now + PRUNE) {
            found = prune(&transaction, retention, now)?;
            if !found {
                self.prune_at = now + PRUNE;
            }
        }
        if (now - self.seen).abs() >= SEEN {
            self.seen(&transaction, now)?;
            self.seen = now;
        }
        transaction.commit()?;
        *levels = changed;
        Ok(found || give_back(connection)?)
    }
}

fn roll(connection: &Connection, levels: &mut Levels, retention: &Retention, now: i64) -> rusqlite::Result<bool> {
    for level in 1..WIDTHS.len() {
        let first = usage::next_bucket(connection, level - 1, levels[level].watermark)?;
        if let Some(step) = rollup::next_roll(levels, level, now, first) {
            levels[level].watermark = usage::roll(connection, level, step, retention.addresses)?;
            return Ok(true);
        }
    }
    Ok(false)
}

fn forget(connection: &Connection, levels: &mut Levels, retention: &Retention, now: i64) -> rusqlite::Result<bool> {
    let kept = [
        Some(retention.ten_seconds),
        Some(retention.minutes),
        Some(retention.hours),
        retention.days,
    ];
    for (level, keep) in kept.into_iter().enumerate() {
        let keep = keep.map_or(i64::MAX, |keep| i64::try_from(keep.as_secs()).unwrap_or(i64::MAX));
        if let Some(floor) = rollup::next_floor(levels, level, now, keep) {
            usage::set_floor(connection, level, floor)?;
            levels[level].floor = floor;
            return Ok(true);
        }
        if usage::delete_some(connection, level, levels[level].floor, ROWS)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn prune(connection: &Connection, retention: &Retention, now: Millis) -> rusqlite::Result<bool> {
    let before = |keep: Duration| now.saturating_sub(millis(keep));
    let old = [
        ("probe", "id", "at < ?1", before(retention.probes)),
        ("node_change", "id", SUPERSEDED, before(retention.nodes)),
        ("run", "id", "seen < ?1", before(retention.nodes)),
        ("alert", "id", "cleared < ?1", before(retention.nodes)),
        ("connection", "id", "closed < ?1", before(retention.connections)),
        (
            "connection",
            "id",
            "id <= ?1",
            surplus(connection, retention.connection_rows)?,
        ),
        ("probe_minute", "(node, at)", "at < ?1", before(retention.nodes)),
        ("login", "hash", "expires < ?1", now),
    ];
    for (table, key, condition, bound) in old {
        let columns = key.trim_matches(['(', ')']);
        let delete = format!(
            "DELETE FROM {table} WHERE {key} IN (SELECT {columns} FROM {table} WHERE {condition} LIMIT {ROWS})"
        );
        if connection.prepare_cached(&delete)?.execute(params![bound])? > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The highest id among the connections that are too many.
fn surplus(connection: &Connection, rows: u64) -> rusqlite::Result<i64> {
    let newest = connection
        .prepare_cached("SELECT max(id) FROM connection")?
        .query_row([], |row| row.get::<_, Option<i64>>(0))?;
    Ok(newest
        .unwrap_or_default()
        .saturating_sub(i64::try_from(rows).unwrap_or(i64::MAX)))
}

/// A file that was large once gives room back to the system; a little free room stays, as it is soon used again.
fn give_back(connection: &Connection) -> rusqlite::Result<bool> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (free, all) = (pragma("freelist_count")?, pragma("page_count")?);
    if free < FREE_PAGES || free < all / 4 {
        return Ok(false);
    }
    let mut vacuum = connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
    let mut rows = vacuum.query([])?;
    while rows.next()?.is_some() {}
    Ok(true)
}
