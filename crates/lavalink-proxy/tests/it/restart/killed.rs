//! `kill -9`, and what the next run makes of what was there.

use super::*;

#[tokio::test]
async fn all_sessions_are_resumed_and_their_music_has_played_on() {
    let (a, b) = (node().await, node().await);
    let nodes = [&a, &b];
    let place = Place::new(LONG_GRACE, &nodes);
    let run = place.run().await;
    let mut clients = Vec::new();
    for user in 1..=6 {
        let guild = user as i64 * 10;
        let client = run.playing(user, &[guild, guild + 1]).await;
        if user % 2 == 0 {
            ask_for_resuming(&client, 300).await;
        }
        clients.push((user, client));
    }
    let idle = run.connect(7).await;
    wait_kept(&nodes).await;
    let (before, place_before) = (with_players(&nodes), position(&nodes, 10).unwrap());
    run.kill().await;
    for (_, client) in &clients {
        assert!(client.wait_ended(SOON).await.is_some());
    }
    let parked = || {
        nodes
            .iter()
            .flat_map(|node| node.sessions())
            .all(|session| session.parked)
    };
    wait_until(SOON, parked).await;
    // What happens while nobody is there.
    for node in nodes {
        for session in node.sessions() {
            let guild = session.guilds[0].to_string();
            let event = json!({"op": "event", "type": "X", "guildId": guild, "of": session.user_id});
            assert!(node.push(&session.id, event.to_string()));
        }
    }
    let run = place.run().await;
    let mut all = Vec::new();
    for (user, client) in &clients {
        let back = run.come_back(client, *user).await;
        assert_eq!(back.session_id(), client.session_id());
        assert!(back.resumed());
        assert_eq!(back.handshake_header("session-resumed").as_deref(), Some("true"));
        let missed = back.wait_for(|message| message["type"] == "X", SOON).await.unwrap();
        assert_eq!(missed["of"], json!(*user as i64), "its own, and nobody else's");
        for guild in [*user as i64 * 10, *user as i64 * 10 + 1] {
            wait_player(&back, guild).await;
            let update = back.patch_player(guild, &json!({"volume": 50})).await.unwrap();
            assert_eq!(update.status, 200);
        }
        assert_eq!(back.get_players().await.unwrap().json().as_array().unwrap().len(), 2);
        all.push(back);
    }
    let back = run.come_back(&idle, 7).await;
    assert!(back.resumed() && back.session_id() == idle.session_id());
    back.play(70, LONG).await.unwrap();
    assert!(
        position(&nodes, 10).unwrap() >= place_before,
        "it was not started again"
    );
    let now = with_players(&nodes);
    assert!(before.iter().all(|session| now.contains(session)), "{before:?} {now:?}");
    assert_eq!(destroying(&nodes), 0);
}

#[tokio::test]
async fn nothing_plays_on_for_clients_that_do_not_come_back() {
    let (a, b) = (node().await, node().await);
    let nodes = [&a, &b];
    let place = Place::new("grace = \"2s\"", &nodes);
    let run = place.run().await;
    let gone = run.playing(1, &[1, 2]).await;
    let patient = run.playing(2, &[3]).await;
    ask_for_resuming(&patient, 300).await;
    let anew = run.playing(3, &[4]).await;
    wait_kept(&nodes).await;
    run.kill().await;
    let run = place.run().await;
    // A client that names no session gets a new one, as from Lavalink.
    let other = run.connect(3).await;
    assert!(!other.resumed());
    assert_ne!(other.session_id(), anew.session_id());
    let left = || [1, 2, 4].iter().all(|guild| position(&nodes, *guild).is_none());
    wait_until(SOON, left).await;
    assert!(position(&nodes, 3).is_some(), "it asked for longer");
    assert!(!run.come_back(&gone, 1).await.resumed(), "too late");
    let back = run.come_back(&patient, 2).await;
    assert!(back.resumed());
    wait_player(&back, 3).await;
    // What is over is forgotten: another run does not know of it.
    back.disconnect().await;
    ask_for_resuming(&other, 300).await;
    run.kill().await;
    let run = place.run().await;
    assert!(!run.come_back(&gone, 1).await.resumed());
    assert!(run.come_back(&other, 3).await.resumed());
}

