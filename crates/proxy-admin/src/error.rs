//! What the admin API answers when it cannot do what was asked.

use std::io;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use proxy_store::StoreError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::login::access::Scope;

/// One cause of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ApiError {
    /// Nobody who is known here.
    Login {
        /// Ask the browser to ask for a password.
        challenge: bool,
    },
    /// Too many wrong passwords; come again after this.
    Later(Duration),
    /// Whoever asks may not do this.
    Scope(Scope),
    /// No such route, or nothing with this name or number; the text says what.
    NotFound(&'static str),
    /// The route knows other methods.
    Method,
    /// A query that cannot be understood; the text says what was expected.
    Query(String),
    /// A body that cannot be understood; the text says what was expected.
    Body(String),
    /// A change that a form on a foreign page could have sent.
    Form,
    /// A change that a foreign page did send.
    Origin,
    /// It does not fit what there is; the text says why.
    Conflict(&'static str),
    /// It makes no sense for what it is about; the text says why.
    Unprocessable(&'static str),
    /// Something that this needs does not work, or is not there; the text says what.
    Unavailable(&'static str),
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
    /// The store did not do what was asked. The reason is logged here, as nobody else is told.
    pub(crate) fn store(error: &StoreError) -> Self {
        tracing::error!(%error, "the store failed a request of the admin listener");
        Self::Unavailable("the store does not answer, see the log")
    }

    /// The system did not do what was asked.
    pub(crate) fn system(error: &io::Error) -> Self {
        tracing::error!(%error, "a request of the admin listener failed");
        Self::Unavailable("the system failed this request, see the log")
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Login { .. } => StatusCode::UNAUTHORIZED,
            Self::Later(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Query(_) | Self::Body(_) => StatusCode::BAD_REQUEST,
            Self::Form | Self::Origin | Self::Scope(_) => StatusCode::FORBIDDEN,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Unprocessable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn message(self) -> String {
        match self {
            Self::Login { .. } => "log in, or send the password of admin or viewer, or an API token".to_owned(),
            Self::Later(wait) => format!("too many wrong passwords, come again in {} s", seconds(wait)),
            Self::Scope(scope) => format!("this needs the scope {}", scope.name()),
            Self::NotFound(what) | Self::Conflict(what) | Self::Unprocessable(what) | Self::Unavailable(what) => {
                what.to_owned()
            }
            Self::Method => "this route knows other methods only".to_owned(),
            Self::Query(expected) | Self::Body(expected) => expected,
            Self::Form => "send the header X-Requested-With, or Content-Type: application/json".to_owned(),
            Self::Origin => "a page of another site may not change anything here".to_owned(),
        }
    }

    /// A header that goes with it.
    fn header(&self) -> Option<(header::HeaderName, HeaderValue)> {
        match self {
            Self::Login { challenge: true } => Some((
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"lavalink-proxy\""),
            )),
            Self::Later(wait) => Some((header::RETRY_AFTER, seconds(*wait).into())),
            _ => None,
        }
    }
}

/// Rounded up: whoever waits so long has waited long enough.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, header) = (self.status(), self.header());
        let body = Refusal {
            status: status.as_u16(),
            error: status.canonical_reason().unwrap_or_default(),
            message: self.message(),
        };
        let mut response = (status, Json(body)).into_response();
        response.headers_mut().extend(header);
        response
    }
}
