//! What published client libraries really sent, replayed against the proxy: every handshake and request gets a node of
//! the right version and the status that it got from a node.
//!
//! The recordings are the fixtures of the protocol crate; see its tests for detection on its own.

use std::collections::HashMap;
use std::path::PathBuf;

use lavalink_protocol::detect::Class;
use proxy_testkit::client::{Protocol, RawOutcome};
use proxy_testkit::{RawClient, SimGeneration, TestClient};
use serde::Deserialize;

use crate::support::{BOT, PASSWORD, ProxyUnderTest, SOON, sim};

#[derive(Deserialize)]
struct Capture {
    library: String,
    against: Against,
    handshakes: Vec<Sent>,
    requests: Vec<Sent>,
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
    status: Option<u16>,
    #[serde(default)]
    body: Option<String>,
}

impl Sent {
    /// The request's bytes, with the proxy's password and `session` in place of the recorded ones.
    fn bytes(&self, session: Option<(&str, &str)>) -> Vec<u8> {
        let target = match session {
            Some((recorded, issued)) => self.target.replace(recorded, issued),
            None => self.target.clone(),
        };
        let mut text = format!("{} {target} HTTP/1.1\r\n", self.method);
        for (name, value) in &self.headers {
            let value = if name.eq_ignore_ascii_case("authorization") {
                PASSWORD
            } else {
                value
            };
            text += &format!("{name}: {value}\r\n");
        }
        (text + "\r\n" + self.body.as_deref().unwrap_or_default()).into_bytes()
    }

    /// The session id in the target, by its look in the captures.
    fn session(&self) -> Option<&str> {
        let path = self.target.split('?').next()?;
        path.split('/')
            .find(|segment| segment.starts_with("sess") && *segment != "sessions")
    }
}

fn captures() -> Vec<Capture> {
    let folder: PathBuf = [
        env!("CARGO_MANIFEST_DIR"),
        "..",
        "lavalink-protocol",
        "fixtures",
        "clients",
    ]
    .iter()
    .collect();
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files
        .iter()
        .map(|file| serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap())
        .collect()
}

#[tokio::test]
async fn every_captured_client_is_served_by_its_own_version() {
    let captures = captures();
    assert!(captures.len() >= 19, "captures went missing");
    for capture in &captures {
        let (v4, v3) = (sim(SimGeneration::V4_1).await, sim(SimGeneration::V3_7).await);
        // What the library asks before it shows anything decides what it speaks afterwards.
        let default = if capture.against.mode == "v4" {
            Class::V4
        } else {
            Class::V3Legacy
        };
        let proxy = ProxyUnderTest::builder(&[&v4, &v3])
            .configure(|config| config.default_class = default)
            .start()
            .await;
        let own = if capture.against.mode == "v4" { &v4 } else { &v3 };
        let other = if capture.against.mode == "v4" { &v3 } else { &v4 };
        replay(capture, &proxy).await;
        assert!(!own.sessions().is_empty(), "{}", capture.library);
        let strayed: Vec<_> = other
            .requests()
            .into_iter()
            .map(|request| request.target)
            .filter(|target| !["/v4/info", "/v3/info", "/v4/stats", "/v3/stats", "/version"].contains(&target.as_str()))
            .collect();
        assert!(
            strayed.is_empty() && other.sessions().is_empty(),
            "{}: {strayed:?}",
            capture.library
        );
    }
}

#[tokio::test]
async fn a_socket_that_the_node_ended_no_longer_speaks_for_its_client() {
    let (v4, v3) = (sim(SimGeneration::V4_1).await, sim(SimGeneration::V3_7).await);
    let proxy = ProxyUnderTest::start(&[&v4, &v3]).await;
    let client = proxy.connect().await;
    assert!(v4.close_session(&v4.sessions()[0].id, 4006));
    client.wait_ended(SOON).await.unwrap();
    let downgraded = TestClient::builder(Protocol::V3Ops, &proxy.url(), PASSWORD, BOT).socket_path("/");
    let _downgraded = downgraded.connect().await.unwrap();
    let answer = proxy.rest().get("/version").await.unwrap();
    assert_eq!(answer.header("lavalink-api-version"), Some("3"));
}

/// Sends the first life of the recorded client: its first handshake and all up to its second.
async fn replay(capture: &Capture, proxy: &ProxyUnderTest) {
    let api = if capture.against.mode == "v4" { "4" } else { "3" };
    let first = &capture.handshakes[0];
    let end = capture.handshakes.get(1).map_or(u32::MAX, |again| again.seq);
    let mut requests: Vec<_> = capture.requests.iter().filter(|request| request.seq < end).collect();
    requests.sort_by_key(|request| request.seq);
    let mut socket = None;
    let mut issued = HashMap::new();
    for request in requests {
        let context = || {
            format!(
                "{} seq {}: {} {}",
                capture.library, request.seq, request.method, request.target
            )
        };
        if socket.is_none() && first.seq < request.seq {
            socket = Some(open(capture, first, proxy).await);
        }
        let recorded = request.session().unwrap_or_default();
        let session = socket.as_ref().and_then(|(_, session)| session.clone());
        if let Some(session) = session.filter(|_| !recorded.is_empty()) {
            issued.entry(recorded.to_owned()).or_insert(session);
        }
        let mut client = proxy.raw().await;
        let replaced = issued.get(recorded).map(|issued| (recorded, issued.as_str()));
        client.write(request.bytes(replaced)).await.unwrap();
        let answer = client.read_answer(SOON).await;
        assert_eq!(
            answer.header("lavalink-api-version"),
            Some(api),
            "{}: {answer:?}",
            context()
        );
        if let Some(status) = request.status {
            assert_eq!(answer.status(), Some(status), "{}: {answer:?}", context());
        }
    }
    if socket.is_none() {
        open(capture, first, proxy).await;
    }
}

/// Opens the socket; the session's id, where the version tells one.
async fn open(capture: &Capture, handshake: &Sent, proxy: &ProxyUnderTest) -> (RawClient, Option<String>) {
    let mut socket = proxy.raw().await;
    socket.write(handshake.bytes(None)).await.unwrap();
    let answer = socket.read_answer(SOON).await;
    let RawOutcome::Answer { status: 101, .. } = answer else {
        panic!("{}: {answer:?}", capture.library)
    };
    let ready = socket.read_until(b"}", SOON).await.unwrap();
    let text = String::from_utf8_lossy(&ready).into_owned();
    let (_, id) = text
        .split_once(r#""sessionId":""#)
        .unwrap_or_else(|| panic!("{}: {text}", capture.library));
    let id = id.split('"').next().unwrap().to_owned();
    (socket, Some(id))
}
