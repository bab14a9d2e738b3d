//! REST between a client's connection and a node: heads rewritten, bodies streamed, connections to nodes kept.

mod answer;
pub(crate) mod ask;
pub(crate) mod body;
pub(crate) mod forward;
pub(crate) mod head;
pub(crate) mod player;
pub(crate) mod players;
pub(crate) mod pool;
