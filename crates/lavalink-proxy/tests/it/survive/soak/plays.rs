//! Playing the next track of a guild, whatever becomes of the request: it is sent again until its answer is there, and
//! so that it cannot replace what it has started already.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use proxy_testkit::TestClient;
use proxy_testkit::client::voice;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::CALM;
use super::books::Books;
use super::runs::Outages;

/// No track is shorter, in milliseconds.
pub(super) const SHORTEST: u64 = 4_000;

/// See the module.
pub(super) struct Play {
    pub(super) guild: i64,
    /// The track's name.
    pub(super) name: String,
    pub(super) length: u64,
    pub(super) client: Arc<TestClient>,
    pub(super) books: Arc<Books>,
    pub(super) outages: Arc<Outages>,
    /// After how many outages the client is connected.
    pub(super) back: watch::Receiver<usize>,
    /// Set when an end of the track is heard, which may be sooner than the answer.
    pub(super) over: Arc<OnceLock<Instant>>,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Played {
    pub(super) guild: i64,
    /// When it was answered, if it began with another try than the first: what was heard to end so soon had been begun by
    /// an earlier one.
    pub(super) again: Option<Instant>,
}

impl Played {
    /// Whether an end that was heard then is that of an earlier try.
    pub(super) fn ended_before(&self, heard: Instant) -> bool {
        self.again
            .is_some_and(|answered| heard < answered + Duration::from_millis(SHORTEST))
    }
}

impl Play {
    pub(super) async fn run(mut self) -> Played {
        let deadline = Instant::now() + CALM;
        let encoded = self.load(deadline).await;
        let update = json!({"track": {"encoded": encoded}, "voice": voice(self.guild, true)});
        let mut target = self.guild.to_string();
        let (guild, mut again) = (self.guild, false);
        let begun = loop {
            if let Some(begun) = self.send(&target, &update).await {
                break begun;
            }
            assert!(Instant::now() < deadline, "guild {guild} gets no answer");
            self.connected().await;
            sleep(Duration::from_millis(100)).await;
            if self.over.get().is_some() {
                // It was done, and is over by now.
                self.books.played(guild);
                return Played { guild, again: None };
            }
            // It may have been done, so it must not replace what plays.
            (again, target) = (true, format!("{guild}?noReplace=true"));
        };
        self.books.played(guild);
        let again = (again && begun).then(Instant::now);
        Played { guild, again }
    }

    /// One try: whether the track began with it. `None` when there is no node in time, or no answer of one, or the program
    /// was killed.
    async fn send(&self, target: &str, update: &Value) -> Option<bool> {
        let (run, sent) = (*self.back.borrow(), Instant::now());
        let answer = self.client.patch_player(target, update).await;
        let killed = || self.outages.count() > run;
        match answer {
            Ok(answer) if answer.status == 200 => {
                let player = answer.json();
                assert_eq!(player["track"]["info"]["uri"], json!(uri(&self.name)));
                let position = player["state"]["position"].as_u64().unwrap();
                return Some(u128::from(position) <= sent.elapsed().as_millis());
            }
            Ok(answer) if matches!(answer.status, 502..=504) => self.books.note("updates sent again"),
            // Also 404 meanwhile: the next run does not take requests for a session before its client is back.
            answer if killed() => {
                let cut_off = answer.is_err() || answer.is_ok_and(|answer| answer.status == 404);
                assert!(cut_off, "guild {target}");
                self.books.note("updates cut off by a kill");
            }
            answer => panic!("guild {target}: {answer:?}"),
        }
        None
    }

    /// Waits until the client is connected to the newest run of the program.
    async fn connected(&mut self) {
        let outages = &self.outages;
        let back = self.back.wait_for(|run| *run >= outages.count()).await.map(drop);
        back.expect("the bot's task is well");
    }

    async fn load(&self, deadline: Instant) -> String {
        let identifier = format!("sim:track:{}:{}", self.name, self.length);
        loop {
            match self.client.load_encoded(&identifier).await {
                Ok(encoded) => return encoded,
                Err(error) => assert!(Instant::now() < deadline, "{error:#}"),
            }
            self.books.note("loads that failed");
            sleep(Duration::from_millis(100)).await;
        }
    }
}

/// The address of a track.
pub(super) fn uri(name: &str) -> String {
    format!("https://sim.invalid/track/{name}")
}
