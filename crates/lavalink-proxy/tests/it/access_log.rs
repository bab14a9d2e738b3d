//! The access log: a line for each request and for the end of each session, with the fields that `docs/access-log.md`
//! names, and no secret in any line of any target at any level.

use proxy_testkit::{RawClient, SimGeneration, SimNode, TestClient};
use serde_json::{Value, json};

use crate::support::{BOT, OTHER_BOT, PASSWORD, ProxyProgram, SOON, sim, sim_v4, upgrade_head};

const ADMIN: &str = "AdminSecretWord";
const WRONG: &str = "WrongSecretWord";
const VOICE_TOKEN: &str = "VoiceTokenSecretWord";
const VOICE_SESSION: &str = "VoiceSessionSecretWord";
const QUERY: &str = "QuerySecretWord";

/// A program that logs all that it can, as JSON.
async fn start(log: &str, nodes: &[&SimNode]) -> (ProxyProgram, std::net::SocketAddr) {
    let config = ProxyProgram::config("", nodes).replace("password = \"admin\"", &format!("password = \"{ADMIN}\""));
    let mut program = ProxyProgram::start(&format!("{config}[log]\nformat = \"json\"\n{log}\n"));
    let line: Value = serde_json::from_str(&program.wait_line("clients connect here").await).unwrap();
    let address = line["address"].as_str().unwrap().parse().unwrap();
    (program, address)
}

/// Lines of the access log so far.
fn access(program: &mut ProxyProgram) -> Vec<Value> {
    let said = program.said();
    let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["target"] == "access").collect()
}

