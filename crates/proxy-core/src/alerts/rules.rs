//! The rules: each looks at its part of an observation and says how its subjects stand. What follows from that (waiting,
//! raising, clearing) is the same for all, in `watch.rs`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::baseline::Baseline;
use super::figures::{bytes, percent, rate, time};
use super::observation::{Fill, NodeReading, Observation};
use super::rule::{Rule, Severity, Subject};
use super::settings::Bounds;
use super::watch::{Finding, Level};
use super::window::Window;
use crate::health::NodeState;

/// Addresses whose wrong passwords are counted one by one; all are counted together.
const LOGIN_ADDRESSES: usize = 1024;
/// A node's clock may be read a little late or early: only more than this is a restart.
const UPTIME_SLACK: Duration = Duration::from_secs(5);

/// Takes what a rule found out about a subject.
pub(super) type Judge<'a> = &'a mut dyn FnMut(Rule, &Subject, Finding<'_>);

/// What the rules remember from one observation to the next.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) baseline: Baseline,
    /// The last uptime of each node.
    uptimes: HashMap<Arc<str>, Duration>,
    logins: HashMap<IpAddr, Window>,
    all_logins: Option<Window>,
    /// By node: what stayed, and what failed.
    moves: HashMap<Arc<str>, [Counted; 2]>,
    /// The counter and what it grew by, by reason.
    refusals: HashMap<&'static str, Counted>,
}

/// A counter that only grows, and what it grew by lately.
#[derive(Debug)]
struct Counted {
    before: u64,
    window: Window,
}

impl Counted {
    /// What happened before it is looked at for the first time does not count.
    fn new(count: u64, now: Instant) -> Self {
        Self {
            before: count,
            window: Window::new(now),
        }
    }

    /// Takes the counter, and answers what it grew by in the time of the window.
    fn grew(&mut self, count: u64, now: Instant) -> f64 {
        let more = count.saturating_sub(std::mem::replace(&mut self.before, count));
        self.window.add(u32::try_from(more).unwrap_or(u32::MAX), now);
        self.window.sum() as f64
    }
}

impl Memory {
    /// Lets every rule speak.
    pub(super) fn look(&mut self, observation: &Observation, bounds: &Bounds, judge: Judge<'_>) {
        self.addresses(observation, bounds, judge);
        tenants(observation, bounds, judge);
        self.nodes(observation, bounds, judge);
        self.logins(observation, bounds, judge);
        self.refusals(observation, bounds, judge);
        program(observation, bounds, judge);
    }

    fn addresses(&mut self, observation: &Observation, bounds: &Bounds, judge: Judge<'_>) {
        self.baseline.advance(observation.at);
        for reading in &observation.addresses {
            let subject = Subject::Address(reading.address);
            let text = || format!("moves {}, the limit is {}", rate(reading.rate), rate(bounds.ip_rate));
            judge(
                Rule::IpRate,
                &subject,
                figure(reading.rate, bounds.ip_rate, Severity::Warning, &text),
            );
            let usual = self.baseline.note(reading.address, reading.bytes, bounds.unusual_days);
            let Some(usual) = usual else { continue };
            let threshold = (usual * bounds.unusual_times).max(bounds.unusual_at_least);
            let text = || format!("moves {}, at this hour usually {}", rate(reading.rate), rate(usual));
            judge(
                Rule::IpUnusual,
                &subject,
                figure(reading.rate, threshold, Severity::Warning, &text),
            );
        }
    }

