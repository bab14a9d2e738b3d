//! The program's memory, run after run: what grows with time shows in a run that lasts.

use std::fmt;
use std::time::{Duration, Instant};

/// Between two readings.
const EVERY: Duration = Duration::from_secs(1);
/// A run with fewer readings tells nothing.
const ENOUGH: usize = 8;
/// What a run may grow by once its first quarter is over: buffers have found their size by then.
const GROWTH: u64 = 16 * MIB;
const MIB: u64 = 1024 * 1024;
/// So many readings of a run are worth printing.
const SHOWN: usize = 24;

/// Readings of each run, in bytes.
#[derive(Debug)]
pub(super) struct Memory {
    runs: Vec<Vec<u64>>,
    next: Instant,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self {
            runs: vec![Vec::new()],
            next: Instant::now(),
        }
    }

    /// From now on it is another run.
    pub(super) fn start_run(&mut self) {
        self.runs.push(Vec::new());
    }

    pub(super) fn read(&mut self, resident: impl FnOnce() -> u64) {
        if Instant::now() >= self.next {
            self.next = Instant::now() + EVERY;
            self.runs.last_mut().expect("there is one").push(resident());
        }
    }

    /// The run that was watched for longest has not grown.
    pub(super) fn assert_flat(&self) {
        let longest = self.runs.iter().max_by_key(|run| run.len()).expect("there is one");
        let grown = growth(longest).unwrap_or_else(|| panic!("no run was long enough: {self}"));
        println!("memory grew by {:.1} MiB in the longest run", in_mib(grown));
        assert!(grown <= GROWTH, "memory grows: {self}");
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "memory in MiB")?;
        for run in &self.runs {
            let every = run.len().div_ceil(SHOWN).max(1);
            let shown: Vec<_> = run.iter().step_by(every).map(|reading| reading / MIB).collect();
            write!(f, ", {} readings {shown:?}", run.len())?;
        }
        Ok(())
    }
}

/// From the least of the second quarter to the middle of the last: a peak is no growth, and hides none.
fn growth(run: &[u64]) -> Option<u64> {
    if run.len() < ENOUGH {
        return None;
    }
    let quarter = run.len() / 4;
    let early = run[quarter..2 * quarter].iter().min()?;
    let mut late = run[run.len() - quarter..].to_vec();
    late.sort_unstable();
    Some(late[quarter / 2].saturating_sub(*early))
}

fn in_mib(bytes: u64) -> f64 {
    bytes as f64 / MIB as f64
}

#[test]
fn what_leaks_grows_and_a_peak_does_not() {
    let leaks: Vec<u64> = (0..120).map(|second| 60 * MIB + second * 400_000).collect();
    let mut flat = vec![40 * MIB; 10];
    flat.resize(120, 60 * MIB);
    let mut peaks = flat.clone();
    for peak in [35, 36, 117, 118, 119] {
        peaks[peak] = 200 * MIB;
    }
    assert_eq!([&flat, &peaks].map(|run| growth(run)), [Some(0); 2]);
    assert!(growth(&leaks).unwrap() > GROWTH);
    assert_eq!(growth(&leaks[..ENOUGH - 1]), None);
}
