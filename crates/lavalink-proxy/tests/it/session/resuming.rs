//! Clients that are lost and come back.

use super::*;

/// A client with a player in guild 1 that asked for resuming and has lost its socket.
async fn parked(proxy: &ProxyUnderTest, timeout: i64) -> TestClient {
    let client = proxy.connect().await;
    client.play(1, "sim:track:x").await.unwrap();
    client
        .update_session(&json!({"resuming": true, "timeout": timeout}))
        .await
        .unwrap();
    client.drop_socket();
    proxy.wait_parked(&client.session_id()).await;
    client.clear_messages();
    client
}

fn names(client: &TestClient) -> Vec<String> {
    let name = |message: &Value| match message["name"].as_str() {
        Some(name) => name.to_owned(),
        None => message["op"].as_str().unwrap_or("?").to_owned(),
    };
    client.messages().iter().map(name).collect()
}

#[tokio::test]
async fn a_resumed_client_gets_what_it_missed_in_order_and_then_an_update_for_each_player() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let client = parked(&proxy, 60).await;
    let id = client.session_id();
    let session = node.sessions()[0].id.clone();
    assert!(!node.sessions()[0].parked, "the link stays up meanwhile");
    for number in 0..50 {
        node.push(&session, event(&format!("missed {number}")));
        let update = json!({"op": "playerUpdate", "guildId": "1", "state": {"position": number}, "name": "update"});
        node.push(&session, update.to_string());
    }
    node.push(&session, event("last"));
    // The proxy has read all of them once it has seen what came behind.
    wait_until(SOON, || proxy.node("n0").reported.is_some()).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(client.resume().await.unwrap());
    assert_eq!(client.session_id(), id);
    assert_eq!(client.handshake_header("session-resumed").as_deref(), Some("true"));
    client
        .wait_for(|message| is_named(message, "last"), SOON)
        .await
        .unwrap();
    let expected: Vec<_> = (0..50).map(|number| format!("missed {number}")).collect();
    let update = client
        .wait_for(|message| message["op"] == "playerUpdate", SOON)
        .await
        .unwrap();
    assert_eq!(
        (&update["guildId"], update["state"]["connected"].is_boolean()),
        (&json!("1"), true)
    );
    let mut got = names(&client);
    got.retain(|name| name != "stats");
    assert_eq!(got, expected);
    // And goes on as before.
    node.push(&session, event("new"));
    client.wait_for(|message| is_named(message, "new"), SOON).await.unwrap();
    assert_eq!(client.get_player(1).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_session_can_be_resumed_again_and_again() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::builder(&[&node])
        .configure(|config| config.threads = 3)
        .start()
        .await;
    let client = parked(&proxy, 60).await;
    let session = node.sessions()[0].id.clone();
    for round in 0..12 {
        let name = format!("round {round}");
        node.push(&session, event(&name));
        assert!(client.resume().await.unwrap(), "round {round}");
        client.wait_for(|message| is_named(message, &name), SOON).await.unwrap();
        assert_eq!(client.get_player(1).await.unwrap().status, 200);
        client.drop_socket();
        proxy.wait_parked(&client.session_id()).await;
    }
    assert_eq!(proxy.shared().directory.len(), 1);
}

#[tokio::test]
async fn a_parked_session_does_not_exist_for_requests() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let client = parked(&proxy, 60).await;
    for (method, below, body) in [
        (Method::GET, "/players", None),
        (Method::GET, "/players/1", None),
        (Method::PATCH, "/players/1", Some(json!({"paused": true}))),
        (Method::DELETE, "/players/1", None),
        (Method::PATCH, "", Some(json!({"resuming": false}))),
    ] {
        let answer = client
            .rest()
            .request(method.clone(), &client.session_path(below), body.as_ref())
            .await
            .unwrap();
        assert_eq!(
            (answer.status, &answer.json()["message"]),
            (404, &json!("Session not found")),
            "{method} {below}"
        );
    }
    assert!(client.resume().await.unwrap());
    assert_eq!(client.get_player(1).await.unwrap().json()["paused"], false);
}

#[tokio::test]
async fn a_client_that_does_not_come_back_in_time_loses_its_session() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let client = parked(&proxy, 1).await;
    wait_until(SOON, || node.sessions().is_empty()).await;
    proxy.wait_sessions(0).await;
    assert!(!client.resume().await.unwrap());
    assert_eq!(client.get_players().await.unwrap().json(), json!([]));
}

#[tokio::test]
async fn resuming_without_a_time_keeps_nothing() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    for timeout in [0, -5] {
        let client = proxy.connect().await;
        client
            .update_session(&json!({"resuming": true, "timeout": timeout}))
            .await
            .unwrap();
        client.drop_socket();
        proxy.wait_sessions(0).await;
        wait_until(SOON, || node.sessions().is_empty()).await;
    }
}

#[tokio::test]
async fn another_bot_does_not_resume_the_session() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let client = parked(&proxy, 60).await;
    let other = proxy.v4(OTHER_BOT).resume(client.session_id()).connect().await.unwrap();
    assert!(!other.resumed());
    assert!(client.resume().await.unwrap());
}

#[tokio::test]
async fn of_two_that_come_back_at_once_the_later_one_has_the_session() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::builder(&[&node])
        .configure(|config| config.threads = 2)
        .start()
        .await;
    let client = parked(&proxy, 60).await;
    let id = client.session_id();
    let mut both = Vec::new();
    for _ in 0..2 {
        let mut raw = proxy.raw().await;
        raw.write(handshake(&format!("User-Id: {BOT}\r\nSession-Id: {id}\r\n")))
            .await
            .unwrap();
        both.push(raw);
    }
    let mut resumed = Vec::new();
    for raw in &mut both {
        let answer = raw.read_answer(SOON).await;
        assert_eq!(answer.status(), Some(101), "{answer:?}");
        let ready = raw.read_until(b"}", SOON).await.unwrap();
        resumed.push(String::from_utf8_lossy(&ready).contains(r#""resumed":true"#));
    }
    // Both are told the truth at their time; the one whose socket was taken from it sees it close.
    assert!(resumed.contains(&true));
    assert_eq!(
        proxy
            .shared()
            .directory
            .all()
            .iter()
            .filter(|entry| entry.id.as_str() == id)
            .count(),
        1
    );
}

#[tokio::test]
async fn a_session_that_misses_more_than_its_queue_holds_is_given_up() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::builder(&[&node])
        .configure(|config| Arc::make_mut(&mut config.sessions).queue.messages = 10)
        .start()
        .await;
    let _client = parked(&proxy, 60).await;
    let session = node.sessions()[0].id.clone();
    (0..11).for_each(|number| assert!(node.push(&session, event(&number.to_string()))));
    proxy.wait_sessions(0).await;
    wait_until(SOON, || node.sessions().is_empty()).await;
}
