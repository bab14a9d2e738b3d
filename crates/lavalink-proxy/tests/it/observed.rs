//! What the admin side sees of nodes and sessions beyond figures: probes, changes of state, placements, players.

use std::time::Duration;

use proxy_core::health::NodeState;
use proxy_core::pool::NodeId;
use proxy_gateway::players::PlayersError;
use proxy_testkit::client::voice;
use proxy_testkit::{Fault, SimGeneration, TestClient};
use serde_json::json;

use crate::support::{BOT, PASSWORD, ProxyUnderTest, sim, sim_v4};

const NODE: NodeId = NodeId(0);

#[tokio::test]
async fn probes_and_changes_of_state_are_kept_with_their_cause() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let observed = &proxy.shared().observed;
    let first = observed.probes_since(NODE, 0);
    assert_eq!((first[0].number, first[0].what.is_ok()), (1, true));
    let changes = observed.state_changes_since(0);
    assert_eq!(
        (changes[0].what.from, changes[0].what.to),
        (NodeState::Unknown, NodeState::Healthy)
    );
    node.fault(Fault::Refuse);
    proxy.wait_state("n0", NodeState::Down).await;
    let seen = changes.last().unwrap().number;
    let fresh = observed.state_changes_since(seen);
    let last = fresh.last().unwrap();
    assert_eq!((last.what.node, last.what.to), (NODE, NodeState::Down));
    assert!(
        last.what.why.to_string().contains("connecting failed"),
        "{}",
        last.what.why
    );
    let failed = observed.probes_since(NODE, first.last().unwrap().number);
    assert!(failed.iter().any(|probe| probe.what.is_err()), "{failed:?}");
}

#[tokio::test]
async fn a_placement_is_kept_with_its_session_and_its_reason() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let client = proxy.connect().await;
    let placed = proxy.shared().observed.placements_since(NODE, 0);
    assert_eq!(placed.len(), 1);
    let placement = &placed[0].what;
    assert_eq!(placement.session.as_ref().unwrap().as_str(), client.session_id());
    assert!(placement.to_string().contains("of 1"), "{placement}");
}

#[tokio::test]
async fn a_sessions_players_are_asked_of_its_node_and_come_without_voice_tokens() {
    for generation in [SimGeneration::V4_2, SimGeneration::V3_7] {
        let node = sim(generation).await;
        let proxy = ProxyUnderTest::start(&[&node]).await;
        let client = match generation {
            SimGeneration::V4_2 => proxy.v4(BOT),
            _ => TestClient::v3_rest(&proxy.url(), PASSWORD, BOT),
        };
        let client = client.connect().await.unwrap();
        let answer = client
            .patch_player(7, &json!({"voice": voice(7, true), "volume": 55}))
            .await
            .unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        let before = proxy.shared().node_usage(NODE).0;
        let on_nodes = proxy.shared().players_of(&client.session_id()).await.unwrap();
        assert_eq!((on_nodes.len(), on_nodes[0].node), (1, NODE));
        let players = on_nodes[0].players.as_ref().unwrap();
        assert_eq!(
            (players[0]["guildId"].as_str(), players[0]["volume"].as_i64()),
            (Some("7"), Some(55))
        );
        let text = serde_json::to_string(players).unwrap();
        assert!(!text.contains("token-7") && !text.contains("voice-session-7"), "{text}");
        assert!(players[0]["voice"]["endpoint"].is_string());
        // The question is part of the node side's figures.
        let after = proxy.shared().node_usage(NODE).0;
        assert!(after.requests > before.requests && after.bytes_in - before.bytes_in > text.len() as u64);
        client.disconnect().await;
    }
}

#[tokio::test]
async fn players_that_cannot_be_told_are_an_error_with_a_reason() {
    let (node, legacy) = (sim_v4().await, sim(SimGeneration::Legacy).await);
    let proxy = ProxyUnderTest::builder(&[&node, &legacy])
        .configure(|config| config.response_timeout = Duration::from_millis(300))
        .start()
        .await;
    let shared = proxy.shared();
    assert_eq!(shared.players_of("nobody").await.unwrap_err(), PlayersError::NoSession);
    let undecided = TestClient::builder(proxy_testkit::client::Protocol::V3Rest, &proxy.url(), PASSWORD, BOT)
        .socket_path("/v4")
        .connect()
        .await
        .unwrap();
    let id = undecided.session_id();
    assert_eq!(shared.players_of(&id).await.unwrap_err(), PlayersError::NoNode);
    undecided.disconnect().await;
    let client = proxy.connect().await;
    node.fault_on("/v4/sessions", Fault::NeverAnswer, 1);
    let told = shared.players_of(&client.session_id()).await.unwrap();
    let error = told[0].players.as_ref().unwrap_err();
    assert_eq!(error.to_string(), "no answer in time");
}
