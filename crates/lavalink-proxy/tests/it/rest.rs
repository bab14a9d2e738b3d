//! REST through the proxy: what reaches the node, what reaches the client, and what happens when either fails midway.

use std::time::Duration;

use http::Method;
use proxy_core::pool::NodeId;
use proxy_testkit::client::{RawOutcome, RestAnswer};
use proxy_testkit::sim::{SeenRequest, SimLoad};
use proxy_testkit::{Fault, RawClient, SimGeneration, SimNode, TestClient, wait_until};
use serde_json::{Value, json};

use crate::scripted::{Script, ScriptedNode, header};
use crate::support::{BOT, PASSWORD, ProxyUnderTest, SOON, sim, sim_v4, upgrade_head};

/// The requests that a node saw on targets that start so.
fn seen(node: &SimNode, prefix: &str) -> Vec<SeenRequest> {
    let mut requests = node.requests();
    requests.retain(|request| request.target.starts_with(prefix));
    requests
}

fn request(method: &str, target: &str, more: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: proxy.example\r\nAuthorization: {PASSWORD}\r\n{more}\r\n")
}

async fn ask(client: &mut RawClient, bytes: impl AsRef<[u8]>) -> RawOutcome {
    client.write(bytes).await.unwrap();
    client.read_answer(SOON).await
}

fn body(outcome: &RawOutcome) -> &[u8] {
    match outcome {
        RawOutcome::Answer { body, .. } => body,
        other => panic!("no answer but {other:?}"),
    }
}

fn head(outcome: &RawOutcome) -> &[String] {
    match outcome {
        RawOutcome::Answer { head, .. } => head,
        other => panic!("no answer but {other:?}"),
    }
}

// --- what reaches the node -------------------------------------------------------------------------------------------

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

// --- bodies ----------------------------------------------------------------------------------------------------------

