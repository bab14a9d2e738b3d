//! Who moved how much: counters on the hot path, and the two ledgers that sum them (client side and node side, never
//! added up with each other).
//!
//! A counter is written by the one thread that owns its socket and only read by others, so counting takes no lock and
//! no atomic read-modify-write. A ledger's lock is taken when a connection opens, changes its label or closes, and by
//! readers. Not here: rates (`proxy_core::usage`) and history.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use lavalink_protocol::detect::Class;
pub use proxy_core::usage::Totals;

/// More addresses than this are counted together, so that an attacker cannot make the ledger grow.
const MAX_ADDRESSES: usize = 65_536;

/// A number that one thread counts up and any thread reads.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts; only the owning thread may call this.
    #[inline]
    pub(crate) fn add(&self, count: u64) {
        self.0.store(self.0.load(Ordering::Relaxed) + count, Ordering::Relaxed);
    }

    /// The sum so far.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one socket carried, seen from the proxy: `in` is what the proxy received.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Bytes received on the socket, below TLS.
    pub bytes_in: Counter,
    /// Bytes sent on the socket, below TLS.
    pub bytes_out: Counter,
    /// WebSocket messages received.
    pub messages_in: Counter,
    /// WebSocket messages sent.
    pub messages_out: Counter,
    /// Requests received (client side, refused ones included) or sent (node side).
    pub requests: Counter,
    /// Requests answered with a status below 400.
    pub ok: Counter,
    /// Requests answered with 4xx.
    pub client_error: Counter,
    /// Requests answered with 5xx.
    pub server_error: Counter,
}

impl Traffic {
    /// Counts the answer to a request.
    #[inline]
    pub(crate) fn answered(&self, status: u16) {
        let outcome = match status {
            500.. => &self.server_error,
            400..=499 => &self.client_error,
            _ => &self.ok,
        };
        outcome.add(1);
    }

    /// The figures of this moment.
    pub fn totals(&self) -> Totals {
        Totals {
            bytes_in: self.bytes_in.get(),
            bytes_out: self.bytes_out.get(),
            messages_in: self.messages_in.get(),
            messages_out: self.messages_out.get(),
            requests: self.requests.get(),
            ok: self.ok.get(),
            client_error: self.client_error.get(),
            server_error: self.server_error.get(),
        }
    }
}

/// Under which names a connection's traffic is counted from now on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Label {
    /// Tenant's name; `none` until the client has shown its password.
    pub tenant: Arc<str>,
    /// Protocol version, once it is known.
    pub class: Option<Class>,
}

/// One live client connection.
#[derive(Debug)]
pub struct ConnectionRecord {
    /// Number of the connection, unique while the program runs.
    pub id: u64,
    /// The client's address.
    pub peer: SocketAddr,
    /// The client speaks TLS.
    pub tls: bool,
    /// When it was accepted.
    pub opened: SystemTime,
    /// Its traffic.
    pub traffic: Arc<Traffic>,
    state: Mutex<RecordState>,
}

#[derive(Debug)]
struct RecordState {
    label: Label,
    /// What had been counted under earlier labels.
    credited: Totals,
    session: Option<Arc<str>>,
}

impl ConnectionRecord {
    /// The label in force and the session that the connection carries, if any.
    pub fn label(&self) -> (Label, Option<Arc<str>>) {
        let state = lock(&self.state);
        (state.label.clone(), state.session.clone())
    }

    /// The connection became the socket of this session.
    pub(crate) fn set_session(&self, session: Arc<str>) {
        lock(&self.state).session = Some(session);
    }
}

/// The client side of one worker thread.
#[derive(Debug)]
pub struct ClientLedger {
    inner: Mutex<ClientLedgerInner>,
    none: Arc<str>,
}

#[derive(Debug, Default)]
struct ClientLedgerInner {
    live: HashMap<u64, Arc<ConnectionRecord>>,
    opened: u64,
    by_address: HashMap<IpAddr, Totals>,
    /// Addresses past [`MAX_ADDRESSES`].
    by_other_addresses: Totals,
    by_label: HashMap<Label, Totals>,
}

impl Default for ClientLedger {
    fn default() -> Self {
        Self {
            inner: Mutex::default(),
            none: "none".into(),
        }
    }
}

/// Everything the client side knows at one moment; its views sum up to the same total, to the byte.
#[derive(Debug, Default)]
pub struct ClientUsage {
    /// Live connections with their figures.
    pub connections: Vec<(Arc<ConnectionRecord>, Totals)>,
    /// Connections accepted so far.
    pub opened: u64,
    /// By client address; `None` sums the addresses past the table's bound.
    pub by_address: HashMap<Option<IpAddr>, Totals>,
    /// By tenant and protocol version.
    pub by_label: HashMap<Label, Totals>,
}

