//! What the figures say, and that they agree with each other and with what was really sent.

use proxy_testkit::{RawClient, TestClient};
use serde_json::{Value, json};

use crate::rig::{LIMIT, Rig};

const COUNTS: [&str; 5] = ["bytesIn", "bytesOut", "messagesIn", "messagesOut", "requests"];

fn sums<'a>(rows: impl IntoIterator<Item = &'a Value>) -> [u64; 5] {
    let mut sums = [0; 5];
    for row in rows {
        for (sum, name) in sums.iter_mut().zip(COUNTS) {
            *sum += row[name].as_u64().unwrap();
        }
    }
    sums
}

fn items(page: &Value) -> &[Value] {
    page["items"].as_array().unwrap()
}

fn bytes_in(overview: &Value) -> u64 {
    overview["clientSide"]["bytesIn"].as_u64().unwrap()
}

async fn some_traffic(rig: &Rig) -> Vec<TestClient> {
    let mut clients = Vec::new();
    for user in 1..=4 {
        let client = rig.client(if user % 2 == 0 { "alpha" } else { "beta" }, user).await;
        client.play(user as i64, "http://example.org/a.mp3").await.unwrap();
        client.load("ytsearch:something").await.unwrap();
        clients.push(client);
    }
    // Connections that are refused count too, for no tenant.
    for _ in 0..3 {
        let mut raw = RawClient::connect(rig.gateway.addresses()[0]).await.unwrap();
        raw.write("GET /v4/info HTTP/1.1\r\nHost: x\r\nAuthorization: wrong\r\n\r\n")
            .await
            .unwrap();
        assert_eq!(raw.read_answer(LIMIT).await.status(), Some(403));
    }
    clients
}

#[tokio::test]
async fn all_views_of_the_client_side_sum_up_to_the_byte_while_traffic_runs_and_after() {
    let rig = Rig::start().await;
    let clients = some_traffic(&rig).await;
    let paths = [
        "/api/v1/overview",
        "/api/v1/usage/ips",
        "/api/v1/usage/tenants",
        "/api/v1/connections",
    ];
    let traffic = rig.client("alpha", 5).await;
    let traffic = tokio::spawn(async move {
        loop {
            traffic.load("ytsearch:something").await.unwrap();
            traffic.reconnect(None).await.unwrap();
        }
    });
    let mut last = 0;
    for round in 0..3 {
        rig.until("/api/v1/overview", |overview| bytes_in(overview) > last)
            .await;
        let [overview, ips, tenants, connections] = rig.together(paths).await;
        let total = sums([&overview["clientSide"]]);
        assert_eq!(sums(items(&ips)), total, "round {round}");
        assert_eq!(sums(items(&tenants)), total, "round {round}");
        let versions = overview["clientSide"]["byVersion"].as_object().unwrap();
        assert_eq!(sums(versions.values()), total, "round {round}");
        let open = sums(items(&connections));
        assert!(
            open.iter().zip(total).all(|(part, whole)| *part <= whole),
            "{open:?} {total:?}"
        );
        last = bytes_in(&overview);
    }
    traffic.abort();
    assert!(traffic.await.unwrap_err().is_cancelled());
    for client in &clients {
        client.disconnect().await;
    }
    drop(clients);
    rig.until("/api/v1/overview", |overview| overview["connections"]["open"] == 0)
        .await;
    let [overview, ips, tenants, connections] = rig.together(paths).await;
    let total = sums([&overview["clientSide"]]);
    assert_eq!((sums(items(&ips)), sums(items(&tenants))), (total, total));
    assert_eq!(items(&connections), &[] as &[Value], "closed connections are gone");
    let names: Vec<_> = items(&tenants)
        .iter()
        .map(|row| row["tenant"].as_str().unwrap())
        .collect();
    for tenant in ["alpha", "beta", "none"] {
        assert!(names.contains(&tenant), "{names:?}");
    }
    assert_eq!(overview["refusals"]["password_wrong"], 3);
    rig.stop().await;
}

#[tokio::test]
async fn a_connections_bytes_are_those_that_were_sent() {
    let rig = Rig::start().await;
    let mut raw = RawClient::connect(rig.gateway.addresses()[0]).await.unwrap();
    let request = "GET /version HTTP/1.1\r\nHost: x\r\nAuthorization: alpha\r\n\r\n";
    for _ in 0..3 {
        raw.write(request).await.unwrap();
        assert_eq!(raw.read_answer(LIMIT).await.status(), Some(200));
    }
    let port = raw.local_addr().unwrap().port();
    let list = rig
        .until("/api/v1/connections?tenant=alpha", |list| {
            items(list)
                .iter()
                .any(|row| row["port"] == port && row["requests"] == 3)
        })
        .await;
    let row = &items(&list)[0];
    assert_eq!(
        (&row["ip"], &row["tls"], &row["sessionId"]),
        (&json!("127.0.0.1"), &json!(false), &Value::Null)
    );
    assert_eq!(row["bytesIn"], 3 * request.len());
    let kernel = raw.tcp_info().unwrap();
    assert_eq!(row["bytesOut"], kernel.bytes_received);
    rig.stop().await;
}

