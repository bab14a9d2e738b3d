//! Tables and stories of one node's health.

use super::*;

const OK: Signal = Signal::ProbeOk {
    latency: Duration::from_millis(5),
};
const FAIL: Signal = Signal::ProbeFailed(FailureKind::Timeout);

/// A node under test and its clock.
struct Story {
    health: Health,
    now: Instant,
}

impl Story {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            health: Health::new(HealthSettings::default(), now),
            now,
        }
    }

    /// A node that was probed once.
    fn up() -> Self {
        let mut story = Self::new();
        story.feed(&[OK]);
        story
    }

    /// Feeds signals a tenth of a second apart and lists the states they lead to.
    fn feed(&mut self, signals: &[Signal]) -> Vec<NodeState> {
        signals
            .iter()
            .filter_map(|signal| self.one(*signal))
            .map(|transition| transition.to)
            .collect()
    }

    fn one(&mut self, signal: Signal) -> Option<Transition> {
        self.now += Duration::from_millis(100);
        let before = self.health.underneath();
        let transition = self.health.handle(signal, 0.5, self.now);
        if let Some(transition) = transition {
            assert_eq!((transition.from, transition.to), (before, self.health.underneath()));
            assert_ne!(transition.from, transition.to, "a transition changes something");
        }
        transition
    }

    fn probe_in(&self) -> Duration {
        self.health.next_probe() - self.now
    }
}

#[test]
fn signals_in_a_row_flip_a_node_at_the_thresholds() {
    use NodeState::{Degraded, Down, Healthy};
    let (connect, lost, request_ok, request_failed) = (
        Signal::ConnectError,
        Signal::LinkLost,
        Signal::RequestOk,
        Signal::RequestFailed,
    );
    let cases: &[(&str, &[Signal], &[NodeState])] = &[
        ("the first probe decides", &[OK], &[Healthy]),
        ("also when it fails", &[FAIL], &[Down]),
        (
            "a node that failed its first probe needs both successes",
            &[FAIL, OK, OK],
            &[Down, Healthy],
        ),
        (
            "two failures are trouble, three are down",
            &[OK, FAIL, FAIL, FAIL],
            &[Healthy, Degraded, Down],
        ),
        (
            "refused connects count like failed probes",
            &[OK, connect, FAIL, connect],
            &[Healthy, Degraded, Down],
        ),
        (
            "so do lost links and failed requests",
            &[OK, lost, request_failed, lost],
            &[Healthy, Degraded, Down],
        ),
        (
            "a probe in between starts the row again",
            &[OK, FAIL, FAIL, OK, FAIL, FAIL],
            &[Healthy, Degraded],
        ),
        (
            "an answer ends a row of traffic",
            &[OK, lost, lost, request_ok, lost, lost],
            &[Healthy, Degraded],
        ),
        (
            "but not one of probes",
            &[OK, FAIL, FAIL, request_ok, FAIL],
            &[Healthy, Degraded, Down],
        ),
        (
            "answers never bring a node up",
            &[FAIL, request_ok, request_ok, request_ok],
            &[Down],
        ),
        ("nor make an unprobed one usable", &[request_ok, request_ok], &[]),
        ("one success is not enough", &[FAIL, OK, FAIL, OK], &[Down]),
        (
            "a refused connect takes the success back",
            &[FAIL, OK, connect, OK],
            &[Down],
        ),
        ("a link noticed late does not", &[FAIL, OK, lost, OK], &[Down, Healthy]),
    ];
    for (what, signals, expected) in cases {
        assert_eq!(Story::new().feed(signals), *expected, "{what}");
    }
}

#[test]
fn thresholds_of_zero_count_as_one() {
    let thresholds = Thresholds {
        failures: 0,
        successes: 0,
    };
    let now = Instant::now();
    let mut health = Health::new(
        HealthSettings {
            thresholds,
            ..HealthSettings::default()
        },
        now,
    );
    let states = [OK, FAIL, OK].map(|signal| health.handle(signal, 0.5, now).map(|transition| transition.to));
    assert_eq!(
        states,
        [
            Some(NodeState::Healthy),
            Some(NodeState::Down),
            Some(NodeState::Healthy)
        ]
    );
}

#[test]
fn a_node_that_fails_now_and_then_is_degraded_and_recovers_only_when_calm() {
    let mut story = Story::up();
    assert_eq!(story.feed(&[FAIL, OK, FAIL, OK]), [NodeState::Degraded]);
    assert_eq!(story.feed(&[OK; 5]), [], "just failed twice");
    story.now += Duration::from_secs(60);
    assert_eq!(
        story.feed(&[OK]),
        [NodeState::Healthy],
        "two half-lives later less than one failure is left"
    );
}

