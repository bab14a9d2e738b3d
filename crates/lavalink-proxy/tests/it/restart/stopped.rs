//! SIGTERM: what is told to clients and left on nodes, for another run to take up.

use super::*;

#[tokio::test]
async fn players_are_left_to_the_nodes_and_the_next_run_has_their_sessions() {
    let (a, b) = (node().await, node().await);
    let nodes = [&a, &b];
    let place = Place::new(LONG_GRACE, &nodes);
    let run = place.run().await;
    let mut clients = Vec::new();
    for user in 1..=4 {
        let client = run.playing(user, &[user as i64]).await;
        if user % 2 == 0 {
            ask_for_resuming(&client, 300).await;
        }
        clients.push((user, client));
    }
    // One that was away already when the proxy stopped.
    clients[1].1.drop_socket();
    wait_kept(&nodes).await;
    let before = with_players(&nodes);
    run.stop().await;
    for (user, client) in clients.iter().filter(|(user, _)| *user != 2) {
        let ended = client.wait_ended(SOON).await;
        assert!(matches!(ended, Some(Ended::Closed(1001, _))), "{user}: {ended:?}");
    }
    assert_eq!(with_players(&nodes), before);
    wait_until(SOON, || {
        nodes
            .iter()
            .flat_map(|node| node.sessions())
            .all(|session| session.parked)
    })
    .await;
    let run = place.run().await;
    let mut all = Vec::new();
    for (user, client) in &clients {
        let back = run.come_back(client, *user).await;
        assert!(back.resumed() && back.session_id() == client.session_id(), "{user}");
        wait_player(&back, *user as i64).await;
        all.push(back);
    }
    assert_eq!((with_players(&nodes), destroying(&nodes)), (before, 0));
}

#[tokio::test]
async fn without_a_grace_only_those_who_asked_are_waited_for() {
    let a = node().await;
    let nodes = [&a];
    let place = Place::new("grace = \"0s\"", &nodes);
    let run = place.run().await;
    let (asked, other) = (run.playing(1, &[1]).await, run.playing(2, &[2]).await);
    ask_for_resuming(&asked, 300).await;
    wait_kept(&nodes).await;
    run.stop().await;
    assert!(position(&nodes, 2).is_none(), "its player is gone with the proxy");
    assert!(position(&nodes, 1).is_some());
    let run = place.run().await;
    assert!(!run.come_back(&other, 2).await.resumed());
    let back = run.come_back(&asked, 1).await;
    assert!(back.resumed());
    wait_player(&back, 1).await;
}
