//! What all worker threads, the probe and the admin listener share. Everything that requests read on their way is read
//! without a lock; locks are for what happens seldom (a connection opens, a node fails, a version is remembered).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use lavalink_protocol::detect::{Binding, Class};
use lavalink_protocol::generation::Generation;
use lavalink_protocol::id::{GuildId, NodeSessionId, SessionId};
use lavalink_protocol::info::Info;
use lavalink_protocol::stats::Stats;
use proxy_core::binding::{BindingSettings, Bindings, Caller};
use proxy_core::drain::Drains;
use proxy_core::health::{NodeState, Signal, Transition};
use proxy_core::limits::Connections;
use proxy_core::placement::pings::Measured;
use proxy_core::placement::{self, Choice, NoNode, VoicePings, Want, Wanted};
use proxy_core::pool::{LinkKey, NodeId, Pool, PoolSnapshot};
use proxy_core::session::machine::NodeChange;
use proxy_core::session::migration::{Migration, MigrationBudget, MoveOutcome};
use proxy_core::session::orphans::{Orphan, Orphans};
use tokio::sync::mpsc;

use crate::config::GatewayConfig;
use crate::error::{ProxyError, Refusals};
use crate::keeper::Keeping;
use crate::moves::MoveLedger;
use crate::node::Node;
use crate::observed::Observations;
use crate::players::Asked;
use crate::session::directory::{Directory, SessionEntry};
use crate::session::keys::ResumeKeys;
use crate::transport::tls::TlsError;
use crate::usage::{ClientLedger, ClientUsage, Closed, LinkCounts, NodeLedger, SessionLedger, Totals, Traffic};
use crate::worker::WorkerMessage;

/// See the module.
pub struct Shared {
    /// The settings of this run.
    pub config: GatewayConfig,
    /// By node id.
    pub nodes: Vec<Arc<Node>>,
    /// All sessions.
    pub directory: Directory,
    /// Refused requests and closed sockets by reason.
    pub refusals: Refusals,
    /// Client side, by worker.
    pub client_ledgers: Vec<Arc<ClientLedger>>,
    /// Node side, by worker and node.
    pub node_ledgers: Vec<Vec<Arc<NodeLedger>>>,
    /// What probes moved, by node; part of the node side.
    pub probe_ledger: Vec<Arc<Traffic>>,
    /// What became of sessions.
    pub session_ledger: SessionLedger,
    /// What was seen of nodes lately.
    pub observed: Observations,
    /// When the proxy started.
    pub started: Instant,
    /// Where it listens; set once it does.
    addresses: OnceLock<Vec<SocketAddr>>,
    /// Which node knows a v3 resume key.
    pub(crate) resume_keys: Mutex<ResumeKeys>,
    /// Sockets whose version is undecided, so that requests need not look for them when there are none.
    pub(crate) undecided: AtomicUsize,
    undecided_sockets: Mutex<Vec<(Caller, Arc<SessionEntry>)>>,
    pub(crate) limits: Mutex<Connections>,
    /// Bounds the migrations of all sessions together; locked by sessions that migrate, and by no others.
    pub(crate) migrations: Mutex<MigrationBudget>,
    /// How near nodes are to voice regions, as their players tell; locked for placements and for one message in many.
    pub(crate) voice_pings: Mutex<VoicePings>,
    /// Whether sessions are kept for another run of the proxy, and how that goes.
    pub keeping: Keeping,
    /// What became of migrations.
    pub moves: MoveLedger,
    /// How far the drains of nodes are.
    pub(crate) drains: Mutex<Drains>,
    /// Node sessions that were left without a word.
    orphans: Mutex<Orphans>,
    /// How many, so that a healthy proxy need not look.
    orphaned: AtomicUsize,
    pool: Mutex<Pool>,
    snapshot: ArcSwap<PoolSnapshot>,
    bindings: Mutex<Bindings>,
    /// Whether any socket was opened on a bare `/v4` or `/v3`: without one, versioned paths need no memory.
    any_base: AtomicBool,
    stopping: AtomicBool,
    /// Another run of the proxy goes on with the listening sockets.
    handing_over: AtomicBool,
    /// Workers that still have requests or handshakes to answer once another run is to go on.
    unanswered_workers: AtomicUsize,
    /// Clients that come back for their session, on the way from the worker of their connection to that of the session.
    crossing: Arc<AtomicUsize>,
    /// Workers that still have connections or sessions once a shutdown began.
    busy_workers: AtomicUsize,
    workers: Vec<mpsc::Sender<WorkerMessage>>,
    /// What was asked of nodes for people to look at.
    pub(crate) asked: Asked,
}

