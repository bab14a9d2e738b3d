//! The simulated node is held to the real one: one script of requests and messages runs against a real Lavalink 4.2
//! server and against [`proxy_testkit::SimNode`], and what they answer and send must agree in shape and value.
//!
//! The script is in `requests.rs`, `bodies.rs` and `scenes.rs`; a client notes each step (`bot.rs`) in a transcript from
//! which ids and addresses are taken out (`transcript.rs`); `compare.rs` compares the two; `known.rs` lists what may
//! differ and why. A machine that cannot run the server says so, and only the recording of an earlier run is compared.

#![allow(clippy::unwrap_used, missing_docs)]

mod bodies;
mod bot;
mod compare;
mod known;
mod nodes;
mod requests;
mod scenes;
mod socket;
mod transcript;

use std::{env, fmt::Write as _, fs, path::Path};

use proxy_testkit::real::or_skip;

use nodes::{Node, Stage};
use transcript::Step;

/// What the real server answered and sent when it was last recorded.
const RECORDING: &str = "tests/conformance/lavalink-4.2.2.jsonl";
/// Set to anything, it has the run against the real server write [`RECORDING`] anew.
const RECORD_VARIABLE: &str = "CONFORMANCE_RECORD";

#[tokio::test]
async fn the_simulated_node_answers_and_sends_what_the_real_one_does() {
    let stage = Stage::set_up().await;
    let started = stage.start_real().await;
    let Some(server) = or_skip("the simulated node beside the real one", started) else {
        return;
    };
    assert!(
        server.version().starts_with("4.2."),
        "a 4.2 server, not {}",
        server.version()
    );
    let (real, sim) = (Node::real(server, &stage), Node::sim(&stage).await);
    let (real, sim) = tokio::join!(script(&real), script(&sim));
    if env::var_os(RECORD_VARIABLE).is_some() {
        record(&real);
    }
    assert_alike(&real, &sim);
}

/// The server is not to be had on every machine; what it once said is.
#[tokio::test]
async fn the_simulated_node_answers_and_sends_what_the_real_one_did_when_it_was_recorded() {
    let stage = Stage::set_up().await;
    let sim = script(&Node::sim(&stage).await).await;
    assert_alike(&recorded(), &sim);
}

fn assert_alike(real: &[Step], sim: &[Step]) {
    let (unknown, unused) = known::sort(compare::compare(real, sim));
    let shown: Vec<String> = unknown.iter().map(ToString::to_string).collect();
    assert!(
        shown.is_empty(),
        "{} differences in {} steps:\n{}",
        shown.len(),
        real.len(),
        shown.join("\n")
    );
    assert!(
        unused.is_empty(),
        "these known differences are none any more: {unused:#?}"
    );
    println!("{} steps agree", real.len());
}

/// One step a line, so that a new recording shows as what has changed.
fn record(steps: &[Step]) {
    let mut text = String::new();
    for step in steps {
        writeln!(text, "{}", serde_json::to_string(step).unwrap()).unwrap();
    }
    fs::write(recording(), text).unwrap();
}

fn recorded() -> Vec<Step> {
    let text = fs::read_to_string(recording()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn recording() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(RECORDING)
}

/// The whole script on one node. The scenes run beside each other, since most of their time is a track's; the figures of
/// the node as a whole are asked for before.
async fn script(node: &Node) -> Vec<Step> {
    let mut steps = requests::requests(node).await;
    let (handshakes, tracks, updates, filters, sessions) = tokio::join!(
        requests::handshakes(node),
        requests::tracks(node),
        bodies::player_updates(node),
        bodies::filters(node),
        bodies::session_updates(node),
    );
    steps.extend([handshakes, tracks, updates, filters, sessions].into_iter().flatten());
    let (life, ends, failures, voices, two, resuming, sockets) = tokio::join!(
        scenes::life(node),
        scenes::ends(node),
        scenes::failures(node),
        scenes::voices(node),
        scenes::two_players(node),
        scenes::resuming(node),
        scenes::sockets(node),
    );
    steps.extend(
        [life, ends, failures, voices, two, resuming, sockets]
            .into_iter()
            .flatten(),
    );
    steps
}
