//! `/api/v1/overview`: the whole proxy at a glance.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use proxy_core::health::NodeState;
use serde::Serialize;

use crate::App;
use crate::view::{TrafficView, millis, millis_of, version_name};

/// See the module.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Overview {
    version: &'static str,
    started_at: u64,
    uptime_ms: u64,
    ready: bool,
    stopping: bool,
    sampled_at: u64,
    nodes: Nodes,
    connections: Connections,
    sessions: Sessions,
    players: u64,
    client_side: ClientSide,
    node_side: TrafficView,
    /// Reasons that occurred.
    refusals: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct Nodes {
    total: usize,
    #[serde(flatten)]
    by_state: BTreeMap<&'static str, usize>,
}

#[derive(Serialize)]
struct Connections {
    open: usize,
    opened: u64,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Sessions {
    total: usize,
    parked: usize,
    by_version: BTreeMap<&'static str, usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClientSide {
    #[serde(flatten)]
    traffic: TrafficView,
    by_version: BTreeMap<&'static str, TrafficView>,
}

/// `GET /api/v1/overview`
pub(crate) async fn overview(State(app): State<Arc<App>>) -> Json<Overview> {
    let (sessions, players) = sessions(&app);
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
        client_side: ClientSide {
            traffic: TrafficView::new(monitor.client_side(), monitor.client_rates.flows(&())),
            by_version: monitor
                .by_version()
                .into_iter()
                .map(|(class, totals)| {
                    let flows = monitor.version_rates.flows(&class);
                    (version_name(class), TrafficView::new(totals, flows))
                })
                .collect(),
        },
        node_side: TrafficView::new(monitor.node_side(), monitor.node_side_rates.flows(&())),
        refusals: refusals.collect(),
    })
}

fn nodes(app: &App) -> Nodes {
    let states = [
        NodeState::Healthy,
        NodeState::Degraded,
        NodeState::Down,
        NodeState::Draining,
        NodeState::Unknown,
    ];
    let pool = app.shared.pool();
    let count = |state| pool.nodes().iter().filter(|node| node.state == state).count();
    Nodes {
        total: pool.nodes().len(),
        by_state: states.map(|state| (state.name(), count(state))).into(),
    }
}

/// The sessions, and how many players they have.
fn sessions(app: &App) -> (Sessions, u64) {
    let (mut sessions, mut players) = (Sessions::default(), 0);
    for entry in app.shared.directory.all() {
        sessions.total += 1;
        sessions.parked += usize::from(entry.is_parked());
        *sessions.by_version.entry(version_name(entry.class())).or_default() += 1;
        players += u64::from(entry.players());
    }
    (sessions, players)
}
