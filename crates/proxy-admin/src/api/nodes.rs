//! `/api/v1/nodes`: what is known of every node, and taking one out of placement.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::Json;
use axum::extract::{Extension, Path, State};
use lavalink_protocol::detect::Class;
use lavalink_protocol::generation::Generation;
use lavalink_protocol::stats::Stats;
use proxy_core::health::NodeState;
use proxy_core::placement;
use proxy_core::pool::{NodeId, NodeView};
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::error::ApiError;
use crate::login::access::Access;
use crate::monitor::{Monitor, NodeReading};
use crate::server::Peer;
use crate::uptimes::Uptime;
use crate::view::{GenerationName, StateName, TrafficView, millis, millis_of};

/// Probes that are shown of each node.
const RECENT: usize = 60;

/// All nodes, in the order of the configuration.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NodeList)]
pub(crate) struct Nodes {
    /// When the figures were read.
    sampled_at: u64,
    items: Vec<NodeRow>,
}

/// What is known of one node.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Node)]
struct NodeRow {
    name: Arc<str>,
    /// Without the password.
    url: Option<String>,
    generation: Option<GenerationName>,
    /// Its own version text.
    version: Option<Box<str>>,
    /// Whether it speaks end-to-end encrypted voice (4.2 and later); null when its version does not tell.
    dave: Option<bool>,
    state: StateName,
    /// The health without regard to draining.
    health: StateName,
    /// Since when the state lasts, to the second.
    since: u64,
    /// Also after recovery.
    last_failure: Option<FailureView>,
    weight: f32,
    regions: Vec<String>,
    load: LoadView,
    /// Its last Lavalink statistics, with the frame figures averaged over the sessions on it.
    #[schema(value_type = Option<schema::LavalinkStats>)]
    stats: Option<Stats>,
    stats_at: Option<u64>,
    /// Sessions with a link to it.
    sessions: u32,
    /// WebSockets open to it.
    links: usize,
    /// Players of all sessions there, as far as requests and answers told.
    players: u64,
    /// How far its drain is; null when it does not drain.
    drain: Option<DrainView>,
    /// Sessions that were left there without a word, because it could not be reached; they are ended when it can be.
    orphans: usize,
    /// Requests under way.
    outstanding: u32,
    /// Placements that its statistics cannot show yet.
    pending: u32,
    /// Mean of recent probes.
    latency_ms: Option<f64>,
    /// The last probes, newest last.
    recent: Vec<ProbeView>,
    /// The last sessions and players that were placed on it and why, newest last.
    choices: Vec<ChoiceView>,
    uptime: Uptime,
    #[serde(flatten)]
    traffic: TrafficView,
}

/// How far a drain is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Drain)]
struct DrainView {
    since: u64,
    /// Players that it found.
    at_start: u32,
    /// Players that are left.
    left: u32,
    /// No player is left: the node can be stopped.
    empty: bool,
    /// Since when.
    empty_since: Option<u64>,
    /// So many a second may leave, by the configuration.
    per_second: f32,
    /// Nodes that could take them now. Without one they stay.
    targets: usize,
    /// Players of clients that speak v3: they cannot be moved and stay until their client leaves.
    unmovable: u32,
}

/// Why a node failed last.
#[derive(Serialize, ToSchema)]
#[schema(as = NodeFailure)]
struct FailureView {
    reason: String,
    at: u64,
}

/// The number that placement compares (the lowest wins), and how it came about.
#[derive(Serialize, ToSchema)]
#[schema(as = NodeLoad)]
struct LoadView {
    /// Null without recent statistics.
    score: Option<f64>,
    explanation: String,
}

/// How a probe went.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ProbeOutcome)]
struct ProbeView {
    at: u64,
    ok: bool,
    /// Null if it failed.
    latency_ms: Option<f64>,
    /// Null if it did not.
    reason: Option<String>,
}

/// Why a session, or a player of one, was placed on the node.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Choice)]
struct ChoiceView {
    at: u64,
    /// Null for a v3 session, whose id came later.
    session_id: Option<String>,
    /// Of the player that was placed; null for a session as a whole.
    guild_id: Option<String>,
    why: String,
}

