//! `/api/v1/usage`: the client side by address and by tenant, closed connections included. Both lists are views of one
//! reading and sum up to the same total, to the byte.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use proxy_gateway::usage::Totals;
use serde::Serialize;

use crate::App;
use crate::error::ApiError;
use crate::listing::{Column, Listing, Page};
use crate::rate_table::Flows;
use crate::view::TrafficView;

/// One address.
#[derive(Serialize)]
pub(crate) struct AddressRow {
    /// Null for all addresses past those that are counted one by one.
    ip: Option<IpAddr>,
    connections: usize,
    #[serde(flatten)]
    traffic: TrafficView,
}

/// One tenant; `none` is what came before a password.
#[derive(Serialize)]
pub(crate) struct TenantRow {
    tenant: Arc<str>,
    connections: usize,
    #[serde(flatten)]
    traffic: TrafficView,
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

/// `GET /api/v1/usage/ips`
pub(crate) async fn ips(State(app): State<Arc<App>>, listing: Listing) -> Result<Json<Page<AddressRow>>, ApiError> {
    if listing.tenant.is_some() {
        return Err(ApiError::Query("addresses cannot be asked for by tenant".to_owned()));
    }
    let monitor = app.monitor();
    let open = count(monitor.client.connections.iter().map(|(record, _)| record.peer.ip()));
    let rows = monitor.client.by_address.iter().filter(|(ip, totals)| {
        // The sum of uncounted addresses exists only once there are any.
        ip.map_or(listing.ip.is_none() && **totals != Totals::default(), |ip| {
            listing
                .ip
                .is_none_or(|wanted| wanted.to_canonical() == ip.to_canonical())
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
        traffic: TrafficView::new(row.totals, row.flows),
    };
    listing.page(rows.collect(), &columns(), monitor.at, show).map(Json)
}

/// `GET /api/v1/usage/tenants`
pub(crate) async fn tenants(State(app): State<Arc<App>>, listing: Listing) -> Result<Json<Page<TenantRow>>, ApiError> {
    if listing.ip.is_some() {
        return Err(ApiError::Query("tenants cannot be asked for by address".to_owned()));
    }
    let monitor = app.monitor();
    let open = count(
        monitor
            .client
            .connections
            .iter()
            .map(|(record, _)| record.label().0.tenant),
    );
    let wanted = |tenant: &str| listing.tenant.as_deref().is_none_or(|wanted| wanted == tenant);
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
        traffic: TrafficView::new(row.totals, row.flows),
    };
    listing.page(rows.collect(), &columns(), monitor.at, show).map(Json)
}

fn count<K: Eq + Hash>(keys: impl Iterator<Item = K>) -> HashMap<K, usize> {
    let mut counts = HashMap::new();
    keys.for_each(|key| *counts.entry(key).or_default() += 1);
    counts
}