    fn nodes(&mut self, observation: &Observation, bounds: &Bounds, judge: Judge<'_>) {
        for node in &observation.nodes {
            let subject = Subject::Named(Arc::clone(&node.name));
            let failure = || node.failure.clone().unwrap_or_else(|| "no reason known".to_owned());
            let text = || format!("is down: {}", failure());
            judge(
                Rule::NodeDown,
                &subject,
                state(node, NodeState::Down, Severity::Critical, &text),
            );
            let text = || format!("is degraded: {}", failure());
            judge(
                Rule::NodeDegraded,
                &subject,
                state(node, NodeState::Degraded, Severity::Warning, &text),
            );
            self.restart(node, &subject, judge);
            let deficit = node.frame_deficit.unwrap_or(0.0);
            let text = || format!("misses {deficit:.0} of 3000 frames per player and minute");
            judge(
                Rule::NodeFrames,
                &subject,
                figure(deficit, bounds.frame_deficit, Severity::Warning, &text),
            );
            self.moves(node, &subject, observation.now, bounds, judge);
        }
        let there = |name: &Arc<str>| observation.nodes.iter().any(|node| node.name == *name);
        self.uptimes.retain(|name, _| there(name));
        self.moves.retain(|name, _| there(name));
        no_node(observation, judge);
    }

    fn restart(&mut self, node: &NodeReading, subject: &Subject, judge: Judge<'_>) {
        let Some(uptime) = node.uptime else { return };
        let before = self.uptimes.insert(Arc::clone(&node.name), uptime);
        let restarted = before.is_some_and(|before| uptime + UPTIME_SLACK < before);
        let text = || format!("has started anew, {} ago", time(uptime));
        let finding = Finding {
            level: Level::when(restarted, Severity::Warning),
            value: uptime.as_secs_f64(),
            threshold: before.unwrap_or_default().as_secs_f64(),
            text: &text,
        };
        judge(Rule::NodeRestarted, subject, finding);
    }

    /// A player that stayed plays on, one that is lost does not.
    fn moves(&mut self, node: &NodeReading, subject: &Subject, now: Instant, bounds: &Bounds, judge: Judge<'_>) {
        let counts = [node.moves_stayed, node.moves_failed];
        let counted = self.moves.entry(Arc::clone(&node.name));
        let [stayed, failed] = counted.or_insert_with(|| counts.map(|count| Counted::new(count, now)));
        let (stayed, failed) = (stayed.grew(counts[0], now), failed.grew(counts[1], now));
        let severity = if failed > 0.0 {
            Severity::Critical
        } else {
            Severity::Warning
        };
        let players = |count: f64| {
            if count == 1.0 {
                "1 player".to_owned()
            } else {
                format!("{count} players")
            }
        };
        let text = || {
            let lost = || format!("lost {} in ten minutes that no other node took", players(failed));
            match (failed > 0.0, stayed > 0.0) {
                (true, true) => format!("{}, and could not be left by {}", lost(), players(stayed)),
                (true, false) => lost(),
                (false, _) => format!("could not be left by {} in the last ten minutes", players(stayed)),
            }
        };
        let finding = figure(stayed + failed, bounds.failed_migrations, severity, &text);
        judge(Rule::Migrations, subject, finding);
    }

    fn logins(&mut self, observation: &Observation, bounds: &Bounds, judge: Judge<'_>) {
        let now = observation.now;
        let all = self.all_logins.get_or_insert_with(|| Window::new(now));
        all.advance(now);
        for &(address, count) in &observation.login_failures {
            all.add(count, now);
            if self.logins.len() < LOGIN_ADDRESSES || self.logins.contains_key(&address) {
                let window = self.logins.entry(address).or_insert_with(|| Window::new(now));
                window.add(count, now);
            }
        }
        let sum = all.sum() as f64;
        let text = || format!("{sum} wrong passwords on the admin listener in ten minutes");
        let finding = figure(sum, bounds.login_failures, Severity::Warning, &text);
        judge(Rule::LoginFailures, &Subject::Proxy, finding);
        let threshold = bounds.login_failures_per_address;
        self.logins.retain(|address, window| {
            window.advance(now);
            let sum = window.sum() as f64;
            let text = || format!("sent {sum} wrong passwords to the admin listener in ten minutes");
            let finding = figure(sum, threshold, Severity::Warning, &text);
            judge(Rule::LoginFailures, &Subject::Address(*address), finding);
            sum > 0.0
        });
    }

