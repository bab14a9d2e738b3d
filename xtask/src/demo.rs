//! `cargo xtask demo`: the proxy with two simulated v4 nodes, a v3 node and bots of both versions, to look at.
//!
//! Everything listens on loopback and ends with this process. What the programs write is in files below the build folder.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::child::Running;
use crate::dashboard;
use crate::figures;
use crate::workspace::{build, program, target};

/// What the demo's proxy expects of clients.
const PASSWORD: &str = "youshallnotpass";
/// The password of the demo's admin listener.
const ADMIN_PASSWORD: &str = "demo-admin";
/// The password of the simulated nodes, different so that it shows which one is used where.
const NODE_PASSWORD: &str = "node-password";
/// The folder of what the demo runs: the dev profile, since a newcomer waits for the build and the tests share it.
const BUILD: &str = "debug";

const START_LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(50);
const FIGURES_EVERY: Duration = Duration::from_secs(3);

/// The simulated nodes: name and generation.
const NODES: [(&str, &str); 3] = [("v4-a", "4.2"), ("v4-b", "4.2"), ("v3-a", "3.7")];
/// The simulated bots: what they speak, how many, and the user id of the first.
const BOTS: [(&str, &str, &str); 3] = [("4.2", "4", "1000"), ("3.7", "1", "2000"), ("legacy", "1", "3000")];

/// Runs the demo until Ctrl-C, or for a time.
pub(crate) fn demo(options: &[&str]) -> Result<()> {
    let (mut real, mut time) = (false, None);
    let mut rest = options;
    loop {
        rest = match rest {
            [] => break,
            ["--real", rest @ ..] => {
                real = true;
                rest
            }
            ["--for", text, rest @ ..] => {
                time = Some(seconds(text).with_context(|| format!("expected a time such as 30s, got {text}"))?);
                rest
            }
            [other, ..] => bail!("`{other}` is not understood; there are --for 30s and --real"),
        };
    }
    if real { real_demo(options) } else { simulated(time) }
}

fn simulated(time: Option<Duration>) -> Result<()> {
    dashboard::build_if_possible()?;
    build(&["lavalink-proxy", "sim-node", "sim-bots"])?;
    let folder = folder()?;
    let mut nodes = Vec::new();
    let mut children = Vec::new();
    for (name, generation) in NODES {
        let port = free_port()?;
        children.push(start_node(name, generation, port, &folder)?);
        nodes.push((name, port));
    }
    let [proxy, admin] =
        [preferred_port(2333)?, preferred_port(2334)?].map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let config = folder.join("lavalink-proxy.toml");
    std::fs::write(&config, configuration(proxy, admin, &nodes))?;
    let mut command = Command::new(program(BUILD, "lavalink-proxy"));
    command.arg("--config").arg(&config);
    children.insert(
        0,
        Running::start("lavalink-proxy", command, &folder.join("lavalink-proxy.log"))?,
    );
    wait_until_ready(admin, &mut children)?;
    for (generation, count, first) in BOTS {
        let mut command = Command::new(program(BUILD, "sim-bots"));
        command.args(["--url", &format!("http://{proxy}"), "--password", PASSWORD]);
        command.args(["--bots", count, "--first-user-id", first, "--generation", generation]);
        children.push(Running::start(
            "sim-bots",
            command,
            &folder.join(format!("bots-{generation}.log")),
        )?);
    }
    introduce(proxy, admin, &folder);
    watch(admin, &mut children, time)
}

fn start_node(name: &str, generation: &str, port: u16, folder: &Path) -> Result<Running> {
    let mut command = Command::new(program(BUILD, "sim-node"));
    command.args([
        "--port",
        &port.to_string(),
        "--generation",
        generation,
        "--password",
        NODE_PASSWORD,
    ]);
    Running::start(name, command, &folder.join(format!("{name}.log")))
}

