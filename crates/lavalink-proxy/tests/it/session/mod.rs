//! v4 sessions: the proxy's own ids, messages as the node sent them, resuming, and every way a session ends.
//!
//! Here is what these tests share.

mod messages;
mod opening;
mod resuming;

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use lavalink_protocol::ws::{self, Opcode};
use proxy_testkit::client::{Ended, RawOutcome};
use proxy_testkit::{Fault, RawClient, TestClient, wait_until};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::scripted::{Script, ScriptedNode};
use crate::support::{BOT, OTHER_BOT, PASSWORD, ProxyUnderTest, SOON, sim_v4, upgrade_head};

fn handshake(more: &str) -> String {
    upgrade_head("/v4/websocket", &format!("Authorization: {PASSWORD}\r\n{more}\r\n"))
}

/// A bare v4 socket whose `ready` has been read.
async fn raw_session(proxy: &ProxyUnderTest) -> RawClient {
    let mut client = proxy.raw().await;
    client.write(handshake(&format!("User-Id: {BOT}\r\n"))).await.unwrap();
    assert_eq!(client.read_answer(SOON).await.status(), Some(101));
    assert!(client.read_until(br#""resumed":false"#, SOON).await.is_some());
    client
}

fn frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    ws::write_masked_frame(&mut out, opcode, payload, [1, 2, 3, 4]);
    out
}

/// A server's frame.
fn plain(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    ws::write_frame(&mut out, opcode, payload);
    out
}

fn is_named(message: &Value, name: &str) -> bool {
    message["name"] == name
}

fn event(name: &str) -> String {
    json!({"op": "event", "type": "TestEvent", "guildId": "1", "name": name}).to_string()
}
