//! Links: lost, resumed, given up, opened again.

use super::*;

fn open(link: u32, node: NodeId, resume: Option<&str>) -> Effect {
    Effect::OpenLink {
        link: LinkId(link),
        node,
        resume: resume.map(NodeSessionId::from),
    }
}

fn abandon() -> Effect {
    Effect::Abandon {
        node: NODE,
        node_session: NodeSessionId::from("nodesession"),
    }
}

/// A playing session whose link was lost and is asked for for the first time.
fn resuming_story() -> Story {
    let mut story = Story::playing();
    assert_eq!(story.acts(lost(LinkLoss::Broken)), [Effect::Publish]);
    assert_eq!(story.machine.route(GUILD), Route::Wait);
    assert_eq!(story.tick(15), [open(0, NODE, Some("nodesession"))]);
    story
}

#[test]
fn a_lost_link_is_resumed_and_its_players_are_asked_for() {
    let mut story = resuming_story();
    assert_eq!(
        story.acts(resumed(LINK, true)),
        [Effect::ListPlayers(LINK), Effect::Publish]
    );
    assert_eq!(story.machine.route(GUILD), Route::Link(LINK));
    assert!(story.machine.is_connected(), "the client notices nothing");
}

#[test]
fn a_node_that_has_not_seen_the_old_socket_close_is_asked_again() {
    let mut story = resuming_story();
    for _ in 0..2 {
        assert_eq!(story.acts(resumed(LINK, false)), [close_link(Leave::Close)]);
        assert_eq!(story.tick(200), [open(0, NODE, Some("nodesession"))]);
    }
    assert_eq!(
        story.acts(resumed(LINK, true)),
        [Effect::ListPlayers(LINK), Effect::Publish]
    );
}

#[test]
fn a_node_that_was_restarted_gets_its_players_again() {
    let mut story = resuming_story();
    for _ in 0..2 {
        story.acts(resumed(LINK, false));
        story.tick(200);
    }
    let effects = story.acts(resumed(LINK, false));
    assert_eq!(effects[..3], [close_link(Leave::Close), abandon(), open(1, NODE, None)]);
    let effects = story.acts(up(LinkId(1), NODE));
    assert!(
        matches!(&effects[0], Effect::Restore { guild: GUILD, .. }),
        "{effects:?}"
    );
    assert_eq!(story.machine.route(GUILD), Route::Wait);
}

#[test]
fn a_lost_link_is_given_up_at_once_when_nothing_is_left_to_resume() {
    for why in [LinkLoss::Refused, LinkLoss::Closed { code: 1001 }] {
        let mut story = Story::playing();
        story.nodes.states[0] = NodeState::Down;
        let effects = match why {
            LinkLoss::Refused => {
                story.acts(lost(LinkLoss::Broken));
                story.tick(15);
                story.acts(lost(why))
            }
            _ => story.acts(lost(why)),
        };
        assert!(effects.contains(&open(1, OTHER, None)), "{why:?} {effects:?}");
        assert!(!effects.contains(&abandon()), "{why:?} {effects:?}");
    }
}

#[test]
fn a_link_that_cannot_be_resumed_in_time_is_given_up_and_its_node_cleaned_up_later() {
    let mut story = resuming_story();
    story.nodes.states[0] = NodeState::Down;
    story.acts(lost(LinkLoss::Broken));
    assert!(
        matches!(story.tick(100)[..], [Effect::OpenLink { .. }]),
        "it is tried again"
    );
    let effects = story.tick(2000);
    assert_eq!(
        effects[..3],
        [close_link(Leave::Close), abandon(), open(1, OTHER, None)]
    );
    let late = story.acts(resumed(LINK, true));
    assert_eq!(late, [close_link(Leave::Close)], "a success that comes too late");
    let mut told_down = resuming_story();
    told_down.nodes.states[0] = NodeState::Down;
    let change = NodeChange::Down;
    assert!(told_down.acts(Input::Node { node: NODE, change }).contains(&abandon()));
}

#[test]
fn a_plugins_code_ends_the_session_and_is_passed_on() {
    let mut story = Story::playing();
    assert_eq!(
        story.acts(lost(LinkLoss::Closed { code: 4321 })),
        [
            close(4321, "closed by the node"),
            Effect::CloseLink {
                link: LINK,
                leave: Leave::Destroy
            },
            Effect::End(EndReason::LinkLost)
        ]
    );
}

#[test]
fn a_session_without_players_gets_another_link_and_ends_when_no_node_is_found() {
    let mut story = Story::connected();
    story.nodes.states[0] = NodeState::Down;
    assert_eq!(
        story.acts(lost(LinkLoss::Broken)),
        [open(1, OTHER, None), Effect::Publish]
    );
    let refused = Input::LinkLost {
        link: LinkId(1),
        why: LinkLoss::Refused,
    };
    story.nodes.states[1] = NodeState::Down;
    story.acts(refused);
    assert_eq!(story.tick(10_000), []);
    assert!(story.machine.is_connected());
    let effects = story.tick(21_000);
    assert_eq!(
        effects,
        [close(1001, "the node was lost"), Effect::End(EndReason::LinkLost)]
    );
}

