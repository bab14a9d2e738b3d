//! Pings both ways: a v4 node may be silent for a minute and answers pings only, so without them a dead peer would look
//! like a quiet one, and what stands between would cut a quiet socket.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use crate::transport::deadline::Deadline;

/// The clock of one session's pings, for both of its sockets.
pub(crate) struct Pulse {
    deadline: Deadline,
    waiting: bool,
    interval: Duration,
    timeout: Duration,
}

/// What the clock asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    /// Send a ping on each socket, and note that nothing was heard since.
    Ping,
    /// Whoever was not heard since the ping is gone.
    Check,
}

impl Pulse {
    pub(crate) fn new(interval: Duration, timeout: Duration) -> Self {
        let mut deadline = Deadline::default();
        deadline.set(interval);
        Self {
            deadline,
            waiting: false,
            interval,
            timeout,
        }
    }

    /// When it beats next.
    pub(crate) fn at(&self) -> Option<Instant> {
        self.deadline.at()
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Beat> {
        if self.deadline.poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.waiting = !self.waiting;
        if self.waiting {
            self.deadline.set(self.timeout);
            Poll::Ready(Beat::Ping)
        } else {
            self.deadline.set(
                self.interval
                    .saturating_sub(self.timeout)
                    .max(Duration::from_millis(10)),
            );
            Poll::Ready(Beat::Check)
        }
    }
}
