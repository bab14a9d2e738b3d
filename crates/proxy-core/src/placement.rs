//! Choosing the node for a session or player, or for a request that belongs to none. Pure over a [`PoolSnapshot`].
//!
//! - [`mod@score`]: the load of a node as one number, in Lavalink's own penalty formula.
//! - [`region`]: how near a node is to a Discord voice region, as the operator says.
//! - [`pings`]: the same as measured.
//! - [`source`]: whether a node can load from a source.
//!
//! Nodes that are down, draining or never probed are never chosen, and degraded ones only when no healthy node can
//! serve. Among the rest the lowest score wins; equal ones take turns by chance.

mod nearness;
pub mod pings;
pub mod region;
pub mod score;
pub mod source;

use std::fmt;
use std::time::Instant;

use lavalink_protocol::generation::Generation;

use crate::health::NodeState;
use crate::pool::{NodeId, NodeView, PoolSnapshot};

use nearness::Nearness;
pub use pings::VoicePings;
pub use region::Region;
pub use score::{Load, Score, score};

/// Which nodes speak the version that is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// Lavalink 4.
    V4,
    /// Lavalink 3.7, for clients of its `/v3` API.
    V37,
    /// Any v3, for clients that send ops.
    AnyV3,
}

impl Wanted {
    /// Whether a node of this generation will do.
    pub fn accepts(self, generation: Generation) -> bool {
        match self {
            Self::V4 => generation.is_v4(),
            Self::V37 => generation == Generation::V3_7,
            Self::AnyV3 => !generation.is_v4(),
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "v4",
            Self::V37 => "v3.7",
            Self::AnyV3 => "v3",
        })
    }
}

/// What is to be placed.
#[derive(Debug, Clone, Copy)]
pub struct Want<'a> {
    /// The version needed.
    pub generation: Wanted,
    /// The source manager or search prefix needed (`youtube`, `ytsearch`). When no node is known to serve it, it does
    /// not count: plugins add prefixes that nothing announces, and the node's own answer is better than a guess.
    pub source: Option<&'a str>,
    /// Nodes that were tried already.
    pub exclude: &'a [NodeId],
    /// The nodes that the tenant may use; `None` is all.
    pub allowed: Option<&'a [NodeId]>,
    /// The Discord voice region, when known; see [`region::of_endpoint`].
    pub region: Option<&'a str>,
    /// What was measured of nodes and regions.
    pub pings: Option<&'a VoicePings>,
    /// Nodes that are preferred unless another is better by a margin: each session on a node costs it threads.
    pub near: &'a [NodeId],
    /// A 4.2 node would refuse the player, whose voice state has no channel id.
    pub lacks_channel: bool,
}

impl<'a> Want<'a> {
    /// Any node of this version.
    pub fn new(generation: Wanted) -> Self {
        Self {
            generation,
            source: None,
            exclude: &[],
            allowed: None,
            region: None,
            pings: None,
            near: &[],
            lacks_channel: false,
        }
    }

    /// The same, but on none of these nodes: for a second try.
    pub fn excluding(self, exclude: &'a [NodeId]) -> Self {
        Self { exclude, ..self }
    }

    fn may_use(&self, node: &NodeView) -> bool {
        self.allowed.is_none_or(|allowed| allowed.contains(&node.id))
            && node
                .generation
                .is_some_and(|generation| self.generation.accepts(generation) && !self.is_refused_by(generation))
    }

    fn is_refused_by(&self, generation: Generation) -> bool {
        self.lacks_channel && generation.needs_channel_id()
    }

    /// What a node that is not near is charged. About the load of so many players.
    fn distance(&self, node: &NodeView) -> f64 {
        if self.near.is_empty() || self.near.contains(&node.id) {
            0.0
        } else {
            NEAR_MARGIN
        }
    }
}

/// A node to which a session has no link must be better by this much, in the unit of [`score`]: players on a node of
/// weight 1.
const NEAR_MARGIN: f64 = 20.0;

/// A chosen node.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice {
    /// Which one.
    pub node: NodeId,
    /// Why, for the log and the dashboard.
    pub why: Why,
}

impl Choice {
    /// The node that a session is on, for one that keeps its players together.
    pub fn same_session(node: NodeId) -> Self {
        Self::by_rule(node, Rule::SameSession)
    }

    /// The node that an operator named.
    pub fn by_operator(node: NodeId) -> Self {
        Self::by_rule(node, Rule::Operator)
    }

    /// The node that is better off for a voice region that has become known.
    pub fn by_region(node: NodeId) -> Self {
        Self::by_rule(node, Rule::Region)
    }

    fn by_rule(node: NodeId, rule: Rule) -> Self {
        let why = Why {
            rule,
            candidates: 1,
            degraded: false,
            source_ignored: false,
        };
        Self { node, why }
    }
}

