//! Counts of one node that change with every request, kept in atomics that the hot path updates without a lock.
//!
//! Nothing here can go below zero by construction: what is under way is held by a guard that counts itself out when
//! dropped, and placements only grow, with a second counter for those that a `stats` message has accounted for.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// The current counts of one node, shared by all snapshots.
#[derive(Debug, Default)]
pub struct NodeGauges {
    outstanding: AtomicU32,
    links: AtomicU32,
    /// Answered requests that the pool has not yet taken to the health machine.
    answers: AtomicU64,
    /// Placements ever made on the node.
    placed: AtomicU64,
    /// Of those, the ones that the node's `stats` must include by now.
    accounted: AtomicU64,
}

impl NodeGauges {
    /// Requests under way.
    pub fn outstanding(&self) -> u32 {
        self.outstanding.load(Relaxed)
    }

    /// Links open.
    pub fn links(&self) -> u32 {
        self.links.load(Relaxed)
    }

    /// Placements that the node's `stats` cannot show yet.
    pub fn pending(&self) -> u32 {
        // Read first: `accounted` never passes `placed`, so the difference can only err on the high side.
        let accounted = self.accounted.load(Relaxed);
        u32::try_from(self.placed.load(Relaxed).saturating_sub(accounted)).unwrap_or(u32::MAX)
    }

    /// Notes that players were placed on the node (one for a session whose players are yet to come).
    pub fn placed(&self, players: u32) {
        self.placed.fetch_add(u64::from(players), Relaxed);
    }

    /// Notes a request that got an answer: [`crate::health::Signal::RequestOk`] without a lock. The pool takes it
    /// from here at its next tick.
    pub fn answered(&self) {
        self.answers.fetch_add(1, Relaxed);
    }

    /// Counts a request in; it is out when the guard is dropped.
    pub fn request(self: &Arc<Self>) -> RequestGuard {
        self.outstanding.fetch_add(1, Relaxed);
        RequestGuard(Arc::clone(self))
    }

    /// Counts a link in; it is out when the guard is dropped.
    pub fn link(self: &Arc<Self>) -> LinkGuard {
        self.links.fetch_add(1, Relaxed);
        LinkGuard(Arc::clone(self))
    }

    pub(super) fn take_answers(&self) -> u64 {
        // The plain load keeps the cache line shared while nothing happens.
        if self.answers.load(Relaxed) == 0 {
            0
        } else {
            self.answers.swap(0, Relaxed)
        }
    }
}

/// A request under way on a node.
#[derive(Debug)]
#[must_use = "the request counts as finished when this is dropped"]
pub struct RequestGuard(Arc<NodeGauges>);

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.0.outstanding.fetch_sub(1, Relaxed);
    }
}

/// A link open on a node.
#[derive(Debug)]
#[must_use = "the link counts as closed when this is dropped"]
pub struct LinkGuard(Arc<NodeGauges>);

impl Drop for LinkGuard {
    fn drop(&mut self) {
        self.0.links.fetch_sub(1, Relaxed);
    }
}

/// How long after a placement its player plays, so that a `stats` message from then on includes it. A message that
/// came sooner must not clear the placement, or a burst of placements would land on one node.
const SETTLE: Duration = Duration::from_secs(5);

/// A node with a link sends `stats` every minute. When none came for two, the placement came to nothing, and must not
/// count for ever.
const GIVE_UP: Duration = Duration::from_secs(120);

/// Remembers how many placements had been made at which time, a few samples back.
#[derive(Debug, Default)]
pub(super) struct PlacementLog {
    /// At least a second apart, oldest first.
    samples: VecDeque<(Instant, u64)>,
}

impl PlacementLog {
    /// Notes the count as it is now.
    pub(super) fn sample(&mut self, gauges: &NodeGauges, now: Instant) {
        let placed = gauges.placed.load(Relaxed);
        let newest = self.samples.back();
        let due = newest
            .is_none_or(|(at, count)| *count != placed && now.saturating_duration_since(*at) >= Duration::from_secs(1));
        if due {
            self.samples.push_back((now, placed));
        }
        // One sample that has settled is enough; older ones say less.
        while self
            .samples
            .get(1)
            .is_some_and(|(at, _)| now.saturating_duration_since(*at) >= SETTLE)
        {
            self.samples.pop_front();
        }
        self.account(gauges, GIVE_UP, now);
    }

    /// A `stats` message includes every placement that has settled.
    pub(super) fn stats_arrived(&mut self, gauges: &NodeGauges, now: Instant) {
        self.sample(gauges, now);
        self.account(gauges, SETTLE, now);
    }

    /// Placements at least this old are no longer pending.
    fn account(&self, gauges: &NodeGauges, age: Duration, now: Instant) {
        if let Some((at, placed)) = self.samples.front()
            && now.saturating_duration_since(*at) >= age
        {
            gauges.accounted.fetch_max(*placed, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guards_count_in_and_out() {
        let gauges = Arc::new(NodeGauges::default());
        let (a, b, link) = (gauges.request(), gauges.request(), gauges.link());
        assert_eq!((gauges.outstanding(), gauges.links()), (2, 1));
        drop(a);
        assert_eq!((gauges.outstanding(), gauges.links()), (1, 1));
        drop((b, link));
        assert_eq!((gauges.outstanding(), gauges.links()), (0, 0));
    }

    #[test]
    fn a_placement_is_pending_until_stats_that_are_late_enough_to_show_it() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let (gauges, mut log) = (NodeGauges::default(), PlacementLog::default());
        log.sample(&gauges, at(0));
        gauges.placed(3);
        log.stats_arrived(&gauges, at(1));
        assert_eq!(gauges.pending(), 3, "made a second before");
        gauges.placed(2);
        log.sample(&gauges, at(4));
        log.stats_arrived(&gauges, at(6));
        assert_eq!(gauges.pending(), 2, "the first three have settled");
        log.stats_arrived(&gauges, at(9));
        assert_eq!(gauges.pending(), 0);
    }

    #[test]
    fn placements_without_ticks_are_still_accounted_by_the_second_stats_message() {
        let start = Instant::now();
        let (gauges, mut log) = (NodeGauges::default(), PlacementLog::default());
        gauges.placed(4);
        log.stats_arrived(&gauges, start);
        assert_eq!(gauges.pending(), 4);
        log.stats_arrived(&gauges, start + Duration::from_secs(60));
        assert_eq!(gauges.pending(), 0);
    }

    #[test]
    fn a_placement_that_no_stats_ever_show_is_given_up() {
        let start = Instant::now();
        let (gauges, mut log) = (NodeGauges::default(), PlacementLog::default());
        gauges.placed(1);
        log.sample(&gauges, start);
        log.sample(&gauges, start + GIVE_UP - Duration::from_secs(1));
        assert_eq!(gauges.pending(), 1);
        log.sample(&gauges, start + GIVE_UP);
        assert_eq!(gauges.pending(), 0);
    }

    #[test]
    fn the_log_keeps_few_samples_however_often_it_is_asked() {
        let start = Instant::now();
        let (gauges, mut log) = (NodeGauges::default(), PlacementLog::default());
        for tenth in 0..10_000 {
            gauges.placed(1);
            log.sample(&gauges, start + Duration::from_millis(100 * tenth));
            assert!(log.samples.len() <= 8, "{}", log.samples.len());
        }
    }
}
