//! What is known of every node: health, load, what it can play. [`Pool`] is written by probes, links and the operator;
//! everyone else reads a [`PoolSnapshot`]. Not for choosing a node: that is [`crate::placement`].
//!
//! A snapshot is immutable and shared, so that requests read it without a lock. What changes with every request
//! (requests under way, links, placements) is counted in [`NodeGauges`], atomics that all snapshots of a node share.

mod frames;
mod gauges;

use std::sync::Arc;
use std::time::{Duration, Instant};

use lavalink_protocol::generation::Generation;
use lavalink_protocol::info::Info;
use lavalink_protocol::stats::{FrameStats, Stats};

use crate::health::{Failure, Health, HealthSettings, NodeState, Signal, Transition};
use crate::placement::{Load, Region};

use frames::FrameBook;
pub use frames::{FrameFigures, LinkKey};
use gauges::PlacementLog;
pub use gauges::{LinkGuard, NodeGauges, RequestGuard};

/// A node's number, never given to another node while the program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u16);

/// What the operator says of a node.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeSpec {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Its version when configured; probed otherwise.
    pub generation: Option<Generation>,
    /// Its share of work relative to other nodes. Not above zero counts as 1.
    pub weight: f32,
    /// Voice regions near it: Discord's names or groups ("eu"). Empty: no preference.
    pub regions: Vec<Region>,
    /// Source managers or search prefixes it serves besides those it reports itself.
    pub sources: Vec<Box<str>>,
}

impl NodeSpec {
    /// A node of weight 1 without region, its version left to the probe.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            generation: None,
            weight: 1.0,
            regions: Vec::new(),
            sources: Vec::new(),
        }
    }
}

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NodeAbout {
    /// The answer to `/version`, or the version in `info`.
    pub version: Box<str>,
    /// The answer to `/v4/info` or `/v3/info`; empty for a legacy node, which has none.
    pub info: Info,
}

/// A node's last `stats`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reported {
    /// As it came.
    pub stats: Stats,
    /// When.
    pub at: Instant,
}

impl Reported {
    /// How old the figures are.
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.at)
    }
}

/// What is known of one node at one moment, but for the gauges, which are always current.
#[derive(Debug, Clone)]
pub struct NodeView {
    /// Its number.
    pub id: NodeId,
    /// Its configured name.
    pub name: Arc<str>,
    /// Its version, configured or probed.
    pub generation: Option<Generation>,
    /// What it is good for.
    pub state: NodeState,
    /// Its health without regard to draining.
    pub underneath: NodeState,
    /// Above zero.
    pub weight: f32,
    /// See [`NodeSpec::regions`].
    pub regions: Arc<[Region]>,
    /// See [`NodeSpec::sources`].
    pub sources: Arc<[Box<str>]>,
    /// What it says of itself, once probed.
    pub about: Option<Arc<NodeAbout>>,
    /// Its last `stats`, over any link or REST.
    pub reported: Option<Reported>,
    /// Mean frame figures of the sessions on it; `None` when no session has any.
    pub frames: Option<FrameFigures>,
    /// The load penalty that follows from the two above; worked out once per change, not per request.
    pub load: Option<Load>,
    /// Mean latency of recent probes.
    pub latency: Option<Duration>,
    /// The last failure, also after recovery.
    pub last_failure: Option<(Failure, Instant)>,
    /// When it last came back from down.
    pub back_since: Option<Instant>,
    /// Current counts.
    pub gauges: Arc<NodeGauges>,
}

impl NodeView {
    /// Its last `stats` with the mean frame figures of all sessions in place of those of the session that happened to
    /// report last: what goes into statistics shown for the node or merged over several.
    pub fn stats(&self) -> Option<Stats> {
        let frame_stats = self.frames.map(|frames| FrameStats {
            sent: frames.sent.round() as i64,
            nulled: frames.nulled.round() as i64,
            deficit: frames.deficit.round() as i64,
        });
        self.reported.map(|reported| Stats {
            frame_stats,
            ..reported.stats
        })
    }

    /// Links open on it.
    pub fn sessions(&self) -> u32 {
        self.gauges.links()
    }

    /// Placements that its `stats` cannot show yet.
    pub fn pending(&self) -> u32 {
        self.gauges.pending()
    }

