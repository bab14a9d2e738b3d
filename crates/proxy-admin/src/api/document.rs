//! The OpenAPI document: what the routes say of themselves, with what they all have in common. `docs/reference/openapi.json`
//! is this document as it was committed; the dashboard's types are made from it.

use axum::Json;
use axum::response::IntoResponse;
use utoipa::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Content, Ref, RefOr};

use super::events::{DeltaEvent, ErrorEvent, SnapshotEvent, TickEvent};
use crate::error::Refusal;
use crate::login::access::Scope;

/// The head of the document; the routes bring their own parts.
#[derive(OpenApi)]
#[openapi(
    info(title = "Lavalink Proxy", description = "The admin listener. Times are milliseconds since 1970, UTC; bytes and counts whole numbers; null and absent mean the same."),
    components(schemas(Refusal, SnapshotEvent, DeltaEvent, ErrorEvent, TickEvent)),
    security(("basic" = []), ("token" = []), ("cookie" = [])),
)]
pub(crate) struct Head;

/// Adds what all routes have in common: how one logs in, and what a refusal looks like.
pub(crate) fn complete(mut document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    let components = document.components.get_or_insert_default();
    let http = |scheme| SecurityScheme::Http(HttpBuilder::new().scheme(scheme).build());
    components.add_security_scheme("basic", http(HttpAuthScheme::Basic));
    components.add_security_scheme("token", http(HttpAuthScheme::Bearer));
    let cookie = ApiKey::Cookie(ApiKeyValue::new("lavalink_proxy"));
    components.add_security_scheme("cookie", SecurityScheme::ApiKey(cookie));
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            operation.operation_id = Some(operation_id(method, path));
            operation
                .responses
                .responses
                .insert("default".to_owned(), RefOr::T(refusal()));
        }
    }
    document
}

/// Says of each route which scope a token needs for it; the roles of users have scopes too.
pub(crate) fn need(scope: Scope, document: &mut utoipa::openapi::OpenApi) {
    for item in document.paths.paths.values_mut() {
        for (_, operation) in operations(item) {
            operation.security = Some(vec![
                SecurityRequirement::new::<_, [&str; 0], &str>("basic", []),
                SecurityRequirement::new("token", [scope.name()]),
                SecurityRequirement::new::<_, [&str; 0], &str>("cookie", []),
            ]);
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let PathItem {
        get, put, post, delete, ..
    } = item;
    let all = [("get", get), ("put", put), ("post", post), ("delete", delete)];
    all.into_iter()
        .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// A name for generated clients, such as `getUsageIps`: functions of this program are named within their file only.
fn operation_id(method: &str, path: &str) -> String {
    let path = path.strip_prefix("/api/v1").unwrap_or(path);
    let words = path.split(|c: char| !c.is_ascii_alphanumeric());
    words.fold(method.to_owned(), |mut id, word| {
        id.extend(word.chars().take(1).map(|first| first.to_ascii_uppercase()));
        id.push_str(word.get(1..).unwrap_or_default());
        id
    })
}

fn refusal() -> Response {
    let schema = Ref::from_schema_name("Refusal");
    ResponseBuilder::new()
        .description("A refusal")
        .content("application/json", Content::new(Some(schema)))
        .build()
}

/// The API in the OpenAPI format
#[utoipa::path(get, path = "/openapi.json", tag = "about", responses((status = 200, description = "This document", body = serde_json::Value)))]
pub(crate) async fn openapi() -> impl IntoResponse {
    Json(crate::openapi())
}
