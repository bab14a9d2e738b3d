//! Bodies and messages as Lavalink reads and writes them.

#![allow(clippy::unwrap_used)]

use super::*;

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn ready_is_read_and_written_as_lavalink_does() {
    let text = r#"{"op":"ready","resumed":true,"sessionId":"abc"}"#;
    let ready = Ready::read(text.as_bytes()).unwrap();
    assert_eq!(ready, Ready::new(true, "abc"));
    assert_eq!(written(|out| ready.write(out)), text);
    for wrong in [
        r#"{"op":"stats","resumed":true,"sessionId":"abc"}"#,
        r#"{"op":"ready","resumed":true}"#,
        "",
    ] {
        assert!(Ready::read(wrong.as_bytes()).is_err(), "{wrong}");
    }
}

#[test]
fn a_player_update_of_any_version_is_read() {
    let legacy = r#"{"op":"playerUpdate","guildId":"7","state":{"time":5}}"#;
    let update = PlayerUpdate::read(legacy.as_bytes()).unwrap();
    assert_eq!(update.guild_id, GuildId(7));
    assert_eq!(
        update.state,
        PlayerState {
            time: 5,
            position: 0,
            connected: false,
            ping: -1
        }
    );
    let text = r#"{"op":"playerUpdate","guildId":"7","state":{"time":5,"position":6,"connected":true,"ping":8}}"#;
    let update = PlayerUpdate::read(text.as_bytes()).unwrap();
    assert_eq!(written(|out| update.write(out)), text);
    assert_eq!(update, PlayerUpdate::new(GuildId(7), update.state));
}

#[test]
fn a_v4_session_update_takes_and_refuses_what_lavalink_does() {
    let rows = [
        ("{}", Some((None, None))),
        (r#"{"resuming":true}"#, Some((Some(true), None))),
        (r#"{"resuming":false,"timeout":30}"#, Some((Some(false), Some(30)))),
        (r#"{"timeout":-1,"resumingKey":"k"}"#, Some((None, Some(-1)))),
        (r#"{"timeout":"30","resuming":"true"}"#, Some((Some(true), Some(30)))),
        (r#"{"timeout":9223372036854775807}"#, Some((None, Some(i64::MAX)))),
        (r#"{"resuming":null}"#, None),
        (r#"{"timeout":null}"#, None),
        (r#"{"resuming":1}"#, None),
        (r#"{"resuming":"yes"}"#, None),
        (r#"{"timeout":true}"#, None),
        (r#"{"timeout":1.5}"#, None),
        (r#"{"timeout":9223372036854775808}"#, None),
        (r#"{"timeout":[1]}"#, None),
        ("[]", None),
        ("null", None),
        ("", None),
        (r#"{"timeout":1"#, None),
    ];
    for (body, expected) in rows {
        let read = SessionUpdate::read(body.as_bytes())
            .ok()
            .map(|update| (update.resuming, update.timeout));
        assert_eq!(read, expected, "{body}");
    }
    let refusal = SessionUpdate::read(br#"{"resuming":null}"#).unwrap_err().to_string();
    assert!(refusal.contains("expected a boolean"), "{refusal}");
}

#[test]
fn a_v3_session_update_tells_null_from_absent_and_is_lenient() {
    let key = |text: &str| Some(Some(text.to_owned()));
    let rows = [
        ("{}", Some((None, None))),
        (r#"{"resumingKey":"k","timeout":30}"#, Some((key("k"), Some(30)))),
        (r#"{"resumingKey":null}"#, Some((Some(None), None))),
        (r#"{"resumingKey":5}"#, Some((key("5"), None))),
        (r#"{"timeout":"30"}"#, Some((None, Some(30)))),
        (r#"{"timeout":30.9}"#, Some((None, Some(30)))),
        (r#"{"timeout":null}"#, Some((None, None))),
        (r#"{"resumingKey":{}}"#, None),
        (r#"{"timeout":"soon"}"#, None),
    ];
    for (body, expected) in rows {
        let read = V3SessionUpdate::read(body.as_bytes())
            .ok()
            .map(|update| (update.resuming_key, update.timeout));
        assert_eq!(read, expected, "{body}");
    }
}

#[test]
fn the_answers_to_session_updates_are_lavalinks() {
    let v4 = SessionAnswer {
        resuming: true,
        timeout: 60,
    };
    assert_eq!(written(|out| v4.write(out)), r#"{"resuming":true,"timeout":60}"#);
    let v3 = V3SessionAnswer {
        resuming_key: None,
        timeout: 60,
    };
    assert_eq!(written(|out| v3.write(out)), r#"{"resumingKey":null,"timeout":60}"#);
}

#[test]
fn an_identifier_is_found_in_events_and_players_however_it_is_written() {
    let rows = [
        (
            r#"{"guildId":"1","track":{"encoded":"e","info":{"identifier":"a","title":"t"}},"volume":1}"#,
            Some("a"),
        ),
        (
            r#"{ "track" : { "info" : { "x": [{"identifier":"b"}], "identifier" : "\u0061\"/" } } }"#,
            Some("a\"/"),
        ),
        (
            r#"{"op":"event","identifier":"c","track":{"info":{"identifier":"ü"}}}"#,
            Some("ü"),
        ),
        (r#"{"track":null}"#, None),
        (r#"{"track":{"info":{"identifier":5}}}"#, None),
        (r#"{"info":{"identifier":"a"}}"#, None),
        ("[]", None),
    ];
    for (json, expected) in rows {
        let found = track_identifier(json.as_bytes());
        assert_eq!(found.as_ref().map(|(text, _)| &**text), expected, "{json}");
        if let Some((text, told_by)) = found {
            let (telling, _) = json.as_bytes().split_at(told_by);
            assert!(telling.ends_with(b"\""), "{json}");
            assert_eq!(track_identifier(telling), Some((text, told_by)), "{json}");
            assert_eq!(track_identifier(&telling[..told_by - 1]), None, "{json}");
        }
    }
}
