//! A v4 session: one task that owns the client's socket and the links to nodes, carries out what the core's machine
//! decides, and forwards node messages as the bytes they came.
//!
//! The client's socket may be gone while the session is parked; then messages go to the machine's queue. Any link may be
//! gone while it is resumed or its players move; the client notices nothing. The client's end is in `client`, the nodes'
//! ends are in `links`, and what takes time (opening a link, asking a node) is done by `errands`, which report back.

mod client;
mod links;
mod operator;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use lavalink_protocol::detect::{Binding, Class};
use lavalink_protocol::id::GuildId;
use lavalink_protocol::message::Ready;
use lavalink_protocol::stats::StatsForm;
use lavalink_protocol::ws::{self, Opcode};
use proxy_core::binding::Caller;
use proxy_core::pool::NodeId;
use proxy_core::session::Needs;
use proxy_core::session::kept::Settings;
use proxy_core::session::links::LinkId;
use proxy_core::session::machine::{CLOSE_NODE_LOST, Effect, EndReason, Input, Machine, Placed};
use proxy_core::session::resume::ResumeQueue;

use super::around::Around;
use super::client::{ClientSide, close_slowly};
use super::dial::NodeSocket;
use super::directory::SessionEntry;
use super::errands;
use super::liveness::{Beat, Pulse};
use super::start;
use crate::access::{self, Carried};
use crate::error::CloseCause;
use crate::keeper;
use crate::local;
use crate::transport::deadline::Deadline;
use crate::usage::Ended;
use crate::worker::{Ask, Mailbox, Stop, Worker, mail_count};
pub(crate) use links::LinkSide;

/// Between a 101 and the `ready` after it: some clients lose a frame that arrives in the same read as the 101.
pub(crate) const READY_DELAY: Duration = Duration::from_millis(5);
/// How long the node's own first `stats` is waited for before one is made from what is known.
const EARLY_STATS: Duration = Duration::from_secs(1);

/// See the module.
pub(crate) struct Session {
    worker: Rc<Worker>,
    entry: Arc<SessionEntry>,
    machine: Machine,
    caller: Caller,
    base: bool,
    side: Option<Box<ClientSide>>,
    /// The links whose sockets are there. Boxed: most sessions have one, and it is handed from room to room.
    #[expect(
        clippy::vec_box,
        reason = "a link is large, and its place in memory is kept while others come and go"
    )]
    links: Vec<Box<LinkSide>>,
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
    /// Links that a restarted proxy would resume, as they were committed last.
    kept: u32,
    ended: Option<EndReason>,
    carried: Carried,
}

/// What the session's machine may ask of the rest of the proxy.
fn around<'a>(worker: &'a Worker, entry: &SessionEntry) -> Around<'a> {
    let tenant = worker.shared.config.tenants.get(entry.tenant);
    Around {
        shared: &worker.shared,
        allowed: tenant.and_then(|tenant| tenant.nodes.as_deref()),
        chosen: None,
    }
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

/// A session of an earlier run of the proxy.
pub(crate) struct Revived {
    pub(crate) entry: Arc<SessionEntry>,
    /// The links to resume.
    pub(crate) links: Vec<(NodeId, lavalink_protocol::id::NodeSessionId)>,
    /// When they are, so that nodes are not asked by all sessions at once; a client that comes back is not kept waiting.
    pub(crate) after: Duration,
}

/// Starts the task of a session whose link is up and whose client has its 101.
pub(crate) fn spawn(worker: Rc<Worker>, begin: Begin) {
    run(Session::new(worker, begin));
}

/// Starts the task of a session of an earlier run.
pub(crate) fn revive(worker: Rc<Worker>, revived: Revived) {
    run(Session::revive(worker, revived));
}

