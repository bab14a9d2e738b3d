//! What an operator can do.

use std::sync::Arc;

use http::Method;
use proxy_core::session::machine::{PlacementMode, SessionSettings};
use proxy_testkit::client::{Ended, RestAnswer};
use serde_json::{Value, json};

use crate::rig::{LIMIT, Rig};

const PROGRAM: [(&str, &str); 1] = [("x-requested-with", "test")];

#[tokio::test]
async fn a_drained_node_leaves_placement_until_it_is_undrained() {
    let rig = Rig::start().await;
    let drained = rig.request(Method::POST, "/api/v1/nodes/v4-node/drain", &PROGRAM).await;
    assert_eq!((drained.status, &drained.json()["state"]), (200, &"draining".into()));
    let nodes = rig.json("/api/v1/nodes").await;
    assert_eq!(nodes["items"][0]["state"], "draining");
    assert_eq!(nodes["items"][0]["health"], "healthy");
    let overview = rig.json("/api/v1/overview").await;
    assert_eq!(
        (&overview["nodes"]["draining"], &overview["nodes"]["healthy"]),
        (&1.into(), &1.into())
    );
    let json = [("content-type", "application/json; charset=utf-8")];
    let back = rig.request(Method::POST, "/api/v1/nodes/v4-node/undrain", &json).await;
    assert_eq!((back.status, &back.json()["state"]), (200, &"healthy".into()));
    let unknown = rig.request(Method::POST, "/api/v1/nodes/nobody/drain", &PROGRAM).await;
    assert_eq!(unknown.status, 404);
    rig.stop().await;
}

#[tokio::test]
async fn an_operator_disconnects_one_client_and_no_other() {
    let rig = Rig::start().await;
    let (unlucky, lucky) = (rig.client("alpha", 1).await, rig.client("alpha", 2).await);
    let wanted = unlucky.session_id();
    let connections = rig
        .until("/api/v1/connections", |list| {
            list["items"].to_string().contains(&wanted)
        })
        .await;
    let items = connections["items"].as_array().unwrap();
    let row = items.iter().find(|row| row["sessionId"] == wanted.as_str()).unwrap();
    let path = format!("/api/v1/connections/{}", row["id"].as_str().unwrap());
    assert_eq!(rig.request(Method::DELETE, &path, &PROGRAM).await.status, 202);
    let ended = unlucky.wait_ended(LIMIT).await;
    assert!(matches!(ended, Some(Ended::Closed(1008, _))), "{ended:?}");
    rig.until("/api/v1/connections", |list| list["matched"] == 1).await;
    assert_eq!(rig.request(Method::DELETE, &path, &PROGRAM).await.status, 404);
    assert_eq!(lucky.ended(), None);
    lucky.disconnect().await;
    rig.stop().await;
}

/// Where a session's players are, by guild.
async fn places(rig: &Rig, session: &str) -> Vec<(Value, Value)> {
    let list = rig.json(&format!("/api/v1/sessions/{session}/players")).await;
    let rows = list["items"].as_array().unwrap().iter();
    rows.map(|row| (row["guildId"].clone(), row["node"].clone())).collect()
}

async fn move_to(rig: &Rig, session: &str, guild: &str, to: &Value) -> RestAnswer {
    let path = format!("/api/v1/sessions/{session}/players/{guild}/move");
    rig.send(Method::POST, &path, &PROGRAM, to).await
}