    /// Requests under way.
    pub fn outstanding(&self) -> u32 {
        self.gauges.outstanding()
    }
}

/// All nodes at one moment, in the order of their ids.
#[derive(Debug, Clone, Default)]
pub struct PoolSnapshot {
    nodes: Box<[NodeView]>,
}

impl PoolSnapshot {
    /// All nodes.
    pub fn nodes(&self) -> &[NodeView] {
        &self.nodes
    }

    /// One node.
    pub fn get(&self, id: NodeId) -> Option<&NodeView> {
        let index = self.nodes.binary_search_by_key(&id, |node| node.id).ok()?;
        self.nodes.get(index)
    }

    /// Whether at least one node takes work: readiness.
    pub fn any_takes_work(&self) -> bool {
        self.nodes.iter().any(|node| node.state.takes_work())
    }
}

/// Owns what is known of the nodes.
#[derive(Debug)]
pub struct Pool {
    settings: HealthSettings,
    /// Sorted by id, since ids only grow.
    nodes: Vec<Node>,
    next_id: u16,
    rng: fastrand::Rng,
    /// The last snapshot, while nothing changed since.
    snapshot: Option<Arc<PoolSnapshot>>,
}

#[derive(Debug)]
struct Node {
    id: NodeId,
    spec: NodeSpec,
    regions: Arc<[Region]>,
    sources: Arc<[Box<str>]>,
    probed: Option<Generation>,
    about: Option<Arc<NodeAbout>>,
    health: Health,
    reported: Option<Reported>,
    frames: FrameBook,
    placements: PlacementLog,
    gauges: Arc<NodeGauges>,
}

impl Pool {
    /// No nodes yet. `seed` drives the jitter of probes.
    pub fn new(settings: HealthSettings, seed: u64) -> Self {
        Self {
            settings,
            nodes: Vec::new(),
            next_id: 0,
            rng: fastrand::Rng::with_seed(seed),
            snapshot: None,
        }
    }

    /// Adds a node; its first probe is due at once.
    pub fn add(&mut self, spec: NodeSpec, now: Instant) -> NodeId {
        let id = NodeId(self.next_id);
        self.next_id = self
            .next_id
            .checked_add(1)
            .expect("65535 nodes were added by hand in one run");
        self.snapshot = None;
        self.nodes.push(Node {
            id,
            regions: spec.regions.as_slice().into(),
            sources: spec.sources.as_slice().into(),
            spec,
            probed: None,
            about: None,
            health: Health::new(self.settings, now),
            reported: None,
            frames: FrameBook::default(),
            placements: PlacementLog::default(),
            gauges: Arc::default(),
        });
        id
    }

    /// Changes what the operator says of a node; health and figures stay. Whether there is such a node.
    pub fn update(&mut self, id: NodeId, spec: NodeSpec) -> bool {
        let Some(node) = self.node_mut(id) else { return false };
        node.regions = spec.regions.as_slice().into();
        node.sources = spec.sources.as_slice().into();
        node.spec = spec;
        true
    }

    /// Forgets a node. Whether there was one.
    pub fn remove(&mut self, id: NodeId) -> bool {
        let before = self.nodes.len();
        self.nodes.retain(|node| node.id != id);
        self.snapshot = None;
        before != self.nodes.len()
    }

    /// Takes a signal about a node's health.
    pub fn signal(&mut self, id: NodeId, signal: Signal, now: Instant) -> Option<Transition> {
        let jitter = self.rng.f32();
        let node = self.node_mut(id)?;
        // Answers counted before this signal came before it.
        let settled = node.fold_answers(now);
        let transition = node.health.handle(signal, jitter, now);
        merge(settled, transition)
    }

    /// Starts or ends a drain.
    pub fn set_draining(&mut self, id: NodeId, draining: bool, now: Instant) -> Option<Transition> {
        self.node_mut(id)?.health.set_draining(draining, now)
    }

    /// New health settings for all nodes; streaks go on.
    pub fn set_settings(&mut self, settings: HealthSettings) {
        self.settings = settings;
        self.nodes
            .iter_mut()
            .for_each(|node| node.health.set_settings(settings));
    }

    /// Takes what a probe learned of the node's version and abilities.
    pub fn probed(&mut self, id: NodeId, generation: Generation, about: Option<NodeAbout>) {
        let Some(node) = self.node_mut(id) else { return };
        node.probed = Some(generation);
        if let Some(about) = about {
            node.about = Some(Arc::new(about));
        }
    }

