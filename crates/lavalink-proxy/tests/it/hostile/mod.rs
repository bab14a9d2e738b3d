//! What a hostile or broken client may send, and what the proxy answers: tables of requests (`heads`, `routes`, `slow`)
//! and of WebSocket frames (`frames`), and what many of them may cost (`limits`). The answers are documented in
//! `docs/errors.md`, which `documented` holds to the program.
//!
//! Beside every table one well-behaved session runs with players and numbered messages; it must lose nothing.

mod documented;
mod frames;
mod heads;
mod limits;
mod routes;
mod slow;

use std::collections::BTreeMap;
use std::time::Duration;

use proxy_core::secret::Secret;
use proxy_core::tenant::Tenant;
use proxy_gateway::config::GatewayConfig;
use proxy_testkit::client::{RawOutcome, voice};
use proxy_testkit::sim::{Numbered, NumberedPlan};
use proxy_testkit::{RawClient, SimGeneration, SimNode, TestClient, wait_until};
use serde_json::json;

use crate::support::{BOT, PASSWORD, ProxyUnderTest, SOON, sim};

/// In every hostile request that must not reach a node, and in what is smuggled behind one.
const MARK: &str = "hostile";
/// Another tenant's password.
const OTHER_PASSWORD: &str = "other-password";
/// Small limits, so that the tables need not send much.
const MAX_HEAD: usize = 8 * 1024;
const MAX_BODY: usize = 32 * 1024;
const MAX_MESSAGE: usize = 4 * 1024;
/// Players of the well-behaved session.
const GUILDS: std::ops::Range<i64> = 500..510;

/// A proxy with a v4 and a v3 node, and a well-behaved session on it.
struct Stage {
    proxy: ProxyUnderTest,
    v4: SimNode,
    v3: SimNode,
    bystander: TestClient,
    numbered: Numbered,
}

/// What becomes of a connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It serves the next request.
    Kept,
    /// The proxy closes it.
    Closed,
}

impl Stage {
    async fn start(change: impl FnOnce(&mut GatewayConfig)) -> Self {
        let (v4, v3) = (sim(SimGeneration::V4_2).await, sim(SimGeneration::V3_7).await);
        let proxy = ProxyUnderTest::builder(&[&v4, &v3])
            .tenant(Tenant::new("other", Secret::new(OTHER_PASSWORD)))
            .configure(|config| {
                config.max_header_bytes = MAX_HEAD;
                config.max_body_bytes = MAX_BODY;
                config.max_client_message = MAX_MESSAGE;
            })
            .configure(change)
            .start()
            .await;
        let bystander = proxy.v4(BOT).connect().await.unwrap();
        for guild in GUILDS {
            let answer = bystander
                .patch_player(guild, &json!({"voice": voice(guild, true)}))
                .await
                .unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
        let numbered = v4.emit_numbered(NumberedPlan {
            every: Duration::from_millis(10),
            duration: Duration::from_secs(600),
            guilds: None,
        });
        let stage = Self {
            proxy,
            v4,
            v3,
            bystander,
            numbered,
        };
        stage.forget_requests();
        stage
    }

    /// Ends the well-behaved session, which must have got every message, and still be served.
    async fn finish(self) {
        // The tests of slow clients end just when the proxy gives up idle connections.
        self.bystander.rest().close_idle();
        let answer = self.bystander.get_players().await.unwrap();
        assert_eq!(answer.json().as_array().map(Vec::len), Some(GUILDS.count()));
        let sent = self.numbered.finish().await;
        assert!(sent.messages > 0);
        let bystander = &self.bystander;
        let complete = bystander.wait_sequences(|seen| seen.last == sent.last, SOON).await;
        let seen = bystander.sequences();
        assert!(
            complete && seen.is_clean(),
            "the session beside it got {seen:?} of {sent:?}"
        );
        assert_eq!(bystander.broken_count(), 0);
    }

    fn forget_requests(&self) {
        self.v4.clear_log();
        self.v3.clear_log();
    }

    /// Targets of requests with the mark that reached a node.
    fn reached(&self) -> Vec<String> {
        let seen = self.v4.requests().into_iter().chain(self.v3.requests());
        seen.map(|request| request.target)
            .filter(|target| target.contains(MARK))
            .collect()
    }

    /// Refused requests and closed sockets so far, by reason.
    fn counted(&self) -> BTreeMap<&'static str, u64> {
        self.proxy
            .shared()
            .refusals
            .iter()
            .fold(BTreeMap::new(), |mut sum, (reason, count)| {
                *sum.entry(reason).or_default() += count;
                sum
            })
    }

