//! Five hundred players over four nodes that are killed, frozen, shut down, restarted and cut off at random, while clients
//! come and go and the proxy itself is killed and started again: no player is lost, no event that a node delivered is
//! lost, doubled or out of order, no track ends untold, every session is resumed, nothing plays on for a client that is
//! gone, and memory does not grow.
//!
//! `LAVALINK_PROXY_SOAK_SECONDS` says how long, `LAVALINK_PROXY_SOAK_SEED` with which chances. What the network does
//! meanwhile is not the seed's to say, so that a run with the same seed is alike, not the same.

mod audit;
mod books;
mod bot;
mod chaos;
mod leavers;
mod memory;
mod plays;
mod runs;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use proxy_testkit::{SimGeneration, SimNode, wait_until};
use tokio::time::{Instant, sleep};

use crate::support::BOT;
use audit::Audit;
use books::Books;
use bot::Bot;
use chaos::{Chaos, Mood};
use leavers::{Gone, Leaver};
use runs::Runs;

const NODES: usize = 4;
const SESSIONS: u64 = 10;
const PLAYERS: i64 = 50;
/// How long it runs unless the environment says otherwise.
const DURATION: Duration = Duration::from_secs(45);
/// Between two counted events of one guild.
const EVERY: Duration = Duration::from_secs(1);
/// How often it is looked whether tracks that are said to have ended early had a reason: nodes do not remember for ever.
const LOOK: Duration = Duration::from_secs(60);
/// When the program is killed first, and how long it is left alone then, in seconds. It is not killed in the second half
/// of the time, so that one run shows what becomes of its memory.
const FIRST_KILL: Range<u64> = 10..20;
const NEXT_KILL: Range<u64> = 20..40;
/// What everything takes to be in order again, on a busy machine.
const CALM: Duration = Duration::from_secs(60);

#[tokio::test]
async fn five_hundred_players_survive_whatever_happens_to_their_nodes_and_clients_and_to_the_proxy() {
    let seed = from_environment("LAVALINK_PROXY_SOAK_SEED").unwrap_or(1);
    let duration = from_environment("LAVALINK_PROXY_SOAK_SECONDS").map_or(DURATION, Duration::from_secs);
    println!("LAVALINK_PROXY_SOAK_SEED={seed}");
    let mut soak = Soak::start(fastrand::Rng::with_seed(seed)).await;
    let counting = count(Arc::clone(&soak.nodes));
    soak.go_on_for(duration).await;
    soak.chaos.calm();
    for bot in &soak.bots {
        assert!(bot.come_to_rest().await, "{}", soak.runs.said());
    }
    soak.settle().await;
    soak.hear_all().await;
    counting.abort();
    soak.audit().await;
    println!("{}; {}; {}", soak.chaos, soak.books, soak.runs.memory);
    soak.runs.memory.assert_flat();
    soak.end().await;
}

/// All of it.
struct Soak {
    nodes: Arc<[SimNode]>,
    runs: Runs,
    bots: Vec<Bot>,
    /// Until the program is killed for the first time.
    leavers: Vec<Leaver>,
    gone: Vec<Gone>,
    books: Arc<Books>,
    chaos: Chaos,
    rng: fastrand::Rng,
    /// What was found to be wrong so far.
    complaints: Vec<String>,
}

impl Soak {
    /// Everybody plays.
    async fn start(mut rng: fastrand::Rng) -> Self {
        let mut nodes = Vec::new();
        for _ in 0..NODES {
            let builder = SimNode::builder().generation(SimGeneration::V4_2);
            nodes.push(builder.plays_without_voice().start().await.unwrap());
        }
        let nodes: Arc<[SimNode]> = nodes.into();
        let runs = Runs::start(&nodes).await;
        let books = Arc::new(Books::default());
        let mut bots = Vec::new();
        for number in 0..SESSIONS {
            bots.push(Bot::start(&runs, number, Arc::clone(&books), rng.fork()).await);
        }
        // One that asks to be waited for, though not for long, and one that does not ask.
        let leavers = vec![
            Leaver::start(&runs.url, SESSIONS, Some(2)).await,
            Leaver::start(&runs.url, SESSIONS + 1, None).await,
        ];
        wait_until(CALM, || books.playing() == PLAYERS as usize * SESSIONS as usize).await;
        Self {
            chaos: Chaos::new(Arc::clone(&nodes), rng.fork()),
            nodes,
            runs,
            bots,
            leavers,
            gone: Vec::new(),
            books,
            rng,
            complaints: Vec::new(),
        }
    }

    async fn go_on_for(&mut self, duration: Duration) {
        let start = Instant::now();
        let (half, mut end) = (start + duration / 2, start + duration);
        let first_kill = Duration::from_secs(self.rng.u64(FIRST_KILL));
        let mut next_kill = start + first_kill.min(duration / 3);
        let mut next_look = start + LOOK;
        while Instant::now() < end {
            self.step().await;
            if Instant::now() >= next_kill && next_kill < half {
                self.kill_and_restart().await;
                // However late that was, the last run goes on for half of the time.
                end = end.max(Instant::now() + duration / 2);
                next_kill = Instant::now() + Duration::from_secs(self.rng.u64(NEXT_KILL));
            }
            if Instant::now() >= next_look {
                self.look_at_ends();
                next_look = Instant::now() + LOOK;
            }
        }
    }

