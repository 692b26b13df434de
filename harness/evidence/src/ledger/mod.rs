//! The ledger: history and database brought together, so that every instance and every job has one account.
//!
//! ```text
//! instance:  intended ── sent ── created(0) ── answered                               (load, engine)
//! job:       created(step) ── claimed ── received ── started ── finished ── reported  (engine, worker; per attempt)
//! ```
//! It owns the bringing together and the questions that need no judgement: when was this job first started, which jobs
//! has this instance. It must not judge (`checks`) nor count (`measure`), and never drops what it can't explain.
//!
//! - Several `Sent` and `Answered` of one instance are repeats that settle an unknown outcome: the first `Sent` and the
//!   first `Done` or `Already` count.
//! - A commit is bracketed. Of a creation the ledger keeps the moment *before* it (the earliest, where there are
//!   several): latency counts from there. Of a claim it keeps the reply: it is an end, and its statement may have begun
//!   before the job that it found was created.
//! - A job that the history knows and the database does not is kept, without a row.
//! - Instances of the prefill (known by their number in the plan) are intended at the start of the load.
//!
//! Everything is in sorted vectors, some 300 bytes a job by the sizes of its types and no allocation per job. The history
//! is not in the memory at all: each pass reads its files again, and to build a ledger takes three.

mod build;
mod index;
mod job;
mod replay;
mod story;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crossover_proto::clock::MonotonicNs;
use crossover_proto::history::{HistoryFile, Record};
use crossover_proto::{InstanceId, JobId};
use serde::{Deserialize, Serialize};

use self::index::{InstanceIndex, JobIndex};
pub use self::job::{Act, Job, JobTimes, Moment};
pub use self::replay::{InstanceReplay, Irregular, JobReplay, Oddity, Replay};
use crate::downstream::PolicyCounts;
use crate::load::Workload;
use crate::plan::Plan;
use crate::snapshot::{DefinitionRow, InstanceRow, Snapshot, Topics};

/// How jobs reach workers: it decides the order of a job's hops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Claimed, then received.
    Polling,
    /// Received from the broker, then claimed (the batched `start` call).
    EventDriven,
}

/// All that a run left behind.
#[derive(Debug, Clone, Copy)]
pub struct RunEvidence<'a> {
    /// One file a process.
    pub history: &'a [HistoryFile],
    /// The database at the end.
    pub snapshot: &'a Snapshot,
    /// The broker at the end; `None` in polling mode, or if it could not be read.
    pub topics: Option<&'a Topics>,
    /// What was wanted.
    pub plan: &'a Plan,
    /// What it was wanted of: tells the delays of scheduled jobs.
    pub workload: &'a Workload,
    /// How jobs reached workers.
    pub mode: Mode,
    /// What the service that handlers call had counted at the end; `None` without one, or if it could not be asked.
    pub downstream: Option<&'a [PolicyCounts]>,
    /// Start of the load: offset 0 of the plan.
    pub origin: MonotonicNs,
    /// End of the load; `None` if the run died before it, and only its records tell how far it came.
    pub load_end: Option<MonotonicNs>,
}

impl<'a> RunEvidence<'a> {
    /// All records, process by process. They are not kept: each call passes over the files again, which takes a second where
    /// there are ten million.
    pub fn records(&self) -> impl Iterator<Item = Record> + use<'a> {
        self.history.iter().flat_map(HistoryFile::records)
    }
}

/// One workflow instance.
#[derive(Debug, Clone, Copy)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// Its number in the plan; `None` if the load never sent it.
    pub number: Option<u64>,
    /// Phase of its intended time.
    pub phase: u16,
    /// Inserted before the load started.
    pub prefilled: bool,
    /// When the plan wanted it; the start of the load for a prefilled one. Means nothing if never sent.
    pub intended: MonotonicNs,
    /// First send.
    pub sent: Option<MonotonicNs>,
    /// First answer that it was accepted.
    pub accepted: Option<MonotonicNs>,
    /// What its client knows.
    pub start: Start,
    /// Place of its row in the snapshot.
    row: Option<u32>,
    /// Place of its definition in the snapshot.
    definition: Option<u16>,
}

/// What a client knows of a start. Ordered by how much: more answers only ever raise it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Start {
    /// The load never sent it.
    NotSent,
    /// Sent, and no answer came.
    Unknown,
    /// Known to be refused.
    Rejected,
    /// Known to be accepted.
    Accepted,
}

/// The jobs of one step of one instance, as the engine committed them.
#[derive(Debug, Clone, Copy)]
struct Creation {
    instance: u32,
    step: u16,
    before: MonotonicNs,
}

/// Every instance and every job of a run.
#[derive(Debug)]
pub struct Ledger<'a> {
    evidence: RunEvidence<'a>,
    instances: Vec<Instance>,
    jobs: Vec<Job>,
    instance_index: InstanceIndex,
    job_index: JobIndex,
    /// Moments of job `i` are `moments[moment_starts[i]..moment_starts[i + 1]]`, by time.
    moment_starts: Vec<u32>,
    moments: Vec<Moment>,
    /// Jobs of instance `i` are `members[member_starts[i]..member_starts[i + 1]]`, by (step, ordinal, id).
    member_starts: Vec<u32>,
    members: Vec<u32>,
    /// By (instance, step, before).
    creations: Vec<Creation>,
    /// Per definition of the snapshot, step and ordinal; empty for a definition without delays.
    delays: Vec<Vec<Vec<Duration>>>,
    replay: Replay,
    end: MonotonicNs,
}

