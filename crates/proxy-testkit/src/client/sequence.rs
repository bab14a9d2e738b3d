//! Checks numbered messages (`sim::NumberedPlan`) per guild: what was lost, came twice or out of order.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// The keys of a numbered message that are looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NumberedMessage<'a> {
    guild_id: &'a str,
    sim_seq: u64,
}

/// What a client has received of the numbered messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SequenceReport {
    /// Numbered messages received in all.
    pub received: u64,
    /// Numbers that were skipped and have not come later. A loss at the very end shows only in `last`.
    pub lost: u64,
    /// Numbers that came again.
    pub duplicated: u64,
    /// Numbers that came after a higher one.
    pub reordered: u64,
    /// The highest number of each guild.
    pub last: BTreeMap<i64, u64>,
}

impl SequenceReport {
    /// Nothing lost, doubled or reordered among what has come.
    pub fn is_clean(&self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.reordered == 0
    }
}

/// Sees every message of a client.
#[derive(Debug, Default)]
pub(crate) struct Sequences {
    received: u64,
    duplicated: u64,
    reordered: u64,
    last: BTreeMap<i64, u64>,
    missing: BTreeSet<(i64, u64)>,
}

impl Sequences {
    /// Takes note of a message; whether it was a numbered one.
    pub(crate) fn see(&mut self, text: &str) -> bool {
        if !text.contains("\"simSeq\"") {
            return false;
        }
        let Ok(message) = serde_json::from_str::<NumberedMessage<'_>>(text) else {
            return false;
        };
        let Ok(guild) = message.guild_id.parse() else {
            return false;
        };
        self.note(guild, message.sim_seq);
        true
    }

    fn note(&mut self, guild: i64, number: u64) {
        self.received += 1;
        let last = self.last.entry(guild).or_default();
        if number > *last {
            self.missing.extend((*last + 1..number).map(|skipped| (guild, skipped)));
            *last = number;
        } else if self.missing.remove(&(guild, number)) {
            self.reordered += 1;
        } else {
            self.duplicated += 1;
        }
    }

    pub(crate) fn report(&self) -> SequenceReport {
        SequenceReport {
            received: self.received,
            lost: self.missing.len() as u64,
            duplicated: self.duplicated,
            reordered: self.reordered,
            last: self.last.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(missing_docs)]

    use super::*;

    #[test]
    fn each_kind_of_disorder_is_told_from_the_others() {
        /// Numbers as they come; lost, duplicated, reordered.
        type Case = (&'static [u64], (u64, u64, u64));
        let cases: [Case; 6] = [
            (&[1, 2, 3], (0, 0, 0)),
            (&[1, 3], (1, 0, 0)),
            (&[2, 3], (1, 0, 0)),
            (&[1, 2, 2, 3], (0, 1, 0)),
            (&[1, 3, 2], (0, 0, 1)),
            (&[1, 4, 2, 2], (1, 1, 1)),
        ];
        for (numbers, expected) in cases {
            let mut sequences = Sequences::default();
            for number in numbers {
                assert!(sequences.see(&format!(r#"{{"op":"event","guildId":"5","simSeq":{number}}}"#)));
            }
            let report = sequences.report();
            assert_eq!(
                (report.lost, report.duplicated, report.reordered),
                expected,
                "{numbers:?}"
            );
        }
    }

    #[test]
    fn guilds_are_counted_apart_and_other_messages_do_not_count() {
        let mut sequences = Sequences::default();
        assert!(!sequences.see(r#"{"op":"stats"}"#));
        for guild in [1, 2] {
            assert!(sequences.see(&format!(r#"{{"guildId":"{guild}","simSeq":1}}"#)));
        }
        assert!(sequences.report().is_clean());
        assert_eq!(sequences.report().received, 2);
    }
}
