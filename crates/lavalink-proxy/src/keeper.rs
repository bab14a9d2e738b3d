//! The store as the gateway's keeper of sessions, so that another run of the program can take them up. Nothing is decided
//! here.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lavalink_protocol::id::{NodeSessionId, SessionId};
use proxy_gateway::keeper::{Change, Commit, Keeper, KeptLink, KeptSession};
use proxy_gateway::session::directory::Settings;
use proxy_store::{Millis, Store, StoreError};

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
        let kept = self.0.kept_sessions()?;
        Ok(kept.into_iter().filter_map(read_session).collect())
    }
}

impl Keeper for StoreKeeper {
    fn commit(&self, change: Change) -> Commit {
        let pending = match change {
            Change::Session(session) => self.0.keep_session(write_session(&session)),
            Change::Links(id, links) => self.0.keep_links(id.into(), links.iter().map(write_link).collect()),
            Change::Settings(id, Settings { resuming, timeout }) => self.0.keep_resuming(id.into(), resuming, timeout),
            Change::Forget(id) => self.0.forget_session(id.into()),
        };
        Box::pin(async { pending.await.map_err(|error| error.to_string()) })
    }
}

fn write_session(session: &KeptSession) -> proxy_store::KeptSession {
    let opened = session.opened.duration_since(UNIX_EPOCH).unwrap_or_default();
    proxy_store::KeptSession {
        id: session.id.clone().into(),
        tenant: session.tenant.to_string(),
        user: session.user.into(),
        client: session.client.as_deref().map(str::to_owned),
        opened: Millis::try_from(opened.as_millis()).unwrap_or(Millis::MAX),
        resuming: session.settings.resuming,
        timeout: session.settings.timeout,
        links: session.links.iter().map(write_link).collect(),
    }
}

fn write_link(link: &KeptLink) -> proxy_store::KeptLink {
    proxy_store::KeptLink {
        node: link.node.clone(),
        node_session: link.node_session.clone().into(),
    }
}

/// A user that is no number was never written, and so is not one of ours.
fn read_session(session: proxy_store::KeptSession) -> Option<KeptSession> {
    let opened = Duration::from_millis(u64::try_from(session.opened).unwrap_or_default());
    Some(KeptSession {
        id: SessionId::from(session.id),
        tenant: session.tenant.into(),
        user: session.user.parse().ok()?,
        client: session.client.map(Into::into),
        opened: UNIX_EPOCH.checked_add(opened).unwrap_or_else(SystemTime::now),
        settings: Settings {
            resuming: session.resuming,
            timeout: session.timeout,
        },
        links: session.links.into_iter().map(read_link).collect(),
    })
}

fn read_link(link: proxy_store::KeptLink) -> KeptLink {
    KeptLink {
        node: link.node,
        node_session: NodeSessionId::from(link.node_session),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use lavalink_protocol::id::UserId;

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
