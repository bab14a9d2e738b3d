//! What became of sessions: how many began, lost their client, got it back, and ended, and why.

use proxy_gateway::usage::{Label, SessionTotals};

use super::{Family, client_labels};
use crate::App;
use crate::prometheus::Value;

/// By tenant and version; endings by reason too.
pub(super) fn fates(app: &App) -> Vec<Family> {
    let fates = app.shared.session_ledger.totals();
    let family = |name, help, read: fn(&SessionTotals) -> u64| {
        let series = fates
            .iter()
            .map(|(label, fate)| (client_labels(label), Value::Counter(read(fate))));
        Family::counter(name, help).series(series)
    };
    let ended = |(label, fate): &(Label, SessionTotals)| {
        let endings = fate.ended.iter().map(|(reason, count)| {
            let mut labels = client_labels(label);
            labels.push(("reason", (*reason).into()));
            (labels, Value::Counter(*count))
        });
        endings.collect::<Vec<_>>()
    };
    vec![
        family("sessions_opened", "Sessions that began", |fate| fate.opened),
        family(
            "sessions_parked",
            "Times that a client was lost and its session waited for it",
            |fate| fate.parked,
        ),
        family(
            "sessions_resumed",
            "Times that a client came back to its session",
            |fate| fate.resumed,
        ),
        Family::counter("sessions_ended", "Sessions that ended, by reason").series(fates.iter().flat_map(ended)),
    ]
}
