//! What is known of one player, so that it can be made again on another node: the last Player object that its node
//! showed, and what requests and messages changed since. Not for whose player it is: that is [`crate::session::players`].
//!
//! A shadow follows the node's answers, not the requests, since a node may take a request in part only. Answers are kept
//! as they came and read when they are needed, which for most players is never. What is read of them is in `objects`, what
//! a request says in `asked`.

mod asked;
mod objects;

use std::cell::{Cell, OnceCell};
use std::fmt;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use lavalink_protocol::id::GuildId;
use lavalink_protocol::message::quick_state;
use serde_json::value::RawValue;

use crate::placement::region;
use crate::secret::Secret;
use crate::session::links::LATE;
use crate::session::writes::{PluginWrite, Writes};

pub use asked::{Asked, Needs};
pub use objects::TrackMark;
use objects::{PlayerObject, TrackEvent, TrackObject, Voice, event_track, read, shown_track, speed};

/// See the module.
#[derive(Debug)]
pub struct Shadow {
    /// The Player object as the node last showed it.
    player: Shown,
    track: TrackSince,
    /// The end marker, which no answer shows.
    end_time: Option<i64>,
    /// The position and whether the voice connection is open, as told since the answer: the last `playerUpdate`, or one of
    /// the same form. Empty when nothing was told.
    told: Vec<u8>,
    /// When the position was last told.
    at: Instant,
    /// Counts the tracks, so that a late finding can be told from a current one.
    serial: u16,
    /// The track whose start the client was told last. That of the track that plays is due when this is another one: its
    /// `TrackStartEvent` is on its way, or was lost with its link.
    heard: Option<TrackMark>,
    hearing: Hearing,
    /// When it was told.
    heard_at: Instant,
    /// When the node or an event last said what the player is: what was asked before that is out of date.
    known: Instant,
    /// The node may hold something else: an update failed, or its answer was lost.
    pub doubtful: bool,
    /// The voice channel of the last voice state that was given.
    channel: Option<NonZeroU64>,
    /// What was written to plugin routes below the player.
    writes: Writes,
    /// Discord's region of the answer's voice endpoint, once it was asked for: each ping that is learned from needs it.
    /// Empty when there is none.
    region: OnceCell<Box<str>>,
}

/// A Player object as it came: a secret, since it holds the voice token. That it is text shows when it is read.
struct Shown {
    player: Box<[u8]>,
    /// The mark of its track, once it was asked for, and by how many of the first bytes it is told.
    mark: Cell<Option<(TrackMark, u32)>>,
}

impl Shown {
    fn new(player: Box<[u8]>) -> Self {
        let mark = Cell::new(None);
        Self { player, mark }
    }

    fn mark(&self) -> Option<TrackMark> {
        let found = self.mark.get().or_else(|| TrackMark::read(&self.player));
        self.mark.set(found);
        found.map(|(mark, _)| mark)
    }

    /// Takes the next answer. Most show the same track in the same words, so that its mark is still known.
    fn replace(&mut self, player: Box<[u8]>) {
        let tells = |bytes: u32| player.starts_with(&self.player[..bytes as usize]);
        let same = self.mark.get().filter(|(_, told_by)| tells(*told_by));
        *self = Self {
            player,
            mark: Cell::new(same),
        };
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown(***)")
    }
}

/// How the start that the client was told last stands to the track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hearing {
    /// It is the start of the track that plays, if it is of that track at all.
    Told,
    /// The same, but an earlier run of the proxy is only believed to have told it.
    Believed,
    /// A track was asked for since. If it is the same one, the end of its earlier play and the start of the next one are
    /// on their way, or were lost.
    Earlier,
    /// The client was told as well that this track was replaced: it is over, even where the node's last answer shows it.
    /// What takes its place is told by the next start or answer.
    Replaced,
}

/// A longer `playerUpdate` is none of Lavalink's.
const MAX_UPDATE: usize = 1024;

/// What became of the track since the answer.
#[derive(Debug)]
enum TrackSince {
    /// It is the answer's.
    AsAnswered,
    /// This `TrackStartEvent` came, of this track.
    Started(Box<[u8]>, Option<TrackMark>),
    /// It ended. An answer that was made before and comes after still shows it.
    Ended(Box<str>),
}

/// The request that makes a player again.
#[derive(Debug, PartialEq)]
pub struct Restore {
    /// The body of the one PATCH; it holds the voice token.
    pub body: Secret,
    /// It starts a track, so the node will send a `TrackStartEvent`, which the client may have had already.
    pub starts_track: bool,
    /// To be sent after it, in this order.
    pub writes: Vec<PluginWrite>,
}

