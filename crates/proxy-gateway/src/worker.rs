//! One worker thread: a single-threaded runtime that accepts connections, and owns every socket and session of theirs,
//! so that nothing on the way of a request or message is handed between threads.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use lavalink_protocol::detect::Class;
use lavalink_protocol::id::{GuildId, SessionId};
use proxy_core::pool::NodeId;
use proxy_core::session::machine::{Input, Look, NodeChange, Placed};
use proxy_core::session::migration::MoveRefused;
use proxy_core::session::{LinkId, Needs};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::keeper;
use crate::rest::pool::NodePool;
use crate::session::directory::SessionEntry;
use crate::session::errands::{self, Opened};
use crate::session::start::Returning;
use crate::session::v4::READY_DELAY;
use crate::shared::Shared;
use crate::usage::{ClientLedger, Ended};

/// Messages from other threads that may wait for a worker; asks are rare, so a full queue means a stuck worker.
pub(crate) const INBOX: usize = 4096;

/// A node with players says something every few seconds, over one link or another. One that was silent for so long is
/// asked whether it is there.
const SILENCE: Duration = Duration::from_millis(1500);
/// How long it may take to say so.
const CHECK_LIMIT: Duration = Duration::from_millis(1500);

/// Requests and handshakes that are under way when another run is to go on have this long before sessions are let go. A
/// node that takes longer to open a WebSocket is given up about as soon.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// How often a worker that stops looks whether all is done.
const DRAIN_LOOK: Duration = Duration::from_millis(10);

/// What other threads ask of a worker.
pub(crate) enum WorkerMessage {
    /// Something for a session that lives here.
    Session(SessionId, Ask),
    /// Close this client connection.
    Disconnect(u64),
    /// Something happened to a node that sessions must know of.
    Node(NodeId, NodeChange),
    /// A node that had been left can be reached again: clean up what stayed there.
    CleanUp(NodeId),
    /// Stop accepting, close sockets, finish requests.
    Shutdown,
}

/// What a session is asked by requests, other workers and the operator.
pub(crate) enum Ask {
    /// An errand is done, or a request was answered.
    Tell(Box<Input>),
    /// A player is to be made and has no node yet.
    Place {
        guild: GuildId,
        /// What the request says that it needs of a node.
        needs: Box<Needs>,
        reply: oneshot::Sender<Placed>,
    },
    /// Is what a player left on a link still to be destroyed by the errand with this ticket?
    IsLeft {
        guild: GuildId,
        link: LinkId,
        ticket: u32,
        reply: oneshot::Sender<bool>,
    },
    /// How does it stand?
    Look(oneshot::Sender<Look>),
    /// An operator moves a player, to a node or to the best other one.
    Move {
        guild: GuildId,
        to: Option<NodeId>,
        /// Whether it begins, and the last move of any player that was over by then.
        reply: oneshot::Sender<Result<u64, MoveRefused>>,
    },
    /// A link was opened, or could not be.
    Opened(Box<Opened>),
    /// A node with players of this worker's sessions answers nothing any more.
    NodeSilent(NodeId),
    /// The node of a link that was resumed does not list its players.
    Unlisted(LinkId),
    /// The version of an undecided socket became known.
    Bind(Class),
    /// The proxy shuts down.
    Shutdown,
    /// Write these messages to the client, whole.
    Message(Vec<u8>),
    /// Commits of the session failed: all of it is to be kept now.
    KeepAgain,
    /// The client is back on another connection.
    Resume(Box<Returning>),
}

/// Why a connection's task is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The proxy shuts down.
    Shutdown,
    /// An operator wants the client gone.
    Disconnect,
}

impl From<Stop> for Ended {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Shutdown => Self::Shutdown,
            Stop::Disconnect => Self::Operator,
        }
    }
}

thread_local! {
    /// Counts what was put into any mailbox of this thread. Mail is rare and messages are not: a task that is woken for
    /// a message sees by this one number, which is always at hand, that it need not look into its mailboxes.
    static MAIL: Cell<u64> = const { Cell::new(0) };
}

/// How much mail there has been on this thread, to anyone.
pub(crate) fn mail_count() -> u64 {
    MAIL.get()
}

/// A place where a task can be told something by others of its thread.
pub(crate) struct Mailbox<T> {
    inbox: RefCell<VecDeque<T>>,
    waker: RefCell<Option<Waker>>,
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        Self {
            inbox: RefCell::default(),
            waker: RefCell::default(),
        }
    }
}

