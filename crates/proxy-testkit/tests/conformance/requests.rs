//! Requests that need no session: every route, every refusal, and handshakes that fail.

use serde_json::json;

use super::{
    bot::Bot,
    nodes::{Node, PASSWORD},
    transcript::Step,
};

/// Which password goes with a request.
#[derive(Clone, Copy)]
enum With {
    Right,
    Wrong,
    Nothing,
}
use With::{Nothing, Right, Wrong};

type Headers = &'static [(&'static str, &'static str)];

const JSON: Headers = &[("content-type", "application/json")];
const NONE: Headers = &[];

/// Password, method, path, further headers, body.
const REQUESTS: &[(With, &str, &str, Headers, &str)] = &[
    // Who may ask, and what there is.
    (Nothing, "GET", "/v4/info", NONE, ""),
    (Wrong, "GET", "/v4/info", NONE, ""),
    (Right, "GET", "/v4/info", NONE, ""),
    (Right, "GET", "/v4/info", &[("accept", "application/json")], ""),
    (Nothing, "GET", "/version", NONE, ""),
    (Right, "GET", "/version", NONE, ""),
    (Right, "GET", "/version", &[("accept", "application/json")], ""),
    (Right, "HEAD", "/version", NONE, ""),
    (Right, "HEAD", "/v4/info", NONE, ""),
    (Right, "GET", "/v4/stats", NONE, ""),
    (Wrong, "GET", "/v4/stats", NONE, ""),
    (Right, "GET", "/", NONE, ""),
    (Nothing, "GET", "/", NONE, ""),
    (Wrong, "GET", "/", NONE, ""),
    (Right, "GET", "/v3/websocket", NONE, ""),
    // Paths that are not mapped need no password to be refused.
    (Nothing, "GET", "/nowhere", NONE, ""),
    (Wrong, "GET", "/nowhere", NONE, ""),
    (Right, "GET", "/nowhere", NONE, ""),
    (Right, "GET", "/v3/info", NONE, ""),
    (Right, "GET", "/loadtracks?identifier=a", NONE, ""),
    (Right, "GET", "/v4", NONE, ""),
    (Right, "GET", "/v4/", NONE, ""),
    (Right, "GET", "/v4/info/", NONE, ""),
    (Right, "GET", "//v4/info", NONE, ""),
    (Right, "GET", "/V4/info", NONE, ""),
    (Right, "GET", "/v4/nowhere?trace=true", NONE, ""),
    (Right, "GET", "/v4/nowhere?trace=false", NONE, ""),
    (Right, "GET", "/v4/nowhere?trace", NONE, ""),
    // Methods that a path does not take.
    (Nothing, "DELETE", "/v4/info", NONE, ""),
    (Right, "POST", "/v4/info", NONE, ""),
    (Right, "POST", "/v4/loadtracks", JSON, "{}"),
    (Right, "GET", "/v4/decodetracks", NONE, ""),
    (Right, "GET", "/v4/sessions/none", NONE, ""),
    (Right, "DELETE", "/v4/sessions/none", NONE, ""),
    (Right, "POST", "/v4/sessions/none/players/1", JSON, "{}"),
    (Right, "PUT", "/v4/sessions/none/players/1", JSON, "{}"),
    (Right, "OPTIONS", "/v4/info", NONE, ""),
    (Nothing, "OPTIONS", "/v4/info", NONE, ""),
    (Right, "OPTIONS", "/v4/sessions/none/players/1", NONE, ""),
    (Right, "OPTIONS", "/nowhere", NONE, ""),
    // Loading.
    (Right, "GET", "/v4/loadtracks", NONE, ""),
    (Nothing, "GET", "/v4/loadtracks?identifier=a", NONE, ""),
    (Right, "GET", "/v4/loadtracks?identifier=nothing-known", NONE, ""),
    (Right, "GET", "/v4/loadtracks?identifier=", NONE, ""),
    (Right, "GET", "/v4/loadtracks?Identifier=a", NONE, ""),
    // Decoding.
    (Right, "GET", "/v4/decodetrack", NONE, ""),
    (Right, "GET", "/v4/decodetrack?encodedTrack=", NONE, ""),
    (Right, "GET", "/v4/decodetrack?encodedTrack=AAAA", NONE, ""),
    (Right, "GET", "/v4/decodetrack?track=AAAA", NONE, ""),
    (Right, "GET", "/v4/decodetrack?encodedTrack=QAAA+wMA", NONE, ""),
    (Right, "GET", "/v4/decodetrack?encodedTrack=%21%21%21%21", NONE, ""),
    (Right, "GET", "/v4/decodetrack?encodedTrack=QUJDRA", NONE, ""),
    (Right, "POST", "/v4/decodetracks", JSON, "[]"),
    (Right, "POST", "/v4/decodetracks", NONE, ""),
    (Right, "POST", "/v4/decodetracks", JSON, ""),
    (Right, "POST", "/v4/decodetracks", NONE, "[]"),
    (
        Right,
        "POST",
        "/v4/decodetracks",
        &[("content-type", "text/plain")],
        "[]",
    ),
    (
        Right,
        "POST",
        "/v4/decodetracks",
        &[("content-type", "application/json; charset=utf-8")],
        "[]",
    ),
    (Right, "POST", "/v4/decodetracks", JSON, "{\"a\":1}"),
    (Right, "POST", "/v4/decodetracks", JSON, "[1]"),
    (Right, "POST", "/v4/decodetracks", JSON, "[null]"),
    (Right, "POST", "/v4/decodetracks", JSON, "[\"AAAA\"]"),
    (Right, "POST", "/v4/decodetracks", JSON, "not json"),
    // Sessions that are not there.
    (Right, "GET", "/v4/sessions/none/players", NONE, ""),
    (Right, "GET", "/v4/sessions/none/players/1", NONE, ""),
    (Right, "GET", "/v4/sessions/none/players/one", NONE, ""),
    (Right, "DELETE", "/v4/sessions/none/players/1", NONE, ""),
    (Right, "PATCH", "/v4/sessions/none/players/1", JSON, "{}"),
    (
        Right,
        "PATCH",
        "/v4/sessions/none/players/1",
        JSON,
        "{\"volume\":\"loud\"}",
    ),
    (Right, "PATCH", "/v4/sessions/none/players/one", JSON, "{}"),
    (Right, "PATCH", "/v4/sessions/none/players/1", NONE, "{}"),
    (
        Right,
        "PATCH",
        "/v4/sessions/none/players/1",
        &[("content-type", "text/plain")],
        "{}",
    ),
    (
        Right,
        "PATCH",
        "/v4/sessions/none/players/1",
        &[("content-type", "application/merge-patch+json")],
        "{}",
    ),
    (Right, "PATCH", "/v4/sessions/none/players/1", JSON, ""),
    (Right, "PATCH", "/v4/sessions/none", JSON, "{}"),
    (Right, "PATCH", "/v4/sessions/none", NONE, "{}"),
    (Nothing, "PATCH", "/v4/sessions/none", JSON, "{}"),
    (Wrong, "PATCH", "/v4/sessions/none/players/1", JSON, "{}"),
    // The route planner, which is not configured.
    (Right, "GET", "/v4/routeplanner/status", NONE, ""),
    (Nothing, "GET", "/v4/routeplanner/status", NONE, ""),
    (Right, "POST", "/v4/routeplanner/free/all", NONE, ""),
    (
        Right,
        "POST",
        "/v4/routeplanner/free/address",
        JSON,
        "{\"address\":\"1.2.3.4\"}",
    ),
    (Right, "POST", "/v4/routeplanner/free/address", JSON, "{}"),
    (Right, "POST", "/v4/routeplanner/free/address", NONE, ""),
    (Right, "POST", "/v4/routeplanner/free/nothing", NONE, ""),
    (Right, "GET", "/v4/routeplanner/free/all", NONE, ""),
    // The WebSocket's path without a handshake.
    (Right, "GET", "/v4/websocket", NONE, ""),
    (Nothing, "GET", "/v4/websocket", NONE, ""),
    (Right, "GET", "/v4/websocket", &[("user-id", "1")], ""),
    (
        Right,
        "GET",
        "/v4/websocket",
        &[("user-id", "1"), ("upgrade", "websocket")],
        "",
    ),
    (
        Right,
        "GET",
        "/v4/websocket",
        &[("user-id", "1"), ("upgrade", "h2c"), ("connection", "upgrade")],
        "",
    ),
    (Right, "POST", "/v4/websocket", &[("user-id", "1")], ""),
];

