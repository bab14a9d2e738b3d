//! `/metrics` as a scraper reads it.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use lavalink_protocol::id::GuildId;
use proxy_testkit::client::RestAnswer;

use crate::rig::{LIMIT, Rig};

/// One sample line.
#[derive(Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// Reads the text strictly: every line is a comment of a known kind or a sample of the family declared before it.
fn parse(text: &str) -> Vec<Sample> {
    assert!(text.ends_with("# EOF\n"));
    let (mut samples, mut families, mut kind) = (Vec::new(), BTreeSet::new(), "");
    let mut family = "";
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            match (words.next().unwrap(), words.next(), words.next()) {
                ("HELP", Some(name), Some(help)) => {
                    assert!(families.insert(name), "{name} is declared twice");
                    assert!(!help.is_empty(), "{line}");
                    family = name;
                }
                ("TYPE", Some(name), Some(of)) => {
                    assert_eq!(name, family);
                    kind = of;
                }
                ("UNIT", Some(name), Some(unit)) => assert!(name == family && name.ends_with(unit), "{line}"),
                ("EOF", None, None) => {}
                _ => panic!("{line}"),
            }
            continue;
        }
        let sample = parse_sample(line);
        let expected: &[&str] = match kind {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        assert!(
            sample
                .name
                .strip_prefix(family)
                .is_some_and(|end| expected.contains(&end)),
            "{line}"
        );
        samples.push(sample);
    }
    samples
}

fn parse_sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = match series.split_once('{') {
        None => (series, ""),
        Some((name, rest)) => (name, rest.strip_suffix('}').unwrap()),
    };
    let labels = labels.split(',').filter(|part| !part.is_empty()).map(|part| {
        let (key, value) = part.split_once('=').unwrap();
        let value = value
            .strip_prefix('"')
            .and_then(|value| value.strip_suffix('"'))
            .unwrap();
        (key.to_owned(), value.to_owned())
    });
    Sample {
        name: name.to_owned(),
        labels: labels.collect(),
        value: value.parse().unwrap(),
    }
}

