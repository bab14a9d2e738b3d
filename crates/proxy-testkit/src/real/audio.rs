//! Audio files for real nodes to play: quiet sine waves, made here and served over loopback HTTP.

use std::{convert::Infallible, f64::consts::TAU, io, iter::repeat_n, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    Method, Request, Response, StatusCode,
    header::{ACCEPT_RANGES, CONTENT_RANGE, CONTENT_TYPE, RANGE},
};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinSet};

/// Samples per second; Discord's own rate, so that the node has nothing to convert.
const SAMPLE_RATE: u32 = 48_000;
/// Length of a WAV header with one format and one data chunk.
const WAV_HEADER: u32 = 44;
/// Quiet, and soft enough that no filter clips it.
const AMPLITUDE: f64 = 3_000.0;

/// A mono 16-bit WAV file with a sine wave, in whole seconds. The frequency is whole hertz, so that every second sounds
/// the same.
pub fn sine_wav(length: Duration, hertz: u32) -> Vec<u8> {
    let seconds = u32::try_from(length.as_secs()).unwrap_or(u32::MAX);
    let data = seconds.saturating_mul(SAMPLE_RATE * 2);
    let mut wav = Vec::with_capacity((WAV_HEADER + data) as usize);
    wav.extend_from_slice(b"RIFF");
    wav.extend_from_slice(&(WAV_HEADER - 8 + data).to_le_bytes());
    wav.extend_from_slice(b"WAVEfmt ");
    wav.extend_from_slice(&16u32.to_le_bytes());
    wav.extend_from_slice(&1u16.to_le_bytes()); // PCM
    wav.extend_from_slice(&1u16.to_le_bytes()); // mono
    wav.extend_from_slice(&SAMPLE_RATE.to_le_bytes());
    wav.extend_from_slice(&(SAMPLE_RATE * 2).to_le_bytes()); // bytes per second
    wav.extend_from_slice(&2u16.to_le_bytes()); // bytes per sample
    wav.extend_from_slice(&16u16.to_le_bytes()); // bits per sample
    wav.extend_from_slice(b"data");
    wav.extend_from_slice(&data.to_le_bytes());
    let second: Vec<u8> = (0..SAMPLE_RATE)
        .flat_map(|sample| amplitude(sample, hertz).to_le_bytes())
        .collect();
    wav.extend(repeat_n(second, seconds as usize).flatten());
    wav
}

fn amplitude(sample: u32, hertz: u32) -> i16 {
    let phase = TAU * f64::from(hertz) * f64::from(sample) / f64::from(SAMPLE_RATE);
    (phase.sin() * AMPLITUDE) as i16
}

/// A loopback web server with one audio file. Dropping it closes it.
pub struct AudioServer {
    address: SocketAddr,
    _accepting: JoinSet<()>,
}

impl AudioServer {
    /// Serves a WAV file on a free port.
    ///
    /// # Errors
    ///
    /// When no loopback port can be bound.
    pub async fn start(wav: Vec<u8>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, Arc::new(Bytes::from(wav))));
        Ok(Self {
            address,
            _accepting: accepting,
        })
    }

    /// The file's URL: the track identifier to give to a node.
    pub fn url(&self) -> String {
        format!("http://{}/sine.wav", self.address)
    }
}

async fn accept(listener: TcpListener, wav: Arc<Bytes>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                let wav = wav.clone();
                let service = service_fn(move |request| {
                    let response = respond(&request, &wav);
                    async move { Ok::<_, Infallible>(response) }
                });
                connections.spawn(async move {
                    // A player that seeks or stops drops its connection in the middle; that is no error here.
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// The file or, when asked for a range to the end or to an offset, that part: players seek with ranges.
fn respond(request: &Request<Incoming>, wav: &Bytes) -> Response<Full<Bytes>> {
    let start = Response::builder()
        .header(CONTENT_TYPE, "audio/wav")
        .header(ACCEPT_RANGES, "bytes");
    let range = request
        .headers()
        .get(RANGE)
        .and_then(|value| parse_range(value.to_str().ok()?, wav.len()));
    let (start, body) = match range {
        Some((from, to)) => (
            start
                .status(StatusCode::PARTIAL_CONTENT)
                .header(CONTENT_RANGE, format!("bytes {from}-{}/{}", to - 1, wav.len())),
            wav.slice(from..to),
        ),
        None => (start, wav.clone()),
    };
    let body = if request.method() == Method::HEAD {
        Bytes::new()
    } else {
        body
    };
    start
        .body(Full::new(body))
        .expect("every header is a constant or made of digits")
}

/// `bytes=FROM-` or `bytes=FROM-TO` as a half-open range within the file.
fn parse_range(value: &str, length: usize) -> Option<(usize, usize)> {
    let (from, to) = value.strip_prefix("bytes=")?.split_once('-')?;
    let from: usize = from.parse().ok()?;
    let to = if to.is_empty() {
        length
    } else {
        to.parse::<usize>().ok()?.saturating_add(1).min(length)
    };
    (from < to).then_some((from, to))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_wav_says_its_own_length() {
        let wav = sine_wav(Duration::from_secs(2), 440);
        assert_eq!(wav.len(), 44 + 2 * 48_000 * 2);
        assert_eq!(
            u32::from_le_bytes(wav[4..8].try_into().unwrap()) as usize,
            wav.len() - 8
        );
        assert_eq!(
            u32::from_le_bytes(wav[40..44].try_into().unwrap()) as usize,
            wav.len() - 44
        );
    }

    #[test]
    fn ranges_stay_within_the_file() {
        let cases = [
            ("bytes=0-", Some((0, 10))),
            ("bytes=4-6", Some((4, 7))),
            ("bytes=4-99", Some((4, 10))),
            ("bytes=10-", None),
            ("bytes=-5", None),
            ("items=0-", None),
        ];
        for (value, expected) in cases {
            assert_eq!(parse_range(value, 10), expected, "{value}");
        }
    }
}
