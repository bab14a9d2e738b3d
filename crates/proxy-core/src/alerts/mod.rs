//! Alerts on unusual use: which there are, when they are raised, when they are over, and what is told of them. No clock,
//! no notifier: an [`Observation`] goes in once a second, [`Notice`]s come out.
//!
//! - `rules.rs` compares the figures with the settings, subject by subject (an address, a tenant, a node, the proxy).
//! - `watch.rs` makes an alert of what lasts: raised after a while, cleared after a while well below, so that a figure
//!   near its threshold does not flap; whoever comes and goes stays open longer each time.
//! - `board.rs` bounds the subjects of a rule; the rest is one alert "and n more".
//!
//! There is one alert for a rule and subject at a time, and of each raise exactly one clear is told.

mod baseline;
mod board;
mod figures;
mod observation;
mod rule;
mod rules;
mod settings;
mod watch;
mod window;

#[cfg(test)]
mod tests;

use std::time::Instant;

pub use baseline::HourOfAddress;
use board::Board;
pub use figures::{bytes, rate, time};
pub use observation::{AddressReading, Fill, NodeReading, Observation, TenantReading};
pub use rule::{Acknowledgement, Alert, Kind, Notice, Rule, Severity, Subject};
use rules::Memory;
pub use settings::{AlertSettings, Bounds, Timing};
use watch::{Finding, Round};

/// See the module.
#[derive(Debug)]
pub struct Alerts {
    settings: AlertSettings,
    memory: Memory,
    /// By rule.
    boards: [Board; Rule::ALL.len()],
    rounds: u64,
    last_id: u64,
}

impl Alerts {
    /// Nothing is open.
    pub fn new(settings: AlertSettings) -> Self {
        Self {
            settings,
            memory: Memory::default(),
            boards: Rule::ALL.map(Board::new),
            rounds: 0,
            last_id: 0,
        }
    }

    /// The settings in force.
    pub fn settings(&self) -> &AlertSettings {
        &self.settings
    }

    /// Tells what earlier runs saw of addresses, hour by hour; rows of one address in the order of time. To be called
    /// before the first observation, with the calendar's time in milliseconds.
    pub fn seed(&mut self, history: impl IntoIterator<Item = HourOfAddress>, at: u64) {
        self.memory.baseline.seed(history, at);
    }

    /// Takes up the alerts that were open when an earlier run ended, without telling of them again. What no longer holds
    /// is cleared in its time, and that is told.
    pub fn restore(&mut self, open: impl IntoIterator<Item = Alert>, now: Instant) {
        for alert in open.into_iter().filter(|alert| alert.cleared_at.is_none()) {
            self.last_id = self.last_id.max(alert.id);
            let round = Round {
                now,
                at: alert.updated_at,
                number: 0,
                repeat: None,
                last_id: &mut self.last_id,
            };
            self.boards[alert.rule.index()].restore(alert, &round);
        }
    }

    /// Looks at one moment. Moments are about a second apart.
    pub fn observe(&mut self, observation: &Observation) -> Vec<Notice> {
        self.rounds += 1;
        let mut notices = Vec::new();
        let Self {
            settings,
            memory,
            boards,
            ..
        } = self;
        let mut round = Round {
            now: observation.now,
            at: observation.at,
            number: self.rounds,
            repeat: settings.repeat,
            last_id: &mut self.last_id,
        };
        let mut judge = |rule: Rule, subject: &Subject, finding: Finding<'_>| {
            let timing = settings.timing(rule);
            if timing.enabled {
                boards[rule.index()].judge(subject, &finding, timing, &mut round, &mut notices);
            }
        };
        memory.look(observation, &settings.bounds, &mut judge);
        for (board, rule) in boards.iter_mut().zip(Rule::ALL) {
            board.finish(settings.timing(rule), &mut round, &mut notices);
        }
        notices
    }

    /// Notes that somebody has seen an open alert; the first one stays. `None` when none with this id is open.
    pub fn acknowledge(&mut self, id: u64, by: &str, at: u64) -> Option<&Alert> {
        let alert = self
            .boards
            .iter_mut()
            .flat_map(Board::open_mut)
            .find(|alert| alert.id == id)?;
        if alert.acknowledged.is_none() {
            alert.acknowledged = Some(Acknowledgement { at, by: by.into() });
            alert.updated_at = at.max(alert.updated_at);
        }
        Some(alert)
    }

    /// Gives an open alert the number under which a store keeps it.
    pub fn renumber(&mut self, id: u64, stored: u64) {
        let open = self.boards.iter_mut().flat_map(Board::open_mut);
        if let Some(alert) = open.into_iter().find(|alert| alert.id == id) {
            alert.id = stored;
        }
    }

    /// The alerts that are open, in no order.
    pub fn open(&self) -> impl Iterator<Item = &Alert> {
        self.boards.iter().flat_map(Board::open)
    }

    /// How much is remembered, for tests of its bound.
    pub fn remembered(&self) -> usize {
        self.memory.len() + self.boards.iter().map(Board::len).sum::<usize>()
    }
}
