//! Nodes that are lost without a word, or with one.

use super::*;

#[tokio::test]
async fn twenty_players_of_a_killed_server_play_on_elsewhere_at_their_place() {
    let Some(mut rig) = Rig::start().await else { return };
    let before = rig.positions().await;
    let since = Instant::now();
    rig.server(0).kill();
    rig.wait_moved("kill -9", since).await;
    rig.assert_positions("kill -9", &before).await;
    rig.wait_players(1, PLAYERS).await;
    rig.assert_unnoticed();
    rig.end(&[1]).await;
}

#[tokio::test]
async fn twenty_players_of_a_server_that_shuts_down_play_on_elsewhere() {
    let Some(mut rig) = Rig::start().await else { return };
    let before = rig.positions().await;
    let since = Instant::now();
    rig.server(0).terminate();
    rig.wait_moved("SIGTERM", since).await;
    rig.assert_positions("SIGTERM", &before).await;
    rig.wait_players(1, PLAYERS).await;
    rig.assert_unnoticed();
    rig.end(&[1]).await;
}

#[tokio::test]
async fn a_frozen_server_is_left_and_cleaned_up_when_it_thaws() {
    let Some(mut rig) = Rig::start().await else { return };
    let before = rig.positions().await;
    let since = Instant::now();
    rig.server(0).freeze();
    rig.wait_noticed("SIGSTOP", since).await;
    rig.wait_moved("SIGSTOP", since).await;
    rig.assert_positions("SIGSTOP", &before).await;
    rig.wait_players(1, PLAYERS).await;
    rig.server(0).thaw();
    rig.wait_players(0, 0).await;
    rig.wait_players(1, PLAYERS).await;
    rig.assert_unnoticed();
    // Back among the nodes, it takes nothing by itself.
    rig.end(&[0, 1]).await;
}

/// The updates are on the frozen server's sockets, read by nobody, when it is killed.
#[tokio::test]
async fn updates_under_way_when_their_server_is_killed_take_effect_once() {
    const SEEK: i64 = 300_000;
    let Some(mut rig) = Rig::start().await else { return };
    let [louder, sought, replaced] = [0, 1, 2].map(|nth| FIRST_GUILD + nth);
    let second = format!("{}?second", rig.audio.url());
    let path = format!(
        "/v4/loadtracks?identifier={}",
        proxy_testkit::client::percent_encode(&second)
    );
    let track = rig.rest.get(&path).await.unwrap().json()["data"]["encoded"].clone();
    let (volume, seek, next) = (
        json!({"volume": 42}),
        json!({"position": SEEK}),
        json!({"track": {"encoded": track}}),
    );
    let since = Instant::now();
    rig.server(0).freeze();
    let death = async {
        let under_way = || async {
            let nodes = administer(&rig.proxy, Method::GET, "/nodes").await;
            nodes["items"][0]["outstanding"] == 3
        };
        while !under_way().await {
            sleep(POLL).await;
        }
        let sent = Instant::now();
        rig.server(0).kill();
        sent
    };
    let answers = tokio::time::timeout(SOON, async {
        tokio::join!(
            rig.player(Method::PATCH, louder, Some(&volume)),
            rig.player(Method::PATCH, sought, Some(&seek)),
            rig.player(Method::PATCH, replaced, Some(&next)),
            death,
        )
    });
    let (louder_answer, sought_answer, replaced_answer, sent) = answers.await.expect("every update is answered");
    assert_eq!(
        [&louder_answer, &sought_answer, &replaced_answer].map(|answer| answer.status),
        [200; 3]
    );
    rig.wait_moved("updates under way", since).await;

    assert_eq!(louder_answer.json()["volume"], 42);
    assert_eq!(rig.player(Method::GET, louder, None).await.json()["volume"], 42);
    let at = rig.position(sought).await;
    let passed = (at.when - sent).as_millis() as i64;
    assert!(
        (SEEK..SEEK + passed + OFF_BY).contains(&at.position),
        "sought to {SEEK} and {passed} ms later at {}",
        at.position
    );
    assert_eq!(replaced_answer.json()["track"]["info"]["identifier"], second);
    let starts = |guild: u64| {
        let guild = guild.to_string();
        let said = rig.said();
        let of_it = said
            .iter()
            .filter(|line| line["said"] == "start" && line["guildId"] == guild.as_str());
        of_it.count()
    };
    assert_eq!([louder, sought, replaced].map(starts), [1, 1, 2]);
    rig.end(&[1]).await;
}