impl<'a> Ledger<'a> {
    /// What it was built from.
    #[must_use]
    pub fn evidence(&self) -> &RunEvidence<'a> {
        &self.evidence
    }

    /// All instances that anyone knows, by id.
    #[must_use]
    pub fn instances(&self) -> &[Instance] {
        &self.instances
    }

    /// All jobs that anyone knows, by id.
    #[must_use]
    pub fn jobs(&self) -> &[Job] {
        &self.jobs
    }

    /// What the audit log says, folded.
    #[must_use]
    pub fn replay(&self) -> &Replay {
        &self.replay
    }

    /// The last moment that any process recorded; the start of the load if none did.
    #[must_use]
    pub fn end(&self) -> MonotonicNs {
        self.end
    }

    /// Bytes of torn or damaged tails.
    #[must_use]
    pub fn dropped_bytes(&self) -> u64 {
        self.evidence.history.iter().map(|file| file.dropped_bytes as u64).sum()
    }

    /// Place of a job in [`Ledger::jobs`].
    #[must_use]
    pub fn job_position(&self, job: JobId) -> Option<usize> {
        self.job_index.position(job)
    }

    /// Place of an instance in [`Ledger::instances`].
    #[must_use]
    pub fn instance_position(&self, instance: InstanceId) -> Option<usize> {
        self.instance_index.position(instance)
    }

    /// What the history says of a job, by time.
    #[must_use]
    pub fn moments(&self, job: usize) -> &[Moment] {
        &self.moments[self.moment_starts[job] as usize..self.moment_starts[job + 1] as usize]
    }

    /// The firsts of a job.
    #[must_use]
    pub fn times(&self, job: usize) -> JobTimes {
        JobTimes::of(self.moments(job))
    }

    /// Places of an instance's jobs, by (step, ordinal, id).
    #[must_use]
    pub fn members(&self, instance: usize) -> &[u32] {
        &self.members[self.member_starts[instance] as usize..self.member_starts[instance + 1] as usize]
    }

    /// The instance of a job.
    #[must_use]
    pub fn instance_of(&self, job: usize) -> &Instance {
        &self.instances[self.jobs[job].instance as usize]
    }

    /// An instance's row; `None` if the database does not know it.
    #[must_use]
    pub fn row(&self, instance: &Instance) -> Option<&'a InstanceRow> {
        instance
            .row
            .and_then(|row| self.evidence.snapshot.instances.get(row as usize))
    }

    /// An instance's definition, as registered.
    #[must_use]
    pub fn definition(&self, instance: &Instance) -> Option<&'a DefinitionRow> {
        instance
            .definition
            .and_then(|place| self.evidence.snapshot.definitions.get(usize::from(place)))
    }

    /// The moment before the commit that created a step's jobs; `None` if no engine lived to record it.
    #[must_use]
    pub fn created(&self, instance: usize, step: u16) -> Option<MonotonicNs> {
        let instance = u32::try_from(instance).ok()?;
        let key = |creation: &Creation| (creation.instance, creation.step);
        let first = self
            .creations
            .partition_point(|creation| key(creation) < (instance, step));
        self.creations
            .get(first)
            .filter(|creation| key(creation) == (instance, step))
            .map(|creation| creation.before)
    }

    /// How long the definition makes a job wait after its step starts.
    #[must_use]
    pub fn delay(&self, job: usize) -> Duration {
        let Job { step, ordinal, .. } = self.jobs[job];
        let delays = self
            .instance_of(job)
            .definition
            .and_then(|place| self.delays.get(usize::from(place)));
        let of_step = delays.and_then(|steps| steps.get(usize::from(step)));
        of_step
            .and_then(|jobs| jobs.get(usize::from(ordinal)))
            .copied()
            .unwrap_or_default()
    }

    /// Of each job whose record the topics hold, by place: place of the first one's partition in [`Topics::partitions`].
    /// Nothing if the topics were not read.
    pub(crate) fn first_partitions(&self) -> impl Iterator<Item = (usize, u32)> {
        let records = self.evidence.topics.map_or(&[][..], |topics| &topics.records);
        let mut first = vec![None; if records.is_empty() { 0 } else { self.jobs.len() }];
        for record in records {
            if let Some(job) = record.carries.and_then(|carried| self.job_position(carried.job)) {
                first[job].get_or_insert(record.partition);
            }
        }
        let of_job = |(job, partition): (usize, Option<u32>)| Some((job, partition?));
        first.into_iter().enumerate().filter_map(of_job)
    }

    /// From the start of the load to `moment` (µs); 0 for a moment before it.
    #[must_use]
    pub fn offset_us(&self, moment: MonotonicNs) -> u64 {
        moment.0.saturating_sub(self.evidence.origin.0) / 1_000
    }
}
