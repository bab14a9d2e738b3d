//! The table of contents of the admin listener: every route and who may use it. One file per resource. Each route says in
//! its `utoipa::path` what it takes and answers, so what is routed and what is documented cannot differ.

mod alerts;
mod closed;
mod config;
mod connections;
mod document;
mod events;
mod groups;
mod history;
mod login;
mod migrations;
mod node_history;
mod nodes;
mod overview;
mod players;
mod problems;
mod sessions;
mod settings;
mod tokens;
mod usage;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Extension, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::response::Response;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::ApiError;
use crate::events::Watchable;
use crate::login::access::Scope;
use crate::login::guard;
use crate::{App, assets, prometheus};

/// Bodies that are sent here are a few names and numbers.
const MAX_BODY: usize = 64 * 1024;

/// All routes.
pub(crate) fn router(app: Arc<App>, watchable: Watchable) -> Router {
    let mut open = open();
    let mut behind_login = OpenApiRouter::default().nest("/api/v1", api().merge(lasting()));
    if app.open_metrics {
        open = open.routes(routes!(prometheus::metrics));
    } else {
        behind_login = behind_login.merge(metrics());
    }
    let open = Router::from(open).merge(assets::routes()).with_state(Arc::clone(&app));
    let behind_login = Router::from(behind_login)
        .fallback(no_route)
        .method_not_allowed_fallback(|| async { ApiError::Method })
        .layer(from_fn_with_state(Arc::clone(&app), guard::identify))
        .with_state(app);
    open.merge(behind_login)
        .layer(from_fn(guard::same_origin))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(Extension(watchable))
        .layer(from_fn(assets::lead_people_home))
        .layer(map_response(harden))
}

/// The routes whose answers can be watched, for those who were let in.
pub(crate) fn watchable(app: Arc<App>) -> Watchable {
    Watchable(Router::from(api()).fallback(no_route).with_state(app))
}

async fn no_route() -> ApiError {
    ApiError::NotFound("there is no such route")
}

/// What the routes say of themselves.
pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    let head = OpenApiRouter::with_openapi(document::Head::openapi());
    let behind_login = metrics().nest("/api/v1", api().merge(lasting()));
    document::complete(head.merge(open()).merge(behind_login).into_openapi())
}

/// Open to everyone.
fn open() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(liveness))
        .routes(routes!(readiness))
        .routes(routes!(login::log_in))
        .routes(routes!(login::log_out))
}

/// Behind the login unless the settings open it.
fn metrics() -> OpenApiRouter<Arc<App>> {
    needing(
        Scope::Metrics,
        OpenApiRouter::default().routes(routes!(prometheus::metrics)),
    )
}

fn api() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(login::me))
        .merge(needing(Scope::Read, reading()))
        .merge(needing(Scope::Operate, operating()))
        .merge(needing(Scope::Admin, administering()))
}

/// Answers that go on.
fn lasting() -> OpenApiRouter<Arc<App>> {
    needing(Scope::Read, OpenApiRouter::default().routes(routes!(events::events)))
}

/// Says of each route that it needs this scope, to callers and in the document.
fn needing(scope: Scope, mut router: OpenApiRouter<Arc<App>>) -> OpenApiRouter<Arc<App>> {
    document::need(scope, router.get_openapi_mut());
    router.route_layer(from_fn(move |request, next| guard::require(scope, request, next)))
}

fn operating() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(nodes::drain))
        .routes(routes!(nodes::undrain))
        .routes(routes!(connections::disconnect))
        .routes(routes!(migrations::move_player))
        .routes(routes!(alerts::acknowledge))
        .routes(routes!(alerts::test))
}

fn administering() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(tokens::list))
        .routes(routes!(tokens::make))
        .routes(routes!(tokens::revoke))
}

fn reading() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(overview::overview))
        .routes(routes!(nodes::list))
        .routes(routes!(node_history::history))
        .routes(routes!(connections::list))
        .routes(routes!(groups::groups))
        .routes(routes!(closed::history))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::one))
        .routes(routes!(players::players))
        .routes(routes!(migrations::list))
        .routes(routes!(usage::ips))
        .routes(routes!(usage::tenants))
        .routes(routes!(alerts::list))
        .routes(routes!(alerts::rules))
        .routes(routes!(history::history))
        .routes(routes!(history::sparklines))
        .routes(routes!(history::totals))
        .routes(routes!(settings::settings))
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
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    );
    headers.insert(
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    );
    let entry = headers.entry(header::CONTENT_SECURITY_POLICY);
    entry.or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    response
}
