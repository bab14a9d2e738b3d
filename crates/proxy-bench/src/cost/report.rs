//! From sums of instructions to the cost of one unit, and the table.

use std::fmt::Write;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::Run;
use super::scenarios::Scenario;

/// What one unit costs in one build.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cost {
    /// Instructions of the worker's thread per unit.
    pub(super) per_unit: f64,
    /// Instructions of all other threads per second; these come with time and not with traffic.
    pub(super) beside: Option<f64>,
}

impl Cost {
    /// From a run with few units and one with `more` units more.
    pub(super) fn between(few: &Run, many: &Run, more: u64) -> Self {
        let grown = |thread: &u32| many.threads[thread].saturating_sub(few.threads.get(thread).copied().unwrap_or(0));
        // The worker is the thread that grows with the units; all others wait for timers.
        let worker = many.threads.keys().copied().max_by_key(grown).unwrap_or_default();
        let others: u64 = many.threads.keys().filter(|it| **it != worker).map(grown).sum();
        Self {
            per_unit: grown(&worker) as f64 / more as f64,
            // Two runs of about the same length say nothing about a second.
            beside: Some(many.seconds - few.seconds)
                .filter(|seconds| *seconds > 0.3)
                .map(|seconds| others as f64 / seconds),
        }
    }
}

/// The figures of all scenarios.
pub(super) struct Table {
    builds: Vec<String>,
    units: u64,
    rows: Vec<(&'static Scenario, Vec<Cost>)>,
}

impl Table {
    pub(super) fn new(builds: Vec<String>, units: u64) -> Self {
        Self {
            builds,
            units,
            rows: Vec::new(),
        }
    }

    /// Adds the next build's cost in this scenario.
    pub(super) fn add(&mut self, scenario: &'static Scenario, cost: Cost) {
        match self.rows.last_mut() {
            Some((last, costs)) if last.name == scenario.name => costs.push(cost),
            _ => self.rows.push((scenario, vec![cost])),
        }
    }

    pub(super) fn text(&self, took: Duration) -> String {
        let mut out = String::from(
            "Instructions of the worker's thread per unit; beside it, of all other threads per second.\n\n",
        );
        let mut rule = String::from("|---|");
        out.push_str("| scenario | unit |");
        rule.push_str("---|");
        for build in &self.builds {
            let _ = write!(out, " {build} | beside it |");
            rule.push_str("---:|---:|");
        }
        if self.builds.len() > 1 {
            out.push_str(" ratio |");
            rule.push_str("---:|");
        }
        let _ = writeln!(out, "\n{rule}");
        for (scenario, costs) in &self.rows {
            let _ = write!(out, "| {} | {} |", scenario.name, scenario.unit);
            for cost in costs {
                let beside = cost
                    .beside
                    .map_or_else(|| "-".to_owned(), |beside| format!("{:.2} M/s", beside / 1e6));
                let _ = write!(out, " {:.0} | {beside} |", cost.per_unit);
            }
            if let [now, before] = costs[..] {
                let _ = write!(out, " {:.4} |", now.per_unit / before.per_unit);
            }
            out.push('\n');
        }
        let _ = writeln!(
            out,
            "\n{} against {} units of each, in {} s.",
            self.units,
            self.units * 3,
            took.as_secs()
        );
        out
    }

    pub(super) fn json(&self) -> Result<String> {
        let rows: Vec<_> = self
            .rows
            .iter()
            .map(|(scenario, costs)| {
                let costs: Vec<_> = self
                    .builds
                    .iter()
                    .zip(costs)
                    .map(|(build, cost)| json!({"build": build, "perUnit": cost.per_unit, "besidePerSecond": cost.beside}))
                    .collect();
                json!({"scenario": scenario.name, "unit": scenario.unit, "costs": costs})
            })
            .collect();
        Ok(serde_json::to_string_pretty(
            &json!({"units": self.units, "rows": rows}),
        )?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::scenarios::SCENARIOS;
    use super::*;

    fn run(threads: [u64; 3], seconds: f64) -> Run {
        Run {
            threads: (1..).zip(threads).collect(),
            seconds,
        }
    }

    #[test]
    fn a_unit_costs_what_the_worker_did_more_over_the_units_that_came_more() {
        // Thread 1 did most of all, but at the start: it is no worker.
        let few = run([9_000_000, 1_500_000, 100], 10.0);
        let many = run([9_000_400, 3_500_000, 700], 12.0);
        let cost = Cost::between(&few, &many, 200);
        assert_eq!(
            cost,
            Cost {
                per_unit: 10_000.0,
                beside: Some(500.0)
            }
        );
    }

    #[test]
    fn the_ratio_stands_behind_the_two_builds() {
        let mut table = Table::new(vec!["now".into(), "before".into()], 100);
        let cost = |per_unit| Cost {
            per_unit,
            beside: Some(1e6),
        };
        table.add(&SCENARIOS[0], cost(10_200.0));
        table.add(&SCENARIOS[0], cost(10_000.0));
        let text = table.text(Duration::from_secs(5));
        assert!(
            text.contains("| get | GET | 10200 | 1.00 M/s | 10000 | 1.00 M/s | 1.0200 |"),
            "{text}"
        );
    }
}