/// Headers of handshakes.
const HANDSHAKES: &[(&str, &str, Headers)] = &[
    ("no password", "/v4/websocket", &[("user-id", "1")]),
    (
        "wrong password",
        "/v4/websocket",
        &[("authorization", "x"), ("user-id", "1")],
    ),
    ("no user", "/v4/websocket", &[("authorization", PASSWORD)]),
    (
        "an empty user",
        "/v4/websocket",
        &[("authorization", PASSWORD), ("user-id", "")],
    ),
    (
        "user 0",
        "/v4/websocket",
        &[("authorization", PASSWORD), ("user-id", "0")],
    ),
    (
        "a foreign origin",
        "/v4/websocket",
        &[
            ("authorization", PASSWORD),
            ("user-id", "1"),
            ("origin", "https://example.org"),
        ],
    ),
    (
        "an unknown version",
        "/v4/websocket",
        &[
            ("authorization", PASSWORD),
            ("user-id", "1"),
            ("sec-websocket-version", "99"),
        ],
    ),
    ("the old path", "/", &[("authorization", PASSWORD), ("user-id", "1")]),
    (
        "the path of 3.7",
        "/v3/websocket",
        &[("authorization", PASSWORD), ("user-id", "1")],
    ),
    (
        "a path that is not there",
        "/v4/socket",
        &[("authorization", PASSWORD), ("user-id", "1")],
    ),
];

