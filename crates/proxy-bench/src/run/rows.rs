//! The figures of the table, and how samples of several rounds become one row.

use std::collections::BTreeMap;

use serde::Serialize;

use super::peers::Kind;
use crate::stats::{median, spread};

/// Figures of one measurement by their key.
pub(crate) type Values = BTreeMap<&'static str, f64>;

/// One measurement.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Sample {
    /// The scenario's name.
    pub(crate) scenario: &'static str,
    /// What was measured.
    pub(crate) peer: Kind,
    /// In which round.
    pub(crate) round: usize,
    /// What was found.
    pub(crate) values: Values,
}

/// One figure of the table.
pub(crate) struct Figure {
    /// Its key among the values.
    pub(crate) key: &'static str,
    /// Its name in the table; `{unit}` is replaced by what the scenario counts.
    pub(crate) label: &'static str,
    /// More is better, as for requests per second.
    pub(crate) more_is_better: bool,
    /// Only for these scenarios.
    pub(crate) scenarios: &'static [&'static str],
}

const REQUESTS: [&str; 4] = ["rest-small", "rest-3k", "rest-patch", "rest-large"];
const PUSHES: [&str; 4] = ["ws-2k", "ws-20k", "ws-20k-10k", "ws-burst"];
const CLOSED: [&str; 5] = ["rest-small", "rest-patch", "rest-large", "storm-401", "storm-ws"];
const LOADED: [&str; 10] = [
    REQUESTS[0],
    REQUESTS[1],
    REQUESTS[2],
    REQUESTS[3],
    PUSHES[0],
    PUSHES[1],
    PUSHES[2],
    PUSHES[3],
    CLOSED[3],
    CLOSED[4],
];

const fn less(key: &'static str, label: &'static str, scenarios: &'static [&'static str]) -> Figure {
    Figure {
        key,
        label,
        more_is_better: false,
        scenarios,
    }
}

/// All figures, in the order of the table. The first one a scenario has carries its title.
pub(crate) const FIGURES: [Figure; 16] = [
    less("cpu_ratio", "proxy CPU / (load+node CPU)", &LOADED),
    less("cpu_unit", "proxy CPU s / {unit}", &LOADED),
    less(
        "chain_unit",
        "load+proxy+node CPU s / {unit}",
        &["rest-small", "ws-20k"],
    ),
    Figure {
        key: "rate",
        label: "{rate}",
        more_is_better: true,
        scenarios: &CLOSED,
    },
    less("p50", "p50 us", &["rest-3k", "ws-2k", "ws-20k", "ws-20k-10k"]),
    less("added_p50", "added p50 us", &["rest-3k", "ws-2k"]),
    less("p99", "p99 us", &LOADED),
    less("p999", "p99.9 us", &["rest-3k", "ws-20k"]),
    less(
        "ratio_vs_100",
        "proxy CPU / (load+node CPU) over that at 100 sessions",
        &["ws-20k-10k"],
    ),
    less(
        "cost_vs_100",
        "proxy CPU s / {unit} over that at 100 sessions",
        &["ws-20k-10k"],
    ),
    less("lost", "messages lost or out of order", &PUSHES),
    less("rss_session", "proxy RSS KiB / session", &["ws-idle"]),
    less("rss_kept", "RSS KiB / session kept after all left", &["ws-idle"]),
    less("rss_before", "RSS MiB before", &["ws-idle"]),
    less("open_cpu", "proxy CPU s to open 10k sessions", &["ws-idle"]),
    less("idle_cpu", "proxy CPU ms/s while idle", &["ws-idle"]),
];

/// One peer's cell.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Cell {
    /// Median over the rounds.
    pub(crate) median: f64,
    /// Median over the rounds of the ratio to the better of HAProxy and nginx in the same round.
    pub(crate) ratio: Option<f64>,
}

/// One row of the table.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// The scenario's name.
    pub(crate) scenario: &'static str,
    /// The figure's key.
    pub(crate) figure: &'static str,
    /// What each peer reached.
    pub(crate) cells: BTreeMap<Kind, Cell>,
    /// Half the range over the rounds, relative to the median: the largest among the peers.
    pub(crate) spread: Option<f64>,
}

/// Adds the figures that need more than one sample: latency over that of the direct way in the same round, and the
/// cost of a message with many sessions over that with 100.
pub(crate) fn derive(samples: &mut [Sample]) {
    let find = |samples: &[Sample], scenario: &str, peer: Kind, round: usize, key: &str| {
        let wanted = |it: &&Sample| it.scenario == scenario && it.peer == peer && it.round == round;
        samples
            .iter()
            .find(wanted)
            .and_then(|sample| sample.values.get(key).copied())
    };
    for at in 0..samples.len() {
        let Sample {
            scenario, peer, round, ..
        } = samples[at];
        if let Some(p50) = samples[at].values.get("p50").copied()
            && peer != Kind::Direct
            && let Some(direct) = find(samples, scenario, Kind::Direct, round, "p50")
        {
            samples[at].values.insert("added_p50", p50 - direct);
        }
        for (of, over) in [("cpu_ratio", "ratio_vs_100"), ("cpu_unit", "cost_vs_100")] {
            if scenario == "ws-20k-10k"
                && let Some(many) = samples[at].values.get(of).copied()
                && let Some(few) = find(samples, "ws-20k", peer, round, of)
            {
                samples[at].values.insert(over, many / few);
            }
        }
    }
}

