//! The fake voice server against a small node of our own; the real node is in `lavalink-proxy/tests/real`.

#![allow(clippy::unwrap_used)]

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use super::*;

const GUILD: u64 = 42;
const SOON: Duration = Duration::from_secs(5);

/// A node's end of a gateway connection.
struct Node {
    socket: WebSocketStream<TlsStream<TcpStream>>,
}

impl Node {
    async fn dial(ca: &TestCa, endpoint: &str) -> Self {
        let stream = TcpStream::connect(endpoint).await.unwrap();
        let connector = TlsConnector::from(ca.client_config().unwrap());
        let stream = connector
            .connect("localhost".try_into().unwrap(), stream)
            .await
            .unwrap();
        let (socket, _) = client_async(format!("wss://{endpoint}/?v=8"), stream).await.unwrap();
        Self { socket }
    }

    async fn send(&mut self, op: u64, data: Value) {
        self.socket
            .send(Message::text(json!({ "op": op, "d": data }).to_string()))
            .await
            .unwrap();
    }

    /// The payload of the next message with this number.
    async fn expect(&mut self, op: u64) -> Value {
        let next = async {
            loop {
                let message = self.socket.next().await.expect("the connection is open").unwrap();
                let mut value: Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
                if value["op"] == op {
                    return value["d"].take();
                }
            }
        };
        timeout(SOON, next).await.expect("the message comes soon")
    }

    /// The code of the close frame; 0 for a connection that ends without one.
    async fn close_code(&mut self) -> u16 {
        let end = async {
            while let Some(Ok(message)) = self.socket.next().await {
                if let Message::Close(Some(frame)) = message {
                    return frame.code.into();
                }
            }
            0
        };
        timeout(SOON, end).await.expect("the connection ends soon")
    }

    async fn identify(&mut self, voice: &VoiceState) {
        let data = json!({ "server_id": "42", "user_id": "1", "session_id": voice.session_id, "token": voice.token });
        self.send(0, data).await;
    }

    async fn resume(&mut self, voice: &VoiceState) {
        self.send(
            7,
            json!({ "server_id": "42", "session_id": voice.session_id, "token": voice.token }),
        )
        .await;
    }
}

async fn start() -> (TestCa, FakeVoice) {
    let ca = TestCa::new().unwrap();
    let voice = FakeVoice::start(&ca).await.unwrap();
    (ca, voice)
}

#[tokio::test]
async fn a_node_connects_finds_its_address_and_its_packets_are_counted() {
    let (ca, voice) = start().await;
    let state = voice.voice_state(GUILD);
    let mut node = Node::dial(&ca, &state.endpoint).await;
    node.identify(&state).await;
    assert!(node.expect(8).await["heartbeat_interval"].is_u64());
    let ready = node.expect(2).await;
    let ssrc = u32::try_from(ready["ssrc"].as_u64().unwrap()).unwrap();
    assert_eq!(voice.connections(GUILD), 1);

    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    udp.connect((
        ready["ip"].as_str().unwrap(),
        u16::try_from(ready["port"].as_u64().unwrap()).unwrap(),
    ))
    .await
    .unwrap();
    let mut question = vec![0, 1, 0, 70];
    question.extend_from_slice(&ssrc.to_be_bytes());
    question.resize(74, 0);
    udp.send(&question).await.unwrap();
    let mut answer = [0; 100];
    assert_eq!(timeout(SOON, udp.recv(&mut answer)).await.unwrap().unwrap(), 74);
    assert_eq!(answer[..4], [0, 2, 0, 70]);
    assert_eq!(&answer[8..18], b"127.0.0.1\0");
    assert_eq!(
        u16::from_be_bytes([answer[72], answer[73]]),
        udp.local_addr().unwrap().port()
    );

    node.send(
        1,
        json!({ "protocol": "udp", "data": { "mode": "aead_aes256_gcm_rtpsize" } }),
    )
    .await;
    let description = node.expect(4).await;
    assert_eq!(description["mode"], "aead_aes256_gcm_rtpsize");
    assert_eq!(description["dave_protocol_version"], 0);
    assert_eq!(description["secret_key"].as_array().unwrap().len(), 32);
    node.send(3, json!({ "t": 7, "seq_ack": -1 })).await;
    assert_eq!(node.expect(6).await["t"], 7);

    for sequence in 0..3u16 {
        let mut packet = vec![0x80, 0x78];
        packet.extend_from_slice(&sequence.to_be_bytes());
        packet.extend_from_slice(&(u32::from(sequence) * 960).to_be_bytes());
        packet.extend_from_slice(&ssrc.to_be_bytes());
        packet.extend_from_slice(&[1; 20]);
        udp.send(&packet).await.unwrap();
    }
    udp.send(b"not a packet").await.unwrap();
    assert!(voice.wait(SOON, || voice.packet_count(GUILD) == 3).await);
    let packets = voice.packets(GUILD);
    assert_eq!(
        packets.iter().map(|packet| packet.sequence).collect::<Vec<_>>(),
        [0, 1, 2]
    );
    assert!(packets.iter().all(|packet| packet.ssrc == ssrc && packet.size == 32));
    assert!(voice.wait_for_silence(GUILD, Duration::from_millis(50), SOON).await);
}