/// Bytes that are all different from their neighbours.
fn long_text(length: usize) -> String {
    (0..length).map(|at| char::from(b'a' + (at % 23) as u8)).collect()
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

// --- connections -----------------------------------------------------------------------------------------------------

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_whoever_answers_them() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let mut client = proxy.raw().await;
    let session = "/v4/sessions/none/players";
    let all = [
        request("GET", "/v4/loadtracks?identifier=sim:slow:50", ""),
        request("GET", "/version", ""),
        request("POST", "/v4/simplugin/echo", "Content-Length: 3\r\n") + "abc",
        request("GET", session, ""),
        request("GET", "/v4/loadtracks?identifier=sim:large:50000", ""),
        request("GET", "/v4/stats", ""),
    ];
    client.write(all.concat()).await.unwrap();
    let mut answers = Vec::new();
    for _ in &all {
        answers.push(client.read_answer(SOON).await);
    }
    let statuses: Vec<_> = answers.iter().map(RawOutcome::status).collect();
    assert_eq!(statuses, [200, 200, 200, 404, 200, 200].map(Some));
    assert!(body(&answers[0]).starts_with(br#"{"#), "{answers:?}");
    assert_eq!(body(&answers[1]), b"4.2.2");
    assert!(String::from_utf8_lossy(body(&answers[2])).contains(r#""body":"abc""#));
    assert_eq!(body(&answers[4]).len(), 50_000);
}

#[tokio::test]
async fn a_connection_that_carried_requests_becomes_a_websocket() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let mut client = proxy.raw().await;
    assert_eq!(
        ask(&mut client, request("GET", "/v4/loadtracks?identifier=x", ""))
            .await
            .status(),
        Some(200)
    );
    let lines = format!("Authorization: {PASSWORD}\r\nUser-Id: {BOT}\r\n\r\n");
    let accepted = ask(&mut client, upgrade_head("/v4/websocket", &lines)).await;
    assert_eq!(accepted.status(), Some(101));
    assert_eq!(
        accepted.header("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    assert!(client.read_until(br#""op":"ready""#, SOON).await.is_some());
}

#[tokio::test]
async fn requests_share_kept_connections_to_a_node() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let rest = proxy.rest();
    for _ in 0..20 {
        assert_eq!(rest.get("/v4/loadtracks?identifier=x").await.unwrap().status, 200);
    }
    let mut connections: Vec<_> = seen(&node, "/v4/loadtracks")
        .iter()
        .map(|request| request.connection)
        .collect();
    connections.dedup();
    assert_eq!(connections.len(), 1, "{connections:?}");
}

#[tokio::test]
async fn a_kept_connection_that_the_node_closed_is_replaced_without_the_client_noticing() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let rest = proxy.rest();
    for fault in [Fault::StaleKeepAlive, Fault::CloseIdle] {
        // The first fills the pool; the fault makes what lies there useless.
        node.fault_on("/v4/loadtracks", fault.clone(), 1);
        assert_eq!(rest.get("/v4/loadtracks?identifier=x").await.unwrap().status, 200);
        node.fault_on("/v4/loadtracks", fault.clone(), 1);
        for _ in 0..3 {
            let answer = rest.get("/v4/loadtracks?identifier=x").await.unwrap();
            assert_eq!(answer.status, 200, "{fault:?}: {}", answer.text());
        }
    }
}

// --- nodes that fail -------------------------------------------------------------------------------------------------

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
        (Fault::NeverAnswer, 1),
        (Fault::Refuse, 0),
        (Fault::Stall, 0),
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

// --- what the proxy answers itself -----------------------------------------------------------------------------------

#[tokio::test]
async fn info_shows_what_all_nodes_have_or_what_any_has() {
    let builder = |plugins: &[&str], sources: &[&str]| SimNode::builder().plugins(plugins).source_managers(sources);
    let a = builder(&["one", "two"], &["http", "youtube"]).start().await.unwrap();
    let b = builder(&["two", "three"], &["spotify", "http"]).start().await.unwrap();
    for union in [false, true] {
        let proxy = ProxyUnderTest::builder(&[&a, &b])
            .configure(|config| config.info_union = union)
            .start()
            .await;
        let answer = proxy.rest().get("/v4/info").await.unwrap();
        assert_eq!(answer.header("lavalink-api-version"), Some("4"));
        let info = answer.json();
        let mut sources: Vec<_> = info["sourceManagers"]
            .as_array()
            .unwrap()
            .iter()
            .map(Value::to_string)
            .collect();
        sources.sort();
        let mut plugins: Vec<_> = info["plugins"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| p["name"].to_string())
            .collect();
        plugins.sort();
        if union {
            assert_eq!(sources, [r#""http""#, r#""spotify""#, r#""youtube""#]);
            assert_eq!(plugins, [r#""one""#, r#""three""#, r#""two""#]);
        } else {
            assert_eq!(
                (sources, plugins),
                (vec![r#""http""#.to_owned()], vec![r#""two""#.to_owned()])
            );
        }
        assert_eq!(info["version"]["semver"], "4.2.2");
        // The same answer every time.
        assert_eq!(proxy.rest().get("/v4/info").await.unwrap().json(), info);
    }
}

#[tokio::test]
async fn stats_are_those_of_all_nodes_together() {
    let (a, b) = (sim_v4().await, sim_v4().await);
    for (node, players, load) in [(&a, (30, 20), 0.2), (&b, (10, 10), 0.6)] {
        node.set_load(SimLoad {
            players: Some(players),
            system: load,
            ..SimLoad::default()
        });
    }
    let proxy = ProxyUnderTest::start(&[&a, &b]).await;
    let stats = proxy.rest().get("/v4/stats").await.unwrap().json();
    assert_eq!((&stats["players"], &stats["playingPlayers"]), (&json!(40), &json!(30)));
    let load = stats["cpu"]["systemLoad"].as_f64().unwrap();
    assert!((load - 0.3).abs() < 1e-6, "weighted by players: {load}");
    assert_eq!(stats["frameStats"], Value::Null, "as a node over REST");
}

#[tokio::test]
async fn version_is_what_the_asking_client_will_be_served_by() {
    let (v4, v3) = (sim_v4().await, sim(SimGeneration::V3_7).await);
    let proxy = ProxyUnderTest::start(&[&v4, &v3]).await;
    let rest = proxy.rest();
    assert_eq!(rest.get("/version").await.unwrap().text(), "4.2.2", "the default");
    let _bot = TestClient::v3_ops(&proxy.url(), PASSWORD, BOT).connect().await.unwrap();
    let request = http::Request::get("/version").header("User-Id", BOT.to_string());
    let bound = proxy.rest_of(request).await;
    assert_eq!(
        (bound.text().as_str(), bound.header("lavalink-api-version")),
        ("3.7.13", Some("3"))
    );
}

// --- where requests may go -------------------------------------------------------------------------------------------

#[tokio::test]
async fn plugin_routes_that_the_proxy_does_not_know_reach_a_node() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let client = proxy.connect().await;
    let below = client.session_path("/players/7/simplugin/echo");
    for target in ["/v4/simplugin/echo", below.as_str()] {
        let answer = client.rest().get(target).await.unwrap();
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    }
    let sessions = node.sessions();
    let last = node.requests().pop().unwrap();
    assert_eq!(
        last.target,
        format!("/v4/sessions/{}/players/7/simplugin/echo", sessions[0].id)
    );
}

#[tokio::test]
async fn node_administration_is_refused_unless_a_tenant_may_and_names_one_node() {
    let (a, b) = (sim_v4().await, sim_v4().await);
    let proxy = ProxyUnderTest::start(&[&a, &b]).await;
    for target in ["/youtube", "/youtube/oauth/x", "/youtube?a=b", "//youtube"] {
        let answer = proxy.rest().get(target).await.unwrap();
        assert_eq!(answer.status, 404, "{target}");
        assert!(!answer.text().contains("secret"), "{target}");
    }
    for target in ["/v4/routeplanner/free/all", "/v4/routeplanner/free/address"] {
        let answer = proxy
            .rest()
            .request(Method::POST, target, Some(&json!({"address": "1"})))
            .await
            .unwrap();
        assert_eq!(answer.status, 404, "{target}: {}", answer.text());
    }
    assert!(seen(&a, "/youtube").is_empty() && seen(&b, "/youtube").is_empty());
    drop(proxy);
    let may = ProxyUnderTest::builder(&[&a, &b])
        .default_tenant(|tenant| tenant.admin_nodes = [NodeId(1)].into())
        .start()
        .await;
    assert_eq!(may.rest().get("/youtube").await.unwrap().status, 200);
    assert_eq!((seen(&a, "/youtube").len(), seen(&b, "/youtube").len()), (0, 1));
    let other = http::Request::get("/youtube").header("Lavalink-Proxy-Node", "n0");
    assert_eq!(
        may.rest_of(other).await.status,
        404,
        "a node that the tenant may not administer"
    );
}

#[tokio::test]
async fn loadtracks_goes_where_the_fewest_requests_are_under_way() {
    let (a, b) = (sim_v4().await, sim_v4().await);
    let proxy = ProxyUnderTest::start(&[&a, &b]).await;
    let mut waiting = Vec::new();
    for number in 1..=20 {
        let mut client = proxy.raw().await;
        client
            .write(request("GET", "/v4/loadtracks?identifier=sim:slow:1500", ""))
            .await
            .unwrap();
        waiting.push(client);
        let under_way = || seen(&a, "/v4/loadtracks").len() + seen(&b, "/v4/loadtracks").len();
        wait_until(SOON, || under_way() == number).await;
    }
    assert_eq!(
        (seen(&a, "/v4/loadtracks").len(), seen(&b, "/v4/loadtracks").len()),
        (10, 10)
    );
    for mut client in waiting {
        assert_eq!(client.read_answer(SOON).await.status(), Some(200));
    }
}

#[tokio::test]
async fn loadtracks_goes_to_a_node_that_has_the_source() {
    let plain = SimNode::builder().source_managers(&["http"]).start().await.unwrap();
    let spotify = SimNode::builder()
        .source_managers(&["http", "spotify"])
        .start()
        .await
        .unwrap();
    let proxy = ProxyUnderTest::start(&[&plain, &spotify]).await;
    for _ in 0..8 {
        let answer: RestAnswer = proxy
            .rest()
            .get("/v4/loadtracks?identifier=spsearch%3Ax")
            .await
            .unwrap();
        assert_eq!(answer.status, 200);
    }
    assert_eq!(seen(&plain, "/v4/loadtracks").len(), 0);
}
