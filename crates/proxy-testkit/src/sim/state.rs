//! All sessions of a simulated node: connecting, parking, resuming, expiry and the figures over all of them.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use super::{
    generation::SimGeneration,
    io::ConnControl,
    messages,
    session::{Outbox, Outgoing, Session, Settings},
};

/// Load figures that the node reports in `stats`; settable, since a simulated node has none of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct SimLoad {
    /// Load of the machine, 0 to 1.
    pub system: f64,
    /// Load by Lavalink, 0 to 1.
    pub lavalink: f64,
    /// Processor cores.
    pub cores: u32,
    /// Frames sent, nulled and missing per minute, if any.
    pub frames: Option<(i64, i64, i64)>,
    /// Counts to report instead of the real ones: players and playing players.
    pub players: Option<(usize, usize)>,
}

impl Default for SimLoad {
    fn default() -> Self {
        Self {
            system: 0.1,
            lavalink: 0.05,
            cores: 4,
            frames: None,
            players: None,
        }
    }
}

/// What a handshake says about the client.
#[derive(Debug)]
pub(crate) struct Newcomer {
    pub(crate) user_id: i64,
    pub(crate) client_name: Option<String>,
    /// Session id (v4) or resume key (v3) to resume.
    pub(crate) resume: Option<String>,
    pub(crate) connection: Arc<ConnControl>,
}

/// Everything that a node process would lose by dying.
#[derive(Debug)]
pub(crate) struct State {
    settings: Settings,
    pub(crate) started: Instant,
    pub(crate) load: SimLoad,
    /// Connected sessions by id.
    pub(crate) sessions: BTreeMap<String, Session>,
    /// Parked sessions by session id (v4) or resume key (v3).
    pub(crate) parked: BTreeMap<String, Session>,
}

impl State {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            started: Instant::now(),
            load: SimLoad::default(),
            sessions: BTreeMap::new(),
            parked: BTreeMap::new(),
        }
    }

    /// Loses everything but the load, which is the test's setting and not the process's own.
    pub(crate) fn reset(&mut self) {
        *self = Self {
            load: self.load.clone(),
            ..Self::new(self.settings)
        };
    }

    /// The handshake's early look at a session to resume: cancels its expiry and says whether it is there.
    pub(crate) fn touch_parked(&mut self, key: &str) -> bool {
        self.parked
            .get_mut(key)
            .is_some_and(|session| session.expires.take().is_some())
    }

    /// Takes a newly connected client in, resuming its session if that is parked. Returns the session's id.
    pub(crate) fn attach(&mut self, newcomer: Newcomer, sender: UnboundedSender<Outgoing>, now: Instant) -> String {
        let parked = newcomer.resume.as_ref().and_then(|key| self.parked.remove(key));
        let resumed = parked.is_some();
        let mut session = match parked {
            Some(session) => session,
            None => self.new_session(newcomer.user_id, newcomer.client_name, &sender),
        };
        let id = session.id.clone();
        session.expires = None;
        session.connection = Some(newcomer.connection);
        let queue = std::mem::replace(&mut session.outbox, Outbox::Live(sender));
        if self.settings.generation != SimGeneration::Legacy {
            session.send(messages::ready(&id, resumed));
        }
        if let Outbox::Parked(queue) = queue {
            queue.into_iter().for_each(|outgoing| session.put(outgoing));
        }
        if resumed {
            let guilds: Vec<i64> = session.players.keys().copied().collect();
            guilds.into_iter().for_each(|guild| session.send_update(guild, now));
        }
        self.sessions.insert(id.clone(), session);
        self.tick_stats(now);
        id
    }

    fn new_session(&self, user: i64, name: Option<String>, sender: &UnboundedSender<Outgoing>) -> Session {
        let mut id = random_id();
        while self.sessions.contains_key(&id) {
            id = random_id();
        }
        Session::new(id, user, name, Outbox::Live(sender.clone()), self.settings)
    }

    /// The session's socket is gone: parks the session, or ends it.
    pub(crate) fn detach(&mut self, id: &str, now: Instant) {
        let Some(mut session) = self.sessions.remove(id) else {
            return;
        };
        session.connection = None;
        session.outbox = Outbox::Parked(VecDeque::new());
        let key = if self.settings.generation.is_v4() {
            session.resuming.then(|| id.to_owned())
        } else {
            session.resume_key.clone()
        };
        if let Some(key) = key {
            let seconds = u64::try_from(session.timeout).unwrap_or(0).min(u64::from(u32::MAX));
            session.expires = Some(now + Duration::from_secs(seconds));
            // One already parked under the same key is dropped here, and its players with it.
            self.parked.insert(key, session);
        }
    }

    /// Carries out what time brings.
    pub(crate) fn tick(&mut self, now: Instant) {
        self.parked
            .retain(|_, session| session.expires.is_none_or(|expires| expires > now));
        self.every_session().for_each(|session| session.tick(now));
        self.tick_stats(now);
    }

    fn tick_stats(&mut self, now: Instant) {
        if self.every_session().any(|session| session.next_stats <= now) {
            let stats = self.stats_message();
            self.every_session().for_each(|session| session.tick_stats(&stats, now));
        }
    }

    /// Connected and parked sessions alike.
    pub(crate) fn every_session(&mut self) -> impl Iterator<Item = &mut Session> {
        self.sessions.values_mut().chain(self.parked.values_mut())
    }

    /// `stats` as a WebSocket message.
    pub(crate) fn stats_message(&self) -> String {
        let mut stats = self.stats();
        let frames = self
            .load
            .frames
            .map(|(sent, nulled, deficit)| json!({"sent": sent, "nulled": nulled, "deficit": deficit}));
        // v4 always has the key; v3 leaves it out without figures.
        if frames.is_some() || self.settings.generation.is_v4() {
            stats["frameStats"] = json!(frames);
        }
        messages::stats(&stats)
    }

    /// `stats` as REST answers it.
    pub(crate) fn stats(&self) -> Value {
        let players = || self.sessions.values().flat_map(|session| session.players.values());
        let (all, playing) = self
            .load
            .players
            .unwrap_or_else(|| (players().count(), players().filter(|p| p.is_playing()).count()));
        let uptime = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        json!({
            "players": all, "playingPlayers": playing, "uptime": uptime,
            "memory": {
                "free": 100_000_000, "used": 150_000_000, "allocated": 250_000_000, "reservable": 1_000_000_000,
            },
            "cpu": {"cores": self.load.cores, "systemLoad": self.load.system, "lavalinkLoad": self.load.lavalink},
        })
    }
}

/// A session id as Lavalink makes them: 16 characters of `[a-z0-9]`.
fn random_id() -> String {
    std::iter::repeat_with(|| fastrand::choice(b"abcdefghijklmnopqrstuvwxyz0123456789").map_or('0', |c| char::from(*c)))
        .take(16)
        .collect()
}
