//! Scenes with voice: a client's life, ends and failures of tracks, resuming, several players.

use serde_json::json;
use tokio_tungstenite::tungstenite::{Message, protocol::CloseFrame};

use super::{bot::Bot, nodes::Node, transcript::Step};

/// A player's whole life.
pub(crate) async fn life(node: &Node) -> Vec<Step> {
    const GUILD: u64 = 4_001;
    let mut bot = Bot::connected(node, "life", 40).await;
    let encoded = bot.load(&node.stage.long_file()).await;
    bot.request("no players", "GET", "/v4/sessions/{session}/players", None)
        .await;
    bot.get_player("no player", GUILD).await;
    let voice = json!({"voice": node.stage.voice(GUILD, 0)});
    bot.patch("voice", GUILD, &voice).await;
    bot.connection_state(GUILD, true).await;
    bot.patch("the same voice", GUILD, &voice).await;
    let play = json!({"track": {"encoded": encoded, "userData": {"by": 7}}, "volume": 50});
    bot.patch("play", GUILD, &play).await;
    bot.event("TrackStartEvent", GUILD, 1).await;
    bot.played_to(GUILD, 1_000).await;
    bot.get_player("playing", GUILD).await;
    bot.patch("pause", GUILD, &json!({"paused": true})).await;
    bot.get_player("paused", GUILD).await;
    bot.patch("seek", GUILD, &json!({"position": 20_000})).await;
    bot.get_player("sought", GUILD).await;
    bot.patch("resume", GUILD, &json!({"paused": false})).await;
    bot.played_to(GUILD, 20_500).await;
    bot.patch("volume", GUILD, &json!({"volume": 150})).await;
    bot.patch(
        "filters",
        GUILD,
        &json!({"filters": {"volume": 0.5, "equalizer": [{"band": 0, "gain": 0.1}]}}),
    )
    .await;
    bot.get_player("filtered", GUILD).await;
    let other = json!({"track": {"encoded": encoded}, "volume": 90});
    bot.patch_with("play without replacing", GUILD, "?noReplace=true", &other)
        .await;
    bot.patch("replace", GUILD, &other).await;
    bot.event("TrackStartEvent", GUILD, 2).await;
    bot.request("players", "GET", "/v4/sessions/{session}/players", None)
        .await;
    bot.patch(
        "play by identifier",
        GUILD,
        &json!({"track": {"identifier": node.stage.long_file()}}),
    )
    .await;
    bot.event("TrackStartEvent", GUILD, 3).await;
    bot.patch("stop", GUILD, &json!({"track": {"encoded": null}})).await;
    bot.event("TrackEndEvent", GUILD, 3).await;
    bot.get_player("stopped", GUILD).await;
    bot.patch("stop again", GUILD, &json!({"encodedTrack": null})).await;
    bot.patch(
        "play in mid-track",
        GUILD,
        &json!({"encodedTrack": encoded, "position": 40_000}),
    )
    .await;
    bot.played_to(GUILD, 40_300).await;
    bot.note_messages().await;
    bot.destroy_and_wait("destroy", GUILD, 1).await;
    bot.get_player("destroyed", GUILD).await;
    bot.into_steps()
}

/// Tracks that end by themselves, at their end and at an end marker.
pub(crate) async fn ends(node: &Node) -> Vec<Step> {
    const GUILD: u64 = 4_101;
    let mut bot = Bot::connected(node, "ends", 41).await;
    let (short, long) = (node.stage.short_file(), node.stage.long_file());
    let (short, long) = (bot.load(&short).await, bot.load(&long).await);
    let play = json!({"voice": node.stage.voice(GUILD, 0), "track": {"encoded": short}});
    bot.patch("voice and play", GUILD, &play).await;
    bot.event("TrackEndEvent", GUILD, 1).await;
    bot.get_player("finished", GUILD).await;
    bot.patch(
        "play to a marker",
        GUILD,
        &json!({"track": {"encoded": long}, "position": 10_000, "endTime": 11_000}),
    )
    .await;
    bot.event("TrackEndEvent", GUILD, 2).await;
    bot.get_player("marked", GUILD).await;
    bot.patch("play", GUILD, &json!({"track": {"encoded": long}})).await;
    bot.played_to(GUILD, 1_000).await;
    bot.patch("a marker that has passed", GUILD, &json!({"endTime": 1}))
        .await;
    bot.patch("seek to the end", GUILD, &json!({"position": 58_000})).await;
    bot.event("TrackEndEvent", GUILD, 3).await;
    bot.note_messages().await;
    bot.destroy_and_wait("destroy", GUILD, 1).await;
    bot.into_steps()
}

/// Tracks that cannot be played.
pub(crate) async fn failures(node: &Node) -> Vec<Step> {
    const GUILD: u64 = 4_201;
    let mut bot = Bot::connected(node, "failures", 42).await;
    let play = json!({
        "voice": node.stage.voice(GUILD, 0), "track": {"encoded": node.failing_track(), "userData": {"a": 1}},
    });
    bot.patch("voice and play", GUILD, &play).await;
    bot.event("TrackEndEvent", GUILD, 1).await;
    bot.get_player("failed", GUILD).await;
    let identifier = json!({"track": {"identifier": node.failing_identifier()}});
    bot.patch("play what fails to load", GUILD, &identifier).await;
    bot.note_messages().await;
    bot.destroy_and_wait("destroy", GUILD, 1).await;
    bot.into_steps()
}

