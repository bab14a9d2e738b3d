//! How much an address usually moves at an hour of the day (UTC): a mean in which the last days count most.
//!
//! An hour without traffic counts as one with none, so that an address that is never there at night is unusual at night.

use std::collections::HashMap;
use std::net::IpAddr;

const HOUR_MS: u64 = 3_600_000;
const HOURS: usize = 24;
/// Addresses that are known; a thousand take about 120 KB.
const ADDRESSES: usize = 4096;
/// The weight of the newest day, once there are a few.
const NEWEST: f32 = 0.3;
/// An address that did not come for this long is forgotten.
const FORGOTTEN: u64 = 30 * HOURS as u64;

/// What an address moved in one hour, as the store keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HourOfAddress {
    /// Which address.
    pub address: IpAddr,
    /// When the hour began: milliseconds since 1970 UTC.
    pub began: u64,
    /// Bytes both ways.
    pub bytes: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Baseline {
    addresses: HashMap<IpAddr, Usual>,
    /// The hour under way, counted since 1970.
    hour: Option<u64>,
}

#[derive(Debug)]
struct Usual {
    /// Bytes per second by hour of the day.
    mean: [f32; HOURS],
    /// Days that went into each.
    days: [u8; HOURS],
    /// The counter when this hour began, or when the address came.
    counted: u64,
    /// The counter now.
    counter: u64,
    /// The last hour that was taken in.
    known_to: u64,
    /// The last hour with traffic.
    last_seen: u64,
}

impl Usual {
    fn new(hour: u64, counter: u64) -> Self {
        Self {
            mean: [0.0; HOURS],
            days: [0; HOURS],
            counted: counter,
            counter,
            known_to: hour,
            last_seen: hour,
        }
    }

    fn take(&mut self, hour: u64, bytes: u64) {
        let index = (hour % HOURS as u64) as usize;
        self.days[index] = self.days[index].saturating_add(1);
        let rate = bytes as f32 / 3600.0;
        let weight = NEWEST.max(1.0 / f32::from(self.days[index]));
        self.mean[index] += (rate - self.mean[index]) * weight;
        self.known_to = hour;
        if bytes > 0 {
            self.last_seen = hour;
        }
    }

    /// Takes in hours without traffic up to this one, which is left out. Of a long absence only the last days count.
    fn silent_until(&mut self, hour: u64) {
        let from = (self.known_to + 1).max(hour.saturating_sub(FORGOTTEN));
        (from..hour).for_each(|silent| self.take(silent, 0));
    }
}

impl Baseline {
    /// Takes in what earlier runs saw. Rows of one address come in the order of time.
    pub(super) fn seed(&mut self, rows: impl IntoIterator<Item = HourOfAddress>, at: u64) {
        let this_hour = at / HOUR_MS;
        for row in rows {
            let hour = row.began / HOUR_MS;
            let known = self.addresses.contains_key(&row.address);
            if hour >= this_hour || (!known && self.addresses.len() >= ADDRESSES) {
                continue;
            }
            let first = Usual::new(hour.saturating_sub(1), 0);
            let usual = self.addresses.entry(row.address).or_insert(first);
            if hour > usual.known_to {
                usual.silent_until(hour);
                usual.take(hour, row.bytes);
            }
        }
        for usual in self.addresses.values_mut() {
            usual.silent_until(this_hour);
        }
        self.hour = Some(this_hour);
    }

    /// Lets time pass: full hours are taken in.
    pub(super) fn advance(&mut self, at: u64) {
        let this_hour = at / HOUR_MS;
        let Some(hour) = self.hour.replace(this_hour) else {
            return;
        };
        // A clock that was set back must not count an hour twice.
        if this_hour <= hour {
            self.hour = Some(hour);
            return;
        }
        for usual in self.addresses.values_mut() {
            usual.take(hour, usual.counter.saturating_sub(usual.counted));
            usual.counted = usual.counter;
            usual.silent_until(this_hour);
        }
        self.addresses
            .retain(|_, usual| this_hour - usual.last_seen.min(this_hour) < FORGOTTEN);
    }

