//! What stands before the routes: who asks, whether they may, and whether a change was asked for by a page of this
//! listener or a program, not by a foreign page in somebody's browser.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::Refused;
use super::access::{Access, Scope};
use crate::App;
use crate::error::ApiError;
use crate::server::Peer;

/// Finds out who asks; nobody else comes past.
pub(crate) async fn identify(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    match app.login.who(request.headers(), peer.0.ip()).await {
        Ok(access) => {
            request.extensions_mut().insert(access);
            next.run(request).await
        }
        Err(refused) => refuse(&app, peer, refused, request.headers()).into_response(),
    }
}

/// Counts and logs what is to be, and says what is answered.
pub(crate) fn refuse(app: &App, Peer(peer): Peer, refused: Refused, headers: &HeaderMap) -> ApiError {
    if refused != Refused::Missing {
        let failures = app.login_failures.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(alerting) = &app.alerting {
            alerting.login_failed(peer.ip());
        }
        // What is throttled is counted only: a flood must not fill the log.
        if refused == Refused::Wrong {
            tracing::warn!(%peer, failures, "wrong user, password or token on the admin listener");
        }
    }
    match refused {
        Refused::Missing | Refused::Wrong => ApiError::Login {
            // A browser would show its own box over the dashboard's.
            challenge: !headers.contains_key("x-requested-with"),
        },
        Refused::Later(wait) => ApiError::Later(wait),
    }
}

/// Lets only those past who have this scope.
pub(crate) async fn require(scope: Scope, request: Request, next: Next) -> Response {
    match request.extensions().get::<Access>() {
        Some(access) if access.scopes.has(scope) => next.run(request).await,
        _ => ApiError::Scope(scope).into_response(),
    }
}

/// Refuses changes that a foreign page could have sent.
pub(crate) async fn same_origin(request: Request, next: Next) -> Response {
    if [Method::GET, Method::HEAD].contains(request.method()) {
        return next.run(request).await;
    }
    match check_origin(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

fn check_origin(headers: &HeaderMap) -> Result<(), ApiError> {
    if !sent_by_a_program(headers) {
        return Err(ApiError::Form);
    }
    let foreign = headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site");
    let other = headers.get(header::ORIGIN).is_some_and(|origin| {
        let hosts = ["host", "x-forwarded-host"]
            .into_iter()
            .filter_map(|name| headers.get(name)?.to_str().ok());
        origin
            .to_str()
            .map_or(true, |origin| !hosts.into_iter().any(|host| is_of(origin, host)))
    });
    if foreign || other {
        Err(ApiError::Origin)
    } else {
        Ok(())
    }
}

/// A browser sends the password or cookie along with a form of a foreign page too, but neither of these headers: for them
/// it asks this listener first, which never allows it. The same holds for `X-Forwarded-Host`.
fn sent_by_a_program(headers: &HeaderMap) -> bool {
    let is_json = |value: &[u8]| value.to_ascii_lowercase().starts_with(b"application/json");
    headers.contains_key("x-requested-with")
        || headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|value| is_json(value.as_bytes()))
}

/// Whether an origin (`https://host:port`) is this host; the port of a scheme may be left out on either side.
fn is_of(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    let plain = |text: &str| text.strip_suffix(port).unwrap_or(text).to_ascii_lowercase();
    !authority.is_empty() && plain(authority) == plain(host)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    type Row<'a> = (&'a [(&'a str, &'a str)], Result<(), ApiError>);

    #[test]
    fn only_programs_and_own_pages_may_change_anything() {
        let program = ("x-requested-with", "x");
        let rows: [Row; 19] = [
            (&[], Err(ApiError::Form)),
            (&[("content-type", "text/plain")], Err(ApiError::Form)),
            (&[("content-type", "text/plain; application/json")], Err(ApiError::Form)),
            (
                &[("content-type", "multipart/form-data; boundary=x")],
                Err(ApiError::Form),
            ),
            (
                &[("content-type", "application/x-www-form-urlencoded")],
                Err(ApiError::Form),
            ),
            (
                &[("origin", "http://proxy:2334"), ("host", "proxy:2334")],
                Err(ApiError::Form),
            ),
            (&[program], Ok(())),
            (&[("content-type", "Application/JSON; charset=utf-8")], Ok(())),
            (
                &[program, ("host", "proxy:2334"), ("origin", "http://proxy:2334")],
                Ok(()),
            ),
            (&[program, ("host", "proxy"), ("origin", "https://Proxy:443")], Ok(())),
            (&[program, ("host", "proxy:443"), ("origin", "https://proxy")], Ok(())),
            (
                &[
                    program,
                    ("host", "in:1"),
                    ("x-forwarded-host", "out"),
                    ("origin", "https://out"),
                ],
                Ok(()),
            ),
            (
                &[program, ("host", "proxy:2334"), ("origin", "http://proxy:2335")],
                Err(ApiError::Origin),
            ),
            (
                &[program, ("host", "proxy"), ("origin", "http://evil")],
                Err(ApiError::Origin),
            ),
            (
                &[program, ("host", "proxy"), ("origin", "http://proxy.evil")],
                Err(ApiError::Origin),
            ),
            (&[program, ("host", "proxy"), ("origin", "null")], Err(ApiError::Origin)),
            (&[program, ("host", ""), ("origin", "http://")], Err(ApiError::Origin)),
            (
                &[program, ("host", "proxy"), ("sec-fetch-site", "cross-site")],
                Err(ApiError::Origin),
            ),
            (&[program, ("host", "proxy"), ("sec-fetch-site", "same-origin")], Ok(())),
        ];
        for (headers, expected) in rows {
            let map = headers
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            assert_eq!(check_origin(&map.collect::<HeaderMap>()), expected, "{headers:?}");
        }
    }
}
