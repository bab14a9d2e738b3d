//! WebSocket frames that are against RFC 6455 or against Lavalink's habits, on a v4 session, on a v3 tunnel, and on a
//! socket whose version is still undecided.

use std::time::Duration;

use lavalink_protocol::ws::{Opcode, close_payload, write_masked_frame};
use proxy_testkit::{RawClient, wait_until};

use super::{MAX_MESSAGE, Stage};
use crate::support::{PASSWORD, SOON, upgrade_head};

/// Frames and the code that they are closed with.
struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    code: u16,
}

/// A socket on each of the three kinds of way.
const PATHS: [&str; 3] = ["/v4/websocket", "/v3/websocket", "/v4"];

#[tokio::test]
async fn malformed_frames_close_a_v4_session() {
    let stage = Stage::start(|_| {}).await;
    let mut cases = malformed();
    // Lavalink's own answer.
    cases.push(case("binary message", frame(Opcode::Binary, b"hostile"), 1003));
    for case in &cases {
        expect_close(&stage, "/v4/websocket", case).await;
    }
    wait_until(SOON, || stage.v4.sessions().len() == 1).await;
    stage.finish().await;
}

#[tokio::test]
async fn malformed_frames_close_a_v3_tunnel_and_do_not_reach_the_node() {
    let stage = Stage::start(|_| {}).await;
    for case in &malformed() {
        expect_close(&stage, "/v3/websocket", case).await;
    }
    wait_until(SOON, || stage.v3.sessions().is_empty()).await;
    assert!(stage.v3.messages().is_empty(), "{:?}", stage.v3.messages());
    stage.finish().await;
}

#[tokio::test]
async fn malformed_frames_close_an_undecided_socket() {
    let stage = Stage::start(|_| {}).await;
    for case in &malformed() {
        expect_close(&stage, "/v4", case).await;
    }
    stage.finish().await;
}

#[tokio::test]
async fn a_user_id_that_is_no_number_is_closed_with_1011() {
    let stage = Stage::start(|_| {}).await;
    let before = stage.counted();
    let mut raw = stage.proxy.raw().await;
    let head = upgrade_head(
        "/v4/websocket",
        &format!("Authorization: {PASSWORD}\r\nUser-Id: abc\r\n"),
    );
    raw.write(head + "\r\n").await.unwrap();
    raw.read_until(b"\r\n\r\n", SOON).await.expect("an answer");
    expect_close_frame(&mut raw, 1011, "User-Id is not a number", "no number").await;
    stage.expect_counted(&before, &["close_user_id"], "no number").await;
    stage.finish().await;
}

#[tokio::test]
async fn a_clients_own_close_is_answered_with_its_code_and_is_no_error() {
    let stage = Stage::start(|_| {}).await;
    for path in PATHS {
        for code in [1000, 1001, 3000, 4999] {
            let before = stage.counted();
            let mut raw = open(&stage, path).await;
            raw.write(frame(Opcode::Close, &close_payload(code, "bye")))
                .await
                .unwrap();
            expect_close_frame(&mut raw, code, "", path).await;
            stage.alone().await;
            stage.expect_counted(&before, &[], path).await;
        }
    }
    stage.finish().await;
}

#[tokio::test]
async fn floods_of_pings_and_empty_fragments_cost_nothing_and_close_nothing() {
    let stage = Stage::start(|_| {}).await;
    let before = stage.counted();
    let mut empty = vec![piece(0x01, b"")];
    empty.resize(20_000, piece(0x00, b""));
    empty.push(piece(0x80, b"{}"));
    for path in PATHS {
        let mut raw = open(&stage, path).await;
        raw.write(frame(Opcode::Ping, &[b'p'; 125]).repeat(5_000))
            .await
            .unwrap();
        raw.write(empty.concat()).await.unwrap();
        raw.write(frame(Opcode::Ping, b"last ping")).await.unwrap();
        assert!(
            raw.read_until(b"last ping", SOON).await.is_some(),
            "{path} does not go on"
        );
        raw.write(frame(Opcode::Close, &[])).await.unwrap();
        assert!(raw.read_to_end(SOON).await.1, "{path}");
    }
    stage.alone().await;
    stage.expect_counted(&before, &[], "floods").await;
    stage.finish().await;
}