    /// Takes a `stats` message. `link` tells which link it came over and how many players of that session are on the
    /// node (the weight of its frame figures); `None` is an answer to `GET /stats`, which never has frame figures.
    pub fn reported(&mut self, id: NodeId, link: Option<(LinkKey, u32)>, stats: Stats, now: Instant) {
        let Some(node) = self.node_mut(id) else { return };
        if let Some((link, players)) = link {
            node.frames.note(link, stats.frame_stats.as_ref(), players);
        }
        node.placements.stats_arrived(&node.gauges, now);
        node.reported = Some(Reported { stats, at: now });
    }

    /// A link closed: its frame figures no longer count.
    pub fn link_closed(&mut self, id: NodeId, link: LinkKey) {
        if let Some(node) = self.node_mut(id) {
            node.frames.forget(link);
        }
    }

    /// Does what is due by the clock; call it about once a second. Changes of state are added to `transitions`.
    pub fn tick(&mut self, now: Instant, transitions: &mut Vec<(NodeId, Transition)>) {
        let before = transitions.len();
        for node in &mut self.nodes {
            node.placements.sample(&node.gauges, now);
            transitions.extend(node.fold_answers(now).map(|transition| (node.id, transition)));
        }
        if transitions.len() > before {
            self.snapshot = None;
        }
    }

    /// Adds the nodes whose probe is due to `due`. Each is not due again until its outcome is reported by
    /// [`Pool::signal`], or until three intervals have passed.
    pub fn take_due(&mut self, now: Instant, due: &mut Vec<NodeId>) {
        for node in self.nodes.iter_mut().filter(|node| node.health.next_probe() <= now) {
            node.health.probe_started(now);
            due.push(node.id);
        }
    }

    /// When the next probe of any node is due.
    pub fn next_probe(&self) -> Option<Instant> {
        self.nodes.iter().map(|node| node.health.next_probe()).min()
    }

    /// The node with this name.
    pub fn find(&self, name: &str) -> Option<NodeId> {
        self.nodes
            .iter()
            .find(|node| &*node.spec.name == name)
            .map(|node| node.id)
    }

    /// What is known now; the same snapshot as before while nothing changed.
    pub fn snapshot(&mut self) -> Arc<PoolSnapshot> {
        let nodes = &self.nodes;
        let build = || {
            Arc::new(PoolSnapshot {
                nodes: nodes.iter().map(Node::view).collect(),
            })
        };
        Arc::clone(self.snapshot.get_or_insert_with(build))
    }

    /// Whoever asks for a node to change it makes the last snapshot stale.
    fn node_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        let index = self.nodes.binary_search_by_key(&id, |node| node.id).ok()?;
        self.snapshot = None;
        self.nodes.get_mut(index)
    }
}

impl Node {
    fn fold_answers(&mut self, now: Instant) -> Option<Transition> {
        self.health.requests_ok(self.gauges.take_answers(), now)
    }

    fn view(&self) -> NodeView {
        let frames = self.frames.figures();
        let weight = self.spec.weight;
        NodeView {
            id: self.id,
            name: Arc::clone(&self.spec.name),
            generation: self.spec.generation.or(self.probed),
            state: self.health.state(),
            underneath: self.health.underneath(),
            weight: if weight > 0.0 && weight.is_finite() {
                weight
            } else {
                1.0
            },
            regions: Arc::clone(&self.regions),
            sources: Arc::clone(&self.sources),
            about: self.about.clone(),
            load: self
                .reported
                .as_ref()
                .map(|reported| Load::of(&reported.stats, frames.as_ref())),
            reported: self.reported,
            frames,
            latency: self.health.latency(),
            last_failure: self.health.last_failure(),
            back_since: self.health.back_since(),
            gauges: Arc::clone(&self.gauges),
        }
    }
}

/// Two changes that followed each other at once are one to the outside.
fn merge(first: Option<Transition>, second: Option<Transition>) -> Option<Transition> {
    match (first, second) {
        (Some(first), Some(second)) => (first.from != second.to).then_some(Transition {
            from: first.from,
            ..second
        }),
        (first, second) => second.or(first),
    }
}

#[cfg(test)]
mod tests;
