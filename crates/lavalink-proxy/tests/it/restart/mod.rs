//! The proxy itself is killed, stopped or upgraded, and another run takes its sessions up: the music plays on, clients
//! that name their session have it again, and nothing stays for those that do not.
//!
//! Here is what these tests share. They start the real program, in a folder where it has run before.

mod keeping;
mod killed;
mod stopped;
mod upgraded;

use std::sync::Arc;
use std::time::Duration;

use proxy_testkit::client::Ended;
use proxy_testkit::{SimGeneration, SimNode, TestClient, wait_until};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{PASSWORD, ProxyProgram, SOON};

/// Ten minutes: no track ends by itself meanwhile.
const LONG: &str = "sim:track:long:600000";
/// A grace that no test sees the end of.
const LONG_GRACE: &str = "grace = \"60s\"";

/// A node whose players play on without Discord.
async fn node() -> SimNode {
    let builder = SimNode::builder().generation(SimGeneration::V4_2);
    builder.plays_without_voice().start().await.unwrap()
}

/// A folder with a configuration, in which one run of the program follows the other.
struct Place {
    folder: Arc<TempDir>,
    config: String,
}

/// A run of the program.
struct Run {
    program: ProxyProgram,
    url: String,
}

impl Place {
    /// `sessions` goes into the `[sessions]` section.
    fn new(sessions: &str, nodes: &[&SimNode]) -> Self {
        let quick = "[health]\ninterval = \"300ms\"\n";
        Self {
            folder: Arc::new(tempfile::tempdir().unwrap()),
            config: format!("{}{quick}[sessions]\n{sessions}\n", ProxyProgram::config("", nodes)),
        }
    }

    async fn run(&self) -> Run {
        let mut program = ProxyProgram::start_in(Arc::clone(&self.folder), &self.config);
        let url = format!("http://{}", program.address().await);
        Run { program, url }
    }
}

impl Run {
    async fn connect(&self, user: u64) -> TestClient {
        TestClient::v4(&self.url, PASSWORD, user).connect().await.unwrap()
    }

    /// A client that has a session and plays in these guilds.
    async fn playing(&self, user: u64, guilds: &[i64]) -> TestClient {
        let client = self.connect(user).await;
        for guild in guilds {
            client.play(*guild, LONG).await.unwrap();
        }
        client
    }

    /// The same client at this run, which may be another than that of its session.
    async fn come_back(&self, client: &TestClient, user: u64) -> TestClient {
        let builder = TestClient::v4(&self.url, PASSWORD, user).resume(client.session_id());
        builder.connect().await.unwrap()
    }

    /// Ends it at once, as a crash or the kernel does.
    async fn kill(mut self) {
        self.program.signal("KILL");
        self.program.wait_exit(SOON).await;
    }

    /// Asks it to stop, and waits until it has.
    async fn stop(mut self) {
        self.program.signal("TERM");
        assert_eq!(self.program.wait_exit(SOON).await.code(), Some(0));
    }
}

async fn ask_for_resuming(client: &TestClient, seconds: i64) {
    let update = json!({"resuming": true, "timeout": seconds});
    assert_eq!(client.update_session(&update).await.unwrap().status, 200);
}

/// Waits until the nodes keep what has players.
async fn wait_kept(nodes: &[&SimNode]) {
    let kept = |node: &&SimNode| {
        let sessions = node.sessions();
        sessions
            .iter()
            .all(|session| session.resuming || session.guilds.is_empty())
    };
    wait_until(SOON, || nodes.iter().all(kept)).await;
}

/// Sessions with players, by id.
fn with_players(nodes: &[&SimNode]) -> Vec<String> {
    let mut ids: Vec<_> = nodes
        .iter()
        .flat_map(|node| node.sessions())
        .filter(|session| !session.guilds.is_empty())
        .map(|session| session.id)
        .collect();
    ids.sort();
    ids
}

fn position(nodes: &[&SimNode], guild: i64) -> Option<i64> {
    let player = nodes.iter().find_map(|node| node.find_player(guild))?.1;
    (!player["track"].is_null()).then(|| player["state"]["position"].as_i64().unwrap())
}

/// Requests that destroy a player, or have a node forget a session.
fn destroying(nodes: &[&SimNode]) -> usize {
    let requests = nodes.iter().flat_map(|node| node.requests());
    requests
        .filter(|request| {
            let forgets = |body: Value| body["resuming"] == false;
            request.method == "DELETE" || (request.method == "PATCH" && request.json().is_some_and(forgets))
        })
        .count()
}

/// Waits until a client of a resumed session reaches its player.
async fn wait_player(client: &TestClient, guild: i64) {
    let answer = client.get_player(guild).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(!answer.json()["track"].is_null());
}
