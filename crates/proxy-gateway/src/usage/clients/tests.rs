//! Sums by label and address, and what a reading costs.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use proxy_core::usage::{Rates, Window};

use super::*;

fn peer(number: u32) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::from(0x0a00_0000 + number), 1))
}

fn read(ledger: &ClientLedger, usage: &mut ClientUsage) {
    let mut reading = usage.begin();
    ledger.read(&mut reading, None);
    reading.end();
}

fn bytes_of(usage: &ClientUsage, tenant: &str) -> u64 {
    let of = usage.by_label.iter().filter(|(label, _)| &*label.tenant == tenant);
    of.map(|(_, totals)| totals.bytes_in).sum()
}

#[test]
fn what_was_carried_stays_with_the_label_of_its_time() {
    let (ledger, mut usage) = (ClientLedger::default(), ClientUsage::default());
    let record = ledger.open(1, peer(1), false);
    let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
    record.traffic.bytes_in.add(1);
    ledger.relabel(&record, &a, Some(Class::V4));
    record.traffic.bytes_in.add(10);
    // The same name from somewhere else, as after the settings were read anew.
    ledger.relabel(&record, &"a".into(), Some(Class::V4));
    record.traffic.bytes_in.add(100);
    ledger.relabel(&record, &b, Some(Class::V3));
    record.traffic.bytes_in.add(1000);
    for closed in [false, true] {
        if closed {
            ledger.close(&record);
        }
        read(&ledger, &mut usage);
        let seen = ["none", "a", "b"].map(|tenant| bytes_of(&usage, tenant));
        assert_eq!(seen, [1, 110, 1000], "closed: {closed}");
        assert_eq!(usage.by_address[&Some(peer(1).ip())].bytes_in, 1111);
        assert_eq!(usage.connections.len(), usize::from(!closed));
    }
    assert_eq!(&*record.names().tenant, "b");
    let mut closed = Closed::default();
    ledger.take_closed(&mut closed);
    assert_eq!(closed.connections[0].totals.bytes_in, 1111);
}

#[test]
fn a_reading_brought_up_to_date_equals_a_new_one() {
    let (ledger, mut kept) = (ClientLedger::default(), ClientUsage::default());
    let mut rng = fastrand::Rng::with_seed(3);
    let mut open = Vec::new();
    for id in 0..500 {
        open.push(ledger.open(id, peer(rng.u32(..50)), false));
        let at = rng.usize(..open.len());
        open[at].traffic.bytes_in.add(rng.u64(..1000));
        if rng.u8(..3) == 0 {
            ledger.close(&open.swap_remove(at));
        }
        read(&ledger, &mut kept);
        let mut new = ClientUsage::default();
        read(&ledger, &mut new);
        let ids = |usage: &ClientUsage| {
            let connections = usage.connections.iter();
            connections
                .map(|(record, totals)| (record.id, *totals))
                .collect::<Vec<_>>()
        };
        assert_eq!(ids(&kept), ids(&new));
        assert_eq!((&kept.by_address, &kept.by_label), (&new.by_address, &new.by_label));
        let sum = |totals: u64, part: &Totals| totals + part.bytes_in;
        assert_eq!(
            kept.by_address.values().fold(0, sum),
            kept.by_label.values().fold(0, sum)
        );
    }
}

#[test]
fn a_connection_takes_little_room_in_the_books() {
    let (record, place) = (size_of::<ConnectionRecord>(), size_of::<Live>());
    assert!(record <= 128 && place <= 96, "{record} and {place}");
}

/// Prints what one reading of 10,000 busy connections costs, alone and with the rates of each:
/// `cargo test --release -p proxy-gateway --lib -- --ignored --nocapture reading`.
#[test]
#[ignore = "a measurement"]
fn reading_ten_thousand_busy_connections() {
    const CONNECTIONS: u32 = 10_000;
    const ROUNDS: u32 = 50;
    let (ledger, mut usage) = (ClientLedger::default(), ClientUsage::default());
    let tenants: Vec<Arc<str>> = (0..5).map(|tenant| format!("tenant {tenant}").into()).collect();
    let records: Vec<_> = (0..CONNECTIONS)
        .map(|number| {
            let record = ledger.open(u64::from(number), peer(number), false);
            ledger.relabel(&record, &tenants[number as usize % tenants.len()], Some(Class::V4));
            record
        })
        .collect();
    let mut rates = HashMap::<u64, Rates>::new();
    let mut now = Instant::now();
    let (mut reading, mut both, mut shown) = (Duration::ZERO, Duration::ZERO, 0.0);
    for _ in 0..ROUNDS {
        records.iter().for_each(|record| record.traffic.bytes_in.add(1000));
        now += Duration::from_secs(1);
        let began = Instant::now();
        read(&ledger, &mut usage);
        reading += began.elapsed();
        for (record, totals) in &usage.connections {
            let rates = rates.entry(record.id).or_insert_with(|| Rates::new(*totals, now));
            rates.sample(*totals, now);
            shown += rates.over(Window::TenSeconds).bytes_in;
        }
        both += began.elapsed();
    }
    assert!(shown > 0.0);
    println!(
        "one reading: {:?}; with the rates: {:?}",
        reading / ROUNDS,
        both / ROUNDS
    );
}
