//! Listening sockets that another process hands over: systemd, or the run of the proxy before. What connects while nobody
//! accepts waits in their backlog, so that nobody is refused. Not for how they are handed over: that is the program's.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};

/// Sockets that were handed over and are not yet taken.
#[derive(Debug, Default)]
pub struct Inherited(Vec<TcpListener>);

impl Inherited {
    /// These sockets.
    #[must_use]
    pub fn new(sockets: Vec<TcpListener>) -> Self {
        Self(sockets)
    }

    /// The sockets that listen on `address`, ready for use: several where each worker had one of its own.
    ///
    /// # Errors
    /// What the system says of a socket.
    pub(crate) fn take(&mut self, address: SocketAddr) -> io::Result<Vec<TcpListener>> {
        let fits = |socket: &TcpListener| socket.local_addr().is_ok_and(|bound| serves(bound, address));
        let (mut taken, left): (Vec<_>, Vec<_>) = std::mem::take(&mut self.0).into_iter().partition(fits);
        self.0 = left;
        if address.port() == 0
            && let Some(first) = taken.first().map(TcpListener::local_addr).transpose()?
        {
            // Any port was asked for: those of one will do, and the others are another listener's.
            let same = |socket: &TcpListener| socket.local_addr().is_ok_and(|bound| bound == first);
            let (ours, others): (Vec<_>, Vec<_>) = taken.into_iter().partition(same);
            self.0.extend(others);
            taken = ours;
        }
        for socket in &taken {
            socket.set_nonblocking(true)?;
            // Accepted sockets inherit it.
            socket2::SockRef::from(socket).set_tcp_nodelay(true)?;
        }
        Ok(taken)
    }

    /// Where the sockets listen that nobody took. They are closed with this value, and with them what waits in their
    /// backlog.
    pub(crate) fn left(&self) -> Vec<SocketAddr> {
        self.0.iter().filter_map(|socket| socket.local_addr().ok()).collect()
    }
}

/// Deals sockets out to so many workers: each gets one at least, a copy where there are fewer, and all where there are
/// more, since connections may wait in any of them.
///
/// # Errors
/// When the system makes no copy.
pub(crate) fn deal(sockets: &[TcpListener], workers: usize) -> io::Result<Vec<Vec<TcpListener>>> {
    let mut dealt: Vec<Vec<TcpListener>> = (0..workers).map(|_| Vec::new()).collect();
    for turn in 0..workers.max(sockets.len()) {
        dealt[turn % workers].push(sockets[turn % sockets.len()].try_clone()?);
    }
    Ok(dealt)
}

/// Whether a socket on `bound` is what is meant by `address`. Systemd binds `[::]` where `0.0.0.0` may be configured.
fn serves(bound: SocketAddr, address: SocketAddr) -> bool {
    let same = |one: IpAddr, other: IpAddr| one == other || (one.is_unspecified() && other.is_unspecified());
    (address.port() == 0 || bound.port() == address.port()) && same(bound.ip(), address.ip())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn sockets_are_taken_once_for_the_address_that_they_listen_on() {
        let (socket, other) = (bound(), bound());
        let (address, left) = (socket.local_addr().unwrap(), other.local_addr().unwrap());
        let copy = socket.try_clone().unwrap();
        let mut inherited = Inherited::new(vec![other, socket, copy]);
        assert!(inherited.take("127.0.0.1:1".parse().unwrap()).unwrap().is_empty());
        let taken = inherited.take(address).unwrap();
        assert!(taken.len() == 2 && taken.iter().all(|socket| socket.local_addr().unwrap() == address));
        assert!(inherited.take(address).unwrap().is_empty());
        assert_eq!(inherited.left(), [left]);
        assert_eq!(
            inherited.take("127.0.0.1:0".parse().unwrap()).unwrap().len(),
            1,
            "any port"
        );
    }

    #[test]
    fn any_address_of_one_family_stands_for_any_of_the_other() {
        let cases = [
            ("[::]:2333", "0.0.0.0:2333", true),
            ("0.0.0.0:2333", "0.0.0.0:2333", true),
            ("0.0.0.0:2333", "0.0.0.0:2334", false),
            ("127.0.0.1:2333", "0.0.0.0:2333", false),
            ("[::1]:2333", "127.0.0.1:2333", false),
        ];
        for (bound, address, expected) in cases {
            let (bound, address) = (bound.parse().unwrap(), address.parse().unwrap());
            assert_eq!(serves(bound, address), expected, "{bound} for {address}");
        }
    }

    #[test]
    fn every_worker_gets_a_socket_and_every_socket_a_worker() {
        for (sockets, workers) in [(1, 1), (1, 3), (3, 1), (2, 3), (5, 2)] {
            let sockets: Vec<_> = (0..sockets).map(|_| bound()).collect();
            let dealt = deal(&sockets, workers).unwrap();
            assert!(dealt.len() == workers && dealt.iter().all(|one| !one.is_empty()));
            for socket in &sockets {
                let address = socket.local_addr().unwrap();
                assert!(dealt.iter().flatten().any(|one| one.local_addr().unwrap() == address));
            }
        }
    }

    fn bound() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").unwrap()
    }
}
