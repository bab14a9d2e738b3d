//! `lavalink-proxy probe`: asks the admin listener of a running proxy how it is, for container health checks in images
//! that have neither a shell nor curl.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// Long enough for a busy proxy, short enough for Docker's default of 30 s.
const LIMIT: Duration = Duration::from_secs(5);

/// Asks for `path` and returns if the answer is 200.
///
/// # Errors
/// No connection, no answer within 5 s, or another status, which is in the message.
pub(crate) fn probe(admin: SocketAddr, path: &str) -> Result<()> {
    let address = reachable(admin);
    let ask = || -> Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = Vec::new();
        stream.take(64 << 10).read_to_end(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().with_context(|| format!("no answer from http://{address}{path}"))?;
    let head = String::from_utf8_lossy(&answer);
    match head.split_whitespace().nth(1) {
        Some("200") => Ok(()),
        Some(status) => bail!("http://{address}{path} answered {status}"),
        None => bail!("http://{address}{path} did not answer in HTTP"),
    }
}

/// A listener on all addresses is asked on this machine's own.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Answers one request with a status line, or closes at once where there is none.
    fn answering(head: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0_u8; 1024];
            let _ = stream.read(&mut request).unwrap();
            stream.write_all(head.as_bytes()).unwrap();
        });
        address
    }

    #[test]
    fn only_a_200_counts_as_healthy() {
        probe(answering("HTTP/1.1 200 OK\r\n\r\n"), "/readyz").unwrap();
        let refused = probe(answering("HTTP/1.1 503 Service Unavailable\r\n\r\n"), "/readyz").unwrap_err();
        assert!(refused.to_string().contains("503"), "{refused}");
        assert!(probe(answering(""), "/readyz").is_err());
    }

    #[test]
    fn an_unspecified_address_is_asked_on_loopback() {
        for (bind, asked) in [
            ("0.0.0.0:2334", "127.0.0.1:2334"),
            ("[::]:2334", "[::1]:2334"),
            ("10.0.0.1:1", "10.0.0.1:1"),
        ] {
            assert_eq!(reachable(bind.parse().unwrap()), asked.parse().unwrap());
        }
    }
}
