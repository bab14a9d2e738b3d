//! The recent record of a node that is up: what makes it degraded. Not for streaks: those are the machine's.

use std::time::{Duration, Instant};

/// The recent record of a node that is up: successes and failures, each fading by half every 30 s.
///
/// A node is *failing* with at least two recent failures that are a tenth of all signals or more, and *calm* again when
/// less than one is left, or less than a fiftieth of all. Between the two nothing changes: that is the hysteresis.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record {
    failures: f32,
    all: f32,
    at: Instant,
    /// The mean of recent probes.
    pub(super) latency: Option<Duration>,
}

impl Record {
    const HALF_LIFE: f32 = 30.0;

    pub(super) fn new(now: Instant) -> Self {
        Self {
            failures: 0.0,
            all: 0.0,
            at: now,
            latency: None,
        }
    }

    /// Forgets successes and failures: a node that came up starts anew.
    pub(super) fn clear(&mut self, now: Instant) {
        (self.failures, self.all, self.at) = (0.0, 0.0, now);
    }

    fn fade(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f32();
        let left = (-elapsed / Self::HALF_LIFE).exp2();
        self.failures *= left;
        self.all *= left;
        self.at = self.at.max(now);
    }

    pub(super) fn successes(&mut self, count: u64, now: Instant) {
        self.fade(now);
        self.all += count as f32;
    }

    pub(super) fn failure(&mut self, now: Instant) {
        self.fade(now);
        self.failures += 1.0;
        self.all += 1.0;
    }

    pub(super) fn probe_took(&mut self, latency: Duration) {
        self.latency = Some(match self.latency {
            None => latency,
            Some(mean) => mean.mul_f32(0.7) + latency.mul_f32(0.3),
        });
    }

    pub(super) fn share(&self) -> f32 {
        if self.all > 0.0 { self.failures / self.all } else { 0.0 }
    }

    pub(super) fn failing(&self) -> bool {
        // Two failures a moment apart have already faded a little below 2.
        self.failures >= 1.9 && self.share() >= 0.1
    }

    pub(super) fn calm(&self) -> bool {
        self.failures < 1.0 || self.share() < 0.02
    }
}
