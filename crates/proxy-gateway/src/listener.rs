//! Accept loops: every worker has its own listening socket on the same address, so that no connection is handed between
//! threads.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::connection::{self, Client, LAST_CHANCE};
use crate::error::ProxyError;
use crate::respond::{self, To};
use crate::transport::Stream;
use crate::transport::metered::Metered;
use crate::usage::{ConnectionRecord, Ended};
use crate::worker::Worker;

/// Connections that may wait for an accept; a storm of reconnecting bots comes all at once.
const BACKLOG: i32 = 4096;
/// After the system refused an accept (no more file descriptors, say), it is left alone for a moment.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A socket for each worker, all on one address.
///
/// # Errors
/// As [`bind`].
pub(crate) fn bind_for(mut address: SocketAddr, workers: usize) -> io::Result<Vec<std::net::TcpListener>> {
    let mut sockets = Vec::with_capacity(workers);
    for _ in 0..workers {
        let socket = bind(address, workers > 1)?;
        // Port 0 was a wish for any; the other workers share the one that was given.
        address = socket.local_addr()?;
        sockets.push(socket);
    }
    Ok(sockets)
}

/// A bound socket; `shared` lets other sockets of this process bind the same address.
///
/// # Errors
/// What the system says, such as that the address is in use.
fn bind(address: SocketAddr, shared: bool) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    // Accepted sockets inherit it, which saves a system call for each.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts until the worker stops.
pub(crate) async fn run(worker: Rc<Worker>, listener: TcpListener, tls: Option<TlsAcceptor>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = worker.stop_requested() => return,
        };
        match accepted {
            Ok((socket, peer)) => admit(&worker, socket, peer, tls.as_ref()),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn admit(worker: &Rc<Worker>, socket: TcpStream, peer: SocketAddr, tls: Option<&TlsAcceptor>) {
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let record = worker.ledger.open(worker.connection_id(), peer, tls.is_some());
    if !worker.shared.admit(peer.ip()) {
        turn_away(worker, &socket, &record);
        return worker.ledger.close(&record);
    }
    let socket = Metered::new(socket, Arc::clone(&record.traffic));
    match tls {
        None => {
            let client = Client::new(worker, Stream::Plain(socket), record);
            tokio::task::spawn_local(connection::serve(Rc::clone(worker), client));
        }
        Some(acceptor) => {
            let (worker, handshake) = (Rc::clone(worker), acceptor.accept(socket));
            let arrival = worker.arrival();
            tokio::task::spawn_local(async move {
                let limit = worker.shared.config.header_timeout;
                let shaken = tokio::select! {
                    shaken = timeout(limit, handshake) => shaken.ok(),
                    () = last_chance(&worker) => None,
                };
                match shaken {
                    Some(Ok(stream)) => {
                        let client = Client::new(&worker, Stream::Served(Box::new(stream)), record);
                        let served = connection::serve(worker, client);
                        drop(arrival);
                        served.await;
                    }
                    failed => {
                        tracing::debug!(connection = record.id, timed_out = failed.is_none(), "no TLS handshake");
                        worker.shared.refusals.count(&ProxyError::TlsHandshake.answer());
                        record.ends(Ended::TlsHandshake);
                        worker.ledger.close(&record);
                        worker.shared.release(peer.ip());
                    }
                }
            });
        }
    }
}

/// Returns when a worker that stops waits for a TLS handshake no longer.
async fn last_chance(worker: &Worker) {
    worker.stop_requested().await;
    tokio::time::sleep(LAST_CHANCE).await;
}

/// Tells a client over the limits so, as far as that costs nothing, and lets it go.
fn turn_away(worker: &Worker, socket: &TcpStream, record: &ConnectionRecord) {
    let to = To {
        class: worker.shared.config.default_class,
        path: "",
        keep_alive: false,
        head_only: false,
    };
    let (bytes, answer) = respond::error(&ProxyError::TooManyConnections, to);
    worker.shared.refusals.count(&answer);
    record.ends(Ended::Refused(answer.reason()));
    if !record.tls
        && let Ok(written) = socket.try_write(&bytes)
    {
        record.traffic.bytes_out.add(written as u64);
        // Its request is never read, but it is one, and it is answered.
        record.traffic.requests.add(1);
        record.traffic.answered(answer.status);
    }
}
