//! The byte level of a simulated node: a socket wrapper on which the faults that no HTTP library offers are played.
//!
//! [`FaultIo`] sits directly on TCP, below TLS and HTTP, so that a frozen or cut connection looks to the peer as it would
//! when a machine hangs or a process dies. It knows nothing of what the bytes mean.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::watch,
    time::{Sleep, sleep},
};

/// How a connection is ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kill {
    /// The socket is closed without a word, as the kernel does for a process that died.
    Fin,
    /// The socket is reset.
    Reset,
}

/// How long a cut connection waits before it is reset: the bytes before the cut must reach the peer's program, and a
/// reset that overtakes them in the peer's kernel would discard them.
const CUT_DELAY: Duration = Duration::from_millis(30);

/// The handle by which a running connection is frozen, cut or ended.
#[derive(Debug)]
pub(crate) struct ConnControl {
    /// Unique within the node.
    pub(crate) id: u64,
    /// A request is being worked on.
    pub(crate) busy: AtomicBool,
    /// It carries a WebSocket.
    pub(crate) upgraded: AtomicBool,
    /// The next request is met by a closed connection.
    pub(crate) close_on_next_request: AtomicBool,
    kill: watch::Sender<Option<Kill>>,
    frozen: AtomicBool,
    /// Bytes that may still be written before the connection is reset; negative = no limit.
    write_budget: AtomicI64,
    /// Tasks to wake when the connection thaws.
    wakers: Mutex<Vec<Waker>>,
}

impl ConnControl {
    pub(crate) fn new(id: u64) -> Arc<Self> {
        Arc::new(Self {
            id,
            busy: AtomicBool::new(false),
            upgraded: AtomicBool::new(false),
            close_on_next_request: AtomicBool::new(false),
            kill: watch::Sender::new(None),
            frozen: AtomicBool::new(false),
            write_budget: AtomicI64::new(-1),
            wakers: Mutex::new(Vec::new()),
        })
    }

    /// Ends the connection: every task that holds a part of it lets go.
    pub(crate) fn kill(&self, how: Kill) {
        self.kill.send_if_modified(|current| current.replace(how).is_none());
    }

    /// Resolves when the connection is to end.
    pub(crate) async fn killed(&self) {
        let mut receiver = self.kill.subscribe();
        // The sender lives in `self`, so waiting can only end with a kill.
        let _ = receiver.wait_for(Option::is_some).await;
    }

    /// Freezes (neither reads nor writes) or thaws the connection.
    pub(crate) fn set_frozen(&self, frozen: bool) {
        self.frozen.store(frozen, Ordering::SeqCst);
        if !frozen {
            for waker in std::mem::take(&mut *self.wakers()) {
                waker.wake();
            }
        }
    }

    /// Lets `bytes` more through to the peer and then resets the connection.
    pub(crate) fn cut_after(&self, bytes: i64) {
        self.write_budget.store(bytes, Ordering::SeqCst);
    }

    fn wakers(&self) -> std::sync::MutexGuard<'_, Vec<Waker>> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the caller must wait because the connection is frozen; its task is woken when it thaws.
    fn must_wait(&self, cx: &Context<'_>) -> bool {
        if !self.frozen.load(Ordering::SeqCst) {
            return false;
        }
        self.wakers().push(cx.waker().clone());
        // Thawed between the check and the registration: do not wait for a wake-up that has already been given.
        self.frozen.load(Ordering::SeqCst)
    }
}

/// Limits the speed of all connections of a node: so many bytes per write, so long between writes.
pub(crate) type Trickle = Arc<Mutex<Option<(usize, Duration)>>>;

/// A TCP connection that can be frozen, cut and slowed down.
#[derive(Debug)]
pub(crate) struct FaultIo {
    tcp: TcpStream,
    control: Arc<ConnControl>,
    trickle: Trickle,
    /// The pause before the next slowed-down write.
    pause: Option<Pin<Box<Sleep>>>,
}

impl FaultIo {
    pub(crate) fn new(tcp: TcpStream, control: Arc<ConnControl>, trickle: Trickle) -> Self {
        Self {
            tcp,
            control,
            trickle,
            pause: None,
        }
    }

    /// How much of a write may go out now: everything, or the trickle's share of it after its pause.
    fn poll_allowance(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<usize> {
        let trickle = *self.trickle.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((bytes, every)) = trickle else {
            self.pause = None;
            return Poll::Ready(wanted);
        };
        let pause = self.pause.get_or_insert_with(|| Box::pin(sleep(every)));
        ready!(pause.as_mut().poll(cx));
        self.pause = None;
        Poll::Ready(wanted.min(bytes.max(1)))
    }
}

impl Drop for FaultIo {
    fn drop(&mut self) {
        if *self.control.kill.borrow() == Some(Kill::Reset) {
            // A failure here only turns the reset into an orderly close, and the test that wanted it will say so.
            let _ = self.tcp.set_zero_linger();
        }
    }
}

impl AsyncRead for FaultIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.control.must_wait(cx) {
            return Poll::Pending;
        }
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for FaultIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.control.must_wait(cx) {
            return Poll::Pending;
        }
        let allowed = ready!(self.poll_allowance(cx, buf.len()));
        let budget = self.control.write_budget.load(Ordering::SeqCst);
        if budget < 0 {
            return Pin::new(&mut self.tcp).poll_write(cx, &buf[..allowed]);
        }
        if budget == 0 {
            let control = Arc::clone(&self.control);
            tokio::spawn(async move {
                sleep(CUT_DELAY).await;
                control.kill(Kill::Reset);
            });
            return Poll::Pending;
        }
        let allowed = allowed.min(usize::try_from(budget).unwrap_or(usize::MAX));
        let written = ready!(Pin::new(&mut self.tcp).poll_write(cx, &buf[..allowed]))?;
        self.control
            .write_budget
            .fetch_sub(i64::try_from(written).unwrap_or(i64::MAX), Ordering::SeqCst);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.control.must_wait(cx) {
            return Poll::Pending;
        }
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
