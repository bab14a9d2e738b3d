//! `GET .../players` of a session whose players are on several nodes: all of them are asked at once, and their lists
//! become one.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::ask;
use crate::error::ProxyError;
use crate::session::directory::Route;
use crate::worker::Worker;

/// A node that takes longer is left out.
const LIMIT: Duration = Duration::from_secs(3);

/// The players on all these links as one JSON list. A node that does not tell its players in time is left out; an error
/// when none does.
pub(crate) async fn merged(worker: &Rc<Worker>, links: Vec<Arc<Route>>) -> Result<Vec<u8>, ProxyError> {
    let limit = worker.shared.config.response_timeout.min(LIMIT);
    let asked: Vec<JoinHandle<_>> = links
        .into_iter()
        .map(|link| {
            let worker = Rc::clone(worker);
            tokio::task::spawn_local(async move {
                let pool = worker.pool(link.node);
                let path = format!("/v4/sessions/{}/players", link.node_session);
                let answer = ask::get(&pool.node, Arc::clone(&pool.ledger.rest), &path, limit).await;
                let list = answer.ok().filter(|answer| answer.status == 200);
                if list.is_none() {
                    worker.shared.refusals.count_left_out();
                    tracing::warn!(node = %pool.node.name, "a node did not tell its players and is left out of a list");
                }
                list.map(|answer| answer.body)
            })
        })
        .collect();
    let mut lists = Vec::with_capacity(asked.len());
    for list in asked {
        lists.extend(list.await.ok().flatten());
    }
    concat(&lists).ok_or(ProxyError::NodeTimeout)
}

/// Makes one JSON list of several, by their text; what is no list is left out. `None` when nothing is left.
fn concat(lists: &[Vec<u8>]) -> Option<Vec<u8>> {
    let mut any = false;
    let mut out = vec![b'['];
    for list in lists {
        let list = list.trim_ascii();
        let Some(inner) = list.strip_prefix(b"[").and_then(|list| list.strip_suffix(b"]")) else {
            continue;
        };
        any = true;
        let inner = inner.trim_ascii();
        if !inner.is_empty() {
            if out.len() > 1 {
                out.push(b',');
            }
            out.extend_from_slice(inner);
        }
    }
    out.push(b']');
    any.then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_become_one_by_their_text() {
        let cases: [(&[&str], Option<&str>); 6] = [
            (
                &["[{\"a\":1}]", " [ {\"b\":[2]} , 3 ]\n"],
                Some("[{\"a\":1},{\"b\":[2]} , 3]"),
            ),
            (&["[]", "[1]", "[]"], Some("[1]")),
            (&["[]", "[ ]"], Some("[]")),
            (&["{}", "[1]"], Some("[1]")),
            (&["null"], None),
            (&[], None),
        ];
        for (lists, expected) in cases {
            let lists: Vec<_> = lists.iter().map(|list| list.as_bytes().to_vec()).collect();
            let merged = concat(&lists).map(|merged| String::from_utf8_lossy(&merged).into_owned());
            assert_eq!(merged.as_deref(), expected, "{lists:?}");
        }
    }
}
