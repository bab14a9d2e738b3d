//! Drives the decision core through random inputs and faults with a clock of its own, and checks what must always hold
//! after every step. Not for single rules: those are tables beside the code.
//!
//! Every seed is one run and repeats exactly. A failing run prints its seed and step; `SIMULATION_SEED=<n>` runs that
//! seed alone, `SIMULATION_SEEDS=<n>` changes how many are run.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

mod fleet;
mod survival;

use std::time::{Duration, Instant};

use fleet::Fleet;

const SEEDS: u64 = 400;
const STEPS: u32 = 400;

/// The seeds to run: one that is asked for, or so many.
pub(crate) fn seeds(usual: u64) -> std::ops::Range<u64> {
    let variable = |name| std::env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    match variable("SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..variable("SIMULATION_SEEDS").unwrap_or(usual),
    }
}

#[test]
fn what_must_hold_holds_after_every_step_of_every_seed() {
    let seeds = seeds(SEEDS);
    let mut reached = Reached::default();
    for seed in seeds.clone() {
        World::new(seed).run(&mut reached);
    }
    // A simulation that never gets anywhere would prove nothing.
    if seeds.end - seeds.start >= 100 {
        reached.assert_all();
    }
}

/// How often the interesting things happened, over all seeds.
#[derive(Debug, Default)]
pub(crate) struct Reached {
    pub(crate) placed: u32,
    pub(crate) refused: u32,
    pub(crate) on_degraded: u32,
    pub(crate) nodes_down: u32,
    pub(crate) nodes_back: u32,
}

impl Reached {
    fn assert_all(&self) {
        let Self {
            placed,
            refused,
            on_degraded,
            nodes_down,
            nodes_back,
        } = *self;
        let nodes = [placed, refused, on_degraded, nodes_down, nodes_back];
        assert!(nodes.into_iter().all(|count| count > 20), "{self:?}");
    }
}

/// One run: the nodes as they really are, the core under test, and a clock.
struct World {
    blame: Blame,
    rng: fastrand::Rng,
    now: Instant,
    fleet: Fleet,
}

/// Names the seed and step when a check fails, however deep it is.
pub(crate) struct Blame {
    pub(crate) seed: u64,
    pub(crate) step: u32,
}

impl Drop for Blame {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { seed, step } = self;
            eprintln!("failed at step {step} of seed {seed}; run it again with SIMULATION_SEED={seed}");
        }
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let now = Instant::now();
        let fleet = Fleet::new(&mut rng, now);
        Self {
            blame: Blame { seed, step: 0 },
            rng,
            now,
            fleet,
        }
    }

    fn run(&mut self, reached: &mut Reached) {
        for step in 0..STEPS {
            self.blame.step = step;
            self.step(reached);
            self.fleet.check(self.now);
        }
        self.fleet.assert_nothing_left();
    }

    fn step(&mut self, reached: &mut Reached) {
        let Self { rng, now, fleet, .. } = self;
        match rng.u32(..100) {
            0..8 => _ = fleet.place(*now, rng, reached),
            8..75 => fleet.request(*now, rng, reached),
            75..79 => fleet.stats(*now, rng),
            79..81 => fleet.flaky(*now, rng, reached),
            81 => {
                fleet.kill(*now, rng);
            }
            82..86 => fleet.revive(rng),
            86..88 => fleet.toggle_drain(*now, rng),
            _ => self.let_time_pass(reached),
        }
    }

    /// Time passes in steps of at most a second, with probes and ticks in between as a shell would make them.
    fn let_time_pass(&mut self, reached: &mut Reached) {
        let seconds = if self.rng.u32(..10) == 0 {
            self.rng.u32(1..90)
        } else {
            self.rng.u32(1..4)
        };
        for _ in 0..seconds {
            self.now += Duration::from_millis(self.rng.u64(100..1000));
            self.fleet.probe_and_tick(self.now, &mut self.rng, reached);
            self.fleet.check(self.now);
        }
    }
}
