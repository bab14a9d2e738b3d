//! Alerts end to end: the built program, a simulated node that dies, and receivers of webhooks on loopback. The rules are
//! tested in `proxy-core`.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use proxy_testkit::client::{Rest, RestAnswer};
use proxy_testkit::{SimNode, wait_until};
use serde_json::Value;
use sha2::Sha256;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{ProxyProgram, SOON, sim_v4};

/// Part of the URL; whoever has it can write to the channel.
const TOKEN: &str = "the-webhooks-token";
const SECRET: &str = "shared-with-the-receiver";

/// What came to a receiver.
#[derive(Clone, Debug)]
struct Got {
    at: Instant,
    head: String,
    body: String,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value)
    }
}

/// A receiver of webhooks that answers 204, or what it was told to.
struct Receiver {
    port: u16,
    got: Arc<Mutex<Vec<Got>>>,
    /// Answers to the next requests, in order.
    answers: Arc<Mutex<VecDeque<&'static str>>>,
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            port: listener.local_addr().unwrap().port(),
            got: Arc::default(),
            answers: Arc::default(),
        };
        let (got, answers) = (Arc::clone(&receiver.got), Arc::clone(&receiver.answers));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                // One after the other: the proxy sends no two messages to one receiver at a time.
                if let Some(message) = read(socket, &answers).await {
                    got.lock().unwrap().push(message);
                }
            }
        });
        receiver
    }

    fn answer_next(&self, answer: &'static str) {
        self.answers.lock().unwrap().push_back(answer);
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/api/webhooks/1/{TOKEN}", self.port)
    }

    fn all(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// Waits for the message with this number, the first being 0.
    async fn wait(&self, number: usize) -> Got {
        wait_until(LIMIT, || self.got.lock().unwrap().len() > number).await;
        self.all()[number].clone()
    }
}

/// Messages wait a second for others to go with, and the machine may be busy.
const LIMIT: Duration = Duration::from_secs(30);

async fn read(mut socket: TcpStream, answers: &Mutex<VecDeque<&'static str>>) -> Option<Got> {
    let mut bytes = Vec::new();
    let whole = loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head_of = |head: &str| Got {
                at: Instant::now(),
                head: head.to_owned(),
                body: body.to_owned(),
            };
            let got = head_of(head);
            let length: usize = got.header("content-length")?.parse().ok()?;
            if body.len() >= length {
                break got;
            }
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let answer = answers.lock().unwrap().pop_front().unwrap_or("204 No Content\r\n");
    let answer = format!("HTTP/1.1 {answer}Connection: close\r\nContent-Length: 0\r\n\r\n");
    socket.write_all(answer.as_bytes()).await.ok()?;
    Some(whole)
}

/// A proxy whose alerts are quick, with a store in this folder.
fn config(folder: &Path, nodes: &[&SimNode], webhooks: &str) -> String {
    let base = ProxyProgram::config("", nodes);
    // Sections that repeat come last in it, so single ones go before them.
    format!(
        "[store]\npath = \"{}\"\n[health]\ninterval = \"300ms\"\n[alerts.rules.node_down]\nclear_after = \"1s\"\n\
         [alerts.rules.no_node]\nenabled = false\n[alerts.rules.node_degraded]\nenabled = false\n{webhooks}\n{base}",
        folder.join("proxy.db").display()
    )
}

fn webhook(name: &str, kind: &str, receiver: &Receiver, more: &str) -> String {
    format!(
        "[[alerts.webhooks]]\nname = \"{name}\"\nkind = \"{kind}\"\nurl = \"{}\"\n{more}\n",
        receiver.url()
    )
}

pub(crate) async fn admin(program: &mut ProxyProgram) -> Rest {
    let line = program.wait_line("admin listener").await;
    let (_, url) = line.split_once("url=").unwrap();
    let login = format!("Basic {}", STANDARD.encode("admin:admin"));
    Rest::to(url.split_whitespace().next().unwrap(), Some(&login)).unwrap()
}

pub(crate) async fn post(admin: &Rest, path: &str) -> RestAnswer {
    let request = http::Request::post(path).header("x-requested-with", "test");
    admin.send(request.body(Bytes::new()).unwrap()).await.unwrap()
}

