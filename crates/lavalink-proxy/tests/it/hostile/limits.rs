//! What many hostile clients may cost: connections over the caps, and thousands that hold a half-sent head.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use proxy_core::limits::ConnectionLimits;
use proxy_testkit::{RawClient, SimGeneration, TestClient, wait_until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::get;
use crate::support::{BOT, OTHER_BOT, PASSWORD, ProxyProgram, ProxyUnderTest, SOON, sim};

/// Connections that hold a half-sent head.
const LORISES: usize = 2_000;
/// What each of them may take of the proxy's memory; a socket that waits owns little more than its task.
const BYTES_PER_LORIS: u64 = 16 * 1024;

#[tokio::test]
async fn connections_over_the_caps_are_answered_with_503() {
    let node = sim(SimGeneration::V4_2).await;
    let limits = ConnectionLimits { total: 5, per_ip: 3 };
    let proxy = ProxyUnderTest::builder(&[&node])
        .configure(|config| config.limits = limits)
        .start()
        .await;
    let mut open = Vec::new();
    for host in [1, 1, 1] {
        open.push(connect_from(host, proxy.addr()).await);
        assert!(is_served(open.last_mut().unwrap()).await);
    }
    assert!(
        is_turned_away(&mut connect_from(1, proxy.addr()).await).await,
        "the fourth of an address"
    );
    for host in [2, 2] {
        open.push(connect_from(host, proxy.addr()).await);
        assert!(is_served(open.last_mut().unwrap()).await);
    }
    assert!(
        is_turned_away(&mut connect_from(3, proxy.addr()).await).await,
        "the sixth of all"
    );
    let counted = proxy
        .shared()
        .refusals
        .iter()
        .find(|(reason, _)| *reason == "too_many_connections");
    assert_eq!(counted, Some(("too_many_connections", 2)));

    assert!(is_served(&mut open[0]).await, "those inside the caps go on");
    open.remove(0);
    wait_until(SOON, || proxy.shared().client_usage().connections.len() == 4).await;
    assert!(is_served(&mut connect_from(1, proxy.addr()).await).await, "room again");
}

#[tokio::test]
async fn thousands_of_half_sent_heads_stop_nobody_and_take_little_memory() {
    let node = sim(SimGeneration::V4_2).await;
    let mut program = ProxyProgram::start(&ProxyProgram::config("header_timeout = \"20s\"", &[&node]));
    let address = program.address().await;
    let client = |user| TestClient::v4(&format!("http://{address}"), PASSWORD, user).connect();
    let honest = client(BOT).await.unwrap();
    let before = program.resident_bytes();
    let mut lorises = Vec::new();
    for _ in 0..LORISES {
        let mut raw = RawClient::connect(address).await.unwrap();
        raw.write("GET /v4/info HTTP/1.1\r\nHost: proxy\r\nX-Slow: ")
            .await
            .unwrap();
        lorises.push(raw);
    }
    let later = client(OTHER_BOT).await.unwrap();
    for session in [&honest, &later] {
        assert_eq!(session.get_players().await.unwrap().status, 200);
    }
    let grown = program.resident_bytes().saturating_sub(before);
    assert!(
        grown < LORISES as u64 * BYTES_PER_LORIS,
        "{LORISES} half-sent heads take {grown} bytes"
    );
    for raw in &mut lorises {
        raw.write("y").await.unwrap();
    }
    for mut raw in lorises {
        assert_eq!(raw.read_answer(Duration::from_secs(60)).await.status(), Some(408));
    }
    assert_eq!(honest.get_players().await.unwrap().status, 200);
    assert_eq!((honest.ended(), later.ended()), (None, None));
}

/// A connection from 127.0.0.`host`.
async fn connect_from(host: u8, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::new(127, 0, 0, host), 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

async fn is_served(socket: &mut TcpStream) -> bool {
    socket.write_all(get("/version", "").as_bytes()).await.unwrap();
    first_bytes(socket).await.starts_with(b"HTTP/1.1 200 ")
}

async fn is_turned_away(socket: &mut TcpStream) -> bool {
    first_bytes(socket).await.starts_with(b"HTTP/1.1 503 ")
}

async fn first_bytes(socket: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4096);
    tokio::time::timeout(SOON, socket.read_buf(&mut bytes))
        .await
        .unwrap()
        .unwrap();
    bytes
}
