//! One run goes on with the listening sockets of another: on SIGUSR2, and with those that systemd holds.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use proxy_testkit::{Fault, RawClient};
use tokio::task::JoinSet;

use super::*;
use crate::support::upgrade_head;

/// Clients that connect, ask or open a session, and go, one after the other, until they are told to stop.
struct Crowd {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    clients: JoinSet<Vec<String>>,
}

impl Crowd {
    /// Of these clients some open sessions, and the others ask.
    fn new(address: SocketAddr, count: usize, opening: usize) -> Self {
        let (stop, served) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let mut clients = JoinSet::new();
        for number in 0..count {
            let (stop, served) = (Arc::clone(&stop), Arc::clone(&served));
            clients.spawn(async move {
                let mut failures = Vec::new();
                while !stop.load(Ordering::SeqCst) {
                    let done = match number < opening {
                        true => open(address, 1000 + number as u64).await,
                        false => ask(address).await,
                    };
                    match done {
                        Ok(()) => _ = served.fetch_add(1, Ordering::SeqCst),
                        Err(failure) => failures.push(failure),
                    }
                }
                failures
            });
        }
        Self { stop, served, clients }
    }

    /// Waits until so many more were served.
    async fn wait_served(&self, more: usize) {
        let enough = self.served.load(Ordering::SeqCst) + more;
        wait_until(LATER, || self.served.load(Ordering::SeqCst) >= enough).await;
    }

    async fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        self.clients.join_all().await.concat()
    }
}

/// A busy machine takes its time.
const LATER: Duration = Duration::from_secs(60);

async fn ask(address: SocketAddr) -> Result<(), String> {
    let request = format!("GET /version HTTP/1.1\r\nHost: h\r\nAuthorization: {PASSWORD}\r\nConnection: close\r\n\r\n");
    let mut client = RawClient::connect(address)
        .await
        .map_err(|error| format!("not connected: {error}"))?;
    client
        .write(request)
        .await
        .map_err(|error| format!("not sent: {error}"))?;
    match client.read_answer(LATER).await.status() {
        Some(200) => Ok(()),
        other => Err(format!("answered {other:?}")),
    }
}

/// Opens a session, which is only there when its `ready` has come.
async fn open(address: SocketAddr, user: u64) -> Result<(), String> {
    let client = TestClient::v4(&format!("http://{address}"), PASSWORD, user);
    let opened = client.connect().await;
    opened.map(drop).map_err(|error| format!("no session: {error}"))
}

#[tokio::test]
async fn nobody_is_refused_while_one_run_follows_the_other_and_sessions_go_on() {
    let (a, b) = (node().await, node().await);
    let nodes = [&a, &b];
    for threads in [1, 3] {
        let mut place = Place::new(LONG_GRACE, &nodes);
        place.config = place
            .config
            .replacen("[server]\n", &format!("[server]\nthreads = {threads}\n"), 1);
        let mut run = place.run().await;
        let address: SocketAddr = run.url.strip_prefix("http://").unwrap().parse().unwrap();
        let user = threads as u64;
        let client = run.playing(user, &[user as i64]).await;
        wait_kept(&nodes).await;
        for node in nodes {
            // So that there is always a handshake that waits for its node.
            node.fault_on("/v4/websocket", Fault::Delay(Duration::from_millis(150)), usize::MAX);
        }
        let crowd = Crowd::new(address, 6, 3);
        for _ in 0..3 {
            crowd.wait_served(20).await;
            run.program.signal("USR2");
            assert_eq!(run.program.address().await, address);
            crowd.wait_served(20).await;
            assert!(client.wait_ended(SOON).await.is_some());
            assert!(client.resume().await.unwrap(), "its session goes on");
            wait_player(&client, user as i64).await;
        }
        assert_eq!(crowd.end().await, Vec::<String>::new());
        assert_eq!(destroying(&nodes), 0);
        nodes.iter().for_each(|node| node.clear_faults().unwrap());
        run.stop().await;
        assert!(RawClient::connect(address).await.is_err(), "nobody listens any more");
    }
}

/// Connections that a run has accepted: it has answered on each.
async fn accepted(address: SocketAddr) -> [RawClient; 3] {
    let mut accepted = Vec::new();
    for _ in 0..3 {
        let mut client = RawClient::connect(address).await.unwrap();
        let request = format!("GET /version HTTP/1.1\r\nHost: h\r\nAuthorization: {PASSWORD}\r\n\r\n");
        client.write(request).await.unwrap();
        assert_eq!(client.read_answer(SOON).await.status(), Some(200));
        accepted.push(client);
    }
    accepted.try_into().unwrap()
}

/// An update of the client's player in guild 1, without the end of its body.
fn half_an_update(client: &TestClient) -> String {
    format!(
        "PATCH /v4/sessions/{}/players/1 HTTP/1.1\r\nHost: h\r\nAuthorization: {PASSWORD}\r\n\
         Content-Type: application/json\r\nContent-Length: 14\r\n\r\n{{\"vol",
        client.session_id()
    )
}

