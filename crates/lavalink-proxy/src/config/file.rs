//! The shape of the configuration file: every section and key, its default, and what it means.
//!
//! The doc comments here are the reference: the JSON schema, `docs/reference/config.md` and
//! `lavalink-proxy.example.toml` are generated from them. The first paragraph says what a key does; the ones after it say
//! when to touch it and what the trap is. A key that is accepted but whose feature is not built yet carries
//! `x-not-yet` with the reason; `check`, the start and the reference all take it from there.
//!
//! Nothing here is used by the running proxy: `validate.rs` turns it into [`super::Config`].

pub(crate) mod alerts;

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::{Address, IpRange, OneOrMany, Period, Rate, Rotation, Secret, Size, Version, Volume};

/// The configuration of Lavalink Proxy. Every key has a default but the nodes' addresses and the passwords.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct File {
    /// Where clients connect, and what a connection may do.
    pub(crate) server: Server,
    /// The second listener: health, metrics and the JSON API. Clients have no business here.
    pub(crate) admin: Admin,
    /// Where the proxy keeps what must outlive it.
    pub(crate) store: Store,
    /// How sessions and their players are placed and kept.
    pub(crate) sessions: Sessions,
    /// How the proxy finds out that a node is down, and that it is back.
    pub(crate) health: Health,
    /// Requests that the proxy sends to nodes on a client's behalf.
    pub(crate) requests: Requests,
    /// Bounds on what clients may use together.
    pub(crate) limits: Limits,
    /// How figures of usage are shown.
    pub(crate) usage: Usage,
    /// What is told to the operator when something is unusual.
    pub(crate) alerts: alerts::Alerts,
    /// Discord bot tokens, for finding the voice channel that old client libraries do not send.
    pub(crate) discord: Discord,
    /// What is logged, and how.
    pub(crate) log: Log,
    /// A public page, JSON and badges that say how the nodes are, for list sites and users. No login.
    pub(crate) status: Status,
    /// Client passwords. Each tenant has a name and rights of its own; one is enough for most.
    pub(crate) tenants: Vec<Tenant>,
    /// The Lavalink servers behind the proxy.
    pub(crate) nodes: Vec<Node>,
}

