//! The shipped examples for Prometheus and Grafana, held to a real scrape and to a real Prometheus: settings and rules
//! are accepted, and every name, label and expression in rules and dashboard is one that the proxy has.
//!
//! Grafana itself is not run; of its dashboard the shape is checked.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use proxy_testkit::real::process::{Supervised, free_port};
use proxy_testkit::real::setup::Part;
use proxy_testkit::real::{ProxyProcess, http, or_skip, proxy};
use proxy_testkit::sim::SimLoad;
use proxy_testkit::{SimNode, TestClient};
use serde_json::Value;

/// `admin` with the password that the test kit gives the admin listener.
const LOGIN: &str = "Basic YWRtaW46YWRtaW4=";
const SOON: Duration = Duration::from_secs(60);

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/prometheus-grafana")
}

fn example(name: &str) -> String {
    let path = examples().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Prometheus' programs, or nothing where they cannot be had.
fn programs() -> Option<PathBuf> {
    Some(or_skip("Prometheus", Part::Prometheus.install())?.join("usr/bin"))
}

/// A proxy with one node and a bot that plays, so that there is something to show.
struct Shown {
    proxy: ProxyProcess,
    node: SimNode,
    client: TestClient,
}

impl Shown {
    async fn start() -> Self {
        let node = SimNode::builder().start().await.unwrap();
        node.set_load(SimLoad {
            frames: Some((2990, 5, 5)),
            ..SimLoad::default()
        });
        let address = node.addr();
        let password = node.password().to_owned();
        let proxy = tokio::task::spawn_blocking(move || {
            let nodes = [proxy::Node {
                name: "node",
                address,
                password: &password,
                version: 4,
            }];
            ProxyProcess::start(Path::new(env!("CARGO_BIN_EXE_lavalink-proxy")), "tenant", &nodes, "")
        });
        let proxy = proxy.await.unwrap().unwrap_or_else(|why| panic!("{why}"));
        let url = format!("http://{}", proxy.address());
        // One session that is over: endings are counted too.
        TestClient::v4(&url, "tenant", 6)
            .connect()
            .await
            .unwrap()
            .disconnect()
            .await;
        let client = TestClient::v4(&url, "tenant", 7).connect().await.unwrap();
        client.play(1, "http://example.org/a.mp3").await.unwrap();
        node.send_stats();
        Self { proxy, node, client }
    }

    /// What Prometheus would read, once the node's figures are in it.
    async fn scrape(&self) -> String {
        let limit = Instant::now() + SOON;
        loop {
            let admin = self.proxy.admin();
            let answer = tokio::task::spawn_blocking(move || http::get(admin, "/metrics", LOGIN, SOON));
            let answer = answer.await.unwrap().unwrap();
            assert_eq!(answer.status, 200, "{}", answer.body);
            let wanted = [
                "node_players{",
                "players{",
                "client_connections{",
                "sessions_ended_total{",
                "node_frame_deficit{",
            ];
            if wanted
                .iter()
                .all(|name| answer.body.contains(&format!("lavalink_proxy_{name}")))
            {
                return answer.body;
            }
            assert!(Instant::now() < limit, "no figures of the node: {}", answer.body);
            self.node.send_stats();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// The dashboard's expressions, as Grafana would ask them, with the panel they are on.
fn board_expressions() -> Vec<(String, String)> {
    let board: Value = serde_json::from_str(&example("grafana/dashboards/lavalink-proxy.json")).unwrap();
    let mut expressions = Vec::new();
    for panel in board["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap_or(&Vec::new()) {
            let expression = target["expr"].as_str().unwrap();
            let filled = expression
                .replace("$instance", ".*")
                .replace("$__rate_interval", "30s")
                .replace("$__range", "1m");
            assert!(!filled.contains('$'), "a variable that is not known here: {filled}");
            expressions.push((panel["title"].as_str().unwrap().to_owned(), filled));
        }
    }
    assert!(expressions.len() > 30, "the dashboard is all there");
    expressions
}

/// The metrics that an expression names, each with the labels that it selects by.
fn named(expression: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::<String, BTreeSet<String>>::new();
    for (at, _) in expression.match_indices("lavalink_proxy_") {
        let rest = &expression[at..];
        let end = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(rest.len());
        let labels = found.entry(rest[..end].to_owned()).or_default();
        if let Some(selector) = rest[end..].strip_prefix('{') {
            let (selector, _) = selector.split_once('}').unwrap();
            labels.extend(selector.split(',').map(|part| {
                let end = part.find(['=', '!']).unwrap();
                part[..end].to_owned()
            }));
        }
    }
    found
}

/// The labels of each series in a scrape, by metric.
fn scraped(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::<String, BTreeSet<String>>::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (series, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels = labels
            .trim_end_matches('}')
            .split(',')
            .filter_map(|part| part.split_once('='));
        found
            .entry(name.to_owned())
            .or_default()
            .extend(labels.map(|(label, _)| label.to_owned()));
    }
    found
}

#[test]
fn promtool_accepts_settings_and_rules() {
    let Some(programs) = programs() else { return };
    let folder = tempfile::tempdir().unwrap();
    for name in ["prometheus.yml", "alerts.yml"] {
        std::fs::write(folder.path().join(name), example(name)).unwrap();
    }
    std::fs::write(folder.path().join("viewer-password"), "x\n").unwrap();
    for arguments in [["check", "config", "prometheus.yml"], ["check", "rules", "alerts.yml"]] {
        let output = Command::new(programs.join("promtool"))
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && said.contains("SUCCESS"),
            "{arguments:?}: {said}"
        );
    }
}

#[tokio::test]
async fn promtool_finds_nothing_odd_in_a_scrape() {
    let Some(programs) = programs() else { return };
    let shown = Shown::start().await;
    let text = shown.scrape().await;
    let mut promtool = Command::new(programs.join("promtool"))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
    shown.client.disconnect().await;
}

#[tokio::test]
async fn rules_and_dashboard_name_only_metrics_and_labels_that_are_there() {
    let shown = Shown::start().await;
    let there = scraped(&shown.scrape().await);
    let mut expressions = board_expressions();
    let rules = example("alerts.yml");
    expressions.push((
        "rules".to_owned(),
        rules.lines().filter(|line| !line.trim().starts_with('#')).collect(),
    ));
    let added_by_prometheus = ["instance", "job"].map(str::to_owned);
    for (place, expression) in expressions {
        for (metric, labels) in named(&expression) {
            let known = there
                .get(&metric)
                .unwrap_or_else(|| panic!("{place}: no metric {metric}"));
            for label in labels {
                assert!(
                    known.contains(&label) || added_by_prometheus.contains(&label),
                    "{place}: {metric} has no label {label}"
                );
            }
        }
    }
    shown.client.disconnect().await;
}

#[test]
fn the_dashboard_is_one_that_grafana_can_draw() {
    let board: Value = serde_json::from_str(&example("grafana/dashboards/lavalink-proxy.json")).unwrap();
    assert!(board["uid"].is_string() && board["title"].is_string() && board["schemaVersion"].as_u64() >= Some(36));
    assert!(board["id"].is_null(), "an id belongs to one Grafana");
    let variables: BTreeSet<_> = board["templating"]["list"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variable| variable["name"].as_str().unwrap())
        .collect();
    assert_eq!(variables, BTreeSet::from(["datasource", "instance"]));
    let kinds = ["row", "stat", "timeseries", "table", "state-timeline"];
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in board["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(
            ids.insert(panel["id"].as_u64().unwrap()),
            "{title}: its id is another's"
        );
        assert!(kinds.contains(&panel["type"].as_str().unwrap()), "{title}");
        let at = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        assert!(
            at("x") + at("w") <= 24 && at("w") > 0 && at("h") > 0,
            "{title}: {}",
            panel["gridPos"]
        );
        for (x, y) in (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y))) {
            assert!(taken.insert((x, y)), "{title} lies on another");
        }
        if panel["type"] == "row" {
            continue;
        }
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        let mut names = BTreeSet::new();
        for target in panel["targets"].as_array().unwrap() {
            assert!(names.insert(target["refId"].as_str().unwrap()), "{title}: a name twice");
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
        }
        assert!(!names.is_empty(), "{title} asks nothing");
    }
}