#[test]
fn a_node_that_comes_back_in_time_is_used_at_once() {
    let mut story = Story::connected();
    story.nodes.states = vec![NodeState::Down; 2];
    story.acts(lost(LinkLoss::Broken));
    story.clock += 5000;
    story.nodes.states[0] = NodeState::Healthy;
    let change = NodeChange::Up;
    assert_eq!(story.acts(Input::Node { node: NODE, change }), [open(1, NODE, None)]);
    story.acts(up(LinkId(1), NODE));
    assert_eq!(story.tick(60_000), [], "the clock of the loss has stopped");
}

#[test]
fn what_was_lost_in_the_dead_socket_is_told_unless_a_late_message_tells_it() {
    for late in [false, true] {
        let mut story = resuming_story();
        story.acts(resumed(LINK, true));
        let body = format!("[{}]", std::str::from_utf8(&player(None)).unwrap());
        let body = body.into_bytes().into();
        assert_eq!(story.acts(listed(&story, body)), []);
        let end = json!({"track": track("a"), "reason": "finished"});
        if late {
            assert_eq!(story.track_event(LINK, EventKind::TrackEnd, &end), Disposition::Forward);
        }
        let effects = story.tick(500);
        let expected: &[&str] = if late { &[] } else { &["TrackEndEvent loadFailed"] };
        assert_eq!(told(&effects), expected);
        if !late {
            assert_eq!(story.track_event(LINK, EventKind::TrackEnd, &end), Disposition::Swallow);
        }
        assert_eq!(told(&story.tick(5000)), [""; 0], "it is told once");
    }
}

#[test]
fn an_answer_that_comes_after_the_link_broke_does_not_hide_what_was_lost_in_it() {
    let mut story = resuming_story();
    let (guild, link, answer) = (GUILD, LINK, player(None));
    let asked = Asked::default();
    story.acts(Input::PlayerAnswered {
        guild,
        link,
        asked,
        answer,
    });
    assert_eq!(told(&story.tick(500)), ["TrackEndEvent loadFailed"]);
    let end = json!({"track": track("a"), "reason": "finished"});
    story.acts(resumed(LINK, true));
    assert_eq!(story.track_event(LINK, EventKind::TrackEnd, &end), Disposition::Swallow);
}

/// A node that is resumed says of a player without a track that it is at zero.
#[test]
fn what_ran_out_while_the_link_was_lost_is_told_as_finished() {
    let mut story = Story::playing();
    story.clock += 99_500;
    story.acts(lost(LinkLoss::Broken));
    story.acts(resumed(LINK, true));
    let update = br#"{"op":"playerUpdate","guildId":"7","state":{"time":1,"position":0,"connected":true,"ping":1}}"#;
    let (now, heard) = (story.now(), envelope(Op::PlayerUpdate, Some(7), EventKind::None));
    assert_eq!(story.machine.message(LINK, &heard, update, now), Disposition::Forward);
    let body = format!("[{}]", std::str::from_utf8(&player(None)).unwrap());
    story.acts(listed(&story, body.into_bytes().into()));
    assert_eq!(told(&story.tick(500)), ["TrackEndEvent finished"]);
}

#[test]
fn a_player_that_the_node_lost_is_forgotten_with_a_word() {
    let mut story = resuming_story();
    story.acts(resumed(LINK, true));
    let body: Box<[u8]> = b"[]"[..].into();
    story.acts(listed(&story, body));
    assert_eq!(told(&story.tick(500)), ["TrackEndEvent loadFailed"]);
    assert!(story.machine.players().is_empty());
}

#[test]
fn of_two_nodes_with_one_player_of_an_earlier_run_the_one_with_the_voice_has_it() {
    const SECOND: LinkId = LinkId(1);
    let silent = || {
        let mut player: Value = serde_json::from_slice(&player(Some("a"))).unwrap();
        player["state"]["connected"] = json!(false);
        serde_json::to_vec(&player).unwrap().into_boxed_slice()
    };
    let playing = || player(Some("a"));
    let rows = [
        (silent(), playing(), SECOND),
        (playing(), silent(), LINK),
        (playing(), playing(), SECOND),
        (silent(), silent(), SECOND),
    ];
    for (first, second, owner) in rows {
        for second_first in [false, true] {
            let mut story = Story::new();
            let links = [(NODE, "one"), (OTHER, "two")].map(|(node, id)| (node, NodeSessionId::from(id)));
            let settings = Arc::new(SessionSettings::default());
            let (now, until) = (story.now(), story.now() + seconds(60));
            story.machine = Machine::revive(settings, (true, 60), links, until, now);
            story.acts(Input::Tick);
            let mut answers = [(LINK, NODE, &first), (SECOND, OTHER, &second)];
            if second_first {
                answers.reverse();
            }
            let mut destroyed = Vec::new();
            for (link, node, body) in answers {
                let node_session = NodeSessionId::from("any");
                let resumed = true;
                story.acts(Input::LinkUp {
                    link,
                    node,
                    node_session,
                    resumed,
                });
                let body = format!("[{}]", std::str::from_utf8(body).unwrap()).into_bytes().into();
                let asked = story.now();
                let effects = story.acts(Input::Players { link, asked, body });
                destroyed.extend(effects.into_iter().filter_map(|effect| match effect {
                    Effect::DestroyPlayer { link, .. } => Some(link),
                    _ => None,
                }));
            }
            let other = if owner == LINK { SECOND } else { LINK };
            assert_eq!(story.machine.players().link_of(GUILD), Some(owner));
            assert_eq!(destroyed, [other]);
        }
    }
}