/// What became of a wish to drain or undrain.
#[derive(Serialize, ToSchema)]
pub(crate) struct Drained {
    name: String,
    /// The state then in force.
    state: StateName,
    /// What is to leave, and where to; null when it does not drain.
    drain: Option<DrainView>,
}

/// What is known of every node
#[utoipa::path(get, path = "/nodes", tag = "nodes", responses((status = 200, description = "All nodes", body = Nodes)))]
pub(crate) async fn list(State(app): State<Arc<App>>) -> Json<Nodes> {
    let monitor = app.monitor();
    let pool = app.shared.pool();
    Json(Nodes {
        sampled_at: millis(monitor.at),
        items: pool.nodes().iter().map(|node| row(&app, &monitor, node)).collect(),
    })
}

/// Take a node out of placement, and move its players away
///
/// They move at the pace of the configuration; `nodes` shows how many are left. The node can be stopped when it is empty.
#[utoipa::path(
    post, path = "/nodes/{name}/drain", tag = "nodes", params(("name" = String, Path, description = "The node's name")),
    responses((status = 200, description = "It drains", body = Drained)),
)]
pub(crate) async fn drain(
    State(app): State<Arc<App>>,
    peer: Extension<Peer>,
    Extension(access): Extension<Access>,
    Path(name): Path<String>,
) -> Result<Json<Drained>, ApiError> {
    set_draining(&app, peer.0, &access, name, true)
}

/// Put a node back into placement
///
/// Players come back to it only as new ones are placed, or one by one on request.
#[utoipa::path(
    post, path = "/nodes/{name}/undrain", tag = "nodes", params(("name" = String, Path, description = "The node's name")),
    responses((status = 200, description = "It takes work again", body = Drained)),
)]
pub(crate) async fn undrain(
    State(app): State<Arc<App>>,
    peer: Extension<Peer>,
    Extension(access): Extension<Access>,
    Path(name): Path<String>,
) -> Result<Json<Drained>, ApiError> {
    set_draining(&app, peer.0, &access, name, false)
}

fn set_draining(
    app: &App,
    Peer(peer): Peer,
    access: &Access,
    name: String,
    draining: bool,
) -> Result<Json<Drained>, ApiError> {
    if !app.shared.set_draining(&name, draining) {
        return Err(ApiError::NotFound("there is no node of this name"));
    }
    tracing::info!(%peer, user = %access.user, node = %name, draining, "an operator changed whether the node drains");
    let pool = app.shared.pool();
    let node = pool.nodes().iter().find(|node| *node.name == *name);
    Ok(Json(Drained {
        state: node.map_or(StateName::Unknown, |node| node.state.into()),
        drain: node.and_then(|node| drain_of(app, node)),
        name,
    }))
}

fn drain_of(app: &App, node: &NodeView) -> Option<DrainView> {
    let drain = app.shared.drain(node.id)?;
    let pool = app.shared.pool();
    let targets = pool.nodes().iter().filter(|other| {
        let same = other.generation.is_some_and(Generation::is_v4) == node.generation.is_some_and(Generation::is_v4);
        same && other.state.takes_work()
    });
    let fixed = app.shared.directory.all();
    let fixed = fixed.iter().filter(|entry| entry.class() != Some(Class::V4));
    Some(DrainView {
        since: millis_of(drain.since),
        at_start: drain.at_start,
        left: drain.left,
        empty: drain.empty_since.is_some(),
        empty_since: drain.empty_since.map(millis_of),
        per_second: app.shared.config.migrations.drain_per_second,
        targets: targets.count(),
        unmovable: fixed.map(|entry| entry.players_on(node.id)).sum(),
    })
}

