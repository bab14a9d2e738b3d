//! What is kept of a player, as tables of what passed and the request that would make it again.

use std::time::Duration;

use serde_json::{Value, json};

use super::asked::may_ask;
use super::*;

const GUILD: GuildId = GuildId(7);

fn track(identifier: &str, length: i64) -> Value {
    json!({
        "encoded": format!("enc-{identifier}"),
        "info": {
            "identifier": identifier, "isSeekable": true, "author": "a", "length": length, "isStream": false,
            "position": 0, "title": "t", "uri": null, "sourceName": "youtube", "artworkUrl": null, "isrc": null
        },
        "pluginInfo": {},
        "userData": {"by": identifier},
    })
}

fn player(track: &Value, position: i64) -> Value {
    json!({
        "guildId": "7", "track": track, "volume": 80, "paused": false,
        "state": {"time": 1, "position": position, "connected": true, "ping": 5},
        "voice": {"token": "hush", "endpoint": "rotterdam1.discord.media:443", "sessionId": "s", "channelId": "9"},
        "filters": {"timescale": {"speed": 2.0, "pitch": 1.0, "rate": 1.0}},
    })
}

fn bytes(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}

fn asked(body: &str) -> Asked {
    Asked::read(body.as_bytes(), false).unwrap()
}

fn update(position: i64, connected: bool) -> Vec<u8> {
    let state = json!({"time": 1, "position": position, "connected": connected, "ping": 1});
    bytes(&json!({"op": "playerUpdate", "guildId": "7", "state": state}))
}

/// A player of track `a`, 100 s long, at 10 s, played at double speed, whose start was told.
fn playing(now: Instant) -> Shadow {
    let mut shadow = answered(now);
    shadow.start_is_told();
    shadow
}

/// The same before its start was told.
fn answered(now: Instant) -> Shadow {
    let body = r#"{"track":{"encoded":"enc-a"},"endTime":90000}"#;
    Shadow::new(&asked(body), &bytes(&player(&track("a", 100_000), 10_000)), now).unwrap()
}

fn restored(shadow: &Shadow, now: Instant) -> Value {
    serde_json::from_str(shadow.restore(now).body.expose()).unwrap()
}

fn event(kind: &str, track: &Value, more: &Value) -> Vec<u8> {
    let mut event = json!({"op": "event", "type": kind, "guildId": "7", "track": track});
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    bytes(&event)
}

