//! The comparison of two transcripts: same steps, same keys, same types, same values, but for what no two nodes share.

use serde_json::Value;

use super::transcript::Step;

/// Two nodes on a busy machine may be this far apart in a track, in ms.
const POSITION_TOLERANCE: i64 = 2_000;

/// Where and how the simulated node differed from the real one.
#[derive(Clone, Debug)]
pub(crate) struct Difference {
    pub(crate) step: String,
    /// Keys and indexes, joined with dots.
    pub(crate) path: String,
    real: String,
    sim: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { step, path, real, sim } = self;
        write!(f, "{step} | {path}\n    real {real}\n    sim  {sim}")
    }
}

/// How two values of one key are held against each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Equal,
    /// Of the same type; numbers both whole or both fractional.
    SameType,
    /// Whole numbers at most so far apart.
    Within(i64),
    /// Counts that depend on how fast the machine is.
    About,
}

/// Compares the two runs.
pub(crate) fn compare(real: &[Step], sim: &[Step]) -> Vec<Difference> {
    let mut differences = Vec::new();
    let names = |steps: &[Step]| steps.iter().map(|step| step.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(real), names(sim), "both nodes went through the same script");
    for (real, sim) in real.iter().zip(sim) {
        let mut walk = Walk {
            step: &real.name,
            path: Vec::new(),
            found: &mut differences,
        };
        walk.values(&real.seen, &sim.seen);
    }
    differences
}

struct Walk<'a> {
    step: &'a str,
    path: Vec<String>,
    found: &'a mut Vec<Difference>,
}

impl Walk<'_> {
    fn values(&mut self, real: &Value, sim: &Value) {
        match (real, sim) {
            (Value::Object(real), Value::Object(sim)) => {
                for (key, value) in real {
                    self.at(key, Some(value), sim.get(key));
                }
                for (key, value) in sim.iter().filter(|(key, _)| !real.contains_key(*key)) {
                    self.at(key, None, Some(value));
                }
            }
            (Value::Array(real), Value::Array(sim)) => {
                for index in 0..real.len().max(sim.len()) {
                    self.at(&index.to_string(), real.get(index), sim.get(index));
                }
            }
            _ if rule(&self.path).accepts(real, sim) => {}
            _ => self.differ(&real.to_string(), &sim.to_string()),
        }
    }

    fn at(&mut self, key: &str, real: Option<&Value>, sim: Option<&Value>) {
        self.path.push(key.to_owned());
        match (real, sim) {
            (Some(real), Some(sim)) => self.values(real, sim),
            _ => {
                let shown = |value: Option<&Value>| value.map_or("-".to_owned(), Value::to_string);
                self.differ(&shown(real), &shown(sim));
            }
        }
        self.path.pop();
    }

    fn differ(&mut self, real: &str, sim: &str) {
        self.found.push(Difference {
            step: self.step.to_owned(),
            path: self.path.join("."),
            real: real.to_owned(),
            sim: sim.to_owned(),
        });
    }
}

/// The rule for the value at the end of a path.
fn rule(path: &[String]) -> Rule {
    let key = path.last().map(String::as_str).unwrap_or_default();
    let parent = path.iter().rev().nth(1).map(String::as_str).unwrap_or_default();
    match (parent, key) {
        // Clocks, and what the machine and the build are.
        (_, "time" | "timestamp" | "uptime" | "buildTime" | "jvm" | "lavaplayer") => Rule::SameType,
        ("memory" | "cpu" | "git", _) => Rule::SameType,
        // Whether there is a ping is told by `connected`.
        (_, "ping") => Rule::SameType,
        (_, "position") => Rule::Within(POSITION_TOLERANCE),
        (_, "trace") => Rule::SameType,
        ("updates", "count") => Rule::About,
        // Other scenes run at the same time.
        (_, "players" | "playingPlayers") if path.iter().any(|key| key == "others") => Rule::SameType,
        _ => Rule::Equal,
    }
}

impl Rule {
    fn accepts(self, real: &Value, sim: &Value) -> bool {
        let whole = || Some((real.as_i64()?, sim.as_i64()?));
        match self {
            Self::Equal => real == sim,
            Self::SameType => {
                std::mem::discriminant(real) == std::mem::discriminant(sim) && real.is_f64() == sim.is_f64()
            }
            Self::Within(most) => whole().is_some_and(|(real, sim)| (real - sim).abs() <= most),
            Self::About => whole().is_some_and(|(real, sim)| (real - sim).abs() <= 3 + real / 3),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_comparison_sees_what_it_must_and_no_more() {
        let cases = [
            (json!({"volume": 100}), json!({"volume": 100}), 0),
            (json!({"volume": 100}), json!({"volume": 99}), 1),
            (json!({"volume": 100}), json!({"volume": 100.0}), 1),
            (json!({"volume": null}), json!({}), 1),
            (json!({}), json!({"volume": null}), 1),
            (json!([1, 2]), json!([1]), 1),
            (json!({"time": 1}), json!({"time": 9}), 0),
            (json!({"time": 1}), json!({"time": "9"}), 1),
            (json!({"cpu": {"load": 0.5}}), json!({"cpu": {"load": 1}}), 1),
            (json!({"position": 0}), json!({"position": 1_999}), 0),
            (json!({"position": 0}), json!({"position": 2_001}), 1),
        ];
        for (real, sim, expected) in cases {
            let step = |seen: &Value| Step {
                name: "case".to_owned(),
                seen: seen.clone(),
            };
            let found = compare(&[step(&real)], &[step(&sim)]);
            assert_eq!(found.len(), expected, "{real} against {sim}: {found:?}");
        }
    }
}
