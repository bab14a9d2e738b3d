//! The login: HTTP Basic with the user `admin`. Not for health checks, which are open, and not for tokens or cookies.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proxy_core::secret::Secret;
use proxy_core::tenant::{MAX_PASSWORD, Tenant, Tenants, TenantsError};

use crate::App;
use crate::error::ApiError;
use crate::server::Peer;

const USER: &str = "admin";

/// What a wrong password waits for. Only its own connection waits, and the number of connections is bounded.
const FAILURE_DELAY: Duration = Duration::from_millis(500);

/// The list of users that consists of `admin`.
pub(crate) fn only_user(password: Secret) -> io::Result<Tenants> {
    Tenants::new(vec![Tenant::new(USER, password)]).map_err(|error| {
        let expected = match error {
            TenantsError::EmptyPassword(_) => "must not be empty".to_owned(),
            _ => format!("must not be longer than {MAX_PASSWORD} bytes"),
        };
        io::Error::new(io::ErrorKind::InvalidInput, format!("the admin password {expected}"))
    })
}

/// Lets a request through that shows the password.
pub(crate) async fn require_login(
    State(app): State<Arc<App>>,
    Extension(Peer(peer)): Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    match check(&app.admin, request.headers()) {
        Ok(()) => next.run(request).await,
        // Every browser's first request comes without a password: that is no attempt.
        Err(Refused::Missing) => ApiError::Login.into_response(),
        Err(Refused::Wrong) => {
            let failures = app.login_failures.fetch_add(1, Ordering::Relaxed) + 1;
            tracing::warn!(%peer, failures, "wrong user or password on the admin listener");
            tokio::time::sleep(FAILURE_DELAY).await;
            ApiError::Login.into_response()
        }
    }
}

#[derive(Debug, PartialEq)]
enum Refused {
    Missing,
    Wrong,
}

fn check(admin: &Tenants, headers: &HeaderMap) -> Result<(), Refused> {
    let value = headers.get(header::AUTHORIZATION).ok_or(Refused::Missing)?;
    let credentials = basic(value.as_bytes()).ok_or(Refused::Wrong)?;
    let colon = credentials
        .iter()
        .position(|byte| *byte == b':')
        .ok_or(Refused::Wrong)?;
    let (user, password) = (&credentials[..colon], &credentials[colon + 1..]);
    // The user's name is no secret, the password is: it is compared in constant time, and always.
    let right = admin.authenticate(Some(password)).is_ok();
    if right && user == USER.as_bytes() {
        Ok(())
    } else {
        Err(Refused::Wrong)
    }
}

fn basic(value: &[u8]) -> Option<Vec<u8>> {
    let (scheme, rest) = value.split_at_checked("Basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    STANDARD.decode(rest.trim_ascii()).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn encoded(text: &str) -> String {
        STANDARD.encode(text)
    }

    #[test]
    fn only_the_user_admin_with_the_whole_password_comes_in() {
        let users = only_user(Secret::new("pass:word")).unwrap();
        let basic = |text: &str| Some(format!("Basic {}", encoded(text)));
        let rows = [
            (None, Err(Refused::Missing)),
            (basic("admin:pass:word"), Ok(())),
            (Some(format!("basic  {}", encoded("admin:pass:word"))), Ok(())),
            (basic("admin:pass:wor"), Err(Refused::Wrong)),
            (basic("admin:pass:words"), Err(Refused::Wrong)),
            (basic("admin:"), Err(Refused::Wrong)),
            (basic("admin"), Err(Refused::Wrong)),
            (basic("Admin:pass:word"), Err(Refused::Wrong)),
            (basic(":pass:word"), Err(Refused::Wrong)),
            (Some("pass:word".to_owned()), Err(Refused::Wrong)),
            (Some("Basic".to_owned()), Err(Refused::Wrong)),
            (Some("Basic ???".to_owned()), Err(Refused::Wrong)),
            (
                Some(format!("Bearer {}", encoded("admin:pass:word"))),
                Err(Refused::Wrong),
            ),
        ];
        for (value, expected) in rows {
            let mut headers = HeaderMap::new();
            if let Some(value) = &value {
                headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            }
            assert_eq!(check(&users, &headers), expected, "{value:?}");
        }
    }

    #[test]
    fn a_password_that_cannot_be_used_is_named_as_the_admins() {
        for (password, expected) in [(String::new(), "empty"), ("x".repeat(257), "256")] {
            let error = only_user(Secret::new(password)).unwrap_err().to_string();
            assert!(error.contains("admin password") && error.contains(expected), "{error}");
        }
    }
}
