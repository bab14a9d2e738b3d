//! What only the kernel can say: CPU time of other processes, a clock that processes share, precise ticks, limits.
//!
//! All of the crate's `unsafe` is here; nothing here knows what it is used for.
#![allow(unsafe_code, reason = "these calls have no safe wrapper among the dependencies")]

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::time::Duration;

/// Nanoseconds of `CLOCK_MONOTONIC`: the same clock in every process of the machine, unlike an `Instant`, which cannot
/// be sent to another one.
pub(crate) fn monotonic_ns() -> u64 {
    read_clock(libc::CLOCK_MONOTONIC).unwrap_or(0)
}

/// CPU time that all threads of process `pid` have used so far, ended ones included, in nanoseconds.
///
/// The process clock is used rather than `/proc/PID/stat`, which counts in steps of 10 ms, and rather than `schedstat`,
/// which forgets threads that ended.
pub(crate) fn cpu_ns(pid: u32) -> io::Result<u64> {
    let mut clock: libc::clockid_t = 0;
    // SAFETY: `clock` outlives the call, which writes one clock id to it.
    let code =
        unsafe { libc::clock_getcpuclockid(libc::pid_t::try_from(pid).map_err(io::Error::other)?, &raw mut clock) };
    if code != 0 {
        return Err(io::Error::from_raw_os_error(code));
    }
    read_clock(clock)
}

fn read_clock(clock: libc::clockid_t) -> io::Result<u64> {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` outlives the call, which writes one timespec to it.
    if unsafe { libc::clock_gettime(clock, &raw mut now) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64)
}

/// Raises the limit of open files as far as allowed, up to `wanted`; returns what holds now.
pub(crate) fn raise_open_files(wanted: u64) -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` outlives the calls, which read or write one rlimit.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) != 0 {
            return 1024;
        }
        // Raising the hard limit needs a privilege; without it the second call settles for the limit as it is.
        for hard in [limit.rlim_max.max(wanted), limit.rlim_max] {
            let raised = libc::rlimit {
                rlim_cur: hard.min(wanted).max(limit.rlim_cur),
                rlim_max: hard,
            };
            if libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) == 0 {
                return raised.rlim_cur;
            }
        }
    }
    limit.rlim_cur
}

/// Sends SIGTERM to a child that has not been waited for.
pub(crate) fn terminate(pid: u32) -> io::Result<()> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    // SAFETY: `kill` takes plain numbers; the caller says that the id is still its child's.
    match unsafe { libc::kill(pid, libc::SIGTERM) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Has the kernel kill the command's process when the thread that spawns it ends, however that happens.
pub(crate) fn die_with_parent(command: &mut tokio::process::Command) {
    // SAFETY: between fork and exec only the system call prctl is made, which is safe there.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        });
    }
}

/// A timer descriptor that becomes readable at every tick, to be polled beside sockets: `epoll_wait` itself only knows
/// whole milliseconds.
pub(crate) struct Ticker {
    file: File,
}

impl Ticker {
    /// A ticker with this period, starting now.
    pub(crate) fn new(period: Duration) -> io::Result<Self> {
        let period = libc::timespec {
            tv_sec: period.as_secs().try_into().map_err(io::Error::other)?,
            tv_nsec: period.subsec_nanos().into(),
        };
        let timer = libc::itimerspec {
            it_interval: period,
            it_value: period,
        };
        // SAFETY: the descriptor is new and owned by the file from here on; `timer` outlives the call that reads it.
        unsafe {
            let fd = libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            let file = File::from_raw_fd(fd);
            if libc::timerfd_settime(fd, 0, &raw const timer, std::ptr::null_mut()) != 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(Self { file })
        }
    }

    /// The descriptor to poll.
    pub(crate) fn fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// Takes the tick; a periodic timer is only armed again by this.
    pub(crate) fn take(&mut self) {
        let mut expirations = [0; 8];
        // Nothing to read means no tick yet, which is no fault.
        let _ = self.file.read(&mut expirations);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn cpu_time_of_a_process_grows_with_its_work() {
        let pid = std::process::id();
        let before = cpu_ns(pid).unwrap();
        let mut sum = 0u64;
        while cpu_ns(pid).unwrap() < before + 5_000_000 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(cpu_ns(pid).unwrap() > before);
        assert!(cpu_ns(u32::MAX).is_err(), "no such process");
    }

    #[test]
    fn a_ticker_ticks_again_after_each_take() {
        let mut ticker = Ticker::new(Duration::from_millis(1)).unwrap();
        let mut poll = mio::Poll::new().unwrap();
        let fd = ticker.fd();
        poll.registry()
            .register(&mut mio::unix::SourceFd(&fd), mio::Token(0), mio::Interest::READABLE)
            .unwrap();
        let mut events = mio::Events::with_capacity(4);
        for _ in 0..3 {
            poll.poll(&mut events, Some(Duration::from_secs(5))).unwrap();
            assert!(!events.is_empty());
            ticker.take();
        }
    }
}
