//! Starts of tracks: each is told once, and before its end, whatever is lost.

use super::*;

const NEXT: LinkId = LinkId(1);

fn ends(story: &mut Story, link: LinkId, identifier: &str, reason: &str) -> Disposition {
    let end = json!({"type": "TrackEndEvent", "track": track(identifier), "reason": reason});
    story.track_event(link, EventKind::TrackEnd, &end)
}

/// A link that broke is resumed, and its node shows this track.
fn resumes(story: &mut Story, identifier: &str) {
    story.acts(lost(LinkLoss::Broken));
    story.tick(15);
    story.acts(resumed(LINK, true));
    let body = format!("[{}]", std::str::from_utf8(&player(Some(identifier))).unwrap());
    assert_eq!(told(&story.acts(listed(story, body.into_bytes().into()))), [""; 0]);
}

/// The node died, and another one takes the player.
fn moves(story: &mut Story) {
    story.nodes.states[0] = NodeState::Down;
    story.acts(lost(LinkLoss::Closed { code: 1001 }));
    let effects = story.acts(up(NEXT, OTHER));
    let Some(Effect::Restore { ticket, .. }) = effects.first() else {
        panic!("{effects:?}");
    };
    let (guild, link, ticket) = (GUILD, NEXT, *ticket);
    let outcome = RestoreOutcome::Done(player(Some("b")));
    story.acts(Input::Restored {
        guild,
        link,
        ticket,
        outcome,
    });
}

#[test]
fn the_next_node_tells_a_start_that_was_lost_and_repeats_none() {
    for heard in [false, true] {
        let mut story = Story::playing();
        story.acts(answered(GUILD, LINK, "b"));
        if heard {
            assert_eq!(story.starts(LINK, "b"), Disposition::Forward);
        }
        moves(&mut story);
        let expected = if heard {
            Disposition::Swallow
        } else {
            Disposition::Forward
        };
        assert_eq!(story.starts(NEXT, "b"), expected);
        assert_eq!(story.starts(NEXT, "c"), Disposition::Forward, "another track is news");
    }
}

#[test]
fn a_moves_own_start_that_was_lost_hides_no_later_one() {
    for ended in [false, true] {
        let mut story = Story::playing();
        story.acts(answered(GUILD, LINK, "b"));
        story.starts(LINK, "b");
        moves(&mut story);
        if ended {
            assert_eq!(ends(&mut story, NEXT, "b", "finished"), Disposition::Forward);
        }
        let again = if ended { "b" } else { "c" };
        assert_eq!(story.starts(NEXT, again), Disposition::Forward);
    }
}

#[test]
fn a_start_that_was_lost_in_the_dead_socket_is_told_once() {
    for late in [None, Some(200), Some(600)] {
        let mut story = Story::playing();
        story.acts(answered(GUILD, LINK, "b"));
        resumes(&mut story, "b");
        let mut told_by_node = false;
        let mut messages = Vec::new();
        for _ in 0..4 {
            messages.extend(told(&story.tick(200)));
            if late == Some(story.clock - 15) {
                told_by_node = story.starts(LINK, "b") == Disposition::Forward;
            }
        }
        let expected: &[&str] = if told_by_node { &[] } else { &["TrackStartEvent"] };
        assert_eq!(messages, expected, "{late:?}");
        assert_eq!(told_by_node, late == Some(200));
        assert_eq!(ends(&mut story, LINK, "b", "finished"), Disposition::Forward);
    }
}

#[test]
fn an_end_whose_start_was_lost_is_told_after_it_and_before_what_follows() {
    let mut story = Story::playing();
    story.acts(answered(GUILD, LINK, "b"));
    assert_eq!(ends(&mut story, LINK, "b", "replaced"), Disposition::Swallow);
    assert_eq!(story.starts(LINK, "c"), Disposition::Swallow, "it keeps its place");
    assert!(story.machine.needs_tick());
    let expected = ["TrackStartEvent", "TrackEndEvent replaced", "TrackStartEvent"];
    assert_eq!(told(&story.tick(0)), expected);
    assert!(!story.machine.needs_tick());
    assert_eq!(ends(&mut story, LINK, "c", "finished"), Disposition::Forward);
}

