//! The decision table, the order of signals, and the traps that real clients and their users lay, one row each.

#![allow(clippy::unwrap_used, missing_docs)]

use lavalink_protocol::detect::{
    Binding, Class, Detected, IgnoredHeader, Known, Refusal, Request, Verdict, detect, meaningful_session_id,
};
use lavalink_protocol::late::{evidence_from_body, evidence_from_op, evidence_from_query};
use lavalink_protocol::route::{Method, Route};

use Class::{V3, V3Legacy, V4};
use Refusal::{MethodNotAllowed, NodeAdministration, NotFound, UpgradeExpected};
use Verdict::{Handshake, Refuse, Rest, Undecided};

/// A session id that [`World`] issued to a v4 client, one for a 3.7 socket and one for a legacy socket.
const S4: &str = "aaaabbbbccccdd44";
const S3: &str = "aaaabbbbccccdd37";
const SL: &str = "aaaabbbbccccdd36";

#[derive(Clone, Copy)]
struct World {
    bound: Option<Binding>,
    listed: Option<Class>,
    default: Class,
}

const NEW: World = World {
    bound: None,
    listed: None,
    default: V4,
};

impl World {
    fn bound(class: Class) -> Self {
        Self {
            bound: Some(Binding { class, base: false }),
            ..NEW
        }
    }

    fn on_base_path() -> Self {
        Self {
            bound: Some(Binding {
                class: V3Legacy,
                base: true,
            }),
            ..NEW
        }
    }
}

impl Known for World {
    fn issued(&self, session: &str) -> Option<Class> {
        match session {
            S4 => Some(V4),
            S3 => Some(V3),
            SL => Some(V3Legacy),
            _ => None,
        }
    }

    fn bound(&self) -> Option<Binding> {
        self.bound
    }

    fn listed(&self, client_name: Option<&str>, _: Option<&str>) -> Option<Class> {
        self.listed.filter(|_| client_name == Some("listed"))
    }

    fn default_class(&self) -> Class {
        self.default
    }
}

fn get(path: &str) -> Request<'_> {
    Request {
        method: Method::Get,
        path,
        query: None,
        upgrade: false,
        session_id: None,
        resume_key: None,
        num_shards: false,
        client_name: None,
        user_agent: None,
        forced: None,
        mount: "",
    }
}

fn upgrade(path: &str) -> Request<'_> {
    Request {
        upgrade: true,
        ..get(path)
    }
}

fn check(request: Request<'_>, known: World, verdict: Verdict, path: &str) {
    let detected = detect(&request, &known);
    assert_eq!(
        (detected.verdict, &*detected.path),
        (verdict, path),
        "{request:?}: {detected:?}"
    );
}

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

#[test]
fn base_paths_slashes_and_mounts_are_taken_off() {
    let rows = [
        ("/v4/v4/websocket", "", true, Handshake(V4), "/v4/websocket"),
        ("/v3/v4/loadtracks", "", false, Rest(V4), "/v4/loadtracks"),
        ("/v4/v3/loadtracks", "", false, Rest(V3), "/v3/loadtracks"),
        ("/v4/v3/v4/v3/info", "", false, Rest(V3), "/v3/info"),
        ("//v4//loadtracks/", "", false, Rest(V4), "/v4/loadtracks"),
        ("/v4/websocket/", "", true, Handshake(V4), "/v4/websocket"),
        ("///", "", true, Handshake(V3Legacy), "/"),
        ("/music/v4/loadtracks", "/music", false, Rest(V4), "/v4/loadtracks"),
        ("/music/v4/loadtracks", "music/", false, Rest(V4), "/v4/loadtracks"),
        ("/music//v4/loadtracks", "/music", false, Rest(V4), "/v4/loadtracks"),
        ("/music/", "/music", true, Handshake(V3Legacy), "/"),
        (
            "/musical/v4/loadtracks",
            "/music",
            false,
            Rest(V4),
            "/musical/v4/loadtracks",
        ),
        ("/v4/loadtracks", "/music", false, Rest(V4), "/v4/loadtracks"),
        ("/music/v4/loadtracks", "", false, Rest(V4), "/music/v4/loadtracks"),
        // The configured prefix is matched whole and first, and what is left is looked at.
        ("/x/v4/v4/websocket", "/x/v4", true, Handshake(V4), "/v4/websocket"),
        ("/x/v4", "/x/v4", true, Handshake(V3Legacy), "/"),
        ("/x/v4/", "/x/v4", true, Handshake(V3Legacy), "/"),
        ("/x/v4/loadtracks", "/x/v4", false, Rest(V3Legacy), "/loadtracks"),
        ("/x/v4", "/x", true, Undecided, "/v4"),
    ];
    for (path, mount, upgrade, verdict, normal) in rows {
        check(
            Request {
                upgrade,
                mount,
                ..get(path)
            },
            NEW,
            verdict,
            normal,
        );
    }
}

