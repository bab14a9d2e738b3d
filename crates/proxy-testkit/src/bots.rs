//! Simulated bots with traffic of their own, for the demo: each connects, plays in a few guilds, and keeps changing
//! things at a quiet pace until told to stop. They work against any Lavalink address.
//!
//! Bots are no load generator, and they check nothing: what fails is counted, and tried again a little later.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinHandle, time::sleep};

use crate::client::{Protocol, TestClient, voice};

/// Pause before connecting again after a failure.
const RECONNECT_PAUSE: Duration = Duration::from_secs(2);

/// How a bot behaves.
#[derive(Clone, Debug)]
pub struct BotOptions {
    /// Address of the proxy or node.
    pub url: String,
    /// Password.
    pub password: String,
    /// The bot's user id; its guilds are numbered from it, so that no two bots share one.
    pub user_id: u64,
    /// Protocol that it speaks.
    pub protocol: Protocol,
    /// In how many guilds it plays.
    pub players: usize,
    /// Time between two actions, give or take a half.
    pub pace: Duration,
    /// What it loads and plays, chosen at random.
    pub identifiers: Vec<String>,
    /// Discord voice server that it names; `None` = one that a simulated node is content with.
    pub voice_endpoint: Option<String>,
}

impl BotOptions {
    /// A bot with three players that does something every two seconds, with tracks of a simulated node.
    pub fn new(url: &str, password: &str, user_id: u64, protocol: Protocol) -> Self {
        let names = ["morning", "evening", "rain", "harbour", "static"];
        Self {
            url: url.to_owned(),
            password: password.to_owned(),
            user_id,
            protocol,
            players: 3,
            pace: Duration::from_secs(2),
            identifiers: names.map(|name| format!("sim:track:{name}:40000")).to_vec(),
            voice_endpoint: None,
        }
    }
}

/// What a bot has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BotFigures {
    /// Connections made.
    pub connects: u64,
    /// Of these, sessions resumed.
    pub resumed: u64,
    /// Actions carried out.
    pub actions: u64,
    /// Actions and connection attempts that failed.
    pub failures: u64,
}

#[derive(Debug, Default)]
struct Counters {
    connects: AtomicU64,
    resumed: AtomicU64,
    actions: AtomicU64,
    failures: AtomicU64,
}

