//! What became of migrations: counts by node, reason and outcome for metrics and alerts, how long they took, and the
//! newest ones for people to look at. Written when a player has moved, which is rare.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::pin::pin;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use lavalink_protocol::id::{GuildId, SessionId};
use proxy_core::pool::NodeId;
use proxy_core::session::migration::{Migration, MoveOutcome, MoveReason};
use tokio::sync::Notify;

use crate::shared::lock;

/// The newest so many are kept.
pub const KEPT: usize = 500;

/// A migration that is over.
#[derive(Clone, Debug)]
pub struct PastMove {
    /// Numbers them, in the order in which they ended.
    pub number: u64,
    /// When it ended.
    pub at: SystemTime,
    /// Whose player.
    pub session: SessionId,
    /// All else.
    pub migration: Migration,
}

/// How long the moves of one reason took that brought a player to another node.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Durations {
    /// How many took at most as long as each of [`Durations::BOUNDS`], and longer than the one before.
    pub within: [u64; Durations::BOUNDS.len()],
    /// How many there were.
    pub count: u64,
    /// Seconds, all together.
    pub sum: f64,
}

impl Durations {
    /// In seconds. Music is silent meanwhile where the old node is lost, so the short ones matter.
    pub const BOUNDS: [f64; 10] = [0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

    fn add(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        self.count += 1;
        self.sum += seconds;
        if let Some(bound) = Self::BOUNDS.iter().position(|bound| seconds <= *bound) {
            self.within[bound] += 1;
        }
    }
}

/// Players that a node did not get rid of, or lost. Counts only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MoveFailures {
    /// They stayed where they were.
    pub stayed: u64,
    /// They are gone: no node took them.
    pub failed: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct MoveLedger {
    moves: Mutex<Moves>,
    /// Told with each move that is over.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Moves {
    counts: HashMap<(NodeId, MoveReason, MoveOutcome), u64>,
    durations: HashMap<MoveReason, Durations>,
    past: VecDeque<PastMove>,
    ended: u64,
}

impl MoveLedger {
    pub(crate) fn note(&self, session: &SessionId, migration: &Migration) {
        {
            let mut moves = lock(&self.moves);
            let key = (migration.from, migration.reason, migration.outcome);
            *moves.counts.entry(key).or_default() += 1;
            if migration.outcome == MoveOutcome::Moved {
                moves.durations.entry(migration.reason).or_default().add(migration.took);
            }
            moves.ended += 1;
            if moves.past.len() == KEPT {
                moves.past.pop_front();
            }
            let number = moves.ended;
            moves.past.push_back(PastMove {
                number,
                at: SystemTime::now(),
                session: session.clone(),
                migration: *migration,
            });
        }
        self.changed.notify_waiters();
    }

    /// How many ended in each way, by reason. Those that never happened are left out.
    pub fn counts(&self) -> Vec<(MoveReason, MoveOutcome, u64)> {
        let moves = lock(&self.moves);
        let mut sums = HashMap::<(MoveReason, MoveOutcome), u64>::new();
        for ((_, reason, outcome), count) in &moves.counts {
            *sums.entry((*reason, *outcome)).or_default() += count;
        }
        let sums = sums.into_iter();
        sums.map(|((reason, outcome), count)| (reason, outcome, count))
            .collect()
    }

    /// What went wrong, by the node that players were to leave.
    pub fn failures(&self) -> BTreeMap<NodeId, MoveFailures> {
        let mut failures = BTreeMap::<_, MoveFailures>::new();
        for ((node, reason, outcome), count) in &lock(&self.moves).counts {
            match outcome {
                // What has never played may as well stay.
                MoveOutcome::Stayed if *reason == MoveReason::Region => {}
                MoveOutcome::Stayed => failures.entry(*node).or_default().stayed += count,
                MoveOutcome::Failed => failures.entry(*node).or_default().failed += count,
                MoveOutcome::Moved | MoveOutcome::Dropped => {}
            }
        }
        failures
    }