#[tokio::test]
async fn a_track_that_ended_while_nobody_was_there_is_told() {
    let a = node().await;
    let nodes = [&a];
    let place = Place::new(LONG_GRACE, &nodes);
    let run = place.run().await;
    let client = run.playing(1, &[1, 2]).await;
    wait_kept(&nodes).await;
    run.kill().await;
    wait_until(SOON, || a.sessions().iter().all(|session| session.parked)).await;
    let session = a.sessions()[0].id.clone();
    assert!(a.fail_track(&session, 1, "it broke"));
    let run = place.run().await;
    let back = run.come_back(&client, 1).await;
    assert!(back.resumed());
    back.wait_event("TrackEndEvent", 1, SOON).await.unwrap();
    wait_player(&back, 2).await;
}

/// What a client was told of is there after a kill at any moment after.
#[tokio::test]
async fn whoever_has_seen_ready_is_known_to_the_next_run() {
    let a = node().await;
    let place = Place::new(LONG_GRACE, &[&a]);
    let mut known: Vec<(u64, TestClient)> = Vec::new();
    for user in 1..=20 {
        let run = place.run().await;
        let client = run.connect(user).await;
        run.kill().await;
        known.push((user, client));
    }
    let run = place.run().await;
    for (user, client) in &known {
        assert!(run.come_back(client, *user).await.resumed(), "{user}");
    }
}

#[tokio::test]
async fn an_answered_session_update_outlives_the_process() {
    let a = node().await;
    let place = Place::new("grace = \"1s\"", &[&a]);
    let run = place.run().await;
    let (asked, took_back) = (run.connect(1).await, run.connect(2).await);
    ask_for_resuming(&took_back, 300).await;
    let off = took_back.update_session(&json!({"resuming": false})).await.unwrap();
    assert_eq!(off.json(), json!({"resuming": false, "timeout": 300}));
    ask_for_resuming(&asked, 300).await;
    run.kill().await;
    let run = place.run().await;
    wait_until(SOON, || a.sessions().len() == 1).await;
    assert!(run.come_back(&asked, 1).await.resumed());
    assert!(!run.come_back(&took_back, 2).await.resumed());
}

#[tokio::test]
async fn players_of_a_node_that_is_down_as_well_are_not_promised_to_their_client() {
    let (a, b) = (node().await, node().await);
    let nodes = [&a, &b];
    for restarted in [false, true] {
        let place = Place::new(LONG_GRACE, &nodes);
        let run = place.run().await;
        let client = run.playing(1, &[1]).await;
        wait_kept(&nodes).await;
        let held = if a.sessions().is_empty() { &b } else { &a };
        run.kill().await;
        held.die();
        if restarted {
            held.revive().unwrap();
        }
        let run = place.run().await;
        let resumed = async || run.come_back(&client, 1).await.resumed();
        // It may be back before the proxy knows; then its socket is closed, as by a node that goes.
        let back = run.come_back(&client, 1).await;
        if back.resumed() {
            assert!(matches!(back.wait_ended(SOON).await, Some(Ended::Closed(1001, _))));
            assert!(!resumed().await);
        }
        let fresh = run.connect(2).await;
        fresh.play(5, LONG).await.unwrap();
        run.kill().await;
        if !restarted {
            held.revive().unwrap();
        }
        wait_until(SOON, || {
            nodes
                .iter()
                .all(|node| node.sessions().iter().all(|session| session.parked))
        })
        .await;
        nodes.iter().for_each(|node| {
            node.die();
            node.revive().unwrap();
        });
    }
}

/// What the configuration no longer has is left in order.
#[tokio::test]
async fn tenants_and_nodes_that_are_gone_are_no_obstacle() {
    let (a, b) = (node().await, node().await);
    let nodes = [&a, &b];
    let mut place = Place::new(LONG_GRACE, &nodes);
    place.config += "[[tenants]]\nname = \"other\"\npassword = \"another-password\"\n";
    let run = place.run().await;
    let client = run.playing(1, &[1]).await;
    let foreign = TestClient::v4(&run.url, "another-password", 2).connect().await.unwrap();
    foreign.play(2, LONG).await.unwrap();
    wait_kept(&nodes).await;
    run.kill().await;
    place.config = place
        .config
        .replace("[[tenants]]\nname = \"other\"\npassword = \"another-password\"\n", "");
    let run = place.run().await;
    wait_until(SOON, || position(&nodes, 2).is_none()).await;
    assert!(run.come_back(&client, 1).await.resumed());
    let foreign = TestClient::v4(&run.url, PASSWORD, 2)
        .resume(foreign.session_id())
        .connect()
        .await
        .unwrap();
    assert!(!foreign.resumed());
}
