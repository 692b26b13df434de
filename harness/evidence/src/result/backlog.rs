//! What piled up during a phase, from the ledger: whether the system kept up.

use serde::{Deserialize, Serialize};

/// The backlog of one phase: jobs sent and not yet over.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BacklogInfo {
    /// Jobs per second that the phase's arrivals are, by plan.
    pub jobs_per_s: f64,
    /// Slope over the second half of the phase (jobs per second).
    pub slope_per_s: f64,
    /// Lower end of its 95 % interval.
    pub slope_low_per_s: f64,
    /// Upper end of its 95 % interval.
    pub slope_high_per_s: f64,
    /// Mean over the second half (jobs).
    pub mean_jobs: f64,
    /// Jobs of the phase that were over by 2 s after its end ÷ jobs that it intended.
    pub achieved_ratio: f64,
    /// From the end of the phase until all its jobs were over (s); `null` if some never were.
    pub drain_s: Option<f64>,
}
