//! How a session begins, and its requests.

use super::*;

#[tokio::test]
async fn ready_comes_in_a_read_of_its_own_after_the_101() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    for path in ["/v4/websocket", "/v4/v4/websocket", "/v3/v4/websocket"] {
        let mut socket = tokio::net::TcpStream::connect(proxy.addr()).await.unwrap();
        let head = upgrade_head(path, &format!("Authorization: {PASSWORD}\r\nUser-Id: {BOT}\r\n\r\n"));
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut buffer = vec![0; 4096];
        let read = socket.read(&mut buffer).await.unwrap();
        let head = String::from_utf8_lossy(&buffer[..read]).into_owned();
        assert!(
            head.starts_with("HTTP/1.1 101 ") && head.ends_with("\r\n\r\n"),
            "{path}: {head}"
        );
        let read = socket.read(&mut buffer).await.unwrap();
        let first = String::from_utf8_lossy(&buffer[..read]).into_owned();
        assert!(
            first.contains(r#"{"op":"ready","resumed":false,"sessionId":""#),
            "{path}: {first}"
        );
    }
}

#[tokio::test]
async fn a_session_has_an_id_of_its_own_and_the_node_sees_the_clients_name_and_its_own_password() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let client = proxy
        .v4(BOT)
        .client_name(Some("Bot/1.2"))
        .header("X-Plugin", "yes")
        .connect()
        .await
        .unwrap();
    let [session] = &node.sessions()[..] else {
        panic!("not one session")
    };
    assert_ne!(session.id, client.session_id());
    assert_eq!(client.session_id().len(), 16);
    assert!(
        client
            .session_id()
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    );
    assert_eq!(
        (session.user_id, session.client_name.as_deref()),
        (BOT as i64, Some("Bot/1.2"))
    );
    assert_eq!(client.handshake_header("session-resumed").as_deref(), Some("false"));
    assert_eq!(client.handshake_header("lavalink-api-version").as_deref(), Some("4"));
    let seen = node
        .requests()
        .into_iter()
        .find(|request| request.target == "/v4/websocket")
        .unwrap();
    assert_eq!(
        (seen.header("authorization"), seen.header("x-plugin")),
        (Some(node.password()), Some("yes"))
    );
    assert_eq!(seen.header("session-id"), None);
}

#[tokio::test]
async fn stats_follow_ready_also_when_the_node_takes_its_time() {
    let ready = plain(
        Opcode::Text,
        br#"{"op":"ready","resumed":false,"sessionId":"nodesession00001"}"#,
    );
    let node = ScriptedNode::start(move |_| Script::Upgrade(ready.clone())).await;
    let proxy = ProxyUnderTest::builder(&[]).add(node.config("n0")).start().await;
    let client = proxy.connect().await;
    let stats = client.wait_for(|message| message["op"] == "stats", SOON).await.unwrap();
    for key in ["players", "playingPlayers", "uptime", "memory", "cpu"] {
        assert!(!stats[key].is_null(), "{stats}");
    }
    assert_eq!(
        stats.get("frameStats"),
        Some(&Value::Null),
        "the key is always there on the socket"
    );
}

#[tokio::test]
async fn a_user_id_that_is_no_number_gets_its_101_and_is_closed_with_1011() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    for user in ["abc", "1.5", "99999999999999999999999"] {
        let mut client = proxy.raw().await;
        client.write(handshake(&format!("User-Id: {user}\r\n"))).await.unwrap();
        assert_eq!(client.read_answer(SOON).await.status(), Some(101), "{user}");
        let (bytes, closed) = client.read_to_end(SOON).await;
        assert!(closed, "{user}");
        assert_eq!(
            (bytes[0], &bytes[2..4]),
            (0x88, &1011_u16.to_be_bytes()[..]),
            "{user}: {bytes:?}"
        );
    }
    assert!(node.sessions().is_empty());
}

#[tokio::test]
async fn a_session_id_that_cannot_be_resumed_gives_a_new_session() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let living = proxy.connect().await;
    let id = living.session_id();
    for asked in ["", "0", "nonsense", "aaaaaaaaaaaaaaaa", &id] {
        let client = proxy.v4(BOT).resume(asked).connect().await.unwrap();
        assert!(!client.resumed(), "{asked:?}");
        assert_eq!(
            client.handshake_header("session-resumed").as_deref(),
            Some("false"),
            "{asked:?}"
        );
        assert_ne!(client.session_id(), id);
    }
    assert_eq!(living.ended(), None, "whoever is connected stays");
}

