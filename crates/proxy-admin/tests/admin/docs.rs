//! `docs/admin-api.md` names every route and metric that there is; fields are in the OpenAPI document.

use std::collections::BTreeSet;

use crate::openapi::operations;
use crate::rig::Rig;

const REFERENCE: &str = include_str!("../../../../docs/admin-api.md");

#[tokio::test]
async fn the_reference_names_every_route_and_metric() {
    let rig = Rig::start().await;
    let client = rig.client("alpha", 3).await;
    client.play(3, "http://example.org/a.mp3").await.unwrap();
    rig.until("/api/v1/overview", |overview| overview["connections"]["open"] != 0)
        .await;
    let routes = operations()
        .into_iter()
        .map(|(method, path, _)| format!("{method} {path}"));
    let mut names: BTreeSet<_> = routes.collect();
    let metrics = rig.get("/metrics").await.text();
    let series = metrics.lines().filter(|line| !line.starts_with('#'));
    names.extend(series.filter_map(|line| Some(line.split(['{', ' ']).next()?.to_owned())));
    assert!(names.len() > 40, "{names:?}");
    let missing: Vec<_> = names
        .iter()
        .filter(|name| !REFERENCE.contains(&format!("`{name}`")))
        .collect();
    assert!(missing.is_empty(), "not in the reference: {missing:?}");
    client.disconnect().await;
    rig.stop().await;
}
