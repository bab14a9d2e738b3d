//! Differences that stay, each with its reason. One that is no difference any more is reported, so that the list stays
//! true.

use super::compare::Difference;

/// Steps and paths that may differ; `*` stands for any text.
#[derive(Debug)]
pub(crate) struct Known {
    step: &'static str,
    path: &'static str,
    how_often: HowOften,
    #[expect(dead_code, reason = "shown with the list and read by people")]
    why: &'static str,
}

/// Whether a known difference shows in every run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HowOften {
    Always,
    /// It depends on what the real node's threads do first.
    Sometimes,
}
use HowOften::{Always, Sometimes};

const UNKNOWN_SOURCE: &str = "the simulated node keeps tracks of every source, so that tests need no real ones";
const EARLY_END: &str = "after a seek a real node has sometimes come to the end before it answers";
const REFUSED_TOKEN: &str =
    "a connection whose token is refused is open for a moment, which an answer or an update may or may not catch";
const LOST_CLOSE: &str = "a real node does not always report the voice connection that it closes with a player";
const LATE_SEEK: &str =
    "a real node carries a seek out later and shows the old position, or 0, until a frame of the new one is sent";

const fn known(step: &'static str, path: &'static str, how_often: HowOften, why: &'static str) -> Known {
    Known {
        step,
        path,
        how_often,
        why,
    }
}

const KNOWN: &[Known] = &[
    known(
        "requests: HEAD /v4/info*",
        "headers.transfer-encoding",
        Always,
        "the HTTP library names no framing in the answer to a HEAD",
    ),
    known(
        "tracks: decode a track of an unknown source*",
        "*",
        Always,
        UNKNOWN_SOURCE,
    ),
    known(
        "player updates: * guild 1.5",
        "headers.content-disposition",
        Always,
        "the web framework takes `.5` for the ending of a file name and guards against a download",
    ),
    known(
        "filters: 41 *",
        "body.filters.pluginFilters",
        Always,
        "the simulated node has every plugin filter, a real one those of its plugins",
    ),
    known(
        "failures: messages",
        "guilds.4201.events.1.exception.cause*",
        Always,
        "the cause is the real node's failure to connect; the simulated one connects to nothing",
    ),
    known(
        "sockets: after a close without a code",
        "",
        Always,
        "the WebSocket library answers a close without a code by one without a code, the real node with 1000",
    ),
    known("player updates: *", "*.position", Sometimes, LATE_SEEK),
    known("life: s*", "*.position", Sometimes, LATE_SEEK),
    known("life: resume", "*.position", Sometimes, LATE_SEEK),
    known("ends: play to a marker", "*.position", Sometimes, LATE_SEEK),
    known("life: play in mid-track", "*.position", Sometimes, LATE_SEEK),
    known("* destroy*, messages", "0", Sometimes, LOST_CLOSE),
    known("* destroy*, messages", "1", Sometimes, LOST_CLOSE),
    known(
        "voices: a token that is refused",
        "body.state.connected",
        Sometimes,
        REFUSED_TOKEN,
    ),
    known("ends: seek to the end", "body.*", Sometimes, EARLY_END),
    known("ends: messages", "*.updates.last.state.position", Sometimes, EARLY_END),
    known(
        "voices: messages",
        "guilds.4301.updates.connected.*",
        Sometimes,
        REFUSED_TOKEN,
    ),
];

/// Splits off what is known. Returns the unknown differences, and the known ones that did not occur.
pub(crate) fn sort(found: Vec<Difference>) -> (Vec<Difference>, Vec<&'static Known>) {
    let unused = KNOWN
        .iter()
        .filter(|known| known.how_often == Always)
        .filter(|known| !found.iter().any(|difference| known.covers(difference)))
        .collect();
    let unknown = found
        .into_iter()
        .filter(|difference| !KNOWN.iter().any(|known| known.covers(difference)))
        .collect();
    (unknown, unused)
}

impl Known {
    fn covers(&self, difference: &Difference) -> bool {
        matches(self.step, &difference.step) && matches(self.path, &difference.path)
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, end)) = pattern.split_once('*') else {
        return pattern == text;
    };
    text.strip_prefix(start).is_some_and(|rest| {
        rest.char_indices()
            .map(|(index, _)| index)
            .chain([rest.len()])
            .any(|index| matches(end, &rest[index..]))
    })
}
