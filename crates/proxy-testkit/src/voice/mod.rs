//! A fake Discord voice server: what a real node needs so that it connects its voice, plays, and reports
//! `connected: true`, all on loopback.
//!
//! Discord gives a bot a voice session id and a token per guild; the node dials the endpoint with them, finds its own
//! address over UDP and then sends one RTP packet every 20 ms while a track plays. [`FakeVoice`] is that endpoint: it
//! issues the values ([`FakeVoice::voice_state`]), holds the node to them, counts the packets, and fails on command
//! ([`Faults`], [`FakeVoice::close`]). It decrypts nothing and speaks no end-to-end encryption
//! (`dave_protocol_version: 0`), so it needs no keys.
//!
//! - `gateway`: the WebSocket, one task per connection.
//! - `udp`: address discovery and the packet count.
//! - `registry`: what has been issued and who is connected, shared by both.

mod gateway;
mod registry;
mod udp;

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, UdpSocket},
    task::JoinSet,
    time::{sleep, timeout},
};

pub use registry::{Faults, Packet};
use registry::{Order, Registry};

use crate::certs::TestCa;

/// How often a waiting call looks again.
const POLL: Duration = Duration::from_millis(10);

/// The four values that a bot gets from Discord for one guild and hands to Lavalink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoiceState {
    /// The secret of this voice session.
    pub token: String,
    /// `host:port`; the host is a name, because the node checks the certificate against it.
    pub endpoint: String,
    /// Discord's voice session id; nothing to do with Lavalink's sessions.
    pub session_id: String,
    /// The voice channel.
    pub channel_id: String,
}

impl VoiceState {
    /// The `voice` object of a Lavalink v4 player update.
    pub fn to_json(&self) -> Value {
        json!({
            "token": self.token,
            "endpoint": self.endpoint,
            "sessionId": self.session_id,
            "channelId": self.channel_id,
        })
    }
}

/// A fake Discord voice server on loopback. Dropping it closes every connection.
pub struct FakeVoice {
    registry: Arc<Registry>,
    endpoint: String,
    /// The accept loop and the UDP reader; aborted when the server is dropped.
    _tasks: JoinSet<()>,
}

impl FakeVoice {
    /// Starts the server on free ports, with a certificate of `ca` for `localhost`. The node must trust that CA.
    ///
    /// # Errors
    ///
    /// When no loopback socket can be bound or the certificate cannot be made.
    pub async fn start(ca: &TestCa) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        let registry = Arc::new(Registry::new(socket.local_addr()?));
        let endpoint = format!("localhost:{}", listener.local_addr()?.port());
        let tls = ca.server_config().map_err(io::Error::other)?;

        let mut tasks = JoinSet::new();
        tasks.spawn(gateway::accept(listener, tls, registry.clone()));
        tasks.spawn(udp::receive(socket, registry.clone()));
        Ok(Self {
            registry,
            endpoint,
            _tasks: tasks,
        })
    }

    /// Where nodes connect, `localhost:PORT`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Issues voice values for a guild, as Discord does when a bot joins a channel. Each call issues a new session id
    /// and token; earlier ones stay valid until their connection is replaced.
    pub fn voice_state(&self, guild: u64) -> VoiceState {
        let (session_id, token) = self.registry.issue(guild);
        VoiceState {
            token,
            endpoint: self.endpoint.clone(),
            session_id,
            channel_id: channel_of(guild).to_string(),
        }
    }

    /// Changes how the server misbehaves from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.registry.set_faults(faults);
    }

    /// How many gateway connections of a guild are past their IDENTIFY or RESUME and still open.
    pub fn connections(&self, guild: u64) -> usize {
        self.registry.connections(guild)
    }

    /// How many IDENTIFY messages were accepted for a guild so far.
    pub fn identified(&self, guild: u64) -> usize {
        self.registry.identified(guild)
    }

    /// How many RESUME messages were accepted for a guild so far.
    pub fn resumed(&self, guild: u64) -> usize {
        self.registry.resumed(guild)
    }

    /// How many RTP packets came for a guild so far.
    pub fn packet_count(&self, guild: u64) -> u64 {
        self.registry.packet_count(guild)
    }

    /// The RTP packets of a guild in the order of arrival: the latest of them, a minute at most.
    pub fn packets(&self, guild: u64) -> Vec<Packet> {
        self.registry.packets(guild)
    }

    /// Closes every open connection of a guild with a close code of Discord's. Returns how many there were.
    pub fn close(&self, guild: u64, code: u16, reason: &str) -> usize {
        self.registry.order(
            guild,
            &Order::Close {
                code,
                reason: reason.to_owned(),
            },
        )
    }

    /// Drops every open connection of a guild without a close frame, as a dying server does.
    pub fn drop_connections(&self, guild: u64) -> usize {
        self.registry.order(guild, &Order::Drop)
    }

    /// Waits until at least `more` further RTP packets of a guild have come. False when `within` ran out first.
    pub async fn wait_for_packets(&self, guild: u64, more: u64, within: Duration) -> bool {
        let target = self.packet_count(guild) + more;
        self.wait(within, || self.packet_count(guild) >= target).await
    }

    /// Waits until a guild has exactly `count` open connections. False when `within` ran out first.
    pub async fn wait_for_connections(&self, guild: u64, count: usize, within: Duration) -> bool {
        self.wait(within, || self.connections(guild) == count).await
    }

    /// Waits until no RTP packet of a guild has come for `quiet`. False when `within` ran out first.
    pub async fn wait_for_silence(&self, guild: u64, quiet: Duration, within: Duration) -> bool {
        let start = Instant::now();
        let silent = || self.registry.last_packet(guild).unwrap_or(start).max(start).elapsed() >= quiet;
        self.wait(within, silent).await
    }

    async fn wait(&self, within: Duration, done: impl Fn() -> bool) -> bool {
        let poll = async {
            while !done() {
                sleep(POLL).await;
            }
        };
        timeout(within, poll).await.is_ok()
    }
}

/// The voice channel of a guild: any snowflake will do, and a fixed one lets two runs be compared.
fn channel_of(guild: u64) -> u64 {
    guild + 1
}

#[cfg(test)]
mod tests;
