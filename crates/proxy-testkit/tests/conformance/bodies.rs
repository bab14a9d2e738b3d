//! Player and session updates of every kind, sent one after the other to one player that has no voice connection.

use serde_json::{Value, json};

use super::{bot::Bot, nodes::Node, transcript::Step};

const GUILD: u64 = 3_001;

/// Bodies that say nothing of tracks. Each is followed by the next on the same player.
fn plain_bodies() -> Vec<Value> {
    vec![
        json!({}),
        json!({"unknown": 1}),
        json!([]),
        json!("text"),
        json!(null),
        json!({"volume": 50}),
        json!({"volume": 0}),
        json!({"volume": -5}),
        json!({"volume": 5_000}),
        json!({"volume": "50"}),
        json!({"volume": "loud"}),
        json!({"volume": 2.5}),
        json!({"volume": 100.0}),
        json!({"volume": null}),
        json!({"volume": true}),
        json!({"volume": 99_999_999_999_i64}),
        json!({"paused": true}),
        json!({"paused": false}),
        json!({"paused": "true"}),
        json!({"paused": "yes"}),
        json!({"paused": 1}),
        json!({"paused": null}),
        json!({"position": 3_000}),
        json!({"position": "0"}),
        json!({"position": -1}),
        json!({"position": 1.5}),
        json!({"position": null}),
        json!({"endTime": 0}),
        json!({"endTime": -1}),
        json!({"endTime": null}),
        json!({"endTime": 1_000}),
        json!({"endTime": "1000"}),
    ]
}

/// Every filter, with every field, with none, with what may not be.
fn filter_bodies() -> Vec<Value> {
    let alone = [
        json!({"volume": 0.5}),
        json!({"volume": 1}),
        json!({"volume": "0.5"}),
        json!({"volume": 7.0}),
        json!({"volume": null}),
        json!({"equalizer": []}),
        json!({"equalizer": [{"band": 0, "gain": 0.2}, {"band": 14, "gain": -0.25}]}),
        json!({"equalizer": [{"band": 3}]}),
        json!({"equalizer": [{"gain": 0.1}]}),
        json!({"equalizer": [{"band": 15, "gain": 0.1}]}),
        json!({"equalizer": [{"band": -1, "gain": 0.1}]}),
        json!({"equalizer": [{"band": 1.5, "gain": 0.1}]}),
        json!({"equalizer": {}}),
        json!({"equalizer": null}),
        json!({"karaoke": {"level": 0.5, "monoLevel": 0.25, "filterBand": 200.0, "filterWidth": 90.0}}),
        json!({"timescale": {"speed": 1.5, "pitch": 0.75, "rate": 1.25}}),
        json!({"tremolo": {"frequency": 4.0, "depth": 0.75}}),
        json!({"vibrato": {"frequency": 4.0, "depth": 0.75}}),
        json!({"rotation": {"rotationHz": 0.25}}),
        json!({"distortion": {"sinOffset": 0.5, "sinScale": 0.5, "cosOffset": 0.5, "cosScale": 0.5, "tanOffset": 0.5,
            "tanScale": 0.5, "offset": 0.5, "scale": 0.5}}),
        json!({"channelMix": {"leftToLeft": 0.5, "leftToRight": 0.5, "rightToLeft": 0.5, "rightToRight": 0.5}}),
        json!({"lowPass": {"smoothing": 10.0}}),
        json!({"karaoke": {}}),
        json!({"timescale": {}}),
        json!({"tremolo": {}}),
        json!({"vibrato": {}}),
        json!({"rotation": {}}),
        json!({"distortion": {}}),
        json!({"channelMix": {}}),
        json!({"lowPass": {}}),
        json!({"karaoke": null, "timescale": null, "tremolo": null, "vibrato": null, "rotation": null}),
        json!({"distortion": null, "channelMix": null, "lowPass": null}),
        json!({"timescale": {"speed": "1.5"}}),
        json!({"timescale": {"speed": 2}}),
        json!({"timescale": {"speed": null}}),
        json!({"timescale": {"speed": "fast"}}),
        json!({"timescale": {"unknown": 1}}),
        json!({"timescale": []}),
        json!({"timescale": 1}),
        json!({"lowPass": {"smoothing": 10}, "unknown": {}}),
        json!({"pluginFilters": {}}),
        json!({"pluginFilters": {"echo": {"delay": 1}}}),
        json!({"pluginFilters": null}),
        json!({"volume": 0.75, "lowPass": {"smoothing": 5.5}, "equalizer": [{"band": 1, "gain": 0.5}]}),
        json!({}),
        json!([]),
        json!(null),
    ];
    alone.into_iter().map(|filters| json!({"filters": filters})).collect()
}

/// Voice states that do not get as far as a voice server.
fn voice_bodies() -> Vec<Value> {
    let state = |channel: Value| json!({"token": "t", "endpoint": "e", "sessionId": "s", "channelId": channel});
    let alone = [
        json!({}),
        json!({"token": "t", "endpoint": "e", "sessionId": "s"}),
        json!({"token": "", "endpoint": "e", "sessionId": "s", "channelId": "1"}),
        json!({"token": "t", "endpoint": " ", "sessionId": "s", "channelId": "1"}),
        json!({"token": "t", "endpoint": "e", "sessionId": null, "channelId": "1"}),
        json!({"token": 1, "endpoint": "e", "sessionId": "s", "channelId": "1"}),
        state(json!(null)),
        state(json!("")),
        state(json!("general")),
        json!("text"),
        json!(null),
    ];
    alone.into_iter().map(|voice| json!({"voice": voice})).collect()
}