/// `[server]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Server {
    /// The address, or list of addresses, on which clients are served without TLS.
    ///
    /// Use `[]` to serve TLS only. Trap: in a container `127.0.0.1` is reachable from inside it alone.
    pub(crate) bind: OneOrMany<Address>,
    /// How many threads serve clients; `0` means one for each CPU core.
    ///
    /// Lower it when nodes run on the same machine: they need the CPU more than the proxy does.
    pub(crate) threads: u16,
    /// A path that all clients have before the Lavalink path, such as `/lavalink`; it is stripped before anything else.
    ///
    /// Needed only where a reverse proxy in front passes such a prefix on. `/v3` and `/v4` prefixes are always understood
    /// and must not be written here.
    pub(crate) mount_prefix: String,
    /// How long a client may take to send the head of a request, from its first byte (on a new connection, from the
    /// start), and to finish a TLS handshake.
    ///
    /// This is what stops clients that hold connections open with half a request.
    pub(crate) header_timeout: Period,
    /// How long a connection may stay open between two requests, and how long a body may make no progress. WebSockets are
    /// not affected, see `ping_interval`.
    ///
    /// Trap: a load balancer in front must give up idle connections sooner than the proxy, or it sends requests into a
    /// connection that is being closed.
    pub(crate) idle_timeout: Period,
    /// The largest head (request line and headers) of a request.
    pub(crate) max_header_bytes: Size,
    /// The largest body of a request. Larger ones are refused with 413.
    ///
    /// Bodies are streamed, so this costs no memory except for the few that the proxy reads itself, such as player updates.
    pub(crate) max_body_bytes: Size,
    /// The largest WebSocket message that a client may send. v4 clients send none; the ops of v3 clients are small.
    pub(crate) max_client_frame_bytes: Size,
    /// The largest WebSocket message accepted from a node.
    ///
    /// Raise it only for a plugin that sends larger events. Trap: a message is held whole while it is received.
    pub(crate) max_node_frame_bytes: Size,
    /// How many bytes may wait for one slow client before its WebSocket is closed.
    ///
    /// A session that was closed for this reason can be resumed like any other.
    pub(crate) client_queue_bytes: Size,
    /// How often the proxy pings WebSockets that are otherwise silent, on both sides.
    ///
    /// A v4 node may say nothing for 60 s, and many firewalls forget a connection sooner than that.
    pub(crate) ping_interval: Period,
    /// How long a WebSocket may leave a ping unanswered before it counts as lost.
    pub(crate) ping_timeout: Period,
    /// How long requests in flight may take to finish when the proxy is told to stop.
    ///
    /// Trap: Docker kills a container 10 s after the signal unless its `stop_grace_period` says otherwise.
    pub(crate) shutdown_timeout: Period,
    /// The protocol version of a client that shows no sign of either, neither in path nor headers nor later.
    pub(crate) default_version: Version,
    /// The protocol version of clients by the first part of their `Client-Name` or `User-Agent`, used where nothing
    /// stronger tells. The longest part that fits counts; letter case matters.
    ///
    /// Trap: by environment this key is one variable that holds a TOML table, since names may contain characters that
    /// variables may not.
    #[schemars(example = example_client_versions())]
    pub(crate) client_versions: BTreeMap<String, Version>,
    /// The URL under which clients reach the proxy, such as `https://music.example.org`. The dashboard shows it in its
    /// settings; nothing else depends on it.
    #[schemars(example = &"https://music.example.org")]
    pub(crate) public_url: Option<String>,
    /// Serving clients over TLS (`https://` and `wss://`), beside or instead of `server.bind`.
    pub(crate) tls: ServerTls,
    /// Learning the client's address from a TCP load balancer in front.
    pub(crate) proxy_protocol: ProxyProtocol,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            bind: OneOrMany(vec![Address(([0, 0, 0, 0], 2333).into())]),
            threads: 0,
            mount_prefix: String::new(),
            header_timeout: Period::seconds(10),
            idle_timeout: Period::seconds(75),
            max_header_bytes: Size::kib(64),
            max_body_bytes: Size::mib(16),
            max_client_frame_bytes: Size::kib(256),
            max_node_frame_bytes: Size::mib(16),
            client_queue_bytes: Size::mib(4),
            ping_interval: Period::seconds(25),
            ping_timeout: Period::seconds(15),
            shutdown_timeout: Period::seconds(10),
            default_version: Version::V4,
            client_versions: BTreeMap::new(),
            public_url: None,
            tls: ServerTls::default(),
            proxy_protocol: ProxyProtocol::default(),
        }
    }
}

fn example_client_versions() -> BTreeMap<String, Version> {
    [("erela.js".to_owned(), Version::V3)].into()
}

/// `[server.tls]`
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ServerTls {
    /// The address, or list of addresses, on which clients are served over TLS. Empty: no TLS.
    #[schemars(example = &"0.0.0.0:2443")]
    pub(crate) bind: OneOrMany<Address>,
    /// The certificate chain, PEM, the server's own certificate first.
    ///
    /// Trap: many client libraries refuse a chain that lacks the intermediate certificate, though browsers do not.
    #[schemars(extend("x-kind" = "path"), example = &"fullchain.pem")]
    pub(crate) certificate: Option<PathBuf>,
    /// The private key of the certificate, PEM.
    #[schemars(extend("x-kind" = "path"), example = &"privkey.pem")]
    pub(crate) key: Option<PathBuf>,
}

/// `[server.proxy_protocol]`
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ProxyProtocol {
    /// Whether connections from the trusted ranges begin with a PROXY protocol header (version 1 or 2).
    ///
    /// Trap: until this has an effect, a load balancer must not send that header; the proxy answers it with 400.
    #[schemars(extend("x-not-yet" = "the PROXY protocol is not read yet"))]
    pub(crate) enabled: bool,
    /// The addresses of the load balancers that are believed.
    #[schemars(example = ["10.0.0.0/8"], extend("x-not-yet" = "the PROXY protocol is not read yet"))]
    pub(crate) trusted: Vec<IpRange>,
}