impl Counters {
    fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// A running bot. Dropping it drops its connections.
#[derive(Debug)]
pub struct Bot {
    counters: Arc<Counters>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Bot {
    /// Starts a bot on the current runtime.
    pub fn start(options: BotOptions) -> Self {
        let counters = Arc::new(Counters::default());
        let (stop, stopped) = watch::channel(false);
        let life = live(options, Arc::clone(&counters), stopped);
        Self {
            counters,
            stop,
            task: tokio::spawn(life),
        }
    }

    /// What it has done so far.
    pub fn figures(&self) -> BotFigures {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        BotFigures {
            connects: read(&self.counters.connects),
            resumed: read(&self.counters.resumed),
            actions: read(&self.counters.actions),
            failures: read(&self.counters.failures),
        }
    }

    /// Makes it disconnect in order, and waits for that.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        // It cannot have panicked in a way that matters to who stops it.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Connects again and again until stopped.
async fn live(options: BotOptions, counters: Arc<Counters>, mut stopped: watch::Receiver<bool>) {
    let mut client: Option<TestClient> = None;
    while !*stopped.borrow() {
        let pause = match connect(&options, client.take(), &counters).await {
            Ok(connected) => {
                play_until_closed(&options, &connected, &counters, &mut stopped).await;
                client = Some(connected);
                Duration::from_millis(500)
            }
            Err(error) => {
                Counters::add(&counters.failures);
                tracing::debug!(user = options.user_id, error = %format!("{error:#}"), "bot could not connect");
                RECONNECT_PAUSE
            }
        };
        tokio::select! {
            () = sleep(pause) => {}
            _ = stopped.changed() => {}
        }
    }
    if let Some(client) = client {
        client.disconnect().await;
    }
}

/// Connects, with the session of the connection before if there was one.
async fn connect(options: &BotOptions, last: Option<TestClient>, counters: &Counters) -> anyhow::Result<TestClient> {
    let mut builder = TestClient::builder(options.protocol, &options.url, &options.password, options.user_id)
        .client_name(Some("sim-bot/1.0"));
    let key = match options.protocol {
        Protocol::V4 => last.map(|client| client.session_id()),
        Protocol::V3Ops | Protocol::V3Rest => Some(resume_key(options)),
    };
    if let Some(key) = key {
        builder = builder.resume(key);
    }
    let client = builder.connect().await?;
    Counters::add(&counters.connects);
    if client.handshake_header("session-resumed").as_deref() == Some("true") {
        Counters::add(&counters.resumed);
    }
    match options.protocol {
        Protocol::V4 => drop(client.update_session(&json!({"resuming": true, "timeout": 60})).await?),
        Protocol::V3Rest => {
            client
                .update_session(&json!({"resumingKey": resume_key(options), "timeout": 60}))
                .await?;
        }
        Protocol::V3Ops => {
            let op = json!({"op": "configureResuming", "key": resume_key(options), "timeout": 60});
            client.op(&op).await?;
        }
    }
    Ok(client)
}

fn resume_key(options: &BotOptions) -> String {
    format!("sim-bot-{}", options.user_id)
}

/// Acts at the bot's pace until the socket is closed or the bot is stopped.
async fn play_until_closed(
    options: &BotOptions,
    client: &TestClient,
    counters: &Counters,
    stopped: &mut watch::Receiver<bool>,
) {
    let mut started = 0;
    while client.ended().is_none() && !*stopped.borrow() {
        let action = if started < options.players {
            started += 1;
            play(options, client, guild(options, started - 1)).await
        } else {
            act(options, client).await
        };
        // Nobody reads what a bot receives.
        client.clear_messages();
        match action {
            Ok(()) => Counters::add(&counters.actions),
            Err(error) => {
                Counters::add(&counters.failures);
                tracing::debug!(user = options.user_id, error = %format!("{error:#}"), "bot action failed");
            }
        }
        tokio::select! {
            () = sleep(options.pace.mul_f64(0.5 + fastrand::f64())) => {}
            _ = client.wait_ended(Duration::from_secs(3600)) => {}
            _ = stopped.changed() => {}
        }
    }
}

/// The guild of the bot's player number `index`: like a snowflake, and unique among bots of small user ids.
fn guild(options: &BotOptions, index: usize) -> i64 {
    let base = 100_000_000_000_000_000_i64;
    let bot = i64::try_from(options.user_id % 1_000_000_000).unwrap_or(0);
    base + bot * 1_000_000 + i64::try_from(index).unwrap_or(0)
}

/// One thing that bots do now and then.
async fn act(options: &BotOptions, client: &TestClient) -> anyhow::Result<()> {
    let guild = guild(options, fastrand::usize(..options.players.max(1)));
    match fastrand::u8(..10) {
        0..=2 => play(options, client, guild).await,
        3 | 4 => {
            let found = client.load(&format!("ytsearch:song {}", fastrand::u8(..))).await?;
            anyhow::ensure!(found.status == 200, "load answered {}", found.status);
            Ok(())
        }
        5 | 6 => {
            update(
                options,
                client,
                guild,
                &json!({"volume": fastrand::u8(20..150)}),
                "volume",
            )
            .await
        }
        7 => {
            update(
                options,
                client,
                guild,
                &json!({"position": fastrand::u16(..20_000)}),
                "seek",
            )
            .await
        }
        8 => {
            let filters = json!({"filters": {"timescale": {"speed": 1.0 + f64::from(fastrand::u8(..5)) / 10.0}}});
            update(options, client, guild, &filters, "filters").await
        }
        _ => {
            update(options, client, guild, &json!({"paused": true}), "pause").await?;
            sleep(options.pace / 2).await;
            update(options, client, guild, &json!({"paused": false}), "pause").await
        }
    }
}

/// Loads one of the bot's tracks and plays it, with the voice state that a first play needs.
async fn play(options: &BotOptions, client: &TestClient, guild: i64) -> anyhow::Result<()> {
    let index = fastrand::usize(..options.identifiers.len().max(1));
    let Some(identifier) = options.identifiers.get(index) else {
        return Ok(());
    };
    let encoded = client.load_encoded(identifier).await?;
    let mut voice = voice(guild, options.protocol == Protocol::V4);
    if let Some(endpoint) = &options.voice_endpoint {
        voice["endpoint"] = json!(endpoint);
    }
    match options.protocol {
        Protocol::V4 => patch(client, guild, &json!({"voice": voice, "track": {"encoded": encoded}})).await,
        Protocol::V3Rest => patch(client, guild, &json!({"voice": voice, "encodedTrack": encoded})).await,
        Protocol::V3Ops => {
            let guild = guild.to_string();
            let event = json!({"token": voice["token"], "guild_id": guild, "endpoint": voice["endpoint"]});
            let session = &voice["sessionId"];
            client
                .op(&json!({"op": "voiceUpdate", "guildId": guild, "sessionId": session, "event": event}))
                .await?;
            client
                .op(&json!({"op": "play", "guildId": guild, "track": encoded}))
                .await
        }
    }
}

/// Changes a player: by REST, or by the op of that name with the body's fields in it.
async fn update(options: &BotOptions, client: &TestClient, guild: i64, body: &Value, op: &str) -> anyhow::Result<()> {
    if options.protocol != Protocol::V3Ops {
        return patch(client, guild, body).await;
    }
    let mut message = json!({"op": op, "guildId": guild.to_string()});
    for (name, value) in body.as_object().into_iter().flatten() {
        match (name.as_str(), value.as_object()) {
            ("filters", Some(filters)) => filters.iter().for_each(|(name, value)| message[name] = value.clone()),
            ("paused", _) => message["pause"] = value.clone(),
            _ => message[name] = value.clone(),
        }
    }
    client.op(&message).await
}

async fn patch(client: &TestClient, guild: i64, body: &Value) -> anyhow::Result<()> {
    let answer = client.patch_player(guild, body).await?;
    anyhow::ensure!(
        answer.status == 200,
        "player update answered {} {}",
        answer.status,
        answer.text()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]

    use super::*;
    use crate::{
        sim::{SimGeneration, SimNode},
        wait_until,
    };

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn bots_of_every_protocol_play_and_return_after_the_node_dropped_them() {
        let cases = [
            (SimGeneration::Legacy, Protocol::V3Ops),
            (SimGeneration::V3_7, Protocol::V3Ops),
            (SimGeneration::V3_7, Protocol::V3Rest),
            (SimGeneration::V4_2, Protocol::V4),
        ];
        for (generation, protocol) in cases {
            let node = SimNode::builder().generation(generation).start().await.unwrap();
            let mut options = BotOptions::new(&node.url(), node.password(), 7, protocol);
            options.pace = Duration::from_millis(10);
            let bot = Bot::start(options);
            let playing = || node.sessions().iter().any(|session| session.guilds.len() == 3);
            wait_until(SOON, || playing() && bot.figures().actions > 8).await;
            let id = node.sessions()[0].id.clone();
            assert!(node.drop_session_socket(&id));
            wait_until(SOON, || bot.figures().resumed == 1).await;
            wait_until(SOON, playing).await;
            assert_eq!(bot.figures().connects, 2, "{protocol:?}");
            bot.stop().await;
            wait_until(SOON, || node.sessions().iter().all(|session| session.parked)).await;
        }
    }

    #[tokio::test]
    async fn a_bot_keeps_trying_while_nothing_listens() {
        let node = SimNode::builder().start().await.unwrap();
        node.die();
        let bot = Bot::start(BotOptions::new(&node.url(), node.password(), 7, Protocol::V4));
        wait_until(SOON, || bot.figures().failures > 0).await;
        node.revive().unwrap();
        wait_until(SOON, || bot.figures().connects == 1).await;
        bot.stop().await;
    }
}
