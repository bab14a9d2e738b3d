//! The decisions against a model of the file: any range sums up to the same before and after, for every seed.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use super::*;

const KEEP: [i64; 4] = [3600, 86_400, 90 * 86_400, i64::MAX];
const START: i64 = 1_790_035_200;

/// The rows of one key, and where the levels stand.
struct Model {
    levels: Levels,
    rows: BTreeMap<(usize, i64), u64>,
}

impl Model {
    fn add(&mut self, at: i64, value: u64) {
        let bucket = align(at, WIDTHS[0]);
        for (level, start) in std::iter::once((0, bucket)).chain(passed(&self.levels, bucket)) {
            *self.rows.entry((level, start)).or_default() += value;
        }
    }

    /// Does the first thing that is due, as the writer does.
    fn step(&mut self, now: i64) -> bool {
        for (level, width) in WIDTHS.into_iter().enumerate().skip(1) {
            let mark = self.levels[level].watermark;
            let first = self
                .rows
                .range((level - 1, mark)..(level, 0))
                .next()
                .map(|((_, start), _)| *start);
            let Some(roll) = next_roll(&self.levels, level, now, first) else {
                continue;
            };
            self.levels[level].watermark = match roll {
                Roll::Skip(mark) => mark,
                Roll::Make(bucket) => {
                    let end = bucket + width;
                    let sum: u64 = self
                        .rows
                        .range((level - 1, bucket)..(level - 1, end))
                        .map(|(_, value)| value)
                        .sum();
                    assert_eq!(self.rows.insert((level, bucket), sum), None, "made once");
                    end
                }
            };
            return true;
        }
        for (level, keep) in KEEP.into_iter().enumerate() {
            if let Some(floor) = next_floor(&self.levels, level, now, keep) {
                self.levels[level].floor = floor;
                return true;
            }
            let floor = self.levels[level].floor;
            let before = self.rows.len();
            self.rows.retain(|(row, start), _| *row != level || *start >= floor);
            if self.rows.len() != before {
                return true;
            }
        }
        false
    }

    fn sum(&self, from: i64, to: i64, top: usize) -> u64 {
        let covered = cover(&self.levels, from, to, top);
        let segment = |segment: &Segment| -> u64 {
            let range = (segment.level, segment.from)..(segment.level, segment.to);
            self.rows.range(range).map(|(_, value)| value).sum()
        };
        covered.iter().map(segment).sum()
    }
}

#[test]
fn many_seeds_keep_every_sum_at_every_step() {
    for seed in 0..120 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut model = Model {
            levels: EMPTY,
            rows: BTreeMap::new(),
        };
        let (mut now, mut total) = (START + random.i64(0..100_000), 0);
        for _ in 0..120 {
            let value = random.u64(1..100);
            // Most is of now, some is late.
            let late = [0, 0, 0, 0, 7, 90, 4000, 100_000][random.usize(0..8)];
            model.add(now - late, value);
            total += value;
            // A crash may come after any step, so the rest of them waits for later.
            for _ in 0..random.usize(0..40) {
                if !model.step(now) {
                    break;
                }
                for top in 0..WIDTHS.len() {
                    assert_eq!(
                        model.sum(0, i64::MAX / 2, top),
                        total,
                        "seed {seed}, top {top}: {:?}",
                        model.levels
                    );
                }
            }
            let cut = now - random.i64(-100..200_000);
            let parts = model.sum(0, cut, 3) + model.sum(cut, i64::MAX / 2, 3);
            assert_eq!(parts, total, "seed {seed}, cut {cut}");
            now += [1, 10, 60, 600, 3600, 30_000, 200_000, -50, -4000][random.usize(0..9)];
        }
    }
}

#[test]
fn within_what_is_kept_a_range_is_exact_to_its_ten_seconds() {
    for seed in 0..100 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut model = Model {
            levels: EMPTY,
            rows: BTreeMap::new(),
        };
        let mut added = Vec::new();
        let mut now = START;
        for _ in 0..400 {
            model.add(now, 1);
            added.push(now);
            now += random.i64(1..20);
            while model.step(now) {}
        }
        for _ in 0..20 {
            let from = align(now - random.i64(0..3600), 10);
            let to = from + 10 * random.i64(0..400);
            let expected = added.iter().filter(|at| (from..to).contains(*at)).count();
            assert_eq!(model.sum(from, to, 3), expected as u64, "seed {seed}: {from}..{to}");
        }
    }
}

#[test]
fn long_ranges_are_read_from_few_rows() {
    let mut levels = EMPTY;
    let now = START + 40_000;
    levels[1] = LevelState {
        watermark: align(now, 60),
        floor: align(now - 86_400, 3600),
    };
    levels[2] = LevelState {
        watermark: align(now, 3600),
        floor: 0,
    };
    levels[3] = LevelState {
        watermark: align(now, 86_400),
        floor: 0,
    };
    levels[0].floor = align(now - 3600, 60);
    let rows = |from, to| -> i64 {
        let covered = cover(&levels, from, to, 3);
        covered
            .iter()
            .map(|segment| (segment.to - segment.from) / WIDTHS[segment.level] + 1)
            .sum()
    };
    assert!(rows(now - 86_400, now) < 200, "{}", rows(now - 86_400, now));
    assert!(rows(now - 30 * 86_400, now) < 200, "{}", rows(now - 30 * 86_400, now));
}

#[test]
fn a_step_is_the_finest_that_fits_the_points_and_is_kept() {
    let mut levels = EMPTY;
    levels[0].floor = START - 3600;
    levels[1].floor = START - 86_400;
    // (from, to, points, step)
    let cases = [
        (START - 600, START, 300, 10),
        (START - 3600, START, 360, 10),
        (START - 3600, START, 300, 30),
        (START - 7200, START, 300, 60),
        (START - 86_400, START, 300, 300),
        (START - 90_000, START, 300, 3600),
        (START - 7 * 86_400, START, 300, 3600),
        (START - 90 * 86_400, START, 300, 43_200),
        (START - 20 * 365 * 86_400, START, 300, 25 * 86_400),
    ];
    for (from, to, points, step) in cases {
        let chosen = choose_step(&levels, from, to, points);
        assert_eq!(chosen, step, "{from}..{to} in {points}");
        assert!(((align_up(to, step) - align(from, step)) / step) as usize <= points);
        assert_eq!(step % WIDTHS[top_for(step)], 0);
    }
}

#[test]
fn what_is_counted_after_a_clock_that_was_ahead_is_there_in_coarser_steps() {
    let mut model = Model {
        levels: EMPTY,
        rows: BTreeMap::new(),
    };
    for now in [START, START + 365 * 86_400, START, START + 86_400] {
        model.add(now, 1);
        while model.step(now) {}
    }
    assert_eq!(model.sum(0, i64::MAX / 2, 3), 4);
    assert_eq!(model.sum(START, START + 2 * 86_400, 3), 3);
}
