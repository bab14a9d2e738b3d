//! Sliding rates over 1 s, 10 s and 60 s, computed from cumulative counters that someone else keeps and samples about
//! once a second. Not for counting itself: the hot path adds to plain counters in the network shell.

use std::ops::{AddAssign, Sub};
use std::time::{Duration, Instant};

use serde::Serialize;

const FINE: usize = 10;
const COARSE: usize = 6;

/// Counters since the start of whatever is counted, seen from the proxy: `in` is what it received. They only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Bytes received on the socket, below TLS.
    pub bytes_in: u64,
    /// Bytes sent on the socket, below TLS.
    pub bytes_out: u64,
    /// WebSocket messages received.
    pub messages_in: u64,
    /// WebSocket messages sent.
    pub messages_out: u64,
    /// Requests received (client side, refused ones included) or sent (node side); rates leave them out.
    pub requests: u64,
    /// Requests answered with a status below 400; the 101 of a WebSocket is one.
    pub ok: u64,
    /// Requests answered with 4xx.
    pub client_error: u64,
    /// Requests answered with 5xx.
    pub server_error: u64,
}

impl Totals {
    /// Requests that got an answer, whatever it said. The others are under way, or their asker or node went away.
    pub fn answered(&self) -> u64 {
        self.ok + self.client_error + self.server_error
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.messages_in += other.messages_in;
        self.messages_out += other.messages_out;
        self.requests += other.requests;
        self.ok += other.ok;
        self.client_error += other.client_error;
        self.server_error += other.server_error;
    }
}

impl Sub for Totals {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            bytes_in: self.bytes_in - earlier.bytes_in,
            bytes_out: self.bytes_out - earlier.bytes_out,
            messages_in: self.messages_in - earlier.messages_in,
            messages_out: self.messages_out - earlier.messages_out,
            requests: self.requests - earlier.requests,
            ok: self.ok - earlier.ok,
            client_error: self.client_error - earlier.client_error,
            server_error: self.server_error - earlier.server_error,
        }
    }
}

/// Rates per second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Flow {
    /// Bytes received per second.
    pub bytes_in: f32,
    /// Bytes sent per second.
    pub bytes_out: f32,
    /// Messages received per second.
    pub messages_in: f32,
    /// Messages sent per second.
    pub messages_out: f32,
}

impl Flow {
    /// Bits received per second.
    pub fn bits_in(&self) -> f32 {
        self.bytes_in * 8.0
    }

    /// Bits sent per second.
    pub fn bits_out(&self) -> f32 {
        self.bytes_out * 8.0
    }

    fn between(from: &Totals, to: &Totals, seconds: f32) -> Self {
        let rate = |from: u64, to: u64| to.saturating_sub(from) as f32 / seconds;
        Self {
            bytes_in: rate(from.bytes_in, to.bytes_in),
            bytes_out: rate(from.bytes_out, to.bytes_out),
            messages_in: rate(from.messages_in, to.messages_in),
            messages_out: rate(from.messages_out, to.messages_out),
        }
    }

    fn add(&mut self, other: &Self, weight: f32) {
        self.bytes_in += other.bytes_in * weight;
        self.bytes_out += other.bytes_out * weight;
        self.messages_in += other.messages_in * weight;
        self.messages_out += other.messages_out * weight;
    }

    fn weighted<'a>(parts: impl Iterator<Item = (&'a Self, f32)>, divisor: f32) -> Self {
        let mut sum = Self::default();
        parts.for_each(|(flow, weight)| sum.add(flow, weight / divisor));
        sum
    }
}

/// How far back a rate looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// The last second.
    Second,
    /// The last ten seconds.
    TenSeconds,
    /// The last minute.
    Minute,
}

/// The recent past of one counted thing: the last ten seconds one by one, the minute before in steps of ten. That is
/// about 350 bytes, where a full minute of seconds would take a kilobyte per entry.
#[derive(Debug, Clone)]
pub struct Rates {
    /// The counters at `at`.
    last: Totals,
    at: Instant,
    /// Rates of the last ten seconds; a ring, `next` is the oldest.
    fine: [Flow; FINE],
    next: u8,
    /// Means of the blocks of ten seconds before; newest first. `fine[..next]` is the block under way.
    coarse: [Flow; COARSE],
}

impl Rates {
    /// Starts with `totals` as what was counted before `now`.
    pub fn new(totals: Totals, now: Instant) -> Self {
        let zero = Flow::default();
        Self {
            last: totals,
            at: now,
            fine: [zero; FINE],
            next: 0,
            coarse: [zero; COARSE],
        }
    }

    /// Takes the counters as they are at `now`. Calls within a second of the last are free and change nothing; after a
    /// longer gap, what came meanwhile is spread evenly over it.
    pub fn sample(&mut self, totals: Totals, now: Instant) {
        let elapsed = now.saturating_duration_since(self.at);
        // A ticker of one second fires a little early or late; a tenth of slack keeps one slot per tick.
        if elapsed < Duration::from_millis(900) {
            return;
        }
        let rate = Flow::between(&self.last, &totals, elapsed.as_secs_f32());
        let slots = (elapsed.as_secs_f32().round() as usize).clamp(1, FINE * (COARSE + 1));
        (0..slots).for_each(|_| self.push(rate));
        self.last = totals;
        self.at = now;
    }

