//! The decision table: one row per kind of request.

use crate::*;

#[test]
fn the_decision_table_for_websockets() {
    let rows = [
        (upgrade("/v4/websocket"), Handshake(V4), "/v4/websocket"),
        (get("/v4/websocket"), Refuse(UpgradeExpected), "/v4/websocket"),
        (
            Request {
                session_id: Some(S4),
                ..get("/v4/websocket")
            },
            Refuse(UpgradeExpected),
            "/v4/websocket",
        ),
        (upgrade("/v3/websocket"), Handshake(V3), "/v3/websocket"),
        (get("/v3/websocket"), Refuse(UpgradeExpected), "/v3/websocket"),
        (upgrade("/"), Handshake(V3Legacy), "/"),
        (get("/"), Refuse(NotFound), "/"),
        (get(""), Refuse(NotFound), "/"),
        (
            Request {
                session_id: Some(S4),
                ..upgrade("/v4")
            },
            Handshake(V4),
            "/v4/websocket",
        ),
        (
            Request {
                session_id: Some(S4),
                ..upgrade("/v3/")
            },
            Handshake(V4),
            "/v4/websocket",
        ),
        (
            Request {
                resume_key: Some("key"),
                ..upgrade("/v4")
            },
            Handshake(V3Legacy),
            "/",
        ),
        (
            Request {
                num_shards: true,
                ..upgrade("/v3")
            },
            Handshake(V3Legacy),
            "/",
        ),
        (upgrade("/v4"), Undecided, "/v4"),
        (upgrade("/v3/"), Undecided, "/v3"),
        (get("/v4"), Refuse(NotFound), "/v4"),
        (get("/v3/"), Refuse(NotFound), "/v3"),
        (upgrade("/websocket"), Refuse(NotFound), "/websocket"),
        (upgrade("/ws"), Refuse(NotFound), "/ws"),
        (upgrade("/v4/ws"), Refuse(NotFound), "/v4/ws"),
        (upgrade("/v5/websocket"), Refuse(NotFound), "/v5/websocket"),
        (upgrade("/V4/websocket"), Refuse(NotFound), "/V4/websocket"),
        (
            Request {
                method: Method::Post,
                ..upgrade("/v4/websocket")
            },
            Refuse(MethodNotAllowed),
            "/v4/websocket",
        ),
        (
            Request {
                method: Method::Head,
                ..get("/v4/websocket")
            },
            Refuse(MethodNotAllowed),
            "/v4/websocket",
        ),
    ];
    for (request, verdict, path) in rows {
        check(request, NEW, verdict, path);
    }
}

#[test]
fn the_decision_table_for_rest() {
    let rows = [
        ("/v4/loadtracks", Rest(V4)),
        ("/v4/info", Rest(V4)),
        ("/v4/lyrics", Rest(V4)),
        ("/v4/plugins", Rest(V4)),
        ("/v3/loadtracks", Rest(V3)),
        ("/v3/stats", Rest(V3)),
        ("/v3/some/plugin", Rest(V3)),
        ("/loadtracks", Rest(V3Legacy)),
        ("/decodetrack", Rest(V3Legacy)),
        ("/plugins", Rest(V3Legacy)),
        ("/routeplanner/status", Rest(V3Legacy)),
        ("/v4/routeplanner/status", Rest(V4)),
        ("/version", Rest(V4)),
        ("/metrics", Refuse(NotFound)),
        ("/youtube", Refuse(NodeAdministration)),
        ("/youtube/oauth/token", Refuse(NodeAdministration)),
        ("/youtubes", Rest(V4)),
        ("/some/plugin", Rest(V4)),
        ("/info", Rest(V4)),
        ("/v4/decodetracks", Refuse(MethodNotAllowed)),
        ("/decodetracks", Refuse(MethodNotAllowed)),
        ("/v4/routeplanner/free/all", Refuse(MethodNotAllowed)),
        ("/v4/lavasrc/config", Refuse(NodeAdministration)),
    ];
    for (path, verdict) in rows {
        check(get(path), NEW, verdict, path);
    }
}

#[test]
fn a_wrong_method_is_refused_and_a_right_one_is_not() {
    let player = format!("/v4/sessions/{S4}/players/1");
    let session = format!("/v4/sessions/{S4}");
    let rows = [
        (Method::Post, "/v4/loadtracks", Refuse(MethodNotAllowed)),
        (Method::Options, "/v4/loadtracks", Refuse(MethodNotAllowed)),
        (Method::Other, "/v4/info", Refuse(MethodNotAllowed)),
        (Method::Head, "/v4/info", Rest(V4)),
        (Method::Post, "/v4/decodetracks", Rest(V4)),
        (Method::Post, "/decodetracks", Rest(V3Legacy)),
        (Method::Put, &player, Refuse(MethodNotAllowed)),
        (Method::Patch, &player, Rest(V4)),
        (Method::Delete, &player, Rest(V4)),
        (Method::Get, &session, Refuse(MethodNotAllowed)),
        (Method::Patch, &session, Rest(V4)),
        (Method::Post, "/v4/routeplanner/free/all", Refuse(NodeAdministration)),
        (Method::Post, "/routeplanner/free/address", Refuse(NodeAdministration)),
        (Method::Patch, "/v4/lavasrc/config", Refuse(NodeAdministration)),
        (Method::Post, "/youtube", Refuse(NodeAdministration)),
        (Method::Post, "/metrics", Refuse(NotFound)),
        (Method::Put, "/v4/some/plugin", Rest(V4)),
    ];
    for (method, path, verdict) in rows {
        check(Request { method, ..get(path) }, NEW, verdict, path);
    }
}
