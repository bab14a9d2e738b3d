//! The nodes' ends of a session: reading their sockets, losing them, leaving them, and saying where requests go.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Instant;

use lavalink_protocol::id::{GuildId, NodeSessionId};
use lavalink_protocol::stats::{Stats, StatsForm};
use lavalink_protocol::ws::{self, From, Opcode};
use proxy_core::pool::{LinkGuard, LinkKey, NodeId};
use proxy_core::session::kept::KeptLink;
use proxy_core::session::machine::{Input, Leave, LinkLoss, PlacementMode, Route as Way, VoicePing};
use proxy_core::session::{Link, LinkId};

use super::Session;
use crate::keeper::{self, Change};
use crate::local;
use crate::rest::pool::{NodePool, Watch};
use crate::session::dial::NodeSocket;
use crate::session::directory::{Route, Spread, To};
use crate::session::errands;
use crate::session::frames::{Inbound, Outbound};
use crate::session::relay::{Relay, Relayed};
use crate::shared::lock;
use crate::usage::LinkRecord;
use crate::worker::Worker;

/// Pings and pongs that may wait for a node that does not read; nothing else is sent to it here.
const LINK_QUEUE: usize = 64 * 1024;

/// A node's end of a session.
pub(crate) struct LinkSide {
    pub(super) id: LinkId,
    pub(crate) node: NodeId,
    /// The node's id of the session.
    pub(crate) node_session: NodeSessionId,
    pub(super) key: LinkKey,
    socket: crate::transport::Stream,
    inbound: Inbound,
    out: Outbound,
    unanswered: bool,
    /// It sent messages since the last beat of the pulse.
    spoke: bool,
    /// There are bytes that were read before this task was there.
    primed: bool,
    record: LinkRecord,
    pool: Rc<NodePool>,
    /// The node is watched while this link has players.
    watch: Option<Watch>,
    _guard: LinkGuard,
}

impl LinkSide {
    pub(super) fn new(
        worker: &Worker,
        id: LinkId,
        node: NodeId,
        node_session: NodeSessionId,
        socket: NodeSocket,
    ) -> Self {
        let mut inbound = Inbound::new(From::Server, worker.shared.config.max_node_message);
        inbound.preload(&socket.early);
        Self {
            id,
            node,
            node_session,
            key: LinkKey(worker.connection_id()),
            socket: socket.stream,
            inbound,
            out: Outbound::default(),
            unanswered: false,
            spoke: false,
            primed: true,
            record: socket.record,
            pool: worker.pool(node),
            watch: None,
            _guard: socket.guard,
        }
    }

    /// Says goodbye, as far as the socket takes it.
    pub(super) fn say_goodbye(&mut self, cx: &mut Context<'_>) {
        let mut frame = Vec::new();
        ws::write_masked_frame(&mut frame, Opcode::Close, &ws::close_payload(1000, ""), [0; 4]);
        self.out.write(cx, &mut self.socket, &frame).ok();
    }
}

impl Session {
    pub(super) fn poll_links(&mut self, cx: &mut Context<'_>) -> bool {
        let (mut progressed, mut index) = (false, 0);
        while let Some(id) = self.links.get(index).map(|link| link.id) {
            progressed |= self.poll_link(cx, index);
            // A link that was lost has left the list.
            if self.links.get(index).is_some_and(|link| link.id == id) {
                index += 1;
            }
        }
        progressed
    }

