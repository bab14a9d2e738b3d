//! Sessions with a simple model of what their clients and nodes saw, and the checks on the session machine.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use lavalink_protocol::envelope::{Envelope, EventKind, Op};
use lavalink_protocol::id::{GuildId, NodeSessionId};
use proxy_core::health::Signal;
use proxy_core::pool::{LinkGuard, NodeId};
use proxy_core::session::{
    Disposition, Effect, EndReason, Input, LinkId, LinkLoss, Machine, QueueLimits, ResumeQueue, SessionSettings,
};

use crate::Reached;
use crate::fleet::Fleet;

const QUEUE: QueueLimits = QueueLimits {
    messages: 12,
    bytes: 600,
};
const SETTINGS: SessionSettings = SessionSettings {
    queue: QUEUE,
    max_park: Duration::from_secs(100),
};

#[derive(Default)]
pub(crate) struct Sessions {
    all: Vec<Session>,
    /// Numbers every message that any node sends.
    sequence: u64,
}

struct Session {
    machine: Machine,
    model: Model,
    links: Vec<SimLink>,
    next_link: u32,
    wake: Option<Instant>,
}

struct SimLink {
    id: LinkId,
    node: NodeId,
    guard: LinkGuard,
}

/// What a client and its nodes know of a session.
#[derive(Default)]
struct Model {
    client: bool,
    resuming: bool,
    timeout: i64,
    players: BTreeMap<GuildId, LinkId>,
    /// Events that its client must get, in their order.
    sent: Vec<u64>,
    received: Vec<u64>,
    /// The newest stats since the client was lost.
    missed_stats: Option<u64>,
    lost_at: Option<Instant>,
    ended: Option<EndReason>,
}

impl Sessions {
    /// A client connects: placement, link, ready. On a dead node the link is refused.
    pub(crate) fn open(&mut self, now: Instant, rng: &mut fastrand::Rng, fleet: &mut Fleet, reached: &mut Reached) {
        let Some(node) = fleet.place(now, rng, reached) else {
            return;
        };
        let model = Model {
            client: true,
            timeout: 60,
            ..Model::default()
        };
        let mut session = Session {
            machine: Machine::new(SETTINGS),
            model,
            links: Vec::new(),
            next_link: 0,
            wake: None,
        };
        session.open_link(node, now, fleet, reached);
        assert_eq!(session.machine.is_connected(), fleet.is_alive(node));
        self.all.push(session);
    }

    /// Migration is to come; the machine must already tell links apart.
    pub(crate) fn open_second_link(
        &mut self,
        now: Instant,
        rng: &mut fastrand::Rng,
        fleet: &mut Fleet,
        reached: &mut Reached,
    ) {
        let node = fleet.any_alive(rng);
        if let (Some(session), Some(node)) = (self.any_open(rng), node) {
            session.open_link(node, now, fleet, reached);
        }
    }

    /// Nodes send a few messages over the links of some session.
    pub(crate) fn node_speaks(
        &mut self,
        now: Instant,
        rng: &mut fastrand::Rng,
        fleet: &mut Fleet,
        reached: &mut Reached,
    ) {
        let first = self.sequence;
        self.sequence += rng.u64(1..8);
        let last = self.sequence;
        let Some(session) = self.any_open(rng) else { return };
        for sequence in first..last {
            if session.model.ended.is_none() {
                session.one_message(sequence, now, rng, fleet, reached);
            }
        }
    }

    pub(crate) fn client_acts(
        &mut self,
        now: Instant,
        rng: &mut fastrand::Rng,
        fleet: &mut Fleet,
        reached: &mut Reached,
    ) {
        let Some(session) = self.any_open(rng) else { return };
        let guild = GuildId(rng.u64(..5));
        let input = match (session.model.client, rng.u32(..10)) {
            (false, _) => Input::ClientBack,
            (true, 0..3) => Input::ClientLost,
            (true, 3..6) => {
                let timeout = *rng.choice(&[-1, 0, 5, 30, 60, 60, 60, i64::MAX]).unwrap();
                let (resuming, timeout) = (Some(rng.u32(..5) > 0), rng.bool().then_some(timeout));
                Input::SessionUpdated { resuming, timeout }
            }
            (true, 6..9) => Input::PlayerSeen {
                guild,
                link: rng.choice(&session.links).unwrap().id,
            },
            (true, _) => Input::PlayerGone { guild },
        };
        session.input(input, now, fleet, reached);
    }

