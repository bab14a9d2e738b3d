//! Every REST path of both protocol versions, read from a normalised path without allocating.
//!
//! Which version a request speaks is not decided here (see [`crate::detect`]), only what the path names.

use memchr::memchr;

/// A request method, as far as the proxy tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
    /// `OPTIONS`
    Options,
    /// Anything else; no Lavalink route knows it.
    Other,
}

impl Method {
    /// Reads the method of a request line. Methods are case-sensitive.
    pub fn from_bytes(name: &[u8]) -> Self {
        match name {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"PATCH" => Self::Patch,
            b"DELETE" => Self::Delete,
            b"OPTIONS" => Self::Options,
            _ => Self::Other,
        }
    }

    /// Whether repeating the request on another node can change nothing.
    pub fn is_safe(self) -> bool {
        matches!(self, Self::Get | Self::Head)
    }
}

/// What a path names. Segments stand as they did in the path: nothing is decoded or checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// `/v4/websocket` or `/v3/websocket`
    WebSocket,
    /// `/`, or a bare `/v4` or `/v3`
    Root,
    /// `loadtracks`
    LoadTracks,
    /// `decodetrack`
    DecodeTrack,
    /// `decodetracks`
    DecodeTracks,
    /// `/v4/info`, `/v3/info`
    Info,
    /// `/v4/stats`, `/v3/stats`
    Stats,
    /// `/version`, also below a base path; belongs to both protocols
    Version,
    /// `/plugins`; only v3 before the session API has it
    Plugins,
    /// `routeplanner/status`
    RoutePlannerStatus,
    /// `routeplanner/free/address`
    RoutePlannerFreeAddress,
    /// `routeplanner/free/all`
    RoutePlannerFreeAll,
    /// `sessions/{session}`
    Session {
        /// the session segment
        session: &'a str,
    },
    /// `sessions/{session}/players`
    Players {
        /// the session segment
        session: &'a str,
    },
    /// `sessions/{session}/players/{guild}`
    Player {
        /// the session segment
        session: &'a str,
        /// the guild segment, which may not be a number
        guild: &'a str,
    },
    /// A plugin's route below a player
    UnderPlayer {
        /// the session segment
        session: &'a str,
        /// the guild segment, which may not be a number
        guild: &'a str,
        /// what follows the guild, without the leading `/`
        rest: &'a str,
    },
    /// A plugin's route below a session
    UnderSession {
        /// the session segment
        session: &'a str,
        /// what follows the session, without the leading `/`
        rest: &'a str,
    },
    /// `/metrics`: never a node's
    Metrics,
    /// Plugin routes that change a whole node or show its secrets: `/youtube`, `/youtube/...`, `/v4/lavasrc/config`
    NodeAdmin,
    /// Anything else: perhaps a plugin's
    Plugin,
}

impl<'a> Route<'a> {
    /// What `path` names. `path` carries no query, no repeated and no trailing slash.
    pub fn parse(path: &'a str) -> Self {
        Shape::parse(path).route(path)
    }

    /// Whether the route answers `method`. A plugin's own routes may answer any.
    pub fn allows(&self, method: Method) -> bool {
        match self {
            Self::Plugin | Self::NodeAdmin | Self::UnderPlayer { .. } | Self::UnderSession { .. } | Self::Metrics => {
                true
            }
            Self::WebSocket | Self::Root => method == Method::Get,
            Self::DecodeTracks | Self::RoutePlannerFreeAddress | Self::RoutePlannerFreeAll => method == Method::Post,
            Self::Session { .. } => method == Method::Patch,
            Self::Player { .. } => {
                matches!(method, Method::Get | Method::Head | Method::Patch | Method::Delete)
            }
            Self::LoadTracks
            | Self::DecodeTrack
            | Self::Info
            | Self::Stats
            | Self::Version
            | Self::Plugins
            | Self::RoutePlannerStatus
            | Self::Players { .. } => matches!(method, Method::Get | Method::Head),
        }
    }

