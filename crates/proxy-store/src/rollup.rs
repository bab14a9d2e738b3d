//! Decisions on usage history: which level is made from the one below it and when, what is deleted, which rows answer a
//! question. Pure: times come in as Unix seconds, nothing is read or written here.
//!
//! Each level holds the whole past within its retention, so a sum over long ranges reads few rows. Level 0 is written by
//! flushes; a bucket of a higher level is made once, when the time that it covers is over, and the level's *watermark*
//! moves past it in the same transaction. What comes late, for a time below a watermark, is added to every level that
//! has passed it; so at any moment, and after any crash, each bucket below the watermark is the sum of those under it.

use std::ops::Range;

/// Widths of the levels' buckets in seconds: ten seconds, minute, hour, day.
pub const WIDTHS: [i64; 4] = [10, 60, 3600, 86_400];

/// A minute is made this long after its end, so that a flush on its way rarely comes late.
const GRACE: i64 = 10;

/// Steps between points that charts may have, in seconds; each is a whole number of the widest buckets that fit in it.
const STEPS: [i64; 12] = [
    10, 30, 60, 300, 600, 1800, 3600, 10_800, 21_600, 43_200, 86_400, 604_800,
];

/// Where a level stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LevelState {
    /// Buckets that end at or before this are made. Level 0 has none: its buckets are always whole.
    pub watermark: i64,
    /// Buckets that start before this are deleted, or about to be.
    pub floor: i64,
}

/// All levels.
pub type Levels = [LevelState; 4];

/// A file without history.
pub const EMPTY: Levels = {
    let empty = LevelState { watermark: 0, floor: 0 };
    let bottom = LevelState {
        watermark: i64::MAX,
        floor: 0,
    };
    [bottom, empty, empty, empty]
};

/// How to move a level's watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Roll {
    /// Make this bucket from the level below and move the watermark to its end.
    Make(i64),
    /// There is nothing to sum up: move the watermark here.
    Skip(i64),
}

/// Rows of one level that take part in an answer: those that start in `from..to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Index into [`WIDTHS`].
    pub level: usize,
    /// The first start.
    pub from: i64,
    /// The end of starts.
    pub to: i64,
}

/// The start of the bucket that `at` is in.
pub fn align(at: i64, width: i64) -> i64 {
    at.div_euclid(width) * width
}

fn align_up(at: i64, width: i64) -> i64 {
    align(at.saturating_add(width - 1), width)
}

/// Up to where `level` may be made now.
fn limit(levels: &Levels, level: usize, now: i64) -> i64 {
    let below = if level == 1 {
        now - GRACE
    } else {
        levels[level - 1].watermark
    };
    align(below, WIDTHS[level])
}

/// The next thing to do for `level` (1 or higher). `first` is the first bucket of the level below that starts at or
/// after this level's watermark.
pub fn next_roll(levels: &Levels, level: usize, now: i64, first: Option<i64>) -> Option<Roll> {
    let limit = limit(levels, level, now);
    if levels[level].watermark >= limit {
        return None;
    }
    let bucket = first
        .map(|first| align(first, WIDTHS[level]))
        .filter(|first| *first < limit);
    Some(bucket.map_or(Roll::Skip(limit), Roll::Make))
}

/// The levels above 0 that have passed `bucket` of level 0 already, with the buckets there that it belongs to.
pub fn passed(levels: &Levels, bucket: i64) -> impl Iterator<Item = (usize, i64)> {
    let levels = *levels;
    (1..WIDTHS.len())
        .map(move |level| (level, align(bucket, WIDTHS[level])))
        .filter(move |(level, start)| *start < levels[*level].watermark)
}

/// The floor that `level` should have now, when it has another. `keep` is its retention in seconds.
///
/// Nothing is deleted that the level above has not taken in. A floor never goes back, not even one in the future that a
/// clock left which was ahead: until then, history is as coarse as what is kept that long.
pub fn next_floor(levels: &Levels, level: usize, now: i64, keep: i64) -> Option<i64> {
    let above = level + 1;
    // On a bound of the level above, so that none of its buckets is half there below.
    let width = WIDTHS.get(above).copied().unwrap_or(WIDTHS[level]);
    let made = levels.get(above).map_or(i64::MAX, |above| above.watermark);
    let floor = levels[level].floor;
    let wanted = align(now.saturating_sub(keep), width).min(made);
    (wanted > floor).then_some(wanted)
}

/// The rows that make up the range `from..to`, in order, each moment once, none from a level above `top` where a finer
/// one is kept.
///
/// A row counts in the range that it starts in, so ranges that touch never count a row twice.
pub fn cover(levels: &Levels, from: i64, to: i64, top: usize) -> Vec<Segment> {
    let mut segments = Vec::new();
    // From the oldest, of which only days are kept, to the newest.
    let mut start = from.max(0);
    for finest in (0..WIDTHS.len()).rev() {
        let end = if finest == 0 {
            to
        } else {
            levels[finest - 1].floor.min(to)
        };
        if start < end {
            divide(levels, finest, top.max(finest), start..end, &mut segments);
            start = end;
        }
    }
    segments
}

/// Whole buckets of `level` in the middle, finer ones down to `finest` at both ends.
fn divide(levels: &Levels, finest: usize, level: usize, range: Range<i64>, segments: &mut Vec<Segment>) {
    if range.is_empty() {
        return;
    }
    let width = WIDTHS[level];
    let from = align_up(range.start, width);
    if level == finest {
        push(segments, level, from, range.end);
        return;
    }
    let to = align(range.end.min(levels[level].watermark), width);
    if from < to {
        divide(levels, finest, level - 1, range.start..from, segments);
        push(segments, level, from, to);
        divide(levels, finest, level - 1, to..range.end, segments);
    } else {
        divide(levels, finest, level - 1, range, segments);
    }
}

fn push(segments: &mut Vec<Segment>, level: usize, from: i64, to: i64) {
    match segments.last_mut() {
        Some(last) if last.level == level && last.to == from => last.to = to,
        _ if from < to => segments.push(Segment { level, from, to }),
        _ => {}
    }
}

/// The finest step, in seconds, that shows `from..to` in at most `points` points, and for which rows are kept over the
/// whole range.
pub fn choose_step(levels: &Levels, from: i64, to: i64, points: usize) -> i64 {
    let points = i64::try_from(points.max(1)).unwrap_or(i64::MAX);
    let finest = (0..WIDTHS.len()).find(|level| levels[*level].floor <= from.max(0));
    let kept = finest.map_or(WIDTHS[3], |level| WIDTHS[level]);
    let fits = |step: &i64| *step >= kept && (align_up(to, *step) - align(from, *step)) / step <= points;
    STEPS.into_iter().find(fits).unwrap_or_else(|| {
        // A point more than needed at each end, for ranges that begin and end within a step.
        align_up((to - from) / (points - 2).max(1) + 1, WIDTHS[3])
    })
}

/// The coarsest level that points of `step` can be made from.
pub fn top_for(step: i64) -> usize {
    (0..WIDTHS.len())
        .rev()
        .find(|level| step % WIDTHS[*level] == 0)
        .unwrap_or(0)
}

#[cfg(test)]
mod tests;
