//! Folds the audit log into the states that the tables should show, and notes every transition that is not allowed.
//!
//! ```text
//!              JobScheduled                       JobRetried (attempt + 1)
//!   (none) ───────────────────▶ scheduled ◀──────────────────────────────┐
//!      │                            │ JobQueued                          │
//!      │       JobQueued            ▼               JobClaimed           │      JobCompleted
//!      └────────────────────────▶ queued ───────────────────────────▶ running ────────────────▶ completed
//!                                   ▲  ▲ JobReleased, JobLeaseExpired (attempt + 1) │
//!                      JobReplayed  │  └────────────────────────────────────────────┤ JobDeadLettered (also from queued)
//!                    (attempt + 1) └──────────── dead_letter ◀─────────────────────┘
//!                                                    └ JobDiscarded ─▶ discarded
//!   JobCancelled: from scheduled, queued and running to cancelled.
//! ```
//! Every event names the attempt that it concerns, which must be the current one. After a transition that is not
//! allowed the fold goes on from where the event leads, so that one oddity is told once.

use super::index::{InstanceIndex, JobIndex};
use crate::snapshot::{AuditEvent, AuditRow, InstanceState, JobState, Snapshot};

/// Most oddities that are kept; all are counted.
const ODDITIES_MAX: usize = 50;

/// The audit log, folded.
#[derive(Debug, Default)]
pub struct Replay {
    /// By the ledger's place of the job.
    pub jobs: Vec<JobReplay>,
    /// By the ledger's place of the instance.
    pub instances: Vec<InstanceReplay>,
    /// The first transitions that are not allowed.
    pub irregular: Vec<Irregular>,
    /// How many there are.
    pub irregular_count: u64,
    /// Leases that ran out.
    pub lease_expiries: u64,
    /// Jobs that were given back.
    pub releases: u64,
}

/// What the log says of a job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JobReplay {
    /// Where it should stand; `None` if the log does not know it.
    pub state: Option<JobState>,
    /// Its current attempt.
    pub attempt: u16,
    /// Completions: more than one is a double effect.
    pub completions: u16,
    /// Creations: more than one is a double effect. Promotion and bringing back are none.
    pub creations: u16,
}

/// What the log says of an instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InstanceReplay {
    /// Where it should stand; `None` if the log does not know it.
    pub state: Option<InstanceState>,
    /// Completions: more than one is a double effect.
    pub completions: u16,
}

/// A row of the log that does not follow from the rows before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Irregular {
    /// The row.
    pub row: AuditRow,
    /// What is wrong with it.
    pub oddity: Oddity,
}

/// Why a row does not follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oddity {
    /// The job was in this state and at this attempt.
    Job(Option<JobState>, u16),
    /// The instance was in this state.
    Instance(Option<InstanceState>),
    /// No table has the job.
    NoSuchJob,
    /// No table has the instance.
    NoSuchInstance,
    /// An event of a job without a job, or of an instance with one.
    Misplaced,
}

impl Replay {
    pub(super) fn fold(snapshot: &Snapshot, jobs: &JobIndex, instances: &InstanceIndex) -> Self {
        let mut replay = Self {
            jobs: vec![JobReplay::default(); jobs.ids().len()],
            instances: vec![InstanceReplay::default(); instances.ids().len()],
            ..Self::default()
        };
        for row in &snapshot.audit {
            replay.lease_expiries += u64::from(row.event == AuditEvent::JobLeaseExpired);
            replay.releases += u64::from(row.event == AuditEvent::JobReleased);
            let outcome = match row.job.id() {
                Some(job) => match jobs.position(job) {
                    Some(place) => replay.jobs[place].apply(row.event, row.attempt),
                    None => Err(Oddity::NoSuchJob),
                },
                None => match instances.position(row.instance) {
                    Some(place) => replay.instances[place].apply(row.event),
                    None => Err(Oddity::NoSuchInstance),
                },
            };
            if let Err(oddity) = outcome {
                replay.irregular_count += 1;
                if replay.irregular.len() < ODDITIES_MAX {
                    replay.irregular.push(Irregular { row: *row, oddity });
                }
            }
        }
        replay
    }
}

impl JobReplay {
    fn apply(&mut self, event: AuditEvent, attempt: u16) -> Result<(), Oddity> {
        use AuditEvent as E;
        use JobState as S;
        let before = (self.state, self.attempt);
        let (allowed, state, next_attempt) = match event {
            E::JobQueued => (matches!(self.state, None | Some(S::Scheduled)), S::Queued, attempt),
            E::JobScheduled => (self.state.is_none(), S::Scheduled, attempt),
            E::JobClaimed => (self.state == Some(S::Queued), S::Running, attempt),
            E::JobCompleted => (self.state == Some(S::Running), S::Completed, attempt),
            E::JobRetried => (self.state == Some(S::Running), S::Scheduled, attempt.saturating_add(1)),
            E::JobLeaseExpired => (self.state == Some(S::Running), S::Queued, attempt.saturating_add(1)),
            E::JobReleased => (self.state == Some(S::Running), S::Queued, attempt),
            E::JobDeadLettered => (
                matches!(self.state, Some(S::Queued | S::Running)),
                S::DeadLetter,
                attempt,
            ),
            E::JobReplayed => (self.state == Some(S::DeadLetter), S::Queued, attempt),
            E::JobDiscarded => (self.state == Some(S::DeadLetter), S::Discarded, attempt),
            E::JobCancelled => (
                matches!(self.state, Some(S::Scheduled | S::Queued | S::Running)),
                S::Cancelled,
                attempt,
            ),
            E::InstanceStarted
            | E::InstanceCompleted
            | E::InstanceFailed
            | E::InstanceResumed
            | E::InstanceCancelled => return Err(Oddity::Misplaced),
        };
        let attempt_allowed = match self.state {
            None => attempt == 1,
            // Brought back from the dead letters.
            Some(S::DeadLetter) if event == E::JobReplayed => attempt == self.attempt + 1,
            Some(_) => attempt == self.attempt,
        };
        let created = self.state.is_none() || (event == E::JobQueued && !allowed) || event == E::JobScheduled;
        self.creations += u16::from(created && matches!(event, E::JobQueued | E::JobScheduled));
        self.completions = self.completions.saturating_add(u16::from(event == E::JobCompleted));
        self.state = Some(state);
        self.attempt = next_attempt;
        if allowed && attempt_allowed {
            Ok(())
        } else {
            Err(Oddity::Job(before.0, before.1))
        }
    }
}

impl InstanceReplay {
    fn apply(&mut self, event: AuditEvent) -> Result<(), Oddity> {
        use InstanceState as S;
        let before = self.state;
        // A failed instance may still be cancelled.
        let open = matches!(before, Some(S::Running | S::Failed));
        let (allowed, to) = match event {
            AuditEvent::InstanceStarted => (before.is_none(), S::Running),
            AuditEvent::InstanceCompleted => (before == Some(S::Running), S::Completed),
            AuditEvent::InstanceFailed => (before == Some(S::Running), S::Failed),
            AuditEvent::InstanceResumed => (before == Some(S::Failed), S::Running),
            AuditEvent::InstanceCancelled => (open, S::Cancelled),
            _ => return Err(Oddity::Misplaced),
        };
        self.completions = self
            .completions
            .saturating_add(u16::from(event == AuditEvent::InstanceCompleted));
        self.state = Some(to);
        if allowed { Ok(()) } else { Err(Oddity::Instance(before)) }
    }
}
