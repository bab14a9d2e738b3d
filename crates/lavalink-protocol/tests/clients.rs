//! Replays what published clients really sent through [`detect`], with the memory that the proxy would have, and
//! compares class and route of every handshake and request with tables.
//!
//! The captures in `fixtures/clients` are recordings; see their `note` fields.

#![allow(clippy::unwrap_used, missing_docs)]

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use lavalink_protocol::detect::{Binding, Class, Detected, IgnoredHeader, Known, Request, Verdict, detect};
use lavalink_protocol::late::{evidence_from_body, evidence_from_op};
use lavalink_protocol::route::Method;
use serde::Deserialize;

#[derive(Deserialize)]
struct Capture {
    library: String,
    against: Against,
    handshakes: Vec<Sent>,
    requests: Vec<Sent>,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Against {
    mode: String,
}

#[derive(Clone, Deserialize)]
struct Sent {
    seq: u32,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    #[serde(default)]
    resumed: Option<bool>,
    #[serde(default)]
    body: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    text: String,
}

impl Sent {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    /// The session id in the target, by its look in the captures.
    fn session(&self) -> Option<&str> {
        self.path()
            .split('/')
            .find(|segment| segment.starts_with("sess") && *segment != "sessions")
    }

    fn request(&self) -> Request<'_> {
        Request {
            method: Method::from_bytes(self.method.as_bytes()),
            path: self.path(),
            query: self.target.split_once('?').map(|(_, query)| query),
            upgrade: self
                .header("upgrade")
                .is_some_and(|value| value.eq_ignore_ascii_case("websocket")),
            session_id: self.header("session-id"),
            resume_key: self.header("resume-key"),
            num_shards: self.header("num-shards").is_some(),
            client_name: self.header("client-name"),
            user_agent: self.header("user-agent"),
            forced: None,
            mount: "",
        }
    }
}

/// What the proxy remembers while one client talks to it.
struct Memory {
    sessions: RefCell<HashMap<String, Class>>,
    bound: Cell<Option<Binding>>,
    default: Class,
}

impl Known for Memory {
    fn issued(&self, session: &str) -> Option<Class> {
        self.sessions.borrow().get(session).copied()
    }

    fn bound(&self) -> Option<Binding> {
        self.bound.get()
    }

    fn listed(&self, _: Option<&str>, _: Option<&str>) -> Option<Class> {
        None
    }

    fn default_class(&self) -> Class {
        self.default
    }
}

fn captures() -> Vec<Capture> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/clients");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files
        .iter()
        .map(|file| serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap())
        .collect()
}

/// The pattern of a target, and the route it is: `{s}` a session, `{g}` a guild.
const ROUTES: [(&str, &str, &str); 27] = [
    ("GET", "/", "Root"),
    ("GET", "/v4/websocket", "WebSocket"),
    ("GET", "/v3/websocket", "WebSocket"),
    ("GET", "/version", "Version"),
    ("GET", "/v4/info", "Info"),
    ("GET", "/v3/info", "Info"),
    ("GET", "/v4/stats", "Stats"),
    ("GET", "/v3/stats", "Stats"),
    ("GET", "/v4/loadtracks", "LoadTracks"),
    ("GET", "/v3/loadtracks", "LoadTracks"),
    ("GET", "/loadtracks", "LoadTracks"),
    ("GET", "/v4/decodetrack", "DecodeTrack"),
    ("GET", "/v3/decodetrack", "DecodeTrack"),
    ("GET", "/decodetrack", "DecodeTrack"),
    ("POST", "/v4/decodetracks", "DecodeTracks"),
    ("POST", "/decodetracks", "DecodeTracks"),
    ("PATCH", "/v4/sessions/{s}", "Session"),
    ("PATCH", "/v3/sessions/{s}", "Session"),
    ("GET", "/v4/sessions/{s}/players", "Players"),
    ("GET", "/v3/sessions/{s}/players", "Players"),
    ("GET", "/v4/sessions/{s}/players/{g}", "Player"),
    ("PATCH", "/v4/sessions/{s}/players/{g}", "Player"),
    ("DELETE", "/v4/sessions/{s}/players/{g}", "Player"),
    ("GET", "/v3/sessions/{s}/players/{g}", "Player"),
    ("PATCH", "/v3/sessions/{s}/players/{g}", "Player"),
    ("DELETE", "/v3/sessions/{s}/players/{g}", "Player"),
    ("GET", "/plugins", "Plugins"),
];

fn expected_route(sent: &Sent) -> &'static str {
    let mut pattern = sent.path().replace("100000000000000001", "{g}");
    if let Some(session) = sent.session() {
        pattern = pattern.replace(session, "{s}");
    }
    let found = ROUTES
        .iter()
        .find(|(method, path, _)| *method == sent.method && *path == pattern);
    found
        .unwrap_or_else(|| panic!("{} {pattern} is in no row", sent.method))
        .2
}