#[test]
fn the_session_that_the_proxy_issued_beats_the_prefix() {
    let rows = [
        ("/v4", S4, V4, "/v4"),
        ("/v3", S4, V4, "/v4"),
        ("/v3", S3, V3, "/v3"),
        ("/v4", S3, V3, "/v3"),
        ("/v3", SL, V3, "/v3"),
        ("/v4", SL, V3, "/v3"),
        ("/v4/v3", SL, V3, "/v3"),
        ("/v4", "unknown", V4, "/v4"),
        ("/v3", "unknown", V3, "/v3"),
    ];
    for (prefix, session, class, seen) in rows {
        for below in ["/players", "/players/17", "/players/17/track/lyrics", "/plugin/x"] {
            let path = format!("{prefix}/sessions/{session}{below}");
            let request = get(&path);
            let detected = detect(&request, &NEW);
            assert_eq!(detected.verdict, Rest(class), "{path}");
            assert_eq!(detected.path, format!("{seen}/sessions/{session}{below}"));
            assert_eq!(
                detected.session.clone().map(|range| &detected.path[range]),
                Some(session)
            );
            assert_eq!(
                detected.route(),
                Route::parse(&detected.path),
                "{path}: the kept offsets moved along"
            );
            assert_eq!(detected.route().session(), Some(session));
        }
    }
}

#[test]
fn signals_count_in_their_order() {
    let listed = World {
        listed: Some(V3),
        ..NEW
    };
    let bound_and_listed = World {
        listed: Some(V4),
        ..World::bound(V3)
    };
    let plugin = get("/some/plugin");
    let named = |path| Request {
        client_name: Some("listed"),
        ..get(path)
    };
    let rows = [
        // 5 Session-Id, 6 Resume-Key, 7 Num-Shards
        (
            Request {
                session_id: Some("s"),
                resume_key: Some("k"),
                num_shards: true,
                ..plugin
            },
            NEW,
            V4,
        ),
        (
            Request {
                resume_key: Some("k"),
                num_shards: true,
                ..plugin
            },
            NEW,
            V3,
        ),
        (
            Request {
                num_shards: true,
                ..plugin
            },
            NEW,
            V3Legacy,
        ),
        (
            Request {
                num_shards: true,
                ..plugin
            },
            World::bound(V4),
            V3Legacy,
        ),
        // 12 binding, 13 list, 14 default
        (plugin, World::bound(V3), V3),
        (named("/some/plugin"), bound_and_listed, V3),
        (named("/some/plugin"), listed, V3),
        (plugin, listed, V4),
        (plugin, World { default: V3, ..NEW }, V3),
        // Empty and 0 mean no session.
        (
            Request {
                session_id: Some(""),
                ..plugin
            },
            World::bound(V3),
            V3,
        ),
        (
            Request {
                session_id: Some("0"),
                ..plugin
            },
            World::bound(V3),
            V3,
        ),
        // /version goes by 12, 13, 14 alone.
        (get("/version"), World::bound(V3Legacy), V3Legacy),
        (named("/version"), listed, V3),
        (get("/version"), World { default: V3, ..NEW }, V3),
        (
            Request {
                num_shards: true,
                ..get("/version")
            },
            NEW,
            V4,
        ),
        // The path beats the binding.
        (get("/v4/loadtracks"), World::bound(V3), V4),
        (get("/v3/loadtracks"), World::bound(V4), V3),
        (get("/loadtracks"), World::bound(V4), V3Legacy),
        (
            Request {
                session_id: Some("s"),
                ..get("/loadtracks")
            },
            World::bound(V4),
            V3Legacy,
        ),
    ];
    for (request, world, class) in rows {
        check(request, world, Rest(class), request.path);
    }
}

