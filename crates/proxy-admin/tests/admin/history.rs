//! What is kept: usage over time, connections that are over, and what became of nodes. Usage history must equal the live
//! figures to the byte.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use proxy_store::{Scope, Settings, Store, UsageKey};
use proxy_testkit::{RawClient, TestClient};
use serde_json::{Value, json};

use crate::rig::{LIMIT, Rig};

const COUNTS: [&str; 5] = ["bytesIn", "bytesOut", "messagesIn", "messagesOut", "requests"];
const OUTCOMES: [&str; 3] = ["ok", "clientError", "serverError"];

fn open(folder: &Path) -> Store {
    let settings = Settings {
        flush_interval: Duration::from_millis(1500),
        ..Settings::default()
    };
    Store::open(folder.join("store.db"), settings).unwrap()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

fn items(page: &Value) -> &[Value] {
    page["items"].as_array().unwrap()
}

/// Sums and outcomes of something live.
fn live(row: &Value) -> Vec<u64> {
    let sums = COUNTS.map(|name| row[name].as_u64().unwrap());
    let outcomes = OUTCOMES.map(|name| row["outcomes"][name].as_u64().unwrap());
    sums.into_iter().chain(outcomes).collect()
}

/// The same over all points of a history.
fn kept(history: &Value) -> Vec<u64> {
    let points = history["points"].as_array().unwrap();
    let names = COUNTS.iter().chain(&OUTCOMES);
    names
        .map(|name| points.iter().map(|point| point[name].as_u64().unwrap()).sum())
        .collect()
}

/// Everything that is counted, by scope and key.
async fn all_live(rig: &Rig) -> Vec<(&'static str, String, Vec<u64>)> {
    let paths = [
        "/api/v1/overview",
        "/api/v1/usage/ips?limit=1000",
        "/api/v1/usage/tenants",
        "/api/v1/nodes",
    ];
    let [overview, ips, tenants, nodes] = rig.together(paths).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut all = vec![("total", String::new(), live(&overview["clientSide"]))];
    all.extend(items(&ips).iter().map(|row| ("ip", text(&row["ip"]), live(row))));
    all.extend(
        items(&tenants)
            .iter()
            .map(|row| ("tenant", text(&row["tenant"]), live(row))),
    );
    all.extend(items(&nodes).iter().map(|row| ("node", text(&row["name"]), live(row))));
    let versions = overview["clientSide"]["byVersion"].as_object().unwrap();
    all.extend(
        versions
            .iter()
            .map(|(version, row)| ("version", version.clone(), live(row))),
    );
    all
}

async fn history_of(rig: &Rig, scope: &str, key: &str, since: u64) -> Value {
    let to = now() + 60_000;
    rig.json(&format!(
        "/api/v1/usage/history?scope={scope}&key={key}&from={since}&to={to}&points=1000"
    ))
    .await
}

/// Clients that come, play, ask, return, and are refused, in an order of chance.
async fn a_random_run(rig: &Rig) {
    let mut rng = fastrand::Rng::with_seed(5);
    let mut clients: Vec<TestClient> = Vec::new();
    for step in 0..60_u64 {
        match rng.u32(0..6) {
            0 => clients.push(rig.client(if rng.bool() { "alpha" } else { "beta" }, step + 1).await),
            1 => {
                let mut raw = RawClient::connect(rig.gateway.addresses()[0]).await.unwrap();
                let password = if rng.bool() { "wrong" } else { "alpha" };
                let request = format!("GET /v4/nothing HTTP/1.1\r\nHost: x\r\nAuthorization: {password}\r\n\r\n");
                raw.write(request).await.unwrap();
                raw.read_answer(LIMIT).await;
            }
            2 if !clients.is_empty() => {
                let client = clients.swap_remove(rng.usize(0..clients.len()));
                client.disconnect().await;
            }
            _ => {
                let Some(client) = clients.last() else { continue };
                client.load("ytsearch:something").await.unwrap();
                client.play(step as i64 + 1, "http://example.org/a.mp3").await.unwrap();
            }
        }
    }
    for client in clients {
        client.disconnect().await;
    }
}

/// Waits for a reading that was taken after all that was done so far, with no connection open.
async fn all_closed(rig: &Rig) {
    let done = now();
    rig.until("/api/v1/overview", |overview| {
        overview["connections"]["open"] == 0 && overview["sampledAt"].as_u64().unwrap() > done
    })
    .await;
}

#[tokio::test]
async fn history_equals_the_live_figures_to_the_byte_now_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let since = now() - 60_000;
    let store = open(folder.path());
    let kept_in = store.clone();
    let rig = Rig::start_both(|config| config.store = Some(kept_in)).await;
    a_random_run(&rig).await;
    all_closed(&rig).await;
    let limit = Instant::now() + LIMIT;
    let last = loop {
        let all = all_live(&rig).await;
        let mut differs = None;
        for (scope, key, live) in &all {
            let history = kept(&history_of(&rig, scope, key, since).await);
            if history != *live {
                differs = Some(format!("{scope} {key}: live {live:?}, history {history:?}"));
                break;
            }
        }
        match differs {
            None => break all,
            // Probes go on moving bytes, and a batch is on its way to the file for a moment.
            Some(differs) => assert!(Instant::now() < limit, "{differs}"),
        }
    };
    assert!(last.len() >= 8, "{last:?}");
    assert!(last.iter().filter(|(scope, ..)| *scope == "tenant").count() >= 3);
    rig.stop().await;
    store.close();
    drop(store);
    let store = open(folder.path());
    for (scope, key, live) in last {
        let scope = Scope::find(scope).unwrap();
        let key = if scope == Scope::Total {
            UsageKey::TOTAL.to_owned()
        } else {
            key
        };
        let (from, to) = (since as i64, now() as i64 + 60_000);
        let sum = store.usage_history(scope, &key, from, to, 1000).unwrap().sum();
        let kept = [
            sum.bytes_in,
            sum.bytes_out,
            sum.messages_in,
            sum.messages_out,
            sum.requests,
        ];
        if scope == Scope::Node {
            // The last seconds' probes came on top.
            assert!(
                kept.iter().zip(&live).all(|(kept, live)| kept >= live),
                "{key}: {kept:?} {live:?}"
            );
        } else {
            assert_eq!(kept, live[..5], "{scope:?} {key}");
        }
    }
    store.close();
}

