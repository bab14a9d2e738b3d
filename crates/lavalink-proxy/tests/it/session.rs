//! v4 sessions: the proxy's own ids, messages as the node sent them, resuming, and every way a session ends.

use std::time::Duration;

use http::Method;
use lavalink_protocol::ws::{self, Opcode};
use proxy_testkit::client::{Ended, RawOutcome};
use proxy_testkit::{Fault, RawClient, SimNode, TestClient, wait_until};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::scripted::{Script, ScriptedNode};
use crate::support::{BOT, OTHER_BOT, PASSWORD, ProxyUnderTest, SOON, sim_v4, upgrade_head};

fn handshake(more: &str) -> String {
    upgrade_head("/v4/websocket", &format!("Authorization: {PASSWORD}\r\n{more}\r\n"))
}

/// A bare v4 socket whose `ready` has been read.
async fn raw_session(proxy: &ProxyUnderTest) -> RawClient {
    let mut client = proxy.raw().await;
    client.write(handshake(&format!("User-Id: {BOT}\r\n"))).await.unwrap();
    assert_eq!(client.read_answer(SOON).await.status(), Some(101));
    assert!(client.read_until(br#""resumed":false"#, SOON).await.is_some());
    client
}

fn frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    ws::write_masked_frame(&mut out, opcode, payload, [1, 2, 3, 4]);
    out
}

/// A server's frame.
fn plain(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    ws::write_frame(&mut out, opcode, payload);
    out
}

fn is_named(message: &Value, name: &str) -> bool {
    message["name"] == name
}

fn event(name: &str) -> String {
    json!({"op": "event", "type": "TestEvent", "guildId": "1", "name": name}).to_string()
}

// --- the beginning ---------------------------------------------------------------------------------------------------

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

// --- requests of a session -------------------------------------------------------------------------------------------

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
            .find(|request| request.method == "PATCH")
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

// --- messages --------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn messages_of_the_node_arrive_as_the_bytes_they_came() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let mut client = raw_session(&proxy).await;
    let session = node.sessions()[0].id.clone();
    let mut texts = vec![
        "{ \"op\" : \"event\",\t\"type\":\"X\", \"guildId\" : \"1\" , \"z\":[1 ,2], \"a\":1.0e5 }".to_owned(),
        r#"{"type":"PluginEvent","guildId":"9","op":"event","text":"\u00e9 \ud83d\ude00 😀 \/"}"#.to_owned(),
        r#"{"op":"plugin-op","anything":{"op":"ready"}}"#.to_owned(),
        r#"{"op":"playerUpdate","guildId":"2","state":{"time":1,"position":2,"connected":true,"ping":-1,"more":0}}"#
            .to_owned(),
        "not json at all".to_owned(),
    ];
    for length in [125, 126, 127, 65_535, 65_536, 300_000] {
        texts.push(format!(
            r#"{{"op":"event","type":"Long","guildId":"3","x":"{}"}}"#,
            "y".repeat(length)
        ));
    }
    for text in &texts {
        assert!(node.push(&session, text.clone()));
    }
    for text in &texts {
        let expected = plain(Opcode::Text, text.as_bytes());
        let got = client.read_until(&expected, SOON).await;
        assert!(got.is_some(), "not as it was sent: {}", &text[..text.len().min(100)]);
    }
}

