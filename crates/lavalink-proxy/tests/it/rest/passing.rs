//! What reaches the node and the client when all goes well: lines, targets and bodies.

use super::*;

#[tokio::test]
async fn a_request_reaches_its_node_as_it_was_sent_but_for_host_password_and_hop_by_hop_lines() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let target = "/v4/simplugin/echo/a%2Fb?x=%41+b&&y=%zz&%3D=1&identifier=a%20b";
    let lines = "X-Kept: one\r\nConnection: keep-alive, X-Private\r\nX-Private: secret\r\nKeep-Alive: timeout=5\r\n\
                 TE: trailers\r\nProxy-Connection: keep-alive\r\nContent-Type: application/x-odd; a=b\r\nX-Kept: two\r\n\
                 Origin: https://elsewhere.example\r\nAccept-Encoding: gzip\r\nContent-Length: 4\r\n";
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        node.clear_log();
        let mut client = proxy.raw().await;
        let answer = ask(&mut client, request(method, target, lines) + "\r\n\0x").await;
        assert_eq!(answer.status(), Some(200), "{method} {answer:?}");
        let [request] = &seen(&node, "/v4/simplugin")[..] else {
            panic!("{method}: not one request: {:?}", node.requests())
        };
        assert_eq!((request.method.as_str(), request.target.as_str()), (method, target));
        assert_eq!(&request.body[..], b"\r\n\0x");
        let host = node.addr().to_string();
        let expected = [
            ("host", host.as_str()),
            ("authorization", node.password()),
            ("x-kept", "one"),
            ("content-type", "application/x-odd; a=b"),
            ("x-kept", "two"),
            ("accept-encoding", "gzip"),
            ("content-length", "4"),
        ];
        let mut headers: Vec<_> = request
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        // The log groups the values of a repeated header; their own order is kept.
        let mut expected = expected.to_vec();
        headers.sort_by_key(|(name, _)| *name);
        expected.sort_by_key(|(name, _)| *name);
        assert_eq!(headers, expected, "{method}");
    }
}

#[tokio::test]
async fn the_nodes_answer_reaches_the_client_as_it_was_sent_but_for_hop_by_hop_lines() {
    let node = ScriptedNode::start(|_| {
        let answer = "HTTP/1.1 207 Odd Reason\r\nX-One: 1\r\nSet-Cookie: a\r\nset-cookie: b\r\n\
                      Connection: keep-alive, X-Private\r\nX-Private: 1\r\nKeep-Alive: timeout=60\r\n\
                      Lavalink-Api-Version: 4-fork\r\nContent-Length: 3\r\nX-Last:  spaced value \r\n\r\nabc";
        Script::Answer(answer.as_bytes().to_vec())
    })
    .await;
    let proxy = ProxyUnderTest::builder(&[]).add(node.config("n0")).start().await;
    let mut client = proxy.raw().await;
    // Twice: the second answer comes over the same connections.
    for _ in 0..2 {
        let answer = ask(&mut client, request("GET", "/v4/anything", "")).await;
        assert_eq!(body(&answer), b"abc");
        let mut lines = head(&answer).to_vec();
        assert_eq!(lines.remove(0), "HTTP/1.1 207 Odd Reason");
        lines.sort();
        assert_eq!(
            lines,
            [
                "Content-Length: 3",
                "Lavalink-Api-Version: 4-fork",
                "Set-Cookie: a",
                "X-Last: spaced value",
                "X-One: 1",
                "set-cookie: b"
            ]
        );
    }
}

#[tokio::test]
async fn an_answer_without_the_version_header_gets_it() {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec();
    let node = ScriptedNode::start(move |_| Script::Answer(answer.clone())).await;
    let proxy = ProxyUnderTest::builder(&[]).add(node.config("n0")).start().await;
    let answer = ask(&mut proxy.raw().await, request("GET", "/v4/x", "")).await;
    assert_eq!(answer.header("lavalink-api-version"), Some("4"));
}

#[tokio::test]
async fn a_base_path_before_the_version_is_dropped_and_doubled_slashes_too() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    for (sent, expected) in [
        ("/v4/v4/simplugin/echo/1", "/v4/simplugin/echo/1"),
        ("/v3/v4/simplugin/echo/2", "/v4/simplugin/echo/2"),
        ("//v4//simplugin///echo/3?a=//", "/v4/simplugin/echo/3?a=//"),
    ] {
        node.clear_log();
        assert_eq!(proxy.rest().get(sent).await.unwrap().status, 200, "{sent}");
        assert_eq!(seen(&node, "/v4/simplugin")[0].target, expected);
    }
}

