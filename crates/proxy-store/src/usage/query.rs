//! Questions to usage history. Each reads few rows: the coarsest levels that answer exactly, and in them only the buckets
//! and keys asked for.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;
use std::time::Duration;

use rusqlite::{Connection, params};

use super::{figures_at, next_bucket};
use crate::figures::{COLUMNS, Figures, Scope};
use crate::rollup::{self, Levels, Segment};
use crate::{Millis, Store, StoreError};

/// No answer has more points, whatever is asked.
const MOST_POINTS: usize = 5000;

static ONE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM usage WHERE level = ?1 AND bucket = ?2 AND scope = ?3 AND key = ?4",
        COLUMNS.join(", ")
    )
});
static ALL: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT key, {} FROM usage WHERE level = ?1 AND bucket = ?2 AND scope = ?3",
        COLUMNS.join(", ")
    )
});

/// One key's usage over a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageHistory {
    /// Between two points.
    pub step: Duration,
    /// Without a gap, oldest first. The first and the last show only their part of the range.
    pub points: Vec<UsagePoint>,
}

impl UsageHistory {
    /// Everything in the range.
    pub fn sum(&self) -> Figures {
        let mut sum = Figures::default();
        self.points.iter().for_each(|point| sum.merge(&point.figures));
        sum
    }
}

/// A step of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsagePoint {
    /// Its start.
    pub at: Millis,
    /// Its sums and peaks.
    pub figures: Figures,
}

/// Which list of totals.
#[derive(Debug, Clone)]
pub struct UsageTotalsQuery<'a> {
    /// Of what.
    pub scope: Scope,
    /// From when.
    pub from: Millis,
    /// To when, exclusive.
    pub to: Millis,
    /// By what, the most first.
    pub sort: UsageSort,
    /// The least first.
    pub ascending: bool,
    /// Keys that contain this; empty: all.
    pub search: &'a str,
    /// The first of the page.
    pub offset: usize,
    /// The size of the page.
    pub limit: usize,
}

/// What a list of totals is sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UsageSort {
    /// Bytes both ways.
    #[default]
    Bytes,
    /// Bytes received.
    BytesIn,
    /// Bytes sent.
    BytesOut,
    /// Messages both ways.
    Messages,
    /// Requests.
    Requests,
    /// Connections accepted.
    ConnectionsOpened,
    /// Requests that failed, 4xx and 5xx.
    Errors,
    /// The most players.
    Players,
    /// The highest rate, either way.
    Rate,
    /// The name.
    Key,
}

/// A page of totals.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsageTotals {
    /// How many keys there are in the range.
    pub matched: usize,
    /// The page.
    pub items: Vec<UsageTotal>,
}

/// One key's totals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageTotal {
    /// The key within its scope.
    pub key: String,
    /// Its sums and peaks over the range.
    pub figures: Figures,
}

impl Store {
    /// One key's usage over `from..to` in at most `points` points, as fine as what is kept allows. The points' sum is
    /// the range's to the byte, as far as its ends fall between two kept rows.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn usage_history(
        &self,
        scope: Scope,
        key: &str,
        from: Millis,
        to: Millis,
        points: usize,
    ) -> Result<UsageHistory, StoreError> {
        let (from, to) = seconds(from, to);
        let points = points.min(MOST_POINTS);
        self.read(|connection| {
            let levels = super::levels(connection)?;
            let step = rollup::choose_step(&levels, from, to, points);
            let points = series(connection, &levels, scope, &[key], from..to, step)?.remove(0);
            Ok(UsageHistory {
                step: Duration::from_secs(u64::try_from(step).unwrap_or(1)),
                points,
            })
        })
    }

    /// The same range and step for several keys, bytes both ways. `step` is rounded up to whole tens of seconds, and so that
    /// there are not too many.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn usage_sparklines(
        &self,
        scope: Scope,
        keys: &[&str],
        from: Millis,
        to: Millis,
        step: Duration,
    ) -> Result<HashMap<String, Vec<u64>>, StoreError> {
        let (from, to) = seconds(from, to);
        let least = (to - from).max(0).unsigned_abs() / MOST_POINTS as u64;
        let step = step.as_secs().max(least + 1).next_multiple_of(10);
        let step = i64::try_from(step).unwrap_or(i64::MAX);
        self.read(|connection| {
            let levels = super::levels(connection)?;
            let histories = series(connection, &levels, scope, keys, from..to, step)?;
            let bytes = |points: &[UsagePoint]| points.iter().map(|point| point.figures.bytes()).collect();
            let lines = keys.iter().zip(&histories);
            Ok(lines.map(|(key, points)| ((*key).to_owned(), bytes(points))).collect())
        })
    }

    /// Who moved how much over a range: a page of keys with their totals.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn usage_totals(&self, query: &UsageTotalsQuery<'_>) -> Result<UsageTotals, StoreError> {
        let (from, to) = seconds(query.from, query.to);
        let sums = self.read(|connection| {
            let levels = super::levels(connection)?;
            let mut sums = HashMap::new();
            for segment in rollup::cover(&levels, from, to, 3) {
                add_all(connection, segment, query.scope, &mut sums)?;
            }
            Ok(sums)
        })?;
        let search = query.search.to_lowercase();
        let mut items: Vec<_> = sums
            .into_iter()
            .filter(|(key, _)| search.is_empty() || key.to_lowercase().contains(&search))
            .map(|(key, figures)| UsageTotal { key, figures })
            .collect();
        sort(&mut items, query.sort, query.ascending);
        let matched = items.len();
        let items = items.into_iter().skip(query.offset).take(query.limit).collect();
        Ok(UsageTotals { matched, items })
    }
}

