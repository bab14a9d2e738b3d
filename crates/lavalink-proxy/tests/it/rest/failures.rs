//! Nodes and clients that fail, stop or wait midway.

use super::*;

/// Two nodes of which only the first has the source that [`SPOTIFY`] needs, so that it is asked first.
async fn unequal_pair() -> (SimNode, SimNode) {
    let first = SimNode::builder().source_managers(&["spotify"]).start().await.unwrap();
    (first, sim_v4().await)
}

const SPOTIFY: &str = "/v4/loadtracks?identifier=spsearch%3Ax";

async fn proxy_for(pair: &(SimNode, SimNode)) -> ProxyUnderTest {
    ProxyUnderTest::builder(&[&pair.0, &pair.1])
        .configure(|config| config.response_timeout = Duration::from_millis(500))
        .start()
        .await
}

#[tokio::test]
async fn a_get_whose_node_fails_before_the_first_byte_is_answered_by_another() {
    let faults = [
        (Fault::CloseBeforeAnswer, 1),
        (Fault::ResetBeforeAnswer, 1),
        (Fault::Refuse, 0),
    ];
    for (fault, arrived) in faults {
        let pair = unequal_pair().await;
        let proxy = proxy_for(&pair).await;
        pair.0.fault_on("/v4/loadtracks", fault.clone(), 1);
        let answer = proxy.rest().get(SPOTIFY).await.unwrap();
        assert_eq!(answer.status, 200, "{fault:?}: {}", answer.text());
        assert_eq!(seen(&pair.0, SPOTIFY).len(), arrived, "{fault:?}");
        let [request] = &seen(&pair.1, SPOTIFY)[..] else {
            panic!("{fault:?}")
        };
        assert_eq!(request.header("host"), Some(pair.1.addr().to_string().as_str()));
    }
}

#[tokio::test]
async fn a_get_is_not_repeated_once_a_byte_of_its_answer_came() {
    for start in ["HTTP/1.1 2", "HTTP/1.1 102 Processing\r\n\r\n", "no HTTP\r\n\r\n"] {
        let nodes = [cut_off(start).await, cut_off(start).await];
        let proxy = ProxyUnderTest::builder(&[])
            .add(nodes[0].config("n0"))
            .add(nodes[1].config("n1"))
            .start()
            .await;
        let answer = proxy.rest().get("/v4/x").await.unwrap();
        let tries: usize = nodes.iter().map(|node| node.heads().len()).sum();
        assert_eq!((answer.status, tries), (502, 1), "{start:?}");
    }
}

/// A node that closes after these bytes.
async fn cut_off(start: &'static str) -> ScriptedNode {
    ScriptedNode::start(|_| Script::AnswerAndClose(start.into())).await
}

#[tokio::test]
async fn a_get_is_tried_on_one_other_node_only() {
    let nodes = [sim_v4().await, sim_v4().await, sim_v4().await];
    let proxy = ProxyUnderTest::start(&nodes.each_ref()).await;
    nodes
        .iter()
        .for_each(|node| node.fault_on("/v4/loadtracks", Fault::CloseBeforeAnswer, 1));
    let answer = proxy.rest().get(SPOTIFY).await.unwrap();
    assert_eq!((answer.status, answer.json()["status"].as_u64()), (502, Some(502)));
    assert_eq!(nodes.iter().map(|node| seen(node, SPOTIFY).len()).sum::<usize>(), 2);
}

#[tokio::test]
async fn a_get_that_takes_too_long_is_not_repeated_and_does_not_take_its_node_down() {
    let pair = unequal_pair().await;
    let proxy = proxy_for(&pair).await;
    // More than `thresholds.failures`, all between two probes.
    let tries = 5;
    pair.0.fault_on("/v4/loadtracks", Fault::NeverAnswer, tries);
    let asked: Vec<_> = (0..tries)
        .map(|_| proxy.rest())
        .map(|rest| tokio::spawn(async move { rest.get(SPOTIFY).await.unwrap().status }))
        .collect();
    for status in asked {
        assert_eq!(status.await.unwrap(), 504);
    }
    assert!(seen(&pair.1, "/v4/loadtracks").is_empty());
    assert!(proxy.node("n0").state.takes_work());
}

#[tokio::test]
async fn a_node_that_answers_for_a_broken_server_behind_it_is_taken_out() {
    let pair = unequal_pair().await;
    let proxy = ProxyUnderTest::builder(&[&pair.0, &pair.1])
        .configure(|config| config.health.interval = Duration::from_secs(60))
        .start()
        .await;
    pair.0.fault_on("/v4/loadtracks", Fault::Status(502), 3);
    for _ in 0..3 {
        assert_eq!(proxy.rest().get(SPOTIFY).await.unwrap().status, 502);
    }
    proxy.wait_state("n0", NodeState::Down).await;
}

