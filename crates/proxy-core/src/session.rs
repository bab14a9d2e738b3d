//! A v4 session that the proxy owns, apart from any socket: [`Machine`] takes inputs and fills a list of effects for
//! the network shell to carry out. Not for choosing the session's node ([`crate::placement`]) and not for reading
//! messages (`lavalink_protocol::envelope`).
//!
//! - [`machine`]: the life of a session: connected, parked, ended.
//! - [`links`]: the set of links; one per session for now, written so that more fit.
//! - [`players`]: which guilds have a player, and on which link.
//! - [`resume`]: the bounded queue while the client is away.

pub mod links;
pub mod machine;
pub mod players;
pub mod resume;

pub use links::{Link, LinkId, Links};
pub use machine::{Disposition, Effect, EndReason, Input, LinkLoss, Machine, SessionSettings};
pub use players::Players;
pub use resume::{QueueFull, QueueLimits, ResumeQueue};
