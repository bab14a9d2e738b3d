//! A v4 session: one task that owns the client's socket and the links to nodes, carries out what the core's machine
//! decides, and forwards node messages as the bytes they came.
//!
//! The client's socket may be gone while the session is parked; then messages go to the machine's queue.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use lavalink_protocol::detect::{Binding, Class};
use lavalink_protocol::message::Ready;
use lavalink_protocol::stats::{Stats, StatsForm};
use lavalink_protocol::ws::{self, From, Opcode};
use proxy_core::binding::Caller;
use proxy_core::health::Signal;
use proxy_core::pool::{LinkGuard, LinkKey, NodeId};
use proxy_core::session::links::LinkId;
use proxy_core::session::machine::{CLOSE_NODE_LOST, Effect, EndReason, Input, LinkLoss, Machine};
use proxy_core::session::resume::ResumeQueue;
use proxy_core::session::shadow::Asked;

use super::around::Around;
use super::client::{ClientSide, End, Heard, Unwritable, close_slowly};
use super::dial::NodeSocket;
use super::directory::{SessionEntry, Settings};
use super::frames::{Inbound, Outbound};
use super::liveness::{Beat, Pulse};
use super::relay::Relay;
use super::start;
use crate::access::{self, Carried, Outcome};
use crate::error::CloseCause;
use crate::local;
use crate::transport::deadline::Deadline;
use crate::usage::{Ended, LinkRecord};
use crate::worker::{Ask, Mailbox, Stop, Worker, mail_count};

/// Between a 101 and the `ready` after it: some clients lose a frame that arrives in the same read as the 101.
pub(crate) const READY_DELAY: Duration = Duration::from_millis(5);
/// How long the node's own first `stats` is waited for before one is made from what is known.
const EARLY_STATS: Duration = Duration::from_secs(1);

/// Pings and pongs that may wait for a node that does not read; nothing else is sent to it here.
const LINK_QUEUE: usize = 64 * 1024;

/// A node's end of a session.
struct LinkSide {
    id: LinkId,
    node: NodeId,
    key: LinkKey,
    socket: crate::transport::Stream,
    inbound: Inbound,
    out: Outbound,
    unanswered: bool,
    /// It sent messages since the last beat of the pulse.
    spoke: bool,
    /// There are bytes that were read before this task was there.
    primed: bool,
    record: LinkRecord,
    _guard: LinkGuard,
}

