//! Lavalink nodes as far as a session can tell: sessions that are parked when their socket is seen to close, players
//! whose tracks end by themselves, messages that queue while nobody is there. And what the proxy believes of the nodes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use lavalink_protocol::id::GuildId;
use proxy_core::health::NodeState;
use proxy_core::placement::{Choice, NoNode, NoNodeCause, Wanted};
use proxy_core::pool::NodeId;
use proxy_core::session::machine::NodeChange;
use proxy_core::session::migration::{MigrationBudget, MigrationLimits, MoveReason, PlayerWant, Surroundings};

/// How long a frozen node or a cut one goes unnoticed.
const NOTICED: Duration = Duration::from_secs(3);

/// A number for each socket of a link.
pub(super) type SocketId = u64;

pub(super) struct Nodes {
    pub(super) all: Vec<Node>,
    budget: MigrationBudget,
    jitter: fastrand::Rng,
    next: u64,
    now: Instant,
    /// No track ends by itself any more, so that none does while it is looked.
    pub(super) hold: bool,
}

pub(super) struct Node {
    /// The process is there.
    pub(super) up: bool,
    /// It does nothing, or nothing reaches it, since then.
    pub(super) silent_since: Option<Instant>,
    draining: bool,
    /// It refuses to make players.
    pub(super) refuses: bool,
    /// What the proxy believes.
    state: NodeState,
    pub(super) sessions: BTreeMap<String, Session>,
}

pub(super) struct Session {
    pub(super) owner: usize,
    keep: Option<Duration>,
    socket: Option<SocketId>,
    /// The proxy closed the socket, or it broke, which the node sees then, or when it does anything again.
    closing: Option<Instant>,
    parked_until: Option<Instant>,
    pub(super) players: BTreeMap<GuildId, Player>,
    /// For the socket, or for whoever resumes.
    pub(super) out: Vec<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Player {
    pub(super) track: Option<Track>,
}

#[derive(Clone, Debug)]
pub(super) struct Track {
    pub(super) number: u64,
    length: i64,
    base: i64,
    since: Instant,
}

/// What a player update does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Update {
    Play(u64, i64),
    Stop,
    Volume,
}

impl Track {
    fn position(&self, now: Instant) -> i64 {
        self.base + now.saturating_duration_since(self.since).as_millis() as i64
    }

    fn json(&self) -> String {
        let Self { number, length, .. } = self;
        format!(
            r#"{{"encoded":"{number}/{length}","info":{{"identifier":"{number}","length":{length},"isSeekable":true,"isStream":false,"position":0,"sourceName":"s"}},"userData":{{}}}}"#
        )
    }
}

impl Player {
    fn json(&self, guild: GuildId, now: Instant) -> String {
        let track = self.track.as_ref().map_or("null".to_owned(), Track::json);
        let position = self.track.as_ref().map_or(0, |track| track.position(now));
        format!(
            r#"{{"guildId":"{}","track":{track},"volume":100,"paused":false,"state":{{"time":0,"position":{position},"connected":true,"ping":1}},"voice":{{"token":"t","endpoint":"e","sessionId":"s","channelId":"c"}},"filters":{{}}}}"#,
            guild.0
        )
    }
}

impl Session {
    fn event(&mut self, guild: GuildId, kind: &str, track: &Track, more: &str) {
        self.out.push(format!(
            r#"{{"op":"event","type":"{kind}","guildId":"{}","track":{}{more}}}"#,
            guild.0,
            track.json()
        ));
    }