/// Why a node was chosen. Its text is made only when someone reads it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Why {
    /// What decided.
    pub rule: Rule,
    /// How many nodes could have been chosen.
    pub candidates: usize,
    /// No healthy node could serve, so degraded ones were asked.
    pub degraded: bool,
    /// No node is known to serve the wanted source, so it did not count.
    pub source_ignored: bool,
}

/// What decided a choice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// The lowest score.
    Score(f64),
    /// The fewest requests under way for its weight.
    Outstanding(u32),
    /// A node without statistics gets one placement now and then, so that it becomes known.
    SlowStart,
    /// No candidate has statistics: the fewest placements and links for its weight.
    NothingKnown,
    /// The session keeps its players on one node.
    SameSession,
    /// An operator named it.
    Operator,
    /// It is nearer to the voice region, which was not known before.
    Region,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rule {
            Rule::Score(score) => write!(f, "lowest score, {score:.2}, of {}", self.candidates)?,
            Rule::Outstanding(count) => write!(f, "fewest requests under way, {count}, of {}", self.candidates)?,
            Rule::SlowStart => write!(f, "slow start of a node without statistics, one of {}", self.candidates)?,
            Rule::NothingKnown => write!(f, "least used of {}, none with statistics", self.candidates)?,
            Rule::SameSession => f.write_str("the node of the session's other players")?,
            Rule::Operator => f.write_str("an operator's choice")?,
            Rule::Region => f.write_str("nearer to the voice region, which was not known before")?,
        }
        if self.degraded {
            f.write_str("; no healthy node")?;
        }
        if self.source_ignored {
            f.write_str("; no node announces the source")?;
        }
        Ok(())
    }
}

/// No node can be chosen. The text is what a client sees in its 503.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoNode {
    /// The version needed.
    pub wanted: Wanted,
    /// What stands against it.
    pub cause: NoNodeCause,
}

/// What stands against every node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoNodeCause {
    /// There is none of this version (that the tenant may use).
    NoneConfigured,
    /// None was probed successfully yet; the proxy may just have started.
    NotReady,
    /// All are down.
    AllDown,
    /// All are draining.
    AllDraining,
    /// All are down, draining or not ready, in a mixture.
    NoneUp,
    /// Those that are up were tried already.
    AllTried,
}

impl fmt::Display for NoNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wanted = self.wanted;
        match self.cause {
            NoNodeCause::NoneConfigured => write!(f, "No Lavalink {wanted} node is configured"),
            NoNodeCause::NotReady => write!(f, "No Lavalink {wanted} node is ready yet"),
            NoNodeCause::AllDown => write!(f, "All Lavalink {wanted} nodes are down"),
            NoNodeCause::AllDraining => write!(f, "All Lavalink {wanted} nodes are in maintenance"),
            NoNodeCause::NoneUp => write!(f, "No Lavalink {wanted} node is up"),
            NoNodeCause::AllTried => write!(f, "No other Lavalink {wanted} node is up"),
        }
    }
}

impl std::error::Error for NoNode {}

/// Chooses the node for a session or player: by load, nearness and weight.
///
/// The caller then notes it with [`crate::pool::NodeGauges::placed`], so that the next choice sees it before the node's
/// `stats` do.
///
/// # Errors
/// [`NoNode`].
pub fn choose_session(
    pool: &PoolSnapshot,
    want: &Want<'_>,
    rng: &mut fastrand::Rng,
    now: Instant,
) -> Result<Choice, NoNode> {
    let field = Field::of(pool, want)?;
    if let Some(choice) = slow_start(&field, rng, now) {
        return Ok(choice);
    }
    let nearness = Nearness::of(&field, now);
    let by_score = |node: &NodeView| {
        score(node, now)
            .value()
            .map(|score| score + nearness.penalty(node) + want.distance(node))
    };
    if let Some((node, score)) = field.lowest(rng, by_score) {
        return Ok(field.choice(node, Rule::Score(score)));
    }
    let by_use = |node: &NodeView| {
        let load = f64::from(node.pending().saturating_add(node.sessions())) / f64::from(node.weight);
        Some(load + nearness.penalty(node) + want.distance(node))
    };
    let (node, _) = field.lowest(rng, by_use).ok_or(field.nothing())?;
    Ok(field.choice(node, Rule::NothingKnown))
}

/// Chooses the node for a request that belongs to no session (`loadtracks`, decoding, plugin routes): the one with the
/// fewest requests under way for its weight, and of those the one with the least load.
///
/// # Errors
/// [`NoNode`].
pub fn choose_request(
    pool: &PoolSnapshot,
    want: &Want<'_>,
    rng: &mut fastrand::Rng,
    now: Instant,
) -> Result<Choice, NoNode> {
    let field = Field::of(pool, want)?;
    let busy = |node: &NodeView| f64::from(node.outstanding()) / f64::from(node.weight);
    let least = field.nodes().map(busy).fold(f64::INFINITY, f64::min);
    // A count that rises while this runs must not leave the choice empty.
    let idle = |node: &NodeView| busy(node) <= least;
    let by_load = |node: &NodeView| idle(node).then(|| score(node, now).value().unwrap_or(f64::MAX));
    let lowest = field
        .lowest(rng, by_load)
        .or_else(|| field.lowest(rng, |node| Some(busy(node))));
    let (node, _) = lowest.ok_or(field.nothing())?;
    Ok(field.choice(node, Rule::Outstanding(node.outstanding())))
}

