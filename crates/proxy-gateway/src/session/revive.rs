//! Sessions of an earlier run of the proxy, taken up before clients are accepted: who is known to this configuration
//! still, and which worker gets whom. Their life goes on in `v4`.

use std::sync::Arc;
use std::time::Duration;

use lavalink_protocol::detect::Class;
use lavalink_protocol::id::NodeSessionId;
use proxy_core::pool::NodeId;
use proxy_core::session::{KeptLink, KeptSession};
use proxy_core::tenant::Tenant;

use super::directory::{NewSession, SessionEntry};
use super::v4::Revived;
use crate::keeper::Change;
use crate::shared::Shared;

/// Between two sessions that take up their links: a thousand a second, so that nodes are not run down, and far from the
/// time for which they keep what was left.
const PACE: Duration = Duration::from_millis(1);

/// Makes the sessions known to requests, as parked ones, and deals them out to the workers.
pub(crate) fn take_up(shared: &Shared, kept: Vec<KeptSession>, threads: usize) -> Vec<Vec<Revived>> {
    let mut dealt: Vec<Vec<Revived>> = (0..threads).map(|_| Vec::new()).collect();
    let (mut sessions, mut links) = (0, 0);
    for session in kept {
        let tenants = shared.config.tenants.all();
        let Some(tenant) = tenants.iter().find(|tenant| tenant.name == session.tenant) else {
            tracing::info!(tenant = %session.tenant, "a session of a tenant that is not there any more ends");
            leave_all(shared, &session.links);
            shared.keeping.send(Change::Forget(session.id));
            continue;
        };
        let (worker, after) = (sessions % threads, PACE * u32::try_from(sessions).unwrap_or(u32::MAX));
        let revived = take_up_one(shared, session, tenant, worker, after);
        (sessions, links) = (sessions + 1, links + revived.links.len());
        shared.directory.insert(Arc::clone(&revived.entry));
        dealt[worker].push(revived);
    }
    if sessions > 0 {
        tracing::info!(sessions, links, "sessions of the run before are taken up");
    }
    dealt
}

fn take_up_one(shared: &Shared, session: KeptSession, tenant: &Tenant, worker: usize, after: Duration) -> Revived {
    let may_use = |node: &NodeId| tenant.nodes.as_ref().is_none_or(|nodes| nodes.contains(node));
    let (mut links, mut left) = (Vec::new(), Vec::new());
    for link in session.links {
        match find_node(shared, &link) {
            Some(node) if may_use(&node) => links.push((node, link.node_session)),
            _ => left.push(link),
        }
    }
    if !left.is_empty() {
        leave_all(shared, &left);
        let name = |node: NodeId| shared.nodes[usize::from(node.0)].name.to_string();
        let still = |(node, node_session): &(NodeId, NodeSessionId)| KeptLink {
            node: name(*node),
            node_session: node_session.clone(),
        };
        let still = links.iter().map(still).collect();
        shared.keeping.send(Change::Links(session.id.clone(), still));
    }
    let new = NewSession {
        id: session.id,
        tenant: tenant.id,
        tenant_name: Arc::clone(&tenant.name),
        user: session.user,
        client_name: session.client,
        worker,
        class: Some(Class::V4),
    };
    let entry = Arc::new(SessionEntry::revived(new, session.opened, session.settings));
    Revived { entry, links, after }
}

fn find_node(shared: &Shared, link: &KeptLink) -> Option<NodeId> {
    let node = shared.nodes.iter().find(|node| *node.name == link.node)?;
    Some(node.id)
}

/// What stayed on nodes that are still there is cleaned up when they are reached; others forget it by themselves.
fn leave_all(shared: &Shared, links: &[KeptLink]) {
    for link in links {
        match find_node(shared, link) {
            Some(node) => shared.abandon(node, link.node_session.clone()),
            None => tracing::warn!(node = %link.node, "a node with players of the run before is not there any more"),
        }
    }
}
