//! What a session has done for it while it goes on: opening links, asking nodes, making players elsewhere, leaving
//! nodes. Each errand is a task of its own that ends by telling the session; when that is over by then, nobody minds.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lavalink_protocol::id::{GuildId, NodeSessionId};
use proxy_core::health::FailureKind;
use proxy_core::pool::NodeId;
use proxy_core::secret::Secret;
use proxy_core::session::machine::{Input, LinkLoss, RestoreOutcome};
use proxy_core::session::orphans::Orphan;
use proxy_core::session::{LinkId, PluginWrite};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::dial::{self, NodeSocket};
use super::directory::{Route, SessionEntry};
use super::start;
use super::v4::LinkSide;
use crate::rest::ask::{self, NodeAnswer, Send};
use crate::rest::player::is_session_gone;
use crate::worker::{Ask, Worker};

/// A player is made on a node within this time, its voice connection included, or another node is tried.
const RESTORE_LIMIT: Duration = Duration::from_secs(10);
/// For the short requests of a session's own.
const SHORT_LIMIT: Duration = Duration::from_secs(5);
/// Between two tries to have a node keep a session.
const KEEP_AGAIN: Duration = Duration::from_secs(2);
/// Before a node that did not say what became of a player is asked again.
const FIND_AGAIN: Duration = Duration::from_secs(1);
/// How long a node may take to list its players: they may be thousands.
const LIST_LIMIT: Duration = Duration::from_secs(10);
/// Before a request that failed is repeated, at first and at last.
const AGAIN: Duration = Duration::from_millis(300);
const AGAIN_AT_LAST: Duration = Duration::from_secs(5);
/// A node that has not listed its players for so long is gone on without.
const LIST_FOR: Duration = Duration::from_secs(30);
/// So many sessions that were left are cleaned up at a time on one node.
const CLEAN_UPS: usize = 4;
/// How often it is looked whether a guild is quiet, and for how long at most: a client that never pauses must not keep a
/// player on a node that is to be emptied.
const QUIET_LOOK: Duration = Duration::from_millis(5);
const QUIET_LIMIT: Duration = Duration::from_secs(3);

/// What became of opening a link.
pub(crate) struct Opened {
    pub(crate) link: LinkId,
    pub(crate) node: NodeId,
    pub(crate) outcome: Result<Box<Up>, LinkLoss>,
}

/// An open link.
pub(crate) struct Up {
    pub(crate) socket: NodeSocket,
    pub(crate) node_session: NodeSessionId,
    pub(crate) resumed: bool,
}

fn tell(worker: &Worker, entry: &SessionEntry, input: Input) {
    worker.ask(entry, Ask::Tell(Box::new(input)));
}

/// A task that a stopping worker waits for.
fn spawn(worker: &Rc<Worker>, errand: impl Future<Output = ()> + 'static) {
    let running = worker.errand();
    tokio::task::spawn_local(async move {
        errand.await;
        drop(running);
    });
}

/// Opens a link, or resumes the node's session.
pub(crate) fn open_link(
    worker: &Rc<Worker>,
    entry: &Arc<SessionEntry>,
    link: LinkId,
    node: NodeId,
    resume: Option<NodeSessionId>,
) {
    let (worker, entry) = (Rc::clone(worker), Arc::clone(entry));
    let mut fields = format!("User-Id: {}\r\n", entry.user.0);
    if let Some(name) = &entry.client_name {
        fields.push_str(&format!("Client-Name: {name}\r\n"));
    }
    spawn(&Rc::clone(&worker), async move {
        let outcome = dial_link(&worker, node, fields, resume.as_ref()).await.map(Box::new);
        if let Err(why) = &outcome {
            let name = &worker.pool(node).node.name;
            tracing::debug!(session = %entry.id, node = %name, ?why, resume = resume.is_some(), "link not opened");
        }
        worker.ask(&entry, Ask::Opened(Box::new(Opened { link, node, outcome })));
    });
}

async fn dial_link(
    worker: &Rc<Worker>,
    node: NodeId,
    mut fields: String,
    resume: Option<&NodeSessionId>,
) -> Result<Up, LinkLoss> {
    if let Some(id) = resume {
        fields.push_str(&format!("Session-Id: {id}\r\n"));
    }
    let pool = worker.pool(node);
    let dialled = dial::open_or_tell(worker, &pool.node, &pool.ledger, "/v4/websocket", fields.as_bytes()).await;
    let mut socket = dialled.map_err(|failed| {
        if failed.refused {
            LinkLoss::Refused
        } else {
            LinkLoss::Broken
        }
    })?;
    let limit = worker.shared.config.connect_timeout;
    let ready = timeout(limit, start::read_ready(worker, &mut socket)).await;
    match ready {
        Ok(Ok((node_session, resumed))) => Ok(Up {
            socket,
            node_session,
            resumed,
        }),
        Ok(Err(_)) | Err(_) => Err(LinkLoss::Broken),
    }
}

