//! Seeded randomised checks: nothing that a peer sends makes the parsers panic, and what they say of generated messages
//! is what a full JSON parser says.

#![allow(clippy::unwrap_used, missing_docs)]

use fastrand::Rng;
use lavalink_protocol::detect::{Binding, Class, Known, Request, detect};
use lavalink_protocol::envelope::{Envelope, EventKind, Op};
use lavalink_protocol::late::{evidence_from_body, evidence_from_op};
use lavalink_protocol::message::{PlayerUpdate, Ready, SessionUpdate, V3SessionUpdate};
use lavalink_protocol::route::{Method, Route};
use lavalink_protocol::stats::Stats;
use serde_json::{Map, Value, json};

const ROUNDS: usize = 20_000;

/// Text made of the pieces that matter to a parser, with some noise.
fn soup(random: &mut Rng, pieces: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..random.usize(0..12) {
        if random.u8(..) < 16 {
            out.push(random.u8(..));
        } else {
            out.extend_from_slice(pieces[random.usize(..pieces.len())].as_bytes());
        }
    }
    out
}

#[test]
fn arbitrary_bytes_never_upset_a_message_parser() {
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\\",
        "\\u00",
        "\"op\"",
        "\"guildId\"",
        "\"type\"",
        "\"ready\"",
        "1",
        " ",
        "null",
    ];
    let mut random = Rng::with_seed(1);
    for _ in 0..ROUNDS {
        let bytes = soup(&mut random, &pieces);
        Envelope::read(&bytes);
        evidence_from_op(&bytes);
        evidence_from_body(&Route::parse("/v4/sessions/s"), &bytes);
        evidence_from_body(&Route::parse("/v4/sessions/s/players/1"), &bytes);
        let _ = (Ready::read(&bytes), PlayerUpdate::read(&bytes), Stats::read(&bytes));
        let _ = (SessionUpdate::read(&bytes), V3SessionUpdate::read(&bytes));
    }
}

/// Any JSON value, with keys and text that could be mistaken for the envelope's.
fn value(random: &mut Rng, depth: usize) -> Value {
    match random.usize(0..if depth == 0 { 5 } else { 7 }) {
        0 => Value::Null,
        1 => Value::Bool(random.bool()),
        2 => json!(random.i64(..)),
        3 => json!(random.f64() * 1e9),
        4 => Value::String(text(random)),
        5 => Value::Array((0..random.usize(0..4)).map(|_| value(random, depth - 1)).collect()),
        _ => Value::Object(
            (0..random.usize(0..4))
                .map(|_| (text(random), value(random, depth - 1)))
                .collect(),
        ),
    }
}

fn text(random: &mut Rng) -> String {
    let pieces = [
        "op",
        "guildId",
        "type",
        "ready",
        "\"",
        "\\",
        "{",
        "}",
        "]",
        "ü",
        "\n",
        "\u{1}",
        "",
        "\",\"op\":\"stats",
    ];
    (0..random.usize(0..3))
        .map(|_| pieces[random.usize(..pieces.len())])
        .collect()
}

/// A message whose envelope is known: some of its fields, in any order, among others.
fn message(random: &mut Rng) -> Vec<(String, Value)> {
    let ops = ["ready", "playerUpdate", "stats", "event", "pluginOp", "\"op\""];
    let types = [
        "TrackStartEvent",
        "TrackEndEvent",
        "TrackExceptionEvent",
        "TrackStuckEvent",
        "WebSocketClosedEvent",
        "Own",
    ];
    let mut fields = vec![
        ("op".to_owned(), json!(ops[random.usize(..ops.len())])),
        (
            "guildId".to_owned(),
            if random.bool() {
                json!(random.u64(..1 << 62).to_string())
            } else {
                value(random, 2)
            },
        ),
        ("type".to_owned(), json!(types[random.usize(..types.len())])),
    ];
    fields.retain(|_| random.u8(..) > 20);
    fields.extend((0..random.usize(0..5)).map(|index| (format!("{}{index}", text(random)), value(random, 4))));
    if random.bool() {
        // As Lavalink orders them: op first, guild first or last.
        let guild_last = random.bool();
        fields.sort_by_key(|(key, _)| match key.as_str() {
            "op" => 0,
            "type" => 1,
            "guildId" if !guild_last => 2,
            "guildId" => 4,
            _ => 3,
        });
    } else {
        random.shuffle(&mut fields);
    }
    fields
}

/// Writes the fields in their order, which a map would not keep; half of them with spaces thrown in.
fn written(random: &mut Rng, fields: &[(String, Value)]) -> String {
    let widest = if random.bool() { 3 } else { 1 };
    let mut space = || " \n\t"[..random.usize(0..widest)].to_owned();
    let members: Vec<_> = fields
        .iter()
        .map(|(key, value)| format!("{}{}{}:{}{value}{}", space(), json!(key), space(), space(), space()))
        .collect();
    format!("{{{}}}", members.join(","))
}

