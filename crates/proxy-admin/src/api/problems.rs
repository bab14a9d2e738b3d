//! What is wrong now, worst first: the first thing that somebody wants to see.

use std::sync::Arc;

use proxy_core::health::NodeState;
use proxy_core::pool::NodeView;
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::monitor::Monitor;
use crate::view::millis;

/// Something that is wrong, and who has to do with it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Problem {
    kind: ProblemKind,
    /// Null if it is not about one node.
    node: Option<Arc<str>>,
    /// Null if that is not known.
    since: Option<u64>,
    message: String,
    /// Sessions with a link there; of `no_node` all.
    sessions: u64,
    /// Their players there.
    players: u64,
}

/// Worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ProblemKind {
    /// Nobody can be served.
    NoNode,
    NodeDown,
    /// History or logins are not written.
    Store,
    NodeDegraded,
    NodeDraining,
}

/// All of them.
pub(crate) fn problems(app: &App, monitor: &Monitor) -> Vec<Problem> {
    let pool = app.shared.pool();
    let mut problems: Vec<_> = pool
        .nodes()
        .iter()
        .filter_map(|node| of_node(app, monitor, node))
        .collect();
    if !pool.any_takes_work() {
        problems.push(Problem {
            kind: ProblemKind::NoNode,
            node: None,
            since: problems.iter().filter_map(|problem| problem.since).max(),
            message: "no node takes work".to_owned(),
            sessions: monitor.gauges.total.sessions,
            players: monitor.gauges.total.players,
        });
    }
    problems.extend(of_store(app));
    problems.sort_by_key(|problem| (problem.kind, problem.since));
    problems
}

fn of_node(app: &App, monitor: &Monitor, node: &NodeView) -> Option<Problem> {
    let kind = match node.state {
        NodeState::Healthy => return None,
        NodeState::Down | NodeState::Unknown => ProblemKind::NodeDown,
        NodeState::Degraded => ProblemKind::NodeDegraded,
        NodeState::Draining => ProblemKind::NodeDraining,
    };
    let failure = node.last_failure.as_ref().map(|(failure, _)| failure.to_string());
    let message = match (node.state, failure) {
        (NodeState::Draining, _) => drained(app, node),
        (NodeState::Unknown, None) => "it was not reached yet".to_owned(),
        (_, Some(failure)) => failure,
        (state, None) => format!("it is {}", state.name()),
    };
    let gauge = monitor.gauges.by_node.get(&node.id).copied().unwrap_or_default();
    let reading = monitor
        .nodes
        .get(&node.id)
        .filter(|reading| reading.state == node.state);
    Some(Problem {
        kind,
        node: Some(Arc::clone(&node.name)),
        since: reading.map(|reading| millis(reading.since)),
        message,
        sessions: gauge.sessions,
        players: gauge.players,
    })
}

fn drained(app: &App, node: &NodeView) -> String {
    let underneath = node.underneath.name();
    match app.shared.drain(node.id) {
        Some(drain) if drain.empty_since.is_some() => {
            format!("it is drained and empty, so it can be stopped; underneath it is {underneath}")
        }
        Some(drain) => format!(
            "it is drained, {} of {} players are left; underneath it is {underneath}",
            drain.left, drain.at_start
        ),
        None => format!("it is drained; underneath it is {underneath}"),
    }
}

fn of_store(app: &App) -> Option<Problem> {
    let health = app.store.as_ref()?.health();
    health.failing.then(|| Problem {
        kind: ProblemKind::Store,
        node: None,
        since: health.last_flush.map(|at| at.max(0) as u64),
        message: health
            .last_error
            .unwrap_or_else(|| "nothing can be written to it".to_owned()),
        sessions: 0,
        players: 0,
    })
}
