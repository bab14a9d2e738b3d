//! Passwords: what a client sees without the right one, and that tenants cannot see each other.

use http::Method;
use proxy_core::pool::NodeId;
use proxy_core::secret::Secret;
use proxy_core::tenant::Tenant;
use proxy_testkit::TestClient;
use proxy_testkit::client::{RawOutcome, Rest};
use serde_json::json;

use crate::support::{BOT, PASSWORD, ProxyUnderTest, SOON, sim_v4, upgrade_head};

#[tokio::test]
async fn every_refusal_is_lavalinks_own() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let plain = |method: &str, target: &str, password: Option<&str>| {
        let line = password
            .map(|password| format!("Authorization: {password}\r\n"))
            .unwrap_or_default();
        format!("{method} {target} HTTP/1.1\r\nHost: h\r\n{line}\r\n")
    };
    let upgrade = |target: &str, password: Option<&str>, user: Option<&str>| {
        let mut lines = password
            .map(|password| format!("Authorization: {password}\r\n"))
            .unwrap_or_default();
        lines += &user.map(|user| format!("User-Id: {user}\r\n")).unwrap_or_default();
        upgrade_head(target, &lines) + "\r\n"
    };
    let (right, wrong) = (Some(PASSWORD), Some("wrong"));
    let longer = format!("{PASSWORD}x");
    let bearer = format!("Bearer {PASSWORD}");
    let load = "/v4/loadtracks?identifier=x";
    // Request, status, whether Lavalink's error object follows.
    let table = [
        (plain("GET", load, None), 401, false),
        (plain("GET", load, wrong), 403, false),
        (plain("GET", load, Some(&longer)), 403, false),
        (plain("GET", load, Some(&PASSWORD[..4])), 403, false),
        (plain("GET", load, Some(&bearer)), 403, false),
        (plain("GET", load, Some("CLIENT-PASSWORD")), 403, false),
        (plain("GET", load, Some(node.password())), 403, false),
        (plain("GET", "/v4/info", None), 401, false),
        (plain("GET", "/v4/stats", wrong), 403, false),
        (plain("GET", "/version", None), 401, false),
        (plain("GET", "/version", wrong), 403, false),
        (plain("GET", "/v4/sessions/x/players", None), 401, false),
        (plain("PATCH", "/v4/sessions/x", wrong), 403, false),
        (plain("GET", "/youtube", None), 401, false),
        (plain("GET", "/loadtracks?identifier=x", None), 401, false),
        (plain("GET", "/v3/info", wrong), 403, false),
        // What is not mapped is told without a password.
        (plain("GET", "/", None), 404, true),
        (plain("GET", "/", right), 404, true),
        (plain("GET", "/metrics", None), 404, true),
        (plain("GET", "/v4", None), 404, true),
        (plain("GET", "/v3", right), 404, true),
        (plain("POST", load, None), 405, true),
        (plain("DELETE", "/v4/info", right), 405, true),
        (plain("GET", "/v4/decodetracks", right), 405, true),
        (plain("PUT", "/v4/sessions/x/players/1", None), 405, true),
        // Sessions that do not exist.
        (plain("GET", "/v4/sessions/x/players", right), 404, true),
        (plain("DELETE", "/v4/sessions/x/players/1", right), 404, true),
        // Handshakes know 401 only.
        (upgrade("/v4/websocket", None, Some("1")), 401, false),
        (upgrade("/v4/websocket", wrong, Some("1")), 401, false),
        (upgrade("/v4/websocket", wrong, None), 401, false),
        (upgrade("/v3/websocket", None, Some("1")), 401, false),
        (upgrade("/", wrong, Some("1")), 401, false),
        (upgrade("/v4", None, Some("1")), 401, false),
        (upgrade("/v4/websocket", right, None), 400, false),
        (upgrade("/v4/websocket", right, Some("")), 400, false),
        (upgrade("/v4/websocket", right, Some("0")), 400, false),
        (upgrade("/websocket", right, Some("1")), 404, true),
        (upgrade("/ws", None, None), 404, true),
        (plain("GET", "/v4/websocket", None), 401, false),
        (plain("GET", "/v4/websocket", right), 400, false),
    ];
    for (bytes, status, object) in table {
        let mut client = proxy.raw().await;
        client.write(&bytes).await.unwrap();
        let answer = client.read_answer(SOON).await;
        assert_eq!(answer.status(), Some(status), "{bytes}\n{answer:?}");
        assert!(answer.header("lavalink-api-version").is_some(), "{bytes}\n{answer:?}");
        let RawOutcome::Answer { body, .. } = &answer else {
            unreachable!()
        };
        if object {
            let error: serde_json::Value = serde_json::from_slice(body).unwrap();
            let path = bytes.split([' ', '?']).nth(1).unwrap();
            assert_eq!(
                (&error["status"], &error["path"]),
                (&json!(status), &json!(path)),
                "{bytes}"
            );
            for key in ["timestamp", "error", "message"] {
                assert!(!error[key].is_null(), "{bytes}: {error}");
            }
        } else {
            assert_eq!(body.len(), 0, "{bytes}");
        }
        if status == 405 {
            assert!(answer.header("allow").is_some(), "{bytes}");
        }
    }
    let probes = ["/v4/info", "/v4/stats", "/version"];
    let reached: Vec<_> = node.requests().into_iter().map(|request| request.target).collect();
    assert!(
        reached.iter().all(|target| probes.contains(&target.as_str())),
        "nothing of it may reach a node: {reached:?}"
    );
}

