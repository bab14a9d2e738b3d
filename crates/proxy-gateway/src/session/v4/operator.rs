//! What an operator sees of a session, and asks of it.

use lavalink_protocol::id::GuildId;
use proxy_core::pool::NodeId;
use proxy_core::session::machine::{Input, Look};
use proxy_core::session::migration::MoveRefused;

use super::{Session, around};

impl Session {
    pub(super) fn look(&self) -> Look {
        self.machine.look()
    }

    /// Begins to move a player, or says why not. Returns the number of the last move that was over before.
    pub(super) fn move_player(&mut self, guild: GuildId, to: Option<NodeId>) -> Result<u64, MoveRefused> {
        let around = around(&self.worker, &self.entry);
        if to.is_some_and(|node| !around.serves(node)) {
            return Err(MoveRefused::Unfit);
        }
        self.machine.may_move(guild, to, &around)?;
        let on = self.machine.players().link_of(guild);
        let on = on.and_then(|link| self.machine.links().get(link));
        if to.is_none() && !around.has_other(on.map(|link| link.node)) {
            return Err(MoveRefused::NoOtherNode);
        }
        let before = self.worker.shared.moves.last();
        self.handle(Input::Move { guild, to });
        Ok(before)
    }
}