    /// Waits until since `before` exactly these reasons were counted; panics with what was counted instead.
    async fn expect_counted(&self, before: &BTreeMap<&'static str, u64>, reasons: &[&'static str], name: &str) {
        let mut wanted = before.clone();
        for reason in reasons {
            *wanted
                .get_mut(reason)
                .unwrap_or_else(|| panic!("{reason} is no reason")) += 1;
        }
        let limit = tokio::time::Instant::now() + SOON;
        while self.counted() != wanted && tokio::time::Instant::now() < limit {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let now = self.counted();
        let changed: Vec<_> = now
            .iter()
            .filter(|(reason, count)| before[*reason] != **count)
            .collect();
        assert_eq!(now, wanted, "{name}: wanted {reasons:?}, counted {changed:?}");
    }

    /// Checks that the connection serves another request, or that the proxy has closed it without another word: what
    /// followed a refused request was not read as one.
    async fn expect_fate(&self, raw: &mut RawClient, fate: Fate, name: &str) {
        match fate {
            Fate::Kept => {
                raw.write(get("/version", "")).await.unwrap();
                let answer = raw.read_answer(SOON).await;
                assert_eq!(answer.status(), Some(200), "{name}: the next request got {answer:?}");
            }
            Fate::Closed => {
                let (rest, closed) = raw.read_to_end(SOON).await;
                let rest = String::from_utf8_lossy(&rest);
                assert!(closed && rest.is_empty(), "{name}: closed {closed}, after {rest:?}");
            }
        }
    }

    /// Waits until only the well-behaved session is left.
    async fn alone(&self) {
        wait_until(SOON, || self.proxy.shared().directory.len() == 1).await;
    }
}

/// One request and its documented answer.
struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    /// `None`: closed without an answer.
    status: Option<u16>,
    /// Under which it is counted, if at all.
    reason: Option<&'static str>,
    fate: Fate,
    /// Requests with the mark that a node gets.
    reaches: usize,
}

/// A request that is refused, and after which the connection is closed.
fn refused(name: &'static str, bytes: impl Into<Vec<u8>>, status: u16, reason: &'static str) -> Case {
    Case {
        name,
        bytes: bytes.into(),
        status: Some(status),
        reason: Some(reason),
        fate: Fate::Closed,
        reaches: 0,
    }
}

/// A request that is refused and leaves the connection as it was.
fn declined(name: &'static str, bytes: impl Into<Vec<u8>>, status: u16, reason: &'static str) -> Case {
    Case {
        fate: Fate::Kept,
        ..refused(name, bytes, status, reason)
    }
}

/// A request that looks odd and is served all the same; `reaches` says whether by a node.
fn served(name: &'static str, bytes: impl Into<Vec<u8>>, reaches: usize) -> Case {
    Case {
        name,
        bytes: bytes.into(),
        status: Some(200),
        reason: None,
        fate: Fate::Kept,
        reaches,
    }
}

/// A request that a node gets and answers with this status.
fn passed(name: &'static str, bytes: impl Into<Vec<u8>>, status: u16) -> Case {
    Case {
        status: Some(status),
        ..served(name, bytes, 1)
    }
}

/// Sends every case on a connection of its own and checks answer, connection, counter, and what nodes saw.
async fn check(stage: &Stage, cases: Vec<Case>) {
    for case in cases {
        let before = stage.counted();
        let mut raw = stage.proxy.raw().await;
        // A connection that is refused early may be gone before all is written.
        raw.write(&case.bytes).await.ok();
        let answer = raw.read_answer(SOON).await;
        let shown = String::from_utf8_lossy(&case.bytes[..case.bytes.len().min(200)]).into_owned();
        assert_eq!(answer.status(), case.status, "{}: {answer:?} to {shown:?}", case.name);
        if case.status.is_some() {
            assert!(
                answer.header("lavalink-api-version").is_some(),
                "{}: {answer:?}",
                case.name
            );
            expect_error_object(&answer, case.name);
        }
        stage.expect_fate(&mut raw, case.fate, case.name).await;
        stage.expect_counted(&before, case.reason.as_slice(), case.name).await;
        let reached = stage.reached();
        assert_eq!(reached.len(), case.reaches, "{}: {reached:?} reached a node", case.name);
        stage.forget_requests();
    }
}

/// A refusal with a body is Lavalink's error object with the status in it.
fn expect_error_object(answer: &RawOutcome, name: &str) {
    let RawOutcome::Answer { status, body, .. } = answer else {
        return;
    };
    if *status < 400 || body.is_empty() {
        return;
    }
    let error: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let fields = ["timestamp", "status", "error", "message", "path"];
    assert!(fields.iter().all(|field| !error[field].is_null()), "{name}: {error}");
    assert_eq!(error["status"], *status, "{name}");
}

/// A GET with the password and these lines (each ending in CRLF).
fn get(target: &str, lines: &str) -> String {
    request("GET", target, lines)
}

fn request(method: &str, target: &str, lines: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: proxy\r\nAuthorization: {PASSWORD}\r\n{lines}\r\n")
}

/// A GET that no node must ever see.
fn marked(lines: &str) -> String {
    get("/v4/loadtracks?identifier=hostile", lines)
}

/// A POST that no node must ever see, with what follows its head.
fn marked_post(lines: &str, body: &str) -> String {
    let lines = format!("Content-Type: application/json\r\n{lines}");
    request("POST", "/v4/decodetracks?hostile", &lines) + body
}
