//! Sessions and their links across restarts of the proxy: who they are, and nothing of what they do. A commit here is on
//! disk before a client is told of what it says.

use std::fmt;

use rusqlite::{Connection, Row, params};

use crate::{Millis, Pending, Store, StoreError};

/// A session that its client may come back for.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptSession {
    /// The id that the client knows.
    pub id: String,
    /// The tenant, by name.
    pub tenant: String,
    /// The bot.
    pub user: String,
    /// `Client-Name`.
    pub client: Option<String>,
    /// Since when.
    pub opened: Millis,
    /// Whether the client asked for resuming, and for how many seconds.
    pub resuming: bool,
    /// See `resuming`.
    pub timeout: i64,
    /// Its links, by node.
    pub links: Vec<KeptLink>,
}

/// One link of a session.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptLink {
    /// The node, by name.
    pub node: String,
    /// The id that the node gave.
    pub node_session: String,
}

// Ids of sessions open other people's players, so none is shown.
impl fmt::Debug for KeptSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptSession")
            .field("tenant", &self.tenant)
            .field("user", &self.user)
            .field("links", &self.links)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for KeptLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptLink")
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

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
                    session.id,
                    session.tenant,
                    session.user,
                    session.client,
                    session.opened,
                    session.resuming,
                    session.timeout
                ])?;
            replace_links(connection, &session.id, &session.links)
        })
    }

    /// Puts these links in place of a session's, if it is kept.
    pub fn keep_links(&self, session: String, links: Vec<KeptLink>) -> Pending<()> {
        self.commit(move |connection| {
            let kept = connection
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM session WHERE id = ?1)")?
                .query_row([&session], |row| row.get(0))?;
            if kept {
                replace_links(connection, &session, &links)?;
            }
            Ok(())
        })
    }

    /// Keeps what a client asked of resuming, if its session is kept.
    pub fn keep_resuming(&self, session: String, resuming: bool, timeout: i64) -> Pending<()> {
        self.commit(move |connection| {
            connection
                .prepare_cached("UPDATE session SET resuming = ?2, timeout = ?3 WHERE id = ?1")?
                .execute(params![session, resuming, timeout])?;
            Ok(())
        })
    }

    /// Forgets a session that is over, and its links.
    pub fn forget_session(&self, session: String) -> Pending<()> {
        self.commit(move |connection| {
            connection
                .prepare_cached("DELETE FROM session WHERE id = ?1")?
                .execute([session])?;
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
            sessions
                .map(|session| {
                    let mut session = session?;
                    let links = links.query_map([&session.id], |row| {
                        Ok(KeptLink {
                            node: row.get(0)?,
                            node_session: row.get(1)?,
                        })
                    })?;
                    session.links = links.collect::<rusqlite::Result<_>>()?;
                    Ok(session)
                })
                .collect()
        })
    }
}

fn replace_links(connection: &Connection, session: &str, links: &[KeptLink]) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM link WHERE session = ?1")?
        .execute([session])?;
    let mut insert =
        connection.prepare_cached("INSERT OR REPLACE INTO link (session, node, node_session) VALUES (?1, ?2, ?3)")?;
    for link in links {
        insert.execute([session, &link.node, &link.node_session])?;
    }
    Ok(())
}

fn read_session(row: &Row<'_>) -> rusqlite::Result<KeptSession> {
    Ok(KeptSession {
        id: row.get(0)?,
        tenant: row.get(1)?,
        user: row.get(2)?,
        client: row.get(3)?,
        opened: row.get(4)?,
        resuming: row.get(5)?,
        timeout: row.get(6)?,
        links: Vec::new(),
    })
}