#[test]
fn a_track_that_a_request_ended_before_its_start_came_starts_and_ends_all_the_same() {
    let replaced = |story: &mut Story| story.acts(answered(GUILD, LINK, "c"));
    let destroyed = |story: &mut Story| {
        let (guild, link) = (GUILD, LINK);
        story.acts(Input::PlayerGone { guild, link })
    };
    for end in [replaced as fn(&mut Story) -> Vec<Effect>, destroyed] {
        for lost in [false, true] {
            let mut story = Story::playing();
            story.acts(answered(GUILD, LINK, "b"));
            end(&mut story);
            if !lost {
                assert_eq!(story.starts(LINK, "b"), Disposition::Forward);
            }
            let expected = if lost {
                Disposition::Swallow
            } else {
                Disposition::Forward
            };
            assert_eq!(ends(&mut story, LINK, "b", "stopped"), expected);
            let expected: &[&str] = if lost {
                &["TrackStartEvent", "TrackEndEvent stopped"]
            } else {
                &[]
            };
            assert_eq!(told(&story.tick(0)), expected);
        }
    }
}

#[test]
fn a_start_that_came_before_all_else_was_told() {
    let mut story = Story::connected();
    assert_eq!(story.starts(LINK, "b"), Disposition::Forward);
    story.acts(answered(GUILD, LINK, "b"));
    moves(&mut story);
    assert_eq!(story.starts(NEXT, "b"), Disposition::Swallow);
}

#[test]
fn a_player_that_a_node_shows_first_has_its_start_told_unless_it_is_of_an_earlier_run() {
    let mut story = Story::playing();
    resumes(&mut story, "a");
    let other = GuildId(8);
    let (link, asked) = (LINK, story.now());
    let body = Some(player(Some("b")));
    story.acts(Input::PlayerFound {
        guild: other,
        link,
        asked,
        body,
    });
    assert_eq!(told(&story.tick(500)), ["TrackStartEvent"]);

    let settings = Arc::new(SessionSettings::default());
    let until = story.now() + seconds(60);
    let links = [(NODE, NodeSessionId::from("nodesession"))];
    story.machine = Machine::revive(settings, (true, 60), links, until, story.now());
    story.acts(Input::ClientBack);
    resumes(&mut story, "b");
    assert_eq!(told(&story.tick(500)), [""; 0]);
}

#[test]
fn an_answer_that_an_end_has_overtaken_starts_nothing() {
    let mut story = Story::playing();
    story.acts(lost(LinkLoss::Broken));
    story.tick(15);
    story.acts(resumed(LINK, true));
    assert_eq!(ends(&mut story, LINK, "a", "finished"), Disposition::Forward);
    let (guild, link, asked) = (GUILD, LINK, Asked::default());
    let answer = player(Some("a"));
    story.acts(Input::PlayerAnswered {
        guild,
        link,
        asked,
        answer,
    });
    assert_eq!(told(&story.tick(500)), [""; 0]);
}

/// A request sent now plays this track, and is answered at once.
fn plays(story: &mut Story, link: LinkId, identifier: &str) {
    plays_since(story.now(), story, link, identifier);
}

/// The same, sent earlier.
fn plays_since(sent: Instant, story: &mut Story, link: LinkId, identifier: &str) -> Vec<Effect> {
    let (guild, answer) = (GUILD, player(Some(identifier)));
    let asked = Asked {
        new_track: true,
        sent: Some(sent),
        ..Asked::default()
    };
    story.acts(Input::PlayerAnswered {
        guild,
        link,
        asked,
        answer,
    })
}

#[test]
fn a_track_that_is_played_again_starts_again_though_its_node_died_before_it_said_so() {
    for ended in [false, true] {
        let mut story = Story::playing();
        story.tick(1000);
        if ended {
            assert_eq!(ends(&mut story, LINK, "a", "finished"), Disposition::Forward);
            story.tick(1000);
        }
        plays(&mut story, LINK, "a");
        story.nodes.states[0] = NodeState::Down;
        story.acts(lost(LinkLoss::Closed { code: 1001 }));
        let effects = story.acts(up(NEXT, OTHER));
        let Some(Effect::Restore { body, .. }) = effects.first() else {
            panic!("{effects:?}");
        };
        let body: Value = serde_json::from_str(body.expose()).unwrap();
        assert_eq!(body["track"]["encoded"], json!("a"), "ended: {ended}");
        assert_eq!(story.starts(NEXT, "a"), Disposition::Forward, "ended: {ended}");
    }
}

