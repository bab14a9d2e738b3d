//! A node that answers with bytes a test has written out, for what a simulated node never sends: odd headers, split
//! messages, bodies in any framing.
//!
//! It answers health probes by itself, as a 4.2 node or as a 3.7 one.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use lavalink_protocol::handshake::accept_key;
use proxy_core::pool::NodeSpec;
use proxy_core::secret::Secret;
use proxy_gateway::config::NodeConfig;
use proxy_gateway::node::NodeAddress;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const INFO: &str = r#"{"version":{"semver":"SEMVER","major":0,"minor":0,"patch":0,"preRelease":null,"build":null},"buildTime":0,"git":{"branch":"HEAD","commit":"0","commitTime":0},"jvm":"17","lavaplayer":"2","sourceManagers":["http"],"filters":[],"plugins":[]}"#;
const STATS: &str = r#"{"players":0,"playingPlayers":0,"uptime":1,"memory":{"free":1,"used":1,"allocated":1,"reservable":1},"cpu":{"cores":1,"systemLoad":0.1,"lavalinkLoad":0.1},"frameStats":null}"#;

/// What a scripted node does with a request.
pub(crate) enum Script {
    /// Write these bytes and go on with the connection.
    Answer(Vec<u8>),
    /// Write these bytes and close.
    AnswerAndClose(Vec<u8>),
    /// Accept the WebSocket and write these bytes right after the 101.
    Upgrade(Vec<u8>),
    /// Read no more and write nothing.
    Freeze,
}

/// See the module.
pub(crate) struct ScriptedNode {
    address: SocketAddr,
    seen: Arc<Seen>,
    task: JoinHandle<()>,
}

/// What arrived.
#[derive(Default)]
struct Seen {
    heads: Mutex<Vec<String>>,
    /// Whatever followed an upgrade, of all connections.
    frames: Mutex<Vec<u8>>,
}

impl ScriptedNode {
    /// Starts a node that does with each request (given its head) what `script` says.
    pub(crate) async fn start(script: impl Fn(&str) -> Script + Send + Sync + 'static) -> Self {
        Self::start_as("4.2.2", script).await
    }

    /// The same as another version of Lavalink, 3.7 or newer.
    pub(crate) async fn start_as(
        version: &'static str,
        script: impl Fn(&str) -> Script + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Seen>::default();
        let (script, shared) = (Arc::new(script), Arc::clone(&seen));
        let task = tokio::spawn(async move {
            // Connections end with this task.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, version, Arc::clone(&script), Arc::clone(&shared)));
            }
        });
        Self { address, seen, task }
    }

    /// It as a node of the proxy.
    pub(crate) fn config(&self, name: &str) -> NodeConfig {
        NodeConfig {
            spec: NodeSpec::new(name),
            address: NodeAddress {
                name: name.to_owned(),
                host: "127.0.0.1".to_owned(),
                port: self.address.port(),
                password: Secret::new("youshallnotpass"),
                tls: None,
            },
            drain: false,
            is_v4: None,
        }
    }

    /// Heads of the requests that were no probes, oldest first.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.seen.heads.lock().unwrap().clone()
    }

    /// What came over its WebSockets, as it came.
    pub(crate) fn frames(&self) -> Vec<u8> {
        self.seen.frames.lock().unwrap().clone()
    }
}

impl Drop for ScriptedNode {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, version: &str, script: Arc<impl Fn(&str) -> Script>, seen: Arc<Seen>) {
    let mut read = Vec::new();
    loop {
        let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") else {
            match stream.read_buf(&mut read).await {
                Ok(0) | Err(_) => return,
                Ok(_) => continue,
            }
        };
        let head = String::from_utf8_lossy(&read[..end + 4]).into_owned();
        // Bodies are left where they are: the scripts here ask for requests without one.
        read.drain(..end + 4);
        let (bytes, close) = match answer_probe(&head, version) {
            Some(bytes) => (bytes, true),
            None => {
                seen.heads.lock().unwrap().push(head.clone());
                match script(&head) {
                    Script::Answer(bytes) => (bytes, false),
                    Script::AnswerAndClose(bytes) => (bytes, true),
                    Script::Upgrade(bytes) => return upgrade(stream, &head, &bytes, &seen).await,
                    Script::Freeze => std::future::pending().await,
                }
            }
        };
        if stream.write_all(&bytes).await.is_err() || close {
            return;
        }
    }
}

fn answer_probe(head: &str, version: &str) -> Option<Vec<u8>> {
    let target = head.split(' ').nth(1)?;
    let (api, below) = target.strip_prefix("/v")?.split_once('/')?;
    let own = version.starts_with(api);
    let (status, body) = match below {
        "info" if own => ("200 OK", INFO.replace("SEMVER", version)),
        "stats" if own => ("200 OK", STATS.to_owned()),
        "info" => ("404 Not Found", String::new()),
        _ => return None,
    };
    let text = format!(
        "HTTP/1.1 {status}\r\nLavalink-Api-Version: {}\r\nContent-Length: {}\r\n\r\n{body}",
        &version[..1],
        body.len()
    );
    Some(text.into_bytes())
}

async fn upgrade(mut stream: TcpStream, head: &str, after: &[u8], seen: &Seen) {
    let key = header(head, "sec-websocket-key").unwrap();
    let accept = accept_key(key.as_bytes());
    let mut bytes = format!(
        "HTTP/1.1 101 Switching Protocols\r\nLavalink-Api-Version: 4\r\nSession-Resumed: false\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        std::str::from_utf8(&accept).unwrap()
    )
    .into_bytes();
    bytes.extend_from_slice(after);
    if stream.write_all(&bytes).await.is_err() {
        return;
    }
    let mut piece = Vec::new();
    while stream.read_buf(&mut piece).await.is_ok_and(|read| read > 0) {
        seen.frames.lock().unwrap().append(&mut piece);
    }
}

/// The first value of a header in a head.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let found = fields.find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim())
}
