//! `/api/v1/sessions`: the Lavalink sessions that clients see, the nodes that each is on, and the connection that carries it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use proxy_core::session::machine::LookState;
use proxy_gateway::session::directory::SessionEntry;
use proxy_gateway::usage::{ConnectionRecord, Totals};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::migrations::name;
use crate::App;
use crate::error::ApiError;
use crate::listing::{Column, Listing, Page, Paging};
use crate::monitor::Monitor;
use crate::search::Search;
use crate::view::{TrafficView, VersionName, millis};

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
    /// The node of what belongs to no player: that of its oldest link. Null while it has no link.
    node: Option<Arc<str>>,
    node_session_id: Option<String>,
    /// All nodes that it has links to.
    nodes: Vec<Arc<str>>,
    players: u32,
    /// The client is away and may come back.
    parked: bool,
    /// As the client set it.
    resuming: bool,
    /// As the client set it.
    resume_timeout_seconds: i64,
    opened_at: u64,
    /// Null while the client is away.
    #[schema(value_type = Option<String>)]
    ip: Option<IpAddr>,
    /// The connection of its WebSocket, whose traffic this is.
    connection_id: Option<String>,
    #[serde(flatten)]
    traffic: TrafficView,
}

/// One session, with all that is known of it.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionDetail)]
pub(crate) struct OneSession {
    #[serde(flatten)]
    session: SessionRow,
    /// Its WebSockets to nodes, in the order in which they were opened.
    links: Vec<LinkView>,
    /// Players without a node at the moment: their requests wait.
    waiting: u32,
    /// Why placement chose a node for it last; null when that is not remembered.
    choice: Option<NodeChoice>,
}

/// A session's WebSocket to one node.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Link)]
struct LinkView {
    node: Arc<str>,
    /// Null while it is opened.
    node_session_id: Option<String>,
    state: LinkStateName,
    players: u32,
}

/// Whether a link can be used: it is opened for the first time, is up, or was lost and is being resumed.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = LinkState)]
enum LinkStateName {
    Opening,
    Up,
    Resuming,
}

impl From<LookState> for LinkStateName {
    fn from(state: LookState) -> Self {
        match state {
            LookState::Opening => Self::Opening,
            LookState::Up => Self::Up,
            LookState::Resuming => Self::Resuming,
        }
    }
}

/// Why a node was chosen.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct NodeChoice {
    at: u64,
    node: Arc<str>,
    /// Of the player that was placed; null for the session as a whole.
    guild_id: Option<String>,
    why: String,
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
    /// Only those with a link to this node.
    node: Option<Box<str>>,
    /// Only of this version.
    #[param(inline)]
    version: Option<VersionName>,
    /// Only those whose client is there, or away.
    #[param(inline)]
    state: Option<Presence>,
    /// Only those with this text in their id, tenant, client name, user id or address.
    #[param(value_type = Option<String>)]
    q: Option<Search>,
}

/// A session and the connection that carries it.
struct Row<'a> {
    entry: Arc<SessionEntry>,
    connection: Option<&'a (Arc<ConnectionRecord>, Totals)>,
    monitor: &'a Monitor,
}

impl Row<'_> {
    fn totals(&self) -> Totals {
        self.connection.map(|(_, totals)| *totals).unwrap_or_default()
    }

    fn address(&self) -> Option<IpAddr> {
        self.connection.map(|(record, _)| record.peer.ip().to_canonical())
    }

    fn rate(&self) -> u64 {
        let rates = &self.monitor.connection_rates;
        self.connection.map_or(0, |(record, _)| rates.rate(&record.id))
    }
}

const fn columns<'a>() -> [Column<Row<'a>>; 7] {
    [
        ("opened", |row| millis(row.entry.opened)),
        ("players", |row| u64::from(row.entry.players())),
        ("bytes", |row| row.totals().bytes_in + row.totals().bytes_out),
        ("bytesIn", |row| row.totals().bytes_in),
        ("bytesOut", |row| row.totals().bytes_out),
        ("messages", |row| row.totals().messages_in + row.totals().messages_out),
        ("rate", Row::rate),
    ]
}

/// Lavalink sessions of clients
///
/// Columns: `opened`, `players`, `bytes`, `bytesIn`, `bytesOut`, `messages`, `rate`.
#[utoipa::path(
    get, path = "/sessions", tag = "sessions", params(Paging, SessionFilters),
    responses((status = 200, description = "A page", body = Page<SessionRow>)),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    listing: Listing<SessionFilters>,
) -> Result<Json<Page<SessionRow>>, ApiError> {
    let monitor = app.monitor();
    let carried = carried(&monitor);
    let entries = app.shared.directory.all().into_iter();
    let mut rows: Vec<_> = entries
        .map(|entry| Row {
            connection: carried.get(&Arc::as_ptr(&entry)).copied(),
            monitor: &monitor,
            entry,
        })
        .filter(|row| listing.filters.want(&app, &row.entry, row.address()))
        .collect();
    // The directory has no order; equal ones are to stay in place from one second to the next.
    rows.sort_unstable_by(|a, b| a.entry.id.as_str().cmp(b.entry.id.as_str()));
    listing
        .page(&rows, &columns(), monitor.at, |row| show(&app, row))
        .map(Json)
}