#[test]
fn a_contradicting_header_is_named_and_does_not_count() {
    let rows = [
        (
            Request {
                resume_key: Some("k"),
                ..upgrade("/v4/websocket")
            },
            V4,
            Some(IgnoredHeader::ResumeKey),
        ),
        (
            Request {
                session_id: Some("s"),
                ..upgrade("/v3/websocket")
            },
            V3,
            Some(IgnoredHeader::SessionId),
        ),
        (
            Request {
                session_id: Some("s"),
                ..upgrade("/")
            },
            V3Legacy,
            Some(IgnoredHeader::SessionId),
        ),
        (
            Request {
                session_id: Some(""),
                ..upgrade("/v3/websocket")
            },
            V3,
            None,
        ),
        (
            Request {
                session_id: Some("0"),
                ..upgrade("/")
            },
            V3Legacy,
            None,
        ),
        (
            Request {
                session_id: Some("s"),
                num_shards: true,
                ..upgrade("/v4/websocket")
            },
            V4,
            None,
        ),
        (
            Request {
                resume_key: Some("k"),
                num_shards: true,
                ..upgrade("/")
            },
            V3Legacy,
            None,
        ),
    ];
    for (request, class, ignored) in rows {
        let detected = detect(&request, &NEW);
        assert_eq!(
            (detected.verdict, detected.ignored),
            (Handshake(class), ignored),
            "{request:?}"
        );
    }
}

#[test]
fn an_empty_or_zero_session_id_leaves_a_bare_prefix_undecided() {
    for none in ["", "0", " "] {
        check(
            Request {
                session_id: Some(none),
                ..upgrade("/v4")
            },
            NEW,
            Undecided,
            "/v4",
        );
        assert_eq!(meaningful_session_id(Some(none)), None);
    }
}

#[test]
fn a_header_that_contains_a_version_flips_nothing() {
    let v4_in_headers = Request {
        client_name: Some("/v4/websocket bot/v4"),
        user_agent: Some("GET /v4/loadtracks HTTP/1.1"),
        query: Some("identifier=/v4/loadtracks&x=/v3/websocket"),
        resume_key: Some("/v4"),
        ..upgrade("/")
    };
    check(v4_in_headers, NEW, Handshake(V3Legacy), "/");
    check(
        Request {
            upgrade: false,
            path: "/loadtracks",
            ..v4_in_headers
        },
        NEW,
        Rest(V3Legacy),
        "/loadtracks",
    );
    check(
        Request {
            upgrade: false,
            path: "/v3/info",
            ..v4_in_headers
        },
        NEW,
        Rest(V3),
        "/v3/info",
    );
    check(
        get("/some/v4/loadtracks"),
        World::bound(V3),
        Rest(V3),
        "/some/v4/loadtracks",
    );
}

#[test]
fn the_prefix_of_a_client_on_a_base_path_is_only_that() {
    let world = World::on_base_path();
    let rows = [
        ("/v4/loadtracks", Rest(V3Legacy), "/loadtracks", true),
        ("/v3/decodetrack", Rest(V3Legacy), "/decodetrack", true),
        ("/v4/plugins", Rest(V3Legacy), "/plugins", true),
        ("/v4/version", Rest(V3Legacy), "/version", true),
        ("/v4/youtube", Refuse(NodeAdministration), "/youtube", true),
        ("/v4/metrics", Refuse(NotFound), "/metrics", true),
        ("/loadtracks", Rest(V3Legacy), "/loadtracks", false),
        // A second version segment is the client's own.
        ("/v4/v3/loadtracks", Rest(V3), "/v3/loadtracks", false),
        ("/v4/v4/loadtracks", Rest(V4), "/v4/loadtracks", false),
    ];
    for (path, verdict, seen, base) in rows {
        check(get(path), world, verdict, seen);
        assert_eq!(detect(&get(path), &world).base, base, "{path}");
    }
    assert!(detect(&upgrade("/v4"), &NEW).base);
    assert!(
        detect(
            &Request {
                num_shards: true,
                ..upgrade("/v3")
            },
            &NEW
        )
        .base
    );
    assert!(!detect(&upgrade("/"), &NEW).base);
    assert!(!detect(&upgrade("/v4/v4/websocket"), &NEW).base);
}

