//! The command line of the built program: what it prints and with which code it ends. Not for running the proxy.

#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::process::{Command, Output};

const GOOD: &str = "[[tenants]]\npassword = \"a\"\n[[nodes]]\nurl = \"http://127.0.0.1:2401\"\npassword = \"b\"\n";

/// Runs the program in a folder, with only these variables set.
fn proxy(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lavalink-proxy"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .envs(variables.iter().copied());
    command.output().unwrap()
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn check_ends_with_0_for_a_good_file_and_shows_warnings() {
    let text = format!("[sessions]\nbridge = \"never\"\n{GOOD}");
    let folder = folder(&[("good.toml", GOOD), ("warned.toml", &text)]);
    let good = proxy(folder.path(), &["check", "good.toml"], &[]);
    assert_eq!(
        (good.status.code(), stdout(&good).as_str()),
        (Some(0), "ok: 1 tenant(s), 1 node(s), 0 warning(s)\n")
    );
    let warned = proxy(folder.path(), &["check", "warned.toml"], &[]);
    assert_eq!(warned.status.code(), Some(0));
    assert!(
        stderr(&warned).starts_with("warning: warned.toml:2:1: sessions.bridge: has no effect yet"),
        "{warned:?}"
    );
}

#[test]
fn check_ends_with_78_and_names_every_mistake() {
    let folder = folder(&[("bad.toml", "[server]\nbnid = \"x\"\nthreads = \"many\"\n")]);
    let output = proxy(folder.path(), &["check", "bad.toml"], &[]);
    assert_eq!(output.status.code(), Some(78));
    let said = stderr(&output);
    assert!(
        said.contains("bad.toml:2:1: server.bnid: unknown key, did you mean `bind`?"),
        "{said}"
    );
    assert!(said.contains("bad.toml:3:1: server.threads: "), "{said}");
    assert!(said.contains("bad.toml: tenants: missing"), "{said}");
}

#[test]
fn a_file_that_is_not_there_is_a_mistake_of_the_configuration() {
    let folder = folder(&[]);
    for arguments in [["check", "none.toml"].as_slice(), &["--config", "none.toml"]] {
        let output = proxy(folder.path(), arguments, &[]);
        assert_eq!(output.status.code(), Some(78), "{output:?}");
        assert!(stderr(&output).starts_with("none.toml: cannot be read: "), "{output:?}");
    }
}

#[test]
fn a_wrong_command_line_ends_with_64() {
    let folder = folder(&[]);
    for arguments in [
        ["--confg", "x"].as_slice(),
        &["start"],
        &["probe", "--address", "nowhere"],
    ] {
        assert_eq!(
            proxy(folder.path(), arguments, &[]).status.code(),
            Some(64),
            "{arguments:?}"
        );
    }
}

#[test]
fn without_any_configuration_the_first_steps_are_shown() {
    let folder = folder(&[]);
    let output = proxy(folder.path(), &[], &[]);
    assert_eq!(output.status.code(), Some(64));
    let said = stderr(&output);
    assert!(
        said.contains("[[nodes]]") && said.contains("LAVALINK_PROXY_NODES="),
        "{said}"
    );
}

#[test]
fn the_file_of_the_first_steps_is_a_good_one() {
    let folder = folder(&[]);
    let said = stderr(&proxy(folder.path(), &[], &[]));
    let lines = said
        .lines()
        .skip_while(|line| !line.contains("[[tenants]]"))
        .take_while(|line| !line.starts_with("Or "));
    let text: Vec<_> = lines.map(str::trim).collect();
    std::fs::write(folder.path().join("lavalink-proxy.toml"), text.join("\n")).unwrap();
    let output = proxy(folder.path(), &["check"], &[]);
    assert_eq!(
        (output.status.code(), stderr(&output).as_str()),
        (Some(0), ""),
        "{}",
        text.join("\n")
    );
}

#[test]
fn configuration_is_found_in_variable_folder_and_dotenv_in_this_order() {
    let other = GOOD.replace("[[nodes]]", "[[nodes]]\nname = \"x\"\n[[nodes]]\nname = \"y\"");
    let dotenv = "PROXY_PASSWORD=p\nLAVALINK_V3_HOST=a\nLAVALINK_V4_HOST=b\n";
    let broken = folder(&[("named.toml", &other), ("lavalink-proxy.toml", GOOD), (".env", dotenv)]);
    let named = proxy(broken.path(), &["check"], &[("LAVALINK_PROXY_CONFIG", "named.toml")]);
    assert!(stderr(&named).starts_with("named.toml:"), "{named:?}");
    let in_folder = proxy(broken.path(), &["check"], &[]);
    assert!(
        stdout(&in_folder).starts_with("ok: 1 tenant(s), 1 node(s)"),
        "{in_folder:?}"
    );
    std::fs::remove_file(broken.path().join("lavalink-proxy.toml")).unwrap();
    let from_dotenv = proxy(broken.path(), &["check"], &[]);
    assert!(
        stdout(&from_dotenv).starts_with("ok: 1 tenant(s), 2 node(s)"),
        "{from_dotenv:?}"
    );
}

#[test]
fn the_schema_is_json_and_knows_the_sections() {
    let folder = folder(&[]);
    let schema: serde_json::Value = serde_json::from_slice(&proxy(folder.path(), &["schema"], &[]).stdout).unwrap();
    for section in ["server", "admin", "tenants", "nodes"] {
        assert!(schema["properties"][section].is_object(), "{section}");
    }
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn probe_ends_with_1_when_nothing_answers() {
    let folder = folder(&[]);
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let output = proxy(folder.path(), &["probe", "--address", &free.to_string()], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("no answer from http://127.0.0.1:"),
        "{output:?}"
    );
}

#[test]
fn a_second_proxy_on_one_store_is_refused_and_told_why() {
    let folder = folder(&[("proxy.toml", GOOD)]);
    let settings = proxy_store::Settings::default();
    let first = proxy_store::Store::open(folder.path().join("lavalink-proxy.db"), settings).unwrap();
    let second = proxy(folder.path(), &["--config", "proxy.toml"], &[]);
    assert_eq!(second.status.code(), Some(1));
    assert!(stderr(&second).contains("is in use by another process"), "{second:?}");
    drop(first);
}
