//! TLS on both sides: listeners for clients beside plain ones, and nodes whose certificates are checked.

use std::time::Duration;

use proxy_core::health::{Failure, FailureKind, NodeState};
use proxy_gateway::node::NodeTls;
use proxy_gateway::{Gateway, StartError};
use proxy_testkit::certs::TestCa;
use proxy_testkit::{RawClient, SimNode, TestClient};

use crate::support::{BOT, OTHER_BOT, PASSWORD, ProxyUnderTest, SOON, sim_v4};

#[tokio::test]
async fn clients_with_and_without_tls_are_served_side_by_side() {
    let node = sim_v4().await;
    let ca = TestCa::new().unwrap();
    let proxy = ProxyUnderTest::builder(&[&node]).tls_listener(&ca).start().await;
    let url = format!("https://localhost:{}", proxy.addresses()[1].port());
    let secure = TestClient::v4(&url, PASSWORD, BOT)
        .tls(ca.client_config().unwrap())
        .connect()
        .await
        .unwrap();
    let plain = proxy.v4(OTHER_BOT).connect().await.unwrap();
    for (guild, client) in [(1, &secure), (2, &plain)] {
        client.play(guild, "sim:track:x").await.unwrap();
        client.wait_event("TrackStartEvent", guild, SOON).await.unwrap();
        let large = client.load("sim:large:2000000").await.unwrap();
        assert_eq!((large.status, large.body.len()), (200, 2_000_000));
    }
    secure.disconnect().await;
    proxy.wait_sessions(1).await;
}

#[tokio::test]
async fn what_is_no_tls_gets_no_answer_on_a_tls_port_and_harms_nobody() {
    let node = sim_v4().await;
    let ca = TestCa::new().unwrap();
    let proxy = ProxyUnderTest::builder(&[&node])
        .tls_listener(&ca)
        .configure(|config| config.header_timeout = Duration::from_millis(300))
        .start()
        .await;
    for bytes in [
        "GET /version HTTP/1.1\r\nHost: h\r\n\r\n",
        "\0\0\0\0\0\0\0\0",
        "\x16\x03\x01",
        "",
    ] {
        let mut client = RawClient::connect(proxy.addresses()[1]).await.unwrap();
        client.write(bytes).await.unwrap();
        let (answer, closed) = client.read_to_end(SOON).await;
        assert!(closed, "{bytes:?}");
        assert!(!answer.starts_with(b"HTTP"), "{bytes:?}");
    }
    let url = format!("https://localhost:{}", proxy.addresses()[1].port());
    let client = TestClient::v4(&url, PASSWORD, BOT)
        .tls(ca.client_config().unwrap())
        .connect()
        .await
        .unwrap();
    assert_eq!(client.get_players().await.unwrap().status, 200);
}

async fn tls_node(ca: &TestCa) -> SimNode {
    SimNode::builder()
        .tls(ca.server_config().unwrap())
        .start()
        .await
        .unwrap()
}

fn trusting(ca: &TestCa) -> Option<NodeTls> {
    Some(NodeTls {
        ca_file: Some(ca.ca_file()),
        accept_any: false,
    })
}

#[tokio::test]
async fn a_node_behind_tls_is_reached_when_its_ca_is_trusted() {
    let ca = TestCa::new().unwrap();
    let node = tls_node(&ca).await;
    let accept_any = Some(NodeTls {
        ca_file: None,
        accept_any: true,
    });
    for trust in [trusting(&ca), accept_any] {
        let proxy = ProxyUnderTest::builder(&[&node])
            .node(0, |node| node.address.tls = trust)
            .start()
            .await;
        assert_eq!(proxy.node("n0").state, NodeState::Healthy);
        let client = proxy.connect().await;
        client.play(1, "sim:track:x").await.unwrap();
        client.wait_event("TrackStartEvent", 1, SOON).await.unwrap();
        let large = client.load("sim:large:2000000").await.unwrap();
        assert_eq!((large.status, large.body.len()), (200, 2_000_000));
        let long = "x".repeat(1_000_000);
        let echo = client
            .rest()
            .request(http::Method::POST, "/v4/simplugin/echo", Some(&long.into()))
            .await
            .unwrap();
        assert_eq!(echo.json()["bodyLength"], 1_000_002);
    }
}

#[tokio::test]
async fn a_node_whose_certificate_is_not_trusted_is_down_and_the_reason_is_known() {
    let (ca, other) = (TestCa::new().unwrap(), TestCa::new().unwrap());
    let node = tls_node(&ca).await;
    let named = SimNode::builder().tls(ca.issue(&["elsewhere.example"]).unwrap().server_config().unwrap());
    let misnamed = named.start().await.unwrap();
    let plain = sim_v4().await;
    let proxy = ProxyUnderTest::builder(&[&node, &misnamed, &node, &plain])
        .node(0, |node| node.address.tls = trusting(&other))
        .node(1, |node| node.address.tls = trusting(&ca))
        // The system's roots do not have a CA that was made a moment ago.
        .node(2, |node| node.address.tls = Some(NodeTls::default()))
        .node(3, |node| {
            node.address.host = "localhost".to_owned();
            node.address.tls = trusting(&ca);
        })
        .start()
        .await;
    for name in ["n0", "n1", "n2", "n3"] {
        proxy.wait_state(name, NodeState::Down).await;
        assert_eq!(
            proxy.node(name).last_failure.unwrap().0,
            Failure::Probe(FailureKind::Tls),
            "{name}"
        );
    }
}

#[tokio::test]
async fn tls_files_that_cannot_be_used_prevent_the_start() {
    let node = sim_v4().await;
    let ca = TestCa::new().unwrap();
    let nonsense = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(nonsense.path(), "no certificate").unwrap();
    for broken in [std::path::Path::new("/nowhere/cert.pem"), nonsense.path()] {
        let config = ProxyUnderTest::builder(&[&node])
            .tls_listener(&ca)
            .configure(|config| {
                let tls = config.listeners[1].tls.as_mut().unwrap();
                tls.certificate = broken.to_path_buf();
            })
            .into_config();
        let started = tokio::task::spawn_blocking(|| Gateway::start(config)).await.unwrap();
        assert!(matches!(started, Err(StartError::Tls(_))), "{broken:?}");
        let config = ProxyUnderTest::builder(&[&node])
            .node(0, |node| {
                node.address.tls = Some(NodeTls {
                    ca_file: Some(broken.to_path_buf()),
                    accept_any: false,
                });
            })
            .into_config();
        let started = tokio::task::spawn_blocking(|| Gateway::start(config)).await.unwrap();
        assert!(matches!(started, Err(StartError::Tls(_))), "{broken:?}");
    }
}
