//! Reads the output of `cargo test`: how many tests passed, failed and were skipped, and why.
//!
//! A test that cannot run on this machine prints `SKIP name: why` and passes, since the test harness knows no third
//! outcome; here it is told apart again. That is why tests are run with `--show-output`.

/// What a test run came to, added up over all its test programs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Tests that ran and passed.
    pub(crate) passed: usize,
    /// Tests that failed.
    pub(crate) failed: usize,
    /// Tests that said they skipped something, or are ignored.
    pub(crate) skipped: usize,
    /// What was skipped and why, a line each.
    pub(crate) reasons: Vec<String>,
    /// The names of failed tests.
    pub(crate) failures: Vec<String>,
    section: Section,
    /// Tests of the test program being read that said they skipped something.
    skipping: usize,
    /// Whether the test whose output is being read has already been counted as skipped.
    counted: bool,
}

#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
enum Section {
    #[default]
    Running,
    /// The output of tests that passed.
    Successes,
    Failures,
}

/// Whether a line is worth showing while tests run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Show it.
    Show,
    /// It is the output of a test that passed.
    Hide,
}

impl Outcome {
    /// Takes the next line.
    pub(crate) fn line(&mut self, line: &str) -> Line {
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.section = Section::Running;
            self.add(counts);
            return Line::Show;
        }
        match line {
            "successes:" => self.section = Section::Successes,
            "failures:" => self.section = Section::Failures,
            _ => self.inside(line),
        }
        if self.section == Section::Successes {
            Line::Hide
        } else {
            Line::Show
        }
    }

    fn add(&mut self, counts: &str) {
        let count = |word: &str| {
            let before = counts.split([';', '.']).find_map(|part| part.trim().strip_suffix(word));
            before
                .and_then(|number| number.trim().parse::<usize>().ok())
                .unwrap_or(0)
        };
        // The harness counts a test that skipped as passed.
        let skipping = std::mem::take(&mut self.skipping);
        self.passed += count("passed").saturating_sub(skipping);
        self.failed += count("failed");
        self.skipped += count("ignored") + skipping;
    }

    fn inside(&mut self, line: &str) {
        if line.starts_with("---- ") {
            self.counted = false;
        } else if let (Section::Successes, Some(reason)) = (self.section, line.strip_prefix("SKIP ")) {
            self.reasons.push(reason.to_owned());
            if !self.counted {
                self.counted = true;
                self.skipping += 1;
            }
        } else if let (Section::Failures, Some(name)) = (self.section, line.strip_prefix("    "))
            && !name.contains(' ')
            && !self.failures.iter().any(|known| known == name)
        {
            self.failures.push(name.to_owned());
        }
    }

    /// Takes a part that is not a test of cargo's and did not run.
    pub(crate) fn skip(&mut self, reason: &str) {
        self.skipped += 1;
        self.reasons.push(reason.to_owned());
    }

    /// Takes a part that is not a test of cargo's and failed.
    pub(crate) fn fail(&mut self, what: &str) {
        self.failed += 1;
        self.failures.push(what.to_owned());
    }

    /// The reasons that this machine could do something about. That a registry does not hold a package is none of them.
    pub(crate) fn avoidable(&self) -> impl Iterator<Item = &String> {
        self.reasons
            .iter()
            .filter(|reason| !reason.contains("registry does not hold"))
    }

    /// The one line that sums it up.
    pub(crate) fn summary(&self) -> String {
        let skipped = if self.skipped > 0 {
            format!(", {} skipped", self.skipped)
        } else {
            String::new()
        };
        format!("{} passed, {} failed{skipped}", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "
running 3 tests
test a ... ok
test b ... ok
test c ... FAILED

successes:

---- a stdout ----
SKIP wavelink 1: python3 is not installed
SKIP wavelink 3: python3 is not installed

---- b stdout ----
noise
SKIP riffy: the package registry does not hold riffy

successes:
    a
    b

failures:

---- c stdout ----
thread 'c' panicked at tests/x.rs:1:1:
    an indented line of the message

failures:
    c

test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s

running 3 tests
test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

    #[test]
    fn passed_failed_and_skipped_are_told_apart_and_added_up() {
        let mut outcome = Outcome::default();
        for line in OUTPUT.lines() {
            outcome.line(line);
        }
        assert_eq!(outcome.summary(), "2 passed, 1 failed, 3 skipped");
        assert_eq!(outcome.failures, ["c"]);
        assert_eq!(outcome.reasons.len(), 3);
        assert_eq!(outcome.avoidable().count(), 2);
    }

    #[test]
    fn output_of_tests_that_passed_is_hidden_and_that_of_others_shown() {
        let mut outcome = Outcome::default();
        let shown: Vec<_> = OUTPUT.lines().filter(|line| outcome.line(line) == Line::Show).collect();
        assert!(!shown.contains(&"noise"));
        assert!(shown.contains(&"thread 'c' panicked at tests/x.rs:1:1:"));
        assert!(shown.iter().filter(|line| line.starts_with("test result: ")).count() == 2);
    }
}