#[tokio::test]
async fn rates_follow_the_traffic_and_fade() {
    let rig = Rig::start().await;
    let client = rig.client("alpha", 9).await;
    for _ in 0..50 {
        client.load("ytsearch:something").await.unwrap();
    }
    let rate = |value: &Value, window: &str| value["rates"][window]["bytesIn"].as_f64().unwrap();
    let overview = rig
        .until("/api/v1/overview", |overview| {
            rate(&overview["clientSide"], "second") > 1000.0
        })
        .await;
    let seen = &overview["clientSide"];
    assert!(rate(seen, "minute") <= rate(seen, "tenSeconds") && rate(seen, "tenSeconds") <= rate(seen, "second"));
    assert!(rate(&overview["nodeSide"], "tenSeconds") > 0.0);
    let busiest = rig.json("/api/v1/usage/tenants?sort=-rate").await;
    assert_eq!(items(&busiest)[0]["tenant"], "alpha");
    assert!(rate(&items(&busiest)[0], "tenSeconds") > 0.0);
    rig.until("/api/v1/overview", |overview| {
        rate(&overview["clientSide"], "second") < 100.0
    })
    .await;
    client.disconnect().await;
    rig.stop().await;
}

#[tokio::test]
async fn nodes_and_sessions_show_what_is_known_of_them() {
    let rig = Rig::start().await;
    let client = rig.client("beta", 812_345_678_901_234_567).await;
    client.play(77, "http://example.org/a.mp3").await.unwrap();
    client
        .update_session(&json!({"resuming": true, "timeout": 90}))
        .await
        .unwrap();
    rig.nodes[0].send_stats();
    let nodes = rig
        .until("/api/v1/nodes", |nodes| {
            nodes["items"][0]["links"] == 1 && nodes["items"][0]["load"]["score"].is_number()
        })
        .await;
    let [v4, v3] = items(&nodes) else { panic!("{nodes:#}") };
    assert_eq!(
        (&v4["name"], &v4["generation"], &v4["dave"]),
        (&json!("v4-node"), &json!("v4"), &json!(true))
    );
    assert_eq!(
        (&v3["name"], &v3["generation"], &v3["dave"]),
        (&json!("v3-node"), &json!("v3"), &json!(false))
    );
    assert_eq!(v4["url"], rig.nodes[0].url());
    assert!(v4["bytesIn"].as_u64().unwrap() > 0 && v4["latencyMs"].as_f64().unwrap() > 0.0);
    assert!(v4["load"]["explanation"].as_str().unwrap().contains("weight"), "{v4:#}");
    let sessions = rig
        .until("/api/v1/sessions?tenant=beta", |list| items(list)[0]["players"] == 1)
        .await;
    let session = &items(&sessions)[0];
    let expected = json!({
        "id": client.session_id(), "tenant": "beta", "userId": "812345678901234567", "version": "v4",
        "node": "v4-node", "players": 1, "parked": false, "resuming": true, "resumeTimeoutSeconds": 90,
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&session[field], value, "{field}: {session:#}");
    }
    assert!(
        rig.nodes[0]
            .sessions()
            .iter()
            .any(|there| session["nodeSessionId"] == there.id.as_str())
    );
    assert_eq!(rig.json("/api/v1/sessions?tenant=alpha").await["matched"], 0);
    client.drop_socket();
    rig.until("/api/v1/sessions", |list| items(list)[0]["parked"] == true)
        .await;
    rig.stop().await;
}

#[tokio::test]
async fn a_dead_node_shows_since_when_and_why() {
    let rig = Rig::start().await;
    rig.nodes[1].die();
    let nodes = rig
        .until("/api/v1/nodes", |nodes| nodes["items"][1]["state"] == "down")
        .await;
    let node = &items(&nodes)[1];
    assert!(
        node["lastFailure"]["reason"]
            .as_str()
            .is_some_and(|reason| !reason.is_empty()),
        "{node:#}"
    );
    let first = rig
        .until("/api/v1/nodes", |nodes| {
            nodes["sampledAt"].as_u64() > node["lastFailure"]["at"].as_u64()
        })
        .await;
    let later = rig
        .until("/api/v1/nodes", |nodes| {
            nodes["sampledAt"].as_u64() > first["sampledAt"].as_u64()
        })
        .await;
    assert_eq!(
        items(&later)[1]["since"],
        items(&first)[1]["since"],
        "since does not move while the state lasts"
    );
    rig.stop().await;
}

#[tokio::test]
async fn long_lists_come_in_pages() {
    let rig = Rig::start().await;
    let mut held = Vec::new();
    for _ in 0..7 {
        let mut raw = RawClient::connect(rig.gateway.addresses()[0]).await.unwrap();
        raw.write("GET /version HTTP/1.1\r\nHost: x\r\nAuthorization: alpha\r\n\r\n")
            .await
            .unwrap();
        raw.read_answer(LIMIT).await;
        held.push(raw);
    }
    rig.until("/api/v1/connections?tenant=alpha", |list| list["matched"] == 7)
        .await;
    let mut seen = Vec::new();
    for offset in [0, 3, 6, 9] {
        let path = format!("/api/v1/connections?tenant=alpha&ip=127.0.0.1&sort=id&limit=3&offset={offset}");
        let page = rig.json(&path).await;
        assert_eq!((&page["matched"], &page["limit"]), (&json!(7), &json!(3)));
        seen.extend(
            items(&page)
                .iter()
                .map(|row| row["id"].as_str().unwrap().parse::<u64>().unwrap()),
        );
    }
    assert!(seen.len() == 7 && seen.is_sorted(), "{seen:?}");
    assert_eq!(rig.json("/api/v1/connections?ip=192.0.2.1").await["matched"], 0);
    rig.stop().await;
}
