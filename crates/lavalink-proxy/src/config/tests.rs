//! Tests of the configuration as a whole: what a file and an environment together become, and what is said of mistakes.

#![allow(clippy::unwrap_used)]

mod alerts;
mod documents;
mod mistakes;

use std::path::Path;

use super::reference::Key;
use documents::{folder_of_the_example, uncommented_example};

use super::*;

const MINIMAL: &str = r#"
[[tenants]]
password = "client-password"
[[nodes]]
name = "eu-1"
url = "http://127.0.0.1:2401"
password = "node-password"
"#;

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn read(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    from_parts(Some(Path::new("f.toml")), Some(text), &variables(environment))
}

fn without_file(environment: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    from_parts(None, None, &variables(environment))
}

fn mistakes(result: Result<Config, ConfigErrors>) -> Vec<String> {
    result.map_or_else(
        |errors| errors.to_string().lines().map(str::to_owned).collect(),
        |_| Vec::new(),
    )
}

// === what is accepted ===

#[test]
fn what_is_shown_of_the_settings_is_all_of_them_but_secrets() {
    let text = MINIMAL.to_owned() + "[admin]\npassword = \"admin-password\"\nviewer_password = \"viewer-password\"\n";
    let shown = read(&text, &[]).unwrap().shown;
    assert_eq!(shown["server"]["bind"], serde_json::json!(["0.0.0.0:2333"]));
    assert_eq!(shown["nodes"][0]["url"], "http://127.0.0.1:2401");
    assert_eq!(shown["nodes"][0]["password"], "***");
    let text = shown.to_string();
    for secret in ["client-password", "node-password", "admin-password", "viewer-password"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}

#[test]
fn a_password_may_be_a_hash_that_can_be_checked() {
    let hash = proxy_admin::hash_password(&proxy_core::secret::Secret::new("x")).unwrap();
    let with = |password: &str| {
        read(
            &(MINIMAL.to_owned() + &format!("[admin]\npassword = '{password}'\n")),
            &[],
        )
    };
    assert!(with(hash.expose()).is_ok());
    let broken = mistakes(with("$argon2id$v=19$m=1"));
    assert!(
        broken
            .iter()
            .any(|line| line.contains("admin.password") && line.contains("hash-password")),
        "{broken:?}"
    );
    assert!(!broken.iter().any(|line| line.contains("m=1")), "{broken:?}");
}

#[test]
fn seven_lines_are_a_configuration() {
    let config = read(MINIMAL, &[]).unwrap();
    assert_eq!(config.server.bind, ["0.0.0.0:2333".parse().unwrap()]);
    assert_eq!(config.admin.bind, "127.0.0.1:2334".parse().unwrap());
    assert_eq!(config.tenants[0].name, "default");
    assert_eq!(config.tenants[0].password.expose(), "client-password");
    let node = &config.nodes[0];
    assert_eq!(
        (node.name.as_str(), node.host.as_str(), node.port),
        ("eu-1", "127.0.0.1", 2401)
    );
    assert_eq!((node.version, node.weight, node.tls.is_none()), (None, 1, true));
    assert!(config.server.threads >= 1);
    assert_eq!(config.limits.total, u32::MAX);
    assert_eq!(config.warnings, Vec::<String>::new());
}

#[test]
fn the_password_of_a_file_is_read_without_its_line_break_and_relative_to_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), "from the file\n").unwrap();
    let text = MINIMAL.replace("password = \"client-password\"", "password_file = \"secret\"");
    let path = folder.path().join("lavalink-proxy.toml");
    std::fs::write(&path, text).unwrap();
    let config = load(Some(&path), std::iter::empty()).unwrap();
    assert_eq!(config.tenants[0].password.expose(), "from the file");
}

#[test]
fn node_addresses_are_taken_apart() {
    let cases = [
        ("http://node.example.com:2333", "node.example.com", 2333, false),
        ("https://Node.Example.com", "node.example.com", 443, true),
        ("ws://10.0.0.1:2333/", "10.0.0.1", 2333, false),
        ("wss://[2001:db8::1]:8443", "2001:db8::1", 8443, true),
        ("http://lavalink_1", "lavalink_1", 80, false),
    ];
    for (url, host, port, tls) in cases {
        let text = MINIMAL.replace("http://127.0.0.1:2401", url);
        let config = read(&text, &[]).unwrap();
        let node = &config.nodes[0];
        assert_eq!(
            (node.host.as_str(), node.port, node.tls.is_some()),
            (host, port, tls),
            "{url}"
        );
    }
}

