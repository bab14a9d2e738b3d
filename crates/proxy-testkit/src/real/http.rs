//! One blocking HTTP request with a deadline, for waiting until a child process answers. Not a client: no keep-alive,
//! no redirects, answers of known length or until the end of the connection only.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body as text.
    pub body: String,
}

/// Sends `GET path` with a password and reads the whole answer.
///
/// # Errors
///
/// When the peer cannot be reached, takes longer than `within` for one read, or does not answer in HTTP.
pub fn get(address: SocketAddr, path: &str, password: &str, within: Duration) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, within)?;
    stream.set_read_timeout(Some(within))?;
    // HTTP/1.0 rules out chunks and keep-alive.
    write!(
        stream,
        "GET {path} HTTP/1.0\r\nHost: {address}\r\nAuthorization: {password}\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    parse(&answer).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"))
}

fn parse(answer: &str) -> Option<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer {
        status,
        body: body.to_owned(),
    })
}
