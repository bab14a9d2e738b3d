//! Writes to a store as the proxy does, in quick motion, until it is killed, and says on standard output what was counted
//! and what was promised. For the test that kills it; not part of a release.
//!
//! Arguments: the file, and the time to begin at. Lines: `read N` (the counter stands at N), `at N` (that was N milliseconds
//! after the start), `durable N` (all up to N is on disk), `closed N` (connection N is about to be recorded), `committed N`,
//! and of sessions `kept N`, `forgetting N`, `forgotten N`.

use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use lavalink_protocol::id::{NodeSessionId, SessionId, UserId};
use proxy_core::session::kept::{self, KeptLink, KeptSession};
use proxy_store::{ClosedConnection, Figures, Pending, Reading, Record, Recorder, Settings, Store, UsageKey};

/// So much faster than life does the clock go, so that minutes, hours and days are rolled up on the way.
const HASTE: u32 = 6_000;
/// Between two readings, in true time.
const PAUSE: Duration = Duration::from_millis(10);
/// Between two flushes, in true time.
const FLUSH: Duration = Duration::from_millis(200);
const ADDRESSES: u32 = 40;
/// Sessions that are kept at a time.
const SESSIONS: u32 = 10;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [path, start] = arguments.as_slice() else {
        return ExitCode::FAILURE;
    };
    let Ok(start) = start.parse::<i64>() else {
        return ExitCode::FAILURE;
    };
    let begun = Instant::now();
    let clock = move || {
        let passed = (begun.elapsed() * HASTE).as_millis();
        start + i64::try_from(passed).unwrap_or_default()
    };
    let settings = Settings {
        flush_interval: FLUSH,
        clock: Arc::new(clock),
        ..Settings::default()
    };
    match Store::open(path, settings) {
        Ok(store) => write_on(&store, start, begun, clock),
        Err(error) => {
            println!("error {error}");
            ExitCode::FAILURE
        }
    }
}

fn write_on(store: &Store, start: i64, begun: Instant, clock: impl Fn() -> i64) -> ! {
    println!("open");
    let mut recorder = Recorder::new(FLUSH, 1000);
    let mut counter = 0;
    for round in 0_u32.. {
        counter += u64::from(round % 97 + 1) * u64::from(ADDRESSES);
        println!("read {counter}\nat {}", begun.elapsed().as_millis());
        if let Some(batch) = recorder.read(readings(counter), clock(), Instant::now()) {
            hand_over(store, &mut recorder, batch, counter);
        }
        println!("closed {round}");
        store.record(Record::Connection(Box::new(connection(round, clock()))));
        if round % 5 == 0 {
            commit(store, start, round);
        }
        come_and_go(store, start, round);
        std::thread::sleep(PAUSE);
    }
    unreachable!("it is killed before")
}

/// The total, and the same spread over addresses and tenants.
fn readings(counter: u64) -> Vec<Reading> {
    let figures = |bytes_in| Figures {
        bytes_in,
        bytes_out: 2 * bytes_in,
        ..Figures::default()
    };
    let share = counter / u64::from(ADDRESSES);
    let address = |number| UsageKey::Ip(Ipv4Addr::from(0x0a00_0000 + number).into());
    let mut readings: Vec<_> = (0..ADDRESSES)
        .map(|number| Reading {
            key: address(number),
            figures: figures(share),
        })
        .collect();
    for key in [UsageKey::Total, UsageKey::Tenant("default".into())] {
        readings.push(Reading {
            key,
            figures: figures(counter),
        });
    }
    readings
}

fn hand_over(store: &Store, recorder: &mut Recorder, batch: Vec<proxy_store::UsageDelta>, counter: u64) {
    match store.try_record(Record::Usage(batch)) {
        Ok(()) => {
            let flushed = store.flush();
            std::thread::spawn(move || {
                if flushed.wait().is_ok() {
                    println!("durable {counter}");
                }
            });
        }
        Err(Record::Usage(batch)) => recorder.give_back(batch),
        Err(_) => {}
    }
}

fn commit(store: &Store, start: i64, round: u32) {
    let committed = store.set_password_hash(format!("{start}-{round}"), "promised".to_owned(), i64::from(round));
    say_when(committed, "committed", round);
}

/// A session comes, and an older one goes.
fn come_and_go(store: &Store, start: i64, round: u32) {
    let id = |round: u32| SessionId::from(format!("{start}-{round}"));
    let session = KeptSession {
        id: id(round),
        tenant: "default".into(),
        user: UserId(1),
        client: None,
        opened: UNIX_EPOCH,
        settings: kept::Settings::default(),
        links: vec![KeptLink {
            node: "node".to_owned(),
            node_session: NodeSessionId::from(round.to_string()),
        }],
    };
    say_when(store.keep_session(session), "kept", round);
    if let Some(old) = round.checked_sub(SESSIONS) {
        println!("forgetting {old}");
        say_when(store.forget_session(id(old)), "forgotten", old);
    }
}

fn say_when(done: Pending<()>, word: &'static str, round: u32) {
    std::thread::spawn(move || {
        if done.wait().is_ok() {
            println!("{word} {round}");
        }
    });
}

fn connection(number: u32, at: i64) -> ClosedConnection {
    ClosedConnection {
        number: u64::from(number),
        ip: Ipv4Addr::LOCALHOST.into(),
        port: 1,
        tls: false,
        opened: at,
        closed: at,
        tenant: "default".to_owned(),
        version: None,
        session: None,
        user: None,
        client: None,
        figures: Figures::default(),
        ended: "killed".to_owned(),
    }
}
