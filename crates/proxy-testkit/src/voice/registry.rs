//! What the fake voice server has issued and who is connected. Shared by the gateway tasks and the UDP reader; knows no
//! socket.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

/// How many packets of one guild are kept for [`super::FakeVoice::packets`]: one minute of audio.
pub(super) const KEPT_PACKETS: usize = 3_000;

/// Orders waiting for one connection. A connection that does not take them is stuck, and more would not help.
const ORDERS: usize = 4;

/// How the server misbehaves. The default is to behave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Wait this long before READY.
    pub ready_delay: Duration,
    /// Answer a second IDENTIFY with the same token with 4004, as a voice server does whose session has moved on.
    pub refuse_reused_token: bool,
    /// Never answer UDP address discovery: the node stays without SESSION_DESCRIPTION.
    pub ignore_discovery: bool,
    /// Drop the TCP connection instead of greeting it: a player update with `voice` then fails.
    pub refuse_connections: bool,
}

/// One RTP packet as it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The synchronisation source, which READY gave to the connection.
    pub ssrc: u32,
    /// RTP sequence number, wrapping.
    pub sequence: u16,
    /// RTP timestamp: 48,000 per second, so 960 per packet.
    pub timestamp: u32,
    /// Bytes of the datagram.
    pub size: usize,
    /// When it was read.
    pub at: Instant,
}

/// What a gateway connection is told from outside.
#[derive(Clone, Debug)]
pub(super) enum Order {
    /// Close with this code and reason.
    Close {
        /// The close code.
        code: u16,
        /// The close reason.
        reason: String,
    },
    /// Drop the TCP connection.
    Drop,
}

/// Why an IDENTIFY or RESUME is refused, as a close code of Discord's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// 4004: the token is not the session's, or was used before and must not be.
    Authentication,
    /// 4006: no such voice session.
    Session,
}

impl Refusal {
    /// The close code and reason that Discord sends.
    pub(super) fn close(self) -> (u16, &'static str) {
        match self {
            Self::Authentication => (4004, "Authentication failed."),
            Self::Session => (4006, "Session is no longer valid."),
        }
    }
}

/// A connection's place in the registry; leaves it when dropped.
pub(super) struct Seat<'a> {
    registry: &'a Registry,
    voice_session: String,
    id: u32,
    /// The connection's synchronisation source.
    pub(super) ssrc: u32,
    /// What the connection must do.
    pub(super) orders: mpsc::Receiver<Order>,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut state = self.registry.lock();
        if let Some(session) = state.sessions.get_mut(&self.voice_session)
            && session.live.as_ref().is_some_and(|live| live.id == self.id)
        {
            session.live = None;
        }
    }
}

/// Everything the server knows.
pub(super) struct Registry {
    /// Where the UDP socket listens; READY tells it to the node.
    pub(super) udp: SocketAddr,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    faults: Faults,
    /// By voice session id.
    sessions: HashMap<String, VoiceSession>,
    guilds: HashMap<u64, Guild>,
    /// Which guild a synchronisation source belongs to.
    sources: HashMap<u32, u64>,
    /// Numbers connections and synchronisation sources.
    last_id: u32,
}

struct VoiceSession {
    guild: u64,
    token: String,
    /// Whether an IDENTIFY has used the token.
    used: bool,
    live: Option<Live>,
}

/// The one connection that a voice session may have.
struct Live {
    id: u32,
    orders: mpsc::Sender<Order>,
}

#[derive(Default)]
struct Guild {
    issued: u32,
    identified: usize,
    resumed: usize,
    packet_count: u64,
    packets: VecDeque<Packet>,
}

impl Registry {
    pub(super) fn new(udp: SocketAddr) -> Self {
        Self {
            udp,
            state: Mutex::default(),
        }
    }