    fn refusals(&mut self, observation: &Observation, bounds: &Bounds, judge: Judge<'_>) {
        let now = observation.now;
        for &(reason, count) in &observation.refusals {
            let counted = self.refusals.entry(reason);
            let sum = counted.or_insert_with(|| Counted::new(count, now)).grew(count, now);
            let text = || format!("{sum} refusals for this reason in ten minutes");
            judge(
                Rule::Refusals,
                &Subject::named(reason),
                figure(sum, bounds.refusals, Severity::Warning, &text),
            );
        }
    }

    /// Things that are remembered.
    pub(super) fn len(&self) -> usize {
        self.baseline.len() + self.uptimes.len() + self.moves.len() + self.logins.len() + self.refusals.len()
    }
}

fn tenants(observation: &Observation, bounds: &Bounds, judge: Judge<'_>) {
    for tenant in &observation.tenants {
        let value = percent(tenant.used, tenant.quota);
        let text = || {
            let (used, quota) = (bytes(tenant.used as f64), bytes(tenant.quota as f64));
            format!("has moved {used} this month, {value:.0} % of its {quota}")
        };
        let finding = filling(value, bounds.quota_percent, &text);
        judge(Rule::TenantQuota, &Subject::Named(Arc::clone(&tenant.name)), finding);
    }
}

fn no_node(observation: &Observation, judge: Judge<'_>) {
    let nodes = &observation.nodes;
    let works = nodes.iter().any(|node| node.state.takes_work());
    let unsure = nodes.iter().any(|node| node.state == NodeState::Unknown);
    let level = match (works, unsure) {
        (true, _) => Level::Calm,
        // Not probed yet.
        (false, true) => Level::Between,
        (false, false) => Level::when(!nodes.is_empty(), Severity::Critical),
    };
    let finding = Finding {
        level,
        value: 0.0,
        threshold: 1.0,
        text: &|| format!("none of {} nodes takes work: clients are refused", nodes.len()),
    };
    judge(Rule::NoNode, &Subject::Proxy, finding);
}

/// What concerns the process itself.
fn program(observation: &Observation, bounds: &Bounds, judge: Judge<'_>) {
    let failure = observation.store_failure.as_deref();
    let finding = Finding {
        level: Level::when(failure.is_some(), Severity::Critical),
        value: f64::from(u8::from(failure.is_some())),
        threshold: 1.0,
        text: &|| format!("the store cannot be written: {}", failure.unwrap_or_default()),
    };
    judge(Rule::Store, &Subject::Proxy, finding);
    let fills = [
        (
            Rule::Connections,
            observation.connections,
            bounds.connections_percent,
            "connections",
        ),
        (
            Rule::OpenFiles,
            observation.open_files,
            bounds.open_files_percent,
            "open files",
        ),
    ];
    for (rule, Fill { used, limit }, threshold, what) in fills {
        let Some(limit) = limit else { continue };
        let text = || format!("{used} {what} of the {limit} that are allowed");
        judge(rule, &Subject::Proxy, filling(percent(used, limit), threshold, &text));
    }
}

fn figure<'a>(value: f64, threshold: f64, severity: Severity, text: &'a dyn Fn() -> String) -> Finding<'a> {
    Finding {
        level: Level::of(value, threshold, severity),
        value,
        threshold,
        text,
    }
}

/// A warning from a threshold on; full is critical.
fn filling<'a>(value: f64, threshold: f64, text: &'a dyn Fn() -> String) -> Finding<'a> {
    let severity = if value >= 100.0 {
        Severity::Critical
    } else {
        Severity::Warning
    };
    figure(value, threshold, severity, text)
}

/// A drained node is no surprise, and one that was never probed is not known to be well.
fn state<'a>(node: &NodeReading, wanted: NodeState, severity: Severity, text: &'a dyn Fn() -> String) -> Finding<'a> {
    let level = match node.state {
        NodeState::Unknown => Level::Between,
        state => Level::when(state == wanted, severity),
    };
    Finding {
        level,
        value: 1.0,
        threshold: 1.0,
        text,
    }
}
