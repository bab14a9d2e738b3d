//! Keep-alive connections to nodes, kept by each worker thread for itself, so that taking one needs no lock and no
//! hand-over between threads.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::node::Node;
use crate::transport::Stream;
use crate::usage::NodeLedger;

/// Idle connections kept for each node; more are closed after use.
const MAX_IDLE: usize = 64;
/// An idle connection older than this is not used again; nodes and what stands before them cut idle ones.
const MAX_IDLE_AGE: Duration = Duration::from_secs(30);

/// So many links take leave of a node at a time. Each does so over a connection of its own, and when a crowd of clients
/// goes at once there are neither files nor ports for all of them.
const MAX_LEAVING: usize = 64;

/// One worker's connections to one node.
pub(crate) struct NodePool {
    pub(crate) node: Arc<Node>,
    pub(crate) ledger: Arc<NodeLedger>,
    /// A link takes leave of the node while it holds a permit.
    pub(crate) leaving: Semaphore,
    idle: RefCell<Vec<Idle>>,
    /// Links of this worker with players on the node, whose silence would be noticed.
    watched: Cell<usize>,
    /// When a link of those brought something last, or the node answered a check.
    heard: Cell<Instant>,
    /// A check is under way.
    checking: Cell<bool>,
}

/// The node is watched for a link while this is held.
pub(crate) struct Watch(Rc<NodePool>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.watched.set(self.0.watched.get() - 1);
    }
}

struct Idle {
    stream: Stream,
    since: Instant,
}

/// A connection to a node.
pub(crate) struct NodeConnection {
    pub(crate) stream: Stream,
    /// It served an earlier request, so the node may have closed it in the meantime.
    pub(crate) reused: bool,
}

impl NodePool {
    pub(crate) fn new(node: Arc<Node>, ledger: Arc<NodeLedger>) -> Self {
        Self {
            node,
            ledger,
            leaving: Semaphore::new(MAX_LEAVING),
            idle: RefCell::default(),
            watched: Cell::new(0),
            heard: Cell::new(Instant::now()),
            checking: Cell::new(false),
        }
    }

    /// Watches the node for a link with players.
    pub(crate) fn watch(self: &Rc<Self>) -> Watch {
        if self.watched.get() == 0 {
            self.heard();
        }
        self.watched.set(self.watched.get() + 1);
        Watch(Rc::clone(self))
    }

    /// A watched link brought something.
    pub(crate) fn heard(&self) {
        self.heard.set(Instant::now());
    }

    /// Whether the node has been silent for so long that it should be asked whether it is there. Says so once until the
    /// check is over.
    pub(crate) fn should_be_checked(&self, silence: Duration) -> bool {
        let silent = self.watched.get() > 0 && self.heard.get().elapsed() >= silence;
        silent && !self.checking.replace(true)
    }

    /// A check is over.
    pub(crate) fn checked(&self, answered: bool) {
        self.checking.set(false);
        if answered {
            self.heard();
        }
    }

    /// The connection used last, or a new one.
    pub(crate) async fn take(&self, connect_timeout: Duration) -> io::Result<NodeConnection> {
        match self.take_idle() {
            Some(stream) => Ok(NodeConnection { stream, reused: true }),
            None => self.dial(connect_timeout).await,
        }
    }

    /// A new connection.
    pub(crate) async fn dial(&self, connect_timeout: Duration) -> io::Result<NodeConnection> {
        let stream = self.node.dial(Arc::clone(&self.ledger.rest), connect_timeout).await?;
        Ok(NodeConnection { stream, reused: false })
    }

    fn take_idle(&self) -> Option<Stream> {
        let mut idle = self.idle.borrow_mut();
        while let Some(Idle { mut stream, since }) = idle.pop() {
            if since.elapsed() < MAX_IDLE_AGE && is_quiet(&mut stream) {
                return Some(stream);
            }
        }
        None
    }

    /// Keeps a connection whose last answer was read to its end.
    pub(crate) fn put(&self, stream: Stream) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() == MAX_IDLE {
            // The longest unused one goes, so that a burst's connections fade away by age.
            idle.remove(0);
        }
        idle.push(Idle {
            stream,
            since: Instant::now(),
        });
    }

    /// Drops connections that nobody used for a while.
    pub(crate) fn expire(&self) {
        self.idle
            .borrow_mut()
            .retain(|idle| idle.since.elapsed() < MAX_IDLE_AGE);
    }
}

/// Nothing came on an idle connection: neither its end nor bytes that no request asked for. Costs no system call, since
/// the runtime has noted whether the socket is readable.
fn is_quiet(stream: &mut Stream) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    matches!(stream.poll_read_scratch(&mut cx, |_, _| ()), Poll::Pending)
}
