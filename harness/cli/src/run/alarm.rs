//! Waits for a moment, to a few microseconds: the runtime's own timers know milliseconds.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use crossover_proto::clock::MonotonicNs;
use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::unix::AsyncFd;

/// One timer of the kernel, on the clock of the run.
pub struct Alarm(AsyncFd<Timer>);

struct Timer(TimerFd);

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Alarm {
    /// In a runtime, on whose thread it then wakes.
    ///
    /// # Errors
    /// If the kernel gives none.
    #[expect(unsafe_code, reason = "the runtime can't know that a descriptor stays open")]
    pub fn new() -> io::Result<Self> {
        let timer = TimerFd::new(
            ClockId::CLOCK_MONOTONIC,
            TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC,
        )?;
        // SAFETY: the timer owns its descriptor, always names the same one, and is never taken out or replaced.
        let registered = unsafe { AsyncFd::register(Timer(timer)) };
        Ok(Self(registered?))
    }

    /// Returns at `moment`, or at once if it is past.
    ///
    /// # Errors
    /// If the timer can't be set.
    pub async fn wait_until(&self, moment: MonotonicNs) -> io::Result<()> {
        while MonotonicNs::now() < moment {
            let Timer(timer) = self.0.get_ref();
            let at = TimeSpec::from(std::time::Duration::from_nanos(moment.0));
            timer.set(Expiration::OneShot(at), TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
            let mut ready = self.0.readable().await?;
            // One that rang for an earlier moment is read here, too.
            match timer.wait() {
                Ok(()) | Err(Errno::EAGAIN) => ready.clear_ready(),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn it_rings_at_its_moment_or_at_once_if_that_is_past() {
        let alarm = Alarm::new().unwrap();
        for micros in [700, 0, 1_300, 50] {
            let moment = MonotonicNs::now().plus(Duration::from_micros(micros));
            alarm.wait_until(moment).await.unwrap();
            assert!(MonotonicNs::now() >= moment);
        }
        let before = MonotonicNs::now();
        alarm.wait_until(MonotonicNs(1)).await.unwrap();
        assert!(MonotonicNs::now().saturating_since(before) < Duration::from_secs(1));
    }

    #[tokio::test]
    async fn one_that_was_given_up_does_not_ring_for_the_next() {
        let alarm = Alarm::new().unwrap();
        let soon = MonotonicNs::now().plus(Duration::from_millis(20));
        let given_up = tokio::time::timeout(Duration::from_millis(1), alarm.wait_until(soon)).await;
        assert!(given_up.is_err());
        tokio::time::sleep(Duration::from_millis(40)).await;
        let later = MonotonicNs::now().plus(Duration::from_millis(30));
        alarm.wait_until(later).await.unwrap();
        assert!(MonotonicNs::now() >= later);
    }
}
