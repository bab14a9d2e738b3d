//! What is taken out of a recording before it is compared: names that each run has of its own, figures of playback, and
//! headers that belong to one connection.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;

use super::record::{Message, Recording, value_of};

/// Headers of one hop (RFC 9110, section 7.6.1), of one WebSocket handshake, or of one moment.
const DROPPED_HEADERS: [&str; 18] = [
    "connection",
    "content-length",
    "date",
    "host",
    "keep-alive",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-location",
    "sec-websocket-version",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Keys whose numbers depend on when they were read: only their presence and type can be compared.
const FIGURES: [&str; 17] = [
    "allocated",
    "deficit",
    "free",
    "lavalinkLoad",
    "nulled",
    "ping",
    "players",
    "playingPlayers",
    "position",
    "reservable",
    "sent",
    "systemLoad",
    "time",
    "timestamp",
    "uptime",
    "used",
    "cores",
];

/// Keys whose text is an encoded track, which embeds the position it had when it was encoded.
const TRACKS: [&str; 3] = ["encoded", "encodedTrack", "track"];

/// Names of one run that stand for the same thing in the other, such as passwords and voice tokens.
///
/// Session ids are found in the recording itself.
#[derive(Clone, Debug, Default)]
pub struct Names(Vec<(String, String)>);

impl Names {
    /// Replaces every occurrence of `actual` by `{placeholder}`.
    #[must_use]
    pub fn with(mut self, actual: impl Into<String>, placeholder: &str) -> Self {
        self.0.push((actual.into(), format!("{{{placeholder}}}")));
        self
    }

    /// Adds the session ids of a recording: announced by `ready`, named in paths, or asked for by a header.
    pub(super) fn with_sessions(mut self, recording: &Recording) -> Self {
        for message in recording.messages.iter().filter(|message| !message.from_client) {
            let ready = serde_json::from_str::<Value>(&message.text).unwrap_or_default();
            if let Some(id) = ready["sessionId"].as_str().filter(|_| ready["op"] == "ready") {
                self = self.with(id, "session");
            }
        }
        for exchange in &recording.exchanges {
            if let Some((_, rest)) = exchange.request.target.split_once("/sessions/") {
                self = self.with(rest.split(['/', '?']).next().unwrap_or(rest), "session");
            }
            if let Some(id) = value_of(&exchange.request.headers, "session-id") {
                self = self.with(id, "session");
            }
        }
        self.0.retain(|(actual, _)| !actual.is_empty());
        self
    }

    /// A text with every name replaced.
    pub(super) fn apply(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (actual, placeholder)| {
            text.replace(actual, placeholder)
        })
    }
}

/// Headers that can be compared, in order of their names.
pub(super) fn headers(headers: &[(String, String)], names: &Names) -> Vec<(String, String)> {
    let kept = headers
        .iter()
        .filter(|(name, _)| !DROPPED_HEADERS.contains(&name.as_str()));
    let mut kept: Vec<_> = kept.map(|(name, value)| (name.clone(), names.apply(value))).collect();
    kept.sort();
    kept
}

/// A request's path and query. A client may ask about a track as an event named it, with the position of that moment.
pub(super) fn target(target: &str, names: &Names) -> String {
    let target = names.apply(target);
    let Some((path, query)) = target.split_once('?') else {
        return target;
    };
    let fields = query.split('&').map(|field| match field.split_once('=') {
        Some((key, track)) if TRACKS.contains(&key) => format!("{key}={}", without_position(&unescaped(track))),
        _ => field.to_owned(),
    });
    format!("{path}?{}", fields.collect::<Vec<_>>().join("&"))
}

