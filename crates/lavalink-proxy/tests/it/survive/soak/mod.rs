//! Five hundred players over four nodes that are killed, frozen, shut down, restarted and cut off at random, while clients
//! come and go: no player is lost, no event that a node delivered is lost, doubled or out of order, and no track ends
//! untold.
//!
//! `LAVALINK_PROXY_SOAK_SECONDS` says how long, `LAVALINK_PROXY_SOAK_SEED` with which chances. What the network does
//! meanwhile is not the seed's to say, so that a run with the same seed is alike, not the same.

mod books;
mod bot;
mod chaos;

use std::sync::Arc;
use std::time::Duration;

use proxy_testkit::{SimGeneration, SimNode, wait_until};
use tokio::time::{Instant, sleep};

use crate::support::ProxyProgram;
use books::Books;
use bot::Bot;
use chaos::Chaos;

const NODES: usize = 4;
const SESSIONS: u64 = 10;
const PLAYERS: i64 = 50;
/// How long it runs unless the environment says otherwise.
const DURATION: Duration = Duration::from_secs(45);
/// Between two counted events of one guild.
const EVERY: Duration = Duration::from_secs(1);
/// Between two readings of the program's memory.
const READ_MEMORY: Duration = Duration::from_secs(5);
/// What the program's memory may grow by after the first quarter: buffers find their size, and nothing more.
const GROWTH: u64 = 24 * 1024 * 1024;
/// What everything takes to be in order again, on a busy machine.
const CALM: Duration = Duration::from_secs(60);

/// Quick to see that a node is back, so that there is always one to go to.
const SETTINGS: &str = "[health]\ninterval = \"500ms\"\ntimeout = \"2s\"\n";

#[tokio::test]
async fn five_hundred_players_survive_whatever_happens_to_their_nodes_and_clients() {
    let seed = from_environment("LAVALINK_PROXY_SOAK_SEED").unwrap_or(1);
    let duration = from_environment("LAVALINK_PROXY_SOAK_SECONDS").map_or(DURATION, Duration::from_secs);
    println!("LAVALINK_PROXY_SOAK_SEED={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut nodes = Vec::new();
    for _ in 0..NODES {
        let builder = SimNode::builder().generation(SimGeneration::V4_2);
        nodes.push(builder.plays_without_voice().start().await.unwrap());
    }
    let nodes: Arc<[SimNode]> = nodes.into();
    let mut program = ProxyProgram::start(&(ProxyProgram::config("", &nodes.iter().collect::<Vec<_>>()) + SETTINGS));
    let url = format!("http://{}", program.address().await);
    let books = Arc::new(Books::default());
    let mut bots = Vec::new();
    for number in 0..SESSIONS {
        bots.push(Bot::start(&url, number, Arc::clone(&books), rng.fork()).await);
    }
    wait_until(CALM, || books.playing() == PLAYERS as usize * SESSIONS as usize).await;
    let counting = count(Arc::clone(&nodes));

    let mut chaos = Chaos::new(Arc::clone(&nodes), rng.fork());
    let mut memory = Vec::new();
    let end = Instant::now() + duration;
    let mut next_reading = Instant::now();
    while Instant::now() < end {
        chaos.step();
        assert!(bots.iter().all(Bot::is_well), "{}", program.said());
        if Instant::now() >= next_reading {
            memory.push(program.resident_bytes());
            next_reading += READ_MEMORY;
        }
        sleep(Duration::from_millis(50)).await;
    }
    chaos.calm();

    for bot in &bots {
        bot.come_to_rest().await;
    }
    let settled = || books.unsettled(&nodes).is_empty();
    let deadline = Instant::now() + CALM;
    while !settled() && Instant::now() < deadline {
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(books.unsettled(&nodes), Vec::<String>::new(), "{}", program.said());
    counting.abort();
    let complaints = || books.complaints(&nodes, chaos.freezes());
    let deadline = Instant::now() + CALM;
    while !complaints().is_empty() && Instant::now() < deadline {
        sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(complaints(), Vec::<String>::new(), "{}", program.said());
    memory.push(program.resident_bytes());
    println!("{chaos}; {books}; memory {memory:?}");
    let (early, late) = (memory[memory.len() / 4], memory[memory.len() - 1]);
    assert!(late < early + GROWTH, "memory grows: {memory:?}");

    for bot in bots {
        bot.leave_for_good().await;
    }
    wait_until(CALM, || nodes.iter().all(|node| node.sessions().is_empty())).await;
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

/// Guilds of a session, different for each.
fn guilds(session: u64) -> std::ops::Range<i64> {
    let first = 1_000 + i64::try_from(session).unwrap() * PLAYERS;
    first..first + PLAYERS
}
