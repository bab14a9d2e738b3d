//! The OpenAPI document: that it is committed as the code has it, and that it tells the truth about real answers.

use std::path::Path;

use http::Method;
use proxy_store::{Settings, Store};
use serde_json::{Value, json};

use crate::rig::Rig;

fn document() -> Value {
    serde_json::to_value(proxy_admin::openapi()).unwrap()
}

/// Method, path and description of every operation.
pub(crate) fn operations() -> Vec<(Method, String, Value)> {
    let document = document();
    let paths = document["paths"].as_object().unwrap();
    let each = paths.iter().flat_map(|(path, item)| {
        let operations = item.as_object().unwrap().iter();
        operations.filter_map(|(method, operation)| {
            let method = method.to_ascii_uppercase().parse().ok()?;
            operation.is_object().then(|| (method, path.clone(), operation.clone()))
        })
    });
    each.collect()
}

/// The JSON schema of what a status of an operation answers with.
fn schema(operation: &Value, status: &str) -> Option<Value> {
    let wanted = operation["responses"][status]["content"]["application/json"]["schema"].clone();
    // The references point into the document, so it comes along.
    wanted
        .is_object()
        .then(|| json!({"allOf": [wanted], "components": document()["components"]}))
}

fn check(operation: &Value, status: &str, path: &str, answer: &Value) {
    let schema = schema(operation, status).unwrap_or_else(|| panic!("{path}: no schema for {status}"));
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<_> = validator
        .iter_errors(answer)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "{path}: {wrong:#?}\n{answer:#}");
}

#[test]
fn the_committed_document_is_that_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/openapi.json");
    let committed: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(committed == document(), "stale: run `cargo xtask docs`");
}

#[test]
fn every_answer_has_a_named_schema() {
    for (method, path, operation) in operations() {
        let answers = operation["responses"].as_object().unwrap();
        for (status, answer) in answers.iter().filter(|(status, _)| *status != "default") {
            let Some(schema) = answer["content"]["application/json"]["schema"].as_object() else {
                continue;
            };
            let free = ["/api/v1/config", "/api/v1/openapi.json"].contains(&path.as_str());
            assert!(
                free || schema.contains_key("$ref"),
                "{method} {path} {status}: {schema:?}"
            );
        }
    }
}

/// What to ask an operation for, and whether that gets its ordinary answer.
fn target(method: &Method, path: &str, session: &str) -> (String, bool) {
    let query = match path {
        "/api/v1/usage/history" => "?scope=total",
        "/api/v1/usage/sparklines" => "?scope=tenant&keys=alpha,none",
        "/api/v1/usage/totals" => "?scope=ip",
        "/api/v1/connections/groups" => "?by=tenant",
        _ => "",
    };
    if *method == Method::GET && !path.ends_with("/events") {
        let target = path.replace("{name}", "v4-node").replace("{id}", session);
        return (format!("{target}{query}"), true);
    }
    // Streams do not end; they have tests of their own.
    (path.replace("{name}", "nobody").replace("{id}", "0"), false)
}

#[tokio::test]
async fn every_documented_route_answers_as_documented() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("store.db"), Settings::default()).unwrap();
    let rig = Rig::start_both(|config| config.store = Some(store.clone())).await;
    let client = rig.client("alpha", 3).await;
    client.play(3, "http://example.org/a.mp3").await.unwrap();
    rig.nodes[0].send_stats();
    rig.until("/api/v1/connections", |list| {
        list.to_string().contains("\"sessionId\":\"")
    })
    .await;
    rig.until("/api/v1/nodes", |nodes| nodes["items"][0]["stats"].is_object())
        .await;
    let session = client.session_id();
    let mut checked = 0;
    for (method, path, operation) in operations() {
        let (target, ordinary) = target(&method, &path, &session);
        let program = [("x-requested-with", "test")];
        let answer = rig.request(method.clone(), &target, &program).await;
        let plain = match path.as_str() {
            "/healthz" | "/readyz" | "/metrics" => Some(200),
            "/api/v1/logout" => Some(204),
            _ => None,
        };
        if let Some(plain) = plain {
            assert_eq!(answer.status, plain, "{path}");
            continue;
        }
        let status = match (ordinary, operation["requestBody"]["required"] == true) {
            (_, true) => 400,
            (true, false) => 200,
            (false, false) if path.ends_with("/events") => 400,
            (false, false) => 404,
        };
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        let documented = if status == 200 { "200" } else { "default" };
        check(&operation, documented, &path, &answer.json());
        checked += 1;
    }
    assert!(checked >= 11, "{checked}");
    client.disconnect().await;
    rig.stop().await;
    store.close();
}
