//! Sockets opened on a bare `/v4` or `/v3`: nothing is dialled before it is known what they speak.

use std::time::Duration;

use http::Method;
use proxy_testkit::client::{Ended, Protocol, TestClientBuilder};
use proxy_testkit::{SimGeneration, SimNode, TestClient, wait_until};
use serde_json::json;

use crate::support::{BOT, OTHER_BOT, PASSWORD, ProxyUnderTest, SOON, sim};

/// A client that waits for `ready` on a bare version segment.
fn undecided(proxy: &ProxyUnderTest, path: &str, user: u64) -> TestClientBuilder {
    TestClient::builder(Protocol::V3Rest, &proxy.url(), PASSWORD, user).socket_path(path)
}

async fn pair() -> (SimNode, SimNode) {
    (sim(SimGeneration::V4_1).await, sim(SimGeneration::V3_7).await)
}

fn sessions(pair: &(SimNode, SimNode)) -> (usize, usize) {
    (pair.0.sessions().len(), pair.1.sessions().len())
}

#[tokio::test]
async fn until_its_version_is_known_a_socket_has_ready_and_stats_and_no_node() {
    let nodes = pair().await;
    let proxy = ProxyUnderTest::start(&[&nodes.0, &nodes.1]).await;
    for path in ["/v4", "/v3", "/v4/", "/v3/v4"] {
        let client = undecided(&proxy, path, BOT).connect().await.unwrap();
        assert_eq!((client.session_id().len(), client.resumed()), (16, false), "{path}");
        let stats = client.wait_for(|message| message["op"] == "stats", SOON).await.unwrap();
        assert_eq!(stats.get("frameStats"), None, "the form that both versions understand");
        assert_eq!(sessions(&nodes), (0, 0), "{path}");
        client.disconnect().await;
        proxy.wait_sessions(0).await;
    }
    let dialled = |node: &SimNode| {
        node.requests()
            .iter()
            .any(|request| request.header("upgrade").is_some())
    };
    assert!(!dialled(&nodes.0) && !dialled(&nodes.1));
}

#[tokio::test]
async fn an_op_binds_to_v3_and_reaches_the_node_with_those_after_it() {
    for generation in [SimGeneration::V3_7, SimGeneration::Legacy] {
        let nodes = (sim(SimGeneration::V4_1).await, sim(generation).await);
        let proxy = ProxyUnderTest::start(&[&nodes.0, &nodes.1]).await;
        for (user, path) in [(1, "/v4"), (2, "/v3")] {
            nodes.1.clear_log();
            let client = undecided(&proxy, path, user).connect().await.unwrap();
            let ops: Vec<_> = (0..5)
                .map(|volume| json!({"op": "volume", "guildId": "1", "volume": volume}))
                .collect();
            for op in &ops {
                client.op(op).await.unwrap();
            }
            wait_until(SOON, || nodes.1.messages().len() == ops.len()).await;
            let texts: Vec<_> = nodes.1.messages().into_iter().map(|message| message.text).collect();
            assert_eq!(
                texts,
                ops.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "{generation:?}"
            );
            assert!(nodes.0.sessions().is_empty());
            // Its `ready` came from the proxy; the node's own is not sent again.
            client.wait_for(|message| message["op"] == "stats", SOON).await.unwrap();
            assert!(
                client.messages().iter().all(|message| message["op"] != "ready"),
                "{generation:?}"
            );
            client.disconnect().await;
            wait_until(SOON, || nodes.1.sessions().is_empty()).await;
        }
    }
}

