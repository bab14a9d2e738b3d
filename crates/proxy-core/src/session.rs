//! A v4 session that the proxy owns, apart from any socket: [`Machine`] takes inputs and fills a list of effects for
//! the network shell to carry out. Not for choosing a player's node ([`crate::placement`]) and not for reading messages
//! (`lavalink_protocol::envelope`).
//!
//! - [`machine`]: the life of a session, of its links and of its players' moves.
//! - [`inflight`]: whether an update whose answer was lost has taken effect.
//! - [`kept`]: who a session is, for another run of the proxy.
//! - [`links`]: the links, each to one node.
//! - [`players`]: which guilds have a player, and on which link.
//! - [`shadow`], [`writes`]: what is known of each player, so that another node can take it.
//! - [`migration`]: why and how players move, and the bound on it that all sessions share.
//! - [`orphans`]: node sessions that were left without a word, to be cleaned up later.
//! - [`resume`]: the bounded queue while the client is away.

pub mod inflight;
pub mod kept;
pub mod links;
pub mod machine;
pub mod migration;
pub mod orphans;
pub mod players;
pub mod resume;
pub mod shadow;
pub mod writes;

pub use kept::{KeptLink, KeptSession};
pub use links::{Link, LinkId, LinkState, Links};
pub use machine::{
    Disposition, Effect, EndReason, Input, Leave, LinkLoss, LinkSettings, Machine, NodeChange, Placed, PlacementMode,
    RestoreOutcome, Route, SessionSettings,
};
pub use migration::{Migration, MigrationBudget, MigrationLimits, MoveOutcome, MoveReason, PlayerWant, Surroundings};
pub use orphans::Orphans;
pub use players::{Player, Players};
pub use resume::{QueueFull, QueueLimits, ResumeQueue};
pub use shadow::{Asked, Needs, Shadow};
pub use writes::PluginWrite;
