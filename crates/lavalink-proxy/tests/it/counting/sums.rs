//! The views of the client side sum up to the same total, to the byte, and messages are counted both ways.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use lavalink_protocol::ws::{FrameHead, From, Opcode, close_payload};
use proxy_core::pool::NodeId;
use proxy_core::secret::Secret;
use proxy_core::tenant::Tenant;
use proxy_gateway::usage::{ClientUsage, Closed, Ended, Totals};
use proxy_testkit::certs::TestCa;
use proxy_testkit::{SimGeneration, TestClient, wait_until};
use tokio::task::JoinSet;

use super::kinds::{all_kinds, frame, text};
use super::nodes::Relay;
use super::{Stage, request};
use crate::support::{PASSWORD, ProxyUnderTest, SOON, sim};

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
        ("/v4/nothing", 404, true),
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
        // The clients run on this thread too.
        tokio::time::sleep(Duration::from_millis(2)).await;
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

/// A run of clients of every kind, drawn from a seed: v4 sessions that play, resume and leave in different ways, v3
/// clients with and without REST, plain and TLS requests, strangers and broken requests, all side by side.
#[tokio::test]
async fn over_a_random_run_all_views_of_the_clients_agree_to_the_byte_and_no_link_is_lost_from_its_node() {
    for seed in [1, 7] {
        random_run(seed).await;
    }
}