    async fn step(&mut self) {
        self.chaos.step();
        self.runs.read_memory();
        assert!(self.bots.iter().all(Bot::is_well), "{}", self.runs.said());
        sleep(Duration::from_millis(50)).await;
    }

    /// The program is killed at any moment at which the players of all nodes are where it believes them to be, and the
    /// next run finds all of them.
    ///
    /// So nodes are left alone for that time. What a player needs to be made again is kept nowhere but in the program and
    /// on its node, so what both lose together is lost, as `docs/restart.md` says; and a track whose end went down with a
    /// cut link is known by the program alone. Bots go on all the while, and links are cut again as soon as there are
    /// any.
    async fn kill_and_restart(&mut self) {
        self.chaos.calm();
        self.wait_in_order().await;
        sleep(Duration::from_millis(self.rng.u64(..1_500))).await;
        self.runs.kill(&self.nodes).await;
        for leaver in self.leavers.drain(..) {
            self.gone.push(leaver.leave().await);
        }
        if self.rng.bool() {
            sleep(Duration::from_millis(self.rng.u64(..3_000))).await;
        }
        self.runs.start_again().await;
        self.chaos.go_on(Mood::Cutting);
        let outages = self.runs.outages.all();
        while self.bots.iter().any(|bot| bot.is_back_after() < outages.len()) {
            self.step().await;
        }
        let outage = outages.last().expect("there was one");
        self.books.write_off(&self.nodes, outage);
        self.wait_in_order().await;
        self.chaos.go_on(Mood::Wild);
        self.books.note("kills of the program");
    }

    /// Waits until every player is where the program believes it to be, and nothing is left to be done about any.
    async fn wait_in_order(&mut self) {
        let deadline = Instant::now() + CALM;
        loop {
            let wrong = self.books.without_their_player(&self.nodes);
            if self.runs.is_in_order(&self.nodes).await && wrong.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "{wrong:?} {}", self.runs.said());
            self.step().await;
        }
    }

    /// Waits until everything has come to its end.
    async fn settle(&mut self) {
        let unsettled = |soak: &Self| [soak.books.without_their_player(&soak.nodes), soak.books.untold()].concat();
        let deadline = Instant::now() + CALM;
        while !unsettled(self).is_empty() && Instant::now() < deadline {
            sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(unsettled(self), Vec::<String>::new(), "{}", self.runs.said());
        assert!(!self.gone.is_empty(), "the program was never killed");
        for gone in &self.gone {
            wait_until(CALM, || gone.left_on(&self.nodes).is_empty()).await;
        }
    }

    /// Waits until every guild has heard of the player that it has by now.
    async fn hear_all(&mut self) {
        let before = self.books.heard_of();
        let silent = |soak: &Self| {
            let now = soak.books.heard_of();
            let silent = before.iter().filter(|(guild, heard)| now[*guild] <= **heard);
            silent.map(|(guild, _)| *guild).collect::<Vec<_>>()
        };
        let deadline = Instant::now() + CALM;
        while !silent(self).is_empty() && Instant::now() < deadline {
            sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(silent(self), Vec::<i64>::new(), "{}", self.runs.said());
    }

    /// Tracks that are said to have ended early must have had a reason.
    fn look_at_ends(&mut self) {
        let found = self.books.take_found();
        let outages = self.runs.outages.all();
        let unfounded = audit::unfounded(&found, &self.nodes, self.chaos.harms(), &outages);
        self.complaints.extend(unfounded);
    }

    async fn audit(&mut self) {
        self.look_at_ends();
        assert_eq!(self.complaints, Vec::<String>::new(), "{}", self.runs.said());
        let outages = self.runs.outages.all();
        let audit = |soak: &Self| Audit::of(&soak.books, &soak.nodes, soak.chaos.harms(), &outages);
        let deadline = Instant::now() + CALM;
        while !audit(self).complaints.is_empty() && Instant::now() < deadline {
            sleep(Duration::from_millis(200)).await;
        }
        let audit = audit(self);
        assert_eq!(audit.complaints, Vec::<String>::new(), "{}", self.runs.said());
        println!("{audit}");
    }

    async fn end(self) {
        for bot in self.bots {
            bot.leave_for_good().await;
        }
        let nodes = &self.nodes;
        wait_until(CALM, || nodes.iter().all(|node| node.sessions().is_empty())).await;
    }
}

/// Has every player of every node send its next counted event, again and again.
fn count(nodes: Arc<[SimNode]>) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let mut rounds = tokio::time::interval(EVERY);
        loop {
            rounds.tick().await;
            nodes.iter().for_each(SimNode::count_events);
        }
    })
}

fn from_environment(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// The user of a session.
fn user(session: u64) -> u64 {
    BOT + session
}

/// Guilds of a session, different for each.
fn guilds(session: u64) -> Range<i64> {
    let first = 1_000 + i64::try_from(session).unwrap() * PLAYERS;
    first..first + PLAYERS
}

/// The session of a guild.
fn session_of(guild: i64) -> u64 {
    ((guild - 1_000) / PLAYERS) as u64
}
