//! What client libraries do by themselves when their connection is cut: each resumes its session through the proxy, and
//! its player plays on meanwhile.
//!
//! `lavalink.py` only does for a session id that its bot has kept; its driver says more.

use std::time::{Duration, Instant};

use proxy_testkit::{
    real::{
        Client, DriverInput,
        clients::{RESUMING_STEPS, RUN_WITHIN, steps_of},
        or_skip,
        process::Supervised,
    },
    tap::{Recording, Tap},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{task::spawn_blocking, time::sleep};

use crate::environment::{Environment, TENANT_PASSWORD};

const USER: u64 = 170_000_000_000_000_007;
const GUILD: u64 = 170_000_000_000_000_008;
const POLL: Duration = Duration::from_millis(20);

macro_rules! resumes {
    ($($test:ident: $client:literal,)*) => {$(
        #[tokio::test]
        async fn $test() {
            resumes_its_session($client).await;
        }
    )*};
}

resumes! {
    shoukaku_4_resumes_its_session: "shoukaku 4.3.0",
    lavalink_client_2_resumes_its_session: "lavalink-client 2.11.0",
    lavalink_py_5_resumes_a_session_whose_id_its_bot_kept: "lavalink.py 5.11.1",
    wavelink_3_resumes_its_session: "wavelink 3.5.2",
}

async fn resumes_its_session(name: &str) {
    let client = Client::resumer(name).unwrap();
    let environment = Environment::enter().await;
    let node = environment.node_for(client.protocol).await;
    let proxy = environment.proxy(node.address(), 4).await;
    let tap = Tap::start(proxy.address()).await.unwrap();
    let folder = TempDir::with_prefix("resumer-").unwrap();
    let input = DriverInput {
        address: tap.address(),
        password: TENANT_PASSWORD.to_owned(),
        user_id: USER,
        guild_id: GUILD,
        identifier: environment.audio.url(),
        voice: environment.voice.voice_state(GUILD),
        others: Vec::new(),
    };
    let path = folder.path().to_owned();
    let started = spawn_blocking(move || client.start(&input, &path)).await.unwrap();
    let Some(mut driver) = or_skip(name, started) else {
        return;
    };

    wait_step(&mut driver, "play").await;
    let identified = environment.voice.identified(GUILD);
    tap.cut();
    wait_step(&mut driver, "disconnect").await;

    let steps = steps_of(&driver.log());
    assert_eq!(
        steps.iter().map(|step| &step["step"]).collect::<Vec<_>>(),
        RESUMING_STEPS
    );
    let step = |name: &str| steps.iter().find(|step| step["step"] == name).unwrap();
    let (before, after) = (step("ready"), step("resumed"));
    assert_eq!(before["resumed"], false);
    assert_eq!(
        (&after["session"], &after["resumed"], &after["players"]),
        (&before["session"], &json!(true), &json!(1)),
        "what the library says of it"
    );
    let asked = asked_for(&tap.recording());
    assert_eq!(
        asked.last(),
        after["session"].as_str().map(str::to_owned).as_ref(),
        "the id that its last handshake named, of {asked:?}"
    );
    assert_eq!(
        environment.voice.identified(GUILD),
        identified,
        "the node never had to connect the voice again"
    );
}

/// Waits until the driver has done a step.
async fn wait_step(driver: &mut Supervised, name: &str) {
    let limit = Instant::now() + RUN_WITHIN;
    let done = |log: &str| steps_of(log).iter().any(|step: &Value| step["step"] == name);
    while !done(&driver.log()) {
        let ended = driver.wait(Duration::ZERO).unwrap();
        assert!(
            (ended.is_none() || done(&driver.log())) && Instant::now() < limit,
            "the driver does not come to {name:?}: {ended:?}\n{}",
            driver.log_tail()
        );
        sleep(POLL).await;
    }
}

/// The `Session-Id` of each handshake that had one.
fn asked_for(recording: &Recording) -> Vec<String> {
    let handshakes = recording
        .exchanges
        .iter()
        .filter(|exchange| exchange.request.target.ends_with("/websocket"));
    let headers = handshakes.flat_map(|exchange| exchange.request.headers.iter());
    headers
        .filter(|(name, _)| name == "session-id")
        .map(|(_, value)| value.clone())
        .collect()
}