impl ClientLedger {
    pub(crate) fn open(&self, id: u64, peer: SocketAddr, tls: bool) -> Arc<ConnectionRecord> {
        let label = Label {
            tenant: Arc::clone(&self.none),
            class: None,
        };
        let record = Arc::new(ConnectionRecord {
            id,
            peer,
            tls,
            opened: SystemTime::now(),
            traffic: Arc::default(),
            state: Mutex::new(RecordState {
                label,
                credited: Totals::default(),
                session: None,
            }),
        });
        let mut inner = lock(&self.inner);
        inner.opened += 1;
        inner.live.insert(id, Arc::clone(&record));
        record
    }

    /// From now on the connection counts under `tenant` and `class`; what it carried so far stays where it was.
    pub(crate) fn relabel(&self, record: &ConnectionRecord, tenant: &Arc<str>, class: Option<Class>) {
        let mut state = lock(&record.state);
        if state.label.class == class && state.label.tenant == *tenant {
            return;
        }
        let mut inner = lock(&self.inner);
        inner.credit(record, &mut state);
        state.label = Label {
            tenant: Arc::clone(tenant),
            class,
        };
    }

    pub(crate) fn close(&self, record: &ConnectionRecord) {
        let mut state = lock(&record.state);
        let mut inner = lock(&self.inner);
        inner.credit(record, &mut state);
        inner.live.remove(&record.id);
    }

    /// Adds this worker's figures to `usage`.
    pub fn collect(&self, usage: &mut ClientUsage) {
        // The records' locks come first everywhere, so they are listed before the ledger is held for the sums.
        let mut live: Vec<_> = lock(&self.inner).live.values().cloned().collect();
        // Two readers lock them in the same order, or each could wait for a record that the other holds.
        live.sort_unstable_by_key(|record| record.id);
        let states: Vec<_> = live.iter().map(|record| (record, lock(&record.state))).collect();
        let inner = lock(&self.inner);
        usage.opened += inner.opened;
        for (address, totals) in &inner.by_address {
            *usage.by_address.entry(Some(*address)).or_default() += *totals;
        }
        *usage.by_address.entry(None).or_default() += inner.by_other_addresses;
        for (label, totals) in &inner.by_label {
            *usage.by_label.entry(label.clone()).or_default() += *totals;
        }
        for (record, state) in states {
            if !inner.live.contains_key(&record.id) {
                continue;
            }
            let totals = record.traffic.totals();
            let open = totals - state.credited;
            *usage.by_address.entry(Some(record.peer.ip())).or_default() += open;
            *usage.by_label.entry(state.label.clone()).or_default() += open;
            usage.connections.push((Arc::clone(record), totals));
        }
    }
}

impl ClientLedgerInner {
    fn credit(&mut self, record: &ConnectionRecord, state: &mut RecordState) {
        let totals = record.traffic.totals();
        let delta = totals - state.credited;
        state.credited = totals;
        let address = record.peer.ip();
        if self.by_address.len() < MAX_ADDRESSES || self.by_address.contains_key(&address) {
            *self.by_address.entry(address).or_default() += delta;
        } else {
            self.by_other_addresses += delta;
        }
        match self.by_label.get_mut(&state.label) {
            Some(sum) => *sum += delta,
            None => drop(self.by_label.insert(state.label.clone(), delta)),
        }
    }
}

/// The node side of one worker thread, for one node: pooled REST connections, and links live and closed.
#[derive(Debug, Default)]
pub struct NodeLedger {
    /// All REST connections of this worker to the node; and of its links the handshakes, as requests with an outcome.
    pub(crate) rest: Arc<Traffic>,
    links: Mutex<Links>,
}

#[derive(Debug, Default)]
struct Links {
    next: u64,
    live: HashMap<u64, Arc<Traffic>>,
    closed: Totals,
}

/// A link's place in the ledger; counted as closed when dropped.
#[derive(Debug)]
pub(crate) struct LinkRecord {
    id: u64,
    ledger: Arc<NodeLedger>,
    pub(crate) traffic: Arc<Traffic>,
}

impl NodeLedger {
    pub(crate) fn open_link(self: &Arc<Self>) -> LinkRecord {
        let traffic = Arc::<Traffic>::default();
        let mut links = lock(&self.links);
        let id = links.next;
        links.next += 1;
        links.live.insert(id, Arc::clone(&traffic));
        LinkRecord {
            id,
            ledger: Arc::clone(self),
            traffic,
        }
    }

    /// REST and links together, and how many links are live.
    pub fn totals(&self) -> (Totals, usize) {
        let links = lock(&self.links);
        let mut totals = self.rest.totals();
        totals += links.closed;
        for traffic in links.live.values() {
            totals += traffic.totals();
        }
        (totals, links.live.len())
    }
}

impl Drop for LinkRecord {
    fn drop(&mut self) {
        let mut links = lock(&self.ledger.links);
        links.live.remove(&self.id);
        links.closed += self.traffic.totals();
    }
}

/// A panic while a ledger was held leaves sums that are at worst short of one update, so they are read on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
