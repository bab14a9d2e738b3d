//! What is sent through the proxy while its instructions are counted: an exact number of units, one after another.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::control::{Delivery, LoadCommand, LoadEvent, NodeCommand, NodeEvent};
use crate::run::process::Role;

/// The longest that any step may take; callgrind makes the proxy some fifty times slower.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// Sessions that get messages in turn: two messages in quick succession never meet in one socket, where the proxy would
/// read them at once and the cost of each would depend on the moment.
const SESSIONS: usize = 16;

/// One kind of unit.
#[derive(Debug)]
pub(super) struct Scenario {
    /// As named on the command line.
    pub(super) name: &'static str,
    /// What is counted.
    pub(super) unit: &'static str,
    load: Load,
}

#[derive(Debug)]
enum Load {
    /// Requests over one connection, the next after the answer.
    Requests { what: &'static str },
    /// Messages from the node.
    Messages { rate: u32, burst: u32 },
}

pub(super) const SCENARIOS: [Scenario; 4] = [
    Scenario {
        name: "get",
        unit: "GET",
        load: Load::Requests { what: "small" },
    },
    Scenario {
        name: "patch",
        unit: "player PATCH",
        load: Load::Requests { what: "patch" },
    },
    Scenario {
        name: "message",
        unit: "message",
        load: Load::Messages { rate: 500, burst: 1 },
    },
    Scenario {
        name: "burst",
        unit: "message of a burst of 20",
        load: Load::Messages { rate: 2000, burst: 20 },
    },
];

impl Scenario {
    /// Sends `units` through the proxy; each must be answered or arrive.
    pub(super) async fn drive(&self, to: SocketAddr, node: &mut Role, units: u64) -> Result<()> {
        match self.load {
            Load::Requests { what } => requests(to, what, units).await,
            Load::Messages { rate, burst } => messages(to, node, rate, burst, units).await,
        }
    }
}

async fn requests(to: SocketAddr, what: &str, units: u64) -> Result<()> {
    let mut load = Role::start(
        &[
            "load",
            "--to",
            &to.to_string(),
            "rest",
            "--what",
            what,
            "--connections",
            "1",
        ]
        .map(str::to_owned)
        .into_iter()
        .chain(["--requests".to_owned(), units.to_string()])
        .collect::<Vec<_>>(),
    )?;
    let LoadEvent::Started = load.hear(PATIENCE).await? else {
        bail!("the load does not start")
    };
    let LoadEvent::Done(measured) = load.hear(PATIENCE).await? else {
        bail!("the load does not end")
    };
    ensure!(
        measured.units == units && measured.errors == 0,
        "{} answers to {units} requests, {} of them wrong",
        measured.units,
        measured.errors
    );
    Ok(())
}

async fn messages(to: SocketAddr, node: &mut Role, rate: u32, burst: u32, units: u64) -> Result<()> {
    let count = units.next_multiple_of(u64::from(burst));
    ensure!(count == units, "--units must be a multiple of {burst}");
    let mut load = Role::start(
        &[
            "load",
            "--to",
            &to.to_string(),
            "sessions",
            "--count",
            &SESSIONS.to_string(),
        ]
        .map(str::to_owned),
    )?;
    let LoadEvent::Opened { .. } = load.hear(PATIENCE).await? else {
        bail!("the sessions do not open")
    };
    node.tell(&NodeCommand::Push {
        rate,
        burst,
        count: Some(units),
    })
    .await?;
    let NodeEvent::Pushing { players: SESSIONS } = node.hear(PATIENCE).await? else {
        bail!("the node does not begin to push")
    };
    let NodeEvent::Stopped { pushed } = node.hear(PATIENCE).await? else {
        bail!("the node does not end pushing")
    };
    load.tell(&LoadCommand::Drain { pushed }).await?;
    let drained: LoadEvent = load.hear(PATIENCE).await?;
    ensure!(
        pushed == units && matches!(drained, LoadEvent::Drained(delivery) if delivery == Delivery::default()),
        "{pushed} of {units} messages were pushed: {drained:?}"
    );
    load.tell(&LoadCommand::Close).await?;
    let LoadEvent::Closed = load.hear(PATIENCE).await? else {
        bail!("the sessions do not close")
    };
    Ok(())
}