fn configuration(proxy: SocketAddr, admin: SocketAddr, nodes: &[(&str, u16)]) -> String {
    let mut text = format!(
        "[server]\nbind = \"{proxy}\"\n[admin]\nbind = \"{admin}\"\npassword = \"{ADMIN_PASSWORD}\"\n\
         [health]\ninterval = \"1s\"\n[[tenants]]\npassword = \"{PASSWORD}\"\n"
    );
    for (name, port) in nodes {
        text.push_str(&format!(
            "[[nodes]]\nname = \"{name}\"\nurl = \"http://127.0.0.1:{port}\"\npassword = \"{NODE_PASSWORD}\"\n"
        ));
    }
    text
}

fn introduce(proxy: SocketAddr, admin: SocketAddr, folder: &Path) {
    println!();
    println!("  URL             http://{proxy}   (v3 and v4 clients alike)");
    println!("  password        {PASSWORD}");
    println!("  dashboard       http://{admin}   (also /api/v1/overview, /metrics)");
    println!("  admin user      admin");
    println!("  admin password  {ADMIN_PASSWORD}");
    println!("  logs            {}", folder.display());
    println!();
    println!("  curl -u admin:{ADMIN_PASSWORD} http://{admin}/api/v1/nodes");
    println!("  curl -H 'Authorization: {PASSWORD}' http://{proxy}/v4/info");
    println!();
}

/// Prints figures until the time is over; Ctrl-C ends the process, and the kernel its children.
fn watch(admin: SocketAddr, children: &mut [Running], time: Option<Duration>) -> Result<()> {
    println!("Ctrl-C ends it.");
    let end = time.map(|time| Instant::now() + time);
    loop {
        let next = Instant::now() + FIGURES_EVERY;
        while Instant::now() < end.map_or(next, |end| end.min(next)) {
            std::thread::sleep(POLL);
        }
        children.iter_mut().try_for_each(Running::still_runs)?;
        println!(
            "{}",
            figures::get(admin, "/api/v1/overview", ADMIN_PASSWORD).and_then(|body| figures::line(&body))?
        );
        if end.is_some_and(|end| Instant::now() >= end) {
            return Ok(());
        }
    }
}

fn wait_until_ready(admin: SocketAddr, children: &mut [Running]) -> Result<()> {
    let deadline = Instant::now() + START_LIMIT;
    loop {
        children.iter_mut().try_for_each(Running::still_runs)?;
        let error = match figures::get(admin, "/readyz", ADMIN_PASSWORD) {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        if Instant::now() > deadline {
            return Err(error.context(format!(
                "the proxy is not ready; its last lines:\n{}",
                children[0].last_lines()
            )));
        }
        std::thread::sleep(POLL);
    }
}

/// The demo with a real Lavalink server is a program of the test kit, which knows how to install and start one.
fn real_demo(options: &[&str]) -> Result<()> {
    build(&["lavalink-proxy", "real-demo"])?;
    let mut command = Command::new(program(BUILD, "real-demo"));
    command
        .arg("--proxy")
        .arg(program(BUILD, "lavalink-proxy"))
        .args(options.iter().filter(|word| **word != "--real"))
        // The pipe stays open as long as this process lives; the program ends when it closes.
        .stdin(Stdio::piped());
    let mut child = command.spawn().context("real-demo cannot be started")?;
    let _input = child.stdin.take();
    let status = child.wait()?;
    if !status.success() {
        bail!("the demo with a real Lavalink server failed ({status})");
    }
    Ok(())
}

fn folder() -> Result<PathBuf> {
    let folder = target().join("demo");
    std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    Ok(folder)
}

/// A port that is free now; the one asked for, if it is.
fn preferred_port(port: u16) -> Result<u16> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(port),
        Err(_) => free_port(),
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Reads `30s` or `2m`.
fn seconds(text: &str) -> Option<Duration> {
    let (number, factor) = match text.strip_suffix('m') {
        Some(number) => (number, 60),
        None => (text.strip_suffix('s')?, 1),
    };
    Some(Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(factor)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_seconds_or_minutes() {
        for (text, expected) in [
            ("30s", Some(30)),
            ("2m", Some(120)),
            ("30", None),
            ("s", None),
            ("-1s", None),
        ] {
            assert_eq!(seconds(text), expected.map(Duration::from_secs), "{text}");
        }
    }
}
