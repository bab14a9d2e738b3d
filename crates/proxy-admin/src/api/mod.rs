//! The table of contents of the admin listener: every route and who may use it. One file per resource.

mod config;
mod connections;
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
use axum::routing::{delete, get, post};

use crate::error::ApiError;
use crate::{App, assets, auth, prometheus};

/// All routes.
pub(crate) fn router(app: Arc<App>) -> Router {
    let open = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readiness))
        .merge(assets::routes())
        .with_state(Arc::clone(&app));
    let behind_login = Router::new()
        .route("/metrics", get(prometheus::metrics))
        .nest("/api/v1", api())
        .fallback(|| async { ApiError::NotFound("there is no such route") })
        .method_not_allowed_fallback(|| async { ApiError::Method })
        .layer(from_fn_with_state(Arc::clone(&app), auth::require_login))
        .with_state(app);
    open.merge(behind_login)
        .layer(from_fn(assets::lead_people_home))
        .layer(map_response(harden))
}

fn api() -> Router<Arc<App>> {
    Router::new()
        .route("/overview", get(overview::overview))
        .route("/nodes", get(nodes::list))
        .route("/nodes/{name}/drain", post(nodes::drain))
        .route("/nodes/{name}/undrain", post(nodes::undrain))
        .route("/connections", get(connections::list))
        .route("/connections/{id}", delete(connections::disconnect))
        .route("/sessions", get(sessions::list))
        .route("/usage/ips", get(usage::ips))
        .route("/usage/tenants", get(usage::tenants))
        .route("/config", get(config::config))
}

/// Says no more than a load balancer needs: it is open to everyone.
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
