//! Understands a tree: checks every key by itself, so that all mistakes are found at once, and builds the file shape.
//!
//! Each value is tried alone, as the only key of an otherwise empty file: serde stops at the first mistake, and this way
//! there is never more than one. What is refused is left out, and the rest goes on to `validate.rs`, which must not
//! complain that it is missing.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize as _;

use super::file::File;
use super::mistake::{Mistake, Origin};
use super::reference::{Key, Section};
use super::tree::{Entry, Table, Value};

/// What could be understood.
#[derive(Debug, Default)]
pub(crate) struct Understood {
    /// The values; keys that were refused are at their defaults.
    pub(crate) file: File,
    /// Where each key was written, by path.
    pub(crate) origins: BTreeMap<String, Origin>,
    /// The paths of refused keys and sections.
    pub(crate) refused: BTreeSet<String>,
    /// What was wrong.
    pub(crate) mistakes: Vec<Mistake>,
    /// What is set but has no effect.
    pub(crate) warnings: Vec<Mistake>,
}

/// Checks a tree against the reference.
pub(crate) fn understand(tree: &Table, reference: &Section) -> Understood {
    let mut reader = Reader {
        result: Understood::default(),
    };
    let good = reader.section(tree, reference, &[]);
    match File::deserialize(toml::Value::Table(good)) {
        Ok(file) => reader.result.file = file,
        Err(error) => reader.refuse(&[], &Origin::Nowhere, error.message().to_owned()),
    }
    reader.result
}

struct Reader {
    result: Understood,
}

/// One step of a path: a key, or a place in a list.
#[derive(Clone, Debug)]
enum Step {
    Key(String),
    Index(usize),
}

impl Reader {
    fn section(&mut self, table: &Table, section: &Section, path: &[Step]) -> toml::Table {
        let mut good = toml::Table::new();
        for (name, entry) in table {
            let path = [path, &[Step::Key(name.clone())]].concat();
            self.result.origins.insert(path_text(&path), entry.origin.clone());
            let value = if let Some(key) = section.key(name) {
                self.key(entry, key, &path)
            } else if let Some(inner) = section.section(name) {
                self.inner(entry, inner, &path)
            } else {
                self.refuse(&path, &entry.origin, unknown(name, section));
                None
            };
            good.extend(value.map(|value| (name.clone(), value)));
        }
        good
    }

    fn inner(&mut self, entry: &Entry, inner: &Section, path: &[Step]) -> Option<toml::Value> {
        match &entry.value {
            Value::Table(table) if !inner.repeated => Some(self.section(table, inner, path).into()),
            Value::List(items) if inner.repeated => {
                let mut good: Vec<toml::Value> = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    let path = [path, &[Step::Index(index)]].concat();
                    self.result.origins.insert(path_text(&path), item.origin.clone());
                    match &item.value {
                        Value::Table(table) => good.push(self.section(table, inner, &path).into()),
                        _ => {
                            self.refuse(&path, &item.origin, format!("expected a section [[{}]]", inner.path));
                            // Keeps the places of the items after it.
                            good.push(toml::Table::new().into());
                        }
                    }
                }
                Some(good.into())
            }
            _ if inner.repeated => {
                self.refuse(
                    path,
                    &entry.origin,
                    format!("expected sections in double brackets, [[{}]]", inner.path),
                );
                None
            }
            _ => {
                self.refuse(path, &entry.origin, format!("expected a section, [{}]", inner.path));
                None
            }
        }
    }

    fn key(&mut self, entry: &Entry, key: &Key, path: &[Step]) -> Option<toml::Value> {
        match accepted(&entry.value, key, path) {
            Ok(value) => {
                self.note_without_effect(entry, key, path, &value);
                Some(value)
            }
            Err(message) => {
                self.refuse(path, &entry.origin, message);
                None
            }
        }
    }

    /// A key at its default changes nothing, so it deserves no warning.
    fn note_without_effect(&mut self, entry: &Entry, key: &Key, path: &[Step], value: &toml::Value) {
        let Some(reason) = &key.not_yet else { return };
        if serde_json::to_value(value).ok() == key.default {
            return;
        }
        let message = format!("has no effect yet: {reason}");
        self.result.warnings.push(Mistake {
            origin: entry.origin.clone(),
            key: path_text(path),
            message,
        });
    }

    fn refuse(&mut self, path: &[Step], origin: &Origin, message: String) {
        let key = path_text(path);
        self.result.refused.insert(key.clone());
        self.result.mistakes.push(Mistake {
            origin: origin.clone(),
            key,
            message,
        });
    }
}

/// The value in the form in which its key takes it, or what was expected.
fn accepted(value: &Value, key: &Key, path: &[Step]) -> Result<toml::Value, String> {
    let forms = match value {
        Value::Untyped(text) => forms_of(text),
        typed => vec![typed.to_toml()],
    };
    let mut complaints = Vec::new();
    for form in forms {
        match try_alone(&form, path) {
            Ok(()) => return Ok(form),
            Err(complaint) => complaints.push(complaint),
        }
    }
    // The message of a form that had the right type says more than that of one that had not.
    let about_the_value = |complaint: &&String| !complaint.starts_with("invalid type");
    let best = complaints
        .iter()
        .find(about_the_value)
        .or(complaints.first())
        .cloned()
        .unwrap_or_default();
    // serde's own messages repeat the value.
    Err(if key.kind.contains("secret") {
        format!("expected {} (what is there is not shown)", key.kind)
    } else {
        best
    })
}

/// What the text of an environment variable may stand for: itself, a TOML value, a list with commas.
fn forms_of(text: &str) -> Vec<toml::Value> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    let list = items.map(|item| item.to_owned().into()).collect();
    let forms = [
        Some(toml::Value::String(text.to_owned())),
        text.parse().ok(),
        Some(toml::Value::Array(list)),
    ];
    forms.into_iter().flatten().collect()
}

/// Whether the file shape takes the value at this path.
fn try_alone(value: &toml::Value, path: &[Step]) -> Result<(), String> {
    let whole = path.iter().rev().fold(value.clone(), |value, step| match step {
        Step::Key(name) => toml::Value::Table([(name.clone(), value)].into_iter().collect()),
        Step::Index(_) => toml::Value::Array(vec![value]),
    });
    File::deserialize(whole)
        .map(drop)
        .map_err(|error| error.message().trim().to_owned())
}

fn path_text(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Index(index) => text.push_str(&format!("[{index}]")),
            Step::Key(name) if text.is_empty() => text.push_str(name),
            Step::Key(name) => text.push_str(&format!(".{name}")),
        }
    }
    text
}

fn unknown(name: &str, section: &Section) -> String {
    let place = match (section.path.as_str(), section.repeated) {
        ("", _) => "the file".to_owned(),
        (path, true) => format!("[[{path}]]"),
        (path, false) => format!("[{path}]"),
    };
    match nearest(name, section.names()) {
        Some(near) => format!("unknown key, did you mean `{near}`?"),
        None => format!(
            "unknown key; {place} has {}",
            section.names().collect::<Vec<_>>().join(", ")
        ),
    }
}

/// The candidate that is a slip of the finger or a different habit of writing away, if one is.
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', '_'], "");
    let word = plain(word);
    let scored = candidates.map(|candidate| (strsim::damerau_levenshtein(&word, &plain(candidate)), candidate));
    let near = scored.filter(|(distance, _)| *distance <= 1 + word.len() / 4);
    near.min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
