//! Numbered messages: a stream in which a loss, a repetition or a change of order shows.
//!
//! Each is an ordinary `playerUpdate` or `event` with one more key, `simSeq`, counting from 1 per session and guild. The
//! checking end is `client::sequence`.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{sync::watch, task::JoinHandle};

use super::{Node, messages::unix_ms, session::Session};

/// What to send.
#[derive(Clone, Debug)]
pub struct NumberedPlan {
    /// Time between two messages of one guild.
    pub every: Duration,
    /// How long to send; stops earlier on [`Numbered::finish`].
    pub duration: Duration,
    /// Guilds to number; `None` = those with a player, per session.
    pub guilds: Option<Vec<i64>>,
}

/// What was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NumberedReport {
    /// Messages in all.
    pub messages: u64,
    /// The last number by guild, summed over sessions: how many messages the guild was sent since its sessions began.
    pub last: BTreeMap<i64, u64>,
}

/// A running emission.
#[derive(Debug)]
pub struct Numbered {
    task: JoinHandle<NumberedReport>,
    stop: watch::Sender<bool>,
}

impl Numbered {
    /// Waits for the planned end and reports.
    pub async fn wait(self) -> NumberedReport {
        self.task.await.unwrap_or_default()
    }

    /// Stops now and reports.
    pub async fn finish(self) -> NumberedReport {
        self.stop.send_replace(true);
        self.task.await.unwrap_or_default()
    }
}

pub(crate) fn start(node: Arc<Node>, plan: NumberedPlan) -> Numbered {
    let (stop, mut stopped) = watch::channel(false);
    let task = tokio::spawn(async move {
        let mut report = NumberedReport::default();
        let end = Instant::now() + plan.duration;
        let mut rounds = tokio::time::interval(plan.every);
        while Instant::now() < end && !*stopped.borrow() {
            tokio::select! {
                _ = rounds.tick() => report.messages += round(&node, &plan),
                _ = stopped.changed() => {}
            }
        }
        for session in node.state().every_session() {
            for (guild, number) in &session.numbers {
                *report.last.entry(*guild).or_default() += number;
            }
        }
        report
    });
    Numbered { task, stop }
}

/// One message for every guild of every session.
fn round(node: &Node, plan: &NumberedPlan) -> u64 {
    let mut sent = 0;
    for session in node.state().every_session() {
        let guilds = plan
            .guilds
            .clone()
            .unwrap_or_else(|| session.players.keys().copied().collect());
        for guild in guilds {
            send_next(session, guild);
            sent += 1;
        }
    }
    sent
}

/// The guild's next number: a `playerUpdate` and an event in turn, but only events while the session is parked, since
/// updates are not queued then.
fn send_next(session: &mut Session, guild: i64) {
    let number = session.numbers.entry(guild).or_default();
    *number += 1;
    let number = *number;
    let message = if number.is_multiple_of(2) && !session.is_parked() {
        let state = json!({"time": unix_ms(), "position": number, "connected": true, "ping": 1});
        format!(r#"{{"op":"playerUpdate","state":{state},"guildId":"{guild}","simSeq":{number}}}"#)
    } else {
        format!(r#"{{"op":"event","type":"SimNumberedEvent","guildId":"{guild}","simSeq":{number}}}"#)
    };
    session.send(message);
}
