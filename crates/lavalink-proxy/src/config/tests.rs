//! Tests of the configuration as a whole: what a file and an environment together become, and what is said of mistakes.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use super::reference::Key;
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
    assert_eq!(config.store, folder.path().join("lavalink-proxy.db"));
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
        ("LAVALINK_PROXY__SERVER__CLIENT_VERSIONS", r#"{ "Erela.js*" = 3 }"#),
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
    assert_eq!(config.server.client_versions, [("erela.js*".to_owned(), Version::V3)]);
    assert_eq!(
        (config.nodes[0].weight, config.nodes[0].regions.as_slice()),
        (7, ["eu".to_owned()].as_slice())
    );
    assert_eq!(config.nodes[0].password.expose(), "12345");
    assert_eq!(
        (config.nodes[1].name.as_str(), config.nodes[1].sources.len()),
        ("127.0.0.1-2402", 2)
    );
    assert_eq!(config.discord_tokens[&42].expose(), "t");
    assert!(!config.requests.retry);
}

#[test]
fn every_key_of_the_reference_can_be_set_by_its_variable() {
    let folder = folder_of_the_example();
    let text = docs::example();
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

// === mistakes ===

/// Each row: lines put before the minimal configuration, and what is said of them.
const MISTAKES: &[(&str, &str)] = &[
    (
        "[server]\nbnid = \"0.0.0.0:1\"",
        "f.toml:2:1: server.bnid: unknown key, did you mean `bind`?",
    ),
    (
        "[server]\nheaderTimeout = \"1s\"",
        "f.toml:2:1: server.headerTimeout: unknown key, did you mean `header_timeout`?",
    ),
    (
        "[srever]\nbind = \"0.0.0.0:1\"",
        "f.toml:1:2: srever: unknown key, did you mean `server`?",
    ),
    (
        "[limits]\nwhatever = 1",
        "f.toml:2:1: limits.whatever: unknown key; [limits] has connections, connections_per_ip",
    ),
    ("server = 5", "f.toml:1:1: server: expected a section, [server]"),
    (
        "[server]\nbind = \"2333\"",
        "f.toml:2:1: server.bind: expected an IP address and a port, such as \"0.0.0.0:2333\" or \"[::]:2333\", got \"2333\"",
    ),
    (
        "[server]\nbind = 2333",
        "f.toml:2:1: server.bind: invalid type: integer `2333`, expected a string or a list of strings",
    ),
    (
        "[server]\nbind = []",
        "f.toml:2:1: server.bind: expected at least one address here or in server.tls.bind",
    ),
    (
        "[server]\n  threads = -1",
        "f.toml:2:3: server.threads: invalid value: integer `-1`, expected u16",
    ),
    (
        "[server]\nheader_timeout = 10",
        "f.toml:2:1: server.header_timeout: invalid type: integer `10`, expected a string",
    ),
    (
        "[server]\nheader_timeout = \"10\"",
        "f.toml:2:1: server.header_timeout: expected a time with its unit, such as \"500ms\", \"30s\", \"2m\" or \"1h\", got \"10\"",
    ),
    (
        "[server]\nheader_timeout = \"0s\"",
        "f.toml:2:1: server.header_timeout: expected a time above zero",
    ),
    (
        "[server]\nmax_body_bytes = \"16MB\"",
        "f.toml:2:1: server.max_body_bytes: expected a size with its unit, such as \"512B\", \"64KiB\" or \"16MiB\", got \"16MB\"",
    ),
    (
        "[server]\nmax_header_bytes = \"1B\"",
        "f.toml:2:1: server.max_header_bytes: expected at least 1KiB",
    ),
    (
        "[server]\nmount_prefix = \"lava\"",
        "f.toml:2:1: server.mount_prefix: expected a path such as \"/lavalink\", got \"lava\"",
    ),
    (
        "[server]\nmount_prefix = \"/v4\"",
        "f.toml:2:1: server.mount_prefix: expected no /v3 or /v4 in it: these are understood by themselves",
    ),
    (
        "[server]\ndefault_version = 5",
        "f.toml:2:1: server.default_version: expected 3 or 4, got 5",
    ),
    (
        "[server]\nclient_versions = { \"a*b\" = 3 }",
        "f.toml:2:1: server.client_versions: expected a `*` only at the end, got \"a*b\"",
    ),
    (
        "[server.tls]\nbind = \"0.0.0.0:1\"",
        "f.toml:1:9: server.tls.certificate: missing; expected a PEM file, since server.tls.bind is set",
    ),
    (
        "[server.tls]\nkey = \"k.pem\"",
        "f.toml:1:9: server.tls.bind: missing; expected the address on which TLS is served",
    ),
    (
        "[admin]\nbind = \"127.0.0.1:2333\"",
        "f.toml:2:1: admin.bind: expected a port that is free, 127.0.0.1:2333 is taken by server.bind",
    ),
    (
        "[admin]\npassword = \"\"",
        "f.toml:2:1: admin.password: expected a password, it is empty",
    ),
    (
        "[admin]\npassword_file = \"missing-file\"",
        "f.toml:2:1: admin.password_file: expected a readable file, missing-file is not: No such file or directory (os error 2)",
    ),
    (
        "[sessions]\nplacement = \"node\"",
        "f.toml:2:1: sessions.placement: unknown variant `node`, expected `player` or `session`",
    ),
    (
        "[sessions]\nqueue_messages = 0",
        "f.toml:2:1: sessions.queue_messages: expected at least 1",
    ),
    (
        "[health]\nfailures = 0",
        "f.toml:2:1: health.failures: expected at least 1",
    ),
    (
        "[log]\nlevel = \"loud\"",
        "f.toml:2:1: log.level: expected a level (off, error, warn, info, debug, trace) or a list such as \"info,proxy_gateway=debug\", got \"loud\"",
    ),
    (
        "[discord]\ntokens = { mybot = \"t\" }",
        "f.toml:2:1: discord.tokens: expected the bot's user id, a number, before each `=`",
    ),
    (
        "[[tenants]]\nname = \"none\"\npassword = \"a\"",
        "f.toml:2:1: tenants[0].name: expected another name: `none` is what traffic without a tenant is counted under",
    ),
    (
        "[[tenants]]\nname = \"default\"\npassword = \"a\"",
        "f.toml:5:3: tenants[1].name: expected a name of its own, `default` is taken",
    ),
    (
        "[[tenants]]\nname = \"a\"\npassword = \"client-password\"",
        "f.toml:6:1: tenants[1].password: expected a password of its own, tenant `a` has the same",
    ),
    (
        "[[tenants]]\nname = \"a\"",
        "f.toml:1:3: tenants[0].password: missing; expected password or password_file",
    ),
    (
        "[[tenants]]\nname = \"a\"\npassword = \"a\"\nnodes = [\"eu-2\"]",
        "f.toml:4:1: tenants[0].nodes: there is no node `eu-2`, did you mean `eu-1`?",
    ),
    ("[tenants]\npassword = \"a\"", "f.toml:4:3: not valid TOML: "),
    (
        "[[nodes]]\npassword = \"a\"",
        "f.toml:1:3: nodes[0].url: missing; expected the node's address, such as \"http://127.0.0.1:2333\"",
    ),
    (
        "[[nodes]]\nurl = \"http://h:1\"",
        "f.toml:1:3: nodes[0].password: missing; expected password or password_file",
    ),
    (
        "[[nodes]]\npassword = \"a\"\nurl = \"127.0.0.1:2333\"",
        "f.toml:3:1: nodes[0].url: expected an address such as",
    ),
    (
        "[[nodes]]\npassword = \"a\"\nurl = \"http://h:1/base\"",
        "f.toml:3:1: nodes[0].url: expected an address such as",
    ),
    (
        "[[nodes]]\npassword = \"a\"\nurl = \"http://127.0.0.1:2401\"",
        "f.toml:8:1: nodes[1].url: expected an address of its own, node `127.0.0.1-2401` has the same",
    ),
    (
        "[[nodes]]\nname = \"eu 2\"\npassword = \"a\"\nurl = \"http://h:1\"",
        "f.toml:2:1: nodes[0].name: expected 1 to 64 letters, digits, `.`, `_` or `-`, got \"eu 2\"",
    ),
    (
        "[[nodes]]\nname = \"eu-1\"\npassword = \"a\"\nurl = \"http://h:1\"",
        "f.toml:8:1: nodes[1].name: expected a name of its own, `eu-1` is taken",
    ),
    (
        "[[nodes]]\nweight = 0\npassword = \"a\"\nurl = \"http://h:1\"",
        "f.toml:2:1: nodes[0].weight: expected a weight from 1 to 1000; to give it no work use drain = true",
    ),
    (
        "[[nodes]]\nversion = 2\npassword = \"a\"\nurl = \"http://h:1\"",
        "f.toml:2:1: nodes[0].version: expected 3 or 4, got 2",
    ),
    (
        "[[nodes]]\nca_file = \"no.pem\"\npassword = \"a\"\nurl = \"https://h:1\"",
        "f.toml:2:1: nodes[0].ca_file: expected a readable file, no.pem is not: No such file or directory (os error 2)",
    ),
    ("[server\nbind = 1", "f.toml:1:8: not valid TOML: "),
    ("a = \"x\"\na = \"y\"", "f.toml:2:1: not valid TOML: "),
];

#[test]
fn each_mistake_is_named_with_its_place_its_key_and_what_was_expected() {
    for (lines, expected) in MISTAKES {
        let said = mistakes(read(&format!("{lines}{MINIMAL}"), &[]));
        assert!(
            said.iter().any(|line| line.starts_with(expected)),
            "{lines}\n  expected {expected}\n  got {said:#?}"
        );
    }
}

#[test]
fn a_value_that_was_refused_is_not_also_called_missing() {
    let said = mistakes(read(
        "[[tenants]]\npassword = 5\n[[nodes]]\nurl = 7\npassword = \"x\"\n",
        &[],
    ));
    assert_eq!(said.len(), 2, "{said:#?}");
}

#[test]
fn all_mistakes_are_reported_at_once_and_in_the_order_of_the_file() {
    let text = "[server]\nbnid = 1\nthreads = \"x\"\n[health]\nfailures = 0\n[[nodes]]\nurl = \"x\"\n";
    let said = mistakes(read(text, &[("LAVALINK_PROXY__LOG__FORMAT", "xml")]));
    let keys: Vec<_> = said
        .iter()
        .map(|line| line.split(": ").take(2).collect::<Vec<_>>().join(" "))
        .collect();
    let expected = [
        "f.toml:2:1 server.bnid",
        "f.toml:3:1 server.threads",
        "f.toml:5:1 health.failures",
        "f.toml:6:3 nodes[0].password",
        "f.toml:7:1 nodes[0].url",
        "LAVALINK_PROXY__LOG__FORMAT log.format",
        "f.toml tenants",
    ];
    assert_eq!(keys, expected);
}

#[test]
fn mistakes_in_the_environment_are_named_with_the_variable() {
    let cases = [
        (
            ("LAVALINK_PROXY__SERVER__BIMD", "x"),
            "LAVALINK_PROXY__SERVER__BIMD: there is no key `bimd`, did you mean `BIND`?",
        ),
        (
            ("LAVALINK_PROXY__NODES__3__URL", "x"),
            "LAVALINK_PROXY__NODES__3__URL: sections are numbered from 0 without gaps; 1 is missing",
        ),
        (
            ("LAVALINK_PROXY__NODES__URL", "x"),
            "LAVALINK_PROXY__NODES__URL: expected a number after NODES",
        ),
        (
            ("LAVALINK_PROXY__NODES", "x"),
            "LAVALINK_PROXY__NODES: expected a number and a key, such as LAVALINK_PROXY__NODES__0__NAME",
        ),
        (
            ("LAVALINK_PROXY__SERVER", "x"),
            "LAVALINK_PROXY__SERVER: expected a key after the section",
        ),
        (
            ("LAVALINK_PROXY__SERVER__PING_TIMEOUT", "5"),
            "LAVALINK_PROXY__SERVER__PING_TIMEOUT: server.ping_timeout: expected a time with its unit",
        ),
        (
            ("LAVALINK_PROXY__SERVER__THREADS", "many"),
            "LAVALINK_PROXY__SERVER__THREADS: server.threads: invalid type: string \"many\", expected u16",
        ),
        (
            ("LAVALINK_PROXY_NODES", "v5://a@b"),
            "LAVALINK_PROXY_NODES: node 1 is not understood, expected v4://password@host:port",
        ),
    ];
    for (variable, expected) in cases {
        let said = mistakes(read(MINIMAL, &[variable]));
        assert!(
            said.iter().any(|line| line.starts_with(expected)),
            "{variable:?} {said:#?}"
        );
    }
    let said = mistakes(without_file(&[("LAVALINK_V4_HOST", "h")]));
    assert_eq!(
        said[0],
        "PROXY_PASSWORD: missing; expected the password that clients send and the nodes accept"
    );
}

#[test]
fn no_message_contains_a_secret() {
    const SECRET: &str = "47114711";
    let files = [
        "[admin]\npassword = 47114711",
        "[admin]\npassword = [\"47114711\"]",
        "[admin]\npasword = \"47114711\"",
        "[admin]\npassword = \"47114711\nx",
        "[admin]\npassword = 47114711x",
        "[discord]\ntokens = \"47114711\"",
        "[discord]\ntokens = { \"x47114711\" = \"1\" }",
        "[discord.tokens]\nx = 47114711",
        "[[nodes]]\nurl = \"http://user:47114711@h:1\"",
        "[[tenants]]\npassword = \"47114711\"\n[[tenants]]\nname = \"b\"\npassword = \"47114711\"",
    ];
    let environments = [
        ("LAVALINK_PROXY_NODES", "v9://47114711@h"),
        ("LAVALINK_PROXY_NODES", "v4://47114711@h:port:port"),
        ("LAVALINK_PROXY__DISCORD__TOKENS", "47114711"),
        ("LAVALINK_PROXY__NODES__0__URL", "http://u:47114711@h"),
    ];
    let results = files.iter().map(|lines| read(&format!("{lines}{MINIMAL}"), &[]));
    let results = results.chain(environments.iter().map(|variable| read(MINIMAL, &[*variable])));
    for (index, result) in results.enumerate() {
        let errors = result.unwrap_err();
        assert!(!errors.to_string().contains(SECRET), "case {index}: {errors}");
        assert!(!format!("{errors:?}").contains(SECRET), "case {index}: {errors:?}");
    }
    let config = read(&MINIMAL.replace("client-password", SECRET), &[]).unwrap();
    assert!(!format!("{config:?}").contains(SECRET));
}

// === the generated documents ===

/// A folder with the files that the example names.
fn folder_of_the_example() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("secrets")).unwrap();
    for section in reference::reference().walk() {
        for key in &section.keys {
            let files = match key.example.as_ref() {
                Some(serde_json::Value::String(file)) if key.kind == "path" => vec![file.clone()],
                Some(serde_json::Value::Object(files)) if key.kind == "table of path" => {
                    files.values().map(|file| file.as_str().unwrap().to_owned()).collect()
                }
                _ => continue,
            };
            for file in files {
                std::fs::write(
                    folder.path().join(&file),
                    format!("content of {file} for {}", section.path),
                )
                .unwrap();
            }
        }
    }
    folder
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

