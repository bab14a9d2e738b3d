//! One session of a simulated node: its players, where its messages go, and what it sends when.
//!
//! Which sessions exist, and parking and resuming them, is in `state.rs`.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::mpsc::UnboundedSender;

use super::{
    counted::Counted,
    delivered::{self, Note},
    generation::SimGeneration,
    io::ConnControl,
    messages::{self, EndReason},
    player::{Loaded, Player, SimVoice},
};

/// Message and severity of a track that fails when it starts.
const BROKEN_TRACK: (&str, &str) = ("Something broke when playing the track.", "fault");

/// Something for a session's socket to do.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Text(String),
    /// A text of which is noted when it has been written.
    Counted(String, Counted),
    /// The start or the end of a track, noted as well.
    Track(String, Note),
    Close(u16, &'static str),
    /// Write `playerUpdate`s as fast as possible until the fault is cleared.
    Flood,
}

/// Where a session's messages go.
#[derive(Debug)]
pub(crate) enum Outbox {
    /// To the connected socket.
    Live(UnboundedSender<Outgoing>),
    /// Into the queue, for the client to return.
    Parked(VecDeque<Outgoing>),
}

/// What a session must know of its node's settings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) generation: SimGeneration,
    pub(crate) players_interval: Duration,
    pub(crate) stats_interval: Duration,
    pub(crate) free_running: bool,
}

/// A client's session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) user_id: i64,
    pub(crate) client_name: Option<String>,
    /// v4: keep the session when its socket drops.
    pub(crate) resuming: bool,
    /// v3: the key under which it is kept.
    pub(crate) resume_key: Option<String>,
    /// Seconds that it is kept.
    pub(crate) timeout: i64,
    /// While parked: when it ends, or `None` when a handshake that then failed has cancelled that.
    pub(crate) expires: Option<Instant>,
    pub(crate) next_stats: Instant,
    pub(crate) outbox: Outbox,
    pub(crate) connection: Option<Arc<ConnControl>>,
    pub(crate) players: BTreeMap<i64, Player>,
    /// Last sequence number sent per guild, see `numbered.rs`.
    pub(crate) numbers: BTreeMap<i64, u64>,
    settings: Settings,
}

impl Session {
    pub(crate) fn new(
        id: String,
        user_id: i64,
        client_name: Option<String>,
        outbox: Outbox,
        settings: Settings,
    ) -> Self {
        Self {
            id,
            user_id,
            client_name,
            resuming: false,
            resume_key: None,
            timeout: 60,
            expires: None,
            next_stats: Instant::now(),
            outbox,
            connection: None,
            players: BTreeMap::new(),
            numbers: BTreeMap::new(),
            settings,
        }
    }

    pub(crate) fn is_parked(&self) -> bool {
        matches!(self.outbox, Outbox::Parked(_))
    }

    /// Sends a message, or queues it while the session is parked.
    pub(crate) fn send(&mut self, text: String) {
        self.put(Outgoing::Text(text));
    }

    /// As [`Self::send`], for anything that a socket does.
    pub(crate) fn put(&mut self, outgoing: Outgoing) {
        match &mut self.outbox {
            // A socket that has just gone loses the message, as on a real node.
            Outbox::Live(sender) => drop(sender.send(outgoing)),
            Outbox::Parked(queue) => queue.push_back(outgoing),
        }
    }

    /// Sends a `playerUpdate` unless the session is parked: those are never queued.
    pub(crate) fn send_update(&mut self, guild: i64, now: Instant) {
        if self.is_parked() {
            return;
        }
        let state = match self.players.get(&guild) {
            Some(player) => player.state(self.settings.generation, now),
            None => Player::new(guild, false, now).state(self.settings.generation, now),
        };
        self.send(messages::player_update(guild, &state));
    }

    /// The guild's player, made if missing.
    pub(crate) fn player(&mut self, guild: i64, now: Instant) -> &mut Player {
        let free_running = self.settings.free_running;
        self.players
            .entry(guild)
            .or_insert_with(|| Player::new(guild, free_running, now))
    }

    /// Loads a track: the end of the one before, the start of this one, an update.
    pub(crate) fn play(&mut self, guild: i64, loaded: Loaded, now: Instant) {
        self.end_track(guild, EndReason::Replaced, now);
        let generation = self.settings.generation;
        let player = self.player(guild, now);
        player.change(now, |player| player.track = Some(loaded));
        // A node's timer starts with the track, so a second update follows at once.
        player.next_update = now;
        let start = player
            .snapshot(now)
            .map(|(track, data)| (messages::track_start(generation, guild, &track, &data), track.uri));
        if let Some((start, uri)) = start {
            let uri = uri.unwrap_or_default();
            let end = false;
            delivered::send(self, start, Note { guild, uri, end });
        }
        self.send_update(guild, now);
    }