    /// A new voice session of a guild: its id and token. Numbered, not random, so that two runs can be compared.
    pub(super) fn issue(&self, guild: u64) -> (String, String) {
        let mut state = self.lock();
        let entry = state.guilds.entry(guild).or_default();
        entry.issued += 1;
        let (session_id, token) = (
            format!("voice-session-{guild}-{}", entry.issued),
            format!("voice-token-{guild}-{}", entry.issued),
        );
        let session = VoiceSession {
            guild,
            token: token.clone(),
            used: false,
            live: None,
        };
        state.sessions.insert(session_id.clone(), session);
        (session_id, token)
    }

    /// Seats a connection that sent IDENTIFY or RESUME. The voice session's earlier connection is told to close: Discord
    /// allows one.
    pub(super) fn seat(&self, voice_session: &str, token: &str, resume: bool) -> Result<Seat<'_>, Refusal> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let session = state.sessions.get_mut(voice_session).ok_or(Refusal::Session)?;
        if session.token != token || (!resume && session.used && state.faults.refuse_reused_token) {
            return Err(Refusal::Authentication);
        }
        session.used = true;
        state.last_id += 1;
        let id = state.last_id;
        let (sender, orders) = mpsc::channel(ORDERS);
        if let Some(older) = session.live.replace(Live { id, orders: sender }) {
            let (code, reason) = Refusal::Session.close();
            // A connection that takes no orders is already on its way out.
            let _ = older.orders.try_send(Order::Close {
                code,
                reason: reason.to_owned(),
            });
        }
        let guild = state.guilds.entry(session.guild).or_default();
        if resume {
            guild.resumed += 1;
        } else {
            guild.identified += 1;
        }
        state.sources.insert(id, session.guild);
        Ok(Seat {
            registry: self,
            voice_session: voice_session.to_owned(),
            id,
            ssrc: id,
            orders,
        })
    }

    /// Gives an order to every live connection of a guild; returns how many there were.
    pub(super) fn order(&self, guild: u64, order: &Order) -> usize {
        let state = self.lock();
        let live = state
            .sessions
            .values()
            .filter(|session| session.guild == guild)
            .filter_map(|s| s.live.as_ref());
        live.filter(|live| live.orders.try_send(order.clone()).is_ok()).count()
    }

    pub(super) fn set_faults(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    pub(super) fn faults(&self) -> Faults {
        self.lock().faults.clone()
    }

    /// Notes a packet; packets of a source that was never given out are ignored.
    pub(super) fn note(&self, packet: Packet) {
        let mut state = self.lock();
        let Some(guild) = state.sources.get(&packet.ssrc).copied() else {
            return;
        };
        let entry = state.guilds.entry(guild).or_default();
        entry.packet_count += 1;
        if entry.packets.len() == KEPT_PACKETS {
            entry.packets.pop_front();
        }
        entry.packets.push_back(packet);
    }

    pub(super) fn connections(&self, guild: u64) -> usize {
        self.lock()
            .sessions
            .values()
            .filter(|session| session.guild == guild && session.live.is_some())
            .count()
    }

    pub(super) fn identified(&self, guild: u64) -> usize {
        self.of(guild, |entry| entry.identified)
    }

    pub(super) fn resumed(&self, guild: u64) -> usize {
        self.of(guild, |entry| entry.resumed)
    }

    pub(super) fn packet_count(&self, guild: u64) -> u64 {
        self.of(guild, |entry| entry.packet_count)
    }

    pub(super) fn packets(&self, guild: u64) -> Vec<Packet> {
        self.of(guild, |entry| entry.packets.iter().copied().collect())
    }

    pub(super) fn last_packet(&self, guild: u64) -> Option<Instant> {
        self.of(guild, |entry| entry.packets.back().map(|packet| packet.at))
    }

    fn of<T: Default>(&self, guild: u64, read: impl FnOnce(&Guild) -> T) -> T {
        self.lock().guilds.get(&guild).map(read).unwrap_or_default()
    }

    /// A test that panicked while holding the lock must not hide its own message behind a second panic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
