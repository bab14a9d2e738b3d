//! Telling which generation of Lavalink a node is, from what probing it showed.
//!
//! The probing itself (connections, passwords, timeouts) is the gateway's.

use crate::info::Version;

/// A generation of Lavalink servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Generation {
    /// 3.0 to 3.6: ops over the socket at `/`, unversioned REST, no session ids.
    Legacy,
    /// 3.7: the same, and the `/v3` API with sessions.
    V3_7,
    /// 4: the `/v4` API.
    V4 {
        /// The minor version; none for a snapshot build or a look-alike with numbers of its own.
        minor: Option<u16>,
    },
}

impl Generation {
    /// Whether a player update's `voice` must carry `channelId` (4.2 and later). Unknown counts as yes: older nodes
    /// ignore the field.
    pub fn needs_channel_id(self) -> bool {
        match self {
            Self::Legacy | Self::V3_7 => false,
            Self::V4 { minor } => minor.is_none_or(|minor| minor >= 2),
        }
    }

    /// Whether it is a v4 node.
    pub fn is_v4(self) -> bool {
        matches!(self, Self::V4 { .. })
    }
}

/// What probing a node showed; leave out what was not asked or not answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Probe<'a> {
    /// `Lavalink-Api-Version` of any of its answers, also of a refusal.
    pub api_version: Option<&'a str>,
    /// Status of `GET /v4/info`.
    pub v4_info: Option<u16>,
    /// Status of `GET /v3/info`.
    pub v3_info: Option<u16>,
    /// The text of `/version`, or `version.semver` of an `info`.
    pub version: Option<&'a str>,
}

impl Probe<'_> {
    /// The generation, or `None` when what was shown does not tell.
    ///
    /// An `info` route that answers decides, then the header, then the version text: `info.version.major` and the
    /// version text of snapshot builds are useless, and look-alikes choose their version text freely.
    pub fn generation(&self) -> Option<Generation> {
        let version = self.version.and_then(Version::parse);
        if self.v4_info == Some(200) {
            return Some(v4(version));
        }
        if self.v3_info == Some(200) {
            return Some(Generation::V3_7);
        }
        match (self.api_version.map(str::trim), version) {
            (Some("4"), _) => Some(v4(version)),
            (Some("3"), version) => self.v3(version),
            (Some(_), _) => None,
            (None, Some(Version { major: 4, .. })) => Some(v4(version)),
            (None, Some(Version { major: 3, .. })) => self.v3(version),
            (None, _) => None,
        }
    }

    /// A v3 node: 3.7 has `/v3/info`, which a legacy node answers with 404.
    fn v3(&self, version: Option<Version>) -> Option<Generation> {
        match (version, self.v3_info) {
            (Some(Version { major: 3, minor, .. }), _) if minor >= 7 => Some(Generation::V3_7),
            (Some(Version { major: 3, .. }), _) | (_, Some(404)) => Some(Generation::Legacy),
            _ => None,
        }
    }
}

fn v4(version: Option<Version>) -> Generation {
    Generation::V4 {
        minor: version
            .filter(|version| version.major == 4)
            .map(|version| version.minor),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn v4(minor: u16) -> Option<Generation> {
        Some(Generation::V4 { minor: Some(minor) })
    }

    #[test]
    fn probes_tell_generations_apart() {
        let (header, v4_info, v3_info, version) = (Some("4"), Some(200), Some(404), Some("4.2.2"));
        let rows = [
            (header, v4_info, v3_info, version, v4(2)),
            (header, v4_info, v3_info, Some("4.1.1"), v4(1)),
            (
                header,
                v4_info,
                None,
                Some("a1b2c3d"),
                Some(Generation::V4 { minor: None }),
            ),
            (header, None, None, None, Some(Generation::V4 { minor: None })),
            // A look-alike with a version of its own.
            (
                header,
                v4_info,
                None,
                Some("3.5.0"),
                Some(Generation::V4 { minor: None }),
            ),
            (None, v4_info, None, None, Some(Generation::V4 { minor: None })),
            (Some("3"), Some(404), Some(200), Some("3.7.13"), Some(Generation::V3_7)),
            (Some("3"), None, Some(200), Some("snapshot"), Some(Generation::V3_7)),
            (Some("3"), None, None, Some("3.7.2"), Some(Generation::V3_7)),
            (Some("3"), Some(404), Some(404), Some("3.6.2"), Some(Generation::Legacy)),
            (Some("3"), Some(404), Some(404), None, Some(Generation::Legacy)),
            (Some("3"), None, None, None, None),
            (None, Some(404), Some(404), Some("3.1.1"), Some(Generation::Legacy)),
            (None, None, None, Some("4.2.0"), v4(2)),
            (Some("5"), None, None, Some("5.0.0"), None),
            (None, Some(401), Some(401), None, None),
            (None, None, None, None, None),
        ];
        for (api_version, v4_info, v3_info, version, expected) in rows {
            let probe = Probe {
                api_version,
                v4_info,
                v3_info,
                version,
            };
            assert_eq!(probe.generation(), expected, "{probe:?}");
        }
    }

    #[test]
    fn channel_ids_are_needed_from_4_2_on_and_where_the_version_is_unknown() {
        let rows = [
            (Generation::Legacy, false),
            (Generation::V3_7, false),
            (Generation::V4 { minor: Some(1) }, false),
            (Generation::V4 { minor: Some(2) }, true),
            (Generation::V4 { minor: Some(10) }, true),
            (Generation::V4 { minor: None }, true),
        ];
        for (generation, needed) in rows {
            assert_eq!(generation.needs_channel_id(), needed, "{generation:?}");
        }
    }
}