#[tokio::test]
async fn requests_of_a_session_reach_its_node_under_the_nodes_own_id() {
    let (a, b) = (sim_v4().await, sim_v4().await);
    let proxy = ProxyUnderTest::start(&[&a, &b]).await;
    for user in 1..=6 {
        let client = proxy.v4(user).connect().await.unwrap();
        let guild = user as i64;
        let playing = client.play(guild, "sim:track:song").await.unwrap();
        assert_eq!(
            (&playing["guildId"], &playing["track"]["info"]["title"]),
            (&json!(guild.to_string()), &json!("song"))
        );
        let holder = if a.find_player(guild).is_some() { &a } else { &b };
        let (session, player) = holder.find_player(guild).unwrap();
        assert_eq!(player["track"]["info"]["title"], "song");
        let paused = client
            .patch_player(format!("{guild}?noReplace=true"), &json!({"paused": true}))
            .await
            .unwrap();
        assert_eq!(paused.json()["paused"], true);
        assert_eq!(client.get_player(guild).await.unwrap().json()["paused"], true);
        assert_eq!(client.get_players().await.unwrap().json().as_array().unwrap().len(), 1);
        let last = holder
            .requests()
            .into_iter()
            .rev()
            .find(|request| request.method == "PATCH" && request.target.contains("/players/"))
            .unwrap();
        assert_eq!(
            last.target,
            format!("/v4/sessions/{session}/players/{guild}?noReplace=true")
        );
        assert_eq!(client.destroy_player(guild).await.unwrap().status, 204);
        assert_eq!(client.get_player(guild).await.unwrap().status, 404);
        assert!(holder.find_player(guild).is_none());
    }
}

#[tokio::test]
async fn a_session_update_is_answered_by_the_proxy_as_lavalink_would() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let client = proxy.connect().await;
    // Body, status, what is in force then.
    let table = [
        (json!({}), 200, (false, 60)),
        (json!({"resuming": true}), 200, (true, 60)),
        (json!({"timeout": 5}), 200, (true, 5)),
        (
            json!({"resuming": false, "timeout": 90, "unknown": 1}),
            200,
            (false, 90),
        ),
        (json!({"resuming": "perhaps"}), 400, (false, 90)),
        (json!({"timeout": {}}), 400, (false, 90)),
        (json!([]), 400, (false, 90)),
        (json!({"resuming": true, "timeout": 1.5}), 400, (false, 90)),
    ];
    for (body, status, (resuming, timeout)) in table {
        let answer = client.update_session(&body).await.unwrap();
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        if status == 200 {
            assert_eq!(
                answer.json(),
                json!({"resuming": resuming, "timeout": timeout}),
                "{body}"
            );
        }
        let entry = proxy.shared().directory.get(&client.session_id()).unwrap();
        assert_eq!(
            (entry.settings().resuming, entry.settings().timeout),
            (resuming, timeout),
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_session_update_is_understood_however_its_body_arrives() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let client = proxy.connect().await;
    let head = format!(
        "PATCH {} HTTP/1.1\r\nHost: h\r\nAuthorization: {PASSWORD}\r\nContent-Type: application/json\r\n",
        client.session_path("")
    );
    let body = r#"{"resuming":true,"timeout":7}"#;
    let mut raw = proxy.raw().await;
    for framed in [
        format!("Content-Length: {}\r\n\r\n{body}", body.len()),
        format!(
            "Transfer-Encoding: chunked\r\n\r\n5\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n",
            &body[..5],
            body.len() - 5,
            &body[5..]
        ),
    ] {
        let whole = head.clone() + &framed;
        for size in [whole.len(), 11, 1] {
            raw.write_slowly(&whole, size, Duration::ZERO).await.unwrap();
            let answer = raw.read_answer(SOON).await;
            let RawOutcome::Answer {
                status: 200, body: got, ..
            } = &answer
            else {
                panic!("{size}: {answer:?}")
            };
            assert_eq!(got, body.as_bytes(), "{size}");
        }
    }
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_send_the_body_of_a_session_update() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let client = proxy.connect().await;
    let mut raw = proxy.raw().await;
    for (framing, body) in [
        ("Content-Length: 17", "{\"resuming\":true}"),
        ("Transfer-Encoding: chunked", "11\r\n{\"resuming\":true}\r\n0\r\n\r\n"),
    ] {
        raw.write(format!(
            "PATCH {} HTTP/1.1\r\nHost: proxy\r\nAuthorization: {PASSWORD}\r\nExpect: 100-continue\r\n{framing}\r\n\r\n",
            client.session_path("")
        ))
        .await
        .unwrap();
        let told = raw.read_until(b"\r\n\r\n", SOON).await.unwrap();
        assert_eq!(told, b"HTTP/1.1 100 Continue\r\n\r\n", "{framing}");
        raw.write(body).await.unwrap();
        assert_eq!(raw.read_answer(SOON).await.status(), Some(200), "{framing}");
    }
}
