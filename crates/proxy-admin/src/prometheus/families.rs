//! Which metrics there are, and where each comes from.

mod moves;
mod sessions;
mod store;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use prometheus_client::registry::Unit;
use proxy_core::health::NodeState;
use proxy_core::placement;
use proxy_core::pool::NodeView;
use proxy_gateway::usage::{Label, Totals};

use super::{Family, Labels, Value};
use crate::App;
use crate::monitor::Monitor;
use crate::process;
use crate::view::version_name;

/// All families, in the order in which they are written.
pub(super) fn all(app: &App) -> Vec<Family> {
    let mut families = program(app);
    families.extend(sessions(app));
    families.extend(super::alerts::all(app));
    families.extend(sessions::fates(app));
    families.extend(moves::all(app));
    let monitor = app.monitor();
    families.extend(client_side(&monitor));
    families.extend(node_traffic(app, &monitor));
    families.extend(moves::links(app, &monitor));
    families.extend(node_state(app));
    families.extend(store::store(app));
    families
}

fn program(app: &App) -> Vec<Family> {
    let refusals = app.shared.refusals.iter();
    let started = app.shared.started.elapsed().as_secs_f64();
    vec![
        Family::gauge("build_info", "Always 1; the label tells the version")
            .with(vec![("version", env!("CARGO_PKG_VERSION").into())], Value::Gauge(1.0)),
        Family::gauge("uptime", "Time since the start")
            .unit(Unit::Seconds)
            .with(Vec::new(), Value::Gauge(started)),
        Family::gauge("ready", "1 when at least one node takes work").with(Vec::new(), flag(app.is_ready())),
        Family::gauge("process_resident_memory", "Memory in use")
            .unit(Unit::Bytes)
            .series(process::resident_bytes().map(|bytes| (Vec::new(), gauge(bytes as f64)))),
        Family::gauge("process_open_fds", "Open file descriptors")
            .series(process::open_files().map(|count| (Vec::new(), gauge(count as f64)))),
        Family::gauge("process_max_fds", "Open file descriptors that the system allows")
            .series(process::open_files_limit().map(|count| (Vec::new(), gauge(count as f64)))),
        Family::counter("refusals", "Refused requests and sockets closed by the proxy")
            .series(refusals.map(|(reason, count)| (vec![("reason", reason.into())], Value::Counter(count)))),
        Family::counter("admin_login_failures", "Wrong passwords on the admin listener")
            .with(Vec::new(), Value::Counter(app.login_failures.load(Ordering::Relaxed))),
        Family::counter(
            "log_lines_dropped",
            "Lines of log files that were dropped because the disk was too slow",
        )
        .with(Vec::new(), Value::Counter((app.dropped_log_lines.0)())),
    ]
}

/// Sessions and players by tenant, version, and whether the client is there.
fn sessions(app: &App) -> Vec<Family> {
    let mut counts = BTreeMap::<_, (u64, u64)>::new();
    for entry in app.shared.directory.all() {
        let state = if entry.is_parked() { "parked" } else { "connected" };
        let key = (Arc::clone(&entry.tenant_name), version_name(entry.class()), state);
        let (sessions, players) = counts.entry(key).or_default();
        *sessions += 1;
        *players += u64::from(entry.players());
    }
    let labels = |(tenant, version, state): &(Arc<str>, &'static str, &'static str)| -> Labels {
        vec![
            ("tenant", Arc::clone(tenant)),
            ("version", (*version).into()),
            ("state", (*state).into()),
        ]
    };
    let keeping = &app.shared.keeping;
    vec![
        Family::gauge(
            "sessions_unkept",
            "Sessions that a restart of the proxy would lose, because they could not be written",
        )
        .with(Vec::new(), gauge(keeping.unkept() as f64)),
        Family::counter(
            "session_commits_failed",
            "Times that a session could not be written for the next run of the proxy, or not soon enough",
        )
        .with(Vec::new(), Value::Counter(keeping.failures())),
        Family::gauge("sessions", "Lavalink sessions of clients").series(
            counts
                .iter()
                .map(|(key, (count, _))| (labels(key), gauge(*count as f64))),
        ),
        Family::gauge("players", "Players in these sessions").series(
            counts
                .iter()
                .map(|(key, (_, count))| (labels(key), gauge(*count as f64))),
        ),
    ]
}

fn client_side(monitor: &Monitor) -> Vec<Family> {
    let by_label = &monitor.client.by_label;
    let mut open = BTreeMap::<_, u64>::new();
    for (record, _) in &monitor.client.connections {
        let label = record.names();
        let key = (Arc::clone(&label.tenant), version_name(label.class));
        *open.entry(key).or_default() += 1;
    }
    let rows: Vec<_> = by_label
        .iter()
        .map(|(label, totals)| (client_labels(label), *totals))
        .collect();
    let mut families = vec![
        Family::gauge("client_connections", "Open connections of clients").series(open.into_iter().map(
            |((tenant, version), count)| {
                (
                    vec![("tenant", tenant), ("version", version.into())],
                    gauge(count as f64),
                )
            },
        )),
        Family::counter("client_connections_opened", "Connections accepted from clients")
            .with(Vec::new(), Value::Counter(monitor.client.opened)),
        Family::counter(
            "client_connections_ended",
            "Connections of clients that are over, by how they ended",
        )
        .series(
            monitor
                .ended
                .iter()
                .map(|(how, count)| (vec![("reason", how.as_str().into())], Value::Counter(*count))),
        ),
    ];
    families.extend(traffic(
        [
            Family::counter("client", "Bytes on client sockets; in is received by the proxy").unit(Unit::Bytes),
            Family::counter("client_messages", "WebSocket messages on client sockets"),
            Family::counter("client_requests", "Requests of clients"),
            Family::counter(
                "client_answers",
                "Answers to clients: ok below 400, client_error 4xx, server_error 5xx",
            ),
        ],
        &rows,
    ));
    families
}