impl<T> Mailbox<T> {
    pub(crate) fn put(&self, message: T) {
        self.inbox.borrow_mut().push_back(message);
        MAIL.set(MAIL.get() + 1);
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    /// Takes back a message that was not read yet.
    fn take_back(&self, message: &T)
    where
        T: PartialEq,
    {
        self.inbox.borrow_mut().retain(|waiting| waiting != message);
    }

    /// The next message, if there is one now.
    pub(crate) fn take(&self) -> Option<T> {
        self.inbox.borrow_mut().pop_front()
    }

    /// The next message, or a wake-up when one comes.
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<T> {
        if let Some(message) = self.take() {
            return Poll::Ready(message);
        }
        let mut waker = self.waker.borrow_mut();
        match waker.as_ref() {
            Some(known) if known.will_wake(cx.waker()) => {}
            _ => *waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

/// Lets many tasks pause for about the same short time on one timer: a timer for each costs a system call more.
#[derive(Default)]
struct Pauses {
    /// Began since the last tick.
    fresh: RefCell<Vec<oneshot::Sender<()>>>,
    /// A ticking task is there.
    ticking: Cell<bool>,
}

/// A client connection, as its worker knows it.
struct Connection {
    mailbox: Rc<Mailbox<Stop>>,
    /// Its handshake is over; before, it has something to be answered.
    is_socket: bool,
}

/// See the module.
pub(crate) struct Worker {
    pub(crate) id: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) ledger: Arc<ClientLedger>,
    /// By node id.
    pools: Vec<Rc<NodePool>>,
    connections: RefCell<HashMap<u64, Connection>>,
    sessions: RefCell<HashMap<SessionId, Rc<Mailbox<Ask>>>>,
    next_connection: Cell<u64>,
    stopping: Cell<bool>,
    stop: Notify,
    /// Sessions were told to end.
    let_go: Cell<bool>,
    pub(crate) rng: RefCell<fastrand::Rng>,
    hasher: RandomState,
    drawn: Cell<u64>,
    pauses: Pauses,
    /// Errands of sessions under way.
    errands: Rc<Cell<usize>>,
    /// TLS handshakes under way.
    arriving: Rc<Cell<usize>>,
}

/// An errand, or a TLS handshake, is under way while this is held.
pub(crate) struct Errand(Rc<Cell<usize>>);

impl Errand {
    fn begin(count: &Rc<Cell<usize>>) -> Self {
        count.set(count.get() + 1);
        Self(Rc::clone(count))
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Worker {
    pub(crate) fn new(id: usize, shared: Arc<Shared>) -> Self {
        let pools = shared
            .nodes
            .iter()
            .zip(&shared.node_ledgers[id])
            .map(|(node, ledger)| Rc::new(NodePool::new(Arc::clone(node), Arc::clone(ledger))))
            .collect();
        Self {
            id,
            ledger: Arc::clone(&shared.client_ledgers[id]),
            shared,
            pools,
            connections: RefCell::default(),
            sessions: RefCell::default(),
            next_connection: Cell::new(0),
            stopping: Cell::new(false),
            stop: Notify::new(),
            let_go: Cell::new(false),
            rng: RefCell::new(fastrand::Rng::new()),
            hasher: RandomState::new(),
            drawn: Cell::new(0),
            pauses: Pauses::default(),
            errands: Rc::default(),
            arriving: Rc::default(),
        }
    }

    /// An errand begins; a worker that stops waits for its end.
    pub(crate) fn errand(&self) -> Errand {
        Errand::begin(&self.errands)
    }

    /// A connection begins its TLS handshake; a worker that stops waits for its end.
    pub(crate) fn arrival(&self) -> Errand {
        Errand::begin(&self.arriving)
    }

    /// Checks the nodes that have players and say nothing.
    pub(crate) fn watch_nodes(self: &Rc<Self>) {
        for pool in &self.pools {
            if pool.should_be_checked(SILENCE) {
                errands::check_node(self, pool.node.id, CHECK_LIMIT);
            }
        }
    }

    /// A node answers nothing any more.
    pub(crate) fn node_silent(&self, node: NodeId) {
        let sessions = self.sessions.borrow();
        sessions.values().for_each(|mailbox| mailbox.put(Ask::NodeSilent(node)));
    }

    pub(crate) fn pool(&self, node: NodeId) -> Rc<NodePool> {
        Rc::clone(&self.pools[usize::from(node.0)])
    }

    /// Randomness that cannot be guessed: each draw hashes a counter with a key from the operating system.
    pub(crate) fn random(&self) -> u64 {
        let drawn = self.drawn.get() + 1;
        self.drawn.set(drawn);
        self.hasher.hash_one(drawn)
    }

    /// Returns once a shutdown began.
    pub(crate) async fn stop_requested(&self) {
        let requested = self.stop.notified();
        if !self.stopping.get() {
            requested.await;
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    /// A number for a new connection, unique over all workers.
    pub(crate) fn connection_id(&self) -> u64 {
        let count = self.next_connection.get() + 1;
        self.next_connection.set(count);
        (self.id as u64) << 48 | count
    }

    pub(crate) fn connection_opened(&self, id: u64) -> Rc<Mailbox<Stop>> {
        let mailbox = Rc::<Mailbox<Stop>>::default();
        if self.stopping.get() {
            // It was on its way (in a TLS handshake, or from another worker) when the others were told.
            mailbox.put(Stop::Shutdown);
        }
        let connection = Connection {
            mailbox: Rc::clone(&mailbox),
            is_socket: false,
        };
        self.connections.borrow_mut().insert(id, connection);
        mailbox
    }

    /// A connection's handshake is over: from now on it is a socket.
    pub(crate) fn connection_upgraded(&self, id: u64) {
        if let Some(connection) = self.connections.borrow_mut().get_mut(&id) {
            connection.is_socket = true;
            if self.let_go.get() {
                // The others were told already.
                connection.mailbox.put(Stop::Shutdown);
            } else {
                // It was told while it was a handshake. Sockets stay until all are let go, since requests of its session
                // may be under way.
                connection.mailbox.take_back(&Stop::Shutdown);
            }
        }
    }

    pub(crate) fn connection_closed(&self, id: u64) {
        self.connections.borrow_mut().remove(&id);
    }

    /// No connection and no session is there any more.
    fn is_idle(&self) -> bool {
        self.connections.borrow().is_empty()
            && self.sessions.borrow().is_empty()
            && self.errands.get() == 0
            && self.arriving.get() == 0
    }

    /// No request and no handshake waits for its answer.
    fn is_answered(&self) -> bool {
        self.arriving.get() == 0
            && self
                .connections
                .borrow()
                .values()
                .all(|connection| connection.is_socket)
    }

    /// Before another run goes on: returns once every worker has answered what was under way, within a limit, and has
    /// told its sessions to end. Workers wait for each other, since a request may be of another's session.
    pub(crate) async fn answered(&self) {
        if self.let_go.get() {
            return;
        }
        let limit = ANSWER_LIMIT.min(self.shared.config.shutdown_timeout);
        let limit = tokio::time::Instant::now() + limit;
        let mut answered = false;
        loop {
            if self.is_answered() != answered {
                answered = !answered;
                self.shared.worker_answered(answered);
            }
            if self.shared.all_answered() || tokio::time::Instant::now() >= limit {
                break;
            }
            tokio::time::sleep(DRAIN_LOOK).await;
        }
        self.let_go();
    }

    /// Tells sessions, and all connections, to end.
    fn let_go(&self) {
        self.let_go.set(true);
        let sessions = self.sessions.borrow();
        sessions.values().for_each(|mailbox| mailbox.put(Ask::Shutdown));
        self.tell_connections(|_| true);
    }

    fn tell_connections(&self, which: impl Fn(&Connection) -> bool) {
        let connections = self.connections.borrow();
        let told = connections.values().filter(|connection| which(connection));
        told.for_each(|connection| connection.mailbox.put(Stop::Shutdown));
    }

    /// Sessions were told to end, and the next run takes them up.
    pub(crate) fn has_handed_over(&self) -> bool {
        self.let_go.get() && self.shared.hands_over()
    }

    /// Returns once no worker has connections or sessions any more, or after `server.shutdown_timeout`. They wait for
    /// each other: the socket of a client that resumed may belong to the runtime of another worker than its session.
    pub(crate) async fn drained(&self) {
        let limit = tokio::time::Instant::now() + self.shared.config.shutdown_timeout;
        let mut idle = false;
        loop {
            if self.is_idle() != idle {
                idle = !idle;
                self.shared.worker_idles(idle);
            }
            if self.shared.all_workers_idle() || tokio::time::Instant::now() >= limit {
                return;
            }
            tokio::time::sleep(DRAIN_LOOK).await;
        }
    }

    pub(crate) fn session_opened(&self, id: SessionId) -> Rc<Mailbox<Ask>> {
        let mailbox = Rc::<Mailbox<Ask>>::default();
        self.sessions.borrow_mut().insert(id, Rc::clone(&mailbox));
        mailbox
    }

    pub(crate) fn session_closed(&self, id: &SessionId) {
        self.sessions.borrow_mut().remove(id);
    }

    /// Passes `ask` to the session, wherever it lives; the session may be gone by then.
    pub(crate) fn ask(&self, session: &SessionEntry, ask: Ask) {
        self.pass(session, ask);
    }

    /// As [`ask`](Self::ask) for a session of this worker, behind all that other workers have passed to it by now.
    pub(crate) async fn ask_in_turn(&self, session: &SessionEntry, ask: Ask) {
        let message = WorkerMessage::Session(session.id.clone(), ask);
        self.shared.send_in_turn(session.worker, message).await;
    }

    /// Hands a client that came back to its session, wherever it lives.
    pub(crate) fn resume(self: &Rc<Self>, session: &SessionEntry, returning: Box<Returning>) {
        if let Some(Ask::Resume(returning)) = self.pass(session, Ask::Resume(returning)) {
            returning.begin_anew(self);
        }
    }

    /// Returns what could not be passed on.
    fn pass(&self, session: &SessionEntry, ask: Ask) -> Option<Ask> {
        if session.worker == self.id {
            return self.deliver(&session.id, ask);
        }
        let message = WorkerMessage::Session(session.id.clone(), ask);
        match self.shared.send(session.worker, message) {
            Err(WorkerMessage::Session(_, ask)) => Some(ask),
            _ => None,
        }
    }

    /// Returns what a session that is gone was asked.
    fn deliver(&self, session: &SessionId, ask: Ask) -> Option<Ask> {
        match self.sessions.borrow().get(session) {
            Some(mailbox) => mailbox.put(ask),
            None => return Some(ask),
        }
        None
    }

    fn deliver_here(self: &Rc<Self>, session: &SessionId, ask: Ask) {
        if let Some(Ask::Resume(returning)) = self.deliver(session, ask) {
            returning.begin_anew(self);
        }
    }

    /// Waits for at least `READY_DELAY`, and less than twice that.
    pub(crate) async fn pause(self: &Rc<Self>) {
        let (done, pause) = oneshot::channel();
        self.pauses.fresh.borrow_mut().push(done);
        if !self.pauses.ticking.replace(true) {
            tokio::task::spawn_local(Rc::clone(self).tick_pauses());
        }
        pause.await.ok();
    }

    async fn tick_pauses(self: Rc<Self>) {
        let mut waiting: Vec<oneshot::Sender<()>> = Vec::new();
        loop {
            tokio::time::sleep(READY_DELAY).await;
            // Those that began before the last tick have waited long enough.
            for done in waiting.drain(..) {
                done.send(()).ok();
            }
            waiting = self.pauses.fresh.take();
            if waiting.is_empty() {
                return self.pauses.ticking.set(false);
            }
        }
    }

    /// Handles messages from other threads until the program ends.
    pub(crate) async fn read_inbox(self: Rc<Self>, mut inbox: mpsc::Receiver<WorkerMessage>) {
        while let Some(message) = inbox.recv().await {
            match message {
                WorkerMessage::Session(id, ask) => self.deliver_here(&id, ask),
                WorkerMessage::Disconnect(id) => {
                    if let Some(connection) = self.connections.borrow().get(&id) {
                        connection.mailbox.put(Stop::Disconnect);
                    }
                }
                WorkerMessage::Node(node, change) => {
                    let sessions = self.sessions.borrow();
                    for mailbox in sessions.values() {
                        mailbox.put(Ask::Tell(Box::new(Input::Node { node, change })));
                    }
                }
                WorkerMessage::CleanUp(node) => {
                    let orphans = self.shared.take_orphans(node);
                    errands::clean_up(&self, orphans);
                }
                WorkerMessage::Shutdown => {
                    self.stopping.set(true);
                    self.stop.notify_waiters();
                    if self.shared.hands_over() {
                        // Sockets stay until the others have their answers: see `answered`.
                        self.tell_connections(|connection| !connection.is_socket);
                    } else {
                        self.let_go();
                    }
                }
            }
        }
    }

    /// The upkeep of every few seconds.
    pub(crate) fn tidy(&self) {
        keeper::keep_again(self);
        self.expire_pools();
    }

    /// Drops kept node connections that nobody used for a while.
    fn expire_pools(&self) {
        self.pools.iter().for_each(|pool| pool.expire());
    }
}
