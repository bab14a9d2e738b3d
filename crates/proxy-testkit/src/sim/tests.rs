//! The simulated node, seen through the test client: each generation, sessions, resuming, the player's life.

#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::{
    client::{Ended, HandshakeRefused, RawClient, Rest, TestClient, TestClientBuilder, voice},
    wait_until,
};

const SOON: Duration = Duration::from_secs(5);
const PASSWORD: &str = "youshallnotpass";

async fn node(generation: SimGeneration) -> SimNode {
    SimNode::builder()
        .generation(generation)
        .players_interval(Duration::from_millis(100))
        .start()
        .await
        .unwrap()
}

fn client_of(node: &SimNode) -> TestClientBuilder {
    match node.generation() {
        SimGeneration::Legacy => TestClient::v3_ops(&node.url(), PASSWORD, 7),
        SimGeneration::V3_7 => TestClient::v3_rest(&node.url(), PASSWORD, 7),
        _ => TestClient::v4(&node.url(), PASSWORD, 7),
    }
}

fn kinds(messages: &[Value]) -> Vec<String> {
    let kind = |m: &Value| m["type"].as_str().or(m["op"].as_str()).unwrap_or_default().to_owned();
    messages
        .iter()
        .map(kind)
        .filter(|kind| kind != "playerUpdate" && kind != "stats")
        .collect()
}

#[tokio::test]
async fn a_new_client_gets_ready_then_stats_and_the_documented_headers() {
    for generation in [SimGeneration::V3_7, SimGeneration::V4_1, SimGeneration::V4_2] {
        let node = node(generation).await;
        let client = client_of(&node).connect().await.unwrap();
        assert_eq!(client.session_id().len(), 16);
        assert_eq!(client.handshake_header("session-resumed").as_deref(), Some("false"));
        assert_eq!(
            client.handshake_header("lavalink-api-version").as_deref(),
            Some(generation.api_version())
        );
        let stats = client.wait_for(|m| m["op"] == "stats", SOON).await.unwrap();
        assert_eq!(stats.get("frameStats").is_some(), generation.is_v4(), "{generation:?}");
    }
}

#[tokio::test]
async fn a_legacy_client_gets_stats_but_no_ready() {
    let node = node(SimGeneration::Legacy).await;
    let client = client_of(&node).connect().await.unwrap();
    client.wait_for(|m| m["op"] == "stats", SOON).await.unwrap();
    assert!(client.messages().iter().all(|m| m["op"] != "ready"));
}

#[tokio::test]
async fn handshakes_are_refused_in_the_documented_order() {
    let refused = |error: anyhow::Error| error.downcast_ref::<HandshakeRefused>().unwrap().clone();
    let node = node(SimGeneration::V4_2).await;
    let wrong = TestClient::v4(&node.url(), "wrong", 7).connect().await.unwrap_err();
    assert_eq!((refused(wrong).status, node.sessions().len()), (401, 0));
    let zero = TestClient::v4(&node.url(), PASSWORD, 0).connect().await.unwrap_err();
    assert_eq!(refused(zero).status, 400);
    let foreign = client_of(&node)
        .header("Origin", "http://elsewhere")
        .connect()
        .await
        .unwrap_err();
    assert_eq!(refused(foreign).status, 403);
    let old = client_of(&node).socket_path("/").connect().await.unwrap_err();
    assert_eq!(refused(old).status, 200);
}