    /// The links on a dead node break.
    pub(crate) fn node_died(
        &mut self,
        node: NodeId,
        why: LinkLoss,
        now: Instant,
        fleet: &mut Fleet,
        reached: &mut Reached,
    ) {
        for session in &mut self.all {
            let Some(link) = session.links.iter().find(|link| link.node == node).map(|link| link.id) else {
                continue;
            };
            fleet.signal(node, Signal::LinkLost, now, reached);
            session.link_gone(link, fleet);
            session.input(Input::LinkLost { link, why }, now, fleet, reached);
        }
    }

    /// Wakes the sessions whose time has come.
    pub(crate) fn tick(&mut self, now: Instant, fleet: &mut Fleet, reached: &mut Reached) {
        for session in &mut self.all {
            if session.wake.is_some_and(|wake| wake <= now) {
                session.wake = None;
                session.input(Input::Tick, now, fleet, reached);
            }
        }
    }

    pub(crate) fn shut_down(&mut self, now: Instant, fleet: &mut Fleet, reached: &mut Reached) {
        for session in &mut self.all {
            session.input(Input::Shutdown, now, fleet, reached);
            assert!(session.model.ended.is_some());
        }
    }

    /// What must hold for every session. Those that ended are checked once more and forgotten.
    pub(crate) fn check(&mut self, now: Instant, fleet: &Fleet) {
        self.all.iter().for_each(|session| session.check(now, fleet));
        self.all.retain(|session| session.model.ended.is_none());
    }

    fn any_open(&mut self, rng: &mut fastrand::Rng) -> Option<&mut Session> {
        let open: Vec<&mut Session> = self
            .all
            .iter_mut()
            .filter(|session| session.model.ended.is_none())
            .collect();
        rng.choice(open)
    }
}

impl Session {
    fn open_link(&mut self, node: NodeId, now: Instant, fleet: &mut Fleet, reached: &mut Reached) {
        let id = LinkId(self.next_link);
        self.next_link += 1;
        if !fleet.is_alive(node) {
            fleet.signal(node, Signal::ConnectError, now, reached);
            self.input(
                Input::LinkLost {
                    link: id,
                    why: LinkLoss::Refused,
                },
                now,
                fleet,
                reached,
            );
            return;
        }
        let guard = fleet.link_opened(node);
        self.links.push(SimLink { id, node, guard });
        let node_session = NodeSessionId::from("nodesession");
        self.input(
            Input::LinkUp {
                link: id,
                node,
                node_session,
            },
            now,
            fleet,
            reached,
        );
    }

    fn link_gone(&mut self, id: LinkId, fleet: &mut Fleet) {
        let index = self
            .links
            .iter()
            .position(|link| link.id == id)
            .expect("only an open link is closed");
        let link = self.links.remove(index);
        self.model.players.retain(|_, on| *on != id);
        fleet.link_closed(link.node, link.guard);
    }

    fn one_message(
        &mut self,
        sequence: u64,
        now: Instant,
        rng: &mut fastrand::Rng,
        fleet: &mut Fleet,
        reached: &mut Reached,
    ) {
        let (link, envelope) = self.some_message(rng);
        let message = message(&envelope, sequence, rng);
        match self.hear(link, &envelope, reached) {
            Disposition::Forward if matches!(envelope.op, Op::Event | Op::Other) => {
                self.model.sent.push(sequence);
                self.model.received.push(sequence);
            }
            Disposition::Enqueue => self.keep(sequence, &envelope, &message, now, fleet, reached),
            _ => {}
        }
    }

