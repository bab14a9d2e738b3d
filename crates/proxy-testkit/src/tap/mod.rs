//! A recording tap between a client and a node (or a proxy), and the comparison of two recordings.
//!
//! [`Tap`] is a TCP relay that changes nothing and keeps every byte. [`Tap::recording`] reads the bytes afterwards as
//! HTTP/1.1 exchanges and WebSocket messages, so that nothing in the relay can delay or reorder what it carries.
//! [`compare`] then says how two recordings differ beyond what must differ: session ids, times, ports, figures of
//! playback, hop-by-hop headers and the order of concurrent requests.
//!
//! - `relay`: the sockets.
//! - `record`: bytes to exchanges and messages.
//! - `normal`: what is taken out before comparing.
//! - `compare`: the comparison and its output.

mod compare;
mod normal;
mod record;
mod relay;

pub use compare::{Difference, Side, compare, show};
pub use normal::Names;
pub use record::{Exchange, Message, Recording, Request, Response};
pub use relay::Tap;
