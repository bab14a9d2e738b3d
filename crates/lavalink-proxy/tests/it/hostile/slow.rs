//! Clients that are slow on purpose: heads and bodies that never end, one byte at a time, and silence.

use std::time::{Duration, Instant};

use proxy_testkit::certs::TestCa;
use proxy_testkit::{RawClient, SimGeneration};

use super::{Fate, MAX_HEAD, Stage, get, marked, marked_post, request};
use crate::support::{ProxyUnderTest, SOON, sim};

/// Long enough that an honest head never exceeds it, also on a busy machine.
const HEAD_LIMIT: Duration = Duration::from_millis(1500);

async fn stage() -> Stage {
    Stage::start(|config| {
        config.header_timeout = HEAD_LIMIT;
        config.idle_timeout = HEAD_LIMIT;
    })
    .await
}

#[tokio::test]
async fn what_is_begun_and_not_ended_is_answered_with_408() {
    let stage = stage().await;
    let update = request(
        "PATCH",
        &format!("/v4/sessions/{}", stage.bystander.session_id()),
        "Content-Length: 20\r\n",
    );
    let cases = [
        ("one byte", "G".to_owned(), "head_timeout"),
        ("half a request line", "GET /v4/info?hostile".to_owned(), "head_timeout"),
        (
            "head without its empty line",
            marked("X: y\r\n").trim_end().to_owned() + "\r\n",
            "head_timeout",
        ),
        (
            "body announced and never sent",
            marked_post("Content-Length: 5\r\n", ""),
            "body_timeout",
        ),
        (
            "half a body",
            marked_post("Content-Length: 5\r\n", "[\"a"),
            "body_timeout",
        ),
        (
            "chunks without an end",
            marked_post("Transfer-Encoding: chunked\r\n", "2\r\n[]\r\n"),
            "body_timeout",
        ),
        ("half a session update", update + "{\"resuming\":", "body_timeout"),
    ];
    for (name, bytes, reason) in cases {
        let before = stage.counted();
        let mut raw = stage.proxy.raw().await;
        let started = Instant::now();
        raw.write(bytes).await.unwrap();
        let answer = raw.read_answer(SOON).await;
        assert_eq!(answer.status(), Some(408), "{name}: {answer:?}");
        assert!(
            started.elapsed() > HEAD_LIMIT / 2,
            "{name}: after {:?}",
            started.elapsed()
        );
        stage.expect_fate(&mut raw, Fate::Closed, name).await;
        stage.expect_counted(&before, &[reason], name).await;
        assert!(stage.reached().is_empty(), "{name}");
    }
    stage.finish().await;
}

#[tokio::test]
async fn a_silent_connection_is_closed_without_a_word() {
    let stage = stage().await;
    let before = stage.counted();
    let mut fresh = stage.proxy.raw().await;
    assert_eq!(fresh.read_to_end(SOON).await, (Vec::new(), true));
    stage.expect_counted(&before, &[], "silence").await;
    stage.finish().await;
}

#[tokio::test]
async fn a_kept_connection_is_closed_without_a_word() {
    // Only the time between requests is short: a busy machine may need long for the first one.
    let stage = Stage::start(|config| config.idle_timeout = HEAD_LIMIT).await;
    let before = stage.counted();
    let mut kept = stage.proxy.raw().await;
    kept.write(get("/version", "")).await.unwrap();
    assert_eq!(kept.read_answer(SOON).await.status(), Some(200));
    assert_eq!(kept.read_to_end(SOON).await, (Vec::new(), true));
    stage.expect_counted(&before, &[], "silence after an answer").await;
    stage.finish().await;
}

#[tokio::test]
async fn a_client_that_leaves_within_a_head_gets_no_word() {
    let stage = Stage::start(|config| config.header_timeout = SOON * 6).await;
    let before = stage.counted();
    let mut gone = stage.proxy.raw().await;
    gone.write("GET /v4/in").await.unwrap();
    gone.half_close().await.unwrap();
    assert_eq!(gone.read_to_end(SOON).await, (Vec::new(), true));
    stage.expect_counted(&before, &[], "half a head").await;
    stage.finish().await;
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_refused_at_the_limit() {
    let stage = Stage::start(|config| config.header_timeout = SOON * 6).await;
    let before = stage.counted();
    let mut raw = stage.proxy.raw().await;
    let head = marked(&format!("X: {}\r\n", "y".repeat(2 * MAX_HEAD)));
    for byte in head.as_bytes() {
        // Refused at the limit: what is written after that may fail.
        if raw.write([*byte]).await.is_err() {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(raw.read_answer(SOON).await.status(), Some(431));
    stage.expect_counted(&before, &["head_too_large"], "byte by byte").await;
    stage.finish().await;
}

#[tokio::test]
async fn an_honest_head_that_comes_byte_by_byte_is_served() {
    let stage = Stage::start(|config| config.header_timeout = SOON * 6).await;
    let mut raw = stage.proxy.raw().await;
    for _ in 0..2 {
        raw.write_slowly(get("/version", ""), 1, Duration::ZERO).await.unwrap();
        assert_eq!(raw.read_answer(SOON).await.status(), Some(200));
    }
    stage.finish().await;
}

#[tokio::test]
async fn a_tls_port_that_gets_no_handshake_closes_and_counts_it() {
    let (ca, node) = (TestCa::new().unwrap(), sim(SimGeneration::V4_2).await);
    let proxy = ProxyUnderTest::builder(&[&node])
        .tls_listener(&ca)
        .configure(|config| config.header_timeout = HEAD_LIMIT)
        .start()
        .await;
    for (count, bytes) in ["GET /version HTTP/1.1\r\nHost: proxy\r\n\r\n", "", "\x16\x03\x01\x00"]
        .iter()
        .enumerate()
    {
        let mut raw = RawClient::connect(proxy.addresses()[1]).await.unwrap();
        raw.write(bytes).await.unwrap();
        let (_, closed) = raw.read_to_end(SOON).await;
        assert!(closed, "{bytes:?}");
        proxy_testkit::wait_until(SOON, || {
            let counted = proxy
                .shared()
                .refusals
                .iter()
                .find(|(reason, _)| *reason == "tls_handshake");
            counted.unwrap().1 == count as u64 + 1
        })
        .await;
    }
}
