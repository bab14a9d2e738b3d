//! Which answer a request gets. Only the routes that the benchmark or a proxy in front of a node uses.

use base64::Engine;
use lavalink_protocol::http::RequestHead;
use sha1::{Digest, Sha1};

use crate::PASSWORD;
use crate::node::SMALL_ANSWERS;
use crate::node::sessions;

/// A request, understood.
pub(crate) enum Route<'b> {
    /// A handshake with this `Sec-WebSocket-Key`.
    WebSocket { key: &'b [u8] },
    /// `PATCH .../players/{guild}`
    UpdatePlayer { session: u64, guild: &'b str },
    /// `GET .../players/{guild}`
    GetPlayer { session: u64, guild: &'b str },
    /// `DELETE .../players/{guild}`
    DeletePlayer { session: u64, guild: &'b str },
    /// `GET .../players`
    GetPlayers { session: u64 },
    /// `PATCH /v4/sessions/{session}`
    UpdateSession { session: u64 },
    /// What is answered with the same bytes each time.
    Fixed(Fixed),
}

/// Requests with one answer each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fixed {
    /// 401: no password, or a handshake with a wrong one.
    Unauthorized,
    /// 403: a request with a wrong password.
    Forbidden,
    /// 404 with an error object.
    NotFound,
    /// `GET /version`
    Version,
    /// `GET /v4/info`
    Info,
    /// `GET /v4/stats`
    Stats,
    /// `GET /v4/loadtracks` for one of the small searches.
    Small(usize),
    /// `GET /v4/loadtracks` for the large one.
    Large,
}

/// Finds the route of a request.
pub(crate) fn route<'b>(head: &RequestHead<'b>) -> Route<'b> {
    let (path, query) = head.path_and_query();
    let handshake = path == "/v4/websocket";
    match head.known.authorization {
        Some(password) if password == PASSWORD.as_bytes() => {}
        Some(_) if !handshake => return Route::Fixed(Fixed::Forbidden),
        _ => return Route::Fixed(Fixed::Unauthorized),
    }
    let fixed = match (head.method, path) {
        ("GET", "/v4/websocket") if head.upgrade_websocket && head.connection_upgrade => {
            return head
                .known
                .websocket_key
                .map_or(Route::Fixed(Fixed::NotFound), |key| Route::WebSocket { key });
        }
        ("GET", "/v4/loadtracks") => search(query.unwrap_or_default()),
        ("GET", "/version") => Fixed::Version,
        ("GET", "/v4/info") => Fixed::Info,
        ("GET", "/v4/stats") => Fixed::Stats,
        (method, path) => match path.strip_prefix("/v4/sessions/") {
            Some(rest) => return session_route(method, rest),
            None => Fixed::NotFound,
        },
    };
    Route::Fixed(fixed)
}

/// The small searches end in a dash and their number; all else is the large one.
fn search(query: &str) -> Fixed {
    match query
        .rsplit_once('-')
        .and_then(|(_, number)| number.parse::<usize>().ok())
    {
        Some(number) => Fixed::Small(number % SMALL_ANSWERS),
        None => Fixed::Large,
    }
}

fn session_route<'b>(method: &str, rest: &'b str) -> Route<'b> {
    let mut parts = rest.split('/');
    let (name, players, guild, more) = (parts.next(), parts.next(), parts.next(), parts.next());
    let Some(session) = name.and_then(sessions::number) else {
        return Route::Fixed(Fixed::NotFound);
    };
    match (method, players, guild, more) {
        ("PATCH", None, ..) => Route::UpdateSession { session },
        ("GET", Some("players"), None, _) => Route::GetPlayers { session },
        ("GET", Some("players"), Some(guild), None) => Route::GetPlayer { session, guild },
        ("PATCH", Some("players"), Some(guild), None) => Route::UpdatePlayer { session, guild },
        ("DELETE", Some("players"), Some(guild), None) => Route::DeletePlayer { session, guild },
        _ => Route::Fixed(Fixed::NotFound),
    }
}

/// The answer to a handshake with this key.
pub(crate) fn switching(key: &[u8]) -> Vec<u8> {
    // RFC 6455, 4.2.2: the key and this fixed text, hashed.
    let digest = Sha1::new()
        .chain_update(key)
        .chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
        .finalize();
    let accept = base64::engine::general_purpose::STANDARD.encode(digest);
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\
         Session-Resumed: false\r\nLavalink-Api-Version: 4\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use lavalink_protocol::http::header_slots;

    fn describe(request_line: &str, password: Option<&str>) -> String {
        let authorization = password
            .map(|it| format!("Authorization: {it}\r\n"))
            .unwrap_or_default();
        let bytes = format!("{request_line} HTTP/1.1\r\nHost: node\r\n{authorization}\r\n");
        let mut slots = header_slots();
        let head = RequestHead::read(bytes.as_bytes(), &mut slots).unwrap().unwrap();
        match route(&head) {
            Route::WebSocket { .. } => "websocket".into(),
            Route::UpdatePlayer { session, guild } => format!("update {session} {guild}"),
            Route::GetPlayer { session, guild } => format!("get {session} {guild}"),
            Route::DeletePlayer { session, guild } => format!("delete {session} {guild}"),
            Route::GetPlayers { session } => format!("players {session}"),
            Route::UpdateSession { session } => format!("session {session}"),
            Route::Fixed(fixed) => format!("{fixed:?}"),
        }
    }

    #[test]
    fn each_request_finds_its_answer() {
        let cases = [
            ("GET /version", "Version"),
            ("GET /v4/info", "Info"),
            ("GET /v4/stats?x=1", "Stats"),
            ("GET /v4/loadtracks?identifier=ytsearch%3Asong-31", "Small(31)"),
            ("GET /v4/loadtracks?identifier=ytsearch%3Aeverything", "Large"),
            ("PATCH /v4/sessions/bench00000000012", "session 12"),
            ("GET /v4/sessions/bench00000000012/players", "players 12"),
            ("GET /v4/sessions/bench00000000012/players/55", "get 12 55"),
            (
                "PATCH /v4/sessions/bench00000000012/players/55?noReplace=false",
                "update 12 55",
            ),
            ("DELETE /v4/sessions/bench00000000012/players/55", "delete 12 55"),
            ("GET /v4/sessions/unknown/players", "NotFound"),
            ("GET /v4/websocket", "NotFound"),
            ("POST /nowhere", "NotFound"),
        ];
        for (request, expected) in cases {
            assert_eq!(describe(request, Some(PASSWORD)), expected, "{request}");
        }
    }

    #[test]
    fn the_password_is_checked_as_lavalink_does() {
        assert_eq!(describe("GET /v4/info", None), "Unauthorized");
        assert_eq!(describe("GET /v4/info", Some("wrong")), "Forbidden");
        assert_eq!(describe("GET /v4/websocket", Some("wrong")), "Unauthorized");
    }

    #[test]
    fn the_accept_key_is_that_of_rfc_6455() {
        let answer = String::from_utf8(switching(b"dGhlIHNhbXBsZSBub25jZQ==")).unwrap();
        assert!(answer.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    }
}
