//! Usage history: sums stay exact through roll-ups, restarts and late arrivals; retention and the bound on addresses
//! hold; questions are answered from the right rows.

use std::time::Duration;

use proxy_store::{Figures, Record, Scope, UsageDelta, UsageKey, UsageSort, UsageTotalsQuery};

use crate::rig::{DAY, HOUR, MINUTE, Rig, SECOND, START, ip};

const EVER: i64 = 100 * 365 * DAY;

fn sum(rig: &Rig, scope: Scope, key: &str, from: i64, to: i64) -> Figures {
    rig.store.usage_history(scope, key, from, to, 300).unwrap().sum()
}

fn query(scope: Scope, from: i64, to: i64) -> UsageTotalsQuery<'static> {
    UsageTotalsQuery {
        scope,
        from,
        to,
        sort: UsageSort::Bytes,
        ascending: false,
        search: "",
        offset: 0,
        limit: 1000,
    }
}

#[test]
fn what_was_moved_is_there_after_a_restart_and_adds_up_within_a_bucket() {
    let mut rig = Rig::new();
    rig.moved(ip(1), 100);
    rig.moved(ip(1), 50);
    rig.moved(ip(2), 7);
    rig.reopen();
    let one = sum(&rig, Scope::Ip, "10.0.0.1", START, START + MINUTE);
    assert_eq!(
        (one.bytes_in, one.bytes_out, one.requests, one.max_rate_in),
        (150, 300, 2, 100)
    );
    assert_eq!(sum(&rig, Scope::Ip, "10.0.0.2", START, START + MINUTE).bytes_in, 7);
    assert_eq!(
        sum(&rig, Scope::Tenant, "10.0.0.1", START, START + MINUTE),
        Figures::default()
    );
}

#[test]
fn a_history_is_as_fine_as_what_is_kept_and_as_the_number_of_points_allows() {
    let rig = Rig::new();
    for _ in 0..12 {
        rig.moved(ip(1), 10);
        rig.pass(5 * MINUTE);
    }
    let step = |from, to, points| {
        let history = rig
            .store
            .usage_history(Scope::Ip, "10.0.0.1", from, to, points)
            .unwrap();
        assert!(history.points.len() <= points);
        (history.step.as_secs(), history.sum().bytes_in)
    };
    let now = rig.now();
    assert_eq!(step(now - HOUR, now, 360), (10, 120));
    assert_eq!(step(now - HOUR, now, 100), (60, 120));
    assert_eq!(step(now - DAY, now, 300), (300, 120));
    assert_eq!(step(now - 30 * DAY, now, 300), (10_800, 120));
    rig.pass(2 * HOUR);
    let now = rig.now();
    assert_eq!(
        step(now - 3 * HOUR, now - 2 * HOUR, 1000),
        (60, 120),
        "seconds are gone"
    );
    rig.pass(3 * DAY);
    let now = rig.now();
    assert_eq!(step(now - 4 * DAY, now, 1000), (3600, 120), "minutes are gone");
    rig.pass(100 * DAY);
    assert_eq!(step(START, START + DAY, 1000), (86_400, 120), "only the day is left");
}

#[test]
fn many_seeds_of_traffic_keep_their_sums_through_roll_ups_restarts_steps_of_the_clock_and_deletion() {
    for seed in 0..8 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut rig = Rig::with(|settings| settings.retention.addresses = 3);
        let mut moved = 0;
        for _ in 0..60 {
            let mut batch = Vec::new();
            for _ in 0..random.u32(0..12) {
                let bytes = random.u64(1..1_000_000);
                moved += bytes;
                batch.extend([(ip(random.u32(0..8)), bytes), (UsageKey::Total, bytes)]);
            }
            rig.moved_all(batch);
            let far = [SECOND, 10 * SECOND, MINUTE, 20 * MINUTE, HOUR, 5 * HOUR, 2 * DAY][random.usize(0..7)];
            match random.u32(0..12) {
                0 => rig.pass(-far),
                1 => rig.reopen(),
                _ => rig.pass(far),
            }
            let total = sum(&rig, Scope::Total, UsageKey::TOTAL, 0, EVER);
            assert_eq!(total.bytes_in, moved, "seed {seed}");
            let ips = rig.store.usage_totals(&query(Scope::Ip, 0, EVER)).unwrap();
            let by_ip: u64 = ips.items.iter().map(|item| item.figures.bytes_in).sum();
            assert_eq!(by_ip, moved, "seed {seed}");
        }
    }
}

#[test]
fn ranges_that_touch_add_up_to_the_range_they_make() {
    let mut random = fastrand::Rng::with_seed(7);
    let rig = Rig::new();
    for _ in 0..300 {
        rig.moved(UsageKey::Total, random.u64(1..1000));
        rig.pass(random.i64(SECOND..40 * MINUTE));
    }
    let end = rig.now();
    let whole = sum(&rig, Scope::Total, UsageKey::TOTAL, START, end + DAY);
    for _ in 0..50 {
        let cut = random.i64(START..end);
        let cut = [cut, cut / HOUR * HOUR, end - (end - cut) % HOUR][random.usize(0..3)];
        let before = sum(&rig, Scope::Total, UsageKey::TOTAL, START, cut);
        let after = sum(&rig, Scope::Total, UsageKey::TOTAL, cut, end + DAY);
        assert_eq!(before.bytes_in + after.bytes_in, whole.bytes_in, "cut at {cut}");
        assert_eq!(before.bytes_out + after.bytes_out, whole.bytes_out, "cut at {cut}");
    }
}

