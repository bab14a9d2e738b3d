//! Runs of the program, one after the other: each is killed as by `kill -9`, and the next one takes up what it finds in
//! the same folder, on the same port, with the same configuration.
//!
//! What a kill may cost is in [`Outage`]: the program passes on at once what it reads, so only what it had just read or
//! was just sent is lost with it, and what it kept for clients that were away.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proxy_testkit::client::Rest;
use proxy_testkit::{SimNode, wait_until};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpSocket;

use super::memory::Memory;
use crate::support::{ProxyProgram, SOON};

/// How long a message may be in the program's hands, on a busy machine.
const IN_HANDS: Duration = Duration::from_millis(500);

/// Quick to see that a node is back, so that there is always one to go to, and with little patience for clients that
/// do not ask for more.
const SETTINGS: &str = "[health]\ninterval = \"500ms\"\ntimeout = \"2s\"\n[sessions]\ngrace = \"10s\"\n";

/// A time without the program.
#[derive(Debug, Clone)]
pub(super) struct Outage {
    /// Just before it was killed.
    killed: Instant,
    /// When all nodes had noticed: what they send since waits for the next run.
    noticed: Option<Instant>,
    /// Sessions whose clients were away, and since when: the program kept for them what came.
    away: BTreeMap<u64, Instant>,
}

impl Outage {
    /// Whether the program, or its sockets, may have had in their hands what a node wrote then for this session.
    pub(super) fn took(&self, session: u64, written: Instant) -> bool {
        let held = self.killed - IN_HANDS;
        // What a node wrote just before the client left may have come after it.
        let since = self.away.get(&session).map_or(held, |away| held.min(*away - IN_HANDS));
        written >= since && self.noticed.is_none_or(|noticed| written <= noticed)
    }

    /// How long before it was killed something was (after, if negative), in seconds.
    pub(super) fn distance(&self, at: Instant) -> f64 {
        self.killed.saturating_duration_since(at).as_secs_f64()
            - at.saturating_duration_since(self.killed).as_secs_f64()
    }

    /// Whether the program was killed in this time.
    pub(super) fn began(&self, from: Instant, to: Instant) -> bool {
        (from..=to).contains(&self.killed)
    }
}

/// What everybody may know of the program's runs.
#[derive(Debug, Default)]
pub(super) struct Outages {
    all: Mutex<Vec<Outage>>,
    away: Mutex<BTreeMap<u64, Instant>>,
}

impl Outages {
    /// How often the program was killed so far.
    pub(super) fn count(&self) -> usize {
        self.list().len()
    }

    pub(super) fn all(&self) -> Vec<Outage> {
        self.list().clone()
    }

    fn list(&self) -> MutexGuard<'_, Vec<Outage>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn absent(&self) -> MutexGuard<'_, BTreeMap<u64, Instant>> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session's client is going to leave.
    pub(super) fn leaves(&self, session: u64) {
        self.absent().insert(session, Instant::now());
    }

    /// It is back, and was sent what was kept for it.
    pub(super) fn is_back(&self, session: u64) {
        self.absent().remove(&session);
    }
}

/// The program, run after run.
pub(super) struct Runs {
    program: ProxyProgram,
    folder: Arc<TempDir>,
    config: String,
    pub(super) url: String,
    admin: Rest,
    pub(super) outages: Arc<Outages>,
    pub(super) memory: Memory,
    /// Bound and never listening, so that nobody else is given the ports meanwhile.
    _ports: [TcpSocket; 2],
    /// What the runs before have said.
    log: String,
}

impl Runs {
    /// The first one.
    pub(super) async fn start(nodes: &[SimNode]) -> Self {
        let ports = [port(), port()];
        let [url, admin] = [0, 1].map(|at| format!("http://{}", ports[at].local_addr().unwrap()));
        let mut config = ProxyProgram::config("", &nodes.iter().collect::<Vec<_>>());
        for port in &ports {
            config = config.replacen("127.0.0.1:0", &port.local_addr().unwrap().to_string(), 1);
        }
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let config = config + SETTINGS;
        let mut program = ProxyProgram::start_in(Arc::clone(&folder), &config);
        program.address().await;
        let login = format!("Basic {}", STANDARD.encode("admin:admin"));
        Self {
            program,
            folder,
            config,
            url,
            admin: Rest::to(&admin, Some(&login)).unwrap(),
            outages: Arc::default(),
            memory: Memory::new(),
            _ports: ports,
            log: String::new(),
        }
    }

    /// Kills it, and waits until all nodes have noticed.
    pub(super) async fn kill(&mut self, nodes: &[SimNode]) {
        let outage = Outage {
            killed: Instant::now(),
            noticed: None,
            away: self.outages.absent().clone(),
        };
        self.outages.list().push(outage);
        self.program.kill();
        self.program.wait_exit(SOON).await;
        let sessions = || nodes.iter().flat_map(SimNode::sessions);
        wait_until(SOON, || sessions().all(|session| session.parked)).await;
        if let Some(outage) = self.outages.list().last_mut() {
            outage.noticed = Some(Instant::now());
        }
    }

    /// Starts the next one.
    pub(super) async fn start_again(&mut self) {
        self.log = self.said();
        self.program = ProxyProgram::start_in(Arc::clone(&self.folder), &self.config);
        self.program.address().await;
        self.memory.start_run();
    }

    /// Whether the program knows all players that the nodes have, and has nothing left to do about any of them.
    pub(super) async fn is_in_order(&self, nodes: &[SimNode]) -> bool {
        let Ok(overview) = self.admin.get("/api/v1/overview").await else {
            return false;
        };
        let overview = overview.json();
        let figure = |value: &Value| value.as_u64().unwrap();
        let left_to_do = [
            &overview["playersWaiting"],
            &overview["migrations"]["underWay"],
            &overview["orphans"],
        ];
        let on_nodes = || {
            nodes
                .iter()
                .flat_map(SimNode::sessions)
                .flat_map(|session| session.guilds)
        };
        figure(&overview["nodes"]["healthy"]) == nodes.len() as u64
            && left_to_do.into_iter().map(figure).sum::<u64>() == 0
            && figure(&overview["players"]) == on_nodes().count() as u64
    }

    pub(super) fn said(&mut self) -> String {
        format!("{}\n{}", self.log, self.program.said())
    }

    /// Reads its memory, when that is due.
    pub(super) fn read_memory(&mut self) {
        self.memory.read(|| self.program.resident_bytes());
    }
}

fn port() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    socket
}