#[tokio::test]
async fn a_get_with_a_body_that_a_node_has_swallowed_is_not_sent_to_another_without_it() {
    let nodes = [
        ScriptedNode::start(|_| Script::Freeze).await,
        ScriptedNode::start(|_| Script::Freeze).await,
    ];
    let proxy = ProxyUnderTest::builder(&[])
        .add(nodes[0].config("n0"))
        .add(nodes[1].config("n1"))
        .configure(|config| config.response_timeout = Duration::from_millis(500))
        .start()
        .await;
    let heads = || nodes.iter().map(|node| node.heads().len()).sum::<usize>();
    let mut client = proxy.raw().await;
    client
        .write(request("GET", "/v4/x", "Content-Length: 5\r\n"))
        .await
        .unwrap();
    // The body comes after the head has gone to the node, so the proxy does not keep it.
    wait_until(SOON, || heads() == 1).await;
    let answer = ask(&mut client, "hello").await;
    assert_eq!((answer.status(), heads()), (Some(504), 1));
}

#[tokio::test]
async fn what_changes_something_is_never_sent_twice() {
    for fault in [Fault::CloseBeforeAnswer, Fault::ResetBeforeAnswer, Fault::NeverAnswer] {
        let (a, b) = (sim_v4().await, sim_v4().await);
        let proxy = proxy_for_equal(&a, &b).await;
        for (method, target) in [
            (Method::POST, "/v4/decodetracks"),
            (Method::PATCH, "/v4/simplugin/echo"),
            (Method::DELETE, "/v4/simplugin/echo"),
        ] {
            for node in [&a, &b] {
                node.clear_log();
                node.fault_on(target, fault.clone(), 1);
            }
            let answer = proxy.rest().request(method, target, Some(&json!(["x"]))).await.unwrap();
            assert!(
                [502, 504].contains(&answer.status),
                "{fault:?} {target}: {}",
                answer.status
            );
            let error = answer.json();
            assert_eq!(
                (&error["status"], &error["path"]),
                (&json!(answer.status), &json!(target))
            );
            assert_eq!(seen(&a, target).len() + seen(&b, target).len(), 1, "{fault:?} {target}");
            a.clear_faults().unwrap();
            b.clear_faults().unwrap();
        }
    }
}

async fn proxy_for_equal(a: &SimNode, b: &SimNode) -> ProxyUnderTest {
    ProxyUnderTest::builder(&[a, b])
        .configure(|config| {
            config.response_timeout = Duration::from_millis(300);
            // The faults are to hit requests, not to take the nodes down.
            config.health.thresholds.failures = 100;
        })
        .start()
        .await
}

#[tokio::test]
async fn an_error_of_the_node_is_the_clients_to_see() {
    let pair = unequal_pair().await;
    let proxy = proxy_for(&pair).await;
    for (fault, status) in [
        (Fault::Status500, 500),
        (Fault::Status(503), 503),
        (Fault::Status(429), 429),
    ] {
        pair.0.fault_on("/v4/loadtracks", fault, 1);
        let answer = proxy.rest().get(SPOTIFY).await.unwrap();
        assert_eq!((answer.status, &answer.json()["status"]), (status, &json!(status)));
    }
    assert!(seen(&pair.1, "/v4/loadtracks").is_empty());
}

#[tokio::test]
async fn what_follows_of_a_body_that_the_node_refused_is_not_taken_for_a_request() {
    let answer = b"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 0\r\n\r\n".to_vec();
    let node = ScriptedNode::start(move |_| Script::AnswerAndClose(answer.clone())).await;
    let proxy = ProxyUnderTest::builder(&[]).add(node.config("n0")).start().await;
    let mut client = proxy.raw().await;
    let hidden = request("GET", "/version", "");
    let filling = long_text(4_000_000);
    let length = filling.len() + hidden.len();
    client
        .write(request("POST", "/v4/x", &format!("Content-Length: {length}\r\n")))
        .await
        .unwrap();
    wait_until(SOON, || node.heads().len() == 1).await;
    // The proxy may have closed before all of it is written.
    client.write(filling + &hidden).await.ok();
    let (bytes, _) = client.read_to_end(SOON).await;
    let text = String::from_utf8_lossy(&bytes);
    assert!(!text.contains("4.2.2"), "the body was read as a request: {text}");
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_body_reaches_a_client_that_is_still_sending() {
    let answer = b"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 4\r\n\r\nmuch".to_vec();
    // It keeps its connection open, and reads on as far as it pleases.
    let node = ScriptedNode::start(move |_| Script::Answer(answer.clone())).await;
    let proxy = ProxyUnderTest::builder(&[]).add(node.config("n0")).start().await;
    let mut client = proxy.raw().await;
    client
        .write(request("POST", "/v4/x", "Content-Length: 100000\r\n") + &long_text(1000))
        .await
        .unwrap();
    let answer = client.read_answer(SOON).await;
    assert_eq!((answer.status(), body(&answer)), (Some(413), &b"much"[..]));
    assert_eq!(answer.header("connection"), Some("close"));
    // What it goes on sending does not reset the connection; it ends properly.
    client.write(long_text(50_000)).await.unwrap();
    client.half_close().await.unwrap();
    let (rest, closed) = client.read_to_end(SOON).await;
    assert!(closed && rest.is_empty(), "{rest:?}");
}

#[tokio::test]
async fn an_answer_cut_off_by_the_node_is_cut_off_for_the_client() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    for fault in [Fault::CloseMidBody, Fault::ResetMidBody] {
        node.fault_on("/v4/loadtracks", fault.clone(), 1);
        let mut client = proxy.raw().await;
        client
            .write(request("GET", "/v4/loadtracks?identifier=sim:large:100000", ""))
            .await
            .unwrap();
        let (bytes, closed) = client.read_to_end(SOON).await;
        assert!(closed, "{fault:?}");
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(header(head, "content-length"), Some("100000"), "{head}");
        assert!(body.len() < 100_000, "{fault:?}: {}", body.len());
    }
}

