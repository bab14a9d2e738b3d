//! Which signal beats which, and what is asked at all.

use crate::*;

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
