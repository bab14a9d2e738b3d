//! What operators do is in the log with who did it; what they were refused did not happen, and is not.

use proxy_testkit::TestClient;

use crate::alerts::{admin, post};
use crate::support::{BOT, PASSWORD, ProxyProgram, SOON, sim_v4};

#[tokio::test]
async fn only_what_an_operator_did_is_said_to_be_done() {
    let (a, b) = (sim_v4().await, sim_v4().await);
    let mut program = ProxyProgram::start(&ProxyProgram::config("", &[&a, &b]));
    let url = format!("http://{}", program.address().await);
    let admin = admin(&mut program).await;
    let client = TestClient::v4(&url, PASSWORD, BOT).connect().await.unwrap();
    client.play(1, "sim:track:long:600000").await.unwrap();
    let session = client.session_id();
    let (own, nobodys) = (
        format!("/api/v1/sessions/{session}/players"),
        "/api/v1/sessions/nosuchsession000/players",
    );
    let refused = [
        format!("{own}/77/move"),
        format!("{nobodys}/1/move"),
        "/api/v1/nodes/nobody/drain".to_owned(),
        "/api/v1/alerts/77/acknowledge".to_owned(),
    ];
    for path in refused {
        assert_eq!(post(&admin, &path).await.status, 404, "{path}");
    }
    let moved = post(&admin, &format!("{own}/1/move")).await;
    assert_eq!(
        (moved.status, &moved.json()["migration"]["outcome"]),
        (200, &"moved".into())
    );
    assert_eq!(post(&admin, "/api/v1/nodes/n0/drain").await.status, 200);
    program.signal("TERM");
    program.wait_exit(SOON).await;
    program.wait_line("lavalink-proxy stops").await;
    let said = program.said();
    let done: Vec<_> = said.lines().filter(|line| line.contains("an operator")).collect();
    let [moved, drained] = done[..] else {
        panic!("{done:#?}")
    };
    let player = format!("user=admin session={session} guild=1");
    assert!(
        moved.contains("an operator moves a player") && moved.contains(&player),
        "{moved}"
    );
    assert!(drained.contains("user=admin node=n0 draining=true"), "{drained}");
}
