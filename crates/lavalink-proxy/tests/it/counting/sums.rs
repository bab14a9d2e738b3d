//! The views of the client side sum up to the same total, to the byte, and messages are counted both ways.

use std::sync::Arc;

use lavalink_protocol::ws::{FrameHead, From, Opcode, close_payload};
use proxy_core::pool::NodeId;
use proxy_gateway::usage::Totals;
use proxy_testkit::wait_until;

use super::kinds::{all_kinds, frame, text};
use super::{Stage, request};
use crate::support::SOON;

#[tokio::test]
async fn addresses_and_labels_and_connections_sum_up_to_the_same() {
    let stage = Arc::new(Stage::start().await);
    let records = all_kinds(&stage).await;
    stage.all_closed().await;
    let usage = stage.proxy.shared().client_usage();
    let connections = sum(records.iter().map(|record| record.traffic.totals()));
    assert_eq!(usage.opened, records.len() as u64);
    assert_eq!(sum(usage.by_address.values().copied()), connections);
    assert_eq!(sum(usage.by_label.values().copied()), connections);
    let tenants: Vec<_> = usage.by_label.keys().map(|label| &*label.tenant).collect();
    assert!(tenants.contains(&"none") && tenants.contains(&"default"), "{tenants:?}");
    // Of all these kinds none leaves a request without its answer.
    assert_eq!(connections.answered(), connections.requests, "{connections:?}");
    assert!(connections.ok > 0 && connections.client_error > 0, "{connections:?}");
}

#[tokio::test]
async fn every_answer_is_counted_under_its_outcome_on_both_sides() {
    let stage = Stage::start().await;
    let nodes = || {
        [NodeId(0), NodeId(1)]
            .map(|node| stage.proxy.shared().node_usage(node).0)
            .into_iter()
    };
    let mut wire = stage.open().await;
    // (target, status, answered by a node)
    let cases = [
        ("/version", 200, false),
        ("/v4/loadtracks?identifier=ytsearch%3Asome", 200, true),
        ("/v4/nothing", 404, false),
        ("/v4/sessions/nobody/players", 404, false),
        ("/v3/decodetrack", 400, true),
    ];
    for (target, status, by_node) in cases {
        let (client, node) = (wire.record.traffic.totals(), sum(nodes()));
        wire.send(request("GET", target, "")).await;
        wire.expect(&format!("HTTP/1.1 {status} ")).await;
        wire.expect("\r\n\r\n").await;
        let outcome = |totals: Totals| match status {
            500.. => totals.server_error,
            400.. => totals.client_error,
            _ => totals.ok,
        };
        wait_until(SOON, || outcome(wire.record.traffic.totals() - client) == 1).await;
        assert_eq!((wire.record.traffic.totals() - client).answered(), 1, "{target}");
        // Probes are answered too.
        assert!(!by_node || outcome(sum(nodes()) - node) >= 1, "{target}");
    }
    wire.half_close().await;
    wire.end(&stage, "outcomes").await;
    for path in ["/v4/websocket", "/v3/websocket"] {
        let node = sum(nodes());
        let mut wire = stage.open().await;
        wire.upgrade(path).await;
        let totals = wire.record.traffic.totals();
        assert_eq!((totals.requests, totals.ok, totals.answered()), (1, 1, 1), "{path}");
        assert!(sum(nodes()).ok > node.ok, "{path}");
    }
}

#[tokio::test]
async fn an_answer_that_no_node_could_give_is_a_server_error() {
    let node = crate::support::sim_v4().await;
    let proxy = crate::support::ProxyUnderTest::start(&[&node]).await;
    let answer = proxy.rest().get("/v3/loadtracks?identifier=x").await.unwrap();
    assert_eq!(answer.status, 503);
    let total = || sum(proxy.shared().client_usage().by_label.values().copied());
    wait_until(SOON, || total().server_error == 1).await;
    assert_eq!((total().requests, total().answered()), (1, 1));
}

