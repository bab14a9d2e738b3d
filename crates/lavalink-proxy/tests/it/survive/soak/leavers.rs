//! Bots whose clients never come back after the program was killed: nothing plays on for them.

use std::ops::Range;

use proxy_testkit::{SimNode, TestClient};
use serde_json::json;

use super::{guilds, user};
use crate::support::PASSWORD;

/// So many players each.
const FEW: i64 = 5;

/// See the module.
pub(super) struct Leaver {
    client: TestClient,
    number: u64,
}

impl Leaver {
    /// Starts with music in every guild. `patience`: for how many seconds it asks to be waited for, if it does.
    pub(super) async fn start(url: &str, number: u64, patience: Option<u32>) -> Self {
        let client = TestClient::v4(url, PASSWORD, user(number)).connect().await.unwrap();
        if let Some(seconds) = patience {
            let update = json!({"resuming": true, "timeout": seconds});
            assert_eq!(client.update_session(&update).await.unwrap().status, 200);
        }
        for guild in few(number) {
            client.play(guild, "sim:track:long:3600000").await.unwrap();
        }
        Self { client, number }
    }

    /// The program is killed, and the client goes for good. What is left of it is in the answer.
    pub(super) async fn leave(self) -> Gone {
        self.client.wait_ended(super::CALM).await;
        Gone { number: self.number }
    }
}

/// A bot that has left.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gone {
    number: u64,
}

impl Gone {
    /// What the nodes still have of it.
    pub(super) fn left_on(self, nodes: &[SimNode]) -> Vec<String> {
        let mine = i64::try_from(user(self.number)).unwrap();
        let sessions = nodes.iter().flat_map(SimNode::sessions);
        let left = sessions.filter(|session| {
            session.user_id == mine || session.guilds.iter().any(|guild| few(self.number).contains(guild))
        });
        left.map(|session| format!("{session:?}")).collect()
    }
}

fn few(number: u64) -> Range<i64> {
    let all = guilds(number);
    all.start..all.start + FEW
}
