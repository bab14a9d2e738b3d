//! Tables of paths and what they name.

use super::*;

#[test]
fn every_path_of_both_versions_is_known() {
    let fixed = [
        ("/", Route::Root),
        ("/v4", Route::Root),
        ("/v3", Route::Root),
        ("/v4/websocket", Route::WebSocket),
        ("/v3/websocket", Route::WebSocket),
        ("/websocket", Route::Plugin),
        ("/v4/loadtracks", Route::LoadTracks),
        ("/v3/loadtracks", Route::LoadTracks),
        ("/loadtracks", Route::LoadTracks),
        ("/decodetrack", Route::DecodeTrack),
        ("/v3/decodetracks", Route::DecodeTracks),
        ("/v4/info", Route::Info),
        ("/info", Route::Plugin),
        ("/v3/stats", Route::Stats),
        ("/stats", Route::Plugin),
        ("/version", Route::Version),
        ("/v4/version", Route::Version),
        ("/plugins", Route::Plugins),
        ("/v4/plugins", Route::Plugin),
        ("/routeplanner/status", Route::RoutePlannerStatus),
        ("/v4/routeplanner/free/address", Route::RoutePlannerFreeAddress),
        ("/v3/routeplanner/free/all", Route::RoutePlannerFreeAll),
        ("/v4/routeplanner", Route::Plugin),
        ("/metrics", Route::Metrics),
        ("/v4/metrics", Route::Plugin),
        ("/youtube", Route::NodeAdmin),
        ("/youtube/stream/x", Route::NodeAdmin),
        ("/youtubers", Route::Plugin),
        ("/v4/lavasrc/config", Route::NodeAdmin),
        ("/v4/loadsearch", Route::Plugin),
        ("/v4/sessions", Route::Plugin),
        ("/sessions/s/players/1", Route::Plugin),
        ("/v5/loadtracks", Route::Plugin),
        ("/V4/loadtracks", Route::Plugin),
        ("/v4x/loadtracks", Route::Plugin),
        ("/v4/LoadTracks", Route::Plugin),
    ];
    for (path, route) in fixed {
        assert_eq!(Route::parse(path), route, "{path}");
    }
}

#[test]
fn the_parts_of_a_session_path_stand_as_they_came() {
    let session = "s";
    let rows = [
        ("/v4/sessions/s", Route::Session { session }),
        ("/v3/sessions/s", Route::Session { session }),
        ("/v4/sessions/s/players", Route::Players { session }),
        ("/v4/sessions/s/players/12", Route::Player { session, guild: "12" }),
        ("/v4/sessions/s/players/%31x", Route::Player { session, guild: "%31x" }),
        (
            "/v4/sessions/s/players/1/track/lyrics",
            Route::UnderPlayer {
                session,
                guild: "1",
                rest: "track/lyrics",
            },
        ),
        ("/v4/sessions/s/queue", Route::UnderSession { session, rest: "queue" }),
        (
            "/v4/sessions/s/playersx/1",
            Route::UnderSession {
                session,
                rest: "playersx/1",
            },
        ),
    ];
    for (path, route) in rows {
        assert_eq!(Route::parse(path), route, "{path}");
        assert_eq!(route.session(), Some("s"));
    }
}

#[test]
fn the_allow_header_names_what_is_allowed() {
    let names = [
        (Method::Get, "GET"),
        (Method::Post, "POST"),
        (Method::Put, "PUT"),
        (Method::Patch, "PATCH"),
        (Method::Delete, "DELETE"),
    ];
    for path in [
        "/v4/websocket",
        "/v4/loadtracks",
        "/v4/decodetrack",
        "/v4/decodetracks",
        "/v4/info",
        "/v4/stats",
        "/version",
        "/plugins",
        "/v4/routeplanner/status",
        "/v4/routeplanner/free/all",
        "/v4/routeplanner/free/address",
        "/v4/sessions/s",
        "/v4/sessions/s/players",
        "/v4/sessions/s/players/1",
    ] {
        let route = Route::parse(path);
        let allowed: Vec<_> = names
            .iter()
            .filter(|(method, _)| route.allows(*method))
            .map(|(_, name)| *name)
            .collect();
        assert_eq!(allowed.join(", "), route.allow_header(), "{path}");
    }
}

#[test]
fn a_method_is_read_exactly() {
    assert_eq!(Method::from_bytes(b"PATCH"), Method::Patch);
    assert_eq!(Method::from_bytes(b"patch"), Method::Other);
    assert_eq!(Method::from_bytes(b""), Method::Other);
}
