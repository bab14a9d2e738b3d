//! What the gateway does for one session: sockets, requests, errands, each of which takes its time and may fail.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lavalink_protocol::envelope::Envelope;
use lavalink_protocol::id::{GuildId, NodeSessionId};
use proxy_core::pool::NodeId;
use proxy_core::session::machine::{
    Disposition, Effect, EndReason, Input, Leave, LinkLoss, LinkSettings, Machine, NodeChange, Placed, PlacementMode,
    RestoreOutcome, Route, SessionSettings,
};
use proxy_core::session::migration::MoveOutcome;
use proxy_core::session::orphans::{Orphan, Orphans};
use proxy_core::session::{Asked, LinkId, Needs, QueueLimits};

use super::Reached;
use super::client::Client;
use super::nodes::{Nodes, SocketId, Update};

/// A request that is not answered by then is given up by whoever sent it.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a client's request waits for its player to be somewhere.
const REQUEST_WAIT: Duration = Duration::from_secs(20);

pub(super) struct Shell {
    id: usize,
    settings: Arc<SessionSettings>,
    machine: Machine,
    client: Client,
    sockets: Vec<Socket>,
    jobs: Vec<Job>,
    requests: Vec<Request>,
    wake: Option<Instant>,
    quieting: Vec<GuildId>,
    orphans: Orphans,
    ended: Option<EndReason>,
    start: Instant,
    /// `SIMULATION_TRACE` is set: all that happens is printed.
    traced: bool,
}

struct Socket {
    link: LinkId,
    node: NodeId,
    id: SocketId,
    /// With the time of arrival.
    inbox: VecDeque<(Instant, String)>,
    /// The node's end is gone, which is noticed then.
    lost_at: Option<Instant>,
}

/// Something asked of a node.
struct Job {
    what: What,
    node: NodeId,
    session: String,
    reaches: Instant,
    gives_up: Instant,
    /// The node's answer and when it is here.
    answer: Option<(Instant, Result<String, u16>)>,
}

#[derive(Clone, Debug)]
enum What {
    Open(LinkId, Option<String>, SocketId),
    Keep(LinkId),
    /// Leave for good, with this socket.
    Forget(Option<SocketId>),
    CleanUp(Orphan, bool, SocketId),
    List(LinkId),
    Find(GuildId, LinkId),
    Restore(GuildId, LinkId, u32, String),
    Destroy(GuildId, LinkId),
    /// A client's request, and whether it only looks what became of an earlier try.
    Request(u64, bool),
}

/// A client's request.
struct Request {
    id: u64,
    guild: GuildId,
    /// `None` destroys the player.
    update: Option<Update>,
    since: Instant,
    sent: Option<LinkId>,
    /// An earlier try was lost.
    tried: bool,
}

/// Why a job has no answer.
#[derive(Clone, Copy, PartialEq)]
enum Silence {
    Refused,
    Lost,
}

impl Shell {
    pub(super) fn new(id: usize, placement: PlacementMode, nodes: &mut Nodes, now: Instant) -> Self {
        let settings = Arc::new(SessionSettings {
            queue: QueueLimits {
                messages: 400,
                bytes: 400_000,
            },
            max_park: Duration::from_secs(3600),
            grace: Duration::from_secs(60),
            placement,
            links: LinkSettings {
                idle: Duration::from_secs(8),
                ..LinkSettings::default()
            },
        });
        let mut shell = Self {
            id,
            machine: Machine::new(Arc::clone(&settings)),
            settings,
            client: Client::default(),
            sockets: Vec::new(),
            jobs: Vec::new(),
            requests: Vec::new(),
            wake: None,
            quieting: Vec::new(),
            orphans: Orphans::default(),
            ended: None,
            start: now,
            traced: std::env::var_os("SIMULATION_TRACE").is_some(),
        };
        shell.connect(now, nodes, &mut Reached::default());
        shell
    }

