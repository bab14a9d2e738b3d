//! Stories: what an operator is told while something happens.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::health::NodeState;

/// Noon of a day, in milliseconds.
const NOON: u64 = 1_000 * 86_400_000 + 12 * 3_600_000;
const MB: f64 = 1e6;

/// A proxy that is watched, second by second.
struct Story {
    alerts: Alerts,
    now: Instant,
    at: u64,
    seconds: u64,
    told: Vec<(u64, Notice)>,
}

impl Story {
    fn new(change: impl FnOnce(&mut AlertSettings)) -> Self {
        let mut settings = AlertSettings::default();
        change(&mut settings);
        Self {
            alerts: Alerts::new(settings),
            now: Instant::now(),
            at: NOON,
            seconds: 0,
            told: Vec::new(),
        }
    }

    fn usual() -> Self {
        Self::new(|_| {})
    }

    /// One second in which `change` is all that is to be seen.
    fn second(&mut self, change: impl FnOnce(&mut Observation)) {
        self.seconds += 1;
        self.now += Duration::from_secs(1);
        self.at += 1000;
        let mut observation = Observation::new(self.now, self.at);
        change(&mut observation);
        let notices = self.alerts.observe(&observation);
        self.told
            .extend(notices.into_iter().map(|notice| (self.seconds, notice)));
    }

    fn seconds(&mut self, count: u64, change: impl Fn(&mut Observation)) {
        (0..count).for_each(|_| self.second(&change));
    }

    /// What was told since the last call: when, what, by which rule, about whom.
    fn told(&mut self) -> Vec<(u64, &'static str, &'static str, String)> {
        let told = std::mem::take(&mut self.told);
        let line = |(second, Notice { kind, alert }): (u64, Notice)| {
            (second, kind.name(), alert.rule.name(), alert.subject.to_string())
        };
        told.into_iter().map(line).collect()
    }

    fn only_open(&self) -> &Alert {
        let open: Vec<_> = self.alerts.open().collect();
        assert_eq!(open.len(), 1, "{open:?}");
        open[0]
    }
}

fn address(n: u32) -> IpAddr {
    IpAddr::from((0xCB00_7100 + n).to_be_bytes())
}

fn moves(rate: f64) -> impl Fn(&mut Observation) {
    move |seen| {
        seen.addresses = vec![AddressReading {
            address: address(7),
            rate,
            bytes: 0,
        }];
    }
}

fn node(state: NodeState) -> NodeReading {
    NodeReading {
        name: "eu-1".into(),
        state,
        failure: Some("probe: no answer in time".to_owned()),
        uptime: None,
        frame_deficit: None,
        moves_stayed: 0,
        moves_failed: 0,
    }
}

fn one_node(state: NodeState) -> impl Fn(&mut Observation) {
    // A second node, so that there is always one that takes work.
    move |seen| {
        let other = NodeReading {
            name: "eu-2".into(),
            ..node(NodeState::Healthy)
        };
        seen.nodes = vec![node(state), other];
    }
}

fn line(
    second: u64,
    kind: &'static str,
    rule: &'static str,
    subject: &str,
) -> (u64, &'static str, &'static str, String) {
    (second, kind, rule, subject.to_owned())
}

#[test]
fn an_address_above_the_limit_is_told_once_after_a_minute_and_once_when_it_is_over() {
    let mut story = Story::usual();
    story.seconds(60, moves(14.2 * MB));
    assert_eq!(story.told(), []);
    story.seconds(240, moves(14.2 * MB));
    assert_eq!(story.told(), [line(61, "raised", "ip_rate", "203.0.113.7")]);
    let sentence = story.only_open().sentence(false);
    assert_eq!(sentence, "203.0.113.x moves 14.2 MB/s, the limit is 10 MB/s");
    // A little below the limit is not over, well below it is, once it has stayed there.
    story.seconds(300, moves(9.0 * MB));
    story.seconds(60, moves(1.0 * MB));
    story.seconds(1, moves(9.0 * MB));
    story.seconds(120, moves(1.0 * MB));
    assert_eq!(story.told(), []);
    story.seconds(10, moves(1.0 * MB));
    assert_eq!(story.told(), [line(782, "cleared", "ip_rate", "203.0.113.7")]);
    assert_eq!(story.alerts.open().count(), 0);
}

#[test]
fn a_burst_shorter_than_the_wait_is_not_told() {
    let mut story = Story::usual();
    for _ in 0..20 {
        story.seconds(50, moves(50.0 * MB));
        story.seconds(10, moves(0.0));
    }
    assert_eq!(story.told(), []);
}

