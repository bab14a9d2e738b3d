//! A real client library plays a real file on the real Lavalink server through the proxy.

use std::time::Duration;

use proxy_testkit::{
    real::{Client, DriverInput, DriverRun, or_skip},
    tap::{Recording, Tap},
};
use serde_json::Value;
use tokio::task::spawn_blocking;

use crate::environment::{Environment, TENANT_PASSWORD};

const USER: u64 = 170_000_000_000_000_003;
const GUILD: u64 = 170_000_000_000_000_004;

#[tokio::test]
async fn a_real_client_plays_a_real_file_on_the_real_server_through_the_proxy() {
    let environment = Environment::enter().await;
    let Some(server) = or_skip("Lavalink server", environment.server()) else {
        return;
    };
    assert!(
        server.version().starts_with("4.2"),
        "the server is {}",
        server.version()
    );
    let proxy = environment.proxy(server.address(), 4).await;
    let tap = Tap::start(proxy.address()).await.unwrap();
    let input = DriverInput {
        address: tap.address(),
        password: TENANT_PASSWORD.to_owned(),
        user_id: USER,
        guild_id: GUILD,
        identifier: environment.audio.url(),
        voice: environment.voice.voice_state(GUILD),
        others: Vec::new(),
    };

    let client = Client::named("shoukaku 4.3.0").unwrap();
    let run = spawn_blocking(move || client.run(&input));
    let sound = environment
        .voice
        .wait_for_packets(GUILD, 25, Duration::from_secs(30))
        .await;
    let Some(DriverRun { .. }) = or_skip(client.name, run.await.unwrap()) else {
        return;
    };

    assert!(sound, "RTP packets arrive");
    let recording = tap.recording();
    let positions = positions_asked_for(&recording);
    assert!(
        positions.windows(2).any(|pair| pair[1] > pair[0]),
        "GET player shows the position advancing: {positions:?}"
    );
    assert!(
        connected(&recording),
        "a player update says that the voice is connected"
    );
}

/// The positions in the answers to `GET player`, in order.
fn positions_asked_for(recording: &Recording) -> Vec<i64> {
    let asked = recording.exchanges.iter().filter(|exchange| {
        exchange.request.method == "GET" && exchange.request.target.ends_with(&format!("/players/{GUILD}"))
    });
    let answers = asked.filter_map(|exchange| serde_json::from_str::<Value>(&exchange.response.as_ref()?.body).ok());
    answers
        .filter_map(|player| player["state"]["position"].as_i64())
        .collect()
}

fn connected(recording: &Recording) -> bool {
    recording
        .messages
        .iter()
        .filter_map(|message| serde_json::from_str::<Value>(&message.text).ok())
        .any(|message| message["op"] == "playerUpdate" && message["state"]["connected"] == true)
}
