//! The login: who asks, by password, cookie or API token. What a request needs is said where it is routed (`api`), and
//! checked in `guard`; health checks are open and never come here.
//!
//! Whatever lets somebody in is kept as a hash only: passwords as argon2id, random values as SHA-256. With a store, login
//! sessions and tokens outlive the program.

pub(crate) mod access;
pub(crate) mod cookie;
mod digest;
pub(crate) mod guard;
pub(crate) mod password;
mod sessions;
mod setup;
pub(crate) mod tokens;

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proxy_core::secret::Secret;
use proxy_core::throttle::Throttle;
use proxy_store::{Store, StoreError};

use crate::view::stored;
use access::{Access, Method, Role, Scopes};
use cookie::SecureCookie;
use digest::Digest;
use password::{Tried, Users};
use sessions::LoginSessions;
pub(crate) use setup::LoginConfig;
use tokens::{Token, Tokens};

/// The user that may do everything.
pub(crate) const ADMIN: &str = "admin";
/// The user that may look.
pub(crate) const VIEWER: &str = "viewer";

/// A token's use is written down this often at most.
const TOUCH: Duration = Duration::from_secs(60);

/// See the module.
pub(crate) struct Login {
    users: Users,
    sessions: Mutex<LoginSessions>,
    tokens: Mutex<Tokens>,
    throttle: Mutex<Throttle>,
    pub(crate) secure: SecureCookie,
    /// How long a login session lasts.
    pub(crate) timeout: Duration,
    store: Option<Store>,
}

/// Why nobody is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Nothing was shown, or a cookie that is good no more: every browser's first request is so, and no attempt.
    Missing,
    /// What was shown is wrong; it counts.
    Wrong,
    /// Too many were wrong, or are being looked at: come again after this.
    Later(Duration),
}

impl Login {
    /// Who sends a request with these headers from this address.
    pub(crate) async fn who(&self, headers: &HeaderMap, peer: IpAddr) -> Result<Access, Refused> {
        match headers.get(header::AUTHORIZATION).map(|value| value.as_bytes()) {
            None => self.by_cookie(headers).ok_or(Refused::Missing),
            Some(value) => match scheme(value) {
                (b"basic", rest) => {
                    let decoded = STANDARD.decode(rest).ok();
                    let pair = decoded.as_deref().and_then(user_and_password);
                    let (user, password) = pair.ok_or_else(|| self.wrong(peer))?;
                    let (user, role) = self.by_password(user, password, peer).await?;
                    Ok(access(user, Method::Basic, role.scopes(), None))
                }
                (b"bearer", rest) => self.by_token(rest).ok_or_else(|| self.wrong(peer)),
                _ => Err(self.wrong(peer)),
            },
        }
    }

    /// Begins a login session of whoever has this password, and ends the one that the headers show, if any: a cookie
    /// that was there before the login is never good after it. The answer is the new cookie's value.
    pub(crate) async fn log_in(
        &self,
        user: &str,
        password: &Secret,
        headers: &HeaderMap,
        peer: IpAddr,
    ) -> Result<(Access, Secret), LogInError> {
        let password = password.expose().as_bytes();
        let (user, role) = self.by_password(user.as_bytes(), password, peer).await?;
        self.log_out(headers).await?;
        let value = digest::random().map_err(LogInError::System)?;
        let digest = digest::of(value.expose().as_bytes());
        let now = SystemTime::now();
        if let Some(store) = &self.store {
            store
                .add_login(proxy_store::Login {
                    hash: digest,
                    user: user.to_string(),
                    role: role.name().to_owned(),
                    created: stored(now),
                    seen: stored(now),
                    expires: stored(now + self.timeout),
                })
                .await?;
        }
        lock(&self.sessions).begin(digest, Arc::clone(&user), role, now);
        Ok((access(user, Method::Cookie, role.scopes(), Some(digest)), value))
    }

    /// Ends the login session of the cookie in these headers.
    pub(crate) async fn log_out(&self, headers: &HeaderMap) -> Result<(), StoreError> {
        for value in cookie::values(headers) {
            let digest = digest::of(value.as_bytes());
            let ended = lock(&self.sessions).end(&digest);
            if ended && let Some(store) = &self.store {
                store.delete_login(digest).await?;
            }
        }
        Ok(())
    }

    /// Whether who was let in would still be: it is not after a logout, at the end of a login session, or when a token was
    /// revoked. For answers that last.
    pub(crate) fn is_still_good(&self, access: &Access) -> bool {
        let now = SystemTime::now();
        match (access.method, &access.digest) {
            (Method::Cookie, Some(digest)) => lock(&self.sessions).get(digest, now).is_some(),
            (Method::Token, Some(digest)) => lock(&self.tokens).get(digest, now).is_some(),
            _ => true,
        }
    }

    /// All tokens, oldest first.
    pub(crate) fn tokens(&self) -> Vec<Token> {
        lock(&self.tokens).all.clone()
    }

