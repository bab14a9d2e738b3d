//! Accepting and serving HTTP/1.1 for the admin listener, with bounds on what a stranger can hold. Not for what is
//! served: that is `api`.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower::Service as _;

/// Open connections; more are closed at once rather than made to wait, so that a scrape never hangs.
const MAX_CONNECTIONS: usize = 256;
/// For a whole request head, also while a kept connection waits for its next one.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);
/// Request line and headers.
const MAX_HEAD: usize = 16 * 1024;
/// A connection is asked to end after this long, so that one that neither reads nor writes does not hold its place.
const CONNECTION_LIFE: Duration = Duration::from_secs(300);
/// For the request in flight once a connection is asked to end.
const LAST_REQUEST: Duration = Duration::from_secs(2);

/// Who is at the other end of the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Serves until `stop` changes, then lets requests in flight finish.
pub(crate) async fn serve(listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stop.changed() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) if connections.len() >= MAX_CONNECTIONS => drop(socket),
                Ok((socket, peer)) => {
                    connections.spawn(connection(socket, peer, router.clone(), stop.clone()));
                }
                Err(error) => pause(&error).await,
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// A failed accept is the client's affair, unless the process is out of descriptors: then trying at once would spin.
async fn pause(error: &io::Error) {
    tracing::warn!(%error, "the admin listener cannot accept");
    sleep(Duration::from_millis(100)).await;
}

async fn connection(socket: TcpStream, peer: SocketAddr, router: Router, mut stop: watch::Receiver<bool>) {
    // Answers are written whole; waiting to fill a segment only delays them.
    socket.set_nodelay(true).ok();
    let service = service_fn(move |request| answer(router.clone(), request, peer));
    let mut http = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(socket), service)
    );
    tokio::select! {
        result = http.as_mut() => return log(result, peer),
        _ = stop.changed() => {}
        () = sleep(CONNECTION_LIFE) => {}
    }
    http.as_mut().graceful_shutdown();
    if let Ok(result) = timeout(LAST_REQUEST, http).await {
        log(result, peer);
    }
}

async fn answer(mut router: Router, mut request: Request<Incoming>, peer: SocketAddr) -> Result<Response, Infallible> {
    request.extensions_mut().insert(Peer(peer));
    // A router is always ready.
    router.call(request).await
}

fn log(result: hyper::Result<()>, peer: SocketAddr) {
    if let Err(error) = result {
        tracing::debug!(%peer, %error, "an admin connection ended badly");
    }
}
