//! Messages as the node sent them, and every way a session ends.

use super::*;

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
async fn a_huge_message_arrives_whole_and_one_beyond_the_limit_ends_its_link() {
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
    let first = node.sessions()[0].id.clone();
    node.fault(Fault::HugeFrame(3_500_000));
    wait_until(SOON, || node.sessions().iter().all(|session| session.id != first)).await;
    assert_eq!((client.ended(), client.broken_count()), (None, 0));
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
async fn a_client_learns_how_its_only_node_ended() {
    let table = [
        (None, Some(4006), Some(4006)),
        (Some(Fault::Shutdown), None, Some(1001)),
        (Some(Fault::Die), None, Some(1001)),
        // The node is there, so the client need not know.
        (None, Some(1000), None),
        (Some(Fault::ResetMidFrame), None, None),
    ];
    for (fault, code, expected) in table {
        let node = sim_v4().await;
        let proxy = ProxyUnderTest::builder(&[&node])
            .configure(|config| Arc::make_mut(&mut config.sessions).links.move_limit = Duration::from_millis(700))
            .start()
            .await;
        let client = proxy.connect().await;
        let first = node.sessions()[0].id.clone();
        if let Some(code) = code {
            assert!(node.close_session(&first, code));
        }
        fault.iter().for_each(|fault| node.fault(fault.clone()));
        let Some(expected) = expected else {
            wait_until(SOON, || node.sessions().iter().any(|session| session.id != first)).await;
            assert_eq!((client.ended(), client.broken_count()), (None, 0), "{fault:?} {code:?}");
            continue;
        };
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
async fn a_message_larger_than_the_queue_does_not_make_its_reader_a_slow_one() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::builder(&[&node])
        .configure(|config| config.client_queue_bytes = 100_000)
        .start()
        .await;
    let mut client = raw_session(&proxy).await;
    // More than the buffers of both sockets take.
    let huge = event(&"z".repeat(15_000_000));
    assert!(node.push(&node.sessions()[0].id, huge));
    assert!(client.read_until(br#"zzz","op":"event""#, SOON).await.is_some());
    assert_eq!(proxy.shared().directory.len(), 1);
}

#[tokio::test]
async fn a_goodbye_is_answered_and_the_socket_ends_at_once() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let mut client = raw_session(&proxy).await;
    let begun = std::time::Instant::now();
    let goodbye = frame(Opcode::Close, &ws::close_payload(1000, ""));
    client.write(goodbye).await.unwrap();
    assert!(client.read_to_end(SOON).await.1);
    assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_dropped_but_waited_for_and_one_that_does_stays() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::builder(&[&node])
        .configure(|config| (config.ping_interval, config.ping_timeout) = quick_pings())
        .start()
        .await;
    let alive = proxy.v4(OTHER_BOT).connect().await.unwrap();
    let mut silent = raw_session(&proxy).await;
    assert!(silent.read_to_end(SOON).await.1);
    // The proxy closed it, so it is waited for although it never asked for that.
    wait_until(SOON, || {
        let sessions = proxy.shared().directory.all();
        sessions.iter().filter(|session| session.is_parked()).count() == 1
    })
    .await;
    assert_eq!(node.sessions().len(), 2);
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
    let first = node.sessions()[0].id.clone();
    node.fault(Fault::HalfOpen);
    // It takes new sockets, so the session gets another link and its client hears nothing of it.
    wait_until(SOON, || node.sessions().iter().any(|session| session.id != first)).await;
    assert_eq!(client.ended(), None);
}

fn quick_pings() -> (Duration, Duration) {
    (Duration::from_millis(400), Duration::from_millis(300))
}
