//! Requests that are proper HTTP and ask for what they must not get: disguised paths, wrong methods and passwords, other
//! tenants' sessions, and bad upgrades.

use super::{Case, OTHER_PASSWORD, Stage, check, declined, get, passed, refused, request, served};
use crate::support::{PASSWORD, upgrade_head};

#[tokio::test]
async fn disguised_paths_and_wrong_methods_are_refused() {
    let stage = Stage::start(|_| {}).await;
    check(&stage, paths()).await;
    check(&stage, methods_and_passwords()).await;
    stage.finish().await;
}

#[tokio::test]
async fn sessions_of_others_and_of_nobody_are_not_found() {
    let stage = Stage::start(|_| {}).await;
    let session = stage.bystander.session_id();
    check(&stage, sessions(&session)).await;
    stage.finish().await;
}

#[tokio::test]
async fn bad_upgrades_are_refused() {
    let stage = Stage::start(|_| {}).await;
    check(&stage, upgrades()).await;
    stage.finish().await;
}

fn paths() -> Vec<Case> {
    let hidden = |name, path: &str| declined(name, get(&format!("{path}?hostile"), ""), 404, "not_found");
    let admin = |name, path: &str| declined(name, get(&format!("{path}?hostile"), ""), 404, "node_administration");
    vec![
        admin("node administration", "/youtube"),
        admin("node administration below", "/youtube/stream/x"),
        admin("doubled slashes", "//youtube"),
        admin("trailing slash", "/youtube/"),
        // No node has this one: it gets the node's own answer, and administers nothing.
        passed("below a version", get("/v3/youtube?hostile", ""), 404),
        hidden("dots", "/v4/../youtube"),
        hidden("one dot", "/./youtube"),
        hidden("encoded dots", "/v4/%2e%2e/youtube"),
        hidden("encoded slash before dots", "/v4/x%2f..%2f..%2fyoutube"),
        hidden("encoded letter", "/%79outube"),
        hidden("path parameter", "/youtube;x"),
        hidden("path parameter on the version", "/v4;x/../youtube"),
        hidden("backslash", "/v4/..\\youtube"),
        hidden("encoded backslash", "/v4/..%5cyoutube"),
        hidden("metrics of a node", "/metrics"),
        hidden("the root", "/"),
        declined(
            "WebSocket elsewhere",
            upgrade_head("/websocket", &user()) + "\r\n",
            404,
            "not_found",
        ),
    ]
}

fn methods_and_passwords() -> Vec<Case> {
    let load = "/v4/loadtracks?identifier=hostile";
    let method = |name, method: &str, target: &str| declined(name, request(method, target, ""), 405, "method");
    let bare = |lines: &str| format!("GET {load} HTTP/1.1\r\nHost: proxy\r\n{lines}\r\n");
    let long = "p".repeat(4096);
    vec![
        method("DELETE of a search", "DELETE", load),
        method("method in small letters", "get", load),
        method("method of another protocol", "PROPFIND", load),
        method("TRACE", "TRACE", load),
        method("POST to the WebSocket", "POST", "/v4/websocket?hostile"),
        method("PUT of a player", "PUT", "/v4/sessions/hostile/players/1"),
        refused("no password", bare(""), 401, "password_missing"),
        refused("empty password", bare("Authorization:\r\n"), 403, "password_wrong"),
        refused("wrong password", bare("Authorization: nope\r\n"), 403, "password_wrong"),
        refused(
            "scheme before the password",
            bare("Authorization: Bearer client-password\r\n"),
            403,
            "password_wrong",
        ),
        refused(
            "start of the password",
            bare("Authorization: client-passwor\r\n"),
            403,
            "password_wrong",
        ),
        refused(
            "long password",
            bare(&format!("Authorization: {long}\r\n")),
            403,
            "password_wrong",
        ),
        refused(
            "the node's password",
            bare("Authorization: youshallnotpass\r\n"),
            403,
            "password_wrong",
        ),
        refused(
            "no password on node administration",
            "GET /youtube?hostile HTTP/1.1\r\nHost: proxy\r\n\r\n",
            401,
            "password_missing",
        ),
    ]
}

