//! The requests of the benchmark, with the header lines that a real client library (shoukaku 4) sends.

use std::net::SocketAddr;

use bytes::Bytes;
use clap::ValueEnum;

use crate::PASSWORD;
use crate::node::{SMALL_ANSWERS, large_len, small_len};

/// What a load of requests asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// `loadtracks` with answers of 2 to 30 KB
    Small,
    /// `loadtracks` with an answer of 1.5 MB in chunks
    Large,
    /// Player updates
    Patch,
}

/// A request and what it must be answered with.
#[derive(Clone)]
pub(crate) struct Request {
    /// Head and body.
    pub(crate) bytes: Bytes,
    /// Length of the answer's body; `None` when it does not matter.
    pub(crate) body_len: Option<u64>,
}

/// A session as the client knows it, with its one player.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The id from `ready`.
    pub(crate) session: String,
    /// Its player's guild.
    pub(crate) guild: String,
}

/// The guild of the session with this number.
pub(crate) fn guild(number: usize) -> String {
    format!("{}", 100_000_000_000_000_000 + number as u64)
}

/// The small searches.
pub(crate) fn small(to: SocketAddr) -> Vec<Request> {
    (0..SMALL_ANSWERS)
        .map(|number| Request {
            bytes: search(to, &format!("song-{number}")),
            body_len: Some(small_len(number)),
        })
        .collect()
}

/// The large search.
pub(crate) fn large(to: SocketAddr) -> Vec<Request> {
    vec![Request {
        bytes: search(to, "everything"),
        body_len: Some(large_len()),
    }]
}

fn search(to: SocketAddr, text: &str) -> Bytes {
    head(to, "GET", &format!("/v4/loadtracks?identifier=ytsearch%3A{text}"), "").into()
}

/// The first update of each player: voice and a track, as when playing begins.
pub(crate) fn first_updates(to: SocketAddr, targets: &[Target]) -> Vec<Request> {
    let voice = r#""voice":{"token":"0123456789abcdef","endpoint":"rotterdam1234.discord.media:443","sessionId":"0123456789abcdef0123456789abcdef","channelId":"200000000000000001"}"#;
    let body = format!("{{{voice},{TRACK}}}");
    targets.iter().map(|target| update(to, target, &body)).collect()
}

/// Later updates of each player: the usual mix of what bots change.
pub(crate) fn later_updates(to: SocketAddr, targets: &[Target]) -> Vec<Request> {
    let bodies = [
        r#"{"volume":80}"#.to_owned(),
        r#"{"paused":false}"#.to_owned(),
        format!("{{{TRACK}}}"),
        r#"{"filters":{"equalizer":[{"band":0,"gain":0.2},{"band":1,"gain":0.15}],"timescale":{"speed":1.0}}}"#
            .to_owned(),
    ];
    bodies
        .iter()
        .flat_map(|body| targets.iter().map(|target| update(to, target, body)))
        .collect()
}

const TRACK: &str = r#""track":{"encoded":"QAAAlQMAB1RpdGxlIDEACEF1dGhvciAxAAAAAAADPCAAC2FhYWFhYWFhYWFhAAEAK2h0dHBzOi8vd3d3LnlvdXR1YmUuY29tL3dhdGNoP3Y9YWFhYWFhYWFhYWEBAChodHRwczovL2kueXRpbWcuY29tL3ZpL2FhYWFhYWFhYWFhLzAuanBnAAAHeW91dHViZQAAAAAAAAAA"}"#;

fn update(to: SocketAddr, target: &Target, body: &str) -> Request {
    let path = format!(
        "/v4/sessions/{}/players/{}?noReplace=false",
        target.session, target.guild
    );
    let framing = format!("Content-Type: application/json\r\ncontent-length: {}\r\n", body.len());
    Request {
        bytes: (head(to, "PATCH", &path, &framing) + body).into(),
        body_len: None,
    }
}

fn head(to: SocketAddr, method: &str, path: &str, more: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: {to}\r\nconnection: keep-alive\r\nAuthorization: {PASSWORD}\r\n\
         User-Agent: Discord Bot/unknown (https://github.com/shipgirlproject/Shoukaku.git)\r\naccept: */*\r\n\
         accept-language: *\r\nsec-fetch-mode: cors\r\naccept-encoding: gzip, deflate\r\n{more}\r\n"
    )
}

/// A handshake of the bot with this number.
pub(crate) fn handshake(to: SocketAddr, bot: usize, password: &str) -> Vec<u8> {
    let user = 300_000_000_000_000_000 + bot as u64;
    format!(
        "GET /v4/websocket HTTP/1.1\r\nClient-Name: shoukaku/4.3.0\r\n\
         User-Agent: Discord Bot/unknown (https://github.com/shipgirlproject/Shoukaku.git)\r\n\
         Authorization: {password}\r\nUser-Id: {user}\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nHost: {to}\r\n\r\n"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use lavalink_protocol::http::{Framing, RequestHead, header_slots};

    #[test]
    fn requests_are_well_formed_and_their_bodies_are_json() {
        let to: SocketAddr = "127.0.0.1:2333".parse().unwrap();
        let targets = [Target {
            session: "abc".into(),
            guild: guild(1),
        }];
        for request in [
            small(to),
            large(to),
            first_updates(to, &targets),
            later_updates(to, &targets),
        ]
        .concat()
        {
            let mut slots = header_slots();
            let head = RequestHead::read(&request.bytes, &mut slots).unwrap().unwrap();
            let body = &request.bytes[head.len..];
            match head.framing {
                Framing::None => assert!(body.is_empty()),
                framing => {
                    assert_eq!(framing, Framing::Length(body.len() as u64));
                    assert!(serde_json::from_slice::<serde_json::Value>(body).unwrap().is_object());
                }
            }
        }
    }
}
