//! How often a stranger may try to log in: per address a few tries at once, then a wait that doubles with each further
//! one; and a bound on failures from all addresses together, for those who have many. Not for what a try is, and not for
//! clients of the proxy listener.
//!
//! A try counts as failed until it is known to have worked, so that many tries at once are no way around the wait.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// The bounds.
#[derive(Debug, Clone, Copy)]
pub struct ThrottleSettings {
    /// Failures of one address before it has to wait.
    pub free: u32,
    /// The first wait; it doubles with each failure.
    pub first_wait: Duration,
    /// The longest wait. An address that has been quiet for this long is forgotten.
    pub longest_wait: Duration,
    /// Failures of all addresses together that may come at once.
    pub burst: u32,
    /// One more of them is allowed each time this has passed.
    pub refill: Duration,
    /// Addresses that are remembered; past it the one that failed longest ago is forgotten.
    pub addresses: usize,
}

impl Default for ThrottleSettings {
    fn default() -> Self {
        Self {
            free: 5,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(15 * 60),
            burst: 100,
            refill: Duration::from_secs(1),
            addresses: 4096,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Throttle {
    settings: ThrottleSettings,
    addresses: HashMap<IpAddr, Failures>,
    /// Failures of all addresses that were not refilled yet, and when that was so.
    together: f64,
    counted: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Throttle {
    /// Nobody has tried yet.
    pub fn new(settings: ThrottleSettings) -> Self {
        Self {
            settings,
            addresses: HashMap::new(),
            together: 0.0,
            counted: None,
        }
    }

    /// A try from this address; it counts as failed until [`Throttle::succeeded`].
    ///
    /// # Errors
    /// The wait until the next try, which then must not be looked at: it says nothing and counts for nothing.
    pub fn attempt(&mut self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let key = network(address);
        let known = self.addresses.get(&key).copied();
        let known = known.filter(|failures| now.saturating_duration_since(failures.last) < self.settings.longest_wait);
        if let Some(failures) = known {
            let waited = now.saturating_duration_since(failures.last);
            let wait = self.wait(failures.count);
            if waited < wait {
                return Err(wait - waited);
            }
        }
        self.charge(now)?;
        self.make_room(&key);
        let count = known.map_or(0, |failures| failures.count).saturating_add(1);
        self.addresses.insert(key, Failures { count, last: now });
        Ok(())
    }

    /// The last try of this address was right after all: it may make mistakes again.
    pub fn succeeded(&mut self, address: IpAddr) {
        if self.addresses.remove(&network(address)).is_some() {
            self.together = (self.together - 1.0).max(0.0);
        }
    }

    /// How many addresses are remembered.
    pub fn len(&self) -> usize {
        self.addresses.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty()
    }

    fn wait(&self, failures: u32) -> Duration {
        let Some(doublings) = failures.checked_sub(self.settings.free) else {
            return Duration::ZERO;
        };
        let wait = self.settings.first_wait.saturating_mul(1 << doublings.min(20));
        wait.min(self.settings.longest_wait)
    }

    /// Takes one from what all addresses have together.
    fn charge(&mut self, now: Instant) -> Result<(), Duration> {
        let passed = self
            .counted
            .map_or(Duration::ZERO, |then| now.saturating_duration_since(then));
        let refill = self.settings.refill.as_secs_f64();
        self.together = (self.together - passed.as_secs_f64() / refill).max(0.0);
        self.counted = Some(now);
        let over = self.together + 1.0 - f64::from(self.settings.burst);
        if over > 0.0 {
            return Err(Duration::from_secs_f64(over * refill));
        }
        self.together += 1.0;
        Ok(())
    }

    fn make_room(&mut self, key: &IpAddr) {
        if self.addresses.len() < self.settings.addresses || self.addresses.contains_key(key) {
            return;
        }
        let oldest = self.addresses.iter().min_by_key(|(_, failures)| failures.last);
        if let Some(oldest) = oldest.map(|(address, _)| *address) {
            self.addresses.remove(&oldest);
        }
    }
}

/// Whoever has one IPv6 address has the 2^64 of its network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn throttle() -> (Throttle, Instant) {
        (Throttle::new(ThrottleSettings::default()), Instant::now())
    }

    #[test]
    fn an_address_has_a_few_tries_and_then_waits_that_double() {
        let (mut throttle, mut now) = throttle();
        let address = ip("192.0.2.1");
        for _ in 0..5 {
            throttle.attempt(address, now).unwrap();
        }
        for wait in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512] {
            assert_eq!(throttle.attempt(address, now), Err(SECOND * wait));
            now += SECOND * wait - Duration::from_millis(1);
            assert_eq!(throttle.attempt(address, now), Err(Duration::from_millis(1)));
            now += Duration::from_millis(1);
            throttle.attempt(address, now).unwrap();
        }
        assert_eq!(throttle.attempt(address, now), Err(SECOND * 900), "the longest");
        throttle.attempt(ip("192.0.2.2"), now).unwrap();
    }

    #[test]
    fn a_refused_try_does_not_make_the_wait_longer() {
        let (mut throttle, now) = throttle();
        let address = ip("192.0.2.1");
        while throttle.attempt(address, now).is_ok() {}
        for _ in 0..100 {
            assert_eq!(throttle.attempt(address, now), Err(SECOND));
        }
    }

    #[test]
    fn success_and_a_long_silence_forget_what_was() {
        let (mut throttle, now) = throttle();
        let address = ip("192.0.2.1");
        while throttle.attempt(address, now).is_ok() {}
        throttle.succeeded(address);
        throttle.attempt(address, now).unwrap();
        while throttle.attempt(address, now).is_ok() {}
        let later = now + SECOND * 900;
        for _ in 0..5 {
            throttle.attempt(address, later).unwrap();
        }
    }

    #[test]
    fn an_ipv6_network_is_one_address_and_a_mapped_ipv4_address_is_itself() {
        let (mut throttle, now) = throttle();
        while throttle.attempt(ip("2001:db8:0:1::1"), now).is_ok() {}
        assert!(throttle.attempt(ip("2001:db8:0:1:ffff::9"), now).is_err());
        assert!(throttle.attempt(ip("2001:db8:0:2::1"), now).is_ok());
        while throttle.attempt(ip("192.0.2.7"), now).is_ok() {}
        assert!(throttle.attempt(ip("::ffff:192.0.2.7"), now).is_err());
    }

    #[test]
    fn many_addresses_together_have_a_bound_too_and_no_more_room_than_it() {
        let (mut throttle, now) = throttle();
        let address = |number: u32| IpAddr::from((0x0a00_0000 + number).to_be_bytes());
        for number in 0..100 {
            throttle.attempt(address(number), now).unwrap();
        }
        assert_eq!(throttle.attempt(address(100), now), Err(SECOND));
        throttle.attempt(address(100), now + SECOND).unwrap();
        let mut later = now + SECOND;
        for number in 0..10_000 {
            later += SECOND;
            throttle.attempt(address(number), later).unwrap();
            assert!(throttle.len() <= 4096);
        }
    }

    #[test]
    fn tries_that_work_leave_nothing_behind() {
        let (mut throttle, now) = throttle();
        for number in 0..1000_u32 {
            let address = IpAddr::from(number.to_be_bytes());
            throttle.attempt(address, now).unwrap();
            throttle.succeeded(address);
        }
        assert!(throttle.is_empty());
    }
}
