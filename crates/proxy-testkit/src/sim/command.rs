//! Faults on command: what each [`Fault`] does to a running node, and how it is undone.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use anyhow::Context as _;

use super::{
    Fault, Node, SimNode,
    io::{ConnControl, Kill},
    send_live, server,
    session::{Outgoing, Session},
};

impl SimNode {
    /// Applies a fault; answer faults hit the next request of any path.
    pub fn fault(&self, fault: Fault) {
        self.fault_on("", fault, 1);
    }

    /// Applies a fault; answer faults hit the next `times` requests whose target starts with `prefix`. The other
    /// faults ignore both.
    pub fn fault_on(&self, prefix: &str, fault: Fault, times: usize) {
        let faults = &self.node.faults;
        match fault {
            Fault::Refuse => self.stop_listening(),
            Fault::Stall => faults.update(|lasting| lasting.stall = true),
            Fault::HalfOpen => self.freeze(),
            Fault::Slow(delay) => faults.update(|lasting| lasting.slow = Some(delay)),
            Fault::Trickle { bytes, every } => faults.set_trickle(Some((bytes, every))),
            Fault::Flood => {
                faults.update(|lasting| lasting.flood = true);
                self.each_session(|session| send_live(session, Outgoing::Flood));
            }
            Fault::ResetMidFrame => self.each_session(reset_mid_frame),
            Fault::BrokenMessage => {
                self.each_session(|session| session.send(r#"{"op":"playerUpdate","guil"#.to_owned()))
            }
            Fault::HugeFrame(size) => self.each_session(|session| session.send(huge_event(size))),
            Fault::Die => self.die(),
            Fault::Shutdown => self.shut_down(),
            Fault::CloseIdle => {
                let idle = |c: &&Arc<ConnControl>| !c.busy.load(Ordering::SeqCst) && !c.upgraded.load(Ordering::SeqCst);
                self.node
                    .connections()
                    .iter()
                    .filter(idle)
                    .for_each(|control| control.kill(Kill::Fin));
            }
            answer => faults.arm(prefix, answer, times),
        }
    }

    /// Ends all lasting and armed faults. A port closed by [`Fault::Refuse`] opens again; a dead node stays dead.
    ///
    /// # Errors
    /// The port cannot be opened again.
    pub fn clear_faults(&self) -> anyhow::Result<()> {
        self.node.faults.clear();
        for control in self.frozen.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            if let Some(control) = control.upgrade() {
                control.set_frozen(false);
            }
        }
        // Those that were stalled on arrival.
        self.node
            .connections()
            .iter()
            .for_each(|control| control.set_frozen(false));
        if self.dead.load(Ordering::SeqCst) {
            Ok(())
        } else {
            self.listen()
        }
    }

    /// Ends the node as a killed process: see [`Fault::Die`].
    pub fn die(&self) {
        self.dead.store(true, Ordering::SeqCst);
        self.stop_listening();
        kill_all(&self.node);
    }

    /// Closes every session with 1001, and all connections a moment later.
    fn shut_down(&self) {
        self.dead.store(true, Ordering::SeqCst);
        self.stop_listening();
        self.each_session(|session| send_live(session, Outgoing::Close(1001, "Server is shutting down")));
        self.node.state().reset();
        let connections = self.node.connections();
        tokio::spawn(async move {
            // Long enough for the close frames to be answered, as the real shutdown hook allows.
            tokio::time::sleep(Duration::from_millis(300)).await;
            connections.iter().for_each(|control| control.kill(Kill::Fin));
        });
    }

    /// Brings a dead node back on its port, without sessions.
    ///
    /// # Errors
    /// The port cannot be opened.
    pub fn revive(&self) -> anyhow::Result<()> {
        self.dead.store(false, Ordering::SeqCst);
        self.listen()
    }

    pub(super) fn listen(&self) -> anyhow::Result<()> {
        let mut task = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if task.is_none() {
            let listener = self
                .port
                .listen()
                .with_context(|| format!("cannot listen on {}", self.port.addr))?;
            *task = Some(server::accept(&self.node, listener));
        }
        Ok(())
    }

    fn stop_listening(&self) {
        // Dropping it closes the port.
        self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn freeze(&self) {
        let mut frozen = self.frozen.lock().unwrap_or_else(PoisonError::into_inner);
        for control in self.node.connections() {
            control.set_frozen(true);
            frozen.push(Arc::downgrade(&control));
        }
    }
}

/// Ends all connections and forgets all sessions, as the end of the process does.
fn kill_all(node: &Node) {
    for control in node.connections() {
        control.kill(Kill::Fin);
    }
    node.state().reset();
}

/// Lets a few bytes of the next frame out, then resets.
fn reset_mid_frame(session: &mut Session) {
    if let Some(control) = &session.connection {
        control.cut_after(7);
    }
    session.send(huge_event(1_000));
}

fn huge_event(size: usize) -> String {
    let padding = "x".repeat(size);
    serde_json::json!({"op": "event", "type": "SimHugeEvent", "guildId": "1", "padding": padding}).to_string()
}