fn run(mut session: Session) {
    // Polled by hand: an async function would keep room for the session three times over.
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
        let link = LinkSide::new(&worker, id, node, node_session.clone(), socket);
        let mut machine = Machine::new(Arc::clone(&config.sessions));
        let settings = entry.settings();
        let mut effects = Vec::new();
        let now = Instant::now();
        let mut around = around(&worker, &entry);
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
            links: vec![Box::new(link)],
            asks,
            returning: None,
            ready_at: Deadline::default(),
            early_stats: Deadline::default(),
            wake: Deadline::default(),
            mail: u64::MAX,
            effects: effects.into(),
            ready_sent,
            said_goodbye: false,
            kept: 0,
            ended: None,
            carried: Carried::default(),
            worker,
        }
    }

    fn revive(worker: Rc<Worker>, revived: Revived) -> Self {
        let config = &worker.shared.config;
        let Revived { entry, links, after } = revived;
        let Settings { resuming, timeout } = entry.settings();
        let now = Instant::now();
        let until = now + config.sessions.patience(resuming, timeout, true);
        let kept = links.len() as u32;
        let settings = Arc::clone(&config.sessions);
        let machine = Machine::revive(settings, (resuming, timeout), links, until, now);
        worker.shared.session_ledger.opened(&entry);
        worker.shared.session_ledger.parked(&entry);
        let mut wake = Deadline::default();
        wake.set(after);
        Self {
            pulse: Pulse::new(config.ping_interval, config.ping_timeout),
            due: tokio::time::Instant::now(),
            caller: Caller {
                tenant: entry.tenant,
                user: Some(entry.user),
                // Known when its client is back.
                ip: std::net::Ipv6Addr::UNSPECIFIED.into(),
            },
            base: false,
            machine,
            side: None,
            links: Vec::new(),
            asks: worker.session_opened(entry.id.clone()),
            returning: None,
            ready_at: Deadline::default(),
            early_stats: Deadline::default(),
            wake,
            mail: u64::MAX,
            effects: VecDeque::new(),
            ready_sent: false,
            said_goodbye: false,
            kept,
            ended: None,
            carried: Carried::default(),
            entry,
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
            if self.poll_links(cx) | self.poll_client(cx) {
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
        let mut around = around(&self.worker, &self.entry);
        self.machine.handle(input, Instant::now(), &mut around, &mut effects);
        self.effects.extend(effects);
    }

    fn carry_out(&mut self, cx: &mut Context<'_>) {
        let mut changed = false;
        while let Some(effect) = self.effects.pop_front() {
            self.due = tokio::time::Instant::now();
            match effect {
                Effect::SendReady { resumed } => self.send_ready(resumed),
                Effect::SendEarlyStats => self.early_stats.set(EARLY_STATS),
                Effect::Replay(queue) => self.replay(&queue),
                Effect::SendPlayerUpdates(link) => start::fetch_player_updates(&self.worker, &self.entry, link),
                Effect::Send(message) => self.send_text(&message),
                Effect::OpenLink { link, node, resume } => {
                    errands::open_link(&self.worker, &self.entry, link, node, resume);
                }
                Effect::Keep(link) => self.keep_link(link),
                Effect::CloseLink { link, leave } => self.close_link(cx, link, leave),
                Effect::Abandon { node, node_session } => self.worker.shared.abandon(node, node_session),
                Effect::ListPlayers(link) => errands::list_players(&self.worker, &self.entry, link),
                Effect::FindPlayer { guild, link } => errands::find_player(&self.worker, &self.entry, guild, link),
                Effect::AwaitQuiet(guild) => errands::await_quiet(&self.worker, &self.entry, guild),
                Effect::Restore {
                    guild,
                    link,
                    ticket,
                    body,
                    writes,
                } => {
                    let restoring = errands::Restoring {
                        guild,
                        link,
                        ticket,
                        body,
                        writes,
                    };
                    errands::restore(&self.worker, &self.entry, restoring);
                }
                Effect::DestroyPlayer { guild, link, ticket } => {
                    errands::destroy_player(&self.worker, &self.entry, guild, link, ticket);
                }
                Effect::Migrated(migration) => self.worker.shared.migrated(&self.entry, &migration),
                Effect::Publish => changed = true,
                Effect::CloseClient { code, reason } => {
                    // A shutdown was noted before.
                    self.note_end(CloseCause::LinkLost.into());
                    self.close_client(cx, code, reason);
                }
                Effect::WakeAt(at) => self.wake.set_at(at.into()),
                Effect::End(reason) => {
                    if reason == EndReason::LinkLost {
                        self.worker.shared.refusals.count_close(CloseCause::LinkLost);
                    }
                    self.ended = Some(reason);
                }
            }
        }
        // Once for all that happened together. What was begun meanwhile looks at the routes only after this.
        if changed && self.ended.is_none() {
            self.publish();
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

    fn binding(&self) -> Binding {
        Binding {
            class: Class::V4,
            base: self.base,
        }
    }

    // --- asks and clocks ---------------------------------------------------------------------------------------------

    fn poll_asks(&mut self, cx: &mut Context<'_>) -> bool {
        let mut busy = false;
        self.mail = mail_count();
        while let Poll::Ready(ask) = self.asks.poll_take(cx) {
            busy = true;
            self.take_ask(cx, ask);
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
                    self.client_lost(false);
                }
            }
        }
        busy
    }

    fn take_ask(&mut self, cx: &mut Context<'_>, ask: Ask) {
        match ask {
            Ask::Tell(input) => self.handle(*input),
            Ask::Place { guild, needs, reply } => {
                let placed = self.place(guild, &needs);
                // Whoever asked looks at the routes next.
                self.carry_out(cx);
                // And may have lost patience.
                reply.send(placed).ok();
            }
            // So may an operator.
            Ask::Look(reply) => _ = reply.send(self.look()),
            Ask::Move { guild, to, reply } => {
                // Moves that are over are told first, so that the next of this player is the one that begins here.
                self.carry_out(cx);
                reply.send(self.move_player(guild, to)).ok();
            }
            Ask::IsLeft {
                guild,
                link,
                ticket,
                reply,
            } => _ = reply.send(self.machine.is_left(guild, link, ticket)),
            Ask::Opened(opened) => self.link_opened(cx, *opened),
            Ask::NodeSilent(node) => self.node_silent(cx, node),
            Ask::Unlisted(link) => self.unlisted(cx, link),
            Ask::Bind(_) => {}
            Ask::Shutdown if self.side.is_none() => self.shut_down(),
            // The connection is told too.
            Ask::Shutdown => {}
            Ask::KeepAgain => keeper::make_up(&self.worker, &self.entry, self.kept_links()),
            Ask::Message(message) => self.send_text(&message),
            Ask::Resume(returning) => self.take_back(cx, *returning),
        }
    }

    fn place(&mut self, guild: GuildId, needs: &Needs) -> Placed {
        let mut effects = Vec::new();
        let mut around = around(&self.worker, &self.entry);
        let now = Instant::now();
        let placed = self.machine.place(guild, needs, now, &mut around, &mut effects);
        if let Some((choice, at)) = around.chosen {
            self.worker
                .shared
                .placed(&choice, at, Some(&self.entry.id), Some(guild));
        }
        self.effects.extend(effects);
        placed
    }

    fn shut_down(&mut self) {
        self.note_close(CloseCause::Shutdown);
        let keep = keeper::is_kept(&self.worker.shared, &self.entry);
        self.handle(Input::Shutdown { keep });
    }

    fn poll_clocks(&mut self, cx: &mut Context<'_>) -> bool {
        let mut busy = false;
        if self.returning.is_some() && self.ready_at.poll(cx).is_ready() {
            self.side = self.returning.take();
            if let Some(side) = &self.side {
                self.worker.connection_upgraded(side.client.record.id);
            }
            self.mail = u64::MAX;
            self.ready_at.clear();
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
                Beat::Check => self.check(cx),
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
                self.client_lost(false);
            }
        }
        self.ping_links(cx);
    }

    fn check(&mut self, cx: &mut Context<'_>) {
        if self.side.as_ref().is_some_and(|side| side.unanswered) {
            self.note_close(CloseCause::HalfOpen);
            // What lies between broke, and the client may be well.
            self.client_lost(true);
        }
        self.check_links(cx);
    }

    fn take_settings(&mut self) {
        let Settings { resuming, timeout } = self.entry.settings();
        self.handle(Input::SessionUpdated {
            resuming: Some(resuming),
            timeout: Some(timeout),
        });
    }

    // --- the end -----------------------------------------------------------------------------------------------------

    fn finish(&mut self) {
        let reason = self.ended.unwrap_or(EndReason::ClientGone);
        if reason != EndReason::Shutdown || !keeper::is_kept(&self.worker.shared, &self.entry) {
            self.worker.shared.keeping.forget(&self.entry);
        }
        if reason == EndReason::QueueFull {
            let (messages, bytes) = self.machine.unread();
            tracing::warn!(session = %self.entry.id, messages, bytes, "a session ends: too much came for its absent client");
        }
        tracing::debug!(session = %self.entry.id, reason = reason.name(), "session ended");
        self.worker.shared.session_ledger.ended(&self.entry, reason.name());
        self.worker.shared.directory.remove(&self.entry.id);
        self.worker.session_closed(&self.entry.id);
        // A request that waits for it is decided on without it, and errands on its links end.
        self.entry.set_routes(None, None);
        // Whoever asked for the session while it ended gets a new one.
        while let Some(ask) = self.asks.take() {
            if let Ask::Resume(returning) = ask {
                returning.begin_anew(&self.worker);
            }
        }
        // A client whose 101 said that it resumes has to connect once more.
        let farewell = match reason {
            // It has its session there.
            EndReason::Shutdown => CloseCause::Shutdown.code(),
            _ => (CLOSE_NODE_LOST, &*reason.to_string()),
        };
        let farewell = ws::close_payload(farewell.0, farewell.1);
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
