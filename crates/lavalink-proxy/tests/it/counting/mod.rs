//! What the proxy counts, against what the kernel counts (TCP_INFO), to the byte: client side (`kinds`), how each
//! connection ends (`ends`), the views that must sum up to the same (`sums`), and the node side (`nodes`).
//!
//! The kernel's sequence numbers count the SYN and the FIN as one byte each; these two are taken off. Bytes that reached
//! the proxy's kernel and were never read are no bytes to the proxy: only connections that it closes without reading to
//! their end have any.

mod ends;
mod kinds;
mod nodes;
mod sums;

use std::sync::Arc;
use std::time::Duration;

use proxy_gateway::usage::ConnectionRecord;
use proxy_testkit::certs::TestCa;
use proxy_testkit::tcp_info::{End, TcpInfo, tcp_info};
use proxy_testkit::{SimGeneration, SimNode, wait_until};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::support::{PASSWORD, ProxyUnderTest, SOON, sim, upgrade_head};

/// A proxy with a plain and a TLS listener before a v4 and a v3 node.
struct Stage {
    proxy: ProxyUnderTest,
    ca: TestCa,
    v4: SimNode,
    v3: SimNode,
}

impl Stage {
    async fn start() -> Self {
        let (ca, v4, v3) = (
            TestCa::new().unwrap(),
            sim(SimGeneration::V4_2).await,
            sim(SimGeneration::V3_7).await,
        );
        let proxy = ProxyUnderTest::builder(&[&v4, &v3])
            .tls_listener(&ca)
            .configure(|config| {
                config.max_body_bytes = 64 * 1024;
                // So many clients on one thread may need their time before they say something.
                config.header_timeout = Duration::from_secs(60);
                config.idle_timeout = Duration::from_secs(60);
                config.probe_timeout = Duration::from_secs(30);
            })
            .start()
            .await;
        Self { proxy, ca, v4, v3 }
    }

    /// A plain connection.
    async fn open(&self) -> Wire<TcpStream> {
        let socket = TcpStream::connect(self.proxy.addresses()[0]).await.unwrap();
        let record = self.record_of(&socket, false).await;
        Wire::new(socket, record)
    }

    /// A connection over TLS, after its handshake.
    async fn open_tls(&self) -> Wire<tokio_rustls::client::TlsStream<TcpStream>> {
        let socket = TcpStream::connect(self.proxy.addresses()[1]).await.unwrap();
        let record = self.record_of(&socket, true).await;
        let connector = TlsConnector::from(self.ca.client_config().unwrap());
        let name = ServerName::try_from("localhost").unwrap();
        Wire::new(connector.connect(name, socket).await.unwrap(), record)
    }

    /// The proxy's own record of a client's socket. The kernel may give the same port to a connection to the other
    /// listener, and again to a later one, so the listener counts and the newest is meant.
    async fn record_of(&self, socket: &TcpStream, tls: bool) -> Arc<ConnectionRecord> {
        let address = socket.local_addr().unwrap();
        let find = || {
            let live = self.proxy.shared().client_usage().connections;
            live.into_iter()
                .map(|(record, _)| record)
                .filter(|record| record.peer == address && record.tls == tls)
                .max_by_key(|record| record.id)
        };
        wait_until(SOON, || find().is_some()).await;
        find().unwrap()
    }

    /// Waits until the proxy has let go of all connections.
    async fn all_closed(&self) {
        wait_until(SOON, || self.proxy.shared().client_usage().connections.is_empty()).await;
    }
}

/// A socket with a TCP connection at its bottom.
trait Socket: AsyncRead + AsyncWrite + Unpin {
    fn tcp(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Socket for tokio_rustls::client::TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// A client's connection and the proxy's record of it.
struct Wire<S> {
    socket: S,
    record: Arc<ConnectionRecord>,
    /// All that came.
    received: Vec<u8>,
    /// Where in `received` the next answer is looked for.
    seen: usize,
    half_closed: bool,
}

impl<S: Socket> Wire<S> {
    fn new(socket: S, record: Arc<ConnectionRecord>) -> Self {
        Self {
            socket,
            record,
            received: Vec::new(),
            seen: 0,
            half_closed: false,
        }
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).await.unwrap();
        self.socket.flush().await.unwrap();
    }

    /// Reads until `pattern` has come behind what was read before.
    async fn expect(&mut self, pattern: &str) {
        let pattern = pattern.as_bytes();
        loop {
            let fresh = &self.received[self.seen..];
            if let Some(at) = fresh.windows(pattern.len()).position(|window| window == pattern) {
                self.seen += at + pattern.len();
                return;
            }
            let read = timeout(SOON, self.socket.read_buf(&mut self.received)).await;
            assert!(
                matches!(read, Ok(Ok(1..))),
                "{read:?} instead of {:?}, connection {}",
                String::from_utf8_lossy(pattern),
                self.record.ended()
            );
        }
    }

    /// Says that nothing more comes.
    async fn half_close(&mut self) {
        self.socket.shutdown().await.unwrap();
        self.half_closed = true;
    }

    /// Opens a WebSocket that has got its `ready`.
    async fn upgrade(&mut self, path: &str) {
        let lines = format!("Authorization: {PASSWORD}\r\nUser-Id: 9\r\n\r\n");
        self.send(upgrade_head(path, &lines)).await;
        self.expect("HTTP/1.1 101 ").await;
        self.expect("\"ready\"").await;
    }

    /// Reads to the end, and holds the proxy's count of the whole connection against the kernel's.
    async fn end(mut self, stage: &Stage, name: &str) -> Arc<ConnectionRecord> {
        let upgraded = self.received.starts_with(b"HTTP/1.1 101 ");
        let ended = loop {
            match timeout(SOON, self.socket.read_buf(&mut self.received)).await {
                Ok(Ok(0)) => break true,
                Ok(Ok(_)) => {}
                // A WebSocket has a farewell of its own, so its end need not be said over TLS.
                Ok(Err(error)) => break upgraded && error.kind() == std::io::ErrorKind::UnexpectedEof,
                Err(_) => panic!("{name}: the proxy does not close"),
            }
        };
        assert!(ended, "{name}: the connection was reset");
        let id = self.record.id;
        wait_until(SOON, || {
            stage
                .proxy
                .shared()
                .client_usage()
                .connections
                .iter()
                .all(|(record, _)| record.id != id)
        })
        .await;
        self.compare(name, true).await;
        self.record
    }

    /// Holds the proxy's count against the kernel's; `fin`: the proxy's FIN has come.
    async fn compare(&self, name: &str, fin: bool) {
        let kernel = |info: TcpInfo| {
            (
                info.bytes_to_peer(End::Connected, self.half_closed),
                info.bytes_from_peer(fin),
            )
        };
        let proxy = || (self.record.traffic.bytes_in.get(), self.record.traffic.bytes_out.get());
        let limit = tokio::time::Instant::now() + SOON;
        // Acknowledgements may come a moment after the bytes were read.
        while kernel(tcp_info(self.socket.tcp()).unwrap()) != proxy() && tokio::time::Instant::now() < limit {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let info = tcp_info(self.socket.tcp()).unwrap();
        assert_eq!(
            proxy(),
            kernel(info),
            "{name}: the proxy's and the kernel's bytes in and out differ; {info:?}"
        );
    }
}

/// A request with the password.
fn request(method: &str, target: &str, lines: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: proxy\r\nAuthorization: {PASSWORD}\r\n{lines}\r\n")
}
