//! `/api/v1/usage`: the client side by address and by tenant, closed connections included. Both lists are views of one
//! reading and sum up to the same total, to the byte.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use proxy_gateway::usage::Totals;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::error::ApiError;
use crate::gauges::Gauge;
use crate::listing::{Column, Listing, Page, Paging, same_ip};
use crate::rate_table::Flows;
use crate::search::Search;
use crate::view::{LevelName, TrafficView};

/// What there is now.
#[derive(Serialize, ToSchema)]
#[schema(as = UsageNow)]
struct Now {
    /// Open now.
    connections: u64,
    /// Of an address only those whose client is there.
    sessions: u64,
    players: u64,
    level: LevelName,
}

impl Now {
    fn new(app: &App, gauge: &Gauge, flows: &Flows) -> Self {
        Self {
            connections: gauge.connections,
            sessions: gauge.sessions,
            players: gauge.players,
            level: app.levels.level(flows.rate() as f64).into(),
        }
    }
}

/// One client address.
#[derive(Serialize, ToSchema)]
#[schema(as = IpUsage)]
pub(crate) struct AddressRow {
    /// Null for all addresses past those that are counted one by one.
    #[schema(value_type = Option<String>)]
    ip: Option<IpAddr>,
    #[serde(flatten)]
    now: Now,
    #[serde(flatten)]
    traffic: TrafficView,
}

/// One tenant; `none` is what came before a password.
#[derive(Serialize, ToSchema)]
#[schema(as = TenantUsage)]
pub(crate) struct TenantRow {
    tenant: Arc<str>,
    #[serde(flatten)]
    now: Now,
    #[serde(flatten)]
    traffic: TrafficView,
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
    gauge: Gauge,
}

const fn columns<K>() -> [Column<Row<K>>; 9] {
    [
        ("bytes", |row| row.totals.bytes_in + row.totals.bytes_out),
        ("bytesIn", |row| row.totals.bytes_in),
        ("bytesOut", |row| row.totals.bytes_out),
        ("messages", |row| row.totals.messages_in + row.totals.messages_out),
        ("requests", |row| row.totals.requests),
        ("rate", |row| row.flows.rate()),
        ("connections", |row| row.gauge.connections),
        ("sessions", |row| row.gauge.sessions),
        ("players", |row| row.gauge.players),
    ]
}

/// Traffic by client address, closed connections included
///
/// Columns: `bytes`, `bytesIn`, `bytesOut`, `messages`, `requests`, `rate` (bytes per second over ten seconds, both ways),
/// `connections`, `sessions`, `players`.
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
        gauge: ip
            .and_then(|ip| monitor.gauges.by_address.get(&ip).copied())
            .unwrap_or_default(),
    });
    let show = |row: &Row<Option<IpAddr>>| AddressRow {
        ip: row.key,
        now: Now::new(&app, &row.gauge, &row.flows),
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
    let TenantFilters { tenant, q } = &listing.filters;
    let wanted = |name: &str| {
        tenant.as_deref().is_none_or(|wanted| wanted == name) && q.as_ref().is_none_or(|search| search.finds(name))
    };
    let rows = monitor.by_tenant().into_iter().filter(|(tenant, _)| wanted(tenant));
    let rows = rows.map(|(tenant, totals)| Row {
        totals,
        flows: monitor.tenant_rates.flows(&tenant),
        gauge: monitor.gauges.by_tenant.get(&tenant).copied().unwrap_or_default(),
        key: tenant,
    });
    let show = |row: &Row<Arc<str>>| TenantRow {
        tenant: Arc::clone(&row.key),
        now: Now::new(&app, &row.gauge, &row.flows),
        traffic: TrafficView::new(row.totals, row.flows),
    };
    let rows: Vec<_> = rows.collect();
    listing.page(&rows, &columns(), monitor.at, show).map(Json)
}