/// One placement in this many goes to a node without statistics, as long as it has none to digest.
const SLOW_START_SHARE: u32 = 10;

/// Gives a node without statistics a first session now and then: its link brings `stats` at once. Without this, a node
/// that answers probes but never had a link would stay unknown for ever.
fn slow_start(field: &Field<'_>, rng: &mut fastrand::Rng, now: Instant) -> Option<Choice> {
    let unknown = |node: &NodeView| !score(node, now).is_known();
    let known = field.nodes().any(|node| !unknown(node));
    if !known || !field.nodes().any(unknown) || rng.u32(..SLOW_START_SHARE) != 0 {
        return None;
    }
    let untouched = |node: &NodeView| (unknown(node) && node.pending() == 0).then_some(0.0);
    let (node, _) = field.lowest(rng, untouched)?;
    Some(field.choice(node, Rule::SlowStart))
}

/// The nodes among which to choose: one of the two tiers of state, with or without regard to the source.
struct Field<'a> {
    pool: &'a PoolSnapshot,
    want: &'a Want<'a>,
    tier: NodeState,
    source: Option<&'a str>,
}

impl<'a> Field<'a> {
    fn of(pool: &'a PoolSnapshot, want: &'a Want<'a>) -> Result<Self, NoNode> {
        let field = |tier, source| Self {
            pool,
            want,
            tier,
            source,
        };
        let known_source = want.source.filter(|_| {
            let sourced = |tier| field(tier, want.source).nodes().next().is_some();
            sourced(NodeState::Healthy) || sourced(NodeState::Degraded)
        });
        [NodeState::Healthy, NodeState::Degraded]
            .into_iter()
            .map(|tier| field(tier, known_source))
            .find(|field| field.nodes().next().is_some())
            .ok_or_else(|| no_node(pool, want))
    }

    fn nodes(&self) -> impl Iterator<Item = &'a NodeView> {
        let (want, tier, source) = (self.want, self.tier, self.source);
        self.pool.nodes().iter().filter(move |node| {
            node.state == tier
                && want.may_use(node)
                && !want.exclude.contains(&node.id)
                && source.is_none_or(|source| source::serves(node, source))
        })
    }

    /// The node with the lowest figure, by chance among equal ones (reservoir sampling: one pass, no list).
    fn lowest(
        &self,
        rng: &mut fastrand::Rng,
        figure: impl Fn(&NodeView) -> Option<f64>,
    ) -> Option<(&'a NodeView, f64)> {
        let mut best: Option<(&NodeView, f64)> = None;
        let mut equal = 1;
        for node in self.nodes() {
            let Some(figure) = figure(node) else { continue };
            match best {
                Some((_, lowest)) if figure > lowest => continue,
                Some((_, lowest)) if figure == lowest => {
                    equal += 1;
                    if rng.u32(..equal) != 0 {
                        continue;
                    }
                }
                _ => equal = 1,
            }
            best = Some((node, figure));
        }
        best
    }

    fn choice(&self, node: &NodeView, rule: Rule) -> Choice {
        let why = Why {
            rule,
            candidates: self.nodes().count(),
            degraded: self.tier == NodeState::Degraded,
            source_ignored: self.want.source.is_some() && self.source.is_none(),
        };
        Choice { node: node.id, why }
    }

    /// A field has at least one node, so this is for the type only.
    fn nothing(&self) -> NoNode {
        no_node(self.pool, self.want)
    }
}

/// Says why no node can be chosen.
fn no_node(pool: &PoolSnapshot, want: &Want<'_>) -> NoNode {
    let of_version = || pool.nodes().iter().filter(|node| want.may_use(node));
    let all = |state| of_version().all(|node| node.state == state);
    let unprobed = |node: &NodeView| node.generation.is_none() && node.state == NodeState::Unknown;
    let cause = match of_version().next() {
        // A node whose version is not configured may turn out to be of the one wanted.
        None if pool.nodes().iter().any(unprobed) => NoNodeCause::NotReady,
        None => NoNodeCause::NoneConfigured,
        Some(_) if of_version().any(|node| node.state.takes_work()) => NoNodeCause::AllTried,
        Some(_) if all(NodeState::Down) => NoNodeCause::AllDown,
        Some(_) if all(NodeState::Draining) => NoNodeCause::AllDraining,
        Some(_) if all(NodeState::Unknown) => NoNodeCause::NotReady,
        Some(_) => NoNodeCause::NoneUp,
    };
    NoNode {
        wanted: want.generation,
        cause,
    }
}

#[cfg(test)]
mod tests;
