//! The dashboard's files, embedded in the program. They hold no data and are open to everyone; what they show comes from
//! the API, behind the login. Not here: building them (`cargo xtask dashboard`), copying them (`build.rs`).

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::{Embed, EmbeddedFile};

use crate::error::ApiError;

#[derive(Embed)]
#[folder = "$OUT_DIR/dashboard"]
struct Files;

/// Nothing but this listener's own files and answers: no inline script or style, no other host, no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Files below `assets` carry a hash of their content in their name.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Kept by the browser, but asked for each time whether it is still current.
const ASK: &str = "no-cache";

/// Paths that belong to programs: there a person too is told what is wrong, and sent nowhere.
const OF_PROGRAMS: [&str; 5] = ["/api/", "/assets/", "/metrics", "/healthz", "/readyz"];

/// `/` and `/assets/...`.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/", get(page)).route("/assets/{*path}", get(asset))
}

async fn page(headers: HeaderMap) -> Response {
    file("index.html", &headers, ASK)
}

async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    file(&format!("assets/{path}"), &headers, FOR_EVER)
}

/// Sends people who mistyped an address, or kept an old one, to the dashboard. Programs get the refusal as it is.
pub(crate) async fn lead_people_home(request: Request, next: Next) -> Response {
    let home = home(&request);
    let response = next.run(request).await;
    match (home, response.status()) {
        (Some(home), StatusCode::NOT_FOUND | StatusCode::UNAUTHORIZED) => {
            (StatusCode::SEE_OTHER, [(header::LOCATION, home)]).into_response()
        }
        _ => response,
    }
}

/// Where the dashboard is, seen from this request; none if a program asks. Relative, since a reverse proxy may have put
/// a path before this listener's.
fn home(request: &Request) -> Option<String> {
    let path = request.uri().path();
    let accept = request.headers().get(header::ACCEPT)?.to_str().ok()?;
    let by_person = request.method() == Method::GET && accept.contains("text/html");
    if !by_person || OF_PROGRAMS.iter().any(|of_program| path.starts_with(of_program)) {
        return None;
    }
    let folders = path.matches('/').count().saturating_sub(1);
    Some(format!("./{}", "../".repeat(folders)))
}

fn file(path: &str, headers: &HeaderMap, caching: &'static str) -> Response {
    let packed = takes_gzip(headers).then(|| Files::get(&format!("{path}.gz"))).flatten();
    let encoding = packed.as_ref().map(|_| "gzip");
    let Some(file) = packed.or_else(|| Files::get(path)) else {
        return ApiError::NotFound("there is no such file").into_response();
    };
    let tag = tag(&file);
    let unchanged = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = if unchanged {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Response::new(Body::from(file.data))
    };
    let answer = response.headers_mut();
    answer.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(path)));
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    answer.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    answer.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    answer.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        answer.insert(header::ETAG, tag);
    }
    if let Some(encoding) = encoding {
        answer.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

fn tag(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    let hex: String = hash[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok());
    accepted.is_some_and(|list| {
        list.split(',').any(|item| {
            let (name, weight) = item.split_once(';').unwrap_or((item, ""));
            name.trim().eq_ignore_ascii_case("gzip") && !matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
        })
    })
}

/// The types of what a build puts out; anything else is not meant to be shown.
fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_people_are_led_home_and_by_a_relative_way() {
        let rows = [
            ("/nodes", "text/html,*/*", Some("./")),
            ("/sessions/1/2", "text/html", Some("./../../")),
            ("/nodes/", "text/html", Some("./../")),
            ("/nodes", "*/*", None),
            ("/api/v1/nothing", "text/html", None),
            ("/metrics", "text/html", None),
            ("/assets/old.js", "text/html", None),
        ];
        for (path, accept, expected) in rows {
            let request = Request::get(path).header("accept", accept).body(Body::empty()).unwrap();
            assert_eq!(home(&request).as_deref(), expected, "{path} {accept}");
        }
    }

    #[test]
    fn gzip_is_used_where_it_is_wanted() {
        let rows = [
            ("gzip, deflate", true),
            ("br;q=1.0, GZIP;q=0.5", true),
            ("br", false),
            ("gzip;q=0", false),
            ("xgzip", false),
        ];
        for (accepted, expected) in rows {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, accepted.parse().unwrap())]);
            assert_eq!(takes_gzip(&headers), expected, "{accepted}");
        }
    }
}
