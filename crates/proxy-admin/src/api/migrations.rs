//! `/api/v1/migrations`: players that were moved between nodes, the newest of them, and `sessions/{id}/players/{guild}/move`,
//! by which an operator moves one.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use lavalink_protocol::id::GuildId;
use proxy_core::pool::NodeId;
use proxy_core::session::migration::{MoveOutcome, MoveReason, MoveRefused};
use proxy_gateway::moves::{KEPT, PastMove};
use proxy_gateway::operator::MoveError;
use proxy_gateway::shared::Shared;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::body::OptionalBody;
use crate::error::ApiError;
use crate::listing::{Column, Listing, Page, Paging};
use crate::login::access::Access;
use crate::server::Peer;
use crate::view::millis;

/// How long the answer to a wish to move a player waits for what becomes of it.
const WAIT: Duration = Duration::from_secs(10);

/// A player that was moved, or was to be.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Migration)]
pub(crate) struct MigrationRow {
    /// Grows with time; begins anew with the program.
    id: u64,
    /// When it was over.
    at: u64,
    session_id: String,
    /// A text, because it has more digits than a JavaScript number.
    guild_id: String,
    /// The node where the player was.
    from: Arc<str>,
    /// Where it is, or was to go last; null when no node was found.
    to: Option<Arc<str>>,
    reason: ReasonName,
    outcome: OutcomeName,
    /// Why that node was chosen.
    why: Option<String>,
    /// From the decision to the end.
    took_ms: u64,
    /// How often it was tried, on one node or another.
    tries: u32,
}

/// Why a player moved: its node was lost, came back without the session, is drained, an operator
/// asked for it, or its voice region became known before it played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = MigrationReason)]
pub(crate) enum ReasonName {
    NodeDown,
    NodeRestarted,
    Drain,
    Operator,
    Region,
}

impl From<MoveReason> for ReasonName {
    fn from(reason: MoveReason) -> Self {
        match reason {
            MoveReason::NodeDown => Self::NodeDown,
            MoveReason::NodeRestarted => Self::NodeRestarted,
            MoveReason::Drain => Self::Drain,
            MoveReason::Operator => Self::Operator,
            MoveReason::Region => Self::Region,
        }
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = MigrationOutcome)]
pub(crate) enum OutcomeName {
    /// The player is on another node.
    Moved,
    /// It could not be moved and plays on where it was.
    Stayed,
    /// No node took it in time; its client was told that it is gone.
    Failed,
    /// Its client destroyed it, or the session ended, before it was over.
    Dropped,
}

impl From<MoveOutcome> for OutcomeName {
    fn from(outcome: MoveOutcome) -> Self {
        match outcome {
            MoveOutcome::Moved => Self::Moved,
            MoveOutcome::Stayed => Self::Stayed,
            MoveOutcome::Failed => Self::Failed,
            MoveOutcome::Dropped => Self::Dropped,
        }
    }
}

/// Which migrations are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct MigrationFilters {
    /// Only this session's.
    session: Option<Box<str>>,
    /// Only those of this guild's player.
    guild: Option<u64>,
    /// Only those from or to this node.
    node: Option<Box<str>>,
    /// Only for this reason.
    #[param(inline)]
    reason: Option<ReasonName>,
    /// Only those that ended so.
    #[param(inline)]
    outcome: Option<OutcomeName>,
    /// `true`: only those that went wrong, whose player stayed or is gone; `false`: only the others.
    failed: Option<bool>,
}

impl MigrationFilters {
    fn want(&self, row: &MigrationRow) -> bool {
        // What has never played may as well stay.
        let wrong = match row.outcome {
            OutcomeName::Stayed => row.reason != ReasonName::Region,
            OutcomeName::Failed => true,
            OutcomeName::Moved | OutcomeName::Dropped => false,
        };
        let on = |node: &str| *row.from == *node || row.to.as_deref() == Some(node);
        self.guild.is_none_or(|guild| row.guild_id == guild.to_string())
            && self.node.as_deref().is_none_or(on)
            && self.reason.is_none_or(|reason| row.reason == reason)
            && self.outcome.is_none_or(|outcome| row.outcome == outcome)
            && self.failed.is_none_or(|failed| wrong == failed)
    }
}

const COLUMNS: [Column<MigrationRow>; 3] = [
    ("at", |row| row.id),
    ("took", |row| row.took_ms),
    ("tries", |row| row.tries as u64),
];

/// Players that were moved between nodes
///
/// The newest 500 since the program was started. Columns: `at`, `took`, `tries`.
#[utoipa::path(
    get, path = "/migrations", tag = "sessions", params(Paging, MigrationFilters),
    responses((status = 200, description = "A page", body = Page<MigrationRow>)),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    listing: Listing<MigrationFilters>,
) -> Result<Json<Page<MigrationRow>>, ApiError> {
    let past = app.shared.moves.recent(listing.filters.session.as_deref(), KEPT);
    let rows = past.iter().map(|past| row(&app.shared, past));
    let rows: Vec<_> = rows.filter(|row| listing.filters.want(row)).collect();
    listing
        .page(&rows, &COLUMNS, SystemTime::now(), MigrationRow::clone)
        .map(Json)
}

fn row(shared: &Shared, past: &PastMove) -> MigrationRow {
    let migration = &past.migration;
    MigrationRow {
        id: past.number,
        at: millis(past.at),
        session_id: past.session.as_str().to_owned(),
        guild_id: migration.guild.0.to_string(),
        from: name(shared, migration.from),
        to: migration.to.map(|node| name(shared, node)),
        reason: migration.reason.into(),
        outcome: migration.outcome.into(),
        why: migration.why.map(|why| why.to_string()),
        took_ms: migration.took.as_millis() as u64,
        tries: migration.tries,
    }
}

