//! What stands between load and node: nothing, HAProxy, nginx or the proxy, each with one thread, each checking the
//! password, each with limits so wide that none is met.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

use super::process::Process;
use super::text;
use crate::PASSWORD;

/// A peer must answer its first request within this time of its start.
const START: Duration = Duration::from_secs(15);
/// Connections that a peer must bear besides those of the sessions; each costs it two open files, and the limit of
/// those may be just wide enough for the sessions.
const OTHER_CONNECTIONS: usize = 150;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// The load straight to the node
    Direct,
    /// HAProxy, one thread
    Haproxy,
    /// nginx, one process
    Nginx,
    /// Lavalink Proxy, one thread
    Proxy,
}

impl fmt::Display for Kind {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::Direct => "direct",
            Self::Haproxy => "haproxy",
            Self::Nginx => "nginx",
            Self::Proxy => "proxy",
        })
    }
}

impl Kind {
    /// All of them, in the order of the table's columns.
    pub(crate) const ALL: [Self; 4] = [Self::Direct, Self::Haproxy, Self::Nginx, Self::Proxy];

    /// The others are compared with the better of these.
    pub(crate) const fn is_reference(self) -> bool {
        matches!(self, Self::Haproxy | Self::Nginx)
    }

    /// The distribution's package and program.
    const fn package(self) -> Option<&'static str> {
        match self {
            Self::Haproxy => Some("haproxy"),
            Self::Nginx => Some("nginx"),
            Self::Direct | Self::Proxy => None,
        }
    }

    /// Makes sure that its program is there, installing the distribution's package if that can be done.
    pub(crate) async fn make_available(self, proxy: Option<&Path>) -> Result<()> {
        if self == Self::Proxy {
            let path = proxy.context("its program was not named with --proxy")?;
            return if path.is_file() {
                Ok(())
            } else {
                bail!("{} is no file", path.display())
            };
        }
        let Some(package) = self.package() else { return Ok(()) };
        if find_program(package).is_some() {
            return Ok(());
        }
        eprintln!("installing {package}");
        let status = Command::new("apt-get")
            .args(["install", "-y", "-q", "--no-install-recommends", package])
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(std::process::Stdio::null())
            .status()
            .await
            .context("it is not installed, and there is no apt-get")?;
        if !status.success() || find_program(package).is_none() {
            bail!("it is not installed, and apt-get could not change that (it needs root)");
        }
        Ok(())
    }

    /// What its program says of its version, in one line.
    pub(crate) async fn version(self, proxy: Option<&Path>) -> Option<String> {
        let (program, flag) = match self {
            Self::Direct => return None,
            Self::Haproxy => (find_program("haproxy")?, "-v"),
            Self::Nginx => (find_program("nginx")?, "-v"),
            Self::Proxy => (proxy?.to_owned(), "--version"),
        };
        let output = Command::new(program).arg(flag).output().await.ok()?;
        let said = [output.stdout, output.stderr].concat();
        Some(String::from_utf8_lossy(&said).lines().next()?.trim().to_owned())
    }
}

/// The program in the search path or in the system folders, which users other than root often lack in theirs.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(system)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// Where peers are started.
pub(crate) struct Site<'a> {
    /// For their configuration files.
    pub(crate) folder: &'a Path,
    /// The node's address.
    pub(crate) node: SocketAddr,
    /// The proxy's program.
    pub(crate) proxy: Option<&'a Path>,
    /// Sessions at a time, at most.
    pub(crate) sessions: usize,
}

/// A running peer.
pub(crate) struct Peer {
    /// What it is.
    pub(crate) kind: Kind,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Its process; none for the direct way.
    pub(crate) process: Option<Process>,
}

impl Peer {
    /// Starts it and waits until it forwards a request.
    pub(crate) async fn start(kind: Kind, site: &Site<'_>) -> Result<Self> {
        if kind == Kind::Direct {
            return Ok(Self {
                kind,
                address: site.node,
                process: None,
            });
        }
        let port = free_port()?;
        let folder = site.folder.join(format!("{kind}-{port}"));
        std::fs::create_dir(&folder)?;
        let process = match kind {
            Kind::Direct | Kind::Haproxy => start_haproxy(&folder, port, site)?,
            Kind::Nginx => start_nginx(&folder, port, site)?,
            Kind::Proxy => start_proxy(&folder, port, site)?,
        };
        let mut peer = Self {
            kind,
            address: loopback(port),
            process: Some(process),
        };
        peer.wait_until_it_forwards().await?;
        Ok(peer)
    }

