//! What people look at: problems, groups, sessions with what they play, levels.

use http::Method;
use proxy_core::levels::Levels;
use proxy_testkit::TestClient;
use proxy_testkit::client::Protocol;
use serde_json::{Value, json};

use crate::rig::Rig;

fn items(page: &Value) -> &[Value] {
    page["items"].as_array().unwrap()
}

fn kinds(overview: &Value) -> Vec<&str> {
    let problems = overview["problems"].as_array().unwrap();
    problems
        .iter()
        .map(|problem| problem["kind"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn problems_come_worst_first_with_who_is_affected_and_go() {
    let rig = Rig::start().await;
    assert_eq!(kinds(&rig.json("/api/v1/overview").await), [""; 0]);
    let client = rig.client("alpha", 1).await;
    client.play(3, "http://example.org/a.mp3").await.unwrap();
    let program = [("x-requested-with", "test")];
    let drain = rig.request(Method::POST, "/api/v1/nodes/v4-node/drain", &program).await;
    assert_eq!(drain.status, 200);
    let overview = rig
        .until("/api/v1/overview", |overview| overview["problems"][0]["sessions"] == 1)
        .await;
    let problem = &overview["problems"][0];
    assert_eq!(
        (&problem["kind"], &problem["node"], &problem["players"]),
        (&json!("node_draining"), &json!("v4-node"), &json!(1))
    );
    rig.request(Method::POST, "/api/v1/nodes/v4-node/undrain", &program)
        .await;
    for node in &rig.nodes {
        node.die();
    }
    let overview = rig
        .until("/api/v1/overview", |overview| {
            kinds(overview) == ["no_node", "node_down", "node_down"] && overview["problems"][1]["since"].is_u64()
        })
        .await;
    assert!(
        overview["problems"][1]["message"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
    );
    for node in &rig.nodes {
        node.revive().unwrap();
    }
    rig.until("/api/v1/overview", |overview| kinds(overview).is_empty())
        .await;
    rig.stop().await;
}

#[tokio::test]
async fn groups_sum_up_what_the_connections_are() {
    let rig = Rig::start().await;
    let mut clients = Vec::new();
    for user in 1..=5 {
        clients.push(rig.client(if user < 4 { "alpha" } else { "beta" }, user).await);
    }
    let tenants = "/api/v1/connections/groups?by=tenant";
    rig.until(tenants, |groups| {
        let of_clients = |row: &&Value| row["key"] != "none";
        let counts = items(groups)
            .iter()
            .filter(of_clients)
            .map(|row| row["connections"].as_u64().unwrap());
        counts.sum::<u64>() == 5
    })
    .await;
    for by in ["tenant", "ip", "version"] {
        let path = format!("/api/v1/connections/groups?by={by}");
        let [groups, connections] = rig.together([&path, "/api/v1/connections"]).await;
        for name in ["bytesIn", "bytesOut", "messagesIn", "requests"] {
            let sum = |page: &Value| items(page).iter().map(|row| row[name].as_u64().unwrap()).sum::<u64>();
            assert_eq!(sum(&groups), sum(&connections), "{by} {name}");
        }
        let count: u64 = items(&groups)
            .iter()
            .map(|row| row["connections"].as_u64().unwrap())
            .sum();
        assert_eq!(count, connections["matched"], "{by}");
    }
    let found = rig.json("/api/v1/connections/groups?by=tenant&q=alp").await;
    assert_eq!(
        (&found["matched"], &items(&found)[0]["key"]),
        (&json!(1), &json!("alpha"))
    );
    drop(clients);
    rig.stop().await;
}

#[tokio::test]
async fn a_session_shows_its_connection_and_what_it_plays() {
    let rig = Rig::start().await;
    let client = rig.client("alpha", 812_345_678_901_234_567).await;
    client.play(77, "http://example.org/a.mp3").await.unwrap();
    let id = client.session_id();
    let path = format!("/api/v1/sessions/{id}");
    let row = rig
        .until(&path, |row| row["connectionId"].is_string() && row["players"] == 1)
        .await;
    assert_eq!((&row["ip"], &row["id"]), (&json!("127.0.0.1"), &json!(id)));
    let connections = rig.json("/api/v1/connections?q=812345678901234567").await;
    assert_eq!(connections["matched"], 1, "{connections:#}");
    let connection = &items(&connections)[0];
    assert_eq!(
        (&connection["id"], &connection["userId"]),
        (&row["connectionId"], &row["userId"])
    );
    assert!(row["bytesOut"].as_u64() > Some(0), "{row:#}");
    let list = rig
        .json("/api/v1/sessions?sort=-bytes&state=connected&node=v4-node")
        .await;
    assert_eq!((&list["matched"], &items(&list)[0]["id"]), (&json!(1), &json!(id)));
    assert_eq!(rig.json("/api/v1/sessions?state=parked").await["matched"], 0);
    let players = rig.json(&format!("{path}/players")).await;
    let player = &items(&players)[0];
    assert_eq!((&player["guildId"], &player["node"]), (&json!("77"), &json!("v4-node")));
    assert!(
        player["track"]["title"].is_string() && player["track"]["lengthMs"].is_u64(),
        "{player:#}"
    );
    assert!(!players.to_string().contains("token"), "{players:#}");
    for path in ["/api/v1/sessions/nobody", "/api/v1/sessions/nobody/players"] {
        assert_eq!(rig.get(path).await.status, 404, "{path}");
    }
    client.disconnect().await;
    rig.stop().await;
}

#[tokio::test]
async fn usage_has_a_level_and_settings_explain_it() {
    let rig = Rig::start_with(|config| {
        config.levels = Levels::new([100, 1_000_000_000, 2_000_000_000]).unwrap();
        config.public_url = Some("https://music.example.org/lavalink".to_owned());
    })
    .await;
    let client = rig.client("alpha", 1).await;
    client.play(3, "http://example.org/a.mp3").await.unwrap();
    for _ in 0..50 {
        client.load("ytsearch:something").await.unwrap();
    }
    let ips = rig
        .until("/api/v1/usage/ips", |page| {
            items(page).first().is_some_and(|row| row["level"] == "normal")
        })
        .await;
    let row = &items(&ips)[0];
    assert_eq!((&row["sessions"], &row["players"]), (&json!(1), &json!(1)), "{row:#}");
    let tenants = rig.json("/api/v1/usage/tenants?sort=-players").await;
    assert_eq!(
        (&items(&tenants)[0]["tenant"], &items(&tenants)[0]["players"]),
        (&json!("alpha"), &json!(1))
    );
    let settings = rig.json("/api/v1/settings").await;
    assert_eq!(
        settings["connection"],
        json!({"host": "music.example.org", "port": 443, "tls": true, "url": "https://music.example.org/lavalink"})
    );
    assert_eq!(settings["tenants"], json!(["alpha", "beta"]));
    assert_eq!(settings["levels"][1], json!({"name": "normal", "from": 100}));
    client.disconnect().await;
    rig.stop().await;
}

#[tokio::test]
async fn players_of_a_client_that_speaks_ops_are_not_asked_for_and_that_is_said() {
    let rig = Rig::start().await;
    let client = TestClient::builder(Protocol::V3Ops, &rig.url(), "alpha", 1);
    let client = client.connect().await.unwrap();
    let list = rig.until("/api/v1/sessions", |list| list["matched"] == 1).await;
    let row = &list["items"][0];
    assert_eq!(row["version"], "v3-legacy", "{row}");
    let path = format!("/api/v1/sessions/{}/players", row["id"].as_str().unwrap());
    let refused = rig.get(&path).await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(refused.text().contains("speaks v3 ops"), "{}", refused.text());
    client.disconnect().await;
    rig.stop().await;
}
