//! Players that are placed by themselves.

use super::*;

/// The link that is opened second.
const TARGET: LinkId = LinkId(1);

fn spread() -> Story {
    let mut story = Story::with(SessionSettings::default());
    story.at(0, up(LINK, NODE));
    story
}

fn place(story: &mut Story, guild: u64) -> (Placed, Vec<Effect>) {
    let (mut effects, now) = (Vec::new(), story.now());
    let needs = Needs::default();
    let placed = story
        .machine
        .place(GuildId(guild), &needs, now, &mut story.nodes, &mut effects);
    (placed, effects)
}

/// A Player object without a track.
fn idle(endpoint: &str) -> Box<[u8]> {
    let player = json!({
        "guildId": "7", "track": null, "volume": 100, "paused": false, "filters": {},
        "state": {"time": 1, "position": 0, "connected": true, "ping": 1},
        "voice": {"token": "t", "endpoint": endpoint, "sessionId": "s", "channelId": "c"},
    });
    serde_json::to_vec(&player).unwrap().into()
}

fn voice_told(endpoint: &str) -> Input {
    Input::PlayerAnswered {
        guild: GUILD,
        link: LINK,
        asked: Asked {
            voice: true,
            ..Asked::default()
        },
        answer: idle(endpoint),
    }
}

#[test]
fn players_are_spread_when_each_is_placed_by_itself() {
    let mut story = spread();
    assert_eq!(story.machine.route(GUILD), Route::Unplaced);
    assert_eq!(place(&mut story, 7).0, Placed::Link(LINK));
    story.nodes.states[0] = NodeState::Draining;
    let (placed, effects) = place(&mut story, 8);
    assert_eq!(placed, Placed::Wait);
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
    assert_eq!(story.machine.route(GuildId(8)), Route::Wait);
    story.acts(up(TARGET, OTHER));
    assert_eq!(story.machine.route(GuildId(8)), Route::Link(TARGET));
    let stats = [LINK, TARGET].map(|link| story.message(link, Op::Stats, None));
    assert_eq!(stats, [Disposition::Aggregate, Disposition::Swallow]);
    story.nodes.states = vec![NodeState::Down; 2];
    assert!(matches!(place(&mut story, 9).0, Placed::Nowhere(_)));
}

#[test]
fn a_place_that_no_player_took_is_given_back() {
    let mut story = spread();
    assert_eq!(place(&mut story, 7).0, Placed::Link(LINK));
    assert_eq!(place(&mut story, 8).0, Placed::Link(LINK));
    story.acts(answered(GUILD, LINK, "a"));
    assert!(
        !story
            .tick(29_000)
            .iter()
            .any(|effect| matches!(effect, Effect::FindPlayer { .. }))
    );
    let (guild, link) = (GuildId(8), LINK);
    assert_eq!(story.tick(1_001), [Effect::FindPlayer { guild, link }]);
    assert_eq!(story.machine.route(guild), Route::Link(LINK), "until the node has told");
    // An answer that was lost is no answer.
    assert_eq!(story.tick(30_001), [Effect::FindPlayer { guild, link }]);
    let (asked, body) = (story.now(), None);
    story.acts(Input::PlayerFound {
        guild,
        link,
        asked,
        body,
    });
    assert_eq!(story.machine.route(guild), Route::Unplaced);
    assert_eq!(story.machine.players().len(), 1);
    assert!(story.tick(60_000).is_empty());
}

#[test]
fn a_player_that_only_its_node_told_of_is_one() {
    let mut story = spread();
    assert_eq!(place(&mut story, 7).0, Placed::Link(LINK));
    let (guild, link) = (GUILD, LINK);
    // Its answer was lost.
    story.acts(Input::PlayerDoubted { guild, link });
    let (asked, body) = (story.now(), Some(idle("e")));
    let effects = story.acts(Input::PlayerFound {
        guild,
        link,
        asked,
        body,
    });
    assert!(effects.contains(&Effect::Keep(LINK)), "{effects:?}");
    assert_eq!(story.machine.players().len(), 1);
}

