//! The resources that somebody watches: made once a second for all who watch them, by asking the API's own routes, so
//! that a stream shows what a GET would.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use super::patch::{patch, shape};
use crate::login::access::{Access, Scopes};

/// Streams at once.
const STREAMS: usize = 64;

/// A second's resources are waited for this long; what takes longer comes with a later second.
const WAIT: Duration = Duration::from_millis(250);

/// A resource is made so seldom that making it takes at most this part of the time, however slow it is.
const SHARE: u32 = 20;
const SELDOM: Duration = Duration::from_secs(30);

/// No answer of the API is larger.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// See the module.
pub(crate) struct Hub {
    watched: Mutex<HashMap<Key, Weak<Resource>>>,
    /// When resources were made last, in milliseconds since 1970.
    pub(super) ticks: watch::Sender<u64>,
    /// Places for streams.
    pub(super) places: Arc<Semaphore>,
}

/// Who may see different things does not share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    scopes: Scopes,
    /// Path and query, relative to the API.
    target: Box<str>,
}

/// One resource while somebody watches it.
pub(super) struct Resource {
    key: Key,
    access: Access,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    frame: Option<Arc<Frame>>,
    /// It is being made.
    under_way: bool,
    /// Not to be made before.
    due: Option<Instant>,
}

/// A resource as it was made at one time.
pub(super) struct Frame {
    /// The frame before has the number one lower.
    number: u64,
    pub(super) content: Content,
    /// What changed since the frame before, as JSON; `None` if that cannot be said.
    delta: Option<Delta>,
    /// The whole value, as JSON.
    snapshot: OnceLock<String>,
}

/// A change.
pub(super) enum Delta {
    Nothing,
    Patch(String),
}

/// What a GET answers.
pub(super) enum Content {
    /// In the form of `shape`.
    Value(Value),
    Refused(u16, String),
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            watched: Mutex::default(),
            ticks: watch::Sender::new(0),
            places: Arc::new(Semaphore::new(STREAMS)),
        }
    }
}

impl Hub {
    /// The resource, made now if nobody has watched it so far.
    pub(super) async fn watch(&self, routes: &Router, target: &str, access: &Access) -> Arc<Resource> {
        let key = Key {
            scopes: access.scopes,
            target: target.into(),
        };
        let resource = {
            let mut watched = lock(&self.watched);
            match watched.get(&key).and_then(Weak::upgrade) {
                Some(resource) => resource,
                None => {
                    let resource = Arc::new(Resource {
                        access: access.clone(),
                        state: Mutex::default(),
                        key: key.clone(),
                    });
                    watched.insert(key, Arc::downgrade(&resource));
                    resource
                }
            }
        };
        if resource.frame().is_none() {
            resource.make(routes).await;
        }
        resource
    }

    /// Makes everything that is watched and due, then tells the streams.
    pub(super) async fn tick(&self, routes: &Router, making: &mut JoinSet<()>, at: u64) {
        let now = Instant::now();
        for resource in self.watched() {
            if resource.is_due(now) {
                let routes = routes.clone();
                making.spawn(async move { resource.make(&routes).await });
            }
        }
        let all = async { while making.join_next().await.is_some() {} };
        // What is not done goes on and shows with the next tick.
        tokio::time::timeout(WAIT, all).await.ok();
        self.ticks.send_replace(at);
    }

    fn watched(&self) -> Vec<Arc<Resource>> {
        let mut watched = lock(&self.watched);
        watched.retain(|_, resource| resource.strong_count() > 0);
        watched.values().filter_map(Weak::upgrade).collect()
    }
}

impl Resource {
    /// As it was made last.
    pub(super) fn frame(&self) -> Option<Arc<Frame>> {
        lock(&self.state).frame.clone()
    }

    fn is_due(&self, now: Instant) -> bool {
        let state = lock(&self.state);
        !state.under_way && state.due.is_none_or(|due| due <= now)
    }

    async fn make(&self, routes: &Router) {
        if std::mem::replace(&mut lock(&self.state).under_way, true) {
            return;
        }
        let began = Instant::now();
        let content = self.ask(routes).await;
        let mut state = lock(&self.state);
        state.frame = Some(Arc::new(Frame::new(content, state.frame.as_deref())));
        state.under_way = false;
        let now = Instant::now();
        state.due = Some(now + (began.elapsed() * SHARE).min(SELDOM)).filter(|_| began.elapsed() > WAIT / 10);
    }

    async fn ask(&self, routes: &Router) -> Content {
        let request = Request::get(format!("/{}", self.key.target)).extension(self.access.clone());
        let Ok(request) = request.body(Body::empty()) else {
            return Content::Refused(400, "not a resource of this API".to_owned());
        };
        // A router always answers.
        let Ok(answer) = routes.clone().oneshot(request).await;
        let status = answer.status();
        let body = to_bytes(answer.into_body(), MAX_BODY).await.unwrap_or_default();
        match serde_json::from_slice::<Value>(&body) {
            Ok(value) if status == StatusCode::OK => Content::Value(shape(value)),
            Ok(value) => {
                let message = value["message"].as_str().unwrap_or_default();
                Content::Refused(status.as_u16(), message.to_owned())
            }
            Err(_) => Content::Refused(500, "the answer is no JSON".to_owned()),
        }
    }
}

impl Frame {
    fn new(content: Content, before: Option<&Self>) -> Self {
        let delta = match (before.map(|before| &before.content), &content) {
            (Some(Content::Value(before)), Content::Value(now)) => Some(Delta::between(before, now)),
            _ => None,
        };
        Self {
            number: before.map_or(0, |before| before.number + 1),
            content,
            delta,
            snapshot: OnceLock::new(),
        }
    }

    /// What changed since `before` was sent; `None` if only the whole value says it.
    pub(super) fn since<R>(&self, before: &Self, with: impl FnOnce(Option<&Delta>) -> R) -> R {
        if before.number + 1 == self.number {
            return with(self.delta.as_ref());
        }
        // A slow reader has missed some.
        match (&before.content, &self.content) {
            (Content::Value(before), Content::Value(now)) => with(Some(&Delta::between(before, now))),
            _ => with(None),
        }
    }

    /// The whole value as JSON.
    pub(super) fn snapshot(&self) -> &str {
        self.snapshot.get_or_init(|| match &self.content {
            Content::Value(value) => value.to_string(),
            Content::Refused(..) => String::new(),
        })
    }
}

impl Delta {
    fn between(before: &Value, now: &Value) -> Self {
        match patch(before, now) {
            None => Self::Nothing,
            Some(patch) => Self::Patch(patch.to_string()),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