#[tokio::test]
async fn a_message_that_the_node_sent_in_pieces_arrives_whole() {
    let mut bytes = plain(
        Opcode::Text,
        br#"{"op":"ready","resumed":false,"sessionId":"nodesession00001"}"#,
    );
    let mut piece = |opcode, last: bool, payload: &[u8]| {
        let start = bytes.len();
        bytes.extend(plain(opcode, payload));
        if !last {
            bytes[start] &= 0x7F;
        }
    };
    piece(Opcode::Text, false, br#"{"op":"event","type":"T","#);
    piece(Opcode::Ping, true, b"between");
    piece(Opcode::Continuation, false, br#""guildId":"1","#);
    piece(Opcode::Continuation, true, br#""name":"split"}"#);
    piece(Opcode::Text, true, event("after").as_bytes());
    let node = ScriptedNode::start(move |_| Script::Upgrade(bytes.clone())).await;
    let proxy = ProxyUnderTest::builder(&[]).add(node.config("n0")).start().await;
    let client = proxy.connect().await;
    let split = client
        .wait_for(|message| is_named(message, "split"), SOON)
        .await
        .unwrap();
    assert_eq!(
        split,
        json!({"op": "event", "type": "T", "guildId": "1", "name": "split"})
    );
    client
        .wait_for(|message| is_named(message, "after"), SOON)
        .await
        .unwrap();
    let pong = frame(Opcode::Pong, b"between");
    let payload_of_pong = || node.frames().windows(7).any(|window| window == b"between");
    wait_until(SOON, payload_of_pong).await;
    assert_eq!(
        pong.len(),
        node.frames().len(),
        "the ping was answered and nothing else sent"
    );
}

#[tokio::test]
async fn a_huge_message_arrives_whole_and_one_beyond_the_limit_ends_the_session() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::builder(&[&node])
        .configure(|config| config.max_node_message = 3_000_000)
        .start()
        .await;
    let client = proxy.connect().await;
    node.fault(Fault::HugeFrame(2_500_000));
    let huge = client
        .wait_for(|message| message["type"] == "SimHugeEvent", SOON)
        .await
        .unwrap();
    assert_eq!(huge["padding"].as_str().unwrap().len(), 2_500_000);
    node.fault(Fault::HugeFrame(3_500_000));
    assert!(matches!(client.wait_ended(SOON).await, Some(Ended::Closed(1001, _))));
    assert_eq!(client.broken_count(), 0);
}

#[tokio::test]
async fn nothing_that_a_client_says_on_its_socket_reaches_the_node() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let client = proxy.connect().await;
    for op in [json!({"op": "play", "guildId": "1", "track": "x"}), json!("anything")] {
        client.op(&op).await.unwrap();
    }
    assert_eq!(client.get_players().await.unwrap().json(), json!([]));
    assert_eq!(client.ended(), None);
    assert!(node.messages().is_empty());
}

#[tokio::test]
async fn pings_are_answered_with_their_own_payload() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let mut client = raw_session(&proxy).await;
    for payload in [&b""[..], b"beat", &[7; 125]] {
        client.write(frame(Opcode::Ping, payload)).await.unwrap();
        assert!(
            client.read_until(&plain(Opcode::Pong, payload), SOON).await.is_some(),
            "{payload:?}"
        );
    }
}

// --- ends ------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn frames_that_no_client_of_lavalink_sends_end_the_socket_with_a_code() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let table = [
        ("binary", frame(Opcode::Binary, b"x"), 1003_u16),
        ("not masked", plain(Opcode::Text, b"x"), 1002),
        (
            "close with 4000",
            frame(Opcode::Close, &ws::close_payload(4000, "bye")),
            4000,
        ),
        ("close", frame(Opcode::Close, &ws::close_payload(1000, "")), 1000),
        ("a piece without a beginning", frame(Opcode::Continuation, b"x"), 1002),
        ("too long", frame(Opcode::Text, &vec![b'x'; 1024 * 1024 + 1]), 1009),
    ];
    for (what, bytes, code) in table {
        let mut client = raw_session(&proxy).await;
        // The proxy may close before it has taken all.
        client.write(bytes).await.ok();
        let (got, closed) = client.read_to_end(SOON).await;
        assert!(closed, "{what}");
        let code = code.to_be_bytes();
        let closing = got.windows(4).any(|window| window[0] == 0x88 && window[2..] == code);
        assert!(closing, "{what}: {:?}", &got[got.len().saturating_sub(40)..]);
        proxy.wait_sessions(0).await;
        wait_until(SOON, || node.sessions().is_empty()).await;
    }
}

#[tokio::test]
async fn a_client_lost_without_resuming_takes_its_players_along_at_once() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    for politely in [false, true] {
        let client = proxy.connect().await;
        client.play(1, "sim:track:x").await.unwrap();
        if politely {
            client.disconnect().await;
        } else {
            client.drop_socket();
        }
        wait_until(SOON, || node.sessions().is_empty()).await;
        assert!(node.find_player(1).is_none());
        proxy.wait_sessions(0).await;
        assert_eq!(client.get_players().await.unwrap().status, 404);
    }
}