#[tokio::test]
async fn an_operator_moves_one_player_and_sees_where_each_is() {
    let rig = Rig::start_two(|gateway, _| {
        let placement = PlacementMode::Player;
        gateway.sessions = Arc::new(SessionSettings {
            placement,
            ..SessionSettings::default()
        });
    })
    .await;
    let client = rig.client("alpha", 1).await;
    let session = client.session_id();
    for guild in [7, 8] {
        client.play(guild, "http://example.org/a.mp3").await.unwrap();
    }
    let path = format!("/api/v1/sessions/{session}");
    let before = rig.until(&path, |session| session["players"] == 2).await;
    assert_eq!(before["links"][0]["state"], "up");
    assert!(
        before["choice"]["why"].as_str().is_some_and(|why| !why.is_empty()),
        "{before}"
    );
    assert_eq!(before["choice"]["guildId"], "8", "each player is placed by itself");
    let settings = rig.json("/api/v1/settings").await;
    assert_eq!(settings["connection"]["port"], rig.gateway.addresses()[0].port());
    let first = places(&rig, &session).await;
    let to = if first[0].1 == "v4-node" { "v3-node" } else { "v4-node" };

    let moved = move_to(&rig, &session, "7", &json!({"to": to})).await;
    assert_eq!(moved.status, 200, "{}", moved.text());
    let migration = &moved.json()["migration"];
    assert_eq!(
        (&migration["outcome"], &migration["to"], &migration["from"]),
        (&"moved".into(), &to.into(), &first[0].1)
    );
    assert_eq!(
        (&migration["reason"], &migration["tries"]),
        (&"operator".into(), &1.into())
    );
    assert_eq!(
        places(&rig, &session).await,
        [("7".into(), to.into()), first[1].clone()]
    );
    let after = rig.until(&path, |session| session["waiting"] == 0).await;
    let links = after["links"].as_array().unwrap();
    let on = links.iter().find(|link| link["node"] == to).unwrap();
    assert_eq!(on["players"], if first[1].1 == to { 2 } else { 1 }, "{after}");
    assert!(after["nodes"].as_array().unwrap().contains(&to.into()));

    let refused = [
        (
            move_to(&rig, &session, "7", &json!({"to": to})).await,
            409,
            "on this node already",
        ),
        (
            move_to(&rig, &session, "7", &json!({"to": "nobody"})).await,
            422,
            "no node of this name",
        ),
        (
            move_to(&rig, &session, "7", &json!({"node": to})).await,
            400,
            "not the JSON",
        ),
        (move_to(&rig, &session, "9", &json!({})).await, 404, "no player"),
        (move_to(&rig, &session, "x", &json!({})).await, 404, "no player"),
        (
            move_to(&rig, "nosuchsession000", "7", &json!({})).await,
            404,
            "no session",
        ),
    ];
    for (answer, status, why) in refused {
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(answer.text().contains(why), "{}", answer.text());
    }

    let all = rig.json("/api/v1/migrations").await;
    assert_eq!((&all["matched"], &all["items"][0]), (&1.into(), migration));
    for (query, matched) in [
        (format!("session={session}&guild=7"), 1),
        (format!("node={to}&reason=operator&outcome=moved"), 1),
        ("failed=true".to_owned(), 0),
        ("session=other".to_owned(), 0),
    ] {
        let list = rig.json(&format!("/api/v1/migrations?{query}")).await;
        assert_eq!(list["matched"], matched, "{query}");
    }
    client.disconnect().await;
    rig.stop().await;
}

#[tokio::test]
async fn a_drain_tells_how_far_it_is_and_when_the_node_is_empty() {
    let rig = Rig::start_two(|_, _| {}).await;
    let client = rig.client("alpha", 1).await;
    let session = client.session_id();
    for guild in 1..4 {
        client.play(guild, "http://example.org/a.mp3").await.unwrap();
    }
    let path = format!("/api/v1/sessions/{session}");
    rig.until(&path, |session| session["players"] == 3).await;
    let node = places(&rig, &session).await[0].1.as_str().unwrap().to_owned();
    let there = places(&rig, &session)
        .await
        .iter()
        .filter(|(_, on)| *on == *node)
        .count();
    let drained = rig
        .request(Method::POST, &format!("/api/v1/nodes/{node}/drain"), &PROGRAM)
        .await;
    let drain = &drained.json()["drain"];
    assert_eq!(
        (&drain["atStart"], &drain["targets"]),
        (&there.into(), &1.into()),
        "{drain}"
    );
    let of = |nodes: &Value| {
        let rows = nodes["items"].as_array().unwrap().iter();
        rows.clone().find(|row| row["name"] == *node).unwrap().clone()
    };
    let nodes = rig
        .until("/api/v1/nodes", |nodes| of(nodes)["drain"]["empty"] == true)
        .await;
    let row = of(&nodes);
    assert_eq!(
        (&row["drain"]["left"], &row["players"]),
        (&0.into(), &0.into()),
        "{row}"
    );
    let overview = rig.json("/api/v1/overview").await;
    assert_eq!(overview["migrations"]["moved"], there, "{overview}");
    assert!(
        overview["problems"][0]["message"].as_str().unwrap().contains("empty"),
        "{overview}"
    );

    // With nowhere to go the players of the other one stay, which is told.
    let other = if node == "v4-node" { "v3-node" } else { "v4-node" };
    let stuck = rig
        .request(Method::POST, &format!("/api/v1/nodes/{other}/drain"), &PROGRAM)
        .await;
    assert_eq!(stuck.json()["drain"]["targets"], 0);
    rig.until("/api/v1/migrations?failed=true&outcome=stayed", |list| {
        list["matched"] == 3
    })
    .await;
    let refused = move_to(&rig, &session, "1", &json!({})).await;
    assert_eq!(refused.status, 409, "{}", refused.text());
    let back = rig
        .request(Method::POST, &format!("/api/v1/nodes/{node}/undrain"), &PROGRAM)
        .await;
    assert_eq!(back.json()["drain"], Value::Null);
    client.disconnect().await;
    rig.stop().await;
}