/// The name of a node.
pub(crate) fn name(shared: &Shared, node: NodeId) -> Arc<str> {
    let node = shared.nodes.get(usize::from(node.0));
    node.map_or_else(|| "?".into(), |node| Arc::clone(&node.name))
}

/// Where a player is to go.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MoveWish)]
pub(crate) struct Wish {
    /// The name of a node; left out: the one that placement likes best among the others.
    to: Option<String>,
}

/// What became of a wish to move a player.
#[derive(Serialize, ToSchema)]
#[schema(as = MoveAnswer)]
pub(crate) struct Moved {
    /// Null when it is not over yet: it will be in `migrations`.
    migration: Option<MigrationRow>,
}

/// Move a player to another node
///
/// It plays on at its place, and its client is not told. The answer waits for what becomes of it, ten seconds at most.
/// Without a body the best other node takes it.
#[utoipa::path(
    post, path = "/sessions/{id}/players/{guild}/move", tag = "sessions", request_body = Option<Wish>,
    params(("id" = String, Path, description = "The session's id"), ("guild" = String, Path, description = "The guild's id")),
    responses(
        (status = 200, description = "It is over; `outcome` says how", body = Moved),
        (status = 202, description = "It goes on, see `migrations`", body = Moved),
        (status = 404, description = "There is no such session or player", body = crate::error::Refusal),
        (status = 409, description = "It is there already, is being moved, or no node takes it at the moment", body = crate::error::Refusal),
        (status = 422, description = "There is no such node, or it cannot serve this session", body = crate::error::Refusal),
    ),
)]
pub(crate) async fn move_player(
    State(app): State<Arc<App>>,
    peer: Extension<Peer>,
    Extension(access): Extension<Access>,
    Path((id, guild)): Path<(String, String)>,
    OptionalBody(wish): OptionalBody<Wish>,
) -> Result<(StatusCode, Json<Moved>), ApiError> {
    let no_player = ApiError::NotFound("the session has no player for this guild");
    let guild = GuildId(guild.parse().map_err(|_| no_player)?);
    let to = wish.to.as_deref().map(|wanted| {
        let node = app.shared.nodes.iter().find(|node| *node.name == *wanted);
        let node = node.ok_or(ApiError::Unprocessable("there is no node of this name"))?;
        Ok(node.id)
    });
    let to = to.transpose()?;
    let begun = app.shared.move_player(&id, guild, to).await.map_err(refuse)?;
    // Said now: whoever asked may not wait for what becomes of it, which is said with all moves.
    let wanted = wish.to.as_deref().unwrap_or("(best)");
    tracing::info!(
        peer = %peer.0.0, user = %access.user, session = %id, guild = guild.0, to = wanted, "an operator moves a player"
    );
    let past = app.shared.outcome(&begun, WAIT).await;
    let status = if past.is_some() {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    let migration = past.map(|past| row(&app.shared, &past));
    Ok((status, Json(Moved { migration })))
}

fn refuse(error: MoveError) -> ApiError {
    match error {
        MoveError::NoSession => ApiError::NotFound("there is no session of this id"),
        MoveError::NotV4 => ApiError::Unprocessable("only players of v4 sessions can be moved"),
        MoveError::NoAnswer => ApiError::Unavailable("the session does not answer"),
        MoveError::Refused(refused) => match refused {
            MoveRefused::NoPlayer => ApiError::NotFound("the session has no player for this guild"),
            MoveRefused::AlreadyThere => ApiError::Conflict("the player is on this node already"),
            MoveRefused::AlreadyMoving => ApiError::Conflict("the player is being moved already"),
            MoveRefused::NotReady => ApiError::Conflict("the node does not take work at the moment"),
            MoveRefused::NoOtherNode => ApiError::Conflict("there is no other node that could take the player"),
            MoveRefused::Unfit => ApiError::Unprocessable(
                "the node cannot serve this session: it is no v4 node, or the tenant may not use it",
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn row(from: &str, to: Option<&str>, outcome: OutcomeName) -> MigrationRow {
        MigrationRow {
            id: 1,
            at: 0,
            session_id: "s".to_owned(),
            guild_id: "7".to_owned(),
            from: from.into(),
            to: to.map(Into::into),
            reason: ReasonName::Drain,
            outcome,
            why: None,
            took_ms: 5,
            tries: 1,
        }
    }

    #[test]
    fn filters_know_both_ends_and_what_went_wrong() {
        let moved = row("a", Some("b"), OutcomeName::Moved);
        let stayed = row("b", None, OutcomeName::Stayed);
        let node = |node: &str| MigrationFilters {
            node: Some(node.into()),
            ..MigrationFilters::default()
        };
        assert!(node("a").want(&moved) && !node("a").want(&stayed));
        assert!(node("b").want(&moved) && node("b").want(&stayed));
        let failed = |failed| MigrationFilters {
            failed: Some(failed),
            ..MigrationFilters::default()
        };
        assert!(failed(true).want(&stayed) && !failed(true).want(&moved));
        assert!(failed(false).want(&moved) && !failed(false).want(&stayed));
        let guild = MigrationFilters {
            guild: Some(8),
            ..MigrationFilters::default()
        };
        assert!(!guild.want(&moved));
    }

    #[test]
    fn a_wish_has_one_field() {
        assert_eq!(
            serde_json::from_str::<Wish>(r#"{"to": "a"}"#).unwrap().to.as_deref(),
            Some("a")
        );
        assert!(serde_json::from_str::<Wish>(r#"{"node": "a"}"#).is_err());
    }
}