    /// Notes the counter of an address, and returns its usual rate at this hour if so many days are known.
    pub(super) fn note(&mut self, address: IpAddr, counter: u64, days: u32) -> Option<f64> {
        let hour = self.hour?;
        let known = self.addresses.contains_key(&address);
        if !known && self.addresses.len() >= ADDRESSES {
            return None;
        }
        // What it moved before it was first seen here belongs to this hour too, but the day is not whole.
        let usual = self
            .addresses
            .entry(address)
            .or_insert_with(|| Usual::new(hour.saturating_sub(1), counter));
        if usual.counter == 0 || counter < usual.counter {
            // From the store, or the counters began anew.
            usual.counted = counter;
        }
        usual.counter = counter;
        let index = (hour % HOURS as u64) as usize;
        (u32::from(usual.days[index]) >= days).then(|| f64::from(usual.mean[index]))
    }

    /// Addresses that take room.
    pub(super) fn len(&self) -> usize {
        self.addresses.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24;

    fn address(n: u32) -> IpAddr {
        IpAddr::from(n.to_be_bytes())
    }

    fn row(hour: u64, bytes: u64) -> HourOfAddress {
        HourOfAddress {
            address: address(1),
            began: hour * HOUR_MS,
            bytes,
        }
    }

    #[test]
    fn history_gives_each_hour_its_own_mean_and_silent_hours_count() {
        let mut baseline = Baseline::default();
        let rows = (0..10).map(|day| row(day * DAY + 20, 3_600_000));
        baseline.seed(rows, (10 * DAY + 20) * HOUR_MS);
        assert_eq!(baseline.note(address(1), 5, 3), Some(1000.0));
        baseline.advance((10 * DAY + 21) * HOUR_MS);
        assert_eq!(baseline.note(address(1), 5, 3), Some(0.0));
        assert_eq!(baseline.note(address(2), 5, 3), None, "never seen");
    }

    #[test]
    fn what_is_new_becomes_usual_within_days() {
        let mut baseline = Baseline::default();
        baseline.seed((0..5).map(|day| row(day * DAY, 0)), 5 * DAY * HOUR_MS);
        let mut counter = 1;
        let mut seen = Vec::new();
        for hour in 5 * DAY..12 * DAY {
            baseline.advance(hour * HOUR_MS);
            let usual = baseline.note(address(1), counter, 3).unwrap();
            counter += 3_600_000;
            baseline.note(address(1), counter, 3);
            if hour % DAY == 0 {
                seen.push(usual);
            }
        }
        assert_eq!(seen[0], 0.0);
        assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "{seen:?}");
        assert!(seen[6] > 800.0 && seen[6] < 1000.0, "{seen:?}");
    }

    #[test]
    fn a_stranger_without_enough_days_has_no_usual_rate() {
        let mut baseline = Baseline::default();
        for hour in 0..3 * DAY {
            baseline.advance(hour * HOUR_MS);
            assert_eq!(baseline.note(address(1), hour, 3), None);
        }
        baseline.advance(3 * DAY * HOUR_MS);
        assert!(baseline.note(address(1), 100, 3).is_some());
    }

    #[test]
    fn room_is_bounded_and_given_back() {
        let mut baseline = Baseline::default();
        baseline.advance(0);
        for n in 0..10_000 {
            assert_eq!(baseline.note(address(n), 1, 3), None);
        }
        assert_eq!(baseline.len(), ADDRESSES);
        baseline.advance(HOUR_MS);
        baseline.note(address(7), 100, 3);
        baseline.advance(FORGOTTEN * HOUR_MS);
        assert_eq!(baseline.len(), 1);
    }

    #[test]
    fn a_clock_that_steps_back_and_counters_that_begin_anew_do_no_harm() {
        let mut baseline = Baseline::default();
        baseline.seed((0..5).map(|day| row(day * DAY, 36_000)), 5 * DAY * HOUR_MS);
        baseline.note(address(1), 1_000_000, 3);
        baseline.advance(0);
        baseline.note(address(1), 10, 3);
        baseline.advance((5 * DAY + 1) * HOUR_MS);
        baseline.advance(6 * DAY * HOUR_MS);
        assert!(baseline.note(address(1), 10, 3).unwrap() <= 10.0);
    }
}
