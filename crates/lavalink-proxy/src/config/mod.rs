//! The configuration: from a file and the environment to the settings that the components are built from.
//!
//! There are two shapes. [`file`] is for people: every key with its default and meaning. [`Config`] is for code: plain
//! values, checked, nothing left open. Only [`validate`] crosses from one to the other. On the way, `tree.rs` and
//! `env.rs` bring file and variables together, and `read.rs` understands the result; each keeps going after a mistake,
//! so that all of them are reported at once.

pub(crate) mod docs;
mod dotenv;
mod env;
mod fields;
pub(crate) mod file;
mod legacy;
mod mistake;
mod read;
mod reference;
mod tree;
mod validate;
pub(crate) mod value;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proxy_admin::{AlertsConfig, SecureCookie, StatusSettings};
use proxy_core::levels::Levels;
use proxy_core::limits::ConnectionLimits;
use proxy_core::secret::Secret;
use proxy_core::session::migration::MigrationLimits;
use proxy_store::Retention;

pub(crate) use dotenv::dotenv;
pub(crate) use file::{LogFormat, Placement};
pub(crate) use mistake::{ConfigErrors, Mistake, Origin};
pub(crate) use reference::schema;
pub(crate) use value::{Rotation, Version};

/// What the program can be told, checked and with defaults filled in. Keys whose feature is not built yet are checked too,
/// but lead nowhere.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The proxy listener and its connections.
    pub(crate) server: Server,
    /// The admin listener.
    pub(crate) admin: Admin,
    /// What outlives the program.
    pub(crate) store: Store,
    /// Sessions.
    pub(crate) sessions: Sessions,
    /// Health checks.
    pub(crate) health: Health,
    /// Requests to nodes.
    pub(crate) requests: Requests,
    /// Caps on connections; "no limit" is the largest number.
    pub(crate) limits: ConnectionLimits,
    /// Where bandwidth levels begin.
    pub(crate) levels: Levels,
    /// What is watched and who is told; `None` where nothing is.
    pub(crate) alerts: Option<AlertsConfig>,
    /// Logging.
    pub(crate) log: Log,
    /// The public status; `None`: there is none.
    pub(crate) status: Option<StatusSettings>,
    /// At least one, with different names and passwords.
    pub(crate) tenants: Vec<Tenant>,
    /// At least one, with different names and addresses.
    pub(crate) nodes: Vec<Node>,
    /// All of it as it is written in a file, defaults filled in and secrets masked, to be shown to people.
    pub(crate) shown: serde_json::Value,
    /// What is allowed but probably not meant, a line each: keys that have no effect yet among them.
    pub(crate) warnings: Vec<String>,
}

/// See `[server]` in the reference.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    /// Addresses served without TLS; may be empty when `tls` is there.
    pub(crate) bind: Vec<SocketAddr>,
    /// Addresses served over TLS.
    pub(crate) tls: Option<ServerTls>,
    /// Worker threads, at least 1.
    pub(crate) threads: usize,
    /// Empty, or a path that begins with `/` and does not end in one.
    pub(crate) mount_prefix: String,
    /// From the first byte of a request head to its end.
    pub(crate) header_timeout: Duration,
    /// Between two requests.
    pub(crate) idle_timeout: Duration,
    /// Largest request head in bytes.
    pub(crate) max_header_bytes: usize,
    /// Largest request body in bytes.
    pub(crate) max_body_bytes: usize,
    /// Largest WebSocket message from a client in bytes.
    pub(crate) max_client_frame_bytes: usize,
    /// Largest WebSocket message from a node in bytes.
    pub(crate) max_node_frame_bytes: usize,
    /// Bytes that may wait for a slow client.
    pub(crate) client_queue_bytes: usize,
    /// Between pings on a silent WebSocket, both sides.
    pub(crate) ping_interval: Duration,
    /// From a ping to giving the WebSocket up.
    pub(crate) ping_timeout: Duration,
    /// For requests in flight at the end.
    pub(crate) shutdown_timeout: Duration,
    /// For clients that show no version.
    pub(crate) default_version: Version,
    /// First parts of client names, longest first.
    pub(crate) client_versions: Vec<(String, Version)>,
    /// Where clients connect, to be shown to people: `http` or `https`, without a slash at its end.
    pub(crate) public_url: Option<String>,
}

/// The TLS side of the proxy listener.
#[derive(Debug, Clone)]
pub(crate) struct ServerTls {
    /// At least one address.
    pub(crate) bind: Vec<SocketAddr>,
    /// PEM file of the chain; it exists.
    pub(crate) certificate: PathBuf,
    /// PEM file of the private key; it exists.
    pub(crate) key: PathBuf,
}

/// See `[admin]` in the reference.
#[derive(Debug, Clone)]
pub(crate) struct Admin {
    /// The admin listener.
    pub(crate) bind: SocketAddr,
    /// `None`: to be generated and printed once.
    pub(crate) password: Option<Secret>,
    /// `None`: there is no user `viewer`.
    pub(crate) viewer_password: Option<Secret>,
    /// Whether `/metrics` wants no login.
    pub(crate) open_metrics: bool,
    /// Whether the dashboard's cookie is for TLS only.
    pub(crate) secure_cookie: SecureCookie,
    /// How long a login of the dashboard lasts.
    pub(crate) session_timeout: Duration,
}

