//! What tenants moved in the calendar month (UTC), from counters that begin with the program and a store that does not.

use std::collections::HashMap;
use std::sync::Arc;

const DAY_MS: u64 = 86_400_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Month {
    /// When it began.
    began: u64,
    /// What was moved before the counters began, this month; or, negative, what they had counted when it began.
    before: HashMap<Arc<str>, i128>,
}

impl Month {
    /// The month that `at` is in, with what earlier runs moved in it.
    pub(super) fn new(at: u64, stored: HashMap<Arc<str>, u64>) -> Self {
        Self {
            began: beginning(at),
            before: stored
                .into_iter()
                .map(|(name, bytes)| (name, i128::from(bytes)))
                .collect(),
        }
    }

    /// What a tenant has moved this month, by its counter now.
    pub(super) fn used(&mut self, tenant: &Arc<str>, counter: u64) -> u64 {
        let before = self.before.get(tenant).copied().unwrap_or(0);
        u64::try_from(before + i128::from(counter)).unwrap_or(0)
    }

    /// Begins a new month when it is time; `counters` are those of all tenants.
    pub(super) fn advance(&mut self, at: u64, counters: impl Iterator<Item = (Arc<str>, u64)>) {
        let began = beginning(at);
        if began > self.began {
            self.began = began;
            self.before = counters.map(|(name, counter)| (name, -i128::from(counter))).collect();
        }
    }
}

/// When the month of a moment began, in milliseconds since 1970.
pub(super) fn beginning(at: u64) -> u64 {
    let days = at / DAY_MS;
    (days + 1 - u64::from(day_of_month(days))) * DAY_MS
}

/// From days since 1970 to the day of the month, 1 to 31. By Howard Hinnant's `civil_from_days`: years begin in March, so
/// that the leap day is the last of the year.
fn day_of_month(days: u64) -> u32 {
    let day_of_era = (days + 719_468) % 146_097;
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    (day_of_year - (153 * month + 2) / 5 + 1) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_begin_where_the_calendar_says() {
        let cases = [
            (0, 0),
            (30, 0),
            (31, 31),
            // 2000-02-29 and 2000-03-01
            (11_016, 10_988),
            (11_017, 11_017),
            // 2026-11-26, 2026-12-01, 2027-01-01, 2100-02-28, 2100-03-01
            (20_783, 20_758),
            (20_788, 20_788),
            (20_819, 20_819),
            (47_540, 47_513),
            (47_541, 47_541),
        ];
        for (day, first) in cases {
            assert_eq!(beginning(day * DAY_MS + 5), first * DAY_MS, "day {day}");
        }
    }

    #[test]
    fn a_month_goes_on_over_a_restart_and_the_next_begins_at_zero() {
        let name: Arc<str> = "radio".into();
        let mut month = Month::new(20_783 * DAY_MS, [(Arc::clone(&name), 400)].into());
        assert_eq!(month.used(&name, 0), 400);
        assert_eq!(month.used(&name, 50), 450);
        month.advance(20_784 * DAY_MS, std::iter::once((Arc::clone(&name), 60)));
        assert_eq!(month.used(&name, 60), 460);
        month.advance(20_788 * DAY_MS, std::iter::once((Arc::clone(&name), 70)));
        assert_eq!((month.used(&name, 70), month.used(&name, 75)), (0, 5));
    }
}
