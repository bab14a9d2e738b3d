//! Log lines: which are written, how, and where to: standard error, and files where the settings name them.
//!
//! What may be in a log line is decided where it is written; passwords and tokens are of types that cannot print
//! themselves.

mod files;

use std::io::IsTerminal as _;

use tracing::{Metadata, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, WorkerGuard};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry};

use crate::config::{Log, LogFormat};
use files::LogFile;

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The target of access lines, which can go to a file of their own.
const ACCESS: &str = "access";

/// Logging while it runs. Dropping it writes what still waits for the disk.
#[derive(Debug, Default)]
pub(crate) struct Logging {
    dropped: Vec<ErrorCounter>,
    _guards: Vec<WorkerGuard>,
}

impl Logging {
    /// Reads how many lines of files were dropped because the disk was too slow.
    pub(crate) fn dropped_lines(&self) -> impl Fn() -> u64 + Send + Sync + 'static {
        let counters = self.dropped.clone();
        move || counters.iter().map(|counter| counter.dropped_lines() as u64).sum()
    }

    fn open(
        &mut self,
        log: &Log,
        path: &std::path::Path,
    ) -> anyhow::Result<tracing_appender::non_blocking::NonBlocking> {
        let file = LogFile::open(path, log.rotation, log.keep)?;
        self.dropped.push(file.dropped);
        self._guards.push(file.guard);
        Ok(file.writer)
    }
}

/// Starts logging for the whole process. A second call changes nothing, which is what tests want.
///
/// # Errors
/// When a log file cannot be opened.
pub(crate) fn start(log: &Log) -> anyhow::Result<Logging> {
    let mut logging = Logging::default();
    let mut layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> = Vec::new();
    if log.stderr {
        let ansi = log.format == LogFormat::Human && std::io::stderr().is_terminal();
        layers.push(elsewhere(log, layer(log.format, ansi, std::io::stderr)));
    }
    if let Some(path) = &log.file {
        let writer = logging.open(log, path)?;
        layers.push(elsewhere(log, layer(log.format, false, writer)));
    }
    if let Some(path) = &log.access_file {
        let writer = logging.open(log, path)?;
        layers.push(
            layer(log.format, false, writer)
                .with_filter(filter_fn(is_access))
                .boxed(),
        );
    }
    let access = if log.access { "access=info" } else { "access=off" };
    let filter = EnvFilter::try_new(format!("{},{access}", log.level)).unwrap_or_else(|_| EnvFilter::new("info"));
    // Failing means that a subscriber is there already.
    let _ = tracing_subscriber::registry().with(layers).with(filter).try_init();
    Ok(logging)
}

/// Everything, or everything but access lines where these have their own file.
fn elsewhere(log: &Log, layer: Box<dyn Layer<Registry> + Send + Sync>) -> Box<dyn Layer<Registry> + Send + Sync> {
    match log.access_file {
        // Without a filter of its own a layer costs less.
        None => layer,
        Some(_) => layer.with_filter(filter_fn(|line| !is_access(line))).boxed(),
    }
}

fn is_access(line: &Metadata<'_>) -> bool {
    line.target() == ACCESS
}

fn layer<S, W>(format: LogFormat, ansi: bool, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        LogFormat::Human => layer.with_ansi(ansi).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    }
}

/// Whether a text is a filter; otherwise what was expected.
///
/// # Errors
/// A word that is no level: the filter's own parser takes it for a target and logs everything of it.
pub(crate) fn check_filter(text: &str) -> Result<(), String> {
    let expected = || {
        format!(
            "expected a level ({}) or a list such as \"info,proxy_gateway=debug\", got {text:?}",
            LEVELS.join(", ")
        )
    };
    let is_level = |word: &str| LEVELS.contains(&word.trim().to_lowercase().as_str());
    for directive in text.split(',') {
        let level = directive.rsplit_once('=').map_or(directive, |(_, level)| level);
        if !is_level(level) {
            return Err(expected());
        }
    }
    EnvFilter::try_new(text).map(drop).map_err(|_| expected())
}

#[cfg(test)]
mod tests {
    use super::check_filter;

    #[test]
    fn levels_and_levels_by_target_are_filters_and_other_words_are_not() {
        for good in [
            "info",
            "WARN",
            "off",
            "info,proxy_gateway=debug",
            "proxy_core::session=trace,info",
        ] {
            assert_eq!(check_filter(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "verbose",
            "info,",
            "info,gateway",
            "proxy_gateway=loud",
            "debug info",
        ] {
            assert!(check_filter(bad).is_err(), "{bad}");
        }
    }
}
