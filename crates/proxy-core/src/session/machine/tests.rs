//! The life of a session, as tables of inputs and the effects they lead to. Random lives are in `tests/simulation`.

mod client;
mod links;
mod moves;
mod places;
mod starts;

use std::time::Duration;

use lavalink_protocol::envelope::{Envelope, EventKind, Op};
use serde_json::{Value, json};

use super::*;
use crate::health::NodeState;
use crate::placement::{Choice, NoNodeCause, Rule, Wanted, Why};
use crate::session::migration::{MigrationBudget, MigrationLimits, MoveOutcome, MoveReason};
use crate::session::resume::QueueLimits;
use crate::session::shadow::{Asked, Needs};

const LINK: LinkId = LinkId(0);
const GUILD: GuildId = GuildId(7);
const NODE: NodeId = NodeId(0);
const OTHER: NodeId = NodeId(1);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn envelope(op: Op, guild: Option<u64>, event: EventKind) -> Envelope {
    let guild = guild.map(GuildId);
    Envelope { op, guild, event }
}

/// Nodes of equal worth: the first that is usable is chosen.
struct Nodes {
    states: Vec<NodeState>,
    /// Players whose voice region is known are better off there.
    nearest: Option<NodeId>,
    budget: MigrationBudget,
}

impl Surroundings for Nodes {
    fn place(&mut self, want: &PlayerWant<'_>, _: Instant) -> Result<Choice, NoNode> {
        let usable = |node: &NodeId| self.state(*node).takes_work() && !want.exclude.contains(node);
        if let Some(node) = self
            .nearest
            .filter(|node| want.needs.region().is_some() && usable(node))
        {
            let why = Why {
                rule: Rule::Score(1.0),
                ..Choice::by_region(node).why
            };
            return Ok(Choice { node, why });
        }
        let nodes = || (0..self.states.len() as u16).map(NodeId);
        let near = nodes().find(|node| usable(node) && want.near.contains(node));
        let node = near.or_else(|| nodes().find(usable)).ok_or(NoNode {
            wanted: Wanted::V4,
            cause: NoNodeCause::AllDown,
        })?;
        Ok(Choice::by_operator(node))
    }

    fn placed(&mut self, _: NodeId) {}

    fn may_move(&mut self, reason: MoveReason, from: NodeId, now: Instant) -> Result<(), Instant> {
        self.budget.may_begin(reason, from, now)
    }

    fn begin_move(&mut self, reason: MoveReason, from: NodeId, to: NodeId, now: Instant) -> Result<(), Instant> {
        self.budget.begin(reason, from, to, now)
    }

    fn end_move(&mut self, to: NodeId) {
        self.budget.end(to);
    }

    fn state(&self, node: NodeId) -> NodeState {
        self.states[usize::from(node.0)]
    }

    fn random(&mut self) -> f32 {
        0.5
    }
}

/// A session under test, its nodes and its clock.
struct Story {
    machine: Machine,
    nodes: Nodes,
    start: Instant,
    /// Milliseconds since then.
    clock: u64,
}

impl Story {
    fn with(settings: SessionSettings) -> Self {
        Self {
            machine: Machine::new(Arc::new(settings)),
            nodes: Nodes {
                states: vec![NodeState::Healthy; 2],
                nearest: None,
                budget: MigrationBudget::new(MigrationLimits::default()),
            },
            start: Instant::now(),
            clock: 0,
        }
    }

    fn new() -> Self {
        let queue = QueueLimits {
            messages: 4,
            bytes: 400,
        };
        Self::with(SessionSettings {
            queue,
            max_park: seconds(3600),
            placement: PlacementMode::Session,
            ..SessionSettings::default()
        })
    }

    fn connected() -> Self {
        let mut story = Self::new();
        story.at(0, up(LINK, NODE));
        story
    }

    /// Connected, with a player of the track `a` in [`GUILD`].
    fn playing() -> Self {
        let mut story = Self::connected();
        assert_eq!(
            story.at(0, answered(GUILD, LINK, "a")),
            [Effect::Keep(LINK), Effect::Publish]
        );
        assert_eq!(story.starts(LINK, "a"), Disposition::Forward);
        story
    }

    /// The node says that the track has started.
    fn starts(&mut self, link: LinkId, identifier: &str) -> Disposition {
        let mut track = track(identifier);
        track["info"]["position"] = json!(1000);
        self.track_event(
            link,
            EventKind::TrackStart,
            &json!({"type": "TrackStartEvent", "track": track}),
        )
    }

