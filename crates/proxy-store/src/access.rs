//! Who may use the admin listener: API tokens, logins that are open, and passwords that were generated. Of secrets only
//! hashes get here; making and comparing them is the admin listener's.

use std::collections::HashMap;
use std::fmt;

use rusqlite::{OptionalExtension, Row, params};

use crate::{Millis, Pending, Store, StoreError};

/// An API token without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Given by the store.
    pub id: i64,
    /// Different from all others'.
    pub name: String,
    /// What it may do, by name.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created: Millis,
    /// When it ends; `None`: never.
    pub expires: Option<Millis>,
    /// When it was last used.
    pub last_used: Option<Millis>,
}

/// A login that is open.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// SHA-256 of the cookie.
    pub hash: [u8; 32],
    /// Who.
    pub user: String,
    /// The role, by name.
    pub role: String,
    /// Since when.
    pub created: Millis,
    /// When it was last used.
    pub seen: Millis,
    /// When it ends.
    pub expires: Millis,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("user", &self.user)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

const TOKEN: &str = "id, name, scopes, created, expires, last_used";
const LOGIN: &str = "hash, user, role, created, seen, expires";

impl Store {
    /// Adds a token under the SHA-256 of its secret. Answers `None` when the name is taken.
    pub fn add_token(
        &self,
        name: String,
        hash: [u8; 32],
        scopes: Vec<String>,
        created: Millis,
        expires: Option<Millis>,
    ) -> Pending<Option<Token>> {
        self.commit(move |connection| {
            let added = connection.execute(
                "INSERT INTO token (name, hash, scopes, created, expires) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO NOTHING",
                params![name, hash, scopes.join(" "), created, expires],
            )?;
            Ok((added > 0).then(|| Token {
                id: connection.last_insert_rowid(),
                name,
                scopes,
                created,
                expires,
                last_used: None,
            }))
        })
    }

    /// All tokens, by name.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!("SELECT {TOKEN} FROM token ORDER BY name"))?;
            let rows = statement.query_map([], read_token)?;
            rows.collect()
        })
    }

    /// The SHA-256 of every token, by id.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn token_hashes(&self) -> Result<HashMap<i64, [u8; 32]>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT id, hash FROM token")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })
    }

    /// The token with that SHA-256, expired or not.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn token_by_hash(&self, hash: &[u8; 32]) -> Result<Option<Token>, StoreError> {
        self.read(|connection| {
            connection
                .prepare_cached(&format!("SELECT {TOKEN} FROM token WHERE hash = ?1"))?
                .query_row([hash], read_token)
                .optional()
        })
    }

    /// Takes a token away; tells whether there was one.
    pub fn delete_token(&self, id: i64) -> Pending<bool> {
        self.commit(move |connection| Ok(connection.execute("DELETE FROM token WHERE id = ?1", [id])? > 0))
    }

    /// Notes that a token was used.
    pub fn touch_token(&self, id: i64, at: Millis) -> Pending<()> {
        self.commit(move |connection| {
            connection.execute("UPDATE token SET last_used = ?2 WHERE id = ?1", [id, at])?;
            Ok(())
        })
    }

    /// Keeps a login.
    pub fn add_login(&self, login: Login) -> Pending<()> {
        self.commit(move |connection| {
            connection.execute(
                "INSERT OR REPLACE INTO login (hash, user, role, created, seen, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![login.hash, login.user, login.role, login.created, login.seen, login.expires],
            )?;
            Ok(())
        })
    }

    /// The login with that SHA-256, expired or not.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn login(&self, hash: &[u8; 32]) -> Result<Option<Login>, StoreError> {
        self.read(|connection| {
            connection
                .prepare_cached(&format!("SELECT {LOGIN} FROM login WHERE hash = ?1"))?
                .query_row([hash], read_login)
                .optional()
        })
    }

    /// All logins that are kept, for a start that keeps them in memory from then on.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn logins(&self) -> Result<Vec<Login>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!("SELECT {LOGIN} FROM login ORDER BY created"))?;
            let rows = statement.query_map([], read_login)?;
            rows.collect()
        })
    }

    /// Notes that a login was used, and when it now ends.
    pub fn touch_login(&self, hash: [u8; 32], seen: Millis, expires: Millis) -> Pending<()> {
        self.commit(move |connection| {
            connection.execute(
                "UPDATE login SET seen = ?2, expires = ?3 WHERE hash = ?1",
                params![hash, seen, expires],
            )?;
            Ok(())
        })
    }

    /// Ends a login; tells whether there was one.
    pub fn delete_login(&self, hash: [u8; 32]) -> Pending<bool> {
        self.commit(move |connection| Ok(connection.execute("DELETE FROM login WHERE hash = ?1", [hash])? > 0))
    }

    /// Ends all logins of a user, as when the password was changed; tells how many.
    pub fn delete_logins_of(&self, user: String) -> Pending<usize> {
        self.commit(move |connection| connection.execute("DELETE FROM login WHERE user = ?1", [user]))
    }

    /// The hash of a password that was generated for the user, as a PHC string.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn password_hash(&self, user: &str) -> Result<Option<String>, StoreError> {
        self.read(|connection| {
            connection
                .query_row("SELECT phc FROM password WHERE user = ?1", [user], |row| row.get(0))
                .optional()
        })
    }

    /// Keeps the hash of a password, as a PHC string, in place of the one before.
    pub fn set_password_hash(&self, user: String, phc: String, at: Millis) -> Pending<()> {
        self.commit(move |connection| {
            connection.execute(
                "INSERT OR REPLACE INTO password (user, phc, changed) VALUES (?1, ?2, ?3)",
                params![user, phc, at],
            )?;
            Ok(())
        })
    }
}

fn read_token(row: &Row<'_>) -> rusqlite::Result<Token> {
    let scopes: String = row.get(2)?;
    Ok(Token {
        id: row.get(0)?,
        name: row.get(1)?,
        scopes: scopes.split_whitespace().map(ToOwned::to_owned).collect(),
        created: row.get(3)?,
        expires: row.get(4)?,
        last_used: row.get(5)?,
    })
}

fn read_login(row: &Row<'_>) -> rusqlite::Result<Login> {
    Ok(Login {
        hash: row.get(0)?,
        user: row.get(1)?,
        role: row.get(2)?,
        created: row.get(3)?,
        seen: row.get(4)?,
        expires: row.get(5)?,
    })
}
