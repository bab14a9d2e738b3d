//! Figures as people read them in alerts.

use std::time::Duration;

/// Bytes, in the units of the configuration: `14.2 MB`.
pub fn bytes(count: f64) -> String {
    let units = ["B", "KB", "MB", "GB", "TB"];
    let mut unit = 0;
    let mut figure = count.max(0.0);
    while figure >= 1000.0 && unit + 1 < units.len() {
        figure /= 1000.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && figure.fract() >= 0.05 && figure < 999.0);
    format!("{figure:.digits$} {}", units[unit])
}

/// Bytes per second: `14.2 MB/s`.
pub fn rate(per_second: f64) -> String {
    format!("{}/s", bytes(per_second))
}

/// A length of time, in its two largest units: `1h 5m`.
pub fn time(length: Duration) -> String {
    let seconds = length.as_secs();
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let Some(first) = parts.iter().position(|(count, _)| *count > 0) else {
        return "0s".to_owned();
    };
    let shown = parts[first..].iter().take(2).filter(|(count, _)| *count > 0);
    shown
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect::<Vec<_>>()
        .join(" ")
}

/// `percent` of a whole.
pub(super) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 100.0;
    }
    part as f64 * 100.0 / whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        let rates = [
            (0.0, "0 B"),
            (999.0, "999 B"),
            (1000.0, "1 KB"),
            (14_230_000.0, "14.2 MB"),
            (5e11, "500 GB"),
            (3e16, "30000 TB"),
        ];
        for (count, text) in rates {
            assert_eq!(bytes(count), text);
        }
        let times = [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (90, "1m 30s"),
            (3600, "1h"),
            (90_061, "1d 1h"),
        ];
        for (seconds, text) in times {
            assert_eq!(time(Duration::from_secs(seconds)), text);
        }
    }
}