#[test]
fn the_generated_documents_are_up_to_date() {
    let documents = [
        ("docs/reference/config.md", docs::markdown()),
        ("lavalink-proxy.example.toml", docs::example()),
    ];
    for (path, expected) in documents {
        let found = std::fs::read_to_string(root().join(path)).unwrap_or_default();
        assert!(found == expected, "{path} is stale; run `cargo xtask docs`");
    }
}

#[test]
fn the_example_is_the_minimal_configuration() {
    let example = read(&docs::example(), &[]).unwrap();
    let minimal = MINIMAL
        .replace("client-password", "youshallnotpass")
        .replace("node-password", "youshallnotpass");
    let minimal = read(&minimal.replace("name = \"eu-1\"\n", ""), &[]).unwrap();
    assert_eq!(format!("{example:?}"), format!("{minimal:?}"));
}

fn uncommented_example() -> String {
    let text = docs::example();
    let lines = text.lines().map(|text| match text.strip_prefix('#') {
        Some(key) if key.starts_with(|c: char| c.is_ascii_lowercase()) => key.to_owned(),
        _ => text.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_works_with_every_line_uncommented() {
    let folder = folder_of_the_example();
    let path = folder.path().join("lavalink-proxy.toml");
    std::fs::write(&path, uncommented_example()).unwrap();
    let config = load(Some(&path), std::iter::empty()).unwrap_or_else(|errors| panic!("{errors}"));
    let keys = uncommented_example()
        .lines()
        .filter(|line| line.contains(" = ") && !line.starts_with('#'))
        .count();
    let known: usize = reference::reference()
        .walk()
        .iter()
        .map(|section| section.keys.len())
        .sum();
    assert_eq!(keys, known);
    assert_eq!(
        config.tenants[0].password.expose(),
        "content of secrets/tenant-password for tenants"
    );
}

#[test]
fn the_schema_agrees_with_the_parser() {
    let schema = jsonschema::validator_for(&schema()).unwrap();
    let as_json = |text: &str| serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap();
    for text in [MINIMAL.to_owned(), docs::example(), uncommented_example()] {
        let errors: Vec<_> = schema
            .iter_errors(&as_json(&text))
            .map(|error| error.to_string())
            .collect();
        assert_eq!(errors, Vec::<String>::new());
    }
    // What both can tell from one value alone, they must tell alike.
    let refused = [
        "[server]\nbnid = 1",
        "[server]\nbind = 2333",
        "[server]\nheader_timeout = \"10\"",
        "[server]\nmax_body_bytes = \"16MB\"",
        "[server]\ndefault_version = 5",
        "[sessions]\nplacement = \"node\"",
        "[sessions]\nqueue_messages = 0",
        "[admin]\npassword = 5",
        "[[nodes]]\nweight = 0",
        "[discord.tokens]\nx = 5",
        "tenants = 5",
    ];
    for text in refused {
        assert!(!schema.is_valid(&as_json(text)), "the schema accepts {text}");
        assert!(
            !mistakes(read(text, &[])).iter().all(|line| line.contains("missing")),
            "the parser accepts {text}"
        );
    }
}
