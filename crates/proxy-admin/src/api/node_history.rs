//! `/api/v1/nodes/{name}/history`: what became of a node over time, from the store.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use proxy_store::{NodeChange, ProbeStep};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::error::ApiError;
use crate::listing::Asked;
use crate::range::Range;

/// Changes of state in one answer.
const MOST_CHANGES: usize = 1000;
/// Steps of probes in one answer, about.
const STEPS: u64 = 300;

/// Which part of the history.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct NodeHistoryQuery {
    /// Milliseconds since 1970; an hour before `to` if left out.
    from: Option<u64>,
    /// Now if left out.
    to: Option<u64>,
}

/// A node over time, oldest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct NodeHistory {
    /// Changes of state, the newest 1000 of the range.
    states: Vec<StateChangeView>,
    /// Steps in which it was probed.
    probes: Vec<ProbeStepView>,
}

/// A node changed its state.
#[derive(Serialize, ToSchema)]
#[schema(as = StateChange)]
struct StateChangeView {
    at: u64,
    from: String,
    to: String,
    why: String,
}

/// Probes of some minutes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ProbeStep)]
struct ProbeStepView {
    at: u64,
    step_ms: u64,
    ok: u64,
    failed: u64,
    /// Of those that were ok; null if none was.
    latency_mean_ms: Option<f64>,
    latency_max_ms: Option<f64>,
}

/// What became of a node over time
#[utoipa::path(
    get, path = "/nodes/{name}/history", tag = "nodes", params(("name" = String, Path, description = "The node's name"), NodeHistoryQuery),
    responses((status = 200, description = "Oldest first", body = NodeHistory)),
)]
pub(crate) async fn history(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Asked(query): Asked<NodeHistoryQuery>,
) -> Result<Json<NodeHistory>, ApiError> {
    let range = Range::new(query.from, query.to)?;
    if !app.shared.nodes.iter().any(|node| *node.name == *name) {
        return Err(ApiError::NotFound("there is no node of this name"));
    }
    let step = Duration::from_secs((range.seconds() / STEPS).next_multiple_of(60).max(60));
    let (states, probes) = app
        .read_store(move |store| {
            let states = store.node_changes(&name, range.from, range.to, MOST_CHANGES)?;
            Ok((states, store.probe_steps(&name, range.from, range.to, step)?))
        })
        .await?;
    Ok(Json(NodeHistory {
        states: states.into_iter().map(state).collect(),
        probes: probes.iter().map(|probes| probe_step(probes, step)).collect(),
    }))
}

fn state(change: NodeChange) -> StateChangeView {
    StateChangeView {
        at: change.at.max(0) as u64,
        from: change.from,
        to: change.to,
        why: change.why,
    }
}

fn probe_step(probes: &ProbeStep, step: Duration) -> ProbeStepView {
    let millis = |latency: Duration| (latency.as_secs_f64() * 100_000.0).round() / 100.0;
    ProbeStepView {
        at: probes.at.max(0) as u64,
        step_ms: step.as_millis() as u64,
        ok: probes.ok,
        failed: probes.failed,
        latency_mean_ms: probes.mean().map(millis),
        latency_max_ms: probes.latency_max.map(millis),
    }
}