fn seconds(from: Millis, to: Millis) -> (i64, i64) {
    // Rows start at whole seconds, so one that starts within a second of the bound is on its right side either way.
    let up = |at: Millis| at.saturating_add(999).div_euclid(1000);
    (up(from), up(to))
}

/// The points of several keys, in their order.
fn series(
    connection: &Connection,
    levels: &Levels,
    scope: Scope,
    keys: &[&str],
    range: Range<i64>,
    step: i64,
) -> rusqlite::Result<Vec<Vec<UsagePoint>>> {
    let first = rollup::align(range.start, step);
    let starts = (first..range.end).step_by(usize::try_from(step).unwrap_or(usize::MAX));
    let empty: Vec<_> = starts
        .map(|start| UsagePoint {
            at: start * 1000,
            figures: Figures::default(),
        })
        .collect();
    let mut series = vec![empty; keys.len()];
    let mut one = connection.prepare_cached(&ONE)?;
    for segment in rollup::cover(levels, range.start, range.end, rollup::top_for(step)) {
        each_bucket(connection, segment, |bucket| {
            let at = usize::try_from((bucket - first) / step).unwrap_or(usize::MAX);
            for (key, points) in keys.iter().zip(&mut series) {
                let mut rows = one.query(params![segment.level, bucket, scope.number(), key])?;
                if let (Some(row), Some(point)) = (rows.next()?, points.get_mut(at)) {
                    point.figures.merge(&figures_at(row, 0)?);
                }
            }
            Ok(())
        })?;
    }
    Ok(series)
}

fn add_all(
    connection: &Connection,
    segment: Segment,
    scope: Scope,
    sums: &mut HashMap<String, Figures>,
) -> rusqlite::Result<()> {
    let mut all = connection.prepare_cached(&ALL)?;
    each_bucket(connection, segment, |bucket| {
        let mut rows = all.query(params![segment.level, bucket, scope.number()])?;
        while let Some(row) = rows.next()? {
            let figures = figures_at(row, 1)?;
            let key = row.get_ref(0)?.as_str()?;
            match sums.get_mut(key) {
                Some(sum) => sum.merge(&figures),
                None => drop(sums.insert(key.to_owned(), figures)),
            }
        }
        Ok(())
    })
}

/// Visits the buckets of a segment that hold anything, hopping over the index from one to the next.
fn each_bucket(
    connection: &Connection,
    segment: Segment,
    mut visit: impl FnMut(i64) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut from = segment.from;
    while let Some(bucket) = next_bucket(connection, segment.level, from)?.filter(|bucket| *bucket < segment.to) {
        visit(bucket)?;
        from = bucket + 1;
    }
    Ok(())
}

fn sort(items: &mut [UsageTotal], by: UsageSort, ascending: bool) {
    let value = |item: &UsageTotal| {
        let figures = &item.figures;
        match by {
            UsageSort::Bytes => figures.bytes(),
            UsageSort::BytesIn => figures.bytes_in,
            UsageSort::BytesOut => figures.bytes_out,
            UsageSort::Messages => figures.messages_in.saturating_add(figures.messages_out),
            UsageSort::Requests => figures.requests,
            UsageSort::ConnectionsOpened => figures.connections_opened,
            UsageSort::Errors => figures.client_error.saturating_add(figures.server_error),
            UsageSort::Players => figures.players,
            UsageSort::Rate => figures.max_rate_in.max(figures.max_rate_out),
            UsageSort::Key => 0,
        }
    };
    items.sort_unstable_by(|a, b| {
        let order = match by {
            UsageSort::Key => b.key.cmp(&a.key),
            _ => value(a).cmp(&value(b)).then_with(|| b.key.cmp(&a.key)),
        };
        if ascending { order } else { order.reverse() }
    });
}
