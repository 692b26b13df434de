//! What the database says at the end of a run: the rows that the ledger reconciles with the history.

use crossover_proto::{InstanceId, JobId};
use serde::{Deserialize, Serialize};

/// All instances, jobs and audit rows of a run's database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Definitions, by their id in the database.
    pub definitions: Vec<DefinitionRow>,
    /// One a workflow instance.
    pub instances: Vec<InstanceRow>,
    /// One a job.
    pub jobs: Vec<JobRow>,
    /// In the order of their ids, which is the order of the transitions of any one job or instance.
    pub audit: Vec<AuditRow>,
    /// In the order of their ids; empty in polling mode.
    pub outbox: Vec<OutboxRow>,
}

impl Snapshot {
    /// Place of an outbox row, by its id.
    #[must_use]
    pub fn outbox_place(&self, id: i64) -> Option<usize> {
        self.outbox.binary_search_by_key(&id, |row| row.id).ok()
    }
}

/// One dispatch of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its id: within one instance, ids follow the order of commits.
    pub id: i64,
    /// The job.
    pub job: JobId,
    /// The attempt that it dispatches.
    pub attempt: u16,
    /// Was its settlement noted?
    pub sent: bool,
    /// Partition and offset of its record; `None` if it is still to be sent, or was refused by the broker for good.
    pub record: Option<(i32, i64)>,
}

/// What the broker holds at the end of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topics {
    /// One per topic and partition.
    pub partitions: Vec<PartitionEnd>,
    /// In the order of partition and offset.
    pub records: Vec<TopicRecord>,
}

/// A partition at the end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionEnd {
    /// The consumer group that should have read it.
    pub group: String,
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// The first offset that it still holds.
    pub low: i64,
    /// The offset after its last record.
    pub high: i64,
    /// The group's committed offset; `None` if it never committed one.
    pub committed: Option<i64>,
}

impl PartitionEnd {
    /// Records that the group has not read: all that the partition holds, if it committed nothing.
    #[must_use]
    pub fn behind(&self) -> u64 {
        let reached = self.committed.unwrap_or(self.low).max(self.low);
        u64::try_from(self.high - reached).unwrap_or(0)
    }
}

/// A record of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicRecord {
    /// Place of its partition in [`Topics::partitions`].
    pub partition: u32,
    /// Its offset.
    pub offset: i64,
    /// What it carries; `None` if it can't be read.
    pub carries: Option<Carried>,
}

/// What a readable record carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Carried {
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub attempt: u16,
    /// The outbox row; 0 if the record has no relay's stamp.
    pub outbox: i64,
    /// The epoch of the relay that sent it.
    pub epoch: i64,
}

/// A registered definition: how many jobs each step starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionRow {
    /// Id in the database.
    pub id: i64,
    /// Name.
    pub name: String,
    /// Jobs per step.
    pub step_widths: Vec<u32>,
}

/// A workflow instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstanceRow {
    /// Its id.
    pub id: InstanceId,
    /// Its definition.
    pub definition: i64,
    /// Where it stands.
    pub state: InstanceState,
    /// Current step, from 0.
    pub step: u16,
    /// Jobs of the current step that have not completed.
    pub remaining: u32,
}

/// A job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobRow {
    /// Its id: within one instance, ids follow the order of creation.
    pub id: JobId,
    /// Its instance.
    pub instance: InstanceId,
    /// Index into a table of job types that the reader of the database keeps.
    pub job_type: u16,
    /// Step, from 0.
    pub step: u16,
    /// Place within the step, from 0.
    pub ordinal: u16,
    /// Where it stands.
    pub state: JobState,
    /// Current attempt, from 1.
    pub attempt: u16,
}

/// One transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditRow {
    /// Its instance.
    pub instance: InstanceId,
    /// Its job; none for transitions of the instance.
    pub job: AuditedJob,
    /// The job's attempt that the transition concerns; 0 for the instance.
    pub attempt: u16,
    /// What happened.
    pub event: AuditEvent,
}

/// A job, or none, in eight bytes: an `Option` takes sixteen, and a run of a million jobs has five million rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditedJob(i64);

impl AuditedJob {
    /// Ids are drawn from 1.
    const NONE: i64 = 0;

    /// The job.
    #[must_use]
    pub fn id(self) -> Option<JobId> {
        (self.0 != Self::NONE).then_some(JobId(self.0))
    }
}

impl From<Option<JobId>> for AuditedJob {
    fn from(job: Option<JobId>) -> Self {
        Self(job.map_or(Self::NONE, |job| job.0))
    }
}

/// States of an instance. Names as in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// Some step is under way.
    Running,
    /// All steps are done.
    Completed,
    /// A job of it is a dead letter.
    Failed,
    /// Cancelled by a client.
    Cancelled,
}

/// States of a job. Names as in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Waits for its `run_at`.
    Scheduled,
    /// Ready to be claimed.
    Queued,
    /// Under a lease.
    Running,
    /// Done.
    Completed,
    /// Failed for good.
    DeadLetter,
    /// Its instance was cancelled.
    Cancelled,
    /// A dead letter that was given up for good.
    Discarded,
}

/// Transitions in the audit log. Names as in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditEvent {
    /// Instance: created, running, step 0.
    InstanceStarted,
    /// Instance: all steps done.
    InstanceCompleted,
    /// Instance: a job became a dead letter.
    InstanceFailed,
    /// Instance: its last dead letter was brought back; it runs again.
    InstanceResumed,
    /// Instance: cancelled.
    InstanceCancelled,
    /// Job: created (or promoted, or brought back), ready to be claimed.
    JobQueued,
    /// Job: created with, or sent back to wait for, a later `run_at`.
    JobScheduled,
    /// Job: claimed under a lease.
    JobClaimed,
    /// Job: completed.
    JobCompleted,
    /// Job: the attempt failed; the next one is scheduled.
    JobRetried,
    /// Job: the lease ran out; queued again with the next attempt.
    JobLeaseExpired,
    /// Job: given back unfinished, same attempt.
    JobReleased,
    /// Job: failed for good.
    JobDeadLettered,
    /// Job: brought back from the dead letters; queued, with this (the next) attempt.
    JobReplayed,
    /// Job: a dead letter given up for good.
    JobDiscarded,
    /// Job: cancelled with its instance.
    JobCancelled,
}
