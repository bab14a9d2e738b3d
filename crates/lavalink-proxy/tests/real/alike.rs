//! One client library, twice: straight to a node and through the proxy.

use proxy_testkit::{
    SimGeneration,
    real::{
        Client, DriverInput, DriverRun,
        clients::{CLIENTS, Protocol},
        or_skip,
    },
    tap::{Difference, Names, Recording, Side, Tap, compare, show},
};
use tokio::task::spawn_blocking;

use crate::environment::{Environment, NODE_PASSWORD, Node, TENANT_PASSWORD};

const USER: u64 = 170_000_000_000_000_001;
const GUILD: u64 = 170_000_000_000_000_002;

macro_rules! served_alike {
    ($($test:ident: $client:literal,)*) => {$(
        #[tokio::test]
        async fn $test() {
            served_alike($client).await;
        }
    )*};
}

served_alike! {
    shoukaku_4_is_served_as_by_the_node_itself: "shoukaku 4.3.0",
    lavalink_client_2_is_served_as_by_the_node_itself: "lavalink-client 2.11.0",
    riffy_1_is_served_as_by_the_node_itself: "riffy 1.0.12",
    lavalink_py_5_is_served_as_by_the_node_itself: "lavalink.py 5.11.1",
    wavelink_3_is_served_as_by_the_node_itself: "wavelink 3.5.2",
    disgolink_3_is_served_as_by_the_node_itself: "disgolink 3.1.0",
    lavalink_client_for_the_jvm_is_served_as_by_the_node_itself: "lavalink-client (JVM) 3.2.0",
    erela_js_2_is_served_as_by_the_node_itself: "erela.js 2.4.0",
    shoukaku_3_is_served_as_by_the_node_itself: "shoukaku 3.4.2",
    riffy_1_in_v3_mode_is_served_as_by_the_node_itself: "riffy 1.0.12 (v3)",
    wavelink_1_is_served_as_by_the_node_itself: "wavelink 1.3.5",
}

/// What was seen of one run: before the client, and before the node.
struct Seen {
    client: Recording,
    node: Recording,
    names: Names,
}

async fn served_alike(name: &str) {
    let client = Client::named(name).unwrap();
    let environment = Environment::enter().await;
    let node = environment.node_for(client.protocol).await;
    let Some(straight) = straight(&environment, client, &node).await else {
        return;
    };
    let Some(through) = through_the_proxy(&environment, client, &node).await else {
        return;
    };

    let mut differences = compare(
        Side::Client,
        (&straight.client, straight.names.clone()),
        (&through.client, through.names.clone()),
    );
    differences.extend(compare(
        Side::Node,
        (&straight.node, straight.names),
        (&through.node, through.names),
    ));
    assert_none(name, &differences);
}

/// The control: what the comparison calls a difference is not one that two runs have anyway.
#[tokio::test]
async fn two_runs_straight_to_the_node_show_no_difference() {
    twice_straight("shoukaku 4.3.0").await;
}

#[tokio::test]
#[ignore = "a minute long, for work on drivers; REAL_CLIENT chooses by a part of the name"]
async fn two_runs_of_any_client_straight_to_its_node_show_no_difference() {
    let chosen = std::env::var("REAL_CLIENT").unwrap_or_default();
    for client in CLIENTS.into_iter().filter(|client| client.name.contains(&chosen)) {
        twice_straight(client.name).await;
    }
}

/// What the other tests use in the place of a real node is held to one.
#[tokio::test]
async fn the_simulated_node_answers_as_the_real_one() {
    let client = Client::named("shoukaku 4.3.0").unwrap();
    let environment = Environment::enter().await;
    let Some(server) = or_skip("Lavalink server", environment.server()) else {
        return;
    };
    let real = Node::Real(server.address());
    let simulated = environment.simulated(SimGeneration::V4_2).await;
    let Some(first) = straight(&environment, client, &real).await else {
        return;
    };
    let Some(second) = straight(&environment, client, &simulated).await else {
        return;
    };
    let differences = compare(
        Side::Client,
        (&first.client, first.names),
        (&second.client, second.names),
    );
    assert_none("simulated node", &differences);
}

async fn twice_straight(name: &str) {
    let client = Client::named(name).unwrap();
    let environment = Environment::enter().await;
    let node = environment.node_for(client.protocol).await;
    let Some(first) = straight(&environment, client, &node).await else {
        return;
    };
    let Some(second) = straight(&environment, client, &node).await else {
        return;
    };
    assert!(
        !first.client.exchanges.is_empty() && !first.client.messages.is_empty(),
        "something was recorded"
    );
    assert_none(
        name,
        &compare(
            Side::Client,
            (&first.client, first.names),
            (&second.client, second.names),
        ),
    );
}

fn assert_none(name: &str, differences: &[Difference]) {
    assert!(
        differences.is_empty(),
        "{name}: {} differences:\n{}",
        differences.len(),
        show(differences)
    );
}

async fn straight(environment: &Environment, client: Client, node: &Node) -> Option<Seen> {
    let tap = Tap::start(node.address()).await.unwrap();
    let input = input(environment, &tap, NODE_PASSWORD);
    let names = names(&input);
    run(environment, client, node, input).await?;
    let recording = tap.recording();
    Some(Seen {
        client: recording.clone(),
        node: recording,
        names,
    })
}

async fn through_the_proxy(environment: &Environment, client: Client, node: &Node) -> Option<Seen> {
    let node_tap = Tap::start(node.address()).await.unwrap();
    let version = if client.protocol.is_v4() { 4 } else { 3 };
    let proxy = environment.proxy(node_tap.address(), version).await;
    let client_tap = Tap::start(proxy.address()).await.unwrap();
    let input = input(environment, &client_tap, TENANT_PASSWORD);
    let names = names(&input);
    run(environment, client, node, input).await?;
    Some(Seen {
        client: client_tap.recording(),
        node: node_tap.recording(),
        names,
    })
}

fn input(environment: &Environment, tap: &Tap, password: &str) -> DriverInput {
    DriverInput {
        address: tap.address(),
        password: password.to_owned(),
        user_id: USER,
        guild_id: GUILD,
        identifier: environment.audio.url(),
        voice: environment.voice.voice_state(GUILD),
        others: Vec::new(),
    }
}

/// What differs between two runs because the test made it so.
fn names(input: &DriverInput) -> Names {
    Names::default()
        .with(&input.voice.token, "voice token")
        .with(&input.voice.session_id, "voice session")
        .with(NODE_PASSWORD, "password")
        .with(TENANT_PASSWORD, "password")
}

/// One run of the driver; on a real node, sound must have reached the voice server.
async fn run(environment: &Environment, client: Client, node: &Node, input: DriverInput) -> Option<DriverRun> {
    let packets = environment.voice.packet_count(GUILD);
    let run = spawn_blocking(move || client.run(&input)).await.unwrap();
    let run = or_skip(client.name, run)?;
    println!("{}: {:?}", client.name, run.took);
    let speaks_to_a_voice_server = node.is_real() && client.protocol == Protocol::V4;
    assert!(
        !speaks_to_a_voice_server || environment.voice.packet_count(GUILD) > packets,
        "RTP packets arrive"
    );
    Some(run)
}
