//! What one node answered and sent, step by step, with everything taken out that differs from run to run: session ids,
//! addresses of the kit's own servers, and the packing of encoded tracks. Comparing is `compare.rs`.

use std::collections::BTreeMap;

use proxy_testkit::{SimGeneration, client::RestAnswer, sim::SimTrack};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Map, Value, json};

/// What was seen at one step of the script.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Step {
    /// Scene and step: the same on both nodes.
    pub(crate) name: String,
    pub(crate) seen: Value,
}

/// Replaces what is different on each node by a name for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(Vec<(String, &'static str)>);

impl Names {
    /// From now on `text` is shown as `name`.
    pub(crate) fn add(&mut self, text: impl Into<String>, name: &'static str) {
        self.0.push((text.into(), name));
    }

    fn text(&self, text: &str) -> String {
        self.0
            .iter()
            .fold(text.to_owned(), |text, (from, to)| text.replace(from.as_str(), to))
    }

    /// The value with names in it, and with every encoded track as the fields that it packs.
    pub(crate) fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => json!(self.text(text)),
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(fields) => Value::Object(fields.iter().map(|(key, value)| self.field(key, value)).collect()),
            other => other.clone(),
        }
    }

    fn field(&self, key: &str, value: &Value) -> (String, Value) {
        let unpacked = match (key, value) {
            ("encoded", Value::String(encoded)) => unpack(encoded),
            // Below the first line are the node's own calls.
            ("causeStackTrace" | "trace", Value::String(text)) => text.lines().next().map(|line| json!(line)),
            _ => None,
        };
        (key.to_owned(), self.value(unpacked.as_ref().unwrap_or(value)))
    }

    /// An answer: status, all headers but the date, body.
    pub(crate) fn answer(&self, answer: &RestAnswer) -> Value {
        let body = match serde_json::from_slice(&answer.body) {
            // A version number such as `4.2.2` is no JSON, but `4.2` would be.
            Ok(body @ (Value::Object(_) | Value::Array(_))) => self.value(&body),
            _ => json!(self.text(&answer.text())),
        };
        json!({"status": answer.status, "headers": headers(&answer.headers), "body": body})
    }

    /// Everything that came over a socket: per guild the events one by one and the updates in outline.
    pub(crate) fn messages(&self, texts: &[String]) -> Value {
        let mut seen = Messages::default();
        for text in texts {
            let Ok(message) = serde_json::from_str::<Value>(text) else {
                seen.broken.push(text.clone());
                continue;
            };
            seen.take(&self.value(&message), &top_level_keys(text));
        }
        seen.into_json()
    }
}

#[derive(Default)]
struct Messages {
    broken: Vec<String>,
    guilds: BTreeMap<String, Guild>,
    /// `ready`, `stats` and whatever else belongs to no guild, by op: a real node may send `stats` before `ready`.
    others: BTreeMap<String, Vec<Value>>,
    /// The order of keys, by kind of message: a reader that looks at the start only depends on it.
    keys: Map<String, Value>,
}

#[derive(Default)]
struct Guild {
    events: Vec<Value>,
    updates: usize,
    /// The last update, and how `connected` went from update to update.
    last: Value,
    connected: Vec<Value>,
}

impl Messages {
    fn take(&mut self, message: &Value, keys: &[String]) {
        let text = |name: &str| message[name].as_str().unwrap_or_default();
        let kind = format!("{} {}", text("op"), text("type"));
        self.keys.insert(kind.trim_end().to_owned(), json!(keys));
        let guild = text("guildId");
        if guild.is_empty() {
            self.others
                .entry(text("op").to_owned())
                .or_default()
                .push(message.clone());
            return;
        }
        let guild = self.guilds.entry(guild.to_owned()).or_default();
        if text("op") == "playerUpdate" {
            guild.update(message);
        } else {
            guild.events.push(message.clone());
        }
    }

    fn into_json(self) -> Value {
        let guilds = self.guilds.into_iter().map(|(id, guild)| (id, guild.into_json()));
        json!({
            "broken": self.broken, "keys": self.keys, "others": self.others, "guilds": guilds.collect::<Map<_, _>>(),
        })
    }
}

impl Guild {
    fn update(&mut self, message: &Value) {
        self.updates += 1;
        let connected = &message["state"]["connected"];
        if self.connected.last() != Some(connected) {
            self.connected.push(connected.clone());
        }
        self.last = message.clone();
    }

    fn into_json(self) -> Value {
        json!({
            "events": self.events,
            "updates": {"count": self.updates, "last": self.last, "connected": self.connected},
        })
    }
}

/// All headers but the date; a length only as far as there is one.
pub(crate) fn headers(headers: &http::HeaderMap) -> Value {
    let shown = headers.keys().filter(|name| *name != "date").map(|name| {
        let mut values: Vec<String> = headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect();
        match name.as_str() {
            "content-length" if values != ["0"] => values = vec!["some".to_owned()],
            "sec-websocket-accept" => values = vec!["some".to_owned()],
            // A set, in no particular order.
            "allow" => {
                values = values.join(",").split(',').map(|text| text.trim().to_owned()).collect();
                values.sort();
            }
            _ => {}
        }
        (name.as_str().to_owned(), json!(values.join(", ")))
    });
    Value::Object(shown.collect())
}

fn unpack(encoded: &str) -> Option<Value> {
    let track = SimTrack::decode(encoded, SimGeneration::V4_2).ok()?;
    let mut unpacked = track.info(SimGeneration::V4_2);
    unpacked["sourceData"] = json!(String::from_utf8_lossy(&track.source_data));
    Some(unpacked)
}

/// The keys of an object in the order in which they are written.
fn top_level_keys(text: &str) -> Vec<String> {
    struct Keys;
    impl<'de> Visitor<'de> for Keys {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<String>, A::Error> {
            let mut keys = Vec::new();
            while let Some((key, IgnoredAny)) = map.next_entry()? {
                keys.push(key);
            }
            Ok(keys)
        }
    }
    serde_json::Deserializer::from_str(text)
        .deserialize_map(Keys)
        .unwrap_or_default()
}
