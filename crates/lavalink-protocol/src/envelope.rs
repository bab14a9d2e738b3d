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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Op, Option<u64>, EventKind) {
        let Envelope { op, guild, event } = Envelope::read(text.as_bytes());
        (op, guild.map(|guild| guild.0), event)
    }

    #[test]
    fn each_message_of_the_protocol_is_read_in_any_key_order() {
        let rows = [
            (
                r#"{"op":"ready","resumed":false,"sessionId":"x"}"#,
                (Op::Ready, None, EventKind::None),
            ),
            (r#"{"op":"stats","players":1}"#, (Op::Stats, None, EventKind::None)),
            (
                r#"{"frameStats":null,"op":"stats"}"#,
                (Op::Stats, None, EventKind::None),
            ),
            (
                r#"{"op":"playerUpdate","state":{"time":1,"op":"stats","guildId":"9"},"guildId":"7"}"#,
                (Op::PlayerUpdate, Some(7), EventKind::None),
            ),
            (
                r#"{"guildId":"7","op":"playerUpdate"}"#,
                (Op::PlayerUpdate, Some(7), EventKind::None),
            ),
            (
                r#"{"op":"event","type":"TrackStartEvent","guildId":"7","track":{}}"#,
                (Op::Event, Some(7), EventKind::TrackStart),
            ),
            (
                r#"{"track":{"info":{"title":"\"},\\\"op\":\"x"}},"guildId":"7","type":"TrackEndEvent","op":"event"}"#,
                (Op::Event, Some(7), EventKind::TrackEnd),
            ),
            (
                r#"{"op":"event","type":"TrackExceptionEvent","guildId":"7"}"#,
                (Op::Event, Some(7), EventKind::TrackException),
            ),
            (
                r#"{"op":"event","type":"TrackStuckEvent","guildId":"7"}"#,
                (Op::Event, Some(7), EventKind::TrackStuck),
            ),
            (
                r#"{"op":"event","guildId":"7","type":"WebSocketClosedEvent"}"#,
                (Op::Event, Some(7), EventKind::WebSocketClosed),
            ),
            (
                r#"{"op":"event","type":"SegmentsLoaded","guildId":"7"}"#,
                (Op::Event, Some(7), EventKind::Other),
            ),
            (r#"{"op":"event"}"#, (Op::Event, None, EventKind::Other)),
            (
                r#"{"op":"pluginOp","guildId":7}"#,
                (Op::Other, Some(7), EventKind::None),
            ),
            (
                " {\n\t\"op\" :\r\"event\" , \"guildId\" : \"7\" } ",
                (Op::Event, Some(7), EventKind::Other),
            ),
            (r#"{"\u006Fp":"re\u0061dy"}"#, (Op::Ready, None, EventKind::None)),
        ];
        for (text, expected) in rows {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_other() {
        for text in [
            "",
            "{",
            "{}",
            "[]",
            "null",
            "\"op\"",
            r#"["op","ready"]"#,
            r#"{"op":1}"#,
            r#"{"op":null}"#,
            r#"{"op":{"op":"ready"}}"#,
            r#"{"op":"Ready"}"#,
            r#"{"op":"ready"#,
            r#"{"op":"ready\"#,
            r#"{"a":"\"op":"ready"}"#,
            r#"{"a":[{]},"#,
            r#"{"a" "op":"ready"}"#,
            r#"{"a":,"op":"ready"}"#,
            r#"{"a":1 2,"op":"ready"}"#,
            r#"{,"op":"ready"}"#,
            "{op:\"ready\"}",
            "\u{feff}{\"op\":\"ready\"}",
        ] {
            assert_eq!(read(text), (Op::Other, None, EventKind::None), "{text}");
        }
    }

    #[test]
    fn a_guild_that_is_no_id_is_none() {
        for guild in [
            "\"\"",
            "\"x\"",
            "-1",
            "\"-1\"",
            "1.5",
            "null",
            "[1]",
            "\"9223372036854775808\"",
            "true",
        ] {
            let text = format!(r#"{{"op":"playerUpdate","guildId":{guild}}}"#);
            assert_eq!(read(&text), (Op::PlayerUpdate, None, EventKind::None), "{text}");
        }
    }

    #[test]
    fn deep_nesting_needs_no_stack() {
        let deep = format!(
            r#"{{"a":{}{},"op":"stats"}}"#,
            "[".repeat(1_000_000),
            "]".repeat(1_000_000)
        );
        assert_eq!(read(&deep), (Op::Stats, None, EventKind::None));
    }
}
