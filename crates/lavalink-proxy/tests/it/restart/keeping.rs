//! The file that sessions are kept in: missing, spoilt, or impossible to write.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use proxy_gateway::keeper::{Change, Commit, Keeper};
use proxy_testkit::client::Protocol;
use tokio::sync::Semaphore;

use super::*;
use crate::support::ProxyUnderTest;

#[tokio::test]
async fn a_file_that_is_gone_means_a_fresh_start_and_a_spoilt_one_is_said() {
    let a = node().await;
    let place = Place::new(LONG_GRACE, &[&a]);
    let run = place.run().await;
    let client = run.playing(1, &[1]).await;
    run.kill().await;
    for suffix in ["", "-wal", "-shm"] {
        let file = place.folder.path().join(format!("lavalink-proxy.db{suffix}"));
        std::fs::remove_file(file).ok();
    }
    let run = place.run().await;
    assert!(!run.come_back(&client, 1).await.resumed());
    run.kill().await;
    std::fs::write(
        place.folder.path().join("lavalink-proxy.db"),
        "no database at all, but some text",
    )
    .unwrap();
    let mut program = ProxyProgram::start_in(Arc::clone(&place.folder), &place.config);
    assert_eq!(program.wait_exit(SOON).await.code(), Some(1));
    program.wait_line("is not a database").await;
}

/// A keeper whose disk is full, or hangs, until it is told otherwise.
#[derive(Debug, Default)]
struct Disk {
    broken: AtomicUsize,
    sessions: Mutex<Vec<String>>,
}

const FULL: usize = 1;
const HANGS: usize = 2;

impl Keeper for Disk {
    fn commit(&self, change: Change) -> Commit {
        match self.broken.load(Ordering::SeqCst) {
            FULL => return Box::pin(async { Err("no space left on device".to_owned()) }),
            HANGS => return Box::pin(std::future::pending()),
            _ => {}
        }
        let mut sessions = self.sessions.lock().unwrap();
        match change {
            Change::Session(session) => {
                sessions.retain(|id| id != session.id.as_str());
                sessions.push(session.id.into());
            }
            Change::Forget(id) => sessions.retain(|kept| kept != id.as_str()),
            _ => {}
        }
        Box::pin(async { Ok(()) })
    }
}

/// A keeper that takes its time.
#[derive(Debug)]
struct SlowDisk {
    asked: AtomicUsize,
    done: Arc<Semaphore>,
}

impl Keeper for SlowDisk {
    fn commit(&self, _: Change) -> Commit {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let done = Arc::clone(&self.done);
        Box::pin(async move {
            done.acquire().await.unwrap().forget();
            Ok(())
        })
    }
}

#[tokio::test]
async fn no_client_is_ready_before_its_session_is_kept() {
    let a = node().await;
    for path in ["/v4/websocket", "/v4", "/v3"] {
        let done = Arc::new(Semaphore::new(0));
        let disk = Arc::new(SlowDisk {
            asked: AtomicUsize::new(0),
            done: Arc::clone(&done),
        });
        let keeper = Arc::clone(&disk);
        let proxy = ProxyUnderTest::builder(&[&a])
            .configure(|config| config.keeper = Some(keeper))
            .start()
            .await;
        let client = TestClient::builder(Protocol::V4, &proxy.url(), PASSWORD, 1).socket_path(path);
        let ready = tokio::spawn(async move { client.connect().await.unwrap() });
        wait_until(SOON, || disk.asked.load(Ordering::SeqCst) == 1).await;
        assert!(!ready.is_finished(), "{path}");
        done.add_permits(100);
        let client = ready.await.unwrap();
        if path == "/v4/websocket" {
            continue;
        }
        // Kept once, whatever it turns out to be, and forgotten when it is over.
        client.disconnect().await;
        wait_until(SOON, || proxy.shared().directory.is_empty()).await;
        wait_until(SOON, || disk.asked.load(Ordering::SeqCst) == 2).await;
    }
}

#[tokio::test]
async fn music_does_not_stop_for_a_full_or_hanging_disk_and_sessions_are_kept_once_it_is_well() {
    let a = node().await;
    for trouble in [FULL, HANGS] {
        let disk = Arc::new(Disk::default());
        let keeper = Arc::clone(&disk);
        let proxy = ProxyUnderTest::builder(&[&a])
            .configure(|config| config.keeper = Some(keeper))
            .start()
            .await;
        let kept = |client: &TestClient| disk.sessions.lock().unwrap().contains(&client.session_id());
        let first = proxy.v4(1).connect().await.unwrap();
        assert!(kept(&first), "before it was told its id");
        disk.broken.store(trouble, Ordering::SeqCst);
        let second = proxy.v4(2).connect().await.unwrap();
        for client in [&first, &second] {
            client.play(1, LONG).await.unwrap();
        }
        ask_for_resuming(&second, 60).await;
        let keeping = &proxy.shared().keeping;
        wait_until(SOON, || keeping.unkept() == 2).await;
        assert!(keeping.failures() > 0 && !kept(&second));
        disk.broken.store(0, Ordering::SeqCst);
        wait_until(Duration::from_secs(40), || keeping.unkept() == 0).await;
        assert!(kept(&first) && kept(&second));
        first.disconnect().await;
        second.drop_socket();
        wait_until(SOON, || !kept(&first)).await;
        assert!(kept(&second), "its client may come back");
        // What is not kept is not left to another run.
        disk.broken.store(FULL, Ordering::SeqCst);
        let third = proxy.v4(3).connect().await.unwrap();
        third.play(3, LONG).await.unwrap();
        wait_until(SOON, || a.sessions().iter().all(|session| session.resuming)).await;
        proxy.shut_down().await;
        wait_until(SOON, || a.find_player(3).is_none()).await;
        assert!(a.find_player(1).is_some(), "left to another run");
        a.die();
        a.revive().unwrap();
    }
}
