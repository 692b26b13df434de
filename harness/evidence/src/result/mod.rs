//! `result.json`: the contract of a finished run. Versioned; units in the keys.

mod backlog;
mod judged;
mod latency;
mod seen;

use serde::{Deserialize, Serialize};

use crate::plateau::Attribution;

pub use self::backlog::BacklogInfo;
pub use self::judged::{Check, Claim, ClaimVerdict, FaultInfo, LedgerInfo, Unavailability, Verdict};
pub use self::latency::{Hop, LatencySet, Percentiles, Throughput};
pub use self::seen::{
    DownstreamInfo, DownstreamPolicy, GroupPause, GroupPauses, IdleInfo, IdlePart, InstrumentInfo, LagInfo, LockLooks,
    Neighbours, OutboxInfo, PostgresInfo, ProcessCost, TopicSkew, WaitShare, is_instrument,
};

/// Raised when a reader of the last version would misread this one.
pub const SCHEMA_VERSION: u32 = 1;

/// One finished (or broken off) run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema_version: u32,
    /// What was run, when, and whether it can be used.
    pub run: RunInfo,
    /// What it ran on.
    pub testbed: TestbedInfo,
    /// The parts and their settings.
    pub topology: TopologyInfo,
    /// What the load offered and what became of it.
    pub load: LoadInfo,
    /// One entry per load phase.
    pub phases: Vec<PhaseResult>,
    /// Whole run, warm-up excluded.
    pub latency_ms: LatencySet,
    /// Whole run, warm-up excluded.
    pub throughput: Throughput,
    /// What the samplers saw in PostgreSQL.
    pub postgres: PostgresInfo,
    /// Event-driven mode only.
    pub outbox: Option<OutboxInfo>,
    /// Event-driven mode only: every partition of every group.
    pub lag: Vec<LagInfo>,
    /// Event-driven mode only: how evenly the records of each topic are spread.
    #[serde(default)]
    pub skew: Vec<TopicSkew>,
    /// Jobs behind records that could not be handled; `null` if there was no such record.
    #[serde(default)]
    pub neighbours: Option<Neighbours>,
    /// When consumer groups stood still; `null` in polling mode, or if the topics were not read.
    #[serde(default)]
    pub group_pauses: Option<GroupPauses>,
    /// What could not be done for a second or longer, over the whole run.
    #[serde(default)]
    pub unavailability: Vec<Unavailability>,
    /// The service that handlers call; `null` for a run without it.
    #[serde(default)]
    pub downstream: Option<DownstreamInfo>,
    /// Faults injected, in order.
    pub faults: Vec<FaultInfo>,
    /// What became of every job.
    pub ledger: LedgerInfo,
    /// Each check with its verdict and its story.
    pub checks: Vec<Check>,
    /// CPU, memory per process over the run.
    pub processes: Vec<ProcessCost>,
    /// What each part costs at rest; `null` if the scenario has no idle phase, or nothing was seen of it.
    #[serde(default)]
    pub idle: Option<IdleInfo>,
    /// What the instrument itself cost and where it is weak.
    pub instrument: InstrumentInfo,
    /// Hypotheses of the scenario, and claims of the seed that this run touches.
    pub claims: Vec<Claim>,
    /// Why it did not get faster; `null` if it kept up.
    #[serde(default)]
    pub plateau: Option<Attribution>,
}

impl RunResult {
    /// CPU time of the system, without the instrument, per completed job (ms); `None` without jobs or without samples.
    #[must_use]
    pub fn cpu_ms_per_job(&self) -> Option<f64> {
        let parts = self.processes.iter().filter(|part| !part.is_instrument());
        let cpu_s: f64 = parts.map(|part| part.cpu_s).sum();
        (cpu_s > 0.0 && self.ledger.completed > 0).then(|| cpu_s * 1_000.0 / self.ledger.completed as f64)
    }
}

/// Identity and validity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// Directory name: `<scenario>-<mode>-<utc>`.
    pub id: String,
    /// Scenario name.
    pub scenario: String,
    /// The scenario's title, for people.
    pub title: String,
    /// `polling` or `event-driven`.
    pub mode: String,
    /// Fixes the plan.
    pub seed: u64,
    /// The command that repeats it.
    pub command: String,
    /// Commit of this tool, with `-dirty` where it applies; `null` outside a checkout.
    pub git_commit: Option<String>,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// From the start of the load to the end of the drain (s).
    pub duration_s: f64,
    /// May its numbers be used?
    pub valid: bool,
    /// Why not.
    pub invalid_reasons: Vec<String>,
    /// Broken off by Ctrl-C or a death of the harness: the numbers cover what ran.
    pub interrupted: bool,
}

