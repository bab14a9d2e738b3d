//! Nodes and links that are lost without warning.

use std::time::Instant;

use super::*;

#[tokio::test]
async fn players_of_a_killed_node_play_on_elsewhere_at_their_place() {
    let (a, b) = (node().await, node().await);
    // So many would not all be on one node otherwise.
    let proxy = ProxyUnderTest::builder(&[&a, &b])
        .configure(|config| Arc::make_mut(&mut config.sessions).placement = PlacementMode::Session)
        .start()
        .await;
    let client = playing(&proxy, 1..5).await;
    client
        .patch_player(
            3,
            &json!({"position": 60_000, "volume": 33, "filters": {"timescale": {"speed": 1.0}}}),
        )
        .await
        .unwrap();
    client
        .patch_player(4, &json!({"paused": true, "endTime": 500_000}))
        .await
        .unwrap();
    for guild in 5..21 {
        client.play(guild, LONG).await.unwrap();
    }
    wait_until(SOON, || {
        count(&client, "TrackStartEvent") == 20 && players(&proxy, &client) == 20
    })
    .await;
    let (held, other) = holder(&a, &b);
    wait_playing(held, 1..21).await;
    let before: Vec<i64> = (1..21).map(|guild| position(held, guild).unwrap()).collect();
    let killed = Instant::now();
    held.die();
    wait_playing(other, 1..21).await;
    for (guild, before) in (1..21).zip(before) {
        let (player, passed) = (other.find_player(guild).unwrap().1, killed.elapsed().as_millis() as i64);
        let at = player["state"]["position"].as_i64().unwrap();
        let expected = if guild == 4 { before } else { before + passed };
        assert!(
            (at - expected).abs() < 1_000,
            "guild {guild} is at {at} and should be at {expected}"
        );
    }
    wait_until(SOON, || moves(&proxy, MoveOutcome::Moved) == 20).await;
    let third = client.get_player(3).await.unwrap().json();
    assert_eq!(
        (&third["volume"], &third["filters"]["timescale"]["speed"]),
        (&json!(33), &json!(1.0))
    );
    assert_eq!(client.get_player(4).await.unwrap().json()["paused"], json!(true));
    assert_unnoticed(&client, 20);
    assert_eq!(other.sessions().len(), 1, "one session for all of them");
    // And on from there as before.
    client.play(1, "sim:track:next").await.unwrap();
    client.wait_event("TrackEndEvent", 1, SOON).await.unwrap();
    client.disconnect().await;
    wait_until(SOON, || other.sessions().is_empty()).await;
}

#[tokio::test]
async fn a_node_that_shuts_down_in_order_is_left_at_once() {
    let (a, b) = (node().await, node().await);
    let proxy = ProxyUnderTest::start(&[&a, &b]).await;
    let client = playing(&proxy, 1..4).await;
    let (held, other) = holder(&a, &b);
    held.fault(Fault::Shutdown);
    wait_playing(other, 1..4).await;
    assert_unnoticed(&client, 3);
}

#[tokio::test]
async fn the_only_node_gets_its_players_again_when_it_is_back() {
    let a = node().await;
    let proxy = ProxyUnderTest::start(&[&a]).await;
    let client = playing(&proxy, 1..4).await;
    a.die();
    wait_until(SOON, || a.sessions().is_empty()).await;
    a.revive().unwrap();
    wait_playing(&a, 1..4).await;
    wait_until(SOON, || moves(&proxy, MoveOutcome::Moved) == 3).await;
    assert_unnoticed(&client, 3);
}

