//! The client: ready, lost, back, gone.

use super::*;

#[test]
fn the_first_link_makes_the_session_ready() {
    let mut story = Story::new();
    assert_eq!(
        story.message(LINK, Op::Stats, None),
        Disposition::Swallow,
        "before the link is up"
    );
    assert_eq!(
        story.at(0, up(LINK, NODE)),
        [
            Effect::SendReady { resumed: false },
            Effect::SendEarlyStats,
            Effect::Publish
        ]
    );
    assert!(story.machine.is_connected());
    assert_eq!(story.machine.route(GUILD), Route::Link(LINK));
    let mut refused = Story::new();
    assert_eq!(
        refused.at(0, lost(LinkLoss::Refused)),
        [
            close(1013, "no node could be reached"),
            Effect::End(EndReason::LinkLost)
        ]
    );
}

#[test]
fn messages_of_a_connected_session_are_forwarded_but_for_the_nodes_ready() {
    let mut story = Story::playing();
    let cases = [
        (Op::Ready, None, Disposition::Swallow),
        (Op::Stats, None, Disposition::Forward),
        (Op::PlayerUpdate, Some(7), Disposition::Forward),
        (Op::PlayerUpdate, Some(8), Disposition::Forward),
        (Op::Event, Some(7), Disposition::Forward),
        (Op::Event, None, Disposition::Forward),
        (Op::Other, None, Disposition::Forward),
    ];
    for (op, guild, expected) in cases {
        assert_eq!(story.message(LINK, op, guild), expected, "{op:?}");
    }
    assert_eq!(
        story.message(LinkId(9), Op::Event, Some(7)),
        Disposition::Swallow,
        "no such link"
    );
}

#[test]
fn a_lost_client_ends_or_parks_the_session_by_its_settings() {
    let ends = |reason| vec![close_link(Leave::Close), Effect::End(reason)];
    let off = Input::SessionUpdated {
        resuming: Some(false),
        timeout: None,
    };
    let only_timeout = Input::SessionUpdated {
        resuming: None,
        timeout: Some(600),
    };
    let cases = [
        (vec![], ends(EndReason::ClientGone)),
        (vec![only_timeout], ends(EndReason::ClientGone)),
        (vec![resuming(60), off], ends(EndReason::ClientGone)),
        (vec![resuming(0)], ends(EndReason::ResumeExpired)),
        (vec![resuming(-5)], ends(EndReason::ResumeExpired)),
    ];
    for (updates, expected) in cases {
        let mut story = Story::connected();
        let what = format!("{updates:?}");
        updates.into_iter().for_each(|update| _ = story.at(0, update));
        assert_eq!(story.at(1, Input::ClientLost { ours: false }), expected, "{what}");
        assert!(story.machine.is_ended());
    }
    for (timeout, ours, parked_for) in [(60, false, 60), (5, false, 5), (i64::MAX, false, 3600), (5, true, 60)] {
        let mut story = Story::connected();
        story.at(0, resuming(timeout));
        let wake = story.start + seconds(1 + parked_for);
        assert_eq!(story.at(1, Input::ClientLost { ours }), [Effect::WakeAt(wake)]);
        assert_eq!(
            (story.machine.parked_until(), story.machine.timeout()),
            (Some(wake), timeout)
        );
    }
    let mut ours = Story::connected();
    let wake = ours.start + seconds(61);
    assert_eq!(
        ours.at(1, Input::ClientLost { ours: true }),
        [Effect::WakeAt(wake)],
        "grace"
    );
}

#[test]
fn a_node_that_was_asked_to_keep_players_is_told_to_forget_them_when_their_client_is_gone() {
    let mut story = Story::playing();
    let ended = [close_link(Leave::Destroy), Effect::End(EndReason::ClientGone)];
    assert_eq!(story.at(1, Input::ClientLost { ours: false }), ended);
    assert!(story.machine.players().is_empty() && story.machine.links().is_empty());
    let mut resuming = Story::playing();
    resuming.at(1, lost(LinkLoss::Broken));
    assert_eq!(
        resuming.acts(Input::ClientLost { ours: false }),
        [
            close_link(Leave::Close),
            Effect::Abandon {
                node: NODE,
                node_session: NodeSessionId::from("nodesession"),
            },
            Effect::End(EndReason::ClientGone),
        ],
        "the node cannot be told now"
    );
}

#[test]
fn a_client_that_comes_back_gets_ready_then_what_it_missed_then_its_players() {
    let mut story = Story::parked();
    assert_eq!(story.message(LINK, Op::PlayerUpdate, Some(7)), Disposition::Swallow);
    for text in ["one", "two", "three"] {
        assert_eq!(story.event(text), []);
    }
    let effects = story.at(59, Input::ClientBack);
    let [
        Effect::SendReady { resumed: true },
        Effect::Replay(queue),
        Effect::SendPlayerUpdates(LINK),
    ] = &effects[..]
    else {
        panic!("{effects:?}")
    };
    assert_eq!(queue.iter().collect::<Vec<_>>(), [&b"one"[..], b"two", b"three"]);
    assert_eq!(story.message(LINK, Op::Event, Some(7)), Disposition::Forward);
    assert_eq!(story.at(60, Input::Tick), [], "the old deadline is void");
    assert!(
        matches!(story.at(70, Input::ClientLost { ours: false })[..], [Effect::WakeAt(_)]),
        "resumable again and again"
    );
    assert_eq!(story.machine.queue().map(ResumeQueue::len), Some(0));
    let mut connected = Story::connected();
    assert_eq!(connected.at(1, Input::ClientBack), [], "nobody is away");
    assert!(connected.machine.is_connected());
}