impl Shared {
    /// # Errors
    /// When a node's TLS settings cannot be used.
    pub(crate) fn new(mut config: GatewayConfig, workers: Vec<mpsc::Sender<WorkerMessage>>) -> Result<Self, TlsError> {
        config.keep_together();
        let now = Instant::now();
        let mut pool = Pool::new(config.health, fastrand::u64(..));
        let mut nodes = Vec::with_capacity(config.nodes.len());
        for node in &config.nodes {
            let id = pool.add(node.spec.clone(), now);
            pool.set_draining(id, node.drain, now);
            let gauges = pool
                .snapshot()
                .get(id)
                .map(|view| Arc::clone(&view.gauges))
                .unwrap_or_default();
            nodes.push(Arc::new(Node::new(id, node.address.clone(), gauges)?));
        }
        let threads = workers.len();
        Ok(Self {
            directory: Directory::default(),
            refusals: Refusals::default(),
            client_ledgers: (0..threads).map(|_| Arc::default()).collect(),
            node_ledgers: (0..threads)
                .map(|_| nodes.iter().map(|_| Arc::default()).collect())
                .collect(),
            probe_ledger: nodes.iter().map(|_| Arc::default()).collect(),
            session_ledger: SessionLedger::default(),
            observed: Observations::new(nodes.len()),
            started: now,
            addresses: OnceLock::new(),
            resume_keys: Mutex::default(),
            undecided: AtomicUsize::new(0),
            undecided_sockets: Mutex::default(),
            limits: Mutex::new(Connections::new(config.limits)),
            migrations: Mutex::new(MigrationBudget::new(config.migrations)),
            voice_pings: Mutex::default(),
            keeping: Keeping::new(config.keeper.clone()),
            moves: MoveLedger::default(),
            drains: Mutex::default(),
            orphans: Mutex::default(),
            orphaned: AtomicUsize::new(0),
            snapshot: ArcSwap::new(pool.snapshot()),
            pool: Mutex::new(pool),
            bindings: Mutex::new(Bindings::new(BindingSettings::default())),
            any_base: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            handing_over: AtomicBool::new(false),
            unanswered_workers: AtomicUsize::new(threads),
            crossing: Arc::default(),
            busy_workers: AtomicUsize::new(threads),
            workers,
            asked: Asked::default(),
            nodes,
            config,
        })
    }

    /// What is known of the nodes now.
    pub fn pool(&self) -> arc_swap::Guard<Arc<PoolSnapshot>> {
        self.snapshot.load()
    }

