//! All subjects of one rule, in bounded room: those past the bound are summed in one alert.

use std::collections::HashMap;

use super::rule::{Alert, Notice, Rule, Severity, Subject};
use super::settings::Timing;
use super::watch::{Finding, Level, Round, Watch};

/// So many subjects of one rule have an alert of their own.
const SUBJECTS: usize = 100;

/// See the module.
#[derive(Debug)]
pub(super) struct Board {
    rule: Rule,
    watches: HashMap<Subject, Watch>,
    /// Subjects that found no room in this round.
    others: u32,
}

impl Board {
    pub(super) fn new(rule: Rule) -> Self {
        Self {
            rule,
            watches: HashMap::new(),
            others: 0,
        }
    }

    /// Takes up an alert of an earlier run.
    pub(super) fn restore(&mut self, alert: Alert, round: &Round<'_>) {
        if self.watches.len() <= SUBJECTS {
            let subject = alert.subject.clone();
            self.watches.insert(subject, Watch::restored(alert, round.now));
        }
    }

    /// Judges one subject.
    pub(super) fn judge(
        &mut self,
        subject: &Subject,
        finding: &Finding<'_>,
        timing: Timing,
        round: &mut Round<'_>,
        notices: &mut Vec<Notice>,
    ) {
        let firing = matches!(finding.level, Level::Firing(_));
        if !self.watches.contains_key(subject) {
            // Most subjects are calm most of the time: they take no room.
            if !firing {
                return;
            }
            if self.watches.len() >= SUBJECTS && !self.make_room() {
                self.others += 1;
                return;
            }
            self.watches.insert(subject.clone(), Watch::new(round.now));
        }
        if let Some(watch) = self.watches.get_mut(subject) {
            notices.extend(watch.step(self.rule, subject, finding, timing, round));
        }
    }

    /// Ends a round: who was not spoken of is calm, and the others are told as one.
    pub(super) fn finish(&mut self, timing: Timing, round: &mut Round<'_>, notices: &mut Vec<Notice>) {
        self.judge_others(timing, round, notices);
        let gone = Finding {
            level: Level::Calm,
            value: 0.0,
            threshold: 0.0,
            text: &String::new,
        };
        for (subject, watch) in &mut self.watches {
            if watch.round != round.number {
                notices.extend(watch.step(self.rule, subject, &gone, timing, round));
            }
        }
        self.watches.retain(|_, watch| !watch.is_over(round.now));
    }

    fn judge_others(&mut self, timing: Timing, round: &mut Round<'_>, notices: &mut Vec<Notice>) {
        let others = std::mem::take(&mut self.others);
        let finding = Finding {
            level: Level::when(others > 0, Severity::Warning),
            value: f64::from(others),
            threshold: 1.0,
            text: &|| format!("and {others} more, past the {SUBJECTS} that are told one by one"),
        };
        // Beyond the bound by this one.
        if others > 0 && !self.watches.contains_key(&Subject::Others) {
            self.watches.insert(Subject::Others, Watch::new(round.now));
        }
        if let Some(watch) = self.watches.get_mut(&Subject::Others) {
            notices.extend(watch.step(self.rule, &Subject::Others, &finding, timing, round));
        }
    }

    /// Forgets whoever has been quiet for the longest; `false` if none is.
    fn make_room(&mut self) -> bool {
        let quiet = self
            .watches
            .iter()
            .filter_map(|(subject, watch)| Some((watch.idle_since()?, subject)));
        let Some((_, subject)) = quiet.min_by_key(|(since, _)| *since) else {
            return false;
        };
        let subject = subject.clone();
        self.watches.remove(&subject).is_some()
    }

    pub(super) fn open(&self) -> impl Iterator<Item = &Alert> {
        self.watches.values().filter_map(Watch::alert)
    }

    pub(super) fn open_mut(&mut self) -> impl Iterator<Item = &mut Alert> {
        self.watches.values_mut().filter_map(Watch::alert_mut)
    }

    /// Subjects that take room.
    pub(super) fn len(&self) -> usize {
        self.watches.len()
    }
}