#[test]
fn a_track_that_is_played_again_has_no_start_told_before_the_end_of_its_earlier_play() {
    let mut story = Story::playing();
    story.tick(1000);
    plays(&mut story, LINK, "a");
    assert_eq!(ends(&mut story, LINK, "a", "replaced"), Disposition::Forward);
    assert_eq!(story.starts(LINK, "a"), Disposition::Forward);
    assert_eq!(told(&story.tick(500)), [""; 0]);
}

#[test]
fn a_track_that_was_told_to_be_replaced_does_not_come_back_with_the_next_node_and_ends_no_second_time() {
    let mut story = Story::playing();
    story.tick(1000);
    assert_eq!(ends(&mut story, LINK, "a", "replaced"), Disposition::Forward);
    // The answer to the request that replaced it went down with the node.
    let (guild, link) = (GUILD, LINK);
    story.acts(Input::PlayerDoubted { guild, link });
    story.nodes.states[0] = NodeState::Down;
    story.acts(lost(LinkLoss::Closed { code: 1001 }));
    let effects = story.acts(up(NEXT, OTHER));
    let Some(Effect::Restore { body, .. }) = effects.first() else {
        panic!("{effects:?}");
    };
    let body: Value = serde_json::from_str(body.expose()).unwrap();
    assert_eq!((&body["track"], &body["voice"]["token"]), (&Value::Null, &json!("t")));
}

#[test]
fn what_a_node_showed_before_a_track_was_replaced_brings_it_back_no_more() {
    let mut story = Story::playing();
    story.acts(answered(GUILD, LINK, "b"));
    resumes(&mut story, "b");
    assert_eq!(ends(&mut story, LINK, "b", "replaced"), Disposition::Swallow);
    assert_eq!(told(&story.tick(0)), ["TrackStartEvent", "TrackEndEvent replaced"]);
    assert_eq!(told(&story.tick(500)), [""; 0]);
}

#[test]
fn a_track_that_is_played_again_starts_again_though_its_node_was_asked_before_it_answered() {
    let mut story = Story::playing();
    story.tick(1000);
    let sent = story.now();
    story.tick(10);
    resumes(&mut story, "a");
    let (guild, link) = (GUILD, LINK);
    let effects = plays_since(sent, &mut story, LINK, "a");
    assert!(effects.contains(&Effect::FindPlayer { guild, link }), "{effects:?}");
    story.tick(10);
    let (asked, body) = (story.now(), Some(player(Some("a"))));
    story.acts(Input::PlayerFound {
        guild,
        link,
        asked,
        body,
    });
    assert_eq!(told(&story.tick(500)), ["TrackStartEvent"]);
}

/// What the next node is asked for when the node dies now.
fn restoring_body(story: &mut Story) -> Value {
    story.nodes.states[0] = NodeState::Down;
    story.acts(lost(LinkLoss::Closed { code: 1001 }));
    let effects = story.acts(up(NEXT, OTHER));
    let Some(Effect::Restore { body, .. }) = effects.first() else {
        panic!("{effects:?}");
    };
    serde_json::from_str(body.expose()).unwrap()
}

/// The track of that.
fn restored_by_the_next_node(story: &mut Story) -> Value {
    restoring_body(story)["track"]["encoded"].clone()
}

#[test]
fn the_last_of_two_tracks_that_were_asked_for_at_once_plays_on_wherever_its_node_dies() {
    // What the node says after both answers, before it dies.
    let said = [("a", "end"), ("b", "start"), ("b", "end"), ("c", "start")];
    for heard in 0..=said.len() {
        let mut story = Story::playing();
        story.tick(1000);
        plays(&mut story, LINK, "b");
        plays(&mut story, LINK, "c");
        for (identifier, what) in &said[..heard] {
            let disposition = match *what {
                "end" => ends(&mut story, LINK, identifier, "replaced"),
                _ => story.starts(LINK, identifier),
            };
            assert_eq!(disposition, Disposition::Forward, "{identifier} {what}");
        }
        assert_eq!(restored_by_the_next_node(&mut story), json!("c"), "after {heard}");
        let expected = if heard == said.len() {
            Disposition::Swallow
        } else {
            Disposition::Forward
        };
        assert_eq!(story.starts(NEXT, "c"), expected, "after {heard}");
        assert_eq!(ends(&mut story, NEXT, "c", "finished"), Disposition::Forward);
    }
}

