//! Twenty players of a real client library on a real Lavalink server, which is then killed, frozen, stopped or drained:
//! they play on on the other one, and the library is told nothing.
//!
//! How long each player was silent is printed; it is a figure of the machine, so that the tests only hold it to
//! something coarse. Here is what they share.

mod losses;
mod planned;

use std::{
    io::Write as _,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use http::{Method, header::AUTHORIZATION};
use proxy_testkit::{
    TestClient,
    client::{Rest, RestAnswer},
    real::{AudioServer, DriverInput, ProxyProcess, clients::CROWD, or_skip, process::Supervised, proxy, sine_wav},
    voice::Packet,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{sync::OwnedMutexGuard, task::spawn_blocking, time::sleep};

use crate::environment::{Environment, NODE_PASSWORD, Pair, TENANT_PASSWORD};

const USER: u64 = 170_000_000_000_000_005;
const FIRST_GUILD: u64 = 170_000_000_000_000_100;
const PLAYERS: u64 = 20;
/// No track ends by itself meanwhile.
const TRACK: Duration = Duration::from_secs(900);
/// For anything that the machine only has to get to.
const SOON: Duration = Duration::from_secs(60);
/// So often each node has had so many players before.
const WARM_UP_ROUNDS: usize = 3;
/// Packets of half a second: that many and a player plays.
const SOUND: usize = 25;
/// How far a position may be from where it would be, in milliseconds.
const OFF_BY: i64 = 1_000;
const POLL: Duration = Duration::from_millis(20);
/// What a bot is told when something goes wrong.
const TROUBLE: [&str; 8] = [
    "error",
    "close",
    "disconnect",
    "reconnecting",
    "end",
    "stuck",
    "exception",
    "closed",
];

fn guilds() -> impl Iterator<Item = u64> {
    FIRST_GUILD..FIRST_GUILD + PLAYERS
}

/// A bot's players on the first of two nodes, behind the proxy; the second is empty.
struct Rig {
    environment: Environment,
    servers: OwnedMutexGuard<Option<Pair>>,
    proxy: ProxyProcess,
    bot: Supervised,
    session: String,
    rest: Rest,
    audio: AudioServer,
    _folder: TempDir,
}

/// Where a player was, and when that was asked.
#[derive(Clone, Copy)]
struct At {
    position: i64,
    when: Instant,
}

impl Rig {
    /// All players play. `None` when a real part is not there, which is said then.
    async fn start() -> Option<Self> {
        let environment = Environment::enter_without_server().await;
        let servers = or_skip("Lavalink server", environment.pair().await)?;
        let audio = AudioServer::start(sine_wav(TRACK, 440)).await.unwrap();
        let [a, b] = servers.as_ref().unwrap();
        tokio::join!(
            warm_up(&environment, a.address(), &audio, FIRST_GUILD + 1_000),
            warm_up(&environment, b.address(), &audio, FIRST_GUILD + 2_000),
        );
        let proxy = start_proxy(servers.as_ref().unwrap()).await;
        let folder = TempDir::with_prefix("crowd-").unwrap();
        let rest = Rest::to(&format!("http://{}", proxy.address()), Some(TENANT_PASSWORD)).unwrap();
        administer(&proxy, Method::POST, "/nodes/b/drain").await;
        let bot = or_skip(CROWD.name, start_bot(&environment, &proxy, &audio, folder.path()).await)?;
        let mut rig = Self {
            environment,
            servers,
            proxy,
            bot,
            session: String::new(),
            rest,
            audio,
            _folder: folder,
        };
        rig.session = rig.wait_session().await;
        administer(&rig.proxy, Method::POST, "/nodes/b/undrain").await;
        rig.wait_players(0, PLAYERS).await;
        rig.wait_players(1, 0).await;
        let heard = |rig: &Self| guilds().all(|guild| rig.packets(guild).len() > SOUND);
        rig.wait("every player to be heard", heard).await;
        Some(rig)
    }

    async fn wait_session(&mut self) -> String {
        let limit = Instant::now() + SOON;
        loop {
            if let Some(line) = self.said().into_iter().find(|line| line["session"].is_string()) {
                return line["session"].as_str().unwrap().to_owned();
            }
            let ended = self.bot.wait(Duration::ZERO).unwrap();
            if ended.is_some() || Instant::now() >= limit {
                let sessions = administer(&self.proxy, Method::GET, "/sessions").await;
                let nodes = administer(&self.proxy, Method::GET, "/nodes").await;
                panic!(
                    "the bot does not play: {ended:?}\n{}\n{}\n{sessions}\n{nodes}\n{}",
                    self.bot.log_tail(),
                    self.proxy.process().log_tail(),
                    self.server(0).log_tail()
                );
            }
            sleep(POLL).await;
        }
    }

    /// A node, to be hurt.
    fn server(&self, at: usize) -> &Supervised {
        self.servers.as_ref().unwrap()[at].process()
    }

    /// The lines of the bot.
    fn said(&self) -> Vec<Value> {
        let log = self.bot.log();
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    fn packets(&self, guild: u64) -> Vec<Packet> {
        self.environment.voice.packets(guild)
    }

    /// Waits until `done`, and fails with what the proxy said when it does not come to it.
    async fn wait(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let limit = Instant::now() + SOON;
        while !done(self) {
            assert!(
                Instant::now() < limit,
                "waited in vain for {what}:\n{}",
                self.proxy.process().log_tail()
            );
            sleep(POLL).await;
        }
    }

    /// How many players a node says it has; `None` when it does not answer.
    async fn players_on(&self, node: usize) -> Option<u64> {
        let address = self.servers.as_ref().unwrap()[node].address();
        let node = Rest::to(&format!("http://{address}"), Some(NODE_PASSWORD)).unwrap();
        node.get("/v4/stats").await.ok()?.json()["players"].as_u64()
    }

    async fn wait_players(&mut self, node: usize, count: u64) {
        let limit = Instant::now() + SOON;
        while self.players_on(node).await != Some(count) {
            assert!(
                Instant::now() < limit,
                "node {node} has {:?} players, not {count}:\n{}",
                self.players_on(node).await,
                self.proxy.process().log_tail()
            );
            sleep(POLL).await;
        }
    }

    /// A request for a guild's player.
    async fn player(&self, method: Method, guild: u64, body: Option<&Value>) -> RestAnswer {
        let path = format!("/v4/sessions/{}/players/{guild}", self.session);
        self.rest.request(method, &path, body).await.unwrap()
    }

    async fn position(&self, guild: u64) -> At {
        let answer = self.player(Method::GET, guild, None).await;
        let when = Instant::now();
        let player = answer.json();
        let position = player["state"]["position"].as_i64();
        At {
            position: position.unwrap_or_else(|| panic!("{} {player}", answer.status)),
            when,
        }
    }

    async fn positions(&self) -> Vec<At> {
        let mut positions = Vec::new();
        for guild in guilds() {
            positions.push(self.position(guild).await);
        }
        positions
    }

    /// Waits until the proxy has said that it lost its link to a node, and prints how long that took.
    async fn wait_noticed(&mut self, what: &str, since: Instant) {
        let limit = since + SOON;
        while !self.proxy.process().log().contains("link lost") {
            assert!(Instant::now() < limit, "the loss was not noticed");
            sleep(POLL).await;
        }
        print_figure(&format!("{what}: noticed after {:?}", since.elapsed()));
    }

    /// Waits until every player is heard from another connection than the ones that were there at `since`, and prints
    /// how long each was silent since shortly before then.
    async fn wait_moved(&mut self, what: &str, since: Instant) {
        let moved = |rig: &Self| guilds().all(|guild| plays_anew(&rig.packets(guild), since));
        self.wait("every player to play again", moved).await;
        let mut gaps: Vec<Duration> = guilds().map(|guild| longest_gap(&self.packets(guild), since)).collect();
        gaps.sort();
        let figures = format!(
            "{what}: silence of {PLAYERS} players: p50 {:?}, p99 {:?}",
            gaps[gaps.len() / 2],
            gaps[gaps.len() - 1]
        );
        print_figure(&figures);
    }

    /// Every player is where it would be had nothing happened, but for what its move took: while a node starts it, its
    /// position stands still. Prints by how much.
    async fn assert_positions(&self, what: &str, before: &[At]) {
        let mut worst = 0;
        for (guild, before) in guilds().zip(before) {
            let now = self.position(guild).await;
            let off = now.position - before.position - (now.when - before.when).as_millis() as i64;
            let moves = administer(&self.proxy, Method::GET, &format!("/migrations?guild={guild}")).await;
            let took = moves["items"][0]["tookMs"].as_i64().expect("a player that moved");
            assert!(
                (-took - OFF_BY..OFF_BY).contains(&off),
                "guild {guild} is off by {off} ms after a move of {took} ms"
            );
            worst = worst.max(off.abs());
        }
        print_figure(&format!("{what}: positions are off by {worst} ms at most"));
    }

    /// The bot heard of the starts of its own tracks and of nothing else.
    fn assert_unnoticed(&self) {
        let said = self.said();
        let trouble: Vec<&Value> = said
            .iter()
            .filter(|line| TROUBLE.iter().any(|name| line["said"] == *name))
            .collect();
        assert!(trouble.is_empty(), "the bot was told: {trouble:?}");
        let count = |name: &str| said.iter().filter(|line| line["said"] == name).count() as u64;
        assert_eq!((count("ready"), count("start")), (1, PLAYERS));
    }

    /// The bot goes for good, and nothing of it stays on these nodes.
    async fn end(mut self, nodes: &[usize]) {
        let path = format!("/v4/sessions/{}", self.session);
        let answer = self
            .rest
            .request(Method::PATCH, &path, Some(&json!({"resuming": false})))
            .await
            .unwrap();
        assert_eq!(answer.status, 200);
        self.bot.kill();
        for node in nodes {
            self.wait_players(*node, 0).await;
        }
    }
}

/// Plays as many players on a node itself as the test has, as on a node in use. A Java program is slow at what it does for
/// the first times, and what the tests measure is the move of players between nodes that play anyway.
async fn warm_up(environment: &Environment, node: SocketAddr, audio: &AudioServer, first: u64) {
    for round in (first..).step_by(PLAYERS as usize).take(WARM_UP_ROUNDS) {
        let client = TestClient::v4(&format!("http://{node}"), NODE_PASSWORD, USER + 1);
        let client = client.connect().await.unwrap();
        let track = client.load_encoded(&audio.url()).await.unwrap();
        let play = async |guild| {
            let voice = environment.voice.voice_state(guild).to_json();
            let update = json!({"voice": voice, "track": {"encoded": track}, "position": 5_000});
            assert_eq!(client.patch_player(guild, &update).await.unwrap().status, 200);
            assert!(environment.voice.wait_for_packets(guild, SOUND as u64, SOON).await);
        };
        join_all((round..round + PLAYERS).map(play)).await;
        client.disconnect().await;
    }
}

async fn start_proxy(pair: &Pair) -> ProxyProcess {
    let [a, b] = [pair[0].address(), pair[1].address()];
    let start = move || {
        let nodes = [("a", a), ("b", b)].map(|(name, address)| proxy::Node {
            name,
            address,
            password: NODE_PASSWORD,
            version: 4,
        });
        ProxyProcess::start(
            Path::new(env!("CARGO_BIN_EXE_lavalink-proxy")),
            TENANT_PASSWORD,
            &nodes,
            "",
        )
    };
    let started = spawn_blocking(start).await.unwrap();
    started.unwrap_or_else(|why| panic!("{why}"))
}

async fn start_bot(
    environment: &Environment,
    proxy: &ProxyProcess,
    audio: &AudioServer,
    folder: &Path,
) -> Result<Supervised, proxy_testkit::real::Unavailable> {
    let mut seats = guilds().map(|guild| (guild, environment.voice.voice_state(guild)));
    let (guild_id, voice) = seats.next().unwrap();
    let input = DriverInput {
        address: proxy.address(),
        password: TENANT_PASSWORD.to_owned(),
        user_id: USER,
        guild_id,
        identifier: audio.url(),
        voice,
        others: seats.collect(),
    };
    let folder = folder.to_owned();
    spawn_blocking(move || CROWD.start(&input, &folder)).await.unwrap()
}

/// A request to the admin API.
async fn administer(proxy: &ProxyProcess, method: Method, path: &str) -> Value {
    let rest = Rest::to(&format!("http://{}", proxy.admin()), None).unwrap();
    let request = http::Request::builder()
        .method(method)
        .uri(format!("/api/v1{path}"))
        // admin:admin
        .header(AUTHORIZATION, "Basic YWRtaW46YWRtaW4=")
        .header("X-Requested-With", "test");
    let answer = rest.send(request.body(bytes::Bytes::new()).unwrap()).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// Whether a connection that was not there at `since` has sent enough to be heard.
fn plays_anew(packets: &[Packet], since: Instant) -> bool {
    let before: Vec<u32> = packets
        .iter()
        .filter(|packet| packet.at <= since)
        .map(|packet| packet.ssrc)
        .collect();
    packets.iter().filter(|packet| !before.contains(&packet.ssrc)).count() > SOUND
}

/// The longest silence between two packets, the first of which came after shortly before `since`.
fn longest_gap(packets: &[Packet], since: Instant) -> Duration {
    let from = since.checked_sub(Duration::from_millis(100)).unwrap();
    let near: Vec<Instant> = packets
        .iter()
        .map(|packet| packet.at)
        .filter(|at| *at >= from)
        .collect();
    near.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}

/// Prints past the test harness, which swallows what a passing test prints.
fn print_figure(line: &str) {
    // A closed standard error is nobody's to read.
    let _ = writeln!(std::io::stderr(), "FIGURE {line}");
}
