//! The address of a node as people write it.

use std::net::Ipv6Addr;

/// The address of a node, taken apart. The default stands for one that was refused.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct NodeUrl {
    /// Whether the node serves TLS.
    pub(super) tls: bool,
    /// Host name or IP address, IPv6 without brackets; empty for an address that was refused.
    pub(super) host: String,
    /// TCP port.
    pub(super) port: u16,
}

impl NodeUrl {
    /// Reads `http://host:port` and its relatives. Messages never repeat the text: people write passwords into URLs.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        const EXPECTED: &str = "expected an address such as \"http://127.0.0.1:2333\" or \"https://node.example.com\"";
        let (scheme, rest) = url.split_once("://").ok_or(EXPECTED)?;
        let tls = match scheme {
            "http" | "ws" => false,
            "https" | "wss" => true,
            _ => return Err(format!("{EXPECTED}, beginning with http or https")),
        };
        let authority = rest.trim_end_matches('/');
        if authority.contains('@') {
            return Err(format!("{EXPECTED}; the password has a key of its own"));
        }
        if authority.contains(['/', '?', '#']) {
            return Err(format!(
                "{EXPECTED}, without a path: clients' paths are passed on as they are"
            ));
        }
        let default_port = if tls { 443 } else { 80 };
        let (host, port) = split_port(authority, default_port).ok_or(EXPECTED)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
        if host.is_empty() || port == 0 || !host.chars().all(plain) {
            return Err(EXPECTED.to_owned());
        }
        Ok(Self {
            tls,
            host: host.to_ascii_lowercase(),
            port,
        })
    }

    /// A name for a node that has none.
    pub(super) fn name(&self) -> String {
        format!("{}-{}", self.host.replace(':', "_"), self.port)
    }
}

fn split_port(authority: &str, default: u16) -> Option<(&str, u16)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        host.parse::<Ipv6Addr>().ok()?;
        let port = if port.is_empty() {
            default
        } else {
            port.strip_prefix(':')?.parse().ok()?
        };
        return Some((host, port));
    }
    match authority.split_once(':') {
        Some((host, port)) => Some((host, port.parse().ok()?)),
        None => Some((authority, default)),
    }
}