#[tokio::test]
async fn a_broken_link_is_resumed_with_nothing_lost() {
    let (a, b) = (node().await, node().await);
    let proxy = ProxyUnderTest::start(&[&a, &b]).await;
    let client = playing(&proxy, 1..4).await;
    let (held, other) = holder(&a, &b);
    let session = held.sessions()[0].id.clone();
    wait_until(SOON, || held.sessions()[0].resuming).await;
    for round in 0..5 {
        assert!(held.drop_session_socket(&session));
        wait_until(SOON, || held.sessions()[0].parked).await;
        assert!(held.push(
            &session,
            json!({"op": "event", "type": "X", "guildId": "1", "name": round}).to_string()
        ));
        client.wait_for(|message| message["name"] == round, SOON).await.unwrap();
    }
    assert_eq!(held.sessions()[0].id, session, "the same session all the time");
    assert!(other.sessions().is_empty());
    assert_unnoticed(&client, 3);
    assert_eq!(client.get_player(2).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_track_that_ended_in_a_dead_socket_is_told() {
    let a = node().await;
    let proxy = ProxyUnderTest::start(&[&a]).await;
    let client = playing(&proxy, 1..3).await;
    let session = a.sessions()[0].id.clone();
    wait_until(SOON, || a.sessions()[0].resuming).await;
    // Both happen at once on the node: what it wrote last goes down with the socket.
    a.fault(Fault::HalfOpen);
    a.fail_track(&session, 1, "gone");
    a.drop_session_socket(&session);
    // The proxy connects again only when the socket is gone, and what was written to it. Requests that it sends on
    // connections that are silent still would take until they are given up.
    let handshakes = || {
        let requests = a.requests();
        requests
            .iter()
            .filter(|request| request.target == "/v4/websocket")
            .count()
    };
    wait_until(LATER, || handshakes() > 1).await;
    a.clear_faults().unwrap();
    let ended = client.wait_event("TrackEndEvent", 1, LATER).await.unwrap();
    assert!(["finished", "loadFailed"].contains(&ended["reason"].as_str().unwrap()));
    assert_eq!(
        (count(&client, "TrackEndEvent"), client.ended()),
        (0, None),
        "it is told once"
    );
}

#[tokio::test]
async fn a_frozen_node_is_left_and_cleaned_up_when_it_thaws() {
    let (a, b) = (node().await, node().await);
    let proxy = ProxyUnderTest::start(&[&a, &b]).await;
    let client = playing(&proxy, 1..4).await;
    let (held, other) = holder(&a, &b);
    wait_until(SOON, || held.sessions()[0].resuming).await;
    held.fault(Fault::Stall);
    held.fault(Fault::HalfOpen);
    wait_playing(other, 1..4).await;
    assert_eq!(client.get_player(1).await.unwrap().status, 200);
    assert!(!held.sessions().is_empty(), "it plays on by itself");
    held.clear_faults().unwrap();
    wait_until(SOON, || held.sessions().is_empty()).await;
    assert_unnoticed(&client, 3);
    wait_playing(other, 1..4).await;
}

#[tokio::test]
async fn a_player_that_a_node_refuses_goes_to_the_next_one() {
    let (a, b, c) = (node().await, node().await, node().await);
    let proxy = ProxyUnderTest::start(&[&a, &b, &c]).await;
    let client = playing(&proxy, 1..2).await;
    let nodes = [&a, &b, &c];
    let held = nodes.iter().find(|node| !node.sessions().is_empty()).unwrap();
    let others: Vec<_> = nodes.iter().filter(|node| node.addr() != held.addr()).collect();
    // Whichever is tried first refuses once.
    others[0].fault_on("/v4/sessions/", Fault::Status500, 1);
    others[1].fault_on("/v4/sessions/", Fault::Status500, 1);
    held.die();
    wait_until(SOON, || moves(&proxy, MoveOutcome::Moved) + failed(&proxy) == 1).await;
    let on: usize = others.iter().filter(|node| position(node, 1).is_some()).count();
    assert!(on == 1 || failed(&proxy) == 1, "on {on} nodes");
    assert_eq!(client.ended(), None);
}

fn failed(proxy: &ProxyUnderTest) -> u64 {
    moves(proxy, MoveOutcome::Failed)
}

#[tokio::test]
async fn a_player_that_cannot_be_saved_ends_with_the_events_of_lavalink() {
    let a = node().await;
    let proxy = ProxyUnderTest::builder(&[&a])
        .configure(|config| {
            let sessions = Arc::make_mut(&mut config.sessions);
            sessions.links.move_limit = Duration::from_secs(3);
        })
        .start()
        .await;
    let client = playing(&proxy, 1..2).await;
    wait_until(SOON, || a.sessions()[0].resuming).await;
    // It comes back, but takes no players.
    a.die();
    a.fault_on("/v4/sessions/", Fault::Status(503), 100);
    a.revive().unwrap();
    client.wait_event("TrackExceptionEvent", 1, SOON).await.unwrap();
    let ended = client.wait_event("TrackEndEvent", 1, SOON).await.unwrap();
    assert_eq!(ended["reason"], json!("loadFailed"));
    client.wait_event("WebSocketClosedEvent", 1, SOON).await.unwrap();
    assert_eq!(failed(&proxy), 1);
    assert_eq!(client.ended(), None);
}

#[tokio::test]
async fn a_session_that_finds_no_node_for_too_long_is_closed_as_a_node_would() {
    let a = node().await;
    let proxy = ProxyUnderTest::builder(&[&a])
        .configure(|config| {
            let sessions = Arc::make_mut(&mut config.sessions);
            sessions.links.move_limit = Duration::from_millis(600);
        })
        .start()
        .await;
    let client = playing(&proxy, 1..2).await;
    a.die();
    assert!(matches!(client.wait_ended(SOON).await, Some(Ended::Closed(1001, _))));
    proxy.wait_sessions(0).await;
}
