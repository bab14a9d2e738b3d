//! Login sessions: who holds which cookie until when. Not Lavalink's sessions. Of a cookie only its digest is known here.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::access::Role;
use super::digest::Digest;

/// Login sessions at once; past it the one that ends first is ended.
const MOST: usize = 256;

/// One person on one browser.
#[derive(Clone, Debug)]
pub(super) struct LoginSession {
    pub(super) user: Arc<str>,
    pub(super) role: Role,
    pub(super) ends: SystemTime,
}

/// See the module.
#[derive(Debug)]
pub(super) struct LoginSessions {
    timeout: Duration,
    all: HashMap<Digest, LoginSession>,
}

impl LoginSessions {
    /// None yet; each is to last this long.
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            all: HashMap::new(),
        }
    }

    /// Begins one.
    pub(super) fn begin(&mut self, digest: Digest, user: Arc<str>, role: Role, now: SystemTime) {
        self.all.retain(|_, session| session.ends > now);
        if self.all.len() >= MOST {
            let first = self.all.iter().min_by_key(|(_, session)| session.ends);
            if let Some(first) = first.map(|(digest, _)| *digest) {
                self.all.remove(&first);
            }
        }
        self.restore(digest, user, role, now + self.timeout);
    }

    /// Takes one that began before.
    pub(super) fn restore(&mut self, digest: Digest, user: Arc<str>, role: Role, ends: SystemTime) {
        self.all.insert(digest, LoginSession { user, role, ends });
    }

    /// The session of this cookie, while it lasts.
    pub(super) fn get(&self, digest: &Digest, now: SystemTime) -> Option<&LoginSession> {
        self.all.get(digest).filter(|session| session.ends > now)
    }

    /// Ends one; `false` when there was none.
    pub(super) fn end(&mut self, digest: &Digest) -> bool {
        self.all.remove(digest).is_some()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn digest(number: usize) -> Digest {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_le_bytes());
        digest
    }

    #[test]
    fn a_login_lasts_as_long_as_was_set_or_until_its_end() {
        let mut sessions = LoginSessions::new(Duration::from_secs(60));
        let now = SystemTime::now();
        sessions.begin(digest(1), "admin".into(), Role::Admin, now);
        sessions.begin(digest(2), "viewer".into(), Role::Viewer, now);
        assert_eq!(&*sessions.get(&digest(1), now).unwrap().user, "admin");
        assert!(sessions.get(&digest(1), now + Duration::from_millis(59_999)).is_some());
        assert!(sessions.get(&digest(1), now + Duration::from_secs(60)).is_none());
        assert!(sessions.end(&digest(2)));
        assert!(sessions.get(&digest(2), now).is_none() && !sessions.end(&digest(2)));
    }

    #[test]
    fn there_is_a_bound_and_the_newest_stay() {
        let mut sessions = LoginSessions::new(Duration::from_secs(60));
        let now = SystemTime::now();
        for number in 0..MOST + 10 {
            let at = now + Duration::from_millis(number as u64);
            sessions.begin(digest(number), "admin".into(), Role::Admin, at);
        }
        assert_eq!(sessions.all.len(), MOST);
        assert!(sessions.get(&digest(9), now).is_none() && sessions.get(&digest(10), now).is_some());
    }
}
