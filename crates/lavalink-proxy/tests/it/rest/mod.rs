//! REST through the proxy: what reaches the node, what reaches the client, and what happens when either fails midway.
//!
//! Here is what these tests share.

mod choosing;
mod connections;
mod failures;
mod passing;

use std::time::Duration;

use http::Method;
use proxy_core::health::NodeState;
use proxy_core::pool::NodeId;
use proxy_testkit::client::{RawOutcome, RestAnswer};
use proxy_testkit::sim::{SeenRequest, SimLoad};
use proxy_testkit::{Fault, RawClient, SimGeneration, SimNode, TestClient, wait_until};
use serde_json::{Value, json};

use crate::scripted::{Script, ScriptedNode, header};
use crate::support::{BOT, PASSWORD, ProxyUnderTest, SOON, sim, sim_v4, upgrade_head};

/// The requests that a node saw on targets that start so.
fn seen(node: &SimNode, prefix: &str) -> Vec<SeenRequest> {
    let mut requests = node.requests();
    requests.retain(|request| request.target.starts_with(prefix));
    requests
}

fn request(method: &str, target: &str, more: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: proxy.example\r\nAuthorization: {PASSWORD}\r\n{more}\r\n")
}

async fn ask(client: &mut RawClient, bytes: impl AsRef<[u8]>) -> RawOutcome {
    client.write(bytes).await.unwrap();
    client.read_answer(SOON).await
}

fn body(outcome: &RawOutcome) -> &[u8] {
    match outcome {
        RawOutcome::Answer { body, .. } => body,
        other => panic!("no answer but {other:?}"),
    }
}

fn head(outcome: &RawOutcome) -> &[String] {
    match outcome {
        RawOutcome::Answer { head, .. } => head,
        other => panic!("no answer but {other:?}"),
    }
}

/// Bytes that are all different from their neighbours.
fn long_text(length: usize) -> String {
    (0..length).map(|at| char::from(b'a' + (at % 23) as u8)).collect()
}
