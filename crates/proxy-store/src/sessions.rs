//! Sessions and their links across restarts of the proxy: who they are, and nothing of what they do. A commit here is on
//! disk before a client is told of what it says. Each is one statement, and sessions that come and go in a crowd share
//! transactions: what they cost is paid for every connection.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lavalink_protocol::id::{NodeSessionId, SessionId};
use proxy_core::session::kept::{KeptLink, KeptSession, Settings};
use rusqlite::{Row, params};

use crate::{Millis, Pending, Store, StoreError};

/// So long a new session waits for others that come with it; less than its client waits for `ready` anyway.
const GATHER: Duration = Duration::from_millis(2);
/// So long a session that is over may be in the file still. Nobody waits for it to be gone, and with others' commits it
/// goes sooner.
const FORGET: Duration = Duration::from_millis(250);

impl Store {
    /// Keeps a session with exactly these links.
    pub fn keep_session(&self, session: KeptSession) -> Pending<()> {
        self.commit_statement(GATHER, move |connection| {
            connection
                .prepare_cached(
                    "INSERT INTO session (id, tenant, user, client, opened, resuming, timeout, links)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                     ON CONFLICT (id) DO UPDATE
                     SET resuming = excluded.resuming, timeout = excluded.timeout, links = excluded.links",
                )?
                .execute(params![
                    session.id.as_str(),
                    session.tenant,
                    session.user.to_string(),
                    session.client,
                    millis(session.opened),
                    session.settings.resuming,
                    session.settings.timeout,
                    written(&session.links)
                ])?;
            Ok(())
        })
    }

    /// Puts these links in place of a session's, if it is kept.
    pub fn keep_links(&self, session: SessionId, links: Vec<KeptLink>) -> Pending<()> {
        self.commit_statement(Duration::ZERO, move |connection| {
            connection
                .prepare_cached("UPDATE session SET links = ?2 WHERE id = ?1")?
                .execute(params![session.as_str(), written(&links)])?;
            Ok(())
        })
    }

    /// Keeps what a client set, if its session is kept.
    pub fn keep_settings(&self, session: SessionId, settings: Settings) -> Pending<()> {
        self.commit_statement(Duration::ZERO, move |connection| {
            connection
                .prepare_cached("UPDATE session SET resuming = ?2, timeout = ?3 WHERE id = ?1")?
                .execute(params![session.as_str(), settings.resuming, settings.timeout])?;
            Ok(())
        })
    }

    /// Forgets a session that is over, and its links; in a moment, and in the order of the calls.
    pub fn forget_session(&self, session: SessionId) -> Pending<()> {
        self.commit_statement(FORGET, move |connection| {
            connection
                .prepare_cached("DELETE FROM session WHERE id = ?1")?
                .execute([session.as_str()])?;
            Ok(())
        })
    }

    /// All sessions that are kept, oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn kept_sessions(&self) -> Result<Vec<KeptSession>, StoreError> {
        self.read(|connection| {
            let mut sessions = connection.prepare(
                "SELECT id, tenant, user, client, opened, resuming, timeout, links FROM session ORDER BY opened, id",
            )?;
            let sessions = sessions.query_map([], read_session)?;
            // What cannot be read was not written by the proxy, and so is not one of its sessions.
            sessions.filter_map(Result::transpose).collect()
        })
    }
}

/// As JSON, by the node's name: a session has one link to a node.
fn written(links: &[KeptLink]) -> String {
    let links = links.iter().map(|link| (&*link.node, link.node_session.as_str()));
    serde_json::json!(links.collect::<BTreeMap<_, _>>()).to_string()
}

/// `None` when its user or its links cannot be read.
fn read_session(row: &Row<'_>) -> rusqlite::Result<Option<KeptSession>> {
    let links = serde_json::from_str::<BTreeMap<String, String>>(row.get_ref(7)?.as_str()?);
    let (Ok(user), Ok(links)) = (row.get::<_, String>(2)?.parse(), links) else {
        return Ok(None);
    };
    let link = |(node, id)| KeptLink {
        node,
        node_session: NodeSessionId::from(id),
    };
    Ok(Some(KeptSession {
        id: SessionId::from(row.get::<_, String>(0)?),
        tenant: row.get(1)?,
        user,
        client: row.get(3)?,
        opened: moment(row.get(4)?),
        settings: Settings {
            resuming: row.get(5)?,
            timeout: row.get(6)?,
        },
        links: links.into_iter().map(link).collect(),
    }))
}

fn millis(at: SystemTime) -> Millis {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}

fn moment(at: Millis) -> SystemTime {
    let since = Duration::from_millis(u64::try_from(at).unwrap_or_default());
    UNIX_EPOCH.checked_add(since).unwrap_or_else(SystemTime::now)
}
