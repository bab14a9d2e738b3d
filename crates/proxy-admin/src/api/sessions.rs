//! `/api/v1/sessions`: the Lavalink sessions that clients see, and the node that each is on.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use proxy_gateway::session::directory::SessionEntry;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::error::ApiError;
use crate::listing::{Column, Listing, Page, Paging};
use crate::search::Search;
use crate::view::{VersionName, millis};

/// One session as its client sees it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Session)]
pub(crate) struct SessionRow {
    id: String,
    tenant: Arc<str>,
    /// A text, because it has more digits than a JavaScript number.
    user_id: String,
    client_name: Option<Box<str>>,
    version: VersionName,
    /// Null while it has no link.
    node: Option<Arc<str>>,
    node_session_id: Option<String>,
    players: u32,
    /// The client is away and may come back.
    parked: bool,
    /// As the client set it.
    resuming: bool,
    /// As the client set it.
    resume_timeout_seconds: i64,
    opened_at: u64,
}

/// Whether the client is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Presence {
    /// It has a WebSocket.
    Connected,
    /// It is away and may come back.
    Parked,
}

/// Which sessions are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SessionFilters {
    /// Only this tenant's.
    tenant: Option<Box<str>>,
    /// Only those on this node.
    node: Option<Box<str>>,
    /// Only of this version.
    #[param(inline)]
    version: Option<VersionName>,
    /// Only those whose client is there, or away.
    #[param(inline)]
    state: Option<Presence>,
    /// Only those with this text in their id, tenant, client name or user id.
    #[param(value_type = Option<String>)]
    q: Option<Search>,
}

const COLUMNS: [Column<Arc<SessionEntry>>; 2] = [
    ("opened", |entry| millis(entry.opened)),
    ("players", |entry| u64::from(entry.players())),
];

/// Lavalink sessions of clients
///
/// Columns: `opened`, `players`.
#[utoipa::path(
    get, path = "/sessions", tag = "sessions", params(Paging, SessionFilters),
    responses((status = 200, description = "A page", body = Page<SessionRow>)),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    listing: Listing<SessionFilters>,
) -> Result<Json<Page<SessionRow>>, ApiError> {
    let mut entries = app.shared.directory.all();
    entries.retain(|entry| listing.filters.want(&app, entry));
    // Sessions are no counters: they are read as they are now.
    listing
        .page(&entries, &COLUMNS, SystemTime::now(), |entry| row(&app, entry))
        .map(Json)
}

impl SessionFilters {
    fn want(&self, app: &App, entry: &SessionEntry) -> bool {
        self.tenant
            .as_deref()
            .is_none_or(|wanted| *wanted == *entry.tenant_name)
            && self.version.is_none_or(|wanted| wanted == entry.class().into())
            && self
                .state
                .is_none_or(|wanted| (wanted == Presence::Parked) == entry.is_parked())
            && self.node.as_deref().is_none_or(|wanted| {
                let node = node_of(app, entry);
                node.is_some_and(|node| *node == *wanted)
            })
            && self.q.as_ref().is_none_or(|search| {
                search.finds(entry.id.as_str()) || search.finds(&entry.tenant_name) || search.finds_client(entry)
            })
    }
}

fn node_of(app: &App, entry: &SessionEntry) -> Option<Arc<str>> {
    let route = entry.route()?;
    let node = app.shared.nodes.get(usize::from(route.node.0))?;
    Some(Arc::clone(&node.name))
}

fn row(app: &App, entry: &SessionEntry) -> SessionRow {
    let settings = entry.settings();
    SessionRow {
        id: entry.id.as_str().to_owned(),
        tenant: Arc::clone(&entry.tenant_name),
        user_id: entry.user.0.to_string(),
        client_name: entry.client_name.clone(),
        version: entry.class().into(),
        node: node_of(app, entry),
        node_session_id: entry.route().map(|route| route.node_session.as_str().to_owned()),
        players: entry.players(),
        parked: entry.is_parked(),
        resuming: settings.resuming,
        resume_timeout_seconds: settings.timeout,
        opened_at: millis(entry.opened),
    }
}
