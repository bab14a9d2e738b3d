//! Requests that are no proper HTTP: every form by which a second request is smuggled past a proxy, broken heads and
//! chunks, other protocols on this port, and heads and bodies over the limits.

use super::{Case, MAX_BODY, MAX_HEAD, Stage, check, get, marked, marked_post, passed, refused, request, served};
use crate::support::PASSWORD;

/// What would be smuggled: it would reach a node as a second request if the first were framed in two ways.
const SECOND: &str =
    "GET /v4/loadtracks?identifier=hostile HTTP/1.1\r\nHost: proxy\r\nAuthorization: client-password\r\n\r\n";

#[tokio::test]
async fn requests_that_can_be_framed_in_two_ways_are_refused_and_smuggle_nothing() {
    let stage = Stage::start(|_| {}).await;
    check(&stage, framings()).await;
    stage.finish().await;
}

#[tokio::test]
async fn malformed_chunks_are_refused_and_smuggle_nothing() {
    let stage = Stage::start(|_| {}).await;
    check(&stage, chunks()).await;
    stage.finish().await;
}

#[tokio::test]
async fn malformed_heads_and_other_protocols_are_refused() {
    let stage = Stage::start(|_| {}).await;
    check(&stage, heads()).await;
    check(&stage, versions_and_targets()).await;
    stage.finish().await;
}

#[tokio::test]
async fn heads_and_bodies_over_the_limits_are_refused() {
    let stage = Stage::start(|_| {}).await;
    check(&stage, oversized()).await;
    stage.finish().await;
}

fn framings() -> Vec<Case> {
    let framing = |name, lines: &str| refused(name, marked_post(lines, SECOND), 400, "framing");
    let coding = |name, lines: &str| refused(name, marked_post(lines, SECOND), 501, "transfer_coding");
    vec![
        framing(
            "length and chunked",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        ),
        framing(
            "chunked and length",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        ),
        framing(
            "length and chunked in other case",
            "content-length: 5\r\nTRANSFER-ENCODING: Chunked\r\n",
        ),
        framing("two lengths", "Content-Length: 0\r\nContent-Length: 5\r\n"),
        framing("the same length twice", "Content-Length: 5\r\nContent-Length: 5\r\n"),
        framing("length with a plus", "Content-Length: +5\r\n"),
        framing("negative length", "Content-Length: -5\r\n"),
        framing("length with a blank in it", "Content-Length: 5 0\r\n"),
        framing("hexadecimal length", "Content-Length: 0x5\r\n"),
        framing("list of lengths", "Content-Length: 5, 5\r\n"),
        framing("length with a fraction", "Content-Length: 5.0\r\n"),
        framing("empty length", "Content-Length:\r\n"),
        framing("length past 64 bits", "Content-Length: 99999999999999999999\r\n"),
        framing(
            "chunked twice",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        ),
        coding("xchunked", "Transfer-Encoding: xchunked\r\n"),
        coding("identity", "Transfer-Encoding: identity\r\n"),
        coding("gzip before chunked", "Transfer-Encoding: gzip, chunked\r\n"),
        coding("chunked before gzip", "Transfer-Encoding: chunked, gzip\r\n"),
        coding("chunked with a parameter", "Transfer-Encoding: chunked;q=1\r\n"),
        coding("quoted chunked", "Transfer-Encoding: \"chunked\"\r\n"),
        coding("empty coding", "Transfer-Encoding:\r\n"),
        coding(
            "length and an unknown coding",
            "Content-Length: 5\r\nTransfer-Encoding: xchunked\r\n",
        ),
        refused(
            "chunked on HTTP/1.0",
            marked_post("Transfer-Encoding: chunked\r\n", SECOND)
                .replace("HTTP/1.1\r\nHost: proxy\r\nAuth", "HTTP/1.0\r\nAuth"),
            400,
            "framing",
        ),
        refused(
            "coding behind a vertical tab",
            marked_post("Transfer-Encoding: \x0bchunked\r\n", SECOND),
            400,
            "malformed_head",
        ),
        refused(
            "blank before the colon of a coding",
            marked_post("Transfer-Encoding : chunked\r\n", SECOND),
            400,
            "malformed_head",
        ),
        refused(
            "blank before the colon of a length",
            marked_post("Content-Length : 5\r\n", SECOND),
            400,
            "malformed_head",
        ),
        refused(
            "coding on a folded line",
            marked_post("Transfer-Encoding:\r\n chunked\r\n", SECOND),
            400,
            "malformed_head",
        ),
        refused(
            "length hidden behind a bare CR",
            marked_post("X: a\rContent-Length: 5\r\n", SECOND),
            400,
            "malformed_head",
        ),
        // A tab is as good as a blank around a value; there is one way to read it. (A node has no use for an empty list.)
        passed(
            "coding behind a tab",
            marked_post("Transfer-Encoding:\tchunked\t\r\n", "2\r\n[]\r\n0\r\n\r\n"),
            400,
        ),
        passed(
            "length with leading zeros",
            marked_post("Content-Length: 0002\r\n", "[]"),
            400,
        ),
        served(
            "body on a GET",
            get("/v4/loadtracks?identifier=hostile", "Content-Length: 2\r\n") + "[]",
            1,
        ),
    ]
}