#[test]
fn a_track_that_was_stopped_before_its_start_came_does_not_play_on_with_the_next_node() {
    let mut story = Story::playing();
    story.tick(1000);
    plays(&mut story, LINK, "b");
    let (guild, link, sent) = (GUILD, LINK, Some(story.now()));
    let asked = Asked {
        new_track: true,
        sent,
        ..Asked::default()
    };
    story.acts(Input::PlayerAnswered {
        guild,
        link,
        asked,
        answer: player(None),
    });
    assert_eq!(ends(&mut story, LINK, "a", "replaced"), Disposition::Forward);
    assert_eq!(story.starts(LINK, "b"), Disposition::Forward);
    assert_eq!(restored_by_the_next_node(&mut story), Value::Null);
}

#[test]
fn a_node_is_asked_again_for_what_took_the_place_of_a_track_that_it_told_to_be_replaced() {
    let mut story = Story::playing();
    resumes(&mut story, "c");
    assert_eq!(ends(&mut story, LINK, "a", "replaced"), Disposition::Forward);
    let (guild, link) = (GUILD, LINK);
    let effects = story.tick(500);
    assert!(effects.contains(&Effect::FindPlayer { guild, link }), "{effects:?}");
    let (asked, body) = (story.now() + Duration::from_millis(1), Some(player(Some("c"))));
    story.acts(Input::PlayerFound {
        guild,
        link,
        asked,
        body,
    });
    assert_eq!(told(&story.tick(500)), ["TrackStartEvent"]);
}

#[test]
fn a_start_that_was_told_and_never_came_hides_none_of_a_later_play() {
    for destroyed in [false, true] {
        for (later, expected) in [(100, Disposition::Swallow), (6000, Disposition::Forward)] {
            let mut story = Story::playing();
            story.acts(answered(GUILD, LINK, "b"));
            story.starts(LINK, "b");
            moves(&mut story);
            if destroyed {
                let (guild, link) = (GUILD, NEXT);
                story.acts(Input::PlayerGone { guild, link });
            }
            story.tick(later);
            assert_eq!(story.starts(NEXT, "b"), expected, "{destroyed} {later}");
        }
    }
}

/// A player has moved away and was destroyed where it went; its first node has just cleared up what it left there.
fn just_left() -> Story {
    let mut story = Story::playing();
    story.acts(Input::Move {
        guild: GUILD,
        to: Some(OTHER),
    });
    story.acts(up(NEXT, OTHER));
    let effects = story.acts(Input::Quiet(GUILD));
    let Some(Effect::Restore { ticket, .. }) = effects.first() else {
        panic!("{effects:?}");
    };
    let (guild, link, ticket) = (GUILD, NEXT, *ticket);
    let outcome = RestoreOutcome::Done(player(Some("a")));
    let effects = story.acts(Input::Restored {
        guild,
        link,
        ticket,
        outcome,
    });
    let (link, ticket) = (LINK, destroying(&effects, guild, LINK).unwrap());
    story.acts(Input::Destroyed { guild, link, ticket });
    story.acts(Input::PlayerGone { guild, link: NEXT });
    story.tick(100);
    story
}

#[test]
fn a_start_that_could_not_be_told_from_what_an_earlier_player_left_is_told() {
    for answered_after in [0, 2000] {
        let mut story = just_left();
        let sent = story.now();
        assert_eq!(story.starts(LINK, "c"), Disposition::Swallow);
        story.tick(answered_after);
        // What is over of other guilds is forgotten, and that of this one only when no answer can need it.
        let (guild, link, ticket) = (GuildId(8), LINK, u32::MAX);
        story.acts(Input::Destroyed { guild, link, ticket });
        plays_since(sent, &mut story, LINK, "c");
        assert_eq!(told(&story.tick(500)), ["TrackStartEvent"], "{answered_after}");
    }
}

