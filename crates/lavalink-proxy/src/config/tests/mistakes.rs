//! What is said of mistakes: all at once, each with its place, never with a secret.

use super::*;

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
        "[server]\nclient_versions = { \"\" = 3 }",
        "f.toml:2:1: server.client_versions: expected the first part of a client's name, it is empty",
    ),
    (
        "[store]\nflush_interval = \"1h\"",
        "f.toml:2:1: store.flush_interval: expected at most 10m",
    ),
    (
        "[store.retention]\nminutes = \"10m\"",
        "f.toml:2:1: store.retention.minutes: expected at least 2h",
    ),
    (
        "[store.retention]\naddresses = 0",
        "f.toml:2:1: store.retention.addresses: expected at least 1",
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
        "[sessions]\nmigration_limit_per_node = 0",
        "f.toml:2:1: sessions.migration_limit_per_node: expected at least 1",
    ),
    (
        "[sessions]\nmigration_drain_rate = 10001",
        "f.toml:2:1: sessions.migration_drain_rate: expected at most 10000",
    ),
    (
        "[sessions]\nrequest_wait = \"0s\"",
        "f.toml:2:1: sessions.request_wait: expected a time above zero",
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
        "f.toml:4:1: tenants[1].name: expected a name of its own, `default` is taken",
    ),
    (
        "[[tenants]]\nname = \"a\"\npassword = \"client-password\"",
        "f.toml:5:1: tenants[1].password: expected a password of its own, tenant `a` has the same",
    ),
    (
        "[[tenants]]\nname = \"a\"",
        "f.toml:1:1: tenants[0].password: missing; expected password or password_file",
    ),
    (
        "[[tenants]]\nname = \"a\"\npassword = \"a\"\nnodes = [\"eu-2\"]",
        "f.toml:4:1: tenants[0].nodes: there is no node `eu-2`, did you mean `eu-1`?",
    ),
    ("[tenants]\npassword = \"a\"", "f.toml:3:3: not valid TOML: "),
    (
        "[[nodes]]\npassword = \"a\"",
        "f.toml:1:1: nodes[0].url: missing; expected the node's address, such as \"http://127.0.0.1:2333\"",
    ),
    (
        "[[nodes]]\nurl = \"http://h:1\"",
        "f.toml:1:1: nodes[0].password: missing; expected password or password_file",
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
    let mut wrong = Vec::new();
    for (lines, expected) in MISTAKES {
        let said = mistakes(read(&format!("{lines}{MINIMAL}"), &[]));
        if !said.iter().any(|line| line.starts_with(expected)) {
            wrong.push(format!("{lines}\n  expected {expected}\n  got {said:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
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
        "f.toml:6:1 nodes[0].password",
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
    ];
    for (variable, expected) in cases {
        let said = mistakes(read(MINIMAL, &[variable]));
        assert!(
            said.iter().any(|line| line.starts_with(expected)),
            "{variable:?} {said:#?}"
        );
    }
    let said = mistakes(without_file(&[("LAVALINK_PROXY_NODES", "v4://p@ok, v5://a@b")]));
    let expected = "LAVALINK_PROXY_NODES: node 2 is not understood, expected v4://password@host:port";
    assert!(said[0].starts_with(expected), "{said:#?}");
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
        ("LAVALINK_PROXY__DISCORD__TOKENS", "47114711"),
        ("LAVALINK_PROXY__NODES__0__URL", "http://u:47114711@h"),
    ];
    let results = files.iter().map(|lines| read(&format!("{lines}{MINIMAL}"), &[]));
    let results = results.chain(environments.iter().map(|variable| read(MINIMAL, &[*variable])));
    let short = ["v9://47114711@h", "v4://47114711@h:port:port", "47114711"];
    let results = results.chain(
        short
            .iter()
            .map(|nodes| without_file(&[("LAVALINK_PROXY_NODES", *nodes)])),
    );
    for (index, result) in results.enumerate() {
        let errors = result.unwrap_err();
        assert!(!errors.to_string().contains(SECRET), "case {index}: {errors}");
        assert!(!format!("{errors:?}").contains(SECRET), "case {index}: {errors:?}");
    }
    let config = read(&MINIMAL.replace("client-password", SECRET), &[]).unwrap();
    assert!(!format!("{config:?}").contains(SECRET));
}
