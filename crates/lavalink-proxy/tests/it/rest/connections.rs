//! Client connections with several requests or several uses, and kept connections to nodes.

use super::*;

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
async fn a_client_that_has_said_all_still_gets_its_answer() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let mut client = proxy.raw().await;
    let slow = request("GET", "/v4/loadtracks?identifier=sim:slow:100", "");
    client.write(slow).await.unwrap();
    client.half_close().await.unwrap();
    assert_eq!(client.read_answer(SOON).await.status(), Some(200));
    assert!(client.read_to_end(SOON).await.1);
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_quiet_websocket_is_not() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::builder(&[&node])
        .configure(|config| {
            config.idle_timeout = Duration::from_millis(300);
            config.header_timeout = Duration::from_millis(300);
            config.response_timeout = Duration::from_millis(300);
        })
        .start()
        .await;
    let bots = [
        proxy.connect().await,
        TestClient::v3_rest(&proxy.url(), PASSWORD, BOT)
            .socket_path("/v4")
            .connect()
            .await
            .unwrap(),
    ];
    let mut idle = proxy.raw().await;
    assert_eq!(ask(&mut idle, request("GET", "/version", "")).await.status(), Some(200));
    let (bytes, closed) = idle.read_to_end(SOON).await;
    assert!(closed && bytes.is_empty(), "{}", String::from_utf8_lossy(&bytes));
    // The sockets have been quiet for as long, and are for twice as long again.
    let ends = bots[0].wait_ended(Duration::from_millis(600)).await;
    assert_eq!((ends, bots[1].ended()), (None, None));
    assert_eq!(bots[0].get_players().await.unwrap().status, 200);
}

#[tokio::test]
async fn below_a_mount_everything_is_as_at_the_root() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::builder(&[&node])
        .configure(|config| config.mount = "/music".to_owned())
        .start()
        .await;
    let url = format!("{}/music", proxy.url());
    let client = TestClient::v4(&url, PASSWORD, BOT).connect().await.unwrap();
    client.play(1, "sim:track:x").await.unwrap();
    assert_eq!(client.rest().get("/version").await.unwrap().text(), "4.2.2");
    assert_eq!(seen(&node, "/v4/loadtracks").len(), 1);
    let error = client.rest().get("/v4/sessions/none/players").await.unwrap().json();
    assert_eq!(
        error["path"], "/music/v4/sessions/none/players",
        "the path that the client sent"
    );
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