/// The row of one figure in one scenario; `None` when nobody has it.
pub(crate) fn row(samples: &[Sample], scenario: &'static str, figure: &Figure) -> Option<Row> {
    let mut by_peer: BTreeMap<Kind, Vec<(usize, f64)>> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| sample.scenario == scenario) {
        if let Some(value) = sample.values.get(figure.key) {
            by_peer.entry(sample.peer).or_default().push((sample.round, *value));
        }
    }
    let best = best_by_round(&by_peer, figure.more_is_better);
    let mut cells = BTreeMap::new();
    let mut widest = None;
    for (peer, of_rounds) in &by_peer {
        let values: Vec<f64> = of_rounds.iter().map(|(_, value)| *value).collect();
        let ratios: Vec<f64> = of_rounds
            .iter()
            .filter_map(|(round, value)| best.get(round).map(|best| value / best))
            .collect();
        cells.insert(
            *peer,
            Cell {
                median: median(&values)?,
                ratio: median(&ratios),
            },
        );
        widest = [widest, spread(&values)].into_iter().flatten().max_by(f64::total_cmp);
    }
    (!cells.is_empty()).then_some(Row {
        scenario,
        figure: figure.key,
        cells,
        spread: widest,
    })
}

/// The better of HAProxy and nginx in each round, where it can be divided by.
fn best_by_round(by_peer: &BTreeMap<Kind, Vec<(usize, f64)>>, more_is_better: bool) -> BTreeMap<usize, f64> {
    let mut best: BTreeMap<usize, f64> = BTreeMap::new();
    for (_, of_rounds) in by_peer.iter().filter(|(peer, _)| peer.is_reference()) {
        for (round, value) in of_rounds {
            let entry = best.entry(*round).or_insert(*value);
            *entry = if more_is_better {
                entry.max(*value)
            } else {
                entry.min(*value)
            };
        }
    }
    best.retain(|_, value| *value > 0.0);
    best
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sample(scenario: &'static str, peer: Kind, round: usize, values: &[(&'static str, f64)]) -> Sample {
        Sample {
            scenario,
            peer,
            round,
            values: values.iter().copied().collect(),
        }
    }

    #[test]
    fn ratios_are_taken_within_a_round_and_only_then_their_median() {
        // The machine is three times slower in the second round; ratios must not see that.
        let samples = [
            sample("rest-small", Kind::Haproxy, 0, &[("cpu_unit", 2.0)]),
            sample("rest-small", Kind::Nginx, 0, &[("cpu_unit", 4.0)]),
            sample("rest-small", Kind::Proxy, 0, &[("cpu_unit", 3.0)]),
            sample("rest-small", Kind::Haproxy, 1, &[("cpu_unit", 9.0)]),
            sample("rest-small", Kind::Nginx, 1, &[("cpu_unit", 6.0)]),
            sample("rest-small", Kind::Proxy, 1, &[("cpu_unit", 9.0)]),
        ];
        let row = row(&samples, "rest-small", &FIGURES[1]).unwrap();
        assert_eq!(
            row.cells[&Kind::Proxy],
            Cell {
                median: 6.0,
                ratio: Some(1.5)
            }
        );
        assert_eq!(
            row.cells[&Kind::Haproxy],
            Cell {
                median: 5.5,
                ratio: Some(1.25)
            }
        );
        assert!((row.spread.unwrap() - 3.5 / 5.5).abs() < 1e-9);
    }

    #[test]
    fn more_is_better_turns_the_reference_round() {
        let figure = FIGURES.iter().find(|figure| figure.key == "rate").unwrap();
        let samples = [
            sample("rest-small", Kind::Haproxy, 0, &[("rate", 100.0)]),
            sample("rest-small", Kind::Nginx, 0, &[("rate", 80.0)]),
            sample("rest-small", Kind::Proxy, 0, &[("rate", 50.0)]),
        ];
        let row = row(&samples, "rest-small", figure).unwrap();
        assert_eq!(row.cells[&Kind::Proxy].ratio, Some(0.5));
        assert_eq!(row.spread, None);
    }

    #[test]
    fn a_figure_without_references_has_no_ratio_and_one_without_samples_no_row() {
        let samples = [sample("ws-2k", Kind::Proxy, 0, &[("lost", 0.0)])];
        let figure = FIGURES.iter().find(|figure| figure.key == "lost").unwrap();
        assert_eq!(row(&samples, "ws-2k", figure).unwrap().cells[&Kind::Proxy].ratio, None);
        assert!(row(&samples, "ws-20k", figure).is_none());
    }

    #[test]
    fn derived_figures_stay_within_their_round_and_peer() {
        let mut samples = vec![
            sample("ws-2k", Kind::Direct, 0, &[("p50", 40.0)]),
            sample("ws-2k", Kind::Direct, 1, &[("p50", 60.0)]),
            sample("ws-2k", Kind::Proxy, 0, &[("p50", 100.0)]),
            sample("ws-2k", Kind::Proxy, 1, &[("p50", 100.0)]),
            sample("ws-20k", Kind::Proxy, 0, &[("cpu_unit", 10.0)]),
            sample("ws-20k-10k", Kind::Proxy, 0, &[("cpu_unit", 11.0)]),
            sample("ws-20k-10k", Kind::Proxy, 1, &[("cpu_unit", 11.0)]),
        ];
        derive(&mut samples);
        let value = |at: usize, key: &str| samples[at].values.get(key).copied();
        assert_eq!(value(2, "added_p50"), Some(60.0));
        assert_eq!(value(3, "added_p50"), Some(40.0));
        assert_eq!(value(0, "added_p50"), None);
        assert_eq!(value(5, "cost_vs_100"), Some(1.1));
        assert_eq!(value(6, "cost_vs_100"), None);
    }
}
