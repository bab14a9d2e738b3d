//! The store as the gateway's keeper of sessions, so that another run of the program can take them up. Nothing is decided
//! here.

use proxy_core::session::KeptSession;
use proxy_gateway::keeper::{Change, Commit, Keeper};
use proxy_store::{Store, StoreError};

/// Keeps sessions in the store.
#[derive(Debug)]
pub(crate) struct StoreKeeper(Store);

impl StoreKeeper {
    /// Keeps them in this store.
    pub(crate) fn new(store: Store) -> Self {
        Self(store)
    }

    /// What the run before kept.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn kept(&self) -> Result<Vec<KeptSession>, StoreError> {
        self.0.kept_sessions()
    }
}

impl Keeper for StoreKeeper {
    fn commit(&self, change: Change) -> Commit {
        let pending = match change {
            Change::Session(session) => self.0.keep_session(session),
            Change::Links(id, links) => self.0.keep_links(id, links),
            Change::Settings(id, settings) => self.0.keep_settings(id, settings),
            Change::Forget(id) => self.0.forget_session(id),
        };
        Box::pin(async { pending.await.map_err(|error| error.to_string()) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::{Duration, UNIX_EPOCH};

    use lavalink_protocol::id::{NodeSessionId, SessionId, UserId};
    use proxy_core::session::kept::{KeptLink, Settings};

    use super::*;

    #[tokio::test]
    async fn what_is_kept_is_what_the_next_run_gets() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let store = Store::open(&path, proxy_store::Settings::default()).unwrap();
        let keeper = StoreKeeper::new(store.clone());
        let link = |node_session: &str| KeptLink {
            node: "n0".to_owned(),
            node_session: NodeSessionId::from(node_session),
        };
        let session = |id: &str| KeptSession {
            id: SessionId::from(id),
            tenant: "default".into(),
            user: UserId(7),
            client: Some("library/1".into()),
            opened: UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
            settings: Settings {
                resuming: false,
                timeout: 60,
            },
            links: vec![link("one")],
        };
        let settings = Settings {
            resuming: true,
            timeout: 5,
        };
        keeper.commit(Change::Session(session("a"))).await.unwrap();
        keeper.commit(Change::Session(session("b"))).await.unwrap();
        let id = SessionId::from("a");
        keeper.commit(Change::Settings(id.clone(), settings)).await.unwrap();
        keeper.commit(Change::Links(id, vec![link("two")])).await.unwrap();
        keeper.commit(Change::Forget(SessionId::from("b"))).await.unwrap();
        store.close();
        let store = Store::open(&path, proxy_store::Settings::default()).unwrap();
        let kept = StoreKeeper::new(store).kept().unwrap();
        let [kept] = &kept[..] else { panic!("{kept:?}") };
        let expected = session("a");
        assert_eq!(
            (&kept.id, &kept.tenant, kept.user),
            (&expected.id, &expected.tenant, expected.user)
        );
        assert_eq!((&kept.client, kept.opened), (&expected.client, expected.opened));
        assert_eq!((kept.settings, &kept.links[0].node), (settings, &"n0".to_owned()));
        assert_eq!(kept.links[0].node_session.as_str(), "two");
    }
}