/// A request to a node's session.
async fn request(
    worker: &Worker,
    node: NodeId,
    method: &'static str,
    path: &str,
    body: Option<(&str, &[u8])>,
    limit: Duration,
) -> Result<NodeAnswer, FailureKind> {
    let pool = worker.pool(node);
    let send = Send {
        method,
        path,
        body,
        longest: ask::LONGEST,
    };
    ask::send(&pool.node, Arc::clone(&pool.ledger.rest), send, limit).await
}

/// Asks a node for all players of one of its sessions.
async fn get_players(
    worker: &Worker,
    node: NodeId,
    node_session: &NodeSessionId,
    limit: Duration,
) -> Result<NodeAnswer, FailureKind> {
    let pool = worker.pool(node);
    let path = players_path(node_session);
    ask::get_list(&pool.node, Arc::clone(&pool.ledger.rest), &path, limit).await
}

fn players_path(node_session: &NodeSessionId) -> String {
    format!("/v4/sessions/{node_session}/players")
}

const JSON: &str = "application/json";

/// Asks a node to keep the session when its link is lost, for so many seconds. `kept`: what is to be awaited before, so
/// that no node keeps what another run of the proxy does not know of.
pub(crate) fn keep(
    worker: &Rc<Worker>,
    entry: &Arc<SessionEntry>,
    (link, node, node_session): (LinkId, NodeId, &NodeSessionId),
    kept: Option<impl Future<Output = ()> + 'static>,
    seconds: u64,
) {
    let (worker, entry) = (Rc::clone(worker), Arc::clone(entry));
    let path = format!("/v4/sessions/{node_session}");
    spawn(&Rc::clone(&worker), async move {
        if let Some(kept) = kept {
            kept.await;
        }
        let body = format!(r#"{{"resuming":true,"timeout":{seconds}}}"#);
        let asked = request(
            &worker,
            node,
            "PATCH",
            &path,
            Some((JSON, body.as_bytes())),
            SHORT_LIMIT,
        )
        .await;
        if !asked.as_ref().is_ok_and(|answer| answer.status == 200) {
            let name = &worker.pool(node).node.name;
            tracing::warn!(session = %entry.id, node = %name, "a node does not keep a session for its link to return");
            sleep(KEEP_AGAIN).await;
            tell(&worker, &entry, Input::NotKept(link));
        }
    });
}

/// Leaves a node for good: it is told to keep nothing, and then the socket is closed.
pub(crate) fn leave(worker: &Rc<Worker>, link: Box<LinkSide>) {
    let worker = Rc::clone(worker);
    spawn(&Rc::clone(&worker), async move {
        let (node, node_session) = (link.node, link.node_session.clone());
        // Behind others that leave it, though not for longer than a node may take to answer.
        let pool = worker.pool(node);
        let told = match timeout(SHORT_LIMIT, pool.leaving.acquire()).await {
            Ok(_turn) => forget(&worker, node, &node_session).await,
            Err(_) => None,
        };
        if told != Some(200) {
            worker.shared.abandon(node, node_session);
        }
        drop(link);
    });
}

/// Tells a node to keep a session no longer than its socket; the status of its answer, 200 when it took that.
async fn forget(worker: &Worker, node: NodeId, node_session: &NodeSessionId) -> Option<u16> {
    let path = format!("/v4/sessions/{node_session}");
    let body = Some((JSON, &br#"{"resuming":false}"#[..]));
    let told = request(worker, node, "PATCH", &path, body, SHORT_LIMIT).await;
    told.ok().map(|answer| answer.status)
}

/// Lists a link's players until the node answers, the link is gone, or it took too long.
pub(crate) fn list_players(worker: &Rc<Worker>, entry: &Arc<SessionEntry>, link: LinkId) {
    let (worker, entry) = (Rc::clone(worker), Arc::clone(entry));
    spawn(&Rc::clone(&worker), async move {
        let (until, mut pause) = (Instant::now() + LIST_FOR, AGAIN);
        while let Some(route) = entry.link(link) {
            let asked = Instant::now();
            match get_players(&worker, route.node, &route.node_session, LIST_LIMIT).await {
                Ok(answer) if answer.status == 200 && is_list(&answer.body) => {
                    let body = answer.body.into();
                    return tell(&worker, &entry, Input::Players { link, asked, body });
                }
                _ if Instant::now() >= until => return worker.ask(&entry, Ask::Unlisted(link)),
                _ => pause = wait(pause).await,
            }
        }
    });
}

/// The session's machine leaves alone what is no list, and would wait for another.
fn is_list(body: &[u8]) -> bool {
    serde_json::from_slice::<Vec<serde::de::IgnoredAny>>(body).is_ok()
}

/// Waits before a request is repeated; returns the next pause.
async fn wait(pause: Duration) -> Duration {
    sleep(pause).await;
    (pause * 2).min(AGAIN_AT_LAST)
}

/// Asks a link's node for one player. An answer that says nothing of it leaves the doubt, and the session is told so after
/// a pause.
pub(crate) fn find_player(worker: &Rc<Worker>, entry: &Arc<SessionEntry>, guild: GuildId, link: LinkId) {
    let (worker, entry) = (Rc::clone(worker), Arc::clone(entry));
    spawn(&Rc::clone(&worker), async move {
        let Some(route) = entry.link(link) else { return };
        let path = format!("{}/{}", players_path(&route.node_session), guild.0);
        let asked = Instant::now();
        let body = match request(&worker, route.node, "GET", &path, None, SHORT_LIMIT).await {
            Ok(answer) if answer.status == 200 => Some(answer.body.into()),
            // A node that has lost the whole session says nothing of the player's end.
            Ok(answer) if answer.status == 404 && !is_session_gone(&answer.body) => None,
            _ => {
                sleep(FIND_AGAIN).await;
                return tell(&worker, &entry, Input::FindFailed { guild, link });
            }
        };
        let found = Input::PlayerFound {
            guild,
            link,
            asked,
            body,
        };
        tell(&worker, &entry, found);
    });
}

/// Waits until no player update of the guild is under way.
pub(crate) fn await_quiet(worker: &Rc<Worker>, entry: &Arc<SessionEntry>, guild: GuildId) {
    let (worker, entry) = (Rc::clone(worker), Arc::clone(entry));
    spawn(&Rc::clone(&worker), async move {
        let until = Instant::now() + QUIET_LIMIT;
        while !entry.is_quiet(guild) && Instant::now() < until {
            sleep(QUIET_LOOK).await;
        }
        // Behind what another worker said of the guild's last update before the update counted as done.
        worker
            .ask_in_turn(&entry, Ask::Tell(Box::new(Input::Quiet(guild))))
            .await;
    });
}

/// A player to make on a node.
pub(crate) struct Restoring {
    pub(crate) guild: GuildId,
    pub(crate) link: LinkId,
    pub(crate) ticket: u32,
    pub(crate) body: Secret,
    pub(crate) writes: Vec<PluginWrite>,
}

/// Makes a player on a node, and repeats what was written to plugins' routes below it.
pub(crate) fn restore(worker: &Rc<Worker>, entry: &Arc<SessionEntry>, restoring: Restoring) {
    let (worker, entry) = (Rc::clone(worker), Arc::clone(entry));
    spawn(&Rc::clone(&worker), async move {
        let (guild, link, ticket) = (restoring.guild, restoring.link, restoring.ticket);
        let outcome = match entry.link(link) {
            Some(route) => restore_on(&worker, &entry, &route, &restoring).await,
            None => RestoreOutcome::Lost,
        };
        let restored = Input::Restored {
            guild,
            link,
            ticket,
            outcome,
        };
        tell(&worker, &entry, restored);
    });
}

async fn restore_on(worker: &Worker, entry: &SessionEntry, route: &Route, restoring: &Restoring) -> RestoreOutcome {
    let path = format!("{}/{}", players_path(&route.node_session), restoring.guild.0);
    let body = Some((JSON, restoring.body.expose().as_bytes()));
    let answer = match request(worker, route.node, "PATCH", &path, body, RESTORE_LIMIT).await {
        Ok(answer) if answer.status == 200 => answer,
        Ok(answer) => {
            let name = &worker.pool(route.node).node.name;
            tracing::warn!(session = %entry.id, guild = restoring.guild.0, node = %name, status = answer.status, "a node refused a player");
            return RestoreOutcome::Refused;
        }
        Err(_) => return RestoreOutcome::Lost,
    };
    for write in &restoring.writes {
        let path = format!("{path}{}", write.path);
        let kind = write.content_type.as_deref().unwrap_or(JSON);
        let body = (!write.body.is_empty()).then_some((kind, &*write.body));
        let method = match &*write.method {
            "PUT" => "PUT",
            "POST" => "POST",
            _ => "PATCH",
        };
        // A plugin that the node does not have is no reason to stop the music.
        request(worker, route.node, method, &path, body, SHORT_LIMIT).await.ok();
    }
    RestoreOutcome::Done(answer.body.into())
}

/// Destroys what a player left on a node, as long as the link to it is there and the session wants it.
pub(crate) fn destroy_player(
    worker: &Rc<Worker>,
    entry: &Arc<SessionEntry>,
    guild: GuildId,
    link: LinkId,
    ticket: u32,
) {
    let (worker, entry) = (Rc::clone(worker), Arc::clone(entry));
    spawn(&Rc::clone(&worker), async move {
        let mut pause = AGAIN;
        // While a try hung, the guild may have got a new player there.
        while is_left(&worker, &entry, guild, link, ticket).await {
            let Some(route) = entry.link(link) else { break };
            let path = format!("{}/{}", players_path(&route.node_session), guild.0);
            let answer = request(&worker, route.node, "DELETE", &path, None, SHORT_LIMIT).await;
            if answer.is_ok_and(|answer| answer.status == 204) {
                break;
            }
            pause = wait(pause).await;
        }
        tell(&worker, &entry, Input::Destroyed { guild, link, ticket });
    });
}

/// Whether the session still wants destroyed what a player left on a node. One that is over wants nothing.
async fn is_left(worker: &Worker, entry: &SessionEntry, guild: GuildId, link: LinkId, ticket: u32) -> bool {
    let (reply, left) = oneshot::channel();
    let ask = Ask::IsLeft {
        guild,
        link,
        ticket,
        reply,
    };
    worker.ask(entry, ask);
    left.await.unwrap_or(false)
}

/// Ends node sessions that were left without a word, a few at a time: ones that the node believes to be connected still,
/// and ones that it has parked. What does not succeed, or was not begun when the proxy stops, is put back.
pub(crate) fn clean_up(worker: &Rc<Worker>, orphans: Vec<Orphan>) {
    let at_a_time = orphans.len().min(CLEAN_UPS);
    let orphans = Rc::new(RefCell::new(orphans));
    for _ in 0..at_a_time {
        let (worker, orphans) = (Rc::clone(worker), Rc::clone(&orphans));
        spawn(&Rc::clone(&worker), async move {
            let next = || orphans.borrow_mut().pop();
            while let Some(orphan) = next() {
                if !worker.is_stopping() && try_clean_up(&worker, &orphan).await {
                    let name = Arc::clone(&worker.pool(orphan.node).node.name);
                    tracing::debug!(node = %name, session = %orphan.node_session, "a session that was left is cleaned up");
                } else {
                    worker.shared.put_back(orphan);
                }
            }
        });
    }
}

/// Whether nothing is left of it.
async fn try_clean_up(worker: &Rc<Worker>, orphan: &Orphan) -> bool {
    let (node, node_session) = (orphan.node, &orphan.node_session);
    match forget(worker, node, node_session).await {
        Some(200) => destroy_all(worker, node, node_session).await,
        // It is parked, or not there at all.
        Some(404) => {
            let fields = "User-Id: 1\r\n".to_owned();
            let Ok(up) = dial_link(worker, node, fields, Some(node_session)).await else {
                return false;
            };
            // Its own end comes with the socket's; a new session that the node opened instead goes the same way.
            !up.resumed || forget(worker, node, node_session).await == Some(200)
        }
        _ => false,
    }
}

/// Destroys all players of a node's session; whether none is left.
async fn destroy_all(worker: &Worker, node: NodeId, node_session: &NodeSessionId) -> bool {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Player {
        guild_id: GuildId,
    }
    let players = match get_players(worker, node, node_session, LIST_LIMIT).await {
        Ok(listed) if listed.status == 200 => serde_json::from_slice::<Vec<Player>>(&listed.body),
        // It has ended meanwhile, and its players with it.
        Ok(listed) => return listed.status == 404,
        Err(_) => return false,
    };
    let Ok(players) = players else { return false };
    let path = players_path(node_session);
    for player in players {
        let path = format!("{path}/{}", player.guild_id.0);
        let answer = request(worker, node, "DELETE", &path, None, SHORT_LIMIT).await;
        if !answer.is_ok_and(|answer| matches!(answer.status, 204 | 404)) {
            return false;
        }
    }
    true
}

/// Looks whether a silent node answers at all.
pub(crate) fn check_node(worker: &Rc<Worker>, node: NodeId, limit: Duration) {
    let worker = Rc::clone(worker);
    spawn(&Rc::clone(&worker), async move {
        let answered = request(&worker, node, "GET", "/version", None, limit).await.is_ok();
        let pool = worker.pool(node);
        pool.checked(answered);
        if !answered {
            tracing::info!(node = %pool.node.name, "a node with players answers nothing any more");
            worker.node_silent(node);
        }
    });
}
