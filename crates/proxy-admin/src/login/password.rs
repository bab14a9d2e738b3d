//! Passwords of people: argon2id, on a thread of its own, a few at once; and the memory of what was right, so that a
//! scraper that sends its password with every request does not cost an argon2 each time.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use proxy_core::secret::Secret;
use proxy_core::tenant::MAX_PASSWORD;
use tokio::sync::Semaphore;

use super::access::Role;
use super::digest::{self, Digest};

/// What a hash begins with; a configured password that begins so is one.
const PREFIX: &str = "$argon2id$";

/// Hashes that are worked on at once; each takes tens of milliseconds of a core and tens of megabytes.
const AT_ONCE: usize = 2;

/// Tries that may wait for their turn; more are told to come again.
const WAITING: usize = 16;

/// Passwords that were right, by keyed digest. There are as many as users, so this is never reached by right ones.
const REMEMBERED: usize = 16;

/// More than this much memory (KiB) or this many passes would make a single login a burden.
const MAX_MEMORY: u32 = 256 * 1024;
const MAX_PASSES: u32 = 16;

/// A user's password, hashed.
struct User {
    name: Arc<str>,
    role: Role,
    hash: Arc<str>,
}

/// Who may log in with a password.
pub(super) struct Users {
    users: Vec<User>,
    /// Makes the digests below worthless to anyone else.
    key: [u8; 32],
    remembered: Mutex<HashMap<Digest, usize>>,
    turns: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// What came of a try.
#[derive(Debug, PartialEq)]
pub(super) enum Tried {
    Right(Arc<str>, Role),
    Wrong,
    /// Too many tries are being looked at.
    Busy,
}

impl Users {
    /// With hashes, as [`prepare`] makes them.
    pub(super) fn new(users: impl IntoIterator<Item = (&'static str, Role, Secret)>) -> io::Result<Self> {
        let user = |(name, role, hash): (&'static str, Role, Secret)| User {
            name: name.into(),
            role,
            hash: hash.expose().into(),
        };
        Ok(Self {
            users: users.into_iter().map(user).collect(),
            key: digest::random_bytes()?,
            remembered: Mutex::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            waiting: Arc::new(Semaphore::new(WAITING)),
        })
    }

    /// The user, if this password was right before: costs a SHA-256.
    pub(super) fn remembered(&self, name: &[u8], password: &[u8]) -> Option<(Arc<str>, Role)> {
        let digest = digest::keyed(&self.key, name, password);
        let index = *self.lock().get(&digest)?;
        self.users.get(index).map(|user| (Arc::clone(&user.name), user.role))
    }

    /// Checks a password, in the same time for users that there are and those that there are not.
    pub(super) async fn check(&self, name: &[u8], password: &[u8]) -> Tried {
        let Some(first) = self.users.first() else {
            return Tried::Wrong;
        };
        if password.len() > MAX_PASSWORD {
            return Tried::Wrong;
        }
        let Ok(waiting) = Arc::clone(&self.waiting).try_acquire_owned() else {
            return Tried::Busy;
        };
        let Ok(turn) = Arc::clone(&self.turns).acquire_owned().await else {
            return Tried::Busy;
        };
        drop(waiting);
        let found = self.users.iter().position(|user| user.name.as_bytes() == name);
        let hash = Arc::clone(&found.map_or(first, |index| &self.users[index]).hash);
        let owned: Box<[u8]> = password.into();
        let checked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            verify(&hash, &owned)
        });
        match (checked.await.unwrap_or(false), found) {
            (true, Some(index)) => {
                self.remember(digest::keyed(&self.key, name, password), index);
                let user = &self.users[index];
                Tried::Right(Arc::clone(&user.name), user.role)
            }
            _ => Tried::Wrong,
        }
    }

    fn remember(&self, digest: Digest, index: usize) {
        let mut remembered = self.lock();
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        remembered.insert(digest, index);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, usize>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether this is the hash of this password.
pub(super) fn verify(hash: &str, password: &[u8]) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok())
}

/// The hash of a password that is written as one or not.
pub(super) fn prepare(password: &Secret) -> Result<Secret, String> {
    if is_hash(password) {
        check_hash(password).map(|()| password.clone())
    } else if password.is_empty() {
        Err("must not be empty".to_owned())
    } else if password.expose().len() > MAX_PASSWORD {
        Err(format!("must not be longer than {MAX_PASSWORD} bytes"))
    } else {
        hash(password).map_err(|error| error.to_string())
    }
}

