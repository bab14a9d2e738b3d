//! Checks of `[server]` and `[admin]`: the two listeners and what connections may do.

use std::cmp::Reverse;
use std::net::SocketAddr;
use std::path::PathBuf;

use proxy_admin::SecureCookie;
use proxy_core::secret::Secret;

use super::Check;
use crate::config::file::{self, File};
use crate::config::value::{Address, OneOrMany};
use proxy_admin::StatusSettings;

use crate::config::{Admin, Server, ServerTls};

impl Check {
    pub(super) fn server(&mut self, server: &file::Server) -> Server {
        let mut client_versions: Vec<_> = server.client_versions.clone().into_iter().collect();
        // The longest part that fits says most about a client.
        client_versions.sort_by_key(|(part, _)| Reverse(part.len()));
        if client_versions.iter().any(|(part, _)| part.is_empty()) {
            self.wrong(
                "server.client_versions",
                "expected the first part of a client's name, it is empty",
            );
        }
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Server {
            bind: addresses(&server.bind),
            tls: self.server_tls(&server.tls),
            threads: if server.threads == 0 {
                threads
            } else {
                usize::from(server.threads)
            },
            mount_prefix: self.mount_prefix(&server.mount_prefix),
            header_timeout: self.period("server.header_timeout", server.header_timeout),
            idle_timeout: self.period("server.idle_timeout", server.idle_timeout),
            max_header_bytes: self.at_least("server.max_header_bytes", server.max_header_bytes.0, 1 << 10),
            max_body_bytes: self.at_least("server.max_body_bytes", server.max_body_bytes.0, 1 << 10),
            max_client_frame_bytes: self.at_least(
                "server.max_client_frame_bytes",
                server.max_client_frame_bytes.0,
                1 << 10,
            ),
            max_node_frame_bytes: self.at_least("server.max_node_frame_bytes", server.max_node_frame_bytes.0, 64 << 10),
            client_queue_bytes: self.at_least("server.client_queue_bytes", server.client_queue_bytes.0, 16 << 10),
            ping_interval: self.period("server.ping_interval", server.ping_interval),
            ping_timeout: self.period("server.ping_timeout", server.ping_timeout),
            shutdown_timeout: server.shutdown_timeout.0,
            default_version: server.default_version,
            client_versions,
            public_url: self.public_url(server.public_url.as_deref()),
        }
    }

    fn public_url(&mut self, url: Option<&str>) -> Option<String> {
        let url = url?.trim_end_matches('/');
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        if rest.is_none_or(|rest| rest.is_empty() || rest.contains([' ', '@', '?', '#'])) {
            self.wrong(
                "server.public_url",
                "expected a URL such as \"https://music.example.org\", without a password",
            );
        }
        Some(url.to_owned())
    }

    fn server_tls(&mut self, tls: &file::ServerTls) -> Option<ServerTls> {
        let bind = addresses(&tls.bind);
        if bind.is_empty() {
            if tls.certificate.is_some() || tls.key.is_some() {
                self.wrong(
                    "server.tls.bind",
                    "missing; expected the address on which TLS is served",
                );
            }
            return None;
        }
        let mut pem = |key: &str, path: &Option<PathBuf>| match path {
            Some(path) => self.existing(key, path),
            None => {
                self.wrong(key, "missing; expected a PEM file, since server.tls.bind is set");
                PathBuf::new()
            }
        };
        let certificate = pem("server.tls.certificate", &tls.certificate);
        let key = pem("server.tls.key", &tls.key);
        Some(ServerTls { bind, certificate, key })
    }

    fn mount_prefix(&mut self, prefix: &str) -> String {
        let trimmed = prefix.trim_end_matches('/');
        let plain = |c: char| c.is_ascii_alphanumeric() || "/-._~".contains(c);
        if !trimmed.is_empty() && (!trimmed.starts_with('/') || !trimmed.chars().all(plain) || trimmed.contains("//")) {
            self.wrong(
                "server.mount_prefix",
                format!("expected a path such as \"/lavalink\", got {prefix:?}"),
            );
        }
        if trimmed.split('/').any(|part| part == "v3" || part == "v4") {
            self.wrong(
                "server.mount_prefix",
                "expected no /v3 or /v4 in it: these are understood by themselves",
            );
        }
        trimmed.to_owned()
    }

