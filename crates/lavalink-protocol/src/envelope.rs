//! Reads the few top-level fields of a node's message that say where it goes; the message itself stays as it came.
//!
//! Anything that is not understood is [`Op::Other`] and is forwarded like every message: plugins add ops.

use crate::id::GuildId;
use crate::scan::{Members, Raw};

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// `ready`
    Ready,
    /// `playerUpdate`
    PlayerUpdate,
    /// `stats`
    Stats,
    /// `event`
    Event,
    /// A plugin's op, or no JSON object with a known `op`.
    Other,
}

/// What kind of event an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// The message is no event.
    None,
    /// `TrackStartEvent`
    TrackStart,
    /// `TrackEndEvent`
    TrackEnd,
    /// `TrackExceptionEvent`
    TrackException,
    /// `TrackStuckEvent`
    TrackStuck,
    /// `WebSocketClosedEvent`
    WebSocketClosed,
    /// A plugin's event.
    Other,
}

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// `op`
    pub op: Op,
    /// `guildId`, where the message has one; always `None` for `ready` and `stats`.
    pub guild: Option<GuildId>,
    /// `type` of an event.
    pub event: EventKind,
}

impl Envelope {
    /// Reads a message, stopping as soon as its op needs no more. Of doubled keys the first counts.
    pub fn read(payload: &[u8]) -> Self {
        let mut fields = Fields::default();
        for (key, value) in Members::of(payload).into_iter().flatten() {
            fields.note(key, value);
            if fields.complete() {
                break;
            }
        }
        fields.into_envelope()
    }
}

#[derive(Default)]
struct Fields {
    op: Option<Op>,
    guild: Option<GuildId>,
    event: Option<EventKind>,
}

impl Fields {
    fn note(&mut self, key: Raw<'_>, value: &[u8]) {
        if key.is("op") {
            self.op = self.op.or_else(|| Some(op(value)));
        } else if key.is("guildId") {
            self.guild = self.guild.or_else(|| guild(value));
        } else if key.is("type") {
            self.event = self.event.or_else(|| Some(event(value)));
        }
    }

    fn complete(&self) -> bool {
        match self.op {
            None => false,
            Some(Op::Ready | Op::Stats) => true,
            Some(Op::PlayerUpdate | Op::Other) => self.guild.is_some(),
            Some(Op::Event) => self.guild.is_some() && self.event.is_some(),
        }
    }

    fn into_envelope(self) -> Envelope {
        let op = self.op.unwrap_or(Op::Other);
        let guild = if matches!(op, Op::Ready | Op::Stats) {
            None
        } else {
            self.guild
        };
        let event = if op == Op::Event {
            self.event.unwrap_or(EventKind::Other)
        } else {
            EventKind::None
        };
        Envelope { op, guild, event }
    }
}

fn op(value: &[u8]) -> Op {
    let Some(name) = Raw::of_value(value) else {
        return Op::Other;
    };
    let known = [
        ("playerUpdate", Op::PlayerUpdate),
        ("event", Op::Event),
        ("stats", Op::Stats),
        ("ready", Op::Ready),
    ];
    known
        .into_iter()
        .find_map(|(text, op)| name.is(text).then_some(op))
        .unwrap_or(Op::Other)
}

fn event(value: &[u8]) -> EventKind {
    let Some(name) = Raw::of_value(value) else {
        return EventKind::Other;
    };
    let known = [
        ("TrackStartEvent", EventKind::TrackStart),
        ("TrackEndEvent", EventKind::TrackEnd),
        ("TrackExceptionEvent", EventKind::TrackException),
        ("TrackStuckEvent", EventKind::TrackStuck),
        ("WebSocketClosedEvent", EventKind::WebSocketClosed),
    ];
    known
        .into_iter()
        .find_map(|(text, kind)| name.is(text).then_some(kind))
        .unwrap_or(EventKind::Other)
}

/// A guild id is text; plugins are known to write a number.
fn guild(value: &[u8]) -> Option<GuildId> {
    let digits = Raw::of_value(value).map_or(value, |text| text.0);
    std::str::from_utf8(digits).ok()?.parse().ok()
}
