//! `?from=&to=`: a stretch of time in milliseconds since 1970.

use std::time::SystemTime;

use proxy_store::Millis;

use crate::error::ApiError;
use crate::view::stored;

const HOUR: Millis = 60 * 60 * 1000;

/// From when to when, the end not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) from: Millis,
    pub(crate) to: Millis,
}

impl Range {
    /// Until now, and for an hour, where nothing else was asked for.
    pub(crate) fn new(from: Option<u64>, to: Option<u64>) -> Result<Self, ApiError> {
        let millis = |at: u64| Millis::try_from(at).unwrap_or(Millis::MAX);
        // What is of this very moment belongs to it.
        let to = to.map_or_else(|| stored(SystemTime::now()) + 1, millis);
        let from = from.map_or(to.saturating_sub(HOUR).max(0), millis);
        if from < to {
            Ok(Self { from, to })
        } else {
            Err(ApiError::Query(
                "from is before to, both in milliseconds since 1970".to_owned(),
            ))
        }
    }

    /// Its length, rounded up.
    pub(crate) fn seconds(&self) -> u64 {
        self.to.abs_diff(self.from).div_ceil(1000)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_range_ends_now_and_lasts_an_hour_unless_told_otherwise() {
        let range = Range::new(None, None).unwrap();
        assert_eq!(range.seconds(), 3600);
        assert!(range.to.abs_diff(stored(SystemTime::now())) < 60_000);
        assert_eq!(Range::new(None, Some(10 * HOUR as u64)).unwrap().from, 9 * HOUR);
        assert_eq!(Range::new(None, Some(1000)).unwrap().from, 0);
        for (from, to) in [(Some(5), Some(5)), (Some(6), Some(5)), (Some(u64::MAX), None)] {
            assert!(Range::new(from, to).is_err(), "{from:?} {to:?}");
        }
        assert!(Range::new(Some(0), Some(u64::MAX)).is_ok());
    }
}
