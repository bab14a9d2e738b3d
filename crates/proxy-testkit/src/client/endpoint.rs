//! Where a test client connects to: a URL like a bot's configuration has it, and a byte stream to it.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// A byte stream, plain or TLS.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin + std::fmt::Debug {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + std::fmt::Debug> Io for T {}
/// See [`Io`].
pub(crate) type BoxIo = Box<dyn Io>;

/// A parsed URL, with the TLS settings if it needs them.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    host: String,
    port: u16,
    /// Path in front of every target; no slash at its end.
    pub(crate) prefix: String,
    tls: Option<Arc<rustls::ClientConfig>>,
}

impl Endpoint {
    /// Reads `http://`, `https://`, `ws://` or `wss://` URLs.
    pub(crate) fn new(url: &str, tls: Option<Arc<rustls::ClientConfig>>) -> anyhow::Result<Self> {
        let uri: http::Uri = url.parse().with_context(|| format!("not a URL: {url}"))?;
        let secure = match uri.scheme_str() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            other => bail!("unknown scheme {other:?} in {url}"),
        };
        if secure && tls.is_none() {
            bail!("{url} needs TLS settings: call `tls` on the builder");
        }
        Ok(Self {
            host: uri.host().with_context(|| format!("no host in {url}"))?.to_owned(),
            port: uri.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            tls: tls.filter(|_| secure),
        })
    }

    /// Value of the `Host` header.
    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    pub(crate) async fn connect(&self) -> anyhow::Result<BoxIo> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .with_context(|| format!("cannot connect to {}", self.authority()))?;
        tcp.set_nodelay(true)?;
        let Some(tls) = &self.tls else { return Ok(Box::new(tcp)) };
        let name = ServerName::try_from(self.host.clone()).context("not a server name")?;
        let stream = TlsConnector::from(Arc::clone(tls))
            .connect(name, tcp)
            .await
            .context("TLS handshake failed")?;
        Ok(Box::new(stream))
    }
}
