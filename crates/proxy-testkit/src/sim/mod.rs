//! [`SimNode`]: a Lavalink node in this process, of one of four generations, with faults on command.
//!
//! It behaves as Lavalink's sources and documentation say, as far as a client or a proxy can see; it plays no audio.
//! Without a voice connection a track's position stands still, as on a real node
//! ([`SimNodeBuilder::plays_without_voice`] changes that).
//!
//! | file | what |
//! |---|---|
//! | `server.rs`, `io.rs` | the port, the connections, the bytes |
//! | `socket.rs`, `v3.rs` | the WebSocket: handshake, loop, v3 ops |
//! | `rest.rs`, `routes.rs`, `answer.rs` | requests and answers |
//! | `state.rs`, `session.rs`, `player.rs`, `update.rs`, `filters.rs` | what a node remembers and does |
//! | `messages.rs`, `track.rs`, `load.rs` | JSON and encoded tracks |
//! | `fault.rs`, `numbered.rs`, `log.rs` | what tests ask of it |

mod answer;
mod fault;
mod filters;
mod generation;
mod io;
mod load;
mod log;
mod messages;
mod numbered;
mod player;
mod rest;
mod routes;
mod server;
mod session;
mod socket;
mod state;
mod track;
mod update;
mod v3;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use serde_json::Value;
use tokio::task::JoinHandle;

pub use fault::Fault;
pub use generation::SimGeneration;
pub use log::{SeenMessage, SeenRequest};
pub use numbered::{Numbered, NumberedPlan, NumberedReport};
pub use player::SimVoice;
pub use state::SimLoad;
pub use track::{SimTrack, TrackError};

use io::{ConnControl, Kill};
use session::{Outgoing, Session, Settings};
use state::State;

/// How often a node looks at what time has brought (ends of tracks, updates, expiry).
const TICK: Duration = Duration::from_millis(20);

/// What all tasks of a node share.
#[derive(Debug)]
pub(crate) struct Node {
    settings: Settings,
    password: String,
    disabled_filters: Vec<String>,
    source_managers: Vec<String>,
    plugins: Vec<String>,
    tls: Option<Arc<rustls::ServerConfig>>,
    state: Mutex<State>,
    faults: fault::Faults,
    log: log::Log,
    connections: Mutex<HashMap<u64, Weak<ConnControl>>>,
    next_connection: AtomicU64,
}

impl Node {
    /// Locks without minding a panic elsewhere: a test that panicked has failed already.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn register_connection(&self) -> Arc<ConnControl> {
        let control = ConnControl::new(self.next_connection.fetch_add(1, Ordering::Relaxed));
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.retain(|_, control| control.strong_count() > 0);
        connections.insert(control.id, Arc::downgrade(&control));
        control
    }

    fn connections(&self) -> Vec<Arc<ConnControl>> {
        let connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.values().filter_map(Weak::upgrade).collect()
    }
}

/// Settings of a [`SimNode`] to be started.
#[derive(Debug)]
pub struct SimNodeBuilder {
    settings: Settings,
    password: String,
    port: u16,
    disabled_filters: Vec<String>,
    source_managers: Vec<String>,
    plugins: Vec<String>,
    tls: Option<Arc<rustls::ServerConfig>>,
}

impl SimNodeBuilder {
    /// Which Lavalink to be; default [`SimGeneration::V4_2`].
    pub fn generation(mut self, generation: SimGeneration) -> Self {
        self.settings.generation = generation;
        self
    }

