//! Nodes that fail, come back, are drained or are not what they should be, and where work goes meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use proxy_core::health::{Failure, FailureKind, NodeState};
use proxy_core::secret::Secret;
use proxy_testkit::client::{HandshakeRefused, Rest};
use proxy_testkit::sim::SimLoad;
use proxy_testkit::{Fault, SimGeneration, SimNode, TestClient, wait_until};

use crate::scripted::{Script, ScriptedNode};
use crate::support::{BOT, PASSWORD, ProxyUnderTest, SOON, sim, sim_v4};

const LOAD: &str = "/v4/loadtracks?identifier=sim:track:x";

fn loads(node: &SimNode) -> usize {
    node.requests().iter().filter(|request| request.target == LOAD).count()
}

#[tokio::test]
async fn a_node_killed_under_load_fails_no_get_and_comes_back_by_itself() {
    let (a, b) = (sim_v4().await, sim_v4().await);
    let proxy = ProxyUnderTest::start(&[&a, &b]).await;
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut running = Vec::new();
    for _ in 0..4 {
        let (stop, done, rest) = (Arc::clone(&stop), Arc::clone(&done), proxy.rest());
        running.push(tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let answer = rest.get(LOAD).await.unwrap();
                assert_eq!(answer.status, 200, "{}", answer.text());
                done.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        }));
    }
    wait_until(SOON, || loads(&a) > 20 && loads(&b) > 20).await;
    let died = Instant::now();
    a.die();
    proxy.wait_state("n0", NodeState::Down).await;
    // Three failures; even without any traffic three probes 100 ms apart would have shown it.
    assert!(died.elapsed() < Duration::from_secs(2), "{:?}", died.elapsed());
    assert_eq!(proxy.node("n1").state, NodeState::Healthy);
    let before = done.load(Ordering::Relaxed);
    wait_until(SOON, || done.load(Ordering::Relaxed) > before + 50).await;
    let so_far = loads(&a);
    a.revive().unwrap();
    wait_until(SOON, || proxy.node("n0").state.takes_work()).await;
    wait_until(SOON, || loads(&a) > so_far + 10).await;
    stop.store(true, Ordering::Relaxed);
    for task in running {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_node_without_traffic_is_marked_down_and_up_by_probes_alone() {
    for fault in [Fault::Refuse, Fault::Stall, Fault::Slow(Duration::from_secs(30))] {
        let node = sim_v4().await;
        let proxy = ProxyUnderTest::builder(&[&node])
            .configure(|config| config.probe_timeout = Duration::from_millis(200))
            .start()
            .await;
        assert_eq!(proxy.node("n0").state, NodeState::Healthy);
        node.fault(fault.clone());
        proxy.wait_state("n0", NodeState::Down).await;
        node.clear_faults().unwrap();
        wait_until(SOON, || proxy.node("n0").state.takes_work()).await;
        assert_eq!(proxy.rest().get(LOAD).await.unwrap().status, 200, "{fault:?}");
    }
}

/// What REST and a handshake are told when there is no node.
async fn refusals(proxy: &ProxyUnderTest) -> Vec<String> {
    let rest = proxy.rest().get(LOAD).await.unwrap();
    assert_eq!((rest.status, rest.header("lavalink-api-version")), (503, Some("4")));
    let error = proxy.v4(BOT).connect().await.unwrap_err();
    let refused = error.downcast_ref::<HandshakeRefused>().unwrap();
    assert_eq!(
        (
            refused.status,
            refused.headers["lavalink-api-version"].to_str().unwrap()
        ),
        (503, "4")
    );
    let handshake: serde_json::Value = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!(
        (&handshake["status"], &handshake["path"]),
        (&503.into(), &"/v4/websocket".into())
    );
    let messages = [&rest.json()["message"], &handshake["message"]];
    messages
        .iter()
        .map(|message| message.as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn without_a_node_clients_are_told_so_with_503() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    assert!(proxy.shared().set_draining("n0", true));
    assert_eq!(refusals(&proxy).await, ["All Lavalink v4 nodes are in maintenance"; 2]);
    assert!(proxy.shared().set_draining("n0", false));
    node.die();
    proxy.wait_state("n0", NodeState::Down).await;
    assert_eq!(refusals(&proxy).await, ["All Lavalink v4 nodes are down"; 2]);
    let none = ProxyUnderTest::start(&[&sim(SimGeneration::V3_7).await]).await;
    assert_eq!(refusals(&none).await, ["No Lavalink v4 node is configured"; 2]);
}

#[tokio::test]
async fn a_node_that_cannot_serve_is_down_and_the_reason_is_known() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::builder(&[&node, &node, &node])
        .node(0, |node| node.address.password = Secret::new("wrong"))
        .node(1, |node| node.is_v4 = Some(false))
        .start()
        .await;
    for (name, kind) in [
        ("n0", Failure::Probe(FailureKind::Password)),
        ("n1", Failure::Probe(FailureKind::WrongVersion)),
    ] {
        proxy.wait_state(name, NodeState::Down).await;
        assert_eq!(proxy.node(name).last_failure.unwrap().0, kind, "{name}");
    }
    assert_eq!(proxy.node("n2").state, NodeState::Healthy);
    assert_eq!(proxy.rest().get(LOAD).await.unwrap().status, 200);
    node.fault_on("/v4/stats", Fault::Status(500), 1_000);
    proxy.wait_state("n2", NodeState::Down).await;
    assert_eq!(
        proxy.node("n2").last_failure.unwrap().0,
        Failure::Probe(FailureKind::Status(500))
    );
}

#[tokio::test]
async fn a_password_that_the_node_no_longer_takes_shows_in_the_probes() {
    let node = sim_v4().await;
    let proxy = ProxyUnderTest::start(&[&node]).await;
    node.fault_on("/v4/stats", Fault::Status(403), 1_000);
    proxy.wait_state("n0", NodeState::Down).await;
    assert_eq!(
        proxy.node("n0").last_failure.unwrap().0,
        Failure::Probe(FailureKind::Password)
    );
}

#[tokio::test]
async fn a_draining_node_gets_no_new_sessions_and_gives_its_own_away() {
    let (a, b) = (sim_v4().await, sim_v4().await);
    let proxy = ProxyUnderTest::builder(&[&a, &b])
        .node(1, |node| node.drain = true)
        .start()
        .await;
    let stays = proxy.connect().await;
    stays.play(1, "sim:track:x").await.unwrap();
    assert!(proxy.shared().set_draining("n0", true));
    assert!(proxy.shared().set_draining("n1", false));
    assert!(!proxy.shared().set_draining("nowhere", true));
    a.clear_log();
    let mut bots = Vec::new();
    for user in 1..=4 {
        bots.push(proxy.v4(user).connect().await.unwrap());
        assert_eq!(proxy.rest().get(LOAD).await.unwrap().status, 200);
    }
    wait_until(SOON, || a.sessions().is_empty()).await;
    assert_eq!((b.sessions().len(), loads(&a)), (5, 0));
    assert_eq!(stays.get_player(1).await.unwrap().status, 200);
    assert_eq!((proxy.node("n0").state, stays.ended()), (NodeState::Draining, None));
}

/// A proxy whose nodes' figures come with the first probe and stay, so that placement alone decides.
async fn steady(nodes: &[&SimNode], weights: &[f32]) -> ProxyUnderTest {
    let mut builder = ProxyUnderTest::builder(nodes).configure(|config| {
        config.health.interval = Duration::from_secs(60);
    });
    for (at, weight) in weights.iter().enumerate() {
        builder = builder.node(at, |node| node.spec.weight = *weight);
    }
    builder.start().await
}

async fn bots(proxy: &ProxyUnderTest, count: u64) -> Vec<TestClient> {
    let mut bots = Vec::new();
    for user in 1..=count {
        bots.push(proxy.v4(user).connect().await.unwrap());
    }
    bots
}

#[tokio::test]
async fn sessions_spread_over_nodes_of_equal_load() {
    let nodes = [sim_v4().await, sim_v4().await, sim_v4().await];
    let proxy = steady(&nodes.each_ref(), &[]).await;
    let _bots = bots(&proxy, 12).await;
    let counts = nodes.each_ref().map(|node| node.sessions().len());
    assert!(counts.iter().all(|count| (2..=6).contains(count)), "{counts:?}");
}

#[tokio::test]
async fn a_heavier_node_gets_more_sessions() {
    let nodes = [sim_v4().await, sim_v4().await];
    let proxy = steady(&nodes.each_ref(), &[5.0, 1.0]).await;
    let _bots = bots(&proxy, 12).await;
    let counts = nodes.each_ref().map(|node| node.sessions().len());
    assert!(counts[0] >= 8, "{counts:?}");
}

#[tokio::test]
async fn sessions_go_where_less_is_playing() {
    let nodes = [sim_v4().await, sim_v4().await];
    nodes[0].set_load(SimLoad {
        players: Some((400, 400)),
        ..SimLoad::default()
    });
    let proxy = steady(&nodes.each_ref(), &[]).await;
    let _bots = bots(&proxy, 8).await;
    assert_eq!(nodes.each_ref().map(|node| node.sessions().len()), [0, 8]);
}

#[tokio::test]
async fn a_session_whose_first_node_fails_is_opened_on_another() {
    for fault in [Fault::Refuse, Fault::Stall] {
        let nodes = [sim_v4().await, sim_v4().await];
        let proxy = ProxyUnderTest::builder(&nodes.each_ref())
            .node(0, |node| node.spec.weight = 1_000.0)
            .configure(|config| {
                config.connect_timeout = Duration::from_millis(300);
                config.health.interval = Duration::from_secs(60);
            })
            .start()
            .await;
        nodes[0].fault(fault.clone());
        let client = proxy.connect().await;
        assert_eq!(client.get_players().await.unwrap().status, 200, "{fault:?}");
        assert_eq!(nodes[1].sessions().len(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn clients_that_come_before_the_first_probe_are_not_refused() {
    let node = sim_v4().await;
    node.fault(Fault::Slow(Duration::from_millis(300)));
    let proxy = ProxyUnderTest::start(&[&node]).await;
    // Connections wait in the backlog until the nodes are known.
    let rest = Rest::to(&proxy.url(), Some(PASSWORD)).unwrap();
    assert_eq!(rest.get(LOAD).await.unwrap().status, 200);
}

#[tokio::test]
async fn handshakes_that_a_node_refuses_for_what_the_client_sent_do_not_take_it_down() {
    let refusal = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec();
    let node = ScriptedNode::start(move |_| Script::AnswerAndClose(refusal.clone())).await;
    let proxy = ProxyUnderTest::builder(&[])
        .add(node.config("n0"))
        .configure(|config| config.health.interval = Duration::from_secs(60))
        .start()
        .await;
    for tries in 1..=5 {
        let error = proxy.v4(BOT).connect().await.unwrap_err();
        let refused = error.downcast_ref::<HandshakeRefused>().unwrap();
        assert_eq!(refused.status, 400);
        assert_eq!(node.heads().len(), tries);
    }
    assert_eq!(proxy.node("n0").state, NodeState::Healthy);
}
