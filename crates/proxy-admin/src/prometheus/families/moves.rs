//! The metrics of migrations: how many, how they ended, how long they took, who waits; and what became of links.

use prometheus_client::registry::Unit;
use proxy_core::session::migration::{MoveOutcome, MoveReason};
use proxy_gateway::usage::LinkCounts;

use super::{Family, Labels, Monitor, Value, gauge, node_label};
use crate::App;

/// Of the whole proxy. All reasons and outcomes are there from the start, so that rates begin at zero.
pub(super) fn all(app: &App) -> Vec<Family> {
    let shared = &app.shared;
    let counts = shared.moves.counts();
    let outcomes = MoveReason::ALL.into_iter().flat_map(|reason| {
        let ways = MoveOutcome::ALL.into_iter().map(move |outcome| (reason, outcome));
        ways.map(|(reason, outcome)| {
            let found = counts.iter().find(|(why, how, _)| (*why, *how) == (reason, outcome));
            let labels: Labels = vec![("reason", reason.name().into()), ("outcome", outcome.name().into())];
            (labels, Value::Counter(found.map_or(0, |(_, _, count)| *count)))
        })
    });
    let durations = MoveReason::ALL.map(|reason| {
        let durations = Value::Durations(shared.moves.durations(reason));
        (vec![("reason", reason.name().into())], durations)
    });
    let waiting: u64 = shared
        .directory
        .all()
        .iter()
        .map(|entry| u64::from(entry.players_waiting()))
        .sum();
    let pool = shared.pool();
    let nodes = || pool.nodes().iter();
    vec![
        Family::counter("migrations", "Players that were to be moved to another node")
            .series(outcomes.collect::<Vec<_>>()),
        Family::histogram(
            "migration_duration",
            "What it took to move a player, from the decision to its answer on the new node",
        )
        .unit(Unit::Seconds)
        .series(durations),
        Family::gauge("migrations_under_way", "Players that are just being moved")
            .with(Vec::new(), gauge(f64::from(shared.moving()))),
        Family::gauge("players_waiting", "Players without a node at the moment")
            .with(Vec::new(), gauge(waiting as f64)),
        Family::gauge(
            "node_orphans",
            "Sessions that were left on the node without a word, to be ended when it is reached",
        )
        .series(nodes().map(|node| (node_label(node), gauge(shared.orphaned_on(node.id) as f64)))),
        Family::gauge("node_drain_players", "Players that a drain still has to move").series(nodes().map(|node| {
            let left = shared.drain(node.id).map_or(0, |drain| drain.left);
            (node_label(node), gauge(f64::from(left)))
        })),
    ]
}

/// What became of links, by node.
pub(super) fn links(app: &App, monitor: &Monitor) -> Vec<Family> {
    let pool = app.shared.pool();
    let family = |name, help, read: fn(&LinkCounts) -> u64| {
        let nodes = pool.nodes().iter();
        let series = nodes.filter_map(|node| {
            let links = &monitor.nodes.get(&node.id)?.links;
            Some((node_label(node), Value::Counter(read(links))))
        });
        Family::counter(name, help).series(series.collect::<Vec<_>>())
    };
    vec![
        family(
            "node_links_opened",
            "WebSockets opened to the node, resumed ones again",
            |links| links.opened,
        ),
        family("node_links_lost", "Links to the node whose socket broke", |links| {
            links.lost
        }),
        family(
            "node_links_resumed",
            "Lost links that the node took up again",
            |links| links.resumed,
        ),
        family(
            "node_links_refused",
            "Lost links whose session the node did not know any more",
            |links| links.refused,
        ),
    ]
}
