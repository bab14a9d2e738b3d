//! The public status: what it shows, to whom, and what it never shows.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use http::Method;
use proxy_admin::StatusSettings;
use proxy_testkit::client::{Rest, RestAnswer};

use crate::rig::Rig;

fn settings() -> StatusSettings {
    StatusSettings {
        bind: None,
        title: "Tunes & <Beats>".to_owned(),
        show_players: true,
    }
}

/// A GET without any password.
async fn anonymous(address: SocketAddr, path: &str) -> RestAnswer {
    let rest = Rest::to(&format!("http://{address}"), None).unwrap();
    rest.get(path).await.unwrap()
}

const ROUTES: [(&str, &str); 4] = [
    ("/status", "text/html; charset=utf-8"),
    ("/status.json", "application/json"),
    ("/status.svg", "image/svg+xml; charset=utf-8"),
    ("/status/v4-node.svg", "image/svg+xml; charset=utf-8"),
];

#[tokio::test]
async fn it_is_not_there_unless_it_is_enabled() {
    let rig = Rig::start().await;
    for (path, _) in ROUTES {
        assert_eq!(anonymous(rig.admin.address(), path).await.status, 401, "{path}");
        assert_eq!(rig.get(path).await.status, 404, "{path}");
    }
    rig.stop().await;
}

#[tokio::test]
async fn anyone_may_read_it_and_caches_may_keep_it_for_a_moment() {
    let rig = Rig::start_two(|_, admin| admin.status = Some(settings())).await;
    for (path, kind) in ROUTES {
        let answer = anonymous(rig.admin.address(), path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), Some(kind), "{path}");
        assert_eq!(answer.header("cache-control"), Some("public, max-age=10"), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
        assert!(
            answer
                .header("content-security-policy")
                .unwrap()
                .starts_with("default-src 'none'"),
            "{path}"
        );
    }
    assert_eq!(anonymous(rig.admin.address(), "/status/other.svg").await.status, 404);
    assert_eq!(anonymous(rig.admin.address(), "/status/v4-node").await.status, 404);
    assert_eq!(anonymous(rig.admin.address(), "/api/v1/overview").await.status, 401);
    rig.stop().await;
}

#[tokio::test]
async fn its_own_listener_has_the_status_and_nothing_else() {
    let own = StatusSettings {
        bind: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        ..settings()
    };
    let rig = Rig::start_two(|_, admin| admin.status = Some(own)).await;
    let address = rig.admin.status_address().unwrap();
    for (path, _) in ROUTES {
        assert_eq!(anonymous(address, path).await.status, 200, "{path}");
        assert_eq!(rig.get(path).await.status, 404, "{path} on the admin listener");
    }
    for path in ["/", "/metrics", "/healthz", "/api/v1/overview"] {
        assert_eq!(anonymous(address, path).await.status, 404, "{path}");
    }
    rig.stop().await;
}

#[tokio::test]
async fn it_shows_states_and_players_as_the_api_has_them() {
    let rig = Rig::start_two(|_, admin| admin.status = Some(settings())).await;
    let client = rig.client("alpha", 5).await;
    client.play(5, "http://example.org/a.mp3").await.unwrap();
    rig.nodes[0].send_stats();
    rig.until("/status.json", |status| status["players"] == 1).await;
    let drain = rig
        .request(
            Method::POST,
            "/api/v1/nodes/v3-node/drain",
            &[("x-requested-with", "test")],
        )
        .await;
    assert_eq!(drain.status, 200);
    let status = rig
        .until("/status.json", |status| status["nodes"][1]["state"] == "draining")
        .await;
    assert_eq!(
        (&status["status"], &status["title"]),
        (&"operational".into(), &"Tunes & <Beats>".into())
    );
    assert_eq!(
        (&status["nodes"][0]["name"], &status["nodes"][0]["state"]),
        (&"v4-node".into(), &"healthy".into())
    );
    assert_eq!(status["nodes"][0]["protocol"], "v4");
    let page = rig.get("/status").await.text();
    assert!(page.contains("<h1>Tunes &amp; &lt;Beats&gt;</h1>"), "{page}");
    assert!(
        page.contains("All systems operational") && page.contains("1 of 2"),
        "{page}"
    );
    let badge = rig.get("/status.svg").await.text();
    assert!(badge.contains("Tunes &amp; &lt;Beats&gt;: operational"), "{badge}");
    assert!(
        rig.get("/status/v3-node.svg")
            .await
            .text()
            .contains("v3-node: draining")
    );
    client.disconnect().await;
    rig.stop().await;
}

#[tokio::test]
async fn players_are_left_out_where_they_are_not_to_be_shown() {
    let quiet = StatusSettings {
        show_players: false,
        ..settings()
    };
    let rig = Rig::start_two(|_, admin| admin.status = Some(quiet)).await;
    for path in ["/status", "/status.json"] {
        let text = rig.get(path).await.text().to_lowercase();
        assert!(!text.contains("\"players\"") && !text.contains(">players<"), "{text}");
    }
    rig.stop().await;
}

#[tokio::test]
async fn it_reveals_no_address_and_no_name_that_is_one() {
    let rig = Rig::start_two(|gateway, admin| {
        admin.status = Some(settings());
        let node = &mut gateway.nodes[1];
        let address = format!("{}:{}", node.address.host, node.address.port);
        node.spec.name = address.as_str().into();
        node.address.name = address;
    })
    .await;
    let client = rig.client("alpha", 5).await;
    let status = rig.json("/status.json").await;
    assert_eq!(status["nodes"][1]["name"], "node-2");
    assert_eq!(anonymous(rig.admin.address(), "/status/node-2.svg").await.status, 200);
    let ports: BTreeSet<_> = rig.nodes.iter().map(|node| node.addr().port().to_string()).collect();
    for path in ["/status", "/status.json", "/status.svg", "/status/node-2.svg"] {
        let text = rig.get(path).await.text();
        for secret in ["127.0.0.1", "localhost", "alpha", "password"]
            .into_iter()
            .chain(ports.iter().map(String::as_str))
        {
            assert!(!text.contains(secret), "{secret} in {path}: {text}");
        }
    }
    client.disconnect().await;
    rig.stop().await;
}
