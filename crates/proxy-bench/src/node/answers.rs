//! The fake node's answers, built once: shapes and sizes of a real Lavalink 4.2, made-up content.

use std::fmt::Write;

use bytes::Bytes;
use lavalink_protocol::ws::{Opcode, write_frame};

use crate::node::SMALL_ANSWERS;
use crate::node::routes::Fixed;

/// Tracks in the small answer of this number: 2 KB for the first, 30 KB for the last.
const fn small_tracks(number: usize) -> usize {
    3 + number * 5 / 4
}

/// The large answer has at least so many bytes.
const LARGE_BYTES: usize = 1_500_000;
/// Size of the chunks in which Lavalink's web server sends long answers.
const CHUNK_BYTES: usize = 16 * 1024;

const STATS: &str = r#""frameStats":null,"players":12,"playingPlayers":10,"uptime":86400000,"memory":{"free":123456789,"used":234567890,"allocated":536870912,"reservable":4294967296},"cpu":{"cores":8,"systemLoad":0.12,"lavalinkLoad":0.04}"#;

const INFO: &str = r#"{"version":{"semver":"4.2.2","major":4,"minor":2,"patch":2,"preRelease":null},"buildTime":1700000000000,"git":{"branch":"main","commit":"0123456","commitTime":1700000000000},"jvm":"17.0.12","lavaplayer":"2.2.4","sourceManagers":["youtube","soundcloud","bandcamp","http"],"filters":["volume","equalizer","karaoke","timescale","tremolo","vibrato","distortion","rotation","channelMix","lowPass"],"plugins":[]}"#;

/// Every answer, ready to be sent.
pub(crate) struct Answers {
    small: Vec<Bytes>,
    large: Bytes,
    version: Bytes,
    info: Bytes,
    stats: Bytes,
    unauthorized: Bytes,
    forbidden: Bytes,
    /// 404 with an error object.
    pub(crate) not_found: Bytes,
    /// 204.
    pub(crate) no_content: Bytes,
    /// The answer to a session update.
    pub(crate) session: Bytes,
    /// What stands around the guild's id in a player.
    player_parts: [String; 2],
}

impl Answers {
    /// Builds them all.
    pub(crate) fn new() -> Self {
        let error = r#"{"timestamp":1700000000000,"status":404,"error":"Not Found","message":"Session not found","path":"/v4/sessions"}"#;
        Self {
            small: (0..SMALL_ANSWERS).map(|at| ok(&small_search(at))).collect(),
            large: chunked(large_search().as_bytes()),
            version: with_length("200 OK", "text/plain;charset=UTF-8", "4.2.2"),
            info: ok(INFO),
            stats: ok(&format!("{{{STATS}}}")),
            unauthorized: Bytes::from_static(
                b"HTTP/1.1 401 Unauthorized\r\nLavalink-Api-Version: 4\r\nContent-Length: 0\r\n\r\n",
            ),
            forbidden: Bytes::from_static(
                b"HTTP/1.1 403 Forbidden\r\nLavalink-Api-Version: 4\r\nContent-Length: 0\r\n\r\n",
            ),
            not_found: with_length("404 Not Found", "application/json", error),
            no_content: Bytes::from_static(b"HTTP/1.1 204 No Content\r\nLavalink-Api-Version: 4\r\n\r\n"),
            session: ok(r#"{"resuming":true,"timeout":60}"#),
            player_parts: player_parts(),
        }
    }

    /// The answer to a request that always gets the same one.
    pub(crate) fn fixed(&self, request: Fixed) -> Bytes {
        match request {
            Fixed::Unauthorized => &self.unauthorized,
            Fixed::Forbidden => &self.forbidden,
            Fixed::NotFound => &self.not_found,
            Fixed::Version => &self.version,
            Fixed::Info => &self.info,
            Fixed::Stats => &self.stats,
            Fixed::Small(number) => &self.small[number],
            Fixed::Large => &self.large,
        }
        .clone()
    }

    /// One player.
    pub(crate) fn player(&self, guild: &str) -> Bytes {
        let [before, after] = &self.player_parts;
        ok(&[before, guild, after].concat())
    }

    /// All players of a session.
    pub(crate) fn players<'a>(&self, guilds: impl Iterator<Item = &'a str>) -> Bytes {
        let [before, after] = &self.player_parts;
        let players: Vec<String> = guilds.map(|guild| [before, guild, after].concat()).collect();
        ok(&format!("[{}]", players.join(",")))
    }

