//! `GET .../players` of a session whose players are on several nodes: all of them are asked at once, and their lists
//! become one.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use lavalink_protocol::id::GuildId;
use proxy_core::session::LinkId;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::task::JoinHandle;

use super::ask;
use crate::error::ProxyError;
use crate::session::directory::{Route, SessionEntry};
use crate::worker::Worker;

/// A node that takes longer is left out.
const LIMIT: Duration = Duration::from_secs(3);

/// The players on all these links as one JSON list. A node that does not tell its players in time is left out; an error
/// when none does.
pub(crate) async fn merged(
    worker: &Rc<Worker>,
    session: &SessionEntry,
    links: Vec<Arc<Route>>,
) -> Result<Vec<u8>, ProxyError> {
    let limit = worker.shared.config.response_timeout.min(LIMIT);
    let asked: Vec<JoinHandle<_>> = links
        .into_iter()
        .map(|link| {
            let worker = Rc::clone(worker);
            tokio::task::spawn_local(async move {
                let pool = worker.pool(link.node);
                let path = format!("/v4/sessions/{}/players", link.node_session);
                let answer = ask::get_list(&pool.node, Arc::clone(&pool.ledger.rest), &path, limit).await;
                let list = answer.ok().filter(|answer| answer.status == 200);
                if list.is_none() {
                    worker.shared.refusals.count_left_out();
                    tracing::warn!(node = %pool.node.name, "a node did not tell its players and is left out of a list");
                }
                list.map(|answer| (link.link, answer.body))
            })
        })
        .collect();
    let mut lists = Vec::with_capacity(asked.len());
    for list in asked {
        lists.extend(list.await.ok().flatten());
    }
    concat(&lists, |guild, link| session.has_player_on(guild, link)).ok_or(ProxyError::NodeTimeout)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    guild_id: GuildId,
}

/// Makes one JSON list of several; what is no list is left out, and so is a player on a link that it is not on by the
/// session's record: one that has just moved away, or is being made there. `None` when nothing is left.
fn concat(lists: &[(LinkId, Vec<u8>)], is_on: impl Fn(GuildId, LinkId) -> bool) -> Option<Vec<u8>> {
    let mut any = false;
    let mut out = vec![b'['];
    for (link, list) in lists {
        let Ok(players) = serde_json::from_slice::<Vec<&RawValue>>(list) else {
            continue;
        };
        any = true;
        for player in players {
            let away = |listed: Listed| !is_on(listed.guild_id, *link);
            if serde_json::from_str(player.get()).is_ok_and(away) {
                continue;
            }
            if out.len() > 1 {
                out.push(b',');
            }
            out.extend_from_slice(player.get().as_bytes());
        }
    }
    out.push(b']');
    any.then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_become_one_and_each_player_is_there_once() {
        let cases: [(&[&str], Option<&str>); 6] = [
            (
                &["[{\"a\":1}]", " [ {\"b\":[2]} , 3 ]\n"],
                Some("[{\"a\":1},{\"b\":[2]},3]"),
            ),
            (&["[]", "[1]", "[]"], Some("[1]")),
            (
                &["[{\"guildId\":\"1\"}]", "[{\"guildId\":\"2\"},{\"guildId\":\"1\"}]"],
                Some("[{\"guildId\":\"1\"},{\"guildId\":\"2\"}]"),
            ),
            (&["{}", "[1]"], Some("[1]")),
            (&["null"], None),
            (&[], None),
        ];
        // Each guild is on the link that comes before its number.
        let is_on = |guild: GuildId, link: LinkId| guild.0 == u64::from(link.0) + 1;
        for (lists, expected) in cases {
            let lists = lists.iter().map(|list| list.as_bytes().to_vec());
            let lists: Vec<_> = lists.enumerate().map(|(at, list)| (LinkId(at as u32), list)).collect();
            let merged = concat(&lists, is_on).map(|merged| String::from_utf8_lossy(&merged).into_owned());
            assert_eq!(merged.as_deref(), expected, "{lists:?}");
        }
    }
}
