//! Version memory: which dialect the same client spoke a moment ago (detection signal 12). Not for telling the dialect
//! of a request by itself: that is `lavalink_protocol::detect`, which asks here.
//!
//! "The same client" is tenant and user id where the request names the user, else tenant and address for a short time.
//! Open sockets win over what was seen last. Two dialects at once behind one address are ambiguous: then nothing is
//! remembered, and the configured default decides. Of one user the last word counts, since a bot may be upgraded.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use lavalink_protocol::detect::{Binding, Class};
use lavalink_protocol::id::UserId;

use crate::tenant::TenantId;

/// Who sends a request, as far as it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// Whose password it has.
    pub tenant: TenantId,
    /// Its `User-Id`, if any.
    pub user: Option<UserId>,
    /// The client's address.
    pub ip: IpAddr,
}

/// How much is remembered and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BindingSettings {
    /// How long a user's dialect is remembered after it was last seen.
    pub user_life: Duration,
    /// The same for an address, which may pass to another bot.
    pub ip_life: Duration,
    /// At most this many users and addresses without an open socket are remembered, the latest ones.
    pub entries: usize,
}

impl Default for BindingSettings {
    fn default() -> Self {
        Self {
            user_life: Duration::from_secs(24 * 3600),
            ip_life: Duration::from_secs(600),
            entries: 20_000,
        }
    }
}

/// The memory of dialects.
#[derive(Debug)]
pub struct Bindings {
    settings: BindingSettings,
    /// Open sockets per key; as many entries as there are sockets, at most.
    live: HashMap<Key, Live>,
    seen: Latest<Key, Seen>,
}

impl Bindings {
    /// Remembers nothing yet.
    pub fn new(settings: BindingSettings) -> Self {
        Self {
            settings,
            live: HashMap::new(),
            seen: Latest::new(settings.entries),
        }
    }

    /// A client's socket is open and speaks this dialect. Close it with the same values.
    pub fn socket_opened(&mut self, caller: &Caller, binding: Binding) {
        for key in caller.keys() {
            self.live.entry(key).or_default().add(binding);
        }
    }

    /// The socket is closed.
    pub fn socket_closed(&mut self, caller: &Caller, binding: Binding, now: Instant) {
        for key in caller.keys() {
            if let Some(live) = self.live.get_mut(&key) {
                live.remove(binding);
                if live.is_empty() {
                    self.live.remove(&key);
                }
            }
        }
        self.seen(caller, binding, now);
    }

    /// A request without a socket showed its dialect by itself (not by this memory or the default).
    pub fn seen(&mut self, caller: &Caller, binding: Binding, now: Instant) {
        for key in caller.keys() {
            self.seen.entry(key).note(binding, now);
        }
    }

    /// What the same client spoke, or `None` when that is not known or ambiguous.
    pub fn bound(&self, caller: &Caller, now: Instant) -> Option<Binding> {
        caller.keys().find_map(|key| match self.look_up(&key, now) {
            Memory::One(binding) => Some(Some(binding)),
            // A user seen with two open dialects is not made clearer by its address.
            Memory::Ambiguous => Some(None),
            Memory::Nothing => None,
        })?
    }

