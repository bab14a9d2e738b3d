//! The configuration: from a file and the environment to the settings that the components are built from.
//!
//! There are two shapes. [`file`] is for people: every key with its default and meaning. [`Config`] is for code: plain
//! values, checked, nothing left open. Only [`validate`] crosses from one to the other. On the way, `tree.rs` and
//! `env.rs` bring file and variables together, and `read.rs` understands the result; each keeps going after a mistake,
//! so that all of them are reported at once.

pub mod docs;
mod dotenv;
mod env;
mod fields;
pub mod file;
mod legacy;
mod mistake;
mod read;
mod reference;
mod tree;
mod validate;
pub mod value;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proxy_core::limits::ConnectionLimits;
use proxy_core::secret::Secret;

pub use dotenv::dotenv;
pub use file::{Bridge, LogFormat, Placement};
pub use mistake::{ConfigErrors, Mistake, Origin};
pub use reference::schema;
pub use value::{IpRange, Version};

/// Everything the program can be told, checked and with defaults filled in.
#[derive(Debug, Clone)]
pub struct Config {
    /// The proxy listener and its connections.
    pub server: Server,
    /// The admin listener.
    pub admin: Admin,
    /// The SQLite file.
    pub store: PathBuf,
    /// Sessions.
    pub sessions: Sessions,
    /// Health checks.
    pub health: Health,
    /// Requests to nodes.
    pub requests: Requests,
    /// Caps on connections; "no limit" is the largest number.
    pub limits: ConnectionLimits,
    /// Discord bot tokens by user id.
    pub discord_tokens: BTreeMap<u64, Secret>,
    /// Logging.
    pub log: Log,
    /// At least one, with different names and passwords.
    pub tenants: Vec<Tenant>,
    /// At least one, with different names and addresses.
    pub nodes: Vec<Node>,
    /// What is allowed but probably not meant, a line each: keys that have no effect yet among them.
    pub warnings: Vec<String>,
}

/// See `[server]` in the reference.
#[derive(Debug, Clone)]
pub struct Server {
    /// Addresses served without TLS; may be empty when `tls` is there.
    pub bind: Vec<SocketAddr>,
    /// Addresses served over TLS.
    pub tls: Option<ServerTls>,
    /// Worker threads, at least 1.
    pub threads: usize,
    /// Empty, or a path that begins with `/` and does not end in one.
    pub mount_prefix: String,
    /// From the first byte of a request head to its end.
    pub header_timeout: Duration,
    /// Between two requests.
    pub idle_timeout: Duration,
    /// Largest request head in bytes.
    pub max_header_bytes: usize,
    /// Largest request body in bytes.
    pub max_body_bytes: usize,
    /// Largest WebSocket message from a client in bytes.
    pub max_client_frame_bytes: usize,
    /// Largest WebSocket message from a node in bytes.
    pub max_node_frame_bytes: usize,
    /// Bytes that may wait for a slow client.
    pub client_queue_bytes: usize,
    /// Between pings on a silent WebSocket, both sides.
    pub ping_interval: Duration,
    /// From a ping to giving the WebSocket up.
    pub ping_timeout: Duration,
    /// For requests in flight at the end.
    pub shutdown_timeout: Duration,
    /// For clients that show no version.
    pub default_version: Version,
    /// Patterns of client names, lower case, perhaps ending in `*`, longest first.
    pub client_versions: Vec<(String, Version)>,
    /// Whether the PROXY protocol is spoken (not built yet).
    pub proxy_protocol: bool,
    /// From where PROXY headers are believed (not built yet).
    pub trusted: Vec<IpRange>,
}

/// The TLS side of the proxy listener.
#[derive(Debug, Clone)]
pub struct ServerTls {
    /// At least one address.
    pub bind: Vec<SocketAddr>,
    /// PEM file of the chain; it exists.
    pub certificate: PathBuf,
    /// PEM file of the private key; it exists.
    pub key: PathBuf,
}

/// See `[admin]` in the reference.
#[derive(Debug, Clone)]
pub struct Admin {
    /// The admin listener.
    pub bind: SocketAddr,
    /// `None`: to be generated and printed once.
    pub password: Option<Secret>,
}

/// See `[sessions]` in the reference.
#[derive(Debug, Clone)]
pub struct Sessions {
    /// What is placed as one (not built yet).
    pub placement: Placement,
    /// When v3 clients are bridged (not built yet).
    pub bridge: Bridge,
    /// How long a session is kept after a close that the proxy caused.
    pub grace: Duration,
    /// Bound of a waiting session's queue in messages.
    pub queue_messages: usize,
    /// Bound of a waiting session's queue in bytes.
    pub queue_bytes: usize,
}

