//! The numbers that two builds can be held against each other by, and how each is read from a run's result.

use serde::{Deserialize, Serialize};

use crate::result::{RunResult, is_instrument};

/// A number of a finished run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// CPU time of the engine, PostgreSQL and the broker ÷ completed jobs (ms).
    CpuMsPerJob,
    /// CPU time of the engine's processes ÷ completed jobs (ms).
    EngineCpuMsPerJob,
    /// CPU time of PostgreSQL with its children ÷ completed jobs (ms).
    PostgresCpuMsPerJob,
    /// Median of dispatch (ms).
    DispatchMsP50,
    /// 99th percentile of dispatch (ms).
    DispatchMsP99,
    /// Median of completion (ms).
    CompletionMsP50,
    /// Largest memory of the engine's processes, added up (MiB).
    EngineMemoryMb,
    /// Jobs per second of a drained backlog.
    CapacityPerS,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::CpuMsPerJob,
        Self::EngineCpuMsPerJob,
        Self::PostgresCpuMsPerJob,
        Self::DispatchMsP50,
        Self::DispatchMsP99,
        Self::CompletionMsP50,
        Self::EngineMemoryMb,
        Self::CapacityPerS,
    ];

    /// As it is written in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::CpuMsPerJob => "cpu_ms_per_job",
            Self::EngineCpuMsPerJob => "engine_cpu_ms_per_job",
            Self::PostgresCpuMsPerJob => "postgres_cpu_ms_per_job",
            Self::DispatchMsP50 => "dispatch_ms_p50",
            Self::DispatchMsP99 => "dispatch_ms_p99",
            Self::CompletionMsP50 => "completion_ms_p50",
            Self::EngineMemoryMb => "engine_memory_mb",
            Self::CapacityPerS => "capacity_per_s",
        }
    }

    /// Is more of it better?
    #[must_use]
    pub fn is_better_higher(self) -> bool {
        matches!(self, Self::CapacityPerS)
    }

    /// Its value in a run; `None` if the run has none.
    #[must_use]
    pub fn of(self, result: &RunResult) -> Option<f64> {
        let value = match self {
            Self::CpuMsPerJob => cpu_ms_per_job(result, |part| !is_instrument(part)),
            Self::EngineCpuMsPerJob => cpu_ms_per_job(result, is_engine),
            Self::PostgresCpuMsPerJob => cpu_ms_per_job(result, |part| part.starts_with("postgres")),
            Self::DispatchMsP50 => result.latency_ms.dispatch.p50,
            Self::DispatchMsP99 => result.latency_ms.dispatch.p99,
            Self::CompletionMsP50 => result.latency_ms.completion.p50,
            Self::EngineMemoryMb => {
                let parts = result.processes.iter().filter(|part| is_engine(&part.name));
                Some(parts.map(|part| part.memory_mb_max).sum())
            }
            Self::CapacityPerS => result.throughput.capacity_per_s,
        };
        // What is nothing has no ratio.
        value.filter(|value| value.is_finite() && *value > 0.0)
    }
}

fn is_engine(part: &str) -> bool {
    ["replica", "relay", "worker"].iter().any(|role| part.starts_with(role))
}

/// By the mean over the time that each part was looked at: the looks come once a second, and a run does not end with one.
fn cpu_ms_per_job(result: &RunResult, counts: impl Fn(&str) -> bool) -> Option<f64> {
    let completed = result.ledger.completed;
    let parts = result.processes.iter().filter(|part| counts(&part.name));
    let cores: f64 = parts.map(|part| part.cpu_cores_mean).sum();
    (completed > 0).then(|| 1_000.0 * cores * result.run.duration_s / completed as f64)
}