/// A running Prometheus that reads the proxy once a second.
struct Prometheus {
    process: Supervised,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    /// With the shipped settings and rules, but for addresses, login and pace.
    fn start(programs: &Path, proxy: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = example("prometheus.yml")
            .replace("lavalink-proxy:2334", &proxy.to_string())
            .replace("username: viewer", "username: admin")
            .replace("15s", "1s");
        std::fs::write(folder.path().join("prometheus.yml"), settings).unwrap();
        std::fs::write(folder.path().join("alerts.yml"), example("alerts.yml")).unwrap();
        std::fs::write(folder.path().join("viewer-password"), "admin").unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port().unwrap()));
        let mut command = Command::new(programs.join("prometheus"));
        command
            .arg("--config.file=prometheus.yml")
            .arg(format!("--web.listen-address={address}"))
            .arg("--storage.tsdb.path=data")
            .current_dir(folder.path());
        let process = Supervised::spawn(command, &folder.path().join("log")).unwrap();
        Self {
            process,
            address,
            _folder: folder,
        }
    }

    /// The `data` of an answer, or why there is none.
    fn ask(&self, path: &str) -> Result<Value, String> {
        let answer = http::get(self.address, path, "", SOON).map_err(|error| error.to_string())?;
        let answer: Value = serde_json::from_str(&answer.body).map_err(|error| format!("{error}: {}", answer.body))?;
        match answer["status"].as_str() {
            Some("success") => Ok(answer["data"].clone()),
            _ => Err(answer.to_string()),
        }
    }

    fn query(&self, expression: &str) -> Result<usize, String> {
        let encoded: String = expression
            .bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
                byte => format!("%{byte:02X}"),
            })
            .collect();
        let data = self.ask(&format!("/api/v1/query?query={encoded}"))?;
        Ok(data["result"].as_array().map_or(0, Vec::len))
    }

    /// Waits until an expression has series; two readings make a rate.
    fn wait_for(&mut self, expression: &str) {
        let limit = Instant::now() + SOON;
        while !self.query(expression).is_ok_and(|series| series > 0) {
            assert!(
                Instant::now() < limit,
                "{expression} stays empty: {}",
                self.process.log_tail()
            );
            let ended = self.process.wait(Duration::from_millis(200)).unwrap();
            assert!(ended.is_none(), "{}", self.process.log_tail());
        }
    }
}