    fn poll_link(&mut self, cx: &mut Context<'_>, index: usize) -> bool {
        let link = &mut *self.links[index];
        let id = link.id;
        if let Poll::Ready(Err(_)) = link.out.poll_flush(cx, &mut link.socket) {
            self.link_lost(cx, id, LinkLoss::Broken);
            return true;
        }
        let LinkSide {
            socket,
            inbound,
            primed,
            ..
        } = link;
        let (machine, side) = (&mut self.machine, self.side.as_deref_mut());
        let around = super::around(&self.worker, &self.entry);
        let read = if std::mem::take(primed) {
            // What came together with the node's `ready`.
            Poll::Ready(Ok(Some(Relay::new(cx, machine, side, id, around).run(inbound, b""))))
        } else {
            socket.poll_read_scratch(cx, |cx, bytes| {
                (!bytes.is_empty()).then(|| Relay::new(cx, machine, side, id, around).run(inbound, bytes))
            })
        };
        let (relayed, outcome) = match read {
            Poll::Pending => return false,
            Poll::Ready(Ok(None) | Err(_)) => {
                self.link_lost(cx, id, LinkLoss::Broken);
                return true;
            }
            Poll::Ready(Ok(Some(done))) => done,
        };
        let closed = relayed.closed;
        if !self.note_relayed(cx, index, relayed) {
            return true;
        }
        match (outcome, closed) {
            (Err(error), _) => {
                tracing::warn!(session = %self.entry.id, %error, "a node sent no valid WebSocket frame");
                self.link_lost(cx, id, LinkLoss::Broken);
            }
            (Ok(()), Some(code)) => self.link_lost(cx, id, LinkLoss::Closed { code }),
            (Ok(()), None) => {}
        }
        true
    }

    /// Takes what one read brought; `false` when the link was lost by it.
    fn note_relayed(&mut self, cx: &mut Context<'_>, index: usize, relayed: Relayed) -> bool {
        let link = &mut *self.links[index];
        link.unanswered = false;
        link.spoke |= relayed.received > 0;
        if link.watch.is_some() {
            link.pool.heard();
        }
        link.record.traffic.messages_in.add(relayed.received);
        if !relayed.pongs.is_empty() {
            link.out.write(cx, &mut link.socket, &relayed.pongs).ok();
            if link.out.len() > LINK_QUEUE {
                tracing::warn!(session = %self.entry.id, "a node sends pings and reads no answers");
                let id = link.id;
                self.link_lost(cx, id, LinkLoss::Broken);
                return false;
            }
        }
        if let Some(side) = &self.side {
            side.client.record.traffic.messages_out.add(relayed.forwarded);
        }
        if !relayed.effects.is_empty() {
            self.effects.extend(relayed.effects);
        }
        if let Some(stats) = relayed.stats {
            self.early_stats.clear();
            self.note_stats(index, &stats);
        }
        if relayed.aggregate {
            self.send_figures();
        }
        if let Some(heard) = self.machine.take_voice_ping() {
            let VoicePing { node, region, ping } = heard;
            lock(&self.worker.shared.voice_pings).learn(node, &region, ping, Instant::now());
        }
        if self.machine.needs_tick() {
            self.handle(Input::Tick);
        }
        if relayed.client_failed {
            self.client_lost(false);
        }
        true
    }

    fn note_stats(&self, index: usize, payload: &[u8]) {
        let link = &self.links[index];
        if let Ok(stats) = Stats::read(payload) {
            let players = self.machine.players().on(link.id) as u32;
            self.worker.shared.link_reported(link.node, link.key, players, stats);
        }
    }

    /// Tells the client the figures of all nodes, or keeps them for it.
    fn send_figures(&mut self) {
        let stats = local::stats(&self.worker.shared, StatsForm::V4Message);
        if self.machine.is_parked() {
            self.machine.enqueue_stats(&stats);
        } else {
            self.send_text(&stats);
        }
    }

    /// Pings the links that were silent since the last beat: a node that plays something speaks every few seconds.
    pub(super) fn ping_links(&mut self, cx: &mut Context<'_>) {
        let mut frame = Vec::with_capacity(8);
        ws::write_masked_frame(&mut frame, Opcode::Ping, b"", [0; 4]);
        let mut lost = Vec::new();
        for link in &mut self.links {
            if std::mem::take(&mut link.spoke) {
                continue;
            }
            link.unanswered = true;
            if link.out.write(cx, &mut link.socket, &frame).is_err() {
                lost.push(link.id);
            }
        }
        lost.into_iter().for_each(|id| self.link_lost(cx, id, LinkLoss::Broken));
    }

