//! What is asked of nodes, what they make of it, and what the machine is told of that.

use super::*;

impl Shell {
    pub(super) fn run_jobs(&mut self, now: Instant, rng: &mut fastrand::Rng, nodes: &mut Nodes, reached: &mut Reached) {
        for job in std::mem::take(&mut self.jobs) {
            self.run_job(job, now, rng, nodes, reached);
        }
    }

    pub(super) fn run_job(
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

    pub(super) fn execute(&self, job: &Job, now: Instant, nodes: &mut Nodes) -> Result<String, u16> {
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
            What::Destroy(guild, ..) => session.destroy(*guild),
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

    pub(super) fn job_done(
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
                    Err(_) => return self.handle(Input::FindFailed { guild, link }, now, nodes, reached),
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
                    Err(_) => RestoreOutcome::Refused,
                };
                self.restored(guild, link, ticket, outcome, now, nodes, reached);
            }
            (What::Request(id, looks), answer) => self.request_done(id, looks, answer, now, nodes, reached),
            (What::Destroy(guild, link, ticket), _) => {
                self.handle(Input::Destroyed { guild, link, ticket }, now, nodes, reached);
            }
            (What::Keep(_), _) | (What::Open(..), Err(_)) => {}
        }
    }

    #[expect(clippy::too_many_arguments)]
    pub(super) fn opened(
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
    pub(super) fn restored(
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

    pub(super) fn job_failed(
        &mut self,
        job: Job,
        silence: Silence,
        now: Instant,
        nodes: &mut Nodes,
        reached: &mut Reached,
    ) {
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
            What::Find(guild, link) => self.handle(Input::FindFailed { guild, link }, now, nodes, reached),
            What::Destroy(guild, link, ticket) if self.machine.is_left(guild, link, ticket) => {
                self.link_job(What::Destroy(guild, link, ticket), link, now);
            }
            What::Destroy(guild, link, ticket) => {
                self.handle(Input::Destroyed { guild, link, ticket }, now, nodes, reached);
            }
            What::Restore(guild, link, ticket, _) => {
                self.restored(guild, link, ticket, RestoreOutcome::Lost, now, nodes, reached);
            }
            What::Request(id, _) => self.request_done(id, false, Err(503), now, nodes, reached),
        }
    }
}
