//! Which session a path names, and where its requests go: read by every request without a lock, written when a session
//! begins, gets its link, or ends.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwapOption;
use lavalink_protocol::detect::Class;
use lavalink_protocol::id::{GuildId, NodeSessionId, SessionId, UserId};
use proxy_core::pool::NodeId;
use proxy_core::session::LinkId;
use proxy_core::session::kept::{KeptLink, KeptSession, Settings};
use proxy_core::tenant::TenantId;
use tokio::sync::Notify;

/// Where requests of one link go: its node, and the session's id there.
#[derive(Debug)]
pub struct Route {
    /// Which link; 0 for a tunnel's.
    pub link: LinkId,
    /// The node.
    pub node: NodeId,
    /// The id that the node gave.
    pub node_session: NodeSessionId,
}

/// Where a guild's requests go.
#[derive(Debug, Clone)]
pub enum To {
    /// Over this link.
    Link(Arc<Route>),
    /// Nowhere at the moment; the session tells when that changes.
    Wait,
    /// No player is known: a request that makes one is placed first, others go to the primary link.
    Unplaced,
    /// The session has no link at all, and is not looking for one.
    Nowhere,
}

/// The routes of a session that are not all the same.
#[derive(Debug)]
pub(crate) struct Spread {
    /// Links that are up.
    pub(crate) links: Vec<Arc<Route>>,
    /// By guild; the place of its link in `links`, or none while it waits.
    pub(crate) guilds: Vec<(GuildId, Option<u16>)>,
    /// Guilds that are not listed.
    pub(crate) others: To,
    /// Players by the node that they are on, also while they wait to leave it.
    pub(crate) players: Vec<(NodeId, u32)>,
}

impl Spread {
    fn players_on(&self, node: NodeId) -> u32 {
        let on = self.players.iter().filter(|(known, _)| *known == node);
        on.map(|(_, players)| players).sum()
    }

    fn to(&self, guild: GuildId) -> To {
        match self.route_of(guild) {
            Ok(route) => route.map_or(To::Wait, |route| To::Link(Arc::clone(route))),
            Err(others) => others.clone(),
        }
    }

    fn link_of(&self, guild: GuildId) -> Option<LinkId> {
        match (self.route_of(guild), &self.others) {
            (Ok(Some(route)), _) | (Err(_), To::Link(route)) => Some(route.link),
            _ => None,
        }
    }

    /// Where the requests of a guild's player go, if they go anywhere; as those of all others when there is none.
    fn route_of(&self, guild: GuildId) -> Result<Option<&Arc<Route>>, &To> {
        let index = self.guilds.binary_search_by_key(&guild, |(guild, _)| *guild);
        let (_, link) = self.guilds[index.map_err(|_| &self.others)?];
        Ok(link.and_then(|link| self.links.get(usize::from(link))))
    }
}

/// Player updates under way, by a part of the guild's id: eight counts are enough to tell whether a guild is quiet.
#[derive(Debug, Default)]
struct WritesUnderWay([AtomicU16; 8]);

impl WritesUnderWay {
    fn of(&self, guild: GuildId) -> &AtomicU16 {
        // The low bits of a snowflake are a counter that is mostly 0; those of its time are even.
        &self.0[(guild.0 >> 22) as usize % self.0.len()]
    }
}

/// Counts a player update while held.
#[derive(Debug)]
pub(crate) struct WriteGuard {
    entry: Arc<SessionEntry>,
    guild: GuildId,
}

impl Drop for WriteGuard {
    fn drop(&mut self) {
        self.entry.writes.of(self.guild).fetch_sub(1, Ordering::AcqRel);
    }
}
/// No failed commits are counted any more.
const CLOSED: u32 = u32::MAX;
/// No node has this number.
const NOWHERE: u16 = u16::MAX;

/// One session, as requests and the admin API see it.
#[derive(Debug)]
pub struct SessionEntry {
    /// The id that the client knows.
    pub id: SessionId,
    /// Whose session it is; others are told that it does not exist.
    pub tenant: TenantId,
    /// The tenant's name.
    pub tenant_name: Arc<str>,
    /// The bot.
    pub user: UserId,
    /// `Client-Name`, or the `User-Agent` of a client that sends none.
    pub client_name: Option<Box<str>>,
    /// The worker thread that owns it.
    pub worker: usize,
    /// When it began.
    pub opened: SystemTime,
    /// 0 while undecided, else the class.
    class: AtomicU8,
    /// Live players, as far as the session's requests and answers told.
    pub(crate) players: AtomicU32,
    /// The client is away and may come back.
    pub(crate) parked: AtomicBool,
    /// The link of what belongs to no player, and, unless `spread` is there, of all players.
    route: ArcSwapOption<Route>,
    spread: ArcSwapOption<Spread>,
    writes: WritesUnderWay,
    /// The node of the last route, also when there is none any more; `NOWHERE` before the first.
    last_node: AtomicU16,
    /// Told when the route changes, for requests that came before it.
    pub(crate) changed: Notify,
    settings: Mutex<Settings>,
    /// Commits of the session that failed since all of it was kept; `CLOSED` once it is over.
    misses: AtomicU32,
}