    fn some_message(&self, rng: &mut fastrand::Rng) -> (LinkId, Envelope) {
        let link = rng.choice(&self.links).unwrap().id;
        let op = *rng
            .choice(&[Op::Ready, Op::Stats, Op::PlayerUpdate, Op::Event, Op::Event, Op::Other])
            .unwrap();
        let guild = matches!(op, Op::PlayerUpdate | Op::Event).then(|| GuildId(rng.u64(..5)));
        let event = if op == Op::Event {
            EventKind::TrackEnd
        } else {
            EventKind::None
        };
        (link, Envelope { op, guild, event })
    }

    fn hear(&self, link: LinkId, envelope: &Envelope, reached: &mut Reached) -> Disposition {
        let disposition = self.machine.message(link, envelope);
        assert_eq!(disposition, self.expected(link, envelope), "{envelope:?}");
        reached.suppressed += u32::from(self.is_foreign(link, envelope));
        disposition
    }

    /// Whether the message is about a player that is on another link.
    fn is_foreign(&self, link: LinkId, envelope: &Envelope) -> bool {
        let owner = envelope.guild.and_then(|guild| self.model.players.get(&guild));
        owner.is_some_and(|owner| *owner != link)
    }

    fn expected(&self, link: LinkId, envelope: &Envelope) -> Disposition {
        match (self.model.client, envelope.op) {
            (_, Op::Ready) => Disposition::Swallow,
            _ if self.is_foreign(link, envelope) => Disposition::Swallow,
            (true, _) => Disposition::Forward,
            (false, Op::PlayerUpdate) => Disposition::Swallow,
            (false, _) => Disposition::Enqueue,
        }
    }

    /// The message goes to the queue: it either fits or ends the session.
    fn keep(
        &mut self,
        sequence: u64,
        envelope: &Envelope,
        message: &[u8],
        now: Instant,
        fleet: &mut Fleet,
        reached: &mut Reached,
    ) {
        let before = self.machine.queue().map(|queue| (queue.len(), queue.bytes())).unwrap();
        let mut effects = Vec::new();
        self.machine.enqueue(envelope, message, &mut effects);
        if !effects.is_empty() {
            let full = before.0 >= QUEUE.messages as usize || before.1 + message.len() > QUEUE.bytes as usize;
            assert!(full, "ended with room for {} bytes more: {before:?}", message.len());
            reached.queues_full += 1;
        } else if envelope.op == Op::Stats {
            self.model.missed_stats = Some(sequence);
        } else {
            self.model.sent.push(sequence);
        }
        self.carry_out_all(effects, now, fleet, reached);
    }

    fn input(&mut self, input: Input, now: Instant, fleet: &mut Fleet, reached: &mut Reached) {
        self.learn(&input, now);
        let mut effects = Vec::new();
        self.machine.handle(input, now, &mut effects);
        self.carry_out_all(effects, now, fleet, reached);
    }

    fn carry_out_all(&mut self, effects: Vec<Effect>, now: Instant, fleet: &mut Fleet, reached: &mut Reached) {
        check_order(&effects);
        for effect in effects {
            match effect {
                Effect::CloseLink(link) => self.link_gone(link, fleet),
                other => self.carry_out(other, now, reached),
            }
        }
    }

    /// What the client and the nodes know by themselves when this happens.
    fn learn(&mut self, input: &Input, now: Instant) {
        let model = &mut self.model;
        match input {
            Input::ClientLost => (model.client, model.lost_at) = (false, Some(now)),
            Input::ClientBack => model.client = true,
            Input::SessionUpdated { resuming, timeout } => {
                model.resuming = resuming.unwrap_or(model.resuming);
                model.timeout = timeout.unwrap_or(model.timeout);
            }
            Input::PlayerSeen { guild, link } => _ = model.players.insert(*guild, *link),
            Input::PlayerGone { guild } => _ = model.players.remove(guild),
            _ => {}
        }
    }

