//! The proxy as a child process: the built program with a configuration file of its own.

use std::{
    fmt::Write as _,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{
    Unavailable, http,
    process::{Supervised, free_port},
};

/// The password of the admin listener.
pub const ADMIN_PASSWORD: &str = "admin";

const START_WITHIN: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// A node for the proxy's configuration.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    /// The node's name.
    pub name: &'a str,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its password.
    pub password: &'a str,
    /// Its major version.
    pub version: u8,
}

/// A running proxy. Dropping it kills it and removes its folder.
#[derive(Debug)]
pub struct ProxyProcess {
    process: Supervised,
    address: SocketAddr,
    admin: SocketAddr,
    _folder: TempDir,
}

impl ProxyProcess {
    /// Starts `program` on free ports with one tenant and the given nodes, and waits until it is ready: until
    /// `/readyz` says that a node is healthy. `extra` is appended to the configuration. Blocks.
    ///
    /// # Errors
    ///
    /// [`Unavailable::Failed`] when the program cannot be started or does not become ready; its log is in the text.
    pub fn start(program: &Path, password: &str, nodes: &[Node<'_>], extra: &str) -> Result<Self, Unavailable> {
        let folder = TempDir::with_prefix("lavalink-proxy-")?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let admin = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let config = folder.path().join("lavalink-proxy.toml");
        fs::write(&config, configuration(address, admin, password, nodes) + extra)?;

        let mut command = Command::new(program);
        command.arg("--config").arg(config).current_dir(folder.path());
        let process = Supervised::spawn(command, &folder.path().join("proxy.log"))?;
        let mut proxy = Self {
            process,
            address,
            admin,
            _folder: folder,
        };
        proxy.wait_until_ready()?;
        Ok(proxy)
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the admin listener is.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The child process, for signals and its log.
    pub fn process(&mut self) -> &mut Supervised {
        &mut self.process
    }

    fn wait_until_ready(&mut self) -> Result<(), Unavailable> {
        let deadline = Instant::now() + START_WITHIN;
        loop {
            if http::get(self.admin, "/readyz", "", Duration::from_secs(2)).is_ok_and(|answer| answer.status == 200) {
                return Ok(());
            }
            let ended = self.process.wait(POLL)?;
            if ended.is_some() || Instant::now() > deadline {
                let what = ended.map_or("does not become ready".to_owned(), |status| {
                    format!("ended with {status}")
                });
                return Err(Unavailable::Failed(format!(
                    "the proxy {what}:\n{}",
                    self.process.log_tail()
                )));
            }
        }
    }
}

fn configuration(address: SocketAddr, admin: SocketAddr, password: &str, nodes: &[Node<'_>]) -> String {
    let mut toml = format!(
        "[server]\nbind = \"{address}\"\n[admin]\nbind = \"{admin}\"\npassword = \"{ADMIN_PASSWORD}\"\n\
         [[tenants]]\nname = \"default\"\npassword = \"{password}\"\n"
    );
    for Node {
        name,
        address,
        password,
        version,
    } in nodes
    {
        // Writing to a string cannot fail.
        let _ = write!(
            toml,
            "[[nodes]]\nname = \"{name}\"\nurl = \"http://{address}\"\npassword = \"{password}\"\nversion = {version}\n"
        );
    }
    toml
}
