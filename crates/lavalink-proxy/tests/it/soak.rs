//! Ten sessions with a hundred players each on simulated nodes, for a minute: no message lost, duplicated or reordered
//! in any guild, while players are updated, and the program's memory stays flat.
//!
//! `LAVALINK_PROXY_SOAK_SECONDS` shortens it for a quick look.

use std::time::Duration;

use proxy_testkit::client::voice;
use proxy_testkit::sim::NumberedPlan;
use proxy_testkit::{SimGeneration, SimNode, TestClient};
use serde_json::json;
use tokio::time::Instant;

use crate::support::{BOT, PASSWORD, ProxyProgram, SOON, sim};

const SESSIONS: u64 = 10;
const PLAYERS: i64 = 100;
const NODES: usize = 3;
/// How long it runs unless the environment says otherwise.
const DURATION: Duration = Duration::from_secs(60);
/// Between two messages of one guild: four thousand messages per second in all.
const EVERY: Duration = Duration::from_millis(250);
/// Between two rounds of updates.
const UPDATES: Duration = Duration::from_secs(5);
/// How many players of each session a round updates.
const UPDATED: i64 = 10;
/// What the program's memory may grow by while it runs: buffers find their size, and nothing more.
const GROWTH: u64 = 8 * 1024 * 1024;

#[tokio::test]
async fn a_minute_of_a_thousand_players_loses_and_reorders_nothing_and_memory_stays_flat() {
    let mut nodes = Vec::new();
    for _ in 0..NODES {
        nodes.push(sim(SimGeneration::V4_2).await);
    }
    let mut program = ProxyProgram::start(&ProxyProgram::config("", &nodes.iter().collect::<Vec<_>>()));
    let url = format!("http://{}", program.address().await);
    let mut sessions = Vec::new();
    for number in 0..SESSIONS {
        sessions.push(start_session(&url, number).await);
    }
    let plan = NumberedPlan {
        every: EVERY,
        duration: DURATION * 10,
        guilds: None,
    };
    let running: Vec<_> = nodes.iter().map(|node| node.emit_numbered(plan.clone())).collect();
    let resident = run(&sessions, &program).await;
    let mut sent = std::collections::BTreeMap::new();
    for numbered in running {
        sent.extend(numbered.finish().await.last);
    }
    assert_eq!(sent.len(), usize::try_from(PLAYERS).unwrap() * sessions.len());
    for (number, session) in sessions.iter().enumerate() {
        let guilds = guilds(number as u64);
        let wanted: std::collections::BTreeMap<_, _> =
            sent.range(guilds).map(|(guild, last)| (*guild, *last)).collect();
        session.wait_sequences(|seen| seen.last == wanted, SOON).await;
        let seen = session.sequences();
        let disorder = (seen.lost, seen.duplicated, seen.reordered, session.broken_count());
        assert_eq!(
            disorder,
            (0, 0, 0, 0),
            "session {number}: lost, duplicated, reordered, broken"
        );
        assert_eq!(seen.last, wanted, "session {number}: the last message of each guild");
        assert_eq!(session.ended(), None);
    }
    assert_players_are_left(&nodes);
    let (first, last) = (resident[0], resident[resident.len() - 1]);
    assert!(last < first + GROWTH, "memory grows: {resident:?}");
}

/// A session with all its players.
async fn start_session(url: &str, number: u64) -> TestClient {
    let session = TestClient::v4(url, PASSWORD, BOT + number).connect().await.unwrap();
    for guild in guilds(number) {
        let answer = session
            .patch_player(guild, &json!({"voice": voice(guild, true)}))
            .await
            .unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    session
}

/// Guilds of a session, different for each.
fn guilds(session: u64) -> std::ops::Range<i64> {
    let first = 1_000 + i64::try_from(session).unwrap() * PLAYERS;
    first..first + PLAYERS
}

/// Updates some players every few seconds until the time is over; the program's memory after each round.
async fn run(sessions: &[TestClient], program: &ProxyProgram) -> Vec<u64> {
    let end = Instant::now() + duration();
    let mut resident = Vec::new();
    let mut round = 0;
    while Instant::now() < end {
        for (number, session) in sessions.iter().enumerate() {
            for guild in guilds(number as u64)
                .skip(round % 10)
                .step_by(10)
                .take(UPDATED as usize)
            {
                let volume = 50 + round % 100;
                let answer = session.patch_player(guild, &json!({"volume": volume})).await.unwrap();
                assert_eq!(
                    (answer.status, &answer.json()["volume"]),
                    (200, &json!(volume)),
                    "guild {guild}"
                );
            }
        }
        resident.push(program.resident_bytes());
        round += 1;
        tokio::time::sleep_until((Instant::now() + UPDATES).min(end)).await;
    }
    resident
}

fn duration() -> Duration {
    match std::env::var("LAVALINK_PROXY_SOAK_SECONDS") {
        Ok(seconds) => Duration::from_secs(seconds.parse().expect("a number of seconds")),
        Err(_) => DURATION,
    }
}

fn assert_players_are_left(nodes: &[SimNode]) {
    let players: usize = nodes
        .iter()
        .flat_map(SimNode::sessions)
        .map(|session| session.guilds.len())
        .sum();
    assert_eq!(
        players,
        usize::try_from(PLAYERS).unwrap() * usize::try_from(SESSIONS).unwrap()
    );
}