/// See `[store]` in the reference.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    /// The file; made at the start if it is not there.
    pub(crate) path: PathBuf,
    /// Whether history is kept.
    pub(crate) history: bool,
    /// Between two writes of history.
    pub(crate) flush_interval: Duration,
    /// How long what is kept.
    pub(crate) retention: Retention,
}

/// See `[sessions]` in the reference.
#[derive(Debug, Clone)]
pub(crate) struct Sessions {
    /// Whether each player is placed by itself.
    pub(crate) placement: Placement,
    /// How long a request waits for its player.
    pub(crate) request_wait: Duration,
    /// How many players move at a time.
    pub(crate) migrations: MigrationLimits,
    /// How long a session waits for its client after a restart of the proxy, at least.
    pub(crate) grace: Duration,
    /// Bound of a waiting session's queue in messages.
    pub(crate) queue_messages: usize,
    /// Bound of a waiting session's queue in bytes.
    pub(crate) queue_bytes: usize,
}

/// See `[health]` in the reference.
#[derive(Debug, Clone)]
pub(crate) struct Health {
    /// Between two checks of a node.
    pub(crate) interval: Duration,
    /// For one check.
    pub(crate) timeout: Duration,
    /// In a row until a node is down, at least 1.
    pub(crate) failures: u32,
    /// In a row until a node is back, at least 1.
    pub(crate) successes: u32,
}

/// See `[requests]` in the reference.
#[derive(Debug, Clone)]
pub(crate) struct Requests {
    /// For connecting to a node.
    pub(crate) connect_timeout: Duration,
    /// Until the first byte of a node's answer.
    pub(crate) response_timeout: Duration,
    /// Whether a failed GET is tried on another node.
    pub(crate) retry: bool,
    /// Whether `/v4/info` shows what any node has, not what all have.
    pub(crate) info_union: bool,
}

/// See `[log]` in the reference.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    /// A filter that `tracing_subscriber::EnvFilter` understands.
    pub(crate) level: String,
    /// Human or JSON.
    pub(crate) format: LogFormat,
    /// Write the access log.
    pub(crate) access: bool,
    /// Lines go to standard error.
    pub(crate) stderr: bool,
    /// A file that lines go to as well.
    pub(crate) file: Option<PathBuf>,
    /// A file for access lines alone; different from `file`.
    pub(crate) access_file: Option<PathBuf>,
    /// When a new file is begun.
    pub(crate) rotation: Rotation,
    /// Files of each kind that are kept, at least 1.
    pub(crate) keep: u16,
}

/// A client password with its rights.
#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    /// Different from all others.
    pub(crate) name: String,
    /// Different from all others.
    pub(crate) password: Secret,
    /// Names of nodes whose administration routes it may use; all of them exist.
    pub(crate) allow_node_admin: Vec<String>,
    /// Names of the nodes that may serve it; empty means all.
    pub(crate) nodes: Vec<String>,
}

/// A Lavalink server.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Different from all others.
    pub(crate) name: String,
    /// Host name or IP address, IPv6 without brackets.
    pub(crate) host: String,
    /// TCP port.
    pub(crate) port: u16,
    /// Whether the node serves TLS, and what is trusted.
    pub(crate) tls: Option<NodeTls>,
    /// The node's own password.
    pub(crate) password: Secret,
    /// `None`: to be probed.
    pub(crate) version: Option<Version>,
    /// Discord voice regions, for placement.
    pub(crate) regions: Vec<String>,
    /// Relative share of work, at least 1.
    pub(crate) weight: u32,
    /// First parts of identifiers that it serves; empty: as its `/info` says.
    pub(crate) sources: Vec<String>,
    /// Starts out of placement.
    pub(crate) drain: bool,
}

/// How a node's certificate is judged.
#[derive(Debug, Clone, Default)]
pub(crate) struct NodeTls {
    /// Trusted in place of the system's certificates; the file exists.
    pub(crate) ca_file: Option<PathBuf>,
    /// Trust anything.
    pub(crate) insecure_skip_verify: bool,
}

/// Reads file and environment and checks the result.
///
/// Paths in the file are relative to its folder. A value's own variable (`LAVALINK_PROXY__...`) wins over the file; the
/// variables of a start without a file fill in what the file leaves out.
///
/// # Errors
/// All mistakes at once. A file that cannot be read is one of them.
pub(crate) fn load(path: Option<&Path>, env: impl Iterator<Item = (String, String)>) -> Result<Config, ConfigErrors> {
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
pub(crate) fn environment_suffices(variables: &[(String, String)]) -> bool {
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
    let mut unused = Vec::new();
    mistakes.extend(env::apply_short(&mut tree, variables, &mut unused));
    if text.is_none() && !tree.contains_key("nodes") && !env::names_nodes(variables) && legacy::applies(variables) {
        mistakes.extend(legacy::apply(&mut tree, variables));
    }
    // Last, so that they win over everything.
    mistakes.extend(env::apply_keys(&mut tree, variables, &reference));
    let mut understood = read::understand(&tree, &reference);
    understood.warnings.extend(unused);
    let base = path.and_then(Path::parent).unwrap_or(Path::new(""));
    let (config, wrong) = validate::validate(understood, path, base);
    mistakes.extend(wrong);
    if mistakes.is_empty() {
        Ok(config)
    } else {
        Err(ConfigErrors::new(path, mistakes))
    }
}
