//! The relay: accepts on loopback, dials the target, copies both ways and keeps the bytes.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinSet,
};

use super::record::{Recording, Stream, read_connection};

/// What one connection carried, in both directions.
#[derive(Default)]
struct Bytes {
    from_client: Mutex<Stream>,
    from_node: Mutex<Stream>,
    /// Both sockets vanish when told.
    cut: Notify,
}

type Connections = Arc<Mutex<Vec<Arc<Bytes>>>>;

/// A recording relay in front of one address. Dropping it closes its connections.
pub struct Tap {
    address: SocketAddr,
    connections: Connections,
    _accepting: JoinSet<()>,
}

impl Tap {
    /// Starts a relay to `target` on a free loopback port.
    ///
    /// # Errors
    ///
    /// When no loopback port can be bound.
    pub async fn start(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let connections = Connections::default();
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, target, connections.clone()));
        Ok(Self {
            address,
            connections,
            _accepting: accepting,
        })
    }

    /// Where clients connect instead of the target.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Forgets what was recorded so far. Connections that are open are forgotten for good, because a recording that
    /// starts in the middle of a connection cannot be read.
    pub fn forget(&self) {
        lock(&self.connections).clear();
    }

    /// Cuts every connection that is open, as a network that fails: without a WebSocket close frame, to both ends. New
    /// connections are taken as before.
    pub fn cut(&self) {
        lock(&self.connections).iter().for_each(|bytes| bytes.cut.notify_one());
    }

    /// Everything that went through so far.
    pub fn recording(&self) -> Recording {
        let mut recording = Recording::default();
        for bytes in lock(&self.connections).iter() {
            read_connection(&lock(&bytes.from_client), &lock(&bytes.from_node), &mut recording);
        }
        recording.sort();
        recording
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, target: SocketAddr, connections: Connections) {
    let mut relays = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((client, _)) = accepted {
                let bytes = Arc::new(Bytes::default());
                lock(&connections).push(bytes.clone());
                relays.spawn(relay(client, target, bytes));
            },
            Some(_) = relays.join_next() => {}
        }
    }
}

/// Copies until both directions have ended; each end of one direction is passed on by itself.
async fn relay(client: TcpStream, target: SocketAddr, bytes: Arc<Bytes>) {
    let Ok(node) = TcpStream::connect(target).await else {
        return;
    };
    let _ = (client.set_nodelay(true), node.set_nodelay(true));
    let (client_read, client_write) = client.into_split();
    let (node_read, node_write) = node.into_split();
    let both = async {
        tokio::join!(
            copy(client_read, node_write, &bytes.from_client),
            copy(node_read, client_write, &bytes.from_node),
        )
    };
    tokio::select! {
        _ = both => {}
        () = bytes.cut.notified() => {}
    }
}

async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, kept: &Mutex<Stream>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        lock(kept).push(Instant::now(), &buffer[..length]);
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
    lock(kept).end(Instant::now());
    let _ = to.shutdown().await;
}
