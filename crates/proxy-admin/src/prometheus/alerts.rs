//! The metrics of alerts: how many are open, and what became of the messages.

use std::sync::atomic::Ordering;

use super::{Family, Labels, Value};
use crate::App;

/// All families; none when nothing is watched.
pub(super) fn all(app: &App) -> Vec<Family> {
    let Some(alerting) = &app.alerting else {
        return Vec::new();
    };
    let open = alerting.open_count();
    let by_severity = [("warning", open.warning), ("critical", open.critical)];
    let deliveries = alerting.deliveries().flat_map(|(webhook, counters)| {
        let outcomes = [
            ("sent", &counters.sent),
            ("failed", &counters.failed),
            ("dropped", &counters.dropped),
        ];
        outcomes.map(|(outcome, count)| -> (Labels, Value) {
            let labels = vec![("webhook", webhook.clone()), ("outcome", outcome.into())];
            (labels, Value::Counter(count.load(Ordering::Relaxed)))
        })
    });
    vec![
        Family::gauge("alerts", "Open alerts").series(
            by_severity.map(|(severity, count)| (vec![("severity", severity.into())], Value::Gauge(count as f64))),
        ),
        Family::gauge("alerts_unacknowledged", "Open alerts that nobody has acknowledged")
            .with(Vec::new(), Value::Gauge(open.unacknowledged as f64)),
        Family::counter("alert_messages", "Messages to webhooks by what became of them").series(deliveries),
    ]
}
