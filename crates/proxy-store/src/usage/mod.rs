//! Usage history in the file: adding what a flush brings, making coarser levels, deleting what is past its time. The
//! decisions are `rollup`'s; `query` reads.

pub(crate) mod query;

use std::sync::LazyLock;

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};

use crate::figures::{COLUMNS, Figures, SUMS, Scope, UsageDelta, UsageKey};
use crate::rollup::{self, Levels, Roll, WIDTHS};

/// Adds to a row: sums add up, of peaks the higher stays.
static UPSERT: LazyLock<String> = LazyLock::new(|| {
    let columns = COLUMNS.join(", ");
    let places: Vec<_> = (1..=4 + COLUMNS.len()).map(|place| format!("?{place}")).collect();
    format!(
        "INSERT INTO usage (level, bucket, scope, key, {columns}) VALUES ({}) ON CONFLICT DO UPDATE SET {}",
        places.join(", "),
        merged()
    )
});

/// Makes a bucket `?2` of level `?1` from the rows that start in `?2..?3` of level `?4`; of addresses (scope `?5`) the
/// `?6` that moved most stay, the rest is summed up as `other` (`?7`).
static ROLL: LazyLock<String> = LazyLock::new(|| {
    let columns = COLUMNS.join(", ");
    let summed = aggregates();
    format!(
        "WITH summed AS (
             SELECT scope, key, {summed} FROM usage WHERE level = ?4 AND bucket >= ?2 AND bucket < ?3 GROUP BY scope, key
         ), placed AS (
             SELECT *, row_number() OVER (
                 PARTITION BY scope ORDER BY key = ?7, bytes_in + bytes_out DESC, connections_opened DESC, key
             ) AS place FROM summed
         ), named AS (
             SELECT scope, CASE WHEN scope = ?5 AND place > ?6 THEN ?7 ELSE key END AS name, {columns} FROM placed
         )
         INSERT INTO usage (level, bucket, scope, key, {columns})
         SELECT ?1, ?2, scope, name, {summed} FROM named WHERE true GROUP BY scope, name
         ON CONFLICT DO UPDATE SET {}",
        merged()
    )
});

fn merged() -> String {
    let merge = |(at, column): (usize, &&str)| match at < SUMS {
        true => format!("{column} = {column} + excluded.{column}"),
        false => format!("{column} = max({column}, excluded.{column})"),
    };
    COLUMNS.iter().enumerate().map(merge).collect::<Vec<_>>().join(", ")
}

/// The columns as aggregates under their own names.
pub(crate) fn aggregates() -> String {
    let aggregate = |(at, column): (usize, &&str)| {
        let function = if at < SUMS { "sum" } else { "max" };
        format!("{function}({column}) AS {column}")
    };
    COLUMNS.iter().enumerate().map(aggregate).collect::<Vec<_>>().join(", ")
}

/// Figures from a row whose columns begin at `first`.
pub(crate) fn figures_at(row: &Row<'_>, first: usize) -> rusqlite::Result<Figures> {
    let mut columns = [0; COLUMNS.len()];
    for (at, column) in columns.iter_mut().enumerate() {
        *column = u64::try_from(row.get::<_, i64>(first + at)?).unwrap_or_default();
    }
    Ok(Figures::from_columns(columns))
}

/// Adds to level 0, and to every level that has passed the delta's time already.
pub(crate) fn add(connection: &Connection, levels: &Levels, deltas: &[UsageDelta]) -> rusqlite::Result<()> {
    let mut upsert = connection.prepare_cached(&UPSERT)?;
    for delta in deltas {
        let bucket = rollup::align(delta.at.div_euclid(1000), WIDTHS[0]);
        let text = delta.key.text();
        for (level, start) in std::iter::once((0, bucket)).chain(rollup::passed(levels, bucket)) {
            let place = [level as i64, start, delta.key.scope().number()];
            let head = place
                .into_iter()
                .map(Value::Integer)
                .chain([Value::Text(text.clone().into_owned())]);
            let columns = delta
                .figures
                .columns()
                .map(|column| Value::Integer(i64::try_from(column).unwrap_or(i64::MAX)));
            upsert.execute(params_from_iter(head.chain(columns)))?;
        }
    }
    Ok(())
}

/// Where the levels stand.
pub(crate) fn levels(connection: &Connection) -> rusqlite::Result<Levels> {
    let mut levels = rollup::EMPTY;
    let mut statement = connection.prepare_cached("SELECT level, watermark, floor FROM usage_level")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if let Some(level) = levels.get_mut(row.get::<_, usize>(0)?) {
            level.watermark = row.get(1)?;
            level.floor = row.get(2)?;
        }
    }
    Ok(levels)
}

/// The first bucket of `level` that starts at or after `from`.
pub(crate) fn next_bucket(connection: &Connection, level: usize, from: i64) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT min(bucket) FROM usage WHERE level = ?1 AND bucket >= ?2")?
        .query_row(params![level, from], |row| row.get(0))
}

/// Carries out a step of [`rollup::next_roll`]; to be called within a transaction.
pub(crate) fn roll(connection: &Connection, level: usize, roll: Roll, addresses: usize) -> rusqlite::Result<i64> {
    let watermark = match roll {
        Roll::Skip(watermark) => watermark,
        Roll::Make(bucket) => {
            let end = bucket + WIDTHS[level];
            connection.prepare_cached(&ROLL)?.execute(params![
                level,
                bucket,
                end,
                level - 1,
                Scope::Ip.number(),
                addresses,
                UsageKey::OTHER
            ])?;
            end
        }
    };
    connection
        .prepare_cached("UPDATE usage_level SET watermark = ?2 WHERE level = ?1")?
        .execute(params![level, watermark])?;
    Ok(watermark)
}

/// Moves a floor. Rows below it are gone for readers from then on; [`delete_some`] takes them away.
pub(crate) fn set_floor(connection: &Connection, level: usize, floor: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE usage_level SET floor = ?2 WHERE level = ?1")?
        .execute(params![level, floor])?;
    Ok(())
}

/// Deletes the oldest buckets of a level that start before the floor, until some `rows` are gone; tells whether there
/// were any.
pub(crate) fn delete_some(connection: &Connection, level: usize, floor: i64, rows: usize) -> rusqlite::Result<bool> {
    let mut delete = connection.prepare_cached("DELETE FROM usage WHERE level = ?1 AND bucket = ?2")?;
    let mut deleted = 0;
    while deleted < rows {
        let oldest = next_bucket(connection, level, i64::MIN)?.filter(|bucket| *bucket < floor);
        let Some(oldest) = oldest else { break };
        deleted += delete.execute(params![level, oldest])?;
    }
    Ok(deleted > 0)
}
