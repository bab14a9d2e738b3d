//! The faults that a simulated node plays on command, and the list of those that wait for their request.
//!
//! This file says what exists; the effects are in `io.rs` (bytes), `server.rs` (connections), `rest.rs` (answers) and
//! `socket.rs` (WebSocket frames).

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::io::Trickle;

/// Something that goes wrong on a node.
///
/// *Lasting* faults hold until `SimNode::clear_faults`. *Immediate* ones happen once, at the moment of the call.
/// *Answer* faults are armed for a number of requests (`SimNode::fault_on`; `SimNode::fault` arms one request of any
/// path) and happen when such a request has arrived whole.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Lasting: the port is closed, connecting is refused. Connections that exist go on.
    Refuse,
    /// Lasting: new connections are accepted and never read.
    Stall,
    /// Lasting: connections that exist at this moment fall silent (nothing read, nothing written, no pong), as when the
    /// peer's machine froze or the network between was cut. Clearing thaws them.
    HalfOpen,
    /// Lasting: every answer waits this long first.
    Slow(Duration),
    /// Lasting: all writes go out in portions of so many bytes with a pause before each.
    Trickle {
        /// Bytes per write.
        bytes: usize,
        /// Pause before each write.
        every: Duration,
    },
    /// Lasting: every session is sent `playerUpdate`s as fast as its socket takes them.
    Flood,
    /// Immediate: every session's socket is reset a few bytes into a text frame.
    ResetMidFrame,
    /// Immediate: every session is sent a text frame that is not JSON.
    BrokenMessage,
    /// Immediate: every session is sent one event of about so many bytes in a single frame.
    HugeFrame(usize),
    /// Immediate: all sockets vanish without a close frame, the listener is gone, all sessions and players are lost.
    /// `SimNode::revive` brings the node back on the same port.
    Die,
    /// Immediate: an orderly shutdown: sessions are closed with 1001, then as [`Fault::Die`].
    Shutdown,
    /// Immediate: connections that wait for their next request are closed.
    CloseIdle,
    /// Answer: a 500 error object.
    Status500,
    /// Answer: this status with an error object, e.g. 503.
    Status(u16),
    /// Answer: the node does not know the session.
    NoSession,
    /// Answer: JSON that ends in the middle, under a correct `Content-Length`.
    BrokenBody,
    /// Answer: none at all, and the connection stays open.
    NeverAnswer,
    /// Answer: the connection is closed before the first byte.
    CloseBeforeAnswer,
    /// Answer: the connection is reset before the first byte.
    ResetBeforeAnswer,
    /// Answer: the head and half of the body, then an orderly close.
    CloseMidBody,
    /// Answer: the head and half of the body, then a reset.
    ResetMidBody,
    /// Answer: as usual, but the next request on that connection finds it closed (a stale pooled connection).
    StaleKeepAlive,
    /// Answer: as usual, after this delay.
    Delay(Duration),
    /// Answer: a body of unlimited length in chunks, until the peer closes.
    EndlessBody,
}

/// A fault waiting for requests.
#[derive(Debug)]
struct Armed {
    /// Start of the request target that it applies to.
    prefix: String,
    fault: Fault,
    remaining: usize,
}

/// All faults that are in force on a node.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    armed: Mutex<Vec<Armed>>,
    lasting: Mutex<Lasting>,
    /// Read by every connection's `FaultIo`.
    pub(crate) trickle: Trickle,
}

/// The lasting faults that are looked up when something happens.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lasting {
    pub(crate) stall: bool,
    pub(crate) slow: Option<Duration>,
    pub(crate) flood: bool,
}

impl Faults {
    /// Arms `fault` for the next `times` requests whose target starts with `prefix`.
    pub(crate) fn arm(&self, prefix: &str, fault: Fault, times: usize) {
        lock(&self.armed).push(Armed {
            prefix: prefix.to_owned(),
            fault,
            remaining: times,
        });
    }

    /// The fault for this request, if one is armed.
    pub(crate) fn take(&self, target: &str) -> Option<Fault> {
        let mut armed = lock(&self.armed);
        let index = armed.iter().position(|armed| target.starts_with(&armed.prefix))?;
        armed[index].remaining = armed[index].remaining.saturating_sub(1);
        if armed[index].remaining == 0 {
            Some(armed.remove(index).fault)
        } else {
            Some(armed[index].fault.clone())
        }
    }

    /// The lasting faults as they are now.
    pub(crate) fn lasting(&self) -> Lasting {
        *lock(&self.lasting)
    }

    /// Changes the lasting faults.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Lasting)) {
        change(&mut lock(&self.lasting));
    }

    /// Starts (or ends, with `None`) slowing down all writes.
    pub(crate) fn set_trickle(&self, trickle: Option<(usize, Duration)>) {
        *lock(&self.trickle) = trickle;
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        lock(&self.armed).clear();
        *lock(&self.lasting) = Lasting::default();
        self.set_trickle(None);
    }

    /// The trickle setting to share with a new connection.
    pub(crate) fn shared_trickle(&self) -> Trickle {
        Arc::clone(&self.trickle)
    }
}

/// Locks without minding a panic elsewhere: the data are plain values that are valid at every moment.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