#[test]
fn what_a_request_asks_is_read_in_each_of_its_forms() {
    let rows = [
        ("{}", false, None),
        (r#"{"track":{"encoded":"x"}}"#, true, None),
        (r#"{"track":{"encoded":null}}"#, true, None),
        (r#"{"track":{"userData":{}}}"#, false, None),
        (r#"{"track":{"identifier":"x"},"endTime":5}"#, true, Some(5)),
        (r#"{"encodedTrack":null}"#, true, None),
        (r#"{"identifier":"x","endTime":null}"#, true, None),
        (r#"{"position":3,"endTime":7}"#, false, Some(7)),
    ];
    for (body, new_track, end_time) in rows {
        let asked = asked(body);
        assert_eq!((asked.new_track, asked.end_time), (new_track, end_time), "{body}");
    }
    let voice = asked(r#"{"voice":{"token":"t","endpoint":"fra1.discord.media","sessionId":"s"}}"#);
    assert!(voice.voice && !asked(r#"{"voice":null}"#).voice);
    assert_eq!(Asked::read(b"{\"track\":", false), None);
    assert_eq!(Asked::read(br#"{"endTime":"x"}"#, false), None);
}

#[test]
fn one_request_restores_all_that_the_node_showed_and_where_the_track_is_by_now() {
    let now = Instant::now();
    let shadow = playing(now);
    let later = now + Duration::from_secs(5);
    assert_eq!(
        restored(&shadow, later),
        json!({
            "track": {"encoded": "enc-a", "userData": {"by": "a"}},
            "position": 20_000, "endTime": 90_000, "volume": 80, "paused": false,
            "filters": {"timescale": {"speed": 2.0, "pitch": 1.0, "rate": 1.0}},
            "voice": {"token": "hush", "endpoint": "rotterdam1.discord.media:443", "sessionId": "s", "channelId": "9"},
        })
    );
    assert!(shadow.restore(later).starts_track);
    let needs = shadow.needs();
    assert_eq!(
        (needs.source.as_deref(), needs.endpoint.as_deref(), needs.lacks_channel),
        (Some("youtube"), Some("rotterdam1.discord.media:443"), false)
    );
    assert!(!format!("{shadow:?}{:?}", shadow.restore(later)).contains("hush"));
}

#[test]
fn a_position_moves_only_while_the_track_plays() {
    let now = Instant::now();
    let later = now + Duration::from_secs(5);
    let mut shadow = playing(now);
    shadow.told_update(&update(30_000, true), later);
    assert_eq!(shadow.position(later + Duration::from_secs(1)), 32_000);
    shadow.told_update(&update(33_000, false), later);
    assert_eq!(
        shadow.position(later + Duration::from_secs(60)),
        33_000,
        "voice is not connected"
    );
    let mut paused = player(&track("a", 100_000), 4_000);
    paused["paused"] = json!(true);
    shadow.follow(&Asked::default(), bytes(&paused).into(), later);
    assert_eq!(shadow.position(later + Duration::from_secs(60)), 4_000, "paused");
    let mut idle = player(&Value::Null, 0);
    idle["voice"] = json!({"token": "", "endpoint": "", "sessionId": "", "channelId": null});
    shadow.follow(&asked(r#"{"encodedTrack":null}"#), bytes(&idle).into(), later);
    assert_eq!(
        restored(&shadow, later + Duration::from_secs(9)),
        json!({"volume": 80, "paused": false, "filters": {"timescale": {"speed": 2.0, "pitch": 1.0, "rate": 1.0}}})
    );
    assert!(!shadow.has_voice() && !shadow.restore(later).starts_track);
}

#[test]
fn an_end_marker_lives_as_long_as_its_track() {
    let now = Instant::now();
    let same = bytes(&player(&track("a", 100_000), 10_000));
    let end = |shadow: &Shadow| restored(shadow, now)["endTime"].clone();
    let mut shadow = playing(now);
    shadow.follow(&asked(r#"{"volume":1,"endTime":null}"#), same.clone().into(), now);
    assert_eq!(end(&shadow), json!(90_000), "a null does nothing");
    shadow.follow(&asked(r#"{"endTime":80000}"#), same.clone().into(), now);
    assert_eq!(end(&shadow), json!(80_000));
    let mut no_replace = asked(r#"{"track":{"encoded":"enc-b"},"endTime":5}"#);
    no_replace.no_replace = true;
    // Such a marker is not applied either, but a marker of an update without a track would be: the node knows.
    shadow.follow(
        &Asked {
            end_time: None,
            ..no_replace
        },
        same.clone().into(),
        now,
    );
    assert_eq!(end(&shadow), json!(80_000), "the track was not replaced");
    shadow.follow(
        &asked(r#"{"track":{"encoded":"enc-b"}}"#),
        bytes(&player(&track("b", 50_000), 0)).into(),
        now,
    );
    assert_eq!(end(&shadow), Value::Null);
}

#[test]
fn events_say_which_track_plays_whatever_order_they_and_the_answer_come_in() {
    let now = Instant::now();
    let identifier = |shadow: &Shadow| restored(shadow, now)["track"]["encoded"].clone();
    let (a, b) = (track("a", 100_000), track("b", 50_000));
    let replaced = event("TrackEndEvent", &a, &json!({"reason": "replaced"}));
    let started = event("TrackStartEvent", &b, &json!({}));
    let answer = bytes(&player(&b, 0));
    let play_b = asked(r#"{"track":{"encoded":"enc-b"},"endTime":40000}"#);

    let mut events_first = playing(now);
    events_first.track_ended(&replaced, now);
    events_first.track_started(&started, false, now);
    assert_eq!(identifier(&events_first), json!("enc-b"));
    events_first.follow(&play_b, answer.clone().into(), now);

    let mut answer_first = playing(now);
    answer_first.follow(&play_b, answer.clone().into(), now);
    answer_first.track_ended(&replaced, now);
    answer_first.track_ended(&event("TrackEndEvent", &a, &json!({"reason": "finished"})), now);
    answer_first.track_started(&started, false, now);
    for shadow in [&events_first, &answer_first] {
        let restored = restored(shadow, now);
        assert_eq!(
            (&restored["track"]["encoded"], &restored["endTime"]),
            (&json!("enc-b"), &json!(40_000))
        );
    }
    answer_first.track_ended(&event("TrackEndEvent", &b, &json!({"reason": "finished"})), now);
    assert!(!answer_first.has_track());
    assert_eq!(restored(&answer_first, now)["voice"]["token"], json!("hush"));
}

/// An update that plays track `a` again, sent at this instant.
fn again(sent: Instant) -> Asked {
    let sent = Some(sent);
    Asked {
        sent,
        ..asked(r#"{"track":{"encoded":"enc-a"}}"#)
    }
}

#[test]
fn a_track_that_is_asked_for_again_after_its_end_plays_and_one_whose_end_overtook_the_answer_does_not() {
    let now = Instant::now();
    let at = |seconds| now + Duration::from_secs(seconds);
    let a = track("a", 100_000);
    let answer = || bytes(&player(&a, 0)).into();
    let (started, ended) = (
        event("TrackStartEvent", &a, &json!({})),
        event("TrackEndEvent", &a, &json!({"reason": "finished"})),
    );
    let mut shadow = playing(now);
    shadow.track_ended(&ended, at(1));
    shadow.follow(&again(at(2)), answer(), at(3));
    assert!(shadow.has_track() && shadow.start_is_due());
    assert_eq!(restored(&shadow, at(3))["track"]["encoded"], json!("enc-a"));

    let mut shadow = playing(now);
    shadow.track_ended(&ended, at(1));
    shadow.track_started(&started, false, at(3));
    shadow.track_ended(&ended, at(4));
    shadow.follow(&again(at(2)), answer(), at(5));
    assert!(!shadow.has_track() && !shadow.start_is_due());
}

#[test]
fn a_track_that_is_asked_for_again_while_it_plays_starts_again() {
    let now = Instant::now();
    let at = |seconds| now + Duration::from_secs(seconds);
    let a = track("a", 100_000);
    let answer = || bytes(&player(&a, 0)).into();
    let (started, replaced) = (
        event("TrackStartEvent", &a, &json!({})),
        event("TrackEndEvent", &a, &json!({"reason": "replaced"})),
    );
    let mut shadow = playing(now);
    shadow.follow(&again(at(1)), answer(), at(2));
    shadow.follow(&asked(r#"{"volume":1}"#), answer(), at(2));
    assert!(shadow.start_is_due());
    assert!(
        !shadow.is_end_without_start(&replaced),
        "it is the end of the play before"
    );
    shadow.track_ended(&replaced, at(3));
    assert!(shadow.start_is_due() && shadow.is_end_without_start(&replaced));
    shadow.track_started(&started, false, at(3));
    assert!(!shadow.start_is_due());

    let mut events_first = playing(now);
    events_first.track_ended(&replaced, at(2));
    events_first.track_started(&started, false, at(2));
    events_first.follow(&again(at(1)), answer(), at(3));
    assert!(!events_first.start_is_due());
}

#[test]
fn each_answer_is_known_by_the_track_that_it_shows() {
    let now = Instant::now();
    let shown = |track: &Value| -> Box<[u8]> { bytes(&player(track, 0)).into() };
    let mark = |track: &Value| TrackMark::of_json(&shown(track));
    let (a, b) = (track("a", 100_000), track("b", 100_000));
    let mut shadow = playing(now);
    for track in [&a, &a, &b, &a, &Value::Null, &b] {
        shadow.follow(&asked(r#"{"track":{"identifier":"x"}}"#), shown(track), now);
        assert_eq!(shadow.mark(), mark(track));
    }
    assert!(mark(&a).is_some() && mark(&a) != mark(&b));
}

#[test]
fn a_track_whose_replacement_was_told_is_over_until_something_tells_what_took_its_place() {
    let now = Instant::now();
    let at = |seconds| now + Duration::from_secs(seconds);
    let (a, b) = (track("a", 100_000), track("b", 50_000));
    let shown = |track: &Value| bytes(&player(track, 0));
    let replaced = || {
        let mut shadow = playing(now);
        shadow.track_ended(&event("TrackEndEvent", &a, &json!({"reason": "replaced"})), at(2));
        shadow
    };
    let mut shadow = replaced();
    assert!(shadow.has_ended(&shown(&a)) && shadow.lost_end(GUILD, at(2)).is_empty());
    shadow.follow(&asked(r#"{"volume":1}"#), shown(&a).into(), at(3));
    assert_eq!(
        (shadow.mark(), shadow.restore(at(3)).starts_track),
        (None, false),
        "an earlier answer"
    );
    shadow.follow(&again(at(1)), shown(&a).into(), at(3));
    assert!(shadow.has_track() && shadow.start_is_due(), "it plays again");

    let mut shadow = replaced();
    shadow.track_started(&event("TrackStartEvent", &b, &json!({})), false, at(2));
    shadow.track_ended(&event("TrackEndEvent", &b, &json!({"reason": "replaced"})), at(3));
    let play_b = Asked {
        sent: Some(at(1)),
        ..asked(r#"{"track":{"encoded":"enc-b"}}"#)
    };
    shadow.follow(&play_b, shown(&b).into(), at(4));
    assert!(
        !shadow.has_track() && !shadow.start_is_due(),
        "both events overtook the answer"
    );

    for track in [a.clone(), b] {
        let mut told = Vec::new();
        replaced().found(GUILD, &shown(&track), at(3), &mut told);
        let told: Value = serde_json::from_slice(&told.concat()).unwrap();
        assert_eq!((&told["type"], &told["track"]), (&json!("TrackStartEvent"), &track));
    }
}

#[test]
fn what_a_node_says_after_a_silence_is_told_as_the_messages_that_were_lost() {
    let now = Instant::now();
    let told_of = |mut shadow: Shadow, found: Value, at: Instant| {
        let mut told = Vec::new();
        shadow.found(GUILD, &bytes(&found), at, &mut told);
        let told: Vec<Value> = told
            .iter()
            .map(|message| serde_json::from_slice(message).unwrap())
            .collect();
        told.iter()
            .map(|message| {
                format!(
                    "{} {} {}",
                    message["type"], message["track"]["encoded"], message["reason"]
                )
            })
            .collect::<Vec<_>>()
    };
    let told = |found, at| told_of(playing(now), found, at);
    let soon = now + Duration::from_secs(1);
    assert!(told(player(&track("a", 100_000), 12_000), soon).is_empty());
    let lost = r#""TrackEndEvent" "enc-a" "loadFailed""#;
    assert_eq!(told(player(&Value::Null, 0), soon), [lost]);
    let finished = r#""TrackEndEvent" "enc-a" "finished""#;
    assert_eq!(told(player(&Value::Null, 0), now + Duration::from_secs(60)), [finished]);
    let (replaced, started) = (
        r#""TrackEndEvent" "enc-a" "replaced""#,
        r#""TrackStartEvent" "enc-b" null"#,
    );
    assert_eq!(told(player(&track("b", 9), 0), soon), [replaced, started]);
    let due = r#""TrackStartEvent" "enc-a" null"#;
    let told_due = |found| told_of(answered(now), found, soon);
    assert_eq!(told_due(player(&track("a", 100_000), 12_000)), [due]);
    assert_eq!(told_due(player(&Value::Null, 0)), [due, lost]);
    assert_eq!(told_due(player(&track("b", 9), 0)), [due, replaced, started]);
}

#[test]
fn a_track_has_run_out_at_its_length_or_its_end_marker_and_a_stream_never() {
    let now = Instant::now();
    let mut shadow = playing(now);
    assert!(!shadow.has_run_out(now + Duration::from_secs(39)));
    assert!(shadow.has_run_out(now + Duration::from_secs(40)), "the marker at 90 s");
    let message: Value = serde_json::from_slice(&shadow.run_out(GUILD)[0]).unwrap();
    assert_eq!(
        (&message["reason"], &message["guildId"]),
        (&json!("finished"), &json!("7"))
    );
    assert!(!shadow.has_track() && shadow.run_out(GUILD).is_empty());
    let mut stream = track("live", i64::MAX);
    stream["info"]["isStream"] = json!(true);
    stream["info"]["isSeekable"] = json!(false);
    let shadow = Shadow::new(&Asked::default(), &bytes(&player(&stream, 5)), now).unwrap();
    assert!(!shadow.has_run_out(now + Duration::from_secs(1_000_000)));
    assert_eq!(
        restored(&shadow, now)["position"],
        Value::Null,
        "a stream has no position to go to"
    );
}

#[test]
fn a_player_that_no_node_takes_fails_as_lavalink_would_say_it() {
    let shadow = playing(Instant::now());
    let kinds: Vec<Value> = shadow
        .failed(GUILD)
        .iter()
        .map(|message| serde_json::from_slice::<Value>(message).unwrap()["type"].clone())
        .collect();
    assert_eq!(kinds, [json!("TrackExceptionEvent"), json!("TrackEndEvent")]);
    let closed: Value = serde_json::from_slice(&voice_closed(GUILD)).unwrap();
    assert_eq!(
        (&closed["type"], &closed["code"]),
        (&json!("WebSocketClosedEvent"), &json!(4006))
    );
}

#[test]
fn a_player_that_plays_is_kept_in_little_more_than_its_own_text() {
    assert!(size_of::<Shadow>() <= 176, "{}", size_of::<Shadow>());
}

#[test]
fn what_a_player_needs_is_read_from_the_update_that_makes_it() {
    const YOUTUBE: &str = "QAAAjQIAJVJpY2sgQXN0bGV5IC0gTmV2ZXIgR29ubmEgR2l2ZSBZb3UgVXAADlJpY2tBc3RsZXlWRVZPAAAAAAADPCAAC2RRdzR3OVdnWGNRAAEAK2h0dHBzOi8vd3d3LnlvdXR1YmUuY29tL3dhdGNoP3Y9ZFF3NHc5V2dYY1EAB3lvdXR1YmUAAAAAAAAAAA==";
    let voice = |more: &str| format!(r#"{{"voice":{{"token":"t","endpoint":"rotterdam1.discord.media"{more}}}}}"#);
    let rows = [
        (r#"{"volume":3}"#.to_owned(), None, None, false),
        (
            format!(r#"{{"track":{{"encoded":"{YOUTUBE}"}}}}"#),
            Some("youtube"),
            None,
            false,
        ),
        (
            format!(r#"{{"encodedTrack":"{YOUTUBE}"}}"#),
            Some("youtube"),
            None,
            false,
        ),
        (r#"{"track":{"encoded":"?"}}"#.to_owned(), None, None, false),
        (r#"{"track":{"encoded":null}}"#.to_owned(), None, None, false),
        (
            r#"{"identifier":"scsearch:a"}"#.to_owned(),
            Some("scsearch"),
            None,
            false,
        ),
        (
            r#"{"track":{"identifier":"https://a.example/"}}"#.to_owned(),
            None,
            None,
            false,
        ),
        (voice(""), None, Some("rotterdam"), true),
        (voice(r#","channelId":null"#), None, Some("rotterdam"), true),
        (voice(r#","channelId":" ""#), None, Some("rotterdam"), true),
        (voice(r#","channelId":"9""#), None, Some("rotterdam"), false),
        (r#"{"voice":null}"#.to_owned(), None, None, false),
        ("{".to_owned(), None, None, false),
    ];
    for (body, source, region, lacks_channel) in rows {
        let needs = Needs::of_request(body.as_bytes());
        let found = (needs.source.as_deref(), needs.region(), needs.lacks_channel);
        assert_eq!(found, (source, region, lacks_channel), "{body}");
    }
}

#[test]
fn a_channel_that_the_node_does_not_show_goes_along() {
    let now = Instant::now();
    let mut old = player(&Value::Null, 0);
    old["voice"] = json!({"token": "t", "endpoint": "e", "sessionId": "s"});
    let with = asked(r#"{"voice":{"token":"t","endpoint":"e","sessionId":"s","channelId":"77"}}"#);
    let without = asked(r#"{"voice":{"token":"u","endpoint":"e","sessionId":"s"}}"#);
    let mut shadow = Shadow::new(&with, &bytes(&old), now).unwrap();
    shadow.follow(&asked(r#"{"volume":9}"#), bytes(&old).into(), now);
    assert!(!shadow.needs().lacks_channel);
    assert_eq!(
        restored(&shadow, now)["voice"],
        json!({"token": "t", "endpoint": "e", "sessionId": "s", "channelId": "77"})
    );
    // It belongs to the voice state that it came with.
    shadow.follow(&without, bytes(&old).into(), now);
    assert!(shadow.needs().lacks_channel);
    assert_eq!(restored(&shadow, now)["voice"].get("channelId"), None);
}

#[test]
fn an_update_is_parsed_only_when_it_may_say_something_that_is_looked_for() {
    let rows = [
        (r#"{"volume":80,"paused":false}"#, false),
        (
            r#"{"filters":{"equalizer":[{"band":0,"gain":0.2}]},"position":5}"#,
            false,
        ),
        (r#"{"filters":{"pluginFilters":{"tracks":1,"invoice":"track"}}}"#, true),
        (r#"{"volume":1,"endTime":3}"#, true),
        (r#"{"tr\u0061ck":{"encoded":"x"}}"#, true),
        (r#"{"encodedTrack":null}"#, true),
        (r#"{ "identifier" : "x" }"#, true),
        (r#"{"voice":{}}"#, true),
        ("", false),
        ("\"", false),
        ("{", false),
    ];
    for (body, parsed) in rows {
        assert_eq!(may_ask(body.as_bytes()), parsed, "{body}");
    }
    assert!(asked(r#"{"tr\u0061ck":{"encoded":"x"}}"#).new_track);
}