    /// The client opens a new session on the first node that is there.
    fn connect(&mut self, now: Instant, nodes: &mut Nodes, reached: &mut Reached) {
        let usable = |node: &&super::nodes::Node| node.up && !node.is_silent();
        let Some(index) = nodes.all.iter().position(|node| usable(&node)) else {
            return;
        };
        self.drop_jobs(now, nodes);
        self.machine = Machine::new(Arc::clone(&self.settings));
        (self.ended, self.wake) = (None, None);
        self.client.connected = true;
        let (node, id) = (NodeId(index as u16), nodes.new_socket());
        let (session, _) = nodes.node(node).shake_hands(self.id, None, id);
        let link = LinkId(0);
        self.add_socket(link, node, id);
        let updated = Input::SessionUpdated {
            resuming: Some(self.id == 0),
            timeout: Some(60),
        };
        self.handle(updated, now, nodes, reached);
        let up = Input::LinkUp {
            link,
            node,
            node_session: NodeSessionId::from(session),
            resumed: false,
        };
        self.handle(up, now, nodes, reached);
    }

    fn add_socket(&mut self, link: LinkId, node: NodeId, id: SocketId) {
        self.sockets.push(Socket {
            link,
            node,
            id,
            inbox: VecDeque::new(),
            lost_at: None,
        });
    }

    fn handle(&mut self, input: Input, now: Instant, nodes: &mut Nodes, reached: &mut Reached) {
        let mut effects = Vec::new();
        if self.traced {
            eprintln!("{:?} session {}: {input:?}", now - self.start, self.id);
        }
        self.machine.handle(input, now, nodes, &mut effects);
        self.carry_out(effects, now, nodes, reached);
    }

    fn carry_out(&mut self, effects: Vec<Effect>, now: Instant, nodes: &mut Nodes, reached: &mut Reached) {
        for effect in effects {
            assert!(self.ended.is_none(), "an effect after the end: {effect:?}");
            if self.traced {
                eprintln!("    {effect:?}");
            }
            self.carry_out_one(effect, now, nodes, reached);
        }
    }

    fn carry_out_one(&mut self, effect: Effect, now: Instant, nodes: &mut Nodes, reached: &mut Reached) {
        match effect {
            Effect::SendReady { .. } | Effect::SendPlayerUpdates(_) => assert!(self.client.connected),
            Effect::SendEarlyStats | Effect::Publish => {}
            Effect::Replay(queue) => {
                reached.replays += 1;
                queue.iter().for_each(|message| self.client.hear(message));
            }
            Effect::Send(told) => {
                assert!(self.client.connected, "told to nobody");
                reached.told_ends += 1;
                self.client.hear(&told);
            }
            Effect::OpenLink { link, node, resume } => {
                let resume = resume.map(|id| id.as_str().to_owned());
                let what = What::Open(link, resume, nodes.new_socket());
                self.job(what, node, String::new(), now);
            }
            Effect::Keep(link) => self.link_job(What::Keep(link), link, now),
            Effect::CloseLink { link, leave } => self.close_link(link, leave, now, nodes),
            Effect::Abandon { node, node_session } => self.orphans.leave(node, node_session, now),
            Effect::ListPlayers(link) => self.link_job(What::List(link), link, now),
            Effect::FindPlayer { guild, link } => self.link_job(What::Find(guild, link), link, now),
            Effect::AwaitQuiet(guild) => self.quieting.push(guild),
            Effect::Restore {
                guild,
                link,
                ticket,
                body,
                ..
            } => self.link_job(What::Restore(guild, link, ticket, body.expose().to_owned()), link, now),
            Effect::DestroyPlayer { guild, link } => self.link_job(What::Destroy(guild, link), link, now),
            Effect::Migrated(migration) => match migration.outcome {
                MoveOutcome::Moved => reached.moved += 1,
                MoveOutcome::Stayed => reached.stayed += 1,
                MoveOutcome::Failed => reached.failed += 1,
                MoveOutcome::Dropped => {}
            },
            Effect::CloseClient { .. } => self.client.connected = false,
            Effect::WakeAt(at) => self.wake = Some(at),
            Effect::End(reason) => {
                reached.ended += 1;
                self.ended = Some(reason);
                self.client.connected = false;
                self.client.forgets();
                self.requests.clear();
                self.quieting.clear();
            }
        }
    }

    fn close_link(&mut self, link: LinkId, leave: Leave, now: Instant, nodes: &mut Nodes) {
        let Some(index) = self.sockets.iter().position(|socket| socket.link == link) else {
            return;
        };
        let socket = self.sockets.remove(index);
        let session = session_of(nodes, socket.node, socket.id);
        match (leave, session) {
            (Leave::Destroy, Some(session)) => self.job(What::Forget(Some(socket.id)), socket.node, session, now),
            _ => nodes.node(socket.node).socket_gone(socket.id, now),
        }
    }