#[tokio::test]
async fn totals_and_sparklines_are_those_of_the_history() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let rig = Rig::start_both(|config| config.store = Some(store.clone())).await;
    let since = now() - 60_000;
    // A run can be over between two readings: one client stays until it was seen.
    let seen = rig.client("alpha", 99).await;
    rig.until("/api/v1/overview", |overview| overview["connections"]["open"] != 0)
        .await;
    seen.disconnect().await;
    a_random_run(&rig).await;
    all_closed(&rig).await;
    let live = live(&rig.json("/api/v1/overview").await["clientSide"]);
    let path = format!("/api/v1/usage/totals?scope=tenant&from={since}&sort=-bytes");
    let totals = rig
        .until(&path, |page| {
            items(page)
                .iter()
                .map(|row| row["bytesIn"].as_u64().unwrap())
                .sum::<u64>()
                == live[0]
        })
        .await;
    assert_eq!(totals["matched"], 3, "{totals:#}");
    let rows = items(&totals);
    let bytes = |row: &Value| row["bytesIn"].as_u64().unwrap() + row["bytesOut"].as_u64().unwrap();
    assert!(
        rows.windows(2).all(|pair| bytes(&pair[0]) >= bytes(&pair[1])),
        "{totals:#}"
    );
    let alpha = rows.iter().find(|row| row["key"] == "alpha").unwrap();
    assert!(
        alpha["maxConnections"].as_u64() >= Some(1) && alpha["maxRateIn"].as_u64() > Some(0),
        "{alpha:#}"
    );
    assert!(alpha["connectionsOpened"].as_u64() >= Some(1), "{alpha:#}");
    let found = rig.json(&format!("{path}&q=ALP")).await;
    assert_eq!((items(&found).len(), &items(&found)[0]["key"]), (1, &json!("alpha")));
    let sparks = rig
        .json("/api/v1/usage/sparklines?scope=tenant&keys=alpha,nobody")
        .await;
    let sum = |key: &str| -> u64 {
        let series = sparks["series"][key].as_array().unwrap();
        series.iter().map(|rate| rate.as_u64().unwrap()).sum()
    };
    assert!(sum("alpha") > 0 && sum("nobody") == 0, "{sparks:#}");
    for wrong in [
        "usage/history",
        "usage/history?scope=ip",
        "usage/history?scope=ip&key=x",
        "usage/history?scope=version&key=v5",
        "usage/history?scope=total&from=5&to=5",
        "usage/sparklines?scope=ip&keys=",
        "usage/totals?scope=ip&sort=colour",
        "usage/totals",
        "connections/groups",
    ] {
        assert_eq!(rig.get(&format!("/api/v1/{wrong}")).await.status, 400, "{wrong}");
    }
    rig.stop().await;
    store.close();
}

