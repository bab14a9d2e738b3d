//! One session whose players are on several nodes: its client sees one Lavalink as big as all of them together.

use std::collections::BTreeSet;

use http::Method;
use proxy_core::pool::NodeId;
use proxy_testkit::client::voice;
use proxy_testkit::sim::{SimLoad, SimNodeBuilder};

use super::*;
use crate::support::node_config;

/// Regular messages are so far apart that none comes during a test.
const NEVER: Duration = Duration::from_secs(3600);

fn quiet_node() -> SimNodeBuilder {
    let builder = SimNode::builder().generation(SimGeneration::V4_2).plays_without_voice();
    builder.players_interval(NEVER).stats_interval(NEVER)
}

/// Nodes that send nothing by themselves.
async fn nodes<const N: usize>() -> [SimNode; N] {
    let mut nodes = Vec::with_capacity(N);
    for _ in 0..N {
        nodes.push(quiet_node().start().await.unwrap());
    }
    nodes.try_into().unwrap()
}

/// Lets a node say how many players play on it, and waits until the proxy has heard it.
async fn set_playing(proxy: &ProxyUnderTest, name: &str, node: &SimNode, playing: usize) {
    node.set_load(SimLoad {
        players: Some((playing, playing)),
        ..SimLoad::default()
    });
    let heard = || {
        let view = proxy.node(name);
        view.pending() == 0
            && view
                .reported
                .is_some_and(|last| last.stats.playing_players == playing as i64)
    };
    wait_until(SOON, heard).await;
}

/// Makes the proxy put what comes next on this one of the nodes.
async fn prefer(proxy: &ProxyUnderTest, nodes: &[SimNode], preferred: usize) {
    for (at, node) in nodes.iter().enumerate() {
        let playing = if at == preferred { 0 } else { 100 };
        set_playing(proxy, &format!("n{at}"), node, playing).await;
    }
}

/// A client with guild 1 to 3 on the first node, 4 to 6 on the second, and so on.
async fn spread(proxy: &ProxyUnderTest, nodes: &[SimNode]) -> TestClient {
    prefer(proxy, nodes, 0).await;
    let client = proxy.connect().await;
    for at in 0..nodes.len() {
        prefer(proxy, nodes, at).await;
        for guild in guilds_of(at) {
            client.play(guild, LONG).await.unwrap();
        }
    }
    let all = 3 * nodes.len();
    wait_until(SOON, || players(proxy, &client) == all).await;
    wait_until(SOON, || count(&client, "TrackStartEvent") == all).await;
    for (at, node) in nodes.iter().enumerate() {
        assert_eq!(on(node), guilds_of(at).collect(), "on node {at}");
        wait_until(SOON, || node.sessions()[0].resuming).await;
    }
    client
}

fn guilds_of(at: usize) -> std::ops::Range<i64> {
    let first = at as i64 * 3 + 1;
    first..first + 3
}

/// The guilds with players on a node.
fn on(node: &SimNode) -> BTreeSet<i64> {
    node.sessions().into_iter().flat_map(|session| session.guilds).collect()
}

/// The guilds of a list of players, in order.
async fn listed(client: &TestClient) -> Vec<i64> {
    let players = client.get_players().await.unwrap().json();
    let guild = |player: &Value| player["guildId"].as_str().unwrap().parse().unwrap();
    let mut guilds: Vec<i64> = players.as_array().unwrap().iter().map(guild).collect();
    guilds.sort_unstable();
    guilds
}

/// Requests for a guild's player that a node saw.
fn seen(node: &SimNode, method: &str, below: &str) -> usize {
    let requests = node.requests();
    let so = requests
        .iter()
        .filter(|request| request.method == method && request.target.contains(below));
    so.count()
}

fn session_of(node: &SimNode) -> String {
    node.sessions()[0].id.clone()
}

fn event(guild: i64, number: usize) -> String {
    json!({"op": "event", "type": "X", "guildId": guild.to_string(), "number": number}).to_string()
}