/// As Prometheus asks.
async fn scrape(rig: &Rig) -> RestAnswer {
    let accept = ("accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
    rig.request(Method::GET, "/metrics", &[accept]).await
}

#[tokio::test]
async fn who_does_not_know_open_metrics_gets_the_older_format() {
    let rig = Rig::start().await;
    let answer = rig.get("/metrics").await;
    assert!(
        answer
            .header("content-type")
            .unwrap()
            .starts_with("text/plain; version=0.0.4")
    );
    let text = answer.text();
    assert!(
        text.contains("# TYPE lavalink_proxy_refusals_total counter\n"),
        "{text}"
    );
    assert!(!text.contains("# EOF") && !text.contains("# UNIT"), "{text}");
    rig.stop().await;
}

#[tokio::test]
async fn the_text_is_open_metrics_with_the_figures_of_the_api_and_bounded_labels() {
    let rig = Rig::start().await;
    let client = rig.client("alpha", 5).await;
    client.play(5, "http://example.org/a.mp3").await.unwrap();
    rig.nodes[0].send_stats();
    rig.until("/api/v1/overview", |overview| {
        overview["connections"]["open"].as_u64() >= Some(1)
    })
    .await;
    client.disconnect().await;
    drop(client);
    rig.until("/api/v1/overview", |overview| overview["connections"]["open"] == 0)
        .await;
    let overview = rig.json("/api/v1/overview").await;
    let answer = scrape(&rig).await;
    assert!(
        answer
            .header("content-type")
            .unwrap()
            .starts_with("application/openmetrics-text; version=1.0.0")
    );
    let samples = parse(&answer.text());

    let known = [
        "direction",
        "le",
        "node",
        "outcome",
        "reason",
        "severity",
        "state",
        "tenant",
        "version",
        "webhook",
    ];
    for sample in &samples {
        assert!(sample.name.starts_with("lavalink_proxy_"), "{sample:?}");
        assert!(
            sample.labels.keys().all(|label| known.contains(&label.as_str())),
            "{sample:?}"
        );
        assert!(sample.value.is_finite(), "{sample:?}");
    }
    let sum = |name: &str, wanted: &[(&str, &str)]| -> f64 {
        let name = format!("lavalink_proxy_{name}");
        let matches = |sample: &&Sample| {
            sample.name == name
                && wanted
                    .iter()
                    .all(|(key, value)| sample.labels.get(*key).is_some_and(|known| known == value))
        };
        assert!(samples.iter().any(|sample| matches(&sample)), "no {name} {wanted:?}");
        samples.iter().filter(matches).map(|sample| sample.value).sum()
    };
    let bytes_in = overview["clientSide"]["bytesIn"].as_f64().unwrap();
    assert_eq!(sum("client_bytes_total", &[("direction", "in")]), bytes_in);
    assert!(
        sum(
            "client_bytes_total",
            &[("tenant", "alpha"), ("version", "v4"), ("direction", "out")]
        ) > 0.0
    );
    assert!(sum("client_answers_total", &[("tenant", "alpha"), ("outcome", "ok")]) >= 2.0);
    assert!(sum("node_answers_total", &[("node", "v4-node"), ("outcome", "ok")]) >= 2.0);
    assert_eq!(
        sum("sessions_opened_total", &[("tenant", "alpha"), ("version", "v4")]),
        1.0
    );
    assert_eq!(sum("sessions_ended_total", &[("tenant", "alpha")]), 1.0);
    assert_eq!(
        sum("migrations_total", &[("reason", "drain"), ("outcome", "stayed")]),
        0.0
    );
    assert_eq!(sum("migration_duration_seconds_count", &[]), 0.0);
    assert_eq!(sum("players_waiting", &[]) + sum("node_orphans", &[]), 0.0);
    assert!(sum("node_links_opened_total", &[("node", "v4-node")]) >= 1.0);
    assert_eq!(sum("node_links_lost_total", &[("node", "v4-node")]), 0.0);
    assert!(sum("client_connections_ended_total", &[]) >= 1.0);
    assert!(sum("process_max_fds", &[]) >= sum("process_open_fds", &[]));
    assert_eq!(sum("log_lines_dropped_total", &[]), 0.0);
    assert_eq!(
        sum("sessions_unkept", &[]) + sum("session_commits_failed_total", &[]),
        0.0
    );
    assert!(sum("client_requests_total", &[]) >= 2.0 && sum("client_connections_opened_total", &[]) >= 1.0);
    assert!(sum("node_bytes_total", &[("node", "v4-node"), ("direction", "in")]) > 0.0);
    assert_eq!(sum("node_state", &[("node", "v4-node"), ("state", "healthy")]), 1.0);
    assert_eq!(sum("node_state", &[("node", "v3-node")]), 1.0, "one state at a time");
    assert_eq!(sum("node_takes_work", &[]), 2.0);
    assert!(sum("node_latency_seconds", &[("node", "v4-node")]) > 0.0);
    assert_eq!(sum("refusals_total", &[("reason", "no_node")]), 0.0);
    assert!(sum("process_resident_memory_bytes", &[]) > 1e6 && sum("process_open_fds", &[]) > 3.0);
    assert_eq!((sum("ready", &[]), sum("build_info", &[])), (1.0, 1.0));
    assert!(sum("uptime_seconds", &[]) > 0.0);
    rig.stop().await;
}

#[tokio::test]
async fn moves_are_counted_with_how_long_they_took() {
    let rig = Rig::start_two(|_, _| {}).await;
    let client = rig.client("alpha", 5).await;
    client.play(5, "http://example.org/a.mp3").await.unwrap();
    rig.until("/api/v1/overview", |overview| overview["players"] == 1).await;
    let shared = rig.gateway.shared();
    let begun = shared.move_player(&client.session_id(), GuildId(5), None).await;
    let moved = shared.outcome(&begun.unwrap(), LIMIT).await.unwrap();
    let took = moved.migration.took.as_secs_f64();
    let samples = parse(&scrape(&rig).await.text());
    let of_operator = |name: &str| {
        let its = samples.iter().filter(|sample| {
            sample.name == format!("lavalink_proxy_{name}")
                && sample.labels.get("reason").is_some_and(|reason| reason == "operator")
        });
        its.collect::<Vec<_>>()
    };
    let moved = of_operator("migrations_total");
    let moved: f64 = moved.iter().map(|sample| sample.value).sum();
    assert_eq!(
        (moved, of_operator("migration_duration_seconds_count")[0].value),
        (1.0, 1.0)
    );
    assert!((of_operator("migration_duration_seconds_sum")[0].value - took).abs() < 1e-6);
    let buckets = of_operator("migration_duration_seconds_bucket");
    assert!(buckets.len() > 5, "{buckets:?}");
    for bucket in buckets {
        let bound = &bucket.labels["le"];
        let within = bound == "+Inf" || took <= bound.parse::<f64>().unwrap();
        assert_eq!(bucket.value, f64::from(u8::from(within)), "{took} {bucket:?}");
    }
    client.disconnect().await;
    rig.stop().await;
}

#[tokio::test]
async fn sessions_and_players_are_shown_by_tenant_and_version() {
    let rig = Rig::start().await;
    let client = rig.client("beta", 6).await;
    client.play(6, "http://example.org/a.mp3").await.unwrap();
    rig.until("/api/v1/overview", |overview| {
        overview["players"] == 1 && overview["connections"]["open"] != 0
    })
    .await;
    let samples = parse(&scrape(&rig).await.text());
    for name in ["sessions", "players"] {
        let name = format!("lavalink_proxy_{name}");
        let found: Vec<_> = samples.iter().filter(|sample| sample.name == name).collect();
        let [sample] = found[..] else { panic!("{found:?}") };
        let labels: Vec<_> = sample
            .labels
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        assert_eq!(labels, [("state", "connected"), ("tenant", "beta"), ("version", "v4")]);
        assert_eq!(sample.value, 1.0);
    }
    client.disconnect().await;
    rig.stop().await;
}
