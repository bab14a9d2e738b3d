//! `/api/v1/usage/history`, `/sparklines` and `/totals`: usage over time, from the store, with what is not written yet on
//! top. Not what moves now: that is `usage`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use proxy_store::{Figures, Millis, Scope, UsageHistory, UsageKey, UsagePoint, UsageSort, UsageTotalsQuery};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::error::ApiError;
use crate::listing::{Asked, Listing, Page, Paging};
use crate::range::Range;
use crate::view::{OutcomesView, time_of};

const DEFAULT_POINTS: usize = 300;
const MOST_POINTS: usize = 1000;
const MOST_KEYS: usize = 100;
/// Points of a sparkline.
const SPARKS: u64 = 60;

/// What usage is summed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = UsageScope)]
pub(crate) enum ScopeName {
    Total,
    Ip,
    Tenant,
    Node,
    Version,
}

impl From<ScopeName> for Scope {
    fn from(name: ScopeName) -> Self {
        match name {
            ScopeName::Total => Self::Total,
            ScopeName::Ip => Self::Ip,
            ScopeName::Tenant => Self::Tenant,
            ScopeName::Node => Self::Node,
            ScopeName::Version => Self::Version,
        }
    }
}

/// Whose history, and which part of it.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistoryQuery {
    #[param(inline)]
    scope: ScopeName,
    /// The address, tenant, node or version; left out for the total.
    key: Option<String>,
    /// Milliseconds since 1970; an hour before `to` if left out.
    from: Option<u64>,
    /// Now if left out.
    to: Option<u64>,
    /// At most so many points, up to 1000.
    #[param(default = 300, maximum = 1000, minimum = 1)]
    points: Option<usize>,
}

/// Usage over time.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UsageHistory)]
pub(crate) struct HistoryView {
    scope: ScopeName,
    key: String,
    from: u64,
    to: u64,
    step_ms: u64,
    /// Oldest first, without a gap. The first and the last show only their part of the range.
    points: Vec<PointView>,
}

/// One step: sums, and the most at one time.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UsagePoint)]
struct PointView {
    /// Its start.
    at: u64,
    bytes_in: u64,
    bytes_out: u64,
    messages_in: u64,
    messages_out: u64,
    requests: u64,
    ok: u64,
    client_error: u64,
    server_error: u64,
    connections_opened: u64,
    /// The most at one time.
    connections: u64,
    /// The most at one time.
    sessions: u64,
    /// The most at one time.
    players: u64,
    /// The highest rate over a second, in bytes per second.
    max_rate_in: u64,
    /// The highest rate over a second, in bytes per second.
    max_rate_out: u64,
}

/// Usage over time
///
/// What was counted but is not written yet is in it.
#[utoipa::path(
    get, path = "/usage/history", tag = "usage", params(HistoryQuery),
    responses((status = 200, description = "Over the range", body = HistoryView)),
)]
pub(crate) async fn history(
    State(app): State<Arc<App>>,
    Asked(query): Asked<HistoryQuery>,
) -> Result<Json<HistoryView>, ApiError> {
    let range = Range::new(query.from, query.to)?;
    let key = usage_key(query.scope, query.key.as_deref(), &app)?;
    let points = query.points.unwrap_or(DEFAULT_POINTS).clamp(1, MOST_POINTS);
    let pending = app.monitor().pending(&key);
    let (scope, text) = (Scope::from(query.scope), key.text().into_owned());
    let asked = text.clone();
    let mut history = app
        .read_store(move |store| store.usage_history(scope, &asked, range.from, range.to, points))
        .await?;
    add_pending(&mut history, &pending, range);
    Ok(Json(HistoryView {
        scope: query.scope,
        key: text,
        from: range.from as u64,
        to: range.to as u64,
        step_ms: history.step.as_millis() as u64,
        points: history.points.iter().map(point).collect(),
    }))
}

/// Which sparklines.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SparklinesQuery {
    #[param(inline)]
    scope: ScopeName,
    /// Up to 100 addresses, tenants, nodes or versions, with commas between them.
    keys: String,
    /// Milliseconds since 1970; an hour before `to` if left out.
    from: Option<u64>,
    /// Now if left out.
    to: Option<u64>,
}

