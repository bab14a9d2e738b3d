//! `/api/v1/login`, `/logout` and `/me`: beginning and ending a login session, and who one is.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use proxy_core::secret::Secret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::App;
use crate::body::Body;
use crate::error::ApiError;
use crate::login::access::{Access, Method, Role, Scope};
use crate::login::{ADMIN, LogInError, cookie, guard};
use crate::server::Peer;

/// A user and its password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    /// `admin` if left out.
    user: Option<String>,
    #[schema(value_type = String, format = Password)]
    password: Secret,
}

/// Who somebody is here, and what that allows.
#[derive(Serialize, ToSchema)]
pub(crate) struct Me {
    /// The user, or the name of the token.
    user: Arc<str>,
    role: Role,
    method: Method,
    /// All that is allowed, what is implied included.
    scopes: Vec<Scope>,
}

impl Me {
    fn new(access: &Access) -> Self {
        Self {
            user: Arc::clone(&access.user),
            role: access.role(),
            method: access.method,
            scopes: access.scopes.list(),
        }
    }
}

type Cookie = [(HeaderName, HeaderValue); 1];

/// Begin a login session
///
/// The answer sets the cookie `lavalink_proxy`. A login session that the request shows ends. After a few wrong passwords
/// an address has to wait, longer each time: 429 with `Retry-After`.
#[utoipa::path(
    post, path = "/api/v1/login", tag = "login", security(()), request_body = Credentials,
    responses((status = 200, description = "Logged in", body = Me)),
)]
pub(crate) async fn log_in(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Body(credentials): Body<Credentials>,
) -> Result<(Cookie, Json<Me>), ApiError> {
    let user = credentials.user.as_deref().unwrap_or(ADMIN);
    let begun = app.login.log_in(user, &credentials.password, &headers, peer.0.ip());
    let (access, value) = begun.await.map_err(|error| match error {
        LogInError::Refused(refused) => guard::refuse(&app, peer, refused, &headers),
        LogInError::Store(error) => ApiError::store(&error),
        LogInError::System(error) => ApiError::system(&error),
    })?;
    tracing::info!(peer = %peer.0, user = %access.user, "logged in to the admin listener");
    let seconds = app.login.timeout.as_secs();
    let cookie = cookie::set(Some(&value), seconds, app.login.secure, &headers);
    Ok(([(header::SET_COOKIE, cookie)], Json(Me::new(&access))))
}

/// End the login session of the cookie
///
/// Event streams that it opened end too.
#[utoipa::path(
    post, path = "/api/v1/logout", tag = "login", security(()),
    responses((status = 204, description = "There is none any more")),
)]
pub(crate) async fn log_out(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<(StatusCode, Cookie), ApiError> {
    app.login
        .log_out(&headers)
        .await
        .map_err(|error| ApiError::store(&error))?;
    let cookie = cookie::set(None, 0, app.login.secure, &headers);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]))
}

/// Who am I
#[utoipa::path(get, path = "/me", tag = "login", responses((status = 200, description = "The one who asks", body = Me)))]
pub(crate) async fn me(Extension(access): Extension<Access>) -> Json<Me> {
    Json(Me::new(&access))
}
