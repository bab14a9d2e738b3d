//! The life of a session, as tables of inputs and the effects they lead to.

use super::*;
use lavalink_protocol::envelope::EventKind;

const LINK: LinkId = LinkId(0);
const GUILD: GuildId = GuildId(7);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn envelope(op: Op, guild: Option<u64>) -> Envelope {
    let event = if op == Op::Event {
        EventKind::TrackEnd
    } else {
        EventKind::None
    };
    Envelope {
        op,
        guild: guild.map(GuildId),
        event,
    }
}

/// A session under test and its clock.
struct Story {
    machine: Machine,
    start: Instant,
}

impl Story {
    fn new() -> Self {
        let queue = QueueLimits {
            messages: 4,
            bytes: 100,
        };
        let machine = Machine::new(SessionSettings {
            queue,
            max_park: seconds(3600),
        });
        Self {
            machine,
            start: Instant::now(),
        }
    }

    fn connected() -> Self {
        let mut story = Self::new();
        story.at(0, up(LINK));
        story
    }

    fn parked() -> Self {
        let mut story = Self::connected();
        story.at(
            0,
            Input::PlayerSeen {
                guild: GUILD,
                link: LINK,
            },
        );
        story.at(0, resuming(60));
        story.at(0, Input::ClientLost);
        story
    }

    fn at(&mut self, after: u64, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.machine.handle(input, self.start + seconds(after), &mut effects);
        effects
    }

    fn message(&self, link: LinkId, op: Op, guild: Option<u64>) -> Disposition {
        self.machine.message(link, &envelope(op, guild))
    }

    /// Sends an event to the machine and keeps it if told so.
    fn event(&mut self, text: &str) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.message(LINK, Op::Event, Some(7)) == Disposition::Enqueue {
            self.machine
                .enqueue(&envelope(Op::Event, Some(7)), text.as_bytes(), &mut effects);
        }
        effects
    }
}

fn up(link: LinkId) -> Input {
    Input::LinkUp {
        link,
        node: NodeId(3),
        node_session: NodeSessionId::from("nodesession"),
    }
}

fn lost(why: LinkLoss) -> Input {
    Input::LinkLost { link: LINK, why }
}

fn resuming(timeout: i64) -> Input {
    Input::SessionUpdated {
        resuming: Some(true),
        timeout: Some(timeout),
    }
}

fn close(code: u16, reason: &'static str) -> Effect {
    Effect::CloseClient { code, reason }
}

#[test]
fn the_first_link_makes_the_session_ready() {
    let mut story = Story::new();
    assert_eq!(
        story.message(LINK, Op::Stats, None),
        Disposition::Swallow,
        "before the link is up"
    );
    assert_eq!(
        story.at(0, up(LINK)),
        [Effect::SendReady { resumed: false }, Effect::SendEarlyStats]
    );
    assert!(story.machine.is_connected());
    assert_eq!(
        story.at(1, up(LinkId(1))),
        [],
        "further links are the proxy's own affair"
    );
    let link = story.machine.link_for(GUILD).unwrap();
    assert_eq!(
        (link.id, link.node, link.node_session.as_str()),
        (LINK, NodeId(3), "nodesession")
    );
}

#[test]
fn messages_of_a_connected_session_are_forwarded_but_for_the_nodes_ready() {
    let story = Story::connected();
    let cases = [
        (Op::Ready, None, Disposition::Swallow),
        (Op::Stats, None, Disposition::Forward),
        (Op::PlayerUpdate, Some(7), Disposition::Forward),
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
        "a link that is not up"
    );
}

#[test]
fn with_several_links_only_the_one_that_has_the_player_speaks_for_it() {
    let mut story = Story::connected();
    story.at(0, up(LinkId(1)));
    story.at(
        0,
        Input::PlayerSeen {
            guild: GUILD,
            link: LinkId(1),
        },
    );
    let cases = [
        (LINK, Some(7), Disposition::Swallow),
        (LinkId(1), Some(7), Disposition::Forward),
        (LINK, Some(8), Disposition::Forward),
        (LINK, None, Disposition::Forward),
    ];
    for (link, guild, expected) in cases {
        assert_eq!(story.message(link, Op::Event, guild), expected, "{link:?} {guild:?}");
    }
    assert_eq!(story.machine.link_for(GUILD).unwrap().id, LinkId(1));
    assert_eq!(story.machine.link_for(GuildId(8)).unwrap().id, LINK);
}

#[test]
fn a_lost_client_ends_or_parks_the_session_by_its_settings() {
    let ends = |reason| vec![Effect::CloseLink(LINK), Effect::End(reason)];
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
        assert_eq!(story.at(1, Input::ClientLost), expected, "{what}");
        assert!(story.machine.is_ended());
    }
    for (timeout, parked_for) in [(60, 60), (5, 5), (i64::MAX, 3600)] {
        let mut story = Story::connected();
        story.at(0, resuming(timeout));
        let wake = story.start + seconds(1 + parked_for);
        assert_eq!(story.at(1, Input::ClientLost), [Effect::WakeAt(wake)]);
        assert_eq!(
            (story.machine.parked_until(), story.machine.timeout()),
            (Some(wake), timeout)
        );
    }
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
        matches!(story.at(70, Input::ClientLost)[..], [Effect::WakeAt(_)]),
        "resumable again and again"
    );
    assert_eq!(story.machine.queue().map(ResumeQueue::len), Some(0));
}

