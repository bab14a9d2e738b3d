//! How the proxy ends: what clients are told, what may finish, and with which code the program ends. The command line
//! itself is tested in `cli.rs`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proxy_testkit::client::{Ended, Protocol, Rest};
use proxy_testkit::{Fault, RawClient, SimGeneration, TestClient, wait_until};
use serde_json::json;

use crate::support::{BOT, PASSWORD, ProxyProgram, ProxyUnderTest, SOON, sim, sim_v4};

#[tokio::test]
async fn on_a_signal_sockets_are_closed_with_1001_requests_finish_and_the_code_is_0() {
    for signal in ["TERM", "INT"] {
        let node = sim_v4().await;
        let mut program = ProxyProgram::start(&ProxyProgram::config("", &[&node]));
        let address = program.address().await;
        let url = format!("http://{address}");
        let client = TestClient::v4(&url, PASSWORD, BOT).connect().await.unwrap();
        let mut idle = RawClient::connect(address).await.unwrap();
        idle.write(format!(
            "GET /version HTTP/1.1\r\nHost: h\r\nAuthorization: {PASSWORD}\r\n\r\n"
        ))
        .await
        .unwrap();
        assert_eq!(idle.read_answer(SOON).await.status(), Some(200));
        let rest = Rest::to(&url, Some(PASSWORD)).unwrap();
        let in_flight = tokio::spawn(async move { rest.get("/v4/loadtracks?identifier=sim:slow:700").await });
        wait_until(SOON, || {
            node.requests().iter().any(|request| request.target.contains("slow"))
        })
        .await;
        program.signal(signal);
        let ended = client.wait_ended(SOON).await;
        assert!(matches!(ended, Some(Ended::Closed(1001, _))), "{signal}: {ended:?}");
        assert!(idle.read_to_end(SOON).await.1, "{signal}: an idle connection is closed");
        let refused = RawClient::connect(address).await;
        assert!(refused.is_err(), "{signal}: still accepting");
        let answer = in_flight.await.unwrap().unwrap();
        assert_eq!(
            (answer.status, answer.header("connection")),
            (200, Some("close")),
            "{signal}"
        );
        assert_eq!(program.wait_exit(SOON).await.code(), Some(0), "{signal}");
        wait_until(SOON, || node.sessions().is_empty()).await;
    }
}

#[tokio::test]
async fn what_does_not_finish_is_cut_off_after_the_limit() {
    let node = sim_v4().await;
    let mut program = ProxyProgram::start(&ProxyProgram::config("shutdown_timeout = \"500ms\"", &[&node]));
    let address = program.address().await;
    node.fault_on("/v4/loadtracks", Fault::NeverAnswer, 1);
    let mut client = RawClient::connect(address).await.unwrap();
    let request = format!("GET /v4/loadtracks?identifier=x HTTP/1.1\r\nHost: h\r\nAuthorization: {PASSWORD}\r\n\r\n");
    client.write(request).await.unwrap();
    wait_until(SOON, || {
        node.requests()
            .iter()
            .any(|request| request.target.contains("loadtracks"))
    })
    .await;
    let begun = Instant::now();
    program.signal("TERM");
    assert_eq!(program.wait_exit(SOON).await.code(), Some(0));
    let took = begun.elapsed();
    assert!(
        took > Duration::from_millis(450) && took < Duration::from_secs(4),
        "{took:?}"
    );
    assert!(client.read_to_end(SOON).await.1);
}

#[tokio::test]
async fn an_address_that_is_taken_ends_the_program_with_a_reason() {
    let node = sim_v4().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let config = ProxyProgram::config("", &[&node]).replacen("127.0.0.1:0", &address.to_string(), 1);
    let mut program = ProxyProgram::start(&config);
    assert_eq!(program.wait_exit(SOON).await.code(), Some(1));
    program.wait_line(&format!("cannot listen on {address}")).await;
}

#[tokio::test]
async fn a_bad_file_ends_the_program_with_78_and_every_mistake() {
    let mut program = ProxyProgram::start("[server]\nbind = 5\nnonsense = 1\n");
    assert_eq!(program.wait_exit(SOON).await.code(), Some(78));
    program.wait_line("tenants: missing").await;
    let said = program.said();
    for expected in ["proxy.toml:2:", "proxy.toml:3:", "server.nonsense", "nodes: missing"] {
        assert!(said.contains(expected), "no {expected} in {said}");
    }
}

