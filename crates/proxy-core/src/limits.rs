//! Caps on open client connections, in total and per address. Not for request rates or bans: they belong to the guard.

use std::collections::HashMap;
use std::net::IpAddr;

/// An address as limits and bans see it: the holder of an IPv6 /64 owns 2^64 addresses, so the prefix is the client;
/// an IPv4 address written as IPv6 (`::ffff:a.b.c.d`) is the IPv4 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IpKey {
    /// One IPv4 address.
    V4(u32),
    /// The upper 64 bits of an IPv6 address.
    V6(u64),
}

impl From<IpAddr> for IpKey {
    fn from(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4.to_bits()),
            IpAddr::V6(v6) => Self::V6((v6.to_bits() >> 64) as u64),
        }
    }
}

/// How many connections may be open at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// From all addresses together.
    pub total: u32,
    /// From one [`IpKey`].
    pub per_ip: u32,
}

/// Why a connection is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// [`ConnectionLimits::total`] is reached.
    #[error("the proxy has reached its limit of connections")]
    Total,
    /// [`ConnectionLimits::per_ip`] is reached.
    #[error("this address has reached its limit of connections")]
    PerIp,
}

/// Counts open connections. Only addresses with an open connection take memory, so the total cap bounds it.
#[derive(Debug)]
pub struct Connections {
    limits: ConnectionLimits,
    total: u32,
    per_ip: HashMap<IpKey, u32>,
}

impl Connections {
    /// No connection open yet.
    pub fn new(limits: ConnectionLimits) -> Self {
        Self {
            limits,
            total: 0,
            per_ip: HashMap::new(),
        }
    }

    /// Counts a new connection in; the caller reports its end with [`Connections::release`].
    ///
    /// # Errors
    /// A cap is reached; then nothing was counted.
    pub fn admit(&mut self, ip: IpAddr) -> Result<(), Refused> {
        if self.total >= self.limits.total {
            return Err(Refused::Total);
        }
        if self.limits.per_ip == 0 {
            return Err(Refused::PerIp);
        }
        let open = self.per_ip.entry(IpKey::from(ip)).or_default();
        if *open >= self.limits.per_ip {
            return Err(Refused::PerIp);
        }
        *open += 1;
        self.total += 1;
        Ok(())
    }

    /// Counts an admitted connection out. An address without an open connection changes nothing.
    pub fn release(&mut self, ip: IpAddr) {
        let key = IpKey::from(ip);
        let Some(open) = self.per_ip.get_mut(&key) else { return };
        *open -= 1;
        self.total -= 1;
        if *open == 0 {
            self.per_ip.remove(&key);
        }
    }

    /// New caps, for instance after a reload. Connections already open stay.
    pub fn set_limits(&mut self, limits: ConnectionLimits) {
        self.limits = limits;
    }

    /// All open connections.
    pub fn total(&self) -> u32 {
        self.total
    }

    /// Open connections of one address (or its /64).
    pub fn of(&self, ip: IpAddr) -> u32 {
        self.per_ip.get(&IpKey::from(ip)).copied().unwrap_or(0)
    }

    /// Addresses with at least one open connection.
    pub fn addresses(&self) -> usize {
        self.per_ip.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_are_grouped_as_one_client_would_hold_them() {
        let cases = [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff::9", true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
            ("::1", "0.0.0.1", false),
        ];
        for (a, b, same) in cases {
            assert_eq!(IpKey::from(ip(a)) == IpKey::from(ip(b)), same, "{a} {b}");
        }
    }

    #[test]
    fn both_caps_hold_and_a_release_makes_room() {
        let mut open = Connections::new(ConnectionLimits { total: 3, per_ip: 2 });
        assert_eq!(open.admit(ip("2001:db8::1")), Ok(()));
        assert_eq!(open.admit(ip("2001:db8::2")), Ok(()));
        assert_eq!(open.admit(ip("2001:db8::3")), Err(Refused::PerIp));
        assert_eq!(open.admit(ip("192.0.2.1")), Ok(()));
        assert_eq!(open.admit(ip("192.0.2.2")), Err(Refused::Total));
        open.release(ip("2001:db8::1"));
        assert_eq!(open.admit(ip("2001:db8::9")), Ok(()));
        assert_eq!((open.total(), open.of(ip("2001:db8::7")), open.addresses()), (3, 2, 2));
    }

    #[test]
    fn closed_addresses_leave_no_memory_behind_and_stray_releases_are_harmless() {
        let mut open = Connections::new(ConnectionLimits { total: 10, per_ip: 1 });
        for last in 0..=255_u8 {
            let ip = IpAddr::from([192, 0, 2, last]);
            open.admit(ip).unwrap();
            open.release(ip);
            open.release(ip);
        }
        assert_eq!((open.total(), open.addresses()), (0, 0));
    }

    #[test]
    fn a_cap_of_zero_lets_nobody_in() {
        let mut open = Connections::new(ConnectionLimits { total: 5, per_ip: 0 });
        assert_eq!(open.admit(ip("192.0.2.1")), Err(Refused::PerIp));
        assert_eq!(open.addresses(), 0);
    }
}
