//! [`RawClient`]: bytes on a TCP socket, for input that no HTTP library would send, and the kernel's count of them.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout_at},
};

use crate::tcp_info::{TcpInfo, tcp_info};

/// What a peer did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawOutcome {
    /// It answered with an HTTP response.
    Answer {
        /// Status code.
        status: u16,
        /// The head's lines, status line first.
        head: Vec<String>,
        /// The body: by `Content-Length`, out of its chunks, or all that came until the end.
        body: Vec<u8>,
    },
    /// It closed in order, after these bytes that are no response.
    Closed(Vec<u8>),
    /// It reset the connection.
    Reset,
    /// It did neither in time; these bytes had come.
    Silent(Vec<u8>),
}

impl RawOutcome {
    /// The status, if it is an answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Answer { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// A header of an answer.
    pub fn header(&self, name: &str) -> Option<&str> {
        let Self::Answer { head, .. } = self else { return None };
        let mut fields = head.iter().skip(1).filter_map(|line| line.split_once(':'));
        fields
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }
}

/// A bare TCP connection.
#[derive(Debug)]
pub struct RawClient {
    tcp: TcpStream,
    /// Bytes that were read beyond an answer.
    buffer: Vec<u8>,
}

impl RawClient {
    /// Connects.
    ///
    /// # Errors
    /// Refused.
    pub async fn connect(addr: SocketAddr) -> io::Result<Self> {
        let tcp = TcpStream::connect(addr).await?;
        tcp.set_nodelay(true)?;
        Ok(Self {
            tcp,
            buffer: Vec::new(),
        })
    }

    /// This end's address.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// The peer has closed.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.tcp.write_all(bytes.as_ref()).await
    }

    /// Sends bytes in pieces of `size` with a pause after each.
    ///
    /// # Errors
    /// The peer has closed.
    pub async fn write_slowly(&mut self, bytes: impl AsRef<[u8]>, size: usize, pause: Duration) -> io::Result<()> {
        for piece in bytes.as_ref().chunks(size.max(1)) {
            self.write(piece).await?;
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    /// Reads one HTTP answer, or whatever else the peer does within `deadline`.
    pub async fn read_answer(&mut self, deadline: Duration) -> RawOutcome {
        let deadline = Instant::now() + deadline;
        loop {
            if let Some(answer) = self.parse_answer(false) {
                return answer;
            }
            match self.fill(deadline).await {
                Fill::More => {}
                Fill::End => {
                    let answer = self.parse_answer(true);
                    return answer.unwrap_or_else(|| RawOutcome::Closed(std::mem::take(&mut self.buffer)));
                }
                Fill::Reset => return RawOutcome::Reset,
                Fill::Timeout => return RawOutcome::Silent(std::mem::take(&mut self.buffer)),
            }
        }
    }

    /// Reads until the peer closes or the deadline passes; returns all bytes, and whether it has closed.
    pub async fn read_to_end(&mut self, deadline: Duration) -> (Vec<u8>, bool) {
        let deadline = Instant::now() + deadline;
        let closed = loop {
            match self.fill(deadline).await {
                Fill::More => {}
                Fill::End | Fill::Reset => break true,
                Fill::Timeout => break false,
            }
        };
        (std::mem::take(&mut self.buffer), closed)
    }

    /// Reads until `pattern` has come; returns everything up to its end, or `None` when it did not come in time.
    pub async fn read_until(&mut self, pattern: &[u8], deadline: Duration) -> Option<Vec<u8>> {
        let deadline = Instant::now() + deadline;
        let mut seen = 0;
        loop {
            // What was looked through is not looked through again: long messages come in many pieces.
            let mut fresh = self.buffer[seen..].windows(pattern.len());
            if let Some(at) = fresh.position(|window| window == pattern) {
                return Some(self.buffer.drain(..seen + at + pattern.len()).collect());
            }
            seen = (self.buffer.len() + 1).saturating_sub(pattern.len()).max(seen);
            if self.fill(deadline).await != Fill::More {
                return None;
            }
        }
    }

    /// Says that nothing more will be sent, and keeps reading.
    ///
    /// # Errors
    /// The socket is gone.
    pub async fn half_close(&mut self) -> io::Result<()> {
        self.tcp.shutdown().await
    }

    /// Resets the connection.
    ///
    /// # Errors
    /// The kernel refused the option.
    pub fn abort(self) -> io::Result<()> {
        self.tcp.set_zero_linger()
    }

    /// The kernel's figures of this connection.
    ///
    /// # Errors
    /// The kernel has none.
    pub fn tcp_info(&self) -> io::Result<TcpInfo> {
        tcp_info(&self.tcp)
    }

    async fn fill(&mut self, deadline: Instant) -> Fill {
        match timeout_at(deadline, self.tcp.read_buf(&mut self.buffer)).await {
            Err(_) => Fill::Timeout,
            Ok(Ok(0)) => Fill::End,
            Ok(Ok(_)) => Fill::More,
            Ok(Err(_)) => Fill::Reset,
        }
    }

    /// Takes a whole answer off the buffer. `at_end`: nothing more will come.
    fn parse_answer(&mut self, at_end: bool) -> Option<RawOutcome> {
        let head_end = self.buffer.windows(4).position(|window| window == b"\r\n\r\n")?;
        let text = String::from_utf8_lossy(&self.buffer[..head_end]).into_owned();
        let head: Vec<String> = text.split("\r\n").map(str::to_owned).collect();
        let status: u16 = head.first()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
        let mut answer = RawOutcome::Answer {
            status,
            head,
            body: Vec::new(),
        };
        let after_head = &self.buffer[head_end + 4..];
        let chunked = answer
            .header("transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
        let (content, length) = if status == 101 || status == 204 || status == 304 {
            (Vec::new(), 0)
        } else if chunked {
            unchunk(after_head).or_else(|| at_end.then(|| (after_head.to_vec(), after_head.len())))?
        } else {
            let declared = answer.header("content-length").and_then(|length| length.parse().ok());
            let length = match declared {
                Some(length) if !at_end || length < after_head.len() => length,
                _ if at_end => after_head.len(),
                _ => return None,
            };
            (after_head.get(..length)?.to_vec(), length)
        };
        self.buffer.drain(..head_end + 4 + length);
        if let RawOutcome::Answer { body, .. } = &mut answer {
            *body = content;
        }
        Some(answer)
    }
}

/// The content of a whole chunked body at the start of `bytes`, and how many bytes it takes. `None`: not whole yet, or
/// not chunks. Trailers are not understood: no node sends any.
fn unchunk(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut content, mut at) = (Vec::new(), 0);
    loop {
        let line_end = at + bytes.get(at..)?.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[at..line_end]).ok()?, 16).ok()?;
        let chunk_end = line_end.checked_add(2)?.checked_add(size)?;
        content.extend(bytes.get(line_end + 2..chunk_end)?);
        at = chunk_end + 2;
        if bytes.get(chunk_end..at)? != b"\r\n" {
            return None;
        }
        if size == 0 {
            return Some((content, at));
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Fill {
    More,
    End,
    Reset,
    Timeout,
}

#[cfg(test)]
mod tests {
    #![allow(missing_docs)]

    use super::unchunk;

    #[test]
    fn chunks_are_joined_when_they_are_whole_and_only_then() {
        let whole = b"3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\nrest";
        assert_eq!(unchunk(whole), Some((b"abc0123456789".to_vec(), whole.len() - 4)));
        for length in 0..whole.len() - 4 {
            assert_eq!(unchunk(&whole[..length]), None, "{length}");
        }
    }
}
