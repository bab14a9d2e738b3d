//! A fake Lavalink v4 node: one thread, one event loop, as cheap as it can be so that the peer between it and the load
//! is what gets measured.
//!
//! It answers what the benchmark asks and what a proxy asks to keep a node; it plays nothing and checks no bodies.

mod answers;
mod routes;
mod sessions;

pub(crate) use answers::{large_len, small_len};

/// How many answers of different lengths `loadtracks` gives for small searches.
pub(crate) const SMALL_ANSWERS: usize = 32;

use std::sync::mpsc::{Receiver, TryRecvError};

use anyhow::{Context, Result};
use bytes::Bytes;
use lavalink_protocol::http::{Framing, RequestHead, header_slots};
use lavalink_protocol::ws::{FrameHead, From, Opcode, apply_mask, write_frame};
use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};

use crate::control::{NodeCommand, NodeEvent, commands, say};
use crate::net::{Outbox, READ_BUFFER, ReadOutcome, Slab, listen, read_once};
use crate::sys::{Ticker, raise_open_files};
use answers::Answers;
use routes::Route;
use sessions::{Push, Sessions};

const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);
const TICKER: Token = Token(2);
const FIRST_CONNECTION: usize = 3;

/// A client frame larger than this is no frame of ours.
const MAX_CLIENT_FRAME: usize = 64 * 1024;

/// Options of the fake node.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Open files to ask for
    #[arg(long, default_value_t = 65_536)]
    open_files: u64,
}

/// Runs the node until stdin ends.
pub(crate) fn run(options: &Options) -> Result<()> {
    raise_open_files(options.open_files);
    let mut poll = Poll::new()?;
    let mut listener = listen().context("cannot listen")?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let commands = commands(Waker::new(poll.registry(), WAKER)?);
    say(&NodeEvent::Listening {
        port: listener.local_addr()?.port(),
    })?;
    let mut node = Node {
        poll: poll.registry().try_clone()?,
        listener,
        connections: Slab::new(),
        sessions: Sessions::default(),
        answers: Answers::new(),
        buffer: vec![0; READ_BUFFER],
        pushing: None,
    };
    let mut events = Events::with_capacity(1024);
    loop {
        if let Err(error) = poll.poll(&mut events, None)
            && error.kind() != std::io::ErrorKind::Interrupted
        {
            return Err(error.into());
        }
        for event in &events {
            match event.token() {
                LISTENER => node.accept()?,
                WAKER if !node.obey(&commands)? => return Ok(()),
                WAKER => {}
                TICKER => node.tick()?,
                Token(token) => node.serve(token - FIRST_CONNECTION, event),
            }
        }
    }
}

struct Node {
    poll: mio::Registry,
    listener: TcpListener,
    connections: Slab<Connection>,
    sessions: Sessions,
    answers: Answers,
    /// Every read goes here first; only an unfinished request or frame is copied to its connection.
    buffer: Vec<u8>,
    pushing: Option<(Ticker, Push)>,
}

struct Connection {
    stream: TcpStream,
    /// The beginning of a request or frame whose end has not come yet.
    partial: Vec<u8>,
    outbox: Outbox,
    /// Set once the connection was upgraded.
    session: Option<u64>,
    /// Close as soon as the outbox is empty.
    closing: bool,
}

/// The connection must be closed at once.
struct Gone;

impl Node {
    fn accept(&mut self) -> Result<()> {
        // Errors other than "no more" (a connection reset while it waited, no descriptor free) leave the next in line.
        while let Ok((mut stream, _)) = self.listener.accept() {
            stream.set_nodelay(true)?;
            let at = self.connections.reserve();
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll
                .register(&mut stream, Token(FIRST_CONNECTION + at), interest)?;
            let connection = Connection {
                stream,
                partial: Vec::new(),
                outbox: Outbox::default(),
                session: None,
                closing: false,
            };
            self.connections.put(at, connection);
        }
        Ok(())
    }