    /// The `Allow` header of a 405 for this route, as Lavalink writes it; empty where any method may pass.
    pub fn allow_header(&self) -> &'static str {
        match self {
            Self::Plugin | Self::NodeAdmin | Self::UnderPlayer { .. } | Self::UnderSession { .. } | Self::Metrics => "",
            Self::DecodeTracks | Self::RoutePlannerFreeAddress | Self::RoutePlannerFreeAll => "POST",
            Self::Session { .. } => "PATCH",
            Self::Player { .. } => "GET, PATCH, DELETE",
            Self::WebSocket
            | Self::Root
            | Self::LoadTracks
            | Self::DecodeTrack
            | Self::Info
            | Self::Stats
            | Self::Version
            | Self::Plugins
            | Self::RoutePlannerStatus
            | Self::Players { .. } => "GET",
        }
    }

    /// Whether the route changes a whole node or shows its secrets, so that only a tenant allowed to administer nodes
    /// may use it, on one named node.
    pub fn administers_node(&self) -> bool {
        matches!(
            self,
            Self::NodeAdmin | Self::RoutePlannerFreeAddress | Self::RoutePlannerFreeAll
        )
    }

    /// The session segment, where the route has one.
    pub fn session(&self) -> Option<&'a str> {
        match *self {
            Self::Session { session }
            | Self::Players { session }
            | Self::Player { session, .. }
            | Self::UnderPlayer { session, .. }
            | Self::UnderSession { session, .. } => Some(session),
            _ => None,
        }
    }

    /// The guild segment, where the route has one.
    pub fn guild(&self) -> Option<&'a str> {
        match *self {
            Self::Player { guild, .. } | Self::UnderPlayer { guild, .. } => Some(guild),
            _ => None,
        }
    }
}

/// The version segment that a path opens with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prefix {
    None,
    V3,
    V4,
}

impl Prefix {
    /// The prefix with its slash.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::None => "",
            Self::V3 => "/v3",
            Self::V4 => "/v4",
        }
    }

    /// Length of the prefix with its slash.
    pub(crate) fn len(self) -> usize {
        self.text().len()
    }
}

/// Where a segment stands in a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Span {
    fn of(self, path: &str) -> &str {
        &path[self.start..self.end]
    }

    fn moved(self, by: isize) -> Self {
        Self {
            start: self.start.saturating_add_signed(by),
            end: self.end.saturating_add_signed(by),
        }
    }
}

/// Which fixed route a path names; the ones without parts of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fixed {
    WebSocket,
    Root,
    LoadTracks,
    DecodeTrack,
    DecodeTracks,
    Info,
    Stats,
    Version,
    Plugins,
    RoutePlannerStatus,
    RoutePlannerFreeAddress,
    RoutePlannerFreeAll,
    Metrics,
    NodeAdmin,
    Plugin,
}

/// A [`Route`] as offsets, so that it can be kept beside an owned path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) prefix: Prefix,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Fixed(Fixed),
    Session(Span),
    Players(Span),
    Player(Span, Span),
    UnderPlayer(Span, Span, Span),
    UnderSession(Span, Span),
}

impl Shape {
    pub(crate) fn parse(path: &str) -> Self {
        let prefix = leading_version(path);
        let rest = &path[prefix.len()..];
        let kind = match rest.strip_prefix("/sessions/") {
            Some(below) if prefix != Prefix::None => below_sessions(path.len(), below),
            _ => Kind::Fixed(fixed(prefix, rest)),
        };
        Self { prefix, kind }
    }

    /// The route over `path`, which must be the path that was parsed, under the prefix of this shape.
    pub(crate) fn route(self, path: &str) -> Route<'_> {
        match self.kind {
            Kind::Fixed(fixed) => fixed.route(),
            Kind::Session(session) => Route::Session {
                session: session.of(path),
            },
            Kind::Players(session) => Route::Players {
                session: session.of(path),
            },
            Kind::Player(session, guild) => Route::Player {
                session: session.of(path),
                guild: guild.of(path),
            },
            Kind::UnderPlayer(session, guild, rest) => Route::UnderPlayer {
                session: session.of(path),
                guild: guild.of(path),
                rest: rest.of(path),
            },
            Kind::UnderSession(session, rest) => Route::UnderSession {
                session: session.of(path),
                rest: rest.of(path),
            },
        }
    }

    pub(crate) fn session(self) -> Option<Span> {
        match self.kind {
            Kind::Fixed(_) => None,
            Kind::Session(session)
            | Kind::Players(session)
            | Kind::Player(session, _)
            | Kind::UnderPlayer(session, _, _)
            | Kind::UnderSession(session, _) => Some(session),
        }
    }

    /// The same route under another version prefix.
    pub(crate) fn under(self, prefix: Prefix) -> Self {
        let by = prefix.len() as isize - self.prefix.len() as isize;
        let kind = match self.kind {
            Kind::Fixed(fixed) => Kind::Fixed(fixed),
            Kind::Session(session) => Kind::Session(session.moved(by)),
            Kind::Players(session) => Kind::Players(session.moved(by)),
            Kind::Player(session, guild) => Kind::Player(session.moved(by), guild.moved(by)),
            Kind::UnderPlayer(session, guild, rest) => {
                Kind::UnderPlayer(session.moved(by), guild.moved(by), rest.moved(by))
            }
            Kind::UnderSession(session, rest) => Kind::UnderSession(session.moved(by), rest.moved(by)),
        };
        Self { prefix, kind }
    }
}