/// A client that floods pings and never reads its pongs is a slow client like any other.
#[tokio::test]
async fn pongs_that_nobody_reads_are_bounded() {
    let stage = Stage::start(|config| config.client_queue_bytes = 64 * 1024).await;
    for path in PATHS {
        let before = stage.counted();
        let mut raw = open(&stage, path).await;
        // So few that each read of the proxy answers all that it found.
        let pings = frame(Opcode::Ping, &[b'p'; 125]).repeat(24);
        let flood = async { while raw.write(&pings).await.is_ok() {} };
        let ended = tokio::time::timeout(Duration::from_secs(60), flood).await;
        assert!(ended.is_ok(), "{path}: the flood was never stopped");
        stage.expect_counted(&before, &["close_slow_client"], path).await;
        stage.alone().await;
    }
    stage.finish().await;
}

#[tokio::test]
async fn text_on_a_v4_session_is_ignored_as_lavalink_does() {
    let stage = Stage::start(|_| {}).await;
    let before = stage.counted();
    let mut raw = open(&stage, "/v4/websocket").await;
    for text in ["", "hostile", "{\"op\":\"play\"}", "[[[[[[[[", "\u{0}"] {
        raw.write(frame(Opcode::Text, text.as_bytes())).await.unwrap();
    }
    raw.write(frame(Opcode::Ping, b"still there")).await.unwrap();
    assert!(raw.read_until(b"still there", SOON).await.is_some());
    stage.expect_counted(&before, &[], "text").await;
    stage.finish().await;
}

#[tokio::test]
async fn ops_of_wrong_types_reach_a_v3_node_untouched() {
    let stage = Stage::start(|_| {}).await;
    let ops = [
        r#"{"op":7}"#,
        r#"{"op":null,"guildId":[]}"#,
        r#"{"op":"play","guildId":5,"track":{}}"#,
        r#"{"op":"configureResuming","key":17,"timeout":"long"}"#,
        r#"{"op":"configureResuming","key":"half"#,
        r#"{"op" : "voiceUpdate" , "guildId":"x", "event":"none"}"#,
        "[]",
        "no json",
    ];
    let arrived = || {
        let messages = stage.v3.messages().into_iter();
        messages.map(|message| message.text).collect::<Vec<_>>()
    };
    for (number, op) in ops.iter().enumerate() {
        // As Lavalink 3.7 does, the node closes the socket of what it cannot take.
        let mut raw = open(&stage, "/v3/websocket").await;
        raw.write(frame(Opcode::Text, op.as_bytes())).await.unwrap();
        wait_until(SOON, || arrived().len() == number + 1).await;
    }
    assert_eq!(arrived(), ops);
    stage.finish().await;
}

