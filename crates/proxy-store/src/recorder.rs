//! Turns readings of growing counters into what is added to usage history, so that the history's sums equal the counters
//! to the byte. Pure: the caller brings the readings and the time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::Millis;
use crate::figures::{Figures, Scope, UsageDelta, UsageKey};
use crate::rollup::{WIDTHS, align};

/// One key at one moment: sums since it began, and gauges (the peaks of [`Figures`]; rates are found here).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Whose.
    pub key: UsageKey,
    /// The counters' values, and how many connections, sessions and players there are now.
    pub figures: Figures,
}

/// Collects readings between two flushes.
///
/// The first reading of a key counts from zero, as the counters began with the program. A key that is missing in a
/// reading is forgotten with its counter; if it comes again, it counts from zero again.
#[derive(Debug)]
pub struct Recorder {
    flush_interval: Duration,
    /// Addresses kept apart in one flush; the smallest are summed up.
    addresses: usize,
    entries: HashMap<UsageKey, Entry>,
    /// Of buckets that are over.
    done: Vec<UsageDelta>,
    round: u64,
    read_at: Option<Instant>,
    flushed_at: Option<Instant>,
}

#[derive(Debug, Default)]
struct Entry {
    /// The counters at the last reading.
    last: Figures,
    /// The last reading that it was in.
    round: u64,
    /// What came since the last flush, and the start of its bucket.
    open: Option<(Millis, Figures)>,
}

impl Recorder {
    /// Hands over a batch every `flush_interval`, with at most ten times `addresses` single addresses.
    pub fn new(flush_interval: Duration, addresses: usize) -> Self {
        Self {
            flush_interval,
            addresses: addresses.saturating_mul(10),
            entries: HashMap::new(),
            done: Vec::new(),
            round: 0,
            read_at: None,
            flushed_at: None,
        }
    }

    /// Takes a reading of everything, about once a second; gives a batch when one is due. `at` may step, `now` does not.
    pub fn read(
        &mut self,
        reading: impl IntoIterator<Item = Reading>,
        at: Millis,
        now: Instant,
    ) -> Option<Vec<UsageDelta>> {
        self.round += 1;
        let elapsed = self
            .read_at
            .replace(now)
            .map(|before| now.saturating_duration_since(before));
        let bucket = align(at, WIDTHS[0] * 1000);
        for Reading { key, figures } in reading {
            let entry = self.entries.entry(key.clone()).or_default();
            entry.round = self.round;
            let delta = entry.advance(figures, elapsed);
            if is_worth_a_row(key.scope(), &delta) {
                entry.add(key, bucket, &delta, &mut self.done);
            }
        }
        self.forget_missing();
        let since = *self.flushed_at.get_or_insert(now);
        // Half a reading early is better than half a reading late: this interval is what a crash may lose.
        let early = Duration::from_millis(500).min(self.flush_interval / 4);
        let due = now.saturating_duration_since(since) + early >= self.flush_interval;
        due.then(|| {
            self.flushed_at = Some(now);
            self.flush()
        })
        .filter(|batch| !batch.is_empty())
    }

    /// Everything that was not handed over yet, as at the end.
    pub fn flush(&mut self) -> Vec<UsageDelta> {
        let mut batch = std::mem::take(&mut self.done);
        for (key, entry) in &mut self.entries {
            batch.extend(entry.close(key.clone()));
        }
        fold_small_addresses(batch, self.addresses)
    }

    /// Takes a batch back that the store had no room for. It counts with what comes next, each key in one bucket, so
    /// that a store that stays full costs no more memory.
    pub fn give_back(&mut self, batch: Vec<UsageDelta>) {
        for UsageDelta { key, at, figures } in batch {
            let entry = self.entries.entry(key).or_insert_with(|| Entry {
                // Not in a reading any more: gone with the next hand-over.
                round: 0,
                ..Entry::default()
            });
            match &mut entry.open {
                Some((_, open)) => open.merge(&figures),
                None => entry.open = Some((at, figures)),
            }
        }
    }

    /// What was not handed over yet of one key: starts of buckets with their figures, to be shown on top of the history.
    pub fn pending(&self, key: &UsageKey) -> Vec<(Millis, Figures)> {
        let done = self.done.iter().filter(|delta| delta.key == *key);
        let open = self.entries.get(key).and_then(|entry| entry.open);
        done.map(|delta| (delta.at, delta.figures)).chain(open).collect()
    }

    fn forget_missing(&mut self) {
        let (round, done) = (self.round, &mut self.done);
        self.entries.retain(|key, entry| {
            let is_there = entry.round == round;
            if !is_there {
                done.extend(entry.close(key.clone()));
            }
            is_there
        });
    }
}

impl Entry {
    /// What came since the last reading, with the rates that follow.
    fn advance(&mut self, figures: Figures, elapsed: Option<Duration>) -> Figures {
        let mut delta = figures.since(&self.last);
        self.last = figures;
        let seconds = elapsed
            .map(|elapsed| elapsed.as_secs_f64())
            .filter(|seconds| *seconds > 0.1);
        if let Some(seconds) = seconds {
            let rate = |bytes: u64| (bytes as f64 / seconds).round() as u64;
            delta.max_rate_in = rate(delta.bytes_in);
            delta.max_rate_out = rate(delta.bytes_out);
        }
        delta
    }

    fn add(&mut self, key: UsageKey, bucket: Millis, delta: &Figures, done: &mut Vec<UsageDelta>) {
        match &mut self.open {
            Some((at, open)) if *at == bucket => open.merge(delta),
            _ => {
                done.extend(self.close(key));
                self.open = Some((bucket, *delta));
            }
        }
    }

    fn close(&mut self, key: UsageKey) -> Option<UsageDelta> {
        let (at, figures) = self.open.take()?;
        Some(UsageDelta { key, at, figures })
    }
}

/// Addresses that just stay connected would be most of the file; for the few others the chart of connections has no gap.
fn is_worth_a_row(scope: Scope, delta: &Figures) -> bool {
    let gauges = [delta.connections, delta.sessions, delta.players];
    !delta.is_idle() || (scope != Scope::Ip && gauges.iter().any(|gauge| *gauge > 0))
}

fn fold_small_addresses(mut batch: Vec<UsageDelta>, keep: usize) -> Vec<UsageDelta> {
    let is_address = |delta: &UsageDelta| matches!(delta.key, UsageKey::Ip(_));
    let addresses = batch.iter().filter(|delta| is_address(delta)).count();
    if addresses <= keep {
        return batch;
    }
    // The largest addresses first, everything else before them.
    batch.sort_unstable_by_key(|delta| (is_address(delta), u64::MAX - delta.figures.bytes()));
    let small = batch.split_off(batch.len() - (addresses - keep));
    let mut folded = HashMap::<Millis, Figures>::new();
    for delta in small {
        folded.entry(delta.at).or_default().merge(&delta.figures);
    }
    batch.extend(folded.into_iter().map(|(at, figures)| UsageDelta {
        key: UsageKey::OtherIps,
        at,
        figures,
    }));
    batch
}

#[cfg(test)]
mod tests;
