//! The client side: live connections, what became of closed ones, and the sums by address and by label.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use lavalink_protocol::detect::Class;

use super::{COUNTED, Ended, Totals, Traffic, lock};
use crate::session::directory::SessionEntry;

/// More addresses than this are counted together, so that an attacker cannot make the ledger grow.
const MAX_ADDRESSES: usize = 65_536;
/// So many closed connections wait to be taken; beyond, the oldest are forgotten, and counted.
const MAX_CLOSED: usize = 4096;
/// The place of addresses past [`MAX_ADDRESSES`].
const OTHER: u32 = u32::MAX;

/// Under which names a connection's traffic is counted from now on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Label {
    /// Tenant's name; `none` until the client has shown its password.
    pub tenant: Arc<str>,
    /// Protocol version, once it is known.
    pub class: Option<Class>,
}

impl Label {
    /// A number that is the same for the same `Arc` of a name and the same version, for as long as that name lives.
    fn stamp(tenant: &Arc<str>, class: Option<Class>) -> usize {
        let class = match class {
            None => 0,
            Some(Class::V4) => 1,
            Some(Class::V3) => 2,
            Some(Class::V3Legacy) => 3,
        };
        // A name follows two counts in memory, so the two lowest bits of where it lies are zero.
        tenant.as_ptr().addr() | class
    }
}

/// One client connection.
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
    label: ArcSwap<Label>,
    /// The label's stamp: its owner sees by it, without a lock, that a request changes nothing.
    stamp: AtomicUsize,
    session: OnceLock<Arc<SessionEntry>>,
    ended: AtomicU16,
}

impl ConnectionRecord {
    /// The label in force.
    pub fn names(&self) -> Arc<Label> {
        self.label.load_full()
    }

    /// The session that the connection carries, or carried.
    pub fn session(&self) -> Option<&Arc<SessionEntry>> {
        self.session.get()
    }

    /// The connection became the socket of this session. It carries one at most.
    pub(crate) fn set_session(&self, session: &Arc<SessionEntry>) {
        self.session.set(Arc::clone(session)).ok();
    }

    /// Why the connection is going to end. The first cause counts: what follows it is how the end is carried out.
    pub(crate) fn ends(&self, how: Ended) {
        if self.ended() == Ended::Unknown {
            self.ended.store(how.code(), Ordering::Relaxed);
        }
    }

    /// How the connection ended, as far as that is settled.
    pub fn ended(&self) -> Ended {
        Ended::from_code(self.ended.load(Ordering::Relaxed))
    }
}

/// A connection that is over.
#[derive(Clone, Debug)]
pub struct ClosedConnection {
    /// What was known of it, its session and how it ended among it.
    pub record: Arc<ConnectionRecord>,
    /// When it was closed.
    pub closed: SystemTime,
    /// Under which names it counted last.
    pub label: Arc<Label>,
    /// All that it carried.
    pub totals: Totals,
    /// How it ended.
    pub ended: Ended,
}

/// Connections that were closed since they were taken last.
#[derive(Debug, Default)]
pub struct Closed {
    /// In the order in which each worker closed them.
    pub connections: Vec<ClosedConnection>,
    /// How many there were besides, for which there was no room.
    pub lost: u64,
}

/// The client side of one worker thread.
#[derive(Debug)]
pub struct ClientLedger {
    inner: Mutex<Inner>,
    /// What connections count under before their tenant is known.
    none: Arc<Label>,
}

#[derive(Debug, Default)]
struct Inner {
    live: HashMap<u64, Live>,
    opened: u64,
    addresses: HashMap<IpAddr, u32>,
    by_address: Vec<(IpAddr, Sum)>,
    /// Addresses past [`MAX_ADDRESSES`].
    by_other_addresses: Sum,
    /// Few: tenants times versions.
    by_label: Vec<(Arc<Label>, Sum)>,
    closed: VecDeque<ClosedConnection>,
    closed_lost: u64,
}

