//! `/api/v1/config`: the settings in force, as the program handed them over, secrets masked.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::Value;

use crate::App;
use crate::error::ApiError;

/// The settings in force, secrets masked
#[utoipa::path(get, path = "/config", tag = "about", responses((status = 200, description = "As in the file, by section", body = Value)))]
pub(crate) async fn config(State(app): State<Arc<App>>) -> Result<Json<Value>, ApiError> {
    let config = app.masked_config.as_ref();
    config
        .map(|config| Json(config.clone()))
        .ok_or(ApiError::NotFound("this program does not show its settings"))
}
