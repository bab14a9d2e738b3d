//! What users write around the path, and what must not be reached through it.

use crate::*;

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
