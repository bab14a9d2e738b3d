//! The history of nodes: changes of their states, and probes, one by one and by minute.

use std::time::Duration;

use rusqlite::{Connection, params};

use crate::{Millis, Store, StoreError};

const MINUTE: Millis = 60_000;

/// A node changed its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeChange {
    /// The node's name.
    pub node: String,
    /// When.
    pub at: Millis,
    /// The state before, by name.
    pub from: String,
    /// The state after, by name.
    pub to: String,
    /// The cause.
    pub why: String,
}

/// A node was probed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The node's name.
    pub node: String,
    /// When.
    pub at: Millis,
    /// How long it took, if it went well.
    pub latency: Option<Duration>,
    /// Why it did not go well; `None`: it did.
    pub failure: Option<String>,
}

/// The probes of a stretch of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProbeStep {
    /// Its start.
    pub at: Millis,
    /// Probes that went well.
    pub ok: u64,
    /// Probes that did not.
    pub failed: u64,
    /// The sum of latencies; see [`ProbeStep::mean`].
    pub latency_sum: Duration,
    /// The shortest.
    pub latency_min: Option<Duration>,
    /// The longest.
    pub latency_max: Option<Duration>,
}

impl ProbeStep {
    /// The mean latency of probes that went well.
    pub fn mean(&self) -> Option<Duration> {
        let ok = u32::try_from(self.ok).ok().filter(|ok| *ok > 0)?;
        Some(self.latency_sum / ok)
    }
}

/// How much of a range a node was of use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Uptime {
    /// Milliseconds in which the node was healthy, degraded or draining.
    pub up: Millis,
    /// Milliseconds in which its state was known: the proxy ran and had probed it.
    pub known: Millis,
}

impl Uptime {
    /// From 0 to 1; `None` when nothing is known.
    pub fn share(&self) -> Option<f64> {
        (self.known > 0).then(|| self.up as f64 / self.known as f64)
    }
}

impl Store {
    /// The changes of a node's state in `from..to`, oldest first; the newest `limit` of them.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn node_changes(
        &self,
        node: &str,
        from: Millis,
        to: Millis,
        limit: usize,
    ) -> Result<Vec<NodeChange>, StoreError> {
        self.read(|connection| changes(connection, node, from, to, limit))
    }

    /// Single probes of a node in `from..to`, oldest first; the newest `limit` of them.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn probes(&self, node: &str, from: Millis, to: Millis, limit: usize) -> Result<Vec<Probe>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT at, latency_us, failure FROM probe WHERE node = ?1 AND at >= ?2 AND at < ?3
                 ORDER BY at DESC, id DESC LIMIT ?4",
            )?;
            let probe = |row: &rusqlite::Row<'_>| {
                Ok(Probe {
                    node: node.to_owned(),
                    at: row.get(0)?,
                    latency: row.get::<_, Option<i64>>(1)?.map(micros),
                    failure: row.get(2)?,
                })
            };
            let mut probes: Vec<_> = statement
                .query_map(params![node, from, to, limit], probe)?
                .collect::<rusqlite::Result<_>>()?;
            probes.reverse();
            Ok(probes)
        })
    }

    /// A node's probes in `from..to` in steps of whole minutes, oldest first; steps without a probe are left out.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn probe_steps(
        &self,
        node: &str,
        from: Millis,
        to: Millis,
        step: Duration,
    ) -> Result<Vec<ProbeStep>, StoreError> {
        let step = crate::settings::millis(step).max(1).saturating_add(MINUTE - 1) / MINUTE * MINUTE;
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT at / ?4 * ?4 AS step, sum(ok), sum(failed), sum(latency_sum_us), min(latency_min_us),
                        max(latency_max_us)
                 FROM probe_minute WHERE node = ?1 AND at >= ?2 AND at < ?3 GROUP BY step ORDER BY step",
            )?;
            let rows = statement.query_map(params![node, from, to, step], |row| {
                Ok(ProbeStep {
                    at: row.get(0)?,
                    ok: row.get(1)?,
                    failed: row.get(2)?,
                    latency_sum: micros(row.get(3)?),
                    latency_min: row.get::<_, Option<i64>>(4)?.map(micros),
                    latency_max: row.get::<_, Option<i64>>(5)?.map(micros),
                })
            })?;
            rows.collect()
        })
    }

    /// How much of `from..to` a node was up. Times in which the proxy did not run, or had not probed the node, do not
    /// count either way.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn uptime(&self, node: &str, from: Millis, to: Millis) -> Result<Uptime, StoreError> {
        self.read(|connection| {
            let mut uptime = Uptime::default();
            let mut statement = connection
                .prepare_cached("SELECT started, seen FROM run WHERE seen > ?1 AND started < ?2 ORDER BY id")?;
            let runs = statement.query_map([from, to], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let runs: Vec<(Millis, Millis)> = runs.collect::<rusqlite::Result<_>>()?;
            for (started, seen) in runs {
                // From the start of the run, as the state at `from` is a change before it.
                let changes = changes(connection, node, started, seen.min(to), usize::MAX)?;
                add_run(&mut uptime, &changes, from, seen.min(to));
            }
            Ok(uptime)
        })
    }
}