/// A handshake by hand, with the given header lines instead of the usual ones.
fn handshake(path: &str, lines: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\n{lines}Upgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

#[tokio::test]
async fn a_missing_or_odd_user_id_is_met_as_each_generation_does() {
    let auth = "Authorization: youshallnotpass\r\n";
    let cases = [
        (SimGeneration::V4_2, "/v4/websocket", "", 400),
        (SimGeneration::V4_2, "/v4/websocket", "User-Id: \r\n", 400),
        (SimGeneration::V4_2, "/v4/websocket", "User-Id: abc\r\n", 101),
        (SimGeneration::V3_7, "/v3/websocket", "", 400),
        (SimGeneration::V3_7, "/", "User-Id: \r\n", 101),
        (SimGeneration::Legacy, "/", "", 101),
    ];
    for (generation, path, user, status) in cases {
        let node = node(generation).await;
        let mut client = RawClient::connect(node.addr()).await.unwrap();
        client.write(handshake(path, &format!("{auth}{user}"))).await.unwrap();
        assert_eq!(
            client.read_answer(SOON).await.status(),
            Some(status),
            "{generation:?} {path} {user:?}"
        );
        if status == 101 {
            // A close frame of two bytes: 1011.
            assert!(
                client.read_until(&[0x88, 2, 0x03, 0xf3], SOON).await.is_some(),
                "{generation:?} {path} {user:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_failed_handshake_with_a_session_id_leaves_that_session_parked_for_good() {
    let node = node(SimGeneration::V4_2).await;
    let client = client_of(&node).connect().await.unwrap();
    client
        .update_session(&json!({"resuming": true, "timeout": 1}))
        .await
        .unwrap();
    let id = client.session_id();
    client.drop_socket();
    wait_until(SOON, || node.sessions()[0].parked).await;
    let lines = format!("Authorization: {PASSWORD}\r\nUser-Id: 7\r\nSession-Id: {id}\r\nOrigin: http://foreign\r\n");
    let mut probe = RawClient::connect(node.addr()).await.unwrap();
    probe.write(handshake("/v4/websocket", &lines)).await.unwrap();
    let refused = probe.read_answer(SOON).await;
    assert_eq!(
        (refused.status(), refused.header("session-resumed")),
        (Some(403), Some("true"))
    );
    // Nothing to wait for: past its timeout it must still be there.
    tokio::time::sleep(Duration::from_millis(1300)).await;
    assert!(client.resume().await.unwrap());
}

#[tokio::test]
async fn rest_refuses_as_lavalink_does() {
    let node = node(SimGeneration::V4_2).await;
    let (open, wrong) = (
        Rest::to(&node.url(), None).unwrap(),
        Rest::to(&node.url(), Some("wrong")).unwrap(),
    );
    let right = Rest::to(&node.url(), Some(PASSWORD)).unwrap();
    let cases = [
        (&open, "GET", "/v4/info", 401),
        (&wrong, "GET", "/v4/info", 403),
        (&open, "GET", "/nowhere", 404),
        (&open, "DELETE", "/v4/info", 405),
        (&right, "GET", "/v4/info", 200),
        (&right, "GET", "/version", 200),
        (&right, "GET", "/", 200),
        (&right, "GET", "/v4/loadtracks", 400),
        (&right, "POST", "/v4/decodetracks", 400),
        (&right, "GET", "//v4/info", 404),
        (&right, "GET", "/v4/sessions/nope/players", 404),
        (&right, "GET", "/v4/routeplanner/status", 204),
        (&right, "POST", "/v4/routeplanner/free/all", 500),
    ];
    for (rest, method, target, status) in cases {
        let answer = rest.request(method.parse().unwrap(), target, None).await.unwrap();
        assert_eq!(answer.status, status, "{method} {target}: {}", answer.text());
        assert_eq!(answer.header("lavalink-api-version"), Some("4"));
        match status {
            401 | 403 | 204 => assert!(answer.body.is_empty()),
            404 | 405 => assert_eq!(answer.json()["path"], target),
            _ => {}
        }
    }
}

#[tokio::test]
async fn loading_and_decoding_agree_in_every_generation() {
    for generation in SimGeneration::ALL {
        let node = node(generation).await;
        let client = client_of(&node).connect().await.unwrap();
        let encoded = client.load_encoded("sim:track:hello").await.unwrap();
        let decoded = client.decode(&encoded).await.unwrap().json();
        let title = if generation == SimGeneration::Legacy {
            &decoded["title"]
        } else {
            &decoded["info"]["title"]
        };
        assert_eq!(title, "hello", "{generation:?}: {decoded}");
        let missing = client.load("sim:empty").await.unwrap().json();
        assert_eq!(
            missing["loadType"],
            if generation.is_v4() { "empty" } else { "NO_MATCHES" }
        );
    }
}

#[tokio::test]
async fn a_track_plays_replaces_finishes_and_stops_with_the_documented_events() {
    let node = node(SimGeneration::V4_2).await;
    let client = client_of(&node).connect().await.unwrap();
    client.play(1, "sim:track:first").await.unwrap();
    client.play(1, "sim:track:second:300").await.unwrap();
    let finished = client.wait_for(|m| m["reason"] == "finished", SOON).await.unwrap();
    assert_eq!(finished["track"]["info"]["title"], "second");
    assert_eq!(client.destroy_player(1).await.unwrap().status, 204);
    client.wait_event("WebSocketClosedEvent", 1, SOON).await.unwrap();
    assert_eq!(
        kinds(&client.messages()),
        ["TrackStartEvent", "TrackEndEvent", "TrackStartEvent"]
    );
    assert_eq!(
        client.get_player(1).await.unwrap().json()["message"],
        "Player not found"
    );
}

#[tokio::test]
async fn positions_advance_only_with_a_voice_connection_and_updates_come_also_while_paused() {
    let node = node(SimGeneration::V4_2).await;
    let client = client_of(&node).connect().await.unwrap();
    let encoded = client.load_encoded("sim:track:x").await.unwrap();
    let track = json!({"track": {"encoded": encoded, "userData": {"by": "me"}}});
    let player = client.patch_player(1, &track).await.unwrap().json();
    assert_eq!(
        (&player["track"]["userData"]["by"], &player["state"]["connected"]),
        (&json!("me"), &json!(false))
    );
    client.clear_messages();
    let still = client.wait_for(|m| m["op"] == "playerUpdate", SOON).await.unwrap();
    assert_eq!(still["state"]["position"], 0);
    client.patch_player(1, &json!({"voice": voice(1, true)})).await.unwrap();
    client
        .wait_for(|m| m["state"]["position"].as_i64() > Some(0), SOON)
        .await
        .unwrap();
    client
        .patch_player(1, &json!({"paused": true, "position": 5000}))
        .await
        .unwrap();
    client.clear_messages();
    for _ in 0..2 {
        let paused = client.wait_for(|m| m["op"] == "playerUpdate", SOON).await.unwrap();
        assert_eq!(paused["state"]["position"], 5000);
    }
}

#[tokio::test]
async fn player_updates_are_refused_as_documented() {
    let encoded = SimTrack::http("t", "https://sim.invalid/t", 1000).encode(3);
    let cases = [
        (
            json!({"track": {"encoded": encoded}, "identifier": "x"}),
            400,
            "Cannot specify both track and",
        ),
        (
            json!({"encodedTrack": encoded, "identifier": "x"}),
            400,
            "Cannot specify both encodedTrack and identifier",
        ),
        (
            json!({"filters": {"karaoke": null}}),
            400,
            "Following filters are disabled in the config: karaoke",
        ),
        (
            json!({"voice": {"token": "t", "endpoint": "e", "sessionId": "s"}}),
            400,
            "Bad Request",
        ),
        (
            json!({"voice": {"token": "t", "endpoint": "e", "sessionId": "s", "channelId": null}}),
            400,
            "must be provided",
        ),
        (
            json!({"voice": {"token": "t", "endpoint": "fail.x", "sessionId": "s", "channelId": "1"}}),
            500,
            "voice server",
        ),
        (json!({"endTime": 0}), 400, "End time must be greater than 0"),
        (json!({"volume": "loud"}), 400, "Bad Request"),
        (json!([]), 400, "Bad Request"),
        (json!({"track": {"encoded": "AAAA"}}), 500, "No message available"),
        (json!({"track": {"encoded": "QAAAAQk="}}), 500, "Failed to decode track"),
        (
            json!({"track": {"identifier": "sim:empty"}}),
            400,
            "No matches found for identifier",
        ),
        (
            json!({"track": {"identifier": "sim:playlist:2"}}),
            400,
            "Cannot play a playlist or search result",
        ),
    ];
    let node = SimNode::builder().disabled_filters(&["karaoke"]).start().await.unwrap();
    let client = client_of(&node).connect().await.unwrap();
    for (body, status, message) in cases {
        let answer = client.patch_player(1, &body).await.unwrap();
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        assert!(
            answer.json()["message"].as_str().unwrap().contains(message),
            "{body}: {}",
            answer.text()
        );
    }
    assert_eq!(client.patch_player("x", &json!({})).await.unwrap().status, 400);
}

#[tokio::test]
async fn only_4_2_demands_a_channel_id() {
    for (generation, status) in [
        (SimGeneration::V4_1, 200),
        (SimGeneration::V4_2, 400),
        (SimGeneration::V3_7, 200),
    ] {
        let node = node(generation).await;
        let client = client_of(&node).connect().await.unwrap();
        let answer = client
            .patch_player(1, &json!({"voice": voice(1, false)}))
            .await
            .unwrap();
        assert_eq!(answer.status, status, "{generation:?}: {}", answer.text());
    }
}

#[tokio::test]
async fn no_replace_keeps_the_track_but_applies_the_rest() {
    let node = node(SimGeneration::V4_2).await;
    let client = client_of(&node).connect().await.unwrap();
    client.play(1, "sim:track:first").await.unwrap();
    let other = client.load_encoded("sim:track:second").await.unwrap();
    let body = json!({"track": {"encoded": other}, "volume": 2000, "filters": {"timescale": {"speed": 2.0}}});
    let player = client.patch_player("1?noReplace=True", &body).await.unwrap().json();
    assert_eq!(
        (&player["track"]["info"]["title"], &player["volume"]),
        (&json!("first"), &json!(1000))
    );
    assert_eq!(
        player["filters"]["timescale"],
        json!({"speed": 2.0, "pitch": 1.0, "rate": 1.0})
    );
}

#[tokio::test]
async fn a_parked_session_queues_events_but_no_updates_and_replays_them_in_order() {
    let node = node(SimGeneration::V4_2).await;
    let client = client_of(&node).connect().await.unwrap();
    let session = client
        .update_session(&json!({"resuming": true, "timeout": 60}))
        .await
        .unwrap();
    assert_eq!(session.json(), json!({"resuming": true, "timeout": 60}));
    client.play(1, "sim:track:short:400").await.unwrap();
    let id = client.session_id();
    client.drop_socket();
    client.clear_messages();
    wait_until(SOON, || node.sessions()[0].parked).await;
    assert_eq!(client.get_player(1).await.unwrap().status, 404);
    assert!(node.push(&id, r#"{"op":"pluginThing","n":1}"#));
    wait_until(SOON, || {
        node.player(&id, 1).is_some_and(|player| player["track"].is_null())
    })
    .await;
    assert!(client.resume().await.unwrap());
    assert_eq!(client.session_id(), id);
    assert_eq!(client.handshake_header("session-resumed").as_deref(), Some("true"));
    client
        .wait_for(|m| m["op"] == "playerUpdate" && m["state"]["position"] == 0, SOON)
        .await
        .unwrap();
    assert_eq!(kinds(&client.messages()), ["pluginThing", "TrackEndEvent"]);
}

#[tokio::test]
async fn a_session_without_resuming_or_past_its_timeout_is_gone() {
    let node = node(SimGeneration::V4_2).await;
    let client = client_of(&node).connect().await.unwrap();
    client.drop_socket();
    wait_until(SOON, || node.sessions().is_empty()).await;
    assert!(!client.resume().await.unwrap());
    client
        .update_session(&json!({"resuming": true, "timeout": 0}))
        .await
        .unwrap();
    client.drop_socket();
    wait_until(SOON, || node.sessions().is_empty()).await;
    assert!(!client.resume().await.unwrap());
}

#[tokio::test]
async fn v3_ops_drive_a_player_and_resume_by_key_in_both_v3_generations() {
    for generation in [SimGeneration::Legacy, SimGeneration::V3_7] {
        let node = node(generation).await;
        let client = TestClient::v3_ops(&node.url(), PASSWORD, 7).connect().await.unwrap();
        let encoded = client.load_encoded("sim:track:v3").await.unwrap();
        let event = json!({"token": "t", "guild_id": "5", "endpoint": "e.discord.media"});
        client
            .op(&json!({"op": "voiceUpdate", "guildId": "5", "sessionId": "s", "event": event}))
            .await
            .unwrap();
        client
            .op(&json!({"op": "play", "guildId": "5", "track": encoded, "volume": "80"}))
            .await
            .unwrap();
        let start = client.wait_event("TrackStartEvent", 5, SOON).await.unwrap();
        assert_eq!(start.get("encodedTrack").is_some(), generation == SimGeneration::V3_7);
        client
            .op(&json!({"op": "equalizer", "guildId": "5", "bands": [{"band": 0, "gain": 0.2}]}))
            .await
            .unwrap();
        client
            .op(&json!({"op": "seek", "guildId": "5", "position": 60_000}))
            .await
            .unwrap();
        client
            .wait_for(|m| m["state"]["position"].as_i64() >= Some(60_000), SOON)
            .await
            .unwrap();
        client
            .op(&json!({"op": "configureResuming", "key": "mine", "timeout": 30}))
            .await
            .unwrap();
        wait_until(SOON, || node.sessions()[0].resuming).await;
        client.drop_socket();
        wait_until(SOON, || node.sessions()[0].parked).await;
        client.reconnect(Some("mine")).await.unwrap();
        assert_eq!(client.handshake_header("session-resumed").as_deref(), Some("true"));
        let (_, player) = node.find_player(5).unwrap();
        assert_eq!(
            (&player["volume"], &player["filters"]["equalizer"][0]["gain"]),
            (&json!(80), &json!(0.2))
        );
        client.op(&json!({"op": "destroy", "guildId": "5"})).await.unwrap();
        let end = client.wait_event("TrackEndEvent", 5, SOON).await.unwrap();
        assert_eq!(end["reason"], "STOPPED");
    }
}

#[tokio::test]
async fn a_bad_op_closes_the_socket_of_3_7_only() {
    for (generation, closes) in [(SimGeneration::Legacy, false), (SimGeneration::V3_7, true)] {
        let node = node(generation).await;
        let client = TestClient::v3_ops(&node.url(), PASSWORD, 7).connect().await.unwrap();
        client.op(&json!({"op": "unknown"})).await.unwrap();
        client
            .op(&json!({"op": "play", "guildId": "5", "track": "broken"}))
            .await
            .unwrap();
        if closes {
            assert_eq!(client.wait_ended(SOON).await, Some(Ended::Closed(1011, String::new())));
        } else {
            client
                .op(&json!({"op": "pause", "guildId": "6", "pause": true}))
                .await
                .unwrap();
            client.wait_for(|m| m["guildId"] == "6", SOON).await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_plugin_route_shows_what_arrived_and_the_log_keeps_it() {
    let node = node(SimGeneration::V4_2).await;
    let rest = Rest::to(&node.url(), Some(PASSWORD)).unwrap();
    let body = json!({"a": 1});
    let answer = rest
        .request(http::Method::PUT, "/v4/simplugin/echo?x=%2B+y", Some(&body))
        .await
        .unwrap()
        .json();
    assert_eq!(
        (&answer["method"], &answer["target"]),
        (&json!("PUT"), &json!("/v4/simplugin/echo?x=%2B+y"))
    );
    assert_eq!(answer["body"], body.to_string());
    let seen = node.requests().pop().unwrap();
    assert_eq!(
        (seen.header("authorization"), seen.json()),
        (Some(PASSWORD), Some(body))
    );
}

#[tokio::test]
async fn numbered_messages_reach_every_session_complete_and_in_order() {
    let node = node(SimGeneration::V4_2).await;
    let clients = [
        client_of(&node).connect().await.unwrap(),
        client_of(&node).connect().await.unwrap(),
    ];
    for (client, guild) in clients.iter().zip([10, 20]) {
        for guild in guild..guild + 3 {
            client
                .patch_player(guild, &json!({"voice": voice(guild, true)}))
                .await
                .unwrap();
        }
    }
    let plan = NumberedPlan {
        every: Duration::from_millis(5),
        duration: Duration::from_millis(300),
        guilds: None,
    };
    let report = node.emit_numbered(plan).wait().await;
    assert!(report.messages > 60 && report.last.len() == 6, "{report:?}");
    for client in &clients {
        let complete = |seen: &crate::client::SequenceReport| {
            seen.last.len() == 3 && seen.last.iter().all(|(guild, last)| report.last[guild] == *last)
        };
        assert!(client.wait_sequences(complete, SOON).await, "{:?}", client.sequences());
        assert!(client.sequences().is_clean());
    }
}