    fn end_track(&mut self, guild: GuildId, reason: &str) {
        if let Some(track) = self.players.get_mut(&guild).and_then(|player| player.track.take()) {
            self.event(guild, "TrackEndEvent", &track, &format!(r#","reason":"{reason}""#));
        }
    }

    fn play(&mut self, guild: GuildId, track: Track) {
        self.end_track(guild, "replaced");
        self.event(guild, "TrackStartEvent", &track, "");
        self.players.entry(guild).or_insert(Player { track: None }).track = Some(track);
    }

    /// Carries out a player update and answers with the player.
    pub(super) fn update(&mut self, guild: GuildId, update: &Update, now: Instant) -> String {
        self.players.entry(guild).or_insert(Player { track: None });
        match *update {
            Update::Play(number, length) => {
                let (base, since) = (0, now);
                self.play(
                    guild,
                    Track {
                        number,
                        length,
                        base,
                        since,
                    },
                );
            }
            Update::Stop => self.end_track(guild, "stopped"),
            Update::Volume => {}
        }
        self.players[&guild].json(guild, now)
    }

    /// A restoring request, as the core writes it.
    pub(super) fn restore(&mut self, guild: GuildId, body: &str, now: Instant) -> String {
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        self.players.entry(guild).or_insert(Player { track: None });
        if let Some(encoded) = body["track"]["encoded"].as_str() {
            let (number, length) = encoded.split_once('/').unwrap();
            let (number, length) = (number.parse().unwrap(), length.parse().unwrap());
            let (base, since) = (body["position"].as_i64().unwrap(), now);
            self.play(
                guild,
                Track {
                    number,
                    length,
                    base,
                    since,
                },
            );
        }
        self.players[&guild].json(guild, now)
    }

    pub(super) fn destroy(&mut self, guild: GuildId) {
        self.end_track(guild, "stopped");
        self.players.remove(&guild);
    }

    pub(super) fn player(&self, guild: GuildId, now: Instant) -> Option<String> {
        Some(self.players.get(&guild)?.json(guild, now))
    }

    pub(super) fn list(&self, now: Instant) -> String {
        let all: Vec<String> = self
            .players
            .iter()
            .map(|(guild, player)| player.json(*guild, now))
            .collect();
        format!("[{}]", all.join(","))
    }

    fn tick(&mut self, now: Instant, hold: bool, rng: &mut fastrand::Rng) {
        let done = |player: &Player| {
            player
                .track
                .as_ref()
                .is_some_and(|track| track.position(now) >= track.length)
        };
        let ended: Vec<GuildId> = self
            .players
            .iter()
            .filter(|(_, player)| done(player))
            .map(|(guild, _)| *guild)
            .collect();
        let ended = if hold { Vec::new() } else { ended };
        for guild in ended {
            self.end_track(guild, "finished");
        }
        if self.socket.is_some() && rng.u32(..40) == 0 {
            for (guild, player) in &self.players {
                if let Some(track) = &player.track {
                    self.out.push(format!(
                        r#"{{"op":"playerUpdate","guildId":"{}","state":{{"time":1,"position":{},"connected":true,"ping":1}}}}"#,
                        guild.0,
                        track.position(now)
                    ));
                }
            }
        }
    }

    pub(super) fn is_parked(&self) -> bool {
        self.parked_until.is_some()
    }

    pub(super) fn set_keep(&mut self, keep: Option<Duration>) {
        self.keep = keep;
    }
}

impl Node {
    pub(super) fn is_silent(&self) -> bool {
        self.silent_since.is_some()
    }

    /// A session that can be asked for: one that is connected.
    pub(super) fn session(&mut self, id: &str) -> Option<&mut Session> {
        self.sessions.get_mut(id).filter(|session| !session.is_parked())
    }

    /// The proxy's end of a session's socket is gone; the node sees it with the next tick that it is not silent in.
    pub(super) fn socket_gone(&mut self, socket: SocketId, at: Instant) {
        for session in self.sessions.values_mut() {
            if session.socket == Some(socket) {
                session.closing = session.closing.or(Some(at));
            }
        }
    }

    pub(super) fn has_socket(&self, socket: SocketId) -> bool {
        self.sessions.values().any(|session| session.socket == Some(socket))
    }

    pub(super) fn session_of(&self, socket: SocketId) -> Option<String> {
        let mut sessions = self.sessions.iter();
        Some(sessions.find(|(_, session)| session.socket == Some(socket))?.0.clone())
    }

    /// A handshake: the session's id, and whether it was resumed.
    pub(super) fn shake_hands(&mut self, owner: usize, resume: Option<&str>, socket: SocketId) -> (String, bool) {
        if let Some(id) = resume
            && let Some(session) = self.sessions.get_mut(id).filter(|session| session.is_parked())
        {
            (session.socket, session.closing, session.parked_until) = (Some(socket), None, None);
            return (id.to_owned(), true);
        }
        let id = format!("n{socket}");
        let session = Session {
            owner,
            keep: None,
            socket: Some(socket),
            closing: None,
            parked_until: None,
            players: BTreeMap::new(),
            out: Vec::new(),
        };
        self.sessions.insert(id.clone(), session);
        (id, false)
    }

    /// What the node has written to a socket since the last time.
    pub(super) fn take_out(&mut self, socket: SocketId) -> Vec<String> {
        if self.is_silent() || !self.up {
            return Vec::new();
        }
        let session = self
            .sessions
            .values_mut()
            .find(|session| session.socket == Some(socket) && session.closing.is_none());
        session
            .map(|session| std::mem::take(&mut session.out))
            .unwrap_or_default()
    }

    fn tick(&mut self, now: Instant, hold: bool, rng: &mut fastrand::Rng) {
        if !self.up {
            return;
        }
        for session in self.sessions.values_mut() {
            // A node that is only cut off plays on; one that is frozen catches up, which looks the same from here.
            session.tick(now, hold, rng);
        }
        if self.is_silent() {
            return;
        }
        self.sessions.retain(|_, session| {
            if session.closing.is_some_and(|at| at <= now) {
                // What was written to the dead socket is gone.
                (session.socket, session.closing) = (None, None);
                session.out.clear();
                let Some(keep) = session.keep else { return false };
                session.parked_until = Some(now + keep);
            }
            session.parked_until.is_none_or(|until| now < until)
        });
    }
}

impl Nodes {
    pub(super) fn new(rng: &mut fastrand::Rng, now: Instant) -> Self {
        let node = |_| Node {
            up: true,
            silent_since: None,
            draining: false,
            refuses: false,
            state: NodeState::Healthy,
            sessions: BTreeMap::new(),
        };
        let limits = MigrationLimits {
            at_once: rng.u32(1..8),
            at_once_per_node: rng.u32(1..4),
            drain_per_second: 5.0,
        };
        Self {
            all: (0..rng.usize(1..5)).map(node).collect(),
            budget: MigrationBudget::new(limits),
            jitter: fastrand::Rng::with_seed(rng.u64(..)),
            next: 0,
            now,
            hold: false,
        }
    }

    pub(super) fn node(&mut self, id: NodeId) -> &mut Node {
        &mut self.all[usize::from(id.0)]
    }

    pub(super) fn new_socket(&mut self) -> SocketId {
        self.next += 1;
        self.next
    }

    pub(super) fn now(&self) -> Instant {
        self.now
    }

    pub(super) fn under_way(&self) -> u32 {
        self.budget.under_way()
    }

    pub(super) fn fault(&mut self, now: Instant, rng: &mut fastrand::Rng) {
        let index = rng.usize(..self.all.len());
        let node = &mut self.all[index];
        match rng.u32(..10) {
            0..4 => {
                // The process dies, and is perhaps there again at once.
                node.sessions.clear();
                node.up = rng.u32(..3) == 0;
                node.silent_since = None;
            }
            4..7 => node.silent_since = node.silent_since.or(Some(now)),
            7..9 => node.draining = true,
            // No node can make players for a while.
            _ => self.all.iter_mut().for_each(|node| node.refuses = true),
        }
    }

    pub(super) fn mend(&mut self, _: Instant, rng: &mut fastrand::Rng) {
        let index = rng.usize(..self.all.len());
        let node = &mut self.all[index];
        (node.up, node.silent_since, node.draining, node.refuses) = (true, None, false, false);
    }

    pub(super) fn heal(&mut self, _: Instant) {
        for node in &mut self.all {
            (node.up, node.silent_since, node.draining, node.refuses) = (true, None, false, false);
        }
    }

    /// Lets time pass on the nodes, and tells what the proxy notices of them.
    pub(super) fn tick(&mut self, now: Instant, rng: &mut fastrand::Rng) -> Vec<(NodeId, NodeChange)> {
        self.now = now;
        let mut changes = Vec::new();
        for (index, node) in self.all.iter_mut().enumerate() {
            node.tick(now, self.hold, rng);
            let silent = node.silent_since.is_some_and(|since| now >= since + NOTICED);
            let state = match (node.up && !silent, node.draining) {
                (_, true) => NodeState::Draining,
                (false, _) => NodeState::Down,
                (true, false) => NodeState::Healthy,
            };
            if std::mem::replace(&mut node.state, state) != state {
                let change = match state {
                    NodeState::Draining => NodeChange::Draining,
                    NodeState::Down => NodeChange::Down,
                    _ => NodeChange::Up,
                };
                changes.push((NodeId(index as u16), change));
            }
        }
        changes
    }

    pub(super) fn assert_empty(&self) {
        for (index, node) in self.all.iter().enumerate() {
            let left: Vec<_> = node.sessions.keys().collect();
            assert!(left.is_empty(), "node {index} still has {left:?}");
        }
    }
}

impl Surroundings for Nodes {
    fn place(&mut self, want: &PlayerWant<'_>, _: Instant) -> Result<Choice, NoNode> {
        let usable: Vec<NodeId> = (0..self.all.len() as u16)
            .map(NodeId)
            .filter(|node| self.state(*node).takes_work() && !want.exclude.contains(node))
            .collect();
        let near: Vec<NodeId> = usable.iter().copied().filter(|node| want.near.contains(node)).collect();
        let near = if self.jitter.u32(..3) == 0 {
            None
        } else {
            self.jitter.choice(near)
        };
        let node = near.or_else(|| self.jitter.choice(usable)).ok_or(NoNode {
            wanted: Wanted::V4,
            cause: NoNodeCause::AllDown,
        })?;
        Ok(Choice::by_operator(node))
    }

    fn placed(&mut self, _: NodeId) {}

    fn may_move(&mut self, reason: MoveReason, from: NodeId, now: Instant) -> Result<(), Instant> {
        self.budget.may_begin(reason, from, now)
    }

    fn begin_move(&mut self, reason: MoveReason, from: NodeId, to: NodeId, now: Instant) -> Result<(), Instant> {
        self.budget.begin(reason, from, to, now)
    }

    fn end_move(&mut self, to: NodeId) {
        self.budget.end(to);
    }

    fn state(&self, node: NodeId) -> NodeState {
        self.all[usize::from(node.0)].state
    }

    fn random(&mut self) -> f32 {
        self.jitter.f32()
    }
}