#[test]
fn the_version_below_a_base_path_is_answered_by_what_is_known_and_else_by_that_path() {
    check(get("/v3/version"), NEW, Rest(V3), "/version");
    check(get("/v4/version"), World { default: V3, ..NEW }, Rest(V4), "/version");
    check(get("/v4/version"), World::bound(V3), Rest(V3), "/version");
}

#[test]
fn an_operators_override_beats_the_path_but_not_a_session() {
    let session = format!("/v4/sessions/{S4}/players");
    let rows = [
        (upgrade("/v4/websocket"), V3, Handshake(V3), "/v3/websocket"),
        (upgrade("/"), V4, Handshake(V4), "/v4/websocket"),
        (upgrade("/v4"), V3Legacy, Handshake(V3Legacy), "/"),
        (get("/v4/loadtracks"), V3Legacy, Rest(V3Legacy), "/loadtracks"),
        (get("/loadtracks"), V4, Rest(V4), "/v4/loadtracks"),
        (get("/v3/stats"), V4, Rest(V4), "/v4/stats"),
        (get("/version"), V3, Rest(V3), "/version"),
        (get("/v4/some/plugin"), V3, Rest(V3), "/v4/some/plugin"),
        (get(&session), V3, Rest(V4), &session),
        (get("/metrics"), V4, Refuse(NotFound), "/metrics"),
        (get("/youtube"), V4, Refuse(NodeAdministration), "/youtube"),
    ];
    for (request, forced, verdict, path) in rows {
        check(
            Request {
                forced: Some(forced),
                ..request
            },
            NEW,
            verdict,
            path,
        );
    }
}

#[test]
fn a_refused_route_cannot_be_reached_by_spelling_it_differently() {
    let below_player = format!("/v4/sessions/{S4}/players/1/../../../../youtube");
    let rows = [
        "/%79outube",
        "/youtube;x=1",
        "/;x/youtube",
        "/v4/%79outube",
        "/v4/youtube;x",
        "/youtube%2Foauth;x/../../youtube",
        "/youtub%65/oauth/token",
        "/v4/../youtube",
        "/v4/%2e%2e/youtube",
        "/v4/..;/youtube",
        "/v4/x/%2E%2E/lavasrc/config",
        "/v4/lavasrc/confi%67",
        "/v4/lavasrc;a/config",
        "/%6Detrics",
        "/v4/routeplanner/free/al%6c",
        "/v4/%73essions/aaaabbbbccccdd44/players",
        "/v4/sessions/aaaabbbbccccdd44/%70layers/1",
        "/a\\..\\youtube",
        "/./youtube",
        &below_player,
        "v4/loadtracks",
        "*",
    ];
    for path in rows {
        let request = get(path);
        let detected = detect(&request, &NEW);
        assert_eq!(detected.verdict, Refuse(NotFound), "{path}: {detected:?}");
    }
}

#[test]
fn ordinary_encoded_segments_of_plugins_pass_as_they_came() {
    let lyrics = format!("/v4/sessions/{S4}/players/17/lyrics/AC%2FDC;live");
    for path in [
        "/v4/lyrics/search/never%20gonna%2Fgive",
        "/v4/lyrics/a;b",
        "/v4/.hidden/x",
        "/x/100%/y",
        &lyrics,
    ] {
        check(get(path), NEW, Rest(V4), path);
    }
}

#[test]
fn a_plugins_path_that_names_a_session_of_ours_belongs_to_it() {
    let path = format!("/some/plugin/{S3}/x");
    let request = get(&path);
    let detected = detect(&request, &NEW);
    assert_eq!(detected.verdict, Rest(V3));
    assert_eq!(detected.session, Some(13..29));
    let unknown = detect(&get("/some/plugin/aaaabbbbccccdd00/x"), &NEW).session;
    assert_eq!(unknown, None);
}

#[test]
fn a_path_is_spelled_for_a_node_of_another_version() {
    let rows = [
        ("/v3/some/plugin", V4, "/v4/some/plugin"),
        ("/v4/some/plugin", V3, "/v3/some/plugin"),
        ("/v4/some/plugin", V4, "/v4/some/plugin"),
        ("/some/plugin", V3, "/some/plugin"),
    ];
    for (path, node, seen) in rows {
        let request = get(path);
        assert_eq!(detect(&request, &NEW).path_on(node), seen);
    }
}

