//! Checks of `[[tenants]]` and `[[nodes]]`: what each needs, and that they differ from each other.

use proxy_core::secret::Secret;

use super::Check;
use super::node_url::NodeUrl;
use crate::config::file::{self, File};
use crate::config::read::nearest;
use crate::config::{Node, NodeTls, Tenant};

impl Check {
    pub(super) fn tenants(&mut self, file: &File) -> Vec<Tenant> {
        if file.tenants.is_empty() {
            self.wrong("tenants", "missing; expected at least one [[tenants]] with a password");
        }
        let mut tenants: Vec<Tenant> = Vec::new();
        for (index, written) in file.tenants.iter().enumerate() {
            let section = format!("tenants[{index}]");
            let tenant = Tenant {
                name: written.name.clone(),
                password: self.required_secret(&section, written.password.as_ref(), written.password_file.as_deref()),
                allow_node_admin: written.allow_node_admin.clone(),
                nodes: written.nodes.clone(),
            };
            self.name(
                &format!("{section}.name"),
                &tenant.name,
                tenants.iter().map(|other| other.name.as_str()),
            );
            let same = |other: &&Tenant| !tenant.password.is_empty() && other.password == tenant.password;
            if let Some(other) = tenants.iter().find(same) {
                let message = format!("expected a password of its own, tenant `{}` has the same", other.name);
                self.wrong(&format!("{section}.password"), message);
            }
            tenants.push(tenant);
        }
        self.known_nodes(file);
        tenants
    }

    /// Tenants may name only nodes that exist.
    fn known_nodes(&mut self, file: &File) {
        let names: Vec<String> = file.nodes.iter().filter_map(node_name).collect();
        for (index, tenant) in file.tenants.iter().enumerate() {
            for (key, list) in [("allow_node_admin", &tenant.allow_node_admin), ("nodes", &tenant.nodes)] {
                for unknown in list.iter().filter(|name| !names.contains(name)) {
                    let hint = nearest(unknown, names.iter().map(String::as_str));
                    let hint = hint.map(|near| format!(", did you mean `{near}`?")).unwrap_or_default();
                    self.wrong(
                        &format!("tenants[{index}].{key}"),
                        format!("there is no node `{unknown}`{hint}"),
                    );
                }
            }
        }
    }

    pub(super) fn nodes(&mut self, written: &[file::Node]) -> Vec<Node> {
        if written.is_empty() {
            self.wrong(
                "nodes",
                "missing; expected at least one [[nodes]] with url and password",
            );
        }
        let mut nodes: Vec<Node> = Vec::new();
        for (index, node) in written.iter().enumerate() {
            let section = format!("nodes[{index}]");
            let password = self.required_secret(&section, node.password.as_ref(), node.password_file.as_deref());
            let url = self.node_url(&format!("{section}.url"), node.url.as_deref());
            let node = self.node(&section, node, url.unwrap_or_default(), password);
            self.name(
                &format!("{section}.name"),
                &node.name,
                nodes.iter().map(|other| other.name.as_str()),
            );
            let same = |other: &&Node| !node.host.is_empty() && (&other.host, other.port) == (&node.host, node.port);
            if let Some(other) = nodes.iter().find(same) {
                let message = format!("expected an address of its own, node `{}` has the same", other.name);
                self.wrong(&format!("{section}.url"), message);
            }
            nodes.push(node);
        }
        nodes
    }

    fn node(&mut self, section: &str, node: &file::Node, url: NodeUrl, password: Secret) -> Node {
        if !(1..=1000).contains(&node.weight) {
            let hint = if node.weight == 0 {
                "; to give it no work use drain = true"
            } else {
                ""
            };
            self.wrong(
                &format!("{section}.weight"),
                format!("expected a weight from 1 to 1000{hint}"),
            );
        }
        let ca_file = node
            .ca_file
            .as_deref()
            .map(|path| self.existing(&format!("{section}.ca_file"), path));
        if node.insecure_skip_verify && ca_file.is_some() {
            self.wrong(
                &format!("{section}.ca_file"),
                "expected either ca_file or insecure_skip_verify, not both",
            );
        }
        for (key, set) in [
            ("ca_file", ca_file.is_some()),
            ("insecure_skip_verify", node.insecure_skip_verify),
        ] {
            if set && !url.tls && !url.host.is_empty() {
                self.warn(
                    &format!("{section}.{key}"),
                    "is not used, since the url is http and not https",
                );
            }
        }
        let tls = NodeTls {
            ca_file,
            insecure_skip_verify: node.insecure_skip_verify,
        };
        Node {
            name: node.name.clone().unwrap_or_else(|| url.name()),
            tls: url.tls.then_some(tls),
            host: url.host,
            port: url.port,
            password,
            version: node.version,
            regions: node.regions.clone(),
            weight: node.weight,
            sources: node.sources.clone(),
            drain: node.drain,
        }
    }

    fn node_url(&mut self, key: &str, url: Option<&str>) -> Option<NodeUrl> {
        let Some(url) = url else {
            self.wrong(
                key,
                "missing; expected the node's address, such as \"http://127.0.0.1:2333\"",
            );
            return None;
        };
        match NodeUrl::parse(url) {
            Ok(parsed) => {
                if parsed.port == 80 && !url.ends_with(":80") {
                    self.warn(key, "has no port, so 80 is used; Lavalink's own is 2333");
                }
                Some(parsed)
            }
            Err(expected) => {
                self.wrong(key, expected);
                None
            }
        }
    }

    /// Names are metric labels and parts of admin paths, so they are kept simple.
    fn name<'a>(&mut self, key: &str, name: &str, mut earlier: impl Iterator<Item = &'a str>) {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name == NodeUrl::default().name() {
            // The address it would be named after was refused.
            return;
        }
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            self.wrong(
                key,
                format!("expected 1 to 64 letters, digits, `.`, `_` or `-`, got {name:?}"),
            );
        } else if key.starts_with("tenants") && name == "none" {
            self.wrong(
                key,
                "expected another name: `none` is what traffic without a tenant is counted under",
            );
        } else if earlier.any(|other| other == name) {
            self.wrong(key, format!("expected a name of its own, `{name}` is taken"));
        }
    }
}

fn node_name(node: &file::Node) -> Option<String> {
    let from_url = || NodeUrl::parse(node.url.as_deref()?).ok().map(|url| url.name());
    node.name.clone().or_else(from_url)
}
