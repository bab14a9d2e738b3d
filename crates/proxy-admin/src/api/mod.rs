//! The table of contents of the admin listener: every route and who may use it. One file per resource. Each route says in
//! its `utoipa::path` what it takes and answers, so what is routed and what is documented cannot differ.

mod config;
mod connections;
mod document;
mod nodes;
mod overview;
mod sessions;
mod usage;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::response::Response;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::ApiError;
use crate::{App, assets, auth, prometheus};

/// All routes.
pub(crate) fn router(app: Arc<App>) -> Router {
    let open = Router::from(open())
        .merge(assets::routes())
        .with_state(Arc::clone(&app));
    let behind_login = Router::from(behind_login())
        .fallback(|| async { ApiError::NotFound("there is no such route") })
        .method_not_allowed_fallback(|| async { ApiError::Method })
        .layer(from_fn_with_state(Arc::clone(&app), auth::require_login))
        .with_state(app);
    open.merge(behind_login)
        .layer(from_fn(assets::lead_people_home))
        .layer(map_response(harden))
}

/// What the routes say of themselves.
pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    let head = OpenApiRouter::with_openapi(document::Head::openapi());
    document::complete(head.merge(open()).merge(behind_login()).into_openapi())
}

/// Open to everyone.
fn open() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(liveness))
        .routes(routes!(readiness))
}

fn behind_login() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(prometheus::metrics))
        .nest("/api/v1", api())
}

fn api() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(overview::overview))
        .routes(routes!(nodes::list))
        .routes(routes!(nodes::drain))
        .routes(routes!(nodes::undrain))
        .routes(routes!(connections::list))
        .routes(routes!(connections::disconnect))
        .routes(routes!(sessions::list))
        .routes(routes!(usage::ips))
        .routes(routes!(usage::tenants))
        .routes(routes!(config::config))
        .routes(routes!(document::openapi))
}

/// Is the program alive
#[utoipa::path(get, path = "/healthz", tag = "health", security(()), responses((status = 200, description = "It is", body = String)))]
async fn liveness() -> &'static str {
    "ok\n"
}

/// Can clients be served
///
/// Says no more than a load balancer needs: it is open to everyone.
#[utoipa::path(
    get, path = "/readyz", tag = "health", security(()),
    responses(
        (status = 200, description = "At least one node takes work", body = String),
        (status = 503, description = "None does, or the proxy is shutting down", body = String),
    ),
)]
async fn readiness(State(app): State<Arc<App>>) -> (StatusCode, &'static str) {
    if app.is_ready() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
    }
}

/// Figures are of the moment and for the asker alone, and texts that clients sent are never to be taken for a page. The
/// dashboard's files say their own.
async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let entry = headers.entry(header::CACHE_CONTROL);
    entry.or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    let entry = headers.entry(header::CONTENT_SECURITY_POLICY);
    entry.or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    response
}