impl Fixed {
    fn route(self) -> Route<'static> {
        match self {
            Self::WebSocket => Route::WebSocket,
            Self::Root => Route::Root,
            Self::LoadTracks => Route::LoadTracks,
            Self::DecodeTrack => Route::DecodeTrack,
            Self::DecodeTracks => Route::DecodeTracks,
            Self::Info => Route::Info,
            Self::Stats => Route::Stats,
            Self::Version => Route::Version,
            Self::Plugins => Route::Plugins,
            Self::RoutePlannerStatus => Route::RoutePlannerStatus,
            Self::RoutePlannerFreeAddress => Route::RoutePlannerFreeAddress,
            Self::RoutePlannerFreeAll => Route::RoutePlannerFreeAll,
            Self::Metrics => Route::Metrics,
            Self::NodeAdmin => Route::NodeAdmin,
            Self::Plugin => Route::Plugin,
        }
    }
}

/// The version segment at the start of `path`.
pub(crate) fn leading_version(path: &str) -> Prefix {
    let bytes = path.as_bytes();
    if bytes.get(3).is_some_and(|byte| *byte != b'/') {
        return Prefix::None;
    }
    match bytes.get(..3) {
        Some(b"/v4") => Prefix::V4,
        Some(b"/v3") => Prefix::V3,
        _ => Prefix::None,
    }
}

/// Names what follows the version prefix (nothing, or text that starts with `/`).
fn fixed(prefix: Prefix, rest: &str) -> Fixed {
    let versioned = prefix != Prefix::None;
    match rest {
        "" | "/" => Fixed::Root,
        "/loadtracks" => Fixed::LoadTracks,
        "/decodetrack" => Fixed::DecodeTrack,
        "/decodetracks" => Fixed::DecodeTracks,
        "/routeplanner/status" => Fixed::RoutePlannerStatus,
        "/routeplanner/free/address" => Fixed::RoutePlannerFreeAddress,
        "/routeplanner/free/all" => Fixed::RoutePlannerFreeAll,
        "/websocket" if versioned => Fixed::WebSocket,
        "/info" if versioned => Fixed::Info,
        "/stats" if versioned => Fixed::Stats,
        "/lavasrc/config" if versioned => Fixed::NodeAdmin,
        "/version" => Fixed::Version,
        "/plugins" if !versioned => Fixed::Plugins,
        "/metrics" if !versioned => Fixed::Metrics,
        "/youtube" if !versioned => Fixed::NodeAdmin,
        _ if !versioned && rest.starts_with("/youtube/") => Fixed::NodeAdmin,
        _ => Fixed::Plugin,
    }
}

/// Splits what follows `sessions/`, the end of a path of `path_len` bytes.
fn below_sessions(path_len: usize, below: &str) -> Kind {
    let start = path_len - below.len();
    let Some(slash) = memchr(b'/', below.as_bytes()) else {
        return Kind::Session(Span { start, end: path_len });
    };
    let session = Span {
        start,
        end: start + slash,
    };
    let rest = &below[slash + 1..];
    let rest_start = session.end + 1;
    if rest == "players" {
        return Kind::Players(session);
    }
    let Some(guild_and_on) = rest.strip_prefix("players/") else {
        return Kind::UnderSession(
            session,
            Span {
                start: rest_start,
                end: path_len,
            },
        );
    };
    let guild_start = path_len - guild_and_on.len();
    match memchr(b'/', guild_and_on.as_bytes()) {
        None => Kind::Player(
            session,
            Span {
                start: guild_start,
                end: path_len,
            },
        ),
        Some(slash) => {
            let guild = Span {
                start: guild_start,
                end: guild_start + slash,
            };
            Kind::UnderPlayer(
                session,
                guild,
                Span {
                    start: guild.end + 1,
                    end: path_len,
                },
            )
        }
    }
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