/// `[admin]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Admin {
    /// The address of the admin listener.
    ///
    /// Trap: it shows addresses of clients and speaks plain HTTP; beyond this machine put TLS in front of it.
    pub(crate) bind: Address,
    /// The password of the user `admin`, who may do everything; or the hash of it that `lavalink-proxy hash-password`
    /// prints.
    ///
    /// Left out, one is made at the first start and printed once to standard error; only its hash is kept, in the store.
    #[schemars(example = &"change-me-too")]
    pub(crate) password: Option<Secret>,
    /// A file that holds the password, as Docker and systemd provide secrets. It wins over `password`.
    #[schemars(extend("x-kind" = "path"), example = &"secrets/admin-password")]
    pub(crate) password_file: Option<PathBuf>,
    /// The password of the user `viewer`, who sees everything and changes nothing, or its hash. Left out: there is no
    /// such user.
    #[schemars(example = &"look-at-me")]
    pub(crate) viewer_password: Option<Secret>,
    /// A file that holds it. It wins over `viewer_password`.
    #[schemars(extend("x-kind" = "path"), example = &"secrets/viewer-password")]
    pub(crate) viewer_password_file: Option<PathBuf>,
    /// Whether `/metrics` is served to everyone who reaches the listener.
    ///
    /// Rather leave it closed and give Prometheus an API token with the scope `metrics`.
    pub(crate) open_metrics: bool,
    /// Whether browsers send the dashboard's cookie over TLS only: `"auto"` if a reverse proxy in front says
    /// `X-Forwarded-Proto: https`, `"always"`, or `"never"`.
    ///
    /// Trap: with `"always"` nobody can log in to the dashboard over plain HTTP.
    pub(crate) secure_cookie: SecureCookie,
    /// How long a login of the dashboard lasts.
    pub(crate) session_timeout: Period,
    /// Whether the proxy refuses to start without a password of yours, rather than make one.
    ///
    /// The container image sets it: what is printed once would stay in the container's log.
    pub(crate) require_password: bool,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            bind: Address(([127, 0, 0, 1], 2334).into()),
            password: None,
            password_file: None,
            viewer_password: None,
            viewer_password_file: None,
            open_metrics: false,
            secure_cookie: SecureCookie::Auto,
            session_timeout: Period::seconds(12 * 3600),
            require_password: false,
        }
    }
}

/// When a cookie is for TLS only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SecureCookie {
    /// As the reverse proxy in front says.
    Auto,
    /// Yes.
    Always,
    /// No.
    Never,
}

/// `[store]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Store {
    /// The SQLite file: history, alerts, API tokens, logins. Its folder is the only one that the program writes to.
    ///
    /// Trap: SQLite does not work reliably on network file systems. Each running proxy needs a file of its own.
    #[schemars(extend("x-kind" = "path"))]
    pub(crate) path: PathBuf,
    /// Whether history is kept: usage, changes of nodes' states and probes, connections that are over.
    ///
    /// Off, the dashboard shows the present alone; what was kept before stays until its time is over.
    pub(crate) history: bool,
    /// How often history is written. What a crash or a power cut may lose of it.
    ///
    /// Longer where each write costs, as on an SD card.
    pub(crate) flush_interval: Period,
    /// How long history is kept. What is past its time in fine steps lives on in coarser ones.
    pub(crate) retention: Retention,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            path: "lavalink-proxy.db".into(),
            history: true,
            flush_interval: Period::seconds(5),
            retention: Retention::default(),
        }
    }
}

/// `[store.retention]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Retention {
    /// Usage in steps of ten seconds.
    pub(crate) ten_seconds: Period,
    /// Usage by minute.
    pub(crate) minutes: Period,
    /// Usage by hour.
    pub(crate) hours: Period,
    /// Usage by day. Left out: for ever.
    #[schemars(example = Period::seconds(5 * 365 * 86_400))]
    pub(crate) days: Option<Period>,
    /// How many client addresses are kept apart in one step of a minute, an hour or a day: those that moved most. The
    /// others are summed up as `other`. Steps of ten seconds hold ten times as many.
    ///
    /// It bounds the file, whoever comes: 1000 addresses in every step are some hundreds of megabytes.
    #[schemars(range(min = 1, max = 100_000))]
    pub(crate) addresses: usize,
    /// Connections that are over.
    pub(crate) connections: Period,
    /// The most connections that are kept, whatever their age.
    pub(crate) connection_rows: u64,
    /// Single probes of nodes. By minute they are kept as long as `nodes`.
    pub(crate) probes: Period,
    /// Changes of nodes' states, and alerts that are over.
    pub(crate) nodes: Period,
}