    fn link_job(&mut self, what: What, link: LinkId, now: Instant) {
        let Some(known) = self.machine.links().get(link) else {
            return;
        };
        let session = known.node_session.as_ref().map(|id| id.as_str().to_owned());
        let node = known.node;
        self.job(what, node, session.unwrap_or_default(), now);
    }

    fn job(&mut self, what: What, node: NodeId, session: String, now: Instant) {
        let reaches = now + Duration::from_millis(5);
        self.jobs.push(Job {
            what,
            node,
            session,
            reaches,
            gives_up: now + PATIENCE,
            answer: None,
        });
    }

    // --- what the client does ----------------------------------------------------------------------------------------

    pub(super) fn client_asks(
        &mut self,
        now: Instant,
        rng: &mut fastrand::Rng,
        nodes: &mut Nodes,
        reached: &mut Reached,
    ) {
        if self.ended.is_some() {
            self.connect(now, nodes, reached);
        }
        let guild = GuildId(rng.u64(1..6));
        let busy = self.requests.iter().any(|request| request.guild == guild);
        if !self.client.connected || busy {
            return;
        }
        let update = match rng.u32(..10) {
            0..6 => {
                let number = self.client.new_track();
                self.client.replaces(guild, Some(number));
                Some(Update::Play(number, rng.i64(500..60_000)))
            }
            6..8 => Some(Update::Volume),
            8 => {
                self.client.replaces(guild, None);
                Some(Update::Stop)
            }
            _ => {
                self.client.replaces(guild, None);
                None
            }
        };
        let id = nodes.new_socket();
        self.requests.push(Request {
            id,
            guild,
            update,
            since: now,
            sent: None,
            tried: false,
        });
    }

    pub(super) fn client_comes_or_goes(
        &mut self,
        now: Instant,
        rng: &mut fastrand::Rng,
        nodes: &mut Nodes,
        reached: &mut Reached,
    ) {
        if self.ended.is_some() {
            return self.connect(now, nodes, reached);
        }
        if !self.client.connected {
            self.client.connected = true;
            return self.handle(Input::ClientBack, now, nodes, reached);
        }
        if rng.u32(..4) == 0 {
            self.client.connected = false;
            self.drop_requests();
            let ours = rng.bool();
            self.handle(Input::ClientLost { ours }, now, nodes, reached);
        }
    }

    /// The client is gone: it is not told what became of its requests. Those on their way go on.
    fn drop_requests(&mut self) {
        for request in &self.requests {
            self.client.excuses(request.guild);
        }
        self.requests.retain(|request| request.sent.is_some());
    }

    /// The client is there and asks for nothing more.
    pub(super) fn client_settles(&mut self, now: Instant, nodes: &mut Nodes, reached: &mut Reached) {
        if self.ended.is_none() && !self.client.connected {
            self.client.connected = true;
            self.handle(Input::ClientBack, now, nodes, reached);
        }
    }

    /// The client leaves for good.
    pub(super) fn leave(&mut self, now: Instant, nodes: &mut Nodes, reached: &mut Reached) {
        if self.ended.is_none() {
            let updated = Input::SessionUpdated {
                resuming: Some(false),
                timeout: None,
            };
            self.handle(updated, now, nodes, reached);
            self.client.connected = false;
            self.handle(Input::ClientLost { ours: false }, now, nodes, reached);
            assert!(self.ended.is_some());
        }
    }

    pub(super) fn move_one(&mut self, now: Instant, rng: &mut fastrand::Rng, nodes: &mut Nodes, reached: &mut Reached) {
        let guild = GuildId(rng.u64(1..6));
        let to = rng.bool().then(|| NodeId(rng.u16(..nodes.all.len() as u16)));
        self.handle(Input::Move { guild, to }, now, nodes, reached);
    }

    /// A socket breaks with what is in it.
    pub(super) fn break_socket(&mut self, rng: &mut fastrand::Rng, nodes: &mut Nodes, reached: &mut Reached) {
        let now = nodes.now();
        if let Some(socket) = rng.choice(&mut self.sockets) {
            reached.lost_messages += socket.inbox.len() as u32;
            socket.inbox.clear();
            socket.lost_at = Some(now);
            // The node notices in its own time.
            let later = now + Duration::from_millis(rng.u64(..250));
            nodes.node(socket.node).socket_gone(socket.id, later);
        }
    }