/// Every request of the table.
pub(crate) async fn requests(node: &Node) -> Vec<Step> {
    let mut bot = Bot::new(node, "requests", 1);
    for (with, method, path, further, body) in REQUESTS {
        let (password, shown) = match with {
            Right => (Some(PASSWORD), "right"),
            Wrong => (Some("wrong"), "wrong"),
            Nothing => (None, "no"),
        };
        let headers: Vec<_> = password
            .map(|password| ("authorization", password))
            .into_iter()
            .chain(further.iter().copied())
            .collect();
        let step = format!("{method} {path} {further:?} {body:?}, {shown} password");
        bot.raw_request(&step, (method, path), &headers, body).await;
    }
    bot.into_steps()
}

/// Every handshake of the table, and those that are accepted and closed at once.
pub(crate) async fn handshakes(node: &Node) -> Vec<Step> {
    let mut bot = Bot::new(node, "handshakes", 1);
    for (step, path, headers) in HANDSHAKES {
        bot.handshake(step, path, headers).await;
    }
    for user in ["someone", "-5", "1.5", "99999999999999999999"] {
        let step = format!("user {user}");
        let headers = [("authorization", PASSWORD), ("user-id", user)];
        bot.handshake(&step, "/v4/websocket", &headers).await;
        if user != "-5" {
            bot.note_end(&format!("{step}, its end")).await;
        }
        bot.drop_socket();
    }
    let headers = [("authorization", PASSWORD), ("user-id", "1"), ("session-id", "unknown")];
    bot.handshake("a session that is not there", "/v4/websocket", &headers)
        .await;
    bot.drop_socket();
    bot.into_steps()
}

/// Loading and decoding what there is.
pub(crate) async fn tracks(node: &Node) -> Vec<Step> {
    let mut bot = Bot::new(node, "tracks", 2);
    let load = |identifier: &str| {
        format!(
            "/v4/loadtracks?identifier={}",
            proxy_testkit::client::percent_encode(identifier)
        )
    };
    let loaded = bot.request("load", "GET", &load(&node.stage.long_file()), None).await;
    bot.request("load what fails", "GET", &load(node.failing_identifier()), None)
        .await;
    let encoded = loaded["data"]["encoded"].as_str().unwrap_or_default().to_owned();
    let mut foreign = proxy_testkit::sim::SimTrack::http("é🎵", &node.stage.long_file(), 1234);
    foreign.artwork_url = Some("https://example.org/art".to_owned());
    foreign.isrc = Some("DE1234567890".to_owned());
    let unknown_source = proxy_testkit::sim::SimTrack::youtube("a", "abcdefghijk", 1);
    for (step, encoded) in [
        ("decode", &encoded),
        ("decode a track of ours", &foreign.encode(3)),
        ("decode a track of layout 2", &foreign.encode(2)),
        ("decode a track of an unknown source", &unknown_source.encode(3)),
    ] {
        let escaped = proxy_testkit::client::percent_encode(encoded);
        for name in ["encodedTrack", "track"] {
            let path = format!("/v4/decodetrack?{name}={escaped}");
            bot.request(&format!("{step} as {name}"), "GET", &path, None).await;
        }
        let body = json!([encoded]);
        bot.request(&format!("{step} in a list"), "POST", "/v4/decodetracks", Some(&body))
            .await;
    }
    let both = json!([encoded, "AAAA"]);
    bot.request("decode a good and a bad one", "POST", "/v4/decodetracks", Some(&both))
        .await;
    bot.into_steps()
}
