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