    /// Makes a token. The secret is shown to its maker this once.
    pub(crate) async fn add_token(
        &self,
        name: String,
        scopes: Scopes,
        expires: Option<SystemTime>,
    ) -> Result<(Token, Secret), AddTokenError> {
        {
            let tokens = lock(&self.tokens);
            if tokens.all.len() >= tokens::MOST {
                return Err(AddTokenError::Full);
            }
            if tokens.all.iter().any(|token| token.name == name) {
                return Err(AddTokenError::NameTaken);
            }
        }
        let random = digest::random().map_err(AddTokenError::System)?;
        let secret = Secret::new(format!("{}{}", tokens::PREFIX, random.expose()));
        let (digest, created) = (digest::of(secret.expose().as_bytes()), SystemTime::now());
        let id = match &self.store {
            None => lock(&self.tokens).next_id(),
            Some(store) => {
                let names = scopes.list().iter().map(|scope| scope.name().to_owned()).collect();
                let added = store.add_token(name.clone(), digest, names, stored(created), expires.map(stored));
                added.await?.ok_or(AddTokenError::NameTaken)?.id
            }
        };
        let token = Token {
            id,
            name,
            scopes,
            created,
            expires,
            last_used: None,
            digest,
        };
        lock(&self.tokens).all.push(token.clone());
        Ok((token, secret))
    }

    /// Revokes a token; `false` when there is none of this number.
    pub(crate) async fn revoke_token(&self, id: i64) -> Result<bool, StoreError> {
        if let Some(store) = &self.store {
            store.delete_token(id).await?;
        }
        let mut tokens = lock(&self.tokens);
        let before = tokens.all.len();
        tokens.all.retain(|token| token.id != id);
        Ok(tokens.all.len() < before)
    }

    fn by_cookie(&self, headers: &HeaderMap) -> Option<Access> {
        let (sessions, now) = (lock(&self.sessions), SystemTime::now());
        cookie::values(headers).find_map(|value| {
            let digest = digest::of(value.as_bytes());
            let session = sessions.get(&digest, now)?;
            Some(access(
                Arc::clone(&session.user),
                Method::Cookie,
                session.role.scopes(),
                Some(digest),
            ))
        })
    }

    fn by_token(&self, secret: &[u8]) -> Option<Access> {
        let (digest, now) = (digest::of(secret), SystemTime::now());
        let mut tokens = lock(&self.tokens);
        let token = tokens.get_mut(&digest, now)?;
        let known = token.last_used.replace(now);
        let lately = known.is_some_and(|known| now.duration_since(known).is_ok_and(|passed| passed < TOUCH));
        if lately {
            token.last_used = known;
        } else if let Some(store) = &self.store {
            store.touch_token(token.id, stored(now)).detach();
        }
        Some(access(
            token.name.as_str().into(),
            Method::Token,
            token.scopes,
            Some(digest),
        ))
    }

    async fn by_password(&self, user: &[u8], password: &[u8], peer: IpAddr) -> Result<(Arc<str>, Role), Refused> {
        if let Some(known) = self.users.remembered(user, password) {
            return Ok(known);
        }
        self.attempt(peer)?;
        match self.users.check(user, password).await {
            Tried::Right(user, role) => {
                lock(&self.throttle).succeeded(peer);
                Ok((user, role))
            }
            Tried::Wrong => Err(Refused::Wrong),
            Tried::Busy => Err(Refused::Later(Duration::from_secs(1))),
        }
    }

    /// What is wrong without a password counts like a wrong one.
    fn wrong(&self, peer: IpAddr) -> Refused {
        self.attempt(peer).err().unwrap_or(Refused::Wrong)
    }

    fn attempt(&self, peer: IpAddr) -> Result<(), Refused> {
        lock(&self.throttle)
            .attempt(peer, Instant::now())
            .map_err(Refused::Later)
    }
}

/// Why a login session did not begin.
#[derive(Debug)]
pub(crate) enum LogInError {
    Refused(Refused),
    Store(StoreError),
    System(io::Error),
}

impl From<Refused> for LogInError {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<StoreError> for LogInError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Why a token was not made.
#[derive(Debug)]
pub(crate) enum AddTokenError {
    Full,
    NameTaken,
    Store(StoreError),
    System(io::Error),
}

impl From<StoreError> for AddTokenError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn access(user: Arc<str>, method: Method, scopes: Scopes, digest: Option<Digest>) -> Access {
    Access {
        user,
        method,
        scopes,
        digest,
    }
}

/// The scheme in lower case, as far as it is one that is known, and what follows it.
fn scheme(value: &[u8]) -> (&'static [u8], &[u8]) {
    for known in [&b"basic"[..], b"bearer"] {
        if let Some((scheme, rest)) = value.split_at_checked(known.len())
            && scheme.eq_ignore_ascii_case(known)
            && rest.first() == Some(&b' ')
        {
            return (known, rest.trim_ascii());
        }
    }
    (b"", value)
}

fn user_and_password(credentials: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = credentials.iter().position(|byte| *byte == b':')?;
    Some((&credentials[..colon], &credentials[colon + 1..]))
}

/// What a lock guards here is whole between two statements, so a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