    /// How long those took that brought a player to another node, by reason.
    pub fn durations(&self, reason: MoveReason) -> Durations {
        lock(&self.moves).durations.get(&reason).copied().unwrap_or_default()
    }

    /// The newest ones, newest first; of one session, when it is named.
    pub fn recent(&self, session: Option<&str>, limit: usize) -> Vec<PastMove> {
        let moves = lock(&self.moves);
        let wanted = |past: &&PastMove| session.is_none_or(|session| past.session.as_str() == session);
        moves.past.iter().rev().filter(wanted).take(limit).cloned().collect()
    }

    /// The number of the last one.
    pub fn last(&self) -> u64 {
        lock(&self.moves).ended
    }

    /// Waits for the first move of a guild's player that ends after the one with this number; `None` when none does
    /// within the limit.
    pub async fn wait(&self, session: &SessionId, guild: GuildId, after: u64, limit: Duration) -> Option<PastMove> {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(past) = self.first_after(session, guild, after) {
                return Some(past);
            }
            tokio::time::timeout_at(deadline, changed).await.ok()?;
        }
    }

    fn first_after(&self, session: &SessionId, guild: GuildId, after: u64) -> Option<PastMove> {
        let moves = lock(&self.moves);
        let newer = moves.past.iter().rev().take_while(|past| past.number > after);
        let its = newer.filter(|past| past.session == *session && past.migration.guild == guild);
        its.last().cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(guild: u64, outcome: MoveOutcome, millis: u64) -> Migration {
        Migration {
            guild: GuildId(guild),
            from: NodeId(1),
            to: Some(NodeId(2)),
            reason: MoveReason::Drain,
            outcome,
            why: None,
            took: Duration::from_millis(millis),
            tries: 1,
        }
    }

    #[test]
    fn moves_are_counted_by_what_became_of_them_and_the_newest_are_kept() {
        let ledger = MoveLedger::default();
        let session = SessionId::from("s");
        ledger.note(&session, &moved(1, MoveOutcome::Moved, 40));
        ledger.note(&session, &moved(2, MoveOutcome::Moved, 60_000));
        ledger.note(&session, &moved(3, MoveOutcome::Stayed, 10));
        ledger.note(&SessionId::from("t"), &moved(4, MoveOutcome::Failed, 10));
        let durations = ledger.durations(MoveReason::Drain);
        assert_eq!((durations.count, durations.within[1]), (2, 1), "a stay is no duration");
        assert_eq!(durations.within.iter().sum::<u64>(), 1, "a minute is beyond all bounds");
        let failures = ledger.failures();
        assert_eq!(failures[&NodeId(1)], MoveFailures { stayed: 1, failed: 1 });
        let guilds = |session| -> Vec<u64> {
            let recent = ledger.recent(session, 10);
            recent.iter().map(|past| past.migration.guild.0).collect()
        };
        assert_eq!((guilds(None), guilds(Some("s"))), (vec![4, 3, 2, 1], vec![3, 2, 1]));
        for guild in 0..KEPT as u64 {
            ledger.note(&session, &moved(guild, MoveOutcome::Dropped, 0));
        }
        assert_eq!(ledger.recent(None, usize::MAX).len(), KEPT);
    }

    #[tokio::test]
    async fn the_end_of_a_guilds_move_is_waited_for_and_no_other() {
        let ledger = MoveLedger::default();
        let (session, guild) = (SessionId::from("s"), GuildId(7));
        ledger.note(&session, &moved(7, MoveOutcome::Stayed, 0));
        let after = ledger.last();
        let waited = ledger.wait(&session, guild, after, Duration::from_secs(60));
        let others = async {
            ledger.note(&session, &moved(8, MoveOutcome::Moved, 0));
            tokio::task::yield_now().await;
            ledger.note(&session, &moved(7, MoveOutcome::Moved, 0));
        };
        let (found, ()) = tokio::join!(waited, others);
        assert_eq!(found.map(|past| past.number), Some(after + 2));
        let none = ledger.wait(&session, guild, ledger.last(), Duration::ZERO).await;
        assert!(none.is_none());
    }
}