#[test]
fn a_node_goes_down_and_comes_back() {
    let mut story = Story::usual();
    story.seconds(5, one_node(NodeState::Unknown));
    story.seconds(5, one_node(NodeState::Healthy));
    story.seconds(100, one_node(NodeState::Down));
    assert_eq!(story.told(), [line(11, "raised", "node_down", "eu-1")]);
    let alert = story.only_open();
    assert_eq!((alert.severity, alert.raised_at), (Severity::Critical, NOON + 11_000));
    assert_eq!(alert.text, "is down: probe: no answer in time");
    story.seconds(16, one_node(NodeState::Healthy));
    assert_eq!(story.told(), [line(126, "cleared", "node_down", "eu-1")]);
}

#[test]
fn players_that_cannot_leave_a_node_are_told_and_lost_ones_make_it_worse() {
    let had = |stayed: u64, failed: u64| {
        move |seen: &mut Observation| {
            one_node(NodeState::Healthy)(seen);
            (seen.nodes[0].moves_stayed, seen.nodes[0].moves_failed) = (stayed, failed);
        }
    };
    let mut story = Story::usual();
    // What happened before the first look is not told.
    story.seconds(5, had(7, 1));
    assert_eq!(story.told(), []);
    story.seconds(30, had(9, 1));
    assert_eq!(story.told(), [line(6, "raised", "migrations", "eu-1")]);
    let alert = story.only_open();
    assert_eq!((alert.severity, alert.value), (Severity::Warning, 2.0));
    assert_eq!(
        alert.sentence(true),
        "eu-1 could not be left by 2 players in the last ten minutes"
    );
    story.seconds(30, had(9, 4));
    assert_eq!(story.told(), [line(36, "escalated", "migrations", "eu-1")]);
    let alert = story.only_open();
    assert_eq!((alert.severity, alert.value), (Severity::Critical, 5.0));
    // Ten minutes and the time to clear later it is over.
    story.seconds(800, had(9, 4));
    let told = story.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].1, told[0].2), ("cleared", "migrations"));
}

#[test]
fn a_drained_node_that_is_switched_off_is_no_alert() {
    let mut story = Story::usual();
    story.seconds(100, one_node(NodeState::Draining));
    assert_eq!(story.told(), []);
}

#[test]
fn no_node_at_all_is_told_apart_from_the_nodes() {
    let mut story = Story::usual();
    story.seconds(10, |seen| seen.nodes = vec![node(NodeState::Unknown)]);
    assert_eq!(story.told(), []);
    story.seconds(10, |seen| seen.nodes = vec![node(NodeState::Down)]);
    let told = story.told();
    assert_eq!(
        told,
        [
            line(11, "raised", "node_down", "eu-1"),
            line(16, "raised", "no_node", "(proxy)")
        ]
    );
}

#[test]
fn a_node_that_comes_and_goes_becomes_one_long_alert() {
    let mut story = Story::usual();
    for _ in 0..60 {
        story.seconds(20, one_node(NodeState::Down));
        story.seconds(40, one_node(NodeState::Healthy));
    }
    let told = story.told();
    let raised = told.iter().filter(|line| line.1 == "raised").count();
    assert!((2..=4).contains(&raised), "{told:?}");
    // Much later it is a new story, told as quickly as the first.
    story.seconds(7200, one_node(NodeState::Healthy));
    story.told();
    story.seconds(20, one_node(NodeState::Down));
    story.seconds(20, one_node(NodeState::Healthy));
    assert_eq!(story.told().len(), 2);
}

#[test]
fn a_node_whose_uptime_went_back_has_restarted() {
    let uptime = |seconds: u64| {
        move |seen: &mut Observation| {
            seen.nodes = vec![NodeReading {
                uptime: Some(Duration::from_secs(seconds)),
                ..node(NodeState::Healthy)
            }];
        }
    };
    let mut story = Story::usual();
    for seconds in [100, 101, 99, 160] {
        story.second(uptime(seconds));
    }
    assert_eq!(story.told(), [], "a late reading is no restart");
    for seconds in [3, 4, 5] {
        story.second(uptime(seconds));
    }
    assert_eq!(story.told(), [line(5, "raised", "node_restarted", "eu-1")]);
    assert_eq!(story.only_open().text, "has started anew, 3s ago");
    story.seconds(700, uptime(5));
    assert_eq!(story.told(), [line(606, "cleared", "node_restarted", "eu-1")]);
}

