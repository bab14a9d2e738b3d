//! A request for one of a session's players: what the session learns of it, and what becomes of it when its link dies
//! while it is under way. Not for where it goes at first: that is decided with every other request, in `service`.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use lavalink_protocol::id::GuildId;
use proxy_core::session::machine::{Input, Placed};
use proxy_core::session::{Asked, LinkId, Needs, PluginWrite, inflight};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::ask;
use super::forward::{Failed, Forward, Served};
use crate::connection::Client;
use crate::error::ProxyError;
use crate::respond;
use crate::session::directory::{Route, SessionEntry, To, WriteGuard};
use crate::worker::{Ask, Worker};

/// Longest body of a player update that is read before it is sent on, and longest answer to one that is read before it
/// is passed on. Longer ones are streamed, and the session then asks the node what they did.
pub(crate) const MAX_PLAYER_BODY: usize = 1024 * 1024;
/// A request is sent so often in all.
const MAX_SENDS: u32 = 3;
/// How long a failed request waits for news of its link before its node is asked again; doubled each time.
const PAUSE: Duration = Duration::from_millis(100);
/// A link that is up while its node fails requests for this long has no news to wait for.
const PATIENCE: Duration = Duration::from_secs(2);
/// Longest wait for what a node says of one player.
const LOOK_LIMIT: Duration = Duration::from_secs(2);

/// What a request does to its player.
#[derive(Debug)]
pub(crate) enum Does {
    /// Nothing.
    Read,
    /// A player update; none when its body was too long to be read, or was none.
    Update(Option<Asked>),
    /// Destroys it.
    Destroy,
    /// Writes to a plugin's route below it; none when the body was too long to be kept.
    Plugin(Option<Box<PluginWrite>>),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct PlayerRequest {
    session: Arc<SessionEntry>,
    guild: GuildId,
    link: LinkId,
    does: Does,
    /// Held from before the route was looked up until the session was told of the answer.
    under_way: Option<WriteGuard>,
    /// The node may have carried it out, and the session was not told how it ended.
    open: bool,
}

impl PlayerRequest {
    pub(crate) fn new(
        session: Arc<SessionEntry>,
        guild: GuildId,
        link: LinkId,
        does: Does,
        under_way: Option<WriteGuard>,
    ) -> Self {
        Self {
            session,
            guild,
            link,
            does,
            under_way,
            open: false,
        }
    }

    /// Whether the answer is read whole before the client gets any of it. A 404 may say that the node has lost the
    /// session, which is nothing to bother a client with.
    pub(crate) fn holds(&self, status: u16) -> bool {
        !matches!(self.does, Does::Read) || status == 404
    }

    /// The request is about to be sent.
    pub(crate) fn sent(&mut self) {
        self.open = matches!(self.does, Does::Update(_));
        if let Does::Update(Some(asked)) = &mut self.does
            && asked.new_track
        {
            asked.sent = Some(Instant::now().into_std());
        }
    }

    /// Tells the session of the answer, before the client gets it.
    pub(crate) fn answered(&mut self, worker: &Worker, status: u16, body: &[u8]) {
        let (guild, link) = (self.guild, self.link);
        self.open = false;
        let told = match (&mut self.does, status) {
            (Does::Update(asked), 200) => match asked.take() {
                Some(asked) => Input::PlayerAnswered {
                    guild,
                    link,
                    asked,
                    answer: body.into(),
                },
                None => Input::PlayerDoubted { guild, link },
            },
            // What fails late has taken effect in part.
            (Does::Update(asked), 400) if asked.as_ref().is_none_or(|asked| asked.new_track) => {
                Input::PlayerDoubted { guild, link }
            }
            (Does::Update(_), 500..) => Input::PlayerDoubted { guild, link },
            (Does::Destroy, 204) => Input::PlayerGone { guild, link },
            (Does::Plugin(write), 200..300) => match write.take() {
                Some(write) => Input::PluginWrote { guild, link, write },
                None => return,
            },
            _ => return,
        };
        worker.ask(&self.session, Ask::Tell(Box::new(told)));
        self.under_way = None;
    }

