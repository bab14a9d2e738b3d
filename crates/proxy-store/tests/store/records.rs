//! The history of nodes and of connections.

use std::time::Duration;

use proxy_store::{ClosedConnection, ConnectionFilter, Figures, NodeChange, Probe, Record};

use crate::rig::{DAY, HOUR, MINUTE, Rig, SECOND, START};

fn state(node: &str, at: i64, from: &str, to: &str) -> Record {
    Record::Node(NodeChange {
        node: node.to_owned(),
        at,
        from: from.to_owned(),
        to: to.to_owned(),
        why: "probe".to_owned(),
    })
}

fn probe(at: i64, latency_ms: u64, failure: Option<&str>) -> Record {
    Record::Probe(Probe {
        node: "eu-1".to_owned(),
        at,
        latency: failure.is_none().then(|| Duration::from_millis(latency_ms)),
        failure: failure.map(ToOwned::to_owned),
    })
}

fn closed(number: u64, ip: &str, tenant: &str, at: i64) -> Record {
    Record::Connection(Box::new(ClosedConnection {
        number,
        ip: ip.parse().unwrap(),
        port: 40_000,
        tls: true,
        opened: at - MINUTE,
        closed: at,
        tenant: tenant.to_owned(),
        version: Some("v4".to_owned()),
        session: Some(format!("session{number}")),
        user: Some("170939974227591168".to_owned()),
        client: Some("wavelink/3_4%".to_owned()),
        figures: Figures {
            bytes_in: number,
            client_error: 3,
            ..Figures::default()
        },
        ended: "client left".to_owned(),
    }))
}

#[test]
fn changes_of_state_come_back_in_order_and_all_but_the_last_leave_after_their_time() {
    let rig = Rig::new();
    rig.store.record(state("eu-1", START, "unknown", "healthy"));
    rig.store.record(state("us-1", START, "unknown", "healthy"));
    rig.store.record(state("eu-1", START + 5, "healthy", "down"));
    rig.store.flush().wait().unwrap();
    let states = |limit| -> Vec<_> {
        let changes = rig.store.node_changes("eu-1", START, START + DAY, limit).unwrap();
        changes.into_iter().map(|change| change.to).collect()
    };
    assert_eq!(states(10), ["healthy", "down"]);
    assert_eq!(states(1), ["down"]);
    rig.pass(91 * DAY);
    assert_eq!(states(10), ["down"], "its state since then");
}

#[test]
fn probes_are_kept_one_by_one_for_a_day_and_by_minute_for_longer() {
    let rig = Rig::new();
    for (at, latency, failure) in [(0, 10, None), (10, 30, None), (20, 0, Some("timeout")), (61, 5, None)] {
        rig.store.record(probe(START + at * SECOND, latency, failure));
    }
    rig.store.flush().wait().unwrap();
    let raw = rig.store.probes("eu-1", START, START + DAY, 3).unwrap();
    assert_eq!(
        raw.iter().map(|probe| probe.failure.is_some()).collect::<Vec<_>>(),
        [false, true, false]
    );
    let check = || {
        let steps = rig
            .store
            .probe_steps("eu-1", START, START + DAY, Duration::from_secs(60))
            .unwrap();
        assert_eq!(
            steps.iter().map(|step| (step.ok, step.failed)).collect::<Vec<_>>(),
            [(2, 1), (1, 0)]
        );
        assert_eq!(steps[0].mean(), Some(Duration::from_millis(20)));
        assert_eq!(steps[0].latency_min, Some(Duration::from_millis(10)));
        assert_eq!(steps[0].latency_max, Some(Duration::from_millis(30)));
    };
    check();
    rig.pass(2 * DAY);
    assert!(rig.store.probes("eu-1", START, START + DAY, 10).unwrap().is_empty());
    check();
    let hour = rig
        .store
        .probe_steps("eu-1", START, START + DAY, Duration::from_secs(3600))
        .unwrap();
    assert_eq!((hour.len(), hour[0].ok, hour[0].failed), (1, 3, 1));
}

