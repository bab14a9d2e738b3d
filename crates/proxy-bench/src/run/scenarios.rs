//! The scenarios: what load runs on a peer, and which figures come of it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use super::machine;
use super::peers::{Kind, Peer, Site};
use super::process::{Process, Role};
use super::rows::Values;
use crate::control::{Delivery, LoadCommand, LoadEvent, Measured, NodeCommand, NodeEvent};

/// No event of a role takes longer.
const PATIENCE: Duration = Duration::from_secs(75);
/// Load before each measured window, in milliseconds.
const WARM_MS: u64 = 200;
/// Between two scenarios, for what the last one left behind.
const SETTLE: Duration = Duration::from_millis(150);
/// All sessions of a scenario must have left the node within this time of its end.
const TIDY: Duration = Duration::from_secs(15);
/// Before memory is read, and while idle sessions are watched.
const IDLE: Duration = Duration::from_millis(700);
/// How long a peer may take to give memory back.
const LEAVING: Duration = Duration::from_millis(1000);

/// One scenario.
pub(crate) struct Scenario {
    /// Its name on the command line and in the JSON.
    pub(crate) name: &'static str,
    /// Its name in the table.
    pub(crate) title: &'static str,
    /// What is run.
    pub(crate) load: Load,
    /// What one unit of CPU time is.
    pub(crate) unit: Unit,
}

/// What is run.
pub(crate) enum Load {
    /// Requests: arguments of the load.
    Rest(&'static [&'static str]),
    /// Connections: arguments of the load.
    Storm(&'static [&'static str]),
    /// Messages to sessions.
    Push {
        /// How many sessions.
        sessions: Crowd,
        /// Messages per second.
        rate: u32,
        /// Messages in one write.
        burst: u32,
    },
    /// Sessions without messages, on a peer freshly started.
    Idle,
}

/// A number of sessions.
#[derive(Clone, Copy)]
pub(crate) enum Crowd {
    /// So many.
    Fixed(usize),
    /// As many as the run was asked for, 10,000 by default.
    Large,
}

/// What CPU time is given for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Seconds for 100,000 requests.
    Requests,
    /// Seconds for 1 GB of bodies.
    Gigabytes,
    /// Seconds for 1,000,000 messages.
    Messages,
    /// Seconds for 10,000 connections.
    Connections,
}

/// All scenarios, in the order in which they run. `ws-20k-10k` follows `ws-20k`, with which it is compared.
pub(crate) const SCENARIOS: [Scenario; 11] = [
    Scenario {
        name: "rest-small",
        title: "REST 2-30 KB GET, closed loop",
        load: Load::Rest(&["--what", "small", "--connections", "16"]),
        unit: Unit::Requests,
    },
    Scenario {
        name: "rest-3k",
        title: "REST 2-30 KB GET at 3000/s",
        load: Load::Rest(&["--what", "small", "--connections", "16", "--rate", "3000"]),
        unit: Unit::Requests,
    },
    Scenario {
        name: "rest-patch",
        title: "REST player PATCH, closed loop",
        load: Load::Rest(&["--what", "patch", "--connections", "16"]),
        unit: Unit::Requests,
    },
    Scenario {
        name: "rest-large",
        title: "REST 1.5 MB chunked GET",
        load: Load::Rest(&["--what", "large", "--connections", "4"]),
        unit: Unit::Gigabytes,
    },
    Scenario {
        name: "ws-2k",
        title: "WS push 2k/s, 100 sessions, lone messages",
        load: Load::Push {
            sessions: Crowd::Fixed(100),
            rate: 2_000,
            burst: 1,
        },
        unit: Unit::Messages,
    },
    Scenario {
        name: "ws-20k",
        title: "WS push 20k/s, 100 sessions, single messages",
        load: Load::Push {
            sessions: Crowd::Fixed(100),
            rate: 20_000,
            burst: 1,
        },
        unit: Unit::Messages,
    },
    Scenario {
        name: "ws-20k-10k",
        title: "WS push 20k/s, many sessions, single messages",
        load: Load::Push {
            sessions: Crowd::Large,
            rate: 20_000,
            burst: 1,
        },
        unit: Unit::Messages,
    },
    Scenario {
        name: "ws-burst",
        title: "WS push 100k/s in bursts of 32",
        load: Load::Push {
            sessions: Crowd::Fixed(100),
            rate: 100_000,
            burst: 32,
        },
        unit: Unit::Messages,
    },
    Scenario {
        name: "ws-idle",
        title: "WS idle, many sessions",
        load: Load::Idle,
        unit: Unit::Connections,
    },
    Scenario {
        name: "storm-401",
        title: "Storm, wrong password",
        load: Load::Storm(&["--what", "refused", "--connections", "32"]),
        unit: Unit::Connections,
    },
    Scenario {
        name: "storm-ws",
        title: "Storm, accepted WS open+close",
        load: Load::Storm(&["--what", "accepted", "--connections", "64"]),
        unit: Unit::Connections,
    },
];