#[tokio::test]
async fn chunks_cut_off_by_the_node_do_not_end_properly_for_the_client() {
    let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n".to_vec();
    let node = ScriptedNode::start(move |_| Script::AnswerAndClose(answer.clone())).await;
    let proxy = ProxyUnderTest::builder(&[]).add(node.config("n0")).start().await;
    let mut client = proxy.raw().await;
    client.write(request("GET", "/v4/x", "")).await.unwrap();
    let (bytes, closed) = client.read_to_end(SOON).await;
    let text = String::from_utf8(bytes).unwrap();
    assert!(closed && text.ends_with("5\r\nhello\r\n"), "{text}");
}

#[tokio::test]
async fn an_answer_that_ends_with_the_connection_reaches_the_client_whole() {
    let answer = b"HTTP/1.1 200 OK\r\n\r\nuntil the end".to_vec();
    let node = ScriptedNode::start(move |_| Script::AnswerAndClose(answer.clone())).await;
    let proxy = ProxyUnderTest::builder(&[]).add(node.config("n0")).start().await;
    let answer = ask(&mut proxy.raw().await, request("GET", "/v4/x", "")).await;
    assert_eq!(body(&answer), b"until the end");
    assert_eq!(answer.header("connection"), Some("close"));
}

#[tokio::test]
async fn a_node_that_takes_no_more_of_a_long_body_is_given_up() {
    let frozen = ScriptedNode::start(|_| Script::Freeze).await;
    let proxy = ProxyUnderTest::builder(&[])
        .add(frozen.config("n0"))
        .configure(|config| config.response_timeout = Duration::from_millis(500))
        .start()
        .await;
    let mut client = proxy.raw().await;
    // More than the sockets between can hold.
    let text = long_text(15_000_000);
    let head = request(
        "POST",
        "/v4/simplugin/echo",
        &format!("Content-Length: {}\r\n", text.len()),
    );
    let sending = async {
        // The proxy may close before it has taken everything.
        client.write(head + &text).await.ok();
        client.read_answer(SOON).await
    };
    let outcome = tokio::time::timeout(SOON, sending)
        .await
        .expect("the proxy holds on to a frozen node");
    assert!(
        matches!(outcome.status(), Some(502 | 504)) || matches!(outcome, RawOutcome::Closed(_) | RawOutcome::Reset),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_client_that_does_not_read_makes_the_proxy_stop_reading_the_node() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::builder(&[&node])
        .configure(|config| config.response_timeout = Duration::from_secs(60))
        .start()
        .await;
    node.fault_on("/v4/loadtracks", Fault::EndlessBody, 1);
    let mut client = proxy.raw().await;
    client
        .write(request("GET", "/v4/loadtracks?identifier=x", ""))
        .await
        .unwrap();
    let taken = || proxy.shared().node_usage(NodeId(0)).0.bytes_in;
    wait_until(SOON, || taken() > 100_000).await;
    // Once all sockets between are full nothing moves any more.
    let mut last = taken();
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = taken();
        // Probes go on, so a little always moves.
        if now - last < 20_000 {
            break;
        }
        last = now;
        assert!(last < 64_000_000, "{last} bytes taken for a client that reads nothing");
    }
    drop(client);
    wait_until(SOON, || node.connection_count() <= 1).await;
}

#[tokio::test]
async fn a_long_answer_arrives_whole_at_a_client_that_reads_late() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let mut client = proxy.raw().await;
    let target = "/v4/loadtracks?identifier=sim:large:20000000";
    // HTTP/1.0, so that what comes is the body itself and ends with the connection.
    client
        .write(format!("GET {target} HTTP/1.0\r\nAuthorization: {PASSWORD}\r\n\r\n"))
        .await
        .unwrap();
    let taken = || proxy.shared().node_usage(NodeId(0)).0.bytes_in;
    wait_until(SOON, || taken() > 1_000_000).await;
    let (bytes, closed) = client.read_to_end(SOON).await;
    let start = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    assert_eq!((bytes.len() - start, closed), (20_000_000, true));
    serde_json::from_slice::<Value>(&bytes[start..]).unwrap();
}