/// Whether a configured password is a hash of one.
pub fn is_hash(password: &Secret) -> bool {
    password.expose().starts_with(PREFIX)
}

/// Makes the argon2id hash of a password, with a new salt.
///
/// # Errors
/// The system gives no randomness.
pub fn hash(password: &Secret) -> io::Result<Secret> {
    let hash = Argon2::default().hash_password(password.expose().as_bytes());
    hash.map(|hash| Secret::new(hash.to_string()))
        .map_err(|error| io::Error::other(format!("cannot be hashed: {error}")))
}

/// Checks what is meant to be an argon2id hash.
///
/// # Errors
/// What is wrong with it, without repeating it.
pub fn check_hash(hash: &Secret) -> Result<(), String> {
    let broken = || "is no whole argon2id hash, as `lavalink-proxy hash-password` prints it".to_owned();
    let parsed = PasswordHash::new(hash.expose()).map_err(|_| broken())?;
    let params = argon2::Params::try_from(&parsed).map_err(|_| broken())?;
    if parsed.hash.is_none() || parsed.salt.is_none() {
        return Err(broken());
    }
    if params.m_cost() > MAX_MEMORY || params.t_cost() > MAX_PASSES {
        return Err(format!(
            "is an argon2id hash that takes too much to check: at most m={MAX_MEMORY} and t={MAX_PASSES}"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn users(admin: &str, viewer: &str) -> Users {
        let hash = |password| prepare(&Secret::new(password)).unwrap();
        Users::new([
            ("admin", Role::Admin, hash(admin)),
            ("viewer", Role::Viewer, hash(viewer)),
        ])
        .unwrap()
    }

    #[tokio::test]
    async fn only_a_user_with_its_own_password_comes_in() {
        let hashed = hash(&Secret::new("of the viewer")).unwrap();
        let users = users("of:the admin", hashed.expose());
        let rows = [
            ("admin", "of:the admin", true),
            ("viewer", "of the viewer", true),
            ("admin", "of the viewer", false),
            ("viewer", "of:the admin", false),
            ("viewer", hashed.expose(), false),
            ("admin", "of:the admi", false),
            ("admin", "of:the admin ", false),
            ("admin", "", false),
            ("Admin", "of:the admin", false),
            ("", "of:the admin", false),
            ("nobody", "of:the admin", false),
        ];
        for (name, password, right) in rows {
            assert_eq!(users.remembered(name.as_bytes(), password.as_bytes()), None);
            let tried = users.check(name.as_bytes(), password.as_bytes()).await;
            assert_eq!(matches!(tried, Tried::Right(..)), right, "{name} {password}");
            let remembered = users.remembered(name.as_bytes(), password.as_bytes());
            assert_eq!(remembered.is_some(), right, "{name} {password}");
        }
        assert_eq!(users.lock().len(), 2);
    }

    #[tokio::test]
    async fn too_many_tries_at_once_are_sent_away() {
        let users = Arc::new(users("secret", "other"));
        let tries: Vec<_> = (0..WAITING + AT_ONCE + 20)
            .map(|_| {
                let users = Arc::clone(&users);
                tokio::spawn(async move { users.check(b"admin", b"guess").await })
            })
            .collect();
        let mut busy = 0;
        for tried in tries {
            busy += usize::from(tried.await.unwrap() == Tried::Busy);
        }
        assert!((1..=20).contains(&busy), "{busy}");
        assert!(matches!(users.check(b"admin", b"secret").await, Tried::Right(..)));
    }

    #[test]
    fn a_password_that_cannot_be_used_is_named_and_not_shown() {
        let weak = hash(&Secret::new("x")).unwrap();
        let heavy = weak.expose().replace("m=19456", "m=4194304");
        let rows = [
            (String::new(), "empty"),
            ("x".repeat(257), "256"),
            ("$argon2id$rubbish".to_owned(), "hash-password"),
            ("$argon2id$v=19$m=19456,t=2,p=1".to_owned(), "hash-password"),
            (heavy, "too much"),
        ];
        for (password, expected) in rows {
            let error = prepare(&Secret::new(password.as_str())).unwrap_err();
            assert!(error.contains(expected), "{error}");
            assert!(password.is_empty() || !error.contains(&password), "{error}");
        }
    }
}