    /// Entries held, for the admin API and tests.
    pub fn len(&self) -> usize {
        self.live.len() + self.seen.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn look_up(&self, key: &Key, now: Instant) -> Memory {
        if let Some(live) = self.live.get(key) {
            return live.binding();
        }
        let Some(seen) = self.seen.get(key) else {
            return Memory::Nothing;
        };
        match key {
            Key::User(..) => seen.latest(self.settings.user_life, now),
            Key::Ip(..) => seen.only(self.settings.ip_life, now),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    User(TenantId, UserId),
    Ip(TenantId, IpAddr),
}

impl Caller {
    /// The stronger key first.
    fn keys(&self) -> impl Iterator<Item = Key> + use<> {
        let user = self.user.map(|user| Key::User(self.tenant, user));
        user.into_iter().chain([Key::Ip(self.tenant, self.ip)])
    }
}

enum Memory {
    One(Binding),
    Ambiguous,
    Nothing,
}

/// Open sockets of one key, by dialect.
#[derive(Debug, Clone, Copy, Default)]
struct Live {
    sockets: [u32; CLASSES.len()],
    /// Of those, the ones opened on a base path.
    on_base: u32,
}

impl Live {
    fn add(&mut self, binding: Binding) {
        self.sockets[slot(binding.class)] += 1;
        self.on_base += u32::from(binding.base);
    }

    fn remove(&mut self, binding: Binding) {
        let count = &mut self.sockets[slot(binding.class)];
        *count = count.saturating_sub(1);
        self.on_base = self.on_base.saturating_sub(u32::from(binding.base));
    }

    fn is_empty(&self) -> bool {
        self.sockets.iter().all(|count| *count == 0)
    }

    fn binding(&self) -> Memory {
        let mut open = CLASSES.into_iter().filter(|class| self.sockets[slot(*class)] > 0);
        match (open.next(), open.next()) {
            (Some(class), None) => Memory::One(Binding {
                class,
                base: self.on_base > 0,
            }),
            (Some(_), Some(_)) => Memory::Ambiguous,
            (None, _) => Memory::Nothing,
        }
    }
}

/// When each dialect was last seen of one key, and whether on a base path.
#[derive(Debug, Clone, Copy, Default)]
struct Seen([Option<(Instant, bool)>; CLASSES.len()]);

impl Seen {
    fn note(&mut self, binding: Binding, now: Instant) {
        self.0[slot(binding.class)] = Some((now, binding.base));
    }

    fn fresh(&self, life: Duration, now: Instant) -> impl Iterator<Item = (Instant, Binding)> {
        CLASSES.into_iter().filter_map(move |class| {
            let (at, base) = self.0[slot(class)]?;
            (now.saturating_duration_since(at) < life).then_some((at, Binding { class, base }))
        })
    }

    fn latest(&self, life: Duration, now: Instant) -> Memory {
        let latest = self.fresh(life, now).max_by_key(|(at, _)| *at);
        latest.map_or(Memory::Nothing, |(_, binding)| Memory::One(binding))
    }

    fn only(&self, life: Duration, now: Instant) -> Memory {
        let mut fresh = self.fresh(life, now);
        match (fresh.next(), fresh.next()) {
            (Some((_, binding)), None) => Memory::One(binding),
            (Some(_), Some(_)) => Memory::Ambiguous,
            (None, _) => Memory::Nothing,
        }
    }
}

const CLASSES: [Class; 3] = [Class::V4, Class::V3, Class::V3Legacy];

fn slot(class: Class) -> usize {
    match class {
        Class::V4 => 0,
        Class::V3 => 1,
        Class::V3Legacy => 2,
    }
}

/// A map that keeps about the latest `cap` entries written: two halves, of which the older is thrown away when the
/// younger is full. Writing and reading take constant time and nothing is ever swept, so that a flood of new addresses
/// costs no more than its own entries.
#[derive(Debug)]
struct Latest<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    half: usize,
}

impl<K: Hash + Eq, V: Default> Latest<K, V> {
    fn new(cap: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            half: (cap / 2).max(1),
        }
    }

    /// The entry to write to; it becomes a young one.
    fn entry(&mut self, key: K) -> &mut V {
        if self.young.len() >= self.half && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        let old = self.old.remove(&key);
        self.young.entry(key).or_insert_with(|| old.unwrap_or_default())
    }

    fn get(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: Binding = Binding {
        class: Class::V4,
        base: false,
    };
    const V3: Binding = Binding {
        class: Class::V3,
        base: false,
    };
    const LEGACY: Binding = Binding {
        class: Class::V3Legacy,
        base: false,
    };
    const LEGACY_ON_BASE: Binding = Binding {
        class: Class::V3Legacy,
        base: true,
    };

    fn caller(user: Option<u64>, last: u8) -> Caller {
        Caller {
            tenant: TenantId(0),
            user: user.map(UserId),
            ip: IpAddr::from([192, 0, 2, last]),
        }
    }

    fn memory() -> (Bindings, Instant) {
        (Bindings::new(BindingSettings::default()), Instant::now())
    }

    #[test]
    fn a_request_without_a_user_is_known_by_its_address() {
        let (mut memory, now) = memory();
        memory.socket_opened(&caller(Some(7), 1), LEGACY_ON_BASE);
        assert_eq!(memory.bound(&caller(None, 1), now), Some(LEGACY_ON_BASE));
        assert_eq!(memory.bound(&caller(Some(7), 9), now), Some(LEGACY_ON_BASE));
        assert_eq!(memory.bound(&caller(None, 2), now), None);
        let other_tenant = Caller {
            tenant: TenantId(1),
            ..caller(Some(7), 1)
        };
        assert_eq!(memory.bound(&other_tenant, now), None);
    }

    #[test]
    fn two_open_dialects_behind_one_address_are_ambiguous_until_one_is_closed_and_forgotten() {
        let (mut memory, now) = memory();
        memory.socket_opened(&caller(Some(7), 1), V4);
        memory.socket_opened(&caller(Some(8), 1), LEGACY);
        assert_eq!(memory.bound(&caller(None, 1), now), None);
        assert_eq!(memory.bound(&caller(Some(7), 1), now), Some(V4));
        assert_eq!(memory.bound(&caller(Some(8), 1), now), Some(LEGACY));
        memory.socket_closed(&caller(Some(8), 1), LEGACY, now);
        assert_eq!(memory.bound(&caller(None, 1), now), Some(V4));
        memory.socket_closed(&caller(Some(7), 1), V4, now);
        assert_eq!(memory.bound(&caller(None, 1), now), None, "both were seen a moment ago");
    }

    #[test]
    fn an_open_socket_wins_over_what_was_seen_last() {
        let (mut memory, now) = memory();
        memory.socket_opened(&caller(Some(7), 1), V4);
        memory.seen(&caller(Some(7), 1), V3, now + Duration::from_secs(1));
        assert_eq!(
            memory.bound(&caller(Some(7), 1), now + Duration::from_secs(2)),
            Some(V4)
        );
    }

    #[test]
    fn of_one_user_the_last_word_counts_when_no_socket_is_open() {
        let (mut memory, now) = memory();
        memory.socket_opened(&caller(Some(7), 1), V3);
        memory.socket_closed(&caller(Some(7), 1), V3, now);
        memory.seen(&caller(Some(7), 1), V4, now + Duration::from_secs(60));
        assert_eq!(
            memory.bound(&caller(Some(7), 1), now + Duration::from_secs(61)),
            Some(V4)
        );
    }

    #[test]
    fn memories_expire_in_their_time() {
        let (mut memory, now) = memory();
        let BindingSettings { user_life, ip_life, .. } = BindingSettings::default();
        memory.seen(&caller(Some(7), 1), V3, now);
        let second = Duration::from_secs(1);
        let cases = [
            (None, ip_life - second, Some(V3)),
            (None, ip_life, None),
            (Some(7), user_life - second, Some(V3)),
            (Some(7), user_life, None),
        ];
        for (user, after, expected) in cases {
            assert_eq!(
                memory.bound(&caller(user, 1), now + after),
                expected,
                "{user:?} {after:?}"
            );
        }
    }

    #[test]
    fn a_flood_of_addresses_stays_within_the_cap_and_forgets_no_open_socket() {
        let now = Instant::now();
        let mut memory = Bindings::new(BindingSettings {
            entries: 100,
            ..BindingSettings::default()
        });
        memory.socket_opened(&caller(Some(7), 1), V4);
        for n in 0..10_000_u32 {
            let flood = Caller {
                tenant: TenantId(0),
                user: None,
                ip: IpAddr::from(n.to_be_bytes()),
            };
            memory.seen(&flood, V3, now);
            assert!(memory.len() <= 100 + 2, "{}", memory.len());
        }
        assert_eq!(memory.bound(&caller(Some(7), 9), now), Some(V4));
        let latest = Caller {
            tenant: TenantId(0),
            user: None,
            ip: IpAddr::from(9_999_u32.to_be_bytes()),
        };
        assert_eq!(memory.bound(&latest, now), Some(V3));
    }

    #[test]
    fn closing_a_socket_that_was_never_opened_changes_nothing() {
        let (mut memory, now) = memory();
        memory.socket_closed(&caller(Some(7), 1), V4, now);
        memory.socket_opened(&caller(Some(7), 1), V4);
        memory.socket_closed(&caller(Some(7), 1), V3, now);
        assert_eq!(memory.bound(&caller(Some(7), 1), now), Some(V4));
    }
}
