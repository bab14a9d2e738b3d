//! The voice gateway: a WebSocket over TLS, one task per connection. The message order is Discord's, version 8.

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig, server::TlsStream};
use tokio_tungstenite::{
    WebSocketStream, accept_async,
    tungstenite::{
        Error, Message,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

use super::registry::{Order, Registry, Seat};

type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// Message numbers of the voice gateway.
mod op {
    pub(super) const IDENTIFY: u64 = 0;
    pub(super) const SELECT_PROTOCOL: u64 = 1;
    pub(super) const READY: u64 = 2;
    pub(super) const HEARTBEAT: u64 = 3;
    pub(super) const SESSION_DESCRIPTION: u64 = 4;
    pub(super) const HEARTBEAT_ACK: u64 = 6;
    pub(super) const RESUME: u64 = 7;
    pub(super) const HELLO: u64 = 8;
    pub(super) const RESUMED: u64 = 9;
}

/// The encryptions offered, those that a Lavalink node knows. The sink does not decrypt.
const MODES: [&str; 2] = ["aead_aes256_gcm_rtpsize", "aead_xchacha20_poly1305_rtpsize"];
/// Short, so that a player has a `ping` soon.
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(500);
/// A peer that sends no IDENTIFY is not a node.
const IDENTIFY_WITHIN: Duration = Duration::from_secs(10);

/// How far away the server seems to be when a node closes: answering at once would let the answer overtake the node's own
/// note of its close, and it would report one or the other by chance.
const ROUND_TRIP: Duration = Duration::from_millis(100);

/// Accepts connections until the server is dropped; dropping ends the connections with it.
pub(super) async fn accept(listener: TcpListener, tls: Arc<ServerConfig>, registry: Arc<Registry>) {
    let acceptor = TlsAcceptor::from(tls);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                connections.spawn(connection(stream, acceptor.clone(), registry.clone()));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection from its TLS handshake to its end.
async fn connection(stream: TcpStream, acceptor: TlsAcceptor, registry: Arc<Registry>) {
    if registry.faults().refuse_connections {
        return;
    }
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let Ok(mut socket) = accept_async(stream).await else {
        return;
    };
    // An error is the peer's end of the connection, which is all there is to know.
    let _ = converse(&mut socket, &registry).await;
}

async fn converse(socket: &mut Socket, registry: &Registry) -> Result<(), Error> {
    // HELLO may come first, and does at Discord.
    send(
        socket,
        op::HELLO,
        json!({ "heartbeat_interval": HEARTBEAT_INTERVAL.as_millis() }),
    )
    .await?;
    let Ok(Some(opening)) = timeout(IDENTIFY_WITHIN, opening(socket)).await else {
        return Ok(());
    };
    let text = |key: &str| opening.data[key].as_str().unwrap_or_default();
    let mut seat = match registry.seat(text("session_id"), text("token"), opening.resume) {
        Ok(seat) => seat,
        Err(refusal) => {
            let (code, reason) = refusal.close();
            return close(socket, code, reason).await;
        }
    };
    if opening.resume {
        send(socket, op::RESUMED, Value::Null).await?;
    } else {
        sleep(registry.faults().ready_delay).await;
        let ready = json!({
            "ssrc": seat.ssrc,
            "ip": registry.udp.ip().to_string(),
            "port": registry.udp.port(),
            "modes": MODES,
        });
        send(socket, op::READY, ready).await?;
    }
    serve(socket, &mut seat).await
}

/// The first message of a node.
struct Opening {
    resume: bool,
    data: Value,
}

/// Reads up to IDENTIFY or RESUME; heartbeats may come before it.
async fn opening(socket: &mut Socket) -> Option<Opening> {
    loop {
        let message = socket.next().await?.ok()?;
        let Some((number, data)) = parse(&message) else {
            continue;
        };
        match number {
            op::IDENTIFY => return Some(Opening { resume: false, data }),
            op::RESUME => return Some(Opening { resume: true, data }),
            op::HEARTBEAT => send(socket, op::HEARTBEAT_ACK, heartbeat_ack(&data)).await.ok()?,
            _ => {}
        }
    }
}

/// Answers messages and takes orders until the connection ends.
async fn serve(socket: &mut Socket, seat: &mut Seat<'_>) -> Result<(), Error> {
    loop {
        tokio::select! {
            order = seat.orders.recv() => match order {
                Some(Order::Close { code, reason }) => return close(socket, code, &reason).await,
                Some(Order::Drop) | None => return Ok(()),
            },
            message = socket.next() => {
                let Some(message) = message else { return Ok(()) };
                let message = message?;
                if message.is_close() {
                    sleep(ROUND_TRIP).await;
                }
                answer(socket, &message).await?;
            }
        }
    }
}

async fn answer(socket: &mut Socket, message: &Message) -> Result<(), Error> {
    let Some((number, data)) = parse(message) else {
        return Ok(());
    };
    match number {
        op::HEARTBEAT => send(socket, op::HEARTBEAT_ACK, heartbeat_ack(&data)).await,
        op::SELECT_PROTOCOL => send(socket, op::SESSION_DESCRIPTION, session_description(&data)).await,
        _ => Ok(()),
    }
}

fn heartbeat_ack(heartbeat: &Value) -> Value {
    json!({ "t": heartbeat["t"] })
}

/// The key is never used: the sink does not decrypt. Version 0 of DAVE means no end-to-end encryption.
fn session_description(select_protocol: &Value) -> Value {
    json!({
        "mode": select_protocol["data"]["mode"],
        "secret_key": vec![7; 32],
        "audio_codec": "opus",
        "dave_protocol_version": 0,
    })
}

/// The number and the payload of a text message.
fn parse(message: &Message) -> Option<(u64, Value)> {
    let mut value: Value = serde_json::from_str(message.to_text().ok()?).ok()?;
    let data = value["d"].take();
    Some((value["op"].as_u64()?, data))
}

async fn send(socket: &mut Socket, number: u64, data: Value) -> Result<(), Error> {
    socket
        .send(Message::text(json!({ "op": number, "d": data }).to_string()))
        .await
}

async fn close(socket: &mut Socket, code: u16, reason: &str) -> Result<(), Error> {
    socket
        .close(Some(CloseFrame {
            code: CloseCode::from(code),
            reason: reason.into(),
        }))
        .await?;
    // Reads until the peer has answered, so that the close frame is not lost to a reset.
    let _ = timeout(Duration::from_secs(1), async {
        while socket.next().await.is_some_and(|next| next.is_ok()) {}
    })
    .await;
    Ok(())
}