#[tokio::test]
async fn each_player_is_on_the_node_with_the_least_load_and_its_requests_go_there() {
    let nodes: [SimNode; 3] = nodes().await;
    let proxy = ProxyUnderTest::start(&nodes.each_ref()).await;
    let client = spread(&proxy, &nodes).await;
    assert_eq!(listed(&client).await, (1..10).collect::<Vec<i64>>());
    for (at, node) in nodes.iter().enumerate() {
        node.clear_log();
        let guild = guilds_of(at).start;
        let changed = client
            .patch_player(guild, &json!({"volume": 10 + guild}))
            .await
            .unwrap();
        assert_eq!((changed.status, &changed.json()["volume"]), (200, &json!(10 + guild)));
        assert_eq!(
            client.get_player(guild).await.unwrap().json()["volume"],
            json!(10 + guild)
        );
        let plugin = client.session_path(&format!("/players/{guild}/simplugin/echo"));
        let echo = client
            .rest()
            .request(Method::PUT, &plugin, Some(&json!([at])))
            .await
            .unwrap();
        assert_eq!(echo.status, 200);
        let players = format!("/players/{guild}");
        assert_eq!(
            ["PATCH", "GET", "PUT"].map(|method| seen(node, method, &players)),
            [1; 3]
        );
        assert_eq!(client.destroy_player(guild).await.unwrap().status, 204);
        assert!(!on(node).contains(&guild));
    }
    assert_eq!(listed(&client).await, [2, 3, 5, 6, 8, 9]);
    let settings = client
        .update_session(&json!({"resuming": true, "timeout": 7}))
        .await
        .unwrap();
    assert_eq!(settings.json(), json!({"resuming": true, "timeout": 7}));
    assert_eq!(
        client.load("sim:track:other").await.unwrap().json()["loadType"],
        json!("track")
    );
    assert_eq!(client.get_player(77).await.unwrap().status, 404, "nobody has it");
    let ends = || {
        let messages = client.messages();
        let ends = messages
            .into_iter()
            .filter(|message| message["type"] == "TrackEndEvent");
        ends.map(|message| message["guildId"].to_string())
            .collect::<BTreeSet<_>>()
    };
    let destroyed = [r#""1""#, r#""4""#, r#""7""#].map(str::to_owned);
    wait_until(SOON, || ends() == destroyed.clone().into()).await;
    assert_eq!(
        (count(&client, "TrackStartEvent"), count(&client, "TrackEndEvent")),
        (9, 3)
    );
    assert_eq!(client.ended(), None);
    client.update_session(&json!({"resuming": false})).await.unwrap();
    client.disconnect().await;
    let empty = || nodes.iter().all(|node| node.sessions().is_empty());
    wait_until(SOON, empty).await;
}

#[tokio::test]
async fn kept_together_a_session_is_on_one_node_whatever_the_load() {
    let nodes: [SimNode; 2] = nodes().await;
    let proxy = ProxyUnderTest::builder(&nodes.each_ref())
        .configure(|config| Arc::make_mut(&mut config.sessions).placement = PlacementMode::Session)
        .start()
        .await;
    prefer(&proxy, &nodes, 0).await;
    let client = proxy.connect().await;
    for at in 0..2 {
        prefer(&proxy, &nodes, at).await;
        client.play(at as i64 + 1, LONG).await.unwrap();
    }
    assert_eq!(on(&nodes[0]), [1, 2].into());
    assert!(nodes[1].sessions().is_empty());
}

#[tokio::test]
async fn first_requests_of_a_player_that_come_together_make_one_player() {
    let nodes: [SimNode; 2] = nodes().await;
    let proxy = ProxyUnderTest::builder(&nodes.each_ref())
        .configure(|config| config.threads = 2)
        .start()
        .await;
    prefer(&proxy, &nodes, 0).await;
    let client = proxy.connect().await;
    prefer(&proxy, &nodes, 1).await;
    for guild in 1..9 {
        let (volume, paused) = (json!({"volume": 5}), json!({"paused": true}));
        let (one, other) = tokio::join!(client.patch_player(guild, &volume), client.patch_player(guild, &paused));
        assert_eq!((one.unwrap().status, other.unwrap().status), (200, 200));
        let player = client.get_player(guild).await.unwrap().json();
        assert_eq!(
            (&player["volume"], &player["paused"]),
            (&json!(5), &json!(true)),
            "guild {guild}"
        );
    }
    assert_eq!(on(&nodes[0]).len() + on(&nodes[1]).len(), 8);
    assert!(!on(&nodes[1]).is_empty());
}

#[tokio::test]
async fn a_link_whose_players_are_gone_is_closed_and_the_first_one_stays() {
    let nodes: [SimNode; 2] = nodes().await;
    let proxy = ProxyUnderTest::builder(&nodes.each_ref())
        .configure(|config| Arc::make_mut(&mut config.sessions).links.idle = Duration::from_millis(200))
        .start()
        .await;
    let client = spread(&proxy, &nodes).await;
    for guild in guilds_of(1) {
        client.destroy_player(guild).await.unwrap();
    }
    wait_until(SOON, || nodes[1].sessions().is_empty()).await;
    assert_eq!(listed(&client).await, [1, 2, 3]);
    // The next one opens it again.
    client.play(9, LONG).await.unwrap();
    assert_eq!(on(&nodes[1]), [9].into());
    client.destroy_player(9).await.unwrap();
    for guild in guilds_of(0) {
        client.destroy_player(guild).await.unwrap();
    }
    wait_until(SOON, || nodes[1].sessions().is_empty()).await;
    assert_eq!(nodes[0].sessions().len(), 1, "a session has one link at least");
    assert_eq!(client.ended(), None);
}

#[tokio::test]
async fn the_client_gets_one_stats_for_all_nodes() {
    let nodes: [SimNode; 2] = nodes().await;
    let proxy = ProxyUnderTest::start(&nodes.each_ref()).await;
    let client = spread(&proxy, &nodes).await;
    set_playing(&proxy, "n0", &nodes[0], 7).await;
    set_playing(&proxy, "n1", &nodes[1], 5).await;
    client.clear_messages();
    for number in 0..4 {
        for (at, node) in nodes.iter().enumerate() {
            node.send_stats();
            assert!(node.push(&session_of(node), event(guilds_of(at).start, number)));
        }
        wait_until(SOON, || count(&client, "X") == 2 * (number + 1)).await;
    }
    let messages = client.messages();
    let stats: Vec<_> = messages.iter().filter(|message| message["op"] == "stats").collect();
    assert_eq!(stats.len(), 4, "{stats:?}");
    assert_eq!(
        (&stats[0]["players"], &stats[0]["playingPlayers"]),
        (&json!(12), &json!(12))
    );
    let rest = client.rest().get("/v4/stats").await.unwrap().json();
    assert_eq!(rest["players"], json!(12));
}

#[tokio::test]
async fn events_of_a_guild_keep_their_order_whatever_comes_from_other_nodes() {
    let nodes: [SimNode; 3] = nodes().await;
    let proxy = ProxyUnderTest::start(&nodes.each_ref()).await;
    let client = spread(&proxy, &nodes).await;
    client.clear_messages();
    for number in 0..200 {
        for (at, node) in nodes.iter().enumerate() {
            let guild = guilds_of(at).start + number as i64 % 3;
            assert!(node.push(&session_of(node), event(guild, number)));
        }
    }
    wait_until(SOON, || count(&client, "X") == 600).await;
    for guild in 1..10 {
        let messages = client.messages();
        let numbers = messages
            .iter()
            .filter(|message| message["type"] == "X" && message["guildId"] == guild.to_string().as_str())
            .map(|message| message["number"].as_u64().unwrap());
        let expected = (0..200).filter(|number| number % 3 == (guild as u64 - 1) % 3);
        assert!(numbers.eq(expected), "guild {guild}");
    }
}

#[tokio::test]
async fn only_the_players_of_the_node_that_died_move() {
    let nodes: [SimNode; 3] = nodes().await;
    let proxy = ProxyUnderTest::start(&nodes.each_ref()).await;
    let client = spread(&proxy, &nodes).await;
    let sessions = [session_of(&nodes[0]), session_of(&nodes[2])];
    nodes[1].die();
    let elsewhere = || guilds_of(1).all(|guild| [0, 2].iter().any(|at| position(&nodes[*at], guild).is_some()));
    wait_until(LATER, elsewhere).await;
    wait_until(SOON, || moves(&proxy, MoveOutcome::Moved) == 3).await;
    assert_eq!(
        [session_of(&nodes[0]), session_of(&nodes[2])],
        sessions,
        "nothing happened to them"
    );
    assert!(on(&nodes[0]).is_superset(&guilds_of(0).collect()) && on(&nodes[2]).is_superset(&guilds_of(2).collect()));
    assert_eq!(on(&nodes[0]).len() + on(&nodes[2]).len(), 9);
    assert_eq!(listed(&client).await, (1..10).collect::<Vec<i64>>());
    assert_unnoticed(&client, 9);
}

#[tokio::test]
async fn a_client_that_returns_gets_what_all_nodes_said_and_one_update_for_each_player() {
    let nodes: [SimNode; 2] = nodes().await;
    let proxy = ProxyUnderTest::start(&nodes.each_ref()).await;
    let client = spread(&proxy, &nodes).await;
    client
        .update_session(&json!({"resuming": true, "timeout": 60}))
        .await
        .unwrap();
    let updated = || {
        let messages = client.messages();
        let updates = messages.iter().filter(|message| message["op"] == "playerUpdate");
        let guilds: BTreeSet<_> = updates.map(|message| message["guildId"].to_string()).collect();
        guilds.len() == 6
    };
    // The nodes' own, as each player begins.
    wait_until(SOON, updated).await;
    client.drop_socket();
    proxy.wait_parked(&client.session_id()).await;
    client.clear_messages();
    for number in 0..20 {
        let at = number % 2;
        let guild = guilds_of(at).start;
        assert!(nodes[at].push(&session_of(&nodes[at]), event(guild, number)));
        nodes[at].send_stats();
    }
    assert!(client.resume().await.unwrap());
    wait_until(SOON, updated).await;
    wait_until(SOON, || count(&client, "X") == 20).await;
    let messages = client.messages();
    let updates = messages.iter().filter(|message| message["op"] == "playerUpdate");
    assert_eq!(updates.count(), 6, "{messages:?}");
    for at in 0..2 {
        let guild = guilds_of(at).start.to_string();
        let of_guild = messages
            .iter()
            .filter(|message| message["type"] == "X" && message["guildId"] == guild)
            .map(|message| message["number"].as_u64().unwrap() as usize);
        assert!(of_guild.eq((0..20).filter(|number| number % 2 == at)));
    }
    assert_eq!(listed(&client).await, (1..7).collect::<Vec<i64>>());
}

#[tokio::test]
async fn a_player_goes_only_where_its_voice_state_and_its_source_are_taken() {
    let old = SimNode::builder().generation(SimGeneration::V4_1).plays_without_voice();
    let old = old
        .source_managers(&["http"])
        .stats_interval(NEVER)
        .start()
        .await
        .unwrap();
    let new = quiet_node()
        .source_managers(&["http", "soundcloud"])
        .start()
        .await
        .unwrap();
    let proxy = ProxyUnderTest::start(&[&old, &new]).await;
    set_playing(&proxy, "n0", &old, 0).await;
    set_playing(&proxy, "n1", &new, 0).await;
    let client = proxy.connect().await;
    // The other one is better, but for what the player needs.
    set_playing(&proxy, "n0", &old, 100).await;
    let without_channel = json!({"voice": voice(1, false)});
    assert_eq!(client.patch_player(1, &without_channel).await.unwrap().status, 200);
    assert_eq!(on(&old), [1].into(), "4.2 refuses a voice state without a channel");
    set_playing(&proxy, "n0", &old, 0).await;
    set_playing(&proxy, "n1", &new, 100).await;
    client
        .patch_player(2, &json!({"track": {"identifier": "scsearch:x"}}))
        .await
        .unwrap();
    assert_eq!(on(&old), [1].into(), "it has no such source");
    client.patch_player(3, &json!({"volume": 1})).await.unwrap();
    assert_eq!(on(&old), [1, 3].into());
}

#[tokio::test]
async fn players_go_to_no_node_that_is_drained_or_not_the_tenants() {
    let nodes: [SimNode; 3] = nodes().await;
    let proxy = ProxyUnderTest::builder(&nodes.each_ref())
        .default_tenant(|tenant| tenant.nodes = Some([NodeId(0), NodeId(1)].into()))
        .start()
        .await;
    prefer(&proxy, &nodes, 0).await;
    let client = proxy.connect().await;
    prefer(&proxy, &nodes, 2).await;
    for guild in 1..4 {
        client.play(guild, LONG).await.unwrap();
    }
    assert!(nodes[2].sessions().is_empty(), "not the tenant's");
    prefer(&proxy, &nodes, 1).await;
    client.play(4, LONG).await.unwrap();
    assert!(on(&nodes[1]).contains(&4));
    // An answer may come sooner than the event, and who is drained then says no more than that the player has left.
    wait_until(SOON, || count(&client, "TrackStartEvent") == 4).await;
    assert!(proxy.shared().set_draining("n1", true));
    for guild in 5..8 {
        client.play(guild, LONG).await.unwrap();
    }
    wait_until(LATER, || on(&nodes[0]) == (1..8).collect()).await;
    wait_until(LATER, || nodes[1].sessions().is_empty()).await;
    wait_until(SOON, || count(&client, "TrackStartEvent") == 7).await;
    assert_unnoticed(&client, 7);
}

/// Two nodes near different regions, the far one with less to do.
async fn regions() -> ([SimNode; 2], ProxyUnderTest, TestClient) {
    let nodes: [SimNode; 2] = nodes().await;
    let region = |name| vec![proxy_core::placement::Region::new(name)];
    let proxy = ProxyUnderTest::builder(&nodes.each_ref())
        .node(0, |node| node.spec.regions = region("us"))
        .node(1, |node| node.spec.regions = region("rotterdam"))
        .start()
        .await;
    prefer(&proxy, &nodes, 0).await;
    let client = proxy.connect().await;
    (nodes, proxy, client)
}

#[tokio::test]
async fn a_player_is_placed_near_its_voice_endpoint() {
    let (nodes, _proxy, client) = regions().await;
    client.play(1, LONG).await.unwrap();
    assert_eq!(on(&nodes[1]), [1].into());
}

#[tokio::test]
async fn a_player_that_has_not_played_moves_when_its_voice_region_becomes_known() {
    let (nodes, proxy, client) = regions().await;
    client.patch_player(1, &json!({"volume": 44})).await.unwrap();
    assert_eq!(on(&nodes[0]), [1].into(), "nothing but the load tells");
    // And one that has played stays.
    let encoded = client.load_encoded(LONG).await.unwrap();
    client
        .patch_player(2, &json!({"track": {"encoded": encoded}}))
        .await
        .unwrap();
    client.patch_player(2, &json!({"voice": voice(2, true)})).await.unwrap();
    client.patch_player(1, &json!({"voice": voice(1, true)})).await.unwrap();
    wait_until(SOON, || moves_for(&proxy, MoveReason::Region, MoveOutcome::Moved) == 1).await;
    wait_until(SOON, || on(&nodes[0]) == [2].into()).await;
    let player = client.get_player(1).await.unwrap().json();
    assert_eq!(
        (&player["volume"], &player["voice"]["token"]),
        (&json!(44), &json!("token-1"))
    );
    client.play(1, LONG).await.unwrap();
    assert!(position(&nodes[1], 1).is_some());
    wait_until(SOON, || count(&client, "TrackStartEvent") == 2).await;
    assert_unnoticed(&client, 2);
    let recent = proxy.shared().moves.recent(None, 1);
    assert!(recent[0].migration.why.unwrap().to_string().contains("voice region"));
}

#[tokio::test]
async fn what_players_measure_is_learned_of_their_nodes() {
    let nodes: [SimNode; 2] = nodes().await;
    let proxy = ProxyUnderTest::start(&nodes.each_ref()).await;
    let client = spread(&proxy, &nodes).await;
    let mut voice = voice(4, true);
    voice["endpoint"] = json!("us-east77.discord.media:443");
    client.patch_player(4, &json!({"voice": voice})).await.unwrap();
    let learned = |node| proxy.shared().voice_ping(NodeId(node), "us-east");
    assert_eq!(learned(1), None);
    let state = json!({"time": 1, "position": 5, "connected": true, "ping": 151});
    let update = json!({"op": "playerUpdate", "guildId": "4", "state": state}).to_string();
    // One is looked at every few seconds.
    let told = || {
        assert!(nodes[1].push(&session_of(&nodes[1]), update.as_str()));
        learned(1).is_some_and(|measured| measured.ping == 151.0)
    };
    wait_until(LATER, told).await;
    assert_eq!(learned(0), None);
}

#[tokio::test]
async fn with_one_v4_node_sessions_are_kept_together() {
    let (v4, v3) = (node().await, crate::support::sim(SimGeneration::V3_7).await);
    let config = node_config("v3", &v3);
    let mut known = config.clone();
    known.is_v4 = Some(false);
    let proxy = ProxyUnderTest::builder(&[&v4]).add(known).start().await;
    assert_eq!(proxy.shared().config.sessions.placement, PlacementMode::Session);
    let client = playing(&proxy, 1..3).await;
    assert_eq!(client.get_player(2).await.unwrap().status, 200);
    // A node of which nobody says what it is may turn out to be one.
    let proxy = ProxyUnderTest::builder(&[&v4]).add(config).start().await;
    assert_eq!(proxy.shared().config.sessions.placement, PlacementMode::Player);
    let client = playing(&proxy, 1..3).await;
    assert_eq!(client.get_player(2).await.unwrap().status, 200);
}
