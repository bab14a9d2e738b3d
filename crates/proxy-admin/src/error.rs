//! What the admin API answers when it cannot do what was asked.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// One cause of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ApiError {
    /// No password, or not the right one.
    Login,
    /// No such route, or nothing with this name or number; the text says what.
    NotFound(&'static str),
    /// The route knows other methods.
    Method,
    /// A query that cannot be understood; the text says what was expected.
    Query(String),
    /// A change that a form on a foreign page could have sent.
    Form,
}

/// The body of every refusal.
#[derive(Serialize, ToSchema)]
pub(crate) struct Refusal {
    status: u16,
    /// The status in words.
    error: &'static str,
    message: String,
}

impl ApiError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Login => StatusCode::UNAUTHORIZED,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Query(_) => StatusCode::BAD_REQUEST,
            Self::Form => StatusCode::FORBIDDEN,
        }
    }

    fn message(self) -> String {
        match self {
            Self::Login => "the user admin and the password of [admin] are needed".to_owned(),
            Self::NotFound(what) => what.to_owned(),
            Self::Method => "this route knows other methods only".to_owned(),
            Self::Query(expected) => expected,
            Self::Form => "send the header X-Requested-With, or Content-Type: application/json".to_owned(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        let login = self == Self::Login;
        let body = Refusal {
            status: status.as_u16(),
            error: status.canonical_reason().unwrap_or_default(),
            message: self.message(),
        };
        let mut response = (status, Json(body)).into_response();
        if login {
            let challenge = HeaderValue::from_static("Basic realm=\"lavalink-proxy\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
