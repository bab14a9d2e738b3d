//! One run goes on with the listening sockets of another: on SIGUSR2, and with those that systemd holds.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use proxy_testkit::RawClient;
use tokio::task::JoinSet;

use super::*;

/// Clients that connect, ask and go, one after the other, until they are told to stop.
struct Crowd {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    clients: JoinSet<Vec<String>>,
}

impl Crowd {
    fn new(address: SocketAddr, count: usize) -> Self {
        let (stop, served) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let mut clients = JoinSet::new();
        for _ in 0..count {
            let (stop, served) = (Arc::clone(&stop), Arc::clone(&served));
            clients.spawn(async move {
                let mut failures = Vec::new();
                while !stop.load(Ordering::SeqCst) {
                    match ask(address).await {
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
        let crowd = Crowd::new(address, 4);
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
        run.stop().await;
        assert!(RawClient::connect(address).await.is_err(), "nobody listens any more");
    }
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
    let crowd = Crowd::new(address, 3);
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
