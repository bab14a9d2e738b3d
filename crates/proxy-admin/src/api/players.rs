//! `/api/v1/sessions/{id}/players`: where each player of a session is, and what it plays, as its node says when asked.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use proxy_core::session::machine::Look;
use proxy_gateway::players::{PlayersError, PlayersOnNode};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::migrations::{ReasonName, name};
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
    /// The node that it is on; null while it has none.
    node: Option<Arc<str>>,
    /// The move under way; null when it does not move.
    moving: Option<MovingView>,
    /// Null if it plays nothing, or its node does not tell.
    track: Option<TrackView>,
    position_ms: Option<u64>,
    paused: bool,
    /// Null while its node does not tell.
    volume: Option<u64>,
    /// To the voice server.
    connected: bool,
    ping_ms: Option<i64>,
    /// Names of the filters in force.
    filters: Vec<String>,
}

/// A move that is not over.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Moving)]
struct MovingView {
    reason: ReasonName,
    /// Null while no node is chosen.
    to: Option<Arc<str>>,
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
/// Its nodes are asked, so this takes as long as they do: 5 s at most. A player whose node does not answer is listed
/// without what it plays.
#[utoipa::path(
    get, path = "/sessions/{id}/players", tag = "sessions", params(("id" = String, Path, description = "The session's id")),
    responses(
        (status = 200, description = "By guild", body = PlayerList),
        (status = 404, description = "There is no such session", body = crate::error::Refusal),
        (status = 422, description = "Its client speaks v3 ops (`v3-legacy`): its players cannot be asked for", body = crate::error::Refusal),
        (status = 503, description = "It has no node at the moment, or its node does not answer", body = crate::error::Refusal),
    ),
)]
pub(crate) async fn players(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<PlayerList>, ApiError> {
    let look = app.shared.look_at(&id).await;
    let look = look.ok_or(ApiError::NotFound("there is no session of this id"))?;
    let mut items = match app.shared.players_of(&id).await {
        Ok(nodes) => told(&app, &look, &nodes)?,
        // Players that wait for a node are worth showing; a session that has neither says why.
        Err(PlayersError::NoNode) if !look.players.is_empty() => Vec::new(),
        Err(error) => return Err(refuse(error)),
    };
    for player in &look.players {
        let guild_id = player.guild.0.to_string();
        let known = items.iter().position(|row| row.guild_id == guild_id);
        let index = known.unwrap_or_else(|| {
            items.push(PlayerRow::untold(guild_id));
            items.len() - 1
        });
        let row = &mut items[index];
        row.node = player.node.map(|node| name(&app.shared, node));
        row.moving = player.moving.map(|moving| MovingView {
            reason: moving.reason.into(),
            to: moving.to.map(|node| name(&app.shared, node)),
        });
    }
    items.sort_by(|a, b| a.guild_id.cmp(&b.guild_id));
    Ok(Json(PlayerList { items }))
}

/// What the nodes say. While a player moves both of its nodes may have it: the one counts that it is on.
fn told(app: &App, look: &Look, nodes: &[PlayersOnNode]) -> Result<Vec<PlayerRow>, ApiError> {
    if look.players.is_empty() && nodes.iter().all(|node| node.players.is_err()) {
        return Err(ApiError::Unavailable("the node does not answer"));
    }
    let mut rows = Vec::new();
    for on_node in nodes {
        let node = name(&app.shared, on_node.node);
        let elsewhere = |row: &PlayerRow| {
            let mut players = look.players.iter();
            let owned = players.find(|player| row.guild_id == player.guild.0.to_string());
            owned.is_some_and(|player| player.node != Some(on_node.node))
        };
        let players = on_node.players.iter().flatten();
        rows.extend(
            players
                .filter_map(|player| row(player, &node))
                .filter(|row| !elsewhere(row)),
        );
    }
    Ok(rows)
}

fn refuse(error: PlayersError) -> ApiError {
    match error {
        PlayersError::NoSession => ApiError::NotFound("there is no session of this id"),
        PlayersError::NoNode => ApiError::Unavailable("the session has no node at the moment"),
        PlayersError::Unsupported => {
            ApiError::Unprocessable("the client of this session speaks v3 ops: its players cannot be asked for")
        }
    }
}

impl PlayerRow {
    /// A player whose node does not tell.
    fn untold(guild_id: String) -> Self {
        Self {
            guild_id,
            node: None,
            moving: None,
            track: None,
            position_ms: None,
            paused: false,
            volume: None,
            connected: false,
            ping_ms: None,
            filters: Vec::new(),
        }
    }
}

/// `None` for what is no player: nodes are not trusted to send the right thing.
fn row(player: &Value, node: &Arc<str>) -> Option<PlayerRow> {
    let state = &player["state"];
    Some(PlayerRow {
        guild_id: player["guildId"].as_str()?.to_owned(),
        node: Some(Arc::clone(node)),
        moving: None,
        track: track(&player["track"]["info"]),
        position_ms: state["position"].as_u64(),
        paused: player["paused"].as_bool().unwrap_or(false),
        volume: Some(player["volume"].as_u64().unwrap_or(100)),
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
        assert_eq!(
            (row.position_ms, row.ping_ms, row.volume),
            (Some(400), Some(12), Some(80))
        );
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
