//! What a node sent while the client was away: a queue bounded in count and bytes. Not for the order in which the rest
//! of a resume is written: that is the machine's.
//!
//! Lavalink queues events and plugin messages without bound and one `stats` a minute. Here, events and plugin messages
//! are never dropped (passing the bound ends the session instead, since a client that missed a `TrackEndEvent` waits
//! for ever), and of `stats` only the newest that fits is kept, where it came, and only while nothing else needs the room.

/// The bound of one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// At most this many messages.
    pub messages: u32,
    /// At most this many bytes of messages.
    pub bytes: u32,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            messages: 10_000,
            bytes: 8 * 1024 * 1024,
        }
    }
}

/// The next message does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue of missed messages is full")]
pub struct QueueFull;

/// Messages in the order in which they came. All bytes lie in one buffer: a message costs its own bytes and four more.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ResumeQueue {
    bytes: Vec<u8>,
    /// Where each message ends in `bytes`.
    ends: Vec<u32>,
    stats: Option<Stats>,
}

/// The newest `stats`.
#[derive(Debug, PartialEq, Eq)]
struct Stats {
    /// How many messages came before it.
    after: usize,
    message: Box<[u8]>,
}

impl ResumeQueue {
    /// Adds a message at the end, in place of `stats` when there is no room for both.
    ///
    /// # Errors
    /// A limit would be passed; the queue is unchanged.
    pub fn enqueue(&mut self, message: &[u8], limits: QueueLimits) -> Result<(), QueueFull> {
        if !self.has_room(message.len(), self.stats.as_ref(), limits) {
            if !self.has_room(message.len(), None, limits) {
                return Err(QueueFull);
            }
            self.stats = None;
        }
        self.bytes.extend_from_slice(message);
        self.ends.push(u32::try_from(self.bytes.len()).map_err(|_| QueueFull)?);
        Ok(())
    }

    /// Adds a `stats` message at the end, in place of an earlier one. Without room for it, it is dropped: the next one
    /// says all that it said.
    pub fn enqueue_stats(&mut self, message: &[u8], limits: QueueLimits) {
        if self.has_room(message.len(), None, limits) {
            self.stats = Some(Stats {
                after: self.ends.len(),
                message: message.into(),
            });
        }
    }

    /// Whether one more message of `more` bytes fits beside this `stats`.
    fn has_room(&self, more: usize, stats: Option<&Stats>, limits: QueueLimits) -> bool {
        let count = self.ends.len() + usize::from(stats.is_some()) + 1;
        let size = self.bytes.len() + stats.map_or(0, |stats| stats.message.len()) + more;
        count <= limits.messages as usize && size <= limits.bytes as usize
    }

    /// All messages, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let after = self.stats.as_ref().map_or(0, |stats| stats.after);
        let stats = self.stats.iter().map(|stats| &*stats.message);
        self.slice(0, after)
            .chain(stats)
            .chain(self.slice(after, self.ends.len()))
    }

    fn slice(&self, from: usize, to: usize) -> impl Iterator<Item = &[u8]> {
        (from..to).map(|index| {
            let start = index.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
            &self.bytes[start..self.ends[index] as usize]
        })
    }

    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.ends.len() + usize::from(self.stats.is_some())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of all messages together.
    pub fn bytes(&self) -> usize {
        self.bytes.len() + self.stats.as_ref().map_or(0, |stats| stats.message.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: QueueLimits = QueueLimits { messages: 4, bytes: 20 };

    fn texts(queue: &ResumeQueue) -> Vec<&str> {
        queue
            .iter()
            .map(|message| std::str::from_utf8(message).unwrap())
            .collect()
    }

    #[test]
    fn messages_come_out_in_their_order_with_only_the_newest_stats_where_it_came() {
        let cases: &[(&[&str], &[&str])] = &[
            (&[], &[]),
            (&["a", "b"], &["a", "b"]),
            (&["S1"], &["S1"]),
            (&["S1", "a", "S2", "b"], &["a", "S2", "b"]),
            (&["a", "S1", "b", "S2"], &["a", "b", "S2"]),
            (&["S1", "S2", "S3", "", "a"], &["S3", "", "a"]),
        ];
        for (given, expected) in cases {
            let mut queue = ResumeQueue::default();
            for message in *given {
                let bytes = message.as_bytes();
                if message.starts_with('S') {
                    queue.enqueue_stats(bytes, LIMITS);
                } else {
                    queue.enqueue(bytes, LIMITS).unwrap();
                }
            }
            assert_eq!(texts(&queue), *expected, "{given:?}");
            assert_eq!(
                (queue.len(), queue.bytes()),
                (expected.len(), expected.concat().len()),
                "{given:?}"
            );
        }
    }

    #[test]
    fn neither_bound_is_ever_passed_and_a_refusal_changes_nothing() {
        let mut queue = ResumeQueue::default();
        queue.enqueue_stats(b"S1", LIMITS);
        queue.enqueue(&[b'x'; 15], LIMITS).unwrap();
        assert_eq!(queue.enqueue(b"abcdef", LIMITS), Err(QueueFull), "21 bytes");
        assert_eq!((queue.len(), queue.bytes()), (2, 17));
        for message in ["a", "b", ""] {
            queue.enqueue(message.as_bytes(), LIMITS).unwrap();
        }
        assert_eq!(queue.enqueue(b"", LIMITS), Err(QueueFull), "five messages");
        assert_eq!(texts(&queue), ["xxxxxxxxxxxxxxx", "a", "b", ""]);
    }

    #[test]
    fn stats_take_only_room_that_nothing_else_needs() {
        let mut queue = ResumeQueue::default();
        queue.enqueue(&[b'x'; 15], LIMITS).unwrap();
        queue.enqueue_stats(b"S1", LIMITS);
        queue.enqueue_stats(b"S23456", LIMITS);
        assert_eq!(texts(&queue), ["xxxxxxxxxxxxxxx", "S1"], "21 bytes");
        queue.enqueue(b"abcd", LIMITS).unwrap();
        assert_eq!(texts(&queue), ["xxxxxxxxxxxxxxx", "abcd"], "also 21 bytes");
        queue.enqueue(b"", LIMITS).unwrap();
        queue.enqueue_stats(b"S", LIMITS);
        queue.enqueue(b"", LIMITS).unwrap();
        queue.enqueue_stats(b"", LIMITS);
        assert_eq!(texts(&queue), ["xxxxxxxxxxxxxxx", "abcd", "", ""], "five messages");
    }
}
