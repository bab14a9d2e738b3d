//! The history of client connections: who came, when, how long, how much, how it ended.

use std::net::IpAddr;

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};

use crate::figures::Figures;
use crate::{Millis, Store, StoreError};

/// A client connection that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedConnection {
    /// Its number while it was open; unique within one run of the program.
    pub number: u64,
    /// The client's address.
    pub ip: IpAddr,
    /// The client's port.
    pub port: u16,
    /// The client spoke TLS.
    pub tls: bool,
    /// When it was accepted.
    pub opened: Millis,
    /// When it ended.
    pub closed: Millis,
    /// The tenant; `none` when no password was shown.
    pub tenant: String,
    /// The protocol version, once it was known.
    pub version: Option<String>,
    /// The session that it carried.
    pub session: Option<String>,
    /// The bot's User-Id.
    pub user: Option<String>,
    /// The client's name.
    pub client: Option<String>,
    /// What it moved; peaks and `connections_opened` are not kept.
    pub figures: Figures,
    /// How it ended.
    pub ended: String,
}

/// A connection with its place in the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionRow {
    /// Grows with every connection that ends, over restarts; what `before` takes.
    pub id: u64,
    /// The connection.
    pub connection: ClosedConnection,
}

/// Which connections; everything left out does not narrow.
#[derive(Debug, Clone, Default)]
pub struct ConnectionFilter<'a> {
    /// From this address.
    pub ip: Option<IpAddr>,
    /// Of this tenant.
    pub tenant: Option<&'a str>,
    /// Whose address, tenant, session, user or client contains this.
    pub search: Option<&'a str>,
    /// Ended at or after.
    pub from: Option<Millis>,
    /// Ended before.
    pub to: Option<Millis>,
    /// Older than this row: the last one of the page before.
    pub before: Option<u64>,
}

impl Store {
    /// A page of connections that are over, newest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn connections(&self, filter: &ConnectionFilter<'_>, limit: usize) -> Result<Vec<ConnectionRow>, StoreError> {
        let (conditions, values) = conditions(filter);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let select = format!(
            "SELECT id, number, ip, port, tls, opened, closed, tenant, version, session, user, client, bytes_in, bytes_out,
                    messages_in, messages_out, requests, ok, client_error, server_error, ended
             FROM connection WHERE {conditions} ORDER BY id DESC LIMIT {limit}"
        );
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&select)?;
            let rows = statement.query_map(params_from_iter(values), read)?;
            rows.collect()
        })
    }
}

fn conditions(filter: &ConnectionFilter<'_>) -> (String, Vec<Value>) {
    let mut values = Vec::new();
    let mut conditions = vec!["true".to_owned()];
    let mut add = |condition: &str, value: Value| {
        values.push(value);
        conditions.push(condition.replace('?', &format!("?{}", values.len())));
    };
    if let Some(ip) = filter.ip {
        add("ip = ?", Value::Text(ip.to_string()));
    }
    if let Some(tenant) = filter.tenant {
        add("tenant = ?", Value::Text(tenant.to_owned()));
    }
    if let Some(from) = filter.from {
        add("closed >= ?", Value::Integer(from));
    }
    if let Some(to) = filter.to {
        add("closed < ?", Value::Integer(to));
    }
    if let Some(before) = filter.before {
        add("id < ?", Value::Integer(i64::try_from(before).unwrap_or(i64::MAX)));
    }
    if let Some(search) = filter.search.filter(|search| !search.is_empty()) {
        let escaped = search.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        let condition = ["ip", "tenant", "session", "user", "client"]
            .map(|column| format!("{column} LIKE ? ESCAPE '\\'"))
            .join(" OR ");
        add(&format!("({condition})"), Value::Text(format!("%{escaped}%")));
    }
    (conditions.join(" AND "), values)
}

fn read(row: &Row<'_>) -> rusqlite::Result<ConnectionRow> {
    let ip: String = row.get(2)?;
    let connection = ClosedConnection {
        number: row.get(1)?,
        ip: ip.parse().map_err(|_| rusqlite::Error::InvalidQuery)?,
        port: row.get(3)?,
        tls: row.get(4)?,
        opened: row.get(5)?,
        closed: row.get(6)?,
        tenant: row.get(7)?,
        version: row.get(8)?,
        session: row.get(9)?,
        user: row.get(10)?,
        client: row.get(11)?,
        figures: Figures {
            bytes_in: row.get(12)?,
            bytes_out: row.get(13)?,
            messages_in: row.get(14)?,
            messages_out: row.get(15)?,
            requests: row.get(16)?,
            ok: row.get(17)?,
            client_error: row.get(18)?,
            server_error: row.get(19)?,
            ..Figures::default()
        },
        ended: row.get(20)?,
    };
    Ok(ConnectionRow {
        id: row.get(0)?,
        connection,
    })
}

pub(crate) fn add(connection: &Connection, closed: &ClosedConnection) -> rusqlite::Result<()> {
    let figures = &closed.figures;
    connection
        .prepare_cached(
            "INSERT INTO connection (number, ip, port, tls, opened, closed, tenant, version, session, user, client,
                                     bytes_in, bytes_out, messages_in, messages_out, requests, ok, client_error,
                                     server_error, ended)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)",
        )?
        .execute(params![
            signed(closed.number),
            closed.ip.to_string(),
            closed.port,
            closed.tls,
            closed.opened,
            closed.closed,
            closed.tenant,
            closed.version,
            closed.session,
            closed.user,
            closed.client,
            signed(figures.bytes_in),
            signed(figures.bytes_out),
            signed(figures.messages_in),
            signed(figures.messages_out),
            signed(figures.requests),
            signed(figures.ok),
            signed(figures.client_error),
            signed(figures.server_error),
            closed.ended,
        ])?;
    Ok(())
}

/// SQLite's numbers are signed.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