/// What each key moved lately, for a small picture.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sparklines {
    step_ms: u64,
    from: u64,
    /// By key: bytes per second, both ways, a number for each step.
    series: BTreeMap<String, Vec<u64>>,
}

/// Bandwidth over time of many keys, coarsely
#[utoipa::path(
    get, path = "/usage/sparklines", tag = "usage", params(SparklinesQuery),
    responses((status = 200, description = "By key", body = Sparklines)),
)]
pub(crate) async fn sparklines(
    State(app): State<Arc<App>>,
    Asked(query): Asked<SparklinesQuery>,
) -> Result<Json<Sparklines>, ApiError> {
    let range = Range::new(query.from, query.to)?;
    let keys: Vec<String> = query
        .keys
        .split(',')
        .filter(|key| !key.is_empty())
        .map(str::to_owned)
        .collect();
    if keys.is_empty() || keys.len() > MOST_KEYS {
        return Err(ApiError::Query(format!(
            "keys are 1 to {MOST_KEYS}, with commas between them"
        )));
    }
    let step = (range.seconds().div_ceil(SPARKS)).next_multiple_of(10).max(10);
    // Whole steps, so that every number is over the same time.
    let width = step as Millis * 1000;
    let to = range.to.div_euclid(width).saturating_add(1).saturating_mul(width);
    let from = range.from.div_euclid(width).saturating_mul(width);
    let scope = Scope::from(query.scope);
    let sums = app
        .read_store(move |store| {
            let keys: Vec<_> = keys.iter().map(String::as_str).collect();
            store.usage_sparklines(scope, &keys, from, to, Duration::from_secs(step))
        })
        .await?;
    let rates = |bytes: Vec<u64>| bytes.into_iter().map(|bytes| bytes / step).collect();
    Ok(Json(Sparklines {
        step_ms: step * 1000,
        from: from.max(0) as u64,
        series: sums.into_iter().map(|(key, bytes)| (key, rates(bytes))).collect(),
    }))
}

/// Whose totals.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TotalsFilters {
    #[param(inline)]
    scope: ScopeName,
    /// Milliseconds since 1970; an hour before `to` if left out.
    from: Option<u64>,
    /// Now if left out.
    to: Option<u64>,
    /// Only keys with this text in them.
    q: Option<String>,
}

/// What one key moved over a range.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UsageTotal)]
pub(crate) struct TotalRow {
    key: String,
    bytes_in: u64,
    bytes_out: u64,
    messages_in: u64,
    messages_out: u64,
    requests: u64,
    outcomes: OutcomesView,
    connections_opened: u64,
    max_connections: u64,
    max_sessions: u64,
    max_players: u64,
    /// Bytes per second over the busiest second.
    max_rate_in: u64,
    /// Bytes per second over the busiest second.
    max_rate_out: u64,
    /// Bytes per second over the range.
    mean_rate_in: u64,
    /// Bytes per second over the range.
    mean_rate_out: u64,
}

/// Who moved how much over a range
///
/// Up to the last flush of the store. Columns: `bytes`, `bytesIn`, `bytesOut`, `messages`, `requests`, `connectionsOpened`,
/// `errors`, `players`, `rate` (the busiest second), `key`.
#[utoipa::path(
    get, path = "/usage/totals", tag = "usage", params(Paging, TotalsFilters),
    responses((status = 200, description = "A page", body = Page<TotalRow>)),
)]
pub(crate) async fn totals(
    State(app): State<Arc<App>>,
    listing: Listing<TotalsFilters>,
) -> Result<Json<Page<TotalRow>>, ApiError> {
    let range = Range::new(listing.filters.from, listing.filters.to)?;
    let (sort, descending) = listing.order(&SORTS)?;
    let (offset, limit) = listing.part();
    let (scope, search) = (listing.filters.scope, listing.filters.q.clone().unwrap_or_default());
    let totals = app
        .read_store(move |store| {
            store.usage_totals(&UsageTotalsQuery {
                scope: scope.into(),
                from: range.from,
                to: range.to,
                sort,
                ascending: !descending,
                search: search.trim(),
                offset,
                limit,
            })
        })
        .await?;
    let rows = totals
        .items
        .into_iter()
        .map(|total| total_row(total.key, &total.figures, range));
    Ok(Json(listing.made(totals.matched, time_of(range.to), rows.collect())))
}

