//! `result.json`: the contract of a finished run. Versioned; units in the keys.

use serde::{Deserialize, Serialize};

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
    /// Event-driven mode only.
    pub lag: Vec<LagInfo>,
    /// Faults injected, in order.
    pub faults: Vec<FaultInfo>,
    /// What became of every job.
    pub ledger: LedgerInfo,
    /// Each check with its verdict and its story.
    pub checks: Vec<Check>,
    /// CPU, memory per process over the run.
    pub processes: Vec<ProcessCost>,
    /// What the instrument itself cost and where it is weak.
    pub instrument: InstrumentInfo,
    /// Hypotheses of the scenario, and claims of the seed that this run touches.
    pub claims: Vec<Claim>,
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
    /// Time from launch to the first answer (ms), per part.
    #[serde(with = "crate::pairs")]
    pub startup_ms: Vec<(String, u64)>,
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

/// Latencies of the contract.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LatencySet {
    /// From the intended start of a first-step job, or before the commit that created a later one, to the handler's start.
    pub dispatch: Percentiles,
    /// The same from the moment of sending: where it is shorter, the generator was late.
    pub dispatch_from_send: Percentiles,
    /// From the intended start of an instance to the answer to its last job's completion.
    pub completion: Percentiles,
    /// Each hop of a job, in the order of its life.
    pub hops: Vec<Hop>,
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

/// PostgreSQL over the run, warm-up excluded.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PostgresInfo {
    /// By share, largest first.
    pub waits: Vec<WaitShare>,
    /// Engine backends waiting for `job` rows ÷ active engine backends; `null` if none was seen active.
    pub lock_wait_share: Option<f64>,
    /// Lock waits for other things ÷ active engine backends: advisory, instance rows, relation, extension, other.
    #[serde(with = "crate::pairs")]
    pub other_lock_wait_shares: Vec<(String, f64)>,
    /// Samples that were taken.
    pub samples: u64,
    /// Largest number of dead tuples in `job`.
    pub dead_tuples_max: u64,
    /// Most connections of the engine at once.
    pub connections_max: u32,
}

/// A wait and its share of the active engine backends. `CPU` stands for "active and not waiting".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WaitShare {
    /// `wait_event_type`.
    #[serde(rename = "type")]
    pub wait_type: String,
    /// `wait_event`.
    pub event: String,
    /// For row locks: the table.
    pub relation: Option<String>,
    /// Tag of the statement, such as `claim`.
    pub statement: String,
    /// 0 to 1.
    pub share: f64,
}

/// The outbox over the run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OutboxInfo {
    /// Most unsent rows.
    pub backlog_max: u64,
    /// Unsent rows at the end.
    pub backlog_end: u64,
    /// From the end of the load to an empty outbox (s).
    pub drain_s: Option<f64>,
}

/// Consumer lag.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LagInfo {
    /// Consumer group.
    pub group: String,
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Largest (records).
    pub max: u64,
    /// At the end (records).
    pub end: u64,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultInfo {
    /// Such as `kill`.
    pub kind: String,
    /// Such as `worker:1`.
    pub target: String,
    /// From the start of the load (s).
    pub injected_s: f64,
    /// From the start of the load (s).
    pub healed_s: Option<f64>,
    /// Was its effect seen?
    pub took_effect: bool,
    /// From injection until latency was back within 2× of before and the backlog drained (s).
    pub recovery_s: Option<f64>,
}

/// What became of every job. Instances are counted in `instances_*`, jobs in the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LedgerInfo {
    /// Instances known to be accepted.
    pub instances_accepted: u64,
    /// Jobs that the accepted instances created.
    pub accepted: u64,
    /// Jobs completed.
    pub completed: u64,
    /// Jobs that ended as dead letters.
    pub dead_lettered: u64,
    /// Jobs cancelled.
    pub cancelled: u64,
    /// Jobs still waiting or running at the end.
    pub unfinished: u64,
    /// Accepted instances or due jobs that the database does not know, or that finished without their work done; `null`
    /// where it could not be checked.
    pub lost: Option<u64>,
    /// Starts whose outcome is still unknown.
    pub unknown: u64,
    /// The same message more than once in the topic.
    pub duplicate_records: u64,
    /// The same job handled to success more than once.
    pub duplicate_executions: u64,
    /// More than one completed transition, or next-step set, per job: must be 0; `null` where it could not be checked.
    pub double_effects: Option<u64>,
    /// First receipts within (instance, job type) against the order of creation.
    pub order_violations: u64,
    /// First starts per job type against the order of creation, whole deployment.
    pub fifo_inversions: u64,
    /// Late completions that the engine refused.
    pub stale_completions: u64,
}

/// A check's outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It held.
    Pass,
    /// It did not.
    Fail,
    /// The evidence does not tell.
    Unknown,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Such as `nothing-lost`.
    pub name: String,
    /// Its outcome.
    pub verdict: Verdict,
    /// One sentence with the numbers.
    pub detail: String,
    /// For a failure: the story of a few counter-examples, a line a checkpoint.
    #[serde(default)]
    pub story: Vec<String>,
}

/// Cost of one process, or of a server with its children.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessCost {
    /// Such as `replica-1` or `postgres`.
    pub name: String,
    /// CPU time over the run (s).
    pub cpu_s: f64,
    /// CPU time ÷ wall time, in cores.
    pub cpu_cores_mean: f64,
    /// Largest resident memory (MiB).
    pub memory_mb_max: f64,
}

/// The instrument on itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct InstrumentInfo {
    /// Cost of recording one event (ns), measured on this machine at the start.
    pub record_ns: Option<f64>,
    /// Records read.
    pub records: u64,
    /// Bytes of torn or damaged tails.
    pub dropped_bytes: u64,
    /// Median time of one sampler query (ms).
    pub sampler_query_ms_p50: Option<f64>,
    /// Samples per second that were reached.
    pub sampler_hz: Option<f64>,
    /// Busy share of the machine's processors, mean over the load.
    pub host_cpu_share: Option<f64>,
    /// What was not measured, a sentence each.
    pub not_measured: Vec<String>,
}

/// What a run says of a claim of the seed, or of a hypothesis of the scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// Such as `C04`, or `hypothesis`.
    pub id: String,
    /// The claim in a few words.
    pub text: String,
    /// `supported`, `refuted` or `not settled`.
    pub verdict: ClaimVerdict,
    /// The number that says so.
    pub evidence: String,
}

/// What a run says of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimVerdict {
    /// The run agrees with it.
    Supported,
    /// The run contradicts it.
    Refuted,
    /// The run does not tell.
    NotSettled,
}
