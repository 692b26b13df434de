//! The one clock of a run: CLOCK_MONOTONIC, which all processes of a host read alike.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// A moment on CLOCK_MONOTONIC (ns since boot); comparable between the processes of one host, and nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MonotonicNs(pub u64);

impl MonotonicNs {
    /// The present moment.
    ///
    /// # Panics
    /// Never on Linux: the clock is always there.
    #[must_use]
    pub fn now() -> Self {
        let time = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("CLOCK_MONOTONIC exists on every Linux");
        let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
        let nanos = u64::try_from(time.tv_nsec()).unwrap_or(0);
        Self(seconds * 1_000_000_000 + nanos)
    }

    /// Time from `earlier` to `self` (ns); negative if the order is the other way.
    #[must_use]
    pub fn signed_since(self, earlier: Self) -> i128 {
        i128::from(self.0) - i128::from(earlier.0)
    }

    /// Time from `earlier` to `self`; zero if the order is the other way.
    #[must_use]
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The moment `later` after this one.
    #[must_use]
    pub fn plus(self, later: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(later.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}