fn chunks() -> Vec<Case> {
    let chunk = |name, body: &str| {
        let body = format!("{body}{SECOND}");
        refused(
            name,
            marked_post("Transfer-Encoding: chunked\r\n", &body),
            400,
            "malformed_body",
        )
    };
    let long_extension = format!("2;{}\r\n[]\r\n0\r\n\r\n", "x".repeat(4097));
    vec![
        chunk("size past 64 bits", "fffffffffffffffff\r\n"),
        chunk("size of sixteen digits", "0000000000000002\r\n[]\r\n0\r\n\r\n"),
        chunk("negative size", "-2\r\n[]\r\n0\r\n\r\n"),
        chunk("size with a plus", "+2\r\n[]\r\n0\r\n\r\n"),
        chunk("size with 0x", "0x2\r\n[]\r\n0\r\n\r\n"),
        chunk("no size", "\r\n[]\r\n0\r\n\r\n"),
        chunk("blank before a size", " 2\r\n[]\r\n0\r\n\r\n"),
        chunk("blank behind a size", "2 \r\n[]\r\n0\r\n\r\n"),
        chunk("blank before an extension", "2 ;x\r\n[]\r\n0\r\n\r\n"),
        chunk("bare LF behind a size", "2\n[]\r\n0\r\n\r\n"),
        chunk("bare CR behind a size", "2\r[]\r\n0\r\n\r\n"),
        chunk("bare LF in an extension", "2;x\n[]\r\n0\r\n\r\n"),
        chunk("control character in an extension", "2;x\x01\r\n[]\r\n0\r\n\r\n"),
        chunk("endless extension", &long_extension),
        chunk("bare LF behind a chunk", "2\r\n[]\n0\r\n\r\n"),
        chunk("chunk longer than its size", "1\r\n[]\r\n0\r\n\r\n"),
        chunk("bare LF in the trailers", "2\r\n[]\r\n0\r\nA: b\n\r\n"),
        chunk("bare LF at the end", "2\r\n[]\r\n0\r\n\n"),
        chunk("control character in the trailers", "2\r\n[]\r\n0\r\nA: \x01\r\n\r\n"),
    ]
}

fn heads() -> Vec<Case> {
    let head = |name, lines: &str| refused(name, marked(lines), 400, "malformed_head");
    let raw = |name, bytes: &[u8]| refused(name, bytes, 400, "malformed_head");
    vec![
        head("folded line", "X: a\r\n b\r\n"),
        head("line folded with a tab", "X: a\r\n\tb\r\n"),
        head("blank before a colon", "X : a\r\n"),
        head("NUL in a value", "X: a\0b\r\n"),
        head("CR in a value", "X: a\rb\r\n"),
        head("NUL in a name", "X\0: a\r\n"),
        head("empty name", ": a\r\n"),
        head("line without a colon", "hostile\r\n"),
        head("name in quotes", "\"X\": a\r\n"),
        head("two hosts", "Host: other\r\n"),
        raw(
            "blank before the first header",
            b"GET /v4/info HTTP/1.1\r\n Host: proxy\r\n\r\n",
        ),
        raw("no host", b"GET /v4/info?hostile HTTP/1.1\r\n\r\n"),
        raw("lines ended by a bare CR", b"GET /v4/info HTTP/1.1\rHost: proxy\r\r"),
        raw("HTTP/0.9", b"GET /v4/info\r\n"),
        raw(
            "tabs in the request line",
            b"GET\t/v4/info\tHTTP/1.1\r\nHost: proxy\r\n\r\n",
        ),
        raw("no target", b"GET HTTP/1.1\r\nHost: proxy\r\n\r\n"),
        raw(
            "byte past ASCII in the method",
            b"G\xC9T / HTTP/1.1\r\nHost: proxy\r\n\r\n",
        ),
        raw("NUL in the target", b"GET /v4/info\0 HTTP/1.1\r\nHost: proxy\r\n\r\n"),
        raw(
            "a TLS handshake on the plain port",
            b"\x16\x03\x01\x00\xfa\x01\x00\x00\xf6\x03\x03hostile\r\n\r\n",
        ),
        raw("SSH", b"SSH-2.0-OpenSSH_9.6\r\n"),
        raw("noise", &[0x80, 0xFF, 0x00, 0x13, 0x37, 0x0D, 0x0A]),
    ]
}