/// The class that a request of a capture speaks, from what the library was driven against.
fn expected_class(capture: &Capture, sent: &Sent, memory: &Memory) -> Class {
    match (capture.against.mode.as_str(), sent.path()) {
        (_, "/version") => memory.bound().map_or(memory.default, |binding| binding.class),
        ("v4", _) => Class::V4,
        ("v3.7", "/") | ("v3.6", _) => Class::V3Legacy,
        ("v3.7", _) => Class::V3,
        (mode, _) => panic!("unknown mode {mode}"),
    }
}

fn replay(capture: &Capture, default: Class) -> usize {
    let memory = Memory {
        sessions: RefCell::default(),
        bound: Cell::new(None),
        default,
    };
    let mut everything: Vec<(bool, &Sent)> = capture.handshakes.iter().map(|sent| (true, sent)).collect();
    everything.extend(capture.requests.iter().map(|sent| (false, sent)));
    everything.sort_by_key(|(_, sent)| sent.seq);
    for (index, (handshake, sent)) in everything.iter().enumerate() {
        let request = sent.request();
        let detected = detect(&request, &memory);
        let context = format!("{} seq {}: {detected:?}", capture.library, sent.seq);
        let class = expected_class(capture, sent, &memory);
        let verdict = if *handshake {
            Verdict::Handshake(class)
        } else {
            Verdict::Rest(class)
        };
        assert_eq!(detected.verdict, verdict, "{context}");
        assert_eq!(route_name(&detected), expected_route(sent), "{context}");
        assert_eq!(detected.path, sent.path(), "{context}");
        assert_eq!(
            detected.session.clone().map(|range| &detected.path[range]),
            sent.session(),
            "{context}"
        );
        assert_eq!(detected.ignored, expected_ignored(class, sent), "{context}");
        assert!(!detected.base, "{context}");
        if *handshake {
            remember(
                &memory,
                class,
                sent,
                everything[index..].iter().filter_map(|(_, sent)| sent.session()),
            );
        }
    }
    everything.len()
}

fn route_name(detected: &Detected<'_>) -> String {
    let debug = format!("{:?}", detected.route());
    debug.split([' ', '{']).next().unwrap().to_owned()
}

fn expected_ignored(class: Class, sent: &Sent) -> Option<IgnoredHeader> {
    let resume_key = sent.header("resume-key").map(|_| IgnoredHeader::ResumeKey);
    resume_key.filter(|_| class == Class::V4)
}

/// Remembers the binding, and the session that a new socket got: the first id seen from then on that is not yet known.
fn remember<'a>(memory: &Memory, class: Class, sent: &Sent, mut later: impl Iterator<Item = &'a str>) {
    memory.bound.set(Some(Binding { class, base: false }));
    if sent.resumed == Some(false)
        && let Some(session) = later.find(|session| memory.issued(session).is_none())
    {
        memory.sessions.borrow_mut().insert(session.to_owned(), class);
    }
}

#[test]
fn every_request_of_every_captured_client_is_understood() {
    let captures = captures();
    assert_eq!(captures.len(), 19, "captures went missing");
    let mut requests = 0;
    for capture in &captures {
        // A library that asks /version first speaks what it is told, so the default must be what it was told then.
        let default = if capture.against.mode == "v4" {
            Class::V4
        } else {
            Class::V3
        };
        requests += replay(capture, default);
    }
    assert!(requests > 200, "only {requests} requests replayed");
}

#[test]
fn the_default_changes_nothing_for_a_client_that_does_not_ask_for_the_version_first() {
    for capture in captures() {
        if capture
            .requests
            .iter()
            .chain(&capture.handshakes)
            .min_by_key(|sent| sent.seq)
            .unwrap()
            .path()
            != "/version"
        {
            for default in [Class::V4, Class::V3, Class::V3Legacy] {
                replay(&capture, default);
            }
        }
    }
}

#[test]
fn the_first_text_frame_of_every_captured_v3_client_is_an_op_and_no_v4_client_sends_one() {
    for capture in captures() {
        assert!(
            capture
                .messages
                .iter()
                .all(|message| evidence_from_op(message.text.as_bytes())),
            "{}",
            capture.library
        );
        assert!(
            capture.against.mode != "v4" || capture.messages.is_empty(),
            "{}",
            capture.library
        );
    }
}

#[test]
fn captured_bodies_on_v4_paths_that_tell_a_version_tell_v4_but_for_the_known_exceptions() {
    let nothing_known = Memory {
        sessions: RefCell::default(),
        bound: Cell::new(None),
        default: Class::V4,
    };
    for capture in captures().into_iter().filter(|capture| capture.against.mode == "v4") {
        for sent in &capture.requests {
            let request = sent.request();
            let detected = detect(&request, &nothing_known);
            let body = sent.body.as_deref().unwrap_or_default();
            let misleading = capture.library == "poru@5.3.0" && body.contains("resumingKey");
            let told = evidence_from_body(&detected.route(), body.as_bytes());
            assert_eq!(
                told.is_some_and(Class::is_v3),
                misleading,
                "{} seq {}",
                capture.library,
                sent.seq
            );
        }
    }
}