#[tokio::test]
async fn a_real_prometheus_answers_every_expression() {
    let Some(programs) = programs() else { return };
    let shown = Shown::start().await;
    shown.scrape().await;
    let admin = shown.proxy.admin();
    let asked = tokio::task::spawn_blocking(move || {
        let mut prometheus = Prometheus::start(&programs, admin);
        prometheus.wait_for("rate(lavalink_proxy_client_bytes_total[30s])");
        let mut empty = Vec::new();
        for (panel, expression) in board_expressions() {
            match prometheus.query(&expression) {
                Ok(0) => empty.push(panel),
                Ok(_) => {}
                Err(why) => panic!("{panel}: {expression}: {why}"),
            }
        }
        let rules = prometheus.ask("/api/v1/rules").unwrap();
        let rules = rules["groups"][0]["rules"].as_array().unwrap().clone();
        (empty, rules)
    });
    let (empty, rules) = asked.await.unwrap();
    // Nothing is wrong here.
    let may_be_empty = [
        "Nodes that are not healthy",
        "Most frequent refusals",
        "Refusals",
        "Sessions ended",
    ];
    let odd: Vec<_> = empty
        .iter()
        .filter(|panel| !may_be_empty.contains(&panel.as_str()))
        .collect();
    assert!(odd.is_empty(), "panels that show nothing: {odd:?}");
    assert!(rules.len() > 10);
    for rule in rules {
        assert!(rule["lastError"].as_str().unwrap_or_default().is_empty(), "{rule}");
        assert_ne!(rule["state"], "firing", "{rule}");
    }
    shown.client.disconnect().await;
}
