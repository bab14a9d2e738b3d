//! Which node knows a v3 resume key, so that a returning client is led back to it. Keys are scoped by tenant here; on
//! the node they are not, but a tenant cannot learn of another's node this way.

use std::collections::{HashMap, VecDeque};

use proxy_core::pool::NodeId;
use proxy_core::tenant::TenantId;

/// The oldest keys are forgotten past this many, and longer ones than this are not kept: clients choose them.
const MAX_KEYS: usize = 10_000;
const MAX_KEY_LEN: usize = 256;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct ResumeKeys {
    nodes: HashMap<(TenantId, Box<str>), NodeId>,
    order: VecDeque<(TenantId, Box<str>)>,
}

impl ResumeKeys {
    pub(crate) fn remember(&mut self, tenant: TenantId, key: &str, node: NodeId) {
        if key.len() > MAX_KEY_LEN {
            return;
        }
        let entry = (tenant, Box::from(key));
        if self.nodes.insert(entry.clone(), node).is_none() {
            self.order.push_back(entry);
        }
        if self.order.len() > MAX_KEYS
            && let Some(oldest) = self.order.pop_front()
        {
            self.nodes.remove(&oldest);
        }
    }

    pub(crate) fn node_of(&self, tenant: TenantId, key: &str) -> Option<NodeId> {
        self.nodes.get(&(tenant, Box::from(key))).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_leads_to_its_last_node_and_old_keys_are_forgotten() {
        let mut keys = ResumeKeys::default();
        keys.remember(TenantId(1), "a", NodeId(1));
        keys.remember(TenantId(1), "a", NodeId(2));
        keys.remember(TenantId(2), "a", NodeId(3));
        keys.remember(TenantId(1), &"x".repeat(MAX_KEY_LEN + 1), NodeId(1));
        assert_eq!(keys.node_of(TenantId(1), "a"), Some(NodeId(2)));
        assert_eq!(keys.node_of(TenantId(2), "a"), Some(NodeId(3)));
        assert_eq!(keys.order.len(), 2);
        for key in 0..MAX_KEYS {
            keys.remember(TenantId(1), &key.to_string(), NodeId(1));
        }
        assert_eq!(keys.node_of(TenantId(1), "a"), None);
        assert_eq!(keys.nodes.len(), MAX_KEYS);
    }
}