#[test]
fn a_session_without_players_resumes_without_asking_its_node() {
    let mut story = Story::parked();
    story.at(0, Input::PlayerGone { guild: GUILD });
    assert_eq!(story.at(1, Input::ClientBack).len(), 2);
}

#[test]
fn a_parked_session_ends_at_its_time_and_not_before() {
    let ended = [Effect::CloseLink(LINK), Effect::End(EndReason::ResumeExpired)];
    let mut story = Story::parked();
    let until = story.start + seconds(60);
    assert_eq!(story.at(59, Input::Tick), [Effect::WakeAt(until)]);
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
        [Effect::CloseLink(LINK), Effect::End(EndReason::QueueFull)]
    );
    assert_eq!(story.at(1, Input::ClientBack), []);
}

#[test]
fn a_lost_link_ends_the_session_and_tells_the_client_why() {
    let cases = [
        (LinkLoss::Closed { code: 1001 }, close(1001, "closed by the node")),
        (LinkLoss::Closed { code: 4321 }, close(4321, "closed by the node")),
        (LinkLoss::Closed { code: 1005 }, close(1001, "the node was lost")),
        (LinkLoss::Closed { code: 1006 }, close(1001, "the node was lost")),
        (LinkLoss::Closed { code: 9 }, close(1001, "the node was lost")),
        (LinkLoss::Broken, close(1001, "the node was lost")),
        (LinkLoss::Refused, close(1001, "the node was lost")),
    ];
    for (why, closed) in cases {
        let mut story = Story::connected();
        assert_eq!(
            story.at(1, lost(why)),
            [closed, Effect::End(EndReason::LinkLost)],
            "{why:?}"
        );
    }
    let mut parked = Story::parked();
    assert_eq!(
        parked.at(1, lost(LinkLoss::Broken)),
        [Effect::End(EndReason::LinkLost)],
        "nobody is there to be told"
    );
    let mut new = Story::new();
    let refused = [
        close(1013, "no node could be reached"),
        Effect::End(EndReason::LinkLost),
    ];
    assert_eq!(new.at(1, lost(LinkLoss::Refused)), refused);
    let mut other = Story::connected();
    let stray = Input::LinkLost {
        link: LinkId(5),
        why: LinkLoss::Refused,
    };
    assert_eq!(other.at(1, stray), [], "another link could not be opened");
    assert!(other.machine.is_connected());
}

#[test]
fn shutting_down_closes_everything_with_1001() {
    let (told, link, end) = (
        close(1001, "the proxy is shutting down"),
        Effect::CloseLink(LINK),
        Effect::End(EndReason::Shutdown),
    );
    assert_eq!(Story::connected().at(1, Input::Shutdown), [told, link, end]);
    let (link, end) = (Effect::CloseLink(LINK), Effect::End(EndReason::Shutdown));
    assert_eq!(Story::parked().at(1, Input::Shutdown), [link, end]);
}

#[test]
fn a_client_that_leaves_before_ready_ends_the_session() {
    let mut story = Story::new();
    assert_eq!(story.at(0, Input::ClientLost), [Effect::End(EndReason::ClientGone)]);
    assert_eq!(
        story.at(0, up(LINK)),
        [],
        "the shell closes a link that comes up for an ended session"
    );
}

#[test]
fn players_are_known_by_link_and_forgotten_with_it() {
    let mut story = Story::connected();
    story.at(
        0,
        Input::PlayerSeen {
            guild: GUILD,
            link: LINK,
        },
    );
    story.at(
        0,
        Input::PlayerSeen {
            guild: GuildId(8),
            link: LinkId(5),
        },
    );
    assert_eq!(
        story.machine.players().iter().collect::<Vec<_>>(),
        [(GUILD, LINK)],
        "an answer after its link is gone"
    );
    story.at(0, Input::PlayerGone { guild: GuildId(99) });
    story.at(0, lost(LinkLoss::Broken));
    assert!(story.machine.players().is_empty() && story.machine.links().is_empty());
}

#[test]
fn the_second_asker_for_a_connected_session_changes_nothing() {
    let mut story = Story::connected();
    assert_eq!(story.at(1, Input::ClientBack), []);
    assert!(story.machine.is_connected());
}

#[test]
fn an_idle_session_with_one_player_takes_well_under_a_kilobyte() {
    // The machine itself, one link and one player in lists of exactly that size, and the link's id behind its pointer.
    let heap = size_of::<Link>() + size_of::<(GuildId, LinkId)>() + 2 * size_of::<usize>() + 16;
    assert!(size_of::<Machine>() <= 160, "{}", size_of::<Machine>());
    assert!(size_of::<Machine>() + heap <= 256, "{}", size_of::<Machine>() + heap);
}
