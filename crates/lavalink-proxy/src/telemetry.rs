//! Log lines: which are written, and how. Everything goes to standard error.
//!
//! What may be in a log line is decided where it is written; passwords and tokens are of types that cannot print
//! themselves.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Starts logging for the whole process. A second call changes nothing, which is what tests want.
pub(crate) fn start(log: &Log) {
    let access = if log.access { "access=info" } else { "access=off" };
    let filter = EnvFilter::try_new(format!("{},{access}", log.level)).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // Failing means that a subscriber is there already.
    let _ = match log.format {
        LogFormat::Human => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
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
