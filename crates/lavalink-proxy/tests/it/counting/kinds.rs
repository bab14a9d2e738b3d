//! Connections of every kind, opened side by side, each counted as the kernel counts it.

use std::sync::Arc;
use std::time::Duration;

use lavalink_protocol::ws::{Opcode, close_payload, write_masked_frame};
use proxy_gateway::usage::ConnectionRecord;
use proxy_testkit::{SimNode, wait_until};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Socket, Stage, Wire, request};
use crate::support::{PASSWORD, SOON};

/// Connections of each kind.
const ROUNDS: usize = 5;
/// Connections at the same time.
const SIDE_BY_SIDE: usize = 20;

#[tokio::test]
async fn the_bytes_of_every_closed_connection_equal_the_kernels() {
    let stage = Arc::new(Stage::start().await);
    all_kinds(&stage).await;
}

/// Runs every kind and returns the proxy's record of each connection.
pub(super) async fn all_kinds(stage: &Arc<Stage>) -> Vec<Arc<ConnectionRecord>> {
    // Clients, proxy and nodes share this machine with other tests: some at a time, or they starve each other.
    let places = Arc::new(Semaphore::new(SIDE_BY_SIDE));
    let mut running = JoinSet::new();
    for _ in 0..ROUNDS {
        for kind in 0..KINDS {
            let (stage, places) = (Arc::clone(stage), Arc::clone(&places));
            running.spawn(async move {
                let _place = places.acquire().await;
                run(&stage, kind).await
            });
        }
    }
    running.join_all().await
}

const KINDS: usize = 18;

async fn run(stage: &Stage, kind: usize) -> Arc<ConnectionRecord> {
    match kind {
        0 => rest(stage, stage.open().await, "REST, kept").await,
        1 => {
            answered(
                stage,
                request("GET", "/version", "Connection: close\r\n"),
                "200",
                "closed as asked",
            )
            .await
        }
        2 => {
            answered(
                stage,
                "GET /version HTTP/1.0\r\nAuthorization: client-password\r\n\r\n",
                "200",
                "HTTP/1.0",
            )
            .await
        }
        3 => answered(stage, "GET /v4/info HTTP/1.1\r\nHost: p\r\n\r\n", "401", "no password").await,
        4 => {
            answered(
                stage,
                request("GET", "/v4/info", "").replace(PASSWORD, "nope"),
                "403",
                "wrong password",
            )
            .await
        }
        5 => answered(stage, "\x16\x03\x01 no request at all\r\n\r\n", "400", "malformed").await,
        6 => answered(stage, request("GET", "/v4/websocket", ""), "400", "no upgrade").await,
        7 => flood(stage).await,
        8 => too_large(stage).await,
        9 => unfinished(stage, "GET /v4/in", "half a head").await,
        10 => unfinished(stage, "", "nothing at all").await,
        11 => socket(stage, stage.open().await, "/v4/websocket", &stage.v4, "v4 session").await,
        12 => socket(stage, stage.open().await, "/v3/websocket", &stage.v3, "v3 tunnel").await,
        13 => dropped_socket(stage).await,
        14 => broken_socket(stage).await,
        15 => rest(stage, stage.open_tls().await, "REST over TLS").await,
        16 => {
            socket(
                stage,
                stage.open_tls().await,
                "/v4/websocket",
                &stage.v4,
                "v4 session over TLS",
            )
            .await
        }
        _ => refused_over_tls(stage).await,
    }
}

/// Requests small and large, with bodies both ways, on one connection.
async fn rest<S: Socket>(stage: &Stage, mut wire: Wire<S>, name: &str) -> Arc<ConnectionRecord> {
    let body = format!("[{}]", " ".repeat(20_000));
    for _ in 0..3 {
        for target in ["/version", "/v4/info", "/v4/loadtracks?identifier=ytsearch%3Asome"] {
            wire.send(request("GET", target, "")).await;
            wire.expect("HTTP/1.1 200 ").await;
        }
        // A node has no use for an empty list.
        let json = "Content-Type: application/json\r\n";
        let lines = format!("{json}Content-Length: {}\r\n", body.len());
        wire.send(request("POST", "/v4/decodetracks", &lines) + &body).await;
        wire.expect("HTTP/1.1 400 ").await;
        let lines = format!("{json}Transfer-Encoding: chunked\r\n");
        wire.send(request("POST", "/v4/decodetracks", &lines) + "2;x=y\r\n[]\r\n0\r\n\r\n")
            .await;
        wire.expect("HTTP/1.1 400 ").await;
        wire.send(request("GET", "/v4/nothing", "")).await;
        wire.expect("HTTP/1.1 404 ").await;
    }
    wire.half_close().await;
    wire.end(stage, name).await
}

/// One request, after whose answer the proxy closes, or the client does.
async fn answered(stage: &Stage, bytes: impl AsRef<[u8]>, status: &str, name: &str) -> Arc<ConnectionRecord> {
    let mut wire = stage.open().await;
    wire.send(bytes).await;
    wire.expect(&format!("HTTP/1.1 {status} ")).await;
    wire.expect("\r\n\r\n").await;
    wire.half_close().await;
    wire.end(stage, name).await
}