#[test]
fn a_start_that_may_have_been_dropped_and_came_is_not_taken_for_that_of_the_next_play() {
    let mut story = just_left();
    plays(&mut story, LINK, "c");
    story.tick(100);
    assert_eq!(story.starts(LINK, "c"), Disposition::Forward);
    story.tick(250);
    plays(&mut story, LINK, "c");
    assert_eq!(told(&story.tick(100)), [""; 0]);
    assert_eq!(ends(&mut story, LINK, "c", "replaced"), Disposition::Forward);
    assert_eq!(story.starts(LINK, "c"), Disposition::Forward);
}

/// A session of an earlier run, whose node has been resumed.
fn revived() -> Story {
    let mut story = Story::new();
    let settings = Arc::new(SessionSettings::default());
    let until = story.now() + seconds(60);
    let links = [(NODE, NodeSessionId::from("nodesession"))];
    story.machine = Machine::revive(settings, (true, 60), links, until, story.now());
    story.acts(Input::Tick);
    story.acts(Input::ClientBack);
    story.acts(resumed(LINK, true));
    story
}

#[test]
fn a_player_that_this_run_made_on_a_node_of_an_earlier_one_has_its_start_told() {
    let mut story = revived();
    story.acts(listed(&story, b"[]"[..].into()));
    story.clock += 1000;
    let (guild, link, asked) = (GUILD, LINK, story.now());
    let body = Some(player(Some("a")));
    story.acts(Input::PlayerFound {
        guild,
        link,
        asked,
        body,
    });
    assert_eq!(told(&story.tick(500)), ["TrackStartEvent"]);
}

#[test]
fn an_end_in_one_guild_casts_no_doubt_on_another() {
    for ended in [8, GUILD.0] {
        let mut story = revived();
        let body = format!("[{}]", std::str::from_utf8(&player(Some("a"))).unwrap());
        let list = listed(&story, body.into_bytes().into());
        let end = json!({"type": "TrackEndEvent", "track": track("z"), "reason": "finished"});
        let heard = envelope(Op::Event, Some(ended), EventKind::TrackEnd);
        let now = story.now();
        story
            .machine
            .message(LINK, &heard, &serde_json::to_vec(&end).unwrap(), now);
        let (guild, link) = (GUILD, LINK);
        let find = Effect::FindPlayer { guild, link };
        let doubtful = ended == GUILD.0;
        assert_eq!(story.acts(list).contains(&find), doubtful);
        let shadow = story.machine.players().get(GUILD).unwrap().shadow.as_ref();
        assert_eq!(shadow.is_none(), doubtful);
        // Nothing else is known of it, so its node is asked until it answers.
        let again = story.acts(Input::FindFailed { guild, link });
        assert_eq!(again.contains(&find), doubtful);
        if doubtful {
            let body = Some(player(Some("a")));
            let asked = story.now() + Duration::from_millis(1);
            story.acts(Input::PlayerFound {
                guild,
                link,
                asked,
                body,
            });
            assert_eq!(told(&story.tick(500)), [""; 0], "the run before has told its start");
        }
    }
}

#[test]
fn a_player_of_which_nothing_is_known_is_lost_with_its_node_and_its_client_told() {
    let mut story = revived();
    let body = format!("[{}]", std::str::from_utf8(&player(Some("a"))).unwrap());
    let list = listed(&story, body.into_bytes().into());
    ends(&mut story, LINK, "a", "finished");
    story.acts(list);
    story.nodes.states[0] = NodeState::Down;
    let effects = story.acts(lost(LinkLoss::Closed { code: 1001 }));
    assert_eq!(told(&effects), ["WebSocketClosedEvent Session is no longer valid."]);
    let outcome = effects.iter().find_map(|effect| match effect {
        Effect::Migrated(migration) => Some(migration.outcome),
        _ => None,
    });
    assert_eq!(outcome, Some(MoveOutcome::Failed));
    assert!(story.machine.players().is_empty());
}

/// The client has destroyed a player of an earlier run after its node was asked for all of them: it is asked once more.
fn destroyed_while_listed(draining: bool) -> Story {
    let mut story = revived();
    let body = format!("[{}]", std::str::from_utf8(&player(Some("a"))).unwrap());
    let list = listed(&story, body.into_bytes().into());
    let (guild, link) = (GUILD, LINK);
    story.acts(Input::PlayerGone { guild, link });
    if draining {
        story.nodes.states[0] = NodeState::Draining;
    }
    let effects = story.acts(list);
    assert!(effects.contains(&Effect::FindPlayer { guild, link }), "{effects:?}");
    assert_eq!(story.machine.moving(), usize::from(draining));
    story
}

