//! What the rules compare with, and how long something must last.

use std::time::Duration;

use super::figures::{rate, time};
use super::rule::Rule;

/// All settings; the defaults are those of `[alerts]`.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertSettings {
    /// An open alert that nobody acknowledged is told again after this long; `None`: never.
    pub repeat: Option<Duration>,
    /// What the rules compare with.
    pub bounds: Bounds,
    timings: [Timing; Rule::ALL.len()],
}

/// Whether a rule is in force, and what it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// In force.
    pub enabled: bool,
    /// The condition must last this long before an alert is raised.
    pub raise_after: Duration,
    /// It must be over for this long before the alert is cleared.
    pub clear_after: Duration,
}

/// What the rules compare with. Rates are bytes per second, both ways together, over a minute.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// For an address, see [`Rule::IpRate`].
    pub ip_rate: f64,
    /// So many times the usual rate of the hour, see [`Rule::IpUnusual`].
    pub unusual_times: f64,
    /// Less than this is never unusual.
    pub unusual_at_least: f64,
    /// So many days must be known of an hour before its usual rate means anything.
    pub unusual_days: u32,
    /// Percent of a tenant's quota from which a warning is raised; at 100 it is critical.
    pub quota_percent: f64,
    /// Missing frames per player and minute, of 3000.
    pub frame_deficit: f64,
    /// Players that could not be moved away from a node in ten minutes.
    pub failed_migrations: f64,
    /// Wrong passwords from one address in ten minutes.
    pub login_failures_per_address: f64,
    /// Wrong passwords in ten minutes.
    pub login_failures: f64,
    /// Refusals for one reason in ten minutes.
    pub refusals: f64,
    /// Percent of the connections that are allowed; at 100 it is critical.
    pub connections_percent: f64,
    /// Percent of the files that may be open; at 100 it is critical.
    pub open_files_percent: f64,
}

impl AlertSettings {
    /// When a rule is raised and cleared.
    pub fn timing(&self, rule: Rule) -> Timing {
        self.timings[rule.index()]
    }

    /// What a rule compares with and waits for, by the names of the configuration, for people.
    pub fn parameters(&self, rule: Rule) -> Vec<(&'static str, String)> {
        let bounds = &self.bounds;
        let percent = |share: f64| format!("{share} %");
        let mut parameters = match rule {
            Rule::IpRate => vec![("above", rate(bounds.ip_rate))],
            Rule::IpUnusual => vec![
                ("times", bounds.unusual_times.to_string()),
                ("at_least", rate(bounds.unusual_at_least)),
                ("days", bounds.unusual_days.to_string()),
            ],
            Rule::TenantQuota => vec![("percent", percent(bounds.quota_percent))],
            Rule::NodeFrames => vec![("missing", bounds.frame_deficit.to_string())],
            Rule::Migrations => vec![("count", bounds.failed_migrations.to_string())],
            Rule::LoginFailures => vec![
                ("per_address", bounds.login_failures_per_address.to_string()),
                ("total", bounds.login_failures.to_string()),
            ],
            Rule::Refusals => vec![("count", bounds.refusals.to_string())],
            Rule::Connections => vec![("percent", percent(bounds.connections_percent))],
            Rule::OpenFiles => vec![("percent", percent(bounds.open_files_percent))],
            Rule::NodeDown | Rule::NodeDegraded | Rule::NodeRestarted | Rule::NoNode | Rule::Store => Vec::new(),
        };
        let timing = self.timing(rule);
        parameters.push(("raise_after", time(timing.raise_after)));
        parameters.push(("clear_after", time(timing.clear_after)));
        parameters
    }

    /// Changes when a rule is raised and cleared.
    pub fn set_timing(&mut self, rule: Rule, timing: Timing) {
        self.timings[rule.index()] = timing;
    }
}

impl Default for AlertSettings {
    fn default() -> Self {
        Self {
            repeat: None,
            bounds: Bounds::default(),
            timings: Rule::ALL.map(default_timing),
        }
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            ip_rate: 10e6,
            unusual_times: 5.0,
            unusual_at_least: 1e6,
            unusual_days: 3,
            quota_percent: 80.0,
            frame_deficit: 150.0,
            failed_migrations: 1.0,
            login_failures_per_address: 10.0,
            login_failures: 50.0,
            refusals: 1000.0,
            connections_percent: 90.0,
            open_files_percent: 90.0,
        }
    }
}

fn default_timing(rule: Rule) -> Timing {
    let (raise_after, clear_after) = match rule {
        Rule::IpRate => (60, 120),
        Rule::IpUnusual => (300, 300),
        Rule::TenantQuota | Rule::LoginFailures | Rule::Refusals | Rule::Migrations => (0, 60),
        // The health check has waited for several failures in a row already.
        Rule::NodeDown => (0, 15),
        Rule::NodeDegraded => (30, 60),
        Rule::NodeRestarted => (0, 600),
        Rule::NodeFrames => (180, 180),
        Rule::NoNode => (5, 15),
        Rule::Store | Rule::Connections | Rule::OpenFiles => (30, 60),
    };
    Timing {
        enabled: true,
        raise_after: Duration::from_secs(raise_after),
        clear_after: Duration::from_secs(clear_after),
    }
}
