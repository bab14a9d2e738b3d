//! The node side: links, pooled REST connections and probes together equal what the kernel counted on the other end of
//! all of the proxy's connections to the node. That other end is a relay before the node, whose sockets can be asked.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proxy_core::pool::NodeId;
use proxy_testkit::client::voice;
use proxy_testkit::tcp_info::{End, tcp_info};
use proxy_testkit::{SimGeneration, TestClient, wait_until};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::support::{BOT, OTHER_BOT, PASSWORD, ProxyUnderTest, SOON, sim};

/// States of `struct tcp_info`.
const ESTABLISHED: u8 = 1;
const CLOSED: u8 = 7;

#[tokio::test]
async fn the_bytes_to_and_from_a_node_equal_the_kernels() {
    for generation in [SimGeneration::V4_2, SimGeneration::V3_7] {
        let node = sim(generation).await;
        let relay = Relay::start(node.addr()).await;
        let proxy = ProxyUnderTest::builder(&[&node])
            .node(0, |config| config.address.port = relay.address.port())
            // One round of probes, so that everything comes to rest.
            .configure(|config| config.health.interval = Duration::from_secs(3600))
            .start()
            .await;
        let build = match generation {
            SimGeneration::V4_2 => TestClient::v4,
            _ => TestClient::v3_rest,
        };
        let mut clients = Vec::new();
        for user in [BOT, OTHER_BOT] {
            clients.push(build(&proxy.url(), PASSWORD, user).connect().await.unwrap());
        }
        for client in &clients {
            for guild in 1..5 {
                let answer = client
                    .patch_player(guild, &json!({"voice": voice(guild, true)}))
                    .await
                    .unwrap();
                assert_eq!(answer.status, 200, "{}", answer.text());
                client.load("ytsearch:some").await.unwrap();
            }
        }
        node.push_to_all(&format!(
            "{{\"op\":\"event\",\"guildId\":\"1\",\"big\":\"{}\"}}",
            "x".repeat(100_000)
        ));
        for client in &clients {
            client
                .wait_for(|message| message["big"].is_string(), SOON)
                .await
                .unwrap();
        }
        let counted = || {
            let (totals, _) = proxy.shared().node_usage(NodeId(0));
            (totals.bytes_in, totals.bytes_out)
        };
        let equal = || relay.kernel() == Some(counted());
        let limit = tokio::time::Instant::now() + SOON;
        while !equal() && tokio::time::Instant::now() < limit {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(
            Some(counted()),
            relay.kernel(),
            "bytes from and to the {generation:?} node"
        );
        assert_eq!(proxy.shared().node_usage(NodeId(0)).1.live, clients.len(), "links");
        let (before, _) = proxy.shared().node_usage(NodeId(0));
        for client in &clients {
            client.disconnect().await;
        }
        wait_until(SOON, || proxy.shared().node_usage(NodeId(0)).1.live == 0).await;
        let (after, _) = proxy.shared().node_usage(NodeId(0));
        assert!(
            after.bytes_out > before.bytes_out && after.bytes_in >= before.bytes_in,
            "closed links stay in the sum"
        );
    }
}

/// Copies both ways between the proxy and a node, and keeps every accepted socket to ask it later.
pub(super) struct Relay {
    pub(super) address: SocketAddr,
    sockets: Arc<Mutex<Vec<OwnedFd>>>,
    accepting: JoinHandle<()>,
}

impl Relay {
    pub(super) async fn start(node: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let sockets = Arc::<Mutex<Vec<OwnedFd>>>::default();
        let kept = Arc::clone(&sockets);
        let accepting = tokio::spawn(async move {
            while let Ok((mut proxy, _)) = listener.accept().await {
                kept.lock().unwrap().push(proxy.as_fd().try_clone_to_owned().unwrap());
                tokio::spawn(async move {
                    let mut node = TcpStream::connect(node).await.unwrap();
                    // A reset shows in the sums.
                    tokio::io::copy_bidirectional(&mut proxy, &mut node).await.ok();
                });
            }
        });
        Self {
            address,
            sockets,
            accepting,
        }
    }

    /// Bytes that were sent to the proxy, acknowledged or not, and over how many connections.
    pub(super) fn sent(&self) -> (u64, u64) {
        let sockets = self.sockets.lock().unwrap();
        let infos = sockets.iter().map(|socket| tcp_info(socket).unwrap());
        let sent = infos.map(|info| info.bytes_sent - info.bytes_retrans).sum();
        (sent, sockets.len() as u64)
    }

    /// Bytes to and from the proxy over all connections; `None` while one is just closing.
    pub(super) fn kernel(&self) -> Option<(u64, u64)> {
        let mut sum = (0, 0);
        for socket in &*self.sockets.lock().unwrap() {
            let info = tcp_info(socket).unwrap();
            let closed = match info.state {
                ESTABLISHED => false,
                CLOSED => true,
                _ => return None,
            };
            sum.0 += info.bytes_to_peer(End::Accepted, closed);
            sum.1 += info.bytes_from_peer(closed);
        }
        Some(sum)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
