//! The event stream as a browser reads it: it must show what a GET shows, and end with the login.

use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use proxy_testkit::RawClient;
use serde_json::{Value, json};

use crate::rig::{LIMIT, PASSWORD, Rig};

/// A stream that is read event by event, and the values that its reader has.
struct Events {
    raw: RawClient,
    values: Vec<Value>,
}

impl Events {
    async fn open(rig: &Rig, query: &str, authorization: &str) -> Self {
        let mut raw = RawClient::connect(rig.admin.address()).await.unwrap();
        let head = ask(&mut raw, query, authorization).await;
        assert!(
            head.starts_with("HTTP/1.1 200") && head.contains("text/event-stream"),
            "{head}"
        );
        Self {
            raw,
            values: vec![Value::Null; 6],
        }
    }

    /// The next event and its data; `None` at the end. Chunk sizes stand before it and are passed over.
    async fn next(&mut self) -> Option<(String, Value)> {
        let bytes = self.raw.read_until(b"\n\n", LIMIT).await?;
        let text = String::from_utf8(bytes).unwrap();
        let event = &text[text.find("event: ").unwrap_or_else(|| panic!("{text:?}"))..];
        let (name, data) = event.trim_end().split_once("\ndata: ").unwrap();
        let data = serde_json::from_str(data).unwrap();
        let name = name.strip_prefix("event: ").unwrap().to_owned();
        self.take(&name, &data);
        Some((name, data))
    }

    fn take(&mut self, name: &str, data: &Value) {
        let watch = || usize::try_from(data["watch"].as_u64().unwrap()).unwrap();
        match name {
            "snapshot" => self.values[watch()] = data["value"].clone(),
            "delta" => apply(&mut self.values[watch()], &data["patch"]),
            _ => {}
        }
    }

    /// Reads on until a tick after which `done` says so.
    async fn until(&mut self, done: impl Fn(&[Value]) -> bool) {
        let limit = Instant::now() + LIMIT;
        loop {
            let (name, _) = self.next().await.expect("the stream goes on");
            if name == "tick" && done(&self.values) {
                return;
            }
            assert!(Instant::now() < limit, "{:#?}", self.values);
        }
    }
}

/// Asks for a stream and returns the head of the answer.
async fn ask(raw: &mut RawClient, query: &str, authorization: &str) -> String {
    let request = format!(
        "GET /api/v1/events?{query} HTTP/1.1\r\nhost: x\r\nauthorization: {authorization}\r\naccept: text/event-stream\r\n\r\n"
    );
    raw.write(&request).await.unwrap();
    let head = raw.read_until(b"\r\n\r\n", LIMIT).await.unwrap();
    String::from_utf8(head).unwrap()
}

/// RFC 7396.
fn apply(target: &mut Value, patch: &Value) {
    let Some(changes) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let members = target.as_object_mut().unwrap();
    for (name, change) in changes {
        if change.is_null() {
            members.remove(name);
        } else {
            apply(members.entry(name).or_insert(Value::Null), change);
        }
    }
}

/// Lists as a GET has them, without what is null.
fn plain(value: Value) -> Value {
    match value {
        Value::Array(entries) => entries.into_iter().map(plain).collect(),
        Value::Object(members) if members.contains_key("$order") => {
            let row = |name: &Value| plain(members["$rows"][name.as_str().unwrap()].clone());
            members["$order"].as_array().unwrap().iter().map(row).collect()
        }
        Value::Object(members) => {
            let there = members.into_iter().filter(|(_, member)| !member.is_null());
            there.map(|(name, member)| (name, plain(member))).collect()
        }
        other => other,
    }
}

fn admin() -> String {
    format!("Basic {}", STANDARD.encode(format!("admin:{PASSWORD}")))
}