#[test]
fn the_smallest_addresses_of_a_step_are_summed_up_and_the_largest_kept() {
    let rig = Rig::with(|settings| settings.retention.addresses = 5);
    for number in 0..20 {
        rig.moved(ip(number), u64::from(number) + 1);
        rig.moved(UsageKey::Tenant(format!("tenant{number}").into()), 1);
    }
    rig.pass(2 * DAY);
    let ips = rig.store.usage_totals(&query(Scope::Ip, 0, EVER)).unwrap();
    let named: Vec<_> = ips
        .items
        .iter()
        .map(|item| (item.key.as_str(), item.figures.bytes_in))
        .collect();
    let expected = [
        ("other", 120),
        ("10.0.0.19", 20),
        ("10.0.0.18", 19),
        ("10.0.0.17", 18),
        ("10.0.0.16", 17),
        ("10.0.0.15", 16),
    ];
    assert_eq!(named, expected);
    assert_eq!(
        rig.store.usage_totals(&query(Scope::Tenant, 0, EVER)).unwrap().matched,
        20
    );
}

#[test]
fn totals_are_searched_sorted_and_paged() {
    let rig = Rig::new();
    for number in 0..30 {
        rig.moved(ip(number), u64::from(number % 7) * 100 + u64::from(number));
    }
    rig.store.flush().wait().unwrap();
    let keys = |query: UsageTotalsQuery<'_>| -> (usize, Vec<String>) {
        let page = rig.store.usage_totals(&query).unwrap();
        (page.matched, page.items.into_iter().map(|item| item.key).collect())
    };
    let all = || UsageTotalsQuery {
        limit: 2,
        ..query(Scope::Ip, START, START + HOUR)
    };
    assert_eq!(keys(all()), (30, vec!["10.0.0.27".to_owned(), "10.0.0.20".to_owned()]));
    let page = UsageTotalsQuery { offset: 2, ..all() };
    assert_eq!(keys(page), (30, vec!["10.0.0.13".to_owned(), "10.0.0.6".to_owned()]));
    let least = UsageTotalsQuery {
        ascending: true,
        ..all()
    };
    assert_eq!(keys(least).1, ["10.0.0.0", "10.0.0.7"]);
    let named = UsageTotalsQuery {
        search: ".29",
        sort: UsageSort::Key,
        ..all()
    };
    assert_eq!(keys(named), (1, vec!["10.0.0.29".to_owned()]));
}

#[test]
fn sparklines_show_the_same_steps_for_every_key() {
    let rig = Rig::new();
    rig.moved(ip(1), 1);
    rig.pass(2 * MINUTE);
    rig.moved(ip(2), 10);
    rig.store.flush().wait().unwrap();
    let keys = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];
    let lines = rig
        .store
        .usage_sparklines(Scope::Ip, &keys, START, START + 4 * MINUTE, Duration::from_secs(60))
        .unwrap();
    assert_eq!(lines["10.0.0.1"], [3, 0, 0, 0]);
    assert_eq!(lines["10.0.0.2"], [0, 0, 30, 0]);
    assert_eq!(lines["10.0.0.3"], [0, 0, 0, 0]);
}

#[test]
fn old_rows_leave_the_file() {
    let rig = Rig::new();
    for _ in 0..100 {
        rig.moved(ip(1), 1);
        rig.pass(10 * SECOND);
    }
    let rows = |level: u32| -> i64 {
        let file = rusqlite::Connection::open(rig.path()).unwrap();
        let count = "SELECT count(*) FROM usage WHERE level = ?1";
        file.query_row(count, [level], |row| row.get(0)).unwrap()
    };
    assert_eq!(rows(0), 100);
    rig.pass(3 * HOUR);
    assert_eq!(rows(0), 0);
    assert!(rows(1) >= 16, "{}", rows(1));
    rig.pass(3 * DAY);
    assert_eq!((rows(1), rows(2), rows(3)), (0, 1, 1));
    rig.pass(91 * DAY);
    assert_eq!((rows(2), rows(3)), (0, 1));
}

#[test]
fn a_queue_that_is_full_gives_the_record_back_or_counts_it() {
    let rig = Rig::with(|settings| settings.queue_rows = 3);
    let delta = |number| UsageDelta {
        key: ip(number),
        at: START,
        figures: Figures {
            bytes_in: 1,
            ..Figures::default()
        },
    };
    let large = Record::Usage((0..5).map(delta).collect());
    rig.store.try_record(large.clone()).unwrap();
    rig.store.flush().wait().unwrap();
    assert_eq!(rig.store.health().queued, 0, "one that is too large goes alone");
    let probe = |at| {
        Record::Probe(proxy_store::Probe {
            node: "eu-1".to_owned(),
            at,
            latency: None,
            failure: None,
        })
    };
    (0..3).for_each(|at| rig.store.record(probe(START + at)));
    assert_eq!(rig.store.try_record(large.clone()), Err(large.clone()));
    rig.store.record(large);
    let health = rig.store.health();
    assert_eq!((health.queued, health.dropped, health.failing), (3, 5, false));
    rig.store.flush().wait().unwrap();
    let health = rig.store.health();
    assert_eq!((health.queued, health.last_flush), (0, Some(START)));
    assert!(health.file_bytes > 0);
}