    pub(super) fn node_changed(
        &mut self,
        node: NodeId,
        change: NodeChange,
        now: Instant,
        nodes: &mut Nodes,
        reached: &mut Reached,
    ) {
        self.handle(Input::Node { node, change }, now, nodes, reached);
    }

    /// The proxy stops and another run takes the session up.
    pub(super) fn restart(&mut self, now: Instant, nodes: &mut Nodes, reached: &mut Reached) {
        if self.ended.is_some() {
            return;
        }
        reached.revived += 1;
        // What was on its way is lost with the process, and so is what was known of players that no node has.
        self.requests.clear();
        self.drop_jobs(now, nodes);
        self.quieting.clear();
        self.client.excuses_all();
        let links: Vec<_> = self
            .machine
            .links()
            .iter()
            .filter(|link| link.kept)
            .filter_map(|link| Some((link.node, link.node_session.clone()?)))
            .collect();
        let settings = (self.machine.resuming(), self.machine.timeout());
        let mut effects = Vec::new();
        self.machine
            .handle(Input::Shutdown { keep: true }, now, nodes, &mut effects);
        for socket in self.sockets.drain(..) {
            nodes.node(socket.node).socket_gone(socket.id, now);
        }
        self.client.connected = false;
        let until = now + Duration::from_secs(60);
        self.machine = Machine::revive(Arc::clone(&self.settings), settings, links, until, now);
        self.wake = Some(now);
        self.handle(Input::Tick, now, nodes, reached);
    }

    /// Errands of a session that is over, or of a process that is gone. Leaving nodes goes on.
    fn drop_jobs(&mut self, now: Instant, nodes: &mut Nodes) {
        self.jobs.retain(|job| {
            if let What::Open(_, _, socket) = job.what {
                nodes.node(job.node).socket_gone(socket, now);
            }
            matches!(job.what, What::Forget(_) | What::CleanUp(..))
        });
    }

    // --- time --------------------------------------------------------------------------------------------------------

    pub(super) fn tick(&mut self, now: Instant, rng: &mut fastrand::Rng, nodes: &mut Nodes, reached: &mut Reached) {
        self.read_sockets(now, rng, nodes, reached);
        self.send_requests(now, nodes, reached);
        self.run_jobs(now, rng, nodes, reached);
        self.tell_quiet(now, nodes, reached);
        self.clean_up(now, nodes);
        if self.wake.is_some_and(|wake| wake <= now) {
            self.wake = None;
            self.handle(Input::Tick, now, nodes, reached);
        }
    }

    fn read_sockets(&mut self, now: Instant, rng: &mut fastrand::Rng, nodes: &mut Nodes, reached: &mut Reached) {
        for index in 0..self.sockets.len() {
            let socket = &mut self.sockets[index];
            let node = nodes.node(socket.node);
            for message in node.take_out(socket.id) {
                let at = now + Duration::from_millis(rng.u64(..60));
                let at = socket.inbox.back().map_or(at, |(last, _)| at.max(*last));
                socket.inbox.push_back((at, message));
            }
            let gone = !node.has_socket(socket.id);
            let silent = node
                .silent_since
                .is_some_and(|since| now >= since + Duration::from_secs(3));
            if (gone || silent) && socket.lost_at.is_none() {
                socket.lost_at = Some(now + Duration::from_millis(rng.u64(..100)));
            }
        }
        let mut index = 0;
        while index < self.sockets.len() && self.ended.is_none() {
            let id = self.sockets[index].id;
            self.read_socket(index, now, nodes, reached);
            if self.sockets.get(index).is_some_and(|socket| socket.id == id) {
                index += 1;
            }
        }
    }

    fn read_socket(&mut self, index: usize, now: Instant, nodes: &mut Nodes, reached: &mut Reached) {
        let link = self.sockets[index].link;
        while let Some((at, _)) = self.sockets[index].inbox.front()
            && *at <= now
        {
            let (_, message) = self.sockets[index].inbox.pop_front().unwrap();
            self.hear(link, message.as_bytes(), now, nodes, reached);
            if self.ended.is_some() {
                return;
            }
        }
        if self.sockets[index].lost_at.is_some_and(|at| at <= now) {
            let socket = self.sockets.remove(index);
            reached.lost_messages += socket.inbox.len() as u32;
            nodes.node(socket.node).socket_gone(socket.id, now);
            self.handle(
                Input::LinkLost {
                    link,
                    why: LinkLoss::Broken,
                },
                now,
                nodes,
                reached,
            );
        }
    }

