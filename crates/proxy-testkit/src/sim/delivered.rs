//! Which starts and ends of tracks a node has delivered: what a test holds against what the client heard.

use std::time::Instant;

use super::{
    log::Log,
    session::{Outgoing, Session},
};

/// A start or an end of a track that went out whole, to a socket that was open.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// Whose guild.
    pub guild: i64,
    /// The track's address, which tells it from others; empty when it has none.
    pub uri: String,
    /// The end; otherwise the start.
    pub end: bool,
    /// When it was written.
    pub at: Instant,
}

/// One that is on its way to the socket.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub(super) guild: i64,
    pub(super) uri: String,
    pub(super) end: bool,
}

/// Sends the event of a start or an end.
pub(super) fn send(session: &mut Session, text: String, note: Note) {
    session.put(Outgoing::Track(text, note));
}

/// Notes what has been written.
pub(super) fn note(log: &Log, notes: Vec<Note>) {
    let at = Instant::now();
    for Note { guild, uri, end } in notes {
        log.delivered(Delivered { guild, uri, end, at });
    }
}
