//! `/api/v1/connections/groups`: open connections summed up by what they have in common.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use proxy_gateway::usage::{ConnectionRecord, Totals};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::error::ApiError;
use crate::listing::{Column, Listing, Page, Paging};
use crate::rate_table::Flows;
use crate::search::Search;
use crate::view::{TrafficView, version_name};

/// What connections are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum GroupBy {
    Tenant,
    Ip,
    Version,
}

/// Which groups are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct GroupFilters {
    #[param(inline)]
    by: GroupBy,
    /// Only those with this text in their key.
    #[param(value_type = Option<String>)]
    q: Option<Search>,
}

/// Open connections with something in common, summed up.
#[derive(Serialize, ToSchema)]
#[schema(as = ConnectionGroup)]
pub(crate) struct GroupRow {
    /// The tenant, address or version.
    key: String,
    connections: u64,
    #[serde(flatten)]
    traffic: TrafficView,
}

#[derive(Default)]
struct Group {
    connections: u64,
    totals: Totals,
    flows: Flows,
}

const COLUMNS: [Column<(String, Group)>; 7] = [
    ("connections", |(_, group)| group.connections),
    ("bytes", |(_, group)| group.totals.bytes_in + group.totals.bytes_out),
    ("bytesIn", |(_, group)| group.totals.bytes_in),
    ("bytesOut", |(_, group)| group.totals.bytes_out),
    ("messages", |(_, group)| {
        group.totals.messages_in + group.totals.messages_out
    }),
    ("requests", |(_, group)| group.totals.requests),
    ("rate", |(_, group)| group.flows.rate()),
];

/// Open connections by tenant, address or version
///
/// Columns: `connections`, `bytes`, `bytesIn`, `bytesOut`, `messages`, `requests`, `rate`.
#[utoipa::path(
    get, path = "/connections/groups", tag = "connections", params(Paging, GroupFilters),
    responses((status = 200, description = "A page", body = Page<GroupRow>)),
)]
pub(crate) async fn groups(
    State(app): State<Arc<App>>,
    listing: Listing<GroupFilters>,
) -> Result<Json<Page<GroupRow>>, ApiError> {
    let monitor = app.monitor();
    let GroupFilters { by, q } = &listing.filters;
    let mut groups = HashMap::<String, Group>::new();
    for (record, totals) in &monitor.client.connections {
        let group = groups.entry(key(record, *by)).or_default();
        group.connections += 1;
        group.totals += *totals;
        group.flows += monitor.connection_rates.flows(&record.id);
    }
    let wanted = |key: &str| q.as_ref().is_none_or(|search| search.finds(key));
    let mut rows: Vec<_> = groups.into_iter().filter(|(key, _)| wanted(key)).collect();
    // Equal ones stay in a place of their own from one second to the next.
    rows.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    listing
        .page(&rows, &COLUMNS, monitor.at, |(key, group)| GroupRow {
            key: key.clone(),
            connections: group.connections,
            traffic: TrafficView::new(group.totals, group.flows),
        })
        .map(Json)
}

fn key(record: &ConnectionRecord, by: GroupBy) -> String {
    match by {
        GroupBy::Tenant => record.names().tenant.to_string(),
        GroupBy::Ip => record.peer.ip().to_canonical().to_string(),
        GroupBy::Version => version_name(record.names().class).to_owned(),
    }
}
