//! Sessions that survive: nodes that die, freeze, restart or are drained, links that break, clients that come back. The
//! client is told nothing but the music.
//!
//! Here is what these tests share.

mod clients;
mod leftovers;
mod losses;
mod planned;
mod requests;
mod soak;
mod spread;

use std::sync::Arc;
use std::time::Duration;

use proxy_core::session::machine::PlacementMode;
use proxy_core::session::migration::{MoveOutcome, MoveReason};
use proxy_testkit::client::Ended;
use proxy_testkit::{Fault, SimGeneration, SimNode, TestClient, wait_until};
use serde_json::{Value, json};

use crate::support::{OTHER_BOT, ProxyUnderTest, SOON};

/// What waits for a silence to be noticed, on a busy machine.
const LATER: Duration = Duration::from_secs(40);

/// Ten minutes: no track ends by itself meanwhile.
const LONG: &str = "sim:track:long:600000";

/// A node whose players play on without Discord.
async fn node() -> SimNode {
    let builder = SimNode::builder().generation(SimGeneration::V4_2);
    builder.plays_without_voice().start().await.unwrap()
}

/// The node that has the session, and the other one.
fn holder<'a>(a: &'a SimNode, b: &'a SimNode) -> (&'a SimNode, &'a SimNode) {
    if a.sessions().is_empty() { (b, a) } else { (a, b) }
}

fn name<'a>(proxy: &ProxyUnderTest, node: &SimNode, names: &[(&'a str, &SimNode)]) -> &'a str {
    let _ = proxy;
    names.iter().find(|(_, named)| named.addr() == node.addr()).unwrap().0
}

/// A client that plays in these guilds.
async fn playing(proxy: &ProxyUnderTest, guilds: std::ops::Range<i64>) -> TestClient {
    let client = proxy.connect().await;
    for guild in guilds.clone() {
        client.play(guild, LONG).await.unwrap();
    }
    let known = || players(proxy, &client) == guilds.clone().count();
    wait_until(SOON, known).await;
    wait_until(SOON, || count(&client, "TrackStartEvent") == players(proxy, &client)).await;
    client
}

fn players(proxy: &ProxyUnderTest, client: &TestClient) -> usize {
    proxy.shared().directory.get(&client.session_id()).unwrap().players() as usize
}

/// How many events of a type the client heard.
fn count(client: &TestClient, kind: &str) -> usize {
    client
        .messages()
        .iter()
        .filter(|message| message["type"] == kind)
        .count()
}

/// Where a guild's player is, by its node, in milliseconds.
fn position(node: &SimNode, guild: i64) -> Option<i64> {
    let (_, player) = node.find_player(guild)?;
    (!player["track"].is_null()).then(|| player["state"]["position"].as_i64().unwrap())
}

/// Waits until a node plays in all these guilds.
async fn wait_playing(node: &SimNode, guilds: std::ops::Range<i64>) {
    wait_until(LATER, || guilds.clone().all(|guild| position(node, guild).is_some())).await;
}

/// The client heard of nothing but its own tracks' starts.
fn assert_unnoticed(client: &TestClient, starts: usize) {
    assert_eq!(client.ended(), None);
    assert_eq!(client.broken_count(), 0);
    let told = [
        "TrackStartEvent",
        "TrackEndEvent",
        "TrackExceptionEvent",
        "WebSocketClosedEvent",
    ];
    assert_eq!(told.map(|kind| count(client, kind)), [starts, 0, 0, 0]);
}

/// How many moves ended so, whatever the reason.
fn moves(proxy: &ProxyUnderTest, outcome: MoveOutcome) -> u64 {
    let counts = proxy.shared().moves.counts();
    let so = counts.into_iter().filter(|(_, how, _)| *how == outcome);
    so.map(|(_, _, count)| count).sum()
}

/// How many moves ended so for a reason.
fn moves_for(proxy: &ProxyUnderTest, reason: MoveReason, outcome: MoveOutcome) -> u64 {
    let counts = proxy.shared().moves.counts();
    let so = counts
        .into_iter()
        .filter(|(why, how, _)| (*why, *how) == (reason, outcome));
    so.map(|(_, _, count)| count).sum()
}
