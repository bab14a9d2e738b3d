//! Connections that come and go: refused for their password, or opened and closed again.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use lavalink_protocol::ws::Opcode;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::PASSWORD;
use crate::control::{LoadEvent, Measured, say};
use crate::load::answer::AnswerReader;
use crate::load::{Window, handshake, requests, rest};
use crate::net::{READ_BUFFER, ReadOutcome, connect, read_once};
use crate::sys::monotonic_ns;

/// How the connections of a storm go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// A handshake with a wrong password, refused with 401
    Refused,
    /// A handshake, `ready`, a close
    Accepted,
}

/// Measures one storm.
pub(crate) fn measure(to: SocketAddr, what: What, connections: usize, window: Window) -> Result<Measured> {
    let mut storm = Storm::new(to, what, connections)?;
    storm.run(window.warm())?;
    say(&LoadEvent::Started)?;
    storm.latencies.clear();
    storm.totals = Measured::default();
    let began = monotonic_ns();
    storm.run(window.length())?;
    ensure!(storm.totals.units > 0, "not one connection came to its end");
    Ok(rest::summary(
        &storm.totals,
        &mut storm.latencies,
        monotonic_ns() - began,
    ))
}

struct Storm {
    poll: Poll,
    to: SocketAddr,
    what: What,
    opened: usize,
    connections: Vec<Connection>,
    latencies: Vec<u32>,
    totals: Measured,
    buffer: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    began_ns: u64,
    stage: Stage,
}

enum Stage {
    Refusal(AnswerReader),
    /// What has come of the 101 and `ready`.
    Greeting {
        bytes: Vec<u8>,
        switched: bool,
    },
    /// The close was sent.
    Closing,
}

/// What became of a connection.
enum Outcome {
    Pending,
    AsExpected,
    Otherwise,
}

impl Storm {
    fn new(to: SocketAddr, what: What, connections: usize) -> Result<Self> {
        let mut storm = Self {
            poll: Poll::new()?,
            to,
            what,
            opened: 0,
            connections: Vec::new(),
            latencies: Vec::with_capacity(1 << 16),
            totals: Measured::default(),
            buffer: vec![0; READ_BUFFER],
        };
        for at in 0..connections {
            let connection = storm.open(at)?;
            storm.connections.push(connection);
        }
        Ok(storm)
    }

    fn open(&mut self, at: usize) -> Result<Connection> {
        self.opened += 1;
        let began_ns = monotonic_ns();
        let mut stream = connect(self.to, self.opened).context("cannot connect")?;
        let (password, stage) = match self.what {
            What::Refused => ("wrong", Stage::Refusal(AnswerReader::default())),
            What::Accepted => (
                PASSWORD,
                Stage::Greeting {
                    bytes: Vec::new(),
                    switched: false,
                },
            ),
        };
        std::io::Write::write_all(&mut stream, &requests::handshake(self.to, self.opened, password))?;
        self.poll
            .registry()
            .register(&mut stream, Token(at), Interest::READABLE)?;
        Ok(Connection {
            stream,
            began_ns,
            stage,
        })
    }

    fn run(&mut self, length: Duration) -> Result<()> {
        let began = monotonic_ns();
        let mut events = Events::with_capacity(1024);
        while monotonic_ns() - began < length.as_nanos() as u64 {
            match self.poll.poll(&mut events, Some(Duration::from_millis(20))) {
                Err(error) if error.kind() != std::io::ErrorKind::Interrupted => return Err(error.into()),
                _ => {}
            }
            for event in &events {
                self.advance(event.token().0, event.is_read_closed())?;
            }
        }
        Ok(())
    }

    fn advance(&mut self, at: usize, ended: bool) -> Result<()> {
        let mut more = true;
        while more {
            let outcome = match read_once(&mut self.connections[at].stream, &mut self.buffer) {
                ReadOutcome::Data(len) => {
                    more = ended || len == self.buffer.len();
                    self.connections[at].take_bytes(&self.buffer[..len])
                }
                ReadOutcome::Empty => return Ok(()),
                ReadOutcome::Closed => match self.connections[at].stage {
                    Stage::Closing => Outcome::AsExpected,
                    Stage::Refusal(_) | Stage::Greeting { .. } => Outcome::Otherwise,
                },
            };
            if matches!(outcome, Outcome::Pending) {
                continue;
            }
            if matches!(outcome, Outcome::Otherwise) {
                self.totals.errors += 1;
            }
            self.totals.units += 1;
            let latency = monotonic_ns() - self.connections[at].began_ns;
            self.latencies.push(u32::try_from(latency).unwrap_or(u32::MAX));
            self.connections[at] = self.open(at)?;
            return Ok(());
        }
        Ok(())
    }
}

impl Connection {
    fn take_bytes(&mut self, bytes: &[u8]) -> Outcome {
        match &mut self.stage {
            Stage::Refusal(reader) => match reader.feed(bytes) {
                Ok((_, None)) => Outcome::Pending,
                Ok((_, Some(answer))) if answer.status == 401 => Outcome::AsExpected,
                _ => Outcome::Otherwise,
            },
            Stage::Greeting {
                bytes: before,
                switched,
            } => {
                before.extend_from_slice(bytes);
                match greeted(before, switched) {
                    Ok(false) => Outcome::Pending,
                    Ok(true) if std::io::Write::write_all(&mut self.stream, &handshake::close()).is_ok() => {
                        self.stage = Stage::Closing;
                        Outcome::Pending
                    }
                    _ => Outcome::Otherwise,
                }
            }
            Stage::Closing => match closed(bytes) {
                true => Outcome::AsExpected,
                false => Outcome::Pending,
            },
        }
    }
}

/// Takes the 101 and frames from `bytes` until `ready` has come.
fn greeted(bytes: &mut Vec<u8>, switched: &mut bool) -> Result<bool> {
    if !*switched {
        let Some(len) = handshake::switched(bytes)? else {
            return Ok(false);
        };
        bytes.drain(..len);
        *switched = true;
    }
    while let Some((_, payload, len)) = handshake::frame(bytes)? {
        let ready = handshake::ready_session(payload)?.is_some();
        bytes.drain(..len);
        if ready {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A close frame is among what came; should it be cut in two, the end of the connection follows anyway.
fn closed(mut bytes: &[u8]) -> bool {
    while let Ok(Some((opcode, _, len))) = handshake::frame(bytes) {
        if opcode == Opcode::Close {
            return true;
        }
        bytes = &bytes[len..];
    }
    false
}