#[test]
fn a_few_failures_among_very_many_answers_are_no_trouble() {
    let mut story = Story::up();
    story.health.requests_ok(10_000, story.now);
    for _ in 0..5 {
        assert_eq!(story.feed(&[Signal::RequestFailed, Signal::RequestOk]), []);
    }
}

#[test]
fn a_slow_node_is_degraded_until_it_is_clearly_quicker() {
    let probe = |millis| Signal::ProbeOk {
        latency: Duration::from_millis(millis),
    };
    let mut story = Story::up();
    assert_eq!(story.feed(&[probe(900); 20]), [], "slow is above a second");
    assert_eq!(story.feed(&[probe(1500); 5]), [NodeState::Degraded]);
    assert_eq!(story.feed(&[probe(700); 20]), [], "not yet below half");
    assert_eq!(story.feed(&[probe(100); 5]), [NodeState::Healthy]);
}

#[test]
fn draining_covers_the_health_underneath_which_goes_on() {
    let mut story = Story::up();
    let now = story.now;
    let started = story.health.set_draining(true, now).unwrap();
    assert_eq!(
        (started.from, started.to, started.why),
        (NodeState::Healthy, NodeState::Draining, Why::DrainStarted)
    );
    assert_eq!(story.health.set_draining(true, now), None);
    assert_eq!(story.feed(&[FAIL, FAIL, FAIL]), [NodeState::Degraded, NodeState::Down]);
    assert_eq!(
        (story.health.state(), story.health.underneath()),
        (NodeState::Draining, NodeState::Down)
    );
    let ended = story.health.set_draining(false, now).unwrap();
    assert_eq!((ended.from, ended.to), (NodeState::Draining, NodeState::Down));
}

#[test]
fn probes_are_quicker_while_in_doubt_and_spread_by_jitter() {
    let HealthSettings {
        interval,
        suspect_interval,
        ..
    } = HealthSettings::default();
    let mut story = Story::new();
    assert_eq!(story.health.next_probe(), story.now, "the first is due at once");
    story.feed(&[OK]);
    assert_eq!(story.probe_in(), interval);
    story.feed(&[FAIL]);
    assert_eq!(story.probe_in(), suspect_interval);
    story.feed(&[OK]);
    assert_eq!(story.probe_in(), interval);
    story.feed(&[Signal::LinkLost]);
    assert_eq!(
        story.probe_in(),
        suspect_interval,
        "traffic pulls the next probe nearer"
    );
    let spread = [0.0, 1.0, 7.0].map(|jitter| {
        story.health.handle(OK, jitter, story.now);
        story.probe_in()
    });
    assert!(
        spread[0] > interval * 8 / 10 && spread[0] < spread[1] && spread[1] == spread[2],
        "{spread:?}"
    );
    story.health.probe_started(story.now);
    assert!(story.probe_in() > interval, "one probe at a time");
}

#[test]
fn a_node_that_stays_away_is_probed_less_often_but_at_once_again_when_it_answers() {
    let HealthSettings {
        interval,
        suspect_interval,
        ..
    } = HealthSettings::default();
    let mut story = Story::up();
    story.feed(&[FAIL; 4]);
    assert_eq!(story.probe_in(), suspect_interval);
    let mut last = suspect_interval;
    for _ in 0..200 {
        story.feed(&[FAIL]);
        assert!(story.probe_in() >= last && story.probe_in() <= interval);
        last = story.probe_in();
    }
    assert_eq!(last, interval);
    story.feed(&[OK]);
    assert_eq!(story.probe_in(), suspect_interval);
}

#[test]
fn the_cause_of_a_change_reads_as_a_sentence() {
    let mut story = Story::up();
    story.feed(&[Signal::ConnectError, FAIL]);
    let down = story.one(Signal::ProbeFailed(FailureKind::Status(502))).unwrap();
    assert_eq!(
        down.why.to_string(),
        "3 failures in a row, the last: probe: the node answered 502"
    );
    story.feed(&[OK]);
    let up = story.one(OK).unwrap();
    assert_eq!(up.why.to_string(), "2 successful probes in a row");
    assert_eq!(story.health.back_since(), Some(story.now));
    assert_eq!(
        story.health.last_failure().unwrap().0.to_string(),
        "probe: the node answered 502"
    );
}