fn row(app: &App, monitor: &Monitor, node: &NodeView) -> NodeRow {
    let reading = monitor.nodes.get(&node.id);
    let score = placement::score(node, Instant::now());
    let players = monitor.gauges.by_node.get(&node.id).copied().unwrap_or_default();
    NodeRow {
        name: Arc::clone(&node.name),
        url: url(app, node),
        generation: node.generation.map(Into::into),
        version: node.about.as_ref().map(|about| about.version.clone()),
        dave: node.generation.and_then(dave),
        state: node.state.into(),
        health: node.underneath.into(),
        since: millis(since(reading, node.state)),
        last_failure: node.last_failure.map(|(failure, at)| FailureView {
            reason: failure.to_string(),
            at: millis_of(at),
        }),
        weight: node.weight,
        regions: node.regions.iter().map(|region| region.as_str().to_owned()).collect(),
        load: LoadView {
            score: score.value(),
            explanation: score.explain().to_string(),
        },
        stats: node.stats(),
        stats_at: node.reported.map(|reported| millis_of(reported.at)),
        sessions: node.sessions(),
        links: reading.map_or(0, |reading| reading.links.live),
        players: players.players,
        drain: drain_of(app, node),
        orphans: app.shared.orphaned_on(node.id),
        outstanding: node.outstanding(),
        pending: node.pending(),
        latency_ms: node.latency.map(latency_ms),
        recent: recent(app, node.id),
        choices: choices(app, node.id),
        uptime: app.uptimes.of(&node.name),
        traffic: TrafficView::new(
            reading.map(|reading| reading.totals).unwrap_or_default(),
            monitor.node_rates.flows(&node.id),
        ),
    }
}

fn recent(app: &App, node: NodeId) -> Vec<ProbeView> {
    let mut probes = app.shared.observed.probes_since(node, 0);
    let older = probes.len().saturating_sub(RECENT);
    let newest = probes.drain(older..).map(|probe| ProbeView {
        at: millis(probe.at),
        ok: probe.what.is_ok(),
        reason: probe.what.as_ref().err().map(ToString::to_string),
        latency_ms: probe.what.ok().map(latency_ms),
    });
    newest.collect()
}

fn choices(app: &App, node: NodeId) -> Vec<ChoiceView> {
    let placed = app.shared.observed.placements_since(node, 0).into_iter();
    let choices = placed.map(|placed| ChoiceView {
        at: millis(placed.at),
        session_id: placed.what.session.as_ref().map(|session| session.as_str().to_owned()),
        guild_id: placed.what.guild.map(|guild| guild.0.to_string()),
        why: placed.what.to_string(),
    });
    choices.collect()
}

/// To a hundredth.
fn latency_ms(latency: Duration) -> f64 {
    (latency.as_secs_f64() * 100_000.0).round() / 100.0
}

/// The state is of this moment: if it changed after the last reading, it did so within this second.
fn since(reading: Option<&NodeReading>, state: NodeState) -> SystemTime {
    let same = reading.filter(|reading| reading.state == state);
    same.map_or_else(SystemTime::now, |reading| reading.since)
}

fn url(app: &App, node: &NodeView) -> Option<String> {
    let address = &app.shared.config.nodes.get(usize::from(node.id.0))?.address;
    let scheme = if address.tls.is_some() { "https" } else { "http" };
    let (open, close) = if address.host.contains(':') {
        ("[", "]")
    } else {
        ("", "")
    };
    Some(format!("{scheme}://{open}{}{close}:{}", address.host, address.port))
}

fn dave(generation: Generation) -> Option<bool> {
    match generation {
        Generation::Legacy | Generation::V3_7 => Some(false),
        Generation::V4 { minor } => minor.map(|minor| minor >= 2),
    }
}

/// Lavalink's own shapes, for the document alone: the protocol crate does not know it.
mod schema {
    #![expect(dead_code, reason = "never made, only described")]

    use utoipa::ToSchema;

    /// Statistics as Lavalink has them.
    #[derive(ToSchema)]
    #[schema(rename_all = "camelCase")]
    pub(super) struct LavalinkStats {
        frame_stats: Option<LavalinkFrames>,
        players: i64,
        playing_players: i64,
        /// Milliseconds.
        uptime: i64,
        memory: LavalinkMemory,
        cpu: LavalinkCpu,
    }

    /// Frames per player and minute.
    #[derive(ToSchema)]
    struct LavalinkFrames {
        sent: i64,
        nulled: i64,
        deficit: i64,
    }

    /// Bytes.
    #[derive(ToSchema)]
    struct LavalinkMemory {
        free: i64,
        used: i64,
        allocated: i64,
        reservable: i64,
    }

    /// Loads are from 0 to 1.
    #[derive(ToSchema)]
    #[schema(rename_all = "camelCase")]
    struct LavalinkCpu {
        cores: i64,
        system_load: f64,
        lavalink_load: f64,
    }
}