    /// Takes the track out of the player and says so; nothing without a track.
    pub(crate) fn end_track(&mut self, guild: i64, reason: EndReason, now: Instant) {
        let Some(player) = self.players.get_mut(&guild) else {
            return;
        };
        let Some((track, user_data)) = player.snapshot(now) else {
            return;
        };
        player.track = None;
        let text = messages::track_end(self.settings.generation, guild, &track, &user_data, reason);
        let uri = track.uri.unwrap_or_default();
        delivered::send(self, text, Note { guild, uri, end: true });
    }

    /// A failing track: the exception, then its end.
    pub(crate) fn fail_track(&mut self, guild: i64, (message, severity): (&str, &str), now: Instant) {
        let snapshot = self.players.get(&guild).and_then(|player| player.snapshot(now));
        let Some((track, data)) = snapshot else { return };
        self.send(messages::track_exception(
            self.settings.generation,
            guild,
            &track,
            &data,
            message,
            severity,
        ));
        self.end_track(guild, EndReason::LoadFailed, now);
    }

    /// A track that gives no sound: the event, then an update.
    pub(crate) fn stick_track(&mut self, guild: i64, threshold_ms: i64, now: Instant) {
        let snapshot = self.players.get(&guild).and_then(|player| player.snapshot(now));
        let Some((track, data)) = snapshot else { return };
        self.send(messages::track_stuck(
            self.settings.generation,
            guild,
            &track,
            &data,
            threshold_ms,
        ));
        self.send_update(guild, now);
    }

    /// Opens the voice connection unless the same one is open (`force` opens it anyway, as v3's op does).
    pub(crate) fn connect_voice(&mut self, guild: i64, voice: SimVoice, force: bool, now: Instant) {
        let player = self.player(guild, now);
        if player.connected && player.voice == voice && !force {
            return;
        }
        self.close_voice(guild, 1000, "", false, now);
        let player = self.player(guild, now);
        player.change(now, |player| {
            player.voice = voice;
            player.connected = true;
        });
        self.send_update(guild, now);
    }

    /// Closes the voice connection, if one is open, and reports it.
    pub(crate) fn close_voice(&mut self, guild: i64, code: u16, reason: &str, by_remote: bool, now: Instant) {
        let Some(player) = self.players.get_mut(&guild).filter(|player| player.connected) else {
            return;
        };
        player.change(now, |player| player.connected = false);
        self.send(messages::voice_closed(guild, code, reason, by_remote));
        self.send_update(guild, now);
    }

    /// Removes the player: its track stops, its voice connection closes.
    pub(crate) fn destroy(&mut self, guild: i64, now: Instant) {
        self.end_track(guild, EndReason::Stopped, now);
        if let Some(player) = self.players.remove(&guild)
            && player.connected
        {
            self.send(messages::voice_closed(guild, 1000, "", false));
            self.send_update(guild, now);
        }
    }

    /// Carries out what time brings: ends of tracks and periodic updates.
    pub(crate) fn tick(&mut self, now: Instant) {
        let finished: Vec<i64> = self.guilds(|player| player.has_finished(now));
        for guild in finished {
            self.player(guild, now).rewind_at_end(now);
            self.end_track(guild, EndReason::Finished, now);
        }
        for guild in self.guilds(Player::is_broken) {
            self.fail_track(guild, BROKEN_TRACK, now);
        }
        for guild in self.guilds(|player| player.track.is_some() && player.next_update <= now) {
            let next = now + self.settings.players_interval;
            self.player(guild, now).next_update = next;
            self.send_update(guild, now);
        }
    }

    /// Sends `stats` if they are due. A legacy node makes none while the session is parked.
    pub(crate) fn tick_stats(&mut self, stats: &str, now: Instant) {
        if self.next_stats > now || (self.is_parked() && self.settings.generation == SimGeneration::Legacy) {
            return;
        }
        self.next_stats = now + self.settings.stats_interval;
        self.send(stats.to_owned());
    }

    fn guilds(&self, wanted: impl Fn(&Player) -> bool) -> Vec<i64> {
        self.players
            .values()
            .filter(|player| wanted(player))
            .map(|player| player.guild)
            .collect()
    }
}
