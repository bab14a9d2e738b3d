//! A program that writes as the proxy does is killed with SIGKILL again and again, at random moments, with roll-ups under
//! way. Each time the file opens, is whole, and holds everything that was promised, nothing twice, and of the rest all
//! but the last flush interval.

#![allow(clippy::unwrap_used, missing_docs)]

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proxy_store::{ConnectionFilter, Figures, Scope, Settings, Store, UsageKey, UsageSort, UsageTotalsQuery};

const KILLS: u32 = 50;
/// Of the program, in milliseconds.
const FLUSH: u64 = 200;
const START: i64 = 1_790_035_200_000;
/// Of the program's clock, between the starts of two runs; longer than a run is.
const RUN: i64 = 3_600_000;
const EVER: i64 = START + 400 * 86_400_000;

/// What the program said until it was killed.
#[derive(Debug, Default)]
struct Said {
    /// Where the counter stood at each reading.
    read: Vec<u64>,
    /// When, in milliseconds since its start.
    at: Vec<u64>,
    /// What was on disk, by its own word.
    durable: u64,
    committed: Vec<u64>,
    closed: u64,
    /// Sessions that were kept, may have been forgotten since, were forgotten.
    kept: Vec<u64>,
    forgetting: Vec<u64>,
    forgotten: Vec<u64>,
}

impl Said {
    /// From the first reading that is gone to the last one: how much of history was lost, in milliseconds.
    fn lost(&self, kept: usize) -> u64 {
        let first = self.at.get(kept);
        first.map_or(0, |first| self.at.last().unwrap_or(first) - first)
    }
}

fn run_and_kill(path: &Path, start: i64, life: Duration) -> Said {
    let mut child = Command::new(env!("CARGO_BIN_EXE_store-writer"))
        .arg(path)
        .arg(start.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).map(|_| text)
    });
    let killed_at = Instant::now() + life;
    while Instant::now() < killed_at {
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    understand(&reader.join().unwrap().unwrap())
}

fn understand(text: &str) -> Said {
    let mut said = Said::default();
    // The last line may be cut off.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    for line in whole.lines() {
        let Some((word, number)) = line.split_once(' ') else {
            continue;
        };
        let number: u64 = number.parse().unwrap_or_else(|_| panic!("{text}"));
        match word {
            "read" => said.read.push(number),
            "at" => said.at.push(number),
            "durable" => said.durable = said.durable.max(number),
            "committed" => said.committed.push(number),
            "closed" => said.closed = number + 1,
            "kept" => said.kept.push(number),
            "forgetting" => said.forgetting.push(number),
            "forgotten" => said.forgotten.push(number),
            other => panic!("unknown word {other}: {text}"),
        }
    }
    said
}

fn sums(store: &Store, scope: Scope) -> Figures {
    let query = UsageTotalsQuery {
        scope,
        from: 0,
        to: EVER,
        sort: UsageSort::Bytes,
        ascending: false,
        search: "",
        offset: 0,
        limit: usize::MAX,
    };
    let mut sum = Figures::default();
    let totals = store.usage_totals(&query).unwrap();
    totals.items.iter().for_each(|item| sum.merge(&item.figures));
    sum
}

fn is_whole(path: &Path) -> String {
    let file = rusqlite::Connection::open(path).unwrap();
    file.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap()
}

#[test]
fn nothing_promised_is_lost_and_nothing_doubled_by_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut before, mut rows_before) = (0, 0);
    let mut lost = Vec::new();
    let mut promised = 0;
    for kill in 0..KILLS {
        let start = START + i64::from(kill) * RUN;
        let life = Duration::from_millis(random.u64(20..900));
        let said = run_and_kill(&path, start, life);
        let place = format!("seed {seed}, kill {kill} after {life:?}");
        if !path.exists() {
            continue;
        }
        let now = start + RUN;
        let settings = Settings {
            clock: Arc::new(move || now),
            ..Settings::default()
        };
        let store = Store::open(&path, settings).unwrap_or_else(|error| panic!("{place}: {error}"));
        assert_eq!(is_whole(&path), "ok", "{place}");
        if !said.read.is_empty() {
            assert!(store.health().was_killed, "{place}: it says so");
        }

        let total = sums(&store, Scope::Total).bytes_in;
        for scope in [Scope::Ip, Scope::Tenant] {
            assert_eq!(sums(&store, scope).bytes_in, total, "{place}: {scope:?}");
        }
        assert_eq!(sums(&store, Scope::Total).bytes_out, 2 * total, "{place}");
        let history = store
            .usage_history(Scope::Total, UsageKey::TOTAL, 0, EVER, 500)
            .unwrap();
        assert_eq!(history.sum().bytes_in, total, "{place}");

        // The run's part is where the counter once stood: no reading is there by half or twice.
        let run = total - before;
        let kept = match said.read.iter().position(|read| *read == run) {
            Some(at) => at + 1,
            None => {
                assert_eq!(run, 0, "{place}: {said:?}");
                0
            }
        };
        assert!(run >= said.durable, "{place}: {run} of {} are there", said.durable);
        lost.push(said.lost(kept));

        let connections = store.connections(&ConnectionFilter::default(), usize::MAX).unwrap();
        let rows = connections.len() - rows_before;
        let numbers: Vec<_> = connections[..rows]
            .iter()
            .rev()
            .map(|row| row.connection.number)
            .collect();
        let expected: Vec<_> = (0..rows as u64).collect();
        assert_eq!(numbers, expected, "{place}: each once, in order, without a gap");
        assert!(rows as u64 <= said.closed + 1, "{place}");

        for round in &said.committed {
            let there = store.password_hash(&format!("{start}-{round}")).unwrap();
            assert_eq!(there.as_deref(), Some("promised"), "{place}: commit {round}");
        }
        let sessions = store.kept_sessions().unwrap();
        let is_there = |round: u64| {
            let id = format!("{start}-{round}");
            let session = sessions.iter().find(|session| session.id.as_str() == id);
            session.inspect(|session| assert_eq!(session.links[0].node_session.as_str(), round.to_string()))
        };
        for round in &said.kept {
            let may_be_gone = said.forgetting.contains(round);
            assert!(is_there(*round).is_some() || may_be_gone, "{place}: session {round}");
        }
        for round in &said.forgotten {
            assert!(is_there(*round).is_none(), "{place}: session {round} is forgotten");
        }
        promised += said.committed.len() + said.kept.len();
        (before, rows_before) = (total, connections.len());
        store.close();
    }
    lost.sort_unstable();
    let (half, most) = (lost[lost.len() / 2], lost[lost.len() - 1]);
    println!(
        "{KILLS} kills: {before} bytes kept, {promised} commits promised and kept; of history lost at a kill, in half of the \
         cases at most {half} ms, at most {most} ms; a flush is made every {FLUSH} ms and takes its time"
    );
    // Not of the worst case: a machine that is busy enough holds up any writer.
    assert!(half <= FLUSH, "more than a flush interval is lost as a rule: {lost:?}");
    assert!(before > 0 && promised > 0, "the kills came too early to show anything");
    let made = levels(&path);
    assert!(made.iter().all(|rows| *rows > 0), "no level was rolled up: {made:?}");
}

fn levels(path: &Path) -> Vec<i64> {
    let file = rusqlite::Connection::open(path).unwrap();
    let count = |level: i64| {
        let count = "SELECT count(*) FROM usage WHERE level = ?1";
        file.query_row(count, [level], |row| row.get(0)).unwrap()
    };
    (1..4).map(count).collect()
}
