//! How near nodes are to Discord's voice regions as measured: players tell the ping of their voice connection, and the
//! endpoint names its region. Not for what the operator says of a node: that is [`super::region`], which holds until
//! enough was measured.

use std::time::{Duration, Instant};

use crate::pool::NodeId;

/// So many regions are remembered; Discord has some dozens. The one heard of longest ago makes room.
const MAX_REGIONS: usize = 64;
/// What was measured counts half after this time: routes on the Internet change.
const HALF_LIFE: Duration = Duration::from_secs(3600);
/// A mean follows its samples at least this closely.
const MAX_WEIGHT: f64 = 32.0;
/// So many samples count as much as what the operator says.
const DOUBT: f64 = 3.0;
/// A longer ping says no more.
const LONGEST: f64 = 2000.0;

/// See the module.
#[derive(Debug, Default)]
pub struct VoicePings {
    regions: Vec<Region>,
}

#[derive(Debug)]
struct Region {
    name: Box<str>,
    heard: Instant,
    nodes: Vec<(NodeId, Mean)>,
}

/// The mean ping of a node to a region.
#[derive(Debug, Clone, Copy)]
struct Mean {
    ping: f64,
    /// How many samples it is worth.
    weight: f64,
    at: Instant,
}

/// What was measured of a node and a region.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// Mean ping in milliseconds.
    pub ping: f64,
    /// From 0 to 1: how much it counts beside what the operator says.
    pub confidence: f64,
}

impl Mean {
    fn weight(&self, now: Instant) -> f64 {
        let age = now.saturating_duration_since(self.at).as_secs_f64();
        self.weight * (-age / HALF_LIFE.as_secs_f64()).exp2()
    }

    fn take(&mut self, ping: f64, now: Instant) {
        let weight = self.weight(now).min(MAX_WEIGHT - 1.0) + 1.0;
        self.ping += (ping - self.ping) / weight;
        (self.weight, self.at) = (weight, now);
    }
}

impl VoicePings {
    /// Takes the ping in milliseconds of one player on a node.
    pub fn learn(&mut self, node: NodeId, region: &str, ping: u32, now: Instant) {
        let ping = f64::from(ping).min(LONGEST);
        let region = self.region(region, now);
        region.heard = now;
        match region.nodes.iter_mut().find(|(known, _)| *known == node) {
            Some((_, mean)) => mean.take(ping, now),
            None => {
                let (weight, at) = (1.0, now);
                region.nodes.push((node, Mean { ping, weight, at }));
            }
        }
    }

    fn region(&mut self, name: &str, now: Instant) -> &mut Region {
        let index = match self.regions.iter().position(|region| *region.name == *name) {
            Some(index) => index,
            None => {
                let new = Region {
                    name: name.into(),
                    heard: now,
                    nodes: Vec::new(),
                };
                self.make_room();
                self.regions.push(new);
                self.regions.len() - 1
            }
        };
        &mut self.regions[index]
    }

    fn make_room(&mut self) {
        let oldest = self.regions.iter().enumerate().min_by_key(|(_, region)| region.heard);
        if self.regions.len() >= MAX_REGIONS
            && let Some((oldest, _)) = oldest
        {
            self.regions.swap_remove(oldest);
        }
    }

    /// What is known of a node and a region.
    pub fn measured(&self, node: NodeId, region: &str, now: Instant) -> Option<Measured> {
        let region = self.regions.iter().find(|known| *known.name == *region)?;
        let (_, mean) = region.nodes.iter().find(|(known, _)| *known == node)?;
        let weight = mean.weight(now);
        Some(Measured {
            ping: mean.ping,
            confidence: weight / (weight + DOUBT),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId(1);

    #[test]
    fn a_mean_follows_its_samples_and_is_trusted_more_with_each() {
        let now = Instant::now();
        let mut pings = VoicePings::default();
        assert_eq!(pings.measured(NODE, "rotterdam", now), None);
        let mut last = 0.0;
        for ping in [10, 20, 30] {
            pings.learn(NODE, "rotterdam", ping, now);
            let confidence = pings.measured(NODE, "rotterdam", now).unwrap().confidence;
            assert!(confidence > last && confidence < 1.0, "{confidence} after {last}");
            last = confidence;
        }
        let measured = pings.measured(NODE, "rotterdam", now).unwrap();
        assert!((measured.ping - 20.0).abs() < 0.001, "{measured:?}");
        for _ in 0..500 {
            pings.learn(NODE, "rotterdam", 90, now);
        }
        let moved = pings.measured(NODE, "rotterdam", now).unwrap();
        assert!(moved.ping > 89.0 && moved.confidence > 0.9, "{moved:?}");
        assert_eq!(pings.measured(NodeId(2), "rotterdam", now), None);
        assert_eq!(pings.measured(NODE, "us-east", now), None);
    }

    #[test]
    fn what_was_measured_long_ago_counts_little_and_new_samples_replace_it() {
        let now = Instant::now();
        let mut pings = VoicePings::default();
        for _ in 0..40 {
            pings.learn(NODE, "rotterdam", 10, now);
        }
        let later = now + 8 * HALF_LIFE;
        let faded = pings.measured(NODE, "rotterdam", later).unwrap();
        assert!(faded.confidence < 0.1, "{faded:?}");
        pings.learn(NODE, "rotterdam", 100, later);
        let new = pings.measured(NODE, "rotterdam", later).unwrap();
        assert!(new.ping > 85.0, "{new:?}");
    }

    #[test]
    fn whatever_clients_call_a_region_the_table_stays_small() {
        let now = Instant::now();
        let mut pings = VoicePings::default();
        pings.learn(NODE, "rotterdam", 10, now);
        for number in 0..10 * MAX_REGIONS as u64 {
            let at = now + Duration::from_millis(number + 1);
            pings.learn(NODE, &format!("made-up-{number}"), 1, at);
            pings.learn(NODE, "rotterdam", u32::MAX, at);
        }
        assert_eq!(pings.regions.len(), MAX_REGIONS);
        let kept = pings.measured(NODE, "rotterdam", now).unwrap();
        assert!(kept.ping <= LONGEST, "{kept:?}");
    }
}