#[tokio::test]
async fn a_client_that_comes_back_meanwhile_ends_no_session_before_what_was_begun_is_answered() {
    let a = node().await;
    let place = Place::new(LONG_GRACE, &[&a]);
    let mut run = place.run().await;
    let address: SocketAddr = run.url.strip_prefix("http://").unwrap().parse().unwrap();
    let player = run.playing(1, &[1]).await;
    ask_for_resuming(&player, 60).await;
    wait_kept(&[&a]).await;
    let [mut idle, mut handshake, mut update] = accepted(address).await;
    let id = player.session_id();
    let lines = format!("Authorization: {PASSWORD}\r\nUser-Id: 1\r\nClient-Name: a/1\r\nSession-Id: {id}\r\n");
    handshake.write(upgrade_head("/v4/websocket", &lines)).await.unwrap();
    update.write(half_an_update(&player)).await.unwrap();
    run.program.signal("USR2");
    assert!(idle.read_to_end(SOON).await.1, "the old run accepts nothing more");
    handshake.write("\r\n").await.unwrap();
    assert_eq!(handshake.read_answer(SOON).await.status(), Some(101));
    let ready = handshake.read_until(b"\"resumed\":true", SOON).await;
    assert!(ready.is_some(), "its session is there still");
    update.write("ume\": 55}").await.unwrap();
    assert_eq!(update.read_answer(SOON).await.status(), Some(200), "and stays");
    assert_eq!(a.find_player(1).unwrap().1["volume"], 55);
    let (rest, closed) = handshake.read_to_end(SOON).await;
    let told = rest.windows(2).any(|code| code == 1001u16.to_be_bytes());
    assert!(closed && told, "{rest:?}");
    assert_eq!(run.program.address().await, address);
    assert!(player.resume().await.unwrap(), "its session goes on");
    wait_player(&player, 1).await;
}

#[tokio::test]
async fn what_was_begun_is_answered_before_sessions_are_let_go() {
    let a = node().await;
    let place = Place::new(LONG_GRACE, &[&a]);
    let mut run = place.run().await;
    let address: SocketAddr = run.url.strip_prefix("http://").unwrap().parse().unwrap();
    let player = run.playing(1, &[1]).await;
    wait_kept(&[&a]).await;
    let [mut idle, mut handshake, mut update] = accepted(address).await;
    // A handshake and an update of a player come in two halves, and another handshake waits for its node.
    let lines = format!("Authorization: {PASSWORD}\r\nUser-Id: 2\r\nClient-Name: a/1\r\n");
    handshake.write(upgrade_head("/v4/websocket", &lines)).await.unwrap();
    update.write(half_an_update(&player)).await.unwrap();
    a.clear_log();
    a.fault_on("/v4/websocket", Fault::Delay(Duration::from_secs(1)), 1);
    let url = run.url.clone();
    let slow = tokio::spawn(async move { TestClient::v4(&url, PASSWORD, 3).connect().await.unwrap() });
    wait_until(SOON, || {
        a.requests().iter().any(|request| request.target == "/v4/websocket")
    })
    .await;
    run.program.signal("USR2");
    assert!(idle.read_to_end(SOON).await.1, "the old run accepts nothing more");
    handshake.write("\r\n").await.unwrap();
    update.write("ume\": 55}").await.unwrap();
    assert_eq!(
        update.read_answer(SOON).await.status(),
        Some(200),
        "its session is there still"
    );
    assert_eq!(a.find_player(1).unwrap().1["volume"], 55);
    assert_eq!(handshake.read_answer(SOON).await.status(), Some(101));
    let ready = handshake.read_until(b"\"op\":\"ready\"", SOON).await;
    assert!(ready.is_some(), "what the node opened late is a session");
    // The rest is the end of the socket, with 1001.
    let (rest, closed) = handshake.read_to_end(SOON).await;
    assert!(
        closed && rest.windows(2).any(|code| code == 1001u16.to_be_bytes()),
        "{rest:?}"
    );
    let slow = slow.await.unwrap();
    assert_eq!(run.program.address().await, address);
    for client in [&player, &slow] {
        let ended = client.wait_ended(SOON).await;
        assert!(matches!(ended, Some(Ended::Closed(1001, _))), "{ended:?}");
        assert!(client.resume().await.unwrap(), "its session goes on");
    }
    wait_player(&player, 1).await;
}

#[tokio::test]
async fn a_configuration_that_is_wrong_by_now_upgrades_nothing() {
    let a = node().await;
    let place = Place::new(LONG_GRACE, &[&a]);
    let mut run = place.run().await;
    let client = run.playing(1, &[1]).await;
    let file = place.folder.path().join("proxy.toml");
    std::fs::write(&file, "[server]\nnonsense = 1\n").unwrap();
    run.program.signal("USR2");
    let said = run.program.wait_line("no upgrade, this run goes on").await;
    assert!(said.contains("nonsense"), "{said}");
    wait_player(&client, 1).await;
    assert_eq!(client.ended(), None);
    std::fs::write(&file, &place.config).unwrap();
    run.program.signal("USR2");
    run.program.address().await;
    assert!(client.resume().await.unwrap());
}

#[tokio::test]
async fn with_a_socket_of_systemd_clients_wait_while_no_run_is_there() {
    let a = node().await;
    let mut place = Place::new(LONG_GRACE, &[&a]);
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    place.config = place.config.replacen("127.0.0.1:0", &address.to_string(), 1);
    let start = || ProxyProgram::start_on(&socket, Arc::clone(&place.folder), &place.config);
    let crowd = Crowd::new(address, 3, 0);
    for round in 0..3 {
        let mut program = start();
        assert_eq!(program.address().await, address);
        crowd.wait_served(10).await;
        if round == 1 {
            // On with the same socket, and with no other.
            program.signal("USR2");
            assert_eq!(program.address().await, address);
            crowd.wait_served(10).await;
        }
        program.signal("TERM");
        assert_eq!(program.wait_exit(SOON).await.code(), Some(0));
    }
    let mut last = start();
    last.address().await;
    assert_eq!(crowd.end().await, Vec::<String>::new());
}
