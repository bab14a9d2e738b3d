//! The objects of the protocol that a shadow reads, as far as it looks at them: Player, Track, and the events of tracks.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroU32;

use lavalink_protocol::message::{PlayerState, track_identifier};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A Player object.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PlayerObject<'a> {
    #[serde(borrow, default)]
    pub(super) track: Option<&'a RawValue>,
    #[serde(default = "full_volume")]
    pub(super) volume: i64,
    #[serde(default)]
    pub(super) paused: bool,
    pub(super) state: PlayerState,
    #[serde(borrow, default)]
    pub(super) voice: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) filters: Option<&'a RawValue>,
}

const fn full_volume() -> i64 {
    100
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Voice {
    pub(super) token: String,
    pub(super) endpoint: String,
    pub(super) session_id: String,
    pub(super) channel_id: Option<String>,
}

impl Voice {
    pub(super) fn lacks_channel(&self) -> bool {
        self.channel_id.as_deref().is_none_or(|id| id.trim().is_empty())
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Filters {
    pub(super) timescale: Option<Timescale>,
}

#[derive(Deserialize)]
pub(super) struct Timescale {
    #[serde(default = "one")]
    pub(super) speed: f64,
    #[serde(default = "one")]
    pub(super) rate: f64,
}

const fn one() -> f64 {
    1.0
}

/// A Track object, as far as it is looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TrackObject<'a> {
    pub(super) encoded: String,
    pub(super) info: TrackInfo,
    #[serde(borrow, default)]
    pub(super) user_data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TrackInfo {
    pub(super) identifier: String,
    #[serde(default)]
    pub(super) is_seekable: bool,
    #[serde(default)]
    pub(super) is_stream: bool,
    #[serde(default)]
    pub(super) length: i64,
    #[serde(default)]
    pub(super) position: i64,
    #[serde(default)]
    pub(super) source_name: String,
}

/// An event about a track.
#[derive(Deserialize)]
pub(super) struct TrackEvent<'a> {
    #[serde(borrow)]
    pub(super) track: &'a RawValue,
    #[serde(default)]
    pub(super) reason: Option<String>,
}

/// A track's identifier as a few bits: enough to tell the tracks of one player apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrackMark(NonZeroU32);

impl TrackMark {
    pub(super) fn of(track: &TrackObject<'_>) -> Self {
        Self::of_identifier(&track.info.identifier)
    }

    fn of_identifier(identifier: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        identifier.hash(&mut hasher);
        Self(NonZeroU32::MIN | (hasher.finish() as u32))
    }

    /// Of the track of an event or of a Player object, and how many of its first bytes tell so.
    pub(super) fn read(json: &[u8]) -> Option<(Self, u32)> {
        let (identifier, told_by) = track_identifier(json)?;
        Some((Self::of_identifier(&identifier), u32::try_from(told_by).ok()?))
    }

    /// Of the track of an event or of a Player object.
    pub fn of_json(json: &[u8]) -> Option<Self> {
        Self::read(json).map(|(mark, _)| mark)
    }
}

pub(super) fn read<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Option<T> {
    serde_json::from_slice(json).ok()
}

/// The track of a Player object.
pub(super) fn shown_track(player: &[u8]) -> Option<TrackObject<'_>> {
    read(read::<PlayerObject<'_>>(player)?.track?.get().as_bytes())
}

pub(super) fn event_track(event: &[u8]) -> Option<TrackObject<'_>> {
    read(read::<TrackEvent<'_>>(event)?.track.get().as_bytes())
}

pub(super) fn speed(player: &PlayerObject<'_>) -> f64 {
    let filters = player
        .filters
        .and_then(|filters| read::<Filters>(filters.get().as_bytes()));
    let timescale = filters.and_then(|filters| filters.timescale);
    timescale.map_or(1.0, |timescale| (timescale.speed * timescale.rate).max(0.0))
}
