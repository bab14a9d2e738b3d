//! What the writer is asked, in order. Each message says how long it can wait, and only one that can wait less than all
//! before it wakes the writer, which then takes all there are: a crowd costs one wake-up and shares transactions.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::store::lock;
use crate::writer::Message;

/// Messages that may wait for the writer, beside those that it has taken. Records have a bound of their own in rows, below
/// which this is not reached but by a flood of commits.
pub(crate) const QUEUE: usize = 8192;

/// So many share what it costs to write them well enough.
const CROWD: usize = 1024;

/// A message that was not taken, and why.
pub(crate) enum Refused {
    /// There is no room.
    Full(Message),
    /// There is no writer any more.
    Closed(Message),
}

/// Everybody's end.
#[derive(Default)]
pub(crate) struct Inbox {
    waiting: Mutex<Waiting>,
    sooner: Condvar,
}

#[derive(Default)]
struct Waiting {
    messages: VecDeque<Message>,
    /// When one of them can wait no longer.
    due: Option<Instant>,
    is_closed: bool,
}

impl Inbox {
    /// The writer's end.
    pub(crate) fn reader(self: &Arc<Self>) -> Reader {
        Reader(Arc::clone(self))
    }

    /// Hands over a message that can wait so long; otherwise gives it back. Never blocks.
    pub(crate) fn send(&self, message: Message, patience: Duration) -> Result<(), Refused> {
        let now = Instant::now();
        let due = now + patience;
        let mut waiting = lock(&self.waiting);
        if waiting.is_closed {
            return Err(Refused::Closed(message));
        }
        if waiting.messages.len() >= QUEUE {
            return Err(Refused::Full(message));
        }
        waiting.messages.push_back(message);
        // Where there are so many, more company is not waited for: the queue must not fill while the writer sleeps.
        let due = if waiting.messages.len() < CROWD { due } else { now };
        if waiting.due.is_none_or(|before| due < before) {
            waiting.due = Some(due);
            drop(waiting);
            self.sooner.notify_one();
        }
        Ok(())
    }

    /// Nothing is taken any more, and the writer ends after what waits.
    pub(crate) fn close(&self) {
        lock(&self.waiting).is_closed = true;
        self.sooner.notify_one();
    }
}

/// See [`Inbox::reader`].
pub(crate) struct Reader(Arc<Inbox>);

impl Reader {
    /// Waits until a message can wait no longer, and takes all there are; none when it is this time before. The last are
    /// followed by `None`.
    pub(crate) fn receive(&self, until: Instant) -> Option<VecDeque<Message>> {
        let mut waiting = lock(&self.0.waiting);
        loop {
            let now = Instant::now();
            if waiting.is_closed || waiting.due.is_some_and(|due| due <= now) {
                waiting.due = None;
                let messages = std::mem::take(&mut waiting.messages);
                return (!waiting.is_closed || !messages.is_empty()).then_some(messages);
            }
            if until <= now {
                return Some(VecDeque::new());
            }
            let next = waiting.due.map_or(until, |due| due.min(until));
            let woken = self.0.sooner.wait_timeout(waiting, next - now);
            waiting = woken.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }
}

impl Drop for Reader {
    /// Whoever waits for an answer learns that there will be none, also when the writer panicked.
    fn drop(&mut self) {
        let mut waiting = lock(&self.0.waiting);
        waiting.is_closed = true;
        let messages = std::mem::take(&mut waiting.messages);
        drop(waiting);
        drop(messages);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::StoreError;
    use crate::commit::Job;
    use crate::store::Pending;

    const LONG: Duration = Duration::from_secs(3600);

    fn message() -> (Message, Pending<()>) {
        let (sender, pending) = Pending::new();
        (Message::Commit(Job::new(|_| Ok(()), sender)), pending)
    }

    #[test]
    fn what_can_wait_waits_for_what_cannot_and_goes_with_it() {
        let inbox = Arc::<Inbox>::default();
        let reader = inbox.reader();
        let soon = || Instant::now() + Duration::from_millis(20);
        for _ in 0..3 {
            assert!(inbox.send(message().0, LONG).is_ok());
        }
        assert_eq!(reader.receive(soon()).unwrap().len(), 0, "not yet");
        let waiter = std::thread::spawn(move || (reader.receive(Instant::now() + LONG).unwrap().len(), reader));
        assert!(inbox.send(message().0, Duration::ZERO).is_ok());
        let (taken, reader) = waiter.join().unwrap();
        assert_eq!(taken, 4);
        // By itself, when it has waited.
        assert!(inbox.send(message().0, Duration::from_millis(1)).is_ok());
        assert_eq!(reader.receive(Instant::now() + LONG).unwrap().len(), 1);
    }

    #[test]
    fn a_crowd_waits_for_no_more() {
        let inbox = Arc::<Inbox>::default();
        let reader = inbox.reader();
        for _ in 0..CROWD {
            assert!(inbox.send(message().0, LONG).is_ok());
        }
        assert_eq!(reader.receive(Instant::now() + LONG).unwrap().len(), CROWD);
    }

    #[test]
    fn the_last_messages_are_taken_and_then_no_more() {
        let inbox = Arc::<Inbox>::default();
        let reader = inbox.reader();
        assert!(inbox.send(message().0, LONG).is_ok());
        inbox.close();
        assert!(matches!(inbox.send(message().0, LONG), Err(Refused::Closed(_))));
        assert_eq!(reader.receive(Instant::now() + LONG).unwrap().len(), 1);
        assert!(reader.receive(Instant::now() + LONG).is_none());
    }

    #[test]
    fn a_queue_has_a_bound_and_nobody_waits_for_a_writer_that_is_gone() {
        let inbox = Arc::<Inbox>::default();
        let reader = inbox.reader();
        let (first, pending) = message();
        assert!(inbox.send(first, LONG).is_ok());
        for _ in 1..QUEUE {
            assert!(inbox.send(message().0, LONG).is_ok());
        }
        assert!(matches!(inbox.send(message().0, LONG), Err(Refused::Full(_))));
        drop(reader);
        assert!(matches!(pending.wait(), Err(StoreError::Closed)));
    }
}