/// A live connection's place in the sums. Everything that a reading needs of it lies here side by side.
#[derive(Debug)]
struct Live {
    record: Arc<ConnectionRecord>,
    traffic: Arc<Traffic>,
    /// What had been credited to the sums.
    credited: Totals,
    label: u32,
    address: u32,
}

#[derive(Debug, Default)]
struct Sum {
    /// What was credited: by connections that closed, or count under another label now.
    credited: Totals,
    /// What live connections carried since; made by each reading.
    open: Totals,
}

impl Default for ClientLedger {
    fn default() -> Self {
        let none = Label {
            tenant: "none".into(),
            class: None,
        };
        Self {
            inner: Mutex::default(),
            none: Arc::new(none),
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

impl ClientUsage {
    /// Makes room for a new reading. Names stay, so that the next reading allocates nothing for them.
    pub(crate) fn begin(&mut self) -> Reading<'_> {
        self.opened = 0;
        let zero = |totals: &mut Totals| *totals = Totals::default();
        self.by_address.values_mut().for_each(zero);
        self.by_label.values_mut().for_each(zero);
        Reading { usage: self, at: 0 }
    }
}

/// A reading under way, ledger by ledger.
pub(crate) struct Reading<'u> {
    usage: &'u mut ClientUsage,
    /// How many connections were read.
    at: usize,
}

impl Reading<'_> {
    /// Most connections are where they were in the reading before: then only their figures are new.
    fn connection(&mut self, record: &Arc<ConnectionRecord>, totals: Totals) {
        match self.usage.connections.get_mut(self.at) {
            Some((before, figures)) if Arc::ptr_eq(before, record) => *figures = totals,
            Some(place) => *place = (Arc::clone(record), totals),
            None => self.usage.connections.push((Arc::clone(record), totals)),
        }
        self.at += 1;
    }

    pub(crate) fn end(self) {
        self.usage.connections.truncate(self.at);
    }
}

impl ClientLedger {
    pub(crate) fn open(&self, id: u64, peer: SocketAddr, tls: bool) -> Arc<ConnectionRecord> {
        let record = Arc::new(ConnectionRecord {
            id,
            peer,
            tls,
            opened: SystemTime::now(),
            traffic: Arc::default(),
            label: ArcSwap::new(Arc::clone(&self.none)),
            stamp: AtomicUsize::new(Label::stamp(&self.none.tenant, None)),
            session: OnceLock::new(),
            ended: AtomicU16::default(),
        });
        if !COUNTED {
            return record;
        }
        let mut inner = lock(&self.inner);
        inner.opened += 1;
        let live = Live {
            traffic: Arc::clone(&record.traffic),
            credited: Totals::default(),
            label: inner.label(&self.none),
            address: inner.address(peer.ip()),
            record: Arc::clone(&record),
        };
        inner.live.insert(id, live);
        record
    }

    /// From now on the connection counts under `tenant` and `class`; what it carried so far stays where it was. Called
    /// with every request by the thread that owns the connection, and nearly always nothing changes.
    #[inline]
    pub(crate) fn relabel(&self, record: &ConnectionRecord, tenant: &Arc<str>, class: Option<Class>) {
        if COUNTED && record.stamp.load(Ordering::Relaxed) != Label::stamp(tenant, class) {
            self.change_label(record, tenant, class);
        }
    }

    #[cold]
    fn change_label(&self, record: &ConnectionRecord, tenant: &Arc<str>, class: Option<Class>) {
        let label = Arc::new(Label {
            tenant: Arc::clone(tenant),
            class,
        });
        let mut inner = lock(&self.inner);
        let index = inner.label(&label);
        inner.relabel(record.id, index);
        // The connection's label holds the very name that its stamp was made of.
        let known = &inner.by_label[index as usize].0;
        let label = if Arc::ptr_eq(&known.tenant, tenant) {
            Arc::clone(known)
        } else {
            label
        };
        record.label.store(label);
        record.stamp.store(Label::stamp(tenant, class), Ordering::Relaxed);
    }

