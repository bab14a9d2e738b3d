//! What must hold: after every step, and once all is well.

use super::*;

impl Shell {
    pub(in super::super) fn check(&self, now: Instant) {
        assert_eq!(self.machine.is_ended(), self.ended.is_some());
        if self.ended.is_some() {
            assert!(self.machine.links().is_empty() && self.machine.players().is_empty());
            return;
        }
        assert_eq!(self.machine.is_connected(), self.client.connected);
        for socket in &self.sockets {
            let link = self.machine.links().get(socket.link);
            assert!(
                link.is_some_and(|link| link.is_up() && link.node == socket.node),
                "a socket without a link"
            );
        }
        if let Some(queue) = self.machine.queue() {
            assert!(queue.len() <= self.settings.queue.messages as usize);
            assert!(queue.bytes() <= self.settings.queue.bytes as usize);
            let until = self.machine.parked_until().unwrap();
            assert!(
                until + Duration::from_millis(200) > now,
                "parked for longer than its client may be away"
            );
        }
        let waits = self.machine.moving() > 0 || self.machine.is_parked();
        assert!(!waits || self.wake.is_some(), "nobody will wake it");
    }

    /// All is well and has been for a while.
    pub(in super::super) fn assert_settled(&self, now: Instant, nodes: &Nodes) {
        if self.ended.is_some() {
            return;
        }
        assert_eq!(
            (self.machine.moving(), self.requests.len()),
            (0, 0),
            "{:?}",
            self.machine
        );
        let owner = |guild: GuildId| {
            let mut found = Vec::new();
            for (index, node) in nodes.all.iter().enumerate() {
                for (id, session) in node.sessions.iter().filter(|(_, session)| session.owner == self.id) {
                    if let Some(player) = session.players.get(&guild) {
                        found.push((index, id.clone(), player.track.as_ref().map(|track| track.number)));
                    }
                }
            }
            assert!(found.len() <= 1, "{guild:?} is played by several: {found:?}");
            found.pop()
        };
        for guild in (1..6).map(GuildId) {
            let there = owner(guild).map(|(index, id, _)| (NodeId(index as u16), id));
            let known = self
                .machine
                .players()
                .get(guild)
                .filter(|player| player.shadow.is_some());
            let link = known.and_then(|player| self.machine.links().get(player.link));
            let known = link.map(|link| (link.node, link.node_session.as_ref().unwrap().as_str().to_owned()));
            assert_eq!(known, there, "{guild:?} at {now:?}");
        }
        self.client
            .assert_told(|guild| owner(guild).and_then(|(_, _, track)| track));
        let mine: Vec<_> = nodes
            .all
            .iter()
            .flat_map(|node| node.sessions.values())
            .filter(|session| session.owner == self.id)
            .map(|session| (session.is_parked(), session.players.len()))
            .collect();
        let links = self.machine.links();
        let settled = mine.len() == links.len() && mine.iter().all(|(parked, _)| !parked);
        assert!(settled, "{mine:?} {links:?} {:?}", self.orphans);
    }
}