    fn hear(&mut self, link: LinkId, message: &[u8], now: Instant, nodes: &mut Nodes, reached: &mut Reached) {
        let envelope = Envelope::read(message);
        if self.traced {
            let text = std::str::from_utf8(message).unwrap();
            eprintln!("{:?} session {}: {link:?} says {text}", now - self.start, self.id);
        }
        match self.machine.message(link, &envelope, message, now) {
            Disposition::Forward => {
                assert!(self.client.connected);
                self.client.hear(message);
            }
            Disposition::Swallow => reached.swallowed += 1,
            Disposition::Enqueue => {
                let mut effects = Vec::new();
                self.machine.enqueue(&envelope, message, now, nodes, &mut effects);
                self.carry_out(effects, now, nodes, reached);
            }
            Disposition::Aggregate => {}
        }
        if self.machine.needs_tick() && self.ended.is_none() {
            self.handle(Input::Tick, now, nodes, reached);
        }
    }

    /// Sends the requests whose players are somewhere.
    fn send_requests(&mut self, now: Instant, nodes: &mut Nodes, reached: &mut Reached) {
        let waiting: Vec<u64> = self
            .requests
            .iter()
            .filter(|request| request.sent.is_none())
            .map(|request| request.id)
            .collect();
        for id in waiting {
            let Some(index) = self.requests.iter().position(|request| request.id == id) else {
                return;
            };
            let Request {
                guild, since, tried, ..
            } = self.requests[index];
            if now > since + REQUEST_WAIT || self.machine.is_parked() {
                self.client.excuses(guild);
                self.requests.remove(index);
                continue;
            }
            let route = match self.machine.route(guild) {
                Route::Unplaced if self.requests[index].update.is_none() => {
                    self.requests.remove(index);
                    continue;
                }
                Route::Unplaced => {
                    let mut effects = Vec::new();
                    let placed = self.machine.place(guild, &Needs::default(), now, nodes, &mut effects);
                    self.carry_out(effects, now, nodes, reached);
                    match placed {
                        Placed::Link(link) => Route::Link(link),
                        Placed::Wait | Placed::Nowhere(_) => Route::Wait,
                    }
                }
                route => route,
            };
            if let Route::Link(link) = route {
                self.requests[index].sent = Some(link);
                self.link_job(What::Request(id, tried), link, now);
            }
        }
    }

    fn tell_quiet(&mut self, now: Instant, nodes: &mut Nodes, reached: &mut Reached) {
        for guild in std::mem::take(&mut self.quieting) {
            let sent = |request: &Request| request.guild == guild && request.sent.is_some();
            if self.requests.iter().any(sent) {
                self.quieting.push(guild);
            } else {
                self.handle(Input::Quiet(guild), now, nodes, reached);
            }
        }
    }

    /// Nodes that are reached again are cleaned up.
    fn clean_up(&mut self, now: Instant, nodes: &mut Nodes) {
        for index in 0..nodes.all.len() {
            let node = NodeId(index as u16);
            if nodes.all[index].up && !nodes.all[index].is_silent() && self.orphans.on(node) > 0 {
                for orphan in self.orphans.take(node) {
                    let session = orphan.node_session.as_str().to_owned();
                    let what = What::CleanUp(orphan, false, nodes.new_socket());
                    self.job(what, node, session, now);
                }
            }
        }
    }

    // --- what nodes make of it ---------------------------------------------------------------------------------------

    fn run_jobs(&mut self, now: Instant, rng: &mut fastrand::Rng, nodes: &mut Nodes, reached: &mut Reached) {
        for job in std::mem::take(&mut self.jobs) {
            self.run_job(job, now, rng, nodes, reached);
        }
    }

