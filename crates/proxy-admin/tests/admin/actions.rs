//! What an operator can do.

use http::Method;
use proxy_testkit::client::Ended;

use crate::rig::{LIMIT, Rig};

const PROGRAM: [(&str, &str); 1] = [("x-requested-with", "test")];

#[tokio::test]
async fn a_drained_node_leaves_placement_until_it_is_undrained() {
    let rig = Rig::start().await;
    let drained = rig.request(Method::POST, "/api/v1/nodes/v4-node/drain", &PROGRAM).await;
    assert_eq!((drained.status, &drained.json()["state"]), (200, &"draining".into()));
    let nodes = rig.json("/api/v1/nodes").await;
    assert_eq!(nodes["items"][0]["state"], "draining");
    assert_eq!(nodes["items"][0]["health"], "healthy");
    let overview = rig.json("/api/v1/overview").await;
    assert_eq!(
        (&overview["nodes"]["draining"], &overview["nodes"]["healthy"]),
        (&1.into(), &1.into())
    );
    let json = [("content-type", "application/json; charset=utf-8")];
    let back = rig.request(Method::POST, "/api/v1/nodes/v4-node/undrain", &json).await;
    assert_eq!((back.status, &back.json()["state"]), (200, &"healthy".into()));
    let unknown = rig.request(Method::POST, "/api/v1/nodes/nobody/drain", &PROGRAM).await;
    assert_eq!(unknown.status, 404);
    rig.stop().await;
}

#[tokio::test]
async fn an_operator_disconnects_one_client_and_no_other() {
    let rig = Rig::start().await;
    let (unlucky, lucky) = (rig.client("alpha", 1).await, rig.client("alpha", 2).await);
    let wanted = unlucky.session_id();
    let connections = rig
        .until("/api/v1/connections", |list| {
            list["items"].to_string().contains(&wanted)
        })
        .await;
    let items = connections["items"].as_array().unwrap();
    let row = items.iter().find(|row| row["sessionId"] == wanted.as_str()).unwrap();
    let path = format!("/api/v1/connections/{}", row["id"].as_str().unwrap());
    assert_eq!(rig.request(Method::DELETE, &path, &PROGRAM).await.status, 202);
    let ended = unlucky.wait_ended(LIMIT).await;
    assert!(matches!(ended, Some(Ended::Closed(1008, _))), "{ended:?}");
    rig.until("/api/v1/connections", |list| list["matched"] == 1).await;
    assert_eq!(rig.request(Method::DELETE, &path, &PROGRAM).await.status, 404);
    assert_eq!(lucky.ended(), None);
    lucky.disconnect().await;
    rig.stop().await;
}
