//! The recorder against a made-up proxy: whatever comes and goes, nothing is lost and nothing counted twice.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::*;

const START: Millis = 1_790_035_200_000;

fn key(number: usize) -> UsageKey {
    match number {
        0 => UsageKey::Total,
        1 => UsageKey::Tenant("default".into()),
        2 => UsageKey::Node("eu-1".into()),
        3 => UsageKey::Version("v4"),
        4 => UsageKey::OtherIps,
        other => UsageKey::Ip(Ipv4Addr::from(u32::try_from(other).unwrap()).into()),
    }
}

fn bytes(bytes_in: u64) -> Figures {
    Figures {
        bytes_in,
        ..Figures::default()
    }
}

fn reading(key: UsageKey, figures: Figures) -> Reading {
    Reading { key, figures }
}

/// Sums by scope; addresses may have been summed up as others.
fn by_scope(sums: &BTreeMap<UsageKey, Figures>) -> BTreeMap<Scope, [u64; crate::figures::SUMS]> {
    let mut scopes = BTreeMap::new();
    for (key, figures) in sums {
        let sum: &mut [u64; crate::figures::SUMS] = scopes.entry(key.scope()).or_default();
        sum.iter_mut()
            .zip(figures.columns())
            .for_each(|(sum, column)| *sum += column);
    }
    scopes
}

#[test]
fn many_seeds_of_keys_that_come_and_go_clocks_that_step_and_stores_that_refuse_lose_nothing() {
    for seed in 0..500 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut recorder = Recorder::new(Duration::from_secs(random.u64(1..8)), random.usize(1..3));
        let mut live = BTreeMap::<UsageKey, Figures>::new();
        let mut expected = BTreeMap::<UsageKey, Figures>::new();
        let mut recorded = BTreeMap::<UsageKey, Figures>::new();
        let mut left = BTreeSet::new();
        let (mut at, mut now) = (START, Instant::now());
        let take = |batch: Vec<UsageDelta>, recorded: &mut BTreeMap<UsageKey, Figures>| {
            for delta in batch {
                recorded.entry(delta.key).or_default().merge(&delta.figures);
            }
        };
        for _ in 0..random.usize(1..60) {
            for _ in 0..random.usize(0..20) {
                let key = key(random.usize(0..40));
                if left.contains(&key) {
                    continue;
                }
                let more = Figures {
                    bytes_in: random.u64(0..1000),
                    bytes_out: random.u64(0..1000),
                    requests: random.u64(0..3),
                    connections_opened: random.u64(0..2),
                    ..Figures::default()
                };
                expected.entry(key.clone()).or_default().merge(&more);
                live.entry(key).or_default().merge(&more);
            }
            let read: Vec<_> = live
                .iter()
                .map(|(key, figures)| reading(key.clone(), *figures))
                .collect();
            if let Some(batch) = recorder.read(read, at, now) {
                if random.u32(0..3) == 0 {
                    recorder.give_back(batch);
                } else {
                    take(batch, &mut recorded);
                }
            }
            // A counter leaves after a reading of it; if it comes again, it is missing in one and begins at zero.
            left.clear();
            live.retain(|key, _| {
                let stays = random.u32(0..8) != 0;
                if !stays {
                    left.insert(key.clone());
                }
                stays
            });
            let step = Duration::from_millis(random.u64(900..3000));
            now += step;
            at += i64::try_from(step.as_millis()).unwrap();
            if random.u32(0..10) == 0 {
                at += random.i64(-7_200_000..7_200_000);
            }
        }
        take(recorder.flush(), &mut recorded);
        assert_eq!(by_scope(&recorded), by_scope(&expected), "seed {seed}");
        for (key, figures) in expected.iter().filter(|(key, _)| key.scope() != Scope::Ip) {
            let recorded = recorded.get(key).copied().unwrap_or_default();
            assert_eq!(recorded.columns()[..9], figures.columns()[..9], "seed {seed}: {key:?}");
        }
    }
}

