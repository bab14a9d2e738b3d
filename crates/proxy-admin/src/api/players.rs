//! `/api/v1/sessions/{id}/players`: what a session plays, as its node says when asked.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use proxy_gateway::players::PlayersError;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::App;
use crate::error::ApiError;

/// The players of a session.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlayerList {
    items: Vec<PlayerRow>,
}

/// One guild's player.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Player)]
struct PlayerRow {
    /// A text, because it has more digits than a JavaScript number.
    guild_id: String,
    node: Arc<str>,
    /// Null if it plays nothing.
    track: Option<TrackView>,
    position_ms: Option<u64>,
    paused: bool,
    volume: u64,
    /// To the voice server.
    connected: bool,
    ping_ms: Option<i64>,
    /// Names of the filters in force.
    filters: Vec<String>,
}

/// What a player plays.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Track)]
struct TrackView {
    title: String,
    author: String,
    uri: Option<String>,
    source_name: String,
    length_ms: u64,
    is_stream: bool,
}

/// The players of a session
///
/// Its node is asked, so this takes as long as the node does: 5 s at most.
#[utoipa::path(
    get, path = "/sessions/{id}/players", tag = "sessions", params(("id" = String, Path, description = "The session's id")),
    responses((status = 200, description = "By guild", body = PlayerList)),
)]
pub(crate) async fn players(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<PlayerList>, ApiError> {
    let nodes = app.shared.players_of(&id).await.map_err(refuse)?;
    let mut items = Vec::new();
    for on_node in nodes {
        let Some(node) = app.shared.nodes.get(usize::from(on_node.node.0)) else {
            continue;
        };
        items.extend(on_node.players.iter().filter_map(|player| row(player, &node.name)));
    }
    items.sort_by(|a, b| a.guild_id.cmp(&b.guild_id));
    Ok(Json(PlayerList { items }))
}

fn refuse(error: PlayersError) -> ApiError {
    match error {
        PlayersError::NoSession => ApiError::NotFound("there is no session of this id"),
        PlayersError::NoNode => ApiError::Unavailable("the session has no node at the moment"),
        PlayersError::Unsupported => ApiError::Unavailable("nodes before Lavalink 3.7 do not tell their players"),
        PlayersError::Node(_) => ApiError::Unavailable("the node does not answer"),
    }
}

/// `None` for what is no player: nodes are not trusted to send the right thing.
fn row(player: &Value, node: &Arc<str>) -> Option<PlayerRow> {
    let state = &player["state"];
    Some(PlayerRow {
        guild_id: player["guildId"].as_str()?.to_owned(),
        node: Arc::clone(node),
        track: track(&player["track"]["info"]),
        position_ms: state["position"].as_u64(),
        paused: player["paused"].as_bool().unwrap_or(false),
        volume: player["volume"].as_u64().unwrap_or(100),
        connected: state["connected"].as_bool().unwrap_or(false),
        // Lavalink says -1 while it does not know.
        ping_ms: state["ping"].as_i64().filter(|ping| *ping >= 0),
        filters: filters(&player["filters"]),
    })
}

fn track(info: &Value) -> Option<TrackView> {
    let text = |name: &str| info[name].as_str().unwrap_or_default().to_owned();
    info.is_object().then(|| TrackView {
        title: text("title"),
        author: text("author"),
        uri: info["uri"].as_str().map(str::to_owned),
        source_name: text("sourceName"),
        length_ms: info["length"].as_u64().unwrap_or(0),
        is_stream: info["isStream"].as_bool().unwrap_or(false),
    })
}

/// Those that change something; those of plugins are one level below.
fn filters(filters: &Value) -> Vec<String> {
    let Some(all) = filters.as_object() else {
        return Vec::new();
    };
    let is_on = |name: &str, value: &Value| match value {
        Value::Null => false,
        Value::Array(entries) => !entries.is_empty(),
        Value::Object(members) => !members.is_empty(),
        value => name != "volume" || value.as_f64() != Some(1.0),
    };
    let of_plugins = all
        .get("pluginFilters")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    let own = all.iter().filter(|(name, _)| *name != "pluginFilters");
    own.chain(of_plugins)
        .filter(|(name, value)| is_on(name, value))
        .map(|(name, _)| name.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn a_player_is_shown_as_lavalink_tells_it() {
        let node: Arc<str> = "eu-1".into();
        let info =
            json!({"title": "T", "author": "A", "length": 1000, "isStream": false, "sourceName": "http", "uri": "u"});
        let player = json!({
            "guildId": "7", "volume": 80, "paused": true, "track": {"encoded": "x", "info": info},
            "state": {"time": 1, "position": 400, "connected": true, "ping": 12},
            "filters": {"volume": 1.0, "equalizer": [], "timescale": {"speed": 2.0}, "karaoke": null,
                        "pluginFilters": {"echo": {"delay": 1}, "off": {}}},
        });
        let row = row(&player, &node).unwrap();
        assert_eq!(row.filters, ["timescale", "echo"]);
        assert_eq!((row.position_ms, row.ping_ms, row.volume), (Some(400), Some(12), 80));
        assert_eq!(row.track.as_ref().unwrap().length_ms, 1000);
    }

    #[test]
    fn what_a_node_leaves_out_or_gets_wrong_harms_nothing() {
        let node: Arc<str> = "eu-1".into();
        for player in [json!(null), json!([]), json!({}), json!({"guildId": 7})] {
            assert_eq!(row(&player, &node), None, "{player}");
        }
        let bare = row(
            &json!({"guildId": "7", "track": null, "state": {"ping": -1}, "filters": 3}),
            &node,
        )
        .unwrap();
        assert_eq!((bare.track, bare.ping_ms, bare.filters.len()), (None, None, 0));
    }
}
