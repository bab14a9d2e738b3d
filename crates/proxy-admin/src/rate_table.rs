//! Rates of many counted things by key. Bounded by what is counted: a key that is not in a reading is forgotten, and one
//! that has been quiet for longer than the longest window takes no room for rates.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::AddAssign;
use std::time::Instant;

use proxy_core::usage::{Flow, Rates, Window};
use proxy_gateway::usage::Totals;

/// So many samples without a change, and all rates are zero; samples are at least a second apart.
const QUIET: u8 = 70;

/// Rates over 1 s, 10 s and 60 s.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Flows {
    pub(crate) second: Flow,
    pub(crate) ten_seconds: Flow,
    pub(crate) minute: Flow,
}

impl Flows {
    /// Bytes per second over ten seconds, both ways: what lists are sorted by.
    pub(crate) fn rate(&self) -> u64 {
        (self.ten_seconds.bytes_in + self.ten_seconds.bytes_out) as u64
    }
}

impl AddAssign for Flows {
    fn add_assign(&mut self, other: Self) {
        let add = |sum: &mut Flow, more: Flow| {
            sum.bytes_in += more.bytes_in;
            sum.bytes_out += more.bytes_out;
            sum.messages_in += more.messages_in;
            sum.messages_out += more.messages_out;
        };
        add(&mut self.second, other.second);
        add(&mut self.ten_seconds, other.ten_seconds);
        add(&mut self.minute, other.minute);
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct RateTable<K> {
    entries: HashMap<K, Entry>,
    round: u64,
    sampled: Option<Instant>,
}

#[derive(Debug, Default)]
struct Entry {
    totals: Totals,
    rates: Option<Box<Rates>>,
    /// Samples since the last change.
    quiet: u8,
    /// The last reading that it was in.
    round: u64,
}

impl<K> Default for RateTable<K> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            round: 0,
            sampled: None,
        }
    }
}

impl<K: Eq + Hash> RateTable<K> {
    /// Takes a reading of all keys. The first one is the base; a key that is new later began at zero after the reading
    /// before.
    pub(crate) fn sample(&mut self, reading: impl IntoIterator<Item = (K, Totals)>, now: Instant) {
        self.round += 1;
        let before = self.sampled.replace(now);
        for (key, totals) in reading {
            let entry = self.entries.entry(key).or_default();
            entry.round = self.round;
            match before {
                None => entry.totals = totals,
                Some(before) => entry.advance(totals, before, now),
            }
        }
        self.entries.retain(|_, entry| entry.round == self.round);
    }

    /// The rates of one key; zero for one that is not known.
    pub(crate) fn flows(&self, key: &K) -> Flows {
        match self.entries.get(key).and_then(|entry| entry.rates.as_ref()) {
            None => Flows::default(),
            Some(rates) => Flows {
                second: rates.over(Window::Second),
                ten_seconds: rates.over(Window::TenSeconds),
                minute: rates.over(Window::Minute),
            },
        }
    }
}

impl<K: Eq + Hash> RateTable<K> {
    /// As [`Flows::rate`], without the other windows.
    pub(crate) fn rate(&self, key: &K) -> u64 {
        let rates = self.entries.get(key).and_then(|entry| entry.rates.as_ref());
        rates.map_or(0, |rates| {
            let flow = rates.over(Window::TenSeconds);
            (flow.bytes_in + flow.bytes_out) as u64
        })
    }
}

impl Entry {
    fn advance(&mut self, totals: Totals, before: Instant, now: Instant) {
        let changed = totals != self.totals;
        self.quiet = if changed { 0 } else { self.quiet.saturating_add(1) };
        if changed || self.rates.is_some() {
            let earlier = self.totals;
            self.rates
                .get_or_insert_with(|| Box::new(Rates::new(earlier, before)))
                .sample(totals, now);
        }
        if self.quiet >= QUIET {
            self.rates = None;
        }
        self.totals = totals;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::*;

    fn bytes(bytes_in: u64) -> Totals {
        Totals {
            bytes_in,
            ..Totals::default()
        }
    }

    #[test]
    fn what_was_counted_before_the_first_reading_is_no_rate_and_what_is_new_later_is() {
        let (mut table, start) = (RateTable::default(), Instant::now());
        table.sample([("old", bytes(1_000_000))], start);
        table.sample(
            [("old", bytes(1_000_000)), ("new", bytes(500))],
            start + Duration::from_secs(1),
        );
        assert_eq!(table.flows(&"old"), Flows::default());
        assert_eq!(table.flows(&"new").second.bytes_in, 500.0);
        assert_eq!(table.flows(&"new").ten_seconds.bytes_in, 50.0);
    }

    #[test]
    fn a_key_that_is_gone_is_forgotten() {
        let (mut table, start) = (RateTable::default(), Instant::now());
        for second in 0..3 {
            table.sample(
                [(1, bytes(100 * second)), (2, bytes(100 * second))],
                start + Duration::from_secs(second),
            );
        }
        table.sample([(2, bytes(300))], start + Duration::from_secs(3));
        assert_eq!(table.entries.len(), 1);
        assert_eq!(table.flows(&1), Flows::default());
        assert_eq!(table.flows(&2).second.bytes_in, 100.0);
    }

    #[test]
    fn a_quiet_key_takes_no_room_for_rates_and_starts_again_without_loss() {
        let (mut table, start) = (RateTable::default(), Instant::now());
        let at = |second| start + Duration::from_secs(second);
        table.sample([((), bytes(0))], at(0));
        table.sample([((), bytes(60))], at(1));
        for second in 2..=60 {
            table.sample([((), bytes(60))], at(second));
        }
        assert_eq!(table.flows(&()).minute.bytes_in, 1.0, "still within the minute");
        for second in 61..=100 {
            table.sample([((), bytes(60))], at(second));
        }
        assert!(table.entries[&()].rates.is_none());
        table.sample([((), bytes(90))], at(101));
        assert_eq!(table.flows(&()).second.bytes_in, 30.0);
    }
}
