//! Whether one node can be used: a machine fed with probe outcomes and with what traffic shows, flipping on
//! consecutive failures and successes. Not for choosing among nodes ([`crate::placement`]) and not for running probes.
//!
//! The rules, and the way they err:
//! - `failures` signals of failure in a row take a node down, whether they come from probes or from traffic. So a node
//!   that was killed is down after the first few refused connects, long before its next probe.
//! - Only probes bring a node back, `successes` in a row: traffic that happens to work (an old socket draining) is no
//!   proof that the node takes new work.
//! - A node never probed is [`NodeState::Unknown`] and gets no work; its first probe decides at once, since there is
//!   no good record to protect and starting must be quick.
//! - [`NodeState::Degraded`] is up, but failing now and then or slow: at least two failures, each fading by half
//!   every 30 s, that are a tenth of all signals or more; or a mean probe latency above the setting. It is healthy again
//!   when less than one failure is left (or less than a fiftieth), the latency is below half the setting, and the last
//!   signal was no failure.
//! - Draining is an operator's wish and lies over the health underneath, which goes on being watched.

mod record;

use std::fmt;
use std::time::{Duration, Instant};

use record::Record;

/// How many signals in a row flip a node. Zero counts as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// Failures in a row (probes and traffic together) until down.
    pub failures: u32,
    /// Successful probes in a row until up again.
    pub successes: u32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            failures: 3,
            successes: 2,
        }
    }
}

/// The settings of the health check, the same for all nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthSettings {
    /// When to flip.
    pub thresholds: Thresholds,
    /// Between probes of a node that is well.
    pub interval: Duration,
    /// Between probes while something is in doubt: never probed, a failure since the last success, coming back.
    pub suspect_interval: Duration,
    /// A mean probe latency above this is slow (degraded); below half of it, no longer.
    pub slow: Duration,
}

impl Default for HealthSettings {
    fn default() -> Self {
        Self {
            thresholds: Thresholds::default(),
            interval: Duration::from_secs(10),
            suspect_interval: Duration::from_secs(1),
            slow: Duration::from_secs(1),
        }
    }
}

/// What a node is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NodeState {
    /// Not probed yet: gets no work.
    Unknown,
    /// Up.
    Healthy,
    /// Up, but failing now and then or slow: gets work only when no healthy node can.
    Degraded,
    /// Gets no work.
    Down,
    /// Kept out of placement by the operator; what is on it stays.
    Draining,
}

impl NodeState {
    /// The name in logs, metrics and the admin API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Draining => "draining",
        }
    }

    /// Whether new work may go there.
    pub fn takes_work(self) -> bool {
        matches!(self, Self::Healthy | Self::Degraded)
    }
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What went wrong in a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FailureKind {
    /// No connection.
    #[error("connecting failed")]
    Connect,
    /// TLS was not agreed on.
    #[error("the TLS handshake failed")]
    Tls,
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The connection broke before the answer was complete.
    #[error("the connection broke")]
    Broken,
    /// 401 or 403: the configured password is not the node's.
    #[error("the node refuses the configured password")]
    Password,
    /// Another status than 200.
    #[error("the node answered {0}")]
    Status(u16),
    /// An answer that no Lavalink gives.
    #[error("the answer is not Lavalink's")]
    NotLavalink,
    /// Lavalink, but not the configured version.
    #[error("the node speaks another version than configured")]
    WrongVersion,
}

/// Something that says how a node is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// A probe was answered as it should be.
    ProbeOk {
        /// From sending to the whole answer.
        latency: Duration,
    },
    /// A probe failed.
    ProbeFailed(FailureKind),
    /// Traffic could not connect.
    ConnectError,
    /// A link (or tunnel) broke without a close from either side's wish.
    LinkLost,
    /// A request got an answer, whatever its status below 502.
    RequestOk,
    /// A request broke on the way, or was answered 502, 503 or 504.
    RequestFailed,
}

/// The last failure of a streak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// By the active check.
    #[error("probe: {0}")]
    Probe(FailureKind),
    /// See [`Signal::ConnectError`].
    #[error("traffic could not connect")]
    Connect,
    /// See [`Signal::LinkLost`].
    #[error("a link was lost")]
    LinkLost,
    /// See [`Signal::RequestFailed`].
    #[error("a request failed")]
    Request,
}