    fn run_job(
        &mut self,
        mut job: Job,
        now: Instant,
        rng: &mut fastrand::Rng,
        nodes: &mut Nodes,
        reached: &mut Reached,
    ) {
        let node = nodes.node(job.node);
        if !node.up {
            // An answer that was on its way is lost as well.
            let silence = if job.answer.is_some() {
                Silence::Lost
            } else {
                Silence::Refused
            };
            return self.job_failed(job, silence, now, nodes, reached);
        }
        if node.is_silent() {
            if now >= job.gives_up {
                return self.job_failed(job, Silence::Lost, now, nodes, reached);
            }
            return self.jobs.push(job);
        }
        match job.answer.take() {
            Some((at, answer)) if at <= now => self.job_done(job, answer, now, nodes, reached),
            Some(answer) => {
                job.answer = Some(answer);
                self.jobs.push(job);
            }
            None if job.reaches <= now => {
                let answer = self.execute(&job, now, nodes);
                let delay = if rng.u32(..8) == 0 { 600 } else { 80 };
                job.answer = Some((now + Duration::from_millis(rng.u64(..delay)), answer));
                self.jobs.push(job);
            }
            None => self.jobs.push(job),
        }
    }

    fn execute(&self, job: &Job, now: Instant, nodes: &mut Nodes) -> Result<String, u16> {
        let (owner, refuses) = (self.id, nodes.node(job.node).refuses);
        let node = nodes.node(job.node);
        match &job.what {
            What::Open(_, resume, socket) => {
                let (id, resumed) = node.shake_hands(owner, resume.as_deref(), *socket);
                return Ok(format!("{id} {resumed}"));
            }
            What::CleanUp(_, true, socket) => {
                let (id, resumed) = node.shake_hands(owner, Some(&job.session), *socket);
                if resumed {
                    node.session(&id).unwrap().set_keep(None);
                }
                node.socket_gone(*socket, now);
                return Ok(String::new());
            }
            _ => {}
        }
        let session = node.session(&job.session).ok_or(404_u16)?;
        match &job.what {
            What::Keep(_) => session.set_keep(Some(Duration::from_secs(120))),
            What::Forget(_) | What::CleanUp(..) => {
                session.set_keep(None);
                if matches!(job.what, What::CleanUp(..)) {
                    let guilds: Vec<GuildId> = session.players.keys().copied().collect();
                    guilds.into_iter().for_each(|guild| session.destroy(guild));
                }
            }
            What::List(_) => return Ok(session.list(now)),
            What::Find(guild, _) => return session.player(*guild, now).ok_or(410),
            What::Restore(..) if refuses => return Err(500),
            What::Restore(guild, _, _, body) => return Ok(session.restore(*guild, body, now)),
            What::Destroy(guild, _) => session.destroy(*guild),
            What::Request(id, looks) => {
                let request = self.requests.iter().find(|request| request.id == *id);
                let Some(Request { guild, update, .. }) = request else {
                    return Err(499);
                };
                return match update {
                    Some(_) if *looks => session.player(*guild, now).ok_or(410),
                    Some(update) => Ok(session.update(*guild, update, now)),
                    None => {
                        session.destroy(*guild);
                        Ok(String::new())
                    }
                };
            }
            What::Open(..) => {}
        }
        Ok(String::new())
    }

    fn job_done(
        &mut self,
        job: Job,
        answer: Result<String, u16>,
        now: Instant,
        nodes: &mut Nodes,
        reached: &mut Reached,
    ) {
        match (job.what.clone(), answer) {
            (What::Open(link, resume, socket), Ok(answer)) => {
                let (session, resumed) = answer.split_once(' ').unwrap();
                self.opened(
                    link,
                    job.node,
                    session,
                    (resume.is_some(), resumed == "true"),
                    socket,
                    now,
                    nodes,
                    reached,
                );
            }
            (What::Keep(link), Err(_)) => self.handle(Input::NotKept(link), now, nodes, reached),
            (What::Forget(socket), answer) => {
                if answer.is_err() {
                    self.orphans.leave(job.node, NodeSessionId::from(&*job.session), now);
                }
                socket
                    .iter()
                    .for_each(|socket| nodes.node(job.node).socket_gone(*socket, now));
            }
            (What::CleanUp(orphan, false, socket), Err(_)) => {
                self.job(What::CleanUp(orphan, true, socket), job.node, job.session, now);
            }
            (What::CleanUp(..), _) => reached.cleaned_up += 1,
            (What::List(link), Ok(body)) => {
                self.handle(
                    Input::Players {
                        link,
                        asked: job.reaches,
                        body: body.into_bytes().into(),
                    },
                    now,
                    nodes,
                    reached,
                );
            }
            (What::List(link), Err(_)) => self.link_job(What::List(link), link, now),
            (What::Find(guild, link), answer) => {
                let body = match answer {
                    Ok(body) => Some(body.into_bytes().into()),
                    Err(410) => None,
                    Err(_) => return,
                };
                self.handle(
                    Input::PlayerFound {
                        guild,
                        link,
                        asked: job.reaches,
                        body,
                    },
                    now,
                    nodes,
                    reached,
                );
            }
            (What::Restore(guild, link, ticket, _), answer) => {
                let outcome = match answer {
                    Ok(answer) => RestoreOutcome::Done(answer.into_bytes().into()),
                    Err(status) => RestoreOutcome::Refused(status),
                };
                self.restored(guild, link, ticket, outcome, now, nodes, reached);
            }
            (What::Request(id, looks), answer) => self.request_done(id, looks, answer, now, nodes, reached),
            (What::Destroy(guild, link), _) => self.handle(Input::Destroyed { guild, link }, now, nodes, reached),
            (What::Keep(_), _) | (What::Open(..), Err(_)) => {}
        }
    }