async fn random_run(seed: u64) {
    let (ca, v4, v3) = (
        TestCa::new().unwrap(),
        sim(SimGeneration::V4_2).await,
        sim(SimGeneration::V3_7).await,
    );
    let relays = [Relay::start(v4.addr()).await, Relay::start(v3.addr()).await];
    let proxy = ProxyUnderTest::builder(&[&v4, &v3])
        .node(0, |config| config.address.port = relays[0].address.port())
        .node(1, |config| config.address.port = relays[1].address.port())
        .tls_listener(&ca)
        .tenant(Tenant::new("other", Secret::new("other-password")))
        // Two workers, so that sessions are resumed across them; one round of probes, so that everything comes to rest.
        .configure(|config| {
            config.threads = 2;
            config.header_timeout = Duration::from_secs(60);
            config.probe_timeout = Duration::from_secs(30);
            config.health.interval = Duration::from_secs(3600);
        })
        .start()
        .await;
    let stage = Arc::new(Stage { proxy, ca, v4, v3 });
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut running = JoinSet::new();
    for user in 1..=40 {
        let (stage, rng) = (Arc::clone(&stage), rng.fork());
        running.spawn(async move { random_client(&stage, user, rng).await });
    }
    let mut views = Views::default();
    while !running.is_empty() {
        if let Some(done) = running.try_join_next() {
            done.unwrap();
        }
        views.compare(&stage, seed);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    wait_until(SOON, || stage.proxy.shared().directory.is_empty()).await;
    stage.all_closed().await;
    views.compare(&stage, seed);
    let ends: Vec<_> = views.closed.connections.iter().map(|closed| closed.ended).collect();
    assert_eq!(ends.len() as u64, views.usage.opened, "seed {seed}: one record each");
    assert!(!ends.contains(&Ended::Unknown), "seed {seed}: {ends:?}");
    let tenants: Vec<_> = views.usage.by_label.keys().map(|label| &*label.tenant).collect();
    assert!(tenants.contains(&"other"), "seed {seed}: {tenants:?}");

    // The node side, against the kernel on the other end of every connection to each node. `nodes` compares to the byte
    // what ends in quiet. Here nodes talk until their links are gone: last words that the proxy's kernel took and the
    // proxy never read are in no figure of the proxy's, and a reset has no FIN, for which the kernel counts a byte.
    for (node, relay) in [NodeId(0), NodeId(1)].into_iter().zip(&relays) {
        let look = || {
            let (totals, links) = stage.proxy.shared().node_usage(node);
            (links, totals.bytes_in, totals.bytes_out, relay.kernel(), relay.sent())
        };
        let agree = || {
            let (links, from_node, to_node, kernel, (sent, sockets)) = look();
            kernel.is_some_and(|(_, received)| {
                links.live == 0 && from_node <= sent && (received..=received + sockets).contains(&to_node)
            })
        };
        let limit = tokio::time::Instant::now() + SOON;
        while !agree() {
            assert!(
                tokio::time::Instant::now() < limit,
                "seed {seed}, node {node:?}: {:?}",
                look()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// One client of a kind that the seed decides.
async fn random_client(stage: &Stage, user: u64, mut rng: fastrand::Rng) {
    let url = stage.proxy.url();
    let password = if rng.bool() { PASSWORD } else { "other-password" };
    match rng.u8(..8) {
        kind @ 0..=2 => {
            let client = TestClient::v4(&url, password, user).connect().await.unwrap();
            client
                .update_session(&serde_json::json!({"resuming": true, "timeout": 60}))
                .await
                .unwrap();
            for guild in 0..rng.i64(1..4) {
                client.play(guild + 1, "sim:track:x").await.unwrap();
            }
            stage.proxy.shared().players_of(&client.session_id()).await.unwrap();
            if kind == 1 {
                let session = client.session_id();
                client.drop_socket();
                stage.proxy.wait_parked(&session).await;
                assert!(client.resume().await.unwrap());
                client.load("ytsearch:some").await.unwrap();
            }
            client
                .update_session(&serde_json::json!({"resuming": false}))
                .await
                .unwrap();
            match kind {
                2 => client.drop_socket(),
                _ => client.disconnect().await,
            }
        }
        3 => {
            let client = TestClient::v3_rest(&url, password, user).connect().await.unwrap();
            client.play(1, "sim:track:x").await.unwrap();
            client.disconnect().await;
        }
        4 => {
            let client = TestClient::v3_ops(&url, password, user).connect().await.unwrap();
            for _ in 0..rng.u8(1..20) {
                client
                    .op(&serde_json::json!({"op": "volume", "guildId": "1", "volume": 5}))
                    .await
                    .unwrap();
            }
            client.disconnect().await;
        }
        5 => {
            let mut wire = stage.open_tls().await;
            for _ in 0..rng.u8(1..5) {
                wire.send(request("GET", "/v4/loadtracks?identifier=ytsearch%3Asome", ""))
                    .await;
                wire.expect("HTTP/1.1 200 ").await;
            }
        }
        6 => {
            let mut wire = stage.open().await;
            wire.send(request("GET", "/v4/info", "").replace(PASSWORD, "nope"))
                .await;
            wire.expect("HTTP/1.1 403 ").await;
        }
        _ => {
            let mut wire = stage.open().await;
            wire.send("BROKEN\r\n\r\n".to_owned() + &"x".repeat(rng.usize(..50_000)))
                .await;
            wire.expect("HTTP/1.1 400 ").await;
        }
    }
}

/// All that one reader has seen of the client side.
#[derive(Default)]
struct Views {
    usage: ClientUsage,
    closed: Closed,
}

impl Views {
    /// Reads on, and holds the views against each other.
    fn compare(&mut self, stage: &Stage, seed: u64) {
        stage.proxy.shared().read_clients(&mut self.usage, &mut self.closed);
        let usage = &self.usage;
        let live = usage.connections.iter().map(|(_, totals)| *totals);
        let mut connections = sum(live);
        connections += sum(self.closed.connections.iter().map(|closed| closed.totals));
        let mut tenants = HashMap::<&str, Totals>::new();
        let mut versions = HashMap::<_, Totals>::new();
        for (label, totals) in &usage.by_label {
            *tenants.entry(&label.tenant).or_default() += *totals;
            *versions.entry(label.class).or_default() += *totals;
        }
        for (view, total) in [
            ("addresses", sum(usage.by_address.values().copied())),
            ("tenants", sum(tenants.values().copied())),
            ("versions", sum(versions.values().copied())),
        ] {
            assert_eq!(total, connections, "seed {seed}: {view} and connections");
        }
        assert_eq!(self.closed.lost, 0);
        let seen = usage.connections.len() + self.closed.connections.len();
        assert_eq!(seen as u64, usage.opened, "seed {seed}");
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

pub(super) fn sum(totals: impl Iterator<Item = Totals>) -> Totals {
    totals.fold(Totals::default(), |mut sum, totals| {
        sum += totals;
        sum
    })
}