#[test]
fn a_key_without_effect_is_accepted_with_a_warning_unless_it_is_at_its_default() {
    let warned = read(&format!("[sessions]\nbridge = \"always\"\n{MINIMAL}"), &[]).unwrap();
    assert_eq!(warned.warnings.len(), 1, "{:?}", warned.warnings);
    assert!(
        warned.warnings[0].starts_with("f.toml:2:1: sessions.bridge: has no effect yet: "),
        "{:?}",
        warned.warnings
    );
    let default = read(&format!("[sessions]\nbridge = \"auto\"\n{MINIMAL}"), &[]).unwrap();
    assert_eq!(default.warnings, Vec::<String>::new());
}

// === the environment ===

#[test]
fn a_variable_wins_over_the_file_and_lists_may_have_commas() {
    let environment = [
        ("LAVALINK_PROXY__SERVER__HEADER_TIMEOUT", "3s"),
        ("LAVALINK_PROXY__SERVER__BIND", "127.0.0.1:1, [::1]:1"),
        ("LAVALINK_PROXY__SERVER__THREADS", "3"),
        ("LAVALINK_PROXY__SERVER__CLIENT_VERSIONS", r#"{ "erela.js" = 3 }"#),
        ("LAVALINK_PROXY__NODES__0__WEIGHT", "7"),
        ("LAVALINK_PROXY__NODES__0__REGIONS", "eu"),
        ("LAVALINK_PROXY__NODES__0__PASSWORD", "12345"),
        ("LAVALINK_PROXY__NODES__1__URL", "http://127.0.0.1:2402"),
        ("LAVALINK_PROXY__NODES__1__PASSWORD", "x"),
        ("LAVALINK_PROXY__NODES__1__SOURCES", r#"["a:", "b:"]"#),
        ("LAVALINK_PROXY__DISCORD__TOKENS__42", "t"),
        ("LAVALINK_PROXY__REQUESTS__RETRY", "false"),
    ];
    let config = read(&format!("[server]\nheader_timeout = \"9s\"\n{MINIMAL}"), &environment).unwrap();
    assert_eq!(config.server.header_timeout.as_secs(), 3);
    assert_eq!(config.server.bind.len(), 2);
    assert_eq!(config.server.threads, 3);
    assert_eq!(config.server.client_versions, [("erela.js".to_owned(), Version::V3)]);
    assert_eq!(
        (config.nodes[0].weight, config.nodes[0].regions.as_slice()),
        (7, ["eu".to_owned()].as_slice())
    );
    assert_eq!(config.nodes[0].password.expose(), "12345");
    assert_eq!(
        (config.nodes[1].name.as_str(), config.nodes[1].sources.len()),
        ("127.0.0.1-2402", 2)
    );
    assert!(
        config.warnings.iter().any(|line| line.contains("discord.tokens")),
        "{:?}",
        config.warnings
    );
    assert!(!config.requests.retry);
}

#[test]
fn every_key_of_the_reference_can_be_set_by_its_variable() {
    let folder = folder_of_the_example();
    let text = uncommented_example();
    let mut count = 0;
    for section in reference::reference().walk() {
        for key in &section.keys {
            let name = env::variable(section, &key.name);
            let value = shown(key);
            let result = from_parts(
                Some(&folder.path().join("f.toml")),
                Some(&text),
                &variables(&[(&name, &value)]),
            );
            let complaints: Vec<_> = mistakes(result)
                .into_iter()
                .filter(|line| line.starts_with(&name))
                .collect();
            assert_eq!(complaints, Vec::<String>::new(), "{name}={value}");
            count += 1;
        }
    }
    assert!(count > 50, "only {count} keys");
}

fn shown(key: &Key) -> String {
    let value = key.example.as_ref().or(key.default.as_ref()).unwrap();
    value
        .as_str()
        .map_or_else(|| toml::Value::try_from(value).unwrap().to_string(), str::to_owned)
}

#[test]
fn a_start_without_a_file_takes_password_and_nodes_from_two_variables() {
    let config = without_file(&[
        ("LAVALINK_PROXY_PASSWORD", "client"),
        (
            "LAVALINK_PROXY_NODES",
            "v4://a%2Cb%40c@10.0.0.1:2401, v3s://p@ss@lava.example.com,v4s://p%@[::1]:1",
        ),
    ])
    .unwrap();
    assert_eq!(config.tenants[0].password.expose(), "client");
    let nodes: Vec<_> = config
        .nodes
        .iter()
        .map(|node| {
            (
                node.host.as_str(),
                node.port,
                node.version.unwrap(),
                node.password.expose(),
                node.tls.is_some(),
            )
        })
        .collect();
    let expected = [
        ("10.0.0.1", 2401, Version::V4, "a,b@c", false),
        ("lava.example.com", 2333, Version::V3, "p@ss", true),
        ("::1", 1, Version::V4, "p%", true),
    ];
    assert_eq!(nodes, expected);
}

#[test]
fn a_keys_own_variable_adds_to_a_start_without_a_file() {
    let config = without_file(&[
        ("LAVALINK_PROXY_PASSWORD", "p"),
        ("LAVALINK_PROXY_NODES", "v4://p@a:1,v4://p@b:1"),
        ("LAVALINK_PROXY__NODES__1__WEIGHT", "5"),
        ("LAVALINK_PROXY__TENANTS__0__NAME", "bots"),
    ])
    .unwrap();
    let nodes: Vec<_> = config
        .nodes
        .iter()
        .map(|node| (node.host.as_str(), node.weight))
        .collect();
    assert_eq!(
        (nodes.as_slice(), config.tenants[0].name.as_str()),
        ([("a", 1), ("b", 5)].as_slice(), "bots")
    );
}

#[test]
fn the_variables_of_a_start_without_a_file_are_not_used_in_vain() {
    let config = read(
        MINIMAL,
        &[("LAVALINK_PROXY_PASSWORD", "p"), ("LAVALINK_PROXY_NODES", "v4://p@a:1")],
    )
    .unwrap();
    let expected = [
        "LAVALINK_PROXY_PASSWORD: is not used, since the file has [[tenants]]",
        "LAVALINK_PROXY_NODES: is not used, since the file has [[nodes]]",
    ];
    assert_eq!(config.warnings, expected);
    assert_eq!(config.tenants[0].password.expose(), "client-password");
}

#[test]
fn the_names_of_lavabridge_are_understood() {
    let config = without_file(&[
        ("PROXY_HOST", "0.0.0.0"),
        ("PROXY_PORT", "7000"),
        ("PROXY_PASSWORD", "12345"),
        ("WEB_PORT", "7001"),
        ("LAVALINK_V3_HOST", "10.0.0.3"),
        ("LAVALINK_V4_HOST", "lavalink"),
        ("LAVALINK_V4_PORT", "2333"),
        ("ENABLE_PROXY_PROTOCOL", "true"),
    ])
    .unwrap();
    assert_eq!(config.server.bind, ["0.0.0.0:7000".parse().unwrap()]);
    assert_eq!(config.admin.bind, "0.0.0.0:7001".parse().unwrap());
    assert_eq!(config.tenants[0].password.expose(), "12345");
    let nodes: Vec<_> = config
        .nodes
        .iter()
        .map(|node| (node.host.as_str(), node.port, node.version.unwrap()))
        .collect();
    assert_eq!(
        nodes,
        [("lavalink", 2333, Version::V4), ("10.0.0.3", 8806, Version::V3)]
    );
    assert!(config.nodes.iter().all(|node| node.password.expose() == "12345"));
    assert!(
        config
            .warnings
            .iter()
            .any(|line| line.starts_with("ENABLE_PROXY_PROTOCOL: ") && line.contains("no effect yet"))
    );
}

#[test]
fn the_names_of_lavabridge_count_for_nothing_where_nodes_are_named_otherwise() {
    let old = [
        ("PROXY_PORT", "7000"),
        ("PROXY_PASSWORD", "old"),
        ("LAVALINK_V4_HOST", "old"),
    ];
    let config = read(MINIMAL, &old).unwrap();
    assert_eq!((config.nodes.len(), config.server.bind[0].port()), (1, 2333));
    let new = [
        ("LAVALINK_PROXY_PASSWORD", "new"),
        ("LAVALINK_PROXY_NODES", "v4://p@h:1"),
    ];
    let config = without_file(&[old.as_slice(), &new].concat()).unwrap();
    assert_eq!(
        (config.nodes[0].host.as_str(), config.server.bind[0].port()),
        ("h", 2333)
    );
}

#[test]
fn empty_variables_count_as_not_set() {
    let empty = [
        ("LAVALINK_PROXY__SERVER__BIND", ""),
        ("LAVALINK_PROXY_PASSWORD", "p"),
        ("LAVALINK_PROXY_NODES", "v4://p@h"),
    ];
    let config = load(None, variables(&empty).into_iter()).unwrap();
    assert_eq!(config.server.bind[0].port(), 2333);
}