    #[expect(clippy::too_many_arguments)]
    fn opened(
        &mut self,
        link: LinkId,
        node: NodeId,
        session: &str,
        (asked, resumed): (bool, bool),
        socket: SocketId,
        now: Instant,
        nodes: &mut Nodes,
        reached: &mut Reached,
    ) {
        reached.resumed += u32::from(resumed);
        reached.denied += u32::from(asked && !resumed);
        self.add_socket(link, node, socket);
        if self.ended.is_some() {
            return self.close_link(link, Leave::Close, now, nodes);
        }
        let node_session = NodeSessionId::from(session);
        let up = Input::LinkUp {
            link,
            node,
            node_session,
            resumed,
        };
        self.handle(up, now, nodes, reached);
        reached.linked_twice += u32::from(self.machine.links().len() > 1);
    }

    #[expect(clippy::too_many_arguments)]
    fn restored(
        &mut self,
        guild: GuildId,
        link: LinkId,
        ticket: u32,
        outcome: RestoreOutcome,
        now: Instant,
        nodes: &mut Nodes,
        reached: &mut Reached,
    ) {
        let restored = Input::Restored {
            guild,
            link,
            ticket,
            outcome,
        };
        self.handle(restored, now, nodes, reached);
    }

    fn job_failed(&mut self, job: Job, silence: Silence, now: Instant, nodes: &mut Nodes, reached: &mut Reached) {
        match job.what {
            What::Open(link, _, socket) => {
                nodes.node(job.node).socket_gone(socket, now);
                let why = if silence == Silence::Refused {
                    LinkLoss::Refused
                } else {
                    LinkLoss::Broken
                };
                self.handle(Input::LinkLost { link, why }, now, nodes, reached);
            }
            What::Keep(link) => self.handle(Input::NotKept(link), now, nodes, reached),
            What::Forget(socket) => {
                self.orphans.leave(job.node, NodeSessionId::from(&*job.session), now);
                socket
                    .iter()
                    .for_each(|socket| nodes.node(job.node).socket_gone(*socket, now));
            }
            What::CleanUp(orphan, ..) => self.orphans.put_back(orphan, Duration::from_secs(120), now),
            What::List(link) => self.link_job(What::List(link), link, now),
            What::Find(..) => {}
            What::Destroy(guild, link) => self.link_job(What::Destroy(guild, link), link, now),
            What::Restore(guild, link, ticket, _) => {
                self.restored(guild, link, ticket, RestoreOutcome::Lost, now, nodes, reached);
            }
            What::Request(id, _) => self.request_done(id, false, Err(503), now, nodes, reached),
        }
    }

    fn request_done(
        &mut self,
        id: u64,
        looks: bool,
        answer: Result<String, u16>,
        now: Instant,
        nodes: &mut Nodes,
        reached: &mut Reached,
    ) {
        let Some(index) = self.requests.iter().position(|request| request.id == id) else {
            return;
        };
        let Some(link) = self.requests[index].sent else { return };
        let guild = self.requests[index].guild;
        let track = match self.requests[index].update {
            Some(Update::Play(number, _)) => Some(number),
            _ => None,
        };
        match answer {
            Ok(body)
                if looks
                    && self.requests[index].update.is_some()
                    && !shows(&body, self.requests[index].update.as_ref()) =>
            {
                // The earlier try did nothing.
                (self.requests[index].tried, self.requests[index].sent) = (false, None);
                reached.repeated += 1;
            }
            Err(410) if looks => {
                (self.requests[index].tried, self.requests[index].sent) = (false, None);
            }
            Ok(body) => {
                let request = self.requests.remove(index);
                self.client.answered(guild, track);
                let input = match request.update {
                    Some(update) => Input::PlayerAnswered {
                        guild,
                        link,
                        asked: Asked {
                            new_track: matches!(update, Update::Play(..) | Update::Stop),
                            ..Asked::default()
                        },
                        answer: body.into_bytes().into(),
                    },
                    None => Input::PlayerGone { guild, link },
                };
                self.handle(input, now, nodes, reached);
            }
            Err(_) => {
                self.client.repeats(guild, track);
                (self.requests[index].tried, self.requests[index].sent) = (true, None);
                self.handle(Input::PlayerDoubted { guild, link }, now, nodes, reached);
            }
        }
    }