/// Why a state changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Why {
    /// Failures in a row.
    Failures {
        /// How many.
        in_a_row: u32,
        /// The last of them.
        last: Failure,
    },
    /// Successful probes in a row.
    Successes {
        /// How many.
        in_a_row: u32,
    },
    /// A share of recent signals were failures.
    Failing {
        /// 0..1.
        share: f32,
    },
    /// Probes take long.
    Slow {
        /// The mean of recent probes.
        latency: Duration,
    },
    /// No longer failing or slow.
    Recovered,
    /// The operator drains the node.
    DrainStarted,
    /// The operator puts the node back.
    DrainEnded,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failures { in_a_row, last } => write!(f, "{in_a_row} failures in a row, the last: {last}"),
            Self::Successes { in_a_row } => write!(f, "{in_a_row} successful probes in a row"),
            Self::Failing { share } => write!(f, "{:.0} % of recent signals were failures", share * 100.0),
            Self::Slow { latency } => write!(f, "probes take {} ms", latency.as_millis()),
            Self::Recovered => f.write_str("neither failing nor slow any more"),
            Self::DrainStarted => f.write_str("drained by the operator"),
            Self::DrainEnded => f.write_str("put back by the operator"),
        }
    }
}

/// A change of state, for the log, the event feed and the sessions on the node.
///
/// While a node drains, changes of the health underneath are reported too (`Healthy` to `Down`, say): whoever watches
/// a drain must learn that the node died.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transition {
    /// Before.
    pub from: NodeState,
    /// After.
    pub to: NodeState,
    /// The cause.
    pub why: Why,
    /// When.
    pub at: Instant,
}

/// The health of one node.
#[derive(Debug, Clone)]
pub struct Health {
    settings: HealthSettings,
    /// Never `Draining`.
    state: NodeState,
    draining: bool,
    /// Failed probes since the last successful one.
    probe_failures: u32,
    /// Failures seen by traffic since the last success of either kind.
    traffic_failures: u32,
    /// Successful probes in a row.
    successes: u32,
    last_failure: Option<(Failure, Instant)>,
    record: Record,
    next_probe: Instant,
    /// When it last came back from down; a node just back is given work slowly.
    back_since: Option<Instant>,
}

impl Health {
    /// A node that was never probed; its first probe is due at once.
    pub fn new(settings: HealthSettings, now: Instant) -> Self {
        Self {
            settings,
            state: NodeState::Unknown,
            draining: false,
            probe_failures: 0,
            traffic_failures: 0,
            successes: 0,
            last_failure: None,
            record: Record::new(now),
            next_probe: now,
            back_since: None,
        }
    }

    /// What placement and people see: draining covers the health underneath.
    pub fn state(&self) -> NodeState {
        if self.draining { NodeState::Draining } else { self.state }
    }

    /// The health without regard to draining; never [`NodeState::Draining`].
    pub fn underneath(&self) -> NodeState {
        self.state
    }

    /// The mean latency of recent probes.
    pub fn latency(&self) -> Option<Duration> {
        self.record.latency
    }

    /// The last failure and when it was, also after recovery.
    pub fn last_failure(&self) -> Option<(Failure, Instant)> {
        self.last_failure
    }

    /// When the node last came back from down.
    pub fn back_since(&self) -> Option<Instant> {
        self.back_since
    }

    /// When the next probe is due.
    pub fn next_probe(&self) -> Instant {
        self.next_probe
    }

    /// A probe is being sent: no other is due until its outcome is reported, or until it must have been forgotten.
    pub fn probe_started(&mut self, now: Instant) {
        self.next_probe = now + self.settings.interval * 3;
    }

    /// New settings, for instance after a reload; streaks go on.
    pub fn set_settings(&mut self, settings: HealthSettings) {
        self.settings = settings;
    }

    /// Starts or ends a drain.
    pub fn set_draining(&mut self, draining: bool, now: Instant) -> Option<Transition> {
        if self.draining == draining {
            return None;
        }
        let from = self.state();
        self.draining = draining;
        let why = if draining { Why::DrainStarted } else { Why::DrainEnded };
        Some(Transition {
            from,
            to: self.state(),
            why,
            at: now,
        })
    }

    /// Takes one signal. `jitter` (0..1) spreads the probes of many nodes and proxies over a fifth of the interval.
    pub fn handle(&mut self, signal: Signal, jitter: f32, now: Instant) -> Option<Transition> {
        match signal {
            Signal::ProbeOk { latency } => self.probe_ok(latency, jitter, now),
            Signal::ProbeFailed(kind) => self.probe_failed(kind, jitter, now),
            Signal::RequestOk => self.requests_ok(1, now),
            Signal::ConnectError => self.traffic_failed(Failure::Connect, now),
            Signal::LinkLost => self.traffic_failed(Failure::LinkLost, now),
            Signal::RequestFailed => self.traffic_failed(Failure::Request, now),
        }
    }

    /// Takes `count` answered requests at once: they are counted without a lock and reported in lots.
    pub fn requests_ok(&mut self, count: u64, now: Instant) -> Option<Transition> {
        if count == 0 || !self.state.takes_work() {
            return None;
        }
        self.traffic_failures = 0;
        self.record.successes(count, now);
        self.judge(now)
    }

