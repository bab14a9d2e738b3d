//! `/api/v1/sessions`: the Lavalink sessions that clients see, and the node that each is on.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use proxy_gateway::session::directory::SessionEntry;
use serde::Serialize;

use crate::App;
use crate::error::ApiError;
use crate::listing::{Column, Listing, Page};
use crate::view::{millis, version_name};

/// One session as the API shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionRow {
    id: String,
    tenant: Arc<str>,
    /// A text, because it has more digits than a JavaScript number.
    user_id: String,
    client_name: Option<Box<str>>,
    version: &'static str,
    /// Null while it has no link.
    node: Option<Arc<str>>,
    node_session_id: Option<String>,
    players: u32,
    /// The client is away and may come back.
    parked: bool,
    resuming: bool,
    resume_timeout_seconds: i64,
    opened_at: u64,
}

const COLUMNS: [Column<Arc<SessionEntry>>; 2] = [
    ("opened", |entry| millis(entry.opened)),
    ("players", |entry| u64::from(entry.players())),
];

/// `GET /api/v1/sessions`
pub(crate) async fn list(State(app): State<Arc<App>>, listing: Listing) -> Result<Json<Page<SessionRow>>, ApiError> {
    if listing.ip.is_some() {
        return Err(ApiError::Query("sessions can be asked for by tenant only".to_owned()));
    }
    let mut entries = app.shared.directory.all();
    if let Some(tenant) = &listing.tenant {
        entries.retain(|entry| *entry.tenant_name == **tenant);
    }
    // Sessions are no counters: they are read as they are now.
    listing
        .page(entries, &COLUMNS, SystemTime::now(), |entry| row(&app, entry))
        .map(Json)
}

fn row(app: &App, entry: &SessionEntry) -> SessionRow {
    let route = entry.route();
    let node = route
        .as_ref()
        .and_then(|route| app.shared.nodes.get(usize::from(route.node.0)));
    let settings = entry.settings();
    SessionRow {
        id: entry.id.as_str().to_owned(),
        tenant: Arc::clone(&entry.tenant_name),
        user_id: entry.user.0.to_string(),
        client_name: entry.client_name.clone(),
        version: version_name(entry.class()),
        node: node.map(|node| Arc::clone(&node.name)),
        node_session_id: route.as_ref().map(|route| route.node_session.as_str().to_owned()),
        players: entry.players(),
        parked: entry.is_parked(),
        resuming: settings.resuming,
        resume_timeout_seconds: settings.timeout,
        opened_at: millis(entry.opened),
    }
}