    // --- what must hold ----------------------------------------------------------------------------------------------

    pub(super) fn check(&self, now: Instant) {
        assert_eq!(self.machine.is_ended(), self.ended.is_some());
        if self.ended.is_some() {
            assert!(self.machine.links().is_empty() && self.machine.players().is_empty());
            return;
        }
        assert_eq!(self.machine.is_connected(), self.client.connected);
        for socket in &self.sockets {
            let link = self.machine.links().get(socket.link);
            assert!(
                link.is_some_and(|link| link.is_up() && link.node == socket.node),
                "a socket without a link"
            );
        }
        if let Some(queue) = self.machine.queue() {
            assert!(queue.len() <= self.settings.queue.messages as usize);
            assert!(queue.bytes() <= self.settings.queue.bytes as usize);
            let until = self.machine.parked_until().unwrap();
            assert!(
                until + Duration::from_millis(200) > now,
                "parked for longer than its client may be away"
            );
        }
        let waits = self.machine.moving() > 0 || self.machine.is_parked();
        assert!(!waits || self.wake.is_some(), "nobody will wake it");
    }

    /// All is well and has been for a while.
    pub(super) fn assert_settled(&self, now: Instant, nodes: &Nodes) {
        if self.ended.is_some() {
            return;
        }
        assert_eq!(
            (self.machine.moving(), self.requests.len()),
            (0, 0),
            "{:?}",
            self.machine
        );
        let owner = |guild: GuildId| {
            let mut found = Vec::new();
            for (index, node) in nodes.all.iter().enumerate() {
                for (id, session) in node.sessions.iter().filter(|(_, session)| session.owner == self.id) {
                    if let Some(player) = session.players.get(&guild) {
                        found.push((index, id.clone(), player.track.as_ref().map(|track| track.number)));
                    }
                }
            }
            assert!(found.len() <= 1, "{guild:?} is played by several: {found:?}");
            found.pop()
        };
        for guild in (1..6).map(GuildId) {
            let there = owner(guild).map(|(index, id, _)| (NodeId(index as u16), id));
            let known = self
                .machine
                .players()
                .get(guild)
                .filter(|player| player.shadow.is_some());
            let link = known.and_then(|player| self.machine.links().get(player.link));
            let known = link.map(|link| (link.node, link.node_session.as_ref().unwrap().as_str().to_owned()));
            assert_eq!(known, there, "{guild:?} at {now:?}");
        }
        self.client
            .assert_told(|guild| owner(guild).and_then(|(_, _, track)| track));
        let mine: Vec<_> = nodes
            .all
            .iter()
            .flat_map(|node| node.sessions.values())
            .filter(|session| session.owner == self.id)
            .map(|session| (session.is_parked(), session.players.len()))
            .collect();
        let links = self.machine.links();
        let settled = mine.len() == links.len() && mine.iter().all(|(parked, _)| !parked);
        assert!(settled, "{mine:?} {links:?} {:?}", self.orphans);
    }
}

fn session_of(nodes: &mut Nodes, node: NodeId, socket: SocketId) -> Option<String> {
    nodes.node(node).session_of(socket)
}

/// Whether a player is what an update would have made of it.
fn shows(player: &str, update: Option<&Update>) -> bool {
    let player: serde_json::Value = serde_json::from_str(player).unwrap();
    match update {
        Some(Update::Play(number, _)) => {
            player["track"]["info"]["identifier"].as_str() == Some(number.to_string().as_str())
        }
        Some(Update::Stop) => player["track"].is_null(),
        Some(Update::Volume) | None => true,
    }
}
