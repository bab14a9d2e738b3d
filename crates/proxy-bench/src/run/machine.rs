//! What the figures were taken on, and what else was running there.

use std::path::Path;

use anyhow::{Context, Result};

use super::peers::Kind;

/// One line about machine, kernel, load and the peers' versions.
pub(crate) async fn describe(kinds: &[Kind], proxy: Option<&Path>) -> String {
    let date = command_line("date", &["-u", "+%Y-%m-%d %H:%M UTC"])
        .await
        .unwrap_or_else(|| "undated".into());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpu = std::fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| cpu_model(&text))
        .unwrap_or_default();
    let kernel = read_line("/proc/sys/kernel/osrelease");
    let load = read_line("/proc/loadavg")
        .split(' ')
        .take(3)
        .collect::<Vec<_>>()
        .join(" ");
    let mut line = format!("{date}, {cores} cores ({cpu}), Linux {kernel}, load average {load}");
    for kind in kinds {
        if let Some(version) = kind.version(proxy).await {
            line.push_str(", ");
            line.push_str(&version);
        }
    }
    line
}

fn read_line(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn cpu_model(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

async fn command_line(program: &str, arguments: &[&str]) -> Option<String> {
    let output = tokio::process::Command::new(program)
        .args(arguments)
        .output()
        .await
        .ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

/// CPU time of the whole machine so far, in hundredths of a second.
pub(crate) struct Busy {
    busy: u64,
    stolen: u64,
}

/// What others used of the machine, in per cent of one core.
pub(crate) struct Others {
    /// Everything but the benchmark's own processes.
    pub(crate) busy: f64,
    /// What the host gave to other machines.
    pub(crate) stolen: f64,
}

/// Reads the machine's CPU time.
pub(crate) fn busy() -> Result<Busy> {
    parse_busy(&std::fs::read_to_string("/proc/stat")?).context("no line about all processors in /proc/stat")
}

/// The `cpu` line: user, nice, system, idle, iowait, irq, softirq, steal, ...
fn parse_busy(stat: &str) -> Option<Busy> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let fields: Vec<u64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
    let [user, nice, system, _idle, _iowait, irq, softirq, stolen, ..] = fields[..] else {
        return None;
    };
    Some(Busy {
        busy: user + nice + system + irq + softirq,
        stolen,
    })
}

impl Busy {
    /// What others used since `before`, when the benchmark itself used `own` seconds of CPU in `seconds`.
    pub(crate) fn others_since(&self, before: &Self, own: f64, seconds: f64) -> Others {
        let all = (self.busy - before.busy) as f64 / 100.0;
        let stolen = (self.stolen - before.stolen) as f64 / 100.0;
        Others {
            busy: ((all - own) / seconds * 100.0).max(0.0),
            stolen: stolen / seconds * 100.0,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_machines_cpu_time_is_read_without_idle_time() {
        let busy = parse_busy("cpu  100 1 50 9999 7 2 3 4 0 0\ncpu0 1 1 1 1\n").unwrap();
        assert_eq!((busy.busy, busy.stolen), (156, 4));
        assert!(parse_busy("intr 1 2 3\n").is_none());
        let later = parse_busy("cpu  200 1 50 9999 7 2 3 14 0 0\n").unwrap();
        let others = later.others_since(&busy, 0.75, 1.0);
        assert!((others.busy - 25.0).abs() < 1e-9 && (others.stolen - 10.0).abs() < 1e-9);
    }

    #[test]
    fn the_cpu_model_is_found() {
        assert_eq!(
            cpu_model("processor: 0\nmodel name\t: AMD EPYC\n").as_deref(),
            Some("AMD EPYC")
        );
        assert_eq!(cpu_model("processor: 0\n"), None);
    }
}
