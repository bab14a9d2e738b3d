//! Requests over keep-alive connections: one in flight on each, either as fast as answers come or at a fixed rate.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use crate::control::{LoadEvent, Measured, say};
use crate::load::Length;
use crate::load::answer::{Answer, AnswerReader};
use crate::load::requests::{self, Request, What};
use crate::load::sessions::Sessions;
use crate::net::{Outbox, READ_BUFFER, ReadOutcome, connect, read_once};
use crate::stats::percentile;
use crate::sys::{Ticker, monotonic_ns};

const TICKER: Token = Token(usize::MAX);
/// No answer for so long means that the peer is stuck.
const STUCK: Duration = Duration::from_secs(10);

/// Measures one load of requests.
pub(crate) fn measure(
    to: SocketAddr,
    what: What,
    connections: usize,
    rate: Option<u32>,
    length: Length,
) -> Result<Measured> {
    // Held to the end: player updates need their sessions open.
    let mut sessions = None;
    let requests = match what {
        What::Small => requests::small(to),
        What::Large => requests::large(to),
        What::Patch => {
            let opened = sessions.insert(Sessions::open(to, connections)?);
            requests::later_updates(to, opened.targets())
        }
    };
    let mut engine = Engine::new(to, requests, connections, rate)?;
    let end = match length {
        Length::Window(window) => {
            engine.run(End::After(window.warm()))?;
            End::After(window.length())
        }
        Length::Requests(count) => End::Requests(count),
    };
    say(&LoadEvent::Started)?;
    engine.latencies.clear();
    engine.totals = Measured::default();
    let began = monotonic_ns();
    engine.run(end)?;
    Ok(summary(&engine.totals, &mut engine.latencies, monotonic_ns() - began))
}

/// Sends each request once.
pub(crate) fn send_all(to: SocketAddr, requests: Vec<Request>, connections: usize) -> Result<()> {
    let count = requests.len() as u64;
    let mut engine = Engine::new(to, requests, connections.min(count as usize), None)?;
    engine.run(End::Requests(count))?;
    ensure!(
        engine.totals.errors == 0,
        "{} of {count} requests failed",
        engine.totals.errors
    );
    Ok(())
}

/// Adds percentiles and the window's length to what was counted.
pub(crate) fn summary(counted: &Measured, latencies: &mut [u32], window_ns: u64) -> Measured {
    latencies.sort_unstable();
    let at = |share| u64::from(percentile(latencies, share));
    Measured {
        window_ns,
        p50_ns: at(0.5),
        p99_ns: at(0.99),
        p999_ns: at(0.999),
        ..*counted
    }
}

/// When a run ends.
#[derive(Clone, Copy)]
enum End {
    After(Duration),
    /// When so many requests were answered; no more are sent.
    Requests(u64),
}

struct Engine {
    poll: Poll,
    to: SocketAddr,
    connections: Vec<Connection>,
    requests: Vec<Request>,
    /// Requests sent so far, over all runs.
    sent: u64,
    pace: Option<Pace>,
    latencies: Vec<u32>,
    totals: Measured,
    buffer: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    reader: AnswerReader,
    outbox: Outbox,
    /// When the request in flight was due, and its number in the list.
    in_flight: Option<(u64, usize)>,
}

/// A fixed rate: what is due while every connection is busy waits, and its wait counts as latency.
struct Pace {
    ticker: Ticker,
    gap_ns: u64,
    due_ns: u64,
    waiting: VecDeque<u64>,
    /// Idle connections, the one idle longest first, so that all of them are used.
    idle: VecDeque<usize>,
}

impl Engine {
    fn new(to: SocketAddr, requests: Vec<Request>, connections: usize, rate: Option<u32>) -> Result<Self> {
        let poll = Poll::new()?;
        let pace = rate.map(|rate| Pace::new(&poll, rate, connections)).transpose()?;
        let connections = (0..connections)
            .map(|at| Connection::open(&poll, to, at))
            .collect::<Result<_>>()
            .context("cannot connect")?;
        Ok(Self {
            poll,
            to,
            connections,
            requests,
            sent: 0,
            pace,
            latencies: Vec::with_capacity(1 << 18),
            totals: Measured::default(),
            buffer: vec![0; READ_BUFFER],
        })
    }

    fn run(&mut self, end: End) -> Result<()> {
        let began = monotonic_ns();
        let mut last_progress = (began, self.totals.units);
        let last = match end {
            End::After(_) => u64::MAX,
            End::Requests(count) => count,
        };
        if self.pace.is_none() {
            for at in 0..self.connections.len() {
                if self.connections[at].in_flight.is_none() && self.sent < last {
                    self.send(at, monotonic_ns())?;
                }
            }
        }
        let mut events = Events::with_capacity(1024);
        loop {
            let now = monotonic_ns();
            match end {
                End::After(length) if now - began >= length.as_nanos() as u64 => return Ok(()),
                End::Requests(count) if self.totals.units >= count => return Ok(()),
                _ => {}
            }
            if self.totals.units != last_progress.1 {
                last_progress = (now, self.totals.units);
            }
            ensure!(
                now - last_progress.0 < STUCK.as_nanos() as u64,
                "no answer for {STUCK:?}"
            );
            self.wait(&mut events)?;
            for event in &events {
                match event.token() {
                    TICKER => self.tick()?,
                    Token(at) => self.advance(at, event, last)?,
                }
            }
        }
    }