#[test]
fn a_new_player_does_not_go_where_its_predecessor_is_still_being_destroyed() {
    let mut story = spread();
    place(&mut story, 7);
    place(&mut story, 8);
    let (guild, link) = (GUILD, LINK);
    story.acts(answered(GUILD, LINK, "a"));
    let to = Some(OTHER);
    story.acts(Input::Move { guild, to });
    story.acts(up(TARGET, OTHER));
    let effects = story.acts(Input::Quiet(GUILD));
    let ticket = effects.iter().find_map(|effect| match effect {
        Effect::Restore { ticket, .. } => Some(*ticket),
        _ => None,
    });
    let outcome = RestoreOutcome::Done(idle("e"));
    let ticket = ticket.unwrap();
    let effects = story.acts(Input::Restored {
        guild,
        link: TARGET,
        ticket,
        outcome,
    });
    let ticket = destroying(&effects, guild, link).unwrap();
    story.acts(Input::PlayerGone { guild, link: TARGET });
    assert_eq!(place(&mut story, 7).0, Placed::Link(TARGET));
    story.acts(Input::PlayerGone { guild, link: TARGET });
    story.nodes.states[1] = NodeState::Down;
    assert_eq!(place(&mut story, 7).0, Placed::Wait, "there is no other");
    assert_eq!(
        story.machine.players().link_of(guild),
        None,
        "and no place is held there"
    );
    let change = NodeChange::Up;
    let effects = story.acts(Input::Node { node: OTHER, change });
    assert!(effects.contains(&Effect::Publish), "another may do: {effects:?}");
    story.nodes.states[0] = NodeState::Down;
    assert!(
        matches!(place(&mut story, 7).0, Placed::Nowhere(_)),
        "it would not do either"
    );
    story.nodes.states[0] = NodeState::Healthy;
    let effects = story.acts(Input::Destroyed { guild, link, ticket });
    assert!(effects.contains(&Effect::Publish), "{effects:?}");
    assert_eq!(place(&mut story, 7).0, Placed::Link(LINK));
}

/// A player that has moved to the second link, and the ticket of the errand that destroys what it left.
fn moved_away(mut story: Story) -> (Story, u32) {
    let (guild, to) = (GUILD, Some(OTHER));
    story.acts(Input::Move { guild, to });
    story.acts(up(TARGET, OTHER));
    let effects = story.acts(Input::Quiet(GUILD));
    let ticket = effects.iter().find_map(|effect| match effect {
        Effect::Restore { ticket, .. } => Some(*ticket),
        _ => None,
    });
    let effects = story.acts(Input::Restored {
        guild,
        link: TARGET,
        ticket: ticket.unwrap(),
        outcome: RestoreOutcome::Done(player(Some("a"))),
    });
    let ticket = destroying(&effects, guild, LINK).unwrap();
    (story, ticket)
}

#[test]
fn an_errand_destroys_only_the_player_that_it_was_sent_for() {
    let (mut story, first) = moved_away(Story::playing());
    let (guild, link) = (GUILD, LINK);
    assert!(story.machine.is_left(guild, link, first));
    // Its request hangs while the link breaks and is resumed, and the node still shows the player.
    story.acts(lost(LinkLoss::Broken));
    assert!(!story.machine.is_left(guild, link, first));
    story.acts(resumed(LINK, true));
    let body = format!("[{}]", std::str::from_utf8(&player(Some("a"))).unwrap());
    let effects = story.acts(listed(&story, body.into_bytes().into()));
    let second = destroying(&effects, guild, link).unwrap();
    let left = |story: &Story| [first, second].map(|ticket| story.machine.is_left(guild, link, ticket));
    assert_eq!(left(&story), [false, true]);
    // The first one's end says nothing of the second.
    story.acts(Input::Destroyed {
        guild,
        link,
        ticket: first,
    });
    assert_eq!(left(&story), [false, true]);
    story.acts(Input::Destroyed {
        guild,
        link,
        ticket: second,
    });
    assert_eq!(left(&story), [false, false]);
}

#[test]
fn in_a_session_that_is_kept_together_a_guild_waits_until_its_earlier_player_is_destroyed() {
    let (mut story, ticket) = moved_away(Story::playing());
    let (guild, link) = (GUILD, LINK);
    story.acts(Input::PlayerGone { guild, link: TARGET });
    assert_eq!(story.machine.route(guild), Route::Wait);
    assert_eq!(story.machine.held_up().collect::<Vec<_>>(), [guild]);
    assert_eq!(story.machine.route(GuildId(8)), Route::Link(LINK));
    let effects = story.acts(Input::Destroyed { guild, link, ticket });
    assert!(effects.contains(&Effect::Publish), "{effects:?}");
    assert_eq!(story.machine.route(guild), Route::Link(LINK));
    assert_eq!(story.machine.held_up().count(), 0);
}