    /// The password; default `youshallnotpass`.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = password.into();
        self
    }

    /// The port on 127.0.0.1; default any.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Time between periodic `playerUpdate`s; default 5 s.
    pub fn players_interval(mut self, interval: Duration) -> Self {
        self.settings.players_interval = interval;
        self
    }

    /// Time between `stats`; default 60 s.
    pub fn stats_interval(mut self, interval: Duration) -> Self {
        self.settings.stats_interval = interval;
        self
    }

    /// Lets positions advance without a voice connection, which a real node does not.
    pub fn plays_without_voice(mut self) -> Self {
        self.settings.free_running = true;
        self
    }

    /// Filters that the node's configuration disables.
    pub fn disabled_filters(mut self, names: &[&str]) -> Self {
        self.disabled_filters = owned(names);
        self
    }

    /// Names of the source managers in `/info`; default `http`, `local`, `youtube`.
    pub fn source_managers(mut self, names: &[&str]) -> Self {
        self.source_managers = owned(names);
        self
    }

    /// Names of the plugins in `/info`; default `simplugin`.
    pub fn plugins(mut self, names: &[&str]) -> Self {
        self.plugins = owned(names);
        self
    }

    /// Serves TLS, e.g. with [`crate::certs::TestCa::server_config`].
    pub fn tls(mut self, config: Arc<rustls::ServerConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Starts the node; it listens when this returns.
    ///
    /// # Errors
    /// The port is taken.
    #[expect(
        clippy::unused_async,
        reason = "must run inside the runtime, which an async function guarantees"
    )]
    pub async fn start(self) -> anyhow::Result<SimNode> {
        let port = server::Port::take(self.port).with_context(|| format!("cannot take port {}", self.port))?;
        let node = Arc::new(Node {
            settings: self.settings,
            password: self.password,
            disabled_filters: self.disabled_filters,
            source_managers: self.source_managers,
            plugins: self.plugins,
            tls: self.tls,
            state: Mutex::new(State::new(self.settings)),
            faults: fault::Faults::default(),
            log: log::Log::default(),
            connections: Mutex::default(),
            next_connection: AtomicU64::new(1),
        });
        let clock = clock(Arc::clone(&node));
        let sim = SimNode {
            node,
            port,
            clock,
            listener: Mutex::new(None),
            frozen: Mutex::default(),
        };
        sim.listen()?;
        Ok(sim)
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn clock(node: Arc<Node>) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(TICK).await;
            node.state().tick(Instant::now());
        }
    })
}

/// A session as a test sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// The node's id of it.
    pub id: String,
    /// The bot's user id.
    pub user_id: i64,
    /// The client's name.
    pub client_name: Option<String>,
    /// Whether it waits for its client to return.
    pub parked: bool,
    /// Whether it will be kept when its socket drops.
    pub resuming: bool,
    /// For how many seconds.
    pub timeout: i64,
    /// Guilds with a player.
    pub guilds: Vec<i64>,
}

/// A simulated Lavalink node. Dropping it ends it as a killed process.
#[derive(Debug)]
pub struct SimNode {
    node: Arc<Node>,
    port: server::Port,
    clock: JoinHandle<()>,
    listener: Mutex<Option<JoinHandle<()>>>,
    /// Connections that [`Fault::HalfOpen`] froze.
    frozen: Mutex<Vec<Weak<ConnControl>>>,
}

impl SimNode {
    /// Starts from defaults: 4.2, any port, password `youshallnotpass`.
    pub fn builder() -> SimNodeBuilder {
        SimNodeBuilder {
            settings: Settings {
                generation: SimGeneration::V4_2,
                players_interval: Duration::from_secs(5),
                stats_interval: Duration::from_secs(60),
                free_running: false,
            },
            password: "youshallnotpass".to_owned(),
            port: 0,
            disabled_filters: Vec::new(),
            source_managers: owned(&["http", "local", "youtube"]),
            plugins: owned(&["simplugin"]),
            tls: None,
        }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.port.addr
    }

    /// Its address as a URL, `http://127.0.0.1:PORT` (or `https://localhost:PORT`).
    pub fn url(&self) -> String {
        match self.node.tls {
            None => format!("http://{}", self.port.addr),
            Some(_) => format!("https://localhost:{}", self.port.addr.port()),
        }
    }

    /// Its password.
    pub fn password(&self) -> &str {
        &self.node.password
    }

    /// Which Lavalink it is.
    pub fn generation(&self) -> SimGeneration {
        self.node.settings.generation
    }

