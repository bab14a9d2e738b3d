//! One node as the network sees it: where it is dialled, over what, and with which password. What is known of its health
//! and load is the core's pool.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use proxy_core::pool::{NodeGauges, NodeId};
use proxy_core::secret::Secret;
use rustls::pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::transport::Stream;
use crate::transport::metered::Metered;
use crate::transport::tls::{self, TlsError};
use crate::usage::Traffic;

/// What the operator says of a node, as far as the network is concerned.
#[derive(Clone, Debug)]
pub struct NodeAddress {
    /// The name in `nodes.name`.
    pub name: String,
    /// Host name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The node's own password.
    pub password: Secret,
    /// Dial with TLS.
    pub tls: Option<NodeTls>,
}

/// Whom to trust when the node is dialled.
#[derive(Clone, Debug, Default)]
pub struct NodeTls {
    /// Trust this CA file alone; without it the system's roots.
    pub ca_file: Option<PathBuf>,
    /// Trust any certificate.
    pub accept_any: bool,
}

/// See the module.
pub struct Node {
    /// Place in the pool.
    pub id: NodeId,
    /// The operator's name for it.
    pub name: Arc<str>,
    /// Counts that change with every request, shared with the pool's snapshots.
    pub gauges: Arc<NodeGauges>,
    /// `Host` and `Authorization` lines of every request to it.
    pub(crate) own_fields: Vec<u8>,
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    /// Where the host name points to; refreshed by the probe, so that no request waits for a look-up.
    addresses: ArcSwap<Vec<SocketAddr>>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("name", &self.name)
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

impl Node {
    /// # Errors
    /// When the TLS settings cannot be used, or the host is no name that a certificate could carry.
    pub(crate) fn new(id: NodeId, address: NodeAddress, gauges: Arc<NodeGauges>) -> Result<Self, TlsError> {
        let literal = address.host.parse::<IpAddr>().ok();
        let tls = match &address.tls {
            None => None,
            Some(trust) => {
                let name = ServerName::try_from(address.host.clone())
                    .map_err(|_| rustls::Error::General(format!("{} is no server name", address.host)))?;
                Some((
                    TlsConnector::from(tls::client_config(trust.ca_file.as_deref(), trust.accept_any)?),
                    name,
                ))
            }
        };
        let authority = match literal {
            Some(IpAddr::V6(_)) => format!("[{}]:{}", address.host, address.port),
            _ => format!("{}:{}", address.host, address.port),
        };
        let own_fields = format!("Host: {authority}\r\nAuthorization: {}\r\n", address.password.expose()).into_bytes();
        let addresses = literal
            .map(|ip| SocketAddr::new(ip, address.port))
            .into_iter()
            .collect();
        Ok(Self {
            id,
            name: address.name.into(),
            gauges,
            own_fields,
            host: address.host,
            port: address.port,
            tls,
            addresses: ArcSwap::from_pointee(addresses),
        })
    }

    /// Looks the host name up anew; a literal address stays what it is.
    pub(crate) async fn resolve(&self) -> io::Result<()> {
        if self.host.parse::<IpAddr>().is_ok() {
            return Ok(());
        }
        let found: Vec<_> = tokio::net::lookup_host((self.host.as_str(), self.port))
            .await?
            .collect();
        if found.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "host name has no address"));
        }
        if **self.addresses.load() != found {
            self.addresses.store(Arc::new(found));
        }
        Ok(())
    }

    /// Opens a socket, with TLS when the node has it, trying each address of the host; `limit` is for all of it.
    pub(crate) async fn dial(&self, traffic: Arc<Traffic>, limit: Duration) -> io::Result<Stream> {
        timeout(limit, self.dial_each(traffic))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn dial_each(&self, traffic: Arc<Traffic>) -> io::Result<Stream> {
        if self.addresses.load().is_empty() {
            self.resolve().await?;
        }
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for address in self.addresses.load_full().iter() {
            match connect(*address).await {
                Ok(socket) => return self.secure(Metered::new(socket, traffic)).await,
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn secure(&self, socket: Metered) -> io::Result<Stream> {
        match &self.tls {
            None => Ok(Stream::Plain(socket)),
            Some((connector, name)) => {
                // Boxed, so that plain connections do not pay for the room of a TLS handshake.
                let stream = Box::pin(connector.connect(name.clone(), socket)).await?;
                Ok(Stream::Dialled(Box::new(stream)))
            }
        }
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_nodelay(true)?;
    socket.connect(address).await
}