    fn probe_ok(&mut self, latency: Duration, jitter: f32, now: Instant) -> Option<Transition> {
        self.probe_failures = 0;
        self.traffic_failures = 0;
        self.successes = self.successes.saturating_add(1);
        self.record.successes(1, now);
        self.record.probe_took(latency);
        let transition = match self.state {
            NodeState::Unknown => self.come_up(now),
            NodeState::Down if self.successes >= self.settings.thresholds.successes => {
                self.back_since = Some(now);
                self.come_up(now)
            }
            NodeState::Down => None,
            _ => self.judge(now),
        };
        self.schedule(jitter, now);
        transition
    }

    fn probe_failed(&mut self, kind: FailureKind, jitter: f32, now: Instant) -> Option<Transition> {
        self.probe_failures = self.probe_failures.saturating_add(1);
        let transition = self.failed(Failure::Probe(kind), now);
        self.schedule(jitter, now);
        transition
    }

    fn traffic_failed(&mut self, failure: Failure, now: Instant) -> Option<Transition> {
        // The links of a node that is down may be noticed late, one by one; that says nothing about a node that has
        // just begun to answer its probes. A refused connect does.
        if self.state == NodeState::Down && failure != Failure::Connect {
            return None;
        }
        self.traffic_failures = self.traffic_failures.saturating_add(1);
        let transition = self.failed(failure, now);
        self.next_probe = self.next_probe.min(now + self.settings.suspect_interval);
        transition
    }

    fn failed(&mut self, failure: Failure, now: Instant) -> Option<Transition> {
        self.successes = 0;
        self.last_failure = Some((failure, now));
        self.record.failure(now);
        let in_a_row = self.probe_failures.saturating_add(self.traffic_failures);
        match self.state {
            NodeState::Down => None,
            // Traffic does not reach a node that was never probed, so this is its first probe.
            NodeState::Unknown => self.go(
                NodeState::Down,
                Why::Failures {
                    in_a_row,
                    last: failure,
                },
                now,
            ),
            _ if in_a_row >= self.settings.thresholds.failures => self.go(
                NodeState::Down,
                Why::Failures {
                    in_a_row,
                    last: failure,
                },
                now,
            ),
            _ => self.judge(now),
        }
    }

    fn come_up(&mut self, now: Instant) -> Option<Transition> {
        self.record.clear(now);
        self.go(
            NodeState::Healthy,
            Why::Successes {
                in_a_row: self.successes,
            },
            now,
        )
    }

    /// Moves an up node between healthy and degraded.
    fn judge(&mut self, now: Instant) -> Option<Transition> {
        let slow = self.settings.slow;
        let latency = self.record.latency.unwrap_or_default();
        match self.state {
            NodeState::Healthy if self.record.failing() => self.go(
                NodeState::Degraded,
                Why::Failing {
                    share: self.record.share(),
                },
                now,
            ),
            NodeState::Healthy if latency > slow => self.go(NodeState::Degraded, Why::Slow { latency }, now),
            NodeState::Degraded if self.record.calm() && latency * 2 < slow && self.in_doubt() == Doubt::None => {
                self.go(NodeState::Healthy, Why::Recovered, now)
            }
            _ => None,
        }
    }

    fn go(&mut self, to: NodeState, why: Why, now: Instant) -> Option<Transition> {
        let from = std::mem::replace(&mut self.state, to);
        Some(Transition { from, to, why, at: now })
    }

    fn in_doubt(&self) -> Doubt {
        let failures = self.probe_failures.saturating_add(self.traffic_failures);
        match self.state {
            NodeState::Down if self.successes == 0 => Doubt::Gone { failures },
            NodeState::Unknown | NodeState::Down => Doubt::Suspect,
            _ if failures > 0 => Doubt::Suspect,
            _ => Doubt::None,
        }
    }

    fn schedule(&mut self, jitter: f32, now: Instant) {
        let HealthSettings {
            interval,
            suspect_interval,
            thresholds,
            ..
        } = self.settings;
        let delay = match self.in_doubt() {
            Doubt::None => interval,
            Doubt::Suspect => suspect_interval.min(interval),
            // Down and staying down: back off towards the ordinary interval, for a node that is away for long.
            Doubt::Gone { failures } => {
                let doublings = failures.saturating_sub(thresholds.failures).min(16) / 4;
                (suspect_interval * (1 << doublings)).min(interval)
            }
        };
        self.next_probe = now + delay.mul_f32(0.9 + 0.2 * jitter.clamp(0.0, 1.0));
    }
}

#[derive(PartialEq, Eq)]
enum Doubt {
    None,
    Suspect,
    /// Down, and the last probe failed too.
    Gone {
        failures: u32,
    },
}

#[cfg(test)]
mod tests;