/// A malformed request with much behind it, which the proxy reads and throws away, and counts.
async fn flood(stage: &Stage) -> Arc<ConnectionRecord> {
    let mut wire = stage.open().await;
    wire.send("BROKEN\r\n\r\n".to_owned() + &"x".repeat(100_000)).await;
    wire.expect("HTTP/1.1 400 ").await;
    wire.half_close().await;
    wire.end(stage, "malformed and more").await
}

async fn too_large(stage: &Stage) -> Arc<ConnectionRecord> {
    let mut wire = stage.open().await;
    wire.send(request("POST", "/v4/decodetracks", "Content-Length: 100000\r\n") + &"x".repeat(100_000))
        .await;
    wire.expect("HTTP/1.1 413 ").await;
    wire.half_close().await;
    wire.end(stage, "body too large").await
}

async fn unfinished(stage: &Stage, bytes: &str, name: &str) -> Arc<ConnectionRecord> {
    let mut wire = stage.open().await;
    wire.send(bytes).await;
    wire.half_close().await;
    wire.end(stage, name).await
}

/// A session with messages both ways, closed by the client.
async fn socket<S: Socket>(
    stage: &Stage,
    mut wire: Wire<S>,
    path: &str,
    node: &SimNode,
    name: &str,
) -> Arc<ConnectionRecord> {
    wire.upgrade(path).await;
    for number in 0..50 {
        wire.send(text(&format!("{{\"op\":\"unknown\",\"number\":{number}}}")))
            .await;
        wire.send(frame(Opcode::Ping, b"ping")).await;
    }
    for size in [10, 1_000, 70_000] {
        node.push_to_all(&format!(
            "{{\"op\":\"event\",\"guildId\":\"1\",\"size\":\"{size}{}\"}}",
            "x".repeat(size)
        ));
        wire.expect(&format!("\"size\":\"{size}x")).await;
    }
    wire.send(frame(Opcode::Close, &close_payload(1000, "bye"))).await;
    wire.end(stage, name).await
}

/// A session whose client vanishes in order, without a close frame.
async fn dropped_socket(stage: &Stage) -> Arc<ConnectionRecord> {
    let mut wire = stage.open().await;
    wire.upgrade("/v4/websocket").await;
    wire.half_close().await;
    wire.end(stage, "session without a close frame").await
}

/// A session closed by the proxy for a malformed frame, behind which the client sends on.
async fn broken_socket(stage: &Stage) -> Arc<ConnectionRecord> {
    let mut wire = stage.open().await;
    wire.upgrade("/v4/websocket").await;
    wire.send([0x81, 0x00]).await;
    wire.send([0; 10_000]).await;
    wire.half_close().await;
    wire.end(stage, "malformed frame").await
}

async fn refused_over_tls(stage: &Stage) -> Arc<ConnectionRecord> {
    let mut wire = stage.open_tls().await;
    wire.send("GET /v4/info HTTP/1.1\r\nHost: p\r\nAuthorization: nope\r\n\r\n")
        .await;
    wire.expect("HTTP/1.1 403 ").await;
    wire.end(stage, "wrong password over TLS").await
}

/// A client that resets its connection: TCP_INFO of its socket is read just before, because a reset socket has none.
/// Nothing is under way at that moment, so the reset, which carries no bytes, changes nothing.
#[tokio::test]
async fn the_bytes_of_a_reset_connection_equal_the_kernels_of_the_moment_before() {
    let stage = Stage::start().await;
    for path in ["/v4/websocket", "/v3/websocket"] {
        let mut wire = stage.open().await;
        wire.upgrade(path).await;
        wire.send(text("{\"op\":\"unknown\"}")).await;
        wait_until(SOON, || wire.record.traffic.messages_in.get() == 1).await;
        wire.compare(path, false).await;
        let before = wire.record.traffic.totals();
        wire.socket.set_zero_linger().unwrap();
        let record = Arc::clone(&wire.record);
        drop(wire);
        stage.all_closed().await;
        assert_eq!(record.traffic.totals(), before);
    }
}

/// The answer to a connection over the limits is counted too. What the client sent is never read.
#[tokio::test]
async fn the_bytes_of_a_connection_over_the_limits_are_counted() {
    let node = crate::support::sim_v4().await;
    let limits = proxy_core::limits::ConnectionLimits { total: 1, per_ip: 1 };
    let proxy = crate::support::ProxyUnderTest::builder(&[&node])
        .configure(|config| config.limits = limits)
        .start()
        .await;
    let _first = proxy.raw().await;
    wait_until(SOON, || proxy.shared().client_usage().opened == 1).await;
    let mut second = proxy.raw().await;
    let (came, closed) = second.read_to_end(Duration::from_secs(5)).await;
    assert!(closed && came.starts_with(b"HTTP/1.1 503 "));
    let usage = proxy.shared().client_usage();
    let sum: u64 = usage.by_address.values().map(|totals| totals.bytes_out).sum();
    let label: u64 = usage.by_label.values().map(|totals| totals.bytes_out).sum();
    assert_eq!((usage.opened, sum, label), (2, came.len() as u64, came.len() as u64));
}

pub(super) fn text(payload: &str) -> Vec<u8> {
    frame(Opcode::Text, payload.as_bytes())
}

pub(super) fn frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_masked_frame(&mut bytes, opcode, payload, [1, 2, 3, 4]);
    bytes
}