    /// Gives up the sockets that answered no ping.
    pub(super) fn check_links(&mut self, cx: &mut Context<'_>) {
        let silent: Vec<LinkId> = self
            .links
            .iter()
            .filter(|link| link.unanswered)
            .map(|link| link.id)
            .collect();
        silent
            .into_iter()
            .for_each(|id| self.link_lost(cx, id, LinkLoss::Broken));
    }

    /// The node answers nothing at all any more.
    pub(super) fn node_silent(&mut self, cx: &mut Context<'_>, node: NodeId) {
        let links: Vec<LinkId> = self
            .links
            .iter()
            .filter(|link| link.node == node)
            .map(|link| link.id)
            .collect();
        links
            .into_iter()
            .for_each(|id| self.link_lost(cx, id, LinkLoss::Broken));
    }

    /// A node does not list the players of a link, however often it was asked. Where none are known they are found one by
    /// one, as they speak. Otherwise the link is of no use: known players move, and what the node has is left for later.
    pub(super) fn unlisted(&mut self, cx: &mut Context<'_>, id: LinkId) {
        let Some(link) = self.links.iter().find(|link| link.id == id) else {
            return;
        };
        let (node, node_session) = (link.node, link.node_session.clone());
        let name = &self.worker.pool(node).node.name;
        if self.machine.players().on(id) == 0 {
            tracing::warn!(session = %self.entry.id, node = %name, "a node does not list its players, which are found as they speak");
            return self.handle(Input::Players {
                link: id,
                asked: Instant::now(),
                body: (*b"[]").into(),
            });
        }
        tracing::warn!(session = %self.entry.id, node = %name, "a node does not list its players, and its link is given up");
        self.worker.shared.abandon(node, node_session);
        self.link_lost(cx, id, LinkLoss::Refused);
    }

    pub(super) fn link_lost(&mut self, cx: &mut Context<'_>, id: LinkId, why: LinkLoss) {
        let Some(link) = self.take_link(id) else { return };
        tracing::info!(session = %self.entry.id, node = %self.worker.pool(link.node).node.name, ?why, "link lost");
        link.pool.ledger.link_lost();
        // That a link broke says little of its node: whether it can be resumed will show.
        drop(link);
        // What was answered before the node was lost counts.
        self.poll_asks(cx);
        self.handle(Input::LinkLost { link: id, why });
    }

    fn take_link(&mut self, id: LinkId) -> Option<Box<LinkSide>> {
        let index = self.links.iter().position(|link| link.id == id)?;
        let link = self.links.remove(index);
        self.worker
            .shared
            .note_pool(|pool| pool.link_closed(link.node, link.key));
        Some(link)
    }

    pub(super) fn close_link(&mut self, cx: &mut Context<'_>, id: LinkId, leave: Leave) {
        let Some(mut link) = self.take_link(id) else { return };
        match leave {
            Leave::Destroy => errands::leave(&self.worker, link),
            // A node destroys the players of a closed socket whether it was told or not, so a client that vanished
            // vanishes there too; a goodbye is passed on.
            Leave::Close if self.said_goodbye => link.say_goodbye(cx),
            Leave::Close => {}
        }
    }

    /// The node is asked to keep its session, and watched from now on.
    pub(super) fn keep_link(&mut self, id: LinkId) {
        let seconds = self.worker.shared.config.sessions.links.keep.as_secs();
        let kept = self.commit_links();
        let Some(link) = self.links.iter_mut().find(|link| link.id == id) else {
            return;
        };
        link.watch = Some(link.pool.watch());
        let asked = (id, link.node, &link.node_session);
        errands::keep(&self.worker, &self.entry, asked, kept, seconds);
    }

