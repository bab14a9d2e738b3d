//! Logging in and out as a browser and as a script do it, and who may do what.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, Request};
use proxy_core::secret::Secret;
use proxy_testkit::client::{Rest, RestAnswer};
use serde_json::{Value, json};

use crate::openapi::operations;
use crate::rig::{LIMIT, PASSWORD, Rig};

const VIEWER_PASSWORD: &str = "the viewer's password";

/// Somebody with headers of their own.
struct Person {
    rest: Rest,
    headers: Vec<(&'static str, String)>,
}

impl Person {
    fn new(rig: &Rig, headers: Vec<(&'static str, String)>) -> Self {
        let rest = Rest::to(&format!("http://{}", rig.admin.address()), None).unwrap();
        Self { rest, headers }
    }

    fn basic(rig: &Rig, user: &str, password: &str) -> Self {
        let value = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        Self::new(
            rig,
            vec![("authorization", value), ("x-requested-with", "test".to_owned())],
        )
    }

    fn cookie(rig: &Rig, value: &str) -> Self {
        let cookie = ("cookie", format!("lavalink_proxy={value}"));
        Self::new(rig, vec![cookie, ("x-requested-with", "test".to_owned())])
    }

    fn bearer(rig: &Rig, token: &str) -> Self {
        let value = format!("Bearer {token}");
        Self::new(
            rig,
            vec![("authorization", value), ("x-requested-with", "test".to_owned())],
        )
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> RestAnswer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        self.rest.send(request.body(body).unwrap()).await.unwrap()
    }

    async fn status(&self, method: Method, path: &str) -> u16 {
        self.send(method, path, None).await.status
    }

    async fn log_in(&self, user: &str, password: &str) -> RestAnswer {
        let body = json!({"user": user, "password": password});
        self.send(Method::POST, "/api/v1/login", Some(&body)).await
    }
}

fn cookie_of(answer: &RestAnswer) -> String {
    let cookie = answer.header("set-cookie").unwrap();
    let value = cookie.split(';').next().unwrap();
    value.strip_prefix("lavalink_proxy=").unwrap().to_owned()
}

fn stranger(rig: &Rig) -> Person {
    Person::new(rig, vec![("x-requested-with", "test".to_owned())])
}

async fn rig() -> Rig {
    Rig::start_with(|config| config.viewer_password = Some(Secret::new(VIEWER_PASSWORD))).await
}

async fn token(rig: &Rig, scope: &str) -> String {
    let body = json!({"name": scope, "scopes": [scope]});
    let made = Person::basic(rig, "admin", PASSWORD)
        .send(Method::POST, "/api/v1/tokens", Some(&body))
        .await;
    assert_eq!(made.status, 201, "{}", made.text());
    made.json()["token"].as_str().unwrap().to_owned()
}

/// What a route needs; everything else under `/api/v1` needs `read`.
fn scope(method: &Method, path: &str) -> Option<&'static str> {
    match (method.as_str(), path) {
        (_, "/healthz" | "/readyz" | "/api/v1/login" | "/api/v1/logout") => None,
        (_, "/api/v1/me") => Some("any"),
        (_, "/metrics") => Some("metrics"),
        (_, path) if path.starts_with("/api/v1/tokens") => Some("admin"),
        ("GET", _) => Some("read"),
        _ => Some("operate"),
    }
}

#[tokio::test]
async fn who_may_do_what() {
    let rig = rig().await;
    let mut people = vec![
        (stranger(&rig), vec![]),
        (Person::basic(&rig, "viewer", VIEWER_PASSWORD), vec!["read", "metrics"]),
        (
            Person::basic(&rig, "admin", PASSWORD),
            vec!["read", "metrics", "operate", "admin"],
        ),
    ];
    for scope in ["read", "metrics", "operate", "admin"] {
        let scopes = if scope == "admin" {
            vec!["read", "metrics", "operate", "admin"]
        } else {
            vec![scope]
        };
        people.push((Person::bearer(&rig, &token(&rig, scope).await), scopes));
    }
    let viewer = stranger(&rig).log_in("viewer", VIEWER_PASSWORD).await;
    people.push((Person::cookie(&rig, &cookie_of(&viewer)), vec!["read", "metrics"]));
    let mut checked = 0;
    for (method, path, operation) in operations() {
        // It would end the cookie's login.
        if path == "/api/v1/logout" {
            continue;
        }
        // Streams do not end; they have tests of their own.
        let path = path
            .replace("{id}", "0")
            .replace("{name}", "no-such-node")
            .replace("{sessionId}", "0");
        let target = if path.ends_with("/events") {
            format!("{path}?watch=overview")
        } else {
            path.clone()
        };
        let needed = scope(&method, &path);
        let documented = operation["security"].as_array().map(Vec::as_slice).unwrap_or_default();
        let named = documented.iter().find_map(|way| way["token"][0].as_str());
        assert_eq!(
            named,
            needed.filter(|scope| *scope != "any"),
            "{method} {path}: the document"
        );
        for (index, (person, scopes)) in people.iter().enumerate() {
            if path.ends_with("/events") && scopes.contains(&"read") {
                continue;
            }
            let status = person.status(method.clone(), &target).await;
            let allowed = needed.is_none_or(|needed| scopes.contains(&needed) || needed == "any" && !scopes.is_empty());
            let expected = match (allowed, scopes.is_empty()) {
                (true, _) => [200, 201, 202, 204, 400, 404, 503].contains(&status),
                (false, true) => status == 401,
                (false, false) => status == 403,
            };
            assert!(expected, "{method} {path} by {index} ({scopes:?}): {status}");
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked}");
    rig.stop().await;
}

#[tokio::test]
async fn a_login_sets_a_cookie_that_lets_in_until_the_logout() {
    let rig = rig().await;
    let stranger = stranger(&rig);
    let refused = stranger.send(Method::GET, "/api/v1/me", None).await;
    assert_eq!(
        (refused.status, refused.header("www-authenticate")),
        (401, None),
        "no box of the browser's"
    );
    let answer = stranger.log_in("admin", PASSWORD).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let flags = answer.header("set-cookie").unwrap().split_once(';').unwrap().1;
    assert_eq!(flags, " Max-Age=43200; Path=/; HttpOnly; SameSite=Strict");
    let all = json!(["read", "metrics", "operate", "admin"]);
    assert_eq!(
        answer.json(),
        json!({"user": "admin", "role": "admin", "method": "cookie", "scopes": all})
    );
    let value = cookie_of(&answer);
    assert!(value.len() >= 43, "256 bits");
    let person = Person::cookie(&rig, &value);
    assert_eq!(
        person.send(Method::GET, "/api/v1/me", None).await.json()["method"],
        "cookie"
    );
    let out = person.send(Method::POST, "/api/v1/logout", None).await;
    assert_eq!(out.status, 204);
    assert!(
        out.header("set-cookie")
            .unwrap()
            .starts_with("lavalink_proxy=; Max-Age=0;")
    );
    assert_eq!(person.status(Method::GET, "/api/v1/me").await, 401);
    assert_eq!(
        person.status(Method::POST, "/api/v1/logout").await,
        204,
        "once more does no harm"
    );
    rig.stop().await;
}

#[tokio::test]
async fn a_cookie_from_before_the_login_is_worth_nothing_after_it() {
    let rig = rig().await;
    let chosen = Person::cookie(&rig, "chosen-by-somebody-else");
    let first = cookie_of(&chosen.log_in("admin", PASSWORD).await);
    assert_ne!(first, "chosen-by-somebody-else");
    assert_eq!(chosen.status(Method::GET, "/api/v1/me").await, 401);
    let old = Person::cookie(&rig, &first);
    let second = cookie_of(&old.log_in("viewer", VIEWER_PASSWORD).await);
    assert_eq!(
        old.status(Method::GET, "/api/v1/me").await,
        401,
        "the session before has ended"
    );
    let new = Person::cookie(&rig, &second);
    assert_eq!(new.send(Method::GET, "/api/v1/me", None).await.json()["user"], "viewer");
    rig.stop().await;
}

#[tokio::test]
async fn a_login_ends_by_itself() {
    let rig = Rig::start_with(|config| config.session_timeout = Duration::from_secs(2)).await;
    let value = cookie_of(&stranger(&rig).log_in("admin", PASSWORD).await);
    let person = Person::cookie(&rig, &value);
    assert_eq!(person.status(Method::GET, "/api/v1/me").await, 200);
    let limit = Instant::now() + LIMIT;
    while person.status(Method::GET, "/api/v1/me").await == 200 {
        assert!(Instant::now() < limit, "it does not end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    rig.stop().await;
}

#[tokio::test]
async fn guessing_is_slowed_down_and_counted_and_holds_nobody_else_up() {
    let rig = rig().await;
    let stranger = stranger(&rig);
    let person = Person::cookie(&rig, &cookie_of(&stranger.log_in("admin", PASSWORD).await));
    let mut tries = 0;
    let refused = loop {
        let user = if tries % 2 == 0 { "admin" } else { "nobody" };
        let answer = stranger.log_in(user, "guess").await;
        tries += 1;
        if answer.status != 401 {
            break answer;
        }
        assert_eq!(answer.json()["status"], 401);
        assert!(tries < 20, "nothing slows it down");
    };
    assert_eq!(refused.status, 429, "{}", refused.text());
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=900).contains(&wait), "{wait}");
    assert_eq!(person.status(Method::GET, "/api/v1/me").await, 200);
    let viewer = Person::basic(&rig, "viewer", VIEWER_PASSWORD);
    let waits = viewer.status(Method::GET, "/api/v1/me").await;
    assert_eq!(waits, 429, "a password that was not right before");
    assert_eq!(rig.get("/api/v1/me").await.status, 200, "one that was");
    let metrics = person.send(Method::GET, "/metrics", None).await.text();
    let line = format!("lavalink_proxy_admin_login_failures_total {}", tries + 1);
    assert!(metrics.contains(&line), "{line}: {metrics}");
    rig.stop().await;
}

#[tokio::test]
async fn a_foreign_page_changes_nothing() {
    let rig = rig().await;
    let value = cookie_of(&stranger(&rig).log_in("admin", PASSWORD).await);
    let cookie = ("cookie", format!("lavalink_proxy={value}"));
    let own = format!("http://{}", rig.admin.address());
    let rows: [(Vec<(&str, &str)>, u16); 6] = [
        (vec![], 403),
        (vec![("content-type", "text/plain")], 403),
        (vec![("x-requested-with", "x"), ("origin", "http://evil.example")], 403),
        (vec![("x-requested-with", "x"), ("origin", "null")], 403),
        (vec![("x-requested-with", "x"), ("sec-fetch-site", "cross-site")], 403),
        (vec![("x-requested-with", "x"), ("origin", own.as_str())], 200),
    ];
    for (headers, expected) in rows {
        let given: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect();
        let mut person = Person::new(&rig, vec![cookie.clone()]);
        for (name, value) in given {
            let known = ["content-type", "x-requested-with", "origin", "sec-fetch-site"];
            let name = known.into_iter().find(|known| *known == name).unwrap();
            person.headers.push((name, value));
        }
        let status = person.status(Method::POST, "/api/v1/nodes/v4-node/undrain").await;
        assert_eq!(status, expected, "{headers:?}");
        if expected == 403 {
            assert_eq!(person.log_in("admin", PASSWORD).await.status, 403, "{headers:?}");
            assert_eq!(person.status(Method::POST, "/api/v1/logout").await, 403, "{headers:?}");
        }
    }
    rig.stop().await;
}

#[tokio::test]
async fn bodies_that_are_not_understood_are_refused_without_repeating_them() {
    let rig = rig().await;
    let admin = Person::basic(&rig, "admin", PASSWORD);
    let rows = [
        ("/api/v1/login", json!({"password": 12345})),
        ("/api/v1/login", json!({"password": ["hunter2"]})),
        ("/api/v1/login", json!({"user": "admin", "pasword": "hunter2"})),
        ("/api/v1/tokens", json!({"name": "", "scopes": ["read"]})),
        ("/api/v1/tokens", json!({"name": "x".repeat(65), "scopes": ["read"]})),
        ("/api/v1/tokens", json!({"name": "x", "scopes": []})),
        ("/api/v1/tokens", json!({"name": "x", "scopes": ["everything"]})),
        (
            "/api/v1/tokens",
            json!({"name": "x", "scopes": ["read"], "expiresInDays": 0}),
        ),
    ];
    for (path, body) in rows {
        let answer = admin.send(Method::POST, path, Some(&body)).await;
        assert_eq!(answer.status, 400, "{path} {body}: {}", answer.text());
        assert!(
            !answer.text().contains("hunter2") && !answer.text().contains("12345"),
            "{}",
            answer.text()
        );
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_token_is_shown_once_listed_used_and_revoked() {
    let rig = rig().await;
    let admin = Person::basic(&rig, "admin", PASSWORD);
    let body = json!({"name": "scraper", "scopes": ["metrics"], "expiresInDays": 30});
    let made = admin.send(Method::POST, "/api/v1/tokens", Some(&body)).await;
    assert_eq!(made.status, 201);
    let secret = made.json()["token"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("lpt_") && secret.len() >= 47, "{secret}");
    assert_eq!(
        admin.send(Method::POST, "/api/v1/tokens", Some(&body)).await.status,
        409
    );
    let list = admin.send(Method::GET, "/api/v1/tokens", None).await;
    assert!(!list.text().contains(&secret));
    assert_eq!(list.json()["items"][0]["lastUsedAt"], Value::Null);
    let scraper = Person::bearer(&rig, &secret);
    assert_eq!(scraper.status(Method::GET, "/metrics").await, 200);
    let row = admin.send(Method::GET, "/api/v1/tokens", None).await.json()["items"][0].clone();
    assert_eq!((&row["name"], &row["scopes"]), (&json!("scraper"), &json!(["metrics"])));
    let month = row["expiresAt"].as_u64().unwrap() - row["createdAt"].as_u64().unwrap();
    assert!(
        row["lastUsedAt"].is_u64() && month.abs_diff(30 * 86_400_000) < 60_000,
        "{row}"
    );
    let path = format!("/api/v1/tokens/{}", row["id"].as_str().unwrap());
    assert_eq!(admin.status(Method::DELETE, &path).await, 204);
    assert_eq!(admin.status(Method::DELETE, &path).await, 404);
    assert_eq!(scraper.status(Method::GET, "/metrics").await, 401);
    rig.stop().await;
}

#[tokio::test]
async fn metrics_can_be_opened_and_nothing_else_opens_with_them() {
    let rig = Rig::start_with(|config| config.open_metrics = true).await;
    let stranger = stranger(&rig);
    assert_eq!(stranger.status(Method::GET, "/metrics").await, 200);
    assert_eq!(stranger.status(Method::GET, "/api/v1/overview").await, 401);
    rig.stop().await;
}
