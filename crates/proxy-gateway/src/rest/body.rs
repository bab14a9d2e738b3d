//! Where a body ends, whatever its framing, in bytes that are passed on as they came.

use lavalink_protocol::http::{ChunkError, ChunkWalker, Framing};

/// What is still to come of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BodyLeft {
    /// So many bytes; none is the end.
    Length(u64),
    /// Chunks up to the last one.
    Chunked(ChunkWalker),
    /// Whatever comes until the peer closes.
    UntilClose,
}

impl BodyLeft {
    pub(crate) fn new(framing: Framing) -> Self {
        match framing {
            Framing::None => Self::Length(0),
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(ChunkWalker::default()),
            Framing::UntilClose => Self::UntilClose,
        }
    }

    /// Takes the next bytes and returns how many of them belong to the body.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<usize, ChunkError> {
        match self {
            Self::Length(left) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= taken as u64;
                Ok(taken)
            }
            Self::Chunked(walker) => walker.walk(bytes),
            Self::UntilClose => Ok(bytes.len()),
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(walker) => walker.is_done(),
            Self::UntilClose => false,
        }
    }

    /// Payload bytes seen so far of a chunked body; a length is known from the head.
    pub(crate) fn chunked_payload(&self) -> u64 {
        match self {
            Self::Chunked(walker) => walker.payload(),
            _ => 0,
        }
    }
}
