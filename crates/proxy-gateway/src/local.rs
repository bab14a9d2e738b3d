//! REST requests that the proxy answers itself: what it merges from several nodes, and what it owns.

use lavalink_protocol::detect::Class;
use lavalink_protocol::generation::Generation;
use lavalink_protocol::http::RequestHead;
use lavalink_protocol::info::{Merge, Version, merge};
use lavalink_protocol::message::{SessionAnswer, SessionUpdate};
use lavalink_protocol::route::Route;
use lavalink_protocol::stats::{self, StatsForm};
use proxy_core::placement::Wanted;
use proxy_core::pool::{NodeId, NodeView};
use proxy_core::tenant::Tenant;

use crate::error::ProxyError;
use crate::respond::{self, To};
use crate::session::directory::SessionEntry;
use crate::shared::Shared;

/// The header by which a tenant that may administer nodes names the one it means.
const NODE_HEADER: &str = "lavalink-proxy-node";

/// What v3 clients are told when no v3 node has said its version: the last release.
const LAST_V3: &str = "3.7.13";

/// The answer to a route that the proxy serves itself; `None` for routes that go to a node.
pub(crate) fn answer(shared: &Shared, route: &Route<'_>, to: To<'_>) -> Option<Result<Vec<u8>, ProxyError>> {
    match route {
        Route::Info => Some(info(shared).map(|body| respond::ok("application/json", &body, to))),
        Route::Stats => Some(Ok(respond::ok("application/json", &stats(shared, StatsForm::Rest), to))),
        Route::Version => Some(Ok(respond::ok(
            "text/plain;charset=UTF-8",
            version(shared, to.class).as_bytes(),
            to,
        ))),
        _ => None,
    }
}

fn info(shared: &Shared) -> Result<Vec<u8>, ProxyError> {
    let infos = shared.infos();
    if infos.is_empty() {
        // Without any node's word there is nothing true to say; the pool knows the reason.
        shared.choose_request(Class::V4, None, None)?;
        return Err(ProxyError::NodeUnreachable);
    }
    let how = if shared.config.info_union {
        Merge::Union
    } else {
        Merge::Common
    };
    let mut body = Vec::new();
    merge(&infos, how).write(&mut body);
    Ok(body)
}

/// All v4 nodes' figures as one node's.
pub(crate) fn stats(shared: &Shared, form: StatsForm) -> Vec<u8> {
    let pool = shared.pool();
    let figures: Vec<_> = pool
        .nodes()
        .iter()
        .filter(|node| node.state.takes_work() && node.generation.is_some_and(Generation::is_v4))
        .filter_map(NodeView::stats)
        .collect();
    let uptime = i64::try_from(shared.started.elapsed().as_millis()).unwrap_or(i64::MAX);
    let mut body = Vec::new();
    stats::merge(&figures, uptime).write(form, &mut body);
    body
}

/// The newest version that serves clients of this class.
fn version(shared: &Shared, class: Class) -> String {
    let wanted = if class == Class::V4 { Wanted::V4 } else { Wanted::AnyV3 };
    let pool = shared.pool();
    let newest = pool
        .nodes()
        .iter()
        .filter(|node| node.generation.is_some_and(|generation| wanted.accepts(generation)))
        .filter_map(|node| node.about.as_ref())
        .filter(|about| !about.version.is_empty())
        .max_by_key(|about| {
            Version::parse(&about.version).map(|version| (version.major, version.minor, version.patch))
        });
    match newest {
        Some(about) => about.version.to_string(),
        None if class == Class::V4 => "4.0.0".to_owned(),
        None => LAST_V3.to_owned(),
    }
}

/// Carries out a v4 session update. Requests that follow see it at once; the session's own task reads it when the
/// client is lost, which is when it matters.
pub(crate) fn update_session(entry: &SessionEntry, body: &[u8], to: To<'_>) -> Result<Vec<u8>, ProxyError> {
    let update = SessionUpdate::read(body).map_err(|error| ProxyError::BadRequest(error.to_string()))?;
    let settings = entry.update_settings(update.resuming, update.timeout);
    let mut answer = Vec::new();
    SessionAnswer {
        resuming: settings.resuming,
        timeout: settings.timeout,
    }
    .write(&mut answer);
    Ok(respond::ok("application/json", &answer, to))
}

/// The node that a tenant with the right to it addresses: named in a header, or the only one it may administer.
pub(crate) fn administered_node(shared: &Shared, head: &RequestHead<'_>, tenant: &Tenant) -> Option<NodeId> {
    let named = head
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case(NODE_HEADER));
    match (named, &*tenant.admin_nodes) {
        (None, [only]) => Some(*only),
        (None, _) => None,
        (Some(named), allowed) => {
            let names = |id: &&NodeId| shared.nodes[usize::from(id.0)].name.as_bytes() == named.value;
            allowed.iter().find(names).copied()
        }
    }
}
