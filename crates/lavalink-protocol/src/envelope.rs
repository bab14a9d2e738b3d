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
        usual(payload).unwrap_or_else(|| Self::walk(payload))
    }

    /// Reads a message of any key order and spelling.
    fn walk(payload: &[u8]) -> Self {
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
    let known = [
        ("playerUpdate", Op::PlayerUpdate),
        ("event", Op::Event),
        ("stats", Op::Stats),
        ("ready", Op::Ready),
    ];
    let name = Raw::of_value(value);
    let found = known
        .into_iter()
        .find(|(text, _)| name.is_some_and(|name| name.is(text)));
    found.map_or(Op::Other, |(_, op)| op)
}

const EVENTS: [(&str, EventKind); 5] = [
    ("TrackStartEvent", EventKind::TrackStart),
    ("TrackEndEvent", EventKind::TrackEnd),
    ("TrackExceptionEvent", EventKind::TrackException),
    ("TrackStuckEvent", EventKind::TrackStuck),
    ("WebSocketClosedEvent", EventKind::WebSocketClosed),
];

fn event(value: &[u8]) -> EventKind {
    let name = Raw::of_value(value);
    let found = EVENTS
        .into_iter()
        .find(|(text, _)| name.is_some_and(|name| name.is(text)));
    found.map_or(EventKind::Other, |(_, kind)| kind)
}

/// A guild id is text; plugins are known to write a number.
fn guild(value: &[u8]) -> Option<GuildId> {
    let digits = Raw::of_value(value).map_or(value, |raw| raw.text);
    GuildId::from_ascii(digits)
}

/// Recognises the spellings that Lavalink itself uses, which are nearly all messages, without walking over the rest.
/// Says nothing (`None`) about any other. Of text that is no JSON it may take more than [`Envelope::walk`] would.
fn usual(payload: &[u8]) -> Option<Envelope> {
    let rest = payload.strip_prefix(br#"{"op":""#)?;
    if let Some(rest) = rest.strip_prefix(br#"playerUpdate","#) {
        let guild = leading_guild(rest).or_else(|| trailing_guild(rest))?;
        return Some(Envelope {
            op: Op::PlayerUpdate,
            guild: Some(guild),
            event: EventKind::None,
        });
    }
    if let Some(rest) = rest.strip_prefix(br#"event","type":""#) {
        let (event, rest) = EVENTS.iter().find_map(|(name, kind)| {
            let rest = rest.strip_prefix(name.as_bytes())?.strip_prefix(br#"","#)?;
            Some((*kind, rest))
        })?;
        return Some(Envelope {
            op: Op::Event,
            guild: Some(leading_guild(rest)?),
            event,
        });
    }
    rest.starts_with(br#"stats","#).then_some(Envelope {
        op: Op::Stats,
        guild: None,
        event: EventKind::None,
    })
}

/// The guild id that members of an object start with.
fn leading_guild(members: &[u8]) -> Option<GuildId> {
    let (guild, rest) = GuildId::leading(members.strip_prefix(br#""guildId":""#)?)?;
    rest.starts_with(b"\"").then_some(guild)
}

/// The guild id that the members of an object end with, after others. In valid JSON unescaped quotes around a key and
/// a value right before the last brace can be nothing else.
fn trailing_guild(members: &[u8]) -> Option<GuildId> {
    let text = members.strip_suffix(br#""}"#)?;
    let digits = text.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (before, id) = text.split_at(text.len() - digits);
    before.ends_with(br#","guildId":""#).then(|| GuildId::from_ascii(id))?
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
    fn the_short_way_agrees_with_the_long_one() {
        let update = r#"{"op":"playerUpdate","#;
        let event = r#"{"op":"event","type":"#;
        let rows = [
            (format!(r#"{update}"state":{{"time":1}},"guildId":"7"}}"#), true),
            (format!(r#"{update}"guildId":"7","state":{{}}}}"#), true),
            (format!(r#"{event}"TrackEndEvent","guildId":"7","track":{{}}}}"#), true),
            (r#"{"op":"stats","players":1}"#.to_owned(), true),
            (format!(r#"{update}"state":{{"x":1,"guildId":"7"}}}}"#), false),
            (format!(r#"{update}"state":"\",\"guildId\":\"7"}}"#), false),
            (format!(r#"{update}"state":{{}},"guildId":"x"}}"#), false),
            (format!(r#"{update}"state":{{}},"guildId":""}}"#), false),
            (format!(r#"{update}"state":{{}}, "guildId":"7"}}"#), false),
            (format!(r#"{event}"TrackEndEvents","guildId":"7"}}"#), false),
            (format!(r#"{event}"TrackEndEvent","track":{{}},"guildId":"7"}}"#), false),
            (r#"{"op":"statsx","guildId":"7"}"#.to_owned(), false),
        ];
        for (text, short) in rows {
            serde_json::from_str::<serde_json::Value>(&text).expect("the rows are JSON");
            let found = usual(text.as_bytes());
            assert_eq!(found.is_some(), short, "{text}");
            assert!(
                found.is_none_or(|found| found == Envelope::walk(text.as_bytes())),
                "{text}"
            );
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