/// Voice connections that move, end and fail.
pub(crate) async fn voices(node: &Node) -> Vec<Step> {
    const GUILD: u64 = 4_301;
    let mut bot = Bot::connected(node, "voices", 43).await;
    let encoded = bot.load(&node.stage.long_file()).await;
    let voice = |nth| json!({"voice": node.stage.voice(GUILD, nth)});
    bot.patch("play without a voice", GUILD, &json!({"track": {"encoded": encoded}}))
        .await;
    bot.event("TrackStartEvent", GUILD, 1).await;
    bot.get_player("it stands still", GUILD).await;
    bot.patch("voice", GUILD, &voice(0)).await;
    bot.connection_state(GUILD, true).await;
    bot.patch("another voice server", GUILD, &voice(1)).await;
    bot.event("WebSocketClosedEvent", GUILD, 1).await;
    bot.connection_state(GUILD, true).await;
    let session = bot.session.clone();
    node.close_voice(&session, GUILD, 4014, "Disconnected.");
    bot.event("WebSocketClosedEvent", GUILD, 2).await;
    bot.connection_state(GUILD, false).await;
    bot.get_player("without a voice", GUILD).await;
    bot.patch("voice again", GUILD, &voice(2)).await;
    bot.connection_state(GUILD, true).await;
    let mut refused = voice(3);
    refused["voice"]["token"] = json!("refused");
    bot.patch("a token that is refused", GUILD, &refused).await;
    node.voice_is_refused(&session, GUILD);
    bot.event("WebSocketClosedEvent", GUILD, 4).await;
    bot.connection_state(GUILD, false).await;
    bot.get_player("after the refusal", GUILD).await;
    bot.patch("and back", GUILD, &voice(3)).await;
    bot.connection_state(GUILD, true).await;
    bot.note_messages().await;
    bot.destroy_and_wait("destroy", GUILD, 5).await;
    bot.into_steps()
}

/// Two players of one session do not mix.
pub(crate) async fn two_players(node: &Node) -> Vec<Step> {
    const GUILDS: [u64; 2] = [4_401, 4_402];
    let mut bot = Bot::connected(node, "two players", 44).await;
    let encoded = bot.load(&node.stage.long_file()).await;
    for guild in GUILDS {
        let play =
            json!({"voice": node.stage.voice(guild, 0), "track": {"encoded": encoded, "userData": {"in": guild}}});
        bot.patch(&format!("play in {guild}"), guild, &play).await;
        bot.event("TrackStartEvent", guild, 1).await;
    }
    bot.patch("pause one", GUILDS[0], &json!({"paused": true, "volume": 10}))
        .await;
    for guild in GUILDS {
        bot.get_player(&format!("player of {guild}"), guild).await;
    }
    bot.note_messages().await;
    bot.destroy_and_wait("destroy one", GUILDS[0], 1).await;
    bot.request("the other is left", "GET", "/v4/sessions/{session}/players", None)
        .await;
    bot.send(Message::text(r#"{"op":"stop","guildId":"4402"}"#)).await;
    bot.get_player("a text changes nothing", GUILDS[1]).await;
    bot.destroy_and_wait("destroy the other", GUILDS[1], 1).await;
    bot.send(Message::Close(Some(CloseFrame {
        code: 1000.into(),
        reason: "bye".into(),
    })))
    .await;
    bot.note_end("the end").await;
    bot.request("the session is gone", "GET", "/v4/sessions/{session}/players", None)
        .await;
    bot.into_steps()
}

/// A socket that is lost while a track ends, and comes back.
pub(crate) async fn resuming(node: &Node) -> Vec<Step> {
    const GUILDS: [u64; 2] = [4_501, 4_502];
    let mut bot = Bot::connected(node, "resuming", 45).await;
    let (short, long) = (node.stage.short_file(), node.stage.long_file());
    let (short, long) = (bot.load(&short).await, bot.load(&long).await);
    let resuming = json!({"resuming": true, "timeout": 30});
    bot.request("ask for it", "PATCH", "/v4/sessions/{session}", Some(&resuming))
        .await;
    for (guild, encoded) in GUILDS.into_iter().zip([&short, &long]) {
        let play = json!({"voice": node.stage.voice(guild, 0), "track": {"encoded": encoded}, "volume": 70});
        bot.patch(&format!("play in {guild}"), guild, &play).await;
        bot.event("TrackStartEvent", guild, 1).await;
    }
    bot.drop_socket();
    // Longer than the short track, so that its end is queued.
    tokio::time::sleep(std::time::Duration::from_millis(3_500)).await;
    bot.get_player("away", GUILDS[1]).await;
    let session = bot.session.clone();
    bot.connect("return", Some(&session)).await;
    bot.event("TrackEndEvent", GUILDS[0], 1).await;
    bot.connection_state(GUILDS[1], true).await;
    for guild in GUILDS {
        bot.get_player(&format!("player of {guild}"), guild).await;
    }
    bot.request(
        "still on",
        "PATCH",
        "/v4/sessions/{session}",
        Some(&json!({"timeout": 1})),
    )
    .await;
    bot.note_messages().await;
    bot.drop_socket();
    // Longer than the second that it is kept.
    tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
    let old = bot.session.clone();
    bot.connect("too late", Some(&old)).await;
    bot.request("nothing is left", "GET", "/v4/sessions/{session}/players", None)
        .await;
    bot.into_steps()
}

/// Sockets that a node closes, or that their client closes.
pub(crate) async fn sockets(node: &Node) -> Vec<Step> {
    let mut bot = Bot::connected(node, "sockets", 46).await;
    bot.send(Message::text("not json")).await;
    bot.send(Message::Ping("a".into())).await;
    bot.send(Message::binary(vec![1u8])).await;
    bot.note_end("after a binary frame").await;
    bot.connect("again", None).await;
    bot.send(Message::Close(None)).await;
    bot.note_end("after a close without a code").await;
    bot.note_messages().await;
    bot.into_steps()
}
