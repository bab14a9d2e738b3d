//! `/api/v1/overview`: the whole proxy at a glance.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use proxy_core::health::NodeState;
use proxy_core::session::migration::MoveOutcome;
use serde::Serialize;
use utoipa::ToSchema;

use super::problems::{self, Problem};
use crate::App;
use crate::api::alerts::Counts;
use crate::view::{TrafficView, VersionName, millis, millis_of};

/// The whole proxy at a glance.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Overview {
    /// Of the program.
    version: &'static str,
    started_at: u64,
    uptime_ms: u64,
    /// At least one node takes work, and no shutdown is under way.
    ready: bool,
    /// A shutdown is under way.
    stopping: bool,
    /// When the figures were read.
    sampled_at: u64,
    nodes: Nodes,
    connections: Connections,
    sessions: Sessions,
    /// Players of all sessions.
    players: u64,
    /// Those that play something, by the nodes' own statistics; null when no node that is up has told them.
    players_playing: Option<u64>,
    /// Those that have no node at the moment: their requests wait.
    players_waiting: u64,
    /// What became of players that were to be moved.
    migrations: Migrations,
    /// Sessions that were left on nodes without a word; they are ended when the nodes can be reached.
    orphans: usize,
    /// What is wrong now, worst first.
    problems: Vec<Problem>,
    client_side: ClientSide,
    /// Traffic with nodes, probes included; never to be added to the client side.
    node_side: TrafficView,
    /// What is unusual now.
    alerts: Counts,
    /// Refused requests and sockets closed by the proxy, by reasons that occurred.
    refusals: BTreeMap<&'static str, u64>,
}

/// How many nodes are in which state.
#[derive(Serialize, ToSchema)]
#[schema(as = NodeCounts)]
struct Nodes {
    total: usize,
    healthy: usize,
    degraded: usize,
    down: usize,
    draining: usize,
    unknown: usize,
}

/// How many connections there are and were.
#[derive(Serialize, ToSchema)]
#[schema(as = ConnectionCounts)]
struct Connections {
    open: usize,
    /// So far.
    opened: u64,
}

/// How many sessions there are.
#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SessionCounts)]
struct Sessions {
    total: usize,
    /// Their client is away and may come back.
    parked: usize,
    /// Versions that occur.
    by_version: BTreeMap<VersionName, usize>,
}

/// Players that were to be moved between nodes, since the start.
#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MigrationCounts)]
struct Migrations {
    under_way: u32,
    /// Players that are on another node.
    moved: u64,
    /// That could not be moved and play on where they were.
    stayed: u64,
    /// That no node took in time.
    failed: u64,
    /// That were destroyed before it was over.
    dropped: u64,
}

/// Traffic with clients.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ClientSide {
    #[serde(flatten)]
    traffic: TrafficView,
    /// Versions that occurred.
    by_version: BTreeMap<VersionName, TrafficView>,
}

/// The whole proxy at a glance
#[utoipa::path(get, path = "/overview", tag = "overview", responses((status = 200, description = "Now", body = Overview)))]
pub(crate) async fn overview(State(app): State<Arc<App>>) -> Json<Overview> {
    let (sessions, players, players_waiting) = sessions(&app);
    let monitor = app.monitor();
    let refusals = app.shared.refusals.iter().filter(|(_, count)| *count > 0);
    Json(Overview {
        version: env!("CARGO_PKG_VERSION"),
        started_at: millis_of(app.shared.started),
        uptime_ms: app.shared.started.elapsed().as_millis() as u64,
        ready: app.is_ready(),
        stopping: app.shared.is_stopping(),
        sampled_at: millis(monitor.at),
        nodes: nodes(&app),
        connections: Connections {
            open: monitor.client.connections.len(),
            opened: monitor.client.opened,
        },
        sessions,
        players,
        players_playing: playing(&app),
        players_waiting,
        migrations: migrations(&app),
        orphans: app.shared.orphaned(),
        problems: problems::problems(&app, &monitor),
        client_side: ClientSide {
            traffic: TrafficView::new(monitor.client_side(), monitor.client_rates.flows(&())),
            by_version: monitor
                .by_version()
                .into_iter()
                .map(|(class, totals)| {
                    let flows = monitor.version_rates.flows(&class);
                    (class.into(), TrafficView::new(totals, flows))
                })
                .collect(),
        },
        node_side: TrafficView::new(monitor.node_side(), monitor.node_side_rates.flows(&())),
        alerts: Counts::of(&app),
        refusals: refusals.collect(),
    })
}

fn nodes(app: &App) -> Nodes {
    let pool = app.shared.pool();
    let count = |state| pool.nodes().iter().filter(|node| node.state == state).count();
    Nodes {
        total: pool.nodes().len(),
        healthy: count(NodeState::Healthy),
        degraded: count(NodeState::Degraded),
        down: count(NodeState::Down),
        draining: count(NodeState::Draining),
        unknown: count(NodeState::Unknown),
    }
}

/// Also players of clients that come to a node by another way are in its statistics.
fn playing(app: &App) -> Option<u64> {
    let pool = app.shared.pool();
    let up = pool.nodes().iter().filter(|node| node.underneath != NodeState::Down);
    let told = up.filter_map(|node| node.stats());
    told.map(|stats| u64::try_from(stats.playing_players).unwrap_or(0))
        .reduce(|one, other| one + other)
}

fn migrations(app: &App) -> Migrations {
    let mut migrations = Migrations {
        under_way: app.shared.moving(),
        ..Migrations::default()
    };
    for (_, outcome, count) in app.shared.moves.counts() {
        match outcome {
            MoveOutcome::Moved => migrations.moved += count,
            MoveOutcome::Stayed => migrations.stayed += count,
            MoveOutcome::Failed => migrations.failed += count,
            MoveOutcome::Dropped => migrations.dropped += count,
        }
    }
    migrations
}

/// The sessions, how many players they have, and how many of these wait for a node.
fn sessions(app: &App) -> (Sessions, u64, u64) {
    let (mut sessions, mut players, mut waiting) = (Sessions::default(), 0, 0);
    for entry in app.shared.directory.all() {
        sessions.total += 1;
        sessions.parked += usize::from(entry.is_parked());
        *sessions.by_version.entry(entry.class().into()).or_default() += 1;
        players += u64::from(entry.players());
        waiting += u64::from(entry.players_waiting());
    }
    (sessions, players, waiting)
}