fn expected(object: &Map<String, Value>) -> Envelope {
    let op = match object.get("op").and_then(Value::as_str) {
        Some("ready") => Op::Ready,
        Some("playerUpdate") => Op::PlayerUpdate,
        Some("stats") => Op::Stats,
        Some("event") => Op::Event,
        _ => Op::Other,
    };
    let guild = match object.get("guildId") {
        Some(Value::String(text)) => text.parse().ok(),
        Some(Value::Number(number)) => number.to_string().parse().ok(),
        _ => None,
    };
    let event = match object.get("type").and_then(Value::as_str) {
        _ if op != Op::Event => EventKind::None,
        Some("TrackStartEvent") => EventKind::TrackStart,
        Some("TrackEndEvent") => EventKind::TrackEnd,
        Some("TrackExceptionEvent") => EventKind::TrackException,
        Some("TrackStuckEvent") => EventKind::TrackStuck,
        Some("WebSocketClosedEvent") => EventKind::WebSocketClosed,
        _ => EventKind::Other,
    };
    Envelope {
        op,
        guild: guild.filter(|_| !matches!(op, Op::Ready | Op::Stats)),
        event,
    }
}

#[test]
fn the_envelope_agrees_with_a_full_parser_on_generated_messages() {
    let mut random = Rng::with_seed(2);
    let mut with_guild = 0;
    for round in 0..ROUNDS {
        let fields = message(&mut random);
        let text = written(&mut random, &fields);
        let object: Map<String, Value> = serde_json::from_str(&text).unwrap();
        let envelope = Envelope::read(text.as_bytes());
        assert_eq!(envelope, expected(&object), "round {round}: {text}");
        with_guild += usize::from(envelope.guild.is_some());
    }
    assert!(
        with_guild > ROUNDS / 10,
        "the generator makes too few messages with guilds"
    );
}

#[test]
fn a_message_cut_anywhere_is_read_without_harm() {
    let mut random = Rng::with_seed(3);
    for _ in 0..200 {
        let fields = message(&mut random);
        let text = written(&mut random, &fields);
        for end in 0..text.len() {
            Envelope::read(&text.as_bytes()[..end]);
        }
    }
}

/// Answers at random, so that every branch is taken.
struct Whim(u64);

impl Known for Whim {
    fn issued(&self, session: &str) -> Option<Class> {
        (self.0 & 1 == 0 && session.len() == 16).then_some(self.default_class())
    }

    fn bound(&self) -> Option<Binding> {
        (self.0 & 2 == 0).then(|| Binding {
            class: self.default_class(),
            base: self.0 & 4 == 0,
        })
    }

    fn listed(&self, _: Option<&str>, _: Option<&str>) -> Option<Class> {
        (self.0 & 8 == 0).then_some(Class::V3)
    }

    fn default_class(&self) -> Class {
        [Class::V4, Class::V3, Class::V3Legacy][(self.0 >> 4) as usize % 3]
    }
}

#[test]
fn every_path_is_detected_without_panic_and_its_parts_agree_with_it() {
    let pieces = [
        "/",
        "/",
        "/",
        "v4",
        "v3",
        "sessions",
        "players",
        "aaaabbbbccccdddd",
        "17",
        "loadtracks",
        "websocket",
        "youtube",
        "routeplanner/free/all",
        "%2e%2e",
        "%",
        ";x",
        ".",
        "version",
        "plugins",
        "ü",
        "mount",
        "\\",
        "lavasrc/config",
    ];
    let methods = [Method::Get, Method::Post, Method::Patch, Method::Other];
    let mut random = Rng::with_seed(4);
    for round in 0..ROUNDS * 2 {
        let bytes = soup(&mut random, &pieces);
        let path = String::from_utf8_lossy(&bytes);
        let known = Whim(random.u64(..));
        let request = Request {
            method: methods[random.usize(..methods.len())],
            path: &path,
            query: random.bool().then_some("track=x"),
            upgrade: random.bool(),
            session_id: random.bool().then_some("s"),
            resume_key: random.bool().then_some("k"),
            num_shards: random.bool(),
            client_name: None,
            user_agent: None,
            forced: (random.u8(..) < 64).then_some(Class::V3Legacy),
            mount: if random.bool() { "/mount" } else { "" },
        };
        let detected = detect(&request, &known);
        assert_eq!(
            detected.route(),
            Route::parse(&detected.path),
            "round {round}: {request:?} {detected:?}"
        );
        if let Some(session) = detected.route().session() {
            assert_eq!(
                detected.session.clone().map(|range| &detected.path[range]),
                Some(session),
                "round {round}"
            );
        }
        let again = Request {
            path: &detected.path,
            mount: "",
            ..request
        };
        let twice = detect(&again, &known);
        assert!(
            twice.path.len() <= detected.path.len() + 3,
            "round {round}: {detected:?} {twice:?}"
        );
    }
}
