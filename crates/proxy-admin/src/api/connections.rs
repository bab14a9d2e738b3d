//! `/api/v1/connections`: the clients' TCP connections, and closing one.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use proxy_gateway::usage::{ConnectionRecord, Totals};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::error::ApiError;
use crate::listing::{Column, Listing, Page, Paging, same_ip};
use crate::login::access::Access;
use crate::monitor::Monitor;
use crate::search::Search;
use crate::server::Peer;
use crate::view::{TrafficView, VersionName, millis};

/// One TCP connection of a client.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Connection)]
pub(crate) struct ConnectionRow {
    /// A text, because it may have more digits than a JavaScript number.
    id: String,
    #[schema(value_type = String)]
    ip: IpAddr,
    port: u16,
    tls: bool,
    opened_at: u64,
    /// `none` until the client has shown its password.
    tenant: Arc<str>,
    version: VersionName,
    /// Null unless it is a session's WebSocket.
    session_id: Option<String>,
    /// As the session's client called itself.
    client_name: Option<String>,
    /// The session's bot.
    user_id: Option<String>,
    #[serde(flatten)]
    traffic: TrafficView,
}

/// Which connections are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ConnectionFilters {
    /// Only this tenant's.
    tenant: Option<Box<str>>,
    /// Only from this address.
    #[param(value_type = Option<String>)]
    ip: Option<IpAddr>,
    /// Only of this version.
    #[param(inline)]
    version: Option<VersionName>,
    /// Only those with this text in their address, tenant, session id, client name or user id.
    #[param(value_type = Option<String>)]
    q: Option<Search>,
}

/// One connection as it is filtered and sorted.
struct Row<'a> {
    monitor: &'a Monitor,
    record: &'a ConnectionRecord,
    totals: &'a Totals,
}

const fn columns<'a>() -> [Column<Row<'a>>; 8] {
    [
        ("opened", |row| millis(row.record.opened)),
        ("bytes", |row| row.totals.bytes_in + row.totals.bytes_out),
        ("bytesIn", |row| row.totals.bytes_in),
        ("bytesOut", |row| row.totals.bytes_out),
        ("messages", |row| row.totals.messages_in + row.totals.messages_out),
        ("requests", |row| row.totals.requests),
        ("rate", |row| row.monitor.connection_rates.rate(&row.record.id)),
        ("id", |row| row.record.id),
    ]
}

/// TCP connections of clients
///
/// Columns: `opened`, `bytes`, `bytesIn`, `bytesOut`, `messages`, `requests`, `rate` (bytes per second over ten seconds,
/// both ways), `id`.
#[utoipa::path(
    get, path = "/connections", tag = "connections", params(Paging, ConnectionFilters),
    responses((status = 200, description = "A page", body = Page<ConnectionRow>)),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    listing: Listing<ConnectionFilters>,
) -> Result<Json<Page<ConnectionRow>>, ApiError> {
    let monitor = app.monitor();
    let rows = monitor.client.connections.iter().map(|(record, totals)| Row {
        monitor: &monitor,
        record,
        totals,
    });
    let rows: Vec<_> = rows.filter(|row| listing.filters.want(row.record)).collect();
    listing.page(&rows, &columns(), monitor.at, show).map(Json)
}

/// What became of a wish to disconnect.
#[derive(Serialize, ToSchema)]
pub(crate) struct Disconnected {
    id: String,
}

/// Disconnect a client
///
/// The connection's worker closes it shortly after the answer; a WebSocket is closed with 1008.
#[utoipa::path(
    delete, path = "/connections/{id}", tag = "connections", params(("id" = String, Path, description = "The connection's number")),
    responses((status = 202, description = "It will be closed", body = Disconnected)),
)]
pub(crate) async fn disconnect(
    State(app): State<Arc<App>>,
    Extension(Peer(peer)): Extension<Peer>,
    Extension(access): Extension<Access>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Disconnected>), ApiError> {
    let monitor = app.monitor();
    let mut records = monitor.client.connections.iter().map(|(record, _)| record);
    let record = id
        .parse()
        .ok()
        .and_then(|id: u64| records.find(|record| record.id == id))
        .ok_or(ApiError::NotFound("there is no connection of this number"))?;
    tracing::info!(%peer, user = %access.user, connection = record.id, "an operator disconnects a client");
    app.shared.disconnect(record.id);
    Ok((StatusCode::ACCEPTED, Json(Disconnected { id })))
}

impl ConnectionFilters {
    fn want(&self, record: &ConnectionRecord) -> bool {
        if !same_ip(self.ip, record.peer.ip()) {
            return false;
        }
        if self.tenant.is_none() && self.version.is_none() && self.q.is_none() {
            return true;
        }
        let label = record.names();
        self.tenant.as_deref().is_none_or(|wanted| *wanted == *label.tenant)
            && self.version.is_none_or(|wanted| wanted == label.class.into())
            && self.q.as_ref().is_none_or(|search| {
                search.finds(&label.tenant)
                    || search.finds(&record.peer.ip().to_canonical().to_string())
                    || record
                        .session()
                        .is_some_and(|entry| search.finds(entry.id.as_str()) || search.finds_client(entry))
            })
    }
}

fn show(row: &Row<'_>) -> ConnectionRow {
    let (label, entry) = (row.record.names(), row.record.session());
    ConnectionRow {
        id: row.record.id.to_string(),
        ip: row.record.peer.ip(),
        port: row.record.peer.port(),
        tls: row.record.tls,
        opened_at: millis(row.record.opened),
        tenant: Arc::clone(&label.tenant),
        version: label.class.into(),
        session_id: entry.map(|entry| entry.id.as_str().to_owned()),
        client_name: entry.and_then(|entry| entry.client_name.as_deref().map(str::to_owned)),
        user_id: entry.map(|entry| entry.user.0.to_string()),
        traffic: TrafficView::new(*row.totals, row.monitor.connection_rates.flows(&row.record.id)),
    }
}
