//! Which Lavalink a simulated node imitates, and what follows from that alone.

/// A generation of Lavalink servers. The order is that of their release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SimGeneration {
    /// 3.0 to 3.6: WebSocket at `/` with ops, unversioned REST, no `ready`.
    Legacy,
    /// 3.7: everything of [`SimGeneration::Legacy`], `/v3/websocket`, `/v3` REST and sessions.
    V3_7,
    /// 4.1: `/v4` only; a voice state needs no channel id.
    V4_1,
    /// 4.2: as 4.1, but a voice state without a channel id is refused.
    V4_2,
}

impl SimGeneration {
    /// Every generation, oldest first: for tests that go through all of them.
    pub const ALL: [Self; 4] = [Self::Legacy, Self::V3_7, Self::V4_1, Self::V4_2];

    /// What `GET /version` answers.
    pub fn version(self) -> &'static str {
        match self {
            Self::Legacy => "3.6.2",
            Self::V3_7 => "3.7.13",
            Self::V4_1 => "4.1.1",
            Self::V4_2 => "4.2.2",
        }
    }

    /// Value of the `Lavalink-Api-Version` header.
    pub fn api_version(self) -> &'static str {
        if self.is_v4() { "4" } else { "3" }
    }

    /// Whether it speaks Lavalink's protocol version 4.
    pub fn is_v4(self) -> bool {
        self >= Self::V4_1
    }

    /// Where its players and sessions live in REST, or `None` for a generation without that API.
    pub fn rest_prefix(self) -> Option<&'static str> {
        match self {
            Self::Legacy => None,
            Self::V3_7 => Some("/v3"),
            Self::V4_1 | Self::V4_2 => Some("/v4"),
        }
    }

    /// Layout version of the encoded tracks it writes; it cannot read a newer one.
    pub fn track_layout(self) -> u8 {
        if self.is_v4() { 3 } else { 2 }
    }
}

impl std::str::FromStr for SimGeneration {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "legacy" | "3.6" | "v3" => Ok(Self::Legacy),
            "3.7" | "v3.7" => Ok(Self::V3_7),
            "4.1" | "v4.1" => Ok(Self::V4_1),
            "4.2" | "v4.2" | "v4" => Ok(Self::V4_2),
            _ => anyhow::bail!("unknown generation `{text}`, expected one of legacy, 3.7, 4.1, 4.2"),
        }
    }
}