    fn wait(&mut self, events: &mut Events) -> Result<()> {
        match self.poll.poll(events, Some(Duration::from_millis(20))) {
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn tick(&mut self) -> Result<()> {
        let Some(pace) = &mut self.pace else { return Ok(()) };
        pace.take_due();
        self.send_waiting()
    }

    /// Puts what is due on idle connections.
    fn send_waiting(&mut self) -> Result<()> {
        while let Some((at, due)) = self.pace.as_mut().and_then(Pace::next) {
            self.send(at, due)?;
        }
        Ok(())
    }

    fn send(&mut self, at: usize, due_ns: u64) -> Result<()> {
        let number = (self.sent % self.requests.len() as u64) as usize;
        self.sent += 1;
        let connection = &mut self.connections[at];
        connection.in_flight = Some((due_ns, number));
        let bytes = self.requests[number].bytes.clone();
        connection
            .outbox
            .send_shared(&mut connection.stream, bytes)
            .context("cannot send a request")
    }

    fn advance(&mut self, at: usize, event: &mio::event::Event, last: u64) -> Result<()> {
        if event.is_writable() {
            let connection = &mut self.connections[at];
            connection.outbox.flush(&mut connection.stream)?;
        }
        while event.is_readable() {
            match read_once(&mut self.connections[at].stream, &mut self.buffer) {
                ReadOutcome::Data(len) => {
                    self.take_bytes(at, len, last)?;
                    if len < self.buffer.len() && !event.is_read_closed() {
                        break;
                    }
                }
                ReadOutcome::Empty => break,
                ReadOutcome::Closed => return self.reopen(at),
            }
        }
        Ok(())
    }

    fn take_bytes(&mut self, at: usize, len: usize, last: u64) -> Result<()> {
        let (used, answer) = self.connections[at].reader.feed(&self.buffer[..len])?;
        ensure!(used == len, "bytes behind the end of an answer");
        let Some(answer) = answer else { return Ok(()) };
        self.count(at, answer)?;
        if !answer.keep_alive {
            self.reopen(at)?;
        }
        match &mut self.pace {
            Some(pace) => {
                pace.idle.push_back(at);
                self.send_waiting()
            }
            None if self.sent < last => self.send(at, monotonic_ns()),
            None => Ok(()),
        }
    }

    fn count(&mut self, at: usize, answer: Answer) -> Result<()> {
        let Some((due_ns, number)) = self.connections[at].in_flight.take() else {
            bail!("an answer to no request")
        };
        let latency = monotonic_ns().saturating_sub(due_ns);
        self.latencies.push(u32::try_from(latency).unwrap_or(u32::MAX));
        self.totals.units += 1;
        self.totals.body_bytes += answer.body_len;
        let expected = self.requests[number].body_len.is_none_or(|len| len == answer.body_len);
        if answer.status != 200 || !expected {
            self.totals.errors += 1;
        }
        Ok(())
    }

    /// Replaces a connection that the peer closed between two requests.
    fn reopen(&mut self, at: usize) -> Result<()> {
        ensure!(
            self.connections[at].in_flight.is_none(),
            "the peer closed a connection instead of answering"
        );
        self.connections[at] = Connection::open(&self.poll, self.to, at)?;
        Ok(())
    }
}

impl Connection {
    fn open(poll: &Poll, to: SocketAddr, at: usize) -> Result<Self> {
        let mut stream = connect(to, at)?;
        poll.registry()
            .register(&mut stream, Token(at), Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self {
            stream,
            reader: AnswerReader::default(),
            outbox: Outbox::default(),
            in_flight: None,
        })
    }
}

impl Pace {
    fn new(poll: &Poll, rate: u32, connections: usize) -> Result<Self> {
        let gap = Duration::from_secs(1) / rate.max(1);
        let ticker = Ticker::new(gap)?;
        poll.registry()
            .register(&mut SourceFd(&ticker.fd()), TICKER, Interest::READABLE)?;
        Ok(Self {
            ticker,
            gap_ns: gap.as_nanos() as u64,
            due_ns: monotonic_ns(),
            waiting: VecDeque::new(),
            idle: (0..connections).collect(),
        })
    }

    fn take_due(&mut self) {
        self.ticker.take();
        let now = monotonic_ns();
        while self.due_ns <= now {
            self.waiting.push_back(self.due_ns);
            self.due_ns += self.gap_ns;
        }
    }

    /// The next request to send: on which connection, due when.
    fn next(&mut self) -> Option<(usize, u64)> {
        let due = *self.waiting.front()?;
        let at = self.idle.pop_front()?;
        self.waiting.pop_front();
        Some((at, due))
    }
}