fn versions_and_targets() -> Vec<Case> {
    let target = |name, target: &str| refused(name, get(target, ""), 400, "malformed_head");
    let version = |name, version: &str| {
        refused(
            name,
            format!("GET /v4/info {version}\r\nHost: proxy\r\n\r\n"),
            505,
            "http_version",
        )
    };
    vec![
        version("HTTP/2.0", "HTTP/2.0"),
        version("HTTP/1.2", "HTTP/1.2"),
        version("another protocol's name", "RTSP/1.0"),
        refused(
            "the PROXY protocol, which is not asked for",
            "PROXY TCP4 1.2.3.4 5.6.7.8 9 10\r\n",
            505,
            "http_version",
        ),
        refused(
            "the preface of HTTP/2",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            505,
            "http_version",
        ),
        refused(
            "authority as target",
            request("CONNECT", "hostile.example:443", ""),
            400,
            "malformed_head",
        ),
        refused("asterisk as target", request("OPTIONS", "*", ""), 400, "malformed_head"),
        target("target without a slash", "v4/loadtracks?identifier=hostile"),
        target("URL of another scheme", "ftp://proxy/v4/loadtracks?identifier=hostile"),
        target("URL without an authority", "http:///v4/loadtracks?identifier=hostile"),
        target("URL with a query only", "http://proxy?identifier=hostile"),
        // RFC 9112 wants both: a whole URL served like its path, and empty lines before a request passed over.
        served(
            "whole URL as target",
            get("http://elsewhere/v4/loadtracks?identifier=hostile", ""),
            1,
        ),
        served("empty line before a request", format!("\r\n{}", get("/version", "")), 0),
        served(
            "lines ended by a bare LF",
            format!("GET /version HTTP/1.1\nHost: proxy\nAuthorization: {PASSWORD}\n\n"),
            0,
        ),
    ]
}

fn oversized() -> Vec<Case> {
    let long = "h".repeat(MAX_HEAD);
    let many = "A: b\r\n".repeat(101);
    let chunk = format!("{:x}\r\n{}\r\n", MAX_BODY / 2, "x".repeat(MAX_BODY / 2));
    let chunked = chunk.repeat(3) + "0\r\n\r\n";
    let declared = format!("Content-Length: {}\r\n", MAX_BODY + 1);
    vec![
        refused(
            "long request line",
            get(&format!("/v4/info?{long}"), ""),
            431,
            "head_too_large",
        ),
        refused("long header", marked(&format!("X: {long}\r\n")), 431, "head_too_large"),
        refused(
            "many long headers",
            marked(&format!("X: {}\r\n", &long[..500]).repeat(20)),
            431,
            "head_too_large",
        ),
        refused("many headers", marked(&many), 431, "head_too_large"),
        refused(
            "head without an end",
            "GET /v4/info?".to_owned() + &long,
            431,
            "head_too_large",
        ),
        refused(
            "body declared too large",
            marked_post(&declared, ""),
            413,
            "body_too_large",
        ),
        refused(
            "too large body",
            marked_post(&declared, &"x".repeat(MAX_BODY + 1)),
            413,
            "body_too_large",
        ),
        refused(
            "largest length",
            marked_post("Content-Length: 999999999999999999\r\n", "x"),
            413,
            "body_too_large",
        ),
        refused(
            "too large body in chunks",
            marked_post("Transfer-Encoding: chunked\r\n", &chunked),
            413,
            "body_too_large",
        ),
        passed(
            "largest body",
            marked_post(&format!("Content-Length: {MAX_BODY}\r\n"), &largest()),
            400,
        ),
    ]
}

/// An empty JSON list of the largest length.
fn largest() -> String {
    format!("[{}]", " ".repeat(MAX_BODY - 2))
}
