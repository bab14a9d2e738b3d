//! A bot with many guilds: it plays the next track when one is over, and its client comes and goes.
//!
//! Of every four guilds two play tracks that are long, one short ones, and one the same short one again and again.
//!
//! It never leaves without having read what was written to it: what is in a socket that its client throws away is lost,
//! with the proxy as with Lavalink, and nobody could tell that from a loss of the proxy's own.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use proxy_testkit::TestClient;
use serde_json::json;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::books::{Books, Over};
use super::plays::{Play, Played, SHORTEST, uri};
use super::runs::{Outages, Runs};
use super::{CALM, guilds, user};
use crate::support::PASSWORD;

/// A bot that runs by itself.
pub(super) struct Bot {
    client: Arc<Mutex<Arc<TestClient>>>,
    /// Set when it is to play nothing new and to stay.
    rest: watch::Sender<bool>,
    /// Whether it has come to rest.
    resting: watch::Receiver<bool>,
    back: watch::Receiver<usize>,
}

/// What its task works with.
struct Life {
    url: String,
    number: u64,
    client: Arc<Mutex<Arc<TestClient>>>,
    books: Arc<Books>,
    outages: Arc<Outages>,
    rng: fastrand::Rng,
    plays: JoinSet<Played>,
    /// Guilds whose next track is being asked for, and whether its end was heard already.
    asked: BTreeMap<i64, Arc<OnceLock<Instant>>>,
    /// Guilds whose track was asked for more than once.
    again: BTreeMap<i64, Played>,
    /// What was asked for last in each guild.
    names: BTreeMap<i64, String>,
    tracks: u32,
    /// After how many outages its client is connected.
    back: watch::Sender<usize>,
    /// What is over is not followed by anything.
    resting: bool,
}

impl Bot {
    /// Starts with a track in every guild, which may not have begun yet.
    pub(super) async fn start(runs: &Runs, number: u64, books: Arc<Books>, rng: fastrand::Rng) -> Self {
        let client = TestClient::v4(&runs.url, PASSWORD, user(number))
            .connect()
            .await
            .unwrap();
        let answer = client.update_session(&json!({"resuming": true, "timeout": 60})).await;
        assert_eq!(answer.unwrap().status, 200);
        let client = Arc::new(Mutex::new(Arc::new(client)));
        let (rest, resting) = (watch::Sender::new(false), watch::Sender::new(false));
        let mut life = Life {
            url: runs.url.clone(),
            number,
            client: Arc::clone(&client),
            books,
            outages: Arc::clone(&runs.outages),
            rng,
            plays: JoinSet::new(),
            asked: BTreeMap::new(),
            again: BTreeMap::new(),
            names: BTreeMap::new(),
            tracks: 0,
            back: watch::Sender::new(0),
            resting: false,
        };
        for guild in guilds(number) {
            life.play(guild).await;
        }
        let bot = Self {
            client,
            rest: rest.clone(),
            resting: resting.subscribe(),
            back: life.back.subscribe(),
        };
        tokio::spawn(life.run(rest.subscribe(), resting));
        bot
    }

    /// Whether nothing that it met so far made it give up.
    pub(super) fn is_well(&self) -> bool {
        self.resting.has_changed().is_ok()
    }

    /// After how many outages its client is connected.
    pub(super) fn is_back_after(&self) -> usize {
        *self.back.borrow()
    }