#[test]
fn a_parked_session_ends_at_its_time_and_not_before() {
    let ended = [close_link(Leave::Destroy), Effect::End(EndReason::ResumeExpired)];
    let mut story = Story::parked();
    assert_eq!(story.at(59, Input::Tick), [], "its wake-up stands");
    assert_eq!(story.at(60, Input::Tick), ended);
    let mut late = Story::parked();
    assert_eq!(
        late.at(60, Input::ClientBack),
        ended,
        "the tick is late and so is the client"
    );
}

#[test]
fn a_full_queue_ends_the_session_instead_of_losing_a_message() {
    let mut story = Story::parked();
    for text in ["1", "2", "3", "4"] {
        assert_eq!(story.event(text), []);
    }
    assert_eq!(
        story.event("5"),
        [close_link(Leave::Destroy), Effect::End(EndReason::QueueFull)]
    );
    assert_eq!(story.machine.unread(), (4, 4));
    assert_eq!(story.at(1, Input::ClientBack), []);
}

#[test]
fn figures_end_no_session_and_make_room_for_messages() {
    let mut story = Story::parked();
    story.machine.enqueue_stats(b"s");
    for text in ["1", "2", "3", "4"] {
        assert_eq!(story.event(text), []);
        story.machine.enqueue_stats(b"s");
    }
    let queue: Vec<_> = story.machine.queue().unwrap().iter().collect();
    assert_eq!(queue, [b"1", b"2", b"3", b"4"]);
}

#[test]
fn shutting_down_closes_everything_and_leaves_players_only_for_the_next_run() {
    for (keep, leave) in [(false, Leave::Destroy), (true, Leave::Close)] {
        let (told, end) = (
            close(1001, "the proxy is shutting down"),
            Effect::End(EndReason::Shutdown),
        );
        assert_eq!(
            Story::playing().at(1, Input::Shutdown { keep }),
            [told, close_link(leave), end]
        );
        let end = Effect::End(EndReason::Shutdown);
        assert_eq!(
            Story::parked().at(1, Input::Shutdown { keep }),
            [close_link(leave), end]
        );
    }
}

#[test]
fn a_client_that_leaves_before_ready_ends_the_session() {
    let mut story = Story::new();
    assert_eq!(
        story.at(0, Input::ClientLost { ours: false }),
        [Effect::End(EndReason::ClientGone)]
    );
    assert_eq!(
        story.at(0, up(LINK, NODE)),
        [],
        "the shell closes a link that comes up for an ended session"
    );
}

#[test]
fn a_session_of_an_earlier_run_resumes_its_links_and_learns_its_players_from_them() {
    let mut story = Story::new();
    let (now, until) = (story.now(), story.now() + seconds(60));
    let links = [(NODE, NodeSessionId::from("nodesession"))];
    story.machine = Machine::revive(Arc::default(), (true, 60), links, until, now);
    assert!(story.machine.is_parked());
    let open = Effect::OpenLink {
        link: LINK,
        node: NODE,
        resume: Some(NodeSessionId::from("nodesession")),
    };
    assert_eq!(story.acts(Input::Tick), [open, Effect::Publish]);
    assert_eq!(
        story.acts(resumed(LINK, true)),
        [Effect::ListPlayers(LINK), Effect::Publish]
    );
    let body = format!("[{}]", std::str::from_utf8(&player(Some("a"))).unwrap());
    let body = body.into_bytes().into();
    assert_eq!(story.acts(listed(&story, body)), [Effect::Publish]);
    assert!(
        story
            .machine
            .players()
            .get(GUILD)
            .unwrap()
            .shadow
            .as_ref()
            .unwrap()
            .has_track()
    );
    assert_eq!(
        story.acts(Input::ClientBack).last(),
        Some(&Effect::SendPlayerUpdates(LINK)),
        "as after any absence"
    );
}

/// A session of an earlier run with links to these nodes; its client is away.
fn revived(placement: PlacementMode, nodes: &[NodeId]) -> Story {
    let mut story = Story::new();
    let settings = SessionSettings {
        placement,
        ..SessionSettings::default()
    };
    let (now, until) = (story.now(), story.now() + seconds(60));
    let links = nodes.iter().map(|node| (*node, NodeSessionId::from("nodesession")));
    story.machine = Machine::revive(Arc::new(settings), (true, 60), links, until, now);
    story.acts(Input::Tick);
    story
}

