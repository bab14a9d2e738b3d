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
//! | `builder.rs`, `fault.rs`, `command.rs`, `numbered.rs`, `counted.rs`, `delivered.rs`, `log.rs` | what tests ask of it |

mod answer;
mod builder;
mod command;
mod counted;
mod delivered;
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
mod fault_tests;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use serde_json::Value;
use tokio::task::JoinHandle;

pub use builder::SimNodeBuilder;
pub use counted::{Counted, Written};
pub use delivered::Delivered;
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
    /// The counted events that were written whole.
    written: Mutex<Vec<Written>>,
    next_connection: AtomicU64,
}

impl Node {
    /// Locks without minding a panic elsewhere: a test that panicked has failed already.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counted events have left for a socket that took them.
    pub(crate) fn note_written(&self, events: Vec<Counted>) {
        if !events.is_empty() {
            let at = Instant::now();
            let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            written.extend(events.into_iter().map(|event| Written { event, at }));
        }
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
    listener: Mutex<Option<server::Listening>>,
    /// It has died and not been revived.
    dead: AtomicBool,
    /// Connections that [`Fault::HalfOpen`] froze.
    frozen: Mutex<Vec<Weak<ConnControl>>>,
}

impl SimNode {
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
        state.every_session().for_each(|session| session.send(stats.clone()));
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
        self.with_session(session, |session| {
            session.fail_track(guild, (message, "common"), Instant::now())
        })
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

    /// Sends an event with the next number to every player of every session, see [`Counted`].
    pub fn count_events(&self) {
        let mut state = self.node.state();
        state.every_session().for_each(counted::count);
    }

    /// The counted events that were written whole to a socket, in the order in which they were.
    pub fn written(&self) -> Vec<Written> {
        self.node.written.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The starts and ends of tracks that were written whole to a socket, in the order in which they were; the latest
    /// 20,000.
    pub fn delivered(&self) -> Vec<Delivered> {
        self.node.log.all_delivered()
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

fn send_live(session: &mut Session, outgoing: Outgoing) {
    if let session::Outbox::Live(sender) = &session.outbox {
        // A socket that has just gone needs nothing more.
        drop(sender.send(outgoing));
    }
}