impl Scenario {
    /// Those with many sessions take long to set up and repeat well: every second round is enough.
    pub(crate) fn runs_in(&self, round: usize) -> bool {
        round.is_multiple_of(2)
            || !matches!(
                self.load,
                Load::Idle
                    | Load::Push {
                        sessions: Crowd::Large,
                        ..
                    }
            )
    }
}

/// The node and how to measure against it.
pub(crate) struct Bench {
    node: Role,
    port: u16,
    window_ms: u64,
    sessions: usize,
}

/// CPU time of everybody at one moment, in nanoseconds.
struct Moment {
    peer: u64,
    load: u64,
    node: u64,
    machine: machine::Busy,
    at: Instant,
}

impl Bench {
    /// Starts the node.
    pub(crate) async fn start(window_ms: u64, sessions: usize) -> Result<Self> {
        let mut node = Role::start(&["node".into()])?;
        match node.hear(PATIENCE).await? {
            NodeEvent::Listening { port } => Ok(Self {
                node,
                port,
                window_ms,
                sessions,
            }),
            event => bail!("the node said {event:?} instead of its port"),
        }
    }

    /// Where the node listens.
    pub(crate) fn node_address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Runs one scenario on one peer; `None` when it makes no sense there.
    pub(crate) async fn measure(
        &mut self,
        scenario: &Scenario,
        peer: &Peer,
        site: &Site<'_>,
    ) -> Result<Option<Values>> {
        let values = match scenario.load {
            Load::Rest(arguments) => self.requests("rest", arguments, scenario.unit, peer).await?,
            Load::Storm(arguments) => self.requests("storm", arguments, scenario.unit, peer).await?,
            Load::Push {
                sessions: Crowd::Fixed(count),
                rate,
                burst,
            } => self.push(count, rate, burst, peer).await?,
            Load::Push {
                sessions: Crowd::Large,
                rate,
                burst,
            } => self.push(self.sessions, rate, burst, peer).await?,
            Load::Idle if peer.kind == Kind::Direct => return Ok(None),
            Load::Idle => self.idle(&Peer::start(peer.kind, site).await?).await?,
        };
        self.settle().await?;
        Ok(Some(values))
    }

    /// Waits until the scenario's sessions have left the node: ending them must not be charged to the next one.
    async fn settle(&mut self) -> Result<()> {
        let until = Instant::now() + TIDY;
        loop {
            tokio::time::sleep(SETTLE).await;
            self.node.tell(&NodeCommand::Count).await?;
            let NodeEvent::Counted { sessions } = self.node.hear(PATIENCE).await? else {
                bail!("the node miscounts")
            };
            if sessions == 0 {
                return Ok(());
            }
            ensure!(
                Instant::now() < until,
                "{sessions} sessions are left on the node {TIDY:?} after their clients"
            );
        }
    }

