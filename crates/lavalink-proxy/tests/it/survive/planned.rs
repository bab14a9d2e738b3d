//! Moves that somebody asked for: drained nodes, and single players.

use proxy_core::pool::NodeId;
use proxy_core::session::migration::MoveRefused;
use proxy_gateway::operator::MoveError;

use super::*;

#[tokio::test]
async fn a_drained_node_gives_its_players_away_one_by_one_and_ends_up_empty() {
    let (a, b) = (node().await, node().await);
    let proxy = ProxyUnderTest::start(&[&a, &b]).await;
    let names = [("n0", &a), ("n1", &b)];
    let client = playing(&proxy, 1..6).await;
    let (held, other) = holder(&a, &b);
    let idle = proxy.v4(OTHER_BOT).connect().await.unwrap();
    let drained = name(&proxy, held, &names);
    assert!(proxy.shared().set_draining(drained, true));
    wait_playing(other, 1..6).await;
    wait_until(SOON, || held.sessions().is_empty()).await;
    wait_until(SOON, || moves_for(&proxy, MoveReason::Drain, MoveOutcome::Moved) == 5).await;
    let drained_node = proxy
        .shared()
        .pool()
        .nodes()
        .iter()
        .find(|node| *node.name == *drained)
        .unwrap()
        .id;
    let drain = proxy.shared().drain(drained_node).unwrap();
    assert_eq!((drain.left, drain.empty_since.is_some()), (0, true), "{drain:?}");
    assert_unnoticed(&client, 5);
    assert_eq!(idle.ended(), None);
    client.play(9, LONG).await.unwrap();
    assert!(position(other, 9).is_some(), "new players do not go there either");
    assert!(proxy.shared().set_draining(drained, false));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(
        held.sessions().iter().all(|session| session.guilds.is_empty()),
        "nothing moves back by itself"
    );
    let recent = proxy.shared().moves.recent(Some(&client.session_id()), 100);
    assert_eq!(recent.len(), 5);
    assert!(recent[0].migration.why.is_some());
}

#[tokio::test]
async fn a_player_with_no_other_node_stays_on_the_drained_one() {
    let a = node().await;
    let proxy = ProxyUnderTest::start(&[&a]).await;
    let client = playing(&proxy, 1..2).await;
    assert!(proxy.shared().set_draining("n0", true));
    wait_until(SOON, || moves_for(&proxy, MoveReason::Drain, MoveOutcome::Stayed) >= 1).await;
    assert!(position(&a, 1).is_some());
    assert_eq!(client.patch_player(1, &json!({"volume": 5})).await.unwrap().status, 200);
    assert_unnoticed(&client, 1);
}

#[tokio::test]
async fn an_operator_moves_one_player() {
    let (a, b) = (node().await, node().await);
    let proxy = ProxyUnderTest::start(&[&a, &b]).await;
    let client = playing(&proxy, 1..3).await;
    let (held, other) = holder(&a, &b);
    let session = client.session_id();
    let guild = lavalink_protocol::id::GuildId(2);
    let move_to = async |guild, to| proxy.shared().move_player(&session, guild, to).await;
    let begun = move_to(guild, None).await.unwrap();
    let moved = proxy.shared().outcome(&begun, SOON).await.unwrap();
    assert_eq!(moved.migration.outcome, MoveOutcome::Moved, "{moved:?}");
    let (there, nobody) = (moved.migration.to, lavalink_protocol::id::GuildId(77));
    assert_eq!(
        move_to(guild, there).await.unwrap_err(),
        MoveRefused::AlreadyThere.into()
    );
    assert_eq!(move_to(nobody, None).await.unwrap_err(), MoveRefused::NoPlayer.into());
    let look = proxy.shared().look_at(&session).await.unwrap();
    let on: Vec<_> = look
        .players
        .iter()
        .map(|player| (player.guild.0, player.node))
        .collect();
    assert_eq!(on, [(1, Some(moved.migration.from)), (2, there)]);
    wait_playing(other, 2..3).await;
    wait_until(SOON, || held.find_player(2).is_none()).await;
    assert!(position(held, 1).is_some(), "the others stay");
    wait_until(SOON, || {
        moves_for(&proxy, MoveReason::Operator, MoveOutcome::Moved) == 1
    })
    .await;
    assert_unnoticed(&client, 2);
    let nowhere = proxy.shared().move_player("nosuchsession000", guild, None).await;
    assert_eq!(nowhere.unwrap_err(), MoveError::NoSession);
    client.disconnect().await;
    wait_until(SOON, || a.sessions().is_empty() && b.sessions().is_empty()).await;
}

#[tokio::test]
async fn whoever_asks_for_a_move_hears_of_that_one_and_of_no_other() {
    let (a, b) = (node().await, node().await);
    let proxy = ProxyUnderTest::start(&[&a, &b]).await;
    let client = playing(&proxy, 1..2).await;
    let (session, guild) = (client.session_id(), lavalink_protocol::id::GuildId(1));
    let mut operators = tokio::task::JoinSet::new();
    for number in 0..4u16 {
        let (shared, session) = (Arc::clone(proxy.shared()), session.clone());
        let wanted = Some(NodeId(number % 2));
        operators.spawn(async move {
            let mut moved = 0;
            for _ in 0..300 {
                match shared.move_player(&session, guild, wanted).await {
                    Ok(begun) => {
                        let migration = shared.outcome(&begun, SOON).await.unwrap().migration;
                        // It stays while what it left on the wanted node is not gone yet.
                        let own = migration.to == wanted || migration.to.is_none();
                        assert!(own, "{wanted:?}: {migration:?}");
                        moved += usize::from(migration.outcome == MoveOutcome::Moved);
                    }
                    Err(MoveError::Refused(_)) => tokio::task::yield_now().await,
                    Err(error) => panic!("{error}"),
                }
            }
            moved
        });
    }
    let moved: usize = operators.join_all().await.into_iter().sum();
    assert!(moved > 0);
    assert_unnoticed(&client, 1);
}

#[tokio::test]
async fn players_of_an_older_node_go_to_a_4_2_node_with_the_channel_that_the_older_one_does_not_show() {
    let old = SimNode::builder().generation(SimGeneration::V4_1).plays_without_voice();
    let (old, new) = (old.start().await.unwrap(), node().await);
    let proxy = ProxyUnderTest::start(&[&old, &new]).await;
    assert!(proxy.shared().set_draining("n1", true));
    let client = playing(&proxy, 1..4).await;
    wait_playing(&old, 1..4).await;
    assert!(proxy.shared().set_draining("n1", false));
    assert!(proxy.shared().set_draining("n0", true));
    wait_playing(&new, 1..4).await;
    let player = client.get_player(2).await.unwrap().json();
    assert_eq!(player["voice"]["channelId"], json!("3"));
    assert_unnoticed(&client, 3);
}
