//! Times and rates: latencies with their hops, percentiles, throughput.

use serde::{Deserialize, Serialize};

/// Latencies of the contract.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LatencySet {
    /// From the intended start of a first-step job, or before the commit that created a later one, to the handler's start.
    pub dispatch: Percentiles,
    /// The same from the moment of sending: where it is shorter, the generator was late.
    pub dispatch_from_send: Percentiles,
    /// From the intended start of an instance to the answer to its last job's completion.
    pub completion: Percentiles,
    /// Each hop of a job, in the order of its life: each begins where the one before it ends.
    pub hops: Vec<Hop>,
    /// Measured beside the hops, inside of one or across several: never add them to the hops.
    #[serde(default)]
    pub beside: Vec<Hop>,
}

/// One hop of a job's way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hop {
    /// Such as `intended → sent`.
    pub name: String,
    /// Its time (ms).
    pub latency_ms: Percentiles,
    /// Negative values seen: a sign of clock trouble; counted, never dropped.
    pub negative: u64,
}

/// Percentiles (ms). `null` where the rank falls among censored samples, or there are none.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Percentiles {
    /// Samples, the censored included.
    pub count: u64,
    /// Median.
    pub p50: Option<f64>,
    /// 90th percentile.
    pub p90: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
    /// 99.9th percentile.
    pub p999: Option<f64>,
    /// Largest; `null` if any sample is censored.
    pub max: Option<f64>,
    /// Arithmetic mean of the finished ones.
    pub mean: Option<f64>,
    /// Samples that never finished.
    pub censored: u64,
    /// The curve for the HdrHistogram view: (percentile 0–100, ms), up to the first censored rank.
    #[serde(default)]
    pub curve: Vec<(f64, f64)>,
}

/// Jobs per second.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Throughput {
    /// Completed jobs ÷ time.
    pub completed_per_s: f64,
    /// From before the first claim to the answer to the last completion, on a backlog; `null` where there was no backlog to drain.
    pub capacity_per_s: Option<f64>,
    /// `pgbench` with the same statements on the same server just before; `null` where it was not run.
    #[serde(default)]
    pub reference_per_s: Option<f64>,
}