/// Frames that no version of the protocol allows.
fn malformed() -> Vec<Case> {
    let close = |name, payload: &[u8], code| case(name, frame(Opcode::Close, payload), code);
    let declared = |length: u64| [&[0x81, 0xFF][..], &length.to_be_bytes(), &[0; 4]].concat();
    vec![
        case("no mask", vec![0x81, 0x02, b'{', b'}'], 1002),
        case("first reserved bit", piece(0xC1, b"{}"), 1002),
        case("second reserved bit", piece(0xA1, b"{}"), 1002),
        case("third reserved bit", piece(0x91, b"{}"), 1002),
        case("unknown opcode", piece(0x83, b"{}"), 1002),
        case("unknown control opcode", piece(0x8B, b"{}"), 1002),
        case("ping in pieces", piece(0x09, b"p"), 1002),
        case("close in pieces", piece(0x08, &[0x03, 0xE8]), 1002),
        case("long ping", frame(Opcode::Ping, &[b'p'; 126]), 1002),
        case(
            "length in too long a form",
            [&[0x81, 0xFE, 0x00, 0x02][..], &[0; 4], b"{}"].concat(),
            1002,
        ),
        case("continuation of nothing", piece(0x80, b"{}"), 1002),
        case(
            "message inside another",
            [piece(0x01, b"{"), piece(0x81, b"{}")].concat(),
            1002,
        ),
        case("text that is not UTF-8", frame(Opcode::Text, b"\"\xFF\xFE\""), 1007),
        case("UTF-8 cut off", frame(Opcode::Text, b"\"\xE2\x82"), 1007),
        case(
            "pieces that are not UTF-8",
            [piece(0x01, b"\"\xE2"), piece(0x80, b"(\"")].concat(),
            1007,
        ),
        case("length of 2^63", declared(1 << 63), 1009),
        case("length of 2^64 - 1", declared(u64::MAX), 1009),
        case("length over the limit", declared(70_000), 1009),
        case(
            "message over the limit",
            frame(Opcode::Text, &[b' '; MAX_MESSAGE + 1]),
            1009,
        ),
        case(
            "pieces over the limit",
            [
                piece(0x01, &[b' '; 100]),
                piece(0x00, &[b' '; 100]).repeat(MAX_MESSAGE / 100),
            ]
            .concat(),
            1009,
        ),
        close("close of one byte", &[0x03], 1002),
        close("close with 999", &999_u16.to_be_bytes(), 1002),
        close("close with 1004", &1004_u16.to_be_bytes(), 1002),
        close("close with 1005", &1005_u16.to_be_bytes(), 1002),
        close("close with 1006", &1006_u16.to_be_bytes(), 1002),
        close("close with 1015", &1015_u16.to_be_bytes(), 1002),
        close("close with 5000", &5000_u16.to_be_bytes(), 1002),
        close("close with a reason that is not UTF-8", b"\x03\xE8\xFF", 1007),
    ]
}

fn case(name: &'static str, bytes: Vec<u8>, code: u16) -> Case {
    Case { name, bytes, code }
}

/// A whole masked frame.
fn frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_masked_frame(&mut bytes, opcode, payload, [0x11, 0x22, 0x33, 0x44]);
    bytes
}

/// A short masked frame with this first byte.
fn piece(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = frame(Opcode::Text, payload);
    bytes[0] = first;
    bytes
}

/// An open socket that has got its `ready`.
async fn open(stage: &Stage, path: &str) -> RawClient {
    let mut raw = stage.proxy.raw().await;
    let head = upgrade_head(path, &format!("Authorization: {PASSWORD}\r\nUser-Id: 7\r\n"));
    raw.write(head + "\r\n").await.unwrap();
    let switched = raw.read_until(b"\r\n\r\n", SOON).await.expect("an answer");
    assert!(
        switched.starts_with(b"HTTP/1.1 101 "),
        "{}",
        String::from_utf8_lossy(&switched)
    );
    assert!(raw.read_until(b"\"ready\"", SOON).await.is_some(), "{path}: no ready");
    raw
}

/// Sends the frames on a socket of its own and checks code, counter, and that the proxy lets go of the socket.
async fn expect_close(stage: &Stage, path: &str, case: &Case) {
    let before = stage.counted();
    let mut raw = open(stage, path).await;
    raw.write(&case.bytes).await.unwrap();
    // What an attacker goes on sending must not make the kernel throw the close frame away.
    raw.write(vec![0xAA; 20_000]).await.ok();
    expect_close_frame(&mut raw, case.code, "protocol error", case.name).await;
    raw.half_close().await.ok();
    let (rest, closed) = raw.read_to_end(SOON).await;
    assert!(
        closed && rest.is_empty(),
        "{} on {path}: closed {closed} after {rest:?}",
        case.name
    );
    stage.alone().await;
    stage.expect_counted(&before, &["close_protocol"], case.name).await;
}

async fn expect_close_frame(raw: &mut RawClient, code: u16, reason: &str, name: &str) {
    let payload = close_payload(code, reason);
    let wanted = [&[0x88, payload.len() as u8][..], &payload].concat();
    if raw.read_until(&wanted, SOON).await.is_none() {
        let (came, closed) = raw.read_to_end(Duration::from_millis(10)).await;
        panic!(
            "{name}: not closed with {code}, but closed {closed} with {:?}",
            String::from_utf8_lossy(&came)
        );
    }
}
