//! How often something happened in the last ten minutes.

use std::time::{Duration, Instant};

const SLOT: Duration = Duration::from_secs(20);
const SLOTS: usize = 30;

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Window {
    slots: [u32; SLOTS],
    /// The slot under way.
    at: usize,
    /// When it began.
    began: Instant,
}

impl Window {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            slots: [0; SLOTS],
            at: 0,
            began: now,
        }
    }

    /// Lets time pass.
    pub(super) fn advance(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.began);
        let steps = elapsed.as_secs() / SLOT.as_secs();
        for _ in 0..steps.min(SLOTS as u64) {
            self.at = (self.at + 1) % SLOTS;
            self.slots[self.at] = 0;
        }
        self.began += SLOT * u32::try_from(steps).unwrap_or(u32::MAX);
    }

    pub(super) fn add(&mut self, count: u32, now: Instant) {
        self.advance(now);
        self.slots[self.at] = self.slots[self.at].saturating_add(count);
    }

    pub(super) fn sum(&self) -> u64 {
        self.slots.iter().map(|count| u64::from(*count)).sum()
    }
}