const SORTS: [(&str, UsageSort); 10] = [
    ("bytes", UsageSort::Bytes),
    ("bytesIn", UsageSort::BytesIn),
    ("bytesOut", UsageSort::BytesOut),
    ("messages", UsageSort::Messages),
    ("requests", UsageSort::Requests),
    ("connectionsOpened", UsageSort::ConnectionsOpened),
    ("errors", UsageSort::Errors),
    ("players", UsageSort::Players),
    ("rate", UsageSort::Rate),
    ("key", UsageSort::Key),
];

/// The key as the recorder knows it; one that does not exist has an empty history.
fn usage_key(scope: ScopeName, key: Option<&str>, app: &App) -> Result<UsageKey, ApiError> {
    let wanted =
        || key.ok_or_else(|| ApiError::Query("key is missing: the address, tenant, node or version".to_owned()));
    Ok(match scope {
        ScopeName::Total => UsageKey::Total,
        ScopeName::Ip => match wanted()? {
            UsageKey::OTHER => UsageKey::OtherIps,
            ip => UsageKey::Ip(
                ip.parse::<IpAddr>()
                    .map_err(|_| ApiError::Query("key is an address or other".to_owned()))?,
            ),
        },
        ScopeName::Tenant => UsageKey::Tenant(wanted()?.into()),
        ScopeName::Node => UsageKey::Node(wanted()?.into()),
        ScopeName::Version => {
            let name = wanted()?;
            let known = app.monitor().by_version().into_keys().map(crate::view::version_name);
            let all = known.chain(["v4", "v3", "v3-legacy", "undecided"]);
            let found = all.into_iter().find(|known| *known == name);
            UsageKey::Version(found.ok_or_else(|| ApiError::Query("key is v4, v3, v3-legacy or undecided".to_owned()))?)
        }
    })
}

/// Puts what is not written yet into the steps that it belongs to.
fn add_pending(history: &mut UsageHistory, pending: &[(Millis, Figures)], range: Range) {
    let step = history.step.as_millis() as Millis;
    let Some(first) = history.points.first().map(|point| point.at) else {
        return;
    };
    for (at, figures) in pending.iter().filter(|(at, _)| (range.from..range.to).contains(at)) {
        let index = usize::try_from((at - first).div_euclid(step.max(1))).unwrap_or(0);
        if let Some(point) = history.points.get_mut(index) {
            point.figures.merge(figures);
        }
    }
}

fn point(UsagePoint { at, figures }: &UsagePoint) -> PointView {
    PointView {
        at: (*at).max(0) as u64,
        bytes_in: figures.bytes_in,
        bytes_out: figures.bytes_out,
        messages_in: figures.messages_in,
        messages_out: figures.messages_out,
        requests: figures.requests,
        ok: figures.ok,
        client_error: figures.client_error,
        server_error: figures.server_error,
        connections_opened: figures.connections_opened,
        connections: figures.connections,
        sessions: figures.sessions,
        players: figures.players,
        max_rate_in: figures.max_rate_in,
        max_rate_out: figures.max_rate_out,
    }
}

fn total_row(key: String, figures: &Figures, range: Range) -> TotalRow {
    let seconds = range.seconds().max(1);
    TotalRow {
        key,
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
        connections_opened: figures.connections_opened,
        max_connections: figures.connections,
        max_sessions: figures.sessions,
        max_players: figures.players,
        max_rate_in: figures.max_rate_in,
        max_rate_out: figures.max_rate_out,
        mean_rate_in: figures.bytes_in / seconds,
        mean_rate_out: figures.bytes_out / seconds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_written_yet_lands_in_its_step_and_nowhere_else() {
        let bytes = |bytes_in| Figures {
            bytes_in,
            ..Figures::default()
        };
        let point = |at| UsagePoint { at, figures: bytes(1) };
        let mut history = UsageHistory {
            step: Duration::from_secs(10),
            points: vec![point(100_000), point(110_000), point(120_000)],
        };
        let range = Range {
            from: 105_000,
            to: 125_000,
        };
        let pending = [100_000, 110_000, 119_999, 120_000, 130_000].map(|at| (at, bytes(10)));
        add_pending(&mut history, &pending, range);
        let sums: Vec<_> = history.points.iter().map(|point| point.figures.bytes_in).collect();
        assert_eq!(sums, [1, 21, 11]);
    }
}
