//! The public status: a page, a JSON and badges for list sites, off by default. It says how the nodes are and how many
//! players there are, and nothing of addresses, clients or versions.
//!
//! Everything is made at most once for each reading of the monitor, so that any number of visitors costs the same. Not
//! for operators: they have the dashboard.

mod badge;
mod page;
mod view;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::App;
use view::View;

/// What is shown, and where.
#[derive(Clone, Debug)]
pub struct StatusSettings {
    /// A listener of its own, with nothing else on it; without it the routes are on the admin listener.
    pub bind: Option<SocketAddr>,
    /// What is written over it.
    pub title: String,
    /// Numbers of players are shown.
    pub show_players: bool,
}

/// What was made of the last reading.
#[derive(Debug)]
pub(crate) struct Status {
    settings: StatusSettings,
    /// Locked for as long as it takes to make the pages anew, which is under a millisecond.
    made: Mutex<Option<Arc<Pages>>>,
}

#[derive(Debug)]
struct Pages {
    /// The reading they were made from.
    of: SystemTime,
    html: Bytes,
    json: Bytes,
    badge: Bytes,
    nodes: HashMap<String, Bytes>,
}

impl Status {
    pub(crate) fn new(settings: StatusSettings) -> Self {
        Self {
            settings,
            made: Mutex::new(None),
        }
    }

    fn pages(&self, app: &App) -> Arc<Pages> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = app.monitor().at;
        match &*made {
            Some(pages) if pages.of == reading => Arc::clone(pages),
            _ => {
                let view = View::new(app, &self.settings);
                Arc::clone(made.insert(Arc::new(Pages::new(&view, reading))))
            }
        }
    }
}

impl Pages {
    fn new(view: &View, of: SystemTime) -> Self {
        let nodes = view.nodes.iter();
        Self {
            of,
            html: page::html(view, of).into(),
            json: serde_json::to_vec(view).unwrap_or_default().into(),
            badge: badge::overall(view).into(),
            nodes: nodes
                .map(|node| (node.name.clone(), badge::node(node).into()))
                .collect(),
        }
    }
}

/// The routes; none where the status is not enabled.
pub(crate) fn router(app: Arc<App>) -> Router {
    let Some(status) = app.status.clone() else {
        return Router::new();
    };
    Router::new()
        .route("/status", get(html))
        .route("/status.json", get(json))
        .route("/status.svg", get(svg))
        .route("/status/{badge}", get(node_svg))
        .with_state(Shown { app, status })
}

#[derive(Clone)]
struct Shown {
    app: Arc<App>,
    status: Arc<Status>,
}

impl Shown {
    fn pages(&self) -> Arc<Pages> {
        self.status.pages(&self.app)
    }
}

async fn html(State(shown): State<Shown>) -> Response {
    answer("text/html; charset=utf-8", shown.pages().html.clone())
}

async fn json(State(shown): State<Shown>) -> Response {
    answer("application/json", shown.pages().json.clone())
}

async fn svg(State(shown): State<Shown>) -> Response {
    answer("image/svg+xml; charset=utf-8", shown.pages().badge.clone())
}

async fn node_svg(State(shown): State<Shown>, Path(badge): Path<String>) -> Response {
    let pages = shown.pages();
    match badge.strip_suffix(".svg").and_then(|node| pages.nodes.get(node)) {
        Some(svg) => answer("image/svg+xml; charset=utf-8", svg.clone()),
        None => (StatusCode::NOT_FOUND, "there is no node of this name\n").into_response(),
    }
}

/// Caches may hold it for a few seconds, any page may read it, and a browser runs nothing that is in it.
fn answer(kind: &'static str, body: Bytes) -> Response {
    const HEADERS: [(HeaderName, &str); 6] = [
        (header::CACHE_CONTROL, "public, max-age=10"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
        ),
    ];
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Text as it may stand in HTML and SVG, also in an attribute.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