    /// Carries out what the orchestrator asked; false when it has gone.
    fn obey(&mut self, commands: &Receiver<NodeCommand>) -> Result<bool> {
        loop {
            match commands.try_recv() {
                Ok(NodeCommand::Push { rate, burst, count }) => self.start_push(rate, burst, count)?,
                Ok(NodeCommand::Stop) => self.stop_push()?,
                Ok(NodeCommand::Count) => say(&NodeEvent::Counted {
                    sessions: self.sessions.len(),
                })?,
                Err(TryRecvError::Empty) => return Ok(true),
                Err(TryRecvError::Disconnected) => return Ok(false),
            }
        }
    }

    fn start_push(&mut self, rate: u32, burst: u32, count: Option<u64>) -> Result<()> {
        let push = Push::new(self.sessions.players(), rate, burst).up_to(count);
        let ticker = Ticker::new(push.period())?;
        self.poll
            .register(&mut SourceFd(&ticker.fd()), TICKER, Interest::READABLE)?;
        say(&NodeEvent::Pushing {
            players: push.players(),
        })?;
        self.pushing = Some((ticker, push));
        Ok(())
    }

    fn stop_push(&mut self) -> Result<()> {
        let pushed = self.pushing.take().map_or(0, |(_, push)| push.pushed());
        say(&NodeEvent::Stopped { pushed })
    }

    fn tick(&mut self) -> Result<()> {
        let Some((ticker, push)) = &mut self.pushing else {
            return Ok(());
        };
        ticker.take();
        let connections = &mut self.connections;
        push.send_due(&mut self.sessions, |at, bytes| match connections.get_mut(at) {
            Some(connection) => connection.outbox.send(&mut connection.stream, bytes).is_ok(),
            None => false,
        });
        if push.is_done() { self.stop_push() } else { Ok(()) }
    }

    fn serve(&mut self, at: usize, event: &Event) {
        let Some(mut connection) = self.connections.take(at) else {
            return;
        };
        let alive = self.advance(at, &mut connection, event).is_ok();
        if alive && !(connection.closing && connection.outbox.is_empty()) {
            self.connections.put(at, connection);
            return;
        }
        if let Some(session) = connection.session {
            self.sessions.remove(session);
        }
        self.connections.release(at);
    }

    fn advance(&mut self, at: usize, connection: &mut Connection, event: &Event) -> Result<(), Gone> {
        if event.is_writable() && !connection.outbox.is_empty() {
            connection.outbox.flush(&mut connection.stream).map_err(|_| Gone)?;
        }
        if !event.is_readable() {
            return Ok(());
        }
        // Taken out so that the bytes can be lent while the node answers them.
        let mut buffer = std::mem::take(&mut self.buffer);
        let outcome = self.read_all(at, connection, &mut buffer, event.is_read_closed());
        self.buffer = buffer;
        outcome
    }

    fn read_all(&mut self, at: usize, to: &mut Connection, buffer: &mut [u8], ended: bool) -> Result<(), Gone> {
        loop {
            match read_once(&mut to.stream, buffer) {
                ReadOutcome::Data(len) => {
                    self.take_bytes(at, to, &buffer[..len])?;
                    // A short read has emptied the socket; another call would only be told so.
                    if len < buffer.len() && !ended {
                        return Ok(());
                    }
                }
                ReadOutcome::Empty => return Ok(()),
                ReadOutcome::Closed => return Err(Gone),
            }
        }
    }

