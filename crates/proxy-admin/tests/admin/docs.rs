//! `docs/admin-api.md` names every route, field and metric that there is.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::rig::Rig;

const REFERENCE: &str = include_str!("../../../../docs/admin-api.md");

/// What can be read.
const ROUTES: [&str; 11] = [
    "/",
    "/api/v1/overview",
    "/api/v1/nodes",
    "/api/v1/connections",
    "/api/v1/sessions",
    "/api/v1/usage/ips",
    "/api/v1/usage/tenants",
    "/api/v1/config",
    "/metrics",
    "/healthz",
    "/readyz",
];

/// Objects whose keys are data, and Lavalink's own statistics, which are documented where Lavalink is.
const DATA: [&str; 3] = ["refusals", "byVersion", "stats"];

fn fields(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| fields(item, names)),
        Value::Object(object) => {
            for (name, value) in object {
                names.insert(name.clone());
                if !DATA.contains(&name.as_str()) {
                    fields(value, names);
                }
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn the_reference_names_every_route_field_and_metric() {
    let rig = Rig::start().await;
    let client = rig.client("alpha", 3).await;
    client.play(3, "http://example.org/a.mp3").await.unwrap();
    rig.until("/api/v1/overview", |overview| overview["connections"]["open"] != 0)
        .await;
    let mut names = BTreeSet::new();
    for link in ROUTES {
        let answer = rig.get(link).await;
        assert_eq!(answer.status, 200, "{link}");
        names.insert(format!("GET {link}"));
        if link.starts_with("/api") && link != "/api/v1/config" {
            fields(&answer.json(), &mut names);
        }
    }
    let metrics = rig.get("/metrics").await.text();
    let series = metrics.lines().filter(|line| !line.starts_with('#'));
    names.extend(series.filter_map(|line| Some(line.split(['{', ' ']).next()?.to_owned())));
    assert!(names.len() > 80, "{names:?}");
    let missing: Vec<_> = names
        .iter()
        .filter(|name| !REFERENCE.contains(&format!("`{name}`")))
        .collect();
    assert!(missing.is_empty(), "not in the reference: {missing:?}");
    client.disconnect().await;
    rig.stop().await;
}