    async fn requests(&mut self, load: &str, arguments: &[&str], unit: Unit, peer: &Peer) -> Result<Values> {
        let mut all = vec![
            "load".to_owned(),
            "--to".to_owned(),
            peer.address.to_string(),
            load.to_owned(),
        ];
        all.extend(arguments.iter().map(|it| (*it).to_owned()));
        all.extend([
            "--warm-ms".to_owned(),
            WARM_MS.to_string(),
            "--ms".to_owned(),
            self.window_ms.to_string(),
        ]);
        let mut load = Role::start(&all)?;
        expect_event(&mut load, |event| matches!(event, LoadEvent::Started).then_some(())).await?;
        let before = self.moment(peer, &load.process)?;
        let measured = expect_event(&mut load, |event| match event {
            LoadEvent::Done(measured) => Some(measured),
            _ => None,
        })
        .await?;
        let after = self.moment(peer, &load.process)?;
        ensure!(
            measured.errors == 0,
            "{} of {} answers were not as expected",
            measured.errors,
            measured.units
        );
        Ok(figures(&before, &after, &measured, unit, peer.process.is_some()))
    }

    async fn push(&mut self, count: usize, rate: u32, burst: u32, peer: &Peer) -> Result<Values> {
        let mut load = open_sessions(peer, count).await?;
        self.node
            .tell(&NodeCommand::Push {
                rate,
                burst,
                count: None,
            })
            .await?;
        match self.node.hear(PATIENCE).await? {
            NodeEvent::Pushing { players } => ensure!(players == count, "the node has {players} players, not {count}"),
            event => bail!("the node said {event:?} instead of beginning to push"),
        }
        tokio::time::sleep(Duration::from_millis(WARM_MS)).await;
        load.tell(&LoadCommand::Mark).await?;
        expect_event(&mut load, |event| matches!(event, LoadEvent::Marked).then_some(())).await?;
        let before = self.moment(peer, &load.process)?;
        tokio::time::sleep(Duration::from_millis(self.window_ms)).await;
        // Read before the report, whose sorting is no part of the load.
        let after = self.moment(peer, &load.process)?;
        load.tell(&LoadCommand::Report).await?;
        let measured = expect_event(&mut load, |event| match event {
            LoadEvent::Reported(measured) => Some(measured),
            _ => None,
        })
        .await?;
        self.node.tell(&NodeCommand::Stop).await?;
        let NodeEvent::Stopped { pushed } = self.node.hear(PATIENCE).await? else {
            bail!("the node pushes on")
        };
        let delivery = drain(&mut load, pushed).await?;
        close_sessions(&mut load).await?;
        let mut values = figures(&before, &after, &measured, Unit::Messages, peer.process.is_some());
        values.insert("lost", (delivery.lost + delivery.reordered + delivery.closed) as f64);
        Ok(values)
    }

    async fn idle(&mut self, peer: &Peer) -> Result<Values> {
        let Some(process) = &peer.process else {
            bail!("no process, so no memory")
        };
        tokio::time::sleep(SETTLE).await;
        let (rss_before, cpu_before) = (process.rss()?, process.cpu_ns()?);
        let mut load = open_sessions(peer, self.sessions).await?;
        let cpu_opened = process.cpu_ns()?;
        tokio::time::sleep(IDLE).await;
        let cpu_settled = process.cpu_ns()?;
        tokio::time::sleep(IDLE).await;
        let (rss_open, cpu_idle) = (process.rss()?, process.cpu_ns()? - cpu_settled);
        close_sessions(&mut load).await?;
        tokio::time::sleep(LEAVING).await;
        let rss_after = process.rss()?;
        let sessions = self.sessions as f64;
        let kib_per_session = |rss: u64| (rss as f64 - rss_before as f64) / 1024.0 / sessions;
        Ok(BTreeMap::from([
            ("rss_session", kib_per_session(rss_open)),
            ("rss_kept", kib_per_session(rss_after)),
            ("rss_before", rss_before as f64 / 1024.0 / 1024.0),
            ("open_cpu", (cpu_opened - cpu_before) as f64 / 1e9 / sessions * 10_000.0),
            ("idle_cpu", cpu_idle as f64 / 1e6 / IDLE.as_secs_f64()),
        ]))
    }