    fn carry_out(&mut self, effect: Effect, now: Instant, reached: &mut Reached) {
        let model = &mut self.model;
        assert_eq!(model.ended, None, "an effect after the end: {effect:?}");
        match effect {
            Effect::SendReady { resumed } => assert_eq!((model.client, resumed), (true, model.lost_at.is_some())),
            Effect::SendEarlyStats => assert!(model.client),
            Effect::Replay(queue) => self.replay(&queue, reached),
            Effect::SendPlayerUpdates(link) => assert!(model.players.values().any(|on| *on == link)),
            Effect::CloseClient { .. } => {
                assert!(model.client, "a client that is away cannot be closed");
                model.client = false;
            }
            Effect::WakeAt(at) => {
                assert!(at > now);
                self.wake = Some(at);
            }
            Effect::End(reason) => {
                model.ended = Some(reason);
                model.client = false;
                reached.expired += u32::from(reason == EndReason::ResumeExpired);
                reached.links_lost += u32::from(reason == EndReason::LinkLost);
            }
            Effect::CloseLink(_) => unreachable!("done by the caller"),
        }
    }

    /// The client gets what it missed: every event once and in order, and the newest stats.
    fn replay(&mut self, queue: &ResumeQueue, reached: &mut Reached) {
        reached.replays += 1;
        let mut stats = Vec::new();
        for message in queue.iter() {
            let text = std::str::from_utf8(message).unwrap();
            let sequence = text[1..].trim().parse().unwrap();
            if text.starts_with('s') {
                &mut stats
            } else {
                &mut self.model.received
            }
            .push(sequence);
            reached.replayed_messages += 1;
        }
        assert_eq!(stats, Vec::from_iter(self.model.missed_stats.take()));
        assert_eq!(self.model.received, self.model.sent);
        self.model.lost_at = None;
    }

    fn check(&self, now: Instant, fleet: &Fleet) {
        let model = &self.model;
        assert_eq!(self.machine.is_ended(), model.ended.is_some());
        if model.ended.is_some() {
            assert!(self.machine.links().is_empty() && self.machine.players().is_empty());
            return;
        }
        assert_eq!(self.machine.is_connected(), model.client);
        assert_eq!(
            (self.machine.resuming(), self.machine.timeout()),
            (model.resuming, model.timeout)
        );
        assert!(
            self.machine
                .players()
                .iter()
                .eq(model.players.iter().map(|(guild, link)| (*guild, *link)))
        );
        assert!(self.links.iter().all(|link| fleet.is_alive(link.node)));
        if model.client {
            assert_eq!(model.received, model.sent, "an event was lost, doubled or reordered");
            return;
        }
        assert!(
            model.resuming && model.timeout > 0,
            "without resuming a session ends with its client"
        );
        let parked_for = now - model.lost_at.unwrap();
        let timeout = Duration::from_secs(model.timeout.unsigned_abs()).min(SETTINGS.max_park);
        assert!(parked_for < timeout, "parked for {parked_for:?} of {timeout:?}");
        let queue = self.machine.queue().unwrap();
        assert!(queue.len() <= QUEUE.messages as usize && queue.bytes() <= QUEUE.bytes as usize);
    }
}

pub(crate) fn some_link_loss(rng: &mut fastrand::Rng) -> LinkLoss {
    let code = *rng.choice(&[1000, 1001, 1005, 4000]).unwrap();
    if rng.bool() {
        LinkLoss::Broken
    } else {
        LinkLoss::Closed { code }
    }
}

/// A message that carries its number, of some length.
fn message(envelope: &Envelope, sequence: u64, rng: &mut fastrand::Rng) -> Vec<u8> {
    let kind = if envelope.op == Op::Stats { 's' } else { 'e' };
    format!("{kind}{sequence:width$}", width = rng.usize(1..80)).into_bytes()
}

/// A resume is written in Lavalink's order, and the end comes last and once.
fn check_order(effects: &[Effect]) {
    let rank = |effect: &Effect| match effect {
        Effect::SendReady { .. } => 0,
        Effect::SendEarlyStats | Effect::Replay(_) => 1,
        Effect::SendPlayerUpdates(_) => 2,
        Effect::CloseClient { .. } => 3,
        Effect::CloseLink(_) => 4,
        Effect::WakeAt(_) => 5,
        Effect::End(_) => 6,
    };
    assert!(effects.is_sorted_by_key(rank), "{effects:?}");
    let ends = effects.iter().filter(|effect| matches!(effect, Effect::End(_))).count();
    assert!(
        ends <= 1 && (ends == 0 || matches!(effects.last(), Some(Effect::End(_)))),
        "{effects:?}"
    );
}