#[tokio::test]
async fn a_connection_that_is_over_is_found_with_what_it_carried_and_how_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let rig = Rig::start_both(|config| config.store = Some(store.clone())).await;
    let mut raw = RawClient::connect(rig.gateway.addresses()[0]).await.unwrap();
    let request = "GET /version HTTP/1.1\r\nHost: x\r\nAuthorization: alpha\r\n\r\n";
    raw.write(request).await.unwrap();
    assert_eq!(raw.read_answer(LIMIT).await.status(), Some(200));
    let (port, received) = (raw.local_addr().unwrap().port(), raw.tcp_info().unwrap().bytes_received);
    drop(raw);
    for user in 1..=3 {
        rig.client("beta", user).await.disconnect().await;
    }
    let one = rig
        .until("/api/v1/connections/history?tenant=alpha", |page| {
            items(page).len() == 1
        })
        .await;
    let row = &items(&one)[0];
    let expected = json!({"ip": "127.0.0.1", "port": port, "tls": false, "tenant": "alpha", "version": "v4",
        "bytesIn": request.len(), "bytesOut": received, "requests": 1, "ended": "client_closed"});
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&row[field], value, "{field}: {row:#}");
    }
    assert!(row["closedAt"].as_u64() >= row["openedAt"].as_u64());
    let all = rig
        .until("/api/v1/connections/history?q=beta", |page| items(page).len() >= 3)
        .await;
    let (mut seen, mut next) = (Vec::new(), String::new());
    loop {
        let page = rig
            .json(&format!("/api/v1/connections/history?q=beta&limit=2{next}"))
            .await;
        seen.extend(items(&page).iter().map(|row| row["id"].clone()));
        match page["next"].as_str() {
            None => break,
            Some(before) => next = format!("&before={before}"),
        }
    }
    let ids: Vec<_> = items(&all).iter().map(|row| row["id"].clone()).collect();
    assert_eq!(seen, ids, "pages make up the whole, newest first");
    rig.stop().await;
    store.close();
}

#[tokio::test]
async fn a_node_shows_its_last_probes_why_it_was_chosen_and_what_became_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let rig = Rig::start_both(|config| config.store = Some(store.clone())).await;
    let client = rig.client("alpha", 1).await;
    let nodes = rig
        .until("/api/v1/nodes", |nodes| items(nodes)[0]["choices"] != json!([]))
        .await;
    let node = &items(&nodes)[0];
    let choice = &node["choices"][0];
    assert!(choice["why"].as_str().is_some_and(|why| !why.is_empty()), "{choice}");
    let probe = &node["recent"][0];
    assert!(
        probe["ok"] == true && probe["latencyMs"].as_f64() > Some(0.0),
        "{probe}"
    );
    rig.nodes[0].die();
    let nodes = rig
        .until("/api/v1/nodes", |nodes| {
            let recent = items(nodes)[0]["recent"].as_array().unwrap();
            recent.last().unwrap()["ok"] == false && items(nodes)[0]["state"] == "down"
        })
        .await;
    let last = items(&nodes)[0]["recent"].as_array().unwrap().last().unwrap().clone();
    assert!(last["reason"].is_string() && last["latencyMs"].is_null(), "{last}");
    let history = rig
        .until("/api/v1/nodes/v4-node/history", |history| {
            let states = history["states"].as_array().unwrap();
            states.last().is_some_and(|state| state["to"] == "down")
                && history["probes"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|step| step["failed"] != 0)
        })
        .await;
    let states = history["states"].as_array().unwrap();
    assert_eq!(states[0]["from"], "unknown", "{states:#?}");
    assert!(
        states.last().unwrap()["why"]
            .as_str()
            .is_some_and(|why| !why.is_empty())
    );
    let steps = history["probes"].as_array().unwrap();
    let ok: u64 = steps.iter().map(|step| step["ok"].as_u64().unwrap()).sum();
    assert!(
        ok > 0 && steps.iter().any(|step| step["latencyMeanMs"].as_f64() > Some(0.0)),
        "{steps:#?}"
    );
    assert_eq!(rig.get("/api/v1/nodes/nobody/history").await.status, 404);
    drop(client);
    rig.stop().await;
    store.close();
}

#[tokio::test]
async fn without_a_store_there_is_no_history_and_everything_else_works() {
    let rig = Rig::start().await;
    for path in [
        "usage/history?scope=total",
        "usage/sparklines?scope=ip&keys=127.0.0.1",
        "usage/totals?scope=ip",
        "connections/history",
        "nodes/v4-node/history",
    ] {
        let answer = rig.get(&format!("/api/v1/{path}")).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.json()["message"].as_str().unwrap().contains("history"), "{path}");
    }
    assert_eq!(rig.json("/api/v1/settings").await["history"], false);
    rig.stop().await;
}
