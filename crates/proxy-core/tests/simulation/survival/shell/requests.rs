//! What the client does, and its requests: sent when their player is somewhere, repeated when their answer was lost.

use super::*;

impl Shell {
    pub(in super::super) fn client_asks(
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
                let again = self.client.plays_again(guild).filter(|_| rng.bool());
                let number = again.unwrap_or_else(|| self.client.new_track());
                match again {
                    Some(number) => self.client.repeats_track(guild, number),
                    None => self.client.replaces(guild, Some(number)),
                }
                reached.played_again += u32::from(again.is_some());
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
            sent_at: None,
            tried: false,
        });
    }

    pub(in super::super) fn client_comes_or_goes(
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
    pub(super) fn drop_requests(&mut self) {
        for request in &self.requests {
            self.client.excuses(request.guild);
        }
        self.requests.retain(|request| request.sent.is_some());
    }

    /// The client is there and asks for nothing more.
    pub(in super::super) fn client_settles(&mut self, now: Instant, nodes: &mut Nodes, reached: &mut Reached) {
        if self.ended.is_none() && !self.client.connected {
            self.client.connected = true;
            self.handle(Input::ClientBack, now, nodes, reached);
        }
    }

    /// The client leaves for good.
    pub(in super::super) fn leave(&mut self, now: Instant, nodes: &mut Nodes, reached: &mut Reached) {
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

    pub(in super::super) fn move_one(
        &mut self,
        now: Instant,
        rng: &mut fastrand::Rng,
        nodes: &mut Nodes,
        reached: &mut Reached,
    ) {
        let guild = GuildId(rng.u64(1..6));
        let to = rng.bool().then(|| NodeId(rng.u16(..nodes.all.len() as u16)));
        self.handle(Input::Move { guild, to }, now, nodes, reached);
    }

    /// A socket breaks with what is in it.
    pub(in super::super) fn break_socket(&mut self, rng: &mut fastrand::Rng, nodes: &mut Nodes, reached: &mut Reached) {
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

    pub(in super::super) fn node_changed(
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
    pub(in super::super) fn restart(&mut self, now: Instant, nodes: &mut Nodes, reached: &mut Reached) {
        if self.ended.is_some() {
            return;
        }
        reached.revived += 1;
        // What was on its way is lost with the process, and so is what was known of players that no node has.
        self.requests.clear();
        self.drop_jobs(now, nodes);
        self.quieting.clear();
        self.client.excuses_all();
        self.excuse_leftovers(nodes);
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

    /// What players left on nodes is known to nobody after a restart.
    fn excuse_leftovers(&mut self, nodes: &Nodes) {
        for (index, node) in nodes.all.iter().enumerate() {
            let links = self.machine.links();
            let link = links.to(NodeId(index as u16)).map(|link| link.id);
            let mine = node.sessions.values().filter(|session| session.owner == self.id);
            for (guild, player) in mine.flat_map(|session| &session.players) {
                let left = link != self.machine.players().link_of(*guild);
                if let Some(track) = player.track.as_ref().filter(|_| left) {
                    self.client.may_come_back(*guild, track.number);
                }
            }
        }
    }

    /// Sends the requests whose players are somewhere.
    pub(super) fn send_requests(&mut self, now: Instant, nodes: &mut Nodes, reached: &mut Reached) {
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
                let request = &mut self.requests[index];
                request.sent = Some(link);
                if !tried {
                    request.sent_at = Some(now);
                }
                self.link_job(What::Request(id, tried), link, now);
            }
        }
    }

    pub(super) fn tell_quiet(&mut self, now: Instant, nodes: &mut Nodes, reached: &mut Reached) {
        for guild in std::mem::take(&mut self.quieting) {
            let sent = |request: &Request| request.guild == guild && request.sent.is_some();
            if self.requests.iter().any(sent) {
                self.quieting.push(guild);
            } else {
                self.handle(Input::Quiet(guild), now, nodes, reached);
            }
        }
    }

    pub(super) fn request_done(
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
        // The gateway takes such an answer for lost, since the player is being made elsewhere as it was before.
        let late = self.requests[index].update.is_some() && self.machine.links().get(link).is_none();
        match answer.and_then(|body| if late { Err(503) } else { Ok(body) }) {
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
                    Some(update) => {
                        let new_track = matches!(update, Update::Play(..) | Update::Stop);
                        Input::PlayerAnswered {
                            guild,
                            link,
                            asked: Asked {
                                new_track,
                                sent: request.sent_at.filter(|_| new_track),
                                ..Asked::default()
                            },
                            answer: body.into_bytes().into(),
                        }
                    }
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
}

/// Whether a player is what an update would have made of it.
fn shows(player: &str, update: Option<&Update>) -> bool {
    let player: serde_json::Value = serde_json::from_str(player).unwrap();
    match update {
        // The length tells one play of a track from another.
        Some(Update::Play(number, length)) => player["track"]["encoded"] == format!("{number}/{length}"),
        Some(Update::Stop) => player["track"].is_null(),
        Some(Update::Volume) | None => true,
    }
}