impl Default for Retention {
    fn default() -> Self {
        const DAY: u64 = 86_400;
        Self {
            ten_seconds: Period::seconds(3600),
            minutes: Period::seconds(DAY),
            hours: Period::seconds(90 * DAY),
            days: None,
            addresses: 1000,
            connections: Period::seconds(7 * DAY),
            connection_rows: 1_000_000,
            probes: Period::seconds(DAY),
            nodes: Period::seconds(90 * DAY),
        }
    }
}

/// What is placed on a node as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Placement {
    /// Each player by itself: a bot sees one Lavalink as big as the pool.
    Player,
    /// A session with all its players.
    Session,
}

/// When v3 clients are served from v4 nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Bridge {
    /// When it serves the client better than a v3 node would.
    Auto,
    /// Even when a v3 node is healthy.
    Always,
    /// v3 clients need v3 nodes.
    Never,
}

/// `[sessions]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Sessions {
    /// Whether the players of one session are spread over nodes (`"player"`) or kept on one node (`"session"`).
    ///
    /// Spread, a bot sees one Lavalink as big as all v4 nodes together. Each player goes where the load, its voice region
    /// and its source say; a node to which the session has no link yet must be better by a margin, since each link costs
    /// its node threads. With one v4 node it makes no difference. Trap: plugins that keep something for a whole session on
    /// a node want `"session"`.
    pub(crate) placement: Placement,
    /// Whether v3 clients are served from v4 nodes: `"auto"` when no v3 node is healthy or a v4.2 node serves them better,
    /// `"always"`, or `"never"`.
    #[schemars(extend("x-not-yet" = "v3 clients are served by v3 nodes only"))]
    pub(crate) bridge: Bridge,
    /// How long a session waits for its client after a restart of the proxy, even if the client never asked for resuming;
    /// its own timeout counts where it is longer. Its music plays on meanwhile. `"0s"`: only for clients that asked.
    ///
    /// Trap: nodes keep players without the proxy for two minutes, so it should be back by then.
    pub(crate) grace: Period,
    /// How many messages are kept for a client that is away and may resume. When there are more the session ends, since
    /// a client that resumes must not miss any.
    #[schemars(range(min = 1))]
    pub(crate) queue_messages: usize,
    /// How many bytes of messages are kept for a client that is away and may resume.
    ///
    /// Trap: it is a bound for each session that waits, not for all of them together.
    pub(crate) queue_bytes: Size,
    /// How long a request may wait for its player, while the link to the player's node is opened or resumed or the player
    /// moves to another node.
    ///
    /// Trap: client libraries give up after 10 s or so themselves; a longer wait only hides it.
    pub(crate) request_wait: Period,
    /// How many players may be on their way to other nodes at a time, when a node is lost or drained.
    ///
    /// More of them are back sooner, and the nodes that take them have more to do at once.
    #[schemars(range(min = 1))]
    pub(crate) migration_limit: u32,
    /// How many of them may be on their way to one node.
    #[schemars(range(min = 1))]
    pub(crate) migration_limit_per_node: u32,
    /// How many players a drained node gives away in a second.
    ///
    /// A drain is not in a hurry: each of its players has a short gap in its sound, and these are better spread.
    #[schemars(range(min = 1, max = 10_000))]
    pub(crate) migration_drain_rate: u32,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            placement: Placement::Player,
            bridge: Bridge::Auto,
            grace: Period::seconds(60),
            queue_messages: 10_000,
            queue_bytes: Size::mib(4),
            request_wait: Period::seconds(10),
            migration_limit: 32,
            migration_limit_per_node: 16,
            migration_drain_rate: 10,
        }
    }
}

