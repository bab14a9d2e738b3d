//! One rule watching one subject: when an alert is raised, how it goes on, and when it is over.
//!
//! Between "above the threshold" and "well below it" lies a band in which nothing changes. What is well below must stay
//! there for a while. And a subject that comes and goes must stay there longer each time, so that it becomes one long
//! alert instead of many short ones.

use std::time::{Duration, Instant};

use super::rule::{Alert, Kind, Notice, Rule, Severity, Subject};
use super::settings::Timing;

/// Below this share of the threshold a figure counts as over.
const CALM_SHARE: f64 = 0.8;
/// Alerts of one subject that are closer together than this belong together.
const FLAPPING: Duration = Duration::from_secs(3600);
/// The longest that a subject which comes and goes is waited for.
const LONGEST_CALM: Duration = Duration::from_secs(1800);
/// What a rule that clears at once waits for when its subject comes and goes.
const SHORTEST_CALM: Duration = Duration::from_secs(15);

/// How a subject stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// The condition holds.
    Firing(Severity),
    /// Neither: what is open stays open, what is not stays so.
    Between,
    /// The condition does not hold.
    Calm,
}

impl Level {
    /// A figure that must stay below a threshold.
    pub(super) fn of(value: f64, threshold: f64, severity: Severity) -> Self {
        if value >= threshold {
            Self::Firing(severity)
        } else if value < threshold * CALM_SHARE {
            Self::Calm
        } else {
            Self::Between
        }
    }

    /// A condition that holds or does not.
    pub(super) fn when(holds: bool, severity: Severity) -> Self {
        if holds { Self::Firing(severity) } else { Self::Calm }
    }
}

/// What a rule found out about a subject.
pub(super) struct Finding<'a> {
    pub(super) level: Level,
    pub(super) value: f64,
    pub(super) threshold: f64,
    /// Asked for only where it is shown.
    pub(super) text: &'a dyn Fn() -> String,
}

/// The moment of an observation, and what an alert raised then is made with.
pub(super) struct Round<'a> {
    pub(super) now: Instant,
    pub(super) at: u64,
    pub(super) number: u64,
    pub(super) repeat: Option<Duration>,
    pub(super) last_id: &'a mut u64,
}