    /// The frames that follow a handshake: `ready` and the first `stats`.
    pub(crate) fn greeting(&self, session: &str) -> Vec<u8> {
        let mut frames = Vec::with_capacity(512);
        let ready = format!(r#"{{"op":"ready","resumed":false,"sessionId":"{session}"}}"#);
        write_frame(&mut frames, Opcode::Text, ready.as_bytes());
        write_frame(
            &mut frames,
            Opcode::Text,
            format!(r#"{{"op":"stats",{STATS}}}"#).as_bytes(),
        );
        frames
    }
}

/// Length of the body that the small search of this number gets.
pub(crate) fn small_len(number: usize) -> u64 {
    small_search(number).len() as u64
}

/// Length of the body that the large search gets, without its framing.
pub(crate) fn large_len() -> u64 {
    large_search().len() as u64
}

fn small_search(number: usize) -> String {
    search(small_tracks(number))
}

fn large_search() -> String {
    search(LARGE_BYTES / track(0).len() + 1)
}

fn search(tracks: usize) -> String {
    let tracks: Vec<String> = (0..tracks).map(track).collect();
    format!(r#"{{"loadType":"search","data":[{}]}}"#, tracks.join(","))
}

fn track(number: usize) -> String {
    let encoded = "QAAA2QMAPEJlbmNobWFyayB0cmFjayB3aXRoIGEgdGl0bGUgb2YgdXN1YWwgbGVuZ3RoIChPZmZpY2lhbCBWaWRlbykAEkJlbmNobWFyayBBcnRpc3RzAAAAAAADPCAAC2FhYWFhYWFhYWFhAAEAK2h0dHBzOi8vd3d3LnlvdXR1YmUuY29tL3dhdGNoP3Y9YWFhYWFhYWFhYWEBADRodHRwczovL2kueXRpbWcuY29tL3ZpL2FhYWFhYWFhYWFhL21heHJlc2RlZmF1bHQuanBnAAAHeW91dHViZQAAAAAAAAAA";
    format!(
        r#"{{"encoded":"{encoded}","info":{{"identifier":"aaaaaaaaaaa","isSeekable":true,"author":"Benchmark Artists","length":212000,"isStream":false,"position":0,"title":"Benchmark track {number:04} with a title of usual length (Official Video)","uri":"https://www.youtube.com/watch?v=aaaaaaaaaaa","artworkUrl":"https://i.ytimg.com/vi/aaaaaaaaaaa/maxresdefault.jpg","isrc":null,"sourceName":"youtube"}},"pluginInfo":{{}},"userData":{{}}}}"#
    )
}

fn player_parts() -> [String; 2] {
    let after = format!(
        r#"","track":{},"volume":80,"paused":false,"state":{{"time":1700000000000,"position":1200,"connected":true,"ping":37}},"voice":{{"token":"0123456789abcdef","endpoint":"rotterdam1234.discord.media:443","sessionId":"0123456789abcdef0123456789abcdef","channelId":"200000000000000001"}},"filters":{{}}}}"#,
        track(0)
    );
    [r#"{"guildId":""#.into(), after]
}

fn ok(json: &str) -> Bytes {
    with_length("200 OK", "application/json", json)
}

fn with_length(status: &str, content_type: &str, body: &str) -> Bytes {
    let mut answer = head(status, content_type);
    let _ = write!(answer, "Content-Length: {}\r\n\r\n{body}", body.len());
    answer.into()
}

fn chunked(body: &[u8]) -> Bytes {
    let mut answer = head("200 OK", "application/json").into_bytes();
    answer.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
    for chunk in body.chunks(CHUNK_BYTES) {
        answer.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        answer.extend_from_slice(chunk);
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"0\r\n\r\n");
    answer.into()
}

fn head(status: &str, content_type: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nLavalink-Api-Version: 4\r\nContent-Type: {content_type}\r\n\
         Date: Mon, 23 Nov 2026 12:00:00 GMT\r\n"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use lavalink_protocol::http::{ChunkWalker, Framing, ResponseHead, header_slots};

    #[test]
    fn answers_are_json_of_the_promised_sizes() {
        assert!((2_000..3_000).contains(&small_len(0)), "{}", small_len(0));
        assert!(
            (25_000..31_000).contains(&small_len(SMALL_ANSWERS - 1)),
            "{}",
            small_len(SMALL_ANSWERS - 1)
        );
        assert!((1_500_000..1_600_000).contains(&large_len()));
        let bodies = [
            small_search(5),
            INFO.into(),
            format!("{{{STATS}}}"),
            player_parts().join("100"),
        ];
        for body in bodies {
            assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok(), "{body}");
        }
    }

    #[test]
    fn the_large_answer_is_chunked_and_whole() {
        let answers = Answers::new();
        let mut slots = header_slots();
        let head = ResponseHead::read(&answers.large, &mut slots, false).unwrap().unwrap();
        assert_eq!(head.framing, Framing::Chunked);
        let mut walker = ChunkWalker::default();
        assert_eq!(
            walker.walk(&answers.large[head.len..]),
            Ok(answers.large.len() - head.len)
        );
        assert!(walker.is_done());
        assert_eq!(walker.payload(), large_len());
    }
}
