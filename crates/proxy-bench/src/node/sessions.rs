//! The fake node's sessions and players, and the paced pushing of messages to them.

use std::collections::HashMap;
use std::time::Duration;

use crate::message::Template;
use crate::sys::monotonic_ns;

/// The shortest time between two ticks: at high rates a few messages, to different players, leave together, which is
/// cheaper for the node than a tick for each.
const SHORTEST_PERIOD: Duration = Duration::from_micros(200);

/// Ticks that came too late to catch up with: a stalled node must not answer with a flood.
const MOST_BEHIND: Duration = Duration::from_millis(100);

/// The session id on the wire: 16 characters, as Lavalink's are.
pub(crate) fn name(session: u64) -> String {
    format!("bench{session:011}")
}

/// The session that has this id.
pub(crate) fn number(name: &str) -> Option<u64> {
    name.strip_prefix("bench")
        .filter(|digits| digits.len() == 11)?
        .parse()
        .ok()
}

/// All sessions of the node.
#[derive(Default)]
pub(crate) struct Sessions {
    by_number: HashMap<u64, Session>,
    opened: u64,
}

struct Session {
    /// The connection that its messages go to.
    connection: usize,
    players: Vec<Player>,
}

struct Player {
    guild: String,
    template: Template,
    /// Sequence number of the next message.
    next: u64,
}

impl Sessions {
    /// Opens a session on this connection.
    pub(crate) fn open(&mut self, connection: usize) -> u64 {
        self.opened += 1;
        self.by_number.insert(
            self.opened,
            Session {
                connection,
                players: Vec::new(),
            },
        );
        self.opened
    }

    /// Ends a session; nothing can be resumed here.
    pub(crate) fn remove(&mut self, session: u64) {
        self.by_number.remove(&session);
    }

    /// How many sessions are open.
    pub(crate) fn len(&self) -> usize {
        self.by_number.len()
    }

    /// The session is open.
    pub(crate) fn contains(&self, session: u64) -> bool {
        self.by_number.contains_key(&session)
    }

    /// Makes sure of a player; false when there is no such session.
    pub(crate) fn add_player(&mut self, session: u64, guild: &str) -> bool {
        let Some(session) = self.by_number.get_mut(&session) else {
            return false;
        };
        if !session.players.iter().any(|player| player.guild == guild) {
            let template = Template::new(guild);
            session.players.push(Player {
                guild: guild.into(),
                template,
                next: 0,
            });
        }
        true
    }

    /// The session has this player.
    pub(crate) fn has_player(&self, session: u64, guild: &str) -> bool {
        self.by_number
            .get(&session)
            .is_some_and(|it| it.players.iter().any(|player| player.guild == guild))
    }

    /// Destroys a player, if it is there.
    pub(crate) fn remove_player(&mut self, session: u64, guild: &str) {
        if let Some(session) = self.by_number.get_mut(&session) {
            session.players.retain(|player| player.guild != guild);
        }
    }

    /// Guilds of the session's players.
    pub(crate) fn guilds(&self, session: u64) -> impl Iterator<Item = &str> {
        self.by_number
            .get(&session)
            .into_iter()
            .flat_map(|it| &it.players)
            .map(|player| player.guild.as_str())
    }

    /// All players there are: session and place in it.
    pub(crate) fn players(&self) -> Vec<(u64, usize)> {
        let places =
            |(session, it): (&u64, &Session)| (0..it.players.len()).map(|at| (*session, at)).collect::<Vec<_>>();
        self.by_number.iter().flat_map(places).collect()
    }

    /// Appends the player's next `count` messages to `out`; returns the connection they belong to.
    fn next_messages(&mut self, session: u64, place: usize, count: u32, out: &mut Vec<u8>) -> Option<usize> {
        let session = self.by_number.get_mut(&session)?;
        let player = session.players.get_mut(place)?;
        for _ in 0..count {
            out.extend_from_slice(player.template.stamp(player.next, monotonic_ns()));
            player.next += 1;
        }
        Some(session.connection)
    }
}

/// Pushing at a rate, to the players in turn.
pub(crate) struct Push {
    players: Vec<(u64, usize)>,
    turn: usize,
    /// Messages to one player in one write.
    burst: u32,
    /// Time between two writes.
    gap_ns: u64,
    /// When the next write is due.
    due_ns: u64,
    pushed: u64,
    /// Messages after which it ends.
    last: u64,
    bytes: Vec<u8>,
}

