//! `/api/v1/tokens`: API tokens for scripts, made and revoked by an admin.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::App;
use crate::body::Body;
use crate::error::ApiError;
use crate::login::AddTokenError;
use crate::login::access::{Access, Scope};
use crate::login::tokens::Token;
use crate::view::millis;

const LONGEST_NAME: usize = 64;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A hundred years.
const MOST_DAYS: u32 = 36_500;

/// A token, but for what lets in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Token)]
pub(crate) struct TokenRow {
    id: String,
    name: String,
    scopes: Vec<Scope>,
    created_at: u64,
    /// Null if it never ends.
    expires_at: Option<u64>,
    /// To the minute; null if it was never used.
    last_used_at: Option<u64>,
}

/// All tokens, oldest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenList {
    items: Vec<TokenRow>,
}

/// A token that is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewToken {
    /// What it is for; 1 to 64 characters that no other token has.
    name: String,
    /// At least one.
    scopes: Vec<Scope>,
    /// Left out: it never ends.
    #[schema(minimum = 1, maximum = 36500)]
    expires_in_days: Option<u32>,
}

/// A new token.
#[derive(Serialize, ToSchema)]
pub(crate) struct MadeToken {
    #[serde(flatten)]
    row: TokenRow,
    /// What is sent as `Authorization: Bearer ...`. It is shown this once and not kept.
    token: String,
}

/// All API tokens
#[utoipa::path(get, path = "/tokens", tag = "tokens", responses((status = 200, description = "Oldest first", body = TokenList)))]
pub(crate) async fn list(State(app): State<Arc<App>>) -> Json<TokenList> {
    Json(TokenList {
        items: app.login.tokens().iter().map(row).collect(),
    })
}

/// Make an API token
#[utoipa::path(
    post, path = "/tokens", tag = "tokens", request_body = NewToken,
    responses((status = 201, description = "With the token, which is shown this once", body = MadeToken)),
)]
pub(crate) async fn make(
    State(app): State<Arc<App>>,
    Extension(access): Extension<Access>,
    Body(wanted): Body<NewToken>,
) -> Result<(StatusCode, Json<MadeToken>), ApiError> {
    check(&wanted)?;
    let ends = wanted.expires_in_days.map(|days| SystemTime::now() + DAY * days);
    let scopes = wanted.scopes.into_iter().collect();
    let (token, secret) = app.login.add_token(wanted.name, scopes, ends).await.map_err(refuse)?;
    tracing::info!(user = %access.user, token = %token.name, "an API token was made");
    let made = MadeToken {
        row: row(&token),
        token: secret.expose().to_owned(),
    };
    Ok((StatusCode::CREATED, Json(made)))
}

/// Revoke an API token
#[utoipa::path(
    delete, path = "/tokens/{id}", tag = "tokens", params(("id" = String, Path, description = "The token's number")),
    responses((status = 204, description = "It lets nobody in any more")),
)]
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    Extension(access): Extension<Access>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let unknown = ApiError::NotFound("there is no token of this number");
    let number = id.parse().map_err(|_| unknown.clone())?;
    let revoked = app.login.revoke_token(number).await;
    if !revoked.map_err(|error| ApiError::store(&error))? {
        return Err(unknown);
    }
    tracing::info!(user = %access.user, token = number, "an API token was revoked");
    Ok(StatusCode::NO_CONTENT)
}

fn check(wanted: &NewToken) -> Result<(), ApiError> {
    let wrong = |expected: &str| Err(ApiError::Body(expected.to_owned()));
    let length = wanted.name.chars().count();
    if length == 0 || length > LONGEST_NAME || wanted.name.chars().any(char::is_control) {
        return wrong("name has 1 to 64 characters, none of them a control character");
    }
    if wanted.scopes.is_empty() {
        return wrong("scopes has at least one of read, metrics, operate and admin");
    }
    if wanted
        .expires_in_days
        .is_some_and(|days| !(1..=MOST_DAYS).contains(&days))
    {
        return wrong("expiresInDays is from 1 to 36500");
    }
    Ok(())
}

fn refuse(error: AddTokenError) -> ApiError {
    match error {
        AddTokenError::Full => ApiError::Conflict("there are too many tokens, revoke one first"),
        AddTokenError::NameTaken => ApiError::Conflict("there is a token of this name"),
        AddTokenError::Store(error) => ApiError::store(&error),
        AddTokenError::System(error) => ApiError::system(&error),
    }
}

fn row(token: &Token) -> TokenRow {
    TokenRow {
        id: token.id.to_string(),
        name: token.name.clone(),
        scopes: token.scopes.list(),
        created_at: millis(token.created),
        expires_at: token.expires.map(millis),
        last_used_at: token.last_used.map(millis),
    }
}