    fn parked() -> Self {
        let mut story = Self::playing();
        story.at(0, resuming(60));
        story.at(0, Input::ClientLost { ours: false });
        story
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.clock)
    }

    /// An input so many seconds after the start.
    fn at(&mut self, after: u64, input: Input) -> Vec<Effect> {
        self.clock = after * 1000;
        self.then(input)
    }

    /// An input at the same time as the last.
    fn then(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.machine.handle(input, self.now(), &mut self.nodes, &mut effects);
        effects
    }

    /// As [`then`](Self::then), without the wake-ups.
    fn acts(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = self.then(input);
        effects.retain(|effect| !matches!(effect, Effect::WakeAt(_)));
        effects
    }

    fn tick(&mut self, milliseconds: u64) -> Vec<Effect> {
        self.clock += milliseconds;
        self.acts(Input::Tick)
    }

    fn message(&mut self, link: LinkId, op: Op, guild: Option<u64>) -> Disposition {
        let event = if op == Op::Event {
            EventKind::Other
        } else {
            EventKind::None
        };
        let now = self.now();
        self.machine.message(link, &envelope(op, guild, event), b"{}", now)
    }

    fn track_event(&mut self, link: LinkId, kind: EventKind, text: &Value) -> Disposition {
        let now = self.now();
        let payload = serde_json::to_vec(text).unwrap();
        self.machine
            .message(link, &envelope(Op::Event, Some(GUILD.0), kind), &payload, now)
    }

    /// Sends an event to the machine and keeps it if told so.
    fn event(&mut self, text: &str) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.message(LINK, Op::Event, Some(7)) == Disposition::Enqueue {
            let now = self.now();
            let envelope = envelope(Op::Event, Some(7), EventKind::Other);
            self.machine
                .enqueue(&envelope, text.as_bytes(), now, &mut self.nodes, &mut effects);
        }
        effects
    }
}

fn up(link: LinkId, node: NodeId) -> Input {
    Input::LinkUp {
        link,
        node,
        node_session: NodeSessionId::from("nodesession"),
        resumed: false,
    }
}

fn resumed(link: LinkId, resumed: bool) -> Input {
    Input::LinkUp {
        link,
        node: NODE,
        node_session: NodeSessionId::from(if resumed { "nodesession" } else { "another" }),
        resumed,
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

fn close_link(leave: Leave) -> Effect {
    Effect::CloseLink { link: LINK, leave }
}

fn track(identifier: &str) -> Value {
    json!({"encoded": identifier, "info": {"identifier": identifier, "length": 100_000, "isSeekable": true}})
}

fn player(identifier: Option<&str>) -> Box<[u8]> {
    let player = json!({
        "guildId": "7", "track": identifier.map(track), "volume": 100, "paused": false, "filters": {},
        "state": {"time": 1, "position": 1000, "connected": true, "ping": 1},
        "voice": {"token": "t", "endpoint": "e", "sessionId": "s", "channelId": "c"},
    });
    serde_json::to_vec(&player).unwrap().into()
}

fn listed(story: &Story, body: Box<[u8]>) -> Input {
    let asked = story.now();
    Input::Players {
        link: LINK,
        asked,
        body,
    }
}

fn answered(guild: GuildId, link: LinkId, track: &str) -> Input {
    Input::PlayerAnswered {
        guild,
        link,
        asked: Asked {
            new_track: true,
            ..Asked::default()
        },
        answer: player(Some(track)),
    }
}

/// The ticket with which what a guild's player left on a link is destroyed.
fn destroying(effects: &[Effect], of: GuildId, on: LinkId) -> Option<u32> {
    effects.iter().find_map(|effect| match effect {
        Effect::DestroyPlayer { guild, link, ticket } if (*guild, *link) == (of, on) => Some(*ticket),
        _ => None,
    })
}

/// The types of the messages that are told to the client.
fn told(effects: &[Effect]) -> Vec<String> {
    let messages = effects.iter().filter_map(|effect| match effect {
        Effect::Send(message) => Some(serde_json::from_slice::<Value>(message).unwrap()),
        _ => None,
    });
    messages
        .map(|message| match message["reason"].as_str() {
            Some(reason) => format!("{} {reason}", message["type"].as_str().unwrap()),
            None => message["type"].as_str().unwrap().to_owned(),
        })
        .collect()
}

#[test]
fn an_idle_session_takes_well_under_a_kilobyte() {
    assert!(size_of::<Machine>() <= 400, "{}", size_of::<Machine>());
    assert!(size_of::<Link>() <= 176, "{}", size_of::<Link>());
}