/// See `[health]` in the reference.
#[derive(Debug, Clone)]
pub struct Health {
    /// Between two checks of a node.
    pub interval: Duration,
    /// For one check.
    pub timeout: Duration,
    /// In a row until a node is down, at least 1.
    pub failures: u32,
    /// In a row until a node is back, at least 1.
    pub successes: u32,
}

/// See `[requests]` in the reference.
#[derive(Debug, Clone)]
pub struct Requests {
    /// For connecting to a node.
    pub connect_timeout: Duration,
    /// Until the first byte of a node's answer.
    pub response_timeout: Duration,
    /// Whether a failed GET is tried on another node.
    pub retry: bool,
}

/// See `[log]` in the reference.
#[derive(Debug, Clone)]
pub struct Log {
    /// A filter that `tracing_subscriber::EnvFilter` understands.
    pub level: String,
    /// Human or JSON.
    pub format: LogFormat,
}

/// A client password with its rights.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Different from all others.
    pub name: String,
    /// Different from all others.
    pub password: Secret,
    /// Names of nodes whose administration routes it may use; all of them exist.
    pub allow_node_admin: Vec<String>,
    /// Names of the nodes that may serve it; empty means all.
    pub nodes: Vec<String>,
}

/// A Lavalink server.
#[derive(Debug, Clone)]
pub struct Node {
    /// Different from all others.
    pub name: String,
    /// Host name or IP address, IPv6 without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whether the node serves TLS, and what is trusted.
    pub tls: Option<NodeTls>,
    /// The node's own password.
    pub password: Secret,
    /// `None`: to be probed.
    pub version: Option<Version>,
    /// Discord voice regions (not used yet).
    pub regions: Vec<String>,
    /// Relative share of work, at least 1.
    pub weight: u32,
    /// First parts of identifiers that it serves; empty: as its `/info` says.
    pub sources: Vec<String>,
    /// Starts out of placement.
    pub drain: bool,
}

/// How a node's certificate is judged.
#[derive(Debug, Clone, Default)]
pub struct NodeTls {
    /// Trusted in place of the system's certificates; the file exists.
    pub ca_file: Option<PathBuf>,
    /// Trust anything.
    pub insecure_skip_verify: bool,
}

/// Reads file and environment and checks the result.
///
/// Paths in the file are relative to its folder. A value's own variable (`LAVALINK_PROXY__...`) wins over the file; the
/// variables of a start without a file fill in what the file leaves out.
///
/// # Errors
/// All mistakes at once. A file that cannot be read is one of them.
pub fn load(path: Option<&Path>, env: impl Iterator<Item = (String, String)>) -> Result<Config, ConfigErrors> {
    let text = path.map(std::fs::read_to_string).transpose().map_err(|error| {
        let message = format!("cannot be read: {error}");
        ConfigErrors::new(
            path,
            vec![Mistake {
                origin: Origin::Nowhere,
                key: String::new(),
                message,
            }],
        )
    })?;
    let variables: Vec<_> = env.filter(|(_, value)| !value.is_empty()).collect();
    from_parts(path, text.as_deref(), &variables)
}

/// Whether the environment names a node, so that a start without a file can work.
pub fn environment_suffices(variables: &[(String, String)]) -> bool {
    variables
        .iter()
        .any(|(name, value)| !value.is_empty() && (name.starts_with(env::PREFIX) || name == env::NODES))
        || legacy::applies(variables)
}

fn from_parts(path: Option<&Path>, text: Option<&str>, variables: &[(String, String)]) -> Result<Config, ConfigErrors> {
    let reference = reference::reference();
    let (mut tree, mut mistakes) = text.map(tree::parse).unwrap_or_default();
    if !mistakes.is_empty() {
        // Half a file gives false complaints about the other half.
        return Err(ConfigErrors::new(path, mistakes));
    }
    mistakes.extend(env::apply_keys(&mut tree, variables, &reference));
    mistakes.extend(env::apply_short(&mut tree, variables));
    if text.is_none() && !tree.contains_key("nodes") && legacy::applies(variables) {
        mistakes.extend(legacy::apply(&mut tree, variables));
    }
    let understood = read::understand(&tree, &reference);
    let base = path.and_then(Path::parent).unwrap_or(Path::new(""));
    let (config, wrong) = validate::validate(understood, path, base);
    mistakes.extend(wrong);
    if mistakes.is_empty() {
        Ok(config)
    } else {
        Err(ConfigErrors::new(path, mistakes))
    }
}