fn sessions(session: &str) -> Vec<Case> {
    let unknown = |name, path: &str| {
        declined(
            name,
            get(&format!("/v4/sessions/{path}?hostile"), ""),
            404,
            "session_not_found",
        )
    };
    let other = |method: &str, below: &str, lines: &str| {
        format!(
            "{method} /v4/sessions/{session}{below}?hostile HTTP/1.1\r\nHost: proxy\r\nAuthorization: {OTHER_PASSWORD}\r\n{lines}\r\n"
        )
    };
    let patch = |body: &str| {
        request(
            "PATCH",
            &format!("/v4/sessions/{session}"),
            &format!("Content-Length: {}\r\n", body.len()),
        ) + body
    };
    vec![
        unknown("nonsense id", "nonsense/players"),
        unknown("zero", "0/players"),
        unknown("id in other case", &format!("{}/players", swapped(session))),
        unknown("start of an id", &format!("{}/players", &session[..session.len() - 1])),
        unknown("encoded NUL behind an id", &format!("{session}%00/players")),
        unknown("very long id", &format!("{}/players", "s".repeat(4000))),
        declined(
            "players of another tenant",
            other("GET", "/players", ""),
            404,
            "session_not_found",
        ),
        declined(
            "player of another tenant",
            other("DELETE", "/players/500", ""),
            404,
            "session_not_found",
        ),
        declined(
            "session of another tenant",
            other("PATCH", "", "Content-Length: 2\r\n") + "{}",
            404,
            "session_not_found",
        ),
        declined(
            "session update that is no JSON",
            patch("resuming=true"),
            400,
            "bad_request",
        ),
        declined(
            "session update of wrong types",
            patch("{\"resuming\":\"yes\",\"timeout\":[]}"),
            400,
            "bad_request",
        ),
        declined(
            "session update that is not UTF-8",
            [patch("xx").as_bytes().split_last_chunk::<2>().unwrap().0, b"\xFF\xFE"].concat(),
            400,
            "bad_request",
        ),
        refused(
            "session update of endless extensions",
            request(
                "PATCH",
                &format!("/v4/sessions/{session}"),
                "Transfer-Encoding: chunked\r\n",
            ) + &format!("1;{}\r\n \r\n", "x".repeat(4_000)).repeat(20),
            413,
            "body_too_large",
        ),
        served("empty session update", patch("{}"), 0),
    ]
}

fn upgrades() -> Vec<Case> {
    let user = user();
    let path = "/v4/websocket?hostile";
    let with = |lines: &str| upgrade_head(path, lines) + "\r\n";
    let without = |line: &str| with(&user).replace(line, "");
    let upgrade = |name, bytes: String| declined(name, bytes, 400, "upgrade");
    vec![
        upgrade("no key", without("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")),
        upgrade("short key", with(&user).replace("dGhlIHNhbXBsZSBub25jZQ==", "dGhl")),
        upgrade("no Connection", without("Connection: Upgrade\r\n")),
        upgrade("no Upgrade", without("Upgrade: websocket\r\n")),
        upgrade(
            "other upgrade",
            with(&user).replace("Upgrade: websocket", "Upgrade: h2c"),
        ),
        upgrade("body", with(&(user.clone() + "Content-Length: 2\r\n")) + "{}"),
        upgrade(
            "chunked body",
            with(&(user.clone() + "Transfer-Encoding: chunked\r\n")) + "0\r\n\r\n",
        ),
        declined(
            "no version",
            without("Sec-WebSocket-Version: 13\r\n"),
            426,
            "websocket_version",
        ),
        declined(
            "old version",
            with(&user).replace("Version: 13", "Version: 8"),
            426,
            "websocket_version",
        ),
        declined("POST", with(&user).replace("GET ", "POST "), 405, "method"),
        declined(
            "no User-Id",
            with(&format!("Authorization: {PASSWORD}\r\n")),
            400,
            "user_id",
        ),
        declined(
            "empty User-Id",
            with(&format!("Authorization: {PASSWORD}\r\nUser-Id:\r\n")),
            400,
            "user_id",
        ),
        declined(
            "User-Id 0",
            with(&format!("Authorization: {PASSWORD}\r\nUser-Id: 0\r\n")),
            400,
            "user_id",
        ),
        refused("no password", with("User-Id: 1\r\n"), 401, "handshake_password"),
        refused(
            "wrong password",
            with("User-Id: 1\r\nAuthorization: nope\r\n"),
            401,
            "handshake_password",
        ),
        refused(
            "wrong password and no key",
            with("Authorization: nope\r\n").replace("Key", "K"),
            401,
            "handshake_password",
        ),
    ]
}

/// Header lines of an acceptable client.
fn user() -> String {
    format!("Authorization: {PASSWORD}\r\nUser-Id: 7\r\n")
}

/// The same letters in the other case.
fn swapped(text: &str) -> String {
    let swap = |letter: char| {
        if letter.is_lowercase() {
            letter.to_ascii_uppercase()
        } else {
            letter.to_ascii_lowercase()
        }
    };
    text.chars().map(swap).collect()
}
