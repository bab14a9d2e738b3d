//! Bandwidth levels: four names for how much something moves, so that a person sees at a glance who is busy. Not for
//! alerts, which have thresholds of their own.

/// How busy something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Next to nothing.
    Quiet,
    /// What a bot moves on an ordinary day.
    Normal,
    /// A lot.
    High,
    /// So much that somebody should look.
    Extreme,
}

impl Level {
    /// All, from the quietest.
    pub const ALL: [Self; 4] = [Self::Quiet, Self::Normal, Self::High, Self::Extreme];

    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Extreme => "extreme",
        }
    }
}

/// Where `normal`, `high` and `extreme` begin, in bytes per second both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Levels {
    from: [u64; 3],
}

impl Default for Levels {
    fn default() -> Self {
        Self {
            from: [10_000, 1_000_000, 10_000_000],
        }
    }
}

impl Levels {
    /// `None` unless each begins above the one before.
    pub fn new(from: [u64; 3]) -> Option<Self> {
        let rising = from[0] > 0 && from[0] < from[1] && from[1] < from[2];
        rising.then_some(Self { from })
    }

    /// The level of a rate in bytes per second.
    pub fn level(&self, rate: f64) -> Level {
        let passed = self.from.iter().filter(|from| rate >= **from as f64).count();
        Level::ALL[passed]
    }

    /// Each level with the rate at which it begins.
    pub fn iter(&self) -> impl Iterator<Item = (Level, u64)> + use<> {
        let [normal, high, extreme] = self.from;
        Level::ALL.into_iter().zip([0, normal, high, extreme])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_begins_at_its_threshold() {
        let levels = Levels::new([10, 100, 1000]).unwrap();
        let cases = [
            (0.0, "quiet"),
            (9.9, "quiet"),
            (10.0, "normal"),
            (100.0, "high"),
            (999.9, "high"),
            (1e12, "extreme"),
            (f64::NAN, "quiet"),
        ];
        for (rate, name) in cases {
            assert_eq!(levels.level(rate).name(), name, "{rate}");
        }
        let begins: Vec<_> = levels.iter().map(|(level, from)| (level.name(), from)).collect();
        assert_eq!(begins, [("quiet", 0), ("normal", 10), ("high", 100), ("extreme", 1000)]);
    }

    #[test]
    fn levels_must_rise() {
        for from in [[0, 1, 2], [1, 1, 2], [3, 2, 4], [1, 3, 2]] {
            assert_eq!(Levels::new(from), None, "{from:?}");
        }
    }
}