#[tokio::test]
async fn a_second_connection_of_a_voice_session_closes_the_first_with_4006() {
    let (ca, voice) = start().await;
    let state = voice.voice_state(GUILD);
    let mut older = Node::dial(&ca, &state.endpoint).await;
    older.identify(&state).await;
    older.expect(2).await;
    let mut newer = Node::dial(&ca, &state.endpoint).await;
    newer.identify(&state).await;
    newer.expect(2).await;
    assert_eq!(older.close_code().await, 4006);
    assert_eq!((voice.connections(GUILD), voice.identified(GUILD)), (1, 2));
}

#[tokio::test]
async fn wrong_values_are_refused_with_discords_codes() {
    let (ca, voice) = start().await;
    let good = voice.voice_state(GUILD);
    let cases = [
        (
            VoiceState {
                token: "guessed".to_owned(),
                ..good.clone()
            },
            4004,
        ),
        (
            VoiceState {
                session_id: "unknown".to_owned(),
                ..good.clone()
            },
            4006,
        ),
    ];
    for (state, code) in cases {
        let mut node = Node::dial(&ca, voice.endpoint()).await;
        node.identify(&state).await;
        assert_eq!(node.close_code().await, code, "{state:?}");
    }
    assert_eq!(voice.identified(GUILD), 0);
}

#[tokio::test]
async fn a_reused_token_is_refused_on_command_but_a_resume_is_not() {
    let (ca, voice) = start().await;
    voice.set_faults(Faults {
        refuse_reused_token: true,
        ..Faults::default()
    });
    let state = voice.voice_state(GUILD);
    let mut first = Node::dial(&ca, voice.endpoint()).await;
    first.identify(&state).await;
    first.expect(2).await;
    let mut second = Node::dial(&ca, voice.endpoint()).await;
    second.identify(&state).await;
    assert_eq!(second.close_code().await, 4004);
    let mut third = Node::dial(&ca, voice.endpoint()).await;
    third.resume(&state).await;
    third.expect(9).await;
    assert_eq!(voice.resumed(GUILD), 1);
}

#[tokio::test]
async fn connections_are_closed_and_dropped_on_command() {
    let (ca, voice) = start().await;
    let state = voice.voice_state(GUILD);
    let mut node = Node::dial(&ca, voice.endpoint()).await;
    node.identify(&state).await;
    node.expect(2).await;
    assert_eq!(voice.close(GUILD, 4014, "Disconnected."), 1);
    assert_eq!(node.close_code().await, 4014);
    assert!(voice.wait_for_connections(GUILD, 0, SOON).await);

    let mut node = Node::dial(&ca, voice.endpoint()).await;
    node.resume(&state).await;
    node.expect(9).await;
    assert_eq!(voice.drop_connections(GUILD), 1);
    assert_eq!(node.close_code().await, 0);
    assert_eq!(voice.close(GUILD + 1, 4014, ""), 0);
}
