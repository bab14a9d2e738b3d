//! Requests that are under way when a link or a node is lost, or while a player moves: each takes effect once, and its
//! client is answered as if nothing had happened.

use http::Method;
use proxy_testkit::client::RestAnswer;

use super::*;

/// The identifier of `sim:track:second`.
const SECOND: &str = "https://sim.invalid/track/second";

/// Requests for a guild's player that a node saw.
fn seen(node: &SimNode, method: &str, guild: i64) -> usize {
    let path = format!("/players/{guild}");
    let requests = node.requests();
    requests
        .iter()
        .filter(|request| request.method == method && request.target.contains(&path))
        .count()
}

/// The start of the targets of requests for a guild's player on a node.
fn target(node: &SimNode, guild: i64) -> String {
    format!("/v4/sessions/{}/players/{guild}", node.sessions()[0].id)
}

/// Two nodes, and a client that plays in guild 1 on one of them.
async fn rig() -> (SimNode, SimNode, ProxyUnderTest, TestClient) {
    let (a, b) = (node().await, node().await);
    let proxy = ProxyUnderTest::start(&[&a, &b]).await;
    let client = playing(&proxy, 1..2).await;
    let (held, other) = if a.sessions().is_empty() { (b, a) } else { (a, b) };
    wait_until(SOON, || held.sessions()[0].resuming).await;
    held.clear_log();
    other.clear_log();
    (held, other, proxy, client)
}

/// Sends an update that the node takes and does not answer, kills the node, and returns what the client was told.
async fn update_while_killed(held: &SimNode, client: &TestClient, update: &Value) -> RestAnswer {
    held.fault_on(&target(held, 1), Fault::NeverAnswer, 1);
    let kill = async {
        wait_until(SOON, || seen(held, "PATCH", 1) == 1).await;
        held.die();
    };
    tokio::join!(client.patch_player(1, update), kill).0.unwrap()
}

#[tokio::test]
async fn an_update_under_way_when_its_node_is_killed_takes_effect_once_on_the_next_one() {
    let (held, other, _proxy, client) = rig().await;
    let answer = update_while_killed(&held, &client, &json!({"volume": 55})).await;
    assert_eq!((answer.status, &answer.json()["volume"]), (200, &json!(55)));
    let (_, player) = other.find_player(1).unwrap();
    assert_eq!((&player["volume"], player["track"].is_null()), (&json!(55), false));
    assert_eq!(seen(&other, "PATCH", 1), 2, "one that makes the player, and the update");
    assert_unnoticed(&client, 1);
}

#[tokio::test]
async fn a_track_that_is_started_while_its_node_is_killed_starts_once_on_the_next_one() {
    let (held, other, _proxy, client) = rig().await;
    let encoded = client.load_encoded("sim:track:second:600000").await.unwrap();
    let answer = update_while_killed(
        &held,
        &client,
        &json!({"track": {"encoded": encoded}, "position": 30_000}),
    )
    .await;
    assert_eq!(answer.json()["track"]["info"]["identifier"], SECOND);
    let (_, player) = other.find_player(1).unwrap();
    assert_eq!(player["track"]["info"]["identifier"], SECOND);
    assert_eq!(client.ended(), None);
    let last = client.wait_event("TrackStartEvent", 1, SOON).await.unwrap();
    assert_eq!(last["guildId"], "1");
}

#[tokio::test]
async fn a_first_update_of_a_player_survives_its_node_too() {
    let (held, other, _proxy, client) = rig().await;
    held.fault_on(&target(&held, 2), Fault::NeverAnswer, 1);
    let kill = async {
        wait_until(SOON, || seen(&held, "PATCH", 2) == 1).await;
        held.die();
    };
    let update = json!({"volume": 7});
    let (answer, ()) = tokio::join!(client.patch_player(2, &update), kill);
    assert_eq!(answer.unwrap().json()["volume"], 7);
    assert_eq!(other.find_player(2).unwrap().1["volume"], 7);
}

#[tokio::test]
async fn an_update_whose_answer_was_lost_is_answered_from_what_the_node_shows() {
    let (held, _other, _proxy, client) = rig().await;
    let encoded = client.load_encoded("sim:track:second:600000").await.unwrap();
    for fault in [Fault::ResetBeforeAnswer, Fault::ResetMidBody, Fault::CloseMidBody] {
        held.clear_log();
        held.fault_on(&target(&held, 1), fault.clone(), 1);
        let update = json!({"track": {"encoded": encoded}});
        let answer = client.patch_player(1, &update).await.unwrap();
        assert_eq!(answer.status, 200, "{fault:?}");
        assert_eq!(answer.json()["track"]["info"]["identifier"], SECOND, "{fault:?}");
        assert_eq!(seen(&held, "PATCH", 1), 1, "{fault:?}: it was not sent twice");
    }
    assert_eq!(client.ended(), None);
}

#[tokio::test]
async fn an_update_that_may_be_sent_twice_is_sent_again_when_its_answer_was_lost() {
    let (held, _other, _proxy, client) = rig().await;
    held.fault_on(&target(&held, 1), Fault::CloseBeforeAnswer, 1);
    let answer = client.patch_player(1, &json!({"volume": 3})).await.unwrap();
    assert_eq!((answer.status, &answer.json()["volume"]), (200, &json!(3)));
    assert_eq!(seen(&held, "PATCH", 1), 2);
}

