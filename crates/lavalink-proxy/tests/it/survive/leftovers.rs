//! What a player leaves on the node that it has moved away from is destroyed, and nothing else is: neither the guild's next
//! player there, nor the same one when it has come back.

use lavalink_protocol::id::GuildId;
use proxy_core::pool::NodeId;

use super::*;

/// Two nodes, and a client whose players are on the first of them; their numbers are told as well.
async fn rig(guilds: std::ops::Range<i64>) -> ([(SimNode, NodeId); 2], ProxyUnderTest, TestClient) {
    let (a, b) = (node().await, node().await);
    let proxy = ProxyUnderTest::start(&[&a, &b]).await;
    let client = playing(&proxy, guilds).await;
    let (a, b) = ((a, NodeId(0)), (b, NodeId(1)));
    let (held, other) = if a.0.sessions().is_empty() { (b, a) } else { (a, b) };
    wait_until(SOON, || held.0.sessions()[0].resuming).await;
    held.0.clear_log();
    ([held, other], proxy, client)
}

/// Moves a player, and asks again while it stays for what it left there.
async fn move_to(proxy: &ProxyUnderTest, client: &TestClient, guild: i64, to: NodeId) {
    let (session, guild) = (client.session_id(), GuildId(guild as u64));
    let shared = proxy.shared();
    let moved = async {
        loop {
            let begun = shared.move_player(&session, guild, Some(to)).await.unwrap();
            let over = shared.outcome(&begun, SOON).await.unwrap();
            if over.migration.outcome == MoveOutcome::Moved {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LATER, moved).await.expect("it is moved");
}

/// Moves a player away from a node that destroys what is left there, and does not say so the first time.
async fn leave_unanswered(held: &SimNode, to: NodeId, proxy: &ProxyUnderTest, client: &TestClient, guild: i64) {
    let path = format!("/v4/sessions/{}/players/{guild}", held.sessions()[0].id);
    held.fault_on(&path, Fault::NeverAnswer, 1);
    move_to(proxy, client, guild, to).await;
    wait_until(SOON, || destroying(held, guild) == 1).await;
}

/// Requests to destroy a guild's player that a node saw.
fn destroying(node: &SimNode, guild: i64) -> usize {
    let path = format!("/players/{guild}");
    let requests = node.requests();
    let so = requests
        .iter()
        .filter(|request| request.method == "DELETE" && request.target.ends_with(&path));
    so.count()
}

#[tokio::test]
async fn a_guild_waits_for_its_only_node_until_its_earlier_player_there_is_destroyed() {
    let ([(held, _), (_other, there)], proxy, client) = rig(1..2).await;
    leave_unanswered(&held, there, &proxy, &client, 1).await;
    assert_eq!(client.destroy_player(1).await.unwrap().status, 204);
    assert!(proxy.shared().set_draining(&format!("n{}", there.0), true));
    client.play(1, LONG).await.unwrap();
    assert_eq!(destroying(&held, 1), 2, "it was sent when the second try was answered");
    assert!(position(&held, 1).is_some());
    assert_eq!(client.ended(), None);
}

#[tokio::test]
async fn a_late_try_to_destroy_what_a_player_left_spares_the_player_that_is_back() {
    let ([(held, here), (_other, there)], proxy, client) = rig(1..3).await;
    leave_unanswered(&held, there, &proxy, &client, 1).await;
    // Its link breaks meanwhile, and its node then lists what it has: nothing of that player.
    let session = held.sessions()[0].id.clone();
    assert!(held.drop_session_socket(&session));
    let listed = || {
        held.requests()
            .iter()
            .any(|request| request.target.ends_with("/players"))
    };
    wait_until(SOON, listed).await;
    leave_unanswered(&held, there, &proxy, &client, 2).await;
    move_to(&proxy, &client, 1, here).await;
    // That errand began later, so the first one has looked whether to try again by the time that it does.
    wait_until(LATER, || destroying(&held, 2) == 2).await;
    assert_eq!(destroying(&held, 1), 1);
    assert!(position(&held, 1).is_some());
    assert_unnoticed(&client, 2);
}