#[tokio::test]
async fn passwords_are_never_logged() {
    let node = sim_v4().await;
    let config = format!("{}[log]\nlevel = \"trace\"\n", ProxyProgram::config("", &[&node]));
    let mut program = ProxyProgram::start(&config);
    let address = program.address().await;
    let url = format!("http://{address}");
    let client = TestClient::v4(&url, PASSWORD, BOT).connect().await.unwrap();
    client.play(1, "sim:track:x").await.unwrap();
    let wrong = Rest::to(&url, Some("an-attempted-password")).unwrap();
    assert_eq!(wrong.get("/v4/info").await.unwrap().status, 403);
    program.signal("TERM");
    assert_eq!(program.wait_exit(SOON).await.code(), Some(0));
    let said = program.said();
    assert!(said.contains("lavalink-proxy stops"), "{said}");
    for secret in [PASSWORD, node.password(), "an-attempted-password", "token-1"] {
        assert!(!said.contains(secret), "{secret} is in the log");
    }
}

#[tokio::test]
async fn a_shutdown_closes_the_store_and_a_kill_is_told_of_at_the_next_start() {
    let node = sim_v4().await;
    let config = ProxyProgram::config("", &[&node]);
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let mut was_killed = false;
    for signal in ["TERM", "KILL", "TERM", "TERM"] {
        let mut program = ProxyProgram::start_in(Arc::clone(&folder), &config);
        program.address().await;
        let said = program.said();
        assert_eq!(said.contains("the proxy was not shut down"), was_killed, "{said}");
        program.signal(signal);
        program.wait_exit(SOON).await;
        was_killed = signal == "KILL";
        let log = std::fs::metadata(folder.path().join("lavalink-proxy.db-wal"));
        assert_eq!(log.is_ok_and(|log| log.len() > 0), was_killed, "after {signal}");
    }
}

#[tokio::test]
async fn every_kind_of_socket_is_told_and_parked_sessions_hold_nothing_up() {
    let (v4, v3) = (sim_v4().await, sim(SimGeneration::V3_7).await);
    let proxy = ProxyUnderTest::builder(&[&v4, &v3])
        .configure(|config| (config.threads, config.shutdown_timeout) = (3, Duration::from_secs(30)))
        .start()
        .await;
    let mut clients = Vec::new();
    for user in 1..=9 {
        let (protocol, path) = [
            (Protocol::V4, "/v4/websocket"),
            (Protocol::V3Ops, "/"),
            (Protocol::V3Rest, "/v4"),
        ][user as usize % 3];
        let builder = TestClient::builder(protocol, &proxy.url(), PASSWORD, user).socket_path(path);
        clients.push((path, builder.connect().await.unwrap()));
    }
    let parked = proxy.connect().await;
    parked
        .update_session(&json!({"resuming": true, "timeout": 60}))
        .await
        .unwrap();
    parked.drop_socket();
    proxy.wait_parked(&parked.session_id()).await;
    let begun = Instant::now();
    let shared = std::sync::Arc::clone(proxy.shared());
    let stopping = tokio::spawn(proxy.shut_down());
    for (path, client) in &clients {
        let ended = client.wait_ended(SOON).await;
        assert!(matches!(ended, Some(Ended::Closed(1001, _))), "{path}: {ended:?}");
    }
    stopping.await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(shared.directory.is_empty());
    wait_until(SOON, || {
        v4.sessions().is_empty() && v3.sessions().iter().all(|session| session.parked)
    })
    .await;
}

#[tokio::test]
async fn clients_that_resumed_through_another_worker_are_told_too() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::builder(&[&node])
        .configure(|config| (config.threads, config.shutdown_timeout) = (4, Duration::from_secs(30)))
        .start()
        .await;
    let mut clients = Vec::new();
    for user in 1..=8 {
        let client = proxy.v4(user).connect().await.unwrap();
        client
            .update_session(&json!({"resuming": true, "timeout": 60}))
            .await
            .unwrap();
        client.drop_socket();
        proxy.wait_parked(&client.session_id()).await;
        assert!(client.resume().await.unwrap());
        clients.push(client);
    }
    let begun = Instant::now();
    let stopping = tokio::spawn(proxy.shut_down());
    for client in &clients {
        let ended = client.wait_ended(SOON).await;
        assert!(matches!(ended, Some(Ended::Closed(1001, _))), "{ended:?}");
    }
    stopping.await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