    pub(super) fn admin(&mut self, admin: &file::Admin) -> Admin {
        let password = self.secret("admin", admin.password.as_ref(), admin.password_file.as_deref());
        let viewer_password = self.secret_of(
            "admin.viewer_password",
            admin.viewer_password.as_ref(),
            admin.viewer_password_file.as_deref(),
        );
        self.hash("admin.password", password.as_ref());
        self.hash("admin.viewer_password", viewer_password.as_ref());
        let refused = ["admin.password", "admin.password_file"]
            .iter()
            .any(|key| self.refused.contains(*key));
        if password.is_none() && admin.require_password && !refused {
            self.wrong(
                "admin.password",
                "missing; admin.require_password wants one, here, in admin.password_file or in the variable \
                 LAVALINK_PROXY__ADMIN__PASSWORD",
            );
        } else if password.is_none() && !admin.bind.0.ip().is_loopback() {
            self.warn(
                "admin.bind",
                "is reachable from other machines, but admin.password is not set; one is made at the first start",
            );
        }
        Admin {
            bind: admin.bind.0,
            password,
            viewer_password,
            open_metrics: admin.open_metrics,
            secure_cookie: match admin.secure_cookie {
                file::SecureCookie::Auto => SecureCookie::Auto,
                file::SecureCookie::Always => SecureCookie::Always,
                file::SecureCookie::Never => SecureCookie::Never,
            },
            session_timeout: self.period("admin.session_timeout", admin.session_timeout),
        }
    }

    /// A password that is written as a hash must be one that can be checked.
    fn hash(&mut self, key: &str, password: Option<&Secret>) {
        if let Some(hash) = password.filter(|password| proxy_admin::is_hash(password))
            && let Err(problem) = proxy_admin::check_hash(hash)
        {
            self.wrong(key, format!("expected a password or a hash of one; this {problem}"));
        }
    }

    pub(super) fn status(&mut self, status: &file::Status) -> Option<StatusSettings> {
        let length = status.title.chars().count();
        if !(1..=60).contains(&length) || status.title.chars().any(char::is_control) {
            self.wrong(
                "status.title",
                "expected 1 to 60 characters, none of them a control character",
            );
        }
        if status.bind.is_some() && !status.enabled {
            self.warn("status.bind", "is not used, since status.enabled is false");
        }
        status.enabled.then(|| StatusSettings {
            bind: status.bind.map(|bind| bind.0),
            title: status.title.clone(),
            show_players: status.show_players,
        })
    }

    /// Two listeners on one port fail at start; here the mistake has a line.
    pub(super) fn listeners_differ(&mut self, file: &File) {
        let (plain, tls) = (addresses(&file.server.bind), addresses(&file.server.tls.bind));
        if plain.is_empty() && tls.is_empty() {
            self.wrong(
                "server.bind",
                "expected at least one address here or in server.tls.bind",
            );
        }
        let all = plain.iter().map(|address| ("server.bind", *address));
        let all = all.chain(tls.iter().map(|address| ("server.tls.bind", *address)));
        let all = all.chain([("admin.bind", file.admin.bind.0)]);
        let status = file.status.bind.filter(|_| file.status.enabled);
        let all: Vec<_> = all.chain(status.map(|bind| ("status.bind", bind.0))).collect();
        for (index, (key, address)) in all.iter().enumerate() {
            if let Some((other, _)) = all[..index].iter().find(|(_, earlier)| clash(*earlier, *address)) {
                self.wrong(
                    key,
                    format!("expected a port that is free, {address} is taken by {other}"),
                );
            }
        }
    }
}

fn addresses(list: &OneOrMany<Address>) -> Vec<SocketAddr> {
    list.0.iter().map(|address| address.0).collect()
}

/// Port 0 is any free port, so it never clashes. `0.0.0.0` and `[::]` may share a port: the latter listens on IPv6 only.
fn clash(a: SocketAddr, b: SocketAddr) -> bool {
    let same_family = a.is_ipv4() == b.is_ipv4();
    let overlap = a.ip() == b.ip() || (same_family && (a.ip().is_unspecified() || b.ip().is_unspecified()));
    a.port() != 0 && a.port() == b.port() && overlap
}
