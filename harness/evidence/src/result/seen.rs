//! What samplers saw: PostgreSQL's waits, outbox, lag, what each part costs, and the instrument itself.

use serde::{Deserialize, Serialize};

use super::latency::Percentiles;

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

/// The looks behind a share of waits for `job` rows: how many there were, and whether the waits lasted.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LockLooks {
    /// Looks that saw an active engine backend.
    pub with_active: u64,
    /// Backends waiting for `job` rows ÷ active ones, of each second in which one was seen active, in order.
    pub shares_by_second: Vec<f64>,
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
    /// From the end of the load to the first look from which on the outbox stayed empty (s); `null` if it did not.
    pub drain_s: Option<f64>,
    /// Longest that a row was seen waiting (ms).
    #[serde(default)]
    pub oldest_ms_max: u64,
    /// Relays that had the lead taken while they held the leader's lock, and compete no more: the lock is misconfigured.
    #[serde(default)]
    pub relays_superseded: u64,
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
    /// Largest that was seen (records).
    pub max: u64,
    /// At the end (records): of the topics as they were read, else of the last look.
    pub end: u64,
}

/// The service that handlers call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DownstreamInfo {
    /// One per policy under which handlers of the workload call it.
    pub policies: Vec<DownstreamPolicy>,
}

/// Calls under one policy, as the service counted them over the whole run, and the jobs that made them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DownstreamPolicy {
    /// Such as `naive`.
    pub name: String,
    /// Requests that reached it.
    pub requests: u64,
    /// Those that came while it was sick.
    pub requests_while_sick: u64,
    /// Those ÷ the requests under all policies while it was sick; `null` if none came, or it never was.
    pub share_while_sick: Option<f64>,
    /// Served in its usual time.
    pub ok: u64,
    /// Served, and late because it was sick.
    pub slow: u64,
    /// Refused because it was full.
    pub refused: u64,
    /// Failed because it was sick.
    pub failed: u64,
    /// Left by the caller before there was an answer.
    pub abandoned: u64,
    /// Jobs whose handlers call under the policy.
    pub jobs: u64,
    /// Those completed.
    pub completed: u64,
    /// Those that ended as dead letters.
    pub dead_lettered: u64,
    /// Those still waiting or running at the end.
    pub unfinished: u64,
    /// Requests ÷ jobs.
    pub requests_per_job: Option<f64>,
    /// From the intended start of an instance to the completion of each of these jobs; dead letters have none.
    pub completion_ms: Percentiles,
}

/// How evenly the records of one topic are spread over its partitions.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TopicSkew {
    /// The topic.
    pub name: String,
    /// The partition with the most records.
    pub busiest: i32,
    /// Its records.
    pub records_max: u64,
    /// Records of a partition, mean over all of them.
    pub records_mean: f64,
    /// `records_max` ÷ `records_mean`: 1 where all have the same.
    pub imbalance: f64,
    /// Largest lag of the busiest (records); `null` if nobody looked.
    pub lag_max_busiest: Option<u64>,
    /// Largest lag of any other (records); `null` if nobody looked.
    pub lag_max_others: Option<u64>,
    /// Dispatch of the jobs on the busiest (ms), warm-up excluded.
    pub dispatch_busiest_ms: Percentiles,
    /// Dispatch of the jobs on all others (ms), warm-up excluded.
    pub dispatch_others_ms: Percentiles,
}

/// Jobs in partitions that got records which no worker can read, or that the broker refuses for good, while it did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Neighbours {
    /// Partitions that were hit.
    pub partitions: u64,
    /// Dispatch of the jobs in them that were not refused (ms).
    pub latency_ms: Percentiles,
    /// Dispatch of the jobs of the same types, at the same time of the control run (ms); `null` without one that can be used.
    pub control_ms: Option<Percentiles>,
    /// p99 here ÷ p99 there; `null` if either is not known, or of too few jobs.
    pub p99_ratio: Option<f64>,
    /// Why there is no ratio though there is a control run.
    #[serde(default)]
    pub control_doubt: Option<String>,
}

/// When consumer groups stood still: no job was begun for a quarter of a second or longer though records lay in the topic.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct GroupPauses {
    /// The longest of any group (s).
    pub longest_s: f64,
    /// Of all groups together (s).
    pub total_s: f64,
    /// The longest of any partition, while its group may have gone on (s).
    pub partition_longest_s: f64,
    /// Of all partitions together (s): partition-seconds in which somebody waited and nothing was begun.
    #[serde(default)]
    pub partition_total_s: f64,
    /// Each group.
    pub groups: Vec<GroupPause>,
}

/// When one group stood still.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct GroupPause {
    /// The group.
    pub name: String,
    /// How often.
    pub pauses: u64,
    /// The longest (s).
    pub longest_s: f64,
    /// All together (s).
    pub total_s: f64,
    /// The longest of any of its partitions (s).
    pub partition_longest_s: f64,
    /// Of all of its partitions together (s).
    #[serde(default)]
    pub partition_total_s: f64,
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

impl ProcessCost {
    /// Does it belong to the instrument? The generator and the proxies are no part of the system.
    #[must_use]
    pub fn is_instrument(&self) -> bool {
        is_instrument(&self.name)
    }
}

/// Does a process of this name belong to the instrument, and not to the system? What servers do for its looks is still theirs.
#[must_use]
pub fn is_instrument(process: &str) -> bool {
    ["harness", "toxiproxy"].iter().any(|start| process.starts_with(start))
}

/// What the system costs at rest: in phases without arrivals, once the work before them is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IdleInfo {
    /// How long it was looked at (s).
    pub seconds: f64,
    /// One per part that was there.
    pub parts: Vec<IdlePart>,
}

/// What one part costs at rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IdlePart {
    /// Such as `replica-1` or `postgres`.
    pub name: String,
    /// CPU time ÷ time, in cores.
    pub cpu_cores: f64,
    /// Largest resident memory (MiB).
    pub memory_mb: f64,
    /// Largest size of its files (MiB); `null` for a part without any.
    pub disk_mb: Option<f64>,
}

/// The instrument on itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct InstrumentInfo {
    /// Cost of recording one event (ns), measured on this machine at the start.
    pub record_ns: Option<f64>,
    /// Is the generator's thread a real-time one, before all others? `null` in runs from before it was noted.
    #[serde(default)]
    pub generator_realtime: Option<bool>,
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