#[test]
fn a_quota_warns_before_it_is_used_up_and_clears_with_the_month() {
    let used = |gigabytes: u64| {
        move |seen: &mut Observation| {
            seen.tenants = vec![TenantReading {
                name: "radio".into(),
                used: gigabytes * 1_000_000_000,
                quota: 500_000_000_000,
            }];
        }
    };
    let mut story = Story::usual();
    story.second(used(399));
    story.second(used(400));
    story.second(used(450));
    assert!(story.alerts.acknowledge(story.only_open().id, "admin", NOON).is_some());
    story.second(used(501));
    story.second(used(600));
    assert_eq!(
        story.told(),
        [
            line(2, "raised", "tenant_quota", "radio"),
            line(4, "escalated", "tenant_quota", "radio")
        ]
    );
    let alert = story.only_open();
    assert_eq!(alert.text, "has moved 600 GB this month, 120 % of its 500 GB");
    assert_eq!((alert.severity, &alert.acknowledged), (Severity::Critical, &None));
    story.seconds(61, used(0));
    assert_eq!(story.told(), [line(66, "cleared", "tenant_quota", "radio")]);
}

#[test]
fn an_address_is_unusual_by_its_own_habit_of_the_hour_only_above_the_least() {
    let hour = 3_600_000;
    let history = (1..10).rev().flat_map(|day| {
        let row = |n: u32, bytes| HourOfAddress {
            address: address(n),
            began: NOON - day * 24 * hour,
            bytes,
        };
        // Usually 500 KB/s, 1 KB/s, and 5 MB/s at noon.
        [row(1, 1_800_000_000), row(2, 3_600_000), row(3, 18_000_000_000)]
    });
    let mut story = Story::usual();
    story.alerts.seed(history, NOON);
    let move_all = |rate: f64| {
        move |seen: &mut Observation| {
            let reading = |n| AddressReading {
                address: address(n),
                rate,
                bytes: 1,
            };
            seen.addresses = (1..=4).map(reading).collect();
        }
    };
    story.seconds(400, move_all(0.9 * MB));
    assert_eq!(story.told(), [], "below the least");
    story.seconds(400, move_all(3.0 * MB));
    let mut told = story.told();
    told.sort();
    // The third moves less than usual, the fourth was never seen before.
    assert_eq!(
        told,
        [
            line(701, "raised", "ip_unusual", "203.0.113.1"),
            line(701, "raised", "ip_unusual", "203.0.113.2")
        ]
    );
}

#[test]
fn wrong_passwords_are_counted_by_address_and_together_over_ten_minutes() {
    let mut story = Story::usual();
    for n in 0..12 {
        story.second(|seen| seen.login_failures = vec![(address(1), 1), (address(100 + n), 4)]);
    }
    assert_eq!(
        story.told(),
        [
            line(10, "raised", "login_failures", "(proxy)"),
            line(10, "raised", "login_failures", "203.0.113.1")
        ]
    );
    story.seconds(590, |_| {});
    assert_eq!(story.told(), [], "still within ten minutes");
    story.seconds(120, |_| {});
    let told = story.told();
    assert!(
        told.len() == 2 && told.iter().all(|line| line.1 == "cleared"),
        "{told:?}"
    );
}

#[test]
fn refusals_are_counted_from_the_first_look_on_and_by_reason() {
    let mut story = Story::usual();
    let count =
        |wrong: u64| move |seen: &mut Observation| seen.refusals = vec![("password_wrong", wrong), ("no_node", 3)];
    story.second(count(1_000_000));
    story.second(count(1_000_900));
    assert_eq!(story.told(), []);
    story.second(count(1_001_000));
    assert_eq!(story.told(), [line(3, "raised", "refusals", "password_wrong")]);
}

#[test]
fn the_process_near_its_limits_and_a_store_that_fails_are_told() {
    let mut story = Story::usual();
    let near = |used: u64| {
        move |seen: &mut Observation| {
            seen.connections = Fill {
                used,
                limit: Some(1000),
            };
            seen.open_files = Fill { used, limit: None };
            seen.store_failure = Some("disk full".to_owned());
        }
    };
    story.seconds(40, near(950));
    story.second(near(1000));
    let told: Vec<_> = story.told().into_iter().map(|line| (line.1, line.2)).collect();
    assert_eq!(
        told,
        [
            ("raised", "store"),
            ("raised", "connections"),
            ("escalated", "connections")
        ]
    );
    assert!(story.alerts.open().any(|alert| alert.text.ends_with("disk full")));
}