    fn take_bytes(&mut self, at: usize, connection: &mut Connection, bytes: &[u8]) -> Result<(), Gone> {
        if connection.partial.is_empty() {
            let used = self.consume(at, connection, bytes)?;
            connection.partial.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        let mut whole = std::mem::take(&mut connection.partial);
        whole.extend_from_slice(bytes);
        let used = self.consume(at, connection, &whole)?;
        whole.drain(..used);
        connection.partial = whole;
        Ok(())
    }

    /// Answers all whole requests or frames; returns how many bytes they took.
    fn consume(&mut self, at: usize, connection: &mut Connection, bytes: &[u8]) -> Result<usize, Gone> {
        let mut used = 0;
        while used < bytes.len() && !connection.closing {
            let rest = &bytes[used..];
            let step = match connection.session {
                None => self.consume_request(at, connection, rest)?,
                Some(_) => consume_frame(connection, rest)?,
            };
            match step {
                Some(len) => used += len,
                None => return Ok(used),
            }
        }
        Ok(used)
    }

    fn consume_request(&mut self, at: usize, to: &mut Connection, bytes: &[u8]) -> Result<Option<usize>, Gone> {
        let mut slots = header_slots();
        let Some(head) = RequestHead::read(bytes, &mut slots).map_err(|_| Gone)? else {
            return Ok(None);
        };
        let body_len = match head.framing {
            Framing::None => 0,
            Framing::Length(len) => usize::try_from(len).map_err(|_| Gone)?,
            // No client library and no peer sends these here.
            Framing::Chunked | Framing::UntilClose => return Err(Gone),
        };
        if bytes.len() < head.len + body_len {
            return Ok(None);
        }
        match routes::route(&head) {
            Route::WebSocket { key } => self.upgrade(at, to, key)?,
            route => {
                let answer = self.answer(&route);
                to.outbox.send_shared(&mut to.stream, answer).map_err(|_| Gone)?;
                to.closing = !head.keep_alive;
            }
        }
        Ok(Some(head.len + body_len))
    }

    fn upgrade(&mut self, at: usize, to: &mut Connection, key: &[u8]) -> Result<(), Gone> {
        let session = self.sessions.open(at);
        to.session = Some(session);
        to.outbox
            .send(&mut to.stream, &routes::switching(key))
            .map_err(|_| Gone)?;
        let frames = self.answers.greeting(&sessions::name(session));
        to.outbox.send(&mut to.stream, &frames).map_err(|_| Gone)
    }

    fn answer(&mut self, route: &Route<'_>) -> Bytes {
        match *route {
            Route::UpdatePlayer { session, guild } if self.sessions.add_player(session, guild) => {
                self.answers.player(guild)
            }
            Route::GetPlayer { session, guild } if self.sessions.has_player(session, guild) => {
                self.answers.player(guild)
            }
            Route::DeletePlayer { session, guild } => {
                self.sessions.remove_player(session, guild);
                self.answers.no_content.clone()
            }
            Route::GetPlayers { session } if self.sessions.contains(session) => {
                self.answers.players(self.sessions.guilds(session))
            }
            Route::UpdateSession { session } if self.sessions.contains(session) => self.answers.session.clone(),
            Route::Fixed(kind) => self.answers.fixed(kind),
            _ => self.answers.not_found.clone(),
        }
    }
}

/// Takes one frame of a client: answers pings and closes, drops the rest as Lavalink does.
fn consume_frame(connection: &mut Connection, bytes: &[u8]) -> Result<Option<usize>, Gone> {
    let head = FrameHead::read(bytes, From::Client, MAX_CLIENT_FRAME).map_err(|_| Gone)?;
    let Some(head) = head.filter(|head| bytes.len() >= head.total()) else {
        return Ok(None);
    };
    let mut payload = bytes[head.head_len..head.total()].to_vec();
    apply_mask(&mut payload, head.mask);
    let reply = match head.opcode {
        Opcode::Ping => Opcode::Pong,
        Opcode::Close => Opcode::Close,
        _ => return Ok(Some(head.total())),
    };
    let mut frame = Vec::with_capacity(payload.len() + 2);
    write_frame(&mut frame, reply, &payload);
    connection
        .outbox
        .send(&mut connection.stream, &frame)
        .map_err(|_| Gone)?;
    connection.closing = head.opcode == Opcode::Close;
    Ok(Some(head.total()))
}
