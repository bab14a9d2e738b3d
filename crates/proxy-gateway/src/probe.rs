//! The active health check: asks every node over HTTP with its password, learns its version, load and abilities, and
//! tells the pool. What follows from an outcome is the core's to decide.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lavalink_protocol::generation::{Generation, Probe};
use lavalink_protocol::info::Info;
use lavalink_protocol::stats::Stats;
use proxy_core::health::{FailureKind, NodeState, Signal};
use proxy_core::pool::{NodeAbout, NodeId};
use tokio::time::sleep;

use crate::rest::ask::{self, NodeAnswer};
use crate::shared::Shared;

/// How often it is looked whether a probe is due.
const TICK: Duration = Duration::from_millis(100);
/// After so many of these it is looked how far drains are.
const DRAINS_EVERY: u32 = 5;
/// What a node says of itself is asked for anew after so many probes, for plugins that come and go with a restart that
/// no probe noticed.
const ABOUT_EVERY: u32 = 60;

/// Probes until the proxy stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut counts = vec![0_u32; shared.nodes.len()];
    let mut ticks = 0_u32;
    while !shared.is_stopping() {
        ticks = ticks.wrapping_add(1);
        if ticks.is_multiple_of(DRAINS_EVERY) {
            shared.watch_drains();
        }
        let now = Instant::now();
        let (mut due, mut transitions) = (Vec::new(), Vec::new());
        shared.change_pool(|pool| {
            pool.take_due(now, &mut due);
            pool.tick(now, &mut transitions);
        });
        for (node, transition) in transitions {
            shared.log_transition(node, Some(transition));
        }
        for node in due {
            let count = &mut counts[usize::from(node.0)];
            let refresh = count.is_multiple_of(ABOUT_EVERY);
            *count += 1;
            tokio::task::spawn_local(probe(Arc::clone(&shared), node, refresh));
        }
        sleep(TICK).await;
    }
}

async fn probe(shared: Arc<Shared>, node: NodeId, refresh: bool) {
    let started = Instant::now();
    let outcome = ask_node(&shared, node, refresh).await.map(|()| started.elapsed());
    shared.observed.probed(node, outcome);
    let signal = match outcome {
        Ok(latency) => Signal::ProbeOk { latency },
        Err(kind) => {
            tracing::debug!(node = %shared.nodes[usize::from(node.0)].name, %kind, "probe failed");
            Signal::ProbeFailed(kind)
        }
    };
    shared.signal(node, signal);
}

async fn ask_node(shared: &Shared, node: NodeId, refresh: bool) -> Result<(), FailureKind> {
    let target = &shared.nodes[usize::from(node.0)];
    target.resolve().await.map_err(|_| FailureKind::Connect)?;
    let (known, steady) = {
        let pool = shared.pool();
        let view = pool.get(node);
        let steady = view.is_some_and(|view| {
            view.about.is_some() && matches!(view.underneath, NodeState::Healthy | NodeState::Degraded)
        });
        (view.and_then(|view| view.generation), steady)
    };
    match known {
        Some(generation) if steady && !refresh => check(shared, node, generation).await,
        _ => {
            let generation = learn(shared, node).await?;
            check(shared, node, generation).await
        }
    }
}

async fn get(shared: &Shared, node: NodeId, path: &str) -> Result<NodeAnswer, FailureKind> {
    let target = &shared.nodes[usize::from(node.0)];
    let ledger = &shared.probe_ledger[usize::from(node.0)];
    let answer = ask::get(target, Arc::clone(ledger), path, shared.config.probe_timeout).await?;
    match answer.status {
        401 | 403 => Err(FailureKind::Password),
        _ => Ok(answer),
    }
}

/// The cheapest request that shows a node at work: its figures.
async fn check(shared: &Shared, node: NodeId, generation: Generation) -> Result<(), FailureKind> {
    let path = match generation {
        Generation::V4 { .. } => "/v4/stats",
        Generation::V3_7 => "/v3/stats",
        Generation::Legacy => "/version",
    };
    let answer = get(shared, node, path).await?;
    if answer.status != 200 {
        return Err(FailureKind::Status(answer.status));
    }
    if generation != Generation::Legacy {
        let stats = Stats::read(&answer.body).map_err(|_| FailureKind::NotLavalink)?;
        shared.change_pool(|pool| pool.reported(node, None, stats, Instant::now()));
    }
    Ok(())
}

/// Finds out what the node is.
async fn learn(shared: &Shared, node: NodeId) -> Result<Generation, FailureKind> {
    let v4 = get(shared, node, "/v4/info").await?;
    let mut seen = Probe {
        api_version: v4.api_version.as_deref(),
        v4_info: Some(v4.status),
        ..Probe::default()
    };
    let mut info = (v4.status == 200)
        .then(|| Info::read(&v4.body))
        .transpose()
        .map_err(|_| FailureKind::NotLavalink)?;
    let v3;
    if info.is_none() {
        v3 = get(shared, node, "/v3/info").await?;
        seen.v3_info = Some(v3.status);
        info = (v3.status == 200)
            .then(|| Info::read(&v3.body))
            .transpose()
            .map_err(|_| FailureKind::NotLavalink)?;
    }
    let text = match info.as_ref().and_then(Info::semver) {
        Some(semver) => semver.to_owned(),
        None => {
            let answer = get(shared, node, "/version").await?;
            String::from_utf8(answer.body)
                .map(|text| text.trim().to_owned())
                .unwrap_or_default()
        }
    };
    seen.version = Some(&text);
    let generation = seen.generation().ok_or(FailureKind::NotLavalink)?;
    let expected = shared.config.nodes[usize::from(node.0)].is_v4;
    if expected.is_some_and(|expected| expected != generation.is_v4()) {
        return Err(FailureKind::WrongVersion);
    }
    let about = NodeAbout {
        version: text.into(),
        info: info.unwrap_or_default(),
    };
    shared.change_pool(|pool| pool.probed(node, generation, Some(about)));
    Ok(generation)
}
