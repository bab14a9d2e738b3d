//! Migrations.

use super::*;

const TARGET: LinkId = LinkId(1);

/// The ticket and body of the restoring request.
fn restoring(effects: &[Effect]) -> (u32, Value) {
    let found = effects.iter().find_map(|effect| match effect {
        Effect::Restore {
            guild: GUILD,
            link: TARGET,
            ticket,
            body,
            ..
        } => Some((*ticket, serde_json::from_str(body.expose()).unwrap())),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("{effects:?}"))
}

fn restored(ticket: u32, outcome: RestoreOutcome) -> Input {
    Input::Restored {
        guild: GUILD,
        link: TARGET,
        ticket,
        outcome,
    }
}

fn outcome(effects: &[Effect]) -> Option<MoveOutcome> {
    effects.iter().find_map(|effect| match effect {
        Effect::Migrated(migration) => Some(migration.outcome),
        _ => None,
    })
}

/// A session whose node died, and whose player is being restored on the other one.
fn moving() -> (Story, u32) {
    let mut story = Story::playing();
    story.nodes.states[0] = NodeState::Down;
    story.clock += 3000;
    story.acts(lost(LinkLoss::Closed { code: 1001 }));
    let effects = story.acts(up(TARGET, OTHER));
    let (ticket, body) = restoring(&effects);
    assert_eq!(
        (&body["track"]["encoded"], &body["position"]),
        (&json!("a"), &json!(4000))
    );
    (story, ticket)
}

#[test]
fn a_player_of_a_dead_node_goes_on_elsewhere_and_its_client_hears_only_the_music() {
    let (mut story, ticket) = moving();
    assert_eq!(story.machine.route(GUILD), Route::Wait);
    let start = json!({"track": track("a")});
    assert_eq!(
        story.track_event(TARGET, EventKind::TrackStart, &start),
        Disposition::Swallow
    );
    assert_eq!(story.message(TARGET, Op::PlayerUpdate, Some(7)), Disposition::Forward);
    let effects = story.acts(restored(ticket, RestoreOutcome::Done(player(Some("a")))));
    assert_eq!(outcome(&effects), Some(MoveOutcome::Moved));
    assert!(effects.contains(&Effect::Keep(TARGET)) && effects.contains(&Effect::Publish));
    assert_eq!(story.machine.route(GUILD), Route::Link(TARGET));
    assert_eq!(story.nodes.budget.under_way(), 0);
    assert_eq!(
        story.track_event(TARGET, EventKind::TrackStart, &start),
        Disposition::Forward,
        "a new one"
    );
}

#[test]
fn the_moves_own_start_is_swallowed_also_when_it_comes_after_the_answer() {
    let (mut story, ticket) = moving();
    story.acts(restored(ticket, RestoreOutcome::Done(player(Some("a")))));
    let start = json!({"track": track("a")});
    assert_eq!(
        story.track_event(TARGET, EventKind::TrackStart, &start),
        Disposition::Swallow
    );
    assert_eq!(
        story.track_event(TARGET, EventKind::TrackStart, &start),
        Disposition::Forward
    );
}

#[test]
fn a_player_that_no_node_can_take_ends_as_lavalink_would_say_it() {
    let (mut story, ticket) = moving();
    let effects = story.acts(restored(ticket, RestoreOutcome::Refused));
    let destroyed = destroying(&effects, GUILD, TARGET);
    assert!(destroyed.is_some(), "what is left of it there: {effects:?}");
    assert_eq!(story.tick(1000), [], "another node may come up");
    let effects = story.tick(30_000);
    assert_eq!(
        told(&effects),
        [
            "TrackExceptionEvent",
            "TrackEndEvent loadFailed",
            "WebSocketClosedEvent Session is no longer valid."
        ]
    );
    assert_eq!(outcome(&effects), Some(MoveOutcome::Failed));
    assert!(story.machine.players().is_empty() && story.machine.is_connected());
    assert_eq!(story.nodes.budget.under_way(), 0);
}

#[test]
fn a_track_that_ran_out_while_no_node_could_be_heard_is_told_and_not_started_again() {
    let mut story = Story::playing();
    story.nodes.states = vec![NodeState::Down; 2];
    story.acts(lost(LinkLoss::Closed { code: 1001 }));
    // The track is at 99 s of 100 by the time that a node is there.
    let now = story.now();
    let update =
        br#"{"op":"playerUpdate","guildId":"7","state":{"time":1,"position":99999,"connected":true,"ping":1}}"#;
    let envelope = envelope(Op::PlayerUpdate, Some(7), EventKind::None);
    assert_eq!(
        story.machine.message(LINK, &envelope, update, now),
        Disposition::Swallow,
        "the link is gone"
    );
    story.clock += 20_000;
    let player = story.machine.players.get_mut(GUILD).unwrap();
    let update =
        br#"{"op":"playerUpdate","guildId":"7","state":{"time":1,"position":99000,"connected":true,"ping":1}}"#;
    player.shadow.as_mut().unwrap().told_update(update, now);
    story.nodes.states[1] = NodeState::Healthy;
    let effects = story.acts(Input::Node {
        node: OTHER,
        change: NodeChange::Up,
    });
    assert_eq!(told(&effects), ["TrackEndEvent finished"]);
    let (_, body) = restoring(&story.acts(up(TARGET, OTHER)));
    assert_eq!((&body["track"], &body["voice"]["token"]), (&Value::Null, &json!("t")));
}

#[test]
fn a_queue_that_is_filled_by_a_track_that_ran_out_ends_the_session_and_nothing_else() {
    let mut story = Story::parked();
    story.nodes.states = vec![NodeState::Down; 2];
    for text in ["1", "2", "3", "4"] {
        assert_eq!(story.event(text), []);
    }
    story.acts(lost(LinkLoss::Closed { code: 1001 }));
    let before = story.now();
    story.clock += 20_000;
    let player = story.machine.players.get_mut(GUILD).unwrap();
    let update =
        br#"{"op":"playerUpdate","guildId":"7","state":{"time":1,"position":99000,"connected":true,"ping":1}}"#;
    player.shadow.as_mut().unwrap().told_update(update, before);
    story.nodes.states[1] = NodeState::Healthy;
    let (node, change) = (OTHER, NodeChange::Up);
    let effects = story.acts(Input::Node { node, change });
    assert_eq!(effects.last(), Some(&Effect::End(EndReason::QueueFull)));
}

#[test]
fn waiting_for_a_turn_is_not_what_a_move_is_given_up_for() {
    let mut story = Story::playing();
    story.nodes.budget = MigrationBudget::new(MigrationLimits {
        at_once: 1,
        ..MigrationLimits::default()
    });
    let now = story.now();
    assert_eq!(story.nodes.budget.begin(MoveReason::NodeDown, NODE, OTHER, now), Ok(()));
    story.nodes.states[0] = NodeState::Down;
    story.acts(lost(LinkLoss::Closed { code: 1001 }));
    // A session is not left without a link meanwhile.
    story.acts(up(TARGET, OTHER));
    for _ in 0..600 {
        let effects = story.tick(100);
        assert_eq!((outcome(&effects), told(&effects)), (None, vec![]));
    }
    assert_eq!(story.machine.moving(), 1, "after a minute, behind another one");
    story.nodes.budget.end(OTHER);
    let (ticket, _) = restoring(&story.tick(100));
    let effects = story.acts(restored(ticket, RestoreOutcome::Done(player(Some("a")))));
    assert_eq!(outcome(&effects), Some(MoveOutcome::Moved));
}

#[test]
fn what_a_player_left_behind_a_link_that_was_away_is_destroyed_before_it_may_come_back() {
    let mut story = Story::playing();
    story.acts(lost(LinkLoss::Broken));
    // It does not wait for the link to be resumed.
    let (guild, to) = (GUILD, Some(OTHER));
    story.acts(Input::Move { guild, to });
    story.acts(up(TARGET, OTHER));
    let (ticket, _) = restoring(&story.acts(Input::Quiet(GUILD)));
    story.acts(restored(ticket, RestoreOutcome::Done(player(Some("a")))));
    // The client destroys it there, which says nothing of what was left.
    story.acts(Input::PlayerGone { guild, link: TARGET });
    story.acts(resumed(LINK, true));
    let shown = serde_json::from_slice::<Value>(&player(Some("a"))).unwrap();
    let list = serde_json::to_vec(&json!([shown])).unwrap();
    let effects = story.acts(listed(&story, list.into()));
    assert!(destroying(&effects, guild, LINK).is_some(), "{effects:?}");
    assert_eq!(story.machine.players().len(), 0);
}

#[test]
fn a_node_is_asked_again_for_a_player_in_doubt_that_is_to_leave_it() {
    let mut story = Story::playing();
    let (guild, link) = (GUILD, LINK);
    story.acts(Input::PlayerDoubted { guild, link });
    story.nodes.states[0] = NodeState::Draining;
    let (node, change) = (NODE, NodeChange::Draining);
    story.acts(Input::Node { node, change });
    let mut asked = 0;
    for _ in 0..100 {
        let effects = story.tick(100);
        asked += effects
            .iter()
            .filter(|effect| matches!(effect, Effect::FindPlayer { .. }))
            .count();
    }
    assert_eq!(asked, 3, "in ten seconds");
}

/// A session whose player is about to leave a drained node.
fn draining() -> Story {
    let mut story = Story::playing();
    story.nodes.states[0] = NodeState::Draining;
    let change = NodeChange::Draining;
    let effects = story.acts(Input::Node { node: NODE, change });
    assert!(
        matches!(
            effects[0],
            Effect::OpenLink {
                link: TARGET,
                node: OTHER,
                ..
            }
        ),
        "{effects:?}"
    );
    assert_eq!(story.machine.route(GUILD), Route::Link(LINK), "it plays on meanwhile");
    story
}

#[test]
fn a_planned_move_waits_for_requests_in_flight_and_leaves_nothing_behind() {
    let mut story = draining();
    let effects = story.acts(up(TARGET, OTHER));
    assert_eq!(effects, [Effect::AwaitQuiet(GUILD), Effect::Publish]);
    assert_eq!(story.machine.route(GUILD), Route::Wait);
    story.acts(answered(GUILD, LINK, "b"));
    let (ticket, body) = restoring(&story.acts(Input::Quiet(GUILD)));
    assert_eq!(body["track"]["encoded"], json!("b"), "with what the last request did");
    assert_eq!(
        story.message(LINK, Op::Event, Some(7)),
        Disposition::Swallow,
        "the old node's voice closes"
    );
    let effects = story.acts(restored(ticket, RestoreOutcome::Done(player(Some("b")))));
    assert!(destroying(&effects, GUILD, LINK).is_some(), "{effects:?}");
    assert!(
        effects.contains(&close_link(Leave::Destroy)),
        "the drained node is left: {effects:?}"
    );
    assert_eq!(outcome(&effects), Some(MoveOutcome::Moved));
    assert_eq!(story.machine.links().len(), 1);
}

#[test]
fn a_planned_move_that_fails_leaves_the_player_where_it_is() {
    let mut story = draining();
    story.acts(up(TARGET, OTHER));
    let (ticket, _) = restoring(&story.acts(Input::Quiet(GUILD)));
    let mut effects = story.acts(restored(ticket, RestoreOutcome::Lost));
    // At the pace of the drain.
    effects.extend(story.tick(200));
    assert_eq!(outcome(&effects), Some(MoveOutcome::Stayed));
    assert!(
        effects.contains(&Effect::FindPlayer {
            guild: GUILD,
            link: LINK
        }),
        "it was not listened to"
    );
    assert_eq!(told(&effects), [""; 0]);
    assert_eq!(story.machine.route(GUILD), Route::Link(LINK));
    assert_eq!(story.message(LINK, Op::Event, Some(7)), Disposition::Forward);
}

#[test]
fn a_node_that_dies_during_a_planned_move_does_not_stop_it() {
    let mut story = draining();
    story.acts(up(TARGET, OTHER));
    let (ticket, _) = restoring(&story.acts(Input::Quiet(GUILD)));
    story.acts(lost(LinkLoss::Closed { code: 1001 }));
    let effects = story.acts(restored(ticket, RestoreOutcome::Done(player(Some("a")))));
    assert_eq!(outcome(&effects), Some(MoveOutcome::Moved));
    assert_eq!(story.machine.route(GUILD), Route::Link(TARGET));
}

#[test]
fn a_drain_that_is_called_off_moves_no_more_players() {
    let mut story = draining();
    story.nodes.states[0] = NodeState::Healthy;
    let mut effects = story.acts(Input::LinkLost {
        link: TARGET,
        why: LinkLoss::Refused,
    });
    effects.extend(story.tick(15));
    assert_eq!((story.machine.moving(), told(&effects)), (0, vec![]));
    assert_eq!(outcome(&effects), Some(MoveOutcome::Dropped), "nothing went wrong");
    assert_eq!(story.machine.route(GUILD), Route::Link(LINK));
}

#[test]
fn a_player_that_cannot_leave_a_drained_node_is_reported_once_for_each_drain() {
    let mut story = Story::playing();
    let stuck = |story: &mut Story| {
        story.nodes.states[0] = NodeState::Draining;
        let change = NodeChange::Draining;
        outcome(&story.acts(Input::Node { node: NODE, change }))
    };
    story.nodes.states[1] = NodeState::Down;
    assert_eq!(stuck(&mut story), Some(MoveOutcome::Stayed));
    for _ in 0..3 {
        // A node that serves others.
        let change = NodeChange::Up;
        let effects = story.acts(Input::Node { node: OTHER, change });
        assert_eq!((outcome(&effects), story.machine.moving()), (None, 0));
    }
    assert_eq!(stuck(&mut story), Some(MoveOutcome::Stayed), "drained again");
}

#[test]
fn an_operator_moves_one_player_to_the_node_of_choice() {
    let mut story = Story::playing();
    let to = Some(OTHER);
    let effects = story.acts(Input::Move { guild: GUILD, to });
    assert!(
        matches!(
            effects[0],
            Effect::OpenLink {
                link: TARGET,
                node: OTHER,
                ..
            }
        ),
        "{effects:?}"
    );
    story.acts(up(TARGET, OTHER));
    let (ticket, _) = restoring(&story.acts(Input::Quiet(GUILD)));
    let effects = story.acts(restored(ticket, RestoreOutcome::Done(player(Some("a")))));
    assert_eq!(outcome(&effects), Some(MoveOutcome::Moved));
    assert_eq!(
        story.machine.links().len(),
        2,
        "the emptied link waits a while for new players"
    );
    assert_eq!(story.tick(61_000), [close_link(Leave::Destroy), Effect::Publish]);
    let same = Input::Move {
        guild: GUILD,
        to: Some(OTHER),
    };
    assert_eq!(story.acts(same), [], "it is there already");
}

#[test]
fn a_player_destroyed_by_its_client_on_the_way_is_not_left_on_the_target() {
    let (mut story, ticket) = moving();
    let gone = Input::PlayerGone {
        guild: GUILD,
        link: LINK,
    };
    assert_eq!(outcome(&story.acts(gone)), Some(MoveOutcome::Dropped));
    let effects = story.acts(restored(ticket, RestoreOutcome::Done(player(Some("a")))));
    assert!(destroying(&effects, GUILD, TARGET).is_some(), "{effects:?}");
    assert_eq!(story.nodes.budget.under_way(), 0);
}

#[test]
fn turns_are_given_back_when_the_session_ends_on_the_way() {
    let (mut story, _) = moving();
    assert_eq!(story.nodes.budget.under_way(), 1);
    let effects = story.acts(Input::ClientLost { ours: false });
    assert_eq!(outcome(&effects), Some(MoveOutcome::Dropped));
    assert_eq!(story.nodes.budget.under_way(), 0);
}