/// `[health]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Health {
    /// How often each node is checked over HTTP, with its password.
    pub(crate) interval: Period,
    /// How long a check may take before it counts as failed.
    ///
    /// Trap: a node that loads a long playlist may answer late without being down; going below 1 s marks such nodes down.
    pub(crate) timeout: Period,
    /// How many checks must fail in a row before a node is down.
    #[schemars(range(min = 1))]
    pub(crate) failures: u32,
    /// How many checks must succeed in a row before a node that was down is used again.
    #[schemars(range(min = 1))]
    pub(crate) successes: u32,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            interval: Period::seconds(5),
            timeout: Period::seconds(3),
            failures: 3,
            successes: 2,
        }
    }
}

/// What is shown of several nodes as if they were one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Info {
    /// What all of them have.
    Common,
    /// What any of them has.
    Union,
}

/// `[requests]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Requests {
    /// How long connecting to a node may take.
    pub(crate) connect_timeout: Period,
    /// How long a node may take before the first byte of its answer, and between two parts of it.
    ///
    /// Trap: searches and playlists take a node many seconds; a short limit turns slow answers into errors.
    pub(crate) response_timeout: Period,
    /// Whether a GET that belongs to no session is tried once on another node, if the first failed before it answered.
    pub(crate) retry: bool,
    /// What `/v4/info` shows of several nodes: what all of them have (`"common"`), or what any of them has (`"union"`).
    ///
    /// Trap: with `"union"` a client may be told of a filter or plugin that the node of its player does not have.
    pub(crate) info: Info,
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            connect_timeout: Period::seconds(3),
            response_timeout: Period::seconds(60),
            retry: true,
            info: Info::Common,
        }
    }
}

/// `[limits]`
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Limits {
    /// How many client connections may be open at a time; `0` means no limit.
    ///
    /// Trap: the operating system has a limit of its own (`ulimit -n`), and each session needs two sockets.
    pub(crate) connections: usize,
    /// How many client connections one IP address may have open at a time; `0` means no limit.
    ///
    /// Trap: behind a load balancer all clients share one address.
    pub(crate) connections_per_ip: usize,
}

/// `[usage]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Usage {
    /// From which rates on (bytes, both ways) an address or a tenant counts as `normal`, `high` and `extreme`; below the
    /// first it is `quiet`. The dashboard shows these levels; alerts have thresholds of their own.
    pub(crate) levels: Vec<Rate>,
}

impl Default for Usage {
    fn default() -> Self {
        Self {
            levels: vec![Rate::kilobytes(10), Rate::megabytes(1), Rate::megabytes(10)],
        }
    }
}

/// `[discord]`
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Discord {
    /// Bot tokens by the bot's user id, which clients send as `User-Id`. They are used to ask Discord for the voice channel
    /// of a bot whose client library does not send it, and for nothing else.
    #[schemars(example = example_discord_tokens(), extend("x-not-yet" = "Discord is not asked yet; such clients need a node older than 4.2"))]
    pub(crate) tokens: BTreeMap<String, Secret>,
    /// Files that hold bot tokens, by the bot's user id.
    #[schemars(example = example_discord_token_files(), extend("x-kind" = "table of path", "x-not-yet" = "Discord is not asked yet; such clients need a node older than 4.2"))]
    pub(crate) token_files: BTreeMap<String, PathBuf>,
}

fn example_discord_tokens() -> BTreeMap<String, &'static str> {
    [("170939974227591168".to_owned(), "the bot's token")].into()
}

fn example_discord_token_files() -> BTreeMap<String, &'static str> {
    [("170939974227591168".to_owned(), "secrets/discord-token")].into()
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For reading.
    Human,
    /// One JSON object a line, for collecting.
    Json,
}

