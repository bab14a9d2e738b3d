//! What the gateway does for one session: sockets, requests, errands, each of which takes its time and may fail.

mod checks;
mod errands;
mod requests;
mod sockets;

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
    Destroy(GuildId, LinkId, u32),
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
    sent_at: Option<Instant>,
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
            Effect::DestroyPlayer { guild, link, ticket } => {
                self.link_job(What::Destroy(guild, link, ticket), link, now);
            }
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

    /// Errands of a session that is over, or of a process that is gone. Leaving nodes goes on.
    fn drop_jobs(&mut self, now: Instant, nodes: &mut Nodes) {
        self.jobs.retain(|job| {
            if let What::Open(_, _, socket) = job.what {
                nodes.node(job.node).socket_gone(socket, now);
            }
            matches!(job.what, What::Forget(_) | What::CleanUp(..))
        });
    }

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
}

fn session_of(nodes: &mut Nodes, node: NodeId, socket: SocketId) -> Option<String> {
    nodes.node(node).session_of(socket)
}