/// What is known of a session when it begins.
pub(crate) struct NewSession {
    pub(crate) id: SessionId,
    pub(crate) tenant: TenantId,
    pub(crate) tenant_name: Arc<str>,
    pub(crate) user: UserId,
    pub(crate) client_name: Option<Box<str>>,
    pub(crate) worker: usize,
    pub(crate) class: Option<Class>,
}

impl SessionEntry {
    pub(crate) fn new(new: NewSession) -> Self {
        Self {
            id: new.id,
            tenant: new.tenant,
            tenant_name: new.tenant_name,
            user: new.user,
            client_name: new.client_name,
            worker: new.worker,
            opened: SystemTime::now(),
            class: AtomicU8::new(new.class.map_or(0, class_to_u8)),
            players: AtomicU32::new(0),
            parked: AtomicBool::new(false),
            route: ArcSwapOption::empty(),
            spread: ArcSwapOption::empty(),
            writes: WritesUnderWay::default(),
            last_node: AtomicU16::new(NOWHERE),
            changed: Notify::new(),
            settings: Mutex::default(),
            misses: AtomicU32::new(0),
        }
    }

    /// A session of an earlier run of the proxy, whose client is away.
    pub(crate) fn revived(new: NewSession, opened: SystemTime, settings: Settings) -> Self {
        Self {
            opened,
            settings: Mutex::new(settings),
            parked: AtomicBool::new(true),
            ..Self::new(new)
        }
    }

    /// The protocol version; `None` while it is undecided.
    pub fn class(&self) -> Option<Class> {
        match self.class.load(Ordering::Relaxed) {
            1 => Some(Class::V4),
            2 => Some(Class::V3),
            3 => Some(Class::V3Legacy),
            _ => None,
        }
    }

    pub(crate) fn bind(&self, class: Class) {
        self.class.store(class_to_u8(class), Ordering::Relaxed);
    }

    /// Where requests go that belong to no player, once a link is up.
    pub fn route(&self) -> Option<Arc<Route>> {
        self.route.load_full()
    }

    /// Reads the route without touching its reference count.
    pub(crate) fn with_route<R>(&self, read: impl FnOnce(&Route) -> R) -> Option<R> {
        self.route.load().as_deref().map(read)
    }

    pub(crate) fn set_route(&self, route: Option<Route>) {
        if let Some(route) = &route {
            self.last_node.store(route.node.0, Ordering::Relaxed);
        }
        self.route.store(route.map(Arc::new));
        self.changed.notify_waiters();
    }

    pub(crate) fn set_routes(&self, primary: Option<Arc<Route>>, spread: Option<Spread>) {
        if let Some(route) = &primary {
            self.last_node.store(route.node.0, Ordering::Relaxed);
        }
        self.spread.store(spread.map(Arc::new));
        self.route.store(primary);
        self.changed.notify_waiters();
    }

    /// Where a guild's requests go. A request that writes counts itself first, with [`begin_write`](Self::begin_write).
    pub(crate) fn to(&self, guild: GuildId) -> To {
        match &*self.spread.load() {
            Some(spread) => spread.to(guild),
            None => self.route.load_full().map_or(To::Nowhere, To::Link),
        }
    }

    /// The link that a guild's requests go to, if they go to one now.
    pub(crate) fn link_of(&self, guild: GuildId) -> Option<LinkId> {
        match &*self.spread.load() {
            Some(spread) => spread.link_of(guild),
            None => self.with_route(|route| route.link),
        }
    }

    /// Whether a guild's player is on this link, as far as is known; `true` while it is nowhere else.
    pub(crate) fn has_player_on(&self, guild: GuildId, link: LinkId) -> bool {
        match self.to(guild) {
            To::Link(route) => route.link == link,
            To::Wait | To::Unplaced | To::Nowhere => true,
        }
    }

    /// The links that are up.
    pub fn links(&self) -> Vec<Arc<Route>> {
        match &*self.spread.load() {
            Some(spread) => spread.links.clone(),
            None => self.route.load_full().into_iter().collect(),
        }
    }

    /// How many players are on a node, as far as the session's requests and answers told.
    pub fn players_on(&self, node: NodeId) -> u32 {
        match &*self.spread.load() {
            Some(spread) => spread.players_on(node),
            None if self.with_route(|route| route.node) == Some(node) => self.players(),
            None => 0,
        }
    }

    /// How many players have no node at the moment: their requests wait.
    pub fn players_waiting(&self) -> u32 {
        let spread = self.spread.load();
        let guilds = spread.iter().flat_map(|spread| &spread.guilds);
        guilds.filter(|(_, link)| link.is_none()).count() as u32
    }

