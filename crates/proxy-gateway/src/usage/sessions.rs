//! What became of Lavalink sessions, by tenant and version. Sessions come and go seldom, so one lock serves all workers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use super::{Label, lock};
use crate::session::directory::SessionEntry;

/// How many sessions of one tenant and version began, and what became of them. Counts only grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionTotals {
    /// Sessions that began.
    pub opened: u64,
    /// Times that a client was lost and its session waited for it.
    pub parked: u64,
    /// Times that a client came back to its session.
    pub resumed: u64,
    /// Sessions that ended, by reason.
    pub ended: BTreeMap<&'static str, u64>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct SessionLedger(Mutex<HashMap<Label, SessionTotals>>);

impl SessionLedger {
    pub(crate) fn opened(&self, session: &SessionEntry) {
        self.change(session, |totals| totals.opened += 1);
    }

    pub(crate) fn parked(&self, session: &SessionEntry) {
        self.change(session, |totals| totals.parked += 1);
    }

    pub(crate) fn resumed(&self, session: &SessionEntry) {
        self.change(session, |totals| totals.resumed += 1);
    }

    pub(crate) fn ended(&self, session: &SessionEntry, reason: &'static str) {
        self.change(session, |totals| *totals.ended.entry(reason).or_default() += 1);
    }

    fn change(&self, session: &SessionEntry, change: impl FnOnce(&mut SessionTotals)) {
        let label = Label {
            tenant: session.tenant_name.clone(),
            class: session.class(),
        };
        change(lock(&self.0).entry(label).or_default());
    }

    /// The counts of this moment.
    pub fn totals(&self) -> Vec<(Label, SessionTotals)> {
        let totals = lock(&self.0);
        totals
            .iter()
            .map(|(label, totals)| (label.clone(), totals.clone()))
            .collect()
    }
}
