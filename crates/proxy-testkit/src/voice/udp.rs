//! The UDP half of the fake voice server: it answers address discovery and counts RTP packets. It decrypts nothing.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use tokio::net::UdpSocket;

use super::registry::{Packet, Registry};

/// Length of a discovery datagram, both ways.
const DISCOVERY: usize = 74;
/// Where the address text of a discovery answer starts and how long it may be.
const ADDRESS: std::ops::Range<usize> = 8..72;
/// A fixed RTP header; anything shorter is no packet.
const RTP_HEADER: usize = 12;
/// RTP payload type of Discord's opus stream.
const OPUS: u8 = 0x78;

/// Reads datagrams until the server is dropped.
pub(super) async fn receive(socket: UdpSocket, registry: Arc<Registry>) {
    let mut buffer = [0; 2048];
    loop {
        // An error of a UDP socket is an ICMP answer to an earlier datagram of ours; the socket stays usable.
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        let datagram = &buffer[..length];
        if let Some(answer) = discovery_answer(datagram, from) {
            if !registry.faults().ignore_discovery {
                let _ = socket.send_to(&answer, from).await;
            }
        } else if let Some(packet) = rtp(datagram) {
            registry.note(packet);
        }
    }
}

/// The answer to an address discovery: type 2, the same length field and source, the sender's address as text
/// terminated by NUL, its port in the last two bytes.
fn discovery_answer(datagram: &[u8], from: SocketAddr) -> Option<[u8; DISCOVERY]> {
    if datagram.len() != DISCOVERY || datagram[..4] != [0, 1, 0, 70] {
        return None;
    }
    let mut answer = [0; DISCOVERY];
    answer[..4].copy_from_slice(&[0, 2, 0, 70]);
    answer[4..8].copy_from_slice(&datagram[4..8]);
    let address = from.ip().to_string();
    answer[ADDRESS][..address.len()].copy_from_slice(address.as_bytes());
    answer[72..].copy_from_slice(&from.port().to_be_bytes());
    Some(answer)
}

/// The header of an RTP packet with opus in it.
fn rtp(datagram: &[u8]) -> Option<Packet> {
    let header: &[u8; RTP_HEADER] = datagram.first_chunk()?;
    if header[0] >> 6 != 2 || header[1] & 0x7f != OPUS {
        return None;
    }
    Some(Packet {
        sequence: u16::from_be_bytes([header[2], header[3]]),
        timestamp: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
        ssrc: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
        size: datagram.len(),
        at: Instant::now(),
    })
}
