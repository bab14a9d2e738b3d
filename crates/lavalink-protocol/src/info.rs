//! The answer to `/v4/info` and `/v3/info`, and how many nodes' answers become one.
//!
//! It is kept as the object it came as, so that fields of newer nodes and look-alikes survive; only what is merged or
//! asked for is looked into.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::message::{BodyError, append, parse};

/// What a node says about itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Info(Map<String, Value>);

/// Which source managers, filters and plugins the merged answer names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Merge {
    /// What every node has: a client may rely on it wherever its request goes.
    #[default]
    Common,
    /// What any node has.
    Union,
}

/// The fields that describe one build; in a merged answer they all come from the node with the lowest version.
const BUILD_FIELDS: [&str; 5] = ["version", "buildTime", "git", "jvm", "lavaplayer"];

impl Info {
    /// Reads a node's answer.
    ///
    /// # Errors
    /// When it is not a JSON object.
    pub fn read(body: &[u8]) -> Result<Self, BodyError> {
        parse(body)
    }

    /// Appends the object as JSON.
    pub fn write(&self, out: &mut Vec<u8>) {
        append(out, self);
    }

    /// `version.semver`: a plain version, or the name of a snapshot build.
    pub fn semver(&self) -> Option<&str> {
        self.0.get("version")?.get("semver")?.as_str()
    }

    /// Major, minor and patch, unless the build has no plain version. The numbers beside `semver` are not used: they
    /// are 0 on a snapshot.
    pub fn version(&self) -> Option<Version> {
        self.semver().and_then(Version::parse)
    }

    /// Names of the enabled source managers, such as `youtube`.
    pub fn source_managers(&self) -> impl Iterator<Item = &str> {
        self.list("sourceManagers").iter().filter_map(Value::as_str)
    }

    /// Names of the enabled filters.
    pub fn filters(&self) -> impl Iterator<Item = &str> {
        self.list("filters").iter().filter_map(Value::as_str)
    }

    /// Names of the plugins.
    pub fn plugins(&self) -> impl Iterator<Item = &str> {
        self.list("plugins")
            .iter()
            .filter_map(|plugin| plugin.get("name")?.as_str())
    }

    /// Any field, also one that Lavalink itself does not have (such as `isNodeLink`).
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.0.get(field)
    }

    fn list(&self, field: &str) -> &[Value] {
        self.0.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
}

/// Shows many nodes as one. The order is the first node's (then, for a union, that in which more turn up), so equal
/// nodes in equal order give equal answers; one node gives its own. The build fields are those of the lowest version.
pub fn merge(nodes: &[Info], merge: Merge) -> Info {
    let Some(first) = nodes.first() else {
        return Info::default();
    };
    let mut merged = first.clone();
    if nodes.len() == 1 {
        return merged;
    }
    for field in ["sourceManagers", "filters", "plugins"] {
        merged
            .0
            .insert(field.to_owned(), Value::Array(merged_list(nodes, field, merge)));
    }
    let lowest = nodes
        .iter()
        .filter(|node| node.version().is_some())
        .min_by_key(|node| node.version());
    for field in BUILD_FIELDS {
        if let Some(value) = lowest.and_then(|node| node.get(field)) {
            merged.0.insert(field.to_owned(), value.clone());
        }
    }
    merged
}

fn merged_list(nodes: &[Info], field: &str, merge: Merge) -> Vec<Value> {
    let mut entries: Vec<Value> = Vec::new();
    let candidates = match merge {
        Merge::Common => &nodes[..1],
        Merge::Union => nodes,
    };
    for entry in candidates.iter().flat_map(|node| node.list(field)) {
        let everywhere = || nodes.iter().all(|node| has_entry(node.list(field), entry));
        if !has_entry(&entries, entry) && (merge == Merge::Union || everywhere()) {
            entries.push(entry.clone());
        }
    }
    entries
}

/// Whether a list names the same thing: equal text, or a plugin of the same name whatever its version.
fn has_entry(list: &[Value], entry: &Value) -> bool {
    list.iter().any(|other| match (other.get("name"), entry.get("name")) {
        (Some(other), Some(name)) => other == name,
        _ => other == entry,
    })
}

/// A plain version number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Decides the protocol.
    pub major: u16,
    /// Decides small differences within it.
    pub minor: u16,
    /// Decides nothing.
    pub patch: u16,
}