/// What became of a track without the client hearing of it: the message to send.
pub type Told = Box<[u8]>;

impl Shadow {
    /// From the first Player object that the node showed; `None` when it is none.
    pub fn new(asked: &Asked, answer: &[u8], now: Instant) -> Option<Self> {
        Some(Self {
            player: Shown::new(std::str::from_utf8(answer).ok()?.as_bytes().into()),
            track: TrackSince::AsAnswered,
            end_time: asked.end_time,
            told: Vec::new(),
            at: now,
            serial: 0,
            heard: None,
            hearing: Hearing::Told,
            heard_at: now,
            known: now,
            doubtful: false,
            channel: asked.channel,
            writes: Writes::default(),
            region: OnceCell::new(),
        })
    }

    /// Takes the answer to a player update.
    pub fn follow(&mut self, asked: &Asked, answer: Box<[u8]>, now: Instant) {
        let starts = asked.new_track && !(asked.no_replace && self.has_track());
        // A start comes before its track's end, so what was heard before the request was sent is of an earlier play.
        let earlier = starts && asked.sent.is_some_and(|sent| self.heard_at < sent);
        if earlier {
            self.track = TrackSince::AsAnswered;
        }
        if starts {
            self.count_track();
            self.end_time = asked.end_time;
        } else if asked.end_time.is_some() {
            self.end_time = asked.end_time;
        }
        if asked.voice {
            self.channel = asked.channel;
        }
        self.take_answer(answer, now);
        if starts {
            match self.hearing {
                // Its end overtook this answer, which may show it.
                Hearing::Replaced if !earlier => return,
                Hearing::Replaced => self.heard = None,
                // It may be this run's doing that its node showed the track.
                Hearing::Believed if !earlier => self.heard = None,
                Hearing::Told | Hearing::Believed | Hearing::Earlier => {}
            }
            self.hearing = if earlier { Hearing::Earlier } else { Hearing::Told };
        }
    }

    /// Takes an answer to an update that started no track, and that shows another one than is known: all of it but that. What
    /// became of the track that is known is found out first.
    #[cold]
    pub fn follow_all_but_track(&mut self, asked: &Asked, answer: &[u8], now: Instant) {
        let (Some(known), Some(shown)) = (self.object(), read::<PlayerObject<'_>>(answer)) else {
            return;
        };
        let state = state(self.position(now), self.connected(&known));
        let mut player = String::from("{");
        let mut keep = |key, value: Option<&str>| value.into_iter().for_each(|value| field(&mut player, key, value));
        keep("track", known.track.map(RawValue::get));
        keep("volume", Some(&shown.volume.to_string()));
        keep("paused", Some(if shown.paused { "true" } else { "false" }));
        keep("state", Some(&state));
        keep("voice", shown.voice.map(RawValue::get));
        keep("filters", shown.filters.map(RawValue::get));
        player.push('}');
        if asked.end_time.is_some() && shown.track.is_some() {
            self.end_time = asked.end_time;
        }
        if asked.voice {
            self.channel = asked.channel;
        }
        let track = std::mem::replace(&mut self.track, TrackSince::AsAnswered);
        self.take(player.into_bytes().into(), now);
        self.track = track;
    }

    /// Puts an end marker to the track, if there is one.
    pub fn end_at(&mut self, end_time: Option<i64>) {
        if end_time.is_some() && self.has_track() {
            self.end_time = end_time;
        }
    }

    fn count_track(&mut self) {
        self.serial = self.serial.wrapping_add(1).max(1);
    }

    /// Takes an answer, which messages may have overtaken.
    fn take_answer(&mut self, player: Box<[u8]>, now: Instant) {
        let ended = match std::mem::replace(&mut self.track, TrackSince::AsAnswered) {
            TrackSince::Ended(identifier) => Some(identifier),
            _ => None,
        };
        self.take(player, now);
        let shown = ended.as_ref().and_then(|_| self.track_object());
        if let (Some(ended), Some(shown)) = (ended, shown)
            && *ended == *shown.info.identifier
        {
            self.track = TrackSince::Ended(ended);
        }
    }

    /// Puts the node's word in place of all that was known, but for the end marker and the plugin writes.
    fn take(&mut self, player: Box<[u8]>, now: Instant) {
        self.player.replace(player);
        self.track = TrackSince::AsAnswered;
        self.told.clear();
        self.region = OnceCell::new();
        (self.at, self.known, self.doubtful) = (now, now, false);
    }

