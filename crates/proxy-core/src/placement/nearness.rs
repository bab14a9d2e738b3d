//! What the voice region of a player adds to the scores of nodes: what the operator says of them, and what was measured.

use std::time::Instant;

use super::pings::Measured;
use super::{Field, Want, region};
use crate::pool::NodeView;

/// What the voice region adds to the score of each node of a field.
pub(super) struct Nearness<'a> {
    want: &'a Want<'a>,
    now: Instant,
    /// The lowest ping that was measured, and the least that the operator's word adds to a node that was measured.
    best: Option<(f64, f64)>,
}

/// A ping so much longer than the shortest one is as bad as any.
const LONGEST_DETOUR: f64 = 500.0;

impl<'a> Nearness<'a> {
    pub(super) fn of(field: &Field<'a>, now: Instant) -> Self {
        let mut nearness = Self {
            want: field.want,
            now,
            best: None,
        };
        for node in field.nodes() {
            let Some(measured) = nearness.measured(node) else {
                continue;
            };
            let said = region::penalty(node, nearness.want.region);
            let (ping, least) = nearness.best.unwrap_or((f64::INFINITY, f64::INFINITY));
            nearness.best = Some((ping.min(measured.ping), least.min(said)));
        }
        nearness
    }

    fn measured(&self, node: &NodeView) -> Option<Measured> {
        self.want.pings?.measured(node.id, self.want.region?, self.now)
    }

    /// Counted in players, as [`region::penalty`] is: each millisecond above the shortest ping counts as one. Nodes that
    /// were not measured keep what the operator says of them, so that they are tried and measured too.
    pub(super) fn penalty(&self, node: &NodeView) -> f64 {
        let said = region::penalty(node, self.want.region);
        match (self.measured(node), self.best) {
            (Some(measured), Some((shortest, least))) => {
                let found = least + (measured.ping - shortest).min(LONGEST_DETOUR);
                said + measured.confidence * (found - said)
            }
            _ => said,
        }
    }
}
