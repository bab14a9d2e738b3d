//! What nodes write to the sockets of links, and how these break.

use super::*;

impl Shell {
    pub(super) fn read_sockets(
        &mut self,
        now: Instant,
        rng: &mut fastrand::Rng,
        nodes: &mut Nodes,
        reached: &mut Reached,
    ) {
        for index in 0..self.sockets.len() {
            let socket = &mut self.sockets[index];
            let node = nodes.node(socket.node);
            for message in node.take_out(socket.id) {
                let at = now + Duration::from_millis(rng.u64(..60));
                let at = socket.inbox.back().map_or(at, |(last, _)| at.max(*last));
                socket.inbox.push_back((at, message));
            }
            let gone = !node.has_socket(socket.id);
            let silent = node
                .silent_since
                .is_some_and(|since| now >= since + Duration::from_secs(3));
            if (gone || silent) && socket.lost_at.is_none() {
                socket.lost_at = Some(now + Duration::from_millis(rng.u64(..100)));
            }
        }
        let mut index = 0;
        while index < self.sockets.len() && self.ended.is_none() {
            let id = self.sockets[index].id;
            self.read_socket(index, now, nodes, reached);
            if self.sockets.get(index).is_some_and(|socket| socket.id == id) {
                index += 1;
            }
        }
    }

    pub(super) fn read_socket(&mut self, index: usize, now: Instant, nodes: &mut Nodes, reached: &mut Reached) {
        let link = self.sockets[index].link;
        while let Some((at, _)) = self.sockets[index].inbox.front()
            && *at <= now
        {
            let (_, message) = self.sockets[index].inbox.pop_front().unwrap();
            self.hear(link, message.as_bytes(), now, nodes, reached);
            if self.ended.is_some() {
                return;
            }
        }
        if self.sockets[index].lost_at.is_some_and(|at| at <= now) {
            let socket = self.sockets.remove(index);
            reached.lost_messages += socket.inbox.len() as u32;
            nodes.node(socket.node).socket_gone(socket.id, now);
            self.handle(
                Input::LinkLost {
                    link,
                    why: LinkLoss::Broken,
                },
                now,
                nodes,
                reached,
            );
        }
    }

    pub(super) fn hear(
        &mut self,
        link: LinkId,
        message: &[u8],
        now: Instant,
        nodes: &mut Nodes,
        reached: &mut Reached,
    ) {
        let envelope = Envelope::read(message);
        if self.traced {
            let text = std::str::from_utf8(message).unwrap();
            eprintln!("{:?} session {}: {link:?} says {text}", now - self.start, self.id);
        }
        match self.machine.message(link, &envelope, message, now) {
            Disposition::Forward => {
                assert!(self.client.connected);
                self.client.hear(message);
            }
            Disposition::Swallow => reached.swallowed += 1,
            Disposition::Enqueue => {
                let mut effects = Vec::new();
                self.machine.enqueue(&envelope, message, now, nodes, &mut effects);
                self.carry_out(effects, now, nodes, reached);
            }
            Disposition::Aggregate => {}
        }
        if self.machine.needs_tick() && self.ended.is_none() {
            self.handle(Input::Tick, now, nodes, reached);
        }
    }
}