#[tokio::test]
async fn a_request_below_v3_binds_to_v3() {
    let nodes = pair().await;
    let proxy = ProxyUnderTest::start(&[&nodes.0, &nodes.1]).await;
    let client = undecided(&proxy, "/v4", BOT).connect().await.unwrap();
    let answer = client.load("sim:track:x").await.unwrap();
    assert_eq!((answer.status, answer.header("lavalink-api-version")), (200, Some("3")));
    assert_eq!(sessions(&nodes), (0, 1));
    // The id that the proxy issued leads to the node's session.
    client.play(1, "sim:track:x").await.unwrap();
    assert!(nodes.1.find_player(1).is_some());
    client.wait_event("TrackStartEvent", 1, SOON).await.unwrap();
    assert_eq!(client.get_player(1).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_session_request_below_v4_binds_to_v4_and_is_served() {
    let nodes = pair().await;
    let proxy = ProxyUnderTest::start(&[&nodes.0, &nodes.1]).await;
    let mut clients = Vec::new();
    for (user, path) in [(1, "/v4"), (2, "/v3")] {
        let client = undecided(&proxy, path, user).connect().await.unwrap();
        let target = format!("/v4/sessions/{}/players/{user}", client.session_id());
        let answer = client
            .rest()
            .request(Method::PATCH, &target, Some(&json!({"paused": true})))
            .await
            .unwrap();
        assert_eq!(
            (answer.status, &answer.json()["paused"]),
            (200, &json!(true)),
            "{}",
            answer.text()
        );
        assert_eq!(sessions(&nodes), (user as usize, 0));
        let session = nodes.0.find_player(user as i64).unwrap().0;
        nodes.0.push(&session, r#"{"op":"event","type":"X","guildId":"1"}"#);
        client.wait_for(|message| message["type"] == "X", SOON).await.unwrap();
        clients.push(client);
    }
}

#[tokio::test]
async fn requests_that_come_while_the_node_is_dialled_wait_for_it() {
    let nodes = pair().await;
    let proxy = ProxyUnderTest::builder(&[&nodes.0, &nodes.1])
        .configure(|config| config.threads = 2)
        .start()
        .await;
    for (user, version) in [(1, "v4"), (2, "v3")] {
        let client = undecided(&proxy, "/v4", user).connect().await.unwrap();
        let mut asking = Vec::new();
        for guild in 1..=5 {
            let rest = proxy.rest();
            let target = format!("/{version}/sessions/{}/players/{guild}", client.session_id());
            let paused = json!({"paused": true});
            asking.push(tokio::spawn(async move {
                rest.request(Method::PATCH, &target, Some(&paused)).await
            }));
        }
        for asked in asking {
            let answer = asked.await.unwrap().unwrap();
            assert_eq!(answer.status, 200, "{version}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn an_unversioned_request_of_the_same_client_binds_to_v3() {
    for generation in [SimGeneration::V3_7, SimGeneration::Legacy] {
        let nodes = (sim(SimGeneration::V4_1).await, sim(generation).await);
        let proxy = ProxyUnderTest::start(&[&nodes.0, &nodes.1]).await;
        let client = undecided(&proxy, "/v4", BOT).connect().await.unwrap();
        let rest = proxy.rest();
        let asked = tokio::time::timeout(Duration::from_secs(3), rest.get("/loadtracks?identifier=sim:track:x"));
        let answer = asked.await.expect("the request waits too long").unwrap();
        assert_eq!(answer.status, 200, "{generation:?}: {}", answer.text());
        assert_eq!(answer.json()["loadType"], "TRACK_LOADED");
        wait_until(SOON, || sessions(&nodes) == (0, 1)).await;
        assert_eq!(client.ended(), None);
    }
}

#[tokio::test]
async fn headers_of_the_handshake_decide_at_once() {
    let nodes = pair().await;
    let proxy = ProxyUnderTest::start(&[&nodes.0, &nodes.1]).await;
    let table = [
        ("/v4", "Session-Id", "gone", (1, 0)),
        ("/v3", "Session-Id", "gone", (1, 0)),
        ("/v4", "Resume-Key", "key", (0, 1)),
        ("/v3", "Resume-Key", "key", (0, 1)),
        ("/v4", "Num-Shards", "1", (0, 1)),
        ("/v3", "Num-Shards", "1", (0, 1)),
    ];
    for (user, (path, name, value, expected)) in (1..).zip(table) {
        let client = undecided(&proxy, path, user)
            .header(name, value)
            .connect()
            .await
            .unwrap();
        assert_eq!(sessions(&nodes), expected, "{path} {name}");
        client.disconnect().await;
        wait_until(SOON, || sessions(&nodes) == (0, 0)).await;
    }
}

#[tokio::test]
async fn a_legacy_client_below_a_base_path_has_its_requests_below_it_too() {
    let nodes = pair().await;
    let proxy = ProxyUnderTest::start(&[&nodes.0, &nodes.1]).await;
    let _client = undecided(&proxy, "/v4", BOT)
        .header("Num-Shards", "1")
        .connect()
        .await
        .unwrap();
    let answer = proxy.rest().get("/v4/loadtracks?identifier=sim:track:x").await.unwrap();
    assert_eq!(
        (answer.header("lavalink-api-version"), &answer.json()["loadType"]),
        (Some("3"), &json!("TRACK_LOADED"))
    );
    let seen = nodes
        .1
        .requests()
        .into_iter()
        .find(|request| request.target.contains("loadtracks"))
        .unwrap();
    assert_eq!(seen.target, "/loadtracks?identifier=sim:track:x");
}

#[tokio::test]
async fn what_another_client_asks_decides_nothing() {
    let nodes = pair().await;
    let proxy = ProxyUnderTest::start(&[&nodes.0, &nodes.1]).await;
    let client = undecided(&proxy, "/v4", BOT).connect().await.unwrap();
    let other = http::Request::get("/v3/loadtracks?identifier=x").header("User-Id", OTHER_BOT.to_string());
    assert_eq!(proxy.rest_of(other).await.status, 200);
    // Says nothing about the version.
    assert_eq!(proxy.rest().get("/version").await.unwrap().status, 200);
    assert_eq!(sessions(&nodes), (0, 0));
    assert_eq!(client.ended(), None);
}

#[tokio::test]
async fn without_a_node_of_its_version_a_socket_is_closed_with_1013_and_the_request_is_refused() {
    let node = sim(SimGeneration::V4_1).await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let by_op = undecided(&proxy, "/v3", BOT).connect().await.unwrap();
    by_op
        .op(&json!({"op": "volume", "guildId": "1", "volume": 1}))
        .await
        .unwrap();
    assert!(matches!(by_op.wait_ended(SOON).await, Some(Ended::Closed(1013, _))));
    let by_request = undecided(&proxy, "/v3", BOT).connect().await.unwrap();
    let asked = tokio::time::timeout(Duration::from_secs(3), by_request.load("sim:track:x"));
    let answer = asked.await.expect("the request waits too long").unwrap();
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(matches!(
        by_request.wait_ended(SOON).await,
        Some(Ended::Closed(1013, _))
    ));
    proxy.wait_sessions(0).await;
}
