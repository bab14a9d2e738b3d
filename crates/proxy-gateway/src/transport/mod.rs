//! Sockets as the rest of the gateway sees them: counted, with or without TLS.

pub(crate) mod deadline;
pub(crate) mod metered;
pub(crate) mod scratch;
pub(crate) mod tls;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use metered::Metered;

/// One client's or node's socket. An enum rather than a trait object: the plain case is the hot path.
pub(crate) enum Stream {
    /// Bytes as the network carries them.
    Plain(Metered),
    /// A client behind TLS.
    Served(Box<tokio_rustls::server::TlsStream<Metered>>),
    /// A node behind TLS.
    Dialled(Box<tokio_rustls::client::TlsStream<Metered>>),
}

macro_rules! on_inner {
    ($self:expr, $inner:ident => $call:expr) => {
        match $self.get_mut() {
            Stream::Plain($inner) => $call,
            Stream::Served($inner) => $call,
            Stream::Dialled($inner) => $call,
        }
    };
}

impl AsyncRead for Stream {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        on_inner!(self, inner => Pin::new(inner).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        on_inner!(self, inner => Pin::new(inner).poll_write(cx, buf))
    }

    #[inline]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on_inner!(self, inner => Pin::new(inner).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_inner!(self, inner => Pin::new(inner).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_inner!(self, inner => Pin::new(inner).poll_shutdown(cx))
    }
}

impl Stream {
    /// Reads once into the thread's scratch buffer and hands what came to `then`, all within one poll.
    #[inline]
    pub(crate) fn poll_read_scratch<R>(
        &mut self,
        cx: &mut Context<'_>,
        then: impl FnOnce(&mut Context<'_>, &[u8]) -> R,
    ) -> Poll<io::Result<R>> {
        scratch::with(|scratch| {
            let mut buf = ReadBuf::new(scratch);
            match Pin::new(self).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) => Poll::Ready(Ok(then(cx, buf.filled()))),
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Pending => Poll::Pending,
            }
        })
    }

    /// Writes what the socket takes at once and returns how much of `bytes` that was.
    ///
    /// With TLS the bytes may still wait in its buffer: [`poll_flush`](AsyncWrite::poll_flush) must follow.
    #[inline]
    pub(crate) fn write_now(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        while written < bytes.len() {
            match Pin::new(&mut *self).poll_write(cx, &bytes[written..]) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => written += count,
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => break,
            }
        }
        if !matches!(self, Self::Plain(_))
            && let Poll::Ready(Err(error)) = Pin::new(&mut *self).poll_flush(cx)
        {
            return Err(error);
        }
        Ok(written)
    }
}
