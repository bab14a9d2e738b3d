//! What the orchestrator and the other roles say to each other: one JSON object per line, commands on stdin, events on
//! stdout.

use std::io::{BufRead, Write};
use std::sync::mpsc;

use anyhow::{Context, Result};
use mio::Waker;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Commands to the fake node.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub(crate) enum NodeCommand {
    /// Push playerUpdates to all players in turn.
    Push {
        /// Messages per second over all players.
        rate: u32,
        /// Messages to one player in one write.
        burst: u32,
        /// Stop by itself after so many messages.
        #[serde(default)]
        count: Option<u64>,
    },
    /// Stop pushing.
    Stop,
    /// Say how many sessions there are.
    Count,
}

/// Events of the fake node.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum NodeEvent {
    /// The node takes connections.
    Listening {
        /// Its TCP port on 127.0.0.1.
        port: u16,
    },
    /// Pushing has begun.
    Pushing {
        /// Players that get messages.
        players: usize,
    },
    /// Pushing has ended.
    Stopped {
        /// Messages since pushing began.
        pushed: u64,
    },
    /// How many sessions there are.
    Counted {
        /// Open sessions.
        sessions: usize,
    },
}

/// Commands to a load of kind `sessions`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub(crate) enum LoadCommand {
    /// Begin a window: forget the latencies taken so far.
    Mark,
    /// End the window.
    Report,
    /// Wait until all that was pushed since the last drain has come, for a while.
    Drain {
        /// How many messages the node pushed.
        pushed: u64,
    },
    /// Close all sessions and end.
    Close,
}

/// Events of a load.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum LoadEvent {
    /// The measured window of a load of requests or connections begins.
    Started,
    /// It has ended.
    Done(Measured),
    /// All sessions are open and have a player.
    Opened {
        /// How many.
        sessions: usize,
    },
    /// The window of a load of sessions begins.
    Marked,
    /// It has ended.
    Reported(Measured),
    /// What became of the pushed messages.
    Drained(Delivery),
    /// All sessions were closed.
    Closed,
}

/// What a load saw within one window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// Requests answered, connections ended or messages received.
    pub(crate) units: u64,
    /// Bytes of answers' bodies.
    pub(crate) body_bytes: u64,
    /// Answers other than expected.
    pub(crate) errors: u64,
    /// Length of the window in nanoseconds.
    pub(crate) window_ns: u64,
    /// Median latency in nanoseconds.
    pub(crate) p50_ns: u64,
    /// 99th percentile.
    pub(crate) p99_ns: u64,
    /// 99.9th percentile.
    pub(crate) p999_ns: u64,
}

/// What became of pushed messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Delivery {
    /// Pushed but not received.
    pub(crate) lost: u64,
    /// Received behind a later one of the same session, or twice.
    pub(crate) reordered: u64,
    /// Sessions that were closed from the other side.
    pub(crate) closed: u64,
}

/// Prints an event for the orchestrator.
pub(crate) fn say<T: Serialize>(event: &T) -> Result<()> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    out.write_all(&line)?;
    out.flush().context("the orchestrator has gone")
}

/// Waits until stdin ends, so that the orchestrator can still read this process's CPU time.
pub(crate) fn wait_for_end() {
    for line in std::io::stdin().lock().lines() {
        if line.is_err() {
            return;
        }
    }
}

/// Commands from stdin, read by a thread that wakes the event loop for each; the channel ends with stdin.
pub(crate) fn commands<T: DeserializeOwned + Send + 'static>(waker: Waker) -> mpsc::Receiver<T> {
    let (sender, receiver) = mpsc::sync_channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            match serde_json::from_str(&line) {
                Ok(command) => {
                    if sender.send(command).is_err() {
                        break;
                    }
                }
                Err(error) => eprintln!("not a command: {line}: {error}"),
            }
            if waker.wake().is_err() {
                break;
            }
        }
        drop(sender);
        // The loop may have ended already; then nobody needs waking.
        let _ = waker.wake();
    });
    receiver
}
