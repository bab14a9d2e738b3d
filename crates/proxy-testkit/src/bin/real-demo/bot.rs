//! What plays in the demo: a published client library, or the test client where that cannot be had.

use std::{path::PathBuf, time::Duration};

use anyhow::{bail, ensure};
use proxy_testkit::{
    TestClient,
    real::{DriverInput, clients::PLAYER, process::Supervised, say_skipped},
};
use serde_json::{Value, json};
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep},
};

/// From the start of the client library to the start of its track.
const PLAYING_WITHIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);

/// What plays.
pub(crate) enum Bot {
    /// A published client library; it runs as a program of its own.
    Library {
        /// Its driver.
        driver: Supervised,
        /// The session that it was given.
        session: String,
    },
    /// The test client, where the library cannot be had.
    TestClient {
        /// The client.
        client: Box<TestClient>,
        /// Where it plays.
        guild: u64,
        /// The player update that plays.
        update: Value,
    },
}

impl Bot {
    /// Starts the library, or the test client, and waits until it plays. `folder` is for its log.
    pub(crate) async fn start(input: DriverInput, folder: PathBuf) -> anyhow::Result<Self> {
        let driver_input = input.clone();
        match spawn_blocking(move || PLAYER.start(&driver_input, &folder)).await? {
            Ok(driver) => Self::library(driver).await,
            Err(why) if why.is_failure() => Err(why.into()),
            Err(why) => {
                say_skipped(PLAYER.name, &format!("{why}; the test client takes its place"));
                Self::test_client(&input).await
            }
        }
    }

    /// Waits until the library's track has started.
    async fn library(mut driver: Supervised) -> anyhow::Result<Self> {
        let deadline = Instant::now() + PLAYING_WITHIN;
        loop {
            let log = driver.log();
            let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            if let Some(session) = lines.find_map(|line| line["session"].as_str().map(str::to_owned)) {
                return Ok(Self::Library { driver, session });
            }
            ensure_runs(&mut driver)?;
            ensure!(Instant::now() < deadline, "{} does not play:\n{log}", PLAYER.name);
            sleep(POLL).await;
        }
    }

    async fn test_client(input: &DriverInput) -> anyhow::Result<Self> {
        let url = format!("http://{}", input.address);
        let client = TestClient::v4(&url, &input.password, input.user_id).connect().await?;
        let encoded = client.load_encoded(&input.identifier).await?;
        let update = json!({"track": {"encoded": encoded}, "voice": input.voice.to_json()});
        let answer = client.patch_player(input.guild_id, &update).await?;
        ensure!(answer.status == 200, "the player was not updated: {}", answer.text());
        Ok(Self::TestClient {
            client: Box::new(client),
            guild: input.guild_id,
            update,
        })
    }

    /// What the demo calls it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Library { .. } => PLAYER.name,
            Self::TestClient { .. } => "the test client",
        }
    }

    /// The session that holds the player.
    pub(crate) fn session(&self) -> String {
        match self {
            Self::Library { session, .. } => session.clone(),
            Self::TestClient { client, .. } => client.session_id(),
        }
    }

    /// Fails when it has ended.
    pub(crate) fn still_runs(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Library { driver, .. } => ensure_runs(driver),
            Self::TestClient { client, .. } => match client.ended() {
                None => Ok(()),
                Some(how) => bail!("the test client's socket has ended: {how:?}"),
            },
        }
    }

    /// Starts the track again when it is over; a library's driver does so by itself.
    pub(crate) async fn play_again(&self, player: &Value) -> anyhow::Result<()> {
        if let Self::TestClient { client, guild, update } = self
            && player["track"].is_null()
        {
            client.patch_player(*guild, update).await?;
        }
        Ok(())
    }
}

fn ensure_runs(driver: &mut Supervised) -> anyhow::Result<()> {
    match driver.wait(Duration::ZERO)? {
        None => Ok(()),
        Some(status) => bail!("{} ended with {status}:\n{}", PLAYER.name, driver.log_tail()),
    }
}
