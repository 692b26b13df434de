//! What was judged: faults, the ledger's counts, checks and claims.

use serde::{Deserialize, Serialize};

/// One fault.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
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
    /// Whether it came back to normal; `null` if there was no calm time before it to compare with.
    #[serde(default)]
    pub recovered: Option<bool>,
    /// What was hit, such as `worker-2` of `worker:any`; `null` if nothing was there to be hit.
    #[serde(default)]
    pub hit: Option<String>,
    /// From injection until latency or backlog first left what they were before (s): whole seconds, rounded up.
    #[serde(default)]
    pub signal_s: Option<f64>,
    /// Of a fault on the leading relay: from injection to the first row that another one picked up (s).
    #[serde(default)]
    pub take_over_s: Option<f64>,
    /// Arrivals whose intended time lies between injection and healing.
    #[serde(default)]
    pub starts_intended: u64,
    /// Those of them that were answered as accepted within a second of that time, and before the healing.
    #[serde(default)]
    pub starts_accepted: u64,
    /// What could not be done between its injection and the next one's: operations that had no such time are left out.
    #[serde(default)]
    pub unavailable: Vec<Unavailability>,
    /// Longest time in between in which no job of a consumer group was begun though records lay in its topic (s); `null` in
    /// polling mode.
    #[serde(default)]
    pub pause_s: Option<f64>,
    /// The same of one partition, while its group may have gone on (s): what a rebalance costs those who wait for it.
    #[serde(default)]
    pub partition_pause_s: Option<f64>,
}

/// When an operation was called and no call succeeded, for a second or longer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Unavailability {
    /// `start`, `begin` or `complete`.
    pub name: String,
    /// How often.
    pub windows: u64,
    /// The longest (s).
    pub longest_s: f64,
    /// All together (s).
    pub total_s: f64,
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
    /// Records of an outbox row beyond its first; `null` if the topics were not read.
    pub duplicate_records: Option<u64>,
    /// Outbox rows of a job's attempt beyond its first: dispatched again because its record seemed lost, or given back.
    #[serde(default)]
    pub redispatches: u64,
    /// Records behind a record of a later epoch in their partition: a relay went on sending after another had begun to; `null`
    /// if the topics were not read.
    #[serde(default)]
    pub superseded_records: Option<u64>,
    /// The same job handled to success more than once.
    pub duplicate_executions: u64,
    /// More than one completed transition, or next-step set, per job: must be 0; `null` where it could not be checked.
    pub double_effects: Option<u64>,
    /// First receipts within (instance, job type) against the order of dispatch (polling: of creation).
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

impl ClaimVerdict {
    /// The higher, the graver: of several findings on one thing the gravest speaks, so what is open does not hide behind what
    /// holds.
    #[must_use]
    pub fn gravity(self) -> u8 {
        match self {
            Self::Supported => 0,
            Self::NotSettled => 1,
            Self::Refuted => 2,
        }
    }
}