#[test]
fn many_subjects_have_one_alert_for_those_past_the_bound() {
    let mut story = Story::usual();
    let flood = |count: u32| {
        move |seen: &mut Observation| {
            let reading = |n| AddressReading {
                address: address(n),
                rate: 20.0 * MB,
                bytes: 0,
            };
            seen.addresses = (0..count).map(reading).collect();
        }
    };
    story.seconds(70, flood(2000));
    assert_eq!(story.told().len(), 101);
    let others = story
        .alerts
        .open()
        .find(|alert| alert.subject == Subject::Others)
        .unwrap();
    assert_eq!(others.text, "and 1900 more, past the 100 that are told one by one");
    assert!(story.alerts.remembered() <= 101 + 2000);
    story.seconds(200, |_| {});
    let told = story.told();
    assert!(
        told.len() == 101 && told.iter().all(|line| line.1 == "cleared"),
        "{}",
        told.len()
    );
}

#[test]
fn an_open_alert_is_told_again_only_if_that_is_set_and_nobody_has_seen_it() {
    let mut story = Story::new(|settings| settings.repeat = Some(Duration::from_secs(600)));
    story.seconds(1500, one_node(NodeState::Down));
    assert_eq!(
        story.told(),
        [
            line(1, "raised", "node_down", "eu-1"),
            line(601, "repeated", "node_down", "eu-1"),
            line(1201, "repeated", "node_down", "eu-1")
        ]
    );
    let id = story.only_open().id;
    assert_eq!(story.alerts.acknowledge(id + 1, "admin", 5), None);
    story.alerts.acknowledge(id, "admin", 5).unwrap();
    story.alerts.acknowledge(id, "somebody else", 6).unwrap();
    story.seconds(1500, one_node(NodeState::Down));
    assert_eq!(story.told(), []);
    let by = story.only_open().acknowledged.clone().unwrap();
    assert_eq!((by.at, &*by.by), (5, "admin"));
}

#[test]
fn alerts_of_an_earlier_run_go_on_without_being_told_again() {
    let mut earlier = Story::usual();
    earlier.seconds(5, one_node(NodeState::Down));
    let mut open: Vec<_> = earlier.alerts.open().cloned().collect();
    open[0].acknowledged = Some(Acknowledgement {
        at: 1,
        by: "admin".into(),
    });
    open.push(Alert {
        id: 1,
        subject: Subject::named("a node that was removed"),
        ..open[0].clone()
    });

    let mut story = Story::usual();
    story.alerts.restore(open.clone(), story.now);
    story.seconds(10, one_node(NodeState::Unknown));
    story.seconds(10, one_node(NodeState::Down));
    assert_eq!(
        story.told(),
        [line(16, "cleared", "node_down", "a node that was removed")]
    );
    let alert = story.only_open();
    assert_eq!((alert.id, alert.raised_at), (open[0].id, open[0].raised_at));
    assert!(alert.acknowledged.is_some());
    story.seconds(20, one_node(NodeState::Healthy));
    assert_eq!(story.told(), [line(36, "cleared", "node_down", "eu-1")]);
    story.seconds(1, one_node(NodeState::Down));
    assert!(story.only_open().id > open[0].id);
}

#[test]
fn a_rule_that_is_switched_off_is_silent() {
    let mut story = Story::new(|settings| {
        let off = Timing {
            enabled: false,
            ..settings.timing(Rule::NodeDown)
        };
        settings.set_timing(Rule::NodeDown, off);
    });
    story.seconds(100, one_node(NodeState::Down));
    assert_eq!(story.told(), []);
}

#[test]
fn names_and_subjects_are_read_as_they_are_written() {
    for rule in Rule::ALL {
        assert_eq!(Rule::of(rule.name()), Some(rule));
        assert_eq!(Rule::ALL[rule.index()], rule);
    }
    let subjects = [
        (Rule::IpRate, Subject::Address(address(1)), "203.0.113.x"),
        (
            Rule::IpUnusual,
            Subject::Address("2001:db8:1:2::3".parse().unwrap()),
            "2001:db8:1::x",
        ),
        (Rule::NodeDown, Subject::Named(Arc::from("10.0.0.1")), "10.0.0.1"),
        (Rule::NoNode, Subject::Proxy, "(proxy)"),
        (Rule::Refusals, Subject::Others, "(others)"),
    ];
    for (rule, subject, short) in subjects {
        assert_eq!(Subject::read(rule, &subject.to_string()), subject);
        assert_eq!(subject.shortened(), short);
    }
}
