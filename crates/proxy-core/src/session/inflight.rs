//! Whether a player update whose answer was lost has taken effect, told from the player that the node shows afterwards.
//! Only what doing twice would be heard is looked at: the rest of an update may be sent again as it is.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lavalink_protocol::message::PlayerState;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The position that a node says may be so far from what the clock says: a track takes a moment to start.
const SLACK: i64 = 2_000;
/// The end of an encoded track is its position, which changes with every telling.
const ENCODED_POSITION: usize = 8;

/// A player update, as far as doing it twice matters.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Update {
    #[serde(default)]
    track: Option<UpdateTrack>,
    #[serde(default, deserialize_with = "present")]
    encoded_track: Option<Option<String>>,
    #[serde(default)]
    identifier: Option<String>,
    #[serde(default)]
    position: Option<i64>,
    #[serde(default)]
    paused: Option<bool>,
}

#[derive(Deserialize, Default)]
struct UpdateTrack {
    #[serde(default, deserialize_with = "present")]
    encoded: Option<Option<String>>,
    #[serde(default)]
    identifier: Option<String>,
}

/// Tells a null, which stops a track, from an absent key.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::<String>::deserialize(deserializer).map(Some)
}

#[derive(Deserialize)]
struct Player<'a> {
    #[serde(borrow, default)]
    track: Option<&'a RawValue>,
    #[serde(default)]
    paused: bool,
    state: PlayerState,
}

#[derive(Deserialize)]
struct Track {
    encoded: String,
    info: TrackInfo,
}

#[derive(Deserialize)]
struct TrackInfo {
    identifier: String,
    #[serde(default)]
    uri: Option<String>,
}

/// Whether `player` shows that `update`, sent `ago`, was carried out. Of an update that starts, stops or seeks a track
/// this is told from track, pause and position; any other shows nothing and is better sent again, which changes nothing.
pub fn shows(update: &[u8], player: &[u8], ago: Duration) -> bool {
    let (Ok(update), Ok(player)) = (
        serde_json::from_slice::<Update>(update),
        serde_json::from_slice::<Player<'_>>(player),
    ) else {
        return false;
    };
    let wanted = update.track.unwrap_or_default();
    let encoded = wanted.encoded.or(update.encoded_track);
    let identifier = wanted.identifier.or(update.identifier);
    let there = player
        .track
        .and_then(|track| serde_json::from_str::<Track>(track.get()).ok());
    let starts = match (&encoded, &identifier, &there) {
        (Some(None), None, there) => return there.is_none(),
        (Some(Some(encoded)), _, Some(there)) if is_same(encoded, &there.encoded) => true,
        (_, Some(identifier), Some(there)) if there.info.is(identifier) => true,
        (None, None, Some(_)) => false,
        _ => return false,
    };
    let Some(position) = update.position.or(starts.then_some(0)) else {
        return false;
    };
    let elapsed = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
    // Faster than double time would be needed to pass this.
    let latest = position.saturating_add(elapsed.saturating_mul(2)).saturating_add(SLACK);
    let near = (position.saturating_sub(SLACK)..=latest).contains(&player.state.position);
    // A new track plays unless it was asked to be paused.
    let paused = match (update.paused, starts) {
        (Some(paused), _) => player.paused == paused,
        (None, starts) => !(starts && player.paused),
    };
    near && paused
}

impl TrackInfo {
    fn is(&self, identifier: &str) -> bool {
        self.identifier == identifier || self.uri.as_deref() == Some(identifier)
    }
}

/// Whether two encoded tracks are the same but for their position.
fn is_same(one: &str, other: &str) -> bool {
    match (STANDARD.decode(one), STANDARD.decode(other)) {
        (Ok(one), Ok(other)) if one.len() == other.len() && one.len() > ENCODED_POSITION => {
            one[..one.len() - ENCODED_POSITION] == other[..other.len() - ENCODED_POSITION]
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(name: &str, position: i64) -> String {
        STANDARD.encode([name.as_bytes(), &position.to_be_bytes()].concat())
    }

    fn player(track: Option<&str>, position: i64, paused: bool) -> String {
        let track = track.map(|name| {
            serde_json::json!({
                "encoded": encoded(name, position),
                "info": {"identifier": name, "uri": format!("http://x/{name}")},
            })
        });
        let state = serde_json::json!({"time": 1, "position": position, "connected": true, "ping": 1});
        serde_json::json!({"guildId": "1", "track": track, "volume": 100, "paused": paused, "state": state}).to_string()
    }

    #[test]
    fn an_update_is_carried_out_when_the_player_shows_what_doing_it_twice_would_change() {
        let start = |more: &str| format!(r#"{{"track":{{"encoded":"{}"}}{more}}}"#, encoded("a", 0));
        let cases = [
            // A track that starts.
            (start(""), player(Some("a"), 900, false), true),
            (start(""), player(Some("b"), 900, false), false),
            (start(""), player(None, 0, false), false),
            // It played already, so this is not the start that was asked for.
            (start(""), player(Some("a"), 60_000, false), false),
            (start(r#","position":60000"#), player(Some("a"), 60_500, false), true),
            (start(r#","paused":true"#), player(Some("a"), 0, false), false),
            (start(r#","paused":true"#), player(Some("a"), 0, true), true),
            (start(""), player(Some("a"), 0, true), false),
            // By name, in either form.
            (r#"{"identifier":"a"}"#.into(), player(Some("a"), 0, false), true),
            (
                r#"{"track":{"identifier":"http://x/a"}}"#.into(),
                player(Some("a"), 0, false),
                true,
            ),
            (
                r#"{"track":{"identifier":"ytsearch:a"}}"#.into(),
                player(Some("a"), 0, false),
                false,
            ),
            // A stop.
            (r#"{"encodedTrack":null}"#.into(), player(None, 0, false), true),
            (
                r#"{"track":{"encoded":null}}"#.into(),
                player(Some("a"), 0, false),
                false,
            ),
            // A seek.
            (r#"{"position":5000}"#.into(), player(Some("a"), 5_100, false), true),
            (r#"{"position":5000}"#.into(), player(Some("a"), 90_000, false), false),
            // What may be sent again as it is, and what cannot be read.
            (r#"{"volume":50}"#.into(), player(Some("a"), 0, false), false),
            ("{".into(), player(Some("a"), 0, false), false),
        ];
        for (update, player, shown) in cases {
            let found = shows(update.as_bytes(), player.as_bytes(), Duration::from_millis(500));
            assert_eq!(found, shown, "{update} {player}");
        }
    }
}
