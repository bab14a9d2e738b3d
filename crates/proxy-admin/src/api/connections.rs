//! `/api/v1/connections`: the clients' TCP connections, and closing one.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use proxy_gateway::usage::{ConnectionRecord, Label, Totals};
use serde::Serialize;

use crate::App;
use crate::error::ApiError;
use crate::listing::{Column, Listing, Page};
use crate::monitor::Monitor;
use crate::rate_table::Flows;
use crate::server::Peer;
use crate::view::{TrafficView, millis, version_name};

/// One connection as the API shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConnectionRow {
    /// A text, because it may have more digits than a JavaScript number.
    id: String,
    ip: IpAddr,
    port: u16,
    tls: bool,
    opened_at: u64,
    tenant: Arc<str>,
    version: &'static str,
    session_id: Option<Arc<str>>,
    #[serde(flatten)]
    traffic: TrafficView,
}

/// One connection as it is sorted.
struct Row {
    record: Arc<ConnectionRecord>,
    totals: Totals,
    label: Label,
    session: Option<Arc<str>>,
    flows: Flows,
}

const COLUMNS: [Column<Row>; 8] = [
    ("opened", |row| millis(row.record.opened)),
    ("bytes", |row| row.totals.bytes_in + row.totals.bytes_out),
    ("bytesIn", |row| row.totals.bytes_in),
    ("bytesOut", |row| row.totals.bytes_out),
    ("messages", |row| row.totals.messages_in + row.totals.messages_out),
    ("requests", |row| row.totals.requests),
    ("rate", |row| {
        (row.flows.ten_seconds.bytes_in + row.flows.ten_seconds.bytes_out) as u64
    }),
    ("id", |row| row.record.id),
];

/// `GET /api/v1/connections`
pub(crate) async fn list(State(app): State<Arc<App>>, listing: Listing) -> Result<Json<Page<ConnectionRow>>, ApiError> {
    let monitor = app.monitor();
    let rows = rows(&monitor, &listing);
    listing.page(rows, &COLUMNS, monitor.at, show).map(Json)
}

/// What became of a wish to disconnect.
#[derive(Serialize)]
pub(crate) struct Disconnected {
    id: String,
}

/// `DELETE /api/v1/connections/{id}`: the connection's worker closes it shortly after the answer.
pub(crate) async fn disconnect(
    State(app): State<Arc<App>>,
    Extension(Peer(peer)): Extension<Peer>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Disconnected>), ApiError> {
    let monitor = app.monitor();
    let mut records = monitor.client.connections.iter().map(|(record, _)| record);
    let record = id
        .parse()
        .ok()
        .and_then(|id: u64| records.find(|record| record.id == id))
        .ok_or(ApiError::NotFound("there is no connection of this number"))?;
    tracing::info!(%peer, connection = record.id, "an operator disconnects a client");
    app.shared.disconnect(record.id);
    Ok((StatusCode::ACCEPTED, Json(Disconnected { id })))
}

fn rows(monitor: &Monitor, listing: &Listing) -> Vec<Row> {
    let rows = monitor.client.connections.iter().map(|(record, totals)| {
        let (label, session) = record.label();
        Row {
            record: Arc::clone(record),
            totals: *totals,
            label,
            session,
            flows: monitor.connection_rates.flows(&record.id),
        }
    });
    rows.filter(|row| listing.wants(&row.label.tenant, row.record.peer.ip()))
        .collect()
}

fn show(row: &Row) -> ConnectionRow {
    ConnectionRow {
        id: row.record.id.to_string(),
        ip: row.record.peer.ip(),
        port: row.record.peer.port(),
        tls: row.record.tls,
        opened_at: millis(row.record.opened),
        tenant: Arc::clone(&row.label.tenant),
        version: version_name(row.label.class),
        session_id: row.session.clone(),
        traffic: TrafficView::new(row.totals, row.flows),
    }
}
