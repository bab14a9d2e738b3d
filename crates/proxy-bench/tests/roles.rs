//! The benchmark's roles as real processes on loopback: what is measured must be right before it is fast.
#![allow(clippy::unwrap_used, missing_docs)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// A role, killed with the test that started it.
struct Role {
    child: Child,
    stdin: ChildStdin,
    events: BufReader<ChildStdout>,
}

impl Role {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_proxy-bench"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let events = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdin, events }
    }

    /// The node and its address.
    fn node() -> (Self, String) {
        let mut node = Self::start(&["node"]);
        let port = node.hear("listening")["port"].as_u64().unwrap();
        (node, format!("127.0.0.1:{port}"))
    }

    fn tell(&mut self, command: &Value) {
        writeln!(self.stdin, "{command}").unwrap();
    }

    /// The next event, which must be this one.
    fn hear(&mut self, event: &str) -> Value {
        let mut line = String::new();
        self.events.read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no {event} but the end: {line}"));
        assert_eq!(said["event"], event, "{said}");
        said
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn every_load_gets_the_answers_it_expects() {
    let (mut node, address) = Role::node();
    let loads: [&[&str]; 6] = [
        &["rest", "--what", "small"],
        &["rest", "--what", "small", "--rate", "500"],
        &["rest", "--what", "large", "--connections", "2"],
        &["rest", "--what", "patch", "--connections", "4"],
        &["storm", "--what", "refused", "--connections", "4"],
        &["storm", "--what", "accepted", "--connections", "4"],
    ];
    for arguments in loads {
        let mut all = vec!["load", "--to", &address];
        all.extend(arguments);
        all.extend(["--warm-ms", "20", "--ms", "200"]);
        let mut load = Role::start(&all);
        load.hear("started");
        let done = load.hear("done");
        assert!(done["units"].as_u64().unwrap() > 0, "{arguments:?}: {done}");
        assert_eq!(done["errors"], 0, "{arguments:?}: {done}");
        if arguments.contains(&"--rate") {
            let units = done["units"].as_u64().unwrap();
            assert!((50..=110).contains(&units), "500/s for 0.2 s: {done}");
        }
    }
    node.tell(&json!({"command": "count"}));
    node.hear("counted");
}

#[test]
fn pushed_messages_all_come_in_order_and_their_latency_is_known() {
    let (mut node, address) = Role::node();
    let mut load = Role::start(&["load", "--to", &address, "sessions", "--count", "50"]);
    assert_eq!(load.hear("opened")["sessions"], 50);
    for (rate, burst) in [(2_000, 1_u32), (20_000, 32)] {
        load.tell(&json!({"command": "mark"}));
        load.hear("marked");
        node.tell(&json!({"command": "push", "rate": rate, "burst": burst}));
        assert_eq!(node.hear("pushing")["players"], 50);
        std::thread::sleep(Duration::from_millis(200));
        node.tell(&json!({"command": "stop"}));
        let pushed = node.hear("stopped")["pushed"].as_u64().unwrap();
        assert!(pushed >= u64::from(burst), "something was pushed");
        load.tell(&json!({"command": "drain", "pushed": pushed}));
        let drained = load.hear("drained");
        assert_eq!(
            drained,
            json!({"event": "drained", "lost": 0, "reordered": 0, "closed": 0})
        );
        load.tell(&json!({"command": "report"}));
        let reported = load.hear("reported");
        assert_eq!(reported["units"], pushed);
        let p50 = reported["p50_ns"].as_u64().unwrap();
        assert!(
            (1..2_000_000_000).contains(&p50),
            "a time between two processes' clocks: {reported}"
        );
    }
    load.tell(&json!({"command": "close"}));
    load.hear("closed");
    node.tell(&json!({"command": "count"}));
    assert_eq!(node.hear("counted")["sessions"], 0);
}

#[test]
fn messages_that_never_come_are_missed() {
    let (_node, address) = Role::node();
    let mut load = Role::start(&["load", "--to", &address, "sessions", "--count", "2"]);
    load.hear("opened");
    load.tell(&json!({"command": "drain", "pushed": 3}));
    assert_eq!(load.hear("drained")["lost"], 3);
}

#[test]
fn killing_the_orchestrator_takes_its_children_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut orchestrator = Command::new(env!("CARGO_BIN_EXE_proxy-bench"))
        .args(["run", "--peers", "direct", "--only", "ws-2k", "--rounds", "50"])
        .env("TMPDIR", folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let own = orchestrator.id();
    let children = wait_for("two children", || Some(children(own)).filter(|pids| pids.len() >= 2));
    orchestrator.kill().unwrap();
    orchestrator.wait().unwrap();
    wait_for("their end", || {
        children.iter().all(|pid| !is_running(*pid)).then_some(())
    });
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "waited for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn children(pid: u32) -> Vec<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// Neither gone nor dead and only waiting to be buried.
fn is_running(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status
        .rsplit(") ")
        .next()
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['Z', 'X']))
}