#[test]
fn nothing_is_asked_that_does_not_decide() {
    struct AskNothingElse;
    impl Known for AskNothingElse {
        fn issued(&self, _: &str) -> Option<Class> {
            Some(V4)
        }
        fn bound(&self) -> Option<Binding> {
            panic!("the session decided")
        }
        fn listed(&self, _: Option<&str>, _: Option<&str>) -> Option<Class> {
            panic!("the session decided")
        }
        fn default_class(&self) -> Class {
            panic!("the session decided")
        }
    }
    let path = format!("/v4/sessions/{S4}/players/17");
    let request = get(&path);
    let detected: Detected<'_> = detect(&request, &AskNothingElse);
    assert!(matches!(detected.path, std::borrow::Cow::Borrowed(_)));
    detect(&upgrade("/v4/websocket"), &AskNothingElse);
    detect(&upgrade("/"), &AskNothingElse);
}

#[test]
fn rest_requests_prove_what_an_undecided_socket_speaks() {
    let session = format!("/v4/sessions/{S4}/players");
    let rows = [
        (get("/v3/info"), Some(V3)),
        (get("/loadtracks"), Some(V3Legacy)),
        (get(&session), Some(V4)),
        (get("/v4/loadtracks"), None),
        (get("/version"), None),
        (
            Request {
                query: Some("track=QAAA"),
                ..get("/v4/decodetrack")
            },
            Some(V3Legacy),
        ),
        (
            Request {
                query: Some("encodedTrack=QAAA"),
                ..get("/v4/decodetrack")
            },
            None,
        ),
    ];
    for (request, evidence) in rows {
        assert_eq!(detect(&request, &NEW).evidence, evidence, "{request:?}");
    }
}

#[test]
fn only_a_json_object_with_op_proves_a_v3_socket() {
    let rows = [
        (r#"{"op":"play"}"#, true),
        (r#" { "guildId" : "1", "op" : "stop" } "#, true),
        (r#"{"\u006fp":1}"#, true),
        (r#"{"guildId":"1","inner":{"op":"play"}}"#, false),
        (r#"["op"]"#, false),
        (r#""op""#, false),
        ("op", false),
        ("", false),
        ("{", false),
    ];
    for (payload, expected) in rows {
        assert_eq!(evidence_from_op(payload.as_bytes()), expected, "{payload}");
    }
}

#[test]
fn bodies_tell_versions_where_they_differ() {
    let session = Route::parse("/v4/sessions/s");
    let player = Route::parse("/v4/sessions/s/players/1");
    let rows = [
        (session, r#"{"resuming":true,"timeout":60}"#, Some(V4)),
        (session, r#"{"resumingKey":"k","timeout":60}"#, Some(V3)),
        (session, r#"{"timeout":60}"#, None),
        (player, r#"{"track":{"encoded":"Q"}}"#, Some(V4)),
        (player, r#"{"track":"Q"}"#, None),
        (player, r#"{"encodedTrack":"Q"}"#, None),
        (player, r#"{"voice":{"token":"t","channelId":"5"}}"#, Some(V4)),
        (player, r#"{"voice":{"token":"channelId"}}"#, None),
        (player, r#"{"filters":{"volume":1,"pluginFilters":{}}}"#, Some(V4)),
        (player, r#"{"filters":null}"#, None),
        (player, "not json", None),
        (Route::LoadTracks, r#"{"resuming":true}"#, None),
    ];
    for (route, body, expected) in rows {
        assert_eq!(evidence_from_body(&route, body.as_bytes()), expected, "{body}");
    }
}

#[test]
fn a_decodetrack_query_with_only_the_old_name_is_weak_evidence() {
    let rows = [
        (Route::DecodeTrack, Some("track=Q"), Some(V3Legacy)),
        (Route::DecodeTrack, Some("trace=true&track=Q"), Some(V3Legacy)),
        (Route::DecodeTrack, Some("track=Q&encodedTrack=Q"), None),
        (Route::DecodeTrack, Some("x=track=Q"), None),
        (Route::DecodeTrack, None, None),
        (Route::LoadTracks, Some("track=Q"), None),
    ];
    for (route, query, expected) in rows {
        assert_eq!(evidence_from_query(&route, query), expected, "{query:?}");
    }
}
