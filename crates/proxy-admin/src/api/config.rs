//! `/api/v1/config`: the settings in force, as the program handed them over, secrets masked.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::Value;

use crate::App;
use crate::error::ApiError;

/// `GET /api/v1/config`
pub(crate) async fn config(State(app): State<Arc<App>>) -> Result<Json<Value>, ApiError> {
    let config = app.masked_config.as_ref();
    config
        .map(|config| Json(config.clone()))
        .ok_or(ApiError::NotFound("this program does not show its settings"))
}
