//! The decision table, the order of signals, and the traps that real clients and their users lay, one row each.

#![allow(clippy::unwrap_used, missing_docs)]

mod evidence;
mod paths;
mod signals;
mod tables;

use lavalink_protocol::detect::{
    Binding, Class, Detected, IgnoredHeader, Known, Refusal, Request, Verdict, detect, meaningful_session_id,
};
use lavalink_protocol::late::{evidence_from_body, evidence_from_op, evidence_from_query};
use lavalink_protocol::route::{Method, Route};

use Class::{V3, V3Legacy, V4};
use Refusal::{MethodNotAllowed, NodeAdministration, NotFound, UpgradeExpected};
use Verdict::{Handshake, Refuse, Rest, Undecided};

/// A session id that [`World`] issued to a v4 client, one for a 3.7 socket and one for a legacy socket.
const S4: &str = "aaaabbbbccccdd44";
const S3: &str = "aaaabbbbccccdd37";
const SL: &str = "aaaabbbbccccdd36";

#[derive(Clone, Copy)]
struct World {
    bound: Option<Binding>,
    listed: Option<Class>,
    default: Class,
}

const NEW: World = World {
    bound: None,
    listed: None,
    default: V4,
};

impl World {
    fn bound(class: Class) -> Self {
        Self {
            bound: Some(Binding { class, base: false }),
            ..NEW
        }
    }

    fn on_base_path() -> Self {
        Self {
            bound: Some(Binding {
                class: V3Legacy,
                base: true,
            }),
            ..NEW
        }
    }
}

impl Known for World {
    fn issued(&self, session: &str) -> Option<Class> {
        match session {
            S4 => Some(V4),
            S3 => Some(V3),
            SL => Some(V3Legacy),
            _ => None,
        }
    }

    fn bound(&self) -> Option<Binding> {
        self.bound
    }

    fn listed(&self, client_name: Option<&str>, _: Option<&str>) -> Option<Class> {
        self.listed.filter(|_| client_name == Some("listed"))
    }

    fn default_class(&self) -> Class {
        self.default
    }
}

fn get(path: &str) -> Request<'_> {
    Request {
        method: Method::Get,
        path,
        query: None,
        upgrade: false,
        session_id: None,
        resume_key: None,
        num_shards: false,
        client_name: None,
        user_agent: None,
        forced: None,
        mount: "",
    }
}

fn upgrade(path: &str) -> Request<'_> {
    Request {
        upgrade: true,
        ..get(path)
    }
}

fn check(request: Request<'_>, known: World, verdict: Verdict, path: &str) {
    let detected = detect(&request, &known);
    assert_eq!(
        (detected.verdict, &*detected.path),
        (verdict, path),
        "{request:?}: {detected:?}"
    );
}