#[test]
fn places_that_come_and_go_take_no_memory() {
    let mut story = spread();
    for guild in 0..10_000 {
        place(&mut story, guild);
        let (guild, link) = (GuildId(guild), LINK);
        story.acts(Input::PlayerGone { guild, link });
    }
    assert!(story.machine.reservations.len() <= 100);
}

#[test]
fn a_player_that_never_played_goes_where_its_voice_is_once_that_is_known() {
    let (known, unknown, other) = ("rotterdam1.discord.media", "127.0.0.1:4", "us-east2.discord.media");
    // The endpoints that it is told one after the other, what else it was asked, and whether it moves at the end.
    let cases: [(&[&str], bool, Option<NodeId>, bool); 6] = [
        (&["", known], false, Some(OTHER), true),
        (&[known, other], false, Some(OTHER), true),
        (&[known, known], false, Some(OTHER), false),
        (&["", unknown], false, Some(OTHER), false),
        (&["", known], false, Some(NODE), false),
        (&["", known], true, Some(OTHER), false),
    ];
    for (endpoints, plays, nearest, moves) in cases {
        let mut story = spread();
        place(&mut story, 7);
        if plays {
            story.acts(answered(GUILD, LINK, "a"));
            let end = json!({"track": track("a"), "reason": "finished"});
            story.track_event(LINK, EventKind::TrackEnd, &end);
        }
        let (last, first) = endpoints.split_last().unwrap();
        for endpoint in first {
            story.acts(voice_told(endpoint));
        }
        story.nodes.nearest = nearest;
        let effects = story.acts(voice_told(last));
        let opens = effects
            .iter()
            .any(|effect| matches!(effect, Effect::OpenLink { node: OTHER, .. }));
        assert_eq!(opens, moves, "{endpoints:?} {plays} {nearest:?}: {effects:?}");
        assert_eq!(story.machine.moving(), usize::from(moves));
    }
}

#[test]
fn the_figures_of_all_nodes_are_told_once_however_many_links_there_are() {
    let mut story = spread();
    assert_eq!(story.message(LINK, Op::Stats, None), Disposition::Aggregate);
    story.nodes.states[0] = NodeState::Draining;
    place(&mut story, 8);
    story.nodes.states[0] = NodeState::Healthy;
    story.acts(up(TARGET, OTHER));
    assert_eq!(story.message(LINK, Op::Stats, None), Disposition::Aggregate);
    assert_eq!(story.message(TARGET, Op::Stats, None), Disposition::Swallow);
    story.acts(resuming(60));
    story.acts(Input::ClientLost { ours: false });
    assert_eq!(story.message(LINK, Op::Stats, None), Disposition::Aggregate);
    for _ in 0..9 {
        story.machine.enqueue_stats(br#"{"op":"stats"}"#);
    }
    assert_eq!(story.machine.queue().unwrap().iter().count(), 1, "the newest is enough");
}

#[test]
fn one_voice_ping_is_taken_now_and_then() {
    let mut story = spread();
    story.acts(answered(GUILD, LINK, "a"));
    story.acts(voice_told("rotterdam9.discord.media:443"));
    let update = |story: &mut Story, connected: bool, ping: i64| {
        let now = story.now();
        let text = format!(
            r#"{{"op":"playerUpdate","guildId":"7","state":{{"time":1,"position":5,"connected":{connected},"ping":{ping}}}}}"#
        );
        let envelope = envelope(Op::PlayerUpdate, Some(7), EventKind::None);
        let disposition = story.machine.message(LINK, &envelope, text.as_bytes(), now);
        assert_eq!(disposition, Disposition::Forward);
        story.machine.take_voice_ping()
    };
    let heard = |ping| {
        Some(VoicePing {
            node: NODE,
            region: "rotterdam".into(),
            ping,
        })
    };
    assert_eq!(
        update(&mut story, false, 30),
        None,
        "without a connection there is none"
    );
    story.tick(30_000);
    assert_eq!(update(&mut story, true, 31), heard(31));
    assert_eq!(update(&mut story, true, 32), None, "not each");
    story.tick(30_000);
    assert_eq!(update(&mut story, true, -1), None);
    story.tick(30_000);
    assert_eq!(update(&mut story, true, 33), heard(33));
    story.acts(voice_told("127.0.0.1:443"));
    story.tick(30_000);
    assert_eq!(update(&mut story, true, 34), None, "not Discord's");
}
