//! `series.json`: what the charts draw. One bucket a second from the start of the load; a gap is `null`, never zero.

use serde::{Deserialize, Serialize};

/// All time series of a run. Vectors of one run have one length: [`Series::seconds`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Series {
    /// Number of buckets.
    pub seconds: usize,
    /// Dispatch latency of the jobs whose intended time lies in the second.
    pub dispatch_ms: Vec<Option<LatencyBucket>>,
    /// Arrivals that the plan wanted (1/s).
    pub intended_per_s: Vec<f64>,
    /// Starts answered as accepted (1/s).
    pub accepted_per_s: Vec<f64>,
    /// Jobs completed (1/s).
    pub completed_per_s: Vec<f64>,
    /// Jobs created and not finished at the end of the second.
    pub unfinished: Vec<f64>,
    /// Unsent outbox rows; `null` in polling mode or where no sample was had.
    pub outbox_backlog: Vec<Option<f64>>,
    /// Consumer lag (records): each group in all, by its name, then the worst partitions as `group/topic/partition`; at most a
    /// dozen lines. All partitions are in `result.json`.
    pub lag: Vec<NamedSeries>,
    /// Requests that reached the service that handlers call (1/s), by policy; empty for a run without it.
    #[serde(default)]
    pub downstream: Vec<NamedSeries>,
    /// Mean number of active engine backends by wait type; `CPU` is "active and not waiting".
    pub waits: Vec<NamedSeries>,
    /// Dead tuples in `job`.
    pub dead_tuples: Vec<Option<f64>>,
    /// Connections of the engine.
    pub connections: Vec<Option<f64>>,
    /// CPU per part (cores).
    pub cpu_cores: Vec<NamedSeries>,
    /// Resident memory per part (MiB).
    pub memory_mb: Vec<NamedSeries>,
    /// Things that happened: phase starts, faults, restarts.
    pub events: Vec<TimelineEvent>,
}

/// Latency within one second (ms).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LatencyBucket {
    /// Samples, the censored included.
    pub count: u64,
    /// Median; `null` if censored.
    pub p50: Option<f64>,
    /// 99th percentile; `null` if censored.
    pub p99: Option<f64>,
    /// Largest; `null` if censored.
    pub max: Option<f64>,
}

/// A series with a name of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NamedSeries {
    /// Such as `replica-1` or `LWLock`.
    pub name: String,
    /// One value a second.
    pub values: Vec<Option<f64>>,
}

/// A moment worth a line in the report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimelineEvent {
    /// From the start of the load (s).
    pub at_s: f64,
    /// What happened.
    pub text: String,
}
