//! Who gets in, and what strangers learn.

use std::time::Instant;

use http::Method;
use proxy_testkit::RawClient;
use proxy_testkit::client::{RawOutcome, Rest};

use crate::rig::{LIMIT, PASSWORD, Rig};

const BEHIND_LOGIN: [&str; 10] = [
    "/metrics",
    "/api/v1/overview",
    "/api/v1/nodes",
    "/api/v1/connections",
    "/api/v1/sessions",
    "/api/v1/usage/ips",
    "/api/v1/usage/tenants",
    "/api/v1/config",
    "/api/v1/no-such-route",
    "/healthz/",
];

#[tokio::test]
async fn health_is_open_and_says_nothing_else_and_everything_else_needs_the_password() {
    let rig = Rig::start().await;
    let stranger = Rest::to(&format!("http://{}", rig.admin.address()), None).unwrap();
    for (path, body) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        let answer = stranger.get(path).await.unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, body), "{path}");
    }
    for path in BEHIND_LOGIN {
        let answer = stranger.get(path).await.unwrap();
        assert_eq!(answer.status, 401, "{path}");
        assert_eq!(
            answer.header("www-authenticate"),
            Some("Basic realm=\"lavalink-proxy\""),
            "{path}"
        );
        assert_eq!(answer.json()["status"], 401, "{path}");
    }
    for path in BEHIND_LOGIN
        .into_iter()
        .filter(|path| !path.contains("no-such") && *path != "/healthz/")
    {
        let answer = rig.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
    }
    let foreign = stranger
        .request(Method::DELETE, "/api/v1/connections/1", None)
        .await
        .unwrap();
    assert_eq!(foreign.status, 403);
    rig.stop().await;
}

#[tokio::test]
async fn unknown_routes_and_methods_and_queries_get_a_json_error() {
    let rig = Rig::start().await;
    let rows = [
        (Method::GET, "/nothing", 404),
        (Method::GET, "/api/v1/nothing", 404),
        (Method::GET, "/api/v1/nodes/v4-node", 404),
        (Method::POST, "/api/v1/overview", 405),
        (Method::GET, "/api/v1/nodes/v4-node/drain", 405),
        (Method::DELETE, "/api/v1/connections/17", 404),
        (Method::DELETE, "/api/v1/connections/x", 404),
        (Method::GET, "/api/v1/connections?limit=many", 400),
        (Method::GET, "/api/v1/connections?limit=-1", 400),
        (Method::GET, "/api/v1/connections?colour=red", 400),
        (Method::GET, "/api/v1/connections?ip=somewhere", 400),
        (Method::GET, "/api/v1/connections?sort=colour", 400),
        (Method::GET, "/api/v1/sessions?ip=127.0.0.1", 400),
        (Method::GET, "/api/v1/sessions?state=gone", 400),
        (Method::GET, "/api/v1/sessions?version=v5", 400),
        (Method::GET, "/api/v1/usage/ips?tenant=alpha", 400),
        (Method::GET, "/api/v1/usage/tenants?ip=127.0.0.1", 400),
    ];
    for (method, path, status) in rows {
        let answer = rig.request(method.clone(), path, &[("x-requested-with", "test")]).await;
        let body = answer.json();
        assert_eq!(
            (answer.status, &body["status"]),
            (status, &status.into()),
            "{method} {path}"
        );
        assert!(
            body["error"].is_string() && body["message"].is_string(),
            "{method} {path}: {body}"
        );
    }
    rig.stop().await;
}

#[tokio::test]
async fn readiness_follows_the_nodes_and_liveness_does_not() {
    let rig = Rig::start().await;
    for node in &rig.nodes {
        node.die();
    }
    rig.until("/api/v1/overview", |overview| overview["nodes"]["down"] == 2)
        .await;
    let stranger = Rest::to(&format!("http://{}", rig.admin.address()), None).unwrap();
    let ready = stranger.get("/readyz").await.unwrap();
    assert_eq!((ready.status, ready.text().as_str()), (503, "not ready\n"));
    assert_eq!(stranger.get("/healthz").await.unwrap().status, 200);
    rig.nodes[0].revive().unwrap();
    rig.until("/api/v1/overview", |overview| overview["ready"] == true)
        .await;
    assert_eq!(stranger.get("/readyz").await.unwrap().status, 200);
    rig.stop().await;
}

#[tokio::test]
async fn malformed_requests_are_refused_and_the_listener_goes_on() {
    let rig = Rig::start().await;
    let long = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(40_000));
    for bytes in [
        "\0\x01\x02\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        long.as_str(),
    ] {
        let mut raw = RawClient::connect(rig.admin.address()).await.unwrap();
        raw.write(bytes).await.ok();
        let outcome = raw.read_answer(LIMIT).await;
        let refused = outcome.status().is_some_and(|status| (400..=505).contains(&status));
        assert!(
            refused || matches!(outcome, RawOutcome::Closed(_) | RawOutcome::Reset),
            "{bytes:.20?}: {outcome:?}"
        );
    }
    assert_eq!(rig.get("/api/v1/overview").await.status, 200);
    rig.stop().await;
}

#[tokio::test]
async fn shutting_down_ends_kept_connections_and_frees_the_port() {
    let rig = Rig::start().await;
    let address = rig.admin.address();
    let mut kept = RawClient::connect(address).await.unwrap();
    kept.write("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert_eq!(kept.read_answer(LIMIT).await.status(), Some(200));
    let began = Instant::now();
    rig.stop().await;
    assert!(began.elapsed() < LIMIT);
    assert!(kept.read_to_end(LIMIT).await.1, "the kept connection is closed");
    std::net::TcpListener::bind(address).unwrap();
}

#[tokio::test]
async fn every_answer_tells_browsers_to_be_careful_with_it() {
    let rig = Rig::start().await;
    let stranger = Rest::to(&format!("http://{}", rig.admin.address()), None).unwrap();
    let answers = [
        rig.get("/api/v1/overview").await,
        rig.get("/metrics").await,
        stranger.get("/").await.unwrap(),
        stranger.get("/healthz").await.unwrap(),
        stranger.get("/api/v1/overview").await.unwrap(),
        stranger.get("/nothing").await.unwrap(),
    ];
    for answer in answers {
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        for (name, expected) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(expected), "{name}");
        }
        assert!(
            answer
                .header("permissions-policy")
                .is_some_and(|policy| policy.contains("camera=()"))
        );
    }
    rig.stop().await;
}

#[tokio::test]
async fn no_answer_contains_a_password() {
    let rig = Rig::start().await;
    for path in BEHIND_LOGIN {
        let text = rig.get(path).await.text();
        for secret in [PASSWORD, rig.nodes[0].password()] {
            assert!(!text.contains(secret), "{path}: {text}");
        }
    }
    rig.stop().await;
}