#[tokio::test]
async fn a_player_that_is_destroyed_while_its_node_is_killed_is_gone() {
    let (held, other, _proxy, client) = rig().await;
    held.fault_on(&target(&held, 1), Fault::NeverAnswer, 1);
    let kill = async {
        wait_until(SOON, || seen(&held, "DELETE", 1) == 1).await;
        held.die();
    };
    let (answer, ()) = tokio::join!(client.destroy_player(1), kill);
    assert_eq!(answer.unwrap().status, 204);
    assert!(other.find_player(1).is_none());
    assert_eq!(client.get_player(1).await.unwrap().status, 404);
}

#[tokio::test]
async fn requests_to_a_frozen_node_are_answered_by_the_next_one() {
    let (held, other, _proxy, client) = rig().await;
    held.fault(Fault::Stall);
    held.fault(Fault::HalfOpen);
    let update = json!({"volume": 12});
    let (updated, got) = tokio::join!(client.patch_player(1, &update), client.get_player(1));
    assert_eq!(updated.unwrap().json()["volume"], 12);
    assert_eq!(got.unwrap().status, 200);
    assert_eq!(other.find_player(1).unwrap().1["volume"], 12);
    held.clear_faults().unwrap();
}

#[tokio::test]
async fn requests_wait_while_their_player_moves() {
    let (held, other, proxy, client) = rig().await;
    other.fault_on("/v4/sessions/", Fault::Delay(Duration::from_secs(2)), 3);
    let (session, guild) = (client.session_id(), lavalink_protocol::id::GuildId(1));
    let begun = proxy.shared().move_player(&session, guild, None).await.unwrap();
    let over = proxy.shared().outcome(&begun, Duration::ZERO).await;
    assert!(over.is_none(), "it is under way");
    let answer = client.patch_player(1, &json!({"volume": 77})).await.unwrap();
    assert_eq!(answer.json()["volume"], 77);
    wait_until(SOON, || held.find_player(1).is_none()).await;
    assert_eq!(other.find_player(1).unwrap().1["volume"], 77);
    assert_unnoticed(&client, 1);
}

#[tokio::test]
async fn writes_to_a_plugins_route_are_repeated_on_the_next_node() {
    let (held, other, _proxy, client) = rig().await;
    let path = client.session_path("/players/1/simplugin/echo?x=1");
    let categories = json!(["sponsor"]);
    let written = client
        .rest()
        .request(Method::PUT, &path, Some(&categories))
        .await
        .unwrap();
    assert_eq!(written.status, 200);
    held.die();
    wait_playing(&other, 1..2).await;
    wait_until(SOON, || seen(&other, "PUT", 1) == 1).await;
    let requests = other.requests();
    let put = requests.iter().find(|request| request.method == "PUT").unwrap();
    assert!(put.target.ends_with("/players/1/simplugin/echo?x=1"), "{}", put.target);
    assert_eq!(serde_json::from_slice::<Value>(&put.body).unwrap(), categories);
}

#[tokio::test]
async fn an_update_too_long_to_be_read_passes_and_its_player_survives_all_the_same() {
    let (held, other, _proxy, client) = rig().await;
    let long = "x".repeat(3 * 1024 * 1024 / 2);
    let answer = client
        .patch_player(1, &json!({"track": {"userData": {"long": long}}, "volume": 9}))
        .await
        .unwrap();
    assert_eq!((answer.status, &answer.json()["volume"]), (200, &json!(9)));
    wait_until(SOON, || seen(&held, "GET", 1) == 1).await;
    held.die();
    wait_playing(&other, 1..2).await;
}

#[tokio::test]
async fn a_node_that_has_lost_its_session_is_not_told_as_the_loss_of_the_clients_also_when_an_update_was_streamed() {
    let (held, _other, _proxy, client) = rig().await;
    held.fault_on(&target(&held, 1), Fault::NoSession, 1);
    let long = "x".repeat(3 * 1024 * 1024 / 2);
    let update = json!({"track": {"userData": {"long": long}}});
    let answer = client.patch_player(1, &update).await.unwrap();
    assert_eq!((answer.status, seen(&held, "PATCH", 1)), (502, 1), "{}", answer.text());
    assert_eq!(client.get_player(1).await.unwrap().status, 200);
    assert_unnoticed(&client, 1);
}

#[tokio::test]
async fn the_players_of_all_nodes_are_one_list_and_a_node_that_does_not_tell_is_left_out() {
    let (held, other, proxy, client) = rig().await;
    for guild in 2..5 {
        client.play(guild, LONG).await.unwrap();
    }
    let session = client.session_id();
    let guild = lavalink_protocol::id::GuildId(3);
    proxy.shared().move_player(&session, guild, None).await.unwrap();
    wait_playing(&other, 3..4).await;
    wait_until(SOON, || held.find_player(3).is_none()).await;
    let listed = |answer: RestAnswer| {
        let players = answer.json();
        let mut guilds: Vec<String> = players
            .as_array()
            .unwrap()
            .iter()
            .map(|player| player["guildId"].as_str().unwrap().to_owned())
            .collect();
        guilds.sort();
        guilds
    };
    assert_eq!(listed(client.get_players().await.unwrap()), ["1", "2", "3", "4"]);
    other.fault_on("/v4/sessions/", Fault::NeverAnswer, 1);
    assert_eq!(listed(client.get_players().await.unwrap()), ["1", "2", "4"]);
    let refusals = &proxy.shared().refusals;
    assert!(refusals.iter().any(|reason| reason == ("players_left_out", 1)));
}
