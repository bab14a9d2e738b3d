//! What is printed and written: the table as Markdown, everything as JSON.

use std::fmt::Write;

use anyhow::{Context, Result};
use serde::Serialize;

use super::peers::Kind;
use super::rows::{Cell, FIGURES, Figure, Row, Sample, derive, row};
use super::scenarios::{SCENARIOS, Scenario, Unit};
use crate::stats::median;

/// Others may use so much of one core, in per cent, before figures stop repeating.
const QUIET: f64 = 20.0;

/// The outcome of a run.
#[derive(Serialize)]
pub(crate) struct Report {
    /// What it was taken on.
    pub(crate) machine: String,
    /// What was left out, and why.
    pub(crate) skipped: Vec<String>,
    /// Rounds.
    pub(crate) rounds: usize,
    /// Sessions in the scenarios with many.
    pub(crate) sessions: usize,
    /// What was measured, in the order of the columns.
    pub(crate) kinds: Vec<Kind>,
    /// Every measurement.
    pub(crate) samples: Vec<Sample>,
    /// How long the run took.
    pub(crate) seconds: u64,
}

impl Report {
    /// Finishes a run's samples.
    pub(crate) fn new(mut report: Self) -> Self {
        derive(&mut report.samples);
        report
    }

    /// The row of one figure.
    pub(crate) fn row(&self, scenario: &'static str, figure: &str) -> Option<Row> {
        let figure = FIGURES.iter().find(|known| known.key == figure)?;
        row(&self.samples, scenario, figure)
    }

    /// The table as Markdown, with its heading.
    pub(crate) fn table(&self) -> String {
        let mut out = format!(
            "{}, {} rounds, peers with 1 thread each, {} sessions where there are many\n\n",
            self.machine, self.rounds, self.sessions
        );
        for reason in &self.skipped {
            let _ = writeln!(out, "{reason}\n");
        }
        let names: Vec<String> = self.kinds.iter().map(Kind::to_string).collect();
        let _ = writeln!(
            out,
            "| figure (median; in brackets the ratio to the better of haproxy and nginx) | {} | spread |",
            names.join(" | ")
        );
        let _ = writeln!(out, "|---|{}---|", "---|".repeat(names.len()));
        for scenario in &SCENARIOS {
            self.table_rows(scenario, &mut out);
        }
        let _ = writeln!(out, "\nBusy, % of one core, load/proxy/node:\n{}", self.busy());
        let _ = writeln!(out, "{}\n\nmeasured in {} s", self.others(), self.seconds);
        out
    }

    fn table_rows(&self, scenario: &Scenario, out: &mut String) {
        let mut first = true;
        for figure in FIGURES
            .iter()
            .filter(|figure| figure.scenarios.contains(&scenario.name))
        {
            let Some(row) = row(&self.samples, scenario.name, figure) else {
                continue;
            };
            let title = if first { scenario.title } else { "..." };
            first = false;
            let cells: Vec<String> = self.kinds.iter().map(|kind| cell(row.cells.get(kind))).collect();
            let spread = row
                .spread
                .map_or("-".to_owned(), |spread| format!("±{:.0}%", spread * 100.0));
            let _ = writeln!(
                out,
                "| {title}: {} | {} | {spread} |",
                label(figure, scenario),
                cells.join(" | ")
            );
        }
    }

    fn busy(&self) -> String {
        let mut out = String::new();
        for scenario in &SCENARIOS {
            let of_kinds: Vec<String> = self
                .kinds
                .iter()
                .filter_map(|kind| self.busy_of(scenario.name, *kind))
                .collect();
            if !of_kinds.is_empty() {
                let _ = writeln!(out, "- {}: {}", scenario.name, of_kinds.join(", "));
            }
        }
        out
    }

    fn busy_of(&self, scenario: &str, kind: Kind) -> Option<String> {
        let value = |key: &str| {
            let of_kind = self
                .samples
                .iter()
                .filter(|it| it.scenario == scenario && it.peer == kind);
            median(
                &of_kind
                    .filter_map(|sample| sample.values.get(key).copied())
                    .collect::<Vec<_>>(),
            )
        };
        Some(format!(
            "{kind} {:.0}/{:.0}/{:.0}",
            value("busy_load")?,
            value("busy_peer")?,
            value("busy_node")?
        ))
    }

    /// What else ran, and a warning when it was too much.
    fn others(&self) -> String {
        let values = |key: &str| -> Vec<f64> {
            self.samples
                .iter()
                .filter_map(|it| it.values.get(key).copied())
                .collect()
        };
        let describe = |values: &[f64]| {
            let worst = values.iter().copied().fold(0.0, f64::max);
            format!("median {:.0}, worst {worst:.0}", median(values).unwrap_or_default())
        };
        let (busy, stolen) = (values("busy_others"), values("stolen"));
        let mut out = format!(
            "Everything else on the machine, % of one core: {}; stolen by the host: {}",
            describe(&busy),
            describe(&stolen)
        );
        if median(&busy).is_some_and(|busy| busy > QUIET) {
            out.push_str("\n\nThe machine was not quiet: repeat the run before relying on a figure.");
        }
        out
    }

    /// Everything as JSON.
    pub(crate) fn json(&self) -> Result<String> {
        #[derive(Serialize)]
        struct Whole<'a> {
            #[serde(flatten)]
            report: &'a Report,
            rows: Vec<Row>,
        }
        let figures_of = |scenario: &'static Scenario| {
            let wanted = FIGURES
                .iter()
                .filter(|figure| figure.scenarios.contains(&scenario.name));
            wanted.filter_map(|figure| row(&self.samples, scenario.name, figure))
        };
        let rows = SCENARIOS.iter().flat_map(figures_of).collect();
        serde_json::to_string_pretty(&Whole { report: self, rows }).context("cannot write the report as JSON")
    }
}

fn label(figure: &Figure, scenario: &Scenario) -> String {
    let (unit, rate) = match scenario.unit {
        Unit::Requests => ("100k", "requests/s"),
        Unit::Gigabytes => ("GB", "MB/s"),
        Unit::Messages => ("1M", "messages/s"),
        Unit::Connections => ("10k", "connections/s"),
    };
    figure.label.replace("{unit}", unit).replace("{rate}", rate)
}

fn cell(cell: Option<&Cell>) -> String {
    match cell {
        None => "-".into(),
        Some(Cell { median, ratio: None }) => number(*median),
        Some(Cell {
            median,
            ratio: Some(ratio),
        }) => format!("{} ({ratio:.2}x)", number(*median)),
    }
}

/// Three digits are more than the spread allows for.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 || size == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits() {
        let cases = [
            (0.0, "0.00"),
            (0.0123, "0.012"),
            (0.5, "0.50"),
            (12.34, "12.3"),
            (38_735.2, "38735"),
        ];
        for (value, expected) in cases {
            assert_eq!(number(value), expected);
        }
    }

    #[test]
    fn cells_show_the_ratio_where_there_is_one() {
        assert_eq!(cell(None), "-");
        assert_eq!(
            cell(Some(&Cell {
                median: 2.0,
                ratio: None
            })),
            "2.00"
        );
        assert_eq!(
            cell(Some(&Cell {
                median: 2.0,
                ratio: Some(1.104)
            })),
            "2.00 (1.10x)"
        );
    }
}
