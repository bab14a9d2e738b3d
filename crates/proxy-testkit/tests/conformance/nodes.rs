//! The two nodes and the stage that they share: one voice server, one audio server, one set of voice states.
//!
//! What a node cannot be asked in the protocol (losing its voice connection, a track that fails) is done here, in the way
//! that each of them offers.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use proxy_testkit::{
    SimNode,
    certs::TestCa,
    real::{AudioServer, LavalinkServer, ServerOptions, Unavailable, sine_wav},
    sim::SimTrack,
    voice::FakeVoice,
};
use serde_json::Value;
use tokio::task::spawn_blocking;

use super::transcript::Names;

pub(crate) const PASSWORD: &str = "youshallnotpass";
/// Length of the file that outlasts the script, in seconds.
const LONG: u64 = 60;
/// Length of the file whose end the script waits for, in seconds.
const SHORT: u64 = 2;

/// What both nodes use.
pub(crate) struct Stage {
    ca: TestCa,
    voice: FakeVoice,
    long: AudioServer,
    short: AudioServer,
    /// Both nodes are given the same values, so that their answers can be compared as they are.
    voices: Mutex<HashMap<(u64, u32), Value>>,
}

impl Stage {
    pub(crate) async fn set_up() -> Arc<Self> {
        let ca = TestCa::new().unwrap();
        let file = |seconds| AudioServer::start(sine_wav(Duration::from_secs(seconds), 440));
        Arc::new(Self {
            voice: FakeVoice::start(&ca).await.unwrap(),
            long: file(LONG).await.unwrap(),
            short: file(SHORT).await.unwrap(),
            voices: Mutex::default(),
            ca,
        })
    }

    /// Starts the real server, which blocks for some seconds.
    pub(crate) async fn start_real(&self) -> Result<LavalinkServer, Unavailable> {
        let ca = self.ca.ca_pem();
        let start = move || {
            LavalinkServer::start(&ServerOptions {
                password: PASSWORD,
                voice_ca: &ca,
            })
        };
        spawn_blocking(start).await.unwrap()
    }

    /// The address of an audio file of a minute. The simulated node takes a file's length from its address.
    pub(crate) fn long_file(&self) -> String {
        format!("{}?length={}", self.long.url(), LONG * 1000)
    }

    /// The address of an audio file that ends soon.
    pub(crate) fn short_file(&self) -> String {
        format!("{}?length={}", self.short.url(), SHORT * 1000)
    }

    /// The `voice` of a player update: the `nth` that Discord issues to this guild.
    pub(crate) fn voice(&self, guild: u64, nth: u32) -> Value {
        let mut voices = self.voices.lock().unwrap_or_else(PoisonError::into_inner);
        let issue = || self.voice.voice_state(guild).to_json();
        voices.entry((guild, nth)).or_insert_with(issue).clone()
    }
}

/// Which of the two it is.
enum Kind {
    Real(LavalinkServer),
    Sim(SimNode),
}

/// A node that goes through the script.
pub(crate) struct Node {
    kind: Kind,
    pub(crate) stage: Arc<Stage>,
}

impl Node {
    pub(crate) fn real(server: LavalinkServer, stage: &Arc<Stage>) -> Self {
        Self {
            kind: Kind::Real(server),
            stage: Arc::clone(stage),
        }
    }

    /// A simulated node that is configured as the real one is.
    pub(crate) async fn sim(stage: &Arc<Stage>) -> Self {
        let builder = SimNode::builder()
            .password(PASSWORD)
            .players_interval(Duration::from_secs(1))
            .source_managers(&["local", "http"])
            .plugins(&[]);
        Self {
            kind: Kind::Sim(builder.start().await.unwrap()),
            stage: Arc::clone(stage),
        }
    }

    pub(crate) fn url(&self) -> String {
        match &self.kind {
            Kind::Real(server) => format!("http://{}", server.address()),
            Kind::Sim(sim) => sim.url(),
        }
    }

    fn pick(&self, real: &'static str, sim: &'static str) -> &'static str {
        match self.kind {
            Kind::Real(_) => real,
            Kind::Sim(_) => sim,
        }
    }

    /// A file that cannot be had: nobody listens on port 1.
    pub(crate) fn lost_file(&self) -> &'static str {
        self.pick("http://127.0.0.1:1/lost.wav", "https://sim.invalid/fail/lost.wav")
    }

    /// An identifier that fails to load.
    pub(crate) fn failing_identifier(&self) -> &'static str {
        self.pick("http://127.0.0.1:1/lost.wav", "sim:error")
    }

    /// Discord has refused the voice token of a guild, which the real node learns by itself.
    ///
    /// A voice server that cannot be reached, or that hangs up, is no part of the script: the real node goes on trying
    /// for longer than a test can wait, and does not answer meanwhile.
    pub(crate) fn voice_is_refused(&self, session: &str, guild: u64) {
        if let Kind::Sim(sim) = &self.kind {
            sim.close_voice(session, guild.cast_signed(), 4004, "Authentication failed.");
        }
    }

    /// A track that can be decoded and then fails when it starts.
    pub(crate) fn failing_track(&self) -> String {
        SimTrack::http("Lost", self.lost_file(), 5_000)
            .in_container("wav")
            .encode(3)
    }

    /// Names for what is different on each node.
    pub(crate) fn names(&self) -> Names {
        let mut names = Names::default();
        names.add(self.lost_file(), "<lost file>");
        names.add(self.failing_identifier(), "<failing identifier>");
        let url = self.url();
        names.add(url.trim_start_matches("http://"), "<node>");
        names.add(self.stage.long.url(), "<long file>");
        names.add(self.stage.short.url(), "<short file>");
        names.add(self.stage.voice.endpoint(), "<voice server>");
        names
    }

    /// Discord closes the voice connection of a guild.
    pub(crate) fn close_voice(&self, session: &str, guild: u64, code: u16, reason: &str) {
        let closed = match &self.kind {
            Kind::Real(_) => self.stage.voice.close(guild, code, reason) > 0,
            Kind::Sim(sim) => sim.close_voice(session, guild.cast_signed(), code, reason),
        };
        assert!(closed, "guild {guild} has a voice connection");
    }
}