/// One session
#[utoipa::path(
    get, path = "/sessions/{id}", tag = "sessions", params(("id" = String, Path, description = "The session's id")),
    responses((status = 200, description = "Now", body = OneSession)),
)]
pub(crate) async fn one(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<OneSession>, ApiError> {
    let none = ApiError::NotFound("there is no session of this id");
    let (Some(entry), Some(look)) = (app.shared.directory.get(&id), app.shared.look_at(&id).await) else {
        return Err(none);
    };
    let links = look.links.into_iter().map(|link| LinkView {
        node: name(&app.shared, link.node),
        node_session_id: link.node_session.map(|id| id.as_str().to_owned()),
        state: link.state.into(),
        players: link.players,
    });
    let (links, waiting) = (links.collect(), entry.players_waiting());
    let choice = last_choice(&app, &entry);
    let monitor = app.monitor();
    let mut connections = monitor.client.connections.iter();
    let row = Row {
        connection: connections.find(|(record, _)| carries(record, &entry)),
        monitor: &monitor,
        entry,
    };
    Ok(Json(OneSession {
        session: show(&app, &row),
        links,
        waiting,
        choice,
    }))
}

/// Why placement chose a node for the session last, as far as that is remembered.
fn last_choice(app: &App, entry: &SessionEntry) -> Option<NodeChoice> {
    let nodes = app.shared.nodes.iter();
    let placed = nodes.flat_map(|node| {
        let placed = app.shared.observed.placements_since(node.id, 0).into_iter();
        let its = placed.filter(|placed| placed.what.session.as_ref() == Some(&entry.id));
        its.map(|placed| (placed, &node.name))
    });
    let (placed, node) = placed.max_by_key(|(placed, _)| placed.at)?;
    Some(NodeChoice {
        at: millis(placed.at),
        node: Arc::clone(node),
        guild_id: placed.what.guild.map(|guild| guild.0.to_string()),
        why: placed.what.to_string(),
    })
}

/// Connections that carry a session, by where the session's entry lies: ids would have to be hashed whole.
fn carried(monitor: &Monitor) -> HashMap<*const SessionEntry, &(Arc<ConnectionRecord>, Totals)> {
    let connections = monitor.client.connections.iter();
    connections
        .filter_map(|connection| Some((Arc::as_ptr(connection.0.session()?), connection)))
        .collect()
}

fn carries(record: &ConnectionRecord, entry: &Arc<SessionEntry>) -> bool {
    record.session().is_some_and(|session| Arc::ptr_eq(session, entry))
}

impl SessionFilters {
    fn want(&self, app: &App, entry: &SessionEntry, address: Option<IpAddr>) -> bool {
        self.tenant
            .as_deref()
            .is_none_or(|wanted| *wanted == *entry.tenant_name)
            && self.version.is_none_or(|wanted| wanted == entry.class().into())
            && self
                .state
                .is_none_or(|wanted| (wanted == Presence::Parked) == entry.is_parked())
            && self
                .node
                .as_deref()
                .is_none_or(|wanted| nodes_of(app, entry).iter().any(|node| **node == *wanted))
            && self.q.as_ref().is_none_or(|search| {
                search.finds(entry.id.as_str())
                    || search.finds(&entry.tenant_name)
                    || search.finds_client(entry)
                    || address.is_some_and(|address| search.finds(&address.to_string()))
            })
    }
}

fn node_of(app: &App, entry: &SessionEntry) -> Option<Arc<str>> {
    let route = entry.route()?;
    let node = app.shared.nodes.get(usize::from(route.node.0))?;
    Some(Arc::clone(&node.name))
}

fn nodes_of(app: &App, entry: &SessionEntry) -> Vec<Arc<str>> {
    let links = entry.links();
    links.iter().map(|link| name(&app.shared, link.node)).collect()
}

fn show(app: &App, row: &Row<'_>) -> SessionRow {
    let entry = &row.entry;
    let settings = entry.settings();
    let record = row.connection.map(|(record, _)| record);
    let flows = record.map(|record| row.monitor.connection_rates.flows(&record.id));
    SessionRow {
        id: entry.id.as_str().to_owned(),
        tenant: Arc::clone(&entry.tenant_name),
        user_id: entry.user.0.to_string(),
        client_name: entry.client_name.clone(),
        version: entry.class().into(),
        node: node_of(app, entry),
        node_session_id: entry.route().map(|route| route.node_session.as_str().to_owned()),
        nodes: nodes_of(app, entry),
        players: entry.players(),
        parked: entry.is_parked(),
        resuming: settings.resuming,
        resume_timeout_seconds: settings.timeout,
        opened_at: millis(entry.opened),
        ip: record.map(|record| record.peer.ip()),
        connection_id: record.map(|record| record.id.to_string()),
        traffic: TrafficView::new(row.totals(), flows.unwrap_or_default()),
    }
}
