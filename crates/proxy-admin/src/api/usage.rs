//! `/api/v1/usage`: the client side by address and by tenant, closed connections included. Both lists are views of one
//! reading and sum up to the same total, to the byte.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use proxy_core::levels::Level;
use proxy_gateway::usage::Totals;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::error::ApiError;
use crate::listing::{Column, Listing, Page, Paging, same_ip};
use crate::rate_table::Flows;
use crate::search::Search;
use crate::view::TrafficView;

/// One client address.
#[derive(Serialize, ToSchema)]
#[schema(as = IpUsage)]
pub(crate) struct AddressRow {
    /// Null for all addresses past those that are counted one by one.
    #[schema(value_type = Option<String>)]
    ip: Option<IpAddr>,
    /// Open now.
    connections: usize,
    level: LevelName,
    #[serde(flatten)]
    traffic: TrafficView,
}

/// One tenant; `none` is what came before a password.
#[derive(Serialize, ToSchema)]
#[schema(as = TenantUsage)]
pub(crate) struct TenantRow {
    tenant: Arc<str>,
    /// Open now.
    connections: usize,
    level: LevelName,
    #[serde(flatten)]
    traffic: TrafficView,
}

/// How busy something is, by its rate over ten seconds, both ways, and `[usage] levels`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Level)]
pub(crate) enum LevelName {
    /// Next to nothing.
    Quiet,
    /// What a bot moves on an ordinary day.
    Normal,
    /// A lot.
    High,
    /// So much that somebody should look.
    Extreme,
}

impl From<Level> for LevelName {
    fn from(level: Level) -> Self {
        match level {
            Level::Quiet => Self::Quiet,
            Level::Normal => Self::Normal,
            Level::High => Self::High,
            Level::Extreme => Self::Extreme,
        }
    }
}

/// The level of these rates.
fn level(app: &App, flows: &Flows) -> LevelName {
    let rate = f64::from(flows.ten_seconds.bytes_in) + f64::from(flows.ten_seconds.bytes_out);
    app.levels.level(rate).into()
}

/// Which addresses are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AddressFilters {
    /// Only this one.
    #[param(value_type = Option<String>)]
    ip: Option<IpAddr>,
    /// Only those with this text in them.
    #[param(value_type = Option<String>)]
    q: Option<Search>,
}

/// Which tenants are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TenantFilters {
    /// Only this one.
    tenant: Option<Box<str>>,
    /// Only those with this text in their name.
    #[param(value_type = Option<String>)]
    q: Option<Search>,
}

/// One line of either list as it is sorted.
struct Row<K> {
    key: K,
    totals: Totals,
    flows: Flows,
    connections: usize,
}

const fn columns<K>() -> [Column<Row<K>>; 7] {
    [
        ("bytes", |row| row.totals.bytes_in + row.totals.bytes_out),
        ("bytesIn", |row| row.totals.bytes_in),
        ("bytesOut", |row| row.totals.bytes_out),
        ("messages", |row| row.totals.messages_in + row.totals.messages_out),
        ("requests", |row| row.totals.requests),
        ("rate", |row| {
            (row.flows.ten_seconds.bytes_in + row.flows.ten_seconds.bytes_out) as u64
        }),
        ("connections", |row| row.connections as u64),
    ]
}

/// Traffic by client address, closed connections included
///
/// Columns: `bytes`, `bytesIn`, `bytesOut`, `messages`, `requests`, `rate` (bytes per second over ten seconds, both ways),
/// `connections`.
#[utoipa::path(
    get, path = "/usage/ips", tag = "usage", params(Paging, AddressFilters),
    responses((status = 200, description = "A page", body = Page<AddressRow>)),
)]
pub(crate) async fn ips(
    State(app): State<Arc<App>>,
    listing: Listing<AddressFilters>,
) -> Result<Json<Page<AddressRow>>, ApiError> {
    let wanted = &listing.filters;
    let all = wanted.ip.is_none() && wanted.q.is_none();
    let monitor = app.monitor();
    let open = count(monitor.client.connections.iter().map(|(record, _)| record.peer.ip()));
    let rows = monitor.client.by_address.iter().filter(|(ip, totals)| {
        // The sum of uncounted addresses exists only once there are any.
        ip.map_or(all && **totals != Totals::default(), |ip| {
            same_ip(wanted.ip, ip)
                && wanted
                    .q
                    .as_ref()
                    .is_none_or(|search| search.finds(&ip.to_canonical().to_string()))
        })
    });
    let rows = rows.map(|(ip, totals)| Row {
        key: *ip,
        totals: *totals,
        flows: monitor.address_rates.flows(ip),
        connections: ip.and_then(|ip| open.get(&ip).copied()).unwrap_or(0),
    });
    let show = |row: &Row<Option<IpAddr>>| AddressRow {
        ip: row.key,
        connections: row.connections,
        level: level(&app, &row.flows),
        traffic: TrafficView::new(row.totals, row.flows),
    };
    let rows: Vec<_> = rows.collect();
    listing.page(&rows, &columns(), monitor.at, show).map(Json)
}

/// Traffic by tenant, closed connections included
///
/// `none` is what came before a password. Columns as for addresses.
#[utoipa::path(
    get, path = "/usage/tenants", tag = "usage", params(Paging, TenantFilters),
    responses((status = 200, description = "A page", body = Page<TenantRow>)),
)]
pub(crate) async fn tenants(
    State(app): State<Arc<App>>,
    listing: Listing<TenantFilters>,
) -> Result<Json<Page<TenantRow>>, ApiError> {
    let monitor = app.monitor();
    let open = count(
        monitor
            .client
            .connections
            .iter()
            .map(|(record, _)| record.label().0.tenant),
    );
    let TenantFilters { tenant, q } = &listing.filters;
    let wanted = |name: &str| {
        tenant.as_deref().is_none_or(|wanted| wanted == name) && q.as_ref().is_none_or(|search| search.finds(name))
    };
    let rows = monitor.by_tenant().into_iter().filter(|(tenant, _)| wanted(tenant));
    let rows = rows.map(|(tenant, totals)| Row {
        totals,
        flows: monitor.tenant_rates.flows(&tenant),
        connections: open.get(&tenant).copied().unwrap_or(0),
        key: tenant,
    });
    let show = |row: &Row<Arc<str>>| TenantRow {
        tenant: Arc::clone(&row.key),
        connections: row.connections,
        level: level(&app, &row.flows),
        traffic: TrafficView::new(row.totals, row.flows),
    };
    let rows: Vec<_> = rows.collect();
    listing.page(&rows, &columns(), monitor.at, show).map(Json)
}

fn count<K: Eq + Hash>(keys: impl Iterator<Item = K>) -> HashMap<K, usize> {
    let mut counts = HashMap::new();
    keys.for_each(|key| *counts.entry(key).or_default() += 1);
    counts
}
