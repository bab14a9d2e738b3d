//! The kernel's own count of a connection's bytes (`TCP_INFO`), to hold other counts against.
//!
//! Linux only, as the proxy's byte counts are. Other fields of the structure are not read.

use std::{
    io,
    mem::size_of,
    os::fd::{AsFd, AsRawFd},
};

/// What the kernel says of a TCP connection: the start of `struct tcp_info` of linux/tcp.h up to `tcpi_bytes_sent`, in
/// the kernel's layout. (libc's declaration may end before the 64-bit counters.)
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpInfo {
    /// Connection state; 1 = established, 7 = closed.
    pub state: u8,
    _small: [u8; 7],
    /// `rto` to `total_retrans`: twenty-four 32-bit values.
    _words: [u32; 24],
    _pacing: [u64; 2],
    /// Bytes that the peer has acknowledged; 1 more once it has acknowledged this end's FIN.
    pub bytes_acked: u64,
    /// Bytes received in order; 1 more once the peer's FIN has arrived.
    pub bytes_received: u64,
    /// Segments sent.
    pub segs_out: u32,
    /// Segments received.
    pub segs_in: u32,
    /// Bytes in the send queue that have not been sent.
    pub notsent_bytes: u32,
    _min_rtt: u32,
    /// Data segments received.
    pub data_segs_in: u32,
    /// Data segments sent.
    pub data_segs_out: u32,
    _rates: [u64; 4],
    _delivered: [u32; 2],
    /// Bytes sent, including repetitions.
    pub bytes_sent: u64,
    /// Bytes sent again.
    pub bytes_retrans: u64,
}

/// Reads the kernel's figures of a TCP socket.
///
/// # Errors
/// Not a TCP socket, or a kernel that does not tell these fields (before 4.19).
#[expect(
    unsafe_code,
    reason = "getsockopt writes into a plain C structure whose size is passed along"
)]
pub fn tcp_info(socket: &impl AsFd) -> io::Result<TcpInfo> {
    let mut info = TcpInfo::default();
    let mut length = libc::socklen_t::try_from(size_of::<TcpInfo>()).map_err(io::Error::other)?;
    // SAFETY: the descriptor is borrowed for the call; `info` is `repr(C)`, holds integers only, and the kernel writes
    // at most `length` bytes, which is its size.
    let outcome = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        )
    };
    if outcome != 0 {
        return Err(io::Error::last_os_error());
    }
    if (length as usize) < size_of::<TcpInfo>() {
        return Err(io::Error::other("this kernel's TCP_INFO lacks the byte counters"));
    }
    Ok(info)
}

impl TcpInfo {
    /// Bytes of this end's data that reached the peer's kernel, given whether this end has closed its direction and
    /// that was acknowledged.
    ///
    /// In the kernel's count the SYN is left out on an accepted socket and included (as 1) on a connecting one, and the
    /// FIN is included once it was acknowledged.
    pub fn bytes_to_peer(&self, end: End, fin_acknowledged: bool) -> u64 {
        let syn = u64::from(end == End::Connected);
        self.bytes_acked.saturating_sub(syn + u64::from(fin_acknowledged))
    }

    /// Bytes of the peer's data that this kernel received (read by the program or not), given whether the peer's FIN
    /// has arrived: that counts as 1.
    pub fn bytes_from_peer(&self, fin_received: bool) -> u64 {
        self.bytes_received.saturating_sub(u64::from(fin_received))
    }
}

/// Which end of a connection a socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It connected.
    Connected,
    /// It was accepted.
    Accepted,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]

    use std::{
        io::{Read, Write},
        net::{Shutdown, TcpListener, TcpStream},
        time::{Duration, Instant},
    };

    use super::*;

    /// The kernel takes note of acknowledgements a moment after the peer has read.
    fn settled(socket: &TcpStream, wanted: impl Fn(&TcpInfo) -> bool) -> TcpInfo {
        let end = Instant::now() + Duration::from_secs(5);
        loop {
            let info = tcp_info(socket).unwrap();
            if wanted(&info) || Instant::now() > end {
                return info;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn both_ends_counts_equal_what_was_sent_before_and_after_closing() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut connected = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut accepted, _) = listener.accept().unwrap();
        connected.write_all(&[1; 12_345]).unwrap();
        accepted.read_exact(&mut [0; 12_345]).unwrap();
        accepted.write_all(&[2; 777]).unwrap();
        connected.read_exact(&mut [0; 777]).unwrap();

        let info = settled(&connected, |info| info.bytes_to_peer(End::Connected, false) == 12_345);
        assert_eq!(
            (info.bytes_to_peer(End::Connected, false), info.bytes_from_peer(false)),
            (12_345, 777)
        );
        let info = settled(&accepted, |info| info.bytes_to_peer(End::Accepted, false) == 777);
        assert_eq!(
            (info.bytes_to_peer(End::Accepted, false), info.bytes_from_peer(false)),
            (777, 12_345)
        );

        connected.shutdown(Shutdown::Write).unwrap();
        assert_eq!(accepted.read(&mut [0; 1]).unwrap(), 0);
        let info = settled(&connected, |info| info.bytes_to_peer(End::Connected, true) == 12_345);
        assert_eq!(info.bytes_to_peer(End::Connected, true), 12_345);
        assert_eq!(tcp_info(&accepted).unwrap().bytes_from_peer(true), 12_345);
    }
}
