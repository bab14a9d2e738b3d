//! `/api/v1/events`: server-sent events. What they are made of is `crate::events`.

use std::sync::Arc;

use axum::extract::{Extension, RawQuery, State};
use axum::http::{HeaderName, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::error::ApiError;
use crate::events::{self, Watchable};
use crate::login::access::Access;
use crate::server::Lasting;

/// Resources that one stream may watch.
const MOST: usize = 6;
const LONGEST: usize = 512;

/// The data of the event `snapshot`: the resource as a GET answers it, but that lists of entries with a name (`id`, `name`,
/// `ip`, `tenant`, `guildId` or `key`) are `{"$order": [names], "$rows": {name: entry}}`, and what is null is left out.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "never made, only described")]
pub(crate) struct SnapshotEvent {
    /// Which of the watched resources, counted from 0.
    watch: u32,
    value: serde_json::Value,
}

/// The data of the event `delta`.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "never made, only described")]
pub(crate) struct DeltaEvent {
    watch: u32,
    /// A merge patch (RFC 7396) of the value that the client has.
    patch: serde_json::Value,
}

/// The data of the event `error`: the resource cannot be had at the moment.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "never made, only described")]
pub(crate) struct ErrorEvent {
    watch: u32,
    /// As a GET would have it.
    status: u16,
    message: String,
}

/// The data of the event `tick`, which comes each second, also when nothing changed.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "never made, only described")]
pub(crate) struct TickEvent {
    /// Of the reading that the values are made from.
    at: u64,
}

/// Watch resources
///
/// Server-sent events: at once a `snapshot` of each watched resource, then once a second a `delta` of each that changed,
/// and a `tick`. A slow reader gets newer values, never a queue. The stream ends with the login. At most 64 streams are
/// open at once.
#[utoipa::path(
    get, path = "/events", tag = "events",
    params(("watch" = Vec<String>, Query, description = "A resource with its query, relative to /api/v1, such as `connections?sort=-rate`; 1 to 6 of them")),
    responses((status = 200, description = "Events", body = String, content_type = "text/event-stream")),
)]
pub(crate) async fn events(
    State(app): State<Arc<App>>,
    Extension(access): Extension<Access>,
    Extension(lasting): Extension<Lasting>,
    Extension(routes): Extension<Watchable>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let targets = targets(query.as_deref().unwrap_or_default())?;
    let place = events::place(&app).ok_or(ApiError::Unavailable("too many event streams are open"))?;
    let body = events::stream(app, routes, access, &targets, place, lasting).await;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        // Tells nginx to pass each event on at once.
        (
            HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        ),
    ];
    Ok((headers, body).into_response())
}

fn targets(query: &str) -> Result<Vec<String>, ApiError> {
    let uri: Uri = format!("/?{query}").parse().map_err(|_| wrong())?;
    let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&uri).map_err(|_| wrong())?;
    let targets: Vec<_> = pairs
        .0
        .into_iter()
        .map(|(name, target)| (name == "watch").then_some(target))
        .collect();
    let targets: Vec<_> = targets.into_iter().collect::<Option<_>>().ok_or_else(wrong)?;
    let is_resource = |target: &String| {
        target.len() <= LONGEST
            && target.starts_with(|c: char| c.is_ascii_alphabetic())
            && format!("/{target}").parse::<Uri>().is_ok()
    };
    if (1..=MOST).contains(&targets.len()) && targets.iter().all(is_resource) {
        Ok(targets)
    } else {
        Err(wrong())
    }
}

fn wrong() -> ApiError {
    ApiError::Query(format!(
        "1 to {MOST} times watch=, each a resource with its query, url-encoded, such as watch=connections%3Flimit%3D20"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn watched_resources_come_as_whole_texts_and_in_bounded_number() {
        let two = targets("watch=overview&watch=connections%3Fsort%3D-rate%26q%3Da%2520b").unwrap();
        assert_eq!(two, ["overview", "connections?sort=-rate&q=a%20b"]);
        let long = format!("watch=a{}", "b".repeat(LONGEST));
        let many = ["watch=nodes"; MOST + 1].join("&");
        for wrong in [
            "",
            "watch=",
            "watch=/nodes",
            "watch=..",
            "what=nodes",
            "watch=a%20b",
            &long,
            &many,
        ] {
            assert!(targets(wrong).is_err(), "{wrong:?}");
        }
    }
}