#[tokio::test]
async fn a_refused_request_closes_the_connection_only_when_the_password_was_at_fault() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let mut client = proxy.raw().await;
    for _ in 0..3 {
        client
            .write(format!(
                "GET /none HTTP/1.1\r\nHost: h\r\nAuthorization: {PASSWORD}\r\n\r\n"
            ))
            .await
            .unwrap();
        assert_eq!(client.read_answer(SOON).await.status(), Some(404));
    }
    client.write("GET /v4/info HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    assert_eq!(client.read_answer(SOON).await.header("connection"), Some("close"));
    assert!(client.read_to_end(SOON).await.1);
}

#[tokio::test]
async fn one_tenants_session_does_not_exist_for_another() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::builder(&[&node])
        .tenant(Tenant::new("other", Secret::new("other-password")))
        .start()
        .await;
    let mine = proxy.connect().await;
    mine.play(1, "sim:track:x").await.unwrap();
    let other = Rest::to(&proxy.url(), Some("other-password")).unwrap();
    let requests = [
        (Method::GET, mine.session_path("/players"), None),
        (Method::GET, mine.session_path("/players/1"), None),
        (
            Method::PATCH,
            mine.session_path("/players/1"),
            Some(json!({"paused": true})),
        ),
        (Method::DELETE, mine.session_path("/players/1"), None),
        (Method::PATCH, mine.session_path(""), Some(json!({"resuming": true}))),
        (Method::GET, mine.session_path("/players/1/simplugin/echo"), None),
    ];
    for (method, path, body) in requests {
        let answer = other.request(method.clone(), &path, body.as_ref()).await.unwrap();
        assert_eq!(answer.status, 404, "{method} {path}");
        assert_eq!(answer.json()["message"], "Session not found", "{method} {path}");
    }
    assert_eq!(mine.get_player(1).await.unwrap().json()["paused"], false);
    // Nor can it be resumed by its id.
    mine.update_session(&json!({"resuming": true, "timeout": 60}))
        .await
        .unwrap();
    mine.drop_socket();
    proxy.wait_parked(&mine.session_id()).await;
    let thief = TestClient::v4(&proxy.url(), "other-password", BOT)
        .resume(mine.session_id())
        .connect()
        .await
        .unwrap();
    assert_eq!(
        (thief.resumed(), thief.handshake_header("session-resumed").as_deref()),
        (false, Some("false"))
    );
    assert_ne!(thief.session_id(), mine.session_id());
    assert!(mine.resume().await.unwrap(), "and its owner still can");
}

#[tokio::test]
async fn a_tenant_is_served_by_its_own_nodes_only() {
    let (a, b) = (sim_v4().await, sim_v4().await);
    let proxy = ProxyUnderTest::builder(&[&a, &b])
        .default_tenant(|tenant| tenant.nodes = Some([NodeId(1)].into()))
        .start()
        .await;
    a.clear_log();
    let mut bots = Vec::new();
    for user in 1..=5 {
        bots.push(proxy.v4(user).connect().await.unwrap());
        assert_eq!(
            proxy.rest().get("/v4/loadtracks?identifier=x").await.unwrap().status,
            200
        );
    }
    assert_eq!((a.sessions().len(), b.sessions().len()), (0, 5));
    b.die();
    let down = || proxy.node("n1").state == proxy_core::health::NodeState::Down;
    proxy_testkit::wait_until(SOON, down).await;
    assert_eq!(
        proxy.rest().get("/v4/loadtracks?identifier=x").await.unwrap().status,
        503
    );
    assert!(
        a.requests()
            .iter()
            .all(|request| request.target != "/v4/loadtracks?identifier=x")
    );
}