    /// Its answer is too long to be read whole.
    pub(crate) fn too_long(&mut self, worker: &Worker) {
        if let Does::Update(asked) = &mut self.does {
            *asked = None;
            self.answered(worker, 200, b"");
        }
    }

    /// It ended without an answer.
    fn failed(&mut self, worker: &Worker) {
        if std::mem::take(&mut self.open) {
            let (guild, link) = (self.guild, self.link);
            let doubted = Input::PlayerDoubted { guild, link };
            worker.ask(&self.session, Ask::Tell(Box::new(doubted)));
        }
        self.under_way = None;
    }

    /// The link that it was sent to is not there any more.
    fn is_cut_off(&self) -> bool {
        self.session.link_of(self.guild) != Some(self.link)
    }

    /// Its answer comes when its link is lost: the player is about to be made elsewhere as it was before, so the answer
    /// counts as lost as well, and what became of the request is found out.
    pub(crate) fn is_late(&self) -> bool {
        matches!(self.does, Does::Update(Some(_))) && !self.session.has_link(self.link)
    }

    fn is_over(&self, worker: &Worker) -> bool {
        worker.shared.directory.get(self.session.id.as_str()).is_none()
    }

    /// Returns when the player has moved to another link.
    async fn moved(session: &SessionEntry, guild: GuildId, link: LinkId) {
        loop {
            let changed = session.changed.notified();
            if session.link_of(guild).is_some_and(|to| to != link) {
                return;
            }
            changed.await;
        }
    }
}

/// Finds a node for a guild's new player; an error when there is none, or the session does not answer.
pub(crate) async fn place(
    worker: &Worker,
    session: &SessionEntry,
    guild: GuildId,
    needs: Box<Needs>,
    limit: Instant,
) -> Result<(), ProxyError> {
    let changed = session.changed.notified();
    let (reply, placed) = oneshot::channel();
    worker.ask(session, Ask::Place { guild, needs, reply });
    match timeout_at(limit, placed).await {
        // It has no place yet: the only node for it is about to destroy an earlier player of the guild.
        Ok(Ok(Placed::Wait)) if matches!(session.to(guild), To::Unplaced) => {
            timeout_at(limit, changed).await.map_err(|_| ProxyError::NodeTimeout)
        }
        // The caller looks where it is, or waits until it is there.
        Ok(Ok(Placed::Link(_) | Placed::Wait)) => Ok(()),
        Ok(Ok(Placed::Nowhere(none))) => Err(ProxyError::NoNode(none)),
        Ok(Err(_)) if worker.shared.directory.get(session.id.as_str()).is_none() => Err(ProxyError::SessionNotFound),
        Ok(Err(_)) | Err(_) => Err(ProxyError::NodeTimeout),
    }
}

/// Carries the request out, on another link if its own dies meanwhile.
pub(crate) async fn run(forward: &mut Forward, worker: &Rc<Worker>, client: &mut Client) -> Result<Served, Failed> {
    // What is streamed to one node is gone, and cannot be sent to another.
    let whole = forward.body.is_done();
    let mut recovery = None;
    loop {
        let sent = Instant::now();
        let failed = match once(forward, worker, client).await {
            Some(Ok(served)) => return Ok(served),
            Some(Err(failed)) => Some(failed),
            None => None,
        };
        let error = match failed {
            // The player has moved, and the old node's word counts no more.
            None if whole => ProxyError::NodeTimeout,
            Some(Failed::Before(error)) if whole && may_recover(&error, forward) => error,
            failed => return Err(end(forward, worker, failed.unwrap_or(ProxyError::NodeTimeout.into()))),
        };
        let recovery = recovery.get_or_insert_with(|| Recovery::new(worker));
        match recovery.go_on(forward, worker, error, sent).await {
            Ok(GoOn::SendAgain) => {}
            Ok(GoOn::Answer(body)) => return answer(forward, worker, client, &body).await,
            Err(error) => return Err(end(forward, worker, error.into())),
        }
    }
}

/// What a client is told at last. When it is a node that has lost its session, the client's own is there still, and a
/// library that read otherwise would give it up.
fn to_be_told(error: ProxyError, is_over: bool) -> ProxyError {
    match error {
        ProxyError::SessionNotFound if !is_over => ProxyError::NodeClosed,
        error => error,
    }
}

/// The request has failed for good: tells the session, and returns how its client is told.
fn end(forward: &mut Forward, worker: &Worker, failed: Failed) -> Failed {
    let Some(player) = &mut forward.player else {
        return failed;
    };
    player.failed(worker);
    match failed {
        Failed::Before(error) => to_be_told(error, player.is_over(worker)).into(),
        Failed::Midway => Failed::Midway,
    }
}

/// Sends the request once; `None` when the player moves before anything was answered.
async fn once(forward: &mut Forward, worker: &Rc<Worker>, client: &mut Client) -> Option<Result<Served, Failed>> {
    let Some(player) = &mut forward.player else {
        return Some(forward.run(worker, client, &Cell::new(false)).await);
    };
    player.sent();
    let (session, guild, link) = (Arc::clone(&player.session), player.guild, player.link);
    let answering = Cell::new(false);
    let moved = async {
        PlayerRequest::moved(&session, guild, link).await;
        if answering.get() {
            // It was carried out, and the client is being told.
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        biased;
        done = forward.run(worker, client, &answering) => Some(done),
        () = moved => None,
    }
}

/// Whether a failure says only that this node, or the way to it, is lost.
fn may_recover(error: &ProxyError, forward: &Forward) -> bool {
    match error {
        ProxyError::NodeUnreachable | ProxyError::NodeClosed | ProxyError::NodeAnswer | ProxyError::SessionNotFound => {
            true
        }
        // A node whose link is well is slow, not lost.
        ProxyError::NodeTimeout => forward.player.as_ref().is_some_and(PlayerRequest::is_cut_off),
        _ => false,
    }
}

/// How a failed request goes on.
enum GoOn {
    SendAgain,
    /// The node shows that it was carried out: this player is the answer.
    Answer(Vec<u8>),
}

/// A request that goes on after its link was lost.
struct Recovery {
    limit: Instant,
    sends: u32,
}

impl Recovery {
    fn new(worker: &Worker) -> Self {
        Self {
            limit: Instant::now() + worker.shared.config.request_wait,
            sends: 1,
        }
    }

    /// Waits for where the request goes now; the error when it goes nowhere.
    async fn go_on(
        &mut self,
        forward: &mut Forward,
        worker: &Rc<Worker>,
        error: ProxyError,
        sent: Instant,
    ) -> Result<GoOn, ProxyError> {
        let patience = Instant::now() + PATIENCE;
        let mut pause = PAUSE;
        let Some(player) = &forward.player else {
            return Err(error);
        };
        let (session, guild) = (Arc::clone(&player.session), player.guild);
        let writes = player.under_way.is_some();
        loop {
            // Before anything is looked at, so that no change in between is missed.
            let changed = session.changed.notified();
            if forward.player.as_ref().is_none_or(|player| player.is_over(worker)) {
                return Err(ProxyError::SessionNotFound);
            }
            if Instant::now() >= self.limit {
                return Err(error);
            }
            // A planned move waits until nothing is under way, and this waits for the move.
            if let Some(player) = &mut forward.player {
                player.under_way = None;
            }
            let under_way = writes.then(|| session.begin_write(guild));
            match session.to(guild) {
                To::Link(to) if self.sends == MAX_SENDS => return Err(give_up(forward, &to, error)),
                To::Link(to) if forward.player.as_ref().is_some_and(|player| player.link != to.link) => {
                    return Ok(self.send_to(forward, worker, &to, under_way));
                }
                To::Link(to) => {
                    // Its link is there, or is not yet known to be lost.
                    drop(under_way);
                    let until = (Instant::now() + pause).min(self.limit);
                    if timeout_at(until, changed).await.is_ok() {
                        continue;
                    }
                    if let Some(go_on) = self.look(forward, worker, &to, &error, sent).await {
                        return Ok(go_on);
                    }
                    pause *= 2;
                    if Instant::now() >= patience {
                        return Err(error);
                    }
                }
                To::Wait => {
                    drop(under_way);
                    if timeout_at(self.limit, changed).await.is_err() {
                        return Err(error);
                    }
                }
                To::Unplaced if writes => {
                    drop(under_way);
                    let needs = match forward.player.as_ref().map(|player| &player.does) {
                        Some(Does::Update(_)) => Needs::of_request(forward.request.body()),
                        _ => Needs::default(),
                    };
                    place(worker, &session, guild, Box::new(needs), self.limit).await?;
                }
                To::Unplaced => return Err(error),
                To::Nowhere => return Err(ProxyError::SessionNotFound),
            }
        }
    }

    fn send_to(&mut self, forward: &mut Forward, worker: &Worker, to: &Route, under_way: Option<WriteGuard>) -> GoOn {
        self.sends += 1;
        let node = &worker.shared.nodes[usize::from(to.node.0)];
        tracing::debug!(path = %forward.path, to = %node.name, "request is sent again");
        forward.request.readdress_session(node, to.node_session.as_str());
        forward.node = to.node;
        forward.retried = true;
        if let Some(player) = &mut forward.player {
            player.link = to.link;
            player.under_way = under_way;
        }
        GoOn::SendAgain
    }

    /// Asks the node, whose link is up, what became of the request; `None` when it does not tell either.
    async fn look(
        &mut self,
        forward: &mut Forward,
        worker: &Rc<Worker>,
        to: &Route,
        error: &ProxyError,
        sent: Instant,
    ) -> Option<GoOn> {
        let player = forward.player.as_ref()?;
        let guild = player.guild;
        match (&player.does, error) {
            // The node has taken it, or not, and cannot be asked which.
            (Does::Plugin(_), ProxyError::NodeClosed | ProxyError::NodeAnswer) => return None,
            (Does::Read | Does::Destroy | Does::Plugin(_) | Does::Update(_), _) => {}
        }
        let path = format!("/v4/sessions/{}/players/{}", to.node_session, guild.0);
        let pool = worker.pool(to.node);
        let found = ask::get(&pool.node, Arc::clone(&pool.ledger.rest), &path, LOOK_LIMIT)
            .await
            .ok()?;
        match found.status {
            200 if self.is_done(forward, &found.body, sent) => return Some(GoOn::Answer(found.body)),
            200 => {}
            404 if !is_session_gone(&found.body) => {}
            _ => return None,
        }
        let under_way = forward.player.as_ref()?.session.begin_write(guild);
        Some(self.send_to(forward, worker, to, Some(under_way)))
    }

    fn is_done(&self, forward: &Forward, body: &[u8], sent: Instant) -> bool {
        let asked = match forward.player.as_ref().map(|player| &player.does) {
            Some(Does::Update(Some(asked))) => asked,
            _ => return false,
        };
        // With noReplace a second time replaces nothing.
        !asked.no_replace && inflight::shows(forward.request.body(), body, sent.elapsed())
    }
}

fn give_up(forward: &Forward, to: &Route, error: ProxyError) -> ProxyError {
    tracing::debug!(path = %forward.path, node = to.node.0, "request was sent often enough");
    error
}

/// A 404 of a node that does not know the session, rather than the player.
pub(crate) fn is_session_gone(body: &[u8]) -> bool {
    memchr::memmem::find(body, b"Session not found").is_some()
}

/// Answers an update whose own answer was lost with what the node shows.
async fn answer(
    forward: &mut Forward,
    worker: &Rc<Worker>,
    client: &mut Client,
    body: &[u8],
) -> Result<Served, Failed> {
    if let Some(player) = &mut forward.player {
        player.answered(worker, 200, body);
    }
    let bytes = respond::ok("application/json", body, forward.answer_to());
    let keep_alive = forward.answer_to().keep_alive;
    let limit = worker.shared.config.idle_timeout;
    client.write(&bytes, limit).await.map_err(|()| Failed::Midway)?;
    client.record.traffic.answered(200);
    forward.answered = Some(200);
    Ok(Served {
        status: 200,
        keep_alive,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_has_lost_its_session_is_not_told_as_the_loss_of_the_clients() {
        let told = |error, is_over| to_be_told(error, is_over).answer().status;
        assert_eq!(told(ProxyError::SessionNotFound, false), 502);
        assert_eq!(told(ProxyError::SessionNotFound, true), 404);
        assert_eq!(told(ProxyError::NodeTimeout, false), 504);
    }
}