impl Push {
    /// Pushing `rate` messages per second over all these players.
    pub(crate) fn new(players: Vec<(u64, usize)>, rate: u32, burst: u32) -> Self {
        let gap_ns = u64::from(burst) * 1_000_000_000 / u64::from(rate.max(1));
        Self {
            players,
            turn: 0,
            burst,
            gap_ns: gap_ns.max(1),
            due_ns: monotonic_ns(),
            pushed: 0,
            last: u64::MAX,
            bytes: Vec::new(),
        }
    }

    /// Ends after `count` messages, if one is given; it should be a multiple of the burst.
    pub(crate) fn up_to(self, count: Option<u64>) -> Self {
        Self {
            last: count.unwrap_or(u64::MAX),
            ..self
        }
    }

    /// All that was asked for has been pushed.
    pub(crate) const fn is_done(&self) -> bool {
        self.pushed >= self.last
    }

    /// How often [`send_due`](Self::send_due) wants to be called.
    pub(crate) fn period(&self) -> Duration {
        Duration::from_nanos(self.gap_ns).max(SHORTEST_PERIOD)
    }

    /// How many players get messages.
    pub(crate) fn players(&self) -> usize {
        self.players.len()
    }

    /// Messages sent so far.
    pub(crate) fn pushed(&self) -> u64 {
        self.pushed
    }

    /// Sends what is due by now through `send`, which is given a connection and says whether it took the bytes.
    pub(crate) fn send_due(&mut self, sessions: &mut Sessions, mut send: impl FnMut(usize, &[u8]) -> bool) {
        let now = monotonic_ns();
        self.due_ns = self.due_ns.max(now.saturating_sub(MOST_BEHIND.as_nanos() as u64));
        while self.due_ns <= now && !self.players.is_empty() && !self.is_done() {
            self.due_ns += self.gap_ns;
            let (session, place) = self.players[self.turn];
            self.turn = (self.turn + 1) % self.players.len();
            self.bytes.clear();
            let connection = sessions.next_messages(session, place, self.burst, &mut self.bytes);
            if connection.is_some_and(|connection| send(connection, &self.bytes)) {
                self.pushed += u64::from(self.burst);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_have_the_length_of_lavalinks_and_lead_back_to_their_session() {
        for session in [0, 1, 99_999_999_999] {
            assert_eq!(name(session).len(), 16);
            assert_eq!(number(&name(session)), Some(session));
        }
        for other in ["", "bench", "bench1", "other00000000012", "bench0000000001x"] {
            assert_eq!(number(other), None, "{other}");
        }
    }

    #[test]
    fn players_get_messages_in_turn_and_in_order() {
        let mut sessions = Sessions::default();
        for connection in 0..3 {
            let session = sessions.open(connection);
            assert!(sessions.add_player(session, "100000000000000001"));
            assert!(
                sessions.add_player(session, "100000000000000001"),
                "the same player again"
            );
        }
        let mut push = Push::new(sessions.players(), 3_000_000, 2);
        let mut connections = Vec::new();
        while push.pushed() < 12 {
            push.send_due(&mut sessions, |connection, bytes| {
                assert_eq!(bytes.windows(12).filter(|it| it == b"playerUpdate").count(), 2);
                connections.push(connection);
                true
            });
        }
        for window in connections.windows(3) {
            let mut window = window.to_vec();
            window.sort_unstable();
            assert_eq!(window, [0, 1, 2]);
        }
    }

    #[test]
    fn pushing_ends_after_the_count_that_was_asked_for() {
        let mut sessions = Sessions::default();
        let session = sessions.open(0);
        sessions.add_player(session, "100000000000000001");
        let mut push = Push::new(sessions.players(), 10_000_000, 2).up_to(Some(6));
        while !push.is_done() {
            push.send_due(&mut sessions, |_, _| true);
        }
        push.send_due(&mut sessions, |_, _| panic!("it has ended"));
        assert_eq!(push.pushed(), 6);
    }

    #[test]
    fn nothing_is_pushed_to_a_session_that_ended() {
        let mut sessions = Sessions::default();
        let session = sessions.open(0);
        sessions.add_player(session, "100000000000000001");
        let mut push = Push::new(sessions.players(), 1_000_000, 1);
        sessions.remove(session);
        push.send_due(&mut sessions, |_, _| panic!("no session is left"));
        assert_eq!(push.pushed(), 0);
    }
}
