//! Sessions and their links across restarts of the proxy: who they are, and nothing of what they do. A commit here is on
//! disk before a client is told of what it says.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lavalink_protocol::id::{NodeSessionId, SessionId};
use proxy_core::session::kept::{KeptLink, KeptSession, Settings};
use rusqlite::{Connection, Row, params};

use crate::{Millis, Pending, Store, StoreError};

impl Store {
    /// Keeps a session with exactly these links.
    pub fn keep_session(&self, session: KeptSession) -> Pending<()> {
        self.commit(move |connection| {
            connection
                .prepare_cached(
                    "INSERT INTO session (id, tenant, user, client, opened, resuming, timeout)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                     ON CONFLICT (id) DO UPDATE SET resuming = excluded.resuming, timeout = excluded.timeout",
                )?
                .execute(params![
                    session.id.as_str(),
                    session.tenant,
                    session.user.to_string(),
                    session.client,
                    millis(session.opened),
                    session.settings.resuming,
                    session.settings.timeout
                ])?;
            replace_links(connection, &session.id, &session.links)
        })
    }

    /// Puts these links in place of a session's, if it is kept.
    pub fn keep_links(&self, session: SessionId, links: Vec<KeptLink>) -> Pending<()> {
        self.commit(move |connection| {
            let kept = connection
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM session WHERE id = ?1)")?
                .query_row([session.as_str()], |row| row.get(0))?;
            if kept {
                replace_links(connection, &session, &links)?;
            }
            Ok(())
        })
    }

    /// Keeps what a client set, if its session is kept.
    pub fn keep_settings(&self, session: SessionId, settings: Settings) -> Pending<()> {
        self.commit(move |connection| {
            connection
                .prepare_cached("UPDATE session SET resuming = ?2, timeout = ?3 WHERE id = ?1")?
                .execute(params![session.as_str(), settings.resuming, settings.timeout])?;
            Ok(())
        })
    }

    /// Forgets a session that is over, and its links.
    pub fn forget_session(&self, session: SessionId) -> Pending<()> {
        self.commit(move |connection| {
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
                "SELECT id, tenant, user, client, opened, resuming, timeout FROM session ORDER BY opened, id",
            )?;
            let mut links =
                connection.prepare("SELECT node, node_session FROM link WHERE session = ?1 ORDER BY node")?;
            let sessions = sessions.query_map([], read_session)?;
            // A user that is no number was never written, and so is not one of ours.
            sessions
                .filter_map(Result::transpose)
                .map(|session| {
                    let mut session = session?;
                    let links = links.query_map([session.id.as_str()], |row| {
                        Ok(KeptLink {
                            node: row.get(0)?,
                            node_session: NodeSessionId::from(row.get::<_, String>(1)?),
                        })
                    })?;
                    session.links = links.collect::<rusqlite::Result<_>>()?;
                    Ok(session)
                })
                .collect()
        })
    }
}

fn replace_links(connection: &Connection, session: &SessionId, links: &[KeptLink]) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM link WHERE session = ?1")?
        .execute([session.as_str()])?;
    let mut insert =
        connection.prepare_cached("INSERT OR REPLACE INTO link (session, node, node_session) VALUES (?1, ?2, ?3)")?;
    for link in links {
        insert.execute([session.as_str(), &link.node, link.node_session.as_str()])?;
    }
    Ok(())
}

/// `None` when its user cannot be read.
fn read_session(row: &Row<'_>) -> rusqlite::Result<Option<KeptSession>> {
    let Ok(user) = row.get::<_, String>(2)?.parse() else {
        return Ok(None);
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
        links: Vec::new(),
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
