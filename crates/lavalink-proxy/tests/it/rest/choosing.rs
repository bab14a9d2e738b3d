//! What the proxy answers itself, and which node gets the rest.

use super::*;

#[tokio::test]
async fn info_shows_what_all_nodes_have_or_what_any_has() {
    let builder = |plugins: &[&str], sources: &[&str]| SimNode::builder().plugins(plugins).source_managers(sources);
    let a = builder(&["one", "two"], &["http", "youtube"]).start().await.unwrap();
    let b = builder(&["two", "three"], &["spotify", "http"]).start().await.unwrap();
    for union in [false, true] {
        let proxy = ProxyUnderTest::builder(&[&a, &b])
            .configure(|config| config.info_union = union)
            .start()
            .await;
        let answer = proxy.rest().get("/v4/info").await.unwrap();
        assert_eq!(answer.header("lavalink-api-version"), Some("4"));
        let info = answer.json();
        let mut sources: Vec<_> = info["sourceManagers"]
            .as_array()
            .unwrap()
            .iter()
            .map(Value::to_string)
            .collect();
        sources.sort();
        let mut plugins: Vec<_> = info["plugins"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| p["name"].to_string())
            .collect();
        plugins.sort();
        if union {
            assert_eq!(sources, [r#""http""#, r#""spotify""#, r#""youtube""#]);
            assert_eq!(plugins, [r#""one""#, r#""three""#, r#""two""#]);
        } else {
            assert_eq!(
                (sources, plugins),
                (vec![r#""http""#.to_owned()], vec![r#""two""#.to_owned()])
            );
        }
        assert_eq!(info["version"]["semver"], "4.2.2");
        // The same answer every time.
        assert_eq!(proxy.rest().get("/v4/info").await.unwrap().json(), info);
    }
}

#[tokio::test]
async fn stats_are_those_of_all_nodes_together() {
    let (a, b) = (sim_v4().await, sim_v4().await);
    for (node, players, load) in [(&a, (30, 20), 0.2), (&b, (10, 10), 0.6)] {
        node.set_load(SimLoad {
            players: Some(players),
            system: load,
            ..SimLoad::default()
        });
    }
    let proxy = ProxyUnderTest::start(&[&a, &b]).await;
    let stats = proxy.rest().get("/v4/stats").await.unwrap().json();
    assert_eq!((&stats["players"], &stats["playingPlayers"]), (&json!(40), &json!(30)));
    let load = stats["cpu"]["systemLoad"].as_f64().unwrap();
    assert!((load - 0.3).abs() < 1e-6, "weighted by players: {load}");
    assert_eq!(stats["frameStats"], Value::Null, "as a node over REST");
}

#[tokio::test]
async fn version_is_what_the_asking_client_will_be_served_by() {
    let (v4, v3) = (sim_v4().await, sim(SimGeneration::V3_7).await);
    let proxy = ProxyUnderTest::start(&[&v4, &v3]).await;
    let rest = proxy.rest();
    assert_eq!(rest.get("/version").await.unwrap().text(), "4.2.2", "the default");
    let _bot = TestClient::v3_ops(&proxy.url(), PASSWORD, BOT).connect().await.unwrap();
    let request = http::Request::get("/version").header("User-Id", BOT.to_string());
    let bound = proxy.rest_of(request).await;
    assert_eq!(
        (bound.text().as_str(), bound.header("lavalink-api-version")),
        ("3.7.13", Some("3"))
    );
}

#[tokio::test]
async fn plugin_routes_that_the_proxy_does_not_know_reach_a_node() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    let client = proxy.connect().await;
    let below = client.session_path("/players/7/simplugin/echo");
    for target in ["/v4/simplugin/echo", below.as_str()] {
        let answer = client.rest().get(target).await.unwrap();
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    }
    let sessions = node.sessions();
    let last = node.requests().pop().unwrap();
    assert_eq!(
        last.target,
        format!("/v4/sessions/{}/players/7/simplugin/echo", sessions[0].id)
    );
}

#[tokio::test]
async fn node_administration_is_refused_unless_a_tenant_may_and_names_one_node() {
    let (a, b) = (sim_v4().await, sim_v4().await);
    let proxy = ProxyUnderTest::start(&[&a, &b]).await;
    for target in ["/youtube", "/youtube/oauth/x", "/youtube?a=b", "//youtube"] {
        let answer = proxy.rest().get(target).await.unwrap();
        assert_eq!(answer.status, 404, "{target}");
        assert!(!answer.text().contains("secret"), "{target}");
    }
    for target in ["/v4/routeplanner/free/all", "/v4/routeplanner/free/address"] {
        let answer = proxy
            .rest()
            .request(Method::POST, target, Some(&json!({"address": "1"})))
            .await
            .unwrap();
        assert_eq!(answer.status, 404, "{target}: {}", answer.text());
    }
    assert!(seen(&a, "/youtube").is_empty() && seen(&b, "/youtube").is_empty());
    drop(proxy);
    let may = ProxyUnderTest::builder(&[&a, &b])
        .default_tenant(|tenant| tenant.admin_nodes = [NodeId(1)].into())
        .start()
        .await;
    assert_eq!(may.rest().get("/youtube").await.unwrap().status, 200);
    assert_eq!((seen(&a, "/youtube").len(), seen(&b, "/youtube").len()), (0, 1));
    let other = http::Request::get("/youtube").header("Lavalink-Proxy-Node", "n0");
    assert_eq!(
        may.rest_of(other).await.status,
        404,
        "a node that the tenant may not administer"
    );
}

#[tokio::test]
async fn loadtracks_goes_where_the_fewest_requests_are_under_way() {
    let (a, b) = (sim_v4().await, sim_v4().await);
    let proxy = ProxyUnderTest::start(&[&a, &b]).await;
    let mut waiting = Vec::new();
    for number in 1..=20 {
        let mut client = proxy.raw().await;
        client
            .write(request("GET", "/v4/loadtracks?identifier=sim:slow:1500", ""))
            .await
            .unwrap();
        waiting.push(client);
        let under_way = || seen(&a, "/v4/loadtracks").len() + seen(&b, "/v4/loadtracks").len();
        wait_until(SOON, || under_way() == number).await;
    }
    assert_eq!(
        (seen(&a, "/v4/loadtracks").len(), seen(&b, "/v4/loadtracks").len()),
        (10, 10)
    );
    for mut client in waiting {
        assert_eq!(client.read_answer(SOON).await.status(), Some(200));
    }
}

#[tokio::test]
async fn loadtracks_goes_to_a_node_that_has_the_source() {
    let plain = SimNode::builder().source_managers(&["http"]).start().await.unwrap();
    let spotify = SimNode::builder()
        .source_managers(&["http", "spotify"])
        .start()
        .await
        .unwrap();
    let proxy = ProxyUnderTest::start(&[&plain, &spotify]).await;
    for _ in 0..8 {
        let answer: RestAnswer = proxy
            .rest()
            .get("/v4/loadtracks?identifier=spsearch%3Ax")
            .await
            .unwrap();
        assert_eq!(answer.status, 200);
    }
    assert_eq!(seen(&plain, "/v4/loadtracks").len(), 0);
}
