//! How connections end: each leaves one record that says so, and what all records and all live connections carried is
//! the sum of every view.

use std::time::Duration;

use lavalink_protocol::ws::{Opcode, close_payload};
use proxy_gateway::shared::Shared;
use proxy_gateway::usage::{Closed, ClosedConnection, Ended};
use proxy_testkit::certs::TestCa;
use proxy_testkit::{RawClient, SimGeneration, wait_until};

use super::kinds::frame;
use super::request;
use super::sums::sum;
use crate::support::{BOT, PASSWORD, ProxyUnderTest, SOON, sim, sim_v4, upgrade_head};

/// The one reader of a proxy's closed connections.
struct Ends<'p> {
    shared: &'p Shared,
    seen: Vec<ClosedConnection>,
}

impl<'p> Ends<'p> {
    fn of(proxy: &'p ProxyUnderTest) -> Self {
        Self {
            shared: proxy.shared(),
            seen: Vec::new(),
        }
    }

    /// The next connection that ends.
    async fn next(&mut self) -> ClosedConnection {
        let known = self.seen.len();
        let limit = tokio::time::Instant::now() + SOON;
        while self.seen.len() == known {
            assert!(tokio::time::Instant::now() < limit, "no connection ends");
            self.seen.extend(self.shared.take_closed().connections);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert_eq!(self.seen.len(), known + 1, "{:?}", &self.seen[known..]);
        self.seen[known].clone()
    }
}

async fn asked(proxy: &ProxyUnderTest, bytes: impl AsRef<[u8]>) -> RawClient {
    let mut client = proxy.raw().await;
    client.write(bytes).await.unwrap();
    client
}

async fn upgraded(proxy: &ProxyUnderTest, path: &str) -> RawClient {
    let lines = format!("Authorization: {PASSWORD}\r\nUser-Id: 9\r\nClient-Name: tester/1\r\n\r\n");
    let mut client = asked(proxy, upgrade_head(path, &lines)).await;
    client.read_until(b"\"ready\"", SOON).await.unwrap();
    client
}

#[tokio::test]
async fn connections_without_a_socket_say_how_they_ended() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::builder(&[&node])
        .configure(|config| config.header_timeout = Duration::from_millis(300))
        .start()
        .await;
    let mut ends = Ends::of(&proxy);
    let info = "GET /v4/info HTTP/1.1\r\nHost: p\r\n";
    // (sent, answered first, how it ends if the client only closes after that)
    let cases = [
        (request("GET", "/version", ""), true, "client_closed"),
        (
            request("GET", "/version", "Connection: close\r\n"),
            true,
            "client_closed",
        ),
        (
            "GET /version HTTP/1.0\r\nAuthorization: client-password\r\n\r\n".to_owned(),
            true,
            "client_closed",
        ),
        (format!("{info}\r\n"), true, "refused: password_missing"),
        (
            format!("{info}Authorization: nope\r\n\r\n"),
            true,
            "refused: password_wrong",
        ),
        ("BROKEN\r\n\r\n".to_owned(), true, "refused: malformed_head"),
        (
            upgrade_head("/v4/websocket", "Authorization: nope\r\nUser-Id: 9\r\n\r\n"),
            true,
            "refused: handshake_password",
        ),
        (
            upgrade_head(
                "/v4/websocket",
                &format!("Authorization: {PASSWORD}\r\nUser-Id: nobody\r\n\r\n"),
            ),
            true,
            "refused: close_user_id",
        ),
        (
            request("GET", "/v4/sessions/nobody/players", "Connection: close\r\n"),
            true,
            "refused: session_not_found",
        ),
        ("GET /v4/inf".to_owned(), false, "refused: head_timeout"),
        (String::new(), false, "idle_timeout"),
    ];
    for (sent, answered, expected) in cases {
        let mut client = asked(&proxy, &sent).await;
        if answered {
            client.read_until(b"\r\n\r\n", SOON).await.unwrap();
            client.half_close().await.unwrap();
        } else {
            client.read_to_end(SOON).await;
        }
        drop(client);
        let closed = ends.next().await;
        assert_eq!(closed.ended.to_string(), expected, "{sent:?}");
        assert_eq!(closed.totals, closed.record.traffic.totals());
        assert!(closed.closed >= closed.record.opened);
    }
    let mut reset = asked(&proxy, request("GET", "/version", "")).await;
    reset.read_until(b"\r\n\r\n", SOON).await.unwrap();
    reset.abort().unwrap();
    assert_eq!(ends.next().await.ended, Ended::ClientReset);
}