    async fn wait_until_it_forwards(&mut self) -> Result<()> {
        let until = Instant::now() + START;
        loop {
            if let Some(status) = self.process.as_mut().and_then(Process::ended) {
                bail!("{} ended at once with {status}", self.kind);
            }
            if forwards(self.address).await {
                return Ok(());
            }
            if Instant::now() > until {
                bail!("{} forwards nothing {START:?} after its start", self.kind);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A request for the node is answered with 200.
pub(crate) async fn forwards(address: SocketAddr) -> bool {
    let request = format!(
        "GET /v4/loadtracks?identifier=ytsearch%3Asong-0 HTTP/1.1\r\nHost: {address}\r\nAuthorization: {PASSWORD}\r\n\
         Connection: close\r\n\r\n"
    );
    let attempt = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok()?;
        Some(answer.starts_with(b"HTTP/1.1 200"))
    };
    tokio::time::timeout(Duration::from_secs(2), attempt)
        .await
        .ok()
        .flatten()
        .unwrap_or(false)
}

/// A port that was free a moment ago; the programs cannot be given a listening socket or say which port they took.
pub(crate) fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind(loopback(0))?.local_addr()?.port())
}

pub(crate) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn start_haproxy(folder: &Path, port: u16, site: &Site<'_>) -> Result<Process> {
    let file = folder.join("haproxy.cfg");
    let connections = site.sessions + OTHER_CONNECTIONS;
    let config = format!(
        "global
    nbthread 1
    maxconn {connections}
defaults
    mode http
    no log
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout tunnel 1h
    timeout http-request 1h
    timeout http-keep-alive 1h
    http-reuse always
    option http-keep-alive
frontend clients
    bind 127.0.0.1:{port} backlog 4096
    http-request return status 401 hdr Lavalink-Api-Version 4 unless {{ req.fhdr(authorization) -m str {PASSWORD} }}
    default_backend nodes
backend nodes
    server node {node} maxconn {connections} pool-purge-delay 1h
",
        node = site.node
    );
    std::fs::write(&file, config)?;
    Process::start(&program("haproxy")?, &["-db".into(), "-f".into(), text(&file)])
}

fn start_nginx(folder: &Path, port: u16, site: &Site<'_>) -> Result<Process> {
    let file = folder.join("nginx.conf");
    // One process without a master: a master that is killed would leave its worker behind.
    let config = format!(
        "daemon off;
master_process off;
error_log stderr crit;
pid {folder}/nginx.pid;
events {{ worker_connections {connections}; use epoll; multi_accept on; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    tcp_nodelay on;
    upstream node {{
        server {node} max_fails=0;
        keepalive 256;
        keepalive_requests 1000000000;
        keepalive_timeout 1h;
    }}
    map $http_upgrade $connection_header {{ default upgrade; '' ''; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        if ($http_authorization != \"{PASSWORD}\") {{ return 401; }}
        error_page 401 = @refused;
        location @refused {{ add_header Lavalink-Api-Version 4; return 401 \"\"; }}
        location / {{
            proxy_pass http://node;
            proxy_http_version 1.1;
            proxy_set_header Host $host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_header;
            proxy_read_timeout 1h;
            proxy_send_timeout 1h;
            proxy_buffers 8 16k;
            proxy_busy_buffers_size 32k;
            proxy_max_temp_file_size 0;
        }}
    }}
}}
",
        folder = folder.display(),
        // With less than a sixteenth of them free, nginx closes clients whose request it has not read yet.
        connections = (site.sessions + OTHER_CONNECTIONS) * 9 / 4,
        node = site.node
    );
    std::fs::write(&file, config)?;
    let arguments = [
        "-p".into(),
        text(folder),
        "-e".into(),
        "stderr".into(),
        "-c".into(),
        text(&file),
    ];
    Process::start(&program("nginx")?, &arguments)
}

fn start_proxy(folder: &Path, port: u16, site: &Site<'_>) -> Result<Process> {
    let file = proxy_config(folder, port, site, "")?;
    let proxy = site.proxy.context("the proxy's program was not named")?;
    Process::start(proxy, &["--config".into(), text(&file)])
}

/// Writes the configuration of a proxy with one worker; `store` are further lines of that section.
pub(crate) fn proxy_config(folder: &Path, port: u16, site: &Site<'_>, store: &str) -> Result<PathBuf> {
    let file = folder.join("lavalink-proxy.toml");
    let config = format!(
        "[server]
bind = \"127.0.0.1:{port}\"
threads = 1
[admin]
bind = \"127.0.0.1:{admin}\"
password = \"{PASSWORD}\"
[store]
path = \"{folder}/lavalink-proxy.db\"
{store}[log]
level = \"error\"
[[tenants]]
name = \"default\"
password = \"{PASSWORD}\"
[[nodes]]
name = \"node\"
url = \"http://{node}\"
password = \"{PASSWORD}\"
version = 4
",
        admin = free_port()?,
        folder = folder.display(),
        node = site.node
    );
    std::fs::write(&file, config)?;
    Ok(file)
}

fn program(name: &str) -> Result<PathBuf> {
    find_program(name).with_context(|| format!("{name} has disappeared"))
}