fn client_labels(label: &Label) -> Labels {
    vec![
        ("tenant", Arc::clone(&label.tenant)),
        ("version", version_name(label.class).into()),
    ]
}

fn node_traffic(app: &App, monitor: &Monitor) -> Vec<Family> {
    let pool = app.shared.pool();
    let known = || {
        pool.nodes()
            .iter()
            .filter_map(|node| Some((node_label(node), monitor.nodes.get(&node.id)?)))
    };
    let rows: Vec<_> = known().map(|(labels, reading)| (labels, reading.totals)).collect();
    let mut families = vec![
        Family::gauge("node_links", "WebSockets open to the node")
            .series(known().map(|(labels, reading)| (labels, gauge(reading.links.live as f64)))),
    ];
    families.extend(traffic(
        [
            Family::counter("node", "Bytes on sockets to nodes; in is received by the proxy").unit(Unit::Bytes),
            Family::counter("node_messages", "WebSocket messages on sockets to nodes"),
            Family::counter("node_requests", "Requests to nodes"),
            Family::counter(
                "node_answers",
                "Answers of nodes: ok below 400, client_error 4xx, server_error 5xx",
            ),
        ],
        &rows,
    ));
    families
}

/// Bytes, messages, requests and answers of the same rows.
fn traffic([bytes, messages, requests, answers]: [Family; 4], rows: &[(Labels, Totals)]) -> [Family; 4] {
    let both_ways = |read: fn(&Totals) -> [u64; 2]| {
        rows.iter().flat_map(move |(labels, totals)| {
            let [received, sent] = read(totals);
            [("in", received), ("out", sent)].map(|(direction, count)| {
                let mut labels = labels.clone();
                labels.push(("direction", direction.into()));
                (labels, Value::Counter(count))
            })
        })
    };
    [
        bytes.series(both_ways(|totals| [totals.bytes_in, totals.bytes_out])),
        messages.series(both_ways(|totals| [totals.messages_in, totals.messages_out])),
        requests.series(
            rows.iter()
                .map(|(labels, totals)| (labels.clone(), Value::Counter(totals.requests))),
        ),
        answers.series(rows.iter().flat_map(|(labels, totals)| {
            let outcomes = [
                ("ok", totals.ok),
                ("client_error", totals.client_error),
                ("server_error", totals.server_error),
            ];
            outcomes.map(|(outcome, count)| {
                let mut labels = labels.clone();
                labels.push(("outcome", outcome.into()));
                (labels, Value::Counter(count))
            })
        })),
    ]
}

/// A gauge of one node; `None` when it is not known.
type Read = fn(&NodeView) -> Option<f64>;

fn node_state(app: &App) -> Vec<Family> {
    let pool = app.shared.pool();
    let family = |name, help, read: Read| {
        let nodes = pool.nodes().iter();
        Family::gauge(name, help).series(nodes.filter_map(|node| Some((node_label(node), gauge(read(node)?)))))
    };
    vec![
        Family::gauge("node_state", "1 for the state that the node is in").series(pool.nodes().iter().flat_map(states)),
        family("node_takes_work", "1 when placement may choose the node", |node| {
            Some(f64::from(u8::from(node.state.takes_work())))
        }),
        family("node_outstanding_requests", "Requests under way to the node", |node| {
            Some(f64::from(node.outstanding()))
        }),
        family(
            "node_pending_placements",
            "Placements that its statistics cannot show yet",
            |node| Some(f64::from(node.pending())),
        ),
        family("node_load_score", "What placement compares; the lowest wins", |node| {
            placement::score(node, Instant::now()).value()
        }),
        family("node_latency", "Mean latency of recent probes", |node| {
            node.latency.map(|latency| latency.as_secs_f64())
        })
        .unit(Unit::Seconds),
        family("node_players", "Players by the node's own statistics", |node| {
            node.reported.map(|reported| reported.stats.players as f64)
        }),
        family(
            "node_playing_players",
            "Playing players by the node's own statistics",
            |node| node.reported.map(|reported| reported.stats.playing_players as f64),
        ),
        family("node_system_load", "Load of the node's machine, 0 to 1", |node| {
            node.reported.map(|reported| reported.stats.cpu.system_load)
        }),
        family("node_lavalink_load", "Load of the node's own process, 0 to 1", |node| {
            node.reported.map(|reported| reported.stats.cpu.lavalink_load)
        }),
        family("node_memory_used", "Memory that the node's process uses", |node| {
            node.reported.map(|reported| reported.stats.memory.used as f64)
        })
        .unit(Unit::Bytes),
        family("node_frame_deficit", "Missing frames per player and minute", |node| {
            node.frames.map(|frames| frames.deficit)
        }),
    ]
}

fn states(node: &NodeView) -> [(Labels, Value); 5] {
    [
        NodeState::Unknown,
        NodeState::Healthy,
        NodeState::Degraded,
        NodeState::Down,
        NodeState::Draining,
    ]
    .map(|state| {
        let mut labels = node_label(node);
        labels.push(("state", state.name().into()));
        (labels, flag(node.state == state))
    })
}

fn node_label(node: &NodeView) -> Labels {
    vec![("node", Arc::clone(&node.name))]
}

fn gauge(figure: f64) -> Value {
    Value::Gauge(figure)
}

fn flag(set: bool) -> Value {
    Value::Gauge(f64::from(u8::from(set)))
}
