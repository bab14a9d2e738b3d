//! The variables of the earlier LavaBridge proxy, so that its `.env` files keep working.
//!
//! They are looked at only when nothing else names a node, and only if at least one of them does: names as general as
//! `PROXY_HOST` mean other things on other machines. LavaBridge handed the client's password on to the nodes, so
//! `PROXY_PASSWORD` is the password of both. Its defaults hold for what is left out, but for the password: that one was
//! printed in its source.

use super::env::{list, section, value_of};
use super::mistake::{Mistake, Origin};
use super::tree::{Entry, Table, Value};

const PASSWORD: &str = "PROXY_PASSWORD";

/// The variables of one LavaBridge node and the port it took when none was given.
struct LegacyNode {
    version: &'static str,
    host: &'static str,
    port: &'static str,
    default_port: &'static str,
}

const NODES: [LegacyNode; 2] = [
    LegacyNode {
        version: "4",
        host: "LAVALINK_V4_HOST",
        port: "LAVALINK_V4_PORT",
        default_port: "8807",
    },
    LegacyNode {
        version: "3",
        host: "LAVALINK_V3_HOST",
        port: "LAVALINK_V3_PORT",
        default_port: "8806",
    },
];

/// The old names that are understood, and what each is now.
pub(crate) const NAMES: [(&str, &str); 9] = [
    ("PROXY_HOST", "the address part of `server.bind`; default `0.0.0.0`"),
    ("PROXY_PORT", "the port of `server.bind`; default `6923`, as it was"),
    (
        PASSWORD,
        "`password` of the tenant `default` and of both nodes; required",
    ),
    (
        "WEB_PORT",
        "the port of `admin.bind`, on the address of `PROXY_HOST`; left out, `admin.bind` keeps its default",
    ),
    ("LAVALINK_V4_HOST", "host of the v4 node; default `127.0.0.1`"),
    (
        "LAVALINK_V4_PORT",
        "port of the v4 node; default `8807`. Without host and port there is no v4 node",
    ),
    ("LAVALINK_V3_HOST", "host of the v3 node; default `127.0.0.1`"),
    (
        "LAVALINK_V3_PORT",
        "port of the v3 node; default `8806`. Without host and port there is no v3 node",
    ),
    ("ENABLE_PROXY_PROTOCOL", "`server.proxy_protocol.enabled`, if `true`"),
];

/// Whether the environment describes a LavaBridge node.
pub(crate) fn applies(variables: &[(String, String)]) -> bool {
    NODES.iter().any(|node| {
        value_of(variables, node.host)
            .or(value_of(variables, node.port))
            .is_some()
    })
}

/// Puts the old variables into the tree. Keys that have a variable of their own keep it.
pub(crate) fn apply(tree: &mut Table, variables: &[(String, String)]) -> Vec<Mistake> {
    let Some(password) = value_of(variables, PASSWORD) else {
        let message = "missing; expected the password that clients send and the nodes accept".to_owned();
        return vec![Mistake {
            origin: Origin::Variable(PASSWORD.to_owned()),
            key: String::new(),
            message,
        }];
    };
    let host = value_of(variables, "PROXY_HOST").unwrap_or("0.0.0.0");
    let port = value_of(variables, "PROXY_PORT").unwrap_or("6923");
    set(tree, "server", "bind", "PROXY_PORT", host_and_port(host, port));
    if let Some(port) = value_of(variables, "WEB_PORT") {
        set(tree, "admin", "bind", "WEB_PORT", host_and_port(host, port));
    }
    if value_of(variables, "ENABLE_PROXY_PROTOCOL") == Some("true") {
        let inner = section("ENABLE_PROXY_PROTOCOL", &[("enabled", "true".to_owned())]);
        put(tree, "server", "proxy_protocol", "ENABLE_PROXY_PROTOCOL", inner);
    }
    let tenant = section(PASSWORD, &[("password", password.to_owned())]);
    tree.entry("tenants".to_owned())
        .or_insert_with(|| list(PASSWORD, vec![tenant]));
    let nodes = NODES
        .iter()
        .filter_map(|node| legacy_node(node, variables, password))
        .collect();
    tree.entry("nodes".to_owned())
        .or_insert_with(|| list("LAVALINK_V4_HOST", nodes));
    Vec::new()
}

fn legacy_node(node: &LegacyNode, variables: &[(String, String)], password: &str) -> Option<Entry> {
    let (host, port) = (value_of(variables, node.host), value_of(variables, node.port));
    host.or(port)?;
    let address = host_and_port(host.unwrap_or("127.0.0.1"), port.unwrap_or(node.default_port));
    let keys = [
        ("url", format!("http://{address}")),
        ("password", password.to_owned()),
        ("version", node.version.to_owned()),
        ("name", format!("v{}", node.version)),
    ];
    Some(section(if host.is_some() { node.host } else { node.port }, &keys))
}

/// Joins host and port; an IPv6 address gets its brackets. `localhost` is the one name that LavaBridge users bind to.
fn host_and_port(host: &str, port: &str) -> String {
    match host {
        "localhost" => format!("127.0.0.1:{port}"),
        host if host.contains(':') && !host.starts_with('[') => format!("[{host}]:{port}"),
        host => format!("{host}:{port}"),
    }
}

fn set(tree: &mut Table, section: &str, key: &str, variable: &str, text: String) {
    let entry = Entry {
        origin: Origin::Variable(variable.to_owned()),
        value: Value::Untyped(text),
    };
    put(tree, section, key, variable, entry);
}

fn put(tree: &mut Table, section: &str, key: &str, variable: &str, entry: Entry) {
    let empty = || Entry {
        origin: Origin::Variable(variable.to_owned()),
        value: Value::Table(Table::new()),
    };
    if let Value::Table(inner) = &mut tree.entry(section.to_owned()).or_insert_with(empty).value {
        inner.entry(key.to_owned()).or_insert(entry);
    }
}
