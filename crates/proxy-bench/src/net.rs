//! Sockets as both ends of the benchmark use them: single-threaded, edge-triggered, each read into one shared buffer.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};

use bytes::{Buf, Bytes};
use mio::net::{TcpListener, TcpStream};
use socket2::{Domain, Socket, Type};

/// Size of a role's shared read buffer: the large answer comes in few reads.
pub(crate) const READ_BUFFER: usize = 256 * 1024;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;

/// Addresses 127.0.1.1 to 127.0.1.this are the sources of the load, in turn: one address has only some 28,000
/// ephemeral ports, and closed connections hold theirs for a minute.
const SOURCES: u8 = 64;

/// A listener on a free port of 127.0.0.1.
pub(crate) fn listen() -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// Connects from one of the loopback source addresses, chosen by `turn`.
///
/// The connect itself blocks: on loopback it ends at once, and a non-blocking one would cost an event more.
pub(crate) fn connect(to: SocketAddr, turn: usize) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    let source = Ipv4Addr::new(127, 0, 1, 1 + (turn % usize::from(SOURCES)) as u8);
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    socket.set_tcp_nodelay(true)?;
    socket.connect(&to.into())?;
    socket.set_nonblocking(true)?;
    Ok(TcpStream::from_std(socket.into()))
}

/// What one read gave.
pub(crate) enum ReadOutcome {
    /// So many bytes.
    Data(usize),
    /// Nothing more for now.
    Empty,
    /// The other side closed or reset the connection.
    Closed,
}

/// Reads once.
pub(crate) fn read_once(stream: &mut TcpStream, buffer: &mut [u8]) -> ReadOutcome {
    loop {
        return match stream.read(buffer) {
            Ok(0) => ReadOutcome::Closed,
            Ok(len) => ReadOutcome::Data(len),
            Err(error) if error.kind() == ErrorKind::WouldBlock => ReadOutcome::Empty,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => ReadOutcome::Closed,
        };
    }
}

/// Bytes that the socket did not take yet.
#[derive(Default)]
pub(crate) struct Outbox {
    queue: VecDeque<Bytes>,
}

impl Outbox {
    /// Sends shared bytes; what the socket does not take waits for [`flush`](Self::flush) without being copied.
    pub(crate) fn send_shared(&mut self, stream: &mut TcpStream, mut bytes: Bytes) -> io::Result<()> {
        if self.queue.is_empty() {
            let taken = write_some(stream, &bytes)?;
            bytes.advance(taken);
        }
        if !bytes.is_empty() {
            self.queue.push_back(bytes);
        }
        Ok(())
    }

    /// Sends bytes, copying what the socket does not take.
    pub(crate) fn send(&mut self, stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
        let taken = if self.queue.is_empty() {
            write_some(stream, bytes)?
        } else {
            0
        };
        if taken < bytes.len() {
            self.queue.push_back(Bytes::copy_from_slice(&bytes[taken..]));
        }
        Ok(())
    }

    /// Sends what waits, as far as the socket takes it.
    pub(crate) fn flush(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        while let Some(bytes) = self.queue.front_mut() {
            let taken = write_some(stream, bytes)?;
            bytes.advance(taken);
            if !bytes.is_empty() {
                return Ok(());
            }
            self.queue.pop_front();
        }
        Ok(())
    }

    /// Nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

/// Writes until all is written or the socket is full; returns how much it took.
fn write_some(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let mut taken = 0;
    while taken < bytes.len() {
        match stream.write(&bytes[taken..]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(len) => taken += len,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(taken)
}

/// Values under small numbers that are used again, as the tokens of an event loop are.
pub(crate) struct Slab<T> {
    entries: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Slab<T> {
    /// An empty slab.
    pub(crate) const fn new() -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
        }
    }

    /// The number that the next [`put`](Self::put) must be given.
    pub(crate) fn reserve(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            self.entries.len() - 1
        })
    }

    /// Stores a value under a reserved number, or back under the one it was taken from.
    pub(crate) fn put(&mut self, at: usize, value: T) {
        self.entries[at] = Some(value);
    }

    /// Takes a value out for a while; its number stays its own.
    pub(crate) fn take(&mut self, at: usize) -> Option<T> {
        self.entries.get_mut(at)?.take()
    }

    /// Gives up the number of a value that was taken out.
    pub(crate) fn release(&mut self, at: usize) {
        self.free.push(at);
    }

    /// The value under this number.
    pub(crate) fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.entries.get_mut(at)?.as_mut()
    }
}
