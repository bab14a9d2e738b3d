//! Accepting and serving HTTP/1.1 for the admin listener, with bounds on what a stranger can hold. Not for what is
//! served: that is `api`.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Extension, Request};
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

/// Request line and headers.
const MAX_HEAD: usize = 16 * 1024;

/// What a stranger can hold, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Open connections; more are closed at once rather than made to wait, so that a scrape never hangs.
    connections: usize,
    /// For a whole request head, also while a kept connection waits for its next one.
    head: Duration,
    /// A connection is asked to end after this long, so that one that neither reads nor writes does not hold its place.
    life: Duration,
    /// An answer that goes on may be without progress for so long.
    stall: Duration,
    /// For the request in flight once a connection is asked to end.
    last_request: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 256,
            head: Duration::from_secs(15),
            life: Duration::from_secs(300),
            stall: Duration::from_secs(60),
            last_request: Duration::from_secs(2),
        }
    }
}

/// Who is at the other end of the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Set by an answer that goes on, such as an event stream: its connection outlives [`Bounds::life`] for as long as the
/// answer makes progress, so for as long as its client reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lasting(Arc<Mutex<Option<Instant>>>);

impl Lasting {
    /// The answer has something more to send, as its client took what was there.
    pub(crate) fn progress(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn goes_on(&self, stall: Duration) -> bool {
        let progress = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        progress.is_some_and(|at| at.elapsed() < stall)
    }
}

/// Serves until `stop` changes, then lets requests in flight finish.
pub(crate) async fn serve(listener: TcpListener, router: Router, bounds: Bounds, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stop.changed() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) if connections.len() >= bounds.connections => drop(socket),
                Ok((socket, peer)) => {
                    connections.spawn(connection(socket, peer, router.clone(), bounds, stop.clone()));
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

async fn connection(
    socket: TcpStream,
    peer: SocketAddr,
    router: Router,
    bounds: Bounds,
    mut stop: watch::Receiver<bool>,
) {
    // Answers are written whole; waiting to fill a segment only delays them.
    socket.set_nodelay(true).ok();
    let lasting = Lasting::default();
    let router = router.layer(Extension(lasting.clone()));
    let service = service_fn(move |request| answer(router.clone(), request, peer));
    let mut http = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(bounds.head)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(socket), service)
    );
    let mut stopped = false;
    tokio::select! {
        result = http.as_mut() => return log(result, peer),
        _ = stop.changed() => stopped = true,
        () = sleep(bounds.life) => {}
    }
    http.as_mut().graceful_shutdown();
    while !stopped && lasting.goes_on(bounds.stall) {
        tokio::select! {
            result = http.as_mut() => return log(result, peer),
            _ = stop.changed() => stopped = true,
            () = sleep(bounds.stall / 2) => {}
        }
    }
    if lasting.goes_on(bounds.stall) {
        // It would not end by itself.
        return;
    }
    if let Ok(result) = timeout(bounds.last_request, http).await {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

    /// Serves `hello`; ends when the sender is dropped.
    async fn start(bounds: Bounds) -> (SocketAddr, watch::Sender<bool>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let router = Router::new().route("/", get(|| async { "hello" }));
        tokio::spawn(serve(listener, router, bounds, stopped));
        (address, stop)
    }

    async fn ask(socket: &mut TcpStream) -> String {
        socket.write_all(REQUEST).await.unwrap();
        let (mut answer, mut buffer) = (String::new(), [0; 1024]);
        while !answer.ends_with("hello") {
            let read = timeout(LIMIT, socket.read(&mut buffer)).await.unwrap().unwrap();
            assert!(read > 0, "closed after {answer:?}");
            answer.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        }
        answer
    }

    /// Whether the peer closes within the limit, in order or not.
    async fn closes(socket: &mut TcpStream) -> bool {
        let mut rest = Vec::new();
        timeout(LIMIT, socket.read_to_end(&mut rest)).await.is_ok()
    }

    #[tokio::test]
    async fn a_half_sent_head_and_a_silent_connection_are_closed() {
        let head = Duration::from_millis(100);
        let (address, _stop) = start(Bounds {
            head,
            ..Bounds::default()
        })
        .await;
        for sent in [&b""[..], b"GET / HTTP/1.1\r\nhost", REQUEST] {
            let mut socket = TcpStream::connect(address).await.unwrap();
            socket.write_all(sent).await.unwrap();
            assert!(closes(&mut socket).await, "{sent:?}");
        }
    }

    #[tokio::test]
    async fn one_connection_too_many_is_closed_at_once_and_its_place_is_given_again() {
        let bounds = Bounds {
            connections: 2,
            ..Bounds::default()
        };
        let (address, _stop) = start(bounds).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        let mut second = TcpStream::connect(address).await.unwrap();
        ask(&mut first).await;
        ask(&mut second).await;
        assert!(closes(&mut TcpStream::connect(address).await.unwrap()).await);
        drop(first);
        let freed = async {
            loop {
                let mut next = TcpStream::connect(address).await.unwrap();
                if next.write_all(REQUEST).await.is_ok() && next.read_u8().await.is_ok() {
                    break;
                }
            }
        };
        timeout(LIMIT, freed).await.unwrap();
        ask(&mut second).await;
    }

    #[tokio::test]
    async fn a_connection_ends_after_its_life_even_if_its_client_neither_reads_nor_asks() {
        let bounds = Bounds {
            life: Duration::from_millis(100),
            last_request: Duration::from_millis(100),
            ..Bounds::default()
        };
        let (address, _stop) = start(bounds).await;
        let mut kept = TcpStream::connect(address).await.unwrap();
        ask(&mut kept).await;
        assert!(closes(&mut kept).await);
    }

    #[tokio::test]
    async fn an_answer_that_goes_on_outlives_its_connections_life_while_it_makes_progress() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (_stop, stopped) = watch::channel(false);
        let life = Duration::from_millis(100);
        let bounds = Bounds {
            life,
            last_request: life,
            ..Bounds::default()
        };
        let stream = |Extension(lasting): Extension<Lasting>| async move {
            let lines = futures_util::stream::unfold(lasting, |lasting| async move {
                sleep(Duration::from_millis(50)).await;
                lasting.progress();
                Some((Ok::<_, Infallible>("line\n"), lasting))
            });
            axum::body::Body::from_stream(lines)
        };
        tokio::spawn(serve(listener, Router::new().route("/", get(stream)), bounds, stopped));
        let mut socket = TcpStream::connect(address).await.unwrap();
        let began = Instant::now();
        socket.write_all(REQUEST).await.unwrap();
        let mut buffer = [0; 1024];
        while began.elapsed() < life * 8 {
            let read = timeout(LIMIT, socket.read(&mut buffer)).await.unwrap().unwrap();
            assert!(read > 0, "closed after {:?}", began.elapsed());
        }
    }

    #[tokio::test]
    async fn dropping_the_stop_ends_it_too() {
        let (address, stop) = start(Bounds::default()).await;
        let mut kept = TcpStream::connect(address).await.unwrap();
        ask(&mut kept).await;
        drop(stop);
        assert!(closes(&mut kept).await);
        let refused = async { while TcpStream::connect(address).await.is_ok() {} };
        timeout(LIMIT, refused).await.unwrap();
    }
}