/// Servers and machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestbedInfo {
    /// `local`, `containers` or `external`.
    pub provider: String,
    /// The database.
    pub postgres: PostgresVersion,
    /// The broker; `null` in polling mode.
    pub broker: Option<BrokerInfo>,
    /// What an acknowledgement means, per part.
    #[serde(with = "crate::pairs")]
    pub acknowledgement: Vec<(String, String)>,
    /// Median time of one 8 KiB write + fdatasync in PostgreSQL's directory (µs).
    pub fsync_us_p50: Option<u64>,
    /// File system of PostgreSQL's directory, such as `ext4`.
    pub file_system: String,
    /// Logical processors.
    pub cpus: u32,
    /// Memory of the machine (MiB).
    pub memory_mb: u64,
    /// Which machine it was: the processor's model and eight hex digits that stay the same. `null` if it can't be told apart, or
    /// the run is an old one. Absolute numbers of different machines are not compared.
    #[serde(default)]
    pub machine: Option<String>,
    /// Time from launch to the first answer (ms), per part.
    #[serde(with = "crate::pairs")]
    pub startup_ms: Vec<(String, u64)>,
}

impl TestbedInfo {
    /// Time to start (s): the steps of `startup_ms`, which follow each other, but for those that only a machine's first run
    /// has (finding, pulling and copying servers) and those of the proxies, which are the instrument's. `None` if none was
    /// timed.
    #[must_use]
    pub fn startup_s(&self) -> Option<f64> {
        let is_first = |step: &str| [" found", " pulled", " copied"].iter().any(|end| step.ends_with(end));
        let counts = |step: &str| !is_first(step) && !step.starts_with("Toxiproxy");
        let steps = self.startup_ms.iter().filter(|(step, _)| counts(step));
        steps
            .map(|(_, millis)| *millis as f64 / 1_000.0)
            .reduce(|sum, one| sum + one)
    }
}

/// The database's version and the settings that matter to the numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PostgresVersion {
    /// Such as `15.18`.
    pub version: String,
    /// Name and value as PostgreSQL shows them.
    #[serde(with = "crate::pairs")]
    pub settings: Vec<(String, String)>,
}

/// The broker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BrokerInfo {
    /// `kafka` or `redpanda`.
    pub kind: String,
    /// Its version.
    pub version: String,
}

/// The parts of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopologyInfo {
    /// Engine replicas.
    pub replicas: u32,
    /// Relay processes (event-driven).
    pub relays: u32,
    /// Worker processes.
    pub workers: u32,
    /// Partitions per topic (event-driven).
    pub partitions: u32,
    /// All other settings, for the page: name and value with unit.
    #[serde(with = "crate::pairs")]
    pub settings: Vec<(String, String)>,
}

/// What the generator did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadInfo {
    /// Arrivals of the plan.
    pub intended: u64,
    /// Arrivals whose call was made.
    pub sent: u64,
    /// Arrivals known to be accepted.
    pub accepted: u64,
    /// Arrivals known to be refused.
    pub rejected: u64,
    /// Arrivals without a known outcome.
    pub unknown: u64,
    /// accepted ÷ intended.
    pub achieved_ratio: f64,
    /// From intended to sent (ms).
    pub send_delay_ms: SendDelay,
    /// Share of arrivals sent more than 10 ms late; over 1 % the run is invalid.
    pub late_share: f64,
}

/// From intended to sent (ms).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct SendDelay {
    /// Median.
    pub p50: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Largest.
    pub max: f64,
}

/// One load phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhaseResult {
    /// Name in the scenario.
    pub name: String,
    /// Shape of its arrivals in words, such as `constant 200/s`.
    pub arrivals: String,
    /// Warm-up phases are excluded from the whole-run figures.
    pub warmup: bool,
    /// From the start of the load (s).
    pub start_s: f64,
    /// Length (s).
    pub duration_s: f64,
    /// Arrivals whose intended time lies in the phase.
    pub load: PhaseLoad,
    /// Jobs whose intended time lies in the phase.
    pub latency_ms: LatencySet,
    /// Over the phase.
    pub throughput: Throughput,
    /// Waits of the engine's backends during the phase.
    pub waits: Vec<WaitShare>,
    /// Waits for `job` rows ÷ active engine backends during the phase; `null` if no backend was seen active.
    pub lock_wait_share: Option<f64>,
    /// How that share came about; `null` if nobody looked, or the run is an old one.
    #[serde(default)]
    pub lock_looks: Option<LockLooks>,
    /// What piled up; `null` for a phase without arrivals of its own time, or without a history.
    #[serde(default)]
    pub backlog: Option<BacklogInfo>,
}

impl PhaseResult {
    /// How long the jobs of a prefill took, from the start of the load to the last of them (s). `None` for a timed phase, or if
    /// none was completed.
    #[must_use]
    pub fn drain_s(&self) -> Option<f64> {
        let rate = self.throughput.completed_per_s;
        let drained = self.duration_s <= 0.0 && rate > 0.0;
        drained.then(|| self.latency_ms.dispatch.count as f64 / rate)
    }
}

/// Arrivals of a phase.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PhaseLoad {
    /// Arrivals of the plan.
    pub intended: u64,
    /// Known to be accepted.
    pub accepted: u64,
    /// Intended arrivals per second.
    pub intended_per_s: f64,
}