#[tokio::test]
async fn long_bodies_pass_both_ways_with_a_length_and_in_chunks() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let text = long_text(600_000);
    let chunked: String = text
        .as_bytes()
        .chunks(7_777)
        .map(|chunk| format!("{:x};ext=1\r\n{}\r\n", chunk.len(), std::str::from_utf8(chunk).unwrap()))
        .collect();
    let cases = [
        (format!("Content-Length: {}\r\n", text.len()), text.clone()),
        ("Transfer-Encoding: chunked\r\n".to_owned(), chunked + "0\r\n\r\n"),
    ];
    let mut client = proxy.raw().await;
    for (framing, sent) in cases {
        let answer = ask(&mut client, request("POST", "/v4/simplugin/echo", &framing) + &sent).await;
        let echo: Value = serde_json::from_slice(body(&answer)).unwrap();
        assert_eq!(echo["bodyLength"], 600_000, "{framing}");
        assert!(echo["body"] == text.as_str(), "{framing}: the body arrived changed");
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_with_413() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::builder(&[&node])
        .configure(|config| config.max_body_bytes = 1_000)
        .start()
        .await;
    let text = long_text(1_001);
    for (framing, sent) in [
        ("Content-Length: 1001\r\n", text.clone()),
        (
            "Transfer-Encoding: chunked\r\n",
            format!("{:x}\r\n{text}\r\n0\r\n\r\n", text.len()),
        ),
    ] {
        let answer = ask(
            &mut proxy.raw().await,
            request("POST", "/v4/simplugin/echo", framing) + &sent,
        )
        .await;
        assert_eq!(answer.status(), Some(413), "{framing}: {answer:?}");
    }
    let within = request("POST", "/v4/simplugin/echo", "Content-Length: 1000\r\n") + &text[..1_000];
    assert_eq!(ask(&mut proxy.raw().await, within).await.status(), Some(200));
}

#[tokio::test]
async fn answers_without_a_body_leave_the_connection_usable() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let mut client = proxy.raw().await;
    for _ in 0..2 {
        // 204 of the route planner's status; a HEAD, whose answer ends with its head.
        let planner = ask(&mut client, request("GET", "/v4/routeplanner/status", "")).await;
        assert_eq!((planner.status(), body(&planner)), (Some(204), &b""[..]));
        client
            .write(request("HEAD", "/v4/loadtracks?identifier=sim:track:x", ""))
            .await
            .unwrap();
        let bare = client.read_until(b"\r\n\r\n", SOON).await.unwrap();
        assert!(bare.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&bare));
        let after = ask(&mut client, request("GET", "/version", "")).await;
        assert_eq!(body(&after), b"4.2.2");
    }
    assert_eq!(seen(&node, "/v4/loadtracks")[0].method, "HEAD");
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_no_chunks() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let mut client = proxy.raw().await;
    let target = "/v4/loadtracks?identifier=sim:large:100000";
    client
        .write(format!("GET {target} HTTP/1.0\r\nAuthorization: {PASSWORD}\r\n\r\n"))
        .await
        .unwrap();
    let (bytes, closed) = client.read_to_end(SOON).await;
    assert!(closed, "the end of the body is the end of the connection");
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(!head.to_lowercase().contains("transfer-encoding"), "{head}");
    assert_eq!(body.len(), 100_000);
    serde_json::from_str::<Value>(body).unwrap();
}

#[tokio::test]
async fn a_client_of_http_1_0_is_told_that_its_connection_ends_whatever_it_asks_for() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    for target in ["/version", "/v4/routeplanner/status", "/v4/loadtracks?identifier=x"] {
        let mut client = proxy.raw().await;
        let head = format!("GET {target} HTTP/1.0\r\nAuthorization: {PASSWORD}\r\nConnection: keep-alive\r\n\r\n");
        let answer = ask(&mut client, head).await;
        assert_eq!(answer.header("connection"), Some("close"), "{target}: {answer:?}");
        assert!(client.read_to_end(SOON).await.1);
    }
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_gets_it_and_one_that_does_not_wait_is_served_too() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let mut client = proxy.raw().await;
    let head = request(
        "POST",
        "/v4/simplugin/echo",
        "Expect: 100-continue\r\nContent-Length: 5\r\n",
    );
    client.write(&head).await.unwrap();
    let go_on = client.read_until(b"\r\n\r\n", SOON).await.unwrap();
    assert_eq!(go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    let answer = ask(&mut client, "hello").await;
    assert_eq!(answer.status(), Some(200));
    let impatient = ask(&mut client, head + "hello").await;
    assert_eq!(impatient.status(), Some(200));
    let bodies: Vec<_> = seen(&node, "/v4/simplugin")
        .iter()
        .map(|request| request.body.to_vec())
        .collect();
    assert_eq!(bodies, [b"hello", b"hello"]);
}

#[tokio::test]
async fn no_header_lets_a_client_override_the_version() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let answer = ask(
        &mut proxy.raw().await,
        request("GET", "/version", "Lavalink-Version: 3\r\n"),
    )
    .await;
    assert_eq!(answer.header("lavalink-api-version"), Some("4"));
    assert_eq!(body(&answer), b"4.2.2");
}