/// See the module.
pub(crate) struct Session {
    worker: Rc<Worker>,
    entry: Arc<SessionEntry>,
    machine: Machine,
    caller: Caller,
    base: bool,
    side: Option<Box<ClientSide>>,
    link: Option<Box<LinkSide>>,
    asks: Rc<Mailbox<Ask>>,
    /// A client that resumes: its 101 is written, its `ready` waits for [`READY_DELAY`].
    returning: Option<Box<ClientSide>>,
    ready_at: Deadline,
    early_stats: Deadline,
    wake: Deadline,
    pulse: Pulse,
    /// The earliest of the clocks, or the past when one was set and not yet polled.
    due: tokio::time::Instant,
    /// The thread's mail when the mailboxes were looked at last; no count at all when one of them is new.
    mail: u64,
    effects: VecDeque<Effect>,
    /// `ready` went out before there was a link, while the version was undecided.
    ready_sent: bool,
    /// The client sent a close frame.
    said_goodbye: bool,
    ended: Option<EndReason>,
    carried: Carried,
    /// What the client is told in place of what the machine says.
    farewell: Option<(u16, &'static str)>,
}

/// Codes that may stand in a close frame (RFC 6455, 7.4); 1000 means that the node wanted it so.
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// What a session starts from.
pub(crate) struct Begin {
    pub(crate) entry: Arc<SessionEntry>,
    pub(crate) caller: Caller,
    pub(crate) base: bool,
    pub(crate) side: Box<ClientSide>,
    pub(crate) asks: Rc<Mailbox<Ask>>,
    pub(crate) socket: NodeSocket,
    pub(crate) node: NodeId,
    pub(crate) node_session: lavalink_protocol::id::NodeSessionId,
    pub(crate) ready_sent: bool,
}

/// Starts the task of a session whose link is up and whose client has its 101.
pub(crate) fn spawn(worker: Rc<Worker>, begin: Begin) {
    // Polled by hand: an async function would keep room for the session three times over.
    let mut session = Session::new(worker, begin);
    tokio::task::spawn_local(poll_fn(move |cx| {
        ready!(session.poll(cx));
        session.finish();
        Poll::Ready(())
    }));
}

impl Session {
    fn new(worker: Rc<Worker>, begin: Begin) -> Self {
        let config = &worker.shared.config;
        let Begin {
            entry,
            caller,
            base,
            side,
            asks,
            socket,
            node,
            node_session,
            ready_sent,
        } = begin;
        let id = LinkId(0);
        let mut inbound = Inbound::new(From::Server, config.max_node_message);
        inbound.preload(&socket.early);
        let link = LinkSide {
            id,
            node,
            key: LinkKey(worker.connection_id()),
            socket: socket.stream,
            inbound,
            out: Outbound::default(),
            unanswered: false,
            spoke: false,
            primed: true,
            record: socket.record,
            _guard: socket.guard,
        };
        let mut machine = Machine::new(Arc::clone(&config.sessions));
        let settings = entry.settings();
        let mut effects = Vec::new();
        let now = Instant::now();
        let mut around = Around {
            shared: &worker.shared,
            allowed: None,
        };
        machine.handle(
            Input::SessionUpdated {
                resuming: Some(settings.resuming),
                timeout: Some(settings.timeout),
            },
            now,
            &mut around,
            &mut effects,
        );
        machine.handle(
            Input::LinkUp {
                link: id,
                node,
                node_session,
                resumed: false,
            },
            now,
            &mut around,
            &mut effects,
        );
        worker.shared.socket_opened(&caller, Binding { class: Class::V4, base });
        worker.shared.session_ledger.opened(&entry);
        Self {
            pulse: Pulse::new(config.ping_interval, config.ping_timeout),
            due: tokio::time::Instant::now(),
            entry,
            machine,
            caller,
            base,
            side: Some(side),
            link: Some(Box::new(link)),
            asks,
            returning: None,
            ready_at: Deadline::default(),
            early_stats: Deadline::default(),
            wake: Deadline::default(),
            mail: u64::MAX,
            effects: effects.into(),
            ready_sent,
            said_goodbye: false,
            ended: None,
            carried: Carried::default(),
            farewell: None,
            worker,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut progressed = false;
        loop {
            self.carry_out(cx);
            if self.ended.is_some() {
                return Poll::Ready(());
            }
            if self.poll_link(cx) | self.poll_client(cx) {
                progressed = true;
                continue;
            }
            // A message on its way touches neither mailbox nor timer: they are looked at when nothing else explains the
            // wake-up, or when there is new mail or one of the clocks is due.
            let mail = mail_count();
            let busy = ((!progressed || self.mail != mail) && self.poll_asks(cx))
                || ((!progressed || tokio::time::Instant::now() >= self.due) && self.poll_clocks(cx));
            if !busy && self.effects.is_empty() {
                return Poll::Pending;
            }
        }
    }

    // --- what the machine decides ------------------------------------------------------------------------------------

    fn handle(&mut self, input: Input) {
        let mut effects = Vec::new();
        let mut around = Around {
            shared: &self.worker.shared,
            allowed: None,
        };
        self.machine.handle(input, Instant::now(), &mut around, &mut effects);
        self.effects.extend(effects);
    }

    fn carry_out(&mut self, cx: &mut Context<'_>) {
        while let Some(effect) = self.effects.pop_front() {
            self.due = tokio::time::Instant::now();
            match effect {
                Effect::SendReady { resumed } => self.send_ready(resumed),
                Effect::SendEarlyStats => self.early_stats.set(EARLY_STATS),
                Effect::Replay(queue) => self.replay(&queue),
                Effect::SendPlayerUpdates(_) => start::fetch_player_updates(&self.worker, &self.entry),
                Effect::CloseLink { .. } => self.close_link(cx),
                Effect::CloseClient { code, reason } => {
                    let (code, reason) = self.farewell.take().unwrap_or((code, reason));
                    self.close_client(cx, code, reason);
                }
                Effect::WakeAt(at) => self.wake.set_at(at.into()),
                Effect::End(reason) => self.ended = Some(reason),
                // For now a session has one link and ends with it, so nothing of the rest comes up.
                _ => {}
            }
        }
    }

    fn send_ready(&mut self, resumed: bool) {
        if std::mem::take(&mut self.ready_sent) {
            return;
        }
        let mut message = Vec::new();
        Ready::new(resumed, self.entry.id.as_str()).write(&mut message);
        self.send_text(&message);
    }

    /// Puts a message of the proxy's own behind what waits; it leaves with the next flush of this poll, in one write
    /// with what the link brought meanwhile.
    fn send_text(&mut self, message: &[u8]) {
        if let Some(side) = &mut self.side {
            side.client.record.traffic.messages_out.add(1);
            side.out.hold_text(message);
        }
    }

    /// What was kept for the client is its to take at its own pace: it does not count against a slow reader.
    fn replay(&mut self, queue: &ResumeQueue) {
        queue.iter().for_each(|message| self.send_text(message));
        if let Some(side) = &mut self.side {
            side.spare(usize::MAX);
        }
    }

    fn close_link(&mut self, cx: &mut Context<'_>) {
        if let Some(mut link) = self.link.take() {
            // A node destroys the players of a closed socket whether it was told or not, so a client that vanished
            // vanishes there too; a goodbye is passed on.
            if self.said_goodbye {
                let mut frame = Vec::new();
                ws::write_masked_frame(&mut frame, Opcode::Close, &ws::close_payload(1000, ""), [0; 4]);
                link.out.write(cx, &mut link.socket, &frame).ok();
            }
            self.forget_link(&link);
        }
    }

    fn forget_link(&self, link: &LinkSide) {
        self.entry.set_route(None);
        self.worker
            .shared
            .note_pool(|pool| pool.link_closed(link.node, link.key));
    }

    fn binding(&self) -> Binding {
        Binding {
            class: Class::V4,
            base: self.base,
        }
    }

    /// Takes the client's socket out of the session, and out of the version memory.
    fn detach_client(&mut self) -> Option<Box<ClientSide>> {
        let side = self.side.take()?;
        self.carried.add(&side.client.record);
        self.worker.shared.socket_closed(&self.caller, self.binding());
        Some(side)
    }

    fn close_client(&mut self, cx: &mut Context<'_>, code: u16, reason: &str) {
        if let Some(mut side) = self.detach_client() {
            let mut frame = Vec::new();
            ws::write_frame(&mut frame, Opcode::Close, &ws::close_payload(code, reason));
            let written = side.out.write(cx, &mut side.client.stream, &frame).is_ok();
            // A client that said goodbye sends nothing more, so its socket can be closed behind the answer at once.
            if written && !(self.said_goodbye && side.is_all_sent()) {
                tokio::task::spawn_local(close_slowly(Rc::clone(&self.worker), side));
            } else {
                self.worker.connection_closed(side.client.record.id);
            }
        }
    }

    // --- asks and clocks ---------------------------------------------------------------------------------------------

    fn poll_asks(&mut self, cx: &mut Context<'_>) -> bool {
        let mut busy = false;
        self.mail = mail_count();
        while let Poll::Ready(ask) = self.asks.poll_take(cx) {
            busy = true;
            let link = LinkId(0);
            match ask {
                Ask::PlayerSeen(guild) => self.handle(Input::PlayerAnswered {
                    guild,
                    link,
                    asked: Asked::default(),
                    answer: Box::default(),
                }),
                Ask::PlayerGone(guild) => self.handle(Input::PlayerGone { guild, link }),
                Ask::Bind(_) => {}
                Ask::Shutdown if self.side.is_none() => self.shut_down(),
                // The connection is told too.
                Ask::Shutdown => {}
                Ask::Message(message) => self.send_text(&message),
                Ask::Resume(returning) => self.take_back(cx, *returning),
            }
            self.entry
                .players
                .store(self.machine.players().len() as u32, Ordering::Relaxed);
        }
        let stop = match &self.side {
            Some(side) => side.stop.poll_take(cx),
            None => Poll::Pending,
        };
        if let Poll::Ready(stop) = stop {
            busy = true;
            match stop {
                Stop::Shutdown => self.shut_down(),
                Stop::Disconnect => {
                    self.note_close(CloseCause::Disconnected);
                    let (code, reason) = CloseCause::Disconnected.code();
                    self.close_client(cx, code, reason);
                    self.client_lost();
                }
            }
        }
        busy
    }

    /// Counts why the client's socket is going to be closed.
    fn note_close(&self, cause: CloseCause) {
        self.worker.shared.refusals.count_close(cause);
        self.note_end(cause.into());
    }

    /// Notes how the client's connection ends; what was noted first stays.
    fn note_end(&self, how: Ended) {
        if let Some(side) = &self.side {
            side.client.record.ends(how);
        }
    }

    fn shut_down(&mut self) {
        self.note_close(CloseCause::Shutdown);
        self.handle(Input::Shutdown { keep: false });
    }

    /// A client with this session's id has passed the handshake.
    fn take_back(&mut self, cx: &mut Context<'_>, returning: start::Returning) {
        if !self.machine.is_parked() || self.returning.is_some() {
            return returning.begin_anew(&self.worker);
        }
        let start::Returning { client, mut handshake } = returning;
        let stop = self.worker.connection_opened(client.record.id);
        let mut side = Box::new(ClientSide::new(&self.worker, client, stop));
        if side
            .out
            .write(
                cx,
                &mut side.client.stream,
                &start::switching(Class::V4, &handshake.accept, true),
            )
            .is_err()
        {
            side.client.record.ends(Ended::ClientReset);
            self.worker.connection_closed(side.client.record.id);
            return;
        }
        side.client.record.traffic.answered(101);
        handshake.log(&self.worker, &side.client, Outcome::own(101, None));
        side.client.record.set_session(&self.entry);
        self.returning = Some(side);
        self.ready_at.set(READY_DELAY);
        self.due = tokio::time::Instant::now();
    }

    fn poll_clocks(&mut self, cx: &mut Context<'_>) -> bool {
        let mut busy = false;
        if self.returning.is_some() && self.ready_at.poll(cx).is_ready() {
            self.side = self.returning.take();
            self.mail = u64::MAX;
            self.ready_at.clear();
            // The end of the parking that is over now.
            self.wake.clear();
            self.entry.parked.store(false, Ordering::Relaxed);
            self.worker.shared.session_ledger.resumed(&self.entry);
            self.worker.shared.socket_opened(&self.caller, self.binding());
            self.handle(Input::ClientBack);
            // `ready` and what was queued leave before anything that the link brings.
            self.carry_out(cx);
            busy = true;
        }
        if self.early_stats.poll(cx).is_ready() {
            self.early_stats.clear();
            let stats = local::stats(&self.worker.shared, StatsForm::V4Message);
            self.send_text(&stats);
            busy = true;
        }
        if self.wake.poll(cx).is_ready() {
            self.wake.clear();
            self.handle(Input::Tick);
            busy = true;
        }
        while let Poll::Ready(beat) = self.pulse.poll(cx) {
            busy = true;
            match beat {
                Beat::Ping => self.ping(cx),
                Beat::Check => self.check(),
            }
        }
        let clocks = [
            self.ready_at.at(),
            self.early_stats.at(),
            self.wake.at(),
            self.pulse.at(),
        ];
        if let Some(earliest) = clocks.into_iter().flatten().min() {
            self.due = earliest;
        }
        busy
    }

    fn ping(&mut self, cx: &mut Context<'_>) {
        let mut frame = Vec::with_capacity(8);
        if let Some(side) = &mut self.side {
            ws::write_frame(&mut frame, Opcode::Ping, b"");
            side.unanswered = true;
            if side.out.write(cx, &mut side.client.stream, &frame).is_err() {
                self.client_lost();
            }
        }
        frame.clear();
        // A node that plays something speaks every few seconds; only a silent one has to be asked.
        if let Some(link) = &mut self.link
            && !std::mem::take(&mut link.spoke)
        {
            ws::write_masked_frame(&mut frame, Opcode::Ping, b"", [0; 4]);
            link.unanswered = true;
            if link.out.write(cx, &mut link.socket, &frame).is_err() {
                self.link_lost(LinkLoss::Broken);
            }
        }
    }

    fn check(&mut self) {
        if self.side.as_ref().is_some_and(|side| side.unanswered) {
            self.note_close(CloseCause::HalfOpen);
            self.client_lost();
        }
        if self.link.as_ref().is_some_and(|link| link.unanswered) {
            self.link_lost(LinkLoss::Broken);
        }
    }

    fn take_settings(&mut self) {
        let Settings { resuming, timeout } = self.entry.settings();
        self.handle(Input::SessionUpdated {
            resuming: Some(resuming),
            timeout: Some(timeout),
        });
    }

    // --- the client's socket -----------------------------------------------------------------------------------------

    fn client_lost(&mut self) {
        // Every other cause was noted before.
        self.note_end(Ended::ClientReset);
        if let Some(side) = self.detach_client() {
            self.worker.connection_closed(side.client.record.id);
        }
        // A session update that was answered counts, also when its ask is still on the way from another worker.
        self.take_settings();
        self.handle(Input::ClientLost { ours: false });
        self.entry.parked.store(self.machine.is_parked(), Ordering::Relaxed);
        if self.machine.is_parked() {
            self.worker.shared.session_ledger.parked(&self.entry);
        }
    }

    fn poll_client(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(side) = &mut self.side else { return false };
        if let Poll::Ready(Err(why)) = side.poll_flush(cx, self.worker.shared.config.client_queue_bytes) {
            if why == Unwritable::Slow {
                tracing::info!(session = %self.entry.id, waiting = side.out.len(), "client reads too slowly and is closed");
                self.note_close(CloseCause::SlowClient);
            }
            self.client_lost();
            return true;
        }
        let ClientSide { client, inbound, .. } = &mut **side;
        let mut heard = Heard::default();
        let read = client.stream.poll_read_scratch(cx, |_, bytes| {
            if bytes.is_empty() {
                Ok(false)
            } else {
                heard.feed(inbound, bytes).map(|()| true)
            }
        });
        match read {
            Poll::Pending => return false,
            Poll::Ready(Ok(Ok(true))) => side.unanswered = false,
            Poll::Ready(Ok(Ok(false))) => {
                self.note_end(Ended::ClientClosed);
                self.client_lost();
                return true;
            }
            Poll::Ready(Err(_)) => {
                self.client_lost();
                return true;
            }
            Poll::Ready(Ok(Err(error))) => {
                self.refuse_frame(cx, error.close_code());
                return true;
            }
        }
        side.client.record.traffic.messages_in.add(heard.messages);
        if !heard.pongs.is_empty() {
            side.out.write(cx, &mut side.client.stream, &heard.pongs).ok();
        }
        match heard.end {
            None => {}
            Some(End::Binary) => self.refuse_frame(cx, 1003),
            Some(End::Close(code)) => {
                self.note_end(Ended::ClientClosed);
                self.said_goodbye = true;
                self.close_client(cx, code, "");
                self.client_lost();
            }
        }
        true
    }

    /// The client sent what no client of Lavalink sends.
    fn refuse_frame(&mut self, cx: &mut Context<'_>, code: u16) {
        let cause = CloseCause::Protocol(code);
        self.note_close(cause);
        self.close_client(cx, code, cause.code().1);
        self.client_lost();
    }

    // --- the link's socket -------------------------------------------------------------------------------------------

    fn link_lost(&mut self, why: LinkLoss) {
        let Some(link) = self.link.take() else { return };
        self.forget_link(&link);
        tracing::info!(session = %self.entry.id, node = %self.worker.pool(link.node).node.name, ?why, "link lost");
        if why == LinkLoss::Broken {
            self.worker.shared.signal(link.node, Signal::LinkLost);
        }
        self.note_close(CloseCause::LinkLost);
        // For now a session does not survive its link: a plugin's code for its client is what ends one.
        self.farewell = Some(match why {
            LinkLoss::Closed { code } if may_be_sent(code) => (code, "closed by the node"),
            _ => (CLOSE_NODE_LOST, "the node was lost"),
        });
        let why = LinkLoss::Closed { code: 4000 };
        self.handle(Input::LinkLost { link: link.id, why });
    }

    fn poll_link(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(link) = &mut self.link else { return false };
        if let Poll::Ready(Err(_)) = link.out.poll_flush(cx, &mut link.socket) {
            self.link_lost(LinkLoss::Broken);
            return true;
        }
        let LinkSide {
            socket,
            inbound,
            id,
            primed,
            ..
        } = &mut **link;
        let (machine, side) = (&mut self.machine, self.side.as_deref_mut());
        let around = Around {
            shared: &self.worker.shared,
            allowed: None,
        };
        let read = if std::mem::take(primed) {
            // What came together with the node's `ready`.
            Poll::Ready(Ok(Some(Relay::new(cx, machine, side, *id, around).run(inbound, b""))))
        } else {
            socket.poll_read_scratch(cx, |cx, bytes| {
                (!bytes.is_empty()).then(|| Relay::new(cx, machine, side, *id, around).run(inbound, bytes))
            })
        };
        let (relayed, outcome) = match read {
            Poll::Pending => return false,
            Poll::Ready(Ok(None) | Err(_)) => {
                self.link_lost(LinkLoss::Broken);
                return true;
            }
            Poll::Ready(Ok(Some(done))) => done,
        };
        link.unanswered = false;
        link.spoke |= relayed.received > 0;
        link.record.traffic.messages_in.add(relayed.received);
        if !relayed.pongs.is_empty() {
            link.out.write(cx, &mut link.socket, &relayed.pongs).ok();
            if link.out.len() > LINK_QUEUE {
                tracing::warn!(session = %self.entry.id, "a node sends pings and reads no answers");
                self.link_lost(LinkLoss::Broken);
                return true;
            }
        }
        if let Some(side) = &self.side {
            side.client.record.traffic.messages_out.add(relayed.forwarded);
        }
        self.effects.extend(relayed.effects);
        if let Some(stats) = relayed.stats {
            self.early_stats.clear();
            self.note_stats(&stats);
        }
        if relayed.client_failed {
            self.client_lost();
        }
        match (outcome, relayed.closed) {
            (Err(error), _) => {
                tracing::warn!(session = %self.entry.id, %error, "a node sent no valid WebSocket frame");
                self.link_lost(LinkLoss::Broken);
            }
            (Ok(()), Some(code)) => self.link_lost(LinkLoss::Closed { code }),
            (Ok(()), None) => {}
        }
        true
    }

    fn note_stats(&self, payload: &[u8]) {
        let Some(link) = &self.link else { return };
        if let Ok(stats) = Stats::read(payload) {
            let players = self.machine.players().on(link.id) as u32;
            self.worker.shared.link_reported(link.node, link.key, players, stats);
        }
    }

    // --- the end -----------------------------------------------------------------------------------------------------

    fn finish(&mut self) {
        let reason = self.ended.unwrap_or(EndReason::ClientGone);
        tracing::debug!(session = %self.entry.id, reason = reason.name(), "session ended");
        self.worker.shared.session_ledger.ended(&self.entry, reason.name());
        self.worker.shared.directory.remove(&self.entry.id);
        self.worker.session_closed(&self.entry.id);
        // A request that waits for it is decided on without it.
        self.entry.changed.notify_waiters();
        // Whoever asked for the session while it ended gets a new one.
        while let Some(ask) = self.asks.take() {
            if let Ask::Resume(returning) = ask {
                returning.begin_anew(&self.worker);
            }
        }
        // A client whose 101 said that it resumes has to connect once more.
        let farewell = ws::close_payload(CLOSE_NODE_LOST, &reason.to_string());
        for mut side in self.detach_client().into_iter().chain(self.returning.take()) {
            let mut frame = Vec::new();
            ws::write_frame(&mut frame, Opcode::Close, &farewell);
            side.out.hold(frame);
            side.client.record.ends(Ended::SessionEnded);
            tokio::task::spawn_local(close_slowly(Rc::clone(&self.worker), side));
        }
        if access::enabled() {
            access::session_ended(&self.worker.shared, &self.entry, self.carried.totals(), reason.name());
        }
    }
}