    fn push(&mut self, rate: Flow) {
        self.fine[usize::from(self.next)] = rate;
        self.next += 1;
        if usize::from(self.next) == FINE {
            self.next = 0;
            self.coarse.rotate_right(1);
            self.coarse[0] = Flow::weighted(self.fine.iter().map(|flow| (flow, 1.0)), FINE as f32);
        }
    }

    /// The rate over a window that ends with the last sample. Time before the first sample counts as silence.
    pub fn over(&self, window: Window) -> Flow {
        let next = usize::from(self.next);
        match window {
            Window::Second => self.fine[(next + FINE - 1) % FINE],
            Window::TenSeconds => Flow::weighted(self.fine.iter().map(|flow| (flow, 1.0)), FINE as f32),
            Window::Minute => {
                let under_way = self.fine[..next].iter().map(|flow| (flow, 1.0));
                let whole = self.coarse[..COARSE - 1].iter().map(|flow| (flow, FINE as f32));
                // Of the oldest block only the part that is still within the minute.
                let oldest = std::iter::once((&self.coarse[COARSE - 1], (FINE - next) as f32));
                Flow::weighted(under_way.chain(whole).chain(oldest), 60.0)
            }
        }
    }

    /// The counters at the last sample.
    pub fn totals(&self) -> &Totals {
        &self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(bytes_in: u64) -> Totals {
        Totals {
            bytes_in,
            bytes_out: 2 * bytes_in,
            messages_in: bytes_in / 100,
            ..Totals::default()
        }
    }

    fn close(a: f32, b: f32) -> bool {
        (a - b).abs() <= b.abs() * 0.001 + 0.001
    }

    #[test]
    fn a_steady_flow_shows_the_same_rate_in_every_window_once_it_is_filled() {
        let start = Instant::now();
        let mut rates = Rates::new(bytes(0), start);
        for second in 1..=75 {
            rates.sample(bytes(1000 * second), start + Duration::from_secs(second));
        }
        for window in [Window::Second, Window::TenSeconds, Window::Minute] {
            let flow = rates.over(window);
            assert!(
                close(flow.bytes_in, 1000.0) && close(flow.bytes_out, 2000.0),
                "{window:?} {flow:?}"
            );
            assert!(
                close(flow.messages_in, 10.0) && close(flow.bits_in(), 8000.0),
                "{window:?} {flow:?}"
            );
        }
    }

    #[test]
    fn a_burst_leaves_each_window_in_its_time() {
        let start = Instant::now();
        let mut rates = Rates::new(bytes(0), start);
        let mut shown = Vec::new();
        for second in 1..=80_u64 {
            rates.sample(bytes(6000), start + Duration::from_secs(second));
            shown.push([Window::Second, Window::TenSeconds, Window::Minute].map(|window| rates.over(window).bytes_in));
        }
        // (after second, 1 s, 10 s, 60 s)
        let cases = [
            (1, 6000.0, 600.0, 100.0),
            (2, 0.0, 600.0, 100.0),
            (10, 0.0, 600.0, 100.0),
            (11, 0.0, 0.0, 100.0),
        ];
        for (second, one, ten, sixty) in cases {
            let [a, b, c] = shown[second - 1];
            assert!(
                close(a, one) && close(b, ten) && close(c, sixty),
                "second {second}: {a} {b} {c}"
            );
        }
        assert!(shown[79].iter().all(|rate| close(*rate, 0.0)), "{:?}", shown[79]);
    }

    #[test]
    fn a_gap_between_samples_is_spread_and_calls_within_a_second_change_nothing() {
        let start = Instant::now();
        let mut rates = Rates::new(bytes(500), start);
        rates.sample(bytes(900), start + Duration::from_millis(300));
        assert_eq!(rates.totals(), &bytes(500));
        rates.sample(bytes(5500), start + Duration::from_secs(5));
        assert!(close(rates.over(Window::Second).bytes_in, 1000.0));
        assert!(close(rates.over(Window::TenSeconds).bytes_in, 500.0));
        rates.sample(bytes(5500), start + Duration::from_secs(86_400));
        assert!(close(rates.over(Window::Minute).bytes_in, 0.0));
    }

    #[test]
    fn a_clock_that_steps_back_or_a_counter_that_restarts_does_no_harm() {
        let start = Instant::now() + Duration::from_secs(100);
        let mut rates = Rates::new(bytes(1000), start);
        rates.sample(bytes(2000), start - Duration::from_secs(50));
        rates.sample(bytes(10), start + Duration::from_secs(1));
        assert!(close(rates.over(Window::Second).bytes_in, 0.0));
    }

    #[test]
    fn an_entry_stays_small() {
        assert!(size_of::<Rates>() <= 352, "{}", size_of::<Rates>());
    }
}