    /// Takes a `playerUpdate`. Called for every one, so it is kept as it came: of all that come, few positions are asked
    /// for. Its place in memory is used again by the next one.
    #[inline]
    pub fn told_update(&mut self, update: &[u8], now: Instant) {
        if update.len() > MAX_UPDATE {
            return;
        }
        self.told.clear();
        self.told.extend_from_slice(update);
        self.at = now;
    }

    /// The position and whether the voice connection is open, as told last.
    fn told(&self) -> Option<(i64, bool)> {
        let state = quick_state(&self.told)?;
        Some((state.position, state.connected))
    }

    /// Takes a `TrackStartEvent`; whether it is news. `expected`: when it is of the track whose start was told last, it is
    /// that start.
    pub fn track_started(&mut self, event: &[u8], expected: bool, now: Instant) -> bool {
        if read::<TrackEvent<'_>>(event).is_none() {
            return true;
        }
        let connected = self.object().is_none_or(|player| self.connected(&player));
        let track = event_track(event);
        let position = track.as_ref().map_or(0, |track| track.info.position);
        let mark = track.as_ref().map(TrackMark::of);
        let news = std::mem::replace(&mut self.heard, mark) != mark || !expected;
        if news {
            (self.hearing, self.heard_at) = (Hearing::Told, now);
        }
        self.count_track();
        self.track = TrackSince::Started(event.into(), mark);
        self.known = now;
        let started = format!(
            r#"{{"op":"playerUpdate","state":{}}}"#,
            state(position.max(0), connected)
        );
        self.told_update(started.as_bytes(), now);
        news
    }

    /// Takes the start of a track that a request has replaced or stopped before it came: its end follows, and it does not
    /// take the place of what was answered since.
    #[cold]
    pub fn other_started(&mut self, track: TrackMark) {
        if self.start_is_due() {
            self.start_was_told(track);
        }
    }

    /// Takes a `TrackEndEvent`. An answer may have overtaken it, so it counts only for the track that is known, and not
    /// at all when another track has taken the place: that one's start follows.
    pub fn track_ended(&mut self, event: &[u8], now: Instant) {
        let Some(ended) = read::<TrackEvent<'_>>(event) else {
            return;
        };
        self.known = now;
        if ended.reason.as_deref() == Some("replaced") {
            if TrackMark::of_json(event) == self.heard {
                if self.hearing == Hearing::Earlier {
                    self.forget_heard();
                } else {
                    self.hearing = Hearing::Replaced;
                    self.count_track();
                }
            }
            return;
        }
        let same = match (self.track_object(), event_track(event)) {
            (Some(known), Some(ended)) => known.info.identifier == ended.info.identifier,
            (None, _) => return,
            (_, None) => true,
        };
        if same {
            self.forget_track();
        }
    }

    fn forget_track(&mut self) {
        let identifier = self.track_object().map(|track| track.info.identifier.into());
        self.track = TrackSince::Ended(identifier.unwrap_or_default());
        self.end_time = None;
        self.forget_heard();
        self.count_track();
    }

    /// Nothing of an earlier play of the track comes any more.
    pub fn forget_earlier_play(&mut self) {
        if self.hearing == Hearing::Earlier {
            self.forget_heard();
        }
    }

    fn forget_heard(&mut self) {
        (self.heard, self.hearing) = (None, Hearing::Told);
    }

    /// The track.
    pub fn mark(&self) -> Option<TrackMark> {
        let mark = match &self.track {
            TrackSince::AsAnswered => self.player.mark(),
            TrackSince::Started(_, mark) => *mark,
            TrackSince::Ended(_) => None,
        };
        mark.filter(|mark| !self.was_replaced(*mark))
    }

    fn was_replaced(&self, track: TrackMark) -> bool {
        self.hearing == Hearing::Replaced && self.heard == Some(track)
    }

    /// The track, if the client has not heard that it started.
    pub fn due_start(&self) -> Option<TrackMark> {
        let earlier = self.hearing == Hearing::Earlier;
        self.mark().filter(|track| earlier || self.heard != Some(*track))
    }

    /// The same, unless it has heard the start of an earlier play of it: of which of both an event is cannot be told.
    pub fn first_due_start(&self) -> Option<TrackMark> {
        self.mark().filter(|track| self.heard != Some(*track))
    }

    /// Whether the client heard the start of an earlier play of the track, and not yet that of the one that was asked for.
    pub fn plays_again(&self) -> bool {
        self.hearing == Hearing::Earlier && self.heard.is_some() && self.heard == self.mark()
    }

    /// Whether the client has not heard that the track started.
    pub fn start_is_due(&self) -> bool {
        self.due_start().is_some()
    }

    /// The track whose start the client was told last.
    pub fn heard(&self) -> Option<TrackMark> {
        self.heard
    }

    /// Whether the client was told that start so short a while ago that the node's own may be on its way.
    pub fn was_heard_lately(&self, now: Instant) -> bool {
        now < self.heard_at + LATE
    }

    /// The node's own start, which the client knows, may be on its way from now on.
    pub fn hear_again(&mut self, now: Instant) {
        self.heard_at = now;
    }

    /// Notes which track's start the client was told last.
    pub fn start_was_told(&mut self, heard: TrackMark) {
        (self.heard, self.hearing) = (Some(heard), Hearing::Told);
    }

    /// Notes that the client was told the start of the track.
    pub fn start_is_told(&mut self) {
        (self.heard, self.hearing) = (self.mark(), Hearing::Told);
    }

    /// Notes that an earlier run of the proxy has told the start of the track, as far as is known.
    pub fn start_is_believed_told(&mut self) {
        (self.heard, self.hearing) = (self.mark(), Hearing::Believed);
    }

    /// The start of the track, if the client has not heard it.
    pub fn tell_due_start(&mut self, guild: GuildId, now: Instant) -> Option<Told> {
        self.due_start()?;
        self.start_is_told();
        self.heard_at = now;
        Some(start_message(guild, self.raw_track()?.get()))
    }

    /// Whether the start of the track has to be told before this `TrackEndEvent` of it.
    pub fn is_end_without_start(&self, end: &[u8]) -> bool {
        self.first_due_start()
            .is_some_and(|due| TrackMark::of_json(end) == Some(due))
    }

    /// Notes a successful write to a plugin's route.
    pub fn note_write(&mut self, write: PluginWrite) {
        self.writes.note(write);
    }

    /// Whether what a node said to a question asked at this instant may be older than what is known.
    pub fn is_newer_than(&self, asked: Instant) -> bool {
        self.known >= asked
    }

    /// Changes with every track that starts or ends.
    pub fn serial(&self) -> u16 {
        self.serial
    }

    /// Whether a track is loaded.
    pub fn has_track(&self) -> bool {
        self.raw_track().is_some()
    }

    /// Whether it never had a track, as far as is known.
    pub fn never_played(&self) -> bool {
        self.serial == 0 && !self.has_track()
    }

    /// Whether a voice state was given.
    pub fn has_voice(&self) -> bool {
        self.voice().is_some_and(|voice| !voice.token.is_empty())
    }

    /// Where the track is, in milliseconds.
    pub fn position(&self, now: Instant) -> i64 {
        let Some(player) = self.object() else { return 0 };
        let told = self.told().map_or(player.state.position, |(position, _)| position);
        if player.paused || !self.connected(&player) || self.raw_track().is_none() {
            return told;
        }
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64() * 1000.0;
        // A position within any track fits.
        told.saturating_add((elapsed * speed(&player)) as i64)
    }

    fn connected(&self, player: &PlayerObject<'_>) -> bool {
        self.told().map_or(player.state.connected, |(_, connected)| connected)
    }

    /// Of two nodes that show the player, whether the other one has its voice connection; `None` when both or neither has.
    pub fn voice_is_open_elsewhere(&self, other: &[u8]) -> Option<bool> {
        let here = self.object().is_some_and(|player| self.connected(&player));
        let there = read::<PlayerObject<'_>>(other).is_some_and(|player| player.state.connected);
        (here != there).then_some(there)
    }

    /// What the player needs of another node.
    pub fn needs(&self) -> Needs {
        let voice = self.voice().filter(|voice| !voice.token.is_empty());
        Needs {
            source: self
                .track_object()
                .map(|track| track.info.source_name)
                .filter(|source| !source.is_empty())
                .map(Into::into),
            lacks_channel: voice.as_ref().is_some_and(Voice::lacks_channel) && self.channel.is_none(),
            endpoint: voice.map(|voice| voice.endpoint.into()),
        }
    }

    /// Discord's voice region that it plays to.
    pub(crate) fn discord_region(&self) -> Option<&str> {
        let read = || {
            let voice = self.voice();
            let region = voice.as_ref().and_then(|voice| region::of_discord(&voice.endpoint));
            region.unwrap_or_default().into()
        };
        Some(&**self.region.get_or_init(read)).filter(|region| !region.is_empty())
    }

    /// Whether the track has played to its end by the clock: what a node did that cannot be asked.
    pub fn has_run_out(&self, now: Instant) -> bool {
        self.track_object().is_some_and(|track| {
            let end = self.end_time.unwrap_or(i64::MAX).min(track.info.length);
            !track.info.is_stream && end > 0 && self.position(now) >= end
        })
    }

    /// The PATCH that makes the player again as it would be by now.
    pub fn restore(&self, now: Instant) -> Restore {
        let mut body = String::from("{");
        let track = self.track_object();
        if let Some(track) = &track {
            field(&mut body, "track", &track_update(track));
            if track.info.is_seekable && !track.info.is_stream {
                let position = self.position(now).clamp(0, track.info.length.max(0));
                field(&mut body, "position", &position.to_string());
            }
            if let Some(end) = self.end_time {
                field(&mut body, "endTime", &end.to_string());
            }
        }
        if let Some(player) = self.object() {
            field(&mut body, "volume", &player.volume.to_string());
            field(&mut body, "paused", if player.paused { "true" } else { "false" });
            if let Some(filters) = player.filters.filter(|filters| filters.get() != "{}") {
                field(&mut body, "filters", filters.get());
            }
            if let Some(voice) = player.voice.filter(|_| self.has_voice()) {
                field(&mut body, "voice", &self.voice_update(voice));
            }
        }
        body.push('}');
        Restore {
            body: Secret::new(body),
            starts_track: track.is_some(),
            writes: self.writes.iter().cloned().collect(),
        }
    }

    /// The voice state as the node showed it, with the channel that it did not show.
    fn voice_update(&self, shown: &RawValue) -> String {
        let voice = read::<Voice>(shown.get().as_bytes()).filter(Voice::lacks_channel);
        match (voice, self.channel) {
            (Some(voice), Some(channel)) => serde_json::json!({
                "token": voice.token, "endpoint": voice.endpoint, "sessionId": voice.session_id,
                "channelId": channel.to_string(),
            })
            .to_string(),
            _ => shown.get().to_owned(),
        }
    }

    /// Whether the node's Player object has the track that is known.
    pub fn agrees(&self, player: &[u8]) -> bool {
        let identifier = |track: TrackObject<'_>| track.info.identifier;
        self.track_object().map(identifier) == shown_track(player).map(identifier)
    }

    /// Whether an answer shows the track that ended last: it was made before that, and comes after.
    pub fn has_ended(&self, answer: &[u8]) -> bool {
        let TrackSince::Ended(ended) = &self.track else {
            return TrackMark::of_json(answer).is_some_and(|shown| self.was_replaced(shown));
        };
        shown_track(answer).is_some_and(|shown| *shown.info.identifier == **ended)
    }

    /// Takes what the node says that the player is, after a time in which messages may have been lost. What of it the
    /// client has not heard is added to `told`, as the messages that the node would have sent.
    pub fn found(&mut self, guild: GuildId, player: &[u8], now: Instant, told: &mut Vec<Told>) {
        let Some(found) = read::<PlayerObject<'_>>(player) else {
            return;
        };
        let known = self.track_object().map(|track| track.info.identifier);
        let there = found
            .track
            .and_then(|track| read::<TrackObject<'_>>(track.get().as_bytes()));
        match (&known, &there) {
            (Some(known), Some(there)) if *known == there.info.identifier => {}
            (Some(_), Some(_)) => {
                told.extend(self.end_messages(guild, "replaced"));
                self.end_time = None;
                self.count_track();
            }
            (Some(_), None) => {
                told.extend(self.lost_end(guild, now));
                self.forget_track();
            }
            (None, _) => {}
        }
        self.take(player.into(), now);
        if self.hearing == Hearing::Replaced {
            // It was asked later: what it shows has taken the place, be it the same track.
            self.forget_heard();
        }
        if let Some(track) = found.track.filter(|_| self.start_is_due()) {
            told.push(start_message(guild, track.get()));
            self.start_is_told();
            self.heard_at = now;
        }
    }

    /// The node has no such player any more, or is gone for good: the messages that tell the end of its track.
    pub fn lost_end(&self, guild: GuildId, now: Instant) -> Vec<Told> {
        // By the position that was told last and the clock since: where the track, or its end marker, is within two seconds
        // of its end by then, it has run out. Before that, and of a stream, nothing is known but that it plays no more, and
        // a node that plays on has stopped only for what it could not load. Both reasons let the client play its next track.
        let slack = Duration::from_secs(2);
        let reason = if self.has_run_out(now + slack) {
            "finished"
        } else {
            "loadFailed"
        };
        self.end_messages(guild, reason)
    }

    /// The end of a track that ran out by the clock; the shadow has no track after it.
    pub fn run_out(&mut self, guild: GuildId) -> Vec<Told> {
        let messages = self.end_messages(guild, "finished");
        self.forget_track();
        messages
    }

    /// What Lavalink sends when a track cannot go on: the exception, then the end.
    pub fn failed(&self, guild: GuildId) -> Vec<Told> {
        let exception = self.raw_track().map(|track| {
            let cause = "the node was lost and no other could take the player";
            let exception = format!(
                r#"{{"message":"The node of this player was lost.","severity":"fault","cause":"{cause}","causeStackTrace":""}}"#
            );
            event(guild, "TrackExceptionEvent", track.get(), "exception", &exception)
        });
        let mut messages = self.end_messages(guild, "loadFailed");
        let before_end = messages.len().saturating_sub(1);
        messages.splice(before_end..before_end, exception);
        messages
    }

    /// The end of the track, after its start if that is due.
    fn end_messages(&self, guild: GuildId, reason: &str) -> Vec<Told> {
        let Some(track) = self.raw_track().map(RawValue::get) else {
            return Vec::new();
        };
        let start = self.start_is_due().then(|| start_message(guild, track));
        let end = event(guild, "TrackEndEvent", track, "reason", &format!("\"{reason}\""));
        start.into_iter().chain([end]).collect()
    }

    fn object(&self) -> Option<PlayerObject<'_>> {
        read(&self.player.player)
    }

    fn voice(&self) -> Option<Voice> {
        read(self.object()?.voice?.get().as_bytes())
    }

    fn raw_track(&self) -> Option<&RawValue> {
        if self.hearing == Hearing::Replaced && self.mark().is_none() {
            return None;
        }
        match &self.track {
            TrackSince::AsAnswered => self.object()?.track,
            TrackSince::Started(event, _) => read::<TrackEvent<'_>>(event).map(|event| event.track),
            TrackSince::Ended(_) => None,
        }
    }

    fn track_object(&self) -> Option<TrackObject<'_>> {
        read(self.raw_track()?.get().as_bytes())
    }
}