impl Round<'_> {
    /// Also unique over restarts, as long as no two alerts a millisecond were raised for hours on end.
    fn next_id(&mut self) -> u64 {
        *self.last_id = (*self.last_id + 1).max(self.at);
        *self.last_id
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Watch {
    state: State,
    /// Alerts so far that belong together.
    raises: u32,
    /// The last round in which its rule spoke of it.
    pub(super) round: u64,
}

#[derive(Debug)]
enum State {
    /// Nothing; kept for a while after an alert, to see whether it comes back.
    Idle { since: Instant },
    /// The condition holds, but not yet for long enough.
    Pending { since: Instant },
    Open {
        alert: Box<Alert>,
        calm_since: Option<Instant>,
        told: Instant,
    },
}

impl Watch {
    /// Nothing is known yet.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            state: State::Idle { since: now },
            raises: 0,
            round: 0,
        }
    }

    /// Goes on with an alert of an earlier run.
    pub(super) fn restored(alert: Alert, now: Instant) -> Self {
        let state = State::Open {
            alert: Box::new(alert),
            calm_since: None,
            told: now,
        };
        Self {
            state,
            raises: 1,
            round: 0,
        }
    }

    /// The alert, while it is open.
    pub(super) fn alert(&self) -> Option<&Alert> {
        match &self.state {
            State::Open { alert, .. } => Some(alert),
            _ => None,
        }
    }

    /// The alert, while it is open.
    pub(super) fn alert_mut(&mut self) -> Option<&mut Alert> {
        match &mut self.state {
            State::Open { alert, .. } => Some(alert),
            _ => None,
        }
    }

    /// Since when nothing is the matter; `None` while something is, or may be.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        match self.state {
            State::Idle { since } => Some(since),
            _ => None,
        }
    }

    /// Whether it can be forgotten.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        let State::Idle { since } = self.state else {
            return false;
        };
        self.raises == 0 || now.saturating_duration_since(since) >= FLAPPING
    }

    /// Takes what the rule found out now.
    pub(super) fn step(
        &mut self,
        rule: Rule,
        subject: &Subject,
        finding: &Finding<'_>,
        timing: Timing,
        round: &mut Round<'_>,
    ) -> Option<Notice> {
        self.round = round.number;
        match finding.level {
            Level::Firing(severity) => self.fire(rule, subject, finding, severity, timing, round),
            Level::Between => {
                if let State::Open { calm_since, .. } = &mut self.state {
                    *calm_since = None;
                }
                self.repeat(round)
            }
            Level::Calm => self.calm(timing, round),
        }
    }

    fn fire(
        &mut self,
        rule: Rule,
        subject: &Subject,
        finding: &Finding<'_>,
        severity: Severity,
        timing: Timing,
        round: &mut Round<'_>,
    ) -> Option<Notice> {
        if let State::Idle { since } = self.state {
            if round.now.saturating_duration_since(since) >= FLAPPING {
                self.raises = 0;
            }
            self.state = State::Pending { since: round.now };
        }
        match &mut self.state {
            State::Open {
                alert,
                calm_since,
                told,
            } => {
                *calm_since = None;
                refresh(alert, finding, round.at);
                if severity > alert.severity {
                    alert.severity = severity;
                    // Whoever saw the warning has not seen this.
                    alert.acknowledged = None;
                    *told = round.now;
                    return Some(notice(Kind::Escalated, alert));
                }
                self.repeat(round)
            }
            State::Pending { since } if round.now.saturating_duration_since(*since) >= timing.raise_after => {
                let alert = Alert {
                    id: round.next_id(),
                    rule,
                    severity,
                    subject: subject.clone(),
                    text: (finding.text)(),
                    value: finding.value,
                    threshold: finding.threshold,
                    raised_at: round.at,
                    updated_at: round.at,
                    cleared_at: None,
                    acknowledged: None,
                };
                let raised = notice(Kind::Raised, &alert);
                self.raises = self.raises.saturating_add(1);
                self.state = State::Open {
                    alert: Box::new(alert),
                    calm_since: None,
                    told: round.now,
                };
                Some(raised)
            }
            State::Pending { .. } | State::Idle { .. } => None,
        }
    }

    fn calm(&mut self, timing: Timing, round: &Round<'_>) -> Option<Notice> {
        let wait = self.calm_needed(timing.clear_after);
        match &mut self.state {
            State::Idle { .. } => None,
            State::Pending { .. } => {
                self.state = State::Idle { since: round.now };
                None
            }
            State::Open { alert, calm_since, .. } => {
                let since = *calm_since.get_or_insert(round.now);
                if round.now.saturating_duration_since(since) < wait {
                    return self.repeat(round);
                }
                alert.cleared_at = Some(round.at.max(alert.raised_at));
                alert.updated_at = round.at;
                let cleared = notice(Kind::Cleared, alert);
                self.state = State::Idle { since: round.now };
                Some(cleared)
            }
        }
    }

    /// Twice as long with every alert that came soon after another.
    fn calm_needed(&self, clear_after: Duration) -> Duration {
        if self.raises < 2 {
            return clear_after;
        }
        let doublings = (self.raises - 1).min(16);
        let longest = LONGEST_CALM.max(clear_after);
        (clear_after.max(SHORTEST_CALM) * (1 << doublings)).min(longest)
    }

    fn repeat(&mut self, round: &Round<'_>) -> Option<Notice> {
        let State::Open { alert, told, .. } = &mut self.state else {
            return None;
        };
        let due = round
            .repeat
            .is_some_and(|every| round.now.saturating_duration_since(*told) >= every);
        if !due || alert.acknowledged.is_some() {
            return None;
        }
        *told = round.now;
        Some(notice(Kind::Repeated, alert))
    }
}

fn refresh(alert: &mut Alert, finding: &Finding<'_>, at: u64) {
    if alert.value != finding.value || alert.threshold != finding.threshold {
        alert.value = finding.value;
        alert.threshold = finding.threshold;
        alert.text = (finding.text)();
        alert.updated_at = at;
    }
}

fn notice(kind: Kind, alert: &Alert) -> Notice {
    Notice {
        kind,
        alert: alert.clone(),
    }
}
