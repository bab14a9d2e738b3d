//! Each fault of the simulated node, as its peer sees it.

#![allow(clippy::unwrap_used, missing_docs)]

use std::time::{Duration, Instant};

use super::{Fault, SimGeneration, SimNode};
use crate::{
    certs::TestCa,
    client::{Ended, RawClient, RawOutcome, Rest, TestClient},
    wait_until,
};

const SOON: Duration = Duration::from_secs(5);
/// Long enough to see that something does not happen.
const QUIET: Duration = Duration::from_millis(150);
const PASSWORD: &str = "youshallnotpass";

async fn node() -> SimNode {
    SimNode::builder().start().await.unwrap()
}

async fn connected(node: &SimNode) -> TestClient {
    TestClient::v4(&node.url(), PASSWORD, 7).connect().await.unwrap()
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {PASSWORD}\r\n\r\n")
}

/// What a bare client sees of one GET.
async fn outcome(node: &SimNode, path: &str, deadline: Duration) -> RawOutcome {
    let mut client = RawClient::connect(node.addr()).await.unwrap();
    client.write(get(path)).await.unwrap();
    client.read_answer(deadline).await
}

#[tokio::test]
async fn refusing_closes_the_port_and_clearing_opens_the_same_one() {
    let node = node().await;
    let client = connected(&node).await;
    node.fault(Fault::Refuse);
    assert!(refused(&node).await);
    node.push_to_all(r#"{"op":"still"}"#);
    client.wait_for(|m| m["op"] == "still", SOON).await.unwrap();
    node.clear_faults().unwrap();
    assert_eq!(outcome(&node, "/version", SOON).await.status(), Some(200));
}

#[tokio::test]
async fn a_dead_node_drops_everything_and_comes_back_empty_on_its_port() {
    let node = node().await;
    let client = connected(&node).await;
    client
        .update_session(&serde_json::json!({"resuming": true}))
        .await
        .unwrap();
    node.fault(Fault::Die);
    assert_eq!(client.wait_ended(SOON).await, Some(Ended::Dropped));
    assert!(refused(&node).await);
    node.revive().unwrap();
    assert!(!client.resume().await.unwrap());
    assert_eq!(node.sessions().len(), 1);
}

#[tokio::test]
async fn an_orderly_shutdown_closes_sessions_with_1001() {
    let node = node().await;
    let client = connected(&node).await;
    node.fault(Fault::Shutdown);
    let Some(Ended::Closed(code, _)) = client.wait_ended(SOON).await else {
        panic!("no close frame")
    };
    assert_eq!(code, 1001);
    assert!(refused(&node).await);
}

#[tokio::test]
async fn a_stalled_node_accepts_and_says_nothing_until_cleared() {
    let node = node().await;
    node.fault(Fault::Stall);
    let mut client = RawClient::connect(node.addr()).await.unwrap();
    client.write(get("/version")).await.unwrap();
    assert_eq!(client.read_answer(QUIET).await, RawOutcome::Silent(Vec::new()));
    node.clear_faults().unwrap();
    assert_eq!(client.read_answer(SOON).await.status(), Some(200));
}

#[tokio::test]
async fn a_half_open_peer_sends_nothing_until_it_thaws() {
    let node = node().await;
    let client = connected(&node).await;
    node.fault(Fault::HalfOpen);
    node.push_to_all(r#"{"op":"frozen"}"#);
    assert!(client.wait_for(|m| m["op"] == "frozen", QUIET).await.is_err());
    assert_eq!(outcome(&node, "/version", SOON).await.status(), Some(200));
    node.clear_faults().unwrap();
    client.wait_for(|m| m["op"] == "frozen", SOON).await.unwrap();
}

#[tokio::test]
async fn a_reset_in_the_middle_of_a_frame_delivers_no_message() {
    let node = node().await;
    let client = connected(&node).await;
    client.wait_for(|m| m["op"] == "stats", SOON).await.unwrap();
    let before = client.message_count();
    node.fault(Fault::ResetMidFrame);
    assert_eq!(client.wait_ended(SOON).await, Some(Ended::Dropped));
    assert_eq!(client.message_count(), before);
}

#[tokio::test]
async fn broken_and_huge_messages_arrive_as_such() {
    let node = node().await;
    let client = connected(&node).await;
    node.fault(Fault::BrokenMessage);
    node.fault(Fault::HugeFrame(3_000_000));
    let huge = client.wait_for(|m| m["type"] == "SimHugeEvent", SOON).await.unwrap();
    assert_eq!(
        (huge["padding"].as_str().unwrap().len(), client.broken_count()),
        (3_000_000, 1)
    );
}

#[tokio::test]
async fn a_flood_runs_until_it_is_cleared() {
    let node = node().await;
    let client = connected(&node).await;
    node.fault(Fault::Flood);
    wait_until(SOON, || client.message_count() > 5_000).await;
    node.clear_faults().unwrap();
    node.push_to_all(r#"{"op":"after"}"#);
    client.wait_for(|m| m["op"] == "after", SOON).await.unwrap();
}

#[tokio::test]
async fn answers_fail_in_each_of_the_ways_asked_for() {
    let half_or_none = |outcome: &RawOutcome| match outcome {
        RawOutcome::Answer { body, .. } => !body.is_empty(),
        _ => false,
    };
    type Check = fn(&RawOutcome) -> bool;
    let cases: [(Fault, Check); 7] = [
        (Fault::Status500, |o| o.status() == Some(500)),
        (Fault::Status(503), |o| o.status() == Some(503)),
        (Fault::CloseBeforeAnswer, |o| *o == RawOutcome::Closed(Vec::new())),
        (Fault::ResetBeforeAnswer, |o| *o == RawOutcome::Reset),
        (Fault::ResetMidBody, |o| *o == RawOutcome::Reset),
        (Fault::NeverAnswer, |o| *o == RawOutcome::Silent(Vec::new())),
        (
            Fault::BrokenBody,
            |o| matches!(o, RawOutcome::Answer { body, .. } if serde_json::from_slice::<serde_json::Value>(body).is_err()),
        ),
    ];
    let node = node().await;
    for (fault, is_right) in cases {
        let deadline = if fault == Fault::NeverAnswer { QUIET } else { SOON };
        node.fault_on("/v4/info", fault.clone(), 1);
        let outcome = outcome(&node, "/v4/info", deadline).await;
        assert!(is_right(&outcome), "{fault:?}: {outcome:?}");
    }
    node.fault_on("/v4/info", Fault::CloseMidBody, 1);
    assert_eq!(
        outcome(&node, "/version", SOON).await.status(),
        Some(200),
        "another path is not hit"
    );
    let cut = outcome(&node, "/v4/info", SOON).await;
    let length: usize = cut.header("content-length").unwrap().parse().unwrap();
    let RawOutcome::Answer { body, .. } = &cut else {
        panic!("{cut:?}")
    };
    assert!(
        half_or_none(&cut) && body.len() == length / 2,
        "{} of {length}",
        body.len()
    );
    assert_eq!(
        outcome(&node, "/v4/info", SOON).await.status(),
        Some(200),
        "the fault was armed once"
    );
}

#[tokio::test]
async fn a_stale_kept_connection_closes_on_its_next_request() {
    let node = node().await;
    let mut client = RawClient::connect(node.addr()).await.unwrap();
    node.fault(Fault::StaleKeepAlive);
    client.write(get("/version")).await.unwrap();
    assert_eq!(client.read_answer(SOON).await.status(), Some(200));
    client.write(get("/version")).await.unwrap();
    assert_eq!(client.read_answer(SOON).await, RawOutcome::Closed(Vec::new()));
}

#[tokio::test]
async fn idle_connections_are_closed_and_sockets_with_sessions_are_not() {
    let node = node().await;
    let client = connected(&node).await;
    let mut idle = RawClient::connect(node.addr()).await.unwrap();
    idle.write(get("/version")).await.unwrap();
    assert_eq!(idle.read_answer(SOON).await.status(), Some(200));
    node.fault(Fault::CloseIdle);
    assert_eq!(idle.read_answer(SOON).await, RawOutcome::Closed(Vec::new()));
    assert_eq!(client.ended(), None);
}

#[tokio::test]
async fn slow_answers_and_trickling_bytes_take_their_time() {
    let node = node().await;
    let started = Instant::now();
    node.fault(Fault::Slow(QUIET));
    assert_eq!(outcome(&node, "/version", SOON).await.status(), Some(200));
    assert!(started.elapsed() >= QUIET);
    node.clear_faults().unwrap();
    node.fault(Fault::Trickle {
        bytes: 20,
        every: Duration::from_millis(10),
    });
    let started = Instant::now();
    assert_eq!(outcome(&node, "/v4/info", SOON).await.status(), Some(200));
    // The answer has at least 400 bytes: at 20 bytes in 10 ms that is 200 ms.
    assert!(
        started.elapsed() >= Duration::from_millis(200),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn an_endless_body_ends_with_its_reader() {
    let node = node().await;
    node.fault(Fault::EndlessBody);
    let mut client = RawClient::connect(node.addr()).await.unwrap();
    client.write(get("/v4/info")).await.unwrap();
    assert!(client.read_until(&[b' '; 10_000], SOON).await.is_some());
    drop(client);
    wait_until(SOON, || node.connection_count() == 0).await;
}

#[tokio::test]
async fn handshakes_fail_on_command_too() {
    let node = node().await;
    node.fault_on("/v4/websocket", Fault::Status(503), 1);
    assert!(TestClient::v4(&node.url(), PASSWORD, 7).connect().await.is_err());
    connected(&node).await;
}

#[tokio::test]
async fn a_tls_node_serves_rest_and_sockets_to_who_trusts_its_ca() {
    let ca = TestCa::new().unwrap();
    let builder = SimNode::builder()
        .generation(SimGeneration::V4_2)
        .tls(ca.server_config().unwrap());
    let node = builder.start().await.unwrap();
    let client = TestClient::v4(&node.url(), PASSWORD, 7)
        .tls(ca.client_config().unwrap())
        .connect()
        .await
        .unwrap();
    assert_eq!(client.load("sim:empty").await.unwrap().status, 200);
    let stranger = TestCa::new().unwrap().client_config().unwrap();
    assert!(
        TestClient::v4(&node.url(), PASSWORD, 7)
            .tls(stranger)
            .connect()
            .await
            .is_err()
    );
}

#[tokio::test]
async fn dropping_a_node_ends_its_connections() {
    let node = node().await;
    let client = connected(&node).await;
    let rest = Rest::to(&node.url(), Some(PASSWORD)).unwrap();
    drop(node);
    assert_eq!(client.wait_ended(SOON).await, Some(Ended::Dropped));
    assert!(rest.get("/version").await.is_err());
}

async fn refused(node: &SimNode) -> bool {
    let outcome = RawClient::connect(node.addr()).await;
    outcome.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}