fn track_update(track: &TrackObject<'_>) -> String {
    let mut out = String::from("{");
    field(
        &mut out,
        "encoded",
        &serde_json::Value::from(&*track.encoded).to_string(),
    );
    if let Some(data) = track.user_data {
        field(&mut out, "userData", data.get());
    }
    out.push('}');
    out
}

fn field(object: &mut String, key: &str, value: &str) {
    if !object.ends_with('{') {
        object.push(',');
    }
    object.push('"');
    object.push_str(key);
    object.push_str("\":");
    object.push_str(value);
}

fn event(guild: GuildId, kind: &str, track: &str, key: &str, value: &str) -> Told {
    format!(
        r#"{{"op":"event","type":"{kind}","guildId":"{}","track":{track},"{key}":{value}}}"#,
        guild.0
    )
    .into_bytes()
    .into()
}

/// A player's state, as it is told.
fn state(position: i64, connected: bool) -> String {
    format!(r#"{{"time":0,"position":{position},"connected":{connected},"ping":-1}}"#)
}

/// The start of the track of an event.
pub fn start_of(guild: GuildId, event: &[u8]) -> Option<Told> {
    Some(start_message(guild, read::<TrackEvent<'_>>(event)?.track.get()))
}

fn start_message(guild: GuildId, track: &str) -> Told {
    format!(
        r#"{{"op":"event","type":"TrackStartEvent","guildId":"{}","track":{track}}}"#,
        guild.0
    )
    .into_bytes()
    .into()
}

/// What Lavalink sends when the voice connection of a player is gone and will not come back by itself. Discord's code
/// for a voice session that is no longer valid makes client libraries join again.
pub fn voice_closed(guild: GuildId) -> Told {
    format!(
        r#"{{"op":"event","type":"WebSocketClosedEvent","guildId":"{}","code":4006,"reason":"Session is no longer valid.","byRemote":true}}"#,
        guild.0
    )
    .into_bytes()
    .into()
}

#[cfg(test)]
mod tests;