    fn moment(&self, peer: &Peer, load: &Process) -> Result<Moment> {
        Ok(Moment {
            peer: peer.process.as_ref().map_or(Ok(0), Process::cpu_ns)?,
            load: load.cpu_ns()?,
            node: self.node.process.cpu_ns()?,
            machine: machine::busy()?,
            at: Instant::now(),
        })
    }
}

async fn open_sessions(peer: &Peer, count: usize) -> Result<Role> {
    let arguments = [
        "load",
        "--to",
        &peer.address.to_string(),
        "sessions",
        "--count",
        &count.to_string(),
    ];
    let mut load = Role::start(&arguments.map(str::to_owned))?;
    expect_event(&mut load, |event| {
        matches!(event, LoadEvent::Opened { .. }).then_some(())
    })
    .await?;
    Ok(load)
}

async fn drain(load: &mut Role, pushed: u64) -> Result<Delivery> {
    load.tell(&LoadCommand::Drain { pushed }).await?;
    expect_event(load, |event| match event {
        LoadEvent::Drained(delivery) => Some(delivery),
        _ => None,
    })
    .await
}

async fn close_sessions(load: &mut Role) -> Result<()> {
    load.tell(&LoadCommand::Close).await?;
    expect_event(load, |event| matches!(event, LoadEvent::Closed).then_some(())).await
}

/// Waits for the next event of a load, which must be the one that `wanted` picks.
async fn expect_event<T>(load: &mut Role, wanted: impl FnOnce(LoadEvent) -> Option<T>) -> Result<T> {
    let event: LoadEvent = load.hear(PATIENCE).await?;
    let said = format!("{event:?}");
    match wanted(event) {
        Some(value) => Ok(value),
        None => bail!("the load said {said} out of turn"),
    }
}

/// The figures of one window. Without a process between load and node there is no CPU time of it.
fn figures(before: &Moment, after: &Moment, measured: &Measured, unit: Unit, has_process: bool) -> Values {
    let seconds = (after.at - before.at).as_secs_f64();
    let spent = |end: u64, start: u64| end.saturating_sub(start) as f64 / 1e9;
    let peer = spent(after.peer, before.peer);
    let load = spent(after.load, before.load);
    let node = spent(after.node, before.node);
    let window = measured.window_ns as f64 / 1e9;
    let (units, per, rate) = match unit {
        Unit::Requests => (measured.units as f64, 100_000.0, measured.units as f64 / window),
        Unit::Gigabytes => (
            measured.body_bytes as f64 / 1e9,
            1.0,
            measured.body_bytes as f64 / 1e6 / window,
        ),
        Unit::Messages => (measured.units as f64, 1_000_000.0, measured.units as f64 / window),
        Unit::Connections => (measured.units as f64, 10_000.0, measured.units as f64 / window),
    };
    let others = after.machine.others_since(&before.machine, peer + load + node, seconds);
    let mut values = BTreeMap::from([
        ("chain_unit", (peer + load + node) / units * per),
        ("rate", rate),
        ("p50", measured.p50_ns as f64 / 1e3),
        ("p99", measured.p99_ns as f64 / 1e3),
        ("p999", measured.p999_ns as f64 / 1e3),
        ("busy_load", load / seconds * 100.0),
        ("busy_peer", peer / seconds * 100.0),
        ("busy_node", node / seconds * 100.0),
        ("busy_others", others.busy),
        ("stolen", others.stolen),
    ]);
    if has_process {
        values.insert("cpu_unit", peer / units * per);
        values.insert("cpu_ratio", peer / (load + node));
    }
    values
}