    /// Where it listens, in the order of the configuration, with the ports that were really taken.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.addresses.get().map_or(&[], Vec::as_slice)
    }

    pub(crate) fn listens_on(&self, addresses: Vec<SocketAddr>) {
        // Said once.
        self.addresses.set(addresses).ok();
    }

    /// The proxy is shutting down.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// It makes room for another run, which goes on with its listening sockets.
    pub(crate) fn hands_over(&self) -> bool {
        self.handing_over.load(Ordering::Relaxed)
    }

    /// Tells every worker to stop, for good or for another run. Blocks while an inbox is full: this message must not be
    /// lost.
    pub(crate) fn stop(&self, hand_over: bool) {
        self.handing_over.store(hand_over, Ordering::Relaxed);
        self.stopping.store(true, Ordering::Relaxed);
        for worker in &self.workers {
            // A worker that is gone has stopped.
            worker.blocking_send(WorkerMessage::Shutdown).ok();
        }
    }

    /// A worker has answered all that it was asked, or has something to answer again.
    pub(crate) fn worker_answered(&self, all: bool) {
        if all {
            self.unanswered_workers.fetch_sub(1, Ordering::Relaxed);
        } else {
            self.unanswered_workers.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// No request and no handshake waits for its answer any more.
    pub(crate) fn all_answered(&self) -> bool {
        self.unanswered_workers.load(Ordering::Relaxed) == 0 && self.crossing.load(Ordering::Relaxed) == 0
    }

    /// A client's connection is about to be handed to its session, which may live with another worker.
    pub(crate) fn cross(&self) -> Crossing {
        self.crossing.fetch_add(1, Ordering::Relaxed);
        Crossing(Arc::clone(&self.crossing))
    }

    /// A worker has nothing more to do, or has again.
    pub(crate) fn worker_idles(&self, idle: bool) {
        if idle {
            self.busy_workers.fetch_sub(1, Ordering::Relaxed);
        } else {
            self.busy_workers.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// No worker has anything to do any more.
    pub(crate) fn all_workers_idle(&self) -> bool {
        self.busy_workers.load(Ordering::Relaxed) == 0
    }

    /// Returns the message when the worker cannot take it.
    pub(crate) fn send(&self, worker: usize, message: WorkerMessage) -> Result<(), WorkerMessage> {
        self.workers[worker].try_send(message).map_err(|error| {
            tracing::warn!(worker, "a worker's inbox is full, a message to it is lost");
            error.into_inner()
        })
    }

    /// As [`send`](Self::send), but waits while the worker's inbox is full.
    pub(crate) async fn send_in_turn(&self, worker: usize, message: WorkerMessage) {
        // A worker that is gone has no sessions.
        self.workers[worker].send(message).await.ok();
    }

    /// The client side's figures of this moment, all views from one reading.
    pub fn client_usage(&self) -> ClientUsage {
        let mut usage = ClientUsage::default();
        let mut reading = usage.begin();
        self.client_ledgers
            .iter()
            .for_each(|ledger| ledger.read(&mut reading, None));
        reading.end();
        usage
    }

    /// Brings an earlier reading up to date, which costs a fraction of a new one, and takes the connections that were
    /// closed meanwhile: what all closed and all live ones carried is the sum of each view, to the byte. One reader may
    /// do this; for others there are [`client_usage`](Self::client_usage) and its copies.
    pub fn read_clients(&self, usage: &mut ClientUsage, closed: &mut Closed) {
        let mut reading = usage.begin();
        self.client_ledgers
            .iter()
            .for_each(|ledger| ledger.read(&mut reading, Some(closed)));
        reading.end();
    }

    /// The connections that were closed since they were taken last. Kept in bounded number for a reader that may not be
    /// there; taking them is for one reader.
    pub fn take_closed(&self) -> Closed {
        let mut closed = Closed::default();
        self.client_ledgers
            .iter()
            .for_each(|ledger| ledger.take_closed(&mut closed));
        closed
    }

    /// The node side's figures of one node, probes and what people asked for included, and what became of its links.
    pub fn node_usage(&self, node: NodeId) -> (Totals, LinkCounts) {
        let index = usize::from(node.0);
        let mut sum = (self.probe_ledger[index].totals(), LinkCounts::default());
        sum.0 += self.asked.totals(node);
        for worker in &self.node_ledgers {
            let (totals, links) = worker[index].totals();
            sum.0 += totals;
            sum.1 += links;
        }
        sum
    }

    /// Closes a client connection, as an operator asks.
    pub fn disconnect(&self, connection: u64) {
        // A client that resumed may have moved to another worker than the one in its number.
        for worker in 0..self.workers.len() {
            self.send(worker, WorkerMessage::Disconnect(connection)).ok();
        }
    }

    /// Takes a node out of placement or puts it back; `false` when there is no such node.
    pub fn set_draining(&self, name: &str, draining: bool) -> bool {
        let changed = self.change_pool(|pool| {
            let id = pool.find(name)?;
            Some((id, pool.set_draining(id, draining, Instant::now())))
        });
        // Sessions that hear of it look at the snapshot, which must show it by then.
        if let Some((id, transition)) = changed {
            self.log_transition(id, transition);
        }
        changed.is_some()
    }

    // --- nodes -------------------------------------------------------------------------------------------------------

    pub(crate) fn change_pool<R>(&self, change: impl FnOnce(&mut Pool) -> R) -> R {
        let mut pool = lock(&self.pool);
        let result = change(&mut pool);
        self.snapshot.store(pool.snapshot());
        result
    }

    /// Notes what no request waits for; it shows in the snapshot with the next tick of the probe. Sessions come and go
    /// by the thousand, and a snapshot for each would cost more than they do.
    pub(crate) fn note_pool(&self, note: impl FnOnce(&mut Pool)) {
        note(&mut lock(&self.pool));
    }

    pub(crate) fn signal(&self, node: NodeId, signal: Signal) {
        let transition = self.change_pool(|pool| pool.signal(node, signal, Instant::now()));
        self.log_transition(node, transition);
        if matches!(signal, Signal::ProbeOk { .. }) && self.orphaned.load(Ordering::Relaxed) > 0 {
            // Any worker can do it, and the next probe reminds of it.
            self.send(0, WorkerMessage::CleanUp(node)).ok();
        }
    }

    /// A node's session was left and could not be told so.
    pub(crate) fn abandon(&self, node: NodeId, node_session: NodeSessionId) {
        let mut orphans = lock(&self.orphans);
        orphans.leave(node, node_session, Instant::now());
        self.orphaned.store(orphans.len(), Ordering::Relaxed);
    }

    /// The sessions that were left on a node, to be cleaned up now.
    pub(crate) fn take_orphans(&self, node: NodeId) -> Vec<Orphan> {
        let mut orphans = lock(&self.orphans);
        let taken = orphans.take(node);
        self.orphaned.store(orphans.len(), Ordering::Relaxed);
        taken
    }

    /// Cleaning up failed.
    pub(crate) fn put_back(&self, orphan: Orphan) {
        let mut orphans = lock(&self.orphans);
        orphans.put_back(orphan, self.config.sessions.links.keep, Instant::now());
        self.orphaned.store(orphans.len(), Ordering::Relaxed);
    }

    /// Node sessions that wait to be cleaned up.
    pub fn orphaned(&self) -> usize {
        self.orphaned.load(Ordering::Relaxed)
    }

    /// Those that were left on one node.
    pub fn orphaned_on(&self, node: NodeId) -> usize {
        // There are none, nearly always.
        if self.orphaned() == 0 {
            return 0;
        }
        lock(&self.orphans).on(node)
    }

    /// Migrations under way.
    pub fn moving(&self) -> u32 {
        lock(&self.migrations).under_way()
    }

    /// A move is over.
    pub(crate) fn migrated(&self, entry: &SessionEntry, migration: &Migration) {
        let name = |node: NodeId| &*self.nodes[usize::from(node.0)].name;
        macro_rules! say {
            ($level:ident, $what:literal) => {
                tracing::$level!(
                    session = %entry.id,
                    guild = migration.guild.0,
                    from = name(migration.from),
                    to = migration.to.map(name),
                    reason = migration.reason.name(),
                    outcome = migration.outcome.name(),
                    took_ms = migration.took.as_millis(),
                    tries = migration.tries,
                    $what
                )
            };
        }
        match migration.outcome {
            MoveOutcome::Moved => say!(info, "player moved"),
            MoveOutcome::Stayed => say!(info, "player stayed"),
            MoveOutcome::Failed => say!(warn, "player lost"),
            MoveOutcome::Dropped => say!(debug, "player's move dropped"),
        }
        self.moves.note(&entry.id, migration);
    }

    /// Traffic could not reach the node.
    pub(crate) fn node_unreachable(&self, node: NodeId, error: &io::Error) {
        tracing::debug!(node = %self.nodes[usize::from(node.0)].name, %error, "node could not be reached");
        self.signal(node, Signal::ConnectError);
    }

    /// The node took a request and failed it.
    pub(crate) fn node_failed(&self, node: NodeId) {
        self.signal(node, Signal::RequestFailed);
    }

    pub(crate) fn log_transition(&self, node: NodeId, transition: Option<Transition>) {
        if let Some(transition) = transition {
            self.observed.state_changed(node, &transition);
            let Transition { from, to, why, .. } = transition;
            let name = &self.nodes[usize::from(node.0)].name;
            tracing::info!(node = %name, %from, %to, %why, "node changed its state");
            let change = match to {
                NodeState::Down => Some(NodeChange::Down),
                NodeState::Draining => Some(NodeChange::Draining),
                NodeState::Healthy | NodeState::Degraded if !from.takes_work() => Some(NodeChange::Up),
                _ => None,
            };
            for worker in 0..self.workers.len() {
                if let Some(change) = change {
                    self.send(worker, WorkerMessage::Node(node, change)).ok();
                }
            }
        }
    }

    /// What is known of the way from a node to a Discord voice region, as its players told.
    pub fn voice_ping(&self, node: NodeId, region: &str) -> Option<Measured> {
        lock(&self.voice_pings).measured(node, region, Instant::now())
    }

    /// A node's `stats` came over a link of a session with so many players there.
    pub(crate) fn link_reported(&self, node: NodeId, link: LinkKey, players: u32, stats: Stats) {
        self.note_pool(|pool| pool.reported(node, Some((link, players)), stats, Instant::now()));
    }

    /// What the v4 nodes that take work (or, if none does, all that ever answered) said of themselves.
    pub(crate) fn infos(&self) -> Vec<Info> {
        let pool = self.pool();
        let known = |only_working: bool| -> Vec<_> {
            pool.nodes()
                .iter()
                .filter(|node| node.generation.is_some_and(Generation::is_v4))
                .filter(|node| !only_working || node.state.takes_work())
                .filter_map(|node| node.about.as_ref().map(|about| about.info.clone()))
                .collect()
        };
        let working = known(true);
        if working.is_empty() { known(false) } else { working }
    }

    // --- placement ---------------------------------------------------------------------------------------------------

    /// A node for a request that belongs to no session.
    pub(crate) fn choose_request(
        &self,
        class: Class,
        source: Option<&str>,
        allowed: Allowed<'_>,
    ) -> Result<NodeId, ProxyError> {
        self.choose(class, source, &[], allowed, placement::choose_request)
            .map(|choice| choice.node)
    }

    /// A node for a new session, other than those that just failed. The session's id is known before only where the
    /// proxy issues it.
    pub(crate) fn choose_session(
        &self,
        class: Class,
        failed: &[NodeId],
        allowed: Allowed<'_>,
        session: Option<&SessionId>,
    ) -> Result<NodeId, ProxyError> {
        let choice = self.choose(class, None, failed, allowed, placement::choose_session)?;
        self.placed(&choice, Instant::now(), session, None);
        Ok(choice.node)
    }

    /// A session or a player was placed; for people to look at.
    pub(crate) fn placed(&self, choice: &Choice, now: Instant, session: Option<&SessionId>, guild: Option<GuildId>) {
        let score = self.pool().get(choice.node).map(|node| placement::score(node, now));
        self.observed.placed(choice, score, session, guild);
    }

    /// Another node for a request that the first one failed.
    pub(crate) fn choose_other(&self, class: Class, failed: NodeId, allowed: Allowed<'_>) -> Option<NodeId> {
        self.choose(class, None, &[failed], allowed, placement::choose_request)
            .ok()
            .map(|choice| choice.node)
    }

    fn choose(
        &self,
        class: Class,
        source: Option<&str>,
        exclude: &[NodeId],
        allowed: Allowed<'_>,
        policy: fn(&PoolSnapshot, &Want<'_>, &mut fastrand::Rng, Instant) -> Result<Choice, NoNode>,
    ) -> Result<Choice, ProxyError> {
        let want = Want {
            generation: match class {
                Class::V4 => Wanted::V4,
                Class::V3 => Wanted::V37,
                Class::V3Legacy => Wanted::AnyV3,
            },
            source,
            exclude,
            allowed,
            region: None,
            pings: None,
            near: &[],
            lacks_channel: false,
        };
        policy(&self.snapshot.load(), &want, &mut fastrand::Rng::new(), Instant::now()).map_err(ProxyError::NoNode)
    }

    // --- version memory ----------------------------------------------------------------------------------------------

    pub(crate) fn bound(&self, caller: &Caller, versioned: bool) -> Option<Binding> {
        // A versioned path asks only whether its prefix is a legacy client's base path.
        if versioned && !self.any_base.load(Ordering::Relaxed) {
            return None;
        }
        lock(&self.bindings).bound(caller, Instant::now())
    }

    pub(crate) fn socket_opened(&self, caller: &Caller, binding: Binding) {
        if binding.base {
            self.any_base.store(true, Ordering::Relaxed);
        }
        lock(&self.bindings).socket_opened(caller, binding);
    }

    pub(crate) fn socket_closed(&self, caller: &Caller, binding: Binding) {
        lock(&self.bindings).socket_closed(caller, binding, Instant::now());
    }

    pub(crate) fn undecided_opened(&self, caller: &Caller, entry: &Arc<SessionEntry>) {
        self.directory.insert(Arc::clone(entry));
        lock(&self.undecided_sockets).push((*caller, Arc::clone(entry)));
        self.undecided.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn undecided_closed(&self, caller: &Caller, entry: &Arc<SessionEntry>) {
        let mut sockets = lock(&self.undecided_sockets);
        if let Some(at) = sockets
            .iter()
            .position(|(other, known)| other == caller && Arc::ptr_eq(known, entry))
        {
            sockets.swap_remove(at);
            self.undecided.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The undecided socket of the same client: same tenant, and the same user where the request names one, else the
    /// same address; none when several could be meant.
    pub(crate) fn undecided_of(&self, caller: &Caller) -> Option<Arc<SessionEntry>> {
        let sockets = lock(&self.undecided_sockets);
        let mut same = sockets.iter().filter(|(other, _)| {
            other.tenant == caller.tenant
                && if caller.user.is_some() {
                    other.user == caller.user
                } else {
                    other.ip == caller.ip
                }
        });
        let first = same.next()?;
        same.next().is_none().then(|| Arc::clone(&first.1))
    }

    // --- limits ------------------------------------------------------------------------------------------------------

    pub(crate) fn admit(&self, ip: IpAddr) -> bool {
        lock(&self.limits).admit(ip).is_ok()
    }

    pub(crate) fn release(&self, ip: IpAddr) {
        lock(&self.limits).release(ip);
    }
}

/// A connection belongs to no worker while this is held.
pub(crate) struct Crossing(Arc<AtomicUsize>);

impl Drop for Crossing {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The nodes that a tenant may use; `None` is all.
pub(crate) type Allowed<'a> = Option<&'a [NodeId]>;

/// What a lock guards here is whole between two statements, so a panic elsewhere does not spoil it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