/// The three characters of base64 that a query may escape.
fn unescaped(text: &str) -> String {
    [("%2B", "+"), ("%2F", "/"), ("%3D", "=")]
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// What was sent by a client: JSON in one order of keys, with every figure as it was.
pub(super) fn sent(text: &str, names: &Names) -> String {
    let text = names.apply(text);
    serde_json::from_str::<Value>(&text).map_or(text, |value| value.to_string())
}

/// What was answered or announced by a node: as [`sent`], without figures of playback.
pub(super) fn received(text: &str, names: &Names) -> String {
    let text = names.apply(text);
    let Ok(mut value) = serde_json::from_str::<Value>(&text) else {
        return text;
    };
    without_figures(&mut value);
    value.to_string()
}

/// Whether a message is worth comparing.
///
/// How a client ends its own socket is not: some close it and let go of it in one breath, and whether the close frame
/// still leaves is chance.
pub(super) fn is_comparable(message: &Message) -> bool {
    if message.from_client {
        !message.is_close()
    } else {
        !is_goodbye(&message.text)
    }
}

/// Whether a message is the end of a voice connection that the client itself has asked for by destroying its player.
///
/// A real node says it a moment after its answer, when the client may be gone, and sometimes never: its voice library
/// races with itself when it closes, and now and then reconnects instead. So it cannot be compared.
fn is_goodbye(text: &str) -> bool {
    let message = serde_json::from_str::<Value>(text).unwrap_or_default();
    message["type"] == "WebSocketClosedEvent" && message["code"] == 1000
        || message["op"] == "playerUpdate" && message["state"]["connected"] == false
}

fn without_figures(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(without_figures),
        Value::Object(fields) => {
            for (key, field) in fields {
                if field.is_number() && FIGURES.contains(&key.as_str()) {
                    *field = Value::from("{number}");
                } else if let Some(track) = field.as_str().filter(|_| TRACKS.contains(&key.as_str())) {
                    *field = Value::from(without_position(track));
                } else {
                    without_figures(field);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// An encoded track with its position, the last eight bytes, set to zero; any other text as it is.
fn without_position(track: &str) -> String {
    match BASE64_STANDARD.decode(track) {
        Ok(mut bytes) if bytes.len() > 16 => {
            let start = bytes.len() - 8;
            bytes[start..].fill(0);
            BASE64_STANDARD.encode(bytes)
        }
        _ => track.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_go_and_everything_else_stays() {
        let track =
            |position: u8| BASE64_STANDARD.encode([[7u8; 20].as_slice(), &[0, 0, 0, 0, 0, 0, 0, position]].concat());
        let player = |position: u8, volume: u8| {
            json!({ "track": { "encoded": track(position), "info": { "position": position, "length": 9 } },
                "volume": volume, "state": { "time": position, "connected": true } })
            .to_string()
        };
        let names = Names::default();
        assert_eq!(received(&player(1, 5), &names), received(&player(200, 5), &names));
        assert_ne!(received(&player(1, 5), &names), received(&player(1, 6), &names));
        assert_ne!(sent(&player(1, 5), &names), sent(&player(2, 5), &names));
    }

    #[test]
    fn a_figure_that_is_no_number_is_a_difference() {
        let names = Names::default();
        assert_ne!(received(r#"{"ping":1}"#, &names), received(r#"{"ping":"1"}"#, &names));
        assert_ne!(received(r#"{"ping":1}"#, &names), received("{}", &names));
    }

    #[test]
    fn a_track_in_a_query_loses_its_position() {
        let track = |position: u8| {
            let bytes = [[7u8; 20].as_slice(), &[0, 0, 0, 0, 0, 0, 0, position]].concat();
            BASE64_STANDARD.encode(bytes).replace('=', "%3D")
        };
        let names = Names::default();
        let of = |position| target(&format!("/decodetrack?x=1&track={}", track(position)), &names);
        assert_eq!(of(1), of(9));
        assert_eq!(
            target("/loadtracks?identifier=a%3Db", &names),
            "/loadtracks?identifier=a%3Db"
        );
    }

    #[test]
    fn headers_of_one_hop_go() {
        let list = |names: &[&str]| {
            names
                .iter()
                .map(|name| ((*name).to_owned(), "secret".to_owned()))
                .collect::<Vec<_>>()
        };
        let kept = headers(
            &list(&["host", "user-agent", "connection", "authorization"]),
            &Names::default().with("secret", "p"),
        );
        let expected = [("authorization", "{p}"), ("user-agent", "{p}")];
        assert_eq!(kept, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
