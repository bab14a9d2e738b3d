//! The network side of a simulated node: its port, its connections, and the way of one request.

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, Shutdown, SocketAddr},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use http_body_util::BodyExt as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

use super::{
    Node,
    answer::{Body, WithoutVersion, end},
    fault::Fault,
    io::{ConnControl, FaultIo, Kill},
    log::SeenRequest,
    rest::{self, RestError},
    socket,
};

/// A port that stays ours while nothing listens on it, so that a dead node can come back to it.
#[derive(Debug)]
pub(crate) struct Port {
    /// Bound, never listening: connecting is refused, yet nobody else is given the number.
    _guard: TcpSocket,
    pub(crate) addr: SocketAddr,
}

impl Port {
    /// Takes a port of 127.0.0.1; 0 = any.
    pub(crate) fn take(port: u16) -> io::Result<Self> {
        let guard = reusable_socket(port)?;
        Ok(Self {
            addr: guard.local_addr()?,
            _guard: guard,
        })
    }

    /// Starts listening.
    pub(crate) fn listen(&self) -> io::Result<TcpListener> {
        reusable_socket(self.addr.port())?.listen(1024)
    }
}

fn reusable_socket(port: u16) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    Ok(socket)
}

/// A node that listens. Dropping it closes the port at once, so that whoever connects next is refused.
#[derive(Debug)]
pub(crate) struct Listening {
    listener: Arc<TcpListener>,
    task: JoinHandle<()>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
        // The task holds the listener until the runtime drops it, which may be too late. Linux stops listening on this;
        // a failure would leave only that short delay.
        let _ = socket2::SockRef::from(&*self.listener).shutdown(Shutdown::Read);
    }
}

/// Accepts connections until the returned value is dropped.
pub(crate) fn accept(node: &Arc<Node>, listener: TcpListener) -> Listening {
    let listener = Arc::new(listener);
    Listening {
        task: accept_loop(Arc::clone(node), Arc::clone(&listener)),
        listener,
    }
}

fn accept_loop(node: Arc<Node>, listener: Arc<TcpListener>) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((tcp, peer)) => drop(tokio::spawn(serve(Arc::clone(&node), tcp, peer))),
                // Out of descriptors, most likely: let some be closed.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    })
}

async fn serve(node: Arc<Node>, tcp: TcpStream, peer: SocketAddr) {
    // Without this, small frames wait for acknowledgements; a failure costs only time.
    let _ = tcp.set_nodelay(true);
    let control = node.register_connection();
    control.set_frozen(node.faults.lasting().stall);
    let io = FaultIo::new(tcp, Arc::clone(&control), node.faults.shared_trickle());
    let killed = Arc::clone(&control);
    let connection = async move {
        match node.tls.clone() {
            None => serve_http(node, control, peer, io).await,
            Some(tls) => {
                if let Ok(io) = TlsAcceptor::from(tls).accept(io).await {
                    serve_http(node, control, peer, io).await;
                }
            }
        }
    };
    tokio::select! {
        () = connection => {}
        () = killed.killed() => {}
    }
}

async fn serve_http<I>(node: Arc<Node>, control: Arc<ConnControl>, peer: SocketAddr, io: I)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request| {
        let (node, control) = (Arc::clone(&node), Arc::clone(&control));
        async move { Ok::<_, Infallible>(respond(&node, &control, peer, request).await) }
    });
    // How the connection ended is the client's to notice.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades()
        .await;
}

/// One request: log it, apply what is wrong with the node today, answer.
async fn respond(
    node: &Arc<Node>,
    control: &Arc<ConnControl>,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Response<Body> {
    if control.close_on_next_request.load(Ordering::SeqCst) {
        return end(control, Kill::Fin).await;
    }
    control.busy.store(true, Ordering::SeqCst);
    let closes = request
        .headers()
        .get(header::CONNECTION)
        .is_some_and(|value| value == "close");
    let stays = request.version() == Version::HTTP_11 && !closes;
    let mut response = if socket::is_handshake(&request, node.settings.generation) {
        respond_to_handshake(node, control, peer, request).await
    } else {
        respond_to_rest(node, control, peer, request).await
    };
    control.busy.store(false, Ordering::SeqCst);
    if stays && response.status() != StatusCode::NO_CONTENT {
        // A real node says what goes without saying, though not with an empty answer.
        let keep_alive = HeaderValue::from_static("keep-alive");
        response.headers_mut().entry(header::CONNECTION).or_insert(keep_alive);
    }
    if response.extensions().get::<WithoutVersion>().is_none() {
        let version = HeaderValue::from_static(node.settings.generation.api_version());
        response.headers_mut().insert("lavalink-api-version", version);
    }
    response
}

async fn respond_to_handshake(
    node: &Arc<Node>,
    control: &Arc<ConnControl>,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    node.log
        .request(SeenRequest::new(peer, control.id, &parts, &Bytes::new()));
    let lasting = node.faults.lasting();
    tokio::time::sleep(lasting.slow.unwrap_or_default()).await;
    match node.faults.take(&parts.uri.to_string()) {
        None => socket::handshake(node, control, Request::from_parts(parts, body)),
        Some(Fault::Delay(delay)) => {
            tokio::time::sleep(delay).await;
            socket::handshake(node, control, Request::from_parts(parts, body))
        }
        Some(fault) => {
            let answer = failure(&fault).unwrap_or_else(|| RestError::new(500, "simulated failure"));
            answer.answer(&parts).spoiled(&fault, control).await
        }
    }
}

async fn respond_to_rest(
    node: &Arc<Node>,
    control: &Arc<ConnControl>,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        // The body broke off: there is nobody to answer.
        return end(control, Kill::Fin).await;
    };
    let body = body.to_bytes();
    node.log.request(SeenRequest::new(peer, control.id, &parts, &body));
    tokio::time::sleep(node.faults.lasting().slow.unwrap_or_default()).await;
    let fault = node.faults.take(&parts.uri.to_string());
    if let Some(error) = fault.as_ref().and_then(failure) {
        return error.answer(&parts).into_response();
    }
    let answer = rest::answer(node, &parts, &body).await;
    match fault {
        None => answer.into_response(),
        Some(fault) => answer.spoiled(&fault, control).await,
    }
}

/// The error object of a fault that is one.
fn failure(fault: &Fault) -> Option<RestError> {
    match fault {
        Fault::Status500 => Some(RestError::new(500, "simulated failure")),
        Fault::Status(status) => Some(RestError::new(*status, "simulated failure")),
        Fault::NoSession => Some(RestError::new(404, "Session not found")),
        _ => None,
    }
}