#[test]
fn after_a_restart_no_player_is_placed_before_all_nodes_said_whom_they_have() {
    for placement in [PlacementMode::Player, PlacementMode::Session] {
        let mut story = revived(placement, &[NODE, OTHER]);
        story.acts(Input::ClientBack);
        story.acts(resumed(LINK, true));
        story.acts(listed(&story, b"[]"[..].into()));
        assert_eq!(story.machine.route(GUILD), Route::Wait, "{placement:?}");
        let (now, nodes) = (story.now(), &mut story.nodes);
        let placed = story
            .machine
            .place(GUILD, &Needs::default(), now, nodes, &mut Vec::new());
        assert_eq!(placed, Placed::Wait, "{placement:?}");
        let (link, why) = (LinkId(1), LinkLoss::Refused);
        story.acts(Input::LinkLost { link, why });
        assert!(!story.machine.is_ended(), "what the other node has plays on");
        assert_ne!(story.machine.route(GUILD), Route::Wait, "{placement:?}");
    }
}

#[test]
fn a_client_that_is_back_before_its_players_are_known_is_told_of_them() {
    let mut story = revived(PlacementMode::Session, &[NODE]);
    story.acts(Input::ClientBack);
    story.acts(resumed(LINK, true));
    let body = format!("[{}]", std::str::from_utf8(&player(Some("a"))).unwrap());
    let effects = story.acts(listed(&story, body.into_bytes().into()));
    assert!(effects.contains(&Effect::SendPlayerUpdates(LINK)), "{effects:?}");
}

/// What the node queued comes before its answer, and a client that hears of an end plays the next track at once.
#[test]
fn after_a_restart_a_player_whose_track_ends_stays_where_it_is() {
    for shown in [Some("a"), None] {
        let mut story = revived(PlacementMode::Player, &[NODE]);
        story.acts(Input::ClientBack);
        story.acts(resumed(LINK, true));
        let body = format!("[{}]", std::str::from_utf8(&player(shown)).unwrap());
        let list = listed(&story, body.into_bytes().into());
        story.clock += 10;
        let end = story.track_event(LINK, EventKind::TrackEnd, &json!({}));
        assert_eq!(end, Disposition::Forward);
        let effects = story.acts(list);
        assert_eq!(story.machine.route(GUILD), Route::Link(LINK), "{shown:?}");
        let find = Effect::FindPlayer {
            guild: GUILD,
            link: LINK,
        };
        assert!(effects.contains(&find), "{effects:?}");
        story.clock += 10;
        let asked = story.now();
        let found = Input::PlayerFound {
            guild: GUILD,
            link: LINK,
            asked,
            body: Some(player(None)),
        };
        assert_eq!(story.acts(found), [], "the end was told");
        assert_eq!(story.message(LINK, Op::Event, Some(7)), Disposition::Forward);
    }
}

/// Where there is one node, requests do not wait until it has said which players it has.
#[test]
fn after_a_restart_a_player_that_is_destroyed_before_all_are_known_does_not_come_back() {
    for shown in [Some("a"), None] {
        let mut story = revived(PlacementMode::Session, &[NODE]);
        story.acts(Input::ClientBack);
        story.acts(resumed(LINK, true));
        let body = format!("[{}]", std::str::from_utf8(&player(shown)).unwrap());
        let (list, asked) = (listed(&story, body.into_bytes().into()), story.now());
        story.clock += 10;
        let (guild, link) = (GUILD, LINK);
        story.acts(Input::PlayerGone { guild, link });
        let found = Input::PlayerFound {
            guild,
            link,
            asked,
            body: Some(player(shown)),
        };
        for late in [list, found] {
            let effects = story.acts(late);
            assert!(effects.contains(&Effect::FindPlayer { guild, link }), "{effects:?}");
        }
        story.clock += 10;
        let (asked, body) = (story.now(), None);
        story.acts(Input::PlayerFound {
            guild,
            link,
            asked,
            body,
        });
        assert_eq!(told(&story.tick(500)), [""; 0]);
        assert!(story.machine.players().is_empty(), "{shown:?}");
    }
}

#[test]
fn a_session_whose_only_node_was_lost_with_the_earlier_run_is_not_resumed() {
    for back in [false, true] {
        let mut story = revived(PlacementMode::Session, &[NODE]);
        if back {
            story.acts(Input::ClientBack);
        }
        let effects = story.acts(lost(LinkLoss::Refused));
        let told = effects.contains(&close(1001, "the node was lost"));
        assert_eq!(told, back, "{effects:?}");
        assert_eq!(effects.last(), Some(&Effect::End(EndReason::LinkLost)));
    }
}

#[test]
fn how_long_a_client_is_waited_for_is_what_it_asked_and_more_where_the_proxy_is_to_blame() {
    let settings = SessionSettings::default();
    let cases = [
        (true, 5, false, 5),
        (true, 5, true, 60),
        (true, 600, true, 600),
        (true, -1, false, 0),
        (false, 600, true, 60),
        (false, 600, false, 0),
        (true, i64::MAX, true, 24 * 3600),
    ];
    for (resuming, timeout, ours, expected) in cases {
        let patience = settings.patience(resuming, timeout, ours);
        assert_eq!(patience, seconds(expected), "{resuming} {timeout} {ours}");
    }
}