/// Waits for the line that `wanted` picks.
async fn find(program: &mut ProxyProgram, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let limit = tokio::time::Instant::now() + SOON;
    loop {
        let lines = access(program);
        if let Some(line) = lines.iter().find(|line| wanted(line)) {
            return line.clone();
        }
        assert!(tokio::time::Instant::now() < limit, "no line of {what} in {lines:#?}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn requests_and_ends_of_sessions_leave_lines_with_their_fields() {
    let (v4, v3) = (sim_v4().await, sim(SimGeneration::V3_7).await);
    let (mut program, address) = start("access = true", &[&v4, &v3]).await;
    let url = format!("http://{address}");
    let client = TestClient::v4(&url, PASSWORD, BOT)
        .client_name(Some("tester/1"))
        .connect()
        .await
        .unwrap();
    client.play(1, "sim:track:x").await.unwrap();
    client.load("ytsearch:some").await.unwrap();
    let session = client.session_id();
    let load = find(&mut program, "a load", |line| line["path"] == "/v4/loadtracks").await;
    for (field, expected) in [
        ("level", json!("INFO")),
        ("message", json!("request")),
        ("ip", json!("127.0.0.1")),
        ("tenant", json!("default")),
        ("version", json!("v4")),
        ("method", json!("GET")),
        ("status", json!(200)),
        ("node", json!("n0")),
        ("retried", json!(false)),
        ("reason", Value::Null),
    ] {
        assert_eq!(load[field], expected, "{field} in {load}");
    }
    assert!(load["connection"].is_u64() && load["duration_ms"].is_u64(), "{load}");
    assert!(
        load["bytes_in"].as_u64().unwrap() > 40 && load["bytes_out"].as_u64().unwrap() > 100,
        "{load}"
    );
    let socket = find(&mut program, "the handshake", |line| line["status"] == 101).await;
    assert_eq!(
        (&socket["path"], &socket["node"]),
        (&json!("/v4/websocket"), &json!("n0"))
    );
    let player = format!("/v4/sessions/{session}/players/1");
    let patched = find(&mut program, "the player", |line| line["path"] == player.as_str()).await;
    assert_eq!((&patched["method"], &patched["status"]), (&json!("PATCH"), &json!(200)));
    assert!(patched["bytes_in"].as_u64().unwrap() > 100, "{patched}");

    let other = TestClient::v3_rest(&url, PASSWORD, OTHER_BOT).connect().await.unwrap();
    client.disconnect().await;
    other.disconnect().await;
    let ended = find(&mut program, "the session", |line| line["session"] == session.as_str()).await;
    for (field, expected) in [
        ("message", json!("session")),
        ("tenant", json!("default")),
        ("user", json!(BOT.to_string())),
        ("client_name", json!("tester/1")),
        ("version", json!("v4")),
        ("node", json!("n0")),
        ("players", json!(1)),
        ("ended", json!("client_gone")),
    ] {
        assert_eq!(ended[field], expected, "{field} in {ended}");
    }
    assert!(
        ended["messages_out"].as_u64().unwrap() >= 2 && ended["bytes_out"].as_u64().unwrap() > 100,
        "{ended}"
    );
    let tunnel = find(&mut program, "the tunnel", |line| {
        line["message"] == "session" && line["version"] == "v3"
    })
    .await;
    assert_eq!((&tunnel["node"], &tunnel["players"]), (&json!("n1"), &Value::Null));
}

#[tokio::test]
async fn refusals_and_second_tries_are_told_apart() {
    let (a, b) = (sim_v4().await, sim_v4().await);
    let (mut program, address) = start("access = true\nlevel = \"error,lavalink_proxy=info\"", &[&a, &b]).await;
    let cases = [
        (
            "GET /v4/info HTTP/1.1\r\nHost: h\r\nAuthorization: nope\r\n\r\n".to_owned(),
            "password_wrong",
            403,
        ),
        ("BROKEN\r\n\r\n".to_owned(), "malformed_head", 400),
        (
            upgrade_head("/v4/websocket", "Authorization: nope\r\nUser-Id: 9\r\n\r\n"),
            "handshake_password",
            401,
        ),
        (
            format!("GET /v3/loadtracks?identifier=x HTTP/1.1\r\nHost: h\r\nAuthorization: {PASSWORD}\r\n\r\n"),
            "no_node",
            503,
        ),
    ];
    for (sent, reason, status) in cases {
        let mut client = RawClient::connect(address).await.unwrap();
        client.write(&sent).await.unwrap();
        assert_eq!(client.read_answer(SOON).await.status(), Some(status), "{reason}");
        let line = find(&mut program, reason, |line| line["reason"] == reason).await;
        assert_eq!(line["status"], status, "{line}");
    }
    for node in [&a, &b] {
        node.fault_on("/v4/loadtracks", proxy_testkit::Fault::CloseBeforeAnswer, 1);
    }
    let rest = proxy_testkit::client::Rest::to(&format!("http://{address}"), Some(PASSWORD)).unwrap();
    let answer = rest.get("/v4/loadtracks?identifier=x").await.unwrap();
    let retried = find(&mut program, "a second try", |line| line["path"] == "/v4/loadtracks").await;
    assert_eq!(retried["retried"], true, "{retried}");
    assert_eq!(retried["status"], answer.status, "{retried}");
    // The access log does not depend on the level of the rest.
    assert!(!program.said().contains("\"target\":\"proxy_gateway"));
}

#[tokio::test]
async fn without_the_setting_there_is_no_access_log() {
    let node = sim_v4().await;
    let (mut program, address) = start("level = \"trace\"", &[&node]).await;
    let client = TestClient::v4(&format!("http://{address}"), PASSWORD, BOT)
        .connect()
        .await
        .unwrap();
    client.disconnect().await;
    program.wait_line("session ended").await;
    assert_eq!(access(&mut program), Vec::<Value>::new());
}

#[tokio::test]
async fn no_secret_is_in_any_line_at_the_most_talkative_level() {
    let (v4, v3) = (sim_v4().await, sim(SimGeneration::V3_7).await);
    let (mut program, address) = start("access = true\nlevel = \"trace\"", &[&v4, &v3]).await;
    let url = format!("http://{address}");
    let voice = json!({"token": VOICE_TOKEN, "endpoint": "rotterdam1234.discord.media:443",
        "sessionId": VOICE_SESSION, "channelId": "5"});

    let client = TestClient::v4(&url, PASSWORD, BOT).connect().await.unwrap();
    client
        .update_session(&json!({"resuming": true, "timeout": 60}))
        .await
        .unwrap();
    let answer = client.patch_player(1, &json!({"voice": voice})).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    client.play(1, "sim:track:x").await.unwrap();
    client.wait_event("TrackStartEvent", 1, SOON).await.unwrap();
    assert_eq!(client.get_players().await.unwrap().status, 200);
    let secret_query = format!("/v4/loadtracks?identifier=https%3A%2F%2Fa%2F&token={QUERY}");
    client.rest().get(&secret_query).await.unwrap();
    assert_eq!(client.destroy_player(1).await.unwrap().status, 204);
    client.disconnect().await;

    let ops = TestClient::v3_ops(&url, PASSWORD, OTHER_BOT).connect().await.unwrap();
    let track = ops.load_encoded("sim:track:x").await.unwrap();
    let update = json!({"op": "voiceUpdate", "guildId": "2", "sessionId": VOICE_SESSION,
        "event": {"token": VOICE_TOKEN, "guild_id": "2", "endpoint": "e"}});
    ops.op(&update).await.unwrap();
    ops.op(&json!({"op": "play", "guildId": "2", "track": track}))
        .await
        .unwrap();
    ops.wait_event("TrackStartEvent", 2, SOON).await.unwrap();
    ops.disconnect().await;

    let mut stranger = RawClient::connect(address).await.unwrap();
    stranger
        .write(format!(
            "GET /v4/info HTTP/1.1\r\nHost: h\r\nAuthorization: {WRONG}\r\n\r\n"
        ))
        .await
        .unwrap();
    assert_eq!(stranger.read_answer(SOON).await.status(), Some(403));
    find(&mut program, "the refusal", |line| line["reason"] == "password_wrong").await;
    find(&mut program, "the tunnel's end", |line| line["message"] == "session").await;
    program.signal("TERM");
    program.wait_line("lavalink-proxy stops").await;
    program.wait_exit(SOON).await;

    let said = program.said();
    assert!(said.contains("\"level\":\"DEBUG\""), "it was talkative");
    for secret in [PASSWORD, ADMIN, WRONG, VOICE_TOKEN, VOICE_SESSION, QUERY, v4.password()] {
        let leak = said.lines().find(|line| line.contains(secret));
        assert_eq!(leak, None, "{secret} is logged");
    }
}
