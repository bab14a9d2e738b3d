//! Tables of heads and bodies for `http.rs`: what is read, and what is refused with which reason.
#![allow(clippy::unwrap_used)]

use super::*;

fn error(text: &str) -> HeadError {
    let mut slots = header_slots();
    match RequestHead::read(text.as_bytes(), &mut slots) {
        Err(error) => error,
        Ok(head) => panic!("{text:?} was read as {head:?}"),
    }
}

#[test]
fn ambiguous_or_broken_heads_are_refused_with_their_reason() {
    let h = "Host: a\r\n";
    let cases = [
        (
            format!("GET / HTTP/1.1\r\n{h}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
            HeadError::Framing,
        ),
        (
            format!("GET / HTTP/1.1\r\n{h}Content-Length: 1\r\nContent-Length: 2\r\n\r\n"),
            HeadError::Framing,
        ),
        (
            format!("GET / HTTP/1.1\r\n{h}Content-Length: 1\r\ncontent-length: 1\r\n\r\n"),
            HeadError::Framing,
        ),
        (
            format!("GET / HTTP/1.1\r\n{h}Content-Length: +1\r\n\r\n"),
            HeadError::Framing,
        ),
        (
            format!("GET / HTTP/1.1\r\n{h}Content-Length: 1, 1\r\n\r\n"),
            HeadError::Framing,
        ),
        (
            format!("GET / HTTP/1.1\r\n{h}Content-Length: 0x1\r\n\r\n"),
            HeadError::Framing,
        ),
        (
            format!("GET / HTTP/1.1\r\n{h}Content-Length: 99999999999999999999\r\n\r\n"),
            HeadError::Framing,
        ),
        (
            format!("GET / HTTP/1.1\r\n{h}Content-Length:\r\n\r\n"),
            HeadError::Framing,
        ),
        (
            format!("GET / HTTP/1.1\r\n{h}Transfer-Encoding: gzip, chunked\r\n\r\n"),
            HeadError::TransferCoding,
        ),
        (
            format!("GET / HTTP/1.1\r\n{h}Transfer-Encoding: xchunked\r\n\r\n"),
            HeadError::TransferCoding,
        ),
        (
            format!("GET / HTTP/1.1\r\n{h}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
            HeadError::Framing,
        ),
        (
            format!("GET / HTTP/1.0\r\n{h}Transfer-Encoding: chunked\r\n\r\n"),
            HeadError::Framing,
        ),
        (
            format!("GET / HTTP/1.1\r\n{h}Content-Length : 1\r\n\r\n"),
            HeadError::Malformed,
        ),
        (format!("GET / HTTP/1.1\r\n{h}X: a\r\n b\r\n\r\n"), HeadError::Malformed),
        (format!("GET / HTTP/1.1\r\n{h}X: a\0b\r\n\r\n"), HeadError::Malformed),
        (format!("GET / HTTP/1.1\r\n{h}Host: b\r\n\r\n"), HeadError::Host),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), HeadError::Host),
        (format!("GET a HTTP/1.1\r\n{h}\r\n"), HeadError::Target),
        (format!("CONNECT a:1 HTTP/1.1\r\n{h}\r\n"), HeadError::Target),
        (format!("OPTIONS * HTTP/1.1\r\n{h}\r\n"), HeadError::Target),
        (format!("GET http:///x HTTP/1.1\r\n{h}\r\n"), HeadError::Target),
        (format!("GET / HTTP/2.0\r\n{h}\r\n"), HeadError::Version),
        ("\x16\x03\x01\x02\x00\x01\x00".to_owned(), HeadError::Malformed),
        (
            format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(101)),
            HeadError::TooManyHeaders,
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(error(&text), expected, "{text:?}");
    }
}

#[test]
fn a_head_is_read_however_it_is_cut() {
    let text = "PATCH /v4/sessions/a/players/1?noReplace=true HTTP/1.1\r\nHOST: x\r\nauthorization: pw\r\nUser-Id: 7\r\n\
                Connection: keep-alive, Upgrade\r\nUPGRADE: WebSocket\r\nContent-Length: 12\r\n\r\n";
    for cut in 0..text.len() {
        assert!(
            RequestHead::read(&text.as_bytes()[..cut], &mut header_slots())
                .unwrap()
                .is_none()
        );
    }
    let mut slots = header_slots();
    let head = RequestHead::read(text.as_bytes(), &mut slots).unwrap().unwrap();
    assert_eq!(
        head.path_and_query(),
        ("/v4/sessions/a/players/1", Some("noReplace=true"))
    );
    assert_eq!(
        (head.len, head.framing, head.keep_alive),
        (text.len(), Framing::Length(12), true)
    );
    assert!(head.connection_upgrade && head.upgrade_websocket);
    assert_eq!(
        (head.known.authorization, head.known.user_id),
        (Some(&b"pw"[..]), Some(&b"7"[..]))
    );
}