#[test]
fn uptime_leaves_out_what_nobody_saw() {
    let mut rig = Rig::new();
    assert_eq!(
        rig.store.uptime("eu-1", START - DAY, START + DAY).unwrap().share(),
        None
    );
    rig.store.record(state("eu-1", START + MINUTE, "unknown", "healthy"));
    rig.store.record(state("eu-1", START + 31 * MINUTE, "healthy", "down"));
    rig.store.record(state("eu-1", START + 41 * MINUTE, "down", "degraded"));
    rig.pass(61 * MINUTE);
    // Nobody looks for two hours.
    rig.store.close();
    rig.pass_closed(2 * HOUR);
    rig.reopen();
    rig.store
        .record(state("eu-1", rig.now() + MINUTE, "unknown", "healthy"));
    rig.pass(11 * MINUTE);
    let uptime = rig.store.uptime("eu-1", START - DAY, START + DAY).unwrap();
    assert_eq!((uptime.known, uptime.up), (70 * MINUTE, 60 * MINUTE));
    let part = rig
        .store
        .uptime("eu-1", START + 36 * MINUTE, START + 46 * MINUTE)
        .unwrap();
    assert_eq!(part.share(), Some(0.5));
}

#[test]
fn a_node_that_never_changes_is_known_for_as_long_as_the_proxy_runs() {
    let rig = Rig::new();
    rig.store.record(state("eu-1", START, "unknown", "healthy"));
    rig.pass(200 * DAY);
    let uptime = rig.store.uptime("eu-1", START + 170 * DAY, START + 200 * DAY).unwrap();
    assert_eq!((uptime.known, uptime.up), (30 * DAY, 30 * DAY));
}

#[test]
fn connections_are_found_by_what_they_were_and_paged_newest_first() {
    let mut rig = Rig::new();
    for number in 0..30 {
        let (ip, tenant) = match number % 3 {
            0 => ("10.0.0.1", "default"),
            1 => ("10.0.0.2", "default"),
            _ => ("2001:db8::1", "big"),
        };
        rig.store.record(closed(number, ip, tenant, START + number as i64));
    }
    rig.reopen();
    let numbers = |filter: ConnectionFilter<'_>| -> Vec<_> {
        let rows = rig.store.connections(&filter, 4).unwrap();
        rows.iter().map(|row| row.connection.number).collect()
    };
    let all = ConnectionFilter::default;
    assert_eq!(numbers(all()), [29, 28, 27, 26]);
    let first = rig.store.connections(&all(), 4).unwrap();
    let before = Some(first[3].id);
    assert_eq!(numbers(ConnectionFilter { before, ..all() }), [25, 24, 23, 22]);
    let ip = Some("2001:db8::1".parse().unwrap());
    assert_eq!(numbers(ConnectionFilter { ip, ..all() }), [29, 26, 23, 20]);
    let tenant = Some("default");
    assert_eq!(numbers(ConnectionFilter { tenant, ..all() }), [28, 27, 25, 24]);
    let search = Some("Session1");
    assert_eq!(numbers(ConnectionFilter { search, ..all() }), [19, 18, 17, 16]);
    for (search, found) in [("3_4%", 4), ("3x4", 0), ("nobody", 0)] {
        let search = Some(search);
        assert_eq!(numbers(ConnectionFilter { search, ..all() }).len(), found, "{search:?}");
    }
    let (from, to) = (Some(START + 5), Some(START + 7));
    assert_eq!(numbers(ConnectionFilter { from, to, ..all() }), [6, 5]);
    let row = &first[0].connection;
    assert_eq!(
        (row.figures.bytes_in, row.figures.client_error, row.ended.as_str()),
        (29, 3, "client left")
    );
}

#[test]
fn connections_leave_by_age_and_by_number() {
    let rig = Rig::with(|settings| settings.retention.connection_rows = 10);
    let count = || rig.store.connections(&ConnectionFilter::default(), 1000).unwrap().len();
    for number in 0..50 {
        rig.store.record(closed(number, "10.0.0.1", "default", rig.now()));
    }
    rig.pass(MINUTE);
    assert_eq!(count(), 10);
    rig.pass(8 * DAY);
    assert_eq!(count(), 0);
}
