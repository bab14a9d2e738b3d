//! v3 clients on v3 nodes: frames pass untouched, and what belongs to one node stays with it.

use std::time::Duration;

use http::Method;
use lavalink_protocol::ws::{self, Opcode};
use proxy_testkit::client::{Ended, HandshakeRefused, Protocol};
use proxy_testkit::{Fault, SimGeneration, SimNode, TestClient, wait_until};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::scripted::{Script, ScriptedNode, header};
use crate::support::{BOT, PASSWORD, ProxyUnderTest, SOON, sim, sim_v4, upgrade_head};

fn v3_ops(proxy: &ProxyUnderTest, user: u64) -> proxy_testkit::client::TestClientBuilder {
    TestClient::v3_ops(&proxy.url(), PASSWORD, user)
}

fn v3_rest(proxy: &ProxyUnderTest, user: u64) -> proxy_testkit::client::TestClientBuilder {
    TestClient::v3_rest(&proxy.url(), PASSWORD, user)
}

fn texts(node: &SimNode) -> Vec<String> {
    node.messages().into_iter().map(|message| message.text).collect()
}

#[tokio::test]
async fn ops_reach_the_node_as_the_bytes_they_were_sent() {
    let ops = [
        r#"{"op":"voiceUpdate","guildId":"1","sessionId":"s","event":{"token":"t","guild_id":"1","endpoint":"e"}}"#
            .to_owned(),
        "{ \"guildId\" : \"1\",\t\"op\" : \"volume\" , \"volume\":\"55\" }".to_owned(),
        r#"{"op":"pluginOp","text":"\u00e9😀"}"#.to_owned(),
        format!(r#"{{"op":"unknown","x":"{}"}}"#, "y".repeat(200_000)),
        r#"{"op":"pause","guildId":"1","pause":true}"#.to_owned(),
    ];
    for generation in [SimGeneration::Legacy, SimGeneration::V3_7] {
        let node = sim(generation).await;
        let proxy = ProxyUnderTest::start(&[&node]).await;
        let client = v3_ops(&proxy, BOT).connect().await.unwrap();
        for op in &ops {
            client.send(Message::text(op.clone())).await.unwrap();
        }
        wait_until(SOON, || node.messages().len() == ops.len()).await;
        assert_eq!(texts(&node), ops, "{generation:?}");
        let player = node.find_player(1);
        assert!(player.is_some(), "{generation:?}");
    }
}

#[tokio::test]
async fn a_legacy_client_plays_on_a_legacy_node() {
    let node = SimNode::builder()
        .generation(SimGeneration::Legacy)
        .players_interval(Duration::from_millis(50))
        .start()
        .await
        .unwrap();
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let client = v3_ops(&proxy, BOT).header("Num-Shards", "1").connect().await.unwrap();
    assert_eq!(client.handshake_header("lavalink-api-version").as_deref(), Some("3"));
    assert_eq!(client.handshake_header("session-resumed").as_deref(), Some("false"));
    client.wait_for(|message| message["op"] == "stats", SOON).await.unwrap();
    let track = client.load_encoded("sim:track:x").await.unwrap();
    let voice = json!({"op": "voiceUpdate", "guildId": "5", "sessionId": "s",
        "event": {"token": "t", "guild_id": "5", "endpoint": "e"}});
    client.op(&voice).await.unwrap();
    client
        .op(&json!({"op": "play", "guildId": "5", "track": track}))
        .await
        .unwrap();
    client.wait_event("TrackStartEvent", 5, SOON).await.unwrap();
    let update = client
        .wait_for(|message| message["op"] == "playerUpdate", SOON)
        .await
        .unwrap();
    assert_eq!(update["guildId"], "5");
    client.op(&json!({"op": "stop", "guildId": "5"})).await.unwrap();
    let end = client.wait_event("TrackEndEvent", 5, SOON).await.unwrap();
    assert_eq!(end["reason"], "STOPPED", "v3's own words");
    assert!(
        client.messages().iter().all(|message| message["op"] != "ready"),
        "a legacy node sends none"
    );
    let decoded = client.decode(&track).await.unwrap();
    assert_eq!(
        (decoded.status, decoded.json()["title"].is_string()),
        (200, true),
        "the flat form of a legacy node"
    );
}

#[tokio::test]
async fn a_client_of_3_7_has_the_nodes_session_and_its_rest() {
    let node = sim(SimGeneration::V3_7).await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let client = v3_rest(&proxy, BOT).connect().await.unwrap();
    assert_eq!(client.session_id(), node.sessions()[0].id, "untouched");
    client.play(3, "sim:track:x").await.unwrap();
    let start = client.wait_event("TrackStartEvent", 3, SOON).await.unwrap();
    assert!(start["encodedTrack"].is_string());
    assert_eq!(client.destroy_player(3).await.unwrap().status, 204);
    let info = client.rest().get("/v3/info").await.unwrap();
    assert_eq!((info.status, info.header("lavalink-api-version")), (200, Some("3")));
    assert_eq!(client.rest().get("/v3/stats").await.unwrap().status, 200);
}

#[tokio::test]
async fn requests_of_a_v3_session_go_to_the_node_of_its_socket() {
    let (a, b) = (sim(SimGeneration::V3_7).await, sim(SimGeneration::V3_7).await);
    let proxy = ProxyUnderTest::start(&[&a, &b]).await;
    let mut clients = Vec::new();
    for user in 1..=6 {
        let client = v3_rest(&proxy, user).connect().await.unwrap();
        client.play(user as i64, "sim:track:x").await.unwrap();
        clients.push(client);
    }
    let (on_a, on_b) = (a.sessions().len(), b.sessions().len());
    assert!(on_a > 0 && on_b > 0, "{on_a} and {on_b}: both nodes have some");
    for (guild, client) in (1..).zip(&clients) {
        let player = client.get_player(guild).await.unwrap();
        assert_eq!(player.json()["guildId"], guild.to_string(), "{}", player.text());
        let holder = if a.find_player(guild).is_some() { &a } else { &b };
        assert_eq!(holder.find_player(guild).unwrap().0, client.session_id());
        assert_eq!(
            client.update_session(&json!({"timeout": 30})).await.unwrap().json()["timeout"],
            30
        );
    }
}

#[tokio::test]
async fn a_socket_on_the_root_and_requests_below_v3_may_be_mixed() {
    let (a, b) = (sim(SimGeneration::V3_7).await, sim(SimGeneration::V3_7).await);
    let proxy = ProxyUnderTest::start(&[&a, &b]).await;
    for user in 1..=4 {
        let client = v3_ops(&proxy, user).connect().await.unwrap();
        let ready = client.wait_for(|message| message["op"] == "ready", SOON).await.unwrap();
        let session = ready["sessionId"].as_str().unwrap();
        let guild = user.to_string();
        client
            .op(&json!({"op": "volume", "guildId": guild, "volume": 30}))
            .await
            .unwrap();
        let holder = if a.sessions().iter().any(|known| known.id == session) {
            &a
        } else {
            &b
        };
        wait_until(SOON, || holder.find_player(user as i64).is_some()).await;
        let path = format!("/v3/sessions/{session}/players/{guild}");
        let answer = client
            .rest()
            .request(Method::PATCH, &path, Some(&json!({"paused": true})))
            .await
            .unwrap();
        assert_eq!((answer.status, &answer.json()["volume"]), (200, &json!(30)));
        assert_eq!(client.load("sim:track:x").await.unwrap().status, 200, "unversioned");
    }
}

#[tokio::test]
async fn a_resume_key_leads_back_to_its_node_however_it_was_told() {
    for by_rest in [false, true] {
        let (a, b) = (sim(SimGeneration::V3_7).await, sim(SimGeneration::V3_7).await);
        let proxy = ProxyUnderTest::start(&[&a, &b]).await;
        let mut clients = Vec::new();
        for user in 1..=6 {
            let protocol = if by_rest { Protocol::V3Rest } else { Protocol::V3Ops };
            let client = TestClient::builder(protocol, &proxy.url(), PASSWORD, user)
                .connect()
                .await
                .unwrap();
            let key = format!("key-{user}");
            if by_rest {
                let body = json!({"resumingKey": key, "timeout": 60});
                assert_eq!(
                    client.update_session(&body).await.unwrap().json()["resumingKey"],
                    key.as_str()
                );
            } else {
                client
                    .op(&json!({"op": "configureResuming", "key": key, "timeout": 60}))
                    .await
                    .unwrap();
            }
            clients.push((client, key));
        }
        let parked = || {
            [&a, &b]
                .iter()
                .flat_map(|node| node.sessions())
                .filter(|session| session.parked)
                .count()
        };
        let with_key = || {
            [&a, &b]
                .iter()
                .flat_map(|node| node.sessions())
                .filter(|session| session.resuming)
                .count()
        };
        wait_until(SOON, || with_key() == 6).await;
        clients.iter().for_each(|(client, _)| client.drop_socket());
        wait_until(SOON, || parked() == 6).await;
        for (client, key) in &clients {
            client.reconnect(Some(key)).await.unwrap();
            assert_eq!(
                client.handshake_header("session-resumed").as_deref(),
                Some("true"),
                "{key}"
            );
        }
        assert_eq!(parked(), 0);
    }
}

/// A 3.7 node that says `ready` and then listens.
async fn listening_node() -> ScriptedNode {
    let mut ready = Vec::new();
    ws::write_frame(
        &mut ready,
        Opcode::Text,
        br#"{"op":"ready","resumed":false,"sessionId":"nodesession00001"}"#,
    );
    ScriptedNode::start_as("3.7.13", move |_| Script::Upgrade(ready.clone())).await
}

#[tokio::test]
async fn pings_of_a_client_are_answered_by_the_proxy_and_go_no_further() {
    let node = listening_node().await;
    let proxy = ProxyUnderTest::builder(&[]).add(node.config("n0")).start().await;
    let mut client = proxy.raw().await;
    let lines = format!("Authorization: {PASSWORD}\r\nUser-Id: {BOT}\r\nNum-Shards: 2\r\nX-More: 1\r\n\r\n");
    client.write(upgrade_head("/", &lines)).await.unwrap();
    assert_eq!(client.read_answer(SOON).await.status(), Some(101));
    let (mut ping, mut pong, mut op) = (Vec::new(), Vec::new(), Vec::new());
    ws::write_masked_frame(&mut ping, Opcode::Ping, b"beat", [1, 2, 3, 4]);
    ws::write_frame(&mut pong, Opcode::Pong, b"beat");
    ws::write_masked_frame(&mut op, Opcode::Text, br#"{"op":"x"}"#, [5, 6, 7, 8]);
    client.write(&ping).await.unwrap();
    assert!(client.read_until(&pong, SOON).await.is_some());
    client.write(&op).await.unwrap();
    wait_until(SOON, || node.frames() == op).await;
    let head = &node.heads()[0];
    assert!(head.starts_with("GET / HTTP/1.1\r\n"), "{head}");
    assert_eq!(
        (header(head, "num-shards"), header(head, "x-more")),
        (Some("2"), Some("1"))
    );
    assert_eq!(
        (header(head, "authorization"), header(head, "user-id")),
        (Some("youshallnotpass"), Some(BOT.to_string().as_str()))
    );
}

#[tokio::test]
async fn close_codes_pass_both_ways() {
    let node = listening_node().await;
    let proxy = ProxyUnderTest::builder(&[]).add(node.config("n0")).start().await;
    let mut client = proxy.raw().await;
    client
        .write(upgrade_head(
            "/v3/websocket",
            &format!("Authorization: {PASSWORD}\r\nUser-Id: {BOT}\r\n\r\n"),
        ))
        .await
        .unwrap();
    assert!(client.read_until(b"nodesession00001", SOON).await.is_some());
    let mut close = Vec::new();
    ws::write_masked_frame(&mut close, Opcode::Close, &ws::close_payload(4321, ""), [0; 4]);
    client.write(&close).await.unwrap();
    wait_until(SOON, || node.frames() == close).await;

    let sim = sim(SimGeneration::V3_7).await;
    for (code, expected) in [(Some(4000), 4000), (Some(1000), 1000), (None, 1001)] {
        let proxy = ProxyUnderTest::start(&[&sim]).await;
        let client = v3_rest(&proxy, BOT).connect().await.unwrap();
        match code {
            Some(code) => assert!(sim.close_session(&client.session_id(), code)),
            None => sim.die(),
        }
        let ended = client.wait_ended(SOON).await;
        assert!(
            matches!(ended, Some(Ended::Closed(code, _)) if code == expected),
            "{code:?}: {ended:?}"
        );
        assert!(proxy.shared().directory.is_empty());
    }
}

#[tokio::test]
async fn an_op_that_breaks_the_node_ends_the_socket_as_it_does_without_a_proxy() {
    let node = sim(SimGeneration::V3_7).await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let client = v3_rest(&proxy, BOT).connect().await.unwrap();
    client
        .op(&json!({"op": "play", "guildId": "1", "track": "not a track"}))
        .await
        .unwrap();
    let ended = client.wait_ended(SOON).await;
    assert!(matches!(ended, Some(Ended::Closed(1011, _))), "{ended:?}");
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_node_session_along() {
    let node = sim(SimGeneration::V3_7).await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    for politely in [true, false] {
        let client = v3_rest(&proxy, BOT).connect().await.unwrap();
        assert_eq!(node.sessions().len(), 1);
        if politely {
            client.disconnect().await;
        } else {
            client.drop_socket();
        }
        wait_until(SOON, || node.sessions().is_empty()).await;
        proxy.wait_sessions(0).await;
    }
}

#[tokio::test]
async fn half_open_ends_are_noticed() {
    let node = sim(SimGeneration::V3_7).await;
    let proxy = ProxyUnderTest::builder(&[&node])
        .configure(|config| {
            (config.ping_interval, config.ping_timeout) = (Duration::from_millis(400), Duration::from_millis(300))
        })
        .start()
        .await;
    // A bare client answers no pings.
    let mut silent = proxy.raw().await;
    silent
        .write(upgrade_head(
            "/v3/websocket",
            &format!("Authorization: {PASSWORD}\r\nUser-Id: 2\r\n\r\n"),
        ))
        .await
        .unwrap();
    assert!(silent.read_to_end(SOON).await.1);
    wait_until(SOON, || node.sessions().is_empty()).await;
    let client = v3_rest(&proxy, BOT).connect().await.unwrap();
    node.fault(Fault::HalfOpen);
    assert!(matches!(client.wait_ended(SOON).await, Some(Ended::Closed(1001, _))));
}

#[tokio::test]
async fn without_a_v3_node_the_handshake_is_refused_with_503_and_says_so() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    for builder in [v3_ops(&proxy, BOT), v3_rest(&proxy, BOT)] {
        let error = builder.connect().await.unwrap_err();
        let refused = error.downcast_ref::<HandshakeRefused>().unwrap();
        let body: Value = serde_json::from_slice(&refused.body).unwrap();
        assert_eq!(refused.status, 503);
        let message = body["message"].as_str().unwrap();
        assert!(
            message.starts_with("No Lavalink v3") && message.ends_with("node is configured"),
            "{message}"
        );
        assert_eq!(refused.headers["lavalink-api-version"], "3");
    }
}

#[tokio::test]
async fn a_3_7_client_is_not_put_on_a_legacy_node_and_a_legacy_client_goes_anywhere() {
    let (old, new) = (sim(SimGeneration::Legacy).await, sim(SimGeneration::V3_7).await);
    let proxy = ProxyUnderTest::start(&[&old, &new]).await;
    let mut clients = Vec::new();
    for user in 1..=4 {
        clients.push(v3_rest(&proxy, user).connect().await.unwrap());
    }
    assert_eq!((old.sessions().len(), new.sessions().len()), (0, 4));
    assert!(proxy.shared().set_draining("n1", true));
    for user in 11..=12 {
        clients.push(v3_ops(&proxy, user).connect().await.unwrap());
    }
    assert_eq!((old.sessions().len(), new.sessions().len()), (2, 4));
}

#[tokio::test]
async fn stats_of_a_legacy_socket_tell_the_nodes_load() {
    let node = sim(SimGeneration::Legacy).await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let _client = v3_ops(&proxy, BOT).connect().await.unwrap();
    // A legacy node is not asked for them, and sends them once a socket is open.
    wait_until(SOON, || proxy.node("n0").reported.is_some()).await;
}