    /// Requests and handshakes that it saw, oldest first (the last 20,000).
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.node.log.requests()
    }

    /// Text messages that clients sent, oldest first (the last 20,000).
    pub fn messages(&self) -> Vec<SeenMessage> {
        self.node.log.messages()
    }

    /// Forgets what [`SimNode::requests`] and [`SimNode::messages`] have collected.
    pub fn clear_log(&self) {
        self.node.log.clear();
    }

    /// Connected and parked sessions.
    pub fn sessions(&self) -> Vec<SessionView> {
        let view = |session: &mut Session| SessionView {
            id: session.id.clone(),
            user_id: session.user_id,
            client_name: session.client_name.clone(),
            parked: session.is_parked(),
            resuming: session.resuming || session.resume_key.is_some(),
            timeout: session.timeout,
            guilds: session.players.keys().copied().collect(),
        };
        self.node.state().every_session().map(view).collect()
    }

    /// A player of any session as Lavalink's JSON shows it.
    pub fn player(&self, session: &str, guild: i64) -> Option<Value> {
        let mut state = self.node.state();
        let session = state.every_session().find(|candidate| candidate.id == session)?;
        Some(session.players.get(&guild)?.to_json(self.generation(), Instant::now()))
    }

    /// The session that holds a guild's player, and that player.
    pub fn find_player(&self, guild: i64) -> Option<(String, Value)> {
        let mut state = self.node.state();
        let session = state
            .every_session()
            .find(|session| session.players.contains_key(&guild))?;
        Some((
            session.id.clone(),
            session.players.get(&guild)?.to_json(self.generation(), Instant::now()),
        ))
    }

    /// Number of open TCP connections.
    pub fn connection_count(&self) -> usize {
        self.node.connections().len()
    }

    /// Sets the load that `stats` report.
    pub fn set_load(&self, load: SimLoad) {
        self.node.state().load = load;
    }

    /// Sends `stats` to every session now, besides the periodic ones.
    pub fn send_stats(&self) {
        let mut state = self.node.state();
        let stats = state.stats_message();
        state
            .every_session()
            .for_each(|session| session.send(stats.to_string()));
    }

    /// Sends `text` as it is to a session (queued while that is parked). False when there is no such session.
    pub fn push(&self, session: &str, text: impl Into<String>) -> bool {
        self.with_session(session, |session| session.send(text.into()))
    }

    /// Sends `text` as it is to every session and returns how many there are.
    pub fn push_to_all(&self, text: &str) -> usize {
        self.node
            .state()
            .every_session()
            .map(|session| session.send(text.to_owned()))
            .count()
    }

    /// Closes a session's socket with a code. False when no such session is connected.
    pub fn close_session(&self, session: &str, code: u16) -> bool {
        self.with_session(session, |session| send_live(session, Outgoing::Close(code, "")))
    }

    /// Cuts a session's socket without a close frame. False when there is no such session.
    pub fn drop_session_socket(&self, session: &str) -> bool {
        self.with_session(session, |session| {
            session.connection.iter().for_each(|control| control.kill(Kill::Fin))
        })
    }

    /// Makes a player's track fail: `TrackExceptionEvent`, then `TrackEndEvent`. False when there is no such session.
    pub fn fail_track(&self, session: &str, guild: i64, message: &str) -> bool {
        self.with_session(session, |session| session.fail_track(guild, message, Instant::now()))
    }

    /// Makes a player's track stick: `TrackStuckEvent`, then an update. False when there is no such session.
    pub fn stick_track(&self, session: &str, guild: i64, threshold_ms: i64) -> bool {
        self.with_session(session, |session| {
            session.stick_track(guild, threshold_ms, Instant::now())
        })
    }

    /// Ends a player's voice connection as Discord would. False when there is no such session.
    pub fn close_voice(&self, session: &str, guild: i64, code: u16, reason: &str) -> bool {
        self.with_session(session, |session| {
            session.close_voice(guild, code, reason, true, Instant::now())
        })
    }

    /// Starts sending numbered messages to every session, see [`NumberedPlan`].
    pub fn emit_numbered(&self, plan: NumberedPlan) -> Numbered {
        numbered::start(Arc::clone(&self.node), plan)
    }

    /// Applies a fault; answer faults hit the next request of any path.
    pub fn fault(&self, fault: Fault) {
        self.fault_on("", fault, 1);
    }

    /// Applies a fault; answer faults hit the next `times` requests whose target starts with `prefix`. The other
    /// faults ignore both.
    pub fn fault_on(&self, prefix: &str, fault: Fault, times: usize) {
        let faults = &self.node.faults;
        match fault {
            Fault::Refuse => self.stop_listening(),
            Fault::Stall => faults.update(|lasting| lasting.stall = true),
            Fault::HalfOpen => self.freeze(),
            Fault::Slow(delay) => faults.update(|lasting| lasting.slow = Some(delay)),
            Fault::Trickle { bytes, every } => faults.set_trickle(Some((bytes, every))),
            Fault::Flood => {
                faults.update(|lasting| lasting.flood = true);
                self.each_session(|session| send_live(session, Outgoing::Flood));
            }
            Fault::ResetMidFrame => self.each_session(reset_mid_frame),
            Fault::BrokenMessage => {
                self.each_session(|session| session.send(r#"{"op":"playerUpdate","guil"#.to_owned()))
            }
            Fault::HugeFrame(size) => self.each_session(|session| session.send(huge_event(size))),
            Fault::Die => self.die(),
            Fault::Shutdown => {
                self.stop_listening();
                self.each_session(|session| send_live(session, Outgoing::Close(1001, "Server is shutting down")));
                let node = Arc::clone(&self.node);
                tokio::spawn(async move {
                    // Long enough for the close frames to be answered, as the real shutdown hook allows.
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    kill_all(&node);
                });
            }
            Fault::CloseIdle => {
                let idle = |c: &&Arc<ConnControl>| !c.busy.load(Ordering::SeqCst) && !c.upgraded.load(Ordering::SeqCst);
                self.node
                    .connections()
                    .iter()
                    .filter(idle)
                    .for_each(|control| control.kill(Kill::Fin));
            }
            answer => faults.arm(prefix, answer, times),
        }
    }

    /// Ends all lasting and armed faults. A port closed by [`Fault::Refuse`] opens again; a dead node stays dead.
    ///
    /// # Errors
    /// The port cannot be opened again.
    pub fn clear_faults(&self) -> anyhow::Result<()> {
        self.node.faults.clear();
        for control in self.frozen.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            if let Some(control) = control.upgrade() {
                control.set_frozen(false);
            }
        }
        // Those that were stalled on arrival.
        self.node
            .connections()
            .iter()
            .for_each(|control| control.set_frozen(false));
        self.listen()
    }

    /// Ends the node as a killed process: see [`Fault::Die`].
    pub fn die(&self) {
        self.stop_listening();
        kill_all(&self.node);
    }

    /// Brings a dead node back on its port, without sessions.
    ///
    /// # Errors
    /// The port cannot be opened.
    pub fn revive(&self) -> anyhow::Result<()> {
        self.listen()
    }

    fn listen(&self) -> anyhow::Result<()> {
        let mut task = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if task.is_none() {
            let listener = self
                .port
                .listen()
                .with_context(|| format!("cannot listen on {}", self.port.addr))?;
            *task = Some(server::accept_loop(&self.node, listener));
        }
        Ok(())
    }

    fn stop_listening(&self) {
        if let Some(task) = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }

    fn freeze(&self) {
        let mut frozen = self.frozen.lock().unwrap_or_else(PoisonError::into_inner);
        for control in self.node.connections() {
            control.set_frozen(true);
            frozen.push(Arc::downgrade(&control));
        }
    }

    fn each_session(&self, work: impl Fn(&mut Session)) {
        self.node.state().sessions.values_mut().for_each(work);
    }

    fn with_session(&self, id: &str, work: impl FnOnce(&mut Session)) -> bool {
        let mut state = self.node.state();
        let found = state.every_session().find(|session| session.id == id);
        found.map(work).is_some()
    }
}

impl Drop for SimNode {
    fn drop(&mut self) {
        self.clock.abort();
        self.die();
    }
}

/// Ends all connections and forgets all sessions, as the end of the process does.
fn kill_all(node: &Node) {
    for control in node.connections() {
        control.kill(Kill::Fin);
    }
    node.state().reset();
}

fn send_live(session: &mut Session, outgoing: Outgoing) {
    if let session::Outbox::Live(sender) = &session.outbox {
        // A socket that has just gone needs nothing more.
        drop(sender.send(outgoing));
    }
}

/// Lets a few bytes of the next frame out, then resets.
fn reset_mid_frame(session: &mut Session) {
    if let Some(control) = &session.connection {
        control.cut_after(7);
    }
    session.send(huge_event(1_000));
}

fn huge_event(size: usize) -> String {
    let padding = "x".repeat(size);
    serde_json::json!({"op": "event", "type": "SimHugeEvent", "guildId": "1", "padding": padding}).to_string()
}