/// `[log]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    /// The least important level that is logged: `error`, `warn`, `info`, `debug`, `trace` or `off`; also by target, as in
    /// `"info,proxy_gateway=debug"`.
    pub(crate) level: String,
    /// `"human"` for reading, `"json"` for collecting: one object a line. It holds for standard error and for files.
    pub(crate) format: LogFormat,
    /// One line for each request and one for the end of each session, under the target `access` and whatever `level`
    /// says. Worth it where requests have to be traced; a busy proxy writes a lot.
    pub(crate) access: bool,
    /// Whether lines go to standard error. With `false` they go to `file` alone.
    ///
    /// Leave it on in a container and under systemd: they collect standard error.
    pub(crate) stderr: bool,
    /// A file that lines go to as well. Its folder is made if it is not there; the file is readable by owner and group.
    ///
    /// Trap: a rotated file has the day or hour (UTC) behind its name, the one in use too. By size the one in use has no
    /// addition and the others are numbered, 1 the newest.
    #[schemars(extend("x-kind" = "path"), example = &"logs/lavalink-proxy.log")]
    pub(crate) file: Option<PathBuf>,
    /// A file for the access lines (target `access`), which then are in no other place. It rotates as `file` does.
    #[schemars(extend("x-kind" = "path"), example = &"logs/access.log")]
    pub(crate) access_file: Option<PathBuf>,
    /// When a new log file is begun: `"daily"`, `"hourly"`, `"never"`, or a size such as `"50MiB"`.
    ///
    /// Trap: with `"never"` nothing ever removes a line; let logrotate do it with `copytruncate`.
    pub(crate) rotation: Rotation,
    /// How many files of each kind are kept, the one in use included; older ones are removed when a new one is begun.
    #[schemars(range(min = 1, max = 10000))]
    pub(crate) keep: u16,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Human,
            access: false,
            stderr: true,
            file: None,
            access_file: None,
            rotation: Rotation::Daily,
            keep: 14,
        }
    }
}

/// `[status]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Status {
    /// Whether `/status`, `/status.json`, `/status.svg` and a badge for each node, `/status/NAME.svg`, are served.
    ///
    /// They show names and states of nodes to anyone, never addresses; a node without a name is called by its number.
    pub(crate) enabled: bool,
    /// An address for these routes alone. Left out: they are on the admin listener, beside what asks for a login.
    ///
    /// Set it to show the status to the world without the admin listener.
    #[schemars(example = &"0.0.0.0:2335")]
    pub(crate) bind: Option<Address>,
    /// What is written over the page and on the badge.
    pub(crate) title: String,
    /// Whether numbers of players are shown.
    pub(crate) show_players: bool,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            enabled: false,
            bind: None,
            title: "Lavalink".to_owned(),
            show_players: true,
        }
    }
}

/// `[[tenants]]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Tenant {
    /// The name of the tenant in figures and logs: letters, digits, `.`, `_` and `-`.
    pub(crate) name: String,
    /// The password that clients of this tenant send. Required, here or as a file.
    ///
    /// Trap: it is all that tells tenants apart, so two tenants cannot have the same one.
    #[schemars(example = &"youshallnotpass", extend("x-required" = true))]
    pub(crate) password: Option<Secret>,
    /// A file that holds the password. It wins over `password`.
    #[schemars(extend("x-kind" = "path"), example = &"secrets/tenant-password")]
    pub(crate) password_file: Option<PathBuf>,
    /// The names of nodes on which this tenant may use the routes that administer a node (`/youtube`, writes to the route
    /// planner, plugin configuration). Empty: none, they are refused.
    ///
    /// Trap: these routes show and change secrets that all users of the node share.
    #[schemars(example = ["eu-1"])]
    pub(crate) allow_node_admin: Vec<String>,
    /// The names of the nodes that may serve this tenant. Empty: all.
    #[schemars(example = ["eu-1"])]
    pub(crate) nodes: Vec<String>,
    /// How much the tenant should move in a calendar month (UTC), both ways together. Left out: no quota.
    ///
    /// Nothing is refused: an alert warns when most of it is used, and another time when all is. Trap: without a store
    /// the count begins anew with the program.
    #[schemars(example = &"500GB")]
    pub(crate) quota: Option<Volume>,
}

impl Default for Tenant {
    fn default() -> Self {
        Self {
            name: "default".to_owned(),
            password: None,
            password_file: None,
            allow_node_admin: Vec::new(),
            nodes: Vec::new(),
            quota: None,
        }
    }
}