#[tokio::test]
async fn a_stream_shows_what_a_get_shows_while_things_come_change_and_go() {
    let rig = Rig::start().await;
    let query = "watch=overview&watch=connections%3Fsort%3Did%26limit%3D20";
    let mut events = Events::open(&rig, query, &admin()).await;
    let client = rig.client("alpha", 1).await;
    for round in 0..4 {
        let other = rig.client("beta", 2).await;
        client.load("ytsearch:something").await.unwrap();
        events.until(|values| values[1]["matched"].as_u64() >= Some(2)).await;
        other.disconnect().await;
        // One and the same reading, seen both ways.
        let limit = Instant::now() + LIMIT;
        loop {
            let (name, _) = events.next().await.unwrap();
            let page = rig.json("/api/v1/connections?sort=id&limit=20").await;
            let overview = rig.json("/api/v1/overview").await;
            let [seen, connections] = [&events.values[0], &events.values[1]];
            let same = seen["sampledAt"] == overview["sampledAt"] && connections["sampledAt"] == page["sampledAt"];
            if name == "tick" && same {
                assert_eq!(plain(connections.clone()), plain(page), "round {round}");
                let client_side = plain(overview["clientSide"].clone());
                assert_eq!(plain(seen["clientSide"].clone()), client_side, "round {round}");
                break;
            }
            assert!(Instant::now() < limit, "no reading lasted long enough");
        }
    }
    client.disconnect().await;
    rig.stop().await;
}

#[tokio::test]
async fn a_resource_that_is_not_there_is_said_and_the_others_go_on() {
    let rig = Rig::start().await;
    let query = "watch=nothing&watch=connections%3Fsort%3Dcolour&watch=nodes&watch=tokens&watch=events";
    let mut events = Events::open(&rig, query, &admin()).await;
    let mut errors = Vec::new();
    for _ in 0..6 {
        let (name, data) = events.next().await.unwrap();
        if name == "error" {
            errors.push((data["watch"].as_u64().unwrap(), data["status"].as_u64().unwrap()));
        }
    }
    errors.sort_unstable();
    assert_eq!(errors, [(0, 404), (1, 400), (4, 404)]);
    events
        .until(|values| values[2]["items"]["$rows"]["v4-node"]["state"] == "healthy")
        .await;
    for query in ["", "watch=", "watch=/nodes", "other=1"] {
        assert_eq!(rig.get(&format!("/api/v1/events?{query}")).await.status, 400, "{query}");
    }
    let form = rig
        .request(Method::POST, "/api/v1/events?watch=nodes", &[("x-requested-with", "x")])
        .await;
    assert_eq!(form.status, 405);
    rig.stop().await;
}

#[tokio::test]
async fn a_stream_ends_when_its_token_is_revoked() {
    let rig = Rig::start().await;
    let program = [("x-requested-with", "test")];
    let made = rig
        .send(
            Method::POST,
            "/api/v1/tokens",
            &program,
            &json!({"name": "t", "scopes": ["read"]}),
        )
        .await
        .json();
    let bearer = format!("Bearer {}", made["token"].as_str().unwrap());
    let mut events = Events::open(&rig, "watch=nodes&watch=tokens", &bearer).await;
    let (first, _) = events.next().await.unwrap();
    let (second, refused) = events.next().await.unwrap();
    assert_eq!((first.as_str(), second.as_str()), ("snapshot", "error"));
    assert_eq!(refused["status"], 403);
    let path = format!("/api/v1/tokens/{}", made["id"].as_str().unwrap());
    assert_eq!(rig.request(Method::DELETE, &path, &program).await.status, 204);
    let limit = Instant::now() + LIMIT;
    while events.next().await.is_some() {
        assert!(Instant::now() < limit, "it goes on");
    }
    rig.stop().await;
}

#[tokio::test]
async fn streams_have_a_bound_and_give_their_places_back() {
    let rig = Rig::start().await;
    let mut open = Vec::new();
    for _ in 0..64 {
        open.push(Events::open(&rig, "watch=nodes", &admin()).await);
    }
    assert_eq!(rig.get("/api/v1/events?watch=nodes").await.status, 503);
    drop(open);
    let limit = Instant::now() + LIMIT;
    loop {
        let mut raw = RawClient::connect(rig.admin.address()).await.unwrap();
        if ask(&mut raw, "watch=nodes", &admin()).await.starts_with("HTTP/1.1 200") {
            break;
        }
        assert!(Instant::now() < limit, "no place was given back");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    rig.stop().await;
}
