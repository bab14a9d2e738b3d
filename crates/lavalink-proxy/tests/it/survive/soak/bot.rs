//! A bot with many guilds: it plays the next track when one is over, and its client comes and goes.
//!
//! It never leaves without having read what was written to it: what is in a socket that its client throws away is lost,
//! with the proxy as with Lavalink, and nobody could tell that from a loss of the proxy's own.

use std::sync::Arc;
use std::time::Duration;

use proxy_testkit::TestClient;
use proxy_testkit::client::voice;
use serde_json::{Value, json};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::books::Books;
use super::{CALM, guilds};
use crate::support::{BOT, PASSWORD};

/// A bot that runs by itself.
pub(super) struct Bot {
    client: Arc<Mutex<Arc<TestClient>>>,
    /// Set when it is to play nothing new and to stay.
    rest: watch::Sender<bool>,
    /// Whether it has come to rest.
    resting: watch::Receiver<bool>,
}

/// What its task works with.
struct Life {
    url: String,
    user: u64,
    client: Arc<Mutex<Arc<TestClient>>>,
    books: Arc<Books>,
    rng: fastrand::Rng,
    plays: JoinSet<()>,
    /// What is over is not followed by anything.
    resting: bool,
}

impl Bot {
    /// Starts with a track in every guild, which may not have begun yet.
    pub(super) async fn start(url: &str, number: u64, books: Arc<Books>, rng: fastrand::Rng) -> Self {
        let user = BOT + number;
        let client = TestClient::v4(url, PASSWORD, user).connect().await.unwrap();
        let answer = client.update_session(&json!({"resuming": true, "timeout": 60})).await;
        assert_eq!(answer.unwrap().status, 200);
        let client = Arc::new(Mutex::new(Arc::new(client)));
        let (rest, resting) = (watch::Sender::new(false), watch::Sender::new(false));
        let mut life = Life {
            url: url.to_owned(),
            user,
            client: Arc::clone(&client),
            books,
            rng,
            plays: JoinSet::new(),
            resting: false,
        };
        for guild in guilds(number) {
            life.play(guild).await;
        }
        let bot = Self {
            client,
            rest: rest.clone(),
            resting: resting.subscribe(),
        };
        tokio::spawn(life.run(rest.subscribe(), resting));
        bot
    }

    /// Whether nothing that it met so far made it give up.
    pub(super) fn is_well(&self) -> bool {
        self.resting.has_changed().is_ok()
    }

    /// Waits until it does nothing new any more and its client is connected; it listens on.
    pub(super) async fn come_to_rest(&self) {
        self.rest.send_replace(true);
        let rested = self.resting.clone().wait_for(|rested| *rested).await.map(drop);
        rested.expect("the bot's task is well");
    }

    /// Its client closes, and will not be back.
    pub(super) async fn leave_for_good(self) {
        let client = Arc::clone(&*self.client.lock().await);
        client.update_session(&json!({"resuming": false})).await.unwrap();
        client.disconnect().await;
    }
}

impl Life {
    async fn run(mut self, rest: watch::Receiver<bool>, resting: watch::Sender<bool>) {
        let mut next_absence = self.next_absence();
        loop {
            self.listen(Duration::from_millis(50)).await;
            while self.plays.try_join_next().is_some_and(|played| {
                played.unwrap();
                true
            }) {}
            self.resting = *rest.borrow();
            if self.resting && self.plays.is_empty() {
                resting.send_replace(true);
            }
            if !self.resting && Instant::now() >= next_absence {
                self.come_back().await;
                next_absence = self.next_absence();
            }
        }
    }

    fn next_absence(&mut self) -> Instant {
        Instant::now() + Duration::from_millis(self.rng.u64(2_000..12_000))
    }

    /// Takes what has come, and plays where a track is over.
    async fn listen(&mut self, within: Duration) {
        let client = Arc::clone(&*self.client.lock().await);
        let mut wait = within;
        while let Ok(message) = client.wait_for(|_| true, wait).await {
            if let Some(guild) = self.books.heard(&message)
                && !self.resting
            {
                self.play(guild).await;
            }
            // The rest of what is there already.
            wait = Duration::ZERO;
        }
    }

    /// Plays the next track of a guild: half of the guilds have short ones.
    async fn play(&mut self, guild: i64) {
        let length = if guild % 2 == 0 {
            3_600_000
        } else {
            self.rng.u64(4_000..15_000)
        };
        let client = Arc::clone(&*self.client.lock().await);
        let books = Arc::clone(&self.books);
        self.plays.spawn(async move {
            let deadline = Instant::now() + CALM;
            let encoded = loop {
                match client.load_encoded(&format!("sim:track:t{guild}:{length}")).await {
                    Ok(encoded) => break encoded,
                    Err(error) => assert!(Instant::now() < deadline, "{error:#}"),
                }
                books.note("loads that failed");
                sleep(Duration::from_millis(100)).await;
            };
            let update = json!({"track": {"encoded": encoded}, "voice": voice(guild, true)});
            let mut answer = client.patch_player(guild, &update).await.unwrap();
            // No node in time, or no answer. It may have been done all the same, so it must not replace what plays.
            while matches!(answer.status, 503 | 504) && Instant::now() < deadline {
                books.note("updates sent again");
                let again = format!("{guild}?noReplace=true");
                answer = client.patch_player(again, &update).await.unwrap();
            }
            assert_eq!(answer.status, 200, "guild {guild}: {}", answer.text());
            let playing: Value = answer.json();
            let wanted = format!("https://sim.invalid/track/t{guild}");
            assert_eq!(playing["track"]["info"]["uri"], json!(wanted), "guild {guild}");
            books.played(guild);
        });
    }

    /// The client leaves and comes back, or another one takes its place.
    async fn come_back(&mut self) {
        let client = Arc::clone(&*self.client.lock().await);
        if self.rng.bool() {
            // A session whose client is away takes no requests, as in Lavalink.
            while let Some(played) = self.plays.join_next().await {
                played.unwrap();
            }
            client.disconnect().await;
            sleep(Duration::from_millis(self.rng.u64(..3_000))).await;
            assert!(client.resume().await.unwrap(), "the session is resumed");
            self.books.note("clients that came back");
            return;
        }
        let second = TestClient::v4(&self.url, PASSWORD, self.user);
        let second = second.resume(client.session_id()).connect().await.unwrap();
        assert!(second.resumed(), "the session is resumed");
        assert!(client.wait_ended(CALM).await.is_some(), "the first socket is closed");
        self.listen(Duration::ZERO).await;
        *self.client.lock().await = Arc::new(second);
        self.books.note("clients that took over");
    }
}