/// What is said of tracks; `encoded` can be decoded.
fn track_bodies(encoded: &str) -> Vec<Value> {
    vec![
        json!({"track": {}}),
        json!({"track": null}),
        json!({"track": "text"}),
        json!({"track": {"encoded": 1}}),
        json!({"track": {"identifier": null}}),
        json!({"track": {"userData": null}}),
        json!({"track": {"userData": 1}}),
        json!({"track": {"encoded": encoded, "identifier": "a"}}),
        json!({"encodedTrack": encoded, "identifier": "a"}),
        json!({"track": {"encoded": encoded}, "encodedTrack": encoded}),
        json!({"track": {"userData": {}}, "identifier": "a"}),
        json!({"track": {"encoded": "AAAA"}}),
        json!({"track": {"encoded": "not base64!"}}),
        json!({"track": {"encoded": ""}}),
        json!({"track": {"identifier": "nothing-known"}}),
        json!({"track": {"identifier": ""}}),
        json!({"track": {"encoded": null}}),
        json!({"encodedTrack": null}),
        json!({"encodedTrack": encoded, "volume": 20, "paused": true}),
        json!({"track": {"userData": {"a": [1, null, "é"], "b": {"c": 1.5}}}}),
        json!({"position": 5_000}),
        json!({"endTime": 9_000}),
        json!({"endTime": 1}),
        json!({"track": {"encoded": "AAAA"}}),
        json!({"track": {"identifier": "nothing-known"}, "volume": 30}),
        json!({"track": {"encoded": encoded, "userData": {"second": true}}, "position": 2_000, "endTime": 30_000}),
        json!({"filters": {"volume": 0.5}}),
        json!({"filters": {}}),
        json!({"paused": true}),
        json!({"encodedTrack": null, "filters": {"volume": 0.5}}),
    ]
}

const QUERIES: [&str; 7] = [
    "?noReplace=true",
    "?noReplace=false",
    "?noReplace=TRUE",
    "?noReplace=",
    "?noReplace=1",
    "?noReplace=maybe",
    "?noreplace=true",
];

/// Player updates without a voice connection.
pub(crate) async fn player_updates(node: &Node) -> Vec<Step> {
    let mut bot = Bot::connected(node, "player updates", 30).await;
    let encoded = bot.load(&node.stage.long_file()).await;
    let plain = plain_bodies().into_iter().chain(voice_bodies());
    for (number, body) in plain.chain(track_bodies(&encoded)).enumerate() {
        let shown = body.to_string().replace(&encoded, "TRACK");
        bot.patch(&format!("{number} {shown}"), GUILD, &body).await;
        bot.get_player(&format!("{number} afterwards"), GUILD).await;
    }
    for query in QUERIES {
        bot.patch_with(query, GUILD, query, &json!({"track": {"encoded": encoded}}))
            .await;
    }
    bot.destroy("destroy", GUILD).await;
    bot.destroy("destroy again", GUILD).await;
    bot.get_player("gone", GUILD).await;
    for path in ["one", "-5", "99999999999999999999", "1.5", "%31"] {
        for method in ["GET", "PATCH", "DELETE"] {
            let body = (method == "PATCH").then(|| json!({}));
            let target = format!("/v4/sessions/{{session}}/players/{path}");
            bot.request(&format!("{method} guild {path}"), method, &target, body.as_ref())
                .await;
        }
    }
    bot.note_messages().await;
    bot.into_steps()
}

/// Filters, each replacing those before.
pub(crate) async fn filters(node: &Node) -> Vec<Step> {
    let mut bot = Bot::connected(node, "filters", 31).await;
    for (number, body) in filter_bodies().iter().enumerate() {
        bot.patch(&format!("{number} {body}"), GUILD + 1, body).await;
    }
    bot.get_player("afterwards", GUILD + 1).await;
    bot.note_messages().await;
    bot.into_steps()
}

/// Updates of the session itself.
pub(crate) async fn session_updates(node: &Node) -> Vec<Step> {
    let mut bot = Bot::connected(node, "session updates", 32).await;
    let bodies = [
        json!({}),
        json!({"resuming": true}),
        json!({"timeout": 5}),
        json!({"resuming": false, "timeout": 0}),
        json!({"resuming": "true"}),
        json!({"timeout": "7"}),
        json!({"timeout": -1}),
        json!({"timeout": 1.5}),
        json!({"timeout": null}),
        json!({"resuming": null}),
        json!({"resuming": 1}),
        json!({"resumingKey": "a", "unknown": 1}),
        json!([]),
        json!({"resuming": false}),
    ];
    for (number, body) in bodies.iter().enumerate() {
        bot.request(
            &format!("{number} {body}"),
            "PATCH",
            "/v4/sessions/{session}",
            Some(body),
        )
        .await;
    }
    bot.note_messages().await;
    bot.into_steps()
}