#[tokio::test]
async fn a_client_learns_how_its_node_ended() {
    let table = [
        (None, Some(4006), 4006),
        (None, Some(1000), 1000),
        (Some(Fault::Shutdown), None, 1001),
        (Some(Fault::Die), None, 1001),
        (Some(Fault::ResetMidFrame), None, 1001),
    ];
    for (fault, code, expected) in table {
        let node = sim_v4().await;
        let proxy = ProxyUnderTest::start(&[&node]).await;
        let client = proxy.connect().await;
        if let Some(code) = code {
            assert!(node.close_session(&node.sessions()[0].id, code));
        }
        fault.iter().for_each(|fault| node.fault(fault.clone()));
        let ended = client.wait_ended(SOON).await;
        let Some(Ended::Closed(code, reason)) = ended else {
            panic!("{fault:?} {code:?}: {ended:?}")
        };
        assert_eq!(code, expected, "{fault:?}");
        assert!(!reason.is_empty(), "{fault:?}");
        assert_eq!(client.broken_count(), 0, "{fault:?}: half a message arrived");
        proxy.wait_sessions(0).await;
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_is_given_up_and_the_others_lose_nothing() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::builder(&[&node])
        .configure(|config| config.client_queue_bytes = 100_000)
        .start()
        .await;
    let slow = raw_session(&proxy).await;
    let slow_session = node.sessions()[0].id.clone();
    let other = proxy.v4(OTHER_BOT).connect().await.unwrap();
    let other_session = node
        .sessions()
        .into_iter()
        .find(|session| session.id != slow_session)
        .unwrap()
        .id;
    let long = event(&"z".repeat(50_000));
    let gone = || !node.sessions().iter().any(|session| session.id == slow_session);
    for _ in 0..2_000 {
        node.push(&slow_session, long.clone());
        tokio::task::yield_now().await;
        if gone() {
            break;
        }
    }
    wait_until(SOON, gone).await;
    drop(slow);
    node.push(&other_session, event("still here"));
    other
        .wait_for(|message| is_named(message, "still here"), SOON)
        .await
        .unwrap();
    assert_eq!(proxy.shared().directory.len(), 1);
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_dropped_and_one_that_does_stays() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::builder(&[&node])
        .configure(|config| (config.ping_interval, config.ping_timeout) = quick_pings())
        .start()
        .await;
    let alive = proxy.v4(OTHER_BOT).connect().await.unwrap();
    let mut silent = raw_session(&proxy).await;
    proxy.wait_sessions(1).await;
    assert!(silent.read_to_end(SOON).await.1);
    wait_until(SOON, || node.sessions().len() == 1).await;
    assert_eq!(alive.get_players().await.unwrap().status, 200);
    assert_eq!(alive.ended(), None);
}

#[tokio::test]
async fn a_node_that_answers_no_ping_is_noticed_although_its_sockets_are_open() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::builder(&[&node])
        .configure(|config| (config.ping_interval, config.ping_timeout) = quick_pings())
        .start()
        .await;
    let client = proxy.connect().await;
    node.fault(Fault::HalfOpen);
    assert!(matches!(client.wait_ended(SOON).await, Some(Ended::Closed(1001, _))));
}

fn quick_pings() -> (Duration, Duration) {
    (Duration::from_millis(400), Duration::from_millis(300))
}

// --- resuming --------------------------------------------------------------------------------------------------------

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
async fn of_two_that_come_back_at_once_one_resumes_and_the_other_begins_anew() {
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
    resumed.sort();
    assert_eq!(resumed, [false, true]);
}

#[tokio::test]
async fn a_parked_session_whose_node_dies_cannot_be_resumed() {
    let (a, b) = (sim_v4().await, sim_v4().await);
    let proxy = ProxyUnderTest::start(&[&a, &b]).await;
    let client = parked(&proxy, 60).await;
    let holder: &SimNode = if a.sessions().is_empty() { &b } else { &a };
    holder.die();
    proxy.wait_sessions(0).await;
    assert!(!client.resume().await.unwrap(), "and gets a new one on the other node");
    assert_eq!(client.get_players().await.unwrap().status, 200);
}

#[tokio::test]
async fn a_session_that_misses_more_than_its_queue_holds_is_given_up() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::builder(&[&node])
        .configure(|config| config.sessions.queue.messages = 10)
        .start()
        .await;
    let _client = parked(&proxy, 60).await;
    let session = node.sessions()[0].id.clone();
    (0..11).for_each(|number| assert!(node.push(&session, event(&number.to_string()))));
    proxy.wait_sessions(0).await;
    wait_until(SOON, || node.sessions().is_empty()).await;
}