impl Version {
    /// Reads `4.2.2`, also with a fourth part (`3.2.1.1`), a pre-release or build suffix, or without a patch; `None`
    /// for the name of a snapshot build.
    pub fn parse(text: &str) -> Option<Self> {
        let core = text.trim().split(['-', '+']).next()?;
        let mut parts = core.split('.').map(|part| part.parse::<u16>().ok());
        let major = parts.next()??;
        let minor = parts.next()??;
        let patch = parts.next().unwrap_or(Some(0))?;
        Some(Self { major, minor, patch })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn info(semver: &str, sources: &[&str], filters: &[&str], plugins: &[(&str, &str)]) -> Info {
        let plugins: Vec<_> = plugins
            .iter()
            .map(|(name, version)| json!({"name": name, "version": version}))
            .collect();
        let body = json!({
            "version": {"semver": semver, "major": 0, "minor": 0, "patch": 0, "preRelease": ""},
            "buildTime": semver.len(),
            "git": {"branch": semver, "commit": "c", "commitTime": 1},
            "jvm": "17", "lavaplayer": "2",
            "sourceManagers": sources, "filters": filters, "plugins": plugins,
            "isNodeLink": true,
        });
        Info::read(body.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn one_node_merges_to_itself_with_unknown_fields_kept() {
        let only = info("snapshot", &["youtube", "youtube"], &["volume"], &[("x", "1")]);
        for kind in [Merge::Common, Merge::Union] {
            assert_eq!(merge(std::slice::from_ref(&only), kind), only);
        }
        assert_eq!(only.get("isNodeLink"), Some(&json!(true)));
        let mut out = Vec::new();
        only.write(&mut out);
        assert_eq!(Info::read(&out).unwrap(), only);
    }

    #[test]
    fn what_all_have_or_what_any_has_in_a_stable_order_at_the_lowest_version() {
        let nodes = [
            info(
                "snapshot-1",
                &["c", "a", "b"],
                &["volume", "karaoke"],
                &[("lyrics", "2"), ("src", "1")],
            ),
            info("4.2.2", &["b", "d", "c"], &["karaoke"], &[("src", "2")]),
            info(
                "4.1.1",
                &["b", "c"],
                &["karaoke", "echo"],
                &[("src", "1"), ("sponsor", "1")],
            ),
        ];
        let names = |info: &Info| {
            let sources: Vec<_> = info.source_managers().map(str::to_owned).collect();
            let filters: Vec<_> = info.filters().map(str::to_owned).collect();
            let plugins: Vec<_> = info.plugins().map(str::to_owned).collect();
            [sources.join(" "), filters.join(" "), plugins.join(" ")]
        };
        let common = merge(&nodes, Merge::Common);
        assert_eq!(names(&common), ["c b", "karaoke", "src"]);
        assert_eq!(common.semver(), Some("4.1.1"));
        assert_eq!(common.get("git").unwrap()["branch"], "4.1.1");
        let union = merge(&nodes, Merge::Union);
        assert_eq!(names(&union), ["c a b d", "volume karaoke echo", "lyrics src sponsor"]);
    }

    #[test]
    fn no_nodes_and_look_alikes_without_lists_are_no_trouble() {
        assert_eq!(merge(&[], Merge::Common), Info::default());
        let odd = Info::read(br#"{"version":"4.0.0","plugins":null,"filters":["a",1]}"#).unwrap();
        let merged = merge(&[odd.clone(), odd], Merge::Common);
        assert_eq!(merged.version(), None);
        assert_eq!(merged.filters().collect::<Vec<_>>(), ["a"]);
        assert!(Info::read(b"[]").is_err());
    }

    #[test]
    fn versions_are_read_from_their_text() {
        let rows = [
            ("4.2.2", Some((4, 2, 2))),
            ("4.0.0-beta.1", Some((4, 0, 0))),
            ("4.1.0+build", Some((4, 1, 0))),
            ("3.2.1.1", Some((3, 2, 1))),
            ("3.7", Some((3, 7, 0))),
            (" 3.7.13\n", Some((3, 7, 13))),
            ("4", None),
            ("f8ea4f2", None),
            ("dev-SNAPSHOT", None),
            ("", None),
            ("99999.1.1", None),
        ];
        for (text, expected) in rows {
            let read = Version::parse(text).map(|version| (version.major, version.minor, version.patch));
            assert_eq!(read, expected, "{text:?}");
        }
    }
}