#[test]
fn a_delta_is_in_the_ten_seconds_in_which_it_was_read() {
    let mut recorder = Recorder::new(Duration::from_secs(30), 10);
    let now = Instant::now();
    for second in 0..=30_u32 {
        let figures = bytes(u64::from(second) * 100);
        let at = START + i64::from(second) * 1000;
        let batch = recorder.read(
            [reading(UsageKey::Total, figures)],
            at,
            now + Duration::from_secs(1) * second,
        );
        assert_eq!(batch.is_some(), second == 30);
        let Some(batch) = batch else { continue };
        let got: Vec<_> = batch
            .iter()
            .map(|delta| (delta.at - START, delta.figures.bytes_in))
            .collect();
        assert_eq!(got, [(0, 900), (10_000, 1000), (20_000, 1000), (30_000, 100)]);
        assert!(batch.iter().all(|delta| delta.figures.max_rate_in == 100));
    }
}

#[test]
fn peaks_are_the_highest_of_their_ten_seconds() {
    let mut recorder = Recorder::new(Duration::from_secs(3), 10);
    let now = Instant::now();
    let mut batch = None;
    for (second, (total, players)) in [(0, 5), (1000, 9), (5000, 7), (5000, 2)].into_iter().enumerate() {
        let figures = Figures {
            bytes_out: total,
            players,
            ..Figures::default()
        };
        let later = Duration::from_secs(second as u64);
        batch = recorder.read([reading(UsageKey::Total, figures)], START, now + later);
    }
    let figures = batch.unwrap()[0].figures;
    assert_eq!(
        (figures.players, figures.max_rate_out, figures.max_rate_in),
        (9, 4000, 0)
    );
}

#[test]
fn an_address_that_is_silent_takes_no_row_and_a_tenant_with_connections_does() {
    let mut recorder = Recorder::new(Duration::from_secs(1), 10);
    let figures = Figures {
        connections: 3,
        ..Figures::default()
    };
    let read = || [reading(key(9), figures), reading(key(1), figures)];
    recorder.read(read(), START, Instant::now());
    let batch = recorder.flush();
    assert_eq!(
        batch.iter().map(|delta| delta.key.scope()).collect::<Vec<_>>(),
        [Scope::Tenant]
    );
}

#[test]
fn of_too_many_addresses_the_largest_are_kept() {
    let mut recorder = Recorder::new(Duration::from_secs(1), 1);
    let read = (10..40).map(|number| reading(key(number), bytes(number as u64)));
    recorder.read(read, START, Instant::now());
    let mut batch = recorder.flush();
    batch.sort_by_key(|delta| delta.figures.bytes_in);
    let largest: Vec<_> = batch.iter().map(|delta| delta.figures.bytes_in).collect();
    let others: u64 = (10..30).sum();
    assert_eq!(largest, [30, 31, 32, 33, 34, 35, 36, 37, 38, 39, others]);
    assert_eq!(batch.last().unwrap().key, UsageKey::OtherIps);
}

#[test]
fn a_store_that_stays_full_costs_no_more_memory_and_loses_nothing() {
    let mut recorder = Recorder::new(Duration::from_secs(1), 10);
    let now = Instant::now();
    for second in 0..1000_u32 {
        let read = [reading(UsageKey::Total, bytes(u64::from(second)))];
        let at = START + i64::from(second) * 1000;
        if let Some(batch) = recorder.read(read, at, now + Duration::from_secs(1) * second) {
            assert!(batch.len() <= 2, "{}", batch.len());
            recorder.give_back(batch);
        }
    }
    let sum: u64 = recorder
        .pending(&UsageKey::Total)
        .iter()
        .map(|(_, figures)| figures.bytes_in)
        .sum();
    assert_eq!(sum, 999);
}

#[test]
fn a_counter_that_went_down_began_anew() {
    let mut recorder = Recorder::new(Duration::from_secs(60), 10);
    let now = Instant::now();
    for (second, counter) in [700, 30, 50].into_iter().enumerate() {
        let later = Duration::from_secs(second as u64);
        recorder.read([reading(UsageKey::Total, bytes(counter))], START, now + later);
    }
    assert_eq!(recorder.flush()[0].figures.bytes_in, 750);
}
