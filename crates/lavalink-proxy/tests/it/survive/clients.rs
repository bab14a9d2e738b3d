//! Clients that come back.

use super::*;

async fn resuming(proxy: &ProxyUnderTest) -> TestClient {
    let client = playing(proxy, 1..3).await;
    client
        .update_session(&json!({"resuming": true, "timeout": 60}))
        .await
        .unwrap();
    client
}

#[tokio::test]
async fn players_move_while_their_client_is_away_and_it_finds_them_when_it_is_back() {
    let (a, b) = (node().await, node().await);
    let proxy = ProxyUnderTest::start(&[&a, &b]).await;
    let client = resuming(&proxy).await;
    let (held, other) = holder(&a, &b);
    client.drop_socket();
    proxy.wait_parked(&client.session_id()).await;
    client.clear_messages();
    held.die();
    wait_playing(other, 1..3).await;
    wait_until(SOON, || {
        moves_for(&proxy, MoveReason::NodeDown, MoveOutcome::Moved) == 2
    })
    .await;
    assert!(client.resume().await.unwrap());
    for guild in ["1", "2"] {
        client
            .wait_for(
                |message| message["op"] == "playerUpdate" && message["guildId"] == guild,
                SOON,
            )
            .await
            .unwrap();
    }
    assert_unnoticed(&client, 0);
    assert_eq!(client.get_player(1).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_new_handshake_wins_over_a_socket_that_is_still_there() {
    let a = node().await;
    let proxy = ProxyUnderTest::start(&[&a]).await;
    let client = resuming(&proxy).await;
    let id = client.session_id();
    let second = proxy
        .v4(crate::support::BOT)
        .resume(id.clone())
        .connect()
        .await
        .unwrap();
    assert_eq!((second.session_id(), second.resumed()), (id.clone(), true));
    assert!(matches!(client.wait_ended(SOON).await, Some(Ended::Closed(1000, _))));
    assert_eq!(second.get_player(1).await.unwrap().status, 200);
    assert_eq!(proxy.shared().directory.len(), 1);
    // Not for another bot, though.
    let other = proxy.v4(OTHER_BOT).resume(id).connect().await.unwrap();
    assert!(!other.resumed());
    assert_eq!(second.ended(), None);
}

#[tokio::test]
async fn a_client_that_never_asked_for_resuming_gets_a_new_session() {
    let a = node().await;
    let proxy = ProxyUnderTest::start(&[&a]).await;
    let client = playing(&proxy, 1..2).await;
    let second = proxy
        .v4(crate::support::BOT)
        .resume(client.session_id())
        .connect()
        .await
        .unwrap();
    assert!(!second.resumed());
    assert_ne!(second.session_id(), client.session_id());
    assert_eq!(client.ended(), None);
}

/// What happened to the client's last words is for the node to say: a session update counts at once.
#[tokio::test]
async fn nothing_stays_parked_on_a_node_once_its_client_is_gone_for_good() {
    let (a, b) = (node().await, node().await);
    let proxy = ProxyUnderTest::start(&[&a, &b]).await;
    for politely in [false, true] {
        let client = playing(&proxy, 1..3).await;
        let (held, _) = holder(&a, &b);
        wait_until(SOON, || held.sessions()[0].resuming).await;
        if politely {
            client.disconnect().await;
        } else {
            client.drop_socket();
        }
        wait_until(SOON, || a.sessions().is_empty() && b.sessions().is_empty()).await;
    }
    let values: Vec<Value> = a.sessions().iter().map(|session| json!(session.id)).collect();
    assert!(values.is_empty());
}