#[test]
fn a_player_that_is_made_again_right_after_its_node_said_that_it_is_gone_plays_on() {
    let mut story = destroyed_while_listed(false);
    let (guild, link, asked, body) = (GUILD, LINK, story.now() + Duration::from_millis(1), None);
    story.tick(10);
    story.acts(Input::PlayerFound {
        guild,
        link,
        asked,
        body,
    });
    assert_eq!(story.starts(LINK, "b"), Disposition::Forward);
    plays(&mut story, LINK, "b");
    assert_eq!(told(&story.tick(500)), [""; 0]);
    assert_eq!(story.machine.route(GUILD), Route::Link(LINK));
    assert_eq!(story.machine.players().len(), 1);
}

#[test]
fn a_player_that_was_destroyed_while_its_drained_node_was_asked_moves_no_more() {
    let mut story = destroyed_while_listed(true);
    let (guild, link, asked, body) = (GUILD, LINK, story.now() + Duration::from_millis(1), None);
    story.tick(10);
    story.acts(Input::PlayerFound {
        guild,
        link,
        asked,
        body,
    });
    assert_eq!((story.machine.moving(), story.machine.players().len()), (0, 0));
    assert_eq!(told(&story.acts(lost(LinkLoss::Closed { code: 1001 }))), [""; 0]);
}

#[test]
fn what_an_answer_shows_beside_a_track_that_is_in_doubt_is_taken_at_once() {
    // Before the node dies: nothing more, what the track became, or that it says nothing of it.
    for then in ["", "said", "silent"] {
        let mut story = Story::playing();
        story.acts(lost(LinkLoss::Broken));
        story.tick(15);
        story.acts(resumed(LINK, true));
        let mut shown: Value = serde_json::from_slice(&player(Some("c"))).unwrap();
        (shown["volume"], shown["filters"]) = (json!(40), json!({"volume": 2.0}));
        shown["voice"] = json!({"token": "new", "endpoint": "e", "sessionId": "s"});
        let (guild, link) = (GUILD, LINK);
        let asked = Asked {
            end_time: Some(50_000),
            voice: true,
            channel: std::num::NonZeroU64::new(77),
            ..Asked::default()
        };
        story.acts(Input::PlayerAnswered {
            guild,
            link,
            asked,
            answer: serde_json::to_vec(&shown).unwrap().into(),
        });
        if then == "said" {
            assert_eq!(ends(&mut story, LINK, "a", "replaced"), Disposition::Forward);
            assert_eq!(story.starts(LINK, "c"), Disposition::Forward);
        }
        if !then.is_empty() {
            let expected: &[&str] = match then {
                "silent" => &["TrackEndEvent replaced", "TrackStartEvent"],
                _ => &[],
            };
            assert_eq!(told(&story.tick(500)), expected);
        }
        let body = restoring_body(&mut story);
        assert_eq!(body["track"]["encoded"], json!("c"), "{then}");
        assert_eq!(
            (&body["volume"], &body["endTime"]),
            (&json!(40), &json!(50_000)),
            "{then}"
        );
        assert_eq!(body["filters"], shown["filters"], "{then}");
        let voice = json!({"token": "new", "endpoint": "e", "sessionId": "s", "channelId": "77"});
        assert_eq!(body["voice"], voice, "{then}");
    }
}

#[test]
fn what_a_node_showed_before_it_died_is_what_its_players_are() {
    for (shown, expected) in [
        (player(Some("c")), &["TrackEndEvent replaced", "TrackStartEvent"][..]),
        (player(None), &["TrackEndEvent loadFailed"]),
    ] {
        let mut story = Story::playing();
        story.acts(lost(LinkLoss::Broken));
        story.tick(15);
        story.acts(resumed(LINK, true));
        let body = format!("[{}]", std::str::from_utf8(&shown).unwrap());
        story.acts(listed(&story, body.into_bytes().into()));
        story.nodes.states[0] = NodeState::Down;
        assert_eq!(told(&story.acts(lost(LinkLoss::Closed { code: 1001 }))), expected);
    }
}
