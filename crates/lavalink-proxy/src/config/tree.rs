//! A configuration before it is understood: a tree of values that know where they were written.
//!
//! File and environment are merged here, so that everything after it has one thing to look at and can still say which
//! line or variable a value came from.

use std::collections::BTreeMap;

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::mistake::{Mistake, Origin};

/// A value and where it was written.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Where; for a value in the file this is its key.
    pub(crate) origin: Origin,
    /// What.
    pub(crate) value: Value,
}

/// The entries of a section by key.
pub(crate) type Table = BTreeMap<String, Entry>;

/// What was written.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// A section, or a table of values.
    Table(Table),
    /// An array; `[[nodes]]` is one of tables.
    List(Vec<Entry>),
    /// A TOML value that is neither.
    Plain(toml::Value),
    /// The text of an environment variable, whose type follows from its key.
    Untyped(String),
}

/// Reads a file, reporting everything that is not TOML. What could be read is returned too.
pub(crate) fn parse(text: &str) -> (Table, Vec<Mistake>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let lines = Lines::new(text);
    let mistakes = errors.iter().map(|error| Mistake {
        origin: error.span().map_or(Origin::Nowhere, |span| lines.origin(span.start)),
        key: String::new(),
        // Only the message: the full error quotes the line, which may hold a password.
        message: format!(
            "not valid TOML: {}",
            error.message().lines().collect::<Vec<_>>().join(", ")
        ),
    });
    let mistakes = mistakes.collect();
    (table_of(table.into_inner(), &lines), mistakes)
}

fn table_of(table: DeTable<'_>, lines: &Lines<'_>) -> Table {
    let entries = table.into_iter().map(|(key, value)| {
        let origin = lines.origin(key.span().start);
        (
            key.into_inner().into_owned(),
            Entry {
                origin,
                value: value_of(value, lines),
            },
        )
    });
    entries.collect()
}

fn value_of(value: Spanned<DeValue<'_>>, lines: &Lines<'_>) -> Value {
    let span = value.span();
    match value.into_inner() {
        DeValue::Table(table) => Value::Table(table_of(table, lines)),
        DeValue::Array(items) => Value::List(
            items
                .into_iter()
                .map(|item| Entry {
                    origin: lines.origin(item.span().start),
                    value: value_of(item, lines),
                })
                .collect(),
        ),
        plain => {
            let read = toml::Value::deserialize(ValueDeserializer::from(Spanned::new(span, plain)));
            // A number out of range is the only plain value that cannot be read; as text it is refused with its key.
            Value::Plain(read.unwrap_or_else(|_| toml::Value::String("a number out of range".to_owned())))
        }
    }
}

impl Value {
    /// The same value without origins. An environment variable is text here.
    pub(crate) fn to_toml(&self) -> toml::Value {
        match self {
            Self::Plain(value) => value.clone(),
            Self::Untyped(text) => toml::Value::String(text.clone()),
            Self::List(items) => toml::Value::Array(items.iter().map(|item| item.value.to_toml()).collect()),
            Self::Table(table) => toml::Value::Table(
                table
                    .iter()
                    .map(|(key, entry)| (key.clone(), entry.value.to_toml()))
                    .collect(),
            ),
        }
    }
}

/// Finds line and column of a byte offset.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        Self { text, starts }
    }

    fn origin(&self, offset: usize) -> Origin {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts[line - 1];
        let column = self
            .text
            .get(start..offset)
            .map_or(1, |before| before.chars().count() + 1);
        Origin::File { line, column }
    }
}
