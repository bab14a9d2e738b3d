//! What the login starts with: passwords from the settings or the store, or a new one for `admin` where neither has one;
//! and the login sessions and tokens that the store kept. Blocks; not for the running listener.

use std::io;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use proxy_core::secret::Secret;
use proxy_core::throttle::{Throttle, ThrottleSettings};
use proxy_store::{Store, StoreError};

use super::access::{Role, Scope};
use super::cookie::SecureCookie;
use super::password::{self, Users};
use super::sessions::LoginSessions;
use super::tokens::{Token, Tokens};
use super::{ADMIN, Login, VIEWER, digest};
use crate::view::{stored, time_of};

/// What the login needs to know.
pub(crate) struct LoginConfig {
    /// Plain or as a hash; `None`: the one in the store, else a new one.
    pub(crate) password: Option<Secret>,
    /// `None`: there is no user `viewer`.
    pub(crate) viewer_password: Option<Secret>,
    pub(crate) secure: SecureCookie,
    pub(crate) timeout: Duration,
    pub(crate) store: Option<Store>,
}

impl Login {
    /// Builds it; the second part is the password of `admin` if a new one was made, which must be shown.
    pub(crate) fn new(config: LoginConfig) -> io::Result<(Self, Option<Secret>)> {
        let LoginConfig {
            password,
            viewer_password,
            secure,
            timeout,
            store,
        } = config;
        let store_of = store.as_ref();
        let kept = match (&password, store_of) {
            (None, Some(store)) => store.password_hash(ADMIN).map_err(of_store)?.map(Secret::new),
            _ => None,
        };
        let made = (password.is_none() && kept.is_none()).then(generate).transpose()?;
        let admin = password
            .or(kept)
            .or_else(|| made.clone())
            .unwrap_or_else(|| Secret::new(""));
        let mut users = vec![(ADMIN, Role::Admin, settle(ADMIN, &admin, store_of)?)];
        match viewer_password {
            Some(viewer) => users.push((VIEWER, Role::Viewer, settle(VIEWER, &viewer, store_of)?)),
            None => forget(VIEWER, store_of)?,
        }
        let login = Self {
            users: Users::new(users)?,
            sessions: Mutex::new(kept_sessions(store_of, timeout)?),
            tokens: Mutex::new(kept_tokens(store_of)?),
            throttle: Mutex::new(Throttle::new(ThrottleSettings::default())),
            secure,
            timeout,
            store,
        };
        Ok((login, made))
    }
}

/// The hash of a user's password. Where it is not the one of the last run, login sessions of the user end.
fn settle(user: &str, password: &Secret, store: Option<&Store>) -> io::Result<Secret> {
    let hash = password::prepare(password)
        .map_err(|problem| io::Error::new(io::ErrorKind::InvalidInput, format!("the password of {user} {problem}")))?;
    let Some(store) = store else {
        return Ok(hash);
    };
    let known = store.password_hash(user).map_err(of_store)?;
    if let Some(known) = known.map(Secret::new)
        && (known == *password || password::verify(known.expose(), password.expose().as_bytes()))
    {
        return Ok(known);
    }
    forget(user, Some(store))?;
    let written = store.set_password_hash(user.to_owned(), hash.expose().to_owned(), stored(SystemTime::now()));
    written.wait().map_err(of_store)?;
    Ok(hash)
}

fn forget(user: &str, store: Option<&Store>) -> io::Result<()> {
    match store {
        None => Ok(()),
        Some(store) => store
            .delete_logins_of(user.to_owned())
            .wait()
            .map(drop)
            .map_err(of_store),
    }
}

fn kept_sessions(store: Option<&Store>, timeout: Duration) -> io::Result<LoginSessions> {
    let mut sessions = LoginSessions::new(timeout);
    let logins = store.map(Store::logins).transpose().map_err(of_store)?;
    for login in logins.into_iter().flatten() {
        if let Some(role) = Role::find(&login.role) {
            sessions.restore(login.hash, login.user.into(), role, time_of(login.expires));
        }
    }
    Ok(sessions)
}

fn kept_tokens(store: Option<&Store>) -> io::Result<Tokens> {
    let Some(store) = store else {
        return Ok(Tokens::default());
    };
    let digests = store.token_hashes().map_err(of_store)?;
    let tokens = store.tokens().map_err(of_store)?;
    let mut all: Vec<_> = tokens
        .into_iter()
        .filter_map(|token| {
            Some(Token {
                digest: *digests.get(&token.id)?,
                id: token.id,
                name: token.name,
                scopes: token.scopes.iter().filter_map(|name| Scope::find(name)).collect(),
                created: time_of(token.created),
                expires: token.expires.map(time_of),
                last_used: token.last_used.map(time_of),
            })
        })
        .collect();
    all.sort_unstable_by_key(|token| token.id);
    Ok(Tokens { all })
}

/// A password that can be typed: no letter or digit looks like another.
fn generate() -> io::Result<Secret> {
    let letter = |byte: &u8| char::from(b"abcdefghijkmnpqrstuvwxyz23456789"[usize::from(byte % 32)]);
    let bytes = digest::random_bytes::<20>()?;
    Ok(Secret::new(bytes.iter().map(letter).collect::<String>()))
}

fn of_store(error: StoreError) -> io::Error {
    io::Error::other(error)
}