    /// Where the requests of one link go, while it is up.
    pub(crate) fn link(&self, link: LinkId) -> Option<Arc<Route>> {
        match &*self.spread.load() {
            Some(spread) => spread.links.iter().find(|route| route.link == link).cloned(),
            None => self.route().filter(|route| route.link == link),
        }
    }

    /// Whether a link is up.
    pub(crate) fn has_link(&self, link: LinkId) -> bool {
        match &*self.spread.load() {
            Some(spread) => spread.links.iter().any(|route| route.link == link),
            None => self.with_route(|route| route.link == link).unwrap_or(false),
        }
    }

    /// Counts a player update from before its route is looked up until the session was told of its answer, so that a
    /// player is not copied to another node while it changes.
    pub(crate) fn begin_write(self: &Arc<Self>, guild: GuildId) -> WriteGuard {
        self.writes.of(guild).fetch_add(1, Ordering::AcqRel);
        WriteGuard {
            entry: Arc::clone(self),
            guild,
        }
    }

    /// Whether no player update of the guild is under way.
    pub(crate) fn is_quiet(&self, guild: GuildId) -> bool {
        self.writes.of(guild).load(Ordering::Acquire) == 0
    }

    /// The node that requests go to, or went to last.
    pub fn last_node(&self) -> Option<NodeId> {
        let node = self.last_node.load(Ordering::Relaxed);
        (node != NOWHERE).then_some(NodeId(node))
    }

    /// Live players, as far as the session's requests and answers told.
    pub fn players(&self) -> u32 {
        self.players.load(Ordering::Relaxed)
    }

    /// The client is away and may come back.
    pub fn is_parked(&self) -> bool {
        self.parked.load(Ordering::Relaxed)
    }

    /// How many commits failed since all of the session was kept.
    pub(crate) fn misses(&self) -> u32 {
        match self.misses.load(Ordering::Relaxed) {
            CLOSED => 0,
            misses => misses,
        }
    }

    /// A commit failed; whether it is the first of a session that goes on.
    pub(crate) fn missed(&self) -> bool {
        let more = |misses: u32| (misses != CLOSED).then(|| (misses + 1).min(CLOSED - 1));
        self.misses.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) == Ok(0)
    }

    /// All of the session was kept; whether that makes up for all that failed, which is so when it is no more than
    /// `seen`.
    pub(crate) fn made_up(&self, seen: u32) -> bool {
        let changed = self
            .misses
            .compare_exchange(seen, 0, Ordering::Relaxed, Ordering::Relaxed);
        seen != 0 && changed.is_ok()
    }

    /// The session is over; whether commits of it had failed.
    pub(crate) fn closes_misses(&self) -> bool {
        !matches!(self.misses.swap(CLOSED, Ordering::Relaxed), 0 | CLOSED)
    }

    /// Who it is, for another run of the proxy, with these links.
    pub(crate) fn kept(&self, links: Vec<KeptLink>) -> KeptSession {
        KeptSession {
            id: self.id.clone(),
            tenant: Arc::clone(&self.tenant_name),
            user: self.user,
            client: self.client_name.clone(),
            opened: self.opened,
            settings: self.settings(),
            links,
        }
    }

    /// The resuming settings in force.
    pub fn settings(&self) -> Settings {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what was given and returns the settings then in force.
    pub(crate) fn update_settings(&self, resuming: Option<bool>, timeout: Option<i64>) -> Settings {
        let mut settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        settings.resuming = resuming.unwrap_or(settings.resuming);
        settings.timeout = timeout.unwrap_or(settings.timeout);
        *settings
    }
}

const fn class_to_u8(class: Class) -> u8 {
    match class {
        Class::V4 => 1,
        Class::V3 => 2,
        Class::V3Legacy => 3,
    }
}

/// All sessions of the proxy.
#[derive(Debug, Default)]
pub struct Directory {
    sessions: papaya::HashMap<SessionId, Arc<SessionEntry>>,
}

impl Directory {
    /// The session with this id.
    pub fn get(&self, id: &str) -> Option<Arc<SessionEntry>> {
        self.sessions.pin().get(id).cloned()
    }

    /// Reads a session without touching its reference count.
    pub(crate) fn with<R>(&self, id: &str, read: impl FnOnce(&Arc<SessionEntry>) -> R) -> Option<R> {
        self.sessions.pin().get(id).map(read)
    }

    pub(crate) fn insert(&self, entry: Arc<SessionEntry>) {
        self.sessions.pin().insert(entry.id.clone(), entry);
    }

    pub(crate) fn remove(&self, id: &SessionId) {
        self.sessions.pin().remove(id);
    }

    /// All sessions at this moment.
    pub fn all(&self) -> Vec<Arc<SessionEntry>> {
        self.sessions.pin().values().cloned().collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }
}
