//! The client's end of a session: taking a client back, reading its socket, losing it, closing it.

use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use lavalink_protocol::detect::Class;
use lavalink_protocol::ws::{self, Opcode};
use proxy_core::session::machine::Input;

use super::{READY_DELAY, Session};
use crate::access::Outcome;
use crate::error::CloseCause;
use crate::session::client::{ClientSide, End, Heard, Unwritable, close_slowly};
use crate::session::start;
use crate::usage::Ended;

impl Session {
    /// A client with this session's id has passed the handshake.
    pub(super) fn take_back(&mut self, cx: &mut Context<'_>, returning: start::Returning) {
        // Whoever names the session of a socket that is still there knows that this socket is dead.
        if self.machine.is_connected() && self.entry.settings().resuming && self.returning.is_none() {
            self.note_close(CloseCause::HalfOpen);
            self.close_client(cx, 1000, "resumed by another socket");
            // Not parked for requests: its client is there, and those that are under way are its own.
            self.leave_client(true);
        }
        if !self.machine.is_parked() || self.returning.is_some() {
            return returning.begin_anew(&self.worker);
        }
        let start::Returning {
            client,
            mut handshake,
            crossing,
        } = returning;
        // It may come from elsewhere this time, and a session of an earlier run does not know from where at all.
        self.caller.ip = client.record.peer.ip();
        self.base = handshake.base;
        let stop = self.worker.connection_opened(client.record.id);
        drop(crossing);
        let mut side = Box::new(ClientSide::new(&self.worker, client, stop));
        if side
            .out
            .write(
                cx,
                &mut side.client.stream,
                &start::switching(Class::V4, &handshake.accept, true),
            )
            .is_err()
        {
            side.client.record.ends(Ended::ClientReset);
            self.worker.connection_closed(side.client.record.id);
            self.entry.parked.store(true, Ordering::Relaxed);
            return;
        }
        side.client.record.traffic.answered(101);
        handshake.log(&self.worker, &side.client, Outcome::own(101, None));
        side.client.record.set_session(&self.entry);
        self.returning = Some(side);
        self.ready_at.set(READY_DELAY);
        self.due = tokio::time::Instant::now();
    }

    /// Counts why the client's socket is going to be closed.
    pub(super) fn note_close(&self, cause: CloseCause) {
        self.worker.shared.refusals.count_close(cause);
        self.note_end(cause.into());
    }

    /// Notes how the client's connection ends; what was noted first stays.
    pub(super) fn note_end(&self, how: Ended) {
        if let Some(side) = &self.side {
            side.client.record.ends(how);
        }
    }

    /// `ours`: the proxy closed it, for no fault of the client's.
    pub(super) fn client_lost(&mut self, ours: bool) {
        self.leave_client(ours);
        self.entry.parked.store(self.machine.is_parked(), Ordering::Relaxed);
    }

    fn leave_client(&mut self, ours: bool) {
        // Every other cause was noted before.
        self.note_end(Ended::ClientReset);
        if let Some(side) = self.detach_client() {
            self.worker.connection_closed(side.client.record.id);
        }
        // A session update that was answered counts, also when its ask is still on the way from another worker.
        self.take_settings();
        self.handle(Input::ClientLost { ours });
        if self.machine.is_parked() {
            self.worker.shared.session_ledger.parked(&self.entry);
        }
    }

    pub(super) fn poll_client(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(side) = &mut self.side else { return false };
        if let Poll::Ready(Err(why)) = side.poll_flush(cx, self.worker.shared.config.client_queue_bytes) {
            if why == Unwritable::Slow {
                tracing::info!(session = %self.entry.id, waiting = side.out.len(), "client reads too slowly and is closed");
                self.note_close(CloseCause::SlowClient);
            }
            self.client_lost(false);
            return true;
        }
        let ClientSide { client, inbound, .. } = &mut **side;
        let mut heard = Heard::default();
        let read = client.stream.poll_read_scratch(cx, |_, bytes| {
            if bytes.is_empty() {
                Ok(false)
            } else {
                heard.feed(inbound, bytes).map(|()| true)
            }
        });
        match read {
            Poll::Pending => return false,
            Poll::Ready(Ok(Ok(true))) => side.unanswered = false,
            Poll::Ready(Ok(Ok(false))) => {
                self.note_end(Ended::ClientClosed);
                self.client_lost(false);
                return true;
            }
            Poll::Ready(Err(_)) => {
                self.client_lost(false);
                return true;
            }
            Poll::Ready(Ok(Err(error))) => {
                self.refuse_frame(cx, error.close_code());
                return true;
            }
        }
        side.client.record.traffic.messages_in.add(heard.messages);
        if !heard.pongs.is_empty() {
            side.out.write(cx, &mut side.client.stream, &heard.pongs).ok();
        }
        match heard.end {
            None => {}
            Some(End::Binary) => self.refuse_frame(cx, 1003),
            Some(End::Close(code)) => {
                self.note_end(Ended::ClientClosed);
                self.said_goodbye = true;
                self.close_client(cx, code, "");
                self.client_lost(false);
            }
        }
        true
    }

    /// The client sent what no client of Lavalink sends.
    fn refuse_frame(&mut self, cx: &mut Context<'_>, code: u16) {
        let cause = CloseCause::Protocol(code);
        self.note_close(cause);
        self.close_client(cx, code, cause.code().1);
        self.client_lost(false);
    }

    /// Takes the client's socket out of the session, and out of the version memory.
    pub(super) fn detach_client(&mut self) -> Option<Box<ClientSide>> {
        let side = self.side.take()?;
        self.carried.add(&side.client.record);
        self.worker.shared.socket_closed(&self.caller, self.binding());
        Some(side)
    }

    pub(super) fn close_client(&mut self, cx: &mut Context<'_>, code: u16, reason: &str) {
        if let Some(mut side) = self.detach_client() {
            let mut frame = Vec::new();
            ws::write_frame(&mut frame, Opcode::Close, &ws::close_payload(code, reason));
            let written = side.out.write(cx, &mut side.client.stream, &frame).is_ok();
            // A client that said goodbye sends nothing more, so its socket can be closed behind the answer at once.
            if written && !(self.said_goodbye && side.is_all_sent()) {
                tokio::task::spawn_local(close_slowly(Rc::clone(&self.worker), side));
            } else {
                self.worker.connection_closed(side.client.record.id);
            }
        }
    }
}
