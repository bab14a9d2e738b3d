//! Counted events: a stream that follows a guild from node to node, and of which the node knows what it has delivered.
//!
//! Each is an event with two more keys: `simPlayer`, the serial number of the player in this process, and `simCount`,
//! counting from 1 for each player. When a player moves, the guild goes on with another, later player. Unlike those of
//! `numbered.rs` they reach a test client's mailbox as any other message.

use std::time::Instant;

use super::session::{Outgoing, Session};

/// A counted event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counted {
    /// Whose guild.
    pub guild: i64,
    /// Which player.
    pub player: u64,
    /// The how-manieth of that player.
    pub number: u64,
}

/// A counted event that went out whole, to a socket that was open.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// Which.
    pub event: Counted,
    /// When.
    pub at: Instant,
}

/// Sends one to every player of a session.
pub(super) fn count(session: &mut Session) {
    let mut events = Vec::new();
    for player in session.players.values_mut() {
        player.counted += 1;
        events.push(Counted {
            guild: player.guild,
            player: player.serial,
            number: player.counted,
        });
    }
    for event in events {
        let Counted { guild, player, number } = event;
        let text = format!(
            r#"{{"op":"event","type":"SimCountedEvent","guildId":"{guild}","simPlayer":{player},"simCount":{number}}}"#
        );
        session.put(Outgoing::Counted(text, event));
    }
}
