//! `/api/v1/connections/history`: connections that are over, from the store.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use proxy_store::{ClosedConnection, ConnectionFilter, ConnectionRow as Kept, Millis};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::error::ApiError;
use crate::listing::Asked;
use crate::view::OutcomesView;

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;

/// Which connections are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ClosedQuery {
    /// Only from this address.
    #[param(value_type = Option<String>)]
    ip: Option<IpAddr>,
    /// Only this tenant's.
    tenant: Option<String>,
    /// Only those with this text in what is known of them.
    q: Option<String>,
    /// Only those that were open after this, in milliseconds since 1970.
    from: Option<u64>,
    /// Only those that were opened before this.
    to: Option<u64>,
    /// The `next` of the page before.
    before: Option<u64>,
    /// Entries in the answer; at most 1000.
    #[param(default = 100, maximum = 1000)]
    limit: Option<usize>,
}

/// A page of connections that are over.
#[derive(Serialize, ToSchema)]
#[schema(as = ClosedConnections)]
pub(crate) struct ClosedPage {
    /// Newest first.
    items: Vec<ClosedRow>,
    /// What `before` is for the next page; null on the last one.
    next: Option<String>,
}

/// A connection that is over.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ClosedConnection)]
struct ClosedRow {
    /// Its number in the history, not the one that it had while it was open.
    id: String,
    ip: String,
    port: u16,
    tls: bool,
    opened_at: u64,
    closed_at: u64,
    /// How it ended, such as `client_closed`, `idle_timeout` or `refused: password_wrong`.
    ended: String,
    tenant: String,
    version: Option<String>,
    session_id: Option<String>,
    client_name: Option<String>,
    user_id: Option<String>,
    bytes_in: u64,
    bytes_out: u64,
    messages_in: u64,
    messages_out: u64,
    requests: u64,
    outcomes: OutcomesView,
}

/// Connections that are over
#[utoipa::path(
    get, path = "/connections/history", tag = "connections", params(ClosedQuery),
    responses((status = 200, description = "A page", body = ClosedPage)),
)]
pub(crate) async fn history(
    State(app): State<Arc<App>>,
    Asked(query): Asked<ClosedQuery>,
) -> Result<Json<ClosedPage>, ApiError> {
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
    let millis = |at: u64| Millis::try_from(at).unwrap_or(Millis::MAX);
    let mut kept = app
        .read_store(move |store| {
            let search = query.q.as_deref().map(str::trim).filter(|text| !text.is_empty());
            let filter = ConnectionFilter {
                ip: query.ip,
                tenant: query.tenant.as_deref(),
                search,
                from: query.from.map(millis),
                to: query.to.map(millis),
                before: query.before,
            };
            // One more tells whether there is a next page.
            store.connections(&filter, limit + 1)
        })
        .await?;
    let more = kept.len() > limit;
    kept.truncate(limit);
    Ok(Json(ClosedPage {
        next: kept.last().filter(|_| more).map(|last| last.id.to_string()),
        items: kept.into_iter().map(row).collect(),
    }))
}

fn row(Kept { id, connection }: Kept) -> ClosedRow {
    let ClosedConnection { figures, .. } = connection;
    ClosedRow {
        id: id.to_string(),
        ip: connection.ip.to_string(),
        port: connection.port,
        tls: connection.tls,
        opened_at: connection.opened.max(0) as u64,
        closed_at: connection.closed.max(0) as u64,
        ended: connection.ended,
        tenant: connection.tenant,
        version: connection.version,
        session_id: connection.session,
        client_name: connection.client,
        user_id: connection.user,
        bytes_in: figures.bytes_in,
        bytes_out: figures.bytes_out,
        messages_in: figures.messages_in,
        messages_out: figures.messages_out,
        requests: figures.requests,
        outcomes: OutcomesView {
            ok: figures.ok,
            client_error: figures.client_error,
            server_error: figures.server_error,
        },
    }
}
