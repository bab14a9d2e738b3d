//! `/api/v1/alerts`: what is or was unusual, taking note of it, the rules, and the test button.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, State};
use proxy_core::alerts::{Alert, Rule, Severity};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::error::ApiError;
use crate::listing::Filters;
use crate::login::access::Access;

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;

/// Something that is or was unusual.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Alert)]
pub(crate) struct AlertRow {
    id: u64,
    /// One of those in `alerts/rules`.
    rule: &'static str,
    severity: SeverityName,
    /// An address, a node, a tenant or a reason by its name; `(proxy)` for the proxy itself, `(others)` for those past
    /// the number that are told one by one.
    subject: String,
    /// What happened, as a sentence with the subject in it.
    text: String,
    /// The figure that was judged, as last seen above the threshold.
    value: f64,
    /// What it was compared with.
    threshold: f64,
    raised_at: u64,
    updated_at: u64,
    /// Null while it is open.
    cleared_at: Option<u64>,
    acknowledged_at: Option<u64>,
    acknowledged_by: Option<Box<str>>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Severity)]
pub(crate) enum SeverityName {
    /// Worth a look.
    Warning,
    /// Clients suffer, or soon will.
    Critical,
}

/// Alerts, newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = AlertList)]
pub(crate) struct AlertList {
    items: Vec<AlertRow>,
}

/// Which alerts are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AlertState {
    /// Those that are open.
    #[default]
    Open,
    /// Also those that are over.
    All,
}

/// Which alerts are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AlertFilters {
    /// Those that are open, or all.
    #[param(inline, default = "open")]
    state: Option<AlertState>,
    /// Entries in the answer; at most 1000.
    #[param(default = 100, maximum = 1000)]
    limit: Option<usize>,
    /// Only those with a smaller id: the next page.
    before: Option<u64>,
}

/// Every rule.
#[derive(Serialize, ToSchema)]
#[schema(as = AlertRules)]
pub(crate) struct Rules {
    items: Vec<RuleRow>,
}

/// A rule as it is in force.
#[derive(Serialize, ToSchema)]
#[schema(as = AlertRule)]
struct RuleRow {
    name: &'static str,
    /// What it watches.
    summary: &'static str,
    enabled: bool,
    /// What it compares with and waits for, by the names of the configuration.
    parameters: BTreeMap<&'static str, String>,
}

/// What came of a test, receiver by receiver; the log is the first.
#[derive(Serialize, ToSchema)]
#[schema(as = AlertTest)]
pub(crate) struct Tested {
    results: Vec<TestResult>,
}

/// What came of it for one receiver.
#[derive(Serialize, ToSchema)]
#[schema(as = AlertTestResult)]
struct TestResult {
    /// The name of the webhook, or `log`.
    target: Arc<str>,
    ok: bool,
    /// Why not; null when it is ok.
    message: Option<String>,
}

/// How many alerts are open.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
#[schema(as = AlertCounts)]
pub(crate) struct Counts {
    open: usize,
    /// Of those, the ones that nobody has acknowledged.
    unacknowledged: usize,
}

impl Counts {
    /// Of this moment.
    pub(crate) fn of(app: &App) -> Self {
        let open = app
            .alerting
            .as_ref()
            .map(|alerting| alerting.open_count())
            .unwrap_or_default();
        Self {
            open: open.warning + open.critical,
            unacknowledged: open.unacknowledged,
        }
    }
}

/// Alerts, newest first
///
/// Without alerts in the configuration the list is empty.
#[utoipa::path(
    get, path = "/alerts", tag = "alerts", params(AlertFilters),
    responses((status = 200, description = "Alerts", body = AlertList)),
)]
pub(crate) async fn list(State(app): State<Arc<App>>, Filters(wanted): Filters<AlertFilters>) -> Json<AlertList> {
    let Some(alerting) = &app.alerting else {
        return Json(AlertList { items: Vec::new() });
    };
    let open_only = wanted.state.unwrap_or_default() == AlertState::Open;
    let limit = wanted.limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
    let alerts = alerting.list(open_only, wanted.before, limit).await;
    Json(AlertList {
        items: alerts.into_iter().map(row).collect(),
    })
}

/// The rules as they are in force
#[utoipa::path(
    get, path = "/alerts/rules", tag = "alerts",
    responses((status = 200, description = "Every rule", body = Rules)),
)]
pub(crate) async fn rules(State(app): State<Arc<App>>) -> Json<Rules> {
    let settings = app.alerting.as_ref().map(|alerting| alerting.settings());
    let watching = settings.is_some();
    let settings = settings.unwrap_or_default();
    let row = |rule: Rule| RuleRow {
        name: rule.name(),
        summary: rule.summary(),
        enabled: watching && settings.timing(rule).enabled,
        parameters: settings.parameters(rule).into_iter().collect(),
    };
    Json(Rules {
        items: Rule::ALL.into_iter().map(row).collect(),
    })
}

/// Take note of an alert
///
/// Who did first stays; an alert that was acknowledged is not told again.
#[utoipa::path(
    post, path = "/alerts/{id}/acknowledge", tag = "alerts", params(("id" = u64, Path, description = "The alert's number")),
    responses((status = 200, description = "The alert as it is now", body = AlertRow)),
)]
pub(crate) async fn acknowledge(
    State(app): State<Arc<App>>,
    Extension(access): Extension<Access>,
    Path(id): Path<String>,
) -> Result<Json<AlertRow>, ApiError> {
    let missing = ApiError::NotFound("there is no alert with this number");
    let (Some(alerting), Ok(id)) = (&app.alerting, id.parse::<u64>()) else {
        return Err(missing);
    };
    let alert = alerting.acknowledge(id, &access.user).await.ok_or(missing)?;
    tracing::info!(alert = id, user = %access.user, "an operator acknowledged an alert");
    Ok(Json(row(alert)))
}

/// Send a test message to every receiver
///
/// It waits for their answers, at most ten seconds.
#[utoipa::path(
    post, path = "/alerts/test", tag = "alerts",
    responses((status = 200, description = "What came of it", body = Tested)),
)]
pub(crate) async fn test(
    State(app): State<Arc<App>>,
    Extension(access): Extension<Access>,
) -> Result<Json<Tested>, ApiError> {
    let Some(alerting) = &app.alerting else {
        return Err(ApiError::NotFound("alerts are switched off"));
    };
    tracing::info!(user = %access.user, "an operator tests the alerts");
    let result = |(target, outcome): (Arc<str>, Result<(), String>)| TestResult {
        target,
        ok: outcome.is_ok(),
        message: outcome.err(),
    };
    Ok(Json(Tested {
        results: alerting.test().await.into_iter().map(result).collect(),
    }))
}

fn row(alert: Alert) -> AlertRow {
    AlertRow {
        id: alert.id,
        rule: alert.rule.name(),
        severity: match alert.severity {
            Severity::Warning => SeverityName::Warning,
            Severity::Critical => SeverityName::Critical,
        },
        subject: alert.subject.to_string(),
        text: alert.sentence(true),
        value: alert.value,
        threshold: alert.threshold,
        raised_at: alert.raised_at,
        updated_at: alert.updated_at,
        cleared_at: alert.cleared_at,
        acknowledged_at: alert.acknowledged.as_ref().map(|by| by.at),
        acknowledged_by: alert.acknowledged.map(|by| by.by),
    }
}
