//! What history costs at 10,000 active addresses: the reading, one flush, the roll-ups, and the questions of the
//! dashboard. Prints figures for people; run it with `cargo run --release -p proxy-store --example flush-cost`.

use std::error::Error;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use proxy_store::{
    Figures, Reading, Record, Recorder, Scope, Settings, Store, UsageDelta, UsageKey, UsageSort, UsageTotalsQuery,
};

const ADDRESSES: u32 = 10_000;
const START: i64 = 1_790_035_200_000;
/// Ten-second steps that are filled.
const STEPS: i64 = 60;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let clock = Arc::new(AtomicI64::new(START));
    let told = Arc::clone(&clock);
    let settings = Settings {
        clock: Arc::new(move || told.load(Ordering::Relaxed)),
        ..Settings::default()
    };
    let store = Store::open(folder.path().join("store.db"), settings)?;
    reading();
    let mut flushes = Vec::new();
    for step in 0..STEPS {
        // Two flushes fall into ten seconds: one makes the rows, one adds to them.
        for half in 0..2 {
            clock.store(START + step * 10_000 + half * 5_000, Ordering::Relaxed);
            store
                .try_record(Record::Usage(deltas(clock.load(Ordering::Relaxed))))
                .map_err(|_| "the queue is full")?;
            store.flush().wait()?;
            flushes.push(Duration::from_micros(store.health().flush_micros));
        }
    }
    flushes.sort_unstable();
    let (half, most) = (flushes[flushes.len() / 2], flushes[flushes.len() - 1]);
    println!("flush of {ADDRESSES} addresses: half take at most {half:?}, the longest {most:?}, of every 5 s");
    println!("file after {} min: {} KiB", STEPS / 6, store.health().file_bytes >> 10);
    ask(&store, "ten-second steps")?;
    time("roll-ups of these minutes and an hour", || {
        clock.store(START + 2 * 3_600_000, Ordering::Relaxed);
        store.settle().wait()
    })?;
    ask(&store, "rolled up")?;
    store.close();
    Ok(())
}

fn reading() {
    let mut recorder = Recorder::new(Duration::from_secs(5), 1000);
    let read = |bytes_in| {
        (0..ADDRESSES).map(move |number| Reading {
            key: UsageKey::Ip(Ipv4Addr::from(number).into()),
            figures: Figures {
                bytes_in,
                ..Figures::default()
            },
        })
    };
    let start = Instant::now();
    for second in 0..4_u32 {
        let at = START + i64::from(second) * 1000;
        recorder.read(
            read(u64::from(second) * 1000),
            at,
            start + Duration::from_secs(1) * second,
        );
    }
    let took = start.elapsed() / 4;
    println!("reading of {ADDRESSES} addresses, once a second: {took:?}");
}

fn deltas(at: i64) -> Vec<UsageDelta> {
    let delta = |number: u32| UsageDelta {
        key: UsageKey::Ip(Ipv4Addr::from(0x0a00_0000 + number).into()),
        at,
        figures: Figures {
            bytes_in: 1000 + u64::from(number),
            bytes_out: 50_000,
            messages_out: 5,
            requests: 1,
            ok: 1,
            connections: 1,
            ..Figures::default()
        },
    };
    (0..ADDRESSES).map(delta).collect()
}

fn ask(store: &Store, of: &str) -> Result<(), Box<dyn Error>> {
    let to = START + 3_600_000;
    let query = UsageTotalsQuery {
        scope: Scope::Ip,
        from: START,
        to,
        sort: UsageSort::Bytes,
        ascending: false,
        search: "",
        offset: 0,
        limit: 50,
    };
    time(&format!("top 50 addresses of an hour, {of}"), || {
        store.usage_totals(&query)
    })?;
    time(&format!("history of one address, {of}"), || {
        store.usage_history(Scope::Ip, "10.0.0.77", START, to, 360)
    })?;
    let names: Vec<_> = (0..50).map(|number| format!("10.0.0.{number}")).collect();
    let keys: Vec<_> = names.iter().map(String::as_str).collect();
    time(&format!("sparklines of 50 addresses, {of}"), || {
        store.usage_sparklines(Scope::Ip, &keys, START, to, Duration::from_secs(60))
    })?;
    Ok(())
}

fn time<T, E>(what: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let start = Instant::now();
    let value = work()?;
    println!("{what}: {:?}", start.elapsed());
    Ok(value)
}
