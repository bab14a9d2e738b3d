//! A deadline that may be moved with every request or message for the price of storing an instant: the timer behind it
//! is armed lazily and moved only when it fires too early or would fire too late.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// See the module.
#[derive(Default)]
pub(crate) struct Deadline {
    at: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    /// The deadline is `delay` from now.
    pub(crate) fn set(&mut self, delay: Duration) {
        self.set_at(Instant::now() + delay);
    }

    /// The deadline is `at`.
    pub(crate) fn set_at(&mut self, at: Instant) {
        self.at = Some(at);
        if let Some(timer) = &mut self.timer
            && timer.deadline() > at
        {
            timer.as_mut().reset(at);
        }
    }

    /// There is none until the next [`set`](Self::set); the timer's memory goes back.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// When it is, if there is one.
    pub(crate) fn at(&self) -> Option<Instant> {
        self.at
    }

    /// Ready once the deadline has passed; it stays ready until set anew.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        loop {
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if timer.deadline() >= at {
                return Poll::Ready(());
            }
            timer.as_mut().reset(at);
        }
    }
}
