//! What binds a socket whose version its handshake left open.

use crate::*;

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