    /// Waits until it does nothing new any more and its client is connected; it listens on. False when it gave up.
    pub(super) async fn come_to_rest(&self) -> bool {
        self.rest.send_replace(true);
        self.resting.clone().wait_for(|rested| *rested).await.is_ok()
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
            self.take_answers().await;
            for over in self.books.take_overdue(&guilds(self.number)) {
                self.over(&over).await;
            }
            let client = Arc::clone(&*self.client.lock().await);
            if client.ended().is_some() {
                // `leave_for_good` is the end of it.
                if *resting.borrow() {
                    return;
                }
                self.find_the_next_run(&client).await;
                continue;
            }
            self.resting = *rest.borrow();
            if self.resting && self.plays.is_empty() {
                resting.send_replace(true);
            }
            if !self.resting && Instant::now() >= next_absence {
                self.come_back(&client).await;
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
        for over in self.read(&client, within).await {
            self.over(&over).await;
        }
    }

    /// Takes what has come; which tracks are over.
    async fn read(&self, client: &TestClient, within: Duration) -> Vec<Over> {
        let (mut wait, mut over) = (within, Vec::new());
        while let Ok(message) = client.wait_for(|_| true, wait).await {
            over.extend(self.books.heard(&message));
            // The rest of what is there already.
            wait = Duration::ZERO;
        }
        over
    }

    /// Requests to play that were answered, or found to be done.
    async fn take_answers(&mut self) {
        while let Some(played) = self.plays.try_join_next() {
            let played = played.unwrap();
            let over = self.asked.remove(&played.guild).and_then(|over| over.get().copied());
            self.again.insert(played.guild, played);
            if let Some(heard) = over {
                self.over_at(played.guild, heard).await;
            }
        }
    }

    /// An end was heard.
    async fn over(&mut self, over: &Over) {
        let (now, guild) = (Instant::now(), over.guild);
        // That of another track is none to act on, and the books complain.
        if self.names.get(&guild).is_none_or(|name| uri(name) != over.uri) {
            return;
        }
        match self.asked.get(&guild) {
            Some(heard) => _ = heard.set(now),
            None => self.over_at(guild, now).await,
        }
    }

    async fn over_at(&mut self, guild: i64, heard: Instant) {
        if self
            .again
            .remove(&guild)
            .is_some_and(|played| played.ended_before(heard))
        {
            // An earlier try had been done as well, so this was the first of two; the second plays.
            self.books.played_twice(guild);
            self.books.note("tracks played twice");
        } else if !self.resting {
            self.play(guild).await;
        }
    }

    /// Plays the next track of a guild.
    async fn play(&mut self, guild: i64) {
        self.tracks += 1;
        let new = format!("t{guild}-{}", self.tracks);
        let (name, length) = match guild % 4 {
            1 => ("again".to_owned(), SHORTEST + guild.unsigned_abs() % 7 * 1_000),
            3 => (new, self.rng.u64(SHORTEST..15_000)),
            _ => (new, 3_600_000),
        };
        let over = Arc::new(OnceLock::new());
        self.asked.insert(guild, Arc::clone(&over));
        self.names.insert(guild, name.clone());
        self.books.asked(guild, uri(&name));
        let play = Play {
            guild,
            name,
            length,
            client: Arc::clone(&*self.client.lock().await),
            books: Arc::clone(&self.books),
            outages: Arc::clone(&self.outages),
            back: self.back.subscribe(),
            over,
        };
        self.plays.spawn(play.run());
    }

    /// The client leaves and comes back, or another one takes its place. When the program is killed meanwhile, that is
    /// for later.
    async fn come_back(&mut self, client: &TestClient) {
        if self.rng.bool() {
            // A session whose client is away takes no requests, as in Lavalink.
            while !self.plays.is_empty() {
                if client.ended().is_some() {
                    return;
                }
                sleep(Duration::from_millis(20)).await;
                self.take_answers().await;
            }
            self.outages.leaves(self.number);
            client.disconnect().await;
            sleep(Duration::from_millis(self.rng.u64(..3_000))).await;
            self.resume(client).await;
            self.books.note("clients that came back");
            return;
        }
        let outages = self.outages.count();
        let second = TestClient::v4(&self.url, PASSWORD, user(self.number));
        let second = match second.resume(client.session_id()).connect().await {
            Ok(second) => second,
            Err(error) => {
                assert!(self.outages.count() > self.outages_seen(), "{error:#}");
                return;
            }
        };
        assert_resumed(&second);
        assert!(client.wait_ended(CALM).await.is_some(), "the first socket is closed");
        self.listen(Duration::ZERO).await;
        *self.client.lock().await = Arc::new(second);
        self.back.send_replace(outages);
        self.books.note("clients that took over");
    }

    /// The program was killed: the client reads what is left, and finds its session in the next run.
    async fn find_the_next_run(&mut self, client: &TestClient) {
        let ended = client.ended();
        assert!(
            self.outages.count() > self.outages_seen(),
            "the socket ended: {ended:?}"
        );
        sleep(Duration::from_millis(self.rng.u64(..1_500))).await;
        self.resume(client).await;
        self.books.note("clients that found the next run");
    }

    async fn resume(&mut self, client: &TestClient) {
        let deadline = Instant::now() + CALM;
        let over = self.read(client, Duration::ZERO).await;
        self.books.mark(&guilds(self.number));
        loop {
            // Before it connects: whoever counts a kill too few is only more patient.
            let outages = self.outages.count();
            match client.resume().await {
                Ok(_) => {
                    assert_resumed(client);
                    self.outages.is_back(self.number);
                    // What came before it left.
                    for over in &over {
                        self.over(over).await;
                    }
                    self.back.send_replace(outages);
                    return;
                }
                Err(error) => {
                    let killed = self.outages.count() > self.outages_seen();
                    assert!(killed && Instant::now() < deadline, "{error:#}");
                }
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    fn outages_seen(&self) -> usize {
        *self.back.borrow()
    }
}

fn assert_resumed(client: &TestClient) {
    let header = client.handshake_header("session-resumed");
    assert_eq!((header.as_deref(), client.resumed()), (Some("true"), true));
}