    /// Commits which links there are to resume after a restart.
    fn commit_links(&mut self) -> Option<impl Future<Output = ()> + use<>> {
        if !self.worker.shared.keeping.is_on() {
            return None;
        }
        let links = self.kept_links();
        self.kept = links.len() as u32;
        let change = Change::Links(self.entry.id.clone(), links);
        keeper::commit(&self.worker, &self.entry, change)
    }

    /// The links whose nodes keep players when their sockets are lost.
    pub(super) fn kept_links(&self) -> Vec<KeptLink> {
        let kept = |link: &Link| {
            let node = self.worker.shared.nodes[usize::from(link.node.0)].name.to_string();
            let node_session = link.node_session.clone().filter(|_| link.kept)?;
            Some(KeptLink { node, node_session })
        };
        self.machine.links().iter().filter_map(kept).collect()
    }

    /// Links that are gone are not to be resumed by another run of the proxy.
    fn drop_links(&mut self) {
        let kept = self.machine.links().iter().filter(|link| link.kept).count();
        if kept < self.kept as usize
            && let Some(commit) = self.commit_links()
        {
            tokio::task::spawn_local(commit);
        }
    }

    /// A link was opened, or could not be.
    pub(super) fn link_opened(&mut self, cx: &mut Context<'_>, opened: errands::Opened) {
        let errands::Opened {
            link: id,
            node,
            outcome,
        } = opened;
        match outcome {
            Ok(up) => {
                let errands::Up {
                    socket,
                    node_session,
                    resumed,
                } = *up;
                let mut side = LinkSide::new(&self.worker, id, node, node_session.clone(), socket);
                let known = self.machine.links().get(id);
                if known.is_some_and(|link| link.node_session.is_some()) {
                    side.pool.ledger.link_resumed(resumed);
                }
                if resumed {
                    side.watch = Some(side.pool.watch());
                }
                self.links.reserve_exact(1);
                self.links.push(Box::new(side));
                self.handle(Input::LinkUp {
                    link: id,
                    node,
                    node_session,
                    resumed,
                });
                // What the node sent together with its `ready` is read now.
                cx.waker().wake_by_ref();
            }
            Err(why) => self.handle(Input::LinkLost { link: id, why }),
        }
    }

    /// Says where requests go from now on.
    pub(super) fn publish(&mut self) {
        self.drop_links();
        let machine = &self.machine;
        let players = machine.players().len() as u32;
        self.entry.players.store(players, Ordering::Relaxed);
        let up = |link: &Link| {
            let (link, node, node_session) = (link.id, link.node, link.node_session.clone()?);
            Some(Arc::new(Route {
                link,
                node,
                node_session,
            }))
        };
        let links: Vec<Arc<Route>> = machine
            .links()
            .iter()
            .filter(|link| link.is_up())
            .filter_map(up)
            .collect();
        let together = self.worker.shared.config.sessions.placement == PlacementMode::Session;
        let primary = links.first().cloned();
        let held_up: Vec<GuildId> = machine.held_up().collect();
        let alike = held_up.is_empty() && machine.moving() == 0;
        if together && machine.links().len() == 1 && links.len() == 1 && alike {
            return self.entry.set_routes(primary, None);
        }
        let place = |way: Way| match way {
            Way::Link(id) => links.iter().position(|link| link.link == id).map(|index| index as u16),
            Way::Wait | Way::Unplaced => None,
        };
        let mut guilds: Vec<(GuildId, Option<u16>)> = machine
            .players()
            .iter()
            .map(|player| (player.guild, place(machine.route_to(player))))
            .collect();
        if !held_up.is_empty() {
            guilds.extend(held_up.into_iter().map(|guild| (guild, None)));
            guilds.sort_unstable_by_key(|(guild, _)| *guild);
        }
        let others = match machine.route_of_others() {
            Way::Unplaced => To::Unplaced,
            way => place(way).map_or(To::Wait, |index| To::Link(Arc::clone(&links[usize::from(index)]))),
        };
        let players = machine.players_by_node();
        let spread = Spread {
            links,
            guilds,
            others,
            players,
        };
        self.entry.set_routes(primary, Some(spread));
    }
}