/// Adds the part of a run that is after `from`; the run's changes begin with the first state that was known.
fn add_run(uptime: &mut Uptime, changes: &[NodeChange], from: Millis, end: Millis) {
    for (at, change) in changes.iter().enumerate() {
        let until = changes.get(at + 1).map_or(end, |next| next.at);
        let lasted = (until - change.at.max(from)).max(0);
        match change.to.as_str() {
            "unknown" => {}
            "down" => uptime.known += lasted,
            _ => {
                uptime.known += lasted;
                uptime.up += lasted;
            }
        }
    }
}

fn changes(
    connection: &Connection,
    node: &str,
    from: Millis,
    to: Millis,
    limit: usize,
) -> rusqlite::Result<Vec<NodeChange>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(
        "SELECT at, before, after, why FROM node_change WHERE node = ?1 AND at >= ?2 AND at < ?3
         ORDER BY at DESC, id DESC LIMIT ?4",
    )?;
    let change = |row: &rusqlite::Row<'_>| {
        Ok(NodeChange {
            node: node.to_owned(),
            at: row.get(0)?,
            from: row.get(1)?,
            to: row.get(2)?,
            why: row.get(3)?,
        })
    };
    let mut changes: Vec<_> = statement
        .query_map(params![node, from, to, limit], change)?
        .collect::<rusqlite::Result<_>>()?;
    changes.reverse();
    Ok(changes)
}

pub(crate) fn add_change(connection: &Connection, change: &NodeChange) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO node_change (node, at, before, after, why) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![change.node, change.at, change.from, change.to, change.why])?;
    Ok(())
}

pub(crate) fn add_probe(connection: &Connection, probe: &Probe) -> rusqlite::Result<()> {
    let latency = probe
        .latency
        .map(|latency| i64::try_from(latency.as_micros()).unwrap_or(i64::MAX));
    connection
        .prepare_cached("INSERT INTO probe (node, at, latency_us, failure) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![probe.node, probe.at, latency, probe.failure])?;
    let ok = probe.failure.is_none();
    // The latency of a probe that failed says nothing of the node's.
    let latency = latency.filter(|_| ok);
    connection
        .prepare_cached(
            "INSERT INTO probe_minute (at, node, ok, failed, latency_sum_us, latency_min_us, latency_max_us)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)
             ON CONFLICT DO UPDATE SET ok = ok + excluded.ok, failed = failed + excluded.failed,
                 latency_sum_us = latency_sum_us + excluded.latency_sum_us,
                 latency_min_us = min(coalesce(latency_min_us, excluded.latency_min_us),
                                      coalesce(excluded.latency_min_us, latency_min_us)),
                 latency_max_us = max(coalesce(latency_max_us, excluded.latency_max_us),
                                      coalesce(excluded.latency_max_us, latency_max_us))",
        )?
        .execute(params![
            probe.at.div_euclid(MINUTE) * MINUTE,
            probe.node,
            i64::from(ok),
            i64::from(!ok),
            latency.unwrap_or_default(),
            latency
        ])?;
    Ok(())
}

fn micros(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or_default())
}