async fn until(admin: &Rest, path: &str, done: impl Fn(&Value) -> bool) -> Value {
    let limit = Instant::now() + LIMIT;
    loop {
        let answer = admin.get(path).await.unwrap();
        let value = answer.json();
        if done(&value) {
            return value;
        }
        assert!(
            Instant::now() < limit,
            "{path} did not come to what was wanted: {value:#}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_node_that_dies_and_comes_back_is_told_to_discord_and_to_a_signed_webhook() {
    let (node, other) = (sim_v4().await, sim_v4().await);
    let (discord, json) = (Receiver::start().await, Receiver::start().await);
    let folder = tempfile::tempdir().unwrap();
    let webhooks =
        webhook("chat", "discord", &discord, "") + &webhook("own", "json", &json, &format!("secret = \"{SECRET}\""));
    let mut program = ProxyProgram::start(&config(folder.path(), &[&node, &other], &webhooks));
    let admin = admin(&mut program).await;
    until(&admin, "/api/v1/overview", |overview| overview["nodes"]["healthy"] == 2).await;
    assert_eq!(
        admin.get("/api/v1/alerts?state=all").await.unwrap().json()["items"],
        Value::Array(Vec::new())
    );

    node.die();
    let raised = discord.wait(0).await.json();
    assert_eq!(raised["allowed_mentions"], serde_json::json!({ "parse": [] }));
    assert_eq!(raised["embeds"][0]["title"], "Critical: A node is down");
    assert!(
        raised["embeds"][0]["description"]
            .as_str()
            .unwrap()
            .starts_with("n0 is down: "),
        "{raised}"
    );
    let signed = json.wait(0).await;
    assert_signed(&signed);
    let raised = &signed.json()["alerts"][0];
    assert_eq!(
        (&raised["event"], &raised["rule"]),
        (&"raised".into(), &"node_down".into())
    );
    let open = admin.get("/api/v1/alerts").await.unwrap().json();
    assert_eq!(open["items"][0]["id"], raised["id"], "{open}");
    assert_eq!(open["items"][0]["subject"], "n0");
    let overview = admin.get("/api/v1/overview").await.unwrap().json();
    assert_eq!(
        overview["alerts"],
        serde_json::json!({ "open": 1, "unacknowledged": 1 })
    );

    node.revive().unwrap();
    let cleared = json.wait(1).await;
    assert_signed(&cleared);
    let cleared = &cleared.json()["alerts"][0];
    assert_eq!((&cleared["event"], &cleared["id"]), (&"cleared".into(), &raised["id"]));
    assert!(cleared["clearedAt"].as_u64() >= raised["raisedAt"].as_u64());
    assert_eq!(
        discord.wait(1).await.json()["embeds"][0]["title"],
        "Over: A node is down"
    );
    let open = until(&admin, "/api/v1/alerts", |list| {
        list["items"].as_array().unwrap().is_empty()
    })
    .await;
    assert_eq!(open["items"], Value::Array(Vec::new()));
    let all = admin.get("/api/v1/alerts?state=all").await.unwrap().json();
    assert_eq!(
        (&all["items"][0]["id"], all["items"].as_array().unwrap().len()),
        (&raised["id"], 1)
    );

    let metrics = admin.get("/metrics").await.unwrap().text();
    for line in [
        "lavalink_proxy_alerts{severity=\"critical\"} 0",
        "lavalink_proxy_alert_messages_total{webhook=\"own\",outcome=\"sent\"} 2",
        "lavalink_proxy_alert_messages_total{webhook=\"chat\",outcome=\"failed\"} 0",
    ] {
        assert!(metrics.contains(line), "{line} is not in:\n{metrics}");
    }
    secrets_are_nowhere(&mut program, &admin).await;
}

fn assert_signed(got: &Got) {
    let time = got.header("x-lavalink-proxy-timestamp").unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{time}.{}", got.body).as_bytes());
    let digest = mac.finalize().into_bytes();
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        got.header("x-lavalink-proxy-signature"),
        Some(&*format!("sha256={hex}"))
    );
}

async fn secrets_are_nowhere(program: &mut ProxyProgram, admin: &Rest) {
    let mut texts = vec![program.said()];
    for path in [
        "/api/v1/alerts/rules",
        "/api/v1/alerts?state=all",
        "/api/v1/config",
        "/api/v1/overview",
        "/metrics",
    ] {
        texts.push(admin.get(path).await.unwrap().text());
    }
    for text in texts {
        assert!(!text.contains(TOKEN) && !text.contains(SECRET), "{text}");
    }
}

#[tokio::test]
async fn a_receiver_that_says_wait_is_waited_for_and_one_that_refuses_is_not_asked_again() {
    let (node, other) = (sim_v4().await, sim_v4().await);
    let (busy, gone) = (Receiver::start().await, Receiver::start().await);
    busy.answer_next("429 Too Many Requests\r\nRetry-After: 1.5\r\n");
    busy.answer_next("503 Service Unavailable\r\n");
    gone.answer_next("404 Not Found\r\n");
    let folder = tempfile::tempdir().unwrap();
    let webhooks = webhook("busy", "discord", &busy, "") + &webhook("gone", "discord", &gone, "");
    let mut program = ProxyProgram::start(&config(folder.path(), &[&node, &other], &webhooks));
    let admin = admin(&mut program).await;
    until(&admin, "/api/v1/overview", |overview| overview["nodes"]["healthy"] == 2).await;
    node.die();
    let (first, second, third) = (busy.wait(0).await, busy.wait(1).await, busy.wait(2).await);
    assert_eq!((&first.body, &second.body), (&second.body, &third.body));
    let waited = second.at - first.at;
    assert!(waited >= Duration::from_millis(1500), "{waited:?}");
    let counts = |metrics: &str, line: &str| metrics.contains(&format!("lavalink_proxy_alert_messages_total{{{line}"));
    let limit = Instant::now() + SOON;
    loop {
        let metrics = admin.get("/metrics").await.unwrap().text();
        if counts(&metrics, "webhook=\"busy\",outcome=\"sent\"} 1")
            && counts(&metrics, "webhook=\"gone\",outcome=\"failed\"} 1")
        {
            break;
        }
        assert!(Instant::now() < limit, "{metrics}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(gone.all().len(), 1);
    assert!(program.said().contains("the receiver answered 404"));
}

#[tokio::test]
async fn after_a_restart_an_alert_goes_on_with_its_acknowledgement_and_is_not_told_again() {
    let (node, other) = (sim_v4().await, sim_v4().await);
    let receiver = Receiver::start().await;
    let folder = tempfile::tempdir().unwrap();
    let text = config(folder.path(), &[&node, &other], &webhook("own", "json", &receiver, ""));
    let mut program = ProxyProgram::start(&text);
    let admin_before = admin(&mut program).await;
    until(&admin_before, "/api/v1/overview", |overview| {
        overview["nodes"]["healthy"] == 2
    })
    .await;
    node.die();
    let id = receiver.wait(0).await.json()["alerts"][0]["id"].clone();
    let path = format!("/api/v1/alerts/{id}/acknowledge");
    let acknowledged = post(&admin_before, &path).await;
    assert_eq!(
        (acknowledged.status, &acknowledged.json()["acknowledgedBy"]),
        (200, &"admin".into())
    );
    assert_eq!(
        post(&admin_before, "/api/v1/alerts/4000000/acknowledge").await.status,
        404
    );
    program.signal("TERM");
    assert_eq!(program.wait_exit(SOON).await.code(), Some(0));

    let mut program = ProxyProgram::start(&text);
    let admin = admin(&mut program).await;
    until(&admin, "/api/v1/overview", |overview| overview["nodes"]["down"] == 1).await;
    let open = until(&admin, "/api/v1/alerts", |list| list["items"][0]["id"] == id).await;
    assert_eq!(open["items"].as_array().unwrap().len(), 1, "{open}");
    assert_eq!(open["items"][0]["acknowledgedBy"], "admin");
    node.revive().unwrap();
    // Messages to one receiver keep their order, so nothing else was sent before this one.
    let next = receiver.wait(1).await.json();
    assert_eq!(
        (&next["alerts"][0]["event"], &next["alerts"][0]["id"]),
        (&"cleared".into(), &id)
    );
    assert_eq!(next["alerts"].as_array().unwrap().len(), 1, "{next}");
}

#[tokio::test]
async fn the_test_button_says_of_each_receiver_what_came_of_it() {
    let node = sim_v4().await;
    let (good, bad) = (Receiver::start().await, Receiver::start().await);
    bad.answer_next("403 Forbidden\r\n");
    let closed = Receiver {
        // Nobody listens on the port of a listener that was dropped.
        port: std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port(),
        got: Arc::default(),
        answers: Arc::default(),
    };
    let folder = tempfile::tempdir().unwrap();
    let webhooks = webhook("good", "discord", &good, "rules = [\"store\"]")
        + &webhook("bad", "json", &bad, "")
        + &webhook("closed", "json", &closed, "");
    let mut program = ProxyProgram::start(&config(folder.path(), &[&node], &webhooks));
    let admin = admin(&mut program).await;
    let answer = post(&admin, "/api/v1/alerts/test").await;
    let results = answer.json()["results"].clone();
    let expected = [
        ("log", true, ""),
        ("good", true, ""),
        ("bad", false, "403"),
        ("closed", false, "refused"),
    ];
    for (result, (target, ok, message)) in results.as_array().unwrap().iter().zip(expected) {
        assert_eq!(
            (&result["target"], &result["ok"]),
            (&target.into(), &ok.into()),
            "{results}"
        );
        let why = result["message"].as_str().unwrap_or_default();
        assert!(why.contains(message) && why.is_empty() == ok, "{results}");
    }
    assert!(!answer.text().contains(TOKEN), "{results}");
    assert_eq!(good.wait(0).await.json()["embeds"][0]["title"], "Test");
    assert_eq!(bad.wait(0).await.json()["kind"], "test");
    secrets_are_nowhere(&mut program, &admin).await;
}