#[tokio::test]
async fn the_views_agree_at_any_moment_while_connections_come_and_go() {
    let stage = Arc::new(Stage::start().await);
    let running = tokio::spawn({
        let stage = Arc::clone(&stage);
        async move { all_kinds(&stage).await }
    });
    while !running.is_finished() {
        let usage = stage.proxy.shared().client_usage();
        let labels = sum(usage.by_label.values().copied());
        assert_eq!(sum(usage.by_address.values().copied()), labels);
        let live = sum(usage.connections.iter().map(|(_, totals)| *totals));
        assert!(live.bytes_in <= labels.bytes_in && live.bytes_out <= labels.bytes_out);
        tokio::task::yield_now().await;
    }
    running.await.unwrap();
}

#[tokio::test]
async fn bytes_before_the_tenant_is_known_go_to_none() {
    let stage = Stage::start().await;
    let (first, second) = (request("GET", "/version", ""), request("GET", "/v4/stats", ""));
    let stranger = "GET /v4/info HTTP/1.1\r\nHost: p\r\nAuthorization: nope\r\n\r\n";
    let mut wire = stage.open().await;
    for bytes in [&first, &second] {
        wire.send(bytes).await;
        wire.expect("HTTP/1.1 200 ").await;
    }
    wire.half_close().await;
    let known = wire.end(&stage, "known").await.traffic.totals();
    let mut wire = stage.open().await;
    wire.send(stranger).await;
    let unknown = wire.end(&stage, "unknown").await.traffic.totals();

    let usage = stage.proxy.shared().client_usage();
    let of = |tenant: &str| {
        sum(usage
            .by_label
            .iter()
            .filter(|(label, _)| &*label.tenant == tenant)
            .map(|(_, totals)| *totals))
    };
    // The bytes that show the password were carried before it was known.
    assert_eq!(of("none").bytes_in, (first.len() + stranger.len()) as u64);
    assert_eq!(of("none").bytes_out, unknown.bytes_out);
    assert_eq!(of("default").bytes_in, second.len() as u64);
    assert_eq!(of("default").bytes_out, known.bytes_out);
}

#[tokio::test]
async fn messages_and_requests_are_counted_both_ways() {
    let stage = Stage::start().await;
    for (path, node) in [("/v4/websocket", &stage.v4), ("/v3/websocket", &stage.v3)] {
        let mut wire = stage.open().await;
        wire.upgrade(path).await;
        for number in 0..7 {
            wire.send(text("{\"op\":\"unknown\"}")).await;
            // Control frames are no messages.
            wire.send(frame(Opcode::Ping, b"")).await;
            node.push_to_all(&format!(
                "{{\"op\":\"event\",\"guildId\":\"1\",\"number\":\"n{number}\"}}"
            ));
            wire.expect(&format!("\"n{number}\"")).await;
        }
        wire.send(frame(Opcode::Ping, b"all are read")).await;
        wire.expect("all are read").await;
        let texts = texts(&wire.received);
        let totals = wire.record.traffic.totals();
        assert_eq!(
            (totals.messages_in, totals.messages_out, totals.requests),
            (7, texts, 1),
            "{path}"
        );
        wire.send(frame(Opcode::Close, &close_payload(1000, ""))).await;
        wire.end(&stage, path).await;
    }
}

/// Text frames behind the head of a 101.
fn texts(received: &[u8]) -> u64 {
    let start = received.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let (mut at, mut count) = (start, 0);
    while let Some(head) = FrameHead::read(&received[at..], From::Server, usize::MAX).unwrap() {
        count += u64::from(head.opcode == Opcode::Text);
        at += head.total();
    }
    count
}

fn sum(totals: impl Iterator<Item = Totals>) -> Totals {
    totals.fold(Totals::default(), |mut sum, totals| {
        sum += totals;
        sum
    })
}
