//! What is wrong with a configuration: every mistake with its place, key and what was expected instead.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// Line and column in the configuration file, both from 1.
    File {
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
    },
    /// An environment variable of this name.
    Variable(String),
    /// Nowhere: the value is missing, or is a default.
    Nowhere,
}

/// One mistake. Its message never contains the value of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// Where it was made.
    pub(crate) origin: Origin,
    /// The key, such as `nodes[0].url`; empty when the mistake belongs to no key.
    pub(crate) key: String,
    /// What is wrong and what was expected; lower case, no full stop.
    pub(crate) message: String,
}

/// Every mistake of one configuration.
#[derive(Debug)]
pub(crate) struct ConfigErrors {
    /// The configuration file, if there is one.
    pub(crate) file: Option<PathBuf>,
    /// The mistakes in the order of the file, then of the environment.
    pub(crate) mistakes: Vec<Mistake>,
}

impl ConfigErrors {
    /// Orders the mistakes as a reader goes through the file.
    pub(crate) fn new(file: Option<&Path>, mut mistakes: Vec<Mistake>) -> Self {
        mistakes.sort_by(|a, b| a.origin.cmp(&b.origin));
        mistakes.dedup();
        Self {
            file: file.map(Path::to_owned),
            mistakes,
        }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write_located(f, self.file.as_deref(), mistake)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Writes `file:line:column: key: message`, or the same with the variable's name.
pub(crate) fn write_located(f: &mut impl fmt::Write, file: Option<&Path>, mistake: &Mistake) -> fmt::Result {
    match (&mistake.origin, file) {
        (Origin::File { line, column }, Some(file)) => write!(f, "{}:{line}:{column}: ", file.display())?,
        (Origin::File { line, column }, None) => write!(f, "{line}:{column}: ")?,
        (Origin::Variable(name), _) => write!(f, "{name}: ")?,
        (Origin::Nowhere, Some(file)) => write!(f, "{}: ", file.display())?,
        (Origin::Nowhere, None) => {}
    }
    if !mistake.key.is_empty() {
        write!(f, "{}: ", mistake.key)?;
    }
    f.write_str(&mistake.message)
}