    pub(crate) fn close(&self, record: &ConnectionRecord) {
        let closed = SystemTime::now();
        let mut inner = lock(&self.inner);
        let Some(mut live) = inner.live.remove(&record.id) else {
            return;
        };
        inner.credit(&mut live);
        if inner.closed.len() == MAX_CLOSED {
            inner.closed.pop_front();
            inner.closed_lost += 1;
        }
        inner.closed.push_back(ClosedConnection {
            closed,
            label: live.record.names(),
            totals: live.credited,
            ended: live.record.ended(),
            record: live.record,
        });
    }

    /// Adds this worker's figures to a reading, and hands over what was closed, both from the same moment.
    pub(crate) fn read(&self, reading: &mut Reading<'_>, closed: Option<&mut Closed>) {
        let mut inner = lock(&self.inner);
        if let Some(closed) = closed {
            inner.hand_over(closed);
        }
        inner.sum_up(reading);
        let usage = &mut *reading.usage;
        usage.opened += inner.opened;
        let add = |sum: &mut Totals, part: &mut Sum| {
            *sum += part.credited;
            *sum += std::mem::take(&mut part.open);
        };
        for (address, part) in &mut inner.by_address {
            add(usage.by_address.entry(Some(*address)).or_default(), part);
        }
        add(usage.by_address.entry(None).or_default(), &mut inner.by_other_addresses);
        for (label, part) in &mut inner.by_label {
            match usage.by_label.get_mut(&**label) {
                Some(sum) => add(sum, part),
                None => add(usage.by_label.entry(Label::clone(label)).or_default(), part),
            }
        }
    }

    /// Hands over what was closed.
    pub(crate) fn take_closed(&self, closed: &mut Closed) {
        lock(&self.inner).hand_over(closed);
    }
}

impl Inner {
    /// The place of a label's sum.
    fn label(&mut self, label: &Arc<Label>) -> u32 {
        let known = self.by_label.iter().position(|(known, _)| known == label);
        let index = known.unwrap_or_else(|| {
            self.by_label.push((Arc::clone(label), Sum::default()));
            self.by_label.len() - 1
        });
        index as u32
    }

    /// The place of an address's sum.
    fn address(&mut self, address: IpAddr) -> u32 {
        if let Some(index) = self.addresses.get(&address) {
            return *index;
        }
        if self.by_address.len() == MAX_ADDRESSES {
            return OTHER;
        }
        let index = self.by_address.len() as u32;
        self.addresses.insert(address, index);
        self.by_address.push((address, Sum::default()));
        index
    }

    fn relabel(&mut self, connection: u64, label: u32) {
        // Taken out, so that the sums can be written to.
        let Some(mut live) = self.live.remove(&connection) else {
            return;
        };
        self.credit(&mut live);
        live.label = label;
        self.live.insert(connection, live);
    }

    fn credit(&mut self, live: &mut Live) {
        let totals = live.traffic.totals();
        let delta = totals - live.credited;
        live.credited = totals;
        self.sum_of_address(live.address).credited += delta;
        self.by_label[live.label as usize].1.credited += delta;
    }

    fn sum_of_address(&mut self, index: u32) -> &mut Sum {
        match self.by_address.get_mut(index as usize) {
            Some((_, sum)) => sum,
            None => &mut self.by_other_addresses,
        }
    }

    /// One pass over the live connections.
    fn sum_up(&mut self, reading: &mut Reading<'_>) {
        for live in self.live.values() {
            let totals = live.traffic.totals();
            let open = totals - live.credited;
            match self.by_address.get_mut(live.address as usize) {
                Some((_, sum)) => sum.open += open,
                None => self.by_other_addresses.open += open,
            }
            self.by_label[live.label as usize].1.open += open;
            reading.connection(&live.record, totals);
        }
    }

    fn hand_over(&mut self, closed: &mut Closed) {
        closed.connections.extend(self.closed.drain(..));
        closed.lost += std::mem::take(&mut self.closed_lost);
    }
}

#[cfg(test)]
mod tests;
