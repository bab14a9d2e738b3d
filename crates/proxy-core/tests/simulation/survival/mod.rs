//! Whole sessions through random lives: clients that leave and come back, nodes that die, freeze, are cut off, restart or
//! are drained, sockets that break with messages in them, requests that fail. After every step, and once all is well
//! again, it is checked that nobody was told too much or too little, and that nothing is left anywhere.
//!
//! [`nodes`] is Lavalink as far as a session can tell, [`shell`] does what the gateway does for one session, [`client`]
//! is a bot with a good memory.

mod client;
mod nodes;
mod shell;

use std::time::{Duration, Instant};

use nodes::Nodes;
use proxy_core::session::PlacementMode;
use shell::Shell;

const SEEDS: u64 = 1500;
const STEPS: u32 = 120;

#[test]
fn no_player_is_lost_and_no_ended_track_untold_whatever_fails() {
    let seeds = crate::seeds(SEEDS);
    let mut reached = Reached::default();
    for seed in seeds.clone() {
        World::new(seed).run(&mut reached);
    }
    if seeds.end - seeds.start >= 300 {
        reached.assert_all();
    }
}

/// How often the interesting things happened, over all seeds.
#[derive(Debug, Default)]
pub(super) struct Reached {
    pub(super) resumed: u32,
    pub(super) denied: u32,
    pub(super) moved: u32,
    pub(super) stayed: u32,
    pub(super) failed: u32,
    pub(super) told_ends: u32,
    pub(super) swallowed: u32,
    pub(super) replays: u32,
    pub(super) ended: u32,
    pub(super) cleaned_up: u32,
    pub(super) lost_messages: u32,
    pub(super) repeated: u32,
    pub(super) revived: u32,
    pub(super) linked_twice: u32,
    pub(super) played_again: u32,
}

impl Reached {
    fn assert_all(&self) {
        let Self {
            resumed,
            denied,
            moved,
            stayed,
            failed,
            told_ends,
            swallowed,
            ..
        } = *self;
        let Self {
            replays,
            ended,
            cleaned_up,
            lost_messages,
            repeated,
            revived,
            linked_twice,
            played_again,
            ..
        } = *self;
        let first = [resumed, denied, moved, stayed, failed, told_ends, swallowed];
        let second = [
            replays,
            ended,
            cleaned_up,
            lost_messages,
            repeated,
            revived,
            linked_twice,
            played_again,
        ];
        assert!(first.into_iter().chain(second).all(|count| count > 10), "{self:?}");
    }
}

struct World {
    _blame: crate::Blame,
    rng: fastrand::Rng,
    now: Instant,
    nodes: Nodes,
    shells: Vec<Shell>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let now = Instant::now();
        let placement = if rng.bool() {
            PlacementMode::Player
        } else {
            PlacementMode::Session
        };
        let mut nodes = Nodes::new(&mut rng, now);
        let shells = (0..rng.usize(1..3))
            .map(|id| Shell::new(id, placement, &mut nodes, now))
            .collect();
        Self {
            _blame: crate::Blame { seed, step: 0 },
            rng,
            now,
            nodes,
            shells,
        }
    }

    fn run(&mut self, reached: &mut Reached) {
        for step in 0..STEPS {
            self._blame.step = step;
            self.act(reached);
            let pause = if self.rng.u32(..12) == 0 { 3000 } else { 150 };
            let pause = Duration::from_millis(self.rng.u64(1..pause));
            self.pass(pause, reached);
        }
        self.nodes.heal(self.now);
        for shell in &mut self.shells {
            shell.client_settles(self.now, &mut self.nodes, reached);
        }
        // Longer than anything waits, but for a client that is away.
        self.pass(Duration::from_secs(45), reached);
        self.nodes.hold = true;
        self.pass(Duration::from_secs(2), reached);
        for shell in &mut self.shells {
            shell.assert_settled(self.now, &self.nodes);
        }
        assert_eq!(self.nodes.under_way(), 0, "turns were not given back");
        for shell in &mut self.shells {
            shell.leave(self.now, &mut self.nodes, reached);
        }
        self.pass(Duration::from_secs(15), reached);
        self.nodes.assert_empty();
        assert_eq!(self.nodes.under_way(), 0, "turns were not given back");
    }

    fn act(&mut self, reached: &mut Reached) {
        let Self {
            rng,
            now,
            nodes,
            shells,
            ..
        } = self;
        let index = rng.usize(..shells.len());
        let shell = &mut shells[index];
        match rng.u32(..100) {
            0..50 => shell.client_asks(*now, rng, nodes, reached),
            50..56 => shell.client_comes_or_goes(*now, rng, nodes, reached),
            56..60 => nodes.fault(*now, rng),
            60..74 => nodes.mend(*now, rng),
            74..78 => shell.break_socket(rng, nodes, reached),
            78..80 => shell.move_one(*now, rng, nodes, reached),
            80 => shell.restart(*now, nodes, reached),
            _ => {}
        }
    }

    /// Lets time pass in small steps.
    fn pass(&mut self, time: Duration, reached: &mut Reached) {
        let until = self.now + time;
        while self.now < until {
            let left = until - self.now;
            self.now += Duration::from_millis(self.rng.u64(10..80)).min(left.max(Duration::from_millis(1)));
            let changes = self.nodes.tick(self.now, &mut self.rng);
            for shell in &mut self.shells {
                for (node, change) in &changes {
                    shell.node_changed(*node, *change, self.now, &mut self.nodes, reached);
                }
                shell.tick(self.now, &mut self.rng, &mut self.nodes, reached);
                shell.check(self.now);
            }
        }
    }
}
