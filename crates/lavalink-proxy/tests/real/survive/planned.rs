//! Nodes that an operator takes away in peace.

use super::*;

#[tokio::test]
async fn a_drained_server_gives_its_players_away_and_ends_up_empty() {
    let Some(mut rig) = Rig::start().await else { return };
    let before = rig.positions().await;
    let since = Instant::now();
    administer(&rig.proxy, Method::POST, "/nodes/a/drain").await;
    rig.wait_moved("drain", since).await;
    rig.assert_positions("drain", &before).await;
    rig.wait_players(0, 0).await;
    rig.wait_players(1, PLAYERS).await;
    rig.assert_unnoticed();
    administer(&rig.proxy, Method::POST, "/nodes/a/undrain").await;
    rig.end(&[0, 1]).await;
}