/// `[[nodes]]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Node {
    /// The name of the node in figures, logs and the API: letters, digits, `.`, `_` and `-`. Left out: host and port.
    #[schemars(example = &"eu-1")]
    pub(crate) name: Option<String>,
    /// The address of the node, `http://host:port`, or `https://` where it serves TLS. Required. The WebSocket address
    /// follows from it.
    ///
    /// Trap: without a port it is 80 or 443, not Lavalink's 2333.
    #[schemars(example = &"http://127.0.0.1:2401", extend("x-required" = true))]
    pub(crate) url: Option<String>,
    /// The node's own password (`lavalink.server.password`). Required, here or as a file. Clients never see it.
    #[schemars(example = &"youshallnotpass", extend("x-required" = true))]
    pub(crate) password: Option<Secret>,
    /// A file that holds the password. It wins over `password`.
    #[schemars(extend("x-kind" = "path"), example = &"secrets/node-password")]
    pub(crate) password_file: Option<PathBuf>,
    /// The protocol version of the node, 3 or 4. Left out: the proxy asks the node.
    #[schemars(example = Version::V4)]
    pub(crate) version: Option<Version>,
    /// Discord voice regions that this node is close to: names as voice endpoints begin with them (`rotterdam`), or groups
    /// (`eu`, `us`, `asia`, `oceania`, `southamerica`, `africa`).
    ///
    /// A preference, never a ban, and only a first guess: the proxy learns from the pings that players tell which nodes are
    /// close to which region, and trusts that more with each.
    #[schemars(example = ["rotterdam", "eu"])]
    pub(crate) regions: Vec<String>,
    /// The share of work that the node gets, relative to the others of its version.
    ///
    /// To give it none use `drain`. Trap: load already counts, so a strong machine needs no higher weight to get more.
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) weight: u32,
    /// Certificates (PEM) that are trusted for this node in place of the system's.
    #[schemars(extend("x-kind" = "path"), example = &"secrets/node-ca.pem")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Whether any certificate is accepted from this node.
    ///
    /// Trap: whoever can place himself between proxy and node then reads its password. Use `ca_file` if you can.
    pub(crate) insecure_skip_verify: bool,
    /// The first parts of identifiers that this node serves, such as `"ytsearch:"`, `"https://soundcloud.com/"` or
    /// `"http"`. Empty: whatever its `/info` says.
    #[schemars(example = ["scsearch:", "https://soundcloud.com/"])]
    pub(crate) sources: Vec<String>,
    /// Whether the node starts drained: nothing new is put there, and players that sessions of an earlier run have on it are
    /// moved away.
    pub(crate) drain: bool,
}

impl Default for Node {
    fn default() -> Self {
        Self {
            name: None,
            url: None,
            password: None,
            password_file: None,
            version: None,
            regions: Vec::new(),
            weight: 1,
            ca_file: None,
            insecure_skip_verify: false,
            sources: Vec::new(),
            drain: false,
        }
    }
}

/// Names the fields of every section in the order in which they are declared; a JSON schema sorts them by name.
pub(crate) fn declared_order(section: &str) -> &'static [&'static str] {
    use super::fields::fields_of;
    match section {
        "" => fields_of::<File>(),
        "server" => fields_of::<Server>(),
        "server.tls" => fields_of::<ServerTls>(),
        "server.proxy_protocol" => fields_of::<ProxyProtocol>(),
        "admin" => fields_of::<Admin>(),
        "store" => fields_of::<Store>(),
        "store.retention" => fields_of::<Retention>(),
        "sessions" => fields_of::<Sessions>(),
        "health" => fields_of::<Health>(),
        "requests" => fields_of::<Requests>(),
        "limits" => fields_of::<Limits>(),
        "usage" => fields_of::<Usage>(),
        "discord" => fields_of::<Discord>(),
        "log" => fields_of::<Log>(),
        "status" => fields_of::<Status>(),
        "tenants" => fields_of::<Tenant>(),
        "nodes" => fields_of::<Node>(),
        _ => alerts::declared_order(section),
    }
}
