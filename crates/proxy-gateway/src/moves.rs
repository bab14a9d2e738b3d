//! What became of migrations: counts by reason and outcome for metrics and alerts, and the newest ones for people to look
//! at. Written when a player has moved, which is rare.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use lavalink_protocol::id::SessionId;
use proxy_core::session::migration::{Migration, MoveOutcome, MoveReason};

/// The newest so many are kept.
const KEPT: usize = 500;

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

/// See the module.
#[derive(Debug, Default)]
pub struct MoveLedger(Mutex<Moves>);

#[derive(Debug, Default)]
struct Moves {
    counts: HashMap<(MoveReason, MoveOutcome), u64>,
    past: VecDeque<PastMove>,
    ended: u64,
}

impl MoveLedger {
    pub(crate) fn note(&self, session: &SessionId, migration: &Migration) {
        let mut moves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *moves.counts.entry((migration.reason, migration.outcome)).or_default() += 1;
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

    /// How many ended in each way, by reason. Those that never happened are left out.
    pub fn counts(&self) -> Vec<(MoveReason, MoveOutcome, u64)> {
        let moves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        moves
            .counts
            .iter()
            .map(|((reason, outcome), count)| (*reason, *outcome, *count))
            .collect()
    }

    /// The newest ones, newest first; of one session, when it is named.
    pub fn recent(&self, session: Option<&str>, limit: usize) -> Vec<PastMove> {
        let moves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = |past: &&PastMove| session.is_none_or(|session| past.session.as_str() == session);
        moves.past.iter().rev().filter(wanted).take(limit).cloned().collect()
    }
}