#[tokio::test]
async fn sockets_say_how_they_ended_and_whose_they_were() {
    for (generation, path) in [
        (SimGeneration::V4_2, "/v4/websocket"),
        (SimGeneration::V3_7, "/v3/websocket"),
    ] {
        let node = sim(generation).await;
        let proxy = ProxyUnderTest::start(&[&node]).await;
        let mut ends = Ends::of(&proxy);
        let lost = if generation == SimGeneration::V4_2 {
            "link_lost"
        } else {
            "node_closed"
        };
        let expected = [
            "client_closed",
            "client_closed",
            "client_reset",
            "protocol",
            "operator",
            "link_lost",
            lost,
        ];
        for (way, expected) in expected.into_iter().enumerate() {
            let mut client = upgraded(&proxy, path).await;
            wait_until(SOON, || node.sessions().len() == 1).await;
            let session = node.sessions()[0].id.clone();
            match way {
                0 => client
                    .write(frame(Opcode::Close, &close_payload(1000, "")))
                    .await
                    .unwrap(),
                1 => client.half_close().await.unwrap(),
                2 => {}
                3 => client.write([0x81, 0x00]).await.unwrap(),
                4 => {
                    let live = proxy.shared().client_usage().connections;
                    proxy.shared().disconnect(live[0].0.id);
                }
                // A session outlives a broken link, but not a plugin's word.
                5.. if generation == SimGeneration::V4_2 => assert!(node.close_session(&session, 4321)),
                5 => assert!(node.drop_session_socket(&session)),
                _ => assert!(node.close_session(&session, 1000)),
            }
            if way == 2 {
                client.abort().unwrap();
            } else {
                client.read_to_end(SOON).await;
                drop(client);
            }
            let closed = ends.next().await;
            assert_eq!(closed.ended.name(), expected, "{path}, way {way}");
            let session = closed.record.session().unwrap();
            assert_eq!(
                (
                    session.user.to_string(),
                    session.client_name.as_deref(),
                    &*closed.label.tenant
                ),
                ("9".to_owned(), Some("tester/1"), "default"),
                "{path}, way {way}"
            );
            assert_eq!(closed.label.class, session.class());
            wait_until(SOON, || node.sessions().is_empty()).await;
        }
        let mut opened = proxy.shared().session_ledger.totals();
        let (label, sessions) = opened.pop().unwrap();
        assert_eq!(
            (opened.len(), &*label.tenant, sessions.opened),
            (0, "default", 7),
            "{path}"
        );
        assert_eq!(sessions.ended.values().sum::<u64>(), 7, "{:?}", sessions.ended);
        assert_eq!(sessions.ended["link_lost"], 2, "{:?}", sessions.ended);
    }
}

#[tokio::test]
async fn a_silent_client_a_full_proxy_and_no_tls_are_told_apart() {
    let (node, ca) = (sim_v4().await, TestCa::new().unwrap());
    let proxy = ProxyUnderTest::builder(&[&node])
        .tls_listener(&ca)
        .configure(|config| {
            (config.ping_interval, config.ping_timeout) = (Duration::from_millis(200), Duration::from_millis(200));
            config.limits = proxy_core::limits::ConnectionLimits { total: 1, per_ip: 1 };
        })
        .start()
        .await;
    let mut ends = Ends::of(&proxy);
    let silent = upgraded(&proxy, "/v4/websocket").await;
    let mut second = proxy.raw().await;
    second.read_to_end(SOON).await;
    drop(second);
    assert_eq!(ends.next().await.ended.to_string(), "refused: too_many_connections");
    assert_eq!(ends.next().await.ended, Ended::HalfOpen);
    drop(silent);
    let mut no_tls = RawClient::connect(proxy.addresses()[1]).await.unwrap();
    no_tls.write("GET / HTTP/1.1\r\n\r\n").await.unwrap();
    no_tls.read_to_end(SOON).await;
    drop(no_tls);
    assert_eq!(ends.next().await.ended, Ended::TlsHandshake);
}

#[tokio::test]
async fn a_shutdown_ends_what_is_open() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let _socket = upgraded(&proxy, "/v4/websocket").await;
    let mut idle = asked(&proxy, request("GET", "/version", "")).await;
    idle.read_until(b"\r\n\r\n", SOON).await.unwrap();
    let shared = std::sync::Arc::clone(proxy.shared());
    proxy.shut_down().await;
    let closed = shared.take_closed().connections;
    let ends: Vec<_> = closed.iter().map(|closed| closed.ended).collect();
    assert_eq!(ends, [Ended::Shutdown; 2]);
}

#[tokio::test]
async fn records_that_nobody_takes_are_bounded_and_those_lost_are_counted() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::builder(&[&node])
        .configure(|config| config.limits = proxy_core::limits::ConnectionLimits { total: 1, per_ip: 1 })
        .start()
        .await;
    let _first = upgraded(&proxy, "/v4/websocket").await;
    const MORE: usize = 4096 + 10;
    for _ in 0..MORE {
        drop(proxy.raw().await);
    }
    wait_until(SOON, || proxy.shared().client_usage().opened == 1 + MORE as u64).await;
    let closed = proxy.shared().take_closed();
    assert_eq!((closed.connections.len(), closed.lost), (4096, 10));
    // The sums have them all the same.
    let usage = proxy.shared().client_usage();
    assert_eq!(
        sum(usage.by_label.values().copied()),
        sum(usage.by_address.values().copied())
    );
    let again = proxy.shared().take_closed();
    assert_eq!((again.connections.len(), again.lost), (0, 0));
}

#[tokio::test]
async fn a_client_that_comes_back_is_counted_as_parked_and_resumed() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let mut ends = Ends::of(&proxy);
    let client = proxy.v4(BOT).connect().await.unwrap();
    client
        .update_session(&serde_json::json!({"resuming": true, "timeout": 60}))
        .await
        .unwrap();
    client.drop_socket();
    proxy.wait_parked(&client.session_id()).await;
    assert!(client.resume().await.unwrap());
    let (_, sessions) = proxy.shared().session_ledger.totals().pop().unwrap();
    assert_eq!((sessions.opened, sessions.parked, sessions.resumed), (1, 1, 1));
    assert!(sessions.ended.is_empty());
    while ends.next().await.record.session().is_none() {}
    let mut all = Closed::default();
    let mut usage = proxy_gateway::usage::ClientUsage::default();
    proxy.shared().read_clients(&mut usage, &mut all);
    let live = usage
        .connections
        .iter()
        .filter(|(record, _)| record.session().is_some());
    assert_eq!(live.count(), 1, "the session's second connection");
}
