//! Sessions that are open and have a player each: idle, or receiving messages whose order and latency are checked.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use lavalink_protocol::ws::Opcode;
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};

use crate::PASSWORD;
use crate::control::{Delivery, LoadCommand, LoadEvent, Measured, commands, say};
use crate::load::handshake;
use crate::load::requests::{self, Target};
use crate::load::rest::{send_all, summary};
use crate::message;
use crate::net::{READ_BUFFER, ReadOutcome, connect, read_once};
use crate::sys::monotonic_ns;

const WAKER: Token = Token(usize::MAX);
/// Handshakes under way at a time.
const HANDSHAKES: usize = 128;
/// Keep-alive connections for the first player updates.
const UPDATE_CONNECTIONS: usize = 16;
/// All sessions must be open by then.
const OPENING: Duration = Duration::from_secs(60);
/// How long messages may still come after pushing has ended.
const DRAINING: Duration = Duration::from_secs(2);
/// How long the other side may take to end its closed sessions.
const CLOSING: Duration = Duration::from_secs(5);

/// Opens the sessions, then does as the orchestrator says until it closes them or goes.
pub(crate) fn serve(to: SocketAddr, count: usize) -> Result<()> {
    let mut sessions = Sessions::open(to, count)?;
    let commands = commands(Waker::new(sessions.poll.registry(), WAKER)?);
    say(&LoadEvent::Opened { sessions: count })?;
    let mut window_began = monotonic_ns();
    loop {
        sessions.poll_once(None)?;
        loop {
            match commands.try_recv() {
                Ok(LoadCommand::Mark) => {
                    sessions.latencies.clear();
                    window_began = monotonic_ns();
                    say(&LoadEvent::Marked)?;
                }
                Ok(LoadCommand::Report) => {
                    let counted = Measured {
                        units: sessions.latencies.len() as u64,
                        ..Measured::default()
                    };
                    let window_ns = monotonic_ns() - window_began;
                    say(&LoadEvent::Reported(summary(
                        &counted,
                        &mut sessions.latencies,
                        window_ns,
                    )))?;
                }
                Ok(LoadCommand::Drain { pushed }) => say(&LoadEvent::Drained(sessions.drain(pushed)?))?,
                Ok(LoadCommand::Close) => {
                    sessions.close()?;
                    say(&LoadEvent::Closed)?;
                    return wait_for_end(&commands);
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Ok(()),
            }
        }
    }
}

/// Stays until the orchestrator goes, so that it can still read this process's CPU time.
fn wait_for_end(commands: &Receiver<LoadCommand>) -> Result<()> {
    while commands.recv().is_ok() {}
    Ok(())
}

/// Open sessions.
pub(crate) struct Sessions {
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
    targets: Vec<Target>,
    buffer: Vec<u8>,
    /// Sessions whose `ready` has come.
    ready: usize,
    /// Messages since the last drain.
    received: u64,
    reordered: u64,
    closed: u64,
    /// Latency of each message since the last mark, in nanoseconds.
    latencies: Vec<u32>,
}

struct Connection {
    /// `None` once it was closed.
    stream: Option<TcpStream>,
    /// The beginning of a handshake answer or frame whose end has not come yet.
    partial: Vec<u8>,
    switched: bool,
    /// The sequence number that the next message must have.
    next: u64,
    session: Option<String>,
}

impl Sessions {
    /// Opens `count` sessions and gives each a player.
    pub(crate) fn open(to: SocketAddr, count: usize) -> Result<Self> {
        let mut sessions = Self {
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            connections: Vec::with_capacity(count),
            targets: Vec::with_capacity(count),
            buffer: vec![0; READ_BUFFER],
            ready: 0,
            received: 0,
            reordered: 0,
            closed: 0,
            latencies: Vec::with_capacity(1 << 18),
        };
        sessions.handshakes(to, count)?;
        for (number, connection) in sessions.connections.iter_mut().enumerate() {
            let session = connection.session.take().context("a session without an id")?;
            sessions.targets.push(Target {
                session,
                guild: requests::guild(number),
            });
        }
        send_all(to, requests::first_updates(to, &sessions.targets), UPDATE_CONNECTIONS)
            .context("cannot give each session a player")?;
        Ok(sessions)
    }

    /// The sessions and their players, as requests name them.
    pub(crate) fn targets(&self) -> &[Target] {
        &self.targets
    }

    fn handshakes(&mut self, to: SocketAddr, count: usize) -> Result<()> {
        let until = monotonic_ns() + OPENING.as_nanos() as u64;
        while self.ready < count {
            while self.connections.len() < count && self.connections.len() < self.ready + HANDSHAKES {
                self.connect(to)?;
            }
            self.poll_once(Some(Duration::from_millis(100)))?;
            ensure!(self.closed == 0, "a handshake ended in a closed connection");
            ensure!(
                monotonic_ns() < until,
                "only {} of {count} sessions are ready after {OPENING:?}",
                self.ready
            );
        }
        Ok(())
    }

    fn connect(&mut self, to: SocketAddr) -> Result<()> {
        let number = self.connections.len();
        let mut stream = connect(to, number).context("cannot connect")?;
        write_all(&mut stream, &requests::handshake(to, number, PASSWORD))?;
        self.poll
            .registry()
            .register(&mut stream, Token(number), Interest::READABLE)?;
        let stream = Some(stream);
        self.connections.push(Connection {
            stream,
            partial: Vec::new(),
            switched: false,
            next: 0,
            session: None,
        });
        Ok(())
    }

    fn poll_once(&mut self, timeout: Option<Duration>) -> Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        // Taken out so that the loop can lend out everything else.
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            if event.token() != WAKER {
                self.read(event.token().0, event)?;
            }
        }
        self.events = events;
        Ok(())
    }

    fn read(&mut self, at: usize, event: &Event) -> Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        while let Some(stream) = &mut self.connections[at].stream {
            match read_once(stream, &mut buffer) {
                ReadOutcome::Data(len) => {
                    self.take_bytes(at, &buffer[..len])?;
                    if len < buffer.len() && !event.is_read_closed() {
                        break;
                    }
                }
                ReadOutcome::Empty => break,
                ReadOutcome::Closed => {
                    self.connections[at].stream = None;
                    self.closed += 1;
                }
            }
        }
        self.buffer = buffer;
        Ok(())
    }

    fn take_bytes(&mut self, at: usize, bytes: &[u8]) -> Result<()> {
        let now_ns = monotonic_ns();
        let mut partial = std::mem::take(&mut self.connections[at].partial);
        if partial.is_empty() {
            let used = self.consume(at, bytes, now_ns)?;
            if used < bytes.len() {
                self.connections[at].partial = bytes[used..].to_vec();
            }
            return Ok(());
        }
        partial.extend_from_slice(bytes);
        let used = self.consume(at, &partial, now_ns)?;
        partial.drain(..used);
        self.connections[at].partial = partial;
        Ok(())
    }

    /// Takes the handshake's answer and all whole frames; returns how many bytes they took.
    fn consume(&mut self, at: usize, bytes: &[u8], now_ns: u64) -> Result<usize> {
        let mut used = 0;
        if !self.connections[at].switched {
            match handshake::switched(bytes)? {
                Some(len) => used = len,
                None => return Ok(0),
            }
            self.connections[at].switched = true;
        }
        while let Some((opcode, payload, len)) = handshake::frame(&bytes[used..])? {
            used += len;
            match opcode {
                Opcode::Text => self.take_message(at, payload, now_ns)?,
                Opcode::Ping => self.answer_ping(at, payload)?,
                Opcode::Close | Opcode::Pong => {}
                Opcode::Binary | Opcode::Continuation => bail!("a frame that no node sends: {opcode:?}"),
            }
        }
        Ok(used)
    }

    fn take_message(&mut self, at: usize, payload: &[u8], now_ns: u64) -> Result<()> {
        let connection = &mut self.connections[at];
        if let Some((seq, sent_ns)) = message::read(payload) {
            self.received += 1;
            self.latencies
                .push(u32::try_from(now_ns.saturating_sub(sent_ns)).unwrap_or(u32::MAX));
            // A gap is no disorder: what never comes is missed at the drain.
            if seq < connection.next {
                self.reordered += 1;
            }
            connection.next = connection.next.max(seq + 1);
        } else if connection.session.is_none()
            && let Some(session) = handshake::ready_session(payload)?
        {
            connection.session = Some(session);
            self.ready += 1;
        }
        Ok(())
    }

    fn answer_ping(&mut self, at: usize, payload: &[u8]) -> Result<()> {
        match &mut self.connections[at].stream {
            Some(stream) => write_all(stream, &handshake::pong(payload)),
            None => Ok(()),
        }
    }

    /// Waits for what is still on its way.
    fn drain(&mut self, pushed: u64) -> Result<Delivery> {
        let until = monotonic_ns() + DRAINING.as_nanos() as u64;
        while self.received < pushed && monotonic_ns() < until {
            self.poll_once(Some(Duration::from_millis(20)))?;
        }
        let lost = pushed.saturating_sub(self.received);
        let delivery = Delivery {
            lost,
            reordered: self.reordered,
            closed: self.closed,
        };
        self.received = 0;
        self.reordered = 0;
        Ok(delivery)
    }

    /// Closes all sessions as a client does and waits for the other side to end them.
    fn close(&mut self) -> Result<()> {
        let frame = handshake::close();
        for connection in &mut self.connections {
            if let Some(stream) = &mut connection.stream {
                // One that is gone already needs no goodbye.
                let _ = write_all(stream, &frame);
            }
        }
        let until = monotonic_ns() + CLOSING.as_nanos() as u64;
        while (self.closed as usize) < self.connections.len() && monotonic_ns() < until {
            self.poll_once(Some(Duration::from_millis(20)))?;
        }
        self.connections.clear();
        Ok(())
    }
}

/// Writes a few bytes to a socket whose buffer is as good as empty.
fn write_all(stream: &mut TcpStream, bytes: &[u8]) -> Result<()> {
    std::io::Write::write_all(stream, bytes).context("cannot write to a session")
}