#[test]
fn absolute_targets_lose_scheme_and_authority() {
    for (target, path) in [
        ("http://h/v4/info?x", "/v4/info?x"),
        ("HTTPS://h:1/a", "/a"),
        ("http://h", "/"),
    ] {
        let text = format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
        let mut slots = header_slots();
        assert_eq!(
            RequestHead::read(text.as_bytes(), &mut slots).unwrap().unwrap().target,
            path
        );
    }
}

#[test]
fn an_answer_says_how_its_body_ends() {
    let cases = [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            false,
            Framing::Length(5),
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            true,
            Framing::None,
            true,
        ),
        ("HTTP/1.1 204 No Content\r\n\r\n", false, Framing::None, true),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
            false,
            Framing::Chunked,
            false,
        ),
        ("HTTP/1.1 200 OK\r\n\r\n", false, Framing::UntilClose, false),
        (
            "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
            false,
            Framing::Length(0),
            false,
        ),
    ];
    for (text, to_head, framing, keep_alive) in cases {
        let mut slots = header_slots();
        let head = ResponseHead::read(text.as_bytes(), &mut slots, to_head)
            .unwrap()
            .unwrap();
        assert_eq!((head.framing, head.keep_alive), (framing, keep_alive), "{text:?}");
    }
}

#[test]
fn a_chunked_body_ends_at_the_same_byte_however_it_is_cut() {
    let body = b"5\r\nhello\r\n1a;ext=\"x\"\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nX: y\r\n\r\nNEXT";
    let end = body.len() - 4;
    for cut in 0..=body.len() {
        let mut walker = ChunkWalker::default();
        let mut payload = Vec::new();
        let first = walker
            .walk_payload(&body[..cut], |piece| payload.extend_from_slice(piece))
            .unwrap();
        let second = walker
            .walk_payload(&body[cut..], |piece| payload.extend_from_slice(piece))
            .unwrap();
        assert_eq!((first + second, walker.is_done(), walker.payload()), (end, true, 31));
        assert_eq!(payload, b"helloabcdefghijklmnopqrstuvwxyz");
    }
}

#[test]
fn chunk_forms_that_parsers_read_differently_are_refused() {
    let cases = [
        "\r\n",
        "5\nhello",
        "+5\r\n",
        " 5\r\n",
        "5 \r\n",
        "0x5\r\n",
        "5\r\nhelloX",
        "5\r\nhello\n",
        "g\r\n",
        "fffffffffffffffff\r\n",
        "0\r\n\n",
        "0\r\nA: b\n",
        "5;a\nb\r\n",
    ];
    for text in cases {
        let mut walker = ChunkWalker::default();
        assert_eq!(walker.walk(text.as_bytes()), Err(ChunkError), "{text:?}");
    }
}

#[test]
fn header_names_are_known_in_any_case_and_nothing_else_is_taken_for_one() {
    let rows = [
        ("te", HeaderName::Te),
        ("Host", HeaderName::Host),
        ("EXPECT", HeaderName::Expect),
        ("User-Id", HeaderName::UserId),
        ("content-length", HeaderName::ContentLength),
        ("Transfer-Encoding", HeaderName::TransferEncoding),
        ("Sec-WebSocket-Key", HeaderName::WebSocketKey),
        ("sec-websocket-EXTENSIONS", HeaderName::WebSocketExtensions),
        ("Lavalink-Api-Version", HeaderName::ApiVersion),
        ("", HeaderName::Other),
        ("hos", HeaderName::Other),
        ("hosts", HeaderName::Other),
        ("user_id", HeaderName::Other),
        ("user\rid", HeaderName::Other),
        ("sec-websocket-extensions-", HeaderName::Other),
        ("a-name-that-is-longer-than-any-that-is-known", HeaderName::Other),
    ];
    for (name, known) in rows {
        assert_eq!(HeaderName::of(name), known, "{name:?}");
    }
}
